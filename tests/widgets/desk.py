"""A support desk to show every widget on: prompts with a history, cases, and a provider that is slow and may fail."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.widgets.worlds import make_engine
from toolkit._records import PromptInfo, Request, Response, Usage
from toolkit.engine import Engine
from toolkit.errors import ProviderError, ProviderTimeoutError
from toolkit.testing import FakeProvider, FakeSource

_CONFIG = "model: desk/quick-1\nmax_tokens: 200\ntemperature: 0.2"
_VERSIONS = (
    "You are a support agent.\n\nUser: Answer {{customer}}, who asks: {{question}}",
    "You are a polite support agent. Answer in two sentences.\n\nUser: {{customer}} asks about order {{order}}: "
    "{{question}}",
    "You are a polite support agent. Answer in two sentences, and name the next step.\n\nUser: {{customer}} asks about "
    "order {{order}}: {{question}}",
)
_LABELS = ("[]", "[production]", "[candidate, latest]")

_QUESTIONS = (
    "Where is my parcel? It was to come on Monday.",
    "Can I get a refund for the broken cup?",
    "How do I change the address of my order?",
    "The discount code does not work.",
)
_NAMES = ("Ana", "Bo", "Chidi", "Dorothea", "Emre", "Fatima", "Goran", "Hanna")

CASES = [
    {"customer": name, "order": f"A-{17 + place}", "question": _QUESTIONS[place % 4]}
    for place, name in enumerate(_NAMES * 3)
]


class DeskProvider(FakeProvider):
    """Answers like a support desk after some seconds; its model `careful-2` times out for some customers."""

    def __init__(self, *, seconds: float = 0.0, fails: bool = True) -> None:
        super().__init__(self._answer, name="desk")
        self._seconds = seconds
        self._fails = fails

    async def complete(self, request: Request, *, timeout_s: float) -> Response:
        """Answers when its time has come."""
        await asyncio.sleep(self._seconds)
        return await super().complete(request, timeout_s=timeout_s)

    def _answer(self, request: Request) -> Response | ProviderError:
        asked = str(request.messages[-1].content)
        system = str(request.messages[0].content)
        name = next(each for each in _NAMES if each in asked)
        if self._fails and request.model.endswith("careful-2") and name in ("Bo", "Fatima"):
            return ProviderTimeoutError("no answer within 60 s", provider="desk", model=request.model, retryable=False)
        text = f"Dear {name}, thank you for your message. We have looked it up, and your parcel is on its way to you."
        if "polite" in system:
            text = f"Hello {name}, thank you for asking. Your parcel is on its way and should be with you by Thursday."
        if "next step" in system:
            text += " If it is not there by then, reply to this mail and we will refund the shipping."
        if request.model.endswith("careful-2"):
            text = text.replace("thank you for asking", "thank you for your patience")
        usage = Usage(input_tokens=len(asked + system) // 4, output_tokens=len(text) // 4)
        latency_s = 0.6 + len(text) % 7 / 5
        return Response(text=text, finish_reason="stop", model=request.model, usage=usage, latency_s=latency_s)


class BrokenSource(FakeSource):
    """A source of prompts that cannot be reached."""

    async def list(self, *, query: str = "") -> list[PromptInfo]:
        """Raises what a refused connection does."""
        raise ConnectionError("langfuse.example.com refused the connection")


def desk(*, seconds: float = 0.0, is_broken: bool = False, is_empty: bool = False, fails: bool = True) -> Engine:
    """Returns an engine on the desk's prompts, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="desk-"))
    sources = (BrokenSource([]),) if is_broken else ()
    engine = make_engine(folder, provider=DeskProvider(seconds=seconds, fails=fails), sources=sources)
    prompts = folder / "prompts"
    for each in prompts.iterdir():
        each.unlink()
    (prompts / "support").mkdir()
    for number, (text, labels) in enumerate(zip(_VERSIONS, _LABELS, strict=True), start=1):
        head = f"---\n{_CONFIG}\nlabels: {labels}\ncommit_message: version {number} for the desk\n---\nSystem: "
        if not is_empty:
            (prompts / "support" / f"refund.v{number}.prompt").write_text(head + text, encoding="utf-8")
    return engine
