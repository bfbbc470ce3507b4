"""Scorers that compare the answer's text: exact, contains, regex."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit._canonical import canonical_json
from toolkit._records import Case, Outcome, Score
from toolkit.errors import UsageError

Expected = str | int | float | bool | Sequence[str | int | float | bool]


def exact(
    expected: Expected | None = None, *, ignore_case: bool = False, strip: bool = True, name: str | None = None
) -> TextScorer:
    """Returns a scorer that gives 1 when the whole answer is the expected one, else 0.

    Both sides are brought to Unicode NFC first, and white space around them is dropped.

    Args:
        expected: The answer, or a list of which any counts; `None` = each case's own expected answer.
        ignore_case: Whether `Positive` is `positive`.
        strip: Whether white space around both sides is dropped.
        name: Name of the score; `None` = `exact`, with the expected answer behind it when one is given.

    A case without an expected answer is not scored.

    Raises:
        UsageError: If `expected` is an empty list or holds something else than text, numbers and truth values.

    Example:
        >>> exact("yes").name
        'exact(yes)'
    """
    options = {"ignore_case": ignore_case, "strip": strip}
    return _made("exact", expected, name, options)


def contains(
    expected: Expected | None = None, *, ignore_case: bool = True, whole_word: bool = False, name: str | None = None
) -> TextScorer:
    """Returns a scorer that gives 1 when the expected text stands somewhere in the answer, else 0.

    Both sides are brought to Unicode NFC first, and every run of white space counts as one space. It does not
    understand what it finds: "not positive" contains `positive`, and an answer that weighs `positive` against
    `negative` contains both. Where the answer should be one word, ask for one word and use `exact`.

    Args:
        expected: The text, or a list of which any counts; `None` = each case's own expected answer.
        ignore_case: Whether `Refund` is `refund`.
        whole_word: Whether letters, digits and `_` right before or after a find rule it out: `art` in `party`.
        name: Name of the score; `None` = `contains`, with the expected text behind it when one is given.

    A case without an expected answer, or with an empty one, is not scored.

    Raises:
        UsageError: If `expected` is empty or holds something else than text, numbers and truth values.

    Example:
        >>> contains(["refund", "money back"]).name
        'contains(refund|money back)'
    """
    options = {"ignore_case": ignore_case, "whole_word": whole_word}
    return _made("contains", expected, name, options)


def regex(pattern: str | None = None, *, flags: int = 0, name: str | None = None) -> TextScorer:
    """Returns a scorer that gives 1 when the pattern matches somewhere in the answer, else 0.

    The answer is taken as it is. Python's `re` cannot be interrupted: a pattern that backtracks without end, such as
    `(a+)+$`, holds up the whole process.

    Args:
        pattern: A regular expression of Python's `re`; `None` = each case's own expected answer is the pattern.
        flags: Flags of `re`, such as `re.IGNORECASE | re.DOTALL`.
        name: Name of the score; `None` = `regex`, with the pattern behind it when one is given.

    A case without an expected answer is not scored.

    Raises:
        UsageError: If the pattern is not a regular expression.

    Example:
        >>> regex(r"[0-9]+ EUR").name
        'regex([0-9]+ EUR)'
    """
    if pattern is not None:
        try:
            re.compile(pattern, flags)
        except (re.error, TypeError, ValueError) as error:
            raise UsageError(f"The pattern {pattern!r} is not a regular expression: {error}.") from error
    return _made("regex", pattern, name, {"flags": int(flags)})


@dataclass(frozen=True, slots=True, kw_only=True)
class TextScorer:
    """A scorer over the answer's text; made by `exact`, `contains` and `regex`."""

    name: str
    kind: str
    """`exact`, `contains` or `regex`."""
    expected: tuple[str, ...] | None
    """Any of these; `None` = the case's own."""
    options: tuple[tuple[str, bool | int], ...]
    version: str = field(default="1")

    @property
    def spec(self) -> str:
        """The call that makes this scorer again."""
        parts = (
            [] if self.expected is None else [repr(list(self.expected) if len(self.expected) > 1 else self.expected[0])]
        )
        return f"{self.kind}({', '.join([*parts, *(f'{key}={value!r}' for key, value in self.options)])})"

    def __call__(self, outcome: Outcome, case: Case) -> Score:
        """Returns 1 or 0, or NaN with the reason when there is nothing to compare with."""
        wanted = self.expected if self.expected is not None else as_texts(case.expected)
        if not wanted:
            return self._score(math.nan, "no expected answer")
        if self.kind == "contains" and not all(text.strip() for text in wanted):
            return self._score(math.nan, "the expected answer is empty")
        if any(self._fits(outcome.text, text) for text in wanted):
            return self._score(1.0, None)
        shown = " or ".join(repr(text if len(text) <= 60 else text[:59] + "…") for text in wanted[:3])
        return self._score(0.0, f"the answer {_VERBS[self.kind]} {shown}")

    def _score(self, value: float, explanation: str | None) -> Score:
        return Score(
            name=self.name, value=value, explanation=explanation, scorer=self.spec, scorer_version=self.version
        )

    def _fits(self, text: str, wanted: str) -> bool:
        options = dict(self.options)
        if self.kind == "regex":
            return re.search(wanted, text, options["flags"]) is not None
        text, wanted = unicodedata.normalize("NFC", text), unicodedata.normalize("NFC", wanted)
        if options["ignore_case"]:
            text, wanted = text.casefold(), wanted.casefold()
        if self.kind == "exact":
            return text.strip() == wanted.strip() if options["strip"] else text == wanted
        text, wanted = " ".join(text.split()), " ".join(wanted.split())
        if options["whole_word"]:
            return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text) is not None
        return wanted in text


_VERBS = {"exact": "is not", "contains": "does not contain", "regex": "does not match"}


def as_texts(expected: Any) -> tuple[str, ...]:
    """Returns the texts that an expected answer stands for: none for `None` and NaN, several for a list.

    A whole number that a table keeps as `4.0` is `4`; truth values are `true` and `false`.

    Example:
        >>> as_texts([4.0, "four", True])
        ('4', 'four', 'true')
    """
    if expected is None or (isinstance(expected, float) and math.isnan(expected)):
        return ()
    if isinstance(expected, str):
        return (expected,)
    if isinstance(expected, Iterable) and not isinstance(expected, dict):
        return tuple(text for value in expected for text in as_texts(value))
    return (canonical_json(expected),)


def _made(kind: str, expected: Any, name: str | None, options: Mapping[str, bool | int]) -> TextScorer:
    texts: tuple[str, ...] | None = None
    if expected is not None:
        try:
            texts = as_texts(expected)
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"{kind}() compares with text, numbers and truth values, not with {expected!r}."
            ) from error
        if not texts or (kind == "contains" and not all(text.strip() for text in texts)):
            raise UsageError(f"{kind}() got {expected!r}, which is empty; leave it out to use each case's own answer.")
    label = "|".join(texts or ())
    label = label if len(label) <= 40 else label[:39] + "…"
    own_name = f"{kind}({label})" if texts is not None else kind
    return TextScorer(name=name or own_name, kind=kind, expected=texts, options=tuple(options.items()))
