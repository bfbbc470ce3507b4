"""Promotion with proof, in a folder and in Langfuse: the label moves when the gate passes, with evidence, and back."""

from __future__ import annotations

import io
import sys
import threading

import pytest

import toolkit as tk
from tests.results.promoting import WORSE, Folder, Langfuse, Place, results_of
from toolkit import _sync
from toolkit.errors import PromotionRefusedError, UsageError
from toolkit.results import Promotion, Results
from toolkit.testing import FakeSource


def move(place: Place, version: int) -> None:
    """Somebody else moves the label."""
    _sync.run(place.source.set_label("reply", str(version), "production"))


# The label moves


def test_a_version_that_passes_gets_the_label(place: Place):
    """The label stands on the candidate alone, and the promotion says what was done."""
    done = results_of(place).promote("reply@2", confirm=False)
    assert place.holders() == [2]
    assert done.state == "moved"
    assert repr(done).startswith(f"Moved the label 'production' of {place.name}:reply from version 1 to version 2.")


def test_what_changes_is_shown_word_by_word(place: Place):
    """The promotion shows the old text against the new one, the verdict and the gate."""
    told = repr(results_of(place).promote("reply@2", confirm=False))
    assert "[-Say -]{+Kindly say +}{{q}}." in told
    assert "is better than reply@1 on right: +9.2 points" in told
    assert "holds  gain" in told


def test_html_is_escaped(folder: Folder):
    """What a prompt says is shown as it is written, and never becomes a part of the page."""
    (folder.root / "reply.v2.prompt").write_text("<script>{{q}}</script>", encoding="utf-8")
    shown = results_of(folder).promote("reply@2", confirm=False)._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_the_best_of_several_versions_is_held_to_more(folder: Folder):
    """Beside who has the label the run has two versions, and the one picked is judged by a wider interval."""
    done = results_of(folder, versions=(1, 2, 3)).promote("reply@2", confirm=False)
    assert "97.5 % interval +1.8 to +16.2" in done.gate.conditions[0].sentence


# The gate refuses


def test_a_version_that_is_worse_is_refused_with_the_numbers(place: Place):
    """A failing gate moves nothing, and the error says by how much it fails and has the gate."""
    with pytest.raises(PromotionRefusedError) as refused:
        results_of(place, WORSE).promote("reply@2", confirm=False, max_regressions=5)
    assert place.holders() == [1]
    assert place.evidence() == []
    told = str(refused.value)
    assert "Of 3 conditions 2 did not hold" in told
    assert "-9.2 points (95 % interval -15.3 to -2.7), 98 cases; it is not shown to lose less than 2 points" in told
    assert "worse than reply@1 in 9 cases; at most 5 may be" in told
    assert [each.what for each in refused.value.gate.failing] == ["gain", "regressions"]


def test_a_version_with_more_failures_is_refused(place: Place):
    """Answers that are missing do not make a candidate better."""
    scores = [[0.0] * 9 + [1.0] * 89, [1.0] * 97 + [None]]
    with pytest.raises(PromotionRefusedError, match="a candidate that answers less often is not let through"):
        results_of(place, scores).promote("reply@2", confirm=False)
    assert place.holders() == [1]


def test_a_run_that_was_stopped_says_so(folder: Folder):
    """Why a run has not gone to its end stands in the refusal."""
    scores = [[0.0] * 9 + [1.0] * 89, [1.0] * 90 + [None] * 8]
    with pytest.raises(PromotionRefusedError, match="stopped: 188 of 196 done"):
        results_of(folder, scores, note="stopped: 188 of 196 done").promote("reply@2", confirm=False)


def test_who_has_the_label_must_be_among_the_arms(place: Place):
    """When the label is on a version that was not swept, nothing is known of the difference; what to sweep is said."""
    results = results_of(place)
    move(place, 3)
    with pytest.raises(PromotionRefusedError) as refused:
        results.promote("reply@2", confirm=False)
    name = f"{place.name}:reply"
    assert "is on version 3, which is not among the arms of this run (reply@1, reply@2)" in str(refused.value)
    assert f"prompts=['{name}@production', '{name}@2']" in str(refused.value)
    assert place.holders() == [3]


