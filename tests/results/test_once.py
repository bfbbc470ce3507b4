"""What is made of a run is made once while several tables of it are, and is let go of behind that."""

from __future__ import annotations

import gc
import weakref

from tests.results import runs
from toolkit.results import Results
from toolkit.results._columns import Row
from toolkit.results._frame import rows_of_view, score_names
from toolkit.results._once import made_once, shareable
from toolkit.results._summary import case_scores


def counted():
    """Returns a shareable function and the list of the runs that it was called with."""
    calls = []

    @shareable
    def make(view, word=""):
        calls.append((view.run_id, word))
        return [view.run_id, word]

    return make, calls


def test_within_a_block_a_value_is_made_once():
    """Within a block, and within a block in it, a value of a run is made once for each of its arguments."""
    make, calls = counted()
    view = runs.run([["a"]])
    with made_once():
        first = make(view, "x")
        with made_once():
            assert make(view, "x") is first
        assert make(view, "x") is first
        assert make(view, "y") == ["run-1", "y"]
    assert calls == [("run-1", "x"), ("run-1", "y")]


def test_each_run_has_its_own_values():
    """Another run, of the same identity or another, has a value of its own."""
    make, calls = counted()
    with made_once():
        for run_id in ("run-1", "run-1", "run-2"):
            make(runs.run([["a"]], run_id=run_id))
    assert calls == [("run-1", ""), ("run-1", ""), ("run-2", "")]


def test_outside_of_a_block_nothing_is_kept():
    """Outside of a block every call makes its value, and behind a block nothing of it is kept."""
    make, calls = counted()
    view = runs.run([["a"]])
    assert make(view) is not make(view)

    class Large(list):
        """A value that says when it is gone."""

    with made_once():
        kept = weakref.ref(shareable(lambda view: Large())(view))
        assert kept() is not None
    gc.collect()
    assert kept() is None
    make(view)
    assert len(calls) == 3


def test_the_parts_of_a_display_are_shared():
    """The rows of a run, its scores by case and their names are made once while a display is made."""
    view = runs.run([["a", "b"]], scores={"right": [[1, 0]]})
    with made_once():
        assert rows_of_view(view) is rows_of_view(view)
        assert case_scores(view, "right") is case_scores(view, "right")
        assert score_names(view) is score_names(view)


def test_a_display_looks_at_each_trial_once(monkeypatch):
    """Shown in a cell, results make one row of each trial, for the table, the verdict and the answers together."""
    made = []

    def noted(*parts):
        made.append(parts[1].trial_id)
        return Row(*parts)

    monkeypatch.setattr("toolkit.results._frame.Row", noted)
    Results(runs.run([["a", "b"], ["b", "b"]], scores={"right": [[1, 0], [1, 1]]}))._repr_mimebundle_()
    assert sorted(made) == ["t-0-0", "t-0-1", "t-1-0", "t-1-1"]
