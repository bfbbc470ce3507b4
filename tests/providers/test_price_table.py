"""The rules that the price table of the package keeps, whoever made it anew."""

from __future__ import annotations

import datetime as dt
import json
from importlib import resources

import pytest

from toolkit._records import Usage
from toolkit.providers import price

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


# USD per million tokens, in + out. Anthropic's: platform.claude.com/docs, read on 2026-11-22. OpenAI's: its
# announcement of the model, July 2024.
@pytest.mark.parametrize(
    ("provider", "model", "cost_usd"),
    [
        ("openai", "gpt-4o-mini", 0.15 + 0.60),
        ("openai", "gpt-4o-mini-2024-07-18", 0.15 + 0.60),
        ("azure", "gpt-4o-mini", 0.15 + 0.60),
        ("anthropic", "claude-opus-5-5", 4 + 20),
        ("anthropic", "claude-sonnet-5-5", 2 + 10),
    ],
)
def test_table_knows_common_models(provider: str, model: str, cost_usd: float) -> None:
    """The table that comes with the package prices the models that most people use."""
    found = price(provider, model, Usage(input_tokens=1_000_000, output_tokens=1_000_000), at=NOW)
    assert found is not None
    assert found[0] == pytest.approx(cost_usd)


def test_table_is_whole() -> None:
    """The table has a date, at least a thousand priced models, and no price below 0 or, unless it is free, of 0."""
    table = json.loads(resources.files("toolkit.providers").joinpath("prices.json").read_text(encoding="utf-8"))
    models = [model for provider in table["providers"].values() for model in provider["models"]]
    dt.date.fromisoformat(table["date"])
    assert sum(bool(model["rates"]) for model in models) > 1000
    for model in models:
        for rate in model["rates"]:
            base = [value[0] if isinstance(value, list) else value for value in (rate["input"], rate["output"])]
            assert all(value >= 0 for value in base)
            assert any(base) or "free" in model["match"], model
