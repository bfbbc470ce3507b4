"""The sweep form: prompts, models, cases and limits picked by hand, the plan as they change, the run, and its code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as w

from toolkit.engine import Engine, default_engine
from toolkit.errors import UsageError
from toolkit.results import Results, Safe, element
from toolkit.sweep import Plan, Run, notes_alone, plan, start_sweep
from toolkit.widgets._code_line import CodeLine
from toolkit.widgets._form_models import known_models, models_hint
from toolkit.widgets._form_run import RunProgress
from toolkit.widgets._form_state import Cases, Wanted, read_budget, read_models, read_params, tables_of
from toolkit.widgets._newest import Newest
from toolkit.widgets._paint import error_words, guarded
from toolkit.widgets._picker import PromptPicker
from toolkit.widgets._place import Place, Placed
from toolkit.widgets._status import StatusLine
from toolkit.widgets._theme import CODE, PREFIX

_SETTLE_S = 0.3
"""Seconds without a change before the plan is made again."""

_MOST_PREVIEWED = 1_000
"""Cases that the picker's preview leafs through."""

_NONE, _FILE = "none", "a file"
_KEPT = "What a run gave is kept where .results of the form is shown in a cell."
_WIDE = {"description_width": "105px"}
_ROWS = (("all rows", "all"), ("the first", "first"), ("a sample of", "sample"))


