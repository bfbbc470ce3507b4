"""The rules by which an HTTP exchange becomes a typed error."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from toolkit._http import HttpFailure
from toolkit._redact import Secret
from toolkit.errors import ProviderError, RateLimitError
from toolkit.providers._errors import error_from_body, error_from_http_failure, error_from_response


def error_of(
    status: int, body: Any = "", headers: dict[str, str] | None = None, *, key_variable: str | None = "ACME_API_KEY"
) -> ProviderError:
    """The error of one answer."""
    text = body if isinstance(body, str) else json.dumps(body)
    return error_from_response(status, headers or {}, text, provider="acme", model="m-1", key_variable=key_variable)


def said(message: str = "No.", **fields: Any) -> dict[str, Any]:
    """An error body of OpenAI's shape."""
    return {"error": {"message": message, **fields}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "class_name", "retryable"),
    [
        (400, said(), "bad_request", "BadRequestError", False),
        (401, said(), "auth", "AuthenticationError", False),
        (402, said("Insufficient Balance"), "quota", "QuotaError", False),
        (403, said(), "auth", "AuthenticationError", False),
        (404, said(code="model_not_found"), "not_found", "ModelNotFoundError", False),
        (404, "<html>nginx</html>", "not_found", "ModelNotFoundError", False),
        (408, "", "timeout", "ProviderTimeoutError", True),
        (409, said(), "server", "ProviderServerError", True),
        (413, "", "too_large", "BadRequestError", False),
        (418, "", "bad_request", "BadRequestError", False),
        (422, {"detail": [{"loc": ["body", "n"], "msg": "Extra"}]}, "bad_request", "BadRequestError", False),
        (425, "", "server", "ProviderServerError", True),
        (429, said(type="tokens", code="rate_limit_exceeded"), "rate_limit", "RateLimitError", True),
        (429, "slow down", "rate_limit", "RateLimitError", True),
        (431, "", "too_large", "BadRequestError", False),
        (500, said(), "server", "ProviderServerError", True),
        (501, "", "bad_request", "BadRequestError", False),
        (502, "<html>", "server", "ProviderServerError", True),
        (503, "", "server", "ProviderServerError", True),
        (504, "", "server", "ProviderServerError", True),
        (520, "", "server", "ProviderServerError", True),
        (524, "", "server", "ProviderServerError", True),
        (529, said(type="overloaded_error"), "overloaded", "ProviderServerError", True),
        (503, said(type="overloaded_error"), "overloaded", "ProviderServerError", True),
        (301, "", "redirect", "InvalidResponseError", False),
        (307, "", "redirect", "InvalidResponseError", False),
    ],
)
def test_status_decides_the_kind(status: int, body: Any, kind: str, class_name: str, retryable: bool) -> None:
    """Every status has one kind, one class, and one answer to whether a retry can help."""
    error = error_of(status, body)
    assert (error.kind, type(error).__name__, error.retryable) == (kind, class_name, retryable)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, said(code="insufficient_quota"), "quota"),
        (429, said(type="insufficient_quota", code=None), "quota"),
        (429, said(code="billing_hard_limit_reached"), "quota"),
        (403, said(type="access_terminated"), "quota"),
        (400, said("Your credit balance is too low to access the API."), "quota"),
        (400, said(code="context_length_exceeded"), "context_length"),
        (400, said("This model's maximum context length is 8192 tokens."), "context_length"),
        (400, said("prompt is too long: 210000 tokens > 200000 maximum"), "context_length"),
        (400, said(type="exceed_context_size_error"), "context_length"),
        (413, said(code="context_length_exceeded"), "context_length"),
        (400, said(code="content_filter"), "content_filter"),
        (400, said(code=None, innererror={"code": "ResponsibleAIPolicyViolation"}), "content_filter"),
        (400, said("Your request was rejected by our safety system."), "content_filter"),
        (400, [said("API key not valid. Please pass a valid API key.", status="INVALID_ARGUMENT")], "auth"),
        (400, said("Incorrect API key provided: xa***12."), "auth"),
        (400, said("The model `gpt-9` does not exist"), "not_found"),
        (400, said("Unsupported value: 'temperature'", param="temperature", code="unsupported_value"), "bad_request"),
        (500, said(code="insufficient_quota"), "quota"),
        (401, said(type="requests"), "auth"),
    ],
)
def test_body_sharpens_the_status(status: int, body: Any, kind: str) -> None:
    """A code or sentence that says more than the status decides; it never softens a refused credential."""
    assert error_of(status, body).kind == kind


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "In a map."}}, "In a map."),
        ({"error": "As a sentence."}, "As a sentence."),
        ({"message": "At the top."}, "At the top."),
        ({"detail": "In detail."}, "In detail."),
        ({"type": "error", "error": {"type": "invalid_request_error", "message": "Anthropic's."}}, "Anthropic's."),
        ([{"error": {"code": 400, "message": "In a list.", "status": "INVALID_ARGUMENT"}}], "In a list."),
        ({"detail": [{"loc": ["body"], "msg": "Extra inputs."}]}, "Extra inputs."),
        ({"object": "error", "message": {"detail": [{"msg": "Nested."}]}, "type": "x"}, "Nested."),
        ({"error": {"message": "", "code": None}}, "code"),
        ("plain words", "plain words"),
        ('{"error": ', "error"),
    ],
)
def test_providers_own_words_are_kept(body: Any, words: str) -> None:
    """The message holds the provider's own sentence, whichever of the usual shapes the body has."""
    assert words in str(error_of(400, body))


