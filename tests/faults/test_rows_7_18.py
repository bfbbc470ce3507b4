"""Rows 7 to 18 that are about refusals: which are tried again, how often, and what a row says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import toolkit as tk
from tests.faults.calls import KEY, make_request, walk
from tests.servers._process import ServerProcess, serving
from toolkit import _sync
from toolkit.config import ConfigFile, Settings
from toolkit.testing import fake_engine


def error(message: str = "No.", **fields: Any) -> dict[str, Any]:
    """An error as OpenAI writes it."""
    return {"error": {"message": message, "type": None, "param": None, "code": None, **fields}}


@pytest.mark.fault(7)
@pytest.mark.parametrize(
    "code", ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "access_terminated"]
)
def test_an_empty_account_is_asked_once(server: ServerProcess, code: str) -> None:
    """A 429 that means an empty account is of kind quota and is sent once, whatever it says of waiting."""
    server.control(times=None, status=429, headers={"retry-after": "1"}, body=error(code=code))
    walked = walk(server)
    assert (walked.kind, len(walked.requests), walked.outcome.attempts) == ("quota", 1, 1)
    assert walked.clock.slept == []


@pytest.mark.fault(8)
@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 521, 522, 523, 524])
def test_a_failing_provider_is_tried_four_times(server: ServerProcess, status: int) -> None:
    """A server error is tried four times in all, with three waits, and is a row of kind server."""
    server.control(times=None, status=status)
    walked = walk(server)
    assert (walked.kind, len(walked.requests), len(walked.clock.slept)) == ("server", 4, 3)
    assert walked.diary.entries == ["begin", "fail server"] * 3 + ["begin", "finish failed"]


@pytest.mark.fault(8)
@pytest.mark.parametrize(("status", "billed"), [(500, 0), (504, 1), (520, 1), (524, 1)])
def test_a_gateway_that_gave_up_may_have_billed(server: ServerProcess, status: int, billed: int) -> None:
    """A gateway's time-out counts as possibly billed, a plain server error does not; the answer that follows counts."""
    server.control(status=status)
    walked = walk(server)
    assert (walked.outcome.status, walked.outcome.possibly_billed, len(walked.requests)) == ("ok", billed, 2)


@pytest.mark.fault(10)
@pytest.mark.parametrize(("status", "kind"), [(408, "timeout"), (409, "server"), (425, "server")])
def test_a_passing_refusal_is_tried_four_times(server: ServerProcess, status: int, kind: str) -> None:
    """A 408, 409 or 425 is tried four times in all."""
    server.control(times=None, status=status)
    walked = walk(server)
    assert (walked.kind, len(walked.requests)) == (kind, 4)


@pytest.mark.fault(11)
@pytest.mark.parametrize(
    ("status", "says", "requests"),
    [(500, "false", 1), (429, "false", 1), (400, "true", 4), (401, "TRUE", 4), (500, "perhaps", 4), (400, "", 1)],
)
def test_the_providers_word_on_retries_goes_first(server: ServerProcess, status: int, says: str, requests: int) -> None:
    """`x-should-retry` decides whether to try again, whatever the status; any other word says nothing."""
    server.control(times=None, status=status, headers={"x-should-retry": says})
    assert len(walk(server).requests) == requests


@pytest.mark.fault(11)
def test_the_providers_word_holds_for_a_useless_answer(server: ServerProcess) -> None:
    """A 200 that is no JSON is not asked again when `x-should-retry` says so."""
    server.control(times=None, body="oops", headers={"x-should-retry": "false"})
    assert len(walk(server).requests) == 1


@pytest.mark.fault(13)
def test_an_unknown_model_names_close_ones(server: ServerProcess) -> None:
    """A 404 is sent once and suggests names that are known and look alike."""
    server.control(times=None, status=404, body=error("The model does not exist.", code="model_not_found"))
    walked = walk(server, make_request(model="gpt-4o-mni"))
    assert (walked.kind, len(walked.requests)) == ("not_found", 1)
    assert "'gpt-4o-mini'" in walked.message


