"""The sweep form as a widget, without a browser: what is picked, the plan that follows, the run, and its code."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import toolkit as tk
from tests.faults.world import wait_until
from tests.widgets.worlds import CASES, make_engine, nameless, parts_of, state_of
from toolkit import _sync
from toolkit._redact import Secret
from toolkit.config import LangfuseSettings, Settings, parse_config
from toolkit.engine import Engine, set_default_engine
from toolkit.testing import FakeProvider, fake_engine
from toolkit.widgets import SweepForm, _form

KEY = "osprey-credential-4412"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a folder with `reply` in two versions, and `greet`."""
    made = make_engine(tmp_path)
    yield made
    _sync.run(made.aclose())


def form_of(engine: Engine, *arguments: Any, **options: Any) -> SweepForm:
    """A form that has shown everything that it asked for."""
    form = SweepForm(*arguments, engine=engine, **options)
    assert form.settle()
    return form


def shown_run(form: SweepForm) -> Any:
    """The progress of the form's run."""
    (shown,) = form.progress_box.children
    return shown


def test_without_a_prompt_there_is_nothing_to_run(engine: Engine) -> None:
    """A new form says what is missing, and Run cannot be pressed."""
    form = form_of(engine)
    assert form.plan_status.words == "Pick a prompt."
    assert (form.run_button.disabled, form.plan) == (True, None)


def test_the_plan_follows_what_is_picked(engine: Engine) -> None:
    """Each change makes the plan anew: how much is sent, what is stored, what it may cost."""
    form = form_of(engine, CASES, prompt="reply")
    assert form.plan_status.words.startswith("3 to send, 0 stored")
    form.picker.versions.set_state({"index": [1, 2]})
    form.repeats.set_state({"value": 2})
    form.params.set_state({"value": '{"temperature": 0}\n{"temperature": 1}'})
    assert form.settle()
    assert form.plan_status.words.startswith("24 to send, 0 stored")
    assert "reply@2" in form.plan_table.value
    assert not form.run_button.disabled


def test_a_plan_is_not_made_on_the_thread_that_clicks(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of twenty changes in a row one plan is made, the newest, and on another thread than the clicks'."""
    made: list[tuple[threading.Thread, int]] = []
    plan = _form.plan

    def noted(**arguments: Any) -> tk.Plan:
        made.append((threading.current_thread(), arguments.get("repeats", 1)))
        return plan(**arguments)

    form = form_of(engine, CASES, prompt="reply")
    monkeypatch.setattr(_form, "plan", noted)
    for repeats in range(2, 22):
        form.repeats.set_state({"value": repeats})
    assert form.plan_status.words == "Planning …"
    assert form.settle()
    assert [repeats for _, repeats in made] == [21]
    assert made[0][0] is not threading.current_thread()
    assert form.plan_status.words.startswith("63 to send")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("params", '{"temp', "Params, line 1"),
        ("budget", "much", "Budget: 'much'"),
        ("more_models", "nobody/x", "UnknownNameError: There is no provider 'nobody'"),
        ("cases", "a file", "Name a file"),
    ],
)
def test_what_cannot_be_planned_is_told(engine: Engine, field: str, value: str, words: str) -> None:
    """A field that cannot be read, and a plan that is refused, are told in words; Run cannot be pressed then."""
    form = form_of(engine, CASES, prompt="reply")
    getattr(form, field).value = value
    assert form.settle()
    assert form.plan_status.words.startswith(words)
    assert (form.run_button.disabled, form.plan, form.plan_table.value) == (True, None, "")


def test_a_missing_variable_is_told_before_anything_is_sent(engine: Engine) -> None:
    """A case without a variable that the prompt reads is told in the plan's line and marked in the preview."""
    form = form_of(engine, [{"name": "Ana"}], prompt="reply")
    assert "order" in form.plan_status.words
    assert "⚠ no value: order" in form.picker.preview.value
    assert form.run_button.disabled


