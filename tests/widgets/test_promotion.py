"""A promotion in a notebook: shown with its proof, confirmed and taken back by buttons."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.results.promoting import Folder, results_of
from tests.widgets.worlds import nameless, state_of
from toolkit import _sync
from toolkit.results import Promotion
from toolkit.widgets import PromotionBox


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A prompt of three versions, the first in production."""
    return Folder(tmp_path / "prompts")


@pytest.fixture
def promotion(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Promotion:
    """A promotion that waits."""
    monkeypatch.setattr("toolkit.results._promotion_face.has_kernel", lambda: True)
    monkeypatch.setattr("toolkit.results._promotion.has_kernel", lambda: True)
    return results_of(folder).promote("reply@2")


@pytest.fixture
def box(promotion: Promotion) -> PromotionBox:
    """What a notebook shows of it."""
    return PromotionBox(promotion)


@pytest.mark.parametrize(("page", "key"), [("", "pk-place"), ("voila/0.5", "widget-view")])
def test_a_notebook_shows_a_waiting_promotion_with_buttons(
    promotion: Promotion, page: str, key: str, monkeypatch: pytest.MonkeyPatch
):
    """While it waits, a widget stands in the output, in the way that the page takes one; afterwards it is inert."""
    monkeypatch.setenv("SERVER_SOFTWARE", page)
    shown = promotion._repr_mimebundle_()
    assert key in str(shown)
    assert "Ready to move" in shown["text/plain"]
    promotion.confirm()
    inert = promotion._repr_mimebundle_()
    assert inert.keys() == {"text/plain", "text/html"}
    assert "pk-place" not in inert["text/html"]


def test_the_button_moves_the_label(box: PromotionBox, folder: Folder):
    """One press moves it, and what is shown says so; the other button puts it back."""
    assert (box.move_button.disabled, box.back_button.disabled) == (False, True)
    box.move_button.click()
    assert (folder.holders(), box.promotion.state) == ([2], "moved")
    assert "Moved the label" in box.proof.value
    assert (box.move_button.disabled, box.back_button.disabled) == (True, False)
    box.back_button.click()
    assert (folder.holders(), box.promotion.state) == ([1], "rolled back")
    assert (box.move_button.disabled, box.back_button.disabled) == (True, True)


def test_what_goes_wrong_is_said_in_the_widget(box: PromotionBox, folder: Folder):
    """A refusal stands in the status line, and the promotion waits on."""
    _sync.run(folder.source.set_label("reply", "3", "production"))
    box.move_button.click()
    assert "version 3 has it now" in box.status.words
    assert (folder.holders(), box.promotion.state) == ([3], "waiting")


def test_evidence_that_is_owed_is_said_in_the_widget(box: PromotionBox, folder: Folder):
    """A warning that no cell would show stands in the status line."""
    (folder.root / "evidence").write_text("in the way", encoding="utf-8")
    box.move_button.click()
    assert folder.holders() == [2]
    assert "the evidence could not be written" in box.status.words


def test_every_control_has_a_name_and_nothing_foreign_runs(box: PromotionBox):
    """Screen readers have words for both buttons, and texts of prompts are escaped."""
    assert nameless(box) == []
    assert "<script" not in state_of(box.proof)