@pytest.mark.fault(13)
def test_a_model_like_no_other_gets_no_suggestion(server: ServerProcess) -> None:
    """A 404 for a name that resembles nothing suggests nothing."""
    server.control(status=404)
    assert "Did you mean" not in walk(server, make_request(model="zzz-unheard-of")).message


@pytest.mark.fault(14)
@pytest.mark.parametrize(
    ("body", "limit"),
    [
        (error("This model's maximum context length is 8192 tokens.", code="context_length_exceeded"), "8,192"),
        (error("prompt is too long: 210000 tokens > 200000 maximum", type="invalid_request_error"), "200,000"),
        (error("Too much.", code="context_length_exceeded"), "128,000"),
    ],
)
def test_a_request_too_long_says_how_long_and_how_much_fits(
    server: ServerProcess, body: dict[str, Any], limit: str
) -> None:
    """A request that is too long is sent once; the row has its estimated tokens and the limit, the provider's first."""
    server.control(times=None, status=400, body=body)
    walked = walk(server, make_request("word " * 1000, model="gpt-4o-mini"))
    assert (walked.kind, len(walked.requests)) == ("context_length", 1)
    # A thousand short words are between 0.72 and 1.25 tokens each, and a chat's form adds up to 33.
    assert f"722 to 1,283 tokens, the model reads {limit}" in walked.message


TEMPERATURE = error(
    "Unsupported value: 'temperature' does not support 0.2 with this model.",
    type="invalid_request_error", param="temperature", code="unsupported_value",
)  # fmt: skip


@pytest.mark.fault(15)
def test_a_parameter_that_the_model_refuses_is_named(server: ServerProcess) -> None:
    """A refused parameter is sent once and named in the row."""
    server.control(times=None, param="temperature", status=400, body=TEMPERATURE)
    walked = walk(server, make_request(temperature=0.2))
    assert (walked.kind, len(walked.requests)) == ("bad_request", 1)
    assert "'temperature'" in walked.message


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    "body", [TEMPERATURE, error("temperature: Extra inputs are not permitted", type="invalid_request_error")]
)
def test_with_drop_params_it_is_asked_again_without(server: ServerProcess, body: dict[str, Any]) -> None:
    """With `drop_params` a refused parameter is left out at once, the rest is sent again, and the answer says so."""
    server.control(times=None, param="temperature", status=400, body=body)
    walked = walk(server, make_request(temperature=0.2, seed=1), drop_params=True)
    assert walked.outcome.response is not None
    assert walked.outcome.response.flags == ("dropped:temperature",)
    assert [sorted(set(request["body"]) - {"model", "messages"}) for request in walked.requests] == [
        ["seed", "temperature"],
        ["seed"],
    ]
    assert (walked.outcome.attempts, walked.clock.slept) == (2, [])


@pytest.mark.fault(15)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_single_completion_drops_a_parameter_too(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    """`drop_params` of config.yaml holds for a completion, whole or streamed: two requests, the second one without."""
    server.control(times=None, param="temperature", status=400, body=TEMPERATURE)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    engine = fake_engine(Settings(home=tmp_path), config=ConfigFile(path="config.yaml", drop_params=True))
    messages = [{"role": "user", "content": "hello"}]
    answer: Any = tk.completion("openai/small", messages, temperature=0.2, stream=streamed, engine=engine)
    if streamed:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
    else:
        text = answer.choices[0].message.content
    _sync.run(engine.aclose())
    assert text.endswith(" hello")
    assert ["temperature" in request["body"] for request in server.requests()] == [True, False]


@pytest.mark.fault(15)
def test_only_one_parameter_is_dropped(server: ServerProcess) -> None:
    """When the model refuses a second parameter as well, the row is a failure after two requests."""
    server.control(times=None, param="temperature", status=400, body=TEMPERATURE)
    seed = error("Unsupported parameter: 'seed'.", param="seed", code="unsupported_parameter")
    server.control(times=None, param="seed", status=400, body=seed)
    walked = walk(server, make_request(temperature=0.2, seed=1), drop_params=True)
    assert (walked.kind, len(walked.requests)) == ("bad_request", 2)
    assert "'seed'" in walked.message


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    "body", [error("temperature must be at most 2.", param="temperature"), error("Unsupported value.", param="model")]
)
def test_a_wrong_value_is_not_dropped(server: ServerProcess, body: dict[str, Any]) -> None:
    """A complaint about a value, or about what is no parameter, drops nothing."""
    server.control(times=None, status=400, body=body)
    walked = walk(server, make_request(temperature=9), drop_params=True)
    assert (walked.kind, len(walked.requests)) == ("bad_request", 1)