def test_run_sends_what_was_planned(engine: Engine) -> None:
    """Pressing Run sweeps; the answers, the counts and `results` are there, and the plan then has nothing to send."""
    form = form_of(engine, CASES, prompt="reply")
    form.picker.versions.set_state({"index": [1, 2]})
    assert form.settle()
    planned = form.plan
    form.run_button.click()
    assert form.settle()
    assert planned is not None
    assert form.run is not None
    assert form.results.run_id == planned.run_id
    assert list(form.results.df["status"]) == ["ok"] * 6
    assert shown_run(form).status.words.startswith("ended · 6 of 6")
    assert form.plan_status.words.startswith("0 to send, 6 stored")
    assert not form.run_button.disabled


def test_a_plan_with_nothing_to_send_is_a_line(engine: Engine) -> None:
    """Once everything is stored the plan is told in its line, and no table of zeros stands below."""
    form = form_of(engine, CASES, prompt="reply")
    assert "<table" in form.plan_table.value
    form.run_button.click()
    assert form.settle()
    assert (form.plan_table.value, form.run_button.disabled) == ("", False)


def test_what_a_plan_warns_of_is_in_the_form(engine: Engine, recwarn: pytest.WarningsRecorder) -> None:
    """A column that no prompt reads is told with the plan, before the run and after it, and never as a warning."""
    form = form_of(engine, [{**case, "colour": "red"} for case in CASES], prompt="reply")
    assert "⚠ note: No prompt of this sweep reads &#x27;colour&#x27;" in form.plan_table.value
    form.run_button.click()
    assert form.settle()
    assert "&#x27;colour&#x27;" in form.plan_table.value
    assert [str(each.message) for each in recwarn if each.category is tk.errors.UnusedVariableWarning] == []


def test_the_results_are_what_the_grid_shows(engine: Engine) -> None:
    """After the run `results` is one object however often it is asked for, and the live grid is of it."""
    form = form_of(engine, CASES, prompt="reply")
    form.run_button.click()
    assert form.settle()
    (grid,) = shown_run(form).grid_box.children
    assert form.results is form.results is grid._results


def test_the_code_does_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of a form, executed, is the same run by content, and finds every answer stored."""
    engine = make_engine(tmp_path)
    frame = pd.DataFrame(CASES)
    monkeypatch.setattr(_form, "_namespaces", lambda: [{"reviews": frame}])
    form = form_of(engine, frame, prompt="reply", models=["fake/other"])
    form.picker.versions.set_state({"index": [1, 2]})
    form.models.set_state({"index": [0]})
    form.rows.value, form.count.value, form.seed.value = "sample", 2, 7
    form.params.value, form.repeats.value = '{"temperature": 0}', 2
    form.baseline.value = "folder:reply@2"
    assert form.settle()
    form.run_button.click()
    assert form.settle()
    assert form.code_line.code == form.code()
    namespace: dict[str, Any] = {"tk": tk, "reviews": frame}
    set_default_engine(engine)
    try:
        exec(form.code(), namespace)  # noqa: S102  code that the product wrote
    finally:
        set_default_engine(None)
    assert namespace["results"].run_id == form.results.run_id
    assert len(namespace["results"]) == 8
    _sync.run(engine.aclose())


def test_cases_come_from_a_file(engine: Engine, tmp_path: Path) -> None:
    """A path that is typed is read as the cases; a file that is not there is told."""
    (tmp_path / "cases.csv").write_text("name,order\nAna,1\nBo,2\n", encoding="utf-8")
    form = form_of(engine, prompt="reply")
    form.cases.value = "a file"
    form.file.set_state({"value": str(tmp_path / "none.csv")})
    assert form.settle()
    assert "There is no file" in form.plan_status.words
    form.file.set_state({"value": str(tmp_path / "cases.csv")})
    assert form.settle()
    assert form.plan_status.words.startswith("2 to send")
    assert "Dear Ana, order 1." in form.picker.preview.value


def test_fields_that_mean_nothing_are_hidden(engine: Engine) -> None:
    """The number of rows, the seed and the file are seen only while they count; every other field always is."""
    form = form_of(engine, CASES, prompt="reply")

    def seen() -> list[bool]:
        return [part.layout.display != "none" for part in (form.file, form.count, form.seed)]

    assert seen() == [False, False, False]
    always = (form.models, form.more_models, form.cases, form.rows, form.params, form.baseline, form.repeats)
    assert [part.layout.display for part in always] == [None] * 7
    form.rows.value = "first"
    assert seen() == [False, True, False]
    form.rows.value = "sample"
    assert seen() == [False, True, True]
    form.cases.value = "a file"
    assert seen() == [True, True, True]
    assert form.settle()


def test_models_of_the_config_are_offered(tmp_path: Path) -> None:
    """Aliases of config.yaml, the caller's models and the embedded one can be picked without typing."""
    model = {"model_name": "small", "litellm_params": {"model": "fake/m"}}
    config = parse_config({"model_list": [model]}, where="config.yaml", environ={})
    engine = make_engine(tmp_path, config=config)
    form = form_of(engine, CASES, prompt="reply", models=["fake/big"])
    assert form.models.options == ("fake/big", "small", "local/smollm2-135m-instruct")
    form.models.set_state({"index": [0, 1]})
    assert form.settle()
    assert form.plan_status.words.startswith("6 to send")
    _sync.run(engine.aclose())


