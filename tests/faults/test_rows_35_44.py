"""Rows 35 to 44: answers that are answers, and what about them must not be overlooked."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
from typing import Any

import pytest

import toolkit as tk
from tests.faults.calls import make_request, walk
from tests.results import runs
from tests.servers._process import ServerProcess, serving
from tests.servers.fault_server import completion
from toolkit._http import MAX_BODY_BYTES, HttpClient
from toolkit._records import Response, Usage
from toolkit.engine import RetryPolicy
from toolkit.results import Results

ONCE = RetryPolicy(max_attempts=1)


def answered(server: ServerProcess, body: str | dict[str, Any], **options: Any) -> Response:
    """The answer that a body is read as, by one request."""
    server.control(times=None, body=body)
    walked = walk(server, **options)
    assert walked.outcome.response is not None, walked.message
    assert len(walked.requests) == 1
    return walked.outcome.response


def message(**fields: Any) -> dict[str, Any]:
    """A completion whose message has these fields beside its role."""
    choice = {"index": 0, "message": {"role": "assistant", **fields}, "finish_reason": "stop"}
    return {"model": "small", "choices": [choice]}


@pytest.mark.fault(35)
@pytest.mark.parametrize("content", [None, "", []])
def test_an_empty_text_is_an_answer(server: ServerProcess, content: object) -> None:
    """An answer without text that ended by itself is ok with an empty text, and not asked for again."""
    response = answered(server, message(content=content))
    assert (response.text, response.finish_reason) == ("", "stop")


@pytest.mark.fault(35)
def test_an_empty_text_is_scored() -> None:
    """An empty answer counts: a scorer that looks for a word gives it 0, and the frame shows the empty text."""
    results = Results(runs.run([["", "yes"]]))
    results.score(tk.contains("yes"))
    assert results.df["text"].tolist() == ["", "yes"]
    assert results.df["score.contains(yes)"].tolist() == [0.0, 1.0]


@pytest.mark.fault(36)
@pytest.mark.parametrize(
    "fields",
    [
        {"content": None, "refusal": "I can't."},
        {"content": [{"type": "refusal", "refusal": "I can't."}]},
    ],
)
def test_a_refusal_is_an_answer(server: ServerProcess, fields: dict[str, Any]) -> None:
    """A refusal is ok, its words are kept apart from the text, and it is not asked for again."""
    response = answered(server, message(**fields))
    assert (response.text, response.refusal) == ("", "I can't.")


@pytest.mark.fault(36)
def test_a_refusal_of_the_messages_api_is_an_answer() -> None:
    """A refusal by the Messages API is ok, and its reason is the refusal."""
    body = {
        "content": [],
        "stop_reason": "refusal",
        "stop_details": {"explanation": "Not this."},
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    with serving("tests.servers.fake_anthropic") as server:
        response = answered(server, body, anthropic=True)
    assert (response.refusal, response.finish_reason) == ("Not this.", "content_filter")


@pytest.mark.fault(36, 37)
@pytest.mark.parametrize("fields", [{"refusal": "I can't."}, {"finish_reason": "content_filter"}])
def test_a_refusal_is_no_zero(fields: dict[str, Any]) -> None:
    """A refused or filtered answer is marked in `refused` and has no score, which is not a 0."""
    results = Results(runs.run([[runs.response("", **fields), "yes"]]))
    results.score(tk.contains("yes"))
    assert results.df["refused"].tolist() == [True, False]
    assert results.df["score.contains(yes)"].isna().tolist() == [True, False]


@pytest.mark.fault(37)
def test_a_filtered_prompt_is_a_failure(server: ServerProcess) -> None:
    """A prompt that the provider's filter refuses is sent once and is of kind content_filter."""
    error = {
        "message": "The response was filtered due to the prompt triggering the content management policy.",
        "param": "prompt",
        "code": "content_filter",
        "innererror": {"code": "ResponsibleAIPolicyViolation"},
    }
    server.control(times=None, status=400, body={"error": error})
    walked = walk(server, make_request(prompt="x"), drop_params=True)
    assert (walked.kind, len(walked.requests)) == ("content_filter", 1)


@pytest.mark.fault(37)
def test_a_filtered_answer_keeps_what_came(server: ServerProcess) -> None:
    """An answer that the filter cut is ok with the provider's reason, and is not asked for again."""
    response = answered(server, completion("half", finish_reason="content_filter"))
    assert (response.text, response.finish_reason) == ("half", "content_filter")


@pytest.mark.fault(38)
def test_a_cut_answer_is_counted(server: ServerProcess) -> None:
    """An answer that met its token limit is ok; the frame marks it and the summary counts it."""
    response = answered(server, completion("half", finish_reason="length"))
    results = Results(runs.run([[response, "whole"]]))
    assert results.df["truncated"].tolist() == [True, False]
    assert results.summary()["truncated"].tolist() == [1]