def test_message_names_what_when_and_next() -> None:
    """A message names the provider, the model and the status, quotes the provider, and says what to do."""
    assert str(error_of(401, said("Bad key."))) == (
        "'acme' refused the credential (model 'm-1', HTTP 401): Bad key. "
        "Check the environment variable ACME_API_KEY: is it set, current, and for this host?"
    )


def test_words_are_one_line_and_short() -> None:
    """The provider's words are one line of at most 300 characters."""
    message = str(error_of(400, said("line\n" * 1000)))
    assert "\n" not in message
    assert len(message) < 500


def test_parameter_is_named() -> None:
    """A refused parameter is named even when the sentence leaves it out."""
    assert "'temperature'" in str(error_of(400, said("Unsupported value.", param="temperature")))


def test_key_in_a_body_is_masked() -> None:
    """A key that the provider echoes is masked, by its shape or because it is known."""
    key = Secret("planted-credential-77")
    message = str(error_of(401, said(f"Incorrect API key provided: {key.reveal()} or sk-abcdefgh12345678.")))
    assert "planted" not in message
    assert "sk-" not in message
    assert message.count("****") == 2


@pytest.mark.parametrize(
    ("status", "hint", "retryable"),
    [(400, "true", True), (500, "false", False), (429, "False", False), (400, "?", False)],
)
def test_should_retry_header_is_obeyed(status: int, hint: str, retryable: bool) -> None:
    """`x-should-retry` overrules the table in both directions; anything but true or false says nothing."""
    assert error_of(status, "", {"x-should-retry": hint}).retryable is retryable


@pytest.mark.parametrize(
    ("status", "seconds"), [(429, 9.0), (503, 9.0), (529, 9.0), (500, None), (502, None), (409, None)]
)
def test_wait_is_read_where_it_is_asked_for(status: int, seconds: float | None) -> None:
    """A wait is taken from a 429, 503 or 529 and from no other status."""
    error = error_of(status, "", {"retry-after": "9"})
    assert isinstance(error, RateLimitError)
    assert error.retry_after_s == seconds


def test_googles_wait_in_the_body_is_read() -> None:
    """`retryDelay` in the details of Google's errors is a wait too."""
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]
    error = error_of(429, [{"error": {"code": 429, "message": "Quota.", "details": details}}])
    assert isinstance(error, RateLimitError)
    assert error.retry_after_s == 34.0


@pytest.mark.parametrize("header", ["x-request-id", "request-id", "cf-ray"])
def test_request_id_is_kept(header: str) -> None:
    """The provider's id of the exchange is kept, whichever header carries it."""
    assert error_of(500, "", {header: "abc"}).request_id == "abc"


