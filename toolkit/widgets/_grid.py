"""The grid of answers in a notebook: cases as rows, arms as columns, what differs marked, everything by keyboard."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from toolkit._collecting import without_collecting
from toolkit.results import (
    PEOPLE,
    CaseGrid,
    Results,
    Safe,
    element,
    for_screen,
    grid_html,
    raw_trial,
    shorten,
)
from toolkit.widgets._bundle import Bundle, Lasting, bundle, takes_place_of_html
from toolkit.widgets._grid_state import STAR, GridState, Wire, web_address
from toolkit.widgets._paint import Coalescer, guarded
from toolkit.widgets._slot import PAGE_PROGRAM, new_slot
from toolkit.widgets._theme import theme_css

_STATIC = Path(__file__).parent / "static"

# File endings by the button that makes them.
_KINDS = {"csv": ".csv", "excel": ".xlsx", "jsonl": ".jsonl", "markdown": ".md"}

# Larger files are written in the kernel's folder and not sent to the page as well.
_MOST_SENT_BYTES = 20 * 1024 * 1024
_MOST_OF_BODY = 200_000


class CompareGrid(Lasting, anywidget.AnyWidget):
    """Cases against arms, 25 cases at a time, each answer marked word by word against the baseline's.

    Pages are made in the kernel when they are seen, so that a run of any size opens at once. Nothing of an answer is
    kept in the widget's state. Keys: arrows or `h j k l` move, `n` and `p` turn the page, Enter opens a cell, `/`
    finds, `d` switches the marks, `e` goes to the next failure, `c` copies, `o` opens the trace, `f` stars, `1` to `5`
    rate, `?` tells them.

    Args:
        results: What to show; new scores of it appear with `refresh()`, and when it is displayed again.

    Example:
        >>> tk.CompareGrid(results)    # doctest: +SKIP
    """

    _esm = PAGE_PROGRAM + (_STATIC / "grid.js").read_text(encoding="utf-8")
    _css = theme_css(".pk-grid") + (_STATIC / "grid.css").read_text(encoding="utf-8")

    # The static grid in whose place this one stands, where the page can do that.
    slot = traitlets.Unicode("").tag(sync=True)

    def __init__(self, results: Results, **kwargs: Any) -> None:
        super().__init__(slot=new_slot(), **kwargs)
        self._results = results
        self._seen_view = results.view
        self._state = GridState(CaseGrid(results.view), results.traces)
        self._lock = threading.RLock()
        self._pages = Coalescer(guarded(self._fail, self._send_page))
        self._is_shown = False
        self._answers: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "page": self._on_page,
            "cell": self._on_cell,
            "trace": self._on_trace,
            "mark": self._on_mark,
            "export": self._on_export,
            "copy": self._on_copy,
        }
        self.on_msg(guarded(self._fail, self._on_message))

    @property
    def is_closed(self) -> bool:
        """True when it answers no page any more."""
        return self.comm is None

    def close(self) -> None:
        """Lets go of its run; the page shows the static form again."""
        self._pages.close()
        super().close()

    def refresh(self) -> None:
        """Shows what has been added to the results since: answers and scores. Any thread may call it, at any rate."""
        self._pages.ask()

    def static_html(self) -> Safe:
        """Returns the first 20 cases as inert HTML."""
        with self._lock, without_collecting():
            self._look_again()
            return element(
                "div",
                element("div", grid_html(self._state.grid), class_="pk-static"),
                class_=f"toolkit-results tex2jax_ignore mathjax_ignore {self.slot}",
            )

    def static_text(self) -> str:
        """Returns what is in the grid, in one line."""
        grid = self._state.grid
        return f"CompareGrid of run {self._results.run_id}: {len(grid.keys):,} cases x {len(grid.labels):,} arms"

    def _repr_mimebundle_(self, **kwargs: Any) -> Bundle:  # type: ignore[override]  # a pair or a mapping will do
        in_place = takes_place_of_html()
        is_other = self._results.view is not self._seen_view or self._results.traces is not self._state.traces
        if is_other or (in_place and not self._is_shown):
            # Something has been added since, and the outputs above show it too; or it is shown for the first time: its
            # page is there before the output in whose place it is drawn, and need not be asked for.
            self.refresh()
        self._is_shown = True
        if in_place:
            return bundle(self, None)
        return super()._repr_mimebundle_(**kwargs)

    def _on_message(self, _: object, content: object, buffers: object) -> None:
        if isinstance(content, Mapping) and content.get("ask") in self._answers:
            # A look through everything for circles takes longer than a page of a large run.
            with self._lock, without_collecting():
                self._look_again()
                self._answers[content["ask"]](content)

    def _look_again(self) -> None:
        """Makes the grid anew when the results have changed since: a frozen view that is another one."""
        self._state.traces = self._results.traces
        if self._results.view is not self._seen_view:
            self._seen_view = self._results.view
            self._state = self._state.moved_to(CaseGrid(self._seen_view))

    def _send_page(self) -> None:
        with self._lock, without_collecting():
            self._look_again()
            self.send({"page": self._state.page()})

    def _on_page(self, asked: Mapping[str, Any]) -> None:
        query = asked.get("query")
        self._state.ask(query if isinstance(query, Mapping) else {})
        self.send({"page": self._state.page(), "to": _word(asked, "to"), "number": asked.get("number")})

    def _on_cell(self, asked: Mapping[str, Any]) -> None:
        _, place, row = self._state.row_at(asked.get("case"), asked.get("repeat"), asked.get("arm"))
        self.send({"cell": cell_parts(raw_trial(row, self._state.grid.labels[place])), "to": _word(asked, "to")})

    def _on_trace(self, asked: Mapping[str, Any]) -> None:
        # What was pushed since the page was made has one too.
        _, _, row = self._state.row_at(asked.get("case"), asked.get("repeat"), asked.get("arm"))
        trace = web_address(self._results.traces.get(row.trial.trial_id))
        if trace is None:
            self._say("No trace: results.to_langfuse() makes one.")
        else:
            self.send({"trace": trace, "to": _word(asked, "to")})

    def _on_mark(self, asked: Mapping[str, Any]) -> None:
        key, place, row = self._state.row_at(asked.get("case"), asked.get("repeat"), asked.get("arm"))
        name = STAR if asked.get("name") == STAR else PEOPLE
        value = asked.get("value")
        if value is not None and (type(value) is not int or not 1 <= value <= 5):
            raise ValueError(f"A mark is a whole number from 1 to 5, or nothing; got {value!r}.")
        self._results.mark(row.trial.trial_id, value, name=name)
        # The view is another one for this score alone: the grid need not be made again.
        self._seen_view = self._results.view
        held = self._seen_view.scores[row.trial.trial_id]
        self._state.grid.scored(key, place, next(score for score in held if score.name == name))
        self._state.scored()
        self._say(f"Rated {value} of 5." if name == PEOPLE else "Starred." if value else "Star taken off.")
        self._send_page()

    def _on_export(self, asked: Mapping[str, Any]) -> None:
        ending = _KINDS.get(_word(asked, "kind"))
        if ending is None:
            return
        path = self._results.export(Path(f"results-{_plain_name(self._results.run_id)}{ending}"))
        size = path.stat().st_size
        where = f"Wrote {path.resolve()} ({size / 1e6:.2g} MB)."
        if size <= _MOST_SENT_BYTES:
            self.send({"file": path.name, "to": _word(asked, "to")}, [path.read_bytes()])
        self._say(where)

    def _on_copy(self, asked: Mapping[str, Any]) -> None:
        lines = ["\t".join(_one_cell(text) for text in line) for line in self._state.page_table()]
        self.send({"copy": "\n".join(lines), "to": _word(asked, "to")})

    def _say(self, words: str) -> None:
        self.send({"said": for_screen(words, keep_lines=False)})

    def _fail(self, words: str) -> None:
        self.send({"said": words, "failed": True})


def cell_parts(raw: Mapping[str, Any]) -> Wire:
    """Returns what an expanded cell shows, from all that is known of its trial.

    The answer and the messages are text; everything else is indented JSON, cut where it is very long.
    """
    messages = [
        {"role": for_screen(str(message.get("role")), keep_lines=False), "text": _message_text(message)}
        for message in raw["messages"]
    ]
    failure = raw["failure"]
    answer = raw["text"] if raw["text"] is not None else f"{failure['kind']}: {failure['message']}" if failure else ""
    known = {name: raw[name] for name in ("model", "params", "usage", "request_id", "attempts", "trial_id")}
    reasons = [
        {"name": for_screen(name, keep_lines=False), "text": for_screen(score["explanation"])}
        for name, score in raw["scores"].items()
        if score["explanation"]
    ]
    return {
        "answer": for_screen(answer),
        "answered": raw["text"] is not None,
        "messages": messages,
        "reasons": reasons,
        "about": _as_text(known),
        "raw": _as_text(raw["response"]) if raw["response"] else "",
    }


def _message_text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    rest = {name: value for name, value in message.items() if name not in ("role", "content")}
    told = [content if isinstance(content, str) else _as_text(content)] if content is not None else []
    return for_screen("\n".join([*told, *([_as_text(rest)] if rest else [])]))


def _as_text(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    cut = "\n[cut; results.raw(trial_id) has all of it]"
    return for_screen(text if len(text) <= _MOST_OF_BODY else text[:_MOST_OF_BODY] + cut)


def _word(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    return value if isinstance(value, str) else ""


def _plain_name(run_id: str) -> str:
    return shorten("".join(each if each.isalnum() or each in "-_" else "-" for each in run_id), 80).replace("…", "")


def _one_cell(text: str) -> str:
    """A text as one cell of what is pasted into a spreadsheet: quoted where it needs to be, and no formula."""
    safe = f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else text
    return '"' + safe.replace('"', '""') + '"' if any(each in safe for each in '\t\n\r"') else safe
