"""The rules of the bridge to litellm, against a stand-in module with the surface that the bridge uses."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest

from tests.providers.builders import ask, ask_stream, make_body, make_request
from toolkit import _sync
from toolkit._http import HttpClient
from toolkit._redact import Secret
from toolkit.errors import MissingDependencyError, MissingKeyError, ProviderError
from toolkit.providers import Access, LiteLLMProvider, Provider, Providers


class Body:
    """A completion or a chunk as litellm gives it: an object with `model_dump`."""

    def __init__(self, body: dict[str, Any], *, cost: float | None = None) -> None:
        self._body = body
        self._hidden_params = {"response_cost": cost}

    def model_dump(self) -> dict[str, Any]:
        return self._body


class OpenAIError(Exception):
    """The base that litellm's exceptions share through the openai package."""

    def __init__(self, message: str, *, status_code: int | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.litellm_response_headers = headers


def error(name: str, *bases: str, status: int | None = None, words: str = "No.", **headers: str) -> Exception:
    """An exception of a class of litellm's, under the names of the classes that it comes from there."""
    kind: type[Any] = OpenAIError
    for base in (*reversed(bases), name):
        kind = type(base, (kind,), {})
    made: Exception = kind(words, status_code=status, headers={key.replace("_", "-"): headers[key] for key in headers})
    return made


@pytest.fixture
def litellm(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand-in; `calls` are the keyword arguments, `answers` what comes back or is raised, in turn."""
    module: Any = ModuleType("litellm")
    module.__spec__ = ModuleSpec("litellm", None)
    module.calls = []
    module.answers = [Body(make_body("hi"), cost=0.25)]

    async def acompletion(**arguments: Any) -> Any:
        module.calls.append(arguments)
        answer = module.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if not arguments.get("stream"):
            return answer

        async def pieces() -> Any:
            for piece in answer:
                if isinstance(piece, Exception):
                    raise piece
                yield piece

        return pieces()

    module.acompletion = acompletion
    monkeypatch.setitem(sys.modules, "litellm", module)
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    return module


def bridge(_: HttpClient) -> Provider:
    return LiteLLMProvider()


def piece(delta: dict[str, Any], finish_reason: str | None = None) -> Body:
    return Body({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


# completion.md section 6: optional `litellm/` for the rest.
@pytest.mark.line("6.11")
def test_request_goes_out_once_and_as_it_is(litellm: Any) -> None:
    """The package is given the model behind the prefix, the messages and the params, and told to make no retries."""
    ask(bridge, make_request("hello", model="cohere/command-r", temperature=0, stop=["\n"], stream=True))
    assert litellm.calls == [
        {
            "model": "cohere/command-r",
            "messages": [{"role": "user", "content": "hello"}],
            "temperature": 0,
            "stop": ["\n"],
            "timeout": 10.0,
            "num_retries": 0,
            "max_retries": 0,
        }
    ]


def test_whole_answer_is_read(litellm: Any) -> None:
    """The answer is read as a chat completion, with litellm's own figure of its cost."""
    response = ask(bridge, make_request())
    assert (response.text, response.finish_reason, response.usage.input_tokens) == ("hi", "stop", 5)
    assert response.cost_usd == 0.25


def test_cost_of_zero_is_unknown(litellm: Any) -> None:
    """A cost of 0 is what litellm writes for a model whose price it does not know, so it says nothing."""
    litellm.answers = [Body(make_body(), cost=0.0)]
    assert ask(bridge, make_request()).cost_usd is None


def test_stream_is_read(litellm: Any) -> None:
    """A stream comes in pieces, and its last piece holds the whole answer with the usage that was asked for."""
    usage = Body({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}})
    litellm.answers = [[piece({"content": "On"}), piece({"content": "ce"}), piece({}, "stop"), usage]]
    chunks = ask_stream(bridge, make_request())
    last = chunks[-1].response
    assert last is not None
    assert ([chunk.text for chunk in chunks], last.text) == (["On", "ce", "", "", ""], "Once")
    assert last.usage.output_tokens == 2
    assert litellm.calls[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("raised", "kind", "retryable"),
    [
        (error("RateLimitError", status=429, retry_after="7"), "rate_limit", True),
        (error("AuthenticationError", status=401), "auth", False),
        (error("PermissionDeniedError", status=403), "auth", False),
        (error("NotFoundError", status=404), "not_found", False),
        (error("BadRequestError", status=400), "bad_request", False),
        (error("UnsupportedParamsError", "BadRequestError", status=400), "bad_request", False),
        (error("ContextWindowExceededError", "BadRequestError", status=400), "context_length", False),
        (error("ContentPolicyViolationError", "BadRequestError", status=400), "content_filter", False),
        (error("PaymentRequiredError", "BadRequestError", status=402), "quota", False),
        (error("BudgetExceededError"), "quota", False),
        (error("InternalServerError", status=500), "server", True),
        (error("ServiceUnavailableError", status=503), "server", True),
        (error("BadGatewayError", status=502), "server", True),
        (error("Timeout", "APITimeoutError", "APIConnectionError", status=408), "timeout", True),
        (error("APIConnectionError", "APIError", status=500), "connection", True),
        (error("APIError", status=418), "bad_request", False),
        (ValueError("odd"), "provider", False),
    ],
)
def test_error_is_typed(litellm: Any, raised: Exception, kind: str, retryable: bool) -> None:
    """Each of litellm's exceptions is one of our kinds, which says whether a retry can help."""
    litellm.answers = [raised]
    with pytest.raises(ProviderError) as caught:
        ask(bridge, make_request())
    assert (caught.value.kind, caught.value.retryable) == (kind, retryable)
    assert caught.value.provider == "litellm"


def test_wait_that_the_service_asks_for_is_kept(litellm: Any) -> None:
    """A Retry-After that litellm hands on is the wait that the engine will make."""
    litellm.answers = [error("RateLimitError", status=429, retry_after="7")]
    with pytest.raises(ProviderError) as caught:
        ask(bridge, make_request())
    assert caught.value.retry_after_s == 7.0  # type: ignore[attr-defined]


def test_broken_stream_keeps_its_text(litellm: Any) -> None:
    """An error in the middle of a stream is typed and keeps the text that had come; so is an end without a reason."""
    for last, kind in ((error("APIConnectionError", status=500), "connection"), (None, "truncated_stream")):
        litellm.answers = [[piece({"content": "Once"}), *([last] if last else [])]]
        with pytest.raises(ProviderError) as caught:
            ask_stream(bridge, make_request())
        assert (caught.value.kind, caught.value.partial) == (kind, "Once")


@pytest.mark.parametrize("is_streamed", [False, True])
def test_answer_has_a_deadline(litellm: Any, is_streamed: bool) -> None:
    """A call that hangs is a `timeout` at the deadline, whatever litellm does."""

    async def hang(**_: Any) -> None:
        await asyncio.Event().wait()

    litellm.acompletion = hang
    with pytest.raises(ProviderError) as caught:
        (ask_stream if is_streamed else ask)(bridge, make_request(), timeout_s=0.1)
    assert caught.value.kind == "timeout"


@pytest.mark.parametrize("is_streamed", [False, True])
def test_key_is_passed_on_and_shown_nowhere(litellm: Any, is_streamed: bool) -> None:
    """A deployment's key and address go to litellm; no error about the call shows the key, local variables included."""
    litellm.answers = [error("AuthenticationError", status=401, words="bad key planted-sentinel-key")]
    access = Access(api_key=Secret("planted-sentinel-key"), api_base="http://h/v1", api_version="3")

    async def call() -> None:
        provider = LiteLLMProvider(access=access)
        if is_streamed:
            async for _ in provider.stream(make_request(), timeout_s=5):
                pass
        else:
            await provider.complete(make_request(), timeout_s=5)

    with pytest.raises(ProviderError) as caught:
        _sync.run(call())
    sent = litellm.calls[0]
    assert (sent["api_key"], sent["api_base"], sent["api_version"]) == ("planted-sentinel-key", "http://h/v1", "3")
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)
    for frame, _ in traceback.walk_tb(caught.value.__traceback__):
        if frame.f_code.co_filename != __file__:
            assert "planted-sentinel-key" not in repr(frame.f_locals)


def test_address_without_a_key_is_refused(litellm: Any) -> None:
    """An `api_base` without an `api_key` is an error: litellm would send it a key of the environment."""
    provider, model = Providers(HttpClient(), environ={}).find("litellm/openai/m", access=Access(api_base="http://h"))
    with pytest.raises(MissingKeyError, match="api_key"):
        provider.check(model)


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package a check says which extra to install, and nothing is imported before."""
    monkeypatch.setitem(sys.modules, "litellm", None)
    with pytest.raises(MissingDependencyError, match=r"promptsweep\[litellm\]"):
        LiteLLMProvider().check("openai/m")


def test_package_is_asked_not_to_phone_home(litellm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before litellm is imported it is told to read its price list from its own files, and its telemetry is off."""
    monkeypatch.delenv("LITELLM_LOCAL_MODEL_COST_MAP")
    ask(bridge, make_request())
    assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"
    assert litellm.telemetry is False