class Held(FakeProvider):
    """A provider that answers when it is let go."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.go_on = threading.Event()

    def _answer(self, request: object) -> str:
        self.go_on.wait(30)
        return "fine"


def test_one_run_at_a_time(tmp_path: Path) -> None:
    """While a run goes on, Run cannot be pressed, and a click that comes all the same begins nothing."""
    provider = Held()
    engine = make_engine(tmp_path, provider=provider)
    form = form_of(engine, CASES[:1], prompt="reply")
    form.run_button.click()
    wait_until(lambda: form.run is not None and bool(form.progress_box.children))
    run = form.run
    form.repeats.value = 2
    assert form.run_button.disabled
    form._press()
    assert form.status.words == "A run is under way; stop it first."
    provider.go_on.set()
    assert form.settle()
    assert form.run is run
    assert not form.run_button.disabled
    _sync.run(engine.aclose())


def test_results_are_there_when_something_ran(engine: Engine) -> None:
    """Before anything ran, asking for results is refused in words."""
    form = form_of(engine, CASES, prompt="reply")
    with pytest.raises(tk.UsageError, match="press Run"):
        _ = form.results


def test_what_stops_a_start_is_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a run cannot begin, the form says why, and Run can be pressed again."""

    def refuse(**_: object) -> None:
        raise tk.errors.StoreError("the disk is full")

    form = form_of(engine, CASES, prompt="reply")
    monkeypatch.setattr(_form, "start_sweep", refuse)
    form.run_button.click()
    assert form.settle()
    assert form.status.words == "StoreError: the disk is full"
    assert not form.run_button.disabled


def test_it_leaves_html_and_a_line_without_a_kernel(engine: Engine) -> None:
    """Beside the live widget stand a line of text and inert HTML with the code and the answers."""
    form = form_of(engine, CASES, prompt="reply")
    assert form._repr_mimebundle_()["text/plain"].startswith("SweepForm: 3 to send")
    form.run_button.click()
    assert form.settle()
    forms = form._repr_mimebundle_()
    assert forms["text/plain"].startswith("SweepForm: run-")
    assert "tk.sweep(" in forms["text/html"]


def test_every_control_has_a_name(engine: Engine) -> None:
    """Each field and button has a description, and every line that changes is said to screen readers."""
    form = form_of(engine, CASES, prompt="reply")
    assert nameless(form) == []
    for line in (form.status, form.plan_status):
        assert 'role="status"' in line.value


def test_no_key_is_in_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a page or a saved notebook gets of a form holds a key of the environment, config or source."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    settings = LangfuseSettings(host="http://127.0.0.1:9", public_key="pk-lf-x", secret_key=Secret("sk-lf-kestrel-77"))
    params = {"model": "openai/gpt-4o-mini", "api_key": "team-credential-9034"}
    read = {"model_list": [{"model_name": "small", "litellm_params": params}]}
    config = parse_config(read, where="config.yaml", environ={})
    engine = fake_engine(Settings(home=tmp_path, prompts_folder=tmp_path / "none", langfuse=settings), config=config)
    form = form_of(engine, CASES)
    form.params.value = '{"temp'
    form.more_models.value = "openai/gpt-4o-mini"
    state = state_of(form) + str(form._repr_mimebundle_())
    assert [key for key in (KEY, "sk-lf-kestrel-77", "team-credential-9034") if key in state] == []
    assert len(list(parts_of(form))) > 30
    _sync.run(engine.aclose())
