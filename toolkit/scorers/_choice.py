"""Scorers of short answers: the one right choice of several, and a number within a tolerance."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from decimal import Context, Decimal, DecimalException
from typing import Any, Literal, get_args

from toolkit._records import Case, Outcome
from toolkit.errors import UsageError
from toolkit.scorers._rule import NO_EXPECTED, RuleScorer, Verdict, normalised, quoted, rule_scorer
from toolkit.scorers._text import as_texts

Pick = Literal["only", "first", "last"]
"""Which of several numbers counts."""

# A minus right behind a letter or digit joins words (`GPT-4`, `3-4`); commas part thousands; `-$5` is below 0.
_SIGN = "(?:(?<![\\w.])[-+\N{MINUS SIGN}][$€£¥]?)?"
_NUMBER = re.compile(
    rf"{_SIGN}(?<![\d.])(?:(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+(?!\w))?|\.\d+)"
)
_TYPOGRAPHY = str.maketrans({"\N{MINUS SIGN}": "-", ",": None, "$": None, "€": None, "£": None, "¥": None})

# Exponents beyond this are no measure of anything, and would make sums of as many digits.
_LARGEST_EXPONENT = 1_000

_EXACT = Context(prec=2_100)


def one_of(choices: Sequence[str], *, ignore_case: bool = True, name: str | None = None) -> RuleScorer:
    """Returns a scorer that gives 1 when the answer names the expected one of the choices and none of the others.

    It reads classifications that come with words around them. Unlike `contains`, an answer that weighs `positive`
    against `negative` is wrong whichever is expected. A choice is named where it stands as whole words; of choices that
    overlap (`positive` in `very positive`) the longer one counts.

    Answer and choices are brought to Unicode NFC, and every run of white space counts as one space.

    Args:
        choices: Two or more texts.
        ignore_case: Whether `Positive` is `positive`.
        name: Name of the score; `None` = `one_of` with the choices behind it.

    A case whose expected answer is missing, or is none of the choices, is not scored.

    Raises:
        UsageError: If there are fewer than two choices, one is empty, or two are the same.

    Example:
        >>> one_of(["positive", "negative"]).name
        'one_of(positive|negative)'
    """
    is_list = isinstance(choices, Sequence) and not isinstance(choices, str)
    if not is_list or not all(isinstance(choice, str) and choice.strip() for choice in choices):
        raise UsageError(f"one_of() takes a list of texts that are not empty; got {choices!r}.")
    plain = tuple(normalised(choice, ignore_case=ignore_case) for choice in choices)
    if len(set(plain)) < 2 or len(set(plain)) < len(plain):
        raise UsageError(f"one_of() needs two or more different choices; got {list(choices)!r}.")
    rule = functools.partial(_one_of, choices=plain, ignore_case=ignore_case)
    options = {"choices": list(choices), "ignore_case": ignore_case}
    return rule_scorer("one_of", rule, options, name=name, label="|".join(choices))


def numeric(
    tol: float = 0.0,
    *,
    expected: float | None = None,
    relative: float = 0.0,
    pick: Pick = "last",
    name: str | None = None,
) -> RuleScorer:
    """Returns a scorer that gives 1 when the number in the answer is the expected one, within a tolerance, else 0.

    A number is written as in English: `1,234.5`, `-3`, `.5`, `1e6`. Currency and per cent signs beside it are passed
    over, so `45 %` is 45. A hyphen that joins (`GPT-4`, `3-4`) is no minus. Numbers are compared in decimal, as they
    are written: 1.1 is within 0.1 of 1.

    Args:
        tol: Greatest difference that still counts.
        expected: The number; `None` = each case's own expected answer.
        relative: Greatest difference as a share of the expected number; the larger of the two tolerances counts.
        pick: Which number of an answer with several: the `last`, the `first`, or the `only` one (several are wrong).
        name: Name of the score; `None` = `numeric`, with the expected number behind it when one is given.

    A case without an expected number is not scored; an answer without a number is 0.

    Raises:
        UsageError: If a tolerance is negative or not finite, or an argument is of another kind.

    Example:
        >>> numeric(0.01).spec
        "numeric(tol=0.01, expected=None, relative=0.0, pick='last')"
    """
    for what, value in (("tol", tol), ("relative", relative), ("expected", expected)):
        if value is None and what == "expected":
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or (what != "expected" and value is not None and value < 0):
            kind = "a finite number" if what == "expected" else "a finite number of at least 0"
            raise UsageError(f"`{what}` of numeric() is {kind}; got {value!r}.")
    if pick not in get_args(Pick):
        raise UsageError(f"`pick` of numeric() is one of {', '.join(map(repr, get_args(Pick)))}; got {pick!r}.")
    rule = functools.partial(
        _numeric,
        tolerances=(Decimal(repr(float(tol))), Decimal(repr(float(relative)))),
        expected=None if expected is None else Decimal(repr(expected)),
        pick=pick,
    )
    options = {"tol": tol, "expected": expected, "relative": relative, "pick": pick}
    return rule_scorer("numeric", rule, options, name=name, label=None if expected is None else f"{expected:g}")


def numbers_in(text: str) -> list[Decimal]:
    """Returns the numbers in a text, in order.

    Example:
        >>> numbers_in("GPT-4 says: -1,234.50 EUR, not 3-4 or 1.2.3")
        [Decimal('4'), Decimal('-1234.50'), Decimal('3'), Decimal('4'), Decimal('1.2')]
    """
    found = []
    for match in _NUMBER.finditer(text):
        try:
            number = Decimal(match[0].translate(_TYPOGRAPHY))
        except DecimalException:
            continue
        if abs(number.adjusted()) <= _LARGEST_EXPONENT:
            found.append(number)
    return found


def _one_of(outcome: Outcome, case: Case, *, choices: tuple[str, ...], ignore_case: bool) -> Verdict:
    wanted = {normalised(text, ignore_case=ignore_case) for text in as_texts(case.expected)}
    if not wanted:
        return math.nan, "no expected answer; exact([...]) tells whether an answer is one of several"
    if not wanted & set(choices):
        return math.nan, f"the expected answer {quoted(sorted(wanted)[0])} is none of the choices"
    text = normalised(outcome.text, ignore_case=ignore_case)
    longest_first = sorted(choices, key=len, reverse=True)
    named = set(re.findall(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", text))
    if len(named) == 1 and named <= wanted:
        return 1.0, None
    if not named:
        return 0.0, "the answer names none of the choices"
    told = " and ".join(quoted(choice) for choice in choices if choice in named)
    return 0.0, f"the answer names {told}"


def _numeric(
    outcome: Outcome, case: Case, *, tolerances: tuple[Decimal, Decimal], expected: Decimal | None, pick: Pick
) -> Verdict:
    wanted = [expected] if expected is not None else _expected_numbers(case.expected)
    if not wanted:
        return NO_EXPECTED if not as_texts(case.expected) else (math.nan, "the expected answer is no number")
    found = numbers_in(outcome.text)
    if not found:
        return 0.0, "the answer has no number"
    if pick == "only" and len(set(found)) > 1:
        return 0.0, f"the answer has {len(found)} numbers"
    number = found[0] if pick == "first" else found[-1]
    absolute, relative = tolerances
    for each in wanted:
        allowed = max(absolute, _EXACT.multiply(relative, abs(each)))
        if _EXACT.abs(_EXACT.subtract(number, each)) <= allowed:
            return 1.0, None
    return 0.0, f"{_shown(number)} is not {' or '.join(map(_shown, wanted[:3]))}"


def _shown(number: Decimal) -> str:
    text = str(number)
    return text if len(text) <= 40 else f"{number:.6e}"


def _expected_numbers(expected: Any) -> list[Decimal]:
    """The number of each text, where the text has exactly one."""
    found = [numbers_in(text) for text in as_texts(expected)]
    return [numbers[0] for numbers in found if len(numbers) == 1]