@pytest.mark.parametrize(("status", "billed"), [(504, True), (524, True), (500, False), (429, False), (401, False)])
def test_answer_of_a_gateway_may_be_billed(status: int, billed: bool) -> None:
    """Only where a gateway gave up on the provider may the call have been charged."""
    assert error_of(status).possibly_billed is billed


@pytest.mark.parametrize(
    ("inner", "kind", "status"),
    [
        ({"code": 429, "message": "Rate limited upstream"}, "rate_limit", 429),
        ({"code": "502", "message": "Bad gateway"}, "server", 502),
        ({"type": "overloaded_error", "message": "Overloaded"}, "overloaded", 200),
        ({"code": "insufficient_quota"}, "quota", 200),
        ({"code": "rate_limit_exceeded", "message": "Slow"}, "rate_limit", 200),
        ({"type": "invalid_request_error", "message": "No."}, "bad_request", 200),
        ({"code": "context_length_exceeded"}, "context_length", 200),
        ({"code": "something_new", "message": "?"}, "server", 200),
        ("just words", "server", 200),
    ],
)
def test_error_inside_a_200_is_typed_by_its_code(inner: Any, kind: str, status: int) -> None:
    """An error under a 200 is typed by its own code; an unknown one is the server's failure."""
    error = error_from_body(inner, status=200, headers={}, provider="acme", model="m-1")
    assert (error.kind, error.status) == (kind, status)


def test_error_in_a_stream_keeps_what_had_come() -> None:
    """An error in the middle of a stream keeps the partial text and may have been charged."""
    error = error_from_body({"code": 500}, status=200, headers={}, provider="acme", model="m-1", partial="Once upon")
    assert (error.partial, error.possibly_billed) == ("Once upon", True)


@pytest.mark.parametrize(
    ("failure_kind", "kind", "class_name", "retryable"),
    [
        ("timeout", "timeout", "ProviderTimeoutError", True),
        ("connect", "connect", "ProviderConnectionError", True),
        ("dns", "dns", "ProviderConnectionError", True),
        ("tls", "tls", "ProviderConnectionError", False),
        ("connection", "connection", "ProviderConnectionError", True),
        ("too_large", "too_large", "InvalidResponseError", False),
        ("malformed", "malformed_response", "InvalidResponseError", True),
    ],
)
def test_failure_without_an_answer_is_typed(failure_kind: Any, kind: str, class_name: str, retryable: bool) -> None:
    """An exchange without a whole answer has a kind, a class, and an answer to whether a retry can help."""
    failure = HttpFailure(failure_kind, "what happened", request_sent=True)
    error = error_from_http_failure(failure, provider="acme", model="m-1")
    assert (error.kind, type(error).__name__, error.retryable) == (kind, class_name, retryable)
    assert "what happened" in str(error)


@pytest.mark.parametrize("sent", [True, False])
def test_only_what_was_sent_may_be_billed(sent: bool) -> None:
    """A request that never left cannot have been charged; one that left may have been."""
    failure = HttpFailure("connection", "reset", request_sent=sent)
    assert error_from_http_failure(failure, provider="acme", model="m-1").possibly_billed is sent


def test_tls_remedy_is_the_ca_bundle() -> None:
    """A certificate that is not trusted is met with the CA bundle, never with switching the check off."""
    failure = HttpFailure("tls", "certificate verify failed", request_sent=False)
    message = str(error_from_http_failure(failure, provider="acme", model="m-1"))
    assert "SSL_CERT_FILE" in message
    assert "verify=False" not in message


def test_redirect_says_where_to_without_the_key() -> None:
    """A redirect names its target, with credentials in the address masked, and the base URL as the remedy."""
    message = str(error_of(302, "", {"location": "https://me:hunter2hunter2@elsewhere.test/v1"}))
    assert "elsewhere.test" in message
    assert "hunter2" not in message
    assert "base URL" in message


def test_errors_pickle_with_their_details() -> None:
    """An error keeps kind, wait and ids when it travels to another process."""
    error = pickle.loads(pickle.dumps(error_of(429, said(), {"retry-after": "3", "x-request-id": "r"})))  # noqa: S301
    assert (error.kind, error.retry_after_s, error.request_id, error.model) == ("rate_limit", 3.0, "r", "m-1")
