"""Cases out of one's own live calls: which calls count, and what is taken from them."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from pathlib import Path
from typing import Any

import pytest

import toolkit as tk
from tests.builders import make_arm, make_outcome, make_prompt
from toolkit import _sync
from toolkit._records import Case, Failure, FrozenDict
from toolkit.config import Settings
from toolkit.engine import Engine
from toolkit.errors import RunNotFoundError, UsageError

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def engine(tmp_path: Path):
    """A configuration with a run store and a folder of prompts."""
    made = Engine(Settings(home=tmp_path / "home", prompts_folder=tmp_path / "prompts"))
    yield made
    _sync.run(made.aclose())


def call(engine: Engine, trial_id: str, variables: dict[str, Any], *, answer: str | None = "hello", **how: Any) -> None:
    """Keeps one live call as the proxy does.

    Args:
        engine: Has the store.
        trial_id: The call's.
        variables: That the prompt was filled with.
        answer: `None` = the call failed.
        **how: `age_s`, and fields of the prompt (`prompt_id`, `version`, `source`).
    """
    at = NOW - dt.timedelta(seconds=how.pop("age_s", 1))
    prompt = make_prompt("{{word}}", **({"prompt_id": "reply"} | how))
    run_id = f"traffic-{at.date().isoformat()}"
    failure = Failure(kind="server", error_type="ProviderServerError", message="down")
    outcome = make_outcome(trial_id, answer or "", run_id=run_id, started_at=at)
    if answer is None:
        outcome = make_outcome(trial_id, run_id=run_id, started_at=at, status="failed", response=None, failure=failure)

    async def keep() -> None:
        attempt = await engine.store.append_call(
            run_id=run_id,
            arm=make_arm(prompt=prompt),
            case=Case(index=0, variables=FrozenDict(variables)),
            trial_id=trial_id,
            request_key=outcome.request_key,
            sent_at=at,
        )
        await engine.store.finish(outcome, run_id=run_id, attempt_id=attempt)

    _sync.run(keep())


def test_calls_of_a_prompt_are_cases(engine: Engine):
    """Each set of variables is a row, oldest first, failed calls included; the attributes say where they are from."""
    call(engine, "c1:3", {"word": "again"}, age_s=1)
    call(engine, "c1:2", {"word": "there"}, age_s=2, answer=None)
    call(engine, "c1:1", {"word": "again"}, age_s=3)
    frame = tk.from_traffic("reply", engine=engine)
    assert frame.to_dict("records") == [{"id": "c1:2", "word": "there"}, {"id": "c1:3", "word": "again"}]
    found = frame.attrs["traffic"]
    assert json.loads(json.dumps(found)) == found
    assert (found["prompt"], found["versions"], found["read"], found["cases"]) == ("reply", {"1": 3}, 3, 2)
    assert found["times"] == {"c1:3": 2}
    assert len(tk.from_traffic("reply", dedupe=False, engine=engine)) == 3


def test_days_are_read_together(engine: Engine):
    """Calls of every day count, unless a time is said."""
    call(engine, "c1:1", {"word": "old"}, age_s=3 * 86_400)
    call(engine, "c1:2", {"word": "new"}, age_s=60)
    assert tk.from_traffic("reply", engine=engine)["word"].tolist() == ["old", "new"]
    assert tk.from_traffic("reply", since="1d", engine=engine)["word"].tolist() == ["new"]
    assert tk.from_traffic("reply", until="1d", engine=engine)["word"].tolist() == ["old"]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("reply", ["one", "two", "three"]),
        ("reply@*", ["one", "two", "three"]),
        ("reply@2", ["two"]),
        ("reply@2..9", ["two", "three"]),
        ("folder:reply", ["three"]),
        ("reply@production", ["three"]),
    ],
)
def test_a_reference_chooses_the_calls(engine: Engine, tmp_path: Path, reference: str, words: list[str]):
    """A name alone means every version; a source, a version, a label and a range mean those."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "reply.v3.prompt").write_text("---\nlabels: [production]\n---\n{{word}}", encoding="utf-8")
    call(engine, "c1:1", {"word": "one"}, age_s=3)
    call(engine, "c1:2", {"word": "two"}, age_s=2, version="2")
    call(engine, "c1:3", {"word": "three"}, age_s=1, version="3", source="folder")
    assert tk.from_traffic(reference, engine=engine)["word"].tolist() == words


def test_the_only_prompt_needs_no_name(engine: Engine):
    """With calls of one prompt the name can be left out; of several, the error lists them."""
    call(engine, "c1:1", {"word": "one"})
    assert tk.from_traffic(engine=engine)["word"].tolist() == ["one"]
    call(engine, "c1:2", {"word": "two"}, prompt_id="other")
    with pytest.raises(UsageError, match=r"reply \(1 call\), other \(1 call\)"):
        tk.from_traffic(engine=engine)


def test_a_fallback_is_no_call_of_its_own(engine: Engine):
    """What was sent again to another model is the same call."""
    call(engine, "c1:1", {"word": "one"}, answer=None)
    call(engine, "c1:1-2", {"word": "one"})
    frame = tk.from_traffic("reply", dedupe=False, engine=engine)
    assert frame["id"].tolist() == ["c1:1"]


def test_the_answer_of_then_can_be_the_expected_one(engine: Engine):
    """With expected='output' the answer is the expected one, empty for a call that failed."""
    call(engine, "c1:1", {"word": "one"}, age_s=2, answer="uno")
    call(engine, "c1:2", {"word": "two"}, age_s=1, answer=None)
    frame = tk.from_traffic("reply", expected="output", engine=engine)
    assert frame["expected"].tolist() == ["uno", None]


def test_texts_go_through_redact(engine: Engine):
    """Variables and answers are masked before they are in the table."""
    call(engine, "c1:1", {"word": "Ann", "more": {"of": ["Ann"]}}, answer="Hi Ann")
    frame = tk.from_traffic("reply", expected="output", redact=lambda _, text: text.replace("Ann", "*"), engine=engine)
    assert frame.drop(columns="id").to_dict("records") == [{"word": "*", "more": {"of": ["*"]}, "expected": "Hi *"}]


def test_a_mask_is_a_function(engine: Engine):
    """What cannot be called is refused before anything is read."""
    with pytest.raises(UsageError, match="`redact` is a function of a variable's name and a text, or None; got 'mask'"):
        tk.from_traffic("reply", redact="mask", engine=engine)  # type: ignore[arg-type]  the wrong kind is the rule


def test_no_calls_say_what_there_is(engine: Engine):
    """Without calls the error says how to have some; with others, of which prompts they are."""
    with pytest.raises(RunNotFoundError, match="Start `toolkit proxy"):
        tk.from_traffic("reply", engine=engine)
    call(engine, "c1:1", {"word": "one"})
    with pytest.raises(RunNotFoundError, match=r"no live calls of 'repl'\. There are calls of: reply \(1 call\)"):
        tk.from_traffic("repl", engine=engine)


def test_the_table_sweeps_without_a_warning(engine: Engine, tmp_path: Path):
    """The columns are what a sweep takes."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "reply.v1.prompt").write_text("{{word}}", encoding="utf-8")
    call(engine, "c1:1", {"word": "one"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan = tk.plan("reply", "local/smollm2-135m-instruct", tk.from_traffic("reply", engine=engine), engine=engine)
    assert plan.trials == 1
