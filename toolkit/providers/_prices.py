"""What an answer cost in USD, from the caller's own prices or a dated table; unknown is `None`, never 0."""

from __future__ import annotations

import datetime as dt
import functools
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from toolkit._records import EMPTY, Request, Response, Usage
from toolkit.errors import UsageError

OVERRIDE_SOURCE = "prices="
"""`cost_source` of a cost that comes from the caller's own prices."""

_NAMES = ("input", "cached", "output")

# Parts of a message that are counted in text tokens; what audio, video and files cost is not known here.
_PRICED_PARTS = frozenset({"text", "image_url", "image", "refusal", "tool_use", "tool_result", "thinking"})

# Classes of service at the list price.
_LIST_TIERS = frozenset({"default", "standard", "auto", "on_demand"})

# `{"input": 2.0, ...}`; a list is a price that rises with the length of the input: `[base, [above, price], ...]`.
_Rate = Mapping[str, Any]


class Prices:
    """Prices of models: the caller's own first, then the table that this version of the package brings.

    The table is a snapshot of `genai-prices` (MIT, https://github.com/pydantic/genai-prices) with its date, made by
    `scripts/update_prices.py`. It holds list prices: what a gateway or a contract charges instead, say it here.

    Args:
        overrides: USD per million tokens by model, as `provider/name` or the bare name: `{"openai/gpt-4o-mini":
            {"input": 0.15, "cached": 0.075, "output": 0.6}}`. Without `cached`, what was read from a cache costs as
            `input` does.

    Raises:
        UsageError: If a price is not a number of at least 0, or `input` or `output` is missing.

    Example:
        >>> prices = Prices({"acme/tiny": {"input": 1.0, "output": 2.0}})
        >>> prices.price("acme", "tiny", Usage(input_tokens=1_000_000, output_tokens=500_000))
        (2.0, 'prices=')
    """

    def __init__(self, overrides: Mapping[str, Mapping[str, float]] = EMPTY) -> None:
        if not isinstance(overrides, Mapping):
            raise UsageError(f"`prices` is a map such as {_EXAMPLE}; got {overrides!r}.")
        self._own = {model: _checked(model, rate) for model, rate in overrides.items()}

    def price(
        self, provider: str, model: str, usage: Usage, *, at: dt.datetime | None = None
    ) -> tuple[float, str] | None:
        """Returns what this many tokens cost, in USD, and where the price comes from; `None` when that is unknown.

        A price that depends on the length of the input, the date or the time of day is the one that applies. Tokens
        that the provider did not count make the cost unknown.

        Args:
            provider: The name before the slash.
            model: Provider-side name, as asked for or as served.
            usage: Tokens as the provider counted them, or as estimated.
            at: When they are charged; `None` = now.
        """
        found = self._find(provider, model)
        return _cost(*found, usage, at=at) if found is not None else None

    def cost(
        self, provider: str, request: Request, response: Response, *, at: dt.datetime | None = None
    ) -> tuple[float, str] | None:
        """Returns what an answer cost, in USD, and where that comes from; `None` when it is unknown.

        What the provider itself says goes first. Then the price of the model that was asked for, by the caller's own
        prices; then that of the model that served, by the table; then that of the model that was asked for. Unknown is
        the cost of an answer in another class of service than the standard one, of tools that the provider ran, and of
        anything but text and images in the messages.

        Args:
            provider: The name before the slash.
            request: What was sent.
            response: What came back.
            at: When it was sent; `None` = now.
        """
        if response.cost_usd is not None:
            return response.cost_usd, provider
        if not _is_plain(request, response):
            return None
        found = self._override(provider, request.model) or self._override(provider, response.model)
        found = found or _in_table(provider, response.model)
        # An Azure deployment may be called like a model that it is not.
        if found is None and not (provider == "azure" and response.model):
            found = _in_table(provider, request.model)
        return _cost(*found, response.usage, at=at, raw=response.raw) if found is not None else None

    def _find(self, provider: str, model: str) -> tuple[tuple[_Rate, ...], str] | None:
        return self._override(provider, model) or _in_table(provider, model)

    def _override(self, provider: str, model: str | None) -> tuple[tuple[_Rate, ...], str] | None:
        if model is None:
            return None
        rate = self._own.get(f"{provider}/{model}") or self._own.get(model)
        return ((rate,), OVERRIDE_SOURCE) if rate is not None else None


LIST_PRICES = Prices()
"""The table alone."""


def price(provider: str, model: str, usage: Usage, *, at: dt.datetime | None = None) -> tuple[float, str] | None:
    """Returns what this many tokens cost by the table; arguments and result as for `Prices.price`.

    Example:
        >>> price("nobody", "no-such-model", Usage(input_tokens=1, output_tokens=1)) is None
        True
    """
    return LIST_PRICES.price(provider, model, usage, at=at)


def price_table() -> tuple[str, dt.date]:
    """Returns the name of the table of list prices, and the day it was made."""
    table = _table()
    return f"{table['source']} {table['version']}", dt.date.fromisoformat(table["date"])


_EXAMPLE = "{'acme/m': {'input': 1.0, 'output': 2.0}}"


