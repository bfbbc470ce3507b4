"""One request until it has an outcome: on record before it leaves, on record before it is shown."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from random import Random

import pytest

from tests.builders import CountingProvider, make_prompt
from toolkit import _sync
from toolkit._records import FrozenDict, Message, Request, Response, Usage
from toolkit.engine import Budget, Caller, RetryPolicy, Slots, Spend, call, effective_params
from toolkit.errors import (
    AuthenticationError,
    InvalidResponseError,
    ProviderConnectionError,
    ProviderServerError,
    ProviderTimeoutError,
    RateLimitError,
    StoreError,
)
from toolkit.providers import Chunk
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

    async def begin_attempt(self, *, run_id, trial_id, request_key, sent_at, reserved_usd):
        self.note("begin")
        return len(self.entries)

    async def fail_attempt(self, attempt_id, *, kind, possibly_billed):
        self.note(f"fail {kind}")

    async def finish(self, outcome, *, run_id, attempt_id):
        self.note(f"finish {outcome.status}")
        self.outcomes.append(outcome)


def send(script, *, ledger=None, request=REQUEST, clock=None, provider=None, **options):
    """Sends one request to a scripted provider and returns the outcome."""
    ledger, clock = ledger or Diary(), clock or FakeClock()
    provider = provider or FakeProvider(script)

    async def work():
        caller = Caller(
            run_id="run-1",
            ledger=ledger,
            slots=Slots(None, clock=clock),
            clock=clock,
            rng=Random(0),
            policy=RetryPolicy(),
            **options,
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


class Endless(FakeProvider):
    """A provider that keeps no deadline."""

    closed = False

    async def complete(self, request, *, timeout_s):
        """Never answers."""
        await asyncio.Event().wait()

    async def stream(self, request, *, timeout_s):
        """Never goes on after its first word."""
        try:
            yield Chunk(text="one")
            await asyncio.Event().wait()
        finally:
            self.closed = True


@pytest.mark.parametrize("params", [{}, {"stream": True}])
def test_an_adapter_without_a_deadline_is_given_up_all_the_same(params):
    """An attempt ends within half a second of its deadline, whatever its adapter does, and may be billed."""
    provider = Endless([])
    request = replace(REQUEST, params=FrozenDict(params))
    started = time.monotonic()
    outcome = send([], provider=provider, request=request, timeout_s=0.05)
    assert time.monotonic() - started < 4 * (0.05 + 0.5) + 1
    assert (outcome.failure.kind, outcome.attempts, outcome.possibly_billed) == ("timeout", 4, 4)
    assert provider.closed == bool(params)


def test_an_adapters_own_time_out_is_its_defect():
    """A TimeoutError that an adapter lets out before the deadline is its own mistake, not the provider's silence."""

    def broken(request):
        raise TimeoutError("mine")

    assert send(broken).failure.kind == "adapter"


def test_the_stream_is_closed_before_its_answer_is_on_record():
    """A stream that has given its answer is closed, not left to be collected."""
    closed = []

    class Careful(FakeProvider):
        async def stream(self, request, *, timeout_s):
            try:
                yield Chunk(response=Response(text="done", finish_reason="stop"))
                yield Chunk(text="never read")
            finally:
                closed.append(True)

    outcome = send([], provider=Careful([]), request=replace(REQUEST, params=FrozenDict({"stream": True})))
    assert (outcome.text, closed) == ("done", [True])


WORST = Spend(usd=0.4, calls=1, tokens=10)


def budgeted(script, **caps):
    """Sends one request under a budget of which each attempt reserves 0.4 USD; returns the outcome and the budget."""
    holder = {}

    async def make():
        holder["budget"] = Budget(**caps)

    _sync.run(make())
    diary = Diary()
    outcome = send(script, budget=holder["budget"], worst=lambda request: WORST, ledger=diary)
    return outcome, holder["budget"], diary


def test_an_attempt_that_the_budget_cannot_bear_is_not_sent():
    """Where the worst case exceeds what is left, nothing is begun and the row is over_budget."""
    outcome, budget, diary = budgeted(["hello"], usd=0.3)
    assert (outcome.status, outcome.failure.kind, outcome.attempts) == ("over_budget", "over_budget", 0)
    assert diary.entries == ["finish over_budget"]
    assert budget.spent.calls == 0


def test_every_attempt_reserves_for_itself():
    """A retry is an attempt like any other: it is not sent when what may be billed already leaves no room for it."""
    outcome, budget, diary = budgeted([ProviderTimeoutError("late", possibly_billed=True), "hello"], usd=0.7)
    assert (outcome.status, outcome.failure.kind, outcome.attempts) == ("over_budget", "over_budget", 1)
    assert diary.entries == ["begin", "fail timeout", "finish over_budget"]
    assert (budget.spent.usd, budget.reserved.usd) == (0.4, 0)


@pytest.mark.parametrize(
    ("error", "usd", "calls"),
    [
        (ProviderTimeoutError("late", possibly_billed=True), 0.4, 1),
        (AuthenticationError("no"), 0.0, 1),
        (ProviderConnectionError("no such host", kind="tls", retryable=False), 0.0, 0),
    ],
)
def test_a_failure_costs_what_it_can_have_cost(error, usd, calls):
    """A failure that may be billed keeps its worst case, a refusal costs a call, and what never left costs nothing."""
    error.retryable = False
    _, budget, _ = budgeted([error], usd=10)
    assert (budget.spent.usd, budget.spent.calls, budget.reserved.usd) == (usd, calls, 0)


def test_an_answer_costs_what_it_cost():
    """Of what was reserved for an answered attempt, its own cost and tokens stay."""
    response = Response(text="x", finish_reason="stop", cost_usd=0.25, usage=Usage(input_tokens=3, output_tokens=4))
    _, budget, _ = budgeted([response], usd=10)
    assert (budget.spent.usd, budget.spent.calls, budget.spent.tokens) == (0.25, 1, 7)


def test_a_call_that_is_cut_off_keeps_its_worst_case():
    """A call that is cancelled after it was put on record may be billed: what it reserved stays counted."""
    reached = asyncio.Event()

    class Waited(Endless):
        async def complete(self, request, *, timeout_s):
            reached.set()
            await super().complete(request, timeout_s=timeout_s)

    async def work():
        budget, clock = Budget(usd=10), FakeClock()
        caller = Caller(
            run_id="r", ledger=Diary(), slots=Slots(8, clock=clock), clock=clock, rng=Random(0), policy=RetryPolicy(),
            budget=budget, worst=lambda request: WORST,
        )  # fmt: skip
        calling = asyncio.create_task(call(REQUEST, Waited([]), trial_id="t1:a", caller=caller))
        await reached.wait()
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        return budget

    budget = _sync.run(work())
    assert (budget.spent.usd, budget.reserved.usd) == (0.4, 0)


def test_a_store_that_fails_gives_the_reservation_back():
    """When an attempt cannot be put on record, nothing was sent and nothing stays reserved."""
    holder = {}

    async def make():
        holder["budget"] = Budget(usd=1.0)

    _sync.run(make())
    with pytest.raises(StoreError):
        send(["x"], ledger=Diary(fail_on="begin"), budget=holder["budget"], worst=lambda request: WORST)
    assert (holder["budget"].spent.usd, holder["budget"].reserved.usd) == (0, 0)
