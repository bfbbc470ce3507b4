"""Writes toolkit/providers/prices.json anew from the package genai-prices (MIT, by Pydantic).

The package is not a dependency: it is read once, here, and what is kept is a dated snapshot of the providers and the
kinds of price that this toolkit can apply. Run it in an environment of its own, from the root of the repository:

    python -m venv /tmp/prices && /tmp/prices/bin/pip install --upgrade genai-prices
    /tmp/prices/bin/python scripts/update_prices.py --date 2026-11-22

Models whose tokens are not all text in and text out (images, audio, video), and those that are charged by the request
or by the hour as well, are kept without a price: their cost stays unknown, which is better than nearly right, and no
looser entry after theirs takes their names. The same for a price of 0 that is not said to be one. Embedding models
write no tokens: where only their input has a price, their output has that of 0.

`context` is the number of tokens that a model reads and writes at most, where the package knows it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[1] / "toolkit" / "providers" / "prices.json"

# Our name of a provider, theirs, and whose models it serves besides at the same price.
PROVIDERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "anthropic": ("anthropic", ()),
    "azure": ("azure", ("openai",)),
    "deepseek": ("deepseek", ()),
    "fireworks_ai": ("fireworks", ()),
    "gemini": ("google", ()),
    "groq": ("groq", ()),
    "mistral": ("mistral", ()),
    "openai": ("openai", ()),
    "openrouter": ("openrouter", ()),
    "perplexity": ("perplexity", ()),
    "together_ai": ("together", ()),
    "xai": ("x-ai", ()),
}

# Their names of what is charged, ours. USD per million tokens.
KEPT = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
}

# Charged for what a request of ours never asks for, or asks for in words that are checked when the price is applied.
IGNORED = {"web_searches_kcount", "storage_searches_kcount", "input_audio_mtok", "cache_audio_read_mtok"}


def main() -> int:
    """Writes the file and says how many prices it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--date", type=dt.date.fromisoformat, required=True, help="the day of the snapshot: today")
    options = parser.parse_args()
    from genai_prices.data import providers

    theirs = {provider.id: provider for provider in providers}
    table = {
        name: {"also": list(also), "models": _models(theirs[their_name], options.date)}
        for name, (their_name, also) in PROVIDERS.items()
    }
    version = metadata.version("genai-prices")
    head = {"source": "genai-prices", "version": version, "date": options.date.isoformat(), "license": "MIT"}
    lines = [json.dumps(head, separators=(",", ":"))[1:-1]]
    for name, entry in table.items():
        models = ",\n".join(json.dumps(model, separators=(",", ":")) for model in entry["models"])
        lines.append(f'"{name}":{{"also":{json.dumps(entry["also"])},"models":[\n{models}\n]}}')
    TARGET.write_text("{" + lines[0] + ',\n"providers":{\n' + ",\n".join(lines[1:]) + "\n}}\n", encoding="utf-8")
    counted = sum(bool(model["rates"]) for entry in table.values() for model in entry["models"])
    sys.stdout.write(f"{TARGET.name}: {counted} models from genai-prices {version}, {options.date}\n")
    return 0


def _models(provider: Any, today: dt.date) -> list[dict[str, Any]]:
    found = []
    for model in provider.models:
        prices = model.prices if isinstance(model.prices, list) else None
        options = [(one.constraint, one.prices) for one in prices] if prices is not None else [(None, model.prices)]
        embeds = "embed" in model.id
        found_rates = (_rate(constraint, price, embeds=embeds) for constraint, price in options)
        rates = [rate for rate in found_rates if rate is not None]
        is_whole = len(rates) == len(options)
        if any(rate["input"] == rate["output"] == 0 for rate in rates) and not model.id.endswith(":free"):
            is_whole = False
        entry: dict[str, Any] = {"match": _pattern(model.match), "rates": _current(rates, today) if is_whole else []}
        if model.context_window:
            entry["context"] = model.context_window
        found.append(entry)
    return found


def _rate(constraint: Any, price: Any, *, embeds: bool) -> dict[str, Any] | None:
    """One set of prices with when it applies; `None` when it charges for what we cannot count."""
    charged = {name: value for name, value in vars(price).items() if value is not None}
    if embeds:
        charged.setdefault("output_mtok", 0.0)
    if not {"input_mtok", "output_mtok"} <= charged.keys() or charged.keys() - KEPT.keys() - IGNORED:
        return None
    rate: dict[str, Any] = {}
    if hasattr(constraint, "start_date"):
        rate["from"] = constraint.start_date.isoformat()
    elif constraint is not None:
        rate["between"] = [f"{moment:%H:%M}" for moment in (constraint.start_time, constraint.end_time)]
    for theirs, ours in KEPT.items():
        if theirs in charged:
            rate[ours] = _price(charged[theirs])
    return rate


def _price(value: Any) -> Any:
    """A number, or for prices that rise with the length of the input `[base, [above, price], ...]`."""
    if hasattr(value, "tiers"):
        return [float(value.base), *([tier.start, float(tier.price)] for tier in value.tiers)]
    return float(value)


def _current(rates: list[dict[str, Any]], today: dt.date) -> list[dict[str, Any]]:
    """The rates without those that a later one has replaced; of those that apply at once the last counts."""
    begun = [at for at, rate in enumerate(rates) if rate.get("from", "") <= today.isoformat() and "between" not in rate]
    return rates[begun[-1] :] if begun else rates


def _pattern(match: Any) -> str:
    """Their logic as one regular expression, to be searched in the model's name in lower case."""
    kind = type(match).__name__
    if kind == "ClauseOr":
        return "|".join(_pattern(clause) for clause in match.or_)
    if kind == "ClauseAnd":
        return "^" + "".join(f"(?=.*?(?:{_pattern(clause)}))" for clause in match.and_)
    if kind == "ClauseRegex":
        return f"(?:{match.regex})"
    field = {"ClauseStartsWith": "starts_with", "ClauseEndsWith": "ends_with", "ClauseContains": "contains"}
    text = re.escape(getattr(match, field.get(kind, "equals")).lower())
    begins = "^" if kind in ("ClauseStartsWith", "ClauseEquals") else ""
    ends = "$" if kind in ("ClauseEndsWith", "ClauseEquals") else ""
    return begins + text + ends


if __name__ == "__main__":
    raise SystemExit(main())
