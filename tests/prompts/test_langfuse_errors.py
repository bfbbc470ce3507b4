"""Langfuse when it fails: one clear error for each way, and second tries where those can help."""

import random
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.prompts.conftest import Waits, recording
from tests.servers._process import ServerProcess
from toolkit._records import FrozenDict
from toolkit._redact import Secret
from toolkit._sync import run
from toolkit.config import LangfuseSettings
from toolkit.errors import PromptError, PromptNotFoundError, PromptSourceError
from toolkit.prompts import LangfuseSource

MakeSource = Callable[..., LangfuseSource]


def paths(server: ServerProcess) -> list[str]:
    return [request["path"] for request in server.requests()]


@pytest.mark.line("3.8")
@pytest.mark.parametrize(
    ("name", "selection", "says"),
    [
        (
            "movie-critic",
            {"version": "99"},
            "has no version '99' (HTTP 404); versions: 1, 2; labels: latest,",
        ),
        (
            "movie-critic",
            {"label": "nope"},
            "has no label 'nope' (HTTP 404); versions: 1, 2; labels: latest,",
        ),
        ("unlabelled", {}, "has no label 'production', which a reference without '@' means (HTTP 404); versions: 1;"),
        ("suport/reply", {}, "has no prompt 'suport/reply' (HTTP 404). Did you mean 'support/reply'?"),
    ],
)
def test_what_is_not_there_shows_what_is(
    langfuse: ServerProcess, source: LangfuseSource, name: str, selection: dict[str, str], says: str
):
    """An unknown prompt, version or label is an error that shows the versions and labels, or the nearest names."""
    langfuse.control(seed=[{"name": "unlabelled", "type": "text", "prompt": "x"}])
    with pytest.raises(PromptNotFoundError) as caught:
        run(source.get(name, **selection))
    assert says in str(caught.value)
    assert (caught.value.status, caught.value.retryable, caught.value.prompt_id) == (404, False, name)


def test_an_unknown_prompt_is_reported_when_the_list_fails(langfuse: ServerProcess, source: LangfuseSource):
    """A prompt that is not there is said to be so, also when what is there cannot be asked."""
    langfuse.control(next=[recording(21)["response"], *[{"status": 500, "body": "oops"}] * 3])
    with pytest.raises(PromptNotFoundError, match=r"no prompt 'movie-critic'.*could not be asked"):
        run(source.get("movie-critic"))


HTML = "<!DOCTYPE html><html><title>Sign in</title></html>"


