"""The prompt picker: names by type-ahead, versions with their history, a preview, a word diff, and the code for it."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ipywidgets as w
import traitlets

from toolkit import _sync
from toolkit._records import Prompt, PromptInfo
from toolkit.engine import Engine, default_engine
from toolkit.prompts import PromptReference, PromptVersion, Selector, placeholders
from toolkit.results import Safe, counted, element, rows_of, shorten
from toolkit.widgets import _picker_state as state
from toolkit.widgets import _picker_views as views
from toolkit.widgets._draft import NewVersion
from toolkit.widgets._newest import Newest
from toolkit.widgets._paint import error_words, guarded
from toolkit.widgets._picker_draft import DraftEditor
from toolkit.widgets._picker_parts import Field, PickerParts
from toolkit.widgets._picker_state import Chosen
from toolkit.widgets._place import Placed
from toolkit.widgets._theme import CODE

_MOST_FIELDS = 30
_LEAST_ROWS, _MOST_ROWS = 3, 8


class PromptPicker(Placed, PickerParts):
    """Picks prompt versions out of every source that is configured; `.value` is what was picked, `.code()` the Python.

    Lists and texts are fetched off the kernel's thread, so that the notebook stays free.

    Args:
        prompt: Name to begin with, as a reference has it; `None` = none.
        cases: Table of variables to fill the preview with, in any form that `sweep` takes; `None` = fields to type in.
        engine: A configuration of its own; `None` = the environment's.
        now: Tells the time, for ages; `None` = the machine's.

    Raises:
        UsageError: If `cases` is no table.

    Example:
        >>> picker = PromptPicker(cases="cases.csv")    # doctest: +SKIP
        >>> picker.value    # doctest: +SKIP
        ['folder:support/refund@5', 'folder:support/refund@7']
    """

    value: Any = traitlets.List()
    """Pinned references of what is picked, in the order of picking; see `Chosen.reference`. Watch it by `observe`."""

    def __init__(
        self,
        prompt: str | None = None,
        *,
        cases: Any = None,
        engine: Engine | None = None,
        now: Callable[[], dt.datetime] | None = None,
    ) -> None:
        super().__init__()
        self._engine = engine or default_engine()
        self._now = now or (lambda: dt.datetime.now(dt.UTC))
        self._cases: list[dict[str, Any]] = rows_of(cases) if cases is not None else []
        self._lock = threading.RLock()
        self._is_setting = False
        self._is_touched = self._is_compared = False
        self._names: dict[str, PromptInfo] = {}
        self._info: PromptInfo | None = None
        self._versions: tuple[PromptVersion, ...] = ()
        self._added: list[Chosen] = []
        self._texts: dict[Chosen, Prompt] = {}
        self._typed: dict[str, str] = {}
        self._new: Prompt | None = None
        self._lists, self._histories, self._fetches = Newest(), Newest(), Newest()
        self._make_parts()
        self.draft = DraftEditor(
            self._engine, tell=self.status.say, fail=self.status.fail, saved=lambda new: self._saved(new)
        )
        self.add_tab("Draft", self.draft)
        self.body.layout.display = "none"
        self._offer_cases()
        self._watch_parts()
        if prompt is not None:
            self._set(self.name, "value", prompt)
        self._load()

    def settle(self, timeout_s: float = 30.0) -> bool:
        """Waits until everything that was asked for is shown, and tells whether it is.

        Args:
            timeout_s: Most seconds to wait.
        """
        works = (self.draft, self._lists, self._histories, self._fetches)
        return all(work.settle(timeout_s) for work in works)

    def use_cases(self, cases: Any) -> None:
        """Fills the preview with another table's cases; what was typed in the fields is dropped when they differ.

        Args:
            cases: Table of variables, in any form that `sweep` takes.

        Raises:
            UsageError: If it is no table.
        """
        rows = rows_of(cases)
        with self._lock:
            if rows != self._cases:
                self._cases = rows
                self._offer_cases()
                self._on_case()

    @property
    def chosen(self) -> tuple[Chosen, ...]:
        """What was added; while nothing was, the versions that are highlighted."""
        return tuple(self._added) or self._highlighted()

    def code(self) -> str:
        """Returns the Python that gives the same prompts."""
        return state.code_of(self.chosen)

    def static_html(self) -> Safe:
        """Returns what is picked, its preview, what it changes and the code, as HTML without a kernel."""
        head = element("p", element("strong", "Prompts picked: "), ", ".join(map(str, self.chosen)) or "none")
        shown, other = self._shown(), self._other()
        if shown is None:
            return views.boxed(head)
        changed = self._difference(shown, other) if other is not None else None
        code = element("pre", self.code(), style=CODE)
        return views.boxed(head, views.preview(shown, self._values(shown)[0]), changed, code)

    def static_text(self) -> str:
        """Returns what is picked, in one line."""
        return f"PromptPicker: {', '.join(map(str, self.chosen)) or 'nothing picked'}"

    def _offer_cases(self) -> None:
        with self._setting():
            self.case.value = 0
            self.case.max = max(0, len(self._cases) - 1)
            self.case.layout.display = None if len(self._cases) > 1 else "none"

    def _watch_parts(self) -> None:
        for part, call in ((self.name, self._on_name), (self.versions, self._on_versions),
                           (self.compare, self._on_compare), (self.case, self._on_case)):  # fmt: skip
            part.observe(self._callback(call), names="value")
        for button, press in ((self.refresh_button, self._refresh), (self.add_button, self._add)):
            button.on_click(self._callback(press))

    def _callback(self, call: Callable[[], None]) -> Callable[..., None]:
        """Returns what a change of a part calls; what the picker itself sets is no change."""

        def locked(_: object) -> None:
            with self._lock:
                if not self._is_setting:
                    call()

        return guarded(self.status.fail, locked)

    @contextlib.contextmanager
    def _setting(self) -> Iterator[None]:
        with self._lock:
            before, self._is_setting = self._is_setting, True
            try:
                yield
            finally:
                self._is_setting = before

    def _set(self, part: Any, trait: str, value: Any) -> None:
        with self._setting():
            setattr(part, trait, value)

    def _load(self) -> None:
        self.status.say("Asking the prompt sources …")
        self._lists.ask(
            lambda: _sync.run(self._engine.sources.list()), guarded(self.status.fail, self._listed), self._fail
        )

    def _listed(self, infos: list[PromptInfo]) -> None:
        with self._lock:
            self._names = state.shown_names(infos)
            sources = len({info.source for info in infos})
            told = f"{counted(len(infos), 'prompt')} in {counted(sources, 'source')}."
            told = f"{self._new.reference} is written." if self._new is not None else told
            self.status.say(told if infos else "The sources hold no prompt yet; tk.doctor() says where they are.")
            self._info = None
            self._on_name()

    def _refresh(self) -> None:
        async def forget() -> None:
            self._engine.sources.refresh()

        self._texts.clear()
        self.status.say("Asking the prompt sources …")
        self._lists.ask(
            lambda: (_sync.run(forget()), _sync.run(self._engine.sources.list()))[1],
            guarded(self.status.fail, self._listed),
            self._fail,
        )

    def _saved(self, new: NewVersion) -> None:
        """Lists the prompts anew, with the new version highlighted."""
        self._new = new.pushed.prompt
        self._refresh()

    def _fail(self, error: Exception) -> None:
        self.status.fail(error_words(error))

    def _on_name(self) -> None:
        typed = str(self.name.value).strip()
        self._set(self.name, "options", tuple(state.matching(self._names, typed)))
        info = state.find(self._names, typed)
        if info is None or info == self._info:
            return
        self._info, self._typed = info, {}
        self._is_touched = self._is_compared = False
        self._show_versions(state.history_of(info))
        self._histories.ask(
            lambda: _sync.run(self._engine.sources.history(info.prompt_id, info.source)),
            guarded(self.status.fail, lambda found: self._history(info, found)),
            self._fail,
        )

    def _history(self, info: PromptInfo, history: tuple[PromptVersion, ...]) -> None:
        with self._lock:
            if self._info is info:
                self._show_versions(state.history_of(info, history))

    def _show_versions(self, versions: tuple[PromptVersion, ...]) -> None:
        """Lists the versions; what a person has highlighted or compares with meanwhile stays."""
        kept = self.versions.value if self._is_touched else ()
        other = self.compare.value if self._is_compared else None
        self._versions = versions
        self.body.layout.display = None
        titles = state.version_titles(versions, self._now())
        keys = [key for _, key in titles]
        first = state.first_choice(versions)
        if self._new is not None and self._info is not None and self._new.prompt_id == self._info.prompt_id:
            first = self._new.version
        with self._setting():
            self.versions.value = ()
            self.versions.options = titles
            self.versions.rows = min(max(len(titles), _LEAST_ROWS), _MOST_ROWS)
            self.versions.value = tuple(key for key in kept if key in keys) or ((first,) if first in keys else ())
            self.compare.options = [
                ("nothing", ""),
                *((title, key) for title, key in titles if not key.startswith("@")),
            ]
            self.compare.value = other if other in keys else self._beside()
        self._show()

    def _highlighted(self) -> tuple[Chosen, ...]:
        info = self._info
        if info is None:
            return ()
        wanted = state.pinned(self.versions.value, self._versions)
        return tuple(self._chosen(version) for version in reversed(wanted))

    def _chosen(self, version: str) -> Chosen:
        assert self._info is not None  # noqa: S101  callers have seen to it
        return Chosen(source=self._info.source, prompt_id=self._info.prompt_id, version=version)

    def _beside(self) -> str:
        shown = state.pinned(self.versions.value, self._versions)
        return (state.beside(shown[0], self._versions) if shown else None) or ""

    def _on_versions(self) -> None:
        self._is_touched, self._new = True, None
        if not self._is_compared:
            self._set(self.compare, "value", self._beside())
        self._show()

    def _on_compare(self) -> None:
        # What a person compares with stays, whatever is highlighted next.
        self._is_touched = self._is_compared = True
        self._show()

    def _show(self) -> None:
        """Shows what is highlighted, as soon as its text is there."""
        self._tell()
        wanted = [*reversed(self._highlighted())][:1]
        if self._info is not None and self.compare.value:
            wanted.append(self._chosen(self.compare.value))
        missing = [chosen for chosen in wanted if chosen not in self._texts]
        if not missing:
            self._paint()
            return
        self._fetches.ask(
            lambda: {chosen: _sync.run(_fetch(self._engine, chosen)) for chosen in missing},
            guarded(self.status.fail, self._fetched),
            self._fail,
        )

    def _fetched(self, texts: Mapping[Chosen, Prompt]) -> None:
        with self._lock:
            self._texts.update(texts)
            self._paint()

    def _shown(self) -> Prompt | None:
        """The prompt of the preview: the newest version that is highlighted."""
        highlighted = self._highlighted()
        return self._texts.get(highlighted[-1]) if highlighted else None

    def _other(self) -> Prompt | None:
        """The prompt that the shown one is compared with."""
        return self._texts.get(self._chosen(self.compare.value)) if self._info and self.compare.value else None

    def _values(self, prompt: Prompt) -> tuple[dict[str, Any], list[str]]:
        case = self._cases[self.case.value] if self._cases else {}
        return state.values_of(placeholders(prompt), case, self._typed)

    def _paint(self) -> None:
        """Draws what is known of the version that is shown."""
        shown, info = self._shown(), self._info
        if shown is None or info is None:
            return
        names = placeholders(shown)
        other = self._other()
        self._make_fields(names)
        with self.hold_sync():
            self.about.value = str(views.words(state.summary(info, names, self._now())))
            self.preview.value = str(views.preview(shown, self._values(shown)[0]))
            self.diff.value = str(self._difference(shown, other))
            self.config.value = str(views.config_table(shown))
            self.json.value = str(views.as_json(shown))
            self.draft.show(shown)

    def _difference(self, shown: Prompt, other: Prompt | None) -> Safe:
        if other is None:
            return views.words("Compare with: nothing.")
        # From the older to the newer one, whichever of them is shown.
        numbers = [version.version for version in self._versions]
        new, old = sorted((shown, other), key=lambda prompt: numbers.index(prompt.version))
        return views.difference(old, new)

    def _make_fields(self, names: tuple[str, ...]) -> None:
        """Makes one field a variable, with the case's value in it; those that are there stay, so does the cursor."""
        wanted = names[:_MOST_FIELDS]
        if [field.key for field in self.fields.children] != list(wanted):
            self.fields.children = tuple(self._field(name) for name in wanted)
        case = self._cases[self.case.value] if self._cases else {}
        for field in self.fields.children:
            if field.key not in self._typed:
                value = case.get(field.key, "")
                self._set(field, "value", "" if value is None else str(value))

    def _field(self, name: str) -> Any:
        field = Field(description=shorten(name, 40), key=name)

        def typed() -> None:
            self._typed[name] = field.value
            shown = self._shown()
            if shown is not None:
                self.preview.value = str(views.preview(shown, self._values(shown)[0]))

        field.observe(self._callback(typed), names="value")
        return field

    def _on_case(self) -> None:
        self._typed = {}
        self._paint()

    def _add(self) -> None:
        self._added += [chosen for chosen in self._highlighted() if chosen not in self._added]
        self._tell()

    def _drop(self, chosen: Chosen) -> None:
        self._added = [each for each in self._added if each != chosen]
        self._tell()

    def _tell(self) -> None:
        """Says what is picked: to who reads, who copies the code, and who observes `value`."""
        buttons = []
        for chosen in self._added:
            button = w.Button(description=f"Remove {shorten(str(chosen), 60)}", layout=w.Layout(width="auto"))
            button.on_click(self._callback(lambda chosen=chosen: self._drop(chosen)))  # type: ignore[misc]
            buttons.append(button)
        self.picked.children = tuple(buttons) or (
            w.HTML(str(views.words("Nothing added: the highlighted versions count."))),
        )
        self.code_line.code = self.code()
        self.value = [chosen.reference for chosen in self.chosen]


async def _fetch(engine: Engine, chosen: Chosen) -> Prompt:
    selector = Selector(kind="version", value=chosen.version)
    reference = PromptReference(name=chosen.prompt_id, source=chosen.source, selector=selector)
    (prompt,) = await engine.sources.resolve(reference)
    return prompt
