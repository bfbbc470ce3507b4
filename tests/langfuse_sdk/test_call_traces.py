"""Calls inside spans of the real SDK: ours stand in their place, linked to the version that the prompt resolved to."""

from typing import Any

import pytest

pytestmark = pytest.mark.langfuse_sdk

_WORLD = """
import asyncio, tempfile
from pathlib import Path
import toolkit as tk
from langfuse import observe, propagate_attributes
from toolkit import _sync
from toolkit.config import BOTH, ConfigFile, Settings
from toolkit.testing import FakeProvider, fake_engine
for text, labels in (("Say {{word}}.", ["production"]), ("Shout {{word}}!", [])):
    client.create_prompt(name="greet", prompt=text, labels=labels)
settings = Settings(home=Path(tempfile.mkdtemp()), langfuse=Settings.from_environment().langfuse)
provider = FakeProvider(lambda request: "Good day", name="openai")
engine = fake_engine(settings, providers=[provider], config=ConfigFile(path="", traces=BOTH))
call = dict(prompt_id="greet", prompt_version=2, prompt_variables={"word": "hi"}, engine=engine)
def done():
    client.flush()
    _sync.run(engine.aclose())
    print(json.dumps(None))
"""


def by_name(held: Any) -> dict[str, Any]:
    """What the fake holds, by the names of the spans."""
    return {row["name"]: row for row in held()["observations"]}


@pytest.mark.parametrize(
    "way",
    [
        """
@observe()
def answer():
    return tk.completion("langfuse/openai/m", **call).choices[0].message.content
answer()
""",
        """
@observe()
async def answer():
    return await tk.acompletion("langfuse/openai/m", **call)
asyncio.run(answer())
""",
        """
@observe()
def answer():
    return tk.completion("langfuse/openai/m", stream=True, **call)
list(answer())
""",
    ],
    ids=["plain", "awaited", "stream"],
)
def test_a_call_in_an_observed_function_stands_below_it(sdk: Any, held: Any, way: str):
    """A completion inside an `@observe`d function is a generation below its span, in the same trace."""
    sdk(_WORLD + way + "done()")
    rows = by_name(held)
    outer, inner = rows["answer"], rows["greet"]
    assert (inner["traceId"], inner["parentObservationId"]) == (outer["traceId"], outer["id"])
    assert (inner["promptVersion"], inner["output"], inner["isRootObservation"]) == (2, "Good day", False)


def test_a_call_has_the_user_and_session_of_its_trace(sdk: Any, held: Any):
    """What the SDK propagates to its spans, user, session and tags among it, holds for ours too."""
    sdk(
        _WORLD
        + """
with propagate_attributes(user_id="ann", session_id="s-1", tags=["a"], trace_name="ask"):
    with client.start_as_current_observation(as_type="span", name="outer"):
        tk.completion("langfuse/openai/m", **call)
done()
"""
    )
    inner = by_name(held)["greet"]
    assert (inner["userId"], inner["sessionId"], inner["tags"], inner["traceName"]) == ("ann", "s-1", ["a"], "ask")


def test_a_call_outside_of_spans_is_a_trace_of_its_own(sdk: Any, held: Any):
    """With the SDK loaded and no span open, a completion is its own trace; one in another tool's span too."""
    sdk(
        _WORLD
        + """
from opentelemetry import trace
tk.completion("langfuse/openai/m", **call)
with trace.get_tracer("another-tool").start_as_current_span("theirs"):
    tk.completion("langfuse/openai/m", **call)
done()
"""
    )
    rows = [row for row in held()["observations"] if row["name"] == "greet"]
    assert [row["parentObservationId"] for row in rows] == [None, None]
    assert len({row["traceId"] for row in rows}) == 2