@pytest.mark.line("3.8")
@pytest.mark.parametrize(
    ("fault", "status", "retryable", "says"),
    [
        (recording(27)["response"], 401, False, "check LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY and LANGFUSE_HOST"),
        (recording(26)["response"], 401, False, "it says 'No authorization header'"),
        ({"status": 403, "body": {"message": "Forbidden"}}, 403, False, "may not do this"),
        (recording(17)["response"], 404, False, "That is not Langfuse's interface: check LANGFUSE_HOST"),
        (recording(24)["response"], 400, False, "it says 'Cannot specify both version and label'"),
        ({"status": 429, "body": {"message": "Rate limit"}}, 429, True, "It asks for fewer requests"),
        ({"status": 500, "body": {"message": "Internal"}}, 500, True, "The server failed"),
        ({"status": 502, "body": "<html>Bad gateway</html>"}, 502, True, "an HTML page instead of JSON"),
        ({"status": 302, "headers": {"location": "https://sso.test/"}}, 302, False, "redirects to https://sso.test/"),
        ({"status": 200, "body": HTML}, 200, False, "an HTML page instead of JSON"),
        ({"status": 200, "body": '{"name": "movie'}, 200, False, "a body that is not JSON"),
        ({"status": 200, "body": ""}, 200, False, "an empty body instead of JSON"),
        ({"status": 200, "body": []}, 200, False, "the answer is a list where a map was expected"),
        ({"status": 200, "body": {}}, 200, False, "'type' is missing"),
    ],
)
def test_each_failure_is_one_clear_error(
    langfuse: ServerProcess, source: LangfuseSource, fault: dict[str, Any], status: int, retryable: bool, says: str
):
    """Every bad answer is an error with its status, the prompt and version asked for, and what to do about it."""
    langfuse.control(next=[fault] * 3)
    with pytest.raises(PromptSourceError) as caught:
        run(source.get("movie-critic", version="2"))
    message = str(caught.value)
    assert says in message
    assert f"prompt 'movie-critic' version '2' (HTTP {status})" in message
    assert langfuse.url in message
    assert (caught.value.status, caught.value.retryable) == (status, retryable)
    assert (caught.value.prompt_id, caught.value.source) == ("movie-critic", "langfuse")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"type": "image"}, "'type' is 'image' where 'text' or 'chat' was expected"),
        ({"prompt": None}, "'prompt' is null where a text was expected"),
        ({"prompt": ["x"]}, "'prompt' is a list where a text was expected"),
        ({"type": "chat"}, "'prompt' is a text where a list was expected"),
        ({"type": "chat", "prompt": ["x"]}, "a message is a text where a map was expected"),
        ({"version": "2"}, "'version' is a text where a whole number was expected"),
        ({"version": True}, "'version' is a bool where a whole number was expected"),
        ({"labels": "production"}, "'labels' is not a list of texts"),
        ({"config": ["x"]}, "'config' is a list where a map was expected"),
    ],
)
def test_a_field_of_a_wrong_type_is_named(
    langfuse: ServerProcess, source: LangfuseSource, changed: dict[str, Any], says: str
):
    """An answer with a missing or wrong field is refused by the field's name and never half read."""
    body = {**recording(13)["response"]["body"], **changed}
    langfuse.control(next=[{"status": 200, "body": body}])
    with pytest.raises(PromptSourceError) as caught:
        run(source.get("movie-critic", version="2"))
    assert f"the answer is not what Langfuse promises: {says}" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"data": []}, "'meta' is null where a map was expected"),
        ({"data": [], "meta": {}}, "'totalPages' is missing"),
        ({"data": [], "meta": {"totalPages": 10**6}}, "'totalPages' is 1,000,000"),
        ({"data": {}, "meta": {"totalPages": 1}}, "'data' is a map where a list was expected"),
        ({"data": [{"name": "a", "type": "text"}], "meta": {"totalPages": 1}}, "'versions' is missing"),
        ({"data": [{"name": "a", "type": "text", "versions": ["1"]}], "meta": {"totalPages": 1}}, "'versions' holds"),
    ],
)
def test_a_wrong_list_is_refused(langfuse: ServerProcess, source: LangfuseSource, body: Any, says: str):
    """A list whose form is not the promised one is an error that names the field."""
    langfuse.control(next=[{"status": 200, "body": body}])
    with pytest.raises(PromptSourceError, match="the list of prompts") as caught:
        run(source.list())
    assert says in str(caught.value)


def test_an_unknown_kind_of_message_is_kept(langfuse: ServerProcess, source: LangfuseSource):
    """Messages of a type that we do not know come through as they are."""
    messages = [{"type": "video", "url": "x"}, {"role": "user", "content": "hi"}]
    body = {**recording(18)["response"]["body"], "prompt": messages}
    langfuse.control(next=[{"status": 200, "body": body}])
    assert run(source.get("history-chat")).template == tuple(map(FrozenDict, messages))


def test_wrong_keys_are_told_and_not_shown(langfuse: ServerProcess, make_source: MakeSource):
    """Keys that the server refuses are an error that says which variables to check and shows no key."""
    source = make_source(public="pk-lf-not-this-one", secret="sk-lf-sentinel-value")
    with pytest.raises(PromptSourceError, match="check LANGFUSE_PUBLIC_KEY") as caught:
        run(source.get("movie-critic"))
    assert "sentinel" not in str(caught.value) + repr(source) + repr(vars(source))
    assert [request["authorization"] for request in langfuse.requests()] == ["wrong"]


def test_a_key_that_the_server_echoes_is_masked(langfuse: ServerProcess, make_source: MakeSource):
    """A server that repeats the key in its error does not get it into ours."""
    langfuse.control(next=[{"status": 401, "body": {"message": "bad key sk-lf-sentinel-value!"}}])
    with pytest.raises(PromptSourceError) as caught:
        run(make_source(secret="sk-lf-sentinel-value").get("movie-critic"))
    assert "it says 'bad key ****!'" in str(caught.value)