def test_who_has_the_label_already_needs_none(place: Place):
    """There is nothing to move to the version that has the label."""
    with pytest.raises(PromotionRefusedError, match=f"'{place.name}:reply@1' has the label 'production' already"):
        results_of(place).promote("reply@1", confirm=False)


def test_a_label_that_nobody_has_needs_a_version_to_stand_for_it(place: Place):
    """Without a holder there is nothing to be not worse than, unless `against` names a version of the run."""
    results = results_of(place)
    with pytest.raises(PromotionRefusedError, match=r"Nobody has the label 'staging' of .*against='reply@\.\.\.'"):
        results.promote("reply@2", "staging", confirm=False)
    done = results.promote("reply@2", "staging", against="reply@1", confirm=False)
    assert (done.proposal.held_by, done.proposal.against) == (None, "1")
    assert _sync.run(place.source.holders("reply", "staging")) == ("2",)


def test_against_cannot_pass_over_who_has_the_label(place: Place):
    """`against` stands for a holder and does not replace one."""
    results = results_of(place, versions=(1, 2, 3))
    with pytest.raises(UsageError, match="against='reply@3' has not the label 'production': version 1 has"):
        results.promote("reply@2", against="reply@3", confirm=False)


@pytest.mark.parametrize("version", [1, 2])
def test_a_version_that_was_edited_is_refused(folder: Folder, version: int):
    """What was measured must be what is promoted, and what it was measured against what has the label."""
    results = results_of(folder)
    (folder.root / f"reply.v{version}.prompt").write_text("Something else {{q}}", encoding="utf-8")
    with pytest.raises(
        PromotionRefusedError, match=f"'folder:reply@{version}' has other content now than in run 'run-1'"
    ):
        results.promote("reply@2", confirm=False)
    assert folder.holders() == [1]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("reply@9", "no answers of 'reply@9'.*it has reply@1.*reply@2"),
        ("reply", "'reply' does not say which version is to be promoted; this run has reply@1"),
        ("folder:reply", "'folder:reply' does not say which version"),
        (
            tk.Prompt(prompt_id="reply", version="2", kind="text", template="x", source="folder"),
            "give 'folder:reply@2'",
        ),
        (2, "named by text such as 'reply@8'; got 2"),
    ],
)
def test_a_prompt_that_is_no_arm_is_refused(folder: Folder, prompt, message: str):
    """Only a prompt that the run has answers of can be promoted."""
    with pytest.raises(UsageError, match=message):
        results_of(folder).promote(prompt, confirm=False)


def test_a_source_that_cannot_be_written_to_is_refused(folder: Folder):
    """A source that only reads has no label to move."""
    results = Results(results_of(folder).view, find_source=lambda _: FakeSource([]))
    with pytest.raises(UsageError, match="'folder' cannot be written to from here"):
        results.promote("reply@2", confirm=False)


# Asked first


def test_in_a_notebook_nothing_moves_before_it_is_confirmed(place: Place, waiting: Promotion):
    """The promotion waits; `confirm` moves the label, and once is enough."""
    assert (waiting.state, place.holders(), place.evidence()) == ("waiting", [1], [])
    assert "Next: .confirm() moves the label." in repr(waiting)
    assert waiting.confirm().confirm() is waiting
    assert (waiting.state, place.holders(), len(place.evidence())) == ("moved", [2], 1)


def test_a_label_that_was_moved_meanwhile_stays(place: Place, waiting: Promotion):
    """When somebody else moves the label before it is confirmed, nothing is moved here."""
    move(place, 3)
    with pytest.raises(PromotionRefusedError, match="was on version 1 and version 3 has it now"):
        waiting.confirm()
    assert (waiting.state, place.holders(), place.evidence()) == ("waiting", [3], [])


def test_a_version_that_is_edited_before_it_is_confirmed_is_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    """Content is compared once more when the label moves."""
    monkeypatch.setattr("toolkit.results._promotion_face.has_kernel", lambda: True)
    waiting = results_of(folder).promote("reply@2")
    (folder.root / "reply.v2.prompt").write_text("Something else {{q}}", encoding="utf-8")
    with pytest.raises(PromotionRefusedError, match="has other content now"):
        waiting.confirm()
    assert folder.holders() == [1]


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        """A terminal is one."""
        return True


