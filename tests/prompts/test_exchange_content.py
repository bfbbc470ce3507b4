"""Whatever a prompt of Langfuse says, it comes into a folder and goes back as it was, or is refused with a reason."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.servers._process import ServerProcess
from toolkit._sync import run
from toolkit.prompts import FolderSource, LangfuseSource, Pulling, Pushing, pull_prompts, push_prompts

PIECES = st.sampled_from(
    ["---", "\n", "System:", "User: ", "{{a}}", "<user>", "</user>", " ", "é", ": ", "#", "'", '"']
)
TEXTS = st.lists(PIECES, max_size=8).map("".join) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
MESSAGES = st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXTS})
PLACEHOLDERS = st.fixed_dictionaries({"type": st.just("placeholder"), "name": st.just("history")})
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
CONFIGS = st.dictionaries(
    st.sampled_from(["model", "temperature", "labels", "version", "messages", "pulled_from", "config"]) | TEXTS,
    VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(TEXTS, VALUES, max_size=2),
    max_size=3,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS | st.lists(MESSAGES | PLACEHOLDERS, min_size=1, max_size=3), CONFIGS, TEXTS)
@example("Windows\r\nlines", {}, "")
@example("---\nmodel: x\n---\n", {"pulled_from": 1, "labels": "no"}, "---")
@example("\n\nUser: x\n\n", {"2026-11-22": "2026-11-22"}, "a: b")
def test_content_survives_the_way_there_and_back(
    langfuse: ServerProcess, source: LangfuseSource, template, config, message
):
    """Template, config and message come into a folder and go back unchanged; what no file can hold is refused."""
    langfuse.control(reset=True)
    source.refresh()
    there = run(source.push("reply", template, config=config, commit_message=message or None))
    with tempfile.TemporaryDirectory() as place:
        folder = FolderSource(Path(place) / "prompts")
        (step,) = run(pull_prompts(source, folder, Pulling())).steps
        if step.action == "refused":
            assert "cannot hold" in step.reason or "half a surrogate" in step.reason
            assert not list(folder.root.rglob("*.prompt"))
            return
        assert step.action == "write"
        (held,) = run(folder.written("reply"))
        assert (held.prompt.fingerprint, held.message) == (there.fingerprint, message or None)
        assert {each.action for each in run(push_prompts(folder, source, Pushing())).steps} == {"same"}
        langfuse.control(reset=True)
        run(push_prompts(folder, source, Pushing()))
        (back,) = run(source.written("reply"))
        assert (back.prompt.fingerprint, back.message) == (there.fingerprint, message or None)