@pytest.mark.fault(39)
@pytest.mark.parametrize("arguments", ['{"a": 1}', '{"a": ', "", "not json", "\ud800"])
def test_tool_calls_are_kept_as_they_came(server: ServerProcess, arguments: str) -> None:
    """Tool calls are ok without a text, with their arguments exactly as they came, broken ones too."""
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": arguments}}
    response = answered(server, message(content=None, tool_calls=[call]))
    assert [json.loads(json.dumps(found)) for found in response.tool_calls] == [call]
    assert response.text == ""


@pytest.mark.fault(40)
def test_what_nobody_knows_is_kept(server: ServerProcess) -> None:
    """An unknown finish reason stays as it is, and unknown fields and parts stay in the raw body."""
    body = message(content=[{"type": "hologram", "data": "x"}, {"type": "text", "text": "hi"}], mood="fine")
    body["choices"][0]["finish_reason"] = "bored"
    body["novelty"] = {"deep": [1, {"er": None}]}
    response = answered(server, body)
    assert (response.text, response.finish_reason) == ("hi", "bored")
    assert json.loads(json.dumps(response.raw)) == body


@pytest.mark.fault(40)
def test_unknown_blocks_of_the_messages_api_are_kept() -> None:
    """A content block of an unknown type stays in the raw body and adds nothing to the text."""
    body = {
        "content": [{"type": "hologram"}, {"type": "text", "text": "hi"}],
        "stop_reason": "bored",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    with serving("tests.servers.fake_anthropic") as server:
        response = answered(server, body, anthropic=True)
    assert (response.text, response.finish_reason, response.raw["content"][0]) == ("hi", "bored", {"type": "hologram"})


@pytest.mark.fault(41)
@pytest.mark.parametrize(
    "usage",
    [
        "absent",
        None,
        [],
        "many",
        {},
        {"prompt_tokens": -1, "completion_tokens": -5},
        {"prompt_tokens": "7", "completion_tokens": "2"},
        {"prompt_tokens": 1.5, "completion_tokens": True},
        {"prompt_tokens": 10**30, "completion_tokens": 10**12},
    ],
)
def test_impossible_token_counts_are_unknown(server: ServerProcess, usage: object) -> None:
    """Token counts that are missing or impossible are unknown, and so is the cost; neither is 0."""
    body = json.loads(completion())
    body |= {"model": "gpt-4o-mini", "usage": usage}
    if usage == "absent":
        del body["usage"]
    server.control(body=body)
    outcome = walk(server, make_request(model="gpt-4o-mini")).outcome
    assert outcome.response is not None
    assert (outcome.response.usage, outcome.cost_usd, outcome.cost_source) == (Usage(), None, None)


@pytest.mark.fault(41)
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_token_counts_that_are_no_numbers_are_unknown(server: ServerProcess, number: str) -> None:
    """NaN and infinities among the token counts are unknown, and the answer is read all the same."""
    text = completion().replace('"prompt_tokens": 5', f'"prompt_tokens": {number}')
    assert answered(server, text).usage == Usage(input_tokens=None, output_tokens=2)


@pytest.mark.fault(42)
def test_another_model_is_shown_and_told_once(server: ServerProcess, caplog: pytest.LogCaptureFixture) -> None:
    """The model that served is kept beside the one that was asked for; that they differ is told once."""
    server.control(times=None, body=completion(model="some-other-model"))
    with caplog.at_level(logging.WARNING, logger="toolkit"):
        walks = [walk(server, make_request(model="small-42")) for _ in range(3)]
    assert [(one.outcome.model_sent, one.outcome.response.model) for one in walks if one.outcome.response] == [
        ("small-42", "some-other-model")
    ] * 3
    assert [record.getMessage() for record in caplog.records if "small-42" in record.getMessage()] == [
        "'openai' answers for the model 'small-42' with 'some-other-model'; the column model_served says so row by row."
    ]


@pytest.mark.fault(42)
def test_a_dated_snapshot_is_no_other_model(server: ServerProcess, caplog: pytest.LogCaptureFixture) -> None:
    """A snapshot of the model that was asked for is shown and not told."""
    server.control(body=completion(model="small-43-2026-01-01"))
    with caplog.at_level(logging.WARNING, logger="toolkit"):
        walk(server, make_request(model="small-43"))
    assert [record for record in caplog.records if "small-43" in record.getMessage()] == []


SIXTY_FOUR_MIB = 64 * 1024 * 1024


@pytest.mark.fault(43)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"framing": "close"}, "too_large"),
        ({"framing": "length"}, "too_large"),
        ({"content_type": "text/event-stream", "bomb": "gzip"}, "too_large"),
        ({"bomb": "gzip"}, "too_large"),
        ({"bomb": "deflate"}, "too_large"),
        ({"bomb": "br"}, "malformed_response"),
        ({"bomb": "zstd"}, "malformed_response"),
    ],
    ids=["plain", "announced", "events", "gzip", "deflate", "br", "zstd"],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_huge_answer_is_not_read(server: ServerProcess, fault: dict[str, Any], kind: str, streamed: bool) -> None:
    """64 MiB, plain or unpacked, end at the cap as too_large after one request; br and zstd are never unpacked."""
    server.control(times=None, fill_bytes=SIXTY_FOUR_MIB, **fault)
    walked = walk(server, make_request(stream=True) if streamed else None, policy=ONCE, timeout_s=30)
    assert (walked.kind, len(walked.requests)) == (kind, 1)


