"""One request until it has an outcome: on record before it leaves, on record before it is shown."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.builders import CountingProvider, make_prompt
from toolkit import _sync
from toolkit._records import FrozenDict, Message, Request, Response
from toolkit.engine import Caller, RetryPolicy, Slots, call, effective_params
from toolkit.errors import (
    AuthenticationError,
    InvalidResponseError,
    ProviderServerError,
    ProviderTimeoutError,
    RateLimitError,
    StoreError,
)
from toolkit.testing import FakeClock, FakeProvider

REQUEST = Request(
    provider="fake", model="m", messages=(Message(role="user", content="hi"),), params=FrozenDict({"seed": 1})
)


class Diary:
    """A ledger that notes the order of what it is told, together with the provider's calls."""

    def __init__(self, *, fail_on: str = ""):
        self.entries = []
        self.outcomes = []
        self.fail_on = fail_on

    def note(self, what):
        self.entries.append(what)
        if what.split(" ")[0] == self.fail_on:
            raise StoreError("disk full")

    async def begin_attempt(self, *, run_id, trial_id, request_key, sent_at):
        self.note("begin")
        return len(self.entries)

    async def fail_attempt(self, attempt_id, *, kind, possibly_billed):
        self.note(f"fail {kind}")

    async def finish(self, outcome, *, run_id, attempt_id):
        self.note(f"finish {outcome.status}")
        self.outcomes.append(outcome)


def send(script, *, ledger=None, request=REQUEST, clock=None):
    """Sends one request to a scripted provider and returns the outcome."""
    ledger, clock = ledger or Diary(), clock or FakeClock()
    provider = FakeProvider(script)

    async def work():
        caller = Caller(
            run_id="run-1",
            ledger=ledger,
            slots=Slots(None, clock=clock),
            clock=clock,
            rng=Random(0),
            policy=RetryPolicy(),
        )
        return await call(request, provider, trial_id="t1:a", caller=caller)

    return _sync.run(work())


def test_an_attempt_is_on_record_before_the_request_leaves():
    """Begin is committed before the provider is called, and finish before the outcome is returned."""
    diary = Diary()

    def answer(request):
        diary.note("sent")
        return "hello"

    outcome = send(answer, ledger=diary)
    assert diary.entries == ["begin", "sent", "finish ok"]
    assert (outcome.text, outcome.attempts, outcome.request_key) == ("hello", 1, REQUEST.key)


def test_nothing_is_sent_when_the_attempt_cannot_be_recorded():
    """When the store fails, the provider is not called and the error is the store's own."""
    called = []
    with pytest.raises(StoreError, match="disk full"):
        send(lambda request: called.append(request) or "x", ledger=Diary(fail_on="begin"))
    assert called == []


def test_rate_limited_call_waits_as_long_as_the_provider_asks():
    """A 429 with Retry-After: 7 is tried again after 7 seconds and counts as two attempts."""
    clock, diary = FakeClock(), Diary()
    outcome = send([RateLimitError("slow down", retry_after_s=7), "hello"], clock=clock, ledger=diary)
    assert clock.slept == [7]
    assert (outcome.text, outcome.attempts, outcome.retry_s) == ("hello", 2, 7)
    assert diary.entries == ["begin", "fail rate_limit", "begin", "finish ok"]


def test_a_failure_is_an_outcome_and_says_why():
    """A refused key is a failed outcome with its kind and message, after one attempt."""
    outcome = send([AuthenticationError("Key refused; set OPENAI_API_KEY.", status=401)])
    assert outcome.status == "failed"
    assert (outcome.failure.kind, outcome.failure.error_type) == ("auth", "AuthenticationError")
    assert (outcome.failure.status, outcome.attempts) == (401, 1)


def test_attempts_that_may_be_billed_are_counted():
    """A time-out after sending counts as possibly billed, also when a later attempt is answered."""
    outcome = send([ProviderTimeoutError("late", possibly_billed=True), "hello"])
    assert (outcome.status, outcome.possibly_billed, outcome.attempts) == ("ok", 1, 2)


def test_the_last_failure_is_kept_when_all_tries_are_used():
    """Four server errors are a failed outcome with four attempts, and the waits between them."""
    clock = FakeClock()
    outcome = send([ProviderServerError("boom")], clock=clock)
    assert (outcome.status, outcome.attempts, len(clock.slept)) == ("failed", 4, 3)
    assert outcome.retry_s == pytest.approx(sum(clock.slept))


def test_an_adapter_s_own_mistake_is_a_row():
    """An exception that no provider should raise becomes a failure of kind adapter, keys masked."""

    def broken(request):
        raise KeyError("sk-abcdefghijklmnop")

    outcome = send(broken)
    assert (outcome.status, outcome.failure.kind) == ("failed", "adapter")
    assert "KeyError" in outcome.failure.message
    assert "sk-abcdef" not in outcome.failure.message


def test_a_streamed_request_gives_the_whole_response():
    """With stream=True in the params the answer is assembled from the stream."""
    request = Request(provider="fake", model="m", messages=REQUEST.messages, params=FrozenDict({"stream": True}))
    assert send(["one two three"], request=request).text == "one two three"


def test_a_broken_stream_keeps_its_partial_text_and_is_no_answer():
    """A stream that breaks off is a failure that carries the part that came."""
    broken = InvalidResponseError("cut", kind="truncated_stream", partial="one tw", retryable=False)
    outcome = send([broken])
    assert (outcome.status, outcome.response, outcome.failure.partial) == ("failed", None, "one tw")


def test_an_unknown_cost_stays_unknown():
    """A provider that does not know its price leaves cost and its source unknown; a local one says 0 and its name."""
    assert send(["hello"]).cost_usd is None
    free = send([Response(text="x", finish_reason="stop", cost_usd=0.0)])
    assert (free.cost_usd, free.cost_source) == (0.0, "fake")


def test_no_more_calls_are_in_flight_than_there_are_places():
    """With three places, ten calls at once never have more than three in flight, and all are answered."""
    clock, provider = FakeClock(), CountingProvider(["ok"])

    async def work():
        caller = Caller(
            run_id="r", ledger=Diary(), slots=Slots(3, clock=clock), clock=clock, rng=Random(0), policy=RetryPolicy()
        )
        calls = [call(REQUEST, provider, trial_id=f"t1:{n}", caller=caller) for n in range(10)]
        return await asyncio.gather(*calls)

    assert [outcome.text for outcome in _sync.run(work())] == ["ok"] * 10
    assert provider.most == 3


@pytest.mark.parametrize(
    ("config", "asked", "sent"),
    [
        ({"temperature": 0.7}, {}, {"temperature": 0.7}),
        ({"temperature": 0.7}, {"temperature": 0}, {"temperature": 0}),
        ({"temperature": 0.7}, {"temperature": None}, {}),
        ({"api_base": "http://evil.test", "headers": {"a": "b"}, "model": "m", "owner": "me"}, {}, {}),
        ({}, {"custom": 1}, {"custom": 1}),
    ],
)
def test_only_known_parameters_are_taken_from_a_prompt(config, asked, sent):
    """The caller's params go before the prompt's, None takes one away, and metadata of a config is never sent."""
    assert effective_params(make_prompt(config=config), asked) == sent
