"""What changed between two arms, case by case: better, worse or the same, and which words of the answers differ."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from toolkit._records import RunView
from toolkit.errors import UsageError
from toolkit.results._columns import TEXT, Row
from toolkit.results._compare import chosen_score
from toolkit.results._frame import rows_of_view, score_names, to_series
from toolkit.results._html import Safe, element
from toolkit.results._labels import arm_labels, find_arm
from toolkit.results._pandas import pd
from toolkit.results._scoring import counts_down
from toolkit.results._screen import for_screen, shorten
from toolkit.results._words import counted

Change = Literal["worse", "better", "same", "unscored"]
"""How a case went: by the score; `unscored` where one of the two has none."""

Kind = Literal["kept", "removed", "added"]

# A word with the space behind it, or space at the start: joined they are the text again.
_TOKEN = re.compile(r"\s+|\S+\s*")

# Longer texts are shown as wholly replaced: comparing them word by word takes seconds.
_MOST_TOKENS = 20_000

_SHOWN_CASES = 10
_SHOWN_CHARACTERS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some words that stand in both texts, in the first alone, or in the second alone."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDiff:
    """One case in the two arms."""

    case: int
    repeat: int
    change: Change
    delta: float | None
    """Second score minus first; `None` where one is missing."""
    score_a: float | None
    score_b: float | None
    text_a: str | None
    """`None` = no answer."""
    text_b: str | None
    status_a: str
    status_b: str

    @property
    def is_same_text(self) -> bool:
        """True when both have an answer and the answers are equal."""
        return self.text_a is not None and self.text_a == self.text_b

    @property
    def is_other_text(self) -> bool:
        """True when what came back differs; two cases without an answer do not."""
        return self.text_a != self.text_b

    @property
    def words(self) -> list[Piece]:
        """The two texts word by word."""
        return word_diff(self.text_a or "", self.text_b or "")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Diff:
    """Two arms compared case by case, worst first: by the gap of the score, then those whose texts differ."""

    a: str
    """Label of the arm before."""
    b: str
    """Label of the arm after."""
    score: str | None
    """`None` = nothing is scored; then no case is better or worse."""
    cases: tuple[CaseDiff, ...]

    @property
    def worse(self) -> list[CaseDiff]:
        """Cases in which the second arm has the worse score."""
        return [case for case in self.cases if case.change == "worse"]

    @property
    def better(self) -> list[CaseDiff]:
        """Cases in which the second arm has the better score."""
        return [case for case in self.cases if case.change == "better"]

    @property
    def same(self) -> list[CaseDiff]:
        """Cases with the same score in both."""
        return [case for case in self.cases if case.change == "same"]

    @property
    def df(self) -> pd.DataFrame:
        """One row a case and repeat, worst first.

        Columns: `case`, `repeat`, `change`, `delta`, `score_a`, `score_b`, `same_text`, `text_a`, `text_b`,
        `status_a`, `status_b`.
        """
        dtypes = {"case": "Int64", "repeat": "Int64", "change": TEXT, "delta": "Float64", "score_a": "Float64"}
        dtypes |= {"score_b": "Float64", "is_same_text": "boolean"}
        dtypes |= dict.fromkeys(("text_a", "text_b", "status_a", "status_b"), TEXT)
        columns = {
            name.removeprefix("is_"): to_series([getattr(case, name) for case in self.cases], dtype)
            for name, dtype in dtypes.items()
        }
        return pd.DataFrame(columns)

    @property
    def headline(self) -> str:
        """How many cases went which way, in one line."""
        differing = sum(case.is_other_text for case in self.cases)
        told = f"{differing:,} of {len(self.cases):,} answers differ"
        if self.score is None:
            return f"{self.a} -> {self.b}: {told}. Nothing is scored, so that none is better or worse."
        unscored = sum(case.change == "unscored" for case in self.cases)
        more = f", {unscored:,} without a score in one of the two" if unscored else ""
        counts = f"{len(self.worse):,} worse, {len(self.better):,} better, {len(self.same):,} the same{more}"
        return f"{self.a} -> {self.b}, by {self.score}: {counts}; {told}."

    def __repr__(self) -> str:
        shown = [case for case in self.cases if case.is_other_text][:_SHOWN_CASES]
        lines = [for_screen(self.headline, keep_lines=False)]
        for case in shown:
            lines.append("")
            lines.append(for_screen(_title(case), keep_lines=False))
            lines.append(f"  {for_screen(_marked(case), keep_lines=False)}")
        return "\n".join([*lines, *([""] if shown else []), self._rest(len(shown))])

    def _repr_html_(self) -> Safe:
        shown = [case for case in self.cases if case.is_other_text][:_SHOWN_CASES]
        blocks = [
            element(
                "div",
                element("div", element("strong", _title(case))),
                element("div", _html_words(case), style="white-space:pre-wrap;overflow-wrap:anywhere", dir="auto"),
                style="margin:.7em 0",
            )
            for case in shown
        ]
        head = element("p", element("strong", self.headline))
        rest = element("p", self._rest(len(shown)), style="opacity:.7")
        return element("div", head, blocks, rest, class_="toolkit-results tex2jax_ignore mathjax_ignore")

    def _rest(self, shown: int) -> str:
        hidden = len(self.cases) - shown
        has_repeats = any(case.repeat for case in self.cases)
        more = counted(hidden, "answer" if has_repeats else "case")
        return f"Not shown: {more}, equal answers among them; see .df, .cases" if hidden else "More: .df, .cases"


def diff_arms(view: RunView, a: str | int, b: str | int, *, score: str | None = None) -> Diff:
    """Returns what changed from arm `a` to arm `b`.

    Args:
        view: The run.
        a: Label, prompt reference or index of the arm before.
        b: The same of the arm after.
        score: Name of a score; `None` = the first, where there is one.

    Raises:
        UsageError: If there is no one such arm, both are the same, or there is no such score.
    """
    first, second = find_arm(view, a), find_arm(view, b)
    if first == second:
        raise UsageError(f"{a!r} and {b!r} are the same arm; give two different ones.")
    name = chosen_score(view, score) if score is not None or score_names(view) else None
    labels = arm_labels(view.arms)
    rows = rows_of_view(view)
    sides = [
        {(row.trial.case.index, row.trial.repeat): row for row in rows if row.trial.arm.index == view.arms[place].index}
        for place in (first, second)
    ]
    # A smaller number of seconds or USD is the better one.
    sign = -1 if name is not None and counts_down(view, name) else 1
    cases = [_case_diff(key, sides[0][key], sides[1][key], name, sign) for key in sides[0] if key in sides[1]]
    cases.sort(key=lambda case: _worst_first(case, sign))
    return Diff(a=labels[first], b=labels[second], score=name, cases=tuple(cases))


def word_diff(a: str, b: str) -> list[Piece]:
    """Returns the pieces of two texts; those kept and removed are `a` again, those kept and added are `b`.

    Example:
        >>> [(piece.kind, piece.text) for piece in word_diff("a red house", "a blue house")]
        [('kept', 'a '), ('removed', 'red '), ('added', 'blue '), ('kept', 'house')]
    """
    before, after = _TOKEN.findall(a), _TOKEN.findall(b)
    if len(before) + len(after) > _MOST_TOKENS:
        return [Piece(kind="kept", text=a)] if a == b else _replaced(a, b)
    pieces: list[Piece] = []
    for tag, i, j, k, end in difflib.SequenceMatcher(None, before, after).get_opcodes():
        if tag == "equal":
            pieces.append(Piece(kind="kept", text="".join(before[i:j])))
        else:
            pieces += _replaced("".join(before[i:j]), "".join(after[k:end]))
    return pieces


def _replaced(a: str, b: str) -> list[Piece]:
    gone = [Piece(kind="removed", text=a)] if a else []
    return gone + ([Piece(kind="added", text=b)] if b else [])


def _case_diff(key: tuple[int, int], a: Row, b: Row, score: str | None, sign: int) -> CaseDiff:
    score_a, score_b = _score(a, score), _score(b, score)
    delta = score_b - score_a if score_a is not None and score_b is not None else None
    gain = None if delta is None else sign * delta
    change: Change = "unscored" if gain is None else "worse" if gain < 0 else "better" if gain > 0 else "same"
    texts = [each.texts for each in (a, b)]
    return CaseDiff(
        case=key[0],
        repeat=key[1],
        change=change,
        delta=delta,
        score_a=score_a,
        score_b=score_b,
        text_a=texts[0].text if texts[0] is not None else None,
        text_b=texts[1].text if texts[1] is not None else None,
        status_a=a.status,
        status_b=b.status,
    )


def _score(row: Row, name: str | None) -> float | None:
    score = row.scores.get(name) if name is not None else None
    return score.value if score is not None and score.is_scored else None


def _worst_first(case: CaseDiff, sign: int) -> tuple[float, bool, bool, int, int]:
    lost = case.text_a is not None and case.text_b is None
    return (sign * case.delta if case.delta is not None else 0.0, not lost, case.is_same_text, case.case, case.repeat)


def _title(case: CaseDiff) -> str:
    scores = ""
    if case.score_a is not None or case.score_b is not None:
        told = ["not scored" if score is None else f"{score:.3g}" for score in (case.score_a, case.score_b)]
        scores = f" {told[0]} -> {told[1]}"
    word = case.change if case.change != "unscored" else "no verdict,"
    return f"case {case.case}{f', repeat {case.repeat}' if case.repeat else ''}: {word}{scores}"


def _shown_pieces(case: CaseDiff) -> Sequence[Piece]:
    """Returns the pieces, long stretches cut in their middle."""
    if case.text_a is None or case.text_b is None:
        before = case.text_a if case.text_a is not None else f"({case.status_a})"
        after = case.text_b if case.text_b is not None else f"({case.status_b})"
        return _replaced(shorten(before, _SHOWN_CHARACTERS), shorten(after, _SHOWN_CHARACTERS))
    return [Piece(kind=piece.kind, text=_cut(piece)) for piece in case.words]


def _cut(piece: Piece) -> str:
    most = _SHOWN_CHARACTERS // 4 if piece.kind == "kept" else _SHOWN_CHARACTERS
    if len(piece.text) <= most:
        return piece.text
    half = most // 2
    return f"{piece.text[:half]} […] {piece.text[-half:]}"


def _marked(case: CaseDiff) -> str:
    return pieces_text(_shown_pieces(case))


def pieces_text(pieces: Sequence[Piece]) -> str:
    """Returns pieces as one text, what was removed as `[-so-]` and what was added as `{+so+}`."""
    marks = {"kept": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
    return "".join(f"{marks[piece.kind][0]}{piece.text}{marks[piece.kind][1]}" for piece in pieces)


def _html_words(case: CaseDiff) -> list[Safe | str]:
    return pieces_html(_shown_pieces(case))


def pieces_html(pieces: Sequence[Piece]) -> list[Safe | str]:
    """Returns pieces as HTML, what was removed and what was added marked."""
    styles = {
        "removed": "background:rgba(211,47,47,.18)",
        "added": "background:rgba(46,125,50,.2);text-decoration:none",
    }
    tags = {"removed": "del", "added": "ins"}
    return [
        piece.text if piece.kind == "kept" else element(tags[piece.kind], piece.text, style=styles[piece.kind])
        for piece in pieces
    ]
