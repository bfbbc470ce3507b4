"""What tests of traces share: engines that trace, over an OpenAI-compatible server and a fake Langfuse."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

from tests.builders import NOON, make_outcome
from tests.langfuse.pushing import held, settings_for
from tests.servers._process import ServerProcess
from toolkit._records import Message
from toolkit._traced import Spot, TracedCall
from toolkit.config import BOTH, ConfigFile, Settings
from toolkit.engine import Engine

MESSAGES = [{"role": "user", "content": "Hello"}]
KEY = "key-of-the-provider-5d1"
PATIENCE_S = 30.0


def tracing_engine(home: Path, langfuse: ServerProcess | str, *, traces: Any = BOTH) -> Engine:
    """An engine that traces its calls; prompts are fetched anew for each of them."""
    settings = Settings(home=home, langfuse=settings_for(langfuse), prompt_cache_ttl_s=0)
    return Engine(settings, config=ConfigFile(path="", traces=traces))


def wait_for(condition: Any) -> Any:
    """Waits until something is true, and gives it.

    Raises:
        AssertionError: If it does not become true in time.
    """
    until = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)
    return found


def generations(server: ServerProcess, count: int) -> list[dict[str, Any]]:
    """The generations that a fake Langfuse holds once there are so many, oldest first."""

    def enough() -> Any:
        found = held(server)["observations"]
        return sorted(found, key=lambda row: row["startTime"]) if len(found) >= count else None

    found: list[dict[str, Any]] = wait_for(enough)
    return found


def make_call(text: str = "hello", **fields: Any) -> TracedCall:
    """A call that was answered, unless told otherwise."""
    defaults: dict[str, Any] = {
        "spot": Spot(trace_id="a" * 32, span_id="b" * 16),
        "prompt": None,
        "messages": (Message(role="user", content="Hello"),),
        "model": "openai/model",
        "model_source": "caller",
        "provider": "openai",
        "outcome": make_outcome("", text),
        "ended_at": NOON + dt.timedelta(seconds=3),
    }
    return TracedCall(**(defaults | fields))