def test_a_host_that_is_down_is_told(make_source: MakeSource, waits: Waits):
    """A host where nothing listens is an error that names host and prompt, after two more tries."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(PromptSourceError, match="Nothing answers there: check LANGFUSE_HOST") as caught:
            run(make_source(host=host).get("movie-critic", label="staging"))
    assert f"Langfuse at '{host}', asked for prompt 'movie-critic' label 'staging'" in str(caught.value)
    assert (caught.value.status, caught.value.retryable, len(waits.seconds)) == (None, True, 2)


def test_a_host_that_never_answers_is_told_once(langfuse: ServerProcess, make_source: MakeSource):
    """A time-out is not tried again: the caller has waited long enough to be told."""
    langfuse.control(next=[{"delay_s": 5}])
    with pytest.raises(PromptSourceError, match=r"no whole answer within 0\.2 s") as caught:
        run(make_source(timeout_s=0.2).get("movie-critic"))
    assert (caught.value.retryable, len(paths(langfuse))) == (True, 1)


@pytest.mark.line("3.38")
def test_keys_go_to_their_own_host_only(langfuse: ServerProcess, make_source: MakeSource):
    """A redirect to another origin is not followed, so keys reach no other address."""
    other = langfuse.url.replace("127.0.0.1", "localhost")
    langfuse.control(next=[{"status": 307, "headers": {"location": f"{other}/elsewhere"}}])
    with pytest.raises(PromptSourceError, match="keys do not follow redirects"):
        run(make_source().get("movie-critic"))
    assert paths(langfuse) == ["/api/public/v2/prompts/movie-critic"]


def test_settings_keep_their_keys_to_themselves():
    """The settings of a project show the host and no secret."""
    settings = LangfuseSettings(host="http://h", public_key="pk-lf-1", secret_key=Secret("sk-lf-sentinel-value"))
    assert "sentinel" not in repr(settings)


@pytest.mark.parametrize("fault", [{"status": 429}, {"status": 500}, {"status": 503, "body": HTML}], ids=str)
def test_what_may_pass_is_tried_again(
    langfuse: ServerProcess, make_source: MakeSource, waits: Waits, fault: dict[str, Any]
):
    """A 429 and a 5xx are tried twice more, after short growing waits with jitter."""
    langfuse.control(next=[fault, fault])
    source = make_source(rng=random.Random(7))
    assert run(source.get("movie-critic")).version == "1"
    first, second = waits.seconds
    assert 0.125 <= first <= 0.25
    assert 0.25 <= second <= 0.5
    assert len(paths(langfuse)) == 3


def test_a_broken_connection_is_tried_again(langfuse: ServerProcess, source: LangfuseSource):
    """A question whose connection breaks before the answer is asked again: reading twice does no harm."""
    langfuse.control(next=[{"drop": True}, {"drop": True}])
    assert run(source.get("movie-critic")).version == "1"
    assert len(langfuse.requests()) == 3


@pytest.mark.line("3.9", "3.24")
def test_no_more_than_two_retries_are_made(langfuse: ServerProcess, source: LangfuseSource):
    """After the third failure the error is told; a fourth request is not made."""
    langfuse.control(next=[{"status": 503}] * 3)
    with pytest.raises(PromptSourceError, match="HTTP 503"):
        run(source.get("movie-critic"))
    assert len(paths(langfuse)) == 3


@pytest.mark.line("3.9")
@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("0", 0.0), ("3600", 30.0)])
def test_a_retry_waits_as_long_as_the_server_asks(
    langfuse: ServerProcess, source: LangfuseSource, waits: Waits, asked: str, waited: float
):
    """Retry-After is honoured up to half a minute."""
    langfuse.control(next=[{"status": 429, "headers": {"retry-after": asked}}])
    run(source.get("movie-critic"))
    assert waits.seconds == [waited]


@pytest.mark.line("3.24")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_cannot_pass_is_not_tried_again(langfuse: ServerProcess, source: LangfuseSource, status: int):
    """An answer that a second try cannot change is asked for once."""
    langfuse.control(next=[{"status": status, "body": HTML}])
    with pytest.raises(PromptError):
        run(source.get("movie-critic"))
    assert len(paths(langfuse)) == 1
