"""What one attempt can come to at most, what it came to, and how an amount is told."""

from __future__ import annotations

import pytest

from toolkit._records import EMPTY, FrozenDict, Message, Request, Response, Usage
from toolkit.engine import Spend, spent_on, usd_words, worst_case
from toolkit.providers import LIST_PRICES, Prices, estimate_tokens

PRICES = Prices({"acme/m": {"input": 1.0, "output": 2.0}})


def request(provider="acme", model="m", **params):
    """One short message to a model that costs 1 and 2 USD per million tokens."""
    return Request(
        provider=provider,
        model=model,
        messages=(Message(role="user", content="Where is my parcel?"),),
        params=FrozenDict(params),
    )


READ = estimate_tokens([{"role": "user", "content": "Where is my parcel?"}]).high


@pytest.mark.parametrize(
    ("asked_for", "usd", "tokens"),
    [
        (request(max_tokens=100), (READ + 200) / 1e6, READ + 100),
        (request(max_completion_tokens=100, n=3), (READ + 600) / 1e6, READ + 300),
        (request(provider="acme@http://127.0.0.1:1/v1", max_tokens=100), (READ + 200) / 1e6, READ + 100),
        (request(), None, None),
        (request(model="nobody", max_tokens=100), None, READ + 100),
        (request(provider="local", model="x", max_tokens=100), 0.0, READ + 100),
        (request(provider="local", model="x"), 0.0, READ + 512),
    ],
)
def test_the_worst_case_is_the_upper_estimate_and_the_longest_answers(asked_for, usd, tokens):
    """Most input by the estimate, `max_tokens` for each of `n` answers; unknown where either is; local costs 0."""
    worst = worst_case(asked_for, prices=PRICES)
    assert (worst.usd, worst.calls, worst.tokens) == (usd if usd is None else pytest.approx(usd), 1, tokens)


def test_without_max_tokens_the_model_itself_is_the_limit():
    """An answer is at most what the model holds beside the input, or what the adapter sends where its API insists."""
    low = estimate_tokens([{"role": "user", "content": "Where is my parcel?"}]).low
    openai = worst_case(request("openai", "gpt-4o-mini"), prices=LIST_PRICES)
    anthropic = worst_case(request("anthropic", "claude-3-5-haiku-20241022"), prices=LIST_PRICES)
    assert (openai.tokens, anthropic.tokens) == (READ + 128_000 - low, READ + 8_192)


def test_tools_are_part_of_the_input():
    """Tools and the answer's form are counted with the messages that they go with."""
    tool = {"type": "function", "function": {"name": "look_up", "description": "Looks a parcel up by its number."}}
    plain, with_tools = request(max_tokens=1), request(max_tokens=1, tools=(tool,))
    assert worst_case(with_tools, prices=PRICES).tokens > worst_case(plain, prices=PRICES).tokens + 10


def test_what_an_answer_came_to_is_what_was_counted():
    """Tokens that the provider did not count are unknown, and so is a cost without a price."""
    answer = Response(text="a", finish_reason="stop", usage=Usage(input_tokens=7, output_tokens=3), raw=EMPTY)
    assert spent_on(answer, 0.5) == Spend(usd=0.5, calls=1, tokens=10)
    assert spent_on(Response(text="a", finish_reason="stop"), None) == Spend(usd=None, calls=1, tokens=None)


@pytest.mark.parametrize(
    ("usd", "words"), [(0, "$0"), (0.5, "$0.50"), (1234.5, "$1,234.50"), (0.000123, "$0.00012"), (0.00999, "$0.0100")]
)
def test_an_amount_is_never_rounded_to_nothing(usd, words):
    """USD has two decimals, or as many as it takes to show two digits."""
    assert usd_words(usd) == words


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (Usage(input_tokens=7), None),
        (Usage(output_tokens=3), None),
        (Usage(input_tokens=0, output_tokens=3), 3),
        (Usage(input_tokens=7, output_tokens=0), 7),
    ],
)
def test_half_a_count_of_tokens_is_none(usage, tokens):
    """Tokens are known where both sides were counted, and a side may be nothing."""
    assert spent_on(Response(text="a", finish_reason="stop", usage=usage, raw=EMPTY), None).tokens == tokens


def test_one_dollar_has_two_decimals():
    """From one USD on, two decimals are enough."""
    assert (usd_words(1), usd_words(1.005), usd_words(-0.00231)) == ("$1.00", "$1.00", "$-0.0023")


def test_the_answer_s_form_is_part_of_the_input():
    """A schema that the answer has to fit is counted with the messages, at its upper estimate."""
    schema = {"type": "json_schema", "json_schema": {"name": "parcel", "schema": {"type": "object"}}}
    plain, formed = request(max_tokens=1), request(max_tokens=1, response_format=schema)
    assert worst_case(formed, prices=PRICES).tokens > worst_case(plain, prices=PRICES).tokens + 10
