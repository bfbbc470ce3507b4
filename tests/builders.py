"""Small values for tests, with defaults that a test overrides by name, and a provider that counts calls in flight."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

from toolkit._records import Arm, Case, FrozenDict, Outcome, Prompt, Request, Response, Trial, Usage
from toolkit.testing import FakeProvider

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def make_prompt(template: Any = "Say {{word}}.", **fields: Any) -> Prompt:
    """A text prompt `greet@1` of a source called fake, unless told otherwise."""
    defaults: dict[str, Any] = {
        "prompt_id": "greet",
        "version": "1",
        "kind": "text" if isinstance(template, str) else "chat",
        "source": "fake",
    }
    config = FrozenDict(fields.pop("config", {}))
    return Prompt(template=template, config=config, **(defaults | fields))


def make_arm(index: int = 0, **fields: Any) -> Arm:
    """An arm of `greet@1` on `fake/model`, unless told otherwise."""
    defaults: dict[str, Any] = {
        "prompt": make_prompt(),
        "model": "fake/model",
        "provider": "fake",
        "model_sent": "model",
    }
    return Arm(index=index, **(defaults | fields))


def make_trial(trial_id: str = "t1:a", *, arm: Arm | None = None, case: Case | None = None, repeat: int = 0) -> Trial:
    """A trial of the first arm and a case with one variable, unless told otherwise."""
    return Trial(
        trial_id=trial_id,
        arm=arm or make_arm(),
        case=case or Case(index=0, variables=FrozenDict({"word": "hello"}), expected="hello"),
        repeat=repeat,
    )


def make_outcome(trial_id: str = "t1:a", text: str = "hello", **fields: Any) -> Outcome:
    """An answered trial, unless told otherwise; `text` is the answer."""
    response = Response(
        text=text,
        finish_reason="stop",
        model="model-served",
        usage=Usage(input_tokens=7, output_tokens=2),
        request_id="req-1",
        latency_s=0.5,
        raw=FrozenDict({"choices": [{"message": {"content": text}}]}),
    )
    defaults: dict[str, Any] = {
        "request_key": "r1:a",
        "status": "ok",
        "response": response,
        "attempts": 1,
        "model_sent": "model",
        "started_at": NOON,
    }
    return Outcome(trial_id=trial_id, **(defaults | fields))


class CountingProvider(FakeProvider):
    """A scripted provider that takes its time and notes the most calls that were in flight at once."""

    flying = 0
    most = 0

    async def complete(self, request: Request, *, timeout_s: float) -> Response:
        """Gives the next answer after the loop has turned five times."""
        self.flying += 1
        self.most = max(self.most, self.flying)
        for _ in range(5):
            await asyncio.sleep(0)
        self.flying -= 1
        return await super().complete(request, timeout_s=timeout_s)
