"""The rules by which a cost is known, and by which it stays unknown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from tests.providers.builders import make_body, make_request
from toolkit._records import FrozenDict, Message, Request, Response, Usage, freeze
from toolkit.errors import UsageError
from toolkit.providers import Prices, price
from toolkit.providers import _prices as module
from toolkit.providers._families import FAMILIES
from toolkit.providers._openai_wire import read_completion

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)

TABLE: dict[str, Any] = {
    "source": "genai-prices",
    "date": "2026-11-20",
    "providers": {
        "acme": {
            "also": ["other"],
            "models": [
                {"match": "^plain$", "rates": [{"input": 1.0, "output": 4.0, "cached": 0.1}]},
                {"match": "^cache", "rates": [{"input": 1.0, "output": 4.0, "cached": 0.1, "cache_write": 1.25,
                                               "cache_write_1h": 2.0}]},
                {"match": "^tiers", "rates": [{"input": [1.0, [200_000, 2.0]], "output": [4.0, [200_000, 6.0]]}]},
                {"match": "^dated", "rates": [{"input": 9.0, "output": 9.0},
                                              {"from": "2026-12-01", "input": 1.0, "output": 1.0}]},
                {"match": "^night", "rates": [{"input": 2.0, "output": 2.0},
                                              {"between": ["22:00", "06:00"], "input": 1.0, "output": 1.0}]},
                {"match": "^image", "rates": []},
            ],
        },
        "other": {"also": [], "models": [{"match": "^image|^shared", "rates": [{"input": 3.0, "output": 3.0}]}]},
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def _table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A small table in place of the package's."""
    monkeypatch.setattr(module, "_table", lambda: TABLE)
    module._in_table.cache_clear()
    yield
    module._in_table.cache_clear()


def usage(input_tokens: int | None, output_tokens: int | None, cached: int | None = None) -> Usage:
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens, cached_tokens=cached)


@pytest.mark.parametrize(
    ("model", "tokens", "cost_usd"),
    [
        ("plain", usage(1_000_000, 0), 1.0),
        ("plain", usage(0, 1_000_000), 4.0),
        ("PLAIN", usage(1_000_000, 500_000), 3.0),
        ("plain", usage(1_000_000, 0, 400_000), 0.64),
        ("plain", usage(0, 0), 0.0),
        ("tiers-1", usage(200_000, 100_000), 0.6),
        ("tiers-1", usage(200_001, 100_000), 1.000002),
        ("shared", usage(1_000_000, 1_000_000), 6.0),
    ],
)
def test_tokens_times_price(model: str, tokens: Usage, cost_usd: float) -> None:
    """The cost is tokens times price, cached ones at theirs, the whole request at the step that its input reaches."""
    found = price("acme", model, tokens, at=NOW)
    assert found == (pytest.approx(cost_usd), "genai-prices 2026-11-20")


@pytest.mark.parametrize(
    ("model", "at", "cost_usd"),
    [
        ("dated", dt.datetime(2026, 11, 30, 23, 59, tzinfo=dt.UTC), 18.0),
        ("dated", dt.datetime(2026, 12, 1, 0, 0, tzinfo=dt.UTC), 2.0),
        ("dated", dt.datetime(2026, 12, 1, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=2))), 18.0),
        ("night", dt.datetime(2026, 11, 22, 23, 0, tzinfo=dt.UTC), 2.0),
        ("night", dt.datetime(2026, 11, 22, 5, 59, tzinfo=dt.UTC), 2.0),
        ("night", dt.datetime(2026, 11, 22, 6, 0, tzinfo=dt.UTC), 4.0),
    ],
)
def test_price_of_its_day_and_hour(model: str, at: dt.datetime, cost_usd: float) -> None:
    """A price that depends on the date or the time of day, in UTC, is the one of the moment."""
    found = price("acme", model, MILLION, at=at)
    assert found is not None
    assert found[0] == pytest.approx(cost_usd)


@pytest.mark.parametrize(
    ("provider", "model", "tokens"),
    [
        ("nobody", "plain", MILLION),
        ("acme", "no-such-model", MILLION),
        ("acme", "", MILLION),
        ("acme", "image-1", MILLION),
        ("acme", "plain", usage(None, 5)),
        ("acme", "plain", usage(5, None)),
        ("acme", "plain", usage(5, 5, 6)),
    ],
)
def test_unknown_is_unknown(provider: str, model: str, tokens: Usage) -> None:
    """No price, a model that is listed without one, or a count that is missing or impossible: no cost, and never 0."""
    assert price(provider, model, tokens, at=NOW) is None


def test_own_prices_go_first() -> None:
    """The caller's prices win over the table, by full name before bare name, and are named as the source."""
    prices = Prices({"acme/plain": {"input": 10, "output": 0}, "plain": {"input": 20, "output": 0}})
    assert prices.price("acme", "plain", MILLION) == (10.0, "prices=")
    assert prices.price("nobody", "plain", MILLION) == (20.0, "prices=")


def test_own_price_without_cached_charges_cached_tokens_in_full() -> None:
    """Without a price for cached tokens they cost as the others do."""
    prices = Prices({"m": {"input": 2, "output": 0}, "c": {"input": 2, "cached": 0.5, "output": 0}})
    tokens = usage(1_000_000, 0, 500_000)
    assert prices.price("acme", "m", tokens) == (2.0, "prices=")
    assert prices.price("acme", "c", tokens) == (1.25, "prices=")