def _checked(model: str, rate: Mapping[str, float]) -> _Rate:
    if not isinstance(model, str) or not isinstance(rate, Mapping):
        raise UsageError(f"`prices` has a map of prices for each model, such as {_EXAMPLE}; got {model!r}: {rate!r}.")
    unknown = sorted(set(rate) - set(_NAMES))
    missing = sorted({"input", "output"} - set(rate))
    if unknown or missing:
        raise UsageError(
            f"The price of {model!r} needs 'input' and 'output' and may have 'cached', in USD per million tokens; got "
            f"{sorted(rate)!r}."
        )
    for name, value in rate.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise UsageError(f"The price {name!r} of {model!r} must be USD per million tokens; got {value!r}.")
    return dict(rate)


@functools.cache
def _table() -> Mapping[str, Any]:
    from importlib import resources  # needed for the first price only, and slow to import

    text = resources.files("toolkit.providers").joinpath("prices.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


@functools.lru_cache(maxsize=1024)
def context_limit(provider: str, model: str) -> int | None:
    """Returns the most tokens that a model reads and writes at once, by the dated table; `None` = not known.

    Args:
        provider: The name before the slash.
        model: Provider-side name.

    Example:
        >>> context_limit("openai", "gpt-4o-mini"), context_limit("nobody", "no-such-model")
        (128000, None)
    """
    known = _entry(provider, model)
    limit: int | None = known.get("context") if known is not None else None
    return limit


@functools.lru_cache(maxsize=1024)
def _in_table(provider: str, model: str | None) -> tuple[tuple[_Rate, ...], str] | None:
    """The rates of a model, and the name of the table."""
    known = _entry(provider, model)
    if known is None or not known["rates"]:
        return None
    return tuple(known["rates"]), f"{_table()['source']} {_table()['date']}"


def _entry(provider: str, model: str | None) -> Mapping[str, Any] | None:
    """The first entry whose pattern fits, the provider's own before those it serves for others."""
    if not model:
        return None
    table = _table()
    own = table["providers"].get(provider)
    if own is None:
        return None
    name = model.lower()
    for entry in (own, *(table["providers"][other] for other in own["also"])):
        for known in entry["models"]:
            if re.search(known["match"], name):
                found: Mapping[str, Any] = known
                return found
    return None


def _cost(
    rates: tuple[_Rate, ...], source: str, usage: Usage, *, at: dt.datetime | None, raw: Mapping[str, Any] = EMPTY
) -> tuple[float, str] | None:
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    rate = _rate_at(rates, at or dt.datetime.now(dt.UTC))
    written, written_1h = _cache_writes(raw)
    cached = usage.cached_tokens or 0
    fresh = usage.input_tokens - cached - written - written_1h
    if fresh < 0:
        return None
    parts = (
        (fresh, "input"),
        (cached, "cached"),
        (written, "cache_write"),
        (written_1h, "cache_write_1h"),
        (usage.output_tokens, "output"),
    )
    cost_usd = sum(tokens * _step(rate, name, usage.input_tokens) for tokens, name in parts) / 1_000_000
    return cost_usd, source


def _step(rate: _Rate, name: str, input_tokens: int) -> float:
    """The price of one kind of token; the whole request is charged at the step that its input reaches."""
    value = rate.get(name, rate.get("cache_write", rate["input"]) if name == "cache_write_1h" else rate["input"])
    if isinstance(value, int | float):
        return value
    base, *steps = value
    return float(next((price for above, price in reversed(steps) if input_tokens > above), base))


def _rate_at(rates: tuple[_Rate, ...], at: dt.datetime) -> _Rate:
    """The last rate that applies at that moment."""
    if len(rates) == 1:
        return rates[0]
    moment = at.astimezone(dt.UTC)
    applying = [rate for rate in rates if _applies(rate, moment)]
    return applying[-1] if applying else rates[0]


def _applies(rate: _Rate, moment: dt.datetime) -> bool:
    if moment.date().isoformat() < rate.get("from", ""):
        return False
    if "between" not in rate:
        return True
    start, end = rate["between"]
    clock = f"{moment:%H:%M}"
    return bool(start <= clock < end if start <= end else clock >= start or clock < end)


def _is_plain(request: Request, response: Response) -> bool:
    """Whether the list price is what such an answer costs."""
    for message in request.messages:
        for part in message.content if isinstance(message.content, tuple) else ():
            if isinstance(part, Mapping) and part.get("type") not in _PRICED_PARTS:
                return False
    usage = response.raw.get("usage")
    usage = usage if isinstance(usage, Mapping) else EMPTY
    tier = response.raw.get("service_tier") or usage.get("service_tier")
    if isinstance(tier, str) and tier not in _LIST_TIERS:
        return False
    if usage.get("speed") not in (None, "standard"):
        return False
    run = usage.get("server_tool_use")
    return not (isinstance(run, Mapping) and any(isinstance(value, int) and value for value in run.values()))


def _cache_writes(raw: Mapping[str, Any]) -> tuple[int, int]:
    """Tokens of the input that were written to a cache for minutes, and for an hour: they cost more than others."""
    usage = raw.get("usage")
    if not isinstance(usage, Mapping):
        return 0, 0
    details = usage.get("prompt_tokens_details")
    total = details.get("cache_write_tokens") if isinstance(details, Mapping) else None
    total = total if total is not None else usage.get("cache_creation_input_tokens")
    total = total if isinstance(total, int) and total > 0 else 0
    by_age = usage.get("cache_creation")
    hour = by_age.get("ephemeral_1h_input_tokens") if isinstance(by_age, Mapping) else None
    hour = min(hour, total) if isinstance(hour, int) and hour > 0 else 0
    return total - hour, hour
