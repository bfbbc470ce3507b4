"""Live calls in the run store: each its own case and trial, arms found again, whoever writes."""

from __future__ import annotations

import asyncio

import pytest

from tests.builders import NOON, make_arm, make_outcome, make_prompt
from toolkit import _sync
from toolkit._records import Case, FrozenDict
from toolkit.store import RunStore

RUN = "traffic-2026-01-01"


@pytest.fixture
def open_store(tmp_path):
    """Opens stores over one file; closes them at the end."""
    opened = []

    def make():
        opened.append(RunStore(tmp_path / "runs.sqlite"))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def add(store, trial_id, *, arm=None, word="a"):
    """The coroutine that adds one call."""
    case = Case(index=0, variables=FrozenDict({"word": word}))
    return store.append_call(
        run_id=RUN, arm=arm or make_arm(), case=case, trial_id=trial_id, request_key="r1:a", sent_at=NOON
    )


def test_the_run_is_made_by_its_first_call(open_store):
    """The first call makes the run, with the moment at which it was sent; it is no grid."""
    store = open_store()
    _sync.run(add(store, "c1:a"))
    view = store.load_run(RUN)
    assert (view.created_at, view.is_grid, len(view.trials)) == (NOON, False, 1)
    assert store.runs() == [(RUN, NOON)]


def test_an_arm_of_equal_content_is_found_again(open_store):
    """Calls with the same prompt, model and params share an arm; a difference in any of them makes another."""
    store = open_store()
    arms = [
        make_arm(),
        make_arm(),
        make_arm(prompt=make_prompt("Other {{word}}.")),
        make_arm(model_sent="other"),
        make_arm(params=FrozenDict({"temperature": 0})),
        make_arm(),
    ]
    for number, arm in enumerate(arms):
        _sync.run(add(store, f"c1:{number}", arm=arm))
    view = store.load_run(RUN)
    assert [trial.arm.index for trial in view.trials] == [0, 0, 1, 2, 3, 0]
    assert [arm.index for arm in view.arms] == [0, 1, 2, 3]


def test_two_writers_share_a_run(open_store):
    """Two processes that add calls to the same day give each its own place; none is lost."""
    stores = [open_store(), open_store()]

    async def both():
        await asyncio.gather(
            *(
                add(store, f"c1:{number}-{index}", word=str(index))
                for index in range(40)
                for number, store in enumerate(stores)
            )
        )

    _sync.run(both())
    view = stores[0].load_run(RUN)
    assert len({trial.trial_id for trial in view.trials}) == 80
    assert [trial.case.index for trial in view.trials] == list(range(80))
    assert all(trial.trial_id.endswith(f"-{trial.case.variables['word']}") for trial in view.trials)


def test_an_attempt_is_begun_in_the_same_write(open_store):
    """A call that was added counts as sent; its outcome ends that attempt."""
    store = open_store()
    attempt_id = _sync.run(add(store, "c1:a"))
    assert store.load_run(RUN).attempted == {"c1:a"}
    _sync.run(store.finish(make_outcome("c1:a"), run_id=RUN, attempt_id=attempt_id))
    outcome = store.load_run(RUN).outcomes["c1:a"]
    assert (outcome.text, outcome.attempts, outcome.possibly_billed) == ("hello", 1, 0)


def test_a_writer_that_is_cancelled_does_not_undo_the_write(open_store):
    """Who stops waiting for a write neither undoes it nor disturbs those who wait beside."""
    store = open_store()

    async def leave():
        leaving, staying = asyncio.create_task(add(store, "c1:a")), asyncio.create_task(add(store, "c1:b"))
        await asyncio.sleep(0)
        leaving.cancel()
        await staying
        return leaving.cancelled() or (await asyncio.gather(leaving, return_exceptions=True))[0]

    _sync.run(leave())
    assert {trial.trial_id for trial in store.load_run(RUN).trials} == {"c1:a", "c1:b"}


@pytest.mark.parametrize("length", [10, 100_000])
def test_answers_of_any_length_come_back_as_they_were(open_store, length):
    """The body of an answer comes back whole, short or long."""
    store = open_store()
    attempt_id = _sync.run(add(store, "c1:a"))
    text = "".join(chr(32 + number % 90) for number in range(length))
    _sync.run(store.finish(make_outcome("c1:a", text), run_id=RUN, attempt_id=attempt_id))
    response = store.load_run(RUN).outcomes["c1:a"].response
    assert (response.text, response.raw["choices"][0]["message"]["content"]) == (text, text)
