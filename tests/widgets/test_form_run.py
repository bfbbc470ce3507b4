"""A run under way as a widget: progress by arm, failures, stopping, answers as they come, and a second view of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import toolkit as tk
from tests.faults.world import wait_until
from tests.widgets.worlds import CASES, make_engine, nameless, state_of
from toolkit import _sync
from toolkit._records import Request, Response
from toolkit.engine import Engine
from toolkit.sweep import ArmProgress, Progress, _live, _opened, live_run
from toolkit.testing import FakeProvider
from toolkit.widgets import CompareGrid, RunProgress
from toolkit.widgets._form_run import progress_words


class Gate(FakeProvider):
    """A provider that answers at once until it is closed, and then only when it is opened again."""

    def __init__(self, *, closed_after: int) -> None:
        super().__init__(lambda request: f"Answer to {request.messages[-1].content}")
        self.open = threading.Event()
        self._left = closed_after

    async def complete(self, request: Request, *, timeout_s: float) -> Response:
        """Answers, after the gate is open."""
        self._left -= 1
        while self._left < 0 and not self.open.is_set():  # noqa: ASYNC110  the event is a thread's
            await asyncio.sleep(0.005)
        return await super().complete(request, timeout_s=timeout_s)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Answers three calls and holds the others."""
    made = Gate(closed_after=3)
    yield made
    made.open.set()


@pytest.fixture
def engine(tmp_path: Path, gate: Gate) -> Iterator[Engine]:
    """An engine whose provider is behind the gate."""
    made = make_engine(tmp_path, provider=gate)
    yield made
    gate.open.set()
    _sync.run(made.aclose())


def start(engine: Engine) -> tk.Run:
    """A run of six trials in two arms."""
    return tk.start_sweep("reply@*", variables=CASES, progress="off", engine=engine)


def test_progress_is_shown_by_arm_while_it_goes(engine: Engine, gate: Gate) -> None:
    """While a run goes its bar, line and table tell how far each arm is, and the answers so far are there."""
    run = start(engine)
    shown = RunProgress(run)
    wait_until(lambda: run.progress.done == 3)
    wait_until(lambda: shown.bar.value == 0.5)
    wait_until(lambda: "Answer to" in shown.answers.value)
    assert shown.status.words.startswith("running · 3 of 6 · 3 in flight · ")
    assert "reply@1" in shown.arms.value
    assert not shown.stop_button.disabled
    gate.open.set()
    assert shown.settle()
    assert (shown.bar.value, shown.bar.bar_style) == (1.0, "success")
    assert shown.status.words.startswith("ended · 6 of 6 · ")
    assert shown.stop_button.disabled


def test_the_end_has_the_live_grid(engine: Engine, gate: Gate) -> None:
    """While a run goes what has not come stands as dots; at the end the verdict, a line an arm and the live grid."""
    run = start(engine)
    shown = RunProgress(run)
    wait_until(lambda: run.progress.done == 3 and "Answer to" in shown.answers.value)
    assert ("not answered yet" in shown.answers.value, shown.grid_box.children) == (True, ())
    gate.open.set()
    assert shown.settle()
    assert "No verdict" in shown.answers.value
    assert "Answer to" not in shown.answers.value
    assert (shown.arms.value, shown.stop_button.layout.display) == ("", "none")
    (grid,) = shown.grid_box.children
    assert isinstance(grid, CompareGrid)
    assert "Answer to" in grid.static_html()
    shown.close()
    assert grid.is_closed


def test_the_last_state_of_a_fast_run_is_shown(tmp_path: Path) -> None:
    """Of 2,000 answers that come at once the last state is what stays, and the page got few messages for it."""
    engine = make_engine(tmp_path)
    cases = [{"name": f"n{number}", "order": "x"} for number in range(1_000)]
    run = tk.start_sweep("reply@*", variables=cases, progress="off", engine=engine)
    shown, painted = RunProgress(run), []
    shown.bar.observe(lambda change: painted.append(change["new"]), names="value")
    assert shown.settle(60)
    assert shown.status.words.startswith("ended · 2,000 of 2,000 · ")
    assert shown.bar.value == 1.0
    assert len(painted) <= 5 * max(1.0, run.progress.elapsed_s) + 2
    assert len(shown.answers.value) < 100_000
    _sync.run(engine.aclose())


def test_failures_are_counted_by_what_went_wrong(tmp_path: Path) -> None:
    """Failures are told with their number, kind and message, and nothing in them is markup."""

    def script(request: Request) -> str | tk.ProviderError:
        if "Bo" in str(request.messages[0].content):
            return tk.errors.BadRequestError("<b>no such thing</b>", provider="fake", model="m")
        return "fine"

    engine = make_engine(tmp_path, provider=FakeProvider(script))
    shown = RunProgress(start(engine))
    assert shown.settle()
    assert "2 times bad_request: " in shown.failures.value
    assert "<b>" not in shown.failures.value
    assert " · 2 failed · " in shown.status.words
    _sync.run(engine.aclose())


def test_stop_lets_what_is_in_flight_come_in(engine: Engine, gate: Gate) -> None:
    """Stop sends nothing new; what had finished is kept, and the line says how to go on."""
    run = tk.start_sweep("reply@*", variables=CASES, progress="off", concurrency=1, engine=engine)
    shown = RunProgress(run)
    wait_until(lambda: run.progress.done == 3)
    shown.stop_button.click()
    gate.open.set()
    assert shown.settle()
    assert len(gate.requests) < 6
    assert shown.status.words.startswith("stopped · ")
    assert f"tk.resume({run.run_id!r})" in shown.status.words
    assert int((shown.results.df["status"] == "ok").sum()) == len(gate.requests)


