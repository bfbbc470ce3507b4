"""Rows 1 to 6, 9 and 12: rate limits as providers tell them, an overloaded provider, a refused key."""

from __future__ import annotations

import datetime as dt
import math
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit as tk
from tests.builders import make_prompt
from tests.faults.calls import KEY, walk
from tests.servers._process import ServerProcess
from toolkit import _sync
from toolkit.config import Settings
from toolkit.providers._retry_hints import retry_hint_s
from toolkit.testing import fake_engine

NOON = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)
DATE = {"date": format_datetime(NOON, usegmt=True)}


def at(seconds: float) -> str:
    """A moment after noon, as RFC 3339."""
    return (NOON + dt.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


@pytest.fixture
def engine(server: ServerProcess, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An engine whose `openai/` is the faulty server."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    made = fake_engine(Settings(home=tmp_path))
    yield made
    _sync.run(made.aclose())


def sweep(engine: Any, cases: int, **options: Any) -> Any:
    """So many trials, one after the other."""
    variables = {"word": [f"w{number}" for number in range(cases)]}
    options = {"models": "openai/small", "concurrency": 1, **options}
    return tk.sweep(make_prompt(), variables=variables, engine=engine, progress="off", **options)


@pytest.mark.fault(1)
def test_retry_after_seconds_are_waited(server: ServerProcess) -> None:
    """A 429 with Retry-After: 7 is sent again after 7 seconds; five of them use up no try."""
    server.control(times=5, status=429, headers={"retry-after": "7"})
    walked = walk(server)
    assert (walked.outcome.status, walked.clock.slept, len(walked.requests)) == ("ok", [7.0] * 5, 6)
    assert walked.outcome.retry_s == 35.0


@pytest.mark.fault(1)
def test_the_whole_endpoint_pauses(server: ServerProcess, engine: Any) -> None:
    """While one trial waits for its Retry-After, no other trial is sent to the endpoint; each is sent once after it."""
    server.control(status=429, headers={"retry-after": "1"})
    results = sweep(engine, 4)
    assert list(results.df["status"]) == ["ok"] * 4
    sent = [request["at_s"] for request in server.requests()]
    assert len(sent) == 5
    assert sent[1] - sent[0] >= 1.0


@pytest.mark.fault(2)
@pytest.mark.parametrize("skew_s", [-3600, 0, 3600])
def test_a_date_is_measured_by_the_server_s_own_clock(server: ServerProcess, skew_s: int) -> None:
    """A Retry-After that is a date is waited for by the answer's own Date, however wrong either clock is."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(seconds=skew_s)
    when = format_datetime(now + dt.timedelta(seconds=7), usegmt=True)
    server.control(status=429, headers={"retry-after": when, "date": format_datetime(now, usegmt=True)})
    walked = walk(server)
    assert (walked.outcome.status, walked.clock.slept, len(walked.requests)) == ("ok", [7.0], 2)


@pytest.mark.fault(3)
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": " 2 "}, 2.0),
        ({"retry-after": "1e1"}, 10.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
        ({"x-ratelimit-reset-requests": "1s"}, 1.0),
        ({"x-ratelimit-reset-requests": "20ms"}, 0.02),
        ({"x-ratelimit-reset-requests": "1m30s"}, 90.0),
        ({"x-ratelimit-reset-requests": "1m0.5s"}, 60.5),
        ({"x-ratelimit-reset-requests": "2"}, 2.0),
        ({"x-ratelimit-reset-requests": "500us"}, 0.0005),
        ({"x-ratelimit-reset-tokens": "8.64s"}, 8.64),
        ({"x-ratelimit-reset-tokens": "6ms"}, 0.006),
        ({"x-ratelimit-reset-tokens": "1m59s"}, 119.0),
        ({"x-ratelimit-reset-requests": "8s", "x-ratelimit-remaining-requests": "0"}, 8.0),
        ({"x-ratelimit-reset-requests": "8s", "x-ratelimit-remaining-requests": "9", "retry-after": "1"}, 1.0),
        ({"x-ratelimit-reset-tokens": "8s", "x-ratelimit-remaining-tokens": "9"}, 8.0),
        ({"x-ratelimit-reset-requests": "3s", "x-ratelimit-reset-tokens": "5s", "retry-after": "4"}, 5.0),
        ({"x-ratelimit-reset-requests": "later", "x-ratelimit-reset-tokens": "5s"}, 5.0),
        ({"anthropic-ratelimit-requests-reset": at(30)}, 30.0),
        ({"anthropic-ratelimit-requests-reset": at(30), "anthropic-ratelimit-requests-remaining": "5",
          "retry-after": "2"}, 2.0),
        ({"anthropic-ratelimit-tokens-reset": at(60)}, 60.0),
        ({"anthropic-ratelimit-input-tokens-reset": at(12)}, 12.0),
        ({"anthropic-ratelimit-output-tokens-reset": at(13)}, 13.0),
        ({"anthropic-ratelimit-input-tokens-reset": "2026-01-02T13:00:05+01:00"}, 5.0),
        ({"anthropic-ratelimit-tokens-reset": at(20), "retry-after": "3"}, 20.0),
        ({"anthropic-ratelimit-tokens-reset": at(-20), "retry-after": "3"}, 3.0),
        ({"anthropic-ratelimit-tokens-reset": "2026-01-02T12:00:09"}, 9.0),
        ({"anthropic-ratelimit-tokens-reset": "tomorrow", "retry-after": "3"}, 3.0),
    ],
)  # fmt: skip
def test_the_longest_wait_that_applies_is_waited(
    server: ServerProcess, headers: dict[str, str], seconds: float
) -> None:
    """Of the waits that OpenAI's and Anthropic's headers ask for, the longest that applies is taken."""
    server.control(status=429, headers={**DATE, **headers})
    walked = walk(server)
    assert (walked.outcome.status, len(walked.requests)) == ("ok", 2)
    assert walked.clock.slept == [pytest.approx(seconds)]


@pytest.mark.fault(4)
def test_without_a_word_the_backoff_grows(server: ServerProcess) -> None:
    """A 429 that says nothing is sent four times in all, after at most half a second, one and two."""
    server.control(times=None, status=429)
    walked = walk(server)
    assert (walked.kind, len(walked.requests)) == ("rate_limit", 4)
    assert len(walked.clock.slept) == 3
    assert all(0 <= wait <= most for wait, most in zip(walked.clock.slept, [0.5, 1.0, 2.0], strict=True))


@pytest.mark.fault(5)
@pytest.mark.parametrize(
    "value",
    ["-1", "-0.5", "inf", "-inf", "nan", "1e999", "9" * 400, "soon", "", "0x10", "1;2", "Fri, 99 Foo 2026", "٣"],
)
def test_a_senseless_retry_after_is_ignored(server: ServerProcess, value: str) -> None:
    """A Retry-After that is negative, infinite or no number is as good as none: a backoff, and four requests in all."""
    server.control(times=None, status=429, headers=[["retry-after", value.encode().decode("latin-1")]])
    walked = walk(server)
    assert (walked.kind, len(walked.requests)) == ("rate_limit", 4)
    assert all(0 <= wait <= most for wait, most in zip(walked.clock.slept, [0.5, 1.0, 2.0], strict=True))


NAMES = [
    "retry-after", "retry-after-ms", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens",
    "x-ratelimit-remaining-requests", "anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-requests-remaining", "date",
]  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=40),
    st.floats().map(str),
    st.integers().map(str),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes().map(lambda moment: format_datetime(moment.replace(tzinfo=dt.UTC), usegmt=True)),
    st.from_regex(r"(\d{1,400}(ms|m|s|h|d))+", fullmatch=True),
)


@pytest.mark.fault(5)
@settings(deadline=None)
@given(headers=st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_no_header_is_a_surprise(headers: dict[str, str]) -> None:
    """Whatever the headers say, the wait is none, or a number of seconds that is neither negative nor infinite."""
    wait_s = retry_hint_s(headers)
    assert wait_s is None or (math.isfinite(wait_s) and wait_s >= 0)


@pytest.mark.fault(6)
def test_a_wait_that_nobody_waits_suspends_the_model(server: ServerProcess, engine: Any) -> None:
    """A Retry-After of 5 minutes is one call: the model's other trials say when it resumes, another model goes on."""
    server.control(times=None, model="small", status=429, headers={"retry-after": "300"})
    results = sweep(engine, 5, models=["openai/small", "openai/large"])
    sent = [request["body"]["model"] for request in server.requests()]
    assert (sent.count("small"), sent.count("large")) == (1, 5)
    df = results.df
    assert dict(df.groupby(["model", "status"]).size()) == {
        ("openai/large", "ok"): 5, ("openai/small", "failed"): 1, ("openai/small", "skipped"): 4,
    }  # fmt: skip
    skipped = df[df["status"] == "skipped"]
    assert set(skipped["failure"]) == {"rate_limit"}
    assert all("resumes in 5 min" in message for message in skipped["message"])


@pytest.mark.fault(9)
def test_an_overloaded_provider_is_left_alone_longer(server: ServerProcess) -> None:
    """A 529 is sent four times in all, with waits up to four times as long as after other failures."""
    server.control(times=None, status=529)
    walked = walk(server)
    assert (walked.kind, len(walked.requests)) == ("overloaded", 4)
    assert all(0 <= wait <= most for wait, most in zip(walked.clock.slept, [2.0, 4.0, 8.0], strict=True))
    assert sum(walked.clock.slept) > 0


@pytest.mark.fault(12)
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_asked_once(server: ServerProcess, engine: Any, status: int, capfd: Any) -> None:
    """A refused key ends its model after one call; the rows name the variable to set, and the key is nowhere."""
    server.control(times=None, status=status, body={"error": {"message": f"Incorrect API key provided: {KEY}"}})
    results = sweep(engine, 5)
    assert len(server.requests()) == 1
    assert sorted(results.df["status"]) == ["failed", *["skipped"] * 4]
    assert set(results.df["failure"]) == {"auth"}
    assert all("OPENAI_API_KEY" in message for message in results.df["message"])
    shown = results.df.to_csv() + repr(results) + "".join(capfd.readouterr())
    assert KEY not in shown
    assert KEY.encode() not in b"".join(path.read_bytes() for path in engine.settings.home.iterdir() if path.is_file())