class SweepForm(Placed, w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A sweep put together by hand: pick prompts, models and cases, read the plan, press Run, see the answers come.

    Nothing is sent to a provider before Run is pressed. The run goes on in the engine's own thread: show the form
    again, after a page was reloaded say, and it is there as it stands.

    Args:
        cases: Table of variables in any form that `sweep` takes, or several by name, as a dict of tables.
        prompt: Name of the prompt to begin with; `None` = none.
        models: Models that are offered beside those of config.yaml and the embedded one.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        UsageError: If `cases` cannot be read.

    Example:
        >>> form = SweepForm(cases="cases.csv")    # doctest: +SKIP
        >>> form.results, print(form.code())    # doctest: +SKIP
    """

    def __init__(
        self,
        cases: Any = None,
        *,
        prompt: str | None = None,
        models: Sequence[str] = (),
        engine: Engine | None = None,
    ) -> None:
        super().__init__()
        self._engine = engine or default_engine()
        self._tables = tables_of(cases, _namespaces())
        self._plans, self._runs = Newest(wait_s=_SETTLE_S), Newest()
        self.plan: Plan | None = None
        self.run: Run | None = None
        first = next(iter(self._tables.values()))[0] if self._tables else None
        self.picker = PromptPicker(prompt, cases=first, engine=self._engine)
        self._make_parts(known_models(self._engine, models))
        self._watch_parts()
        self._changed()

    def settle(self, timeout_s: float = 30.0) -> bool:
        """Waits until prompts are listed, the plan is made and a run that was begun has ended, all of it shown.

        Args:
            timeout_s: Most seconds to wait for each of them.
        """
        planned = self.picker.settle(timeout_s) and self._plans.settle(timeout_s)
        begun = planned and self._runs.settle(timeout_s)
        watched = self.progress_box.children
        ended = begun and all(shown.settle(timeout_s) for shown in watched)
        return ended and self._plans.settle(timeout_s)

    @property
    def wanted(self) -> Wanted:
        """What the form says at this moment.

        Raises:
            UsageError: If a field cannot be read; names it.
        """
        return Wanted(
            prompts=self.picker.chosen,
            models=read_models(self.models.value, self.more_models.value),
            cases=self._cases(),
            params=read_params(self.params.value),
            repeats=self.repeats.value,
            budget_usd=read_budget(self.budget.value),
            baseline=self.baseline.value or None,
            concurrency=self.concurrency.value or None,
        )

    @property
    def results(self) -> Results:
        """What the run has so far; when it has ended, what it gave.

        Raises:
            UsageError: If no run was begun here.
        """
        if self.run is None:
            raise UsageError("Nothing was run from this form yet; press Run.")
        shown = [progress.results for progress in self.progress_box.children]
        return shown[0] if shown else self.run.results

    def code(self) -> str:
        """Returns the call of `tk.sweep` that does the same as pressing Run.

        Raises:
            UsageError: If a field cannot be read; names it.
        """
        return self.wanted.code()

    def static_html(self) -> Safe:
        """Returns the code, and how far the run is, as HTML without a kernel."""
        shown = [progress.static_html() for progress in self.progress_box.children]
        code = element("pre", self.code_line.code, style=CODE)
        head = element("p", element("strong", "Sweep form. "), "It needs its kernel: run the cell again. ", _KEPT)
        return element("div", head, code, shown, class_=f"{PREFIX} tex2jax_ignore mathjax_ignore")

    def static_text(self) -> str:
        """Returns the plan, or how far the run is, in one line."""
        shown = [progress.static_text() for progress in self.progress_box.children]
        return f"SweepForm: {shown[0] if shown else self.plan_status.words}"

    def _make_parts(self, models: Sequence[str]) -> None:
        self.models = w.SelectMultiple(description="Models", options=models, rows=_rows(models), style=_WIDE)
        self.more_models = w.Text(description="More models", placeholder=models_hint(), style=_WIDE)
        self.cases = w.Dropdown(description="Cases", options=[*self._tables, _FILE, _NONE], style=_WIDE)
        self.file = w.Text(description="File", placeholder="cases.csv, .jsonl, .json or .parquet", style=_WIDE)
        self.rows = w.Dropdown(description="Rows", options=_ROWS, value="all", style=_WIDE)
        self.count = w.BoundedIntText(description="How many", value=5, min=1, max=10_000_000, style=_WIDE)
        self.seed = w.IntText(description="Seed", value=0, style=_WIDE)
        self.params = w.Textarea(
            description="Params", placeholder='{"temperature": 0}   one set a line', rows=2, style=_WIDE
        )
        self.baseline = w.Dropdown(description="Baseline", options=[("the first arm", "")], style=_WIDE)
        self.repeats = w.BoundedIntText(description="Repeats", value=1, min=1, max=1_000, style=_WIDE)
        self.budget = w.Text(description="Budget USD", placeholder="no limit", style=_WIDE)
        self.concurrency = w.BoundedIntText(description="Concurrency", value=0, min=0, max=10_000, style=_WIDE)
        self.concurrency.tooltip = "Most calls in flight; 0 = learned from the answers"
        self.run_button = w.Button(description="Run", button_style="primary", disabled=True)
        self.plan_status, self.plan_table, self.status = StatusLine(), w.HTML(), StatusLine()
        self.progress_box, self.code_line = w.VBox(), CodeLine(label="code")
        self.place = Place(self, on_run=guarded(self.status.fail, self._press_by_key))
        for name in ("models", "more_models", "cases", "file", "rows", "count", "seed", "params", "baseline", "repeats",
                     "budget", "concurrency", "run_button", "plan_table"):  # fmt: skip
            getattr(self, name).add_class(f"{PREFIX}-{name.replace('_', '-')}")
        for name in ("parts", "form"):
            self.add_class(f"{PREFIX}-{name}")
        self.children = (
            _heading("Prompts"),
            self.picker,
            _heading("Models and cases"),
            _fields(self.models, self.more_models, self.cases, self.rows, self.file, self.count, self.seed),
            _heading("Params and limits"),
            _fields(self.params, self.baseline, self.repeats, self.budget, self.concurrency),
            _heading("Plan"),
            self.plan_status,
            self.plan_table,
            self.run_button,
            self.status,
            self.progress_box,
            self.code_line,
            self.place,
        )

    def _watch_parts(self) -> None:
        fields = (self.models, self.more_models, self.cases, self.file, self.rows, self.count, self.seed, self.params,
                  self.baseline, self.repeats, self.budget, self.concurrency)  # fmt: skip
        changed = guarded(self.plan_status.fail, lambda _: self._changed())
        for part in fields:
            part.observe(changed, names="value")
        self.picker.observe(changed, names="value")
        self.run_button.on_click(guarded(self.status.fail, lambda _: self._press()))

    def _cases(self) -> Cases:
        chosen = self.cases.value
        if chosen == _FILE:
            path = self.file.value.strip()
            table, code = (path, repr(path)) if path else (None, "None")
        else:
            table, code = self._tables.get(chosen, (None, "None"))
        return Cases(table=table, code=code, rows=self.rows.value, count=self.count.value, seed=self.seed.value)

    def _changed(self) -> None:
        """Makes the plan anew, away from the kernel's thread; what is not newest any more is never shown."""
        self._show_needed()
        self.plan, self.run_button.disabled, self.plan_table.value = None, True, ""
        try:
            wanted = self.wanted
            self.code_line.code = wanted.code() if wanted.prompts else ""
            if not wanted.prompts:
                raise UsageError("Pick a prompt.")
            if self.cases.value == _FILE and not self.file.value.strip():
                raise UsageError("Name a file with the cases, or choose none.")
        except UsageError as error:
            self._plans.drop()
            self.plan_status.say(str(error))
            return
        self.plan_status.say("Planning …")
        show: Callable[[Plan], None] = guarded(self.plan_status.fail, self._planned)
        self._plans.ask(lambda: self._plan_of(wanted), show, self._refused)

    def _plan_of(self, wanted: Wanted) -> Plan:
        with notes_alone():
            return plan(**wanted.arguments(), engine=self._engine)

    def _show_needed(self) -> None:
        """Hides what means nothing with the present choice, and offers the baselines that there are."""
        needed = ((self.file, self.cases.value == _FILE), (self.count, self.rows.value != "all"),
                  (self.seed, self.rows.value == "sample"))  # fmt: skip
        for part, is_needed in needed:
            part.layout.display = None if is_needed else "none"
        spelt = [str(chosen.reference) for chosen in self.picker.chosen if chosen.is_spelt]
        options = [("the first arm", ""), *((name, name) for name in spelt)]
        if [name for name, _ in options] != [name for name, _ in self.baseline.options]:
            kept = self.baseline.value
            self.baseline.options = options
            self.baseline.value = kept if kept in spelt else ""

    def _planned(self, made: Plan) -> None:
        self.plan = made
        # A plan with nothing to send is told in its line.
        self.plan_table.value = made._repr_html_() if made.new or made.notes else ""
        self.plan_status.say(made.line)
        self.picker.use_cases([dict(case.variables) for case in made.cases[:_MOST_PREVIEWED]])
        self.run_button.disabled = self._is_running()

    def _refused(self, error: Exception) -> None:
        self.plan_status.fail(error_words(error))

    def _is_running(self) -> bool:
        return self.run is not None and not self.run.is_done

    def _press(self) -> None:
        self.run_button.disabled = True
        if self._is_running():
            self.status.say("A run is under way; stop it first.")
            return
        wanted = self.wanted
        self.status.say("Starting …")
        show: Callable[[Run], None] = guarded(self.status.fail, self._begun)
        self._runs.ask(lambda: self._run_of(wanted), show, self._not_begun)

    def _run_of(self, wanted: Wanted) -> Run:
        with notes_alone():
            return start_sweep(**wanted.arguments(), engine=self._engine, progress="off")

    def _press_by_key(self) -> None:
        if self.run_button.disabled:
            self.status.say("Not run: the plan is not ready; press again once it is there.")
        else:
            self._press()

    def _begun(self, run: Run) -> None:
        self.run = run
        for shown in self.progress_box.children:
            shown.close()
        shown = RunProgress(run, on_end=self._ended)
        self.progress_box.children = (shown,)
        self.status.say(
            f"Run {run.run_id}: .results has what is there so far; tk.open_run({run.run_id!r}) opens it later."
        )

    def _not_begun(self, error: Exception) -> None:
        self.status.fail(error_words(error))
        self.run_button.disabled = False

    def _ended(self) -> None:
        # What was sent is stored now: the plan says what would be left.
        self._changed()


def _rows(options: Sequence[str]) -> int:
    return min(max(len(options), 2), 6)


def _heading(text: str) -> Any:
    return w.HTML(str(element("div", text, class_=f"{PREFIX}-heading")))


def _fields(*parts: Any) -> Any:
    """Fields in two columns, in one where the page is narrow."""
    box = w.HBox(list(parts))
    box.add_class(f"{PREFIX}-fields")
    return box


def _namespaces() -> list[Mapping[str, Any]]:
    """Where the notebook's own names are; empty outside of one. Never imports IPython by itself."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return [shell.user_ns] if shell is not None else []