@pytest.mark.fault(16, 17)
@pytest.mark.parametrize(("status", "kind"), [(413, "too_large"), (431, "too_large"), (422, "bad_request")])
def test_what_stays_wrong_is_sent_once(server: ServerProcess, status: int, kind: str) -> None:
    """A request that is too large or makes no sense is sent once, and the row has the provider's words."""
    server.control(times=None, status=status, body=error("Words of the provider."))
    walked = walk(server)
    assert (walked.kind, len(walked.requests)) == (kind, 1)
    assert "Words of the provider." in walked.message


@pytest.mark.fault(18)
@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_redirect_within_the_origin_is_followed_once(server: ServerProcess, status: int, streamed: bool) -> None:
    """A 307 or 308 to another path is followed with the same body and key, once, within one attempt."""
    server.control(status=status, headers={"location": "/v2/chat/completions?region=eu"}, body="")
    request = make_request(**({"stream": True} if streamed else {}))
    walked = walk(server, request)
    assert (walked.outcome.status, walked.outcome.attempts) == ("ok", 1)
    assert [asked["path"] for asked in walked.requests] == ["/v1/chat/completions", "/v2/chat/completions"]
    assert walked.requests[0]["body"] == walked.requests[1]["body"]
    assert [asked["headers"]["authorization"] for asked in walked.requests] == [f"Bearer {KEY}"] * 2


@pytest.mark.fault(18)
def test_a_second_redirect_is_an_error(server: ServerProcess) -> None:
    """A redirect that leads to a redirect is of kind redirect after two requests."""
    server.control(times=None, status=307, headers={"location": "/v1/chat/completions"}, body="")
    walked = walk(server)
    assert (walked.kind, len(walked.requests), walked.outcome.attempts) == ("redirect", 2, 1)


@pytest.mark.fault(18)
@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_change_the_request_is_an_error(server: ServerProcess, status: int) -> None:
    """A redirect that turns a POST into something else is not followed, even within the origin."""
    server.control(status=status, headers={"location": "/v2/chat/completions"}, body="")
    walked = walk(server)
    assert (walked.kind, len(walked.requests)) == ("redirect", 1)


@pytest.mark.fault(18)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_elsewhere_takes_no_key_along(server: ServerProcess, status: int) -> None:
    """A redirect to another port is of kind redirect; that port hears nothing, and the row names it without the key."""
    with serving("tests.servers.fault_server") as other:
        server.control(status=status, headers={"location": f"{other.url}/v1/chat/completions"}, body="")
        walked = walk(server)
        assert other.requests() == []
    assert (walked.kind, len(walked.requests)) == ("redirect", 1)
    assert other.url in walked.message
    assert KEY not in json.dumps(walked.message)


@pytest.mark.fault(18)
@pytest.mark.parametrize("location", ["", "http://[", "//elsewhere.test/v1", "ftp://127.0.0.1/x"])
def test_a_redirect_to_nowhere_is_typed(server: ServerProcess, location: str) -> None:
    """A redirect whose target is missing, broken or of another kind is of kind redirect after one request."""
    server.control(status=308, headers={"location": location}, body="")
    walked = walk(server)
    assert (walked.kind, len(walked.requests)) == ("redirect", 1)
