"""From a sweep to the label: results of runs, swept or opened again, promote on the sources that they came from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit import _sync
from toolkit._records import Request
from toolkit.config import Settings
from toolkit.engine import Engine
from toolkit.errors import PromotionRefusedError
from toolkit.results import Results
from toolkit.scorers import exact
from toolkit.sweep import open_run, sweep
from toolkit.testing import FakeProvider, fake_engine

# What each model gets wrong of 100 words with the old prompt; with the new one `good` gets all of them right.
_WRONG = {"good": 30, "fair": 0}


def _answer(request: Request) -> str:
    text = str(request.messages[0].content)
    number = int(text.rpartition(" ")[2])
    if text.startswith("New"):
        return "no" if request.model == "fair" and number < 20 else "yes"
    return "no" if number < _WRONG[request.model] else "yes"


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """A folder with an old and a new version; the old one is in production."""
    root = tmp_path / "prompts"
    root.mkdir()
    (root / "reply.v1.prompt").write_text("Old {{n}}", encoding="utf-8")
    (root / "reply.v2.prompt").write_text("New {{n}}", encoding="utf-8")
    (root / "labels.yaml").write_text("labels: {reply: {production: 1}}", encoding="utf-8")
    return root


@pytest.fixture
def engine(prompts: Path, tmp_path: Path) -> Iterator[Engine]:
    """An engine on that folder."""
    made = fake_engine(Settings(home=tmp_path / "home", prompts_folder=prompts), providers=[FakeProvider(_answer)])
    yield made
    _sync.run(made.aclose())


def swept(engine: Engine, *models: str, **options) -> Results:
    """Both versions over 100 cases, scored."""
    cases = [{"n": number, "expected": "yes"} for number in range(100)]
    found = sweep(["reply@production", "reply@2"], list(models), cases, engine=engine, progress="off", **options)
    return found.score(exact())


def holder(engine: Engine) -> tuple[str, ...]:
    """Who has the label."""
    return _sync.run(engine.sources.get("folder").holders("reply", "production"))  # type: ignore[attr-defined]


def test_a_run_that_is_opened_again_can_be_promoted_from(engine: Engine):
    """What the store has of a run is proof enough, on another day and in another process."""
    run_id = swept(engine, "fake/good").run_id
    done = open_run(run_id, engine=engine).promote("reply@2", confirm=False)
    assert (done.proposal.run_id, holder(engine)) == (run_id, ("2",))


def test_every_model_must_pass(engine: Engine):
    """A version that is better on one model and worse on another is refused, with the arm that fails."""
    results = swept(engine, "fake/good", "fake/fair")
    with pytest.raises(PromotionRefusedError) as refused:
        results.promote("reply@2", confirm=False)
    assert {each.arm for each in refused.value.gate.failing} == {"reply@2 · fair"}
    assert holder(engine) == ("1",)


def test_one_arm_can_be_judged_alone(engine: Engine):
    """The label of an arm says that this model is the one that counts."""
    done = swept(engine, "fake/good", "fake/fair").promote("reply@2 · good", confirm=False)
    assert {each.arm for each in done.gate.conditions} == {"reply@2 · good"}
    assert holder(engine) == ("2",)


def test_a_sweep_that_stopped_early_promotes_what_it_has_shown(engine: Engine):
    """A comparison that was settled early is enough for a version that is better, and the words say when it was."""
    results = swept(engine, "fake/good", stop_early=exact())
    told = repr(results.promote("reply@2", confirm=False, min_gain=0))
    assert "it is shown to gain." in told
    assert "stopped after" in told
    assert holder(engine) == ("2",)


def test_a_sweep_that_stopped_early_shows_no_size(engine: Engine):
    """How large the gain is was not settled: a bound above 0 asks for the rest."""
    with pytest.raises(PromotionRefusedError, match="the same one without stop_early sends the rest"):
        swept(engine, "fake/good", stop_early=exact()).promote("reply@2", confirm=False, min_gain=0.05)