@pytest.mark.parametrize(("typed", "holder"), [("yes\n", 2), ("no\n", 1), ("\n", 1)])
def test_in_a_terminal_somebody_is_asked(
    folder: Folder, typed: str, holder: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The promotion is shown, and moves the label when `yes` is typed."""
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    done = results_of(folder).promote("reply@2")
    assert (done.state == "moved", folder.holders()) == (holder == 2, [holder])
    shown = capsys.readouterr().out
    assert "Ready to move the label 'production' of folder:reply from version 1 to version 2" in shown
    assert ("Nothing was moved." in shown) == (holder == 1)


def test_where_nobody_can_be_asked_it_is_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    """A script has to say confirm=False."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    with pytest.raises(UsageError, match="confirm=False moves the label at once"):
        results_of(folder).promote("reply@2")
    assert folder.holders() == [1]


# Back again


def test_rollback_puts_the_label_back_and_notes_it(place: Place):
    """The former holder has the label again, and the evidence has both moves."""
    done = results_of(place).promote("reply@2", confirm=False)
    assert done.rollback().rollback() is done
    assert (done.state, place.holders()) == ("rolled back", [1])
    assert repr(done).startswith(f"Put the label 'production' of {place.name}:reply back on version 1.")
    first, second = place.evidence()
    assert "promotion" in first.lower()
    assert "rollback" in second.lower()


def test_rollback_refuses_what_was_moved_on(place: Place):
    """When somebody has moved the label on since, it stays there unless `force` is given."""
    done = results_of(place).promote("reply@2", confirm=False)
    move(place, 3)
    with pytest.raises(PromotionRefusedError, match="was on version 2 and version 3 has it now"):
        done.rollback()
    assert (done.state, place.holders()) == ("moved", [3])
    done.rollback(force=True)
    assert (done.state, place.holders()) == ("rolled back", [1])


def test_what_was_not_moved_cannot_be_put_back(waiting: Promotion):
    """A promotion that waits has neither a rollback nor evidence, and one that was rolled back moves nothing more."""
    for call in (waiting.rollback, waiting.write_evidence):
        with pytest.raises(UsageError, match="not moved yet"):
            call()
    waiting.confirm().rollback()
    with pytest.raises(UsageError, match="was rolled back"):
        waiting.confirm()


def test_a_rollback_to_nobody_takes_the_label_away_where_that_can_be(folder: Folder):
    """A folder takes a label away that nobody had before."""
    done = results_of(folder).promote("reply@2", "staging", against="reply@1", confirm=False)
    done.rollback()
    assert _sync.run(folder.source.holders("reply", "staging")) == ()
    assert repr(done).startswith("Took the label 'staging' of folder:reply away again; no version has it.")


def test_langfuse_cannot_take_a_label_away(langfuse: Langfuse):
    """Where a label cannot be taken away, the rollback says so and it stays."""
    done = results_of(langfuse).promote("reply@2", "staging", against="reply@1", confirm=False)
    with pytest.raises(UsageError, match="cannot take the label 'staging' away"):
        done.rollback()
    assert done.state == "moved"


# Two at once


def test_two_promotions_at_once_leave_one_holder(place: Place):
    """Of two who promote different versions at once, the label ends on one version, moved there by its promotion."""
    both = [results_of(place, versions=(1, 2, 3)) for _ in range(2)]
    ended: list[tuple[int, str]] = []
    start = threading.Barrier(2)

    def promote(results: Results, version: int) -> None:
        start.wait(timeout=30)
        try:
            ended.append((version, results.promote(f"reply@{version}", confirm=False).state))
        except PromotionRefusedError as error:
            ended.append((version, str(error)))

    threads = [
        threading.Thread(target=promote, args=(results, version)) for results, version in zip(both, (2, 3), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    (holder,) = place.holders()
    moved = [version for version, state in ended if state == "moved"]
    assert len(ended) == 2
    assert holder in moved