def test_a_second_press_cuts_what_is_in_flight(engine: Engine, gate: Gate) -> None:
    """Pressed again, Stop cuts calls that hang; the run ends though nobody answers."""
    run = start(engine)
    shown = RunProgress(run)
    wait_until(lambda: run.progress.done == 3 and run.progress.in_flight == 3)
    shown.stop_button.click()
    assert shown.stop_button.description == "Stop now"
    wait_until(lambda: shown.status.words.startswith("stopping · 3 of 6 · "))
    shown.stop_button.click()
    assert shown.settle()
    assert shown.status.words.startswith("stopped · 3 of 6 · ")


def test_a_second_view_shows_the_same_run(engine: Engine, gate: Gate) -> None:
    """After a page was reloaded, or the variable was lost, the run's id is enough to show it again, live."""
    run = start(engine)
    run_id = run.run_id
    first = RunProgress(run)
    first.close()
    del run
    second = RunProgress(run_id)
    wait_until(lambda: second.status.words.startswith("running · 3 of 6"))
    gate.open.set()
    assert second.settle()
    assert second.status.words.startswith("ended · 6 of 6")
    assert not first.status.words.startswith("ended")


def test_an_opened_run_that_goes_on_is_shown_as_it_goes(
    engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`open_run` of a run that goes on has what there is so far, and a notebook shows the live progress of it."""
    monkeypatch.setattr(_opened, "has_kernel", lambda: True)
    run = start(engine)
    wait_until(lambda: run.progress.done == 3)
    opened = tk.open_run(run.run_id, engine=engine)
    assert int((opened.df["status"] == "ok").sum()) == 3
    assert opened._repr_mimebundle_()["text/plain"].startswith(f"{run.run_id}: running · 3 of 6")
    gate.open.set()
    run.wait(30)
    assert "6" in opened._repr_mimebundle_()["text/plain"]
    assert "running" not in opened._repr_mimebundle_()["text/plain"]
    assert type(tk.open_run(run.run_id, engine=engine)) is tk.Results


def test_a_run_is_live_while_it_goes(engine: Engine, gate: Gate) -> None:
    """A run is found by its id while it goes on, by nobody else's engine, and not after it has ended."""
    run = start(engine)
    assert live_run(run.run_id) is run
    assert live_run(run.run_id, engine=engine) is run
    assert live_run(run.run_id, engine=object()) is None  # type: ignore[arg-type]
    gate.open.set()
    run.wait(30)
    assert live_run(run.run_id) is None
    assert run not in _live._live.values()


def test_a_run_that_is_not_here_is_refused() -> None:
    """An id of no run that goes on here is refused, with what opens and what resumes a stored one."""
    with pytest.raises(tk.UsageError, match=r"tk\.open_run\('run-x'\).*tk\.resume"):
        RunProgress("run-x")


def test_a_run_that_breaks_says_so(engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that an error ends is shown as failed, with the error's words and how to go on."""

    async def broken(*_: object, **__: object) -> None:
        raise tk.errors.StoreError("the disk went away")

    monkeypatch.setattr(_live, "run_plan", broken)
    shown = RunProgress(start(engine))
    assert shown.settle()
    assert shown.status.words.startswith("failed · 0 of 6")
    assert "the disk went away" in shown.status.words
    assert "tk.resume(" in shown.status.words


def test_it_leaves_html_and_a_line_without_a_kernel(engine: Engine, gate: Gate) -> None:
    """Beside the live widget stand a line of text and inert HTML with the arms and the answers."""
    gate.open.set()
    shown = RunProgress(start(engine))
    assert shown.settle()
    forms = shown._repr_mimebundle_()
    assert forms["text/plain"].startswith(f"{shown.run.run_id}: ended · 6 of 6")
    assert "Answer to" in forms["text/html"]
    assert nameless(shown) == []
    assert 'role=\\"status\\"' in state_of(shown)


def make_progress(**fields: object) -> Progress:
    """A run of 144 trials with 61 done."""
    defaults: dict[str, object] = {
        "run_id": "run-1", "state": "running", "planned": 144, "done": 61, "stored": 0, "ok": 59, "failed": 2,
        "skipped": 0, "in_flight": 8, "by_arm": {"a": ArmProgress(planned=1, done=1, ok=1, failed=0, skipped=0)},
        "spent_usd": 0.09, "possibly_billed": 0, "elapsed_s": 12.2, "eta_s": 16.4, "note": "",
    }  # fmt: skip
    return Progress(**(defaults | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "running · 61 of 144 · 2 failed · 8 in flight · 12 s, about 16 s left · $0.090"),
        (
            {"spent_usd": None, "eta_s": None, "stored": 3, "skipped": 1, "note": "waiting", "possibly_billed": 4},
            "running · 61 of 144 · 3 from the store · 2 failed · 1 skipped · 8 in flight · 12 s · cost unknown · "
            "4 possibly billed without an answer · waiting",
        ),
    ],
)
def test_the_line_tells_what_counts(fields: dict[str, object], words: str) -> None:
    """The line has counts that are not zero, time gone and left, cost, and the note; what is unknown says so."""
    assert progress_words(make_progress(**fields)) == words
