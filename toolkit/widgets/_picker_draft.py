"""The draft of a prompt picker: a version in fields to change, what that changes, and a button that writes it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import ipywidgets as w

from toolkit._records import FrozenDict, Prompt
from toolkit.engine import Engine
from toolkit.prompts import ManagedPrompt, PromptReference, Selector, WritablePromptSource, as_text
from toolkit.results import element, shorten
from toolkit.widgets import _picker_views as views
from toolkit.widgets._draft import Draft, NewVersion, write_draft
from toolkit.widgets._newest import Newest
from toolkit.widgets._paint import error_words, guarded
from toolkit.widgets._theme import PREFIX

_WIDE = {"description_width": "105px"}
_LEAST_ROWS, _MOST_ROWS = 3, 14


class DraftEditor(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Fields with a version's text, the difference as it is typed, and a button that writes a new version.

    A draft that was begun stays when another version is shown. Nothing is written before the button is pressed, and
    never with the label `production`.

    Args:
        engine: Where the source is.
        tell: Takes words for the status line.
        fail: Takes words for what went wrong.
        saved: Called with each new version.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        tell: Callable[[str], None],
        fail: Callable[[str], None],
        saved: Callable[[NewVersion], None],
    ) -> None:
        super().__init__()
        self._engine = engine
        self._tell, self._fail, self._saved = tell, fail, saved
        self._lock = threading.RLock()
        self._base: Prompt | None = None
        self._next: Prompt | None = None
        self._saves = Newest()
        self.head, self.diff, self.done = w.HTML(), w.HTML(), w.HTML()
        self.fields = w.VBox()
        self.message = w.Text(
            description="Message", placeholder="a line about the change", style=_WIDE, layout=w.Layout(width="auto")
        )
        self.save_button = w.Button(
            description="Save as new version", tooltip="Write it to its source; production stays where it is"
        )
        self.reset_button = w.Button(description="Discard draft", tooltip="Begin with the version that is shown")
        self.save_button.on_click(guarded(fail, lambda _: self._save()))
        self.reset_button.on_click(guarded(fail, lambda _: self._reset()))
        buttons = w.HBox([self.save_button, self.reset_button])
        for part, name in ((self, "parts"), (self, "draft"), (self.fields, "draft-text"), (buttons, "row"),
                           (self.message, "draft-message"), (self.save_button, "draft-save"),
                           (self.reset_button, "draft-reset")):  # fmt: skip
            part.add_class(f"{PREFIX}-{name}")
        self.children = (self.head, self.fields, self.diff, self.message, buttons, self.done)

    @property
    def prompt(self) -> Prompt | None:
        """The version that the draft goes on from, with what is typed in the place of its text; `None` = none yet."""
        base = self._base
        if base is None:
            return None
        typed = {field.place: field.value for field in self.fields.children if isinstance(field, _TextField)}
        if isinstance(base.template, str):
            return replace(base, template=typed[0])
        template = tuple(
            FrozenDict({**message, "content": typed[place]}) if place in typed else message
            for place, message in enumerate(base.template)
        )
        return replace(base, template=template)

    @property
    def is_changed(self) -> bool:
        """True when something is typed that the version does not have."""
        draft = self.prompt
        return draft is not None and draft != self._base

    def show(self, prompt: Prompt) -> None:
        """Begins a draft with a version, unless one is under way.

        Args:
            prompt: The version that is shown beside.
        """
        with self._lock:
            self._next = prompt
            if prompt != self._base and not self.is_changed:
                self._begin(prompt)

    def settle(self, timeout_s: float = 30.0) -> bool:
        """Waits until what was pressed is done, and tells whether it is."""
        return self._saves.settle(timeout_s)

    def _begin(self, prompt: Prompt) -> None:
        self._base = prompt
        is_writable = isinstance(self._engine.sources.get(prompt.source), WritablePromptSource)
        about = f"Draft that goes on from {prompt.reference}." if is_writable else _read_only(prompt)
        self.head.value = str(views.words(about))
        self.fields.children = tuple(
            self._field(place, message, is_writable=is_writable) for place, message in enumerate(_messages(prompt))
        )
        self.message.value = ""
        self.message.disabled = self.save_button.disabled = not is_writable
        self._paint()

    def _field(self, place: int, message: Mapping[str, Any], *, is_writable: bool) -> Any:
        content = message.get("content")
        if not isinstance(content, str):
            # A list of messages to be put in, an image: it stays as it is.
            kept = json.dumps(message, ensure_ascii=False, default=str)
            return w.HTML(str(views.words(f"kept as it is: {shorten(kept, 300)}")))
        field = _TextField(place=place, name=str(message.get("role", "Text")), text=content)
        field.disabled = not is_writable
        field.observe(guarded(self._fail, lambda _: self._paint()), names="value")
        return field

    def _paint(self) -> None:
        """Draws what the draft changes."""
        base, draft = self._base, self.prompt
        if base is None or draft is None:
            return
        self.reset_button.disabled = not self.is_changed
        changed = views.changes(as_text(base), as_text(draft), f"{base.reference} → draft")
        self.diff.value = str(changed if self.is_changed else views.words("Nothing is changed yet."))

    def _reset(self) -> None:
        with self._lock:
            if self._next is not None:
                self._begin(self._next)

    def _save(self) -> None:
        base, draft = self._base, self.prompt
        if base is None or draft is None or self._saves.is_busy:
            return
        selector = Selector(kind="version", value=base.version)
        reference = PromptReference(name=base.prompt_id, source=base.source, selector=selector)
        wanted = Draft(prompt=draft, stored=ManagedPrompt(prompt=base), reference=reference, is_pushed=True)
        message = self.message.value.strip() or None
        self.save_button.disabled = True
        self._tell("Writing …")
        self._saves.ask(
            lambda: write_draft(wanted, message=message, engine=self._engine),
            guarded(self._fail, self._written),
            self._failed,
        )

    def _written(self, new: NewVersion) -> None:
        with self._lock:
            self._next = new.pushed.prompt
            self._begin(new.pushed.prompt)
        code = element("pre", new.code, style="white-space:pre-wrap")
        self.done.value = str(views.boxed(element("p", new.headline, role="status"), code))
        self._saved(new)

    def _failed(self, error: Exception) -> None:
        self.save_button.disabled = False
        self._fail(error_words(error))


class _TextField(w.Textarea):  # type: ignore[misc]  # ipywidgets has no types
    """The text of one message, or of a text prompt."""

    def __init__(self, *, place: int, name: str, text: str) -> None:
        rows = min(max(text.count("\n") + 1, _LEAST_ROWS), _MOST_ROWS)
        super().__init__(value=text, description=name, rows=rows, style=_WIDE, layout=w.Layout(width="auto"))
        self.place = place


def _messages(prompt: Prompt) -> list[Mapping[str, Any]]:
    return [{"content": prompt.template}] if isinstance(prompt.template, str) else [*prompt.template]


def _read_only(prompt: Prompt) -> str:
    return f"The prompt source {prompt.source!r} cannot be written to from here; langfuse and folder can."
