"""A prompt that is being written: what it changes, what it reads, how models answer to it; pushed only when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from toolkit._records import EMPTY, FrozenDict, Prompt
from toolkit.engine import Engine, config_model, default_engine
from toolkit.errors import UsageError
from toolkit.prompts import (
    ManagedPrompt,
    PromptReference,
    as_text,
    parse_prompt,
    placeholders,
    thawed,
)
from toolkit.results import Results, Safe, element, for_screen, rows_of, word_diff
from toolkit.sweep import Run, based_on, push_draft, start_sweep
from toolkit.widgets import _picker_views as views
from toolkit.widgets._form_run import progress_words
from toolkit.widgets._picker_state import Chosen

_SOURCE = "draft"
_VERSION_CHARACTERS = 8
_EVERY_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Draft:
    """A prompt as it stands in a cell, beside the stored version that it goes on from."""

    prompt: Prompt
    """Of the source `draft`, its version made from its content: the same text is the same version."""
    stored: ManagedPrompt | None
    """What the source has under that name; `None` = nothing yet."""
    reference: PromptReference
    """What was named, for pushing."""

    @property
    def variables(self) -> tuple[str, ...]:
        """Names that it reads."""
        return placeholders(self.prompt)

    is_pushed: bool = False
    """True when it is to be written as soon as it was tried."""

    @property
    def headline(self) -> str:
        """What it is compared with, and what it reads, in one line."""
        against = f"against {self.stored.reference}" if self.stored is not None else "new: the sources have none"
        reads = f"reads {', '.join(self.variables)}" if self.variables else "reads no variables"
        end = "" if self.is_pushed else " Nothing is written."
        return f"Draft of {self.prompt.prompt_id}, {against}; {reads}.{end}"

    def __repr__(self) -> str:
        return "\n".join([for_screen(self.headline, keep_lines=False), _marked(self.stored, self.prompt)])

    def _repr_html_(self) -> Safe:
        if self.stored is None:
            return views.boxed(element("p", element("strong", self.headline)), views.preview(self.prompt, EMPTY))
        return views.changes(as_text(self.stored.prompt), as_text(self.prompt), self.headline)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NewVersion:
    """A draft that has become a version, beside the one that it went on from."""

    pushed: ManagedPrompt
    stored: ManagedPrompt | None
    """What it went on from; `None` = it is a new prompt."""
    code: str
    """The line of Python that does the same."""

    @property
    def headline(self) -> str:
        """The new reference with its labels, and what it went on from."""
        labels = f" [{', '.join(self.pushed.labels)}]" if self.pushed.labels else ""
        before = f", after {self.stored.reference}" if self.stored is not None else ""
        return f"{self.pushed.reference}{labels} is written{before}."

    def __repr__(self) -> str:
        lines = [for_screen(self.headline, keep_lines=False), _marked(self.stored, self.pushed.prompt)]
        return "\n".join([*lines, for_screen(self.code, keep_lines=False)])

    def _repr_html_(self) -> Safe:
        old = as_text(self.stored.prompt) if self.stored is not None else ""
        return views.boxed(
            views.changes(old, as_text(self.pushed.prompt), self.headline), element("pre", element("code", self.code))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trying:
    """What a draft is tried on."""

    models: tuple[str, ...] = ()
    """None = the model of its config."""
    cases: Any = None
    """In any form that `sweep` takes."""
    first: int = 3
    """Cases that are sent; 0 = none."""
    budget_usd: float | None = None

    def __post_init__(self) -> None:
        if self.first < 0:
            raise UsageError(f"--first is a number of cases from 0 up; got {self.first!r}.")


def make_draft(name: str, text: str, *, is_pushed: bool = False, engine: Engine | None = None) -> Draft:
    """Returns the prompt that a cell holds, with the stored version that it goes on from.

    Args:
        name: `[source:]name[@version or label]`.
        text: What a `.prompt` file holds; without front matter the config of the stored version is kept.
        is_pushed: True when it is to be written as soon as it was tried.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        UsageError: If the name cannot be read or names several versions, or nothing is written in the cell.
        PromptError: If the text cannot be read, or a source cannot be asked.
    """
    if not text.strip():
        raise UsageError("The cell holds no prompt; write its text below the line with %%prompt.")
    reference, stored = based_on(name, engine=engine or default_engine())
    parsed = parse_prompt(text, where="the cell", prompt_id=reference.name, version=None, source=_SOURCE).prompt
    has_front = text.lstrip().startswith("---")
    config = parsed.config if has_front or stored is None else FrozenDict(stored.config)
    form = parsed.template_format if has_front or stored is None else stored.prompt.template_format
    prompt = replace(parsed, config=config, template_format=form)
    version = prompt.fingerprint.removeprefix("p1:")[:_VERSION_CHARACTERS]
    return Draft(prompt=replace(prompt, version=version), stored=stored, reference=reference, is_pushed=is_pushed)


def try_draft(
    draft: Draft, trying: Trying, show: Callable[..., Any], *, engine: Engine | None = None
) -> Results | None:
    """Shows the first cases filled in, and models' answers to them as they come; returns the results, if any.

    Args:
        draft: What is tried.
        trying: Models, cases and limits.
        show: IPython's `display`, or what takes its place.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        UsageError: If the cases cannot be read, or a model is none.
        MissingVariablesError: If a case has no value for a variable; nothing was sent.
    """
    needs = bool(draft.variables)
    rows = rows_of(trying.cases)[: trying.first]
    if needs and trying.cases is None:
        _say(show, f"Not sent: it reads {', '.join(draft.variables)}; give --cases with a table that has them.")
        return None
    if not rows:
        return None
    models = list(trying.models) or None
    if models is None and config_model(draft.prompt) is None:
        _say(show, "Not sent: its config names no model; give one by -m, such as -m openai/gpt-4o-mini.")
        show(_html(views.preview(draft.prompt, rows[0])), raw=True)
        return None
    run = start_sweep([draft.prompt], models, rows, budget_usd=trying.budget_usd, progress="off", engine=engine)
    return _watched(run, show)


def write_draft(
    draft: Draft,
    *,
    labels: Sequence[str] = (),
    message: str | None = None,
    run: str | None = None,
    engine: Engine | None = None,
) -> NewVersion:
    """Writes a draft to its source as a new version, and returns what is to be shown of it.

    Args:
        draft: What is written: its text and its config.
        labels: Put on the new version and taken from the versions that had them; never `production`.
        message: A line about the change.
        run: Id of the run that speaks for it.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        UsageError: If nothing is changed, a label is `production`, the prompt is of the other kind, the source is
            read-only, or a new prompt names no source and several could take it; nothing was written.
        RunNotFoundError: If the store has no such run.
        PromptSourceError: If the source cannot be reached or refuses it.
    """
    pushed = push_draft(
        draft.prompt,
        draft.reference,
        draft.stored,
        labels=labels,
        message=message,
        run=run,
        engine=engine or default_engine(),
    )
    asked = {"message": message, "labels": list(labels) or None, "run": run}
    if draft.stored is None or draft.prompt.config != draft.stored.config:
        asked = {"config": thawed(draft.prompt.config), **asked}
    return NewVersion(pushed=pushed, stored=draft.stored, code=push_code(draft, asked))


def push_code(draft: Draft, asked: Mapping[str, Any]) -> str:
    """Returns the line of Python that writes the same new version.

    Args:
        draft: What is written.
        asked: Keyword arguments of `tk.push_prompt`; those that are `None` are left out.
    """
    stored = draft.stored
    named = repr(str(draft.reference))
    if stored is not None:
        chosen = Chosen(source=stored.source, prompt_id=stored.prompt_id, version=stored.version)
        named = repr(chosen.reference) if chosen.is_spelt else chosen.code
    more = "".join(f", {name}={value!r}" for name, value in asked.items() if value is not None)
    return f"tk.push_prompt({named}, {thawed(draft.prompt.template)!r}{more})"


def _watched(run: Run, show: Callable[..., Any]) -> Results:
    """Shows a run until it has ended; an interrupt stops it, and what there is stays shown."""
    handle = show(_shown(run), raw=True, display_id=True)
    try:
        while not run.is_done:
            try:
                run.wait(_EVERY_S)
            except TimeoutError:
                _update(handle, run)
    except KeyboardInterrupt:
        run.stop(now=True)
        _update(handle, run)
        raise
    _update(handle, run)
    return run.wait()


def _update(handle: Any, run: Run) -> None:
    if handle is not None:
        handle.update(_shown(run), raw=True)


def _shown(run: Run) -> Mapping[str, str]:
    line = progress_words(run.progress)
    results = run.results
    head = element("p", line, role="status", aria_live="polite")
    return {
        "text/html": str(views.boxed(head, Safe(results._repr_html_()))),
        "text/plain": f"{for_screen(line, keep_lines=False)}\n{results!r}",
    }


def _marked(stored: ManagedPrompt | None, new: Prompt) -> str:
    marks = {"kept": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
    pieces = word_diff(as_text(stored.prompt) if stored is not None else "", as_text(new))
    return for_screen("".join(f"{marks[piece.kind][0]}{piece.text}{marks[piece.kind][1]}" for piece in pieces))


def _say(show: Callable[..., Any], words: str) -> None:
    bundle = {"text/html": str(views.boxed(element("p", words))), "text/plain": for_screen(words, keep_lines=False)}
    show(bundle, raw=True)


def _html(form: Safe) -> Mapping[str, str]:
    return {"text/html": str(form), "text/plain": "(the first case, filled in)"}
