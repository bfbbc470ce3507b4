"""The place of a form, a picker or a run's progress in the page: beside its static HTML, with its keys kept in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.widgets.worlds import CASES, make_engine
from toolkit import PromptPicker, RunProgress, SweepForm, _sync, start_sweep
from toolkit.engine import Engine
from toolkit.widgets._bundle import VIEW
from toolkit.widgets._place import Place


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a folder with `reply` in two versions, and `greet`."""
    made = make_engine(tmp_path)
    yield made
    _sync.run(made.aclose())


def a_form(engine: Engine) -> SweepForm:
    form = SweepForm(CASES, prompt="reply", models=["fake/m"], engine=engine)
    assert form.settle()
    return form


def a_picker(engine: Engine) -> PromptPicker:
    picker = PromptPicker("reply", cases=CASES, engine=engine)
    assert picker.settle()
    return picker


def a_progress(engine: Engine) -> RunProgress:
    run = start_sweep(["reply@1"], variables=CASES, engine=engine, progress="off")
    run.wait()
    progress = RunProgress(run)
    assert progress.settle()
    return progress


BOXES = pytest.mark.parametrize("make", [a_form, a_picker, a_progress])


@BOXES
def test_the_output_is_html_in_whose_place_the_box_stands(engine: Engine, make: Callable[[Engine], Any]) -> None:
    """In JupyterLab the output is HTML and text alone, and the HTML has the place that the box names."""
    box = make(engine)
    output = box._repr_mimebundle_()
    assert sorted(output) == ["text/html", "text/plain"]
    assert re.match(f'<div class="pk-place tex2jax_ignore mathjax_ignore {box.place.slot}">', output["text/html"])
    assert f'<div class="pk-static">{box.static_html()}</div>' in output["text/html"]
    assert box.place.of == box.model_id
    assert box.place in box.children


@BOXES
def test_elsewhere_the_output_has_the_widget_too(
    engine: Engine, make: Callable[[Engine], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the page must be told of a widget, the output has it beside the HTML and the text."""
    box = make(engine)
    monkeypatch.setattr("toolkit.widgets._place.takes_place_of_html", lambda: False)
    output = box._repr_mimebundle_()
    assert output[VIEW]["model_id"] == box.model_id
    assert output["text/html"] == box.static_html()


def test_two_boxes_have_two_places(engine: Engine) -> None:
    """Each box has a place that no other has."""
    assert a_picker(engine).place.slot != a_picker(engine).place.slot


def sent_by(place: Place) -> list[Any]:
    """What a page gets of a place from now on."""
    sent: list[Any] = []
    place.send = lambda content, buffers=None: sent.append(content)
    return sent


def test_a_page_that_asks_is_answered(engine: Engine) -> None:
    """A page that asks whether the kernel is there is answered; what means nothing has no answer."""
    place = a_picker(engine).place
    sent = sent_by(place)
    for content in ({"ask": "look"}, {"ask": "run"}, {"ask": 1}, {}, "look", None):
        place._handle_custom_msg(content, [])
    assert sent == [{"here": True}]


def test_ctrl_enter_presses_run(engine: Engine) -> None:
    """The keys of Run do what the button does, and in a picker nothing."""
    form = a_form(engine)
    assert form.place.runs
    assert not form.picker.place.runs
    form.place._handle_custom_msg({"ask": "run"}, [])
    assert form.settle()
    assert form.results.df["status"].tolist() == ["ok"] * 3


def test_ctrl_enter_waits_for_the_plan(engine: Engine) -> None:
    """While the plan is made anew, the keys of Run send nothing, and the form says so."""
    form = a_form(engine)
    form.repeats.value = 2
    form.place._handle_custom_msg({"ask": "run"}, [])
    assert form.run is None
    assert form.status.words.startswith("Not run: the plan is not ready")


def test_an_error_behind_the_keys_is_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong behind the keys of Run is words in the form's line."""
    form = a_form(engine)
    monkeypatch.setattr(form, "_press", lambda: 1 / 0)
    form.place._handle_custom_msg({"ask": "run"}, [])
    assert form.status.words.startswith("ZeroDivisionError")
