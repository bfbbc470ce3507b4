"""What an answer cost, on record with its outcome: the provider's word, then the caller's prices, then the table."""

from __future__ import annotations

import dataclasses
from random import Random

import pytest

from toolkit import _sync
from toolkit._records import Message, Outcome, Request, Response, Usage
from toolkit.engine import Caller, RetryPolicy, Slots, call
from toolkit.errors import BadRequestError
from toolkit.providers import Prices
from toolkit.testing import FakeClock, FakeProvider

ANSWER = Response(
    text="hi", finish_reason="stop", model="gpt-4o-mini", usage=Usage(input_tokens=1_000_000, output_tokens=1_000_000)
)


class Nobody:
    """A ledger that keeps nothing."""

    async def begin_attempt(self, **_):
        return 1

    async def fail_attempt(self, *_, **__):
        pass

    async def finish(self, *_, **__):
        pass


def outcome_of(answer, *, model: str = "gpt-4o-mini", name: str = "openai", **options) -> Outcome:
    """The outcome of one call of a provider that answers with `answer`."""
    provider = FakeProvider([answer])
    provider.name = name
    request = Request(provider=name, model=model, messages=(Message(role="user", content="hi"),))
    clock = FakeClock()

    async def work() -> Outcome:
        caller = Caller(
            run_id="run-1", ledger=Nobody(), slots=Slots(None, clock=clock), clock=clock, rng=Random(0),
            policy=RetryPolicy(), **options,
        )  # fmt: skip
        return await call(request, provider, trial_id="t1:a", caller=caller)

    return _sync.run(work())


def test_an_answer_is_priced_by_the_table():
    """Without prices of the caller's, the cost comes from the dated table, which is named as its source."""
    outcome = outcome_of(ANSWER)
    assert outcome.cost_usd == pytest.approx(0.75)
    assert outcome.cost_source.startswith("genai-prices 20")


def test_the_callers_prices_go_first():
    """Prices of the caller's win over the table."""
    outcome = outcome_of(ANSWER, prices=Prices({"openai/gpt-4o-mini": {"input": 1, "output": 2}}))
    assert (outcome.cost_usd, outcome.cost_source) == (3.0, "prices=")


def test_what_the_provider_says_goes_before_everything():
    """A cost that the provider itself reports is the cost, 0 included."""
    answer = dataclasses.replace(ANSWER, cost_usd=0.0)
    outcome = outcome_of(answer, prices=Prices({"gpt-4o-mini": {"input": 1, "output": 2}}))
    assert (outcome.cost_usd, outcome.cost_source) == (0.0, "openai")


@pytest.mark.line("1.14")
@pytest.mark.parametrize(
    ("answer", "model", "name"),
    [
        (dataclasses.replace(ANSWER, model="unlisted"), "unlisted", "openai"),
        (ANSWER, "gpt-4o-mini", "nobody"),
        (dataclasses.replace(ANSWER, usage=Usage(input_tokens=5)), "gpt-4o-mini", "openai"),
        (BadRequestError("No."), "gpt-4o-mini", "openai"),
    ],
)
def test_an_unknown_cost_is_none(answer, model, name):
    """A model without a price, a count that is missing, or a failure: the cost is unknown, and so is its source."""
    outcome = outcome_of(answer, model=model, name=name)
    assert (outcome.cost_usd, outcome.cost_source) == (None, None)