def test_a_price_of_nothing_is_a_price() -> None:
    """Whoever says that a model costs nothing gets 0, with the source that says so."""
    assert Prices({"m": {"input": 0, "output": 0}}).price("acme", "m", MILLION) == (0.0, "prices=")


@pytest.mark.parametrize(
    "rate",
    [
        {},
        {"input": 1},
        {"input": 1, "output": -1},
        {"input": 1, "output": "2"},
        {"input": 1, "output": float("nan")},
        {"input": True, "output": 1},
        {"input": 1, "output": 1, "prompt": 1},
    ],
)
def test_own_price_is_checked(rate: dict[str, Any]) -> None:
    """A price that is not USD per million tokens is an error that names the model."""
    with pytest.raises(UsageError, match="'acme/m'"):
        Prices({"acme/m": rate})


def answer(*, model: str = "plain", body: dict[str, Any] | None = None, **fields: Any) -> Response:
    """An answer with a million tokens in and out."""
    raw = freeze(body or {})
    return Response(text="", finish_reason="stop", model=model, usage=MILLION, raw=raw, **fields)


def test_providers_own_word_goes_first() -> None:
    """What the provider itself says that an answer cost is its cost, and the provider its source."""
    prices = Prices({"plain": {"input": 9, "output": 9}})
    request = make_request(model="plain")
    assert prices.cost("acme", request, answer(cost_usd=0.0)) == (0.0, "acme")


@pytest.mark.parametrize(
    ("provider", "asked", "served", "cost_usd"),
    [
        ("acme", "alias", "plain", 5.0),
        ("acme", "plain", "unlisted", 5.0),
        ("acme", "dated", "plain", 5.0),
        ("azure", "plain", "unlisted", None),
    ],
)
def test_served_model_is_what_is_charged(
    monkeypatch: pytest.MonkeyPatch, provider: str, asked: str, served: str, cost_usd: float | None
) -> None:
    """The price is that of the model that served, else of the one asked for; the name of a deployment says nothing."""
    monkeypatch.setitem(TABLE["providers"], "azure", TABLE["providers"]["acme"])
    found = Prices().cost(provider, make_request(model=asked), answer(model=served), at=NOW)
    assert (found[0] if found else None) == cost_usd


@pytest.mark.parametrize(
    "body",
    [
        {"service_tier": "priority"},
        {"service_tier": "flex"},
        {"usage": {"service_tier": "batch"}},
        {"usage": {"speed": "fast"}},
        {"usage": {"server_tool_use": {"web_search_requests": 1}}},
    ],
)
def test_another_class_of_service_has_no_known_cost(body: dict[str, Any]) -> None:
    """An answer that was served at another price than the list's, or with tools that the provider ran, is unknown."""
    assert Prices().cost("acme", make_request(model="plain"), answer(body=body)) is None
    assert Prices().cost("acme", make_request(model="plain"), answer(body={"service_tier": "default"})) is not None


def test_audio_has_no_known_cost() -> None:
    """Messages with anything but text and images are not priced by the token table."""
    content = freeze([{"type": "input_audio", "input_audio": {}}])
    request = Request(provider="acme", model="plain", messages=(Message(role="user", content=content),))
    assert Prices().cost("acme", request, answer()) is None


@pytest.mark.parametrize(
    ("counts", "cost_usd"),
    [
        ({"cache_creation_input_tokens": 400_000}, 5.1),
        ({"cache_creation_input_tokens": 400_000, "cache_creation": {"ephemeral_1h_input_tokens": 400_000}}, 5.4),
        ({"prompt_tokens_details": {"cache_write_tokens": 400_000}}, 5.1),
    ],
)
def test_writing_to_a_cache_costs_more(counts: dict[str, Any], cost_usd: float) -> None:
    """Tokens that were written to a cache are charged at their own price, by how long they are kept."""
    response = answer(model="cache", body={"usage": counts})
    assert Prices().cost("acme", make_request(model="cache"), response) == (
        pytest.approx(cost_usd),
        "genai-prices 2026-11-20",
    )


@pytest.mark.parametrize(("cost", "read"), [(0.25, 0.25), ({"total_cost": 0.5}, 0.5), (-1, None), ("1", None)])
def test_cost_in_the_usage_is_read_where_it_is_usd(cost: Any, read: float | None) -> None:
    """A cost in the usage counts for the services that document it as USD, and for no other."""
    body = make_body() | {"usage": {"prompt_tokens": 1, "completion_tokens": 1, "cost": cost}}
    assert read_completion(body, request_id=None, latency_s=0, reports_cost=True).cost_usd == read
    assert read_completion(body, request_id=None, latency_s=0).cost_usd is None
    assert sorted(name for name, family in FAMILIES.items() if family.reports_cost) == ["openrouter", "perplexity"]


def test_frozen_usage_is_read() -> None:
    """What the store gives back is priced as what came from the wire."""
    raw = FrozenDict({"usage": {"cache_creation_input_tokens": 0}})
    assert Prices().cost("acme", make_request(model="plain"), answer(body=raw)) is not None
