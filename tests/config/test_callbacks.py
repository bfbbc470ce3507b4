"""Which calls a config.yaml wants traced, as LiteLLM's users write it."""

from __future__ import annotations

import pytest

from toolkit.config import parse_config


@pytest.mark.parametrize(
    ("settings", "traces"),
    [
        ({}, set()),
        ({"success_callback": ["langfuse"]}, {"success"}),
        ({"failure_callback": ["langfuse"]}, {"failure"}),
        ({"success_callback": ["langfuse"], "failure_callback": ["langfuse"]}, {"success", "failure"}),
        ({"callbacks": ["langfuse"]}, {"success", "failure"}),
        ({"callbacks": ["prometheus", "langfuse_otel"]}, {"success", "failure"}),
        ({"success_callback": "langfuse"}, {"success"}),
        ({"success_callback": ["prometheus"], "callbacks": ["s3"]}, set()),
        ({"success_callback": None, "failure_callback": [], "callbacks": {"langfuse": 1}}, set()),
        ({"callbacks": [["langfuse"], 5]}, set()),
    ],
)
def test_callbacks_named_langfuse_turn_traces_on(settings, traces):
    """`success_callback`, `failure_callback` and `callbacks` ask for traces where they name Langfuse, else for none."""
    content = {"litellm_settings": settings}
    assert parse_config(content, where="config.yaml", environ={}).traces == traces