@pytest.mark.fault(43)
def test_the_cap_can_be_moved(server: ServerProcess) -> None:
    """A smaller cap refuses what a larger one reads, whichever way the answer comes."""
    server.control(times=None, body=completion("x" * 5000))
    assert walk(server, http=HttpClient(max_body_bytes=1000)).kind == "too_large"
    assert walk(server, http=HttpClient(max_body_bytes=10_000)).outcome.status == "ok"


GROWTH = """
import resource, sys
from tests.faults.calls import walk
from toolkit.engine import RetryPolicy
walk(sys.argv[1], policy=RetryPolicy(max_attempts=1))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
kinds = [walk(sys.argv[1], policy=RetryPolicy(max_attempts=1), timeout_s=30).kind for _ in range(4)]
print(*kinds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.fault(43)
@pytest.mark.parametrize(
    "fault",
    [
        {"fill_bytes": SIXTY_FOUR_MIB},
        {"fill_bytes": 8 * SIXTY_FOUR_MIB, "bomb": "gzip"},
        {"fill_bytes": 8 * SIXTY_FOUR_MIB, "bomb": "deflate"},
    ],
    ids=["plain", "gzip", "deflate"],
)
def test_a_bomb_does_not_fill_the_memory(server: ServerProcess, fault: dict[str, Any]) -> None:
    """Four answers of 64 or, packed, 512 MiB take less than three times the cap more memory than a small one."""
    server.control(body=completion())
    server.control(times=None, **fault)
    shown = subprocess.run(
        [sys.executable, "-c", GROWTH, server.url], capture_output=True, text=True, check=True, timeout=120
    ).stdout.split()
    # ru_maxrss counts bytes on macOS and KiB elsewhere.
    grown = int(shown[-1]) * (1 if sys.platform == "darwin" else 1024)
    assert shown[:-1] == ["too_large"] * 4
    assert grown < 3 * MAX_BODY_BYTES


def encoded(text: bytes, before: bytes = b'{"choices": [{"message": {"content": "', after: bytes = b'"}}]}') -> str:
    """A completion around bytes, as base64."""
    return base64.b64encode(before + text + after).decode()


@pytest.mark.fault(44)
@pytest.mark.parametrize(
    ("content_type", "content", "text", "flags"),
    [
        ("application/json; charset=latin-1", "é".encode("latin-1"), "é", ()),
        ("application/json; charset=shift_jis", "日本".encode("shift_jis"), "日本", ()),
        ("application/json", "é".encode(), "é", ()),
        ("application/json", b"caf\xe9!", "caf\ufffd!", ("encoding_repaired",)),
        ("application/json; charset=ascii", "é".encode(), "\ufffd\ufffd", ("encoding_repaired",)),
        ("application/json; charset=no-such", "é".encode(), "é", ()),
        ("application/json; charset=no-such", b"\xe9", "\ufffd", ("encoding_repaired",)),
        ("application/json", "\ufffd".encode(), "\ufffd", ()),
    ],
)
def test_a_charset_is_honoured_and_a_repair_flagged(
    server: ServerProcess, content_type: str, content: bytes, text: str, flags: tuple[str, ...]
) -> None:
    """Text is read by its charset; bytes that mean nothing in it are replaced, and the answer is flagged."""
    server.control(body_base64=encoded(content), content_type=content_type)
    walked = walk(server)
    assert walked.outcome.response is not None
    assert (walked.outcome.text, walked.outcome.response.flags, len(walked.requests)) == (text, flags, 1)


@pytest.mark.fault(44)
@pytest.mark.parametrize(("content", "flags"), [(b"caf\xe9", ("encoding_repaired",)), ("café".encode(), ())])
def test_a_repair_in_a_stream_is_flagged(server: ServerProcess, content: bytes, flags: tuple[str, ...]) -> None:
    """A stream with bytes that are no UTF-8 is read, and the answer is flagged as repaired."""
    event = b'data: {"choices": [{"delta": {"content": "' + content + b'"}, "finish_reason": "stop"}]}\n\n'
    server.control(body_base64=base64.b64encode(event).decode(), content_type="text/event-stream")
    walked = walk(server, make_request(stream=True))
    assert walked.outcome.response is not None
    assert walked.outcome.response.flags == flags
