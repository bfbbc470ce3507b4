"""Brings answers to a form in which they can be called the same: to the letter, in wording, as JSON, as a number."""

from __future__ import annotations

from typing import Literal, get_args

from toolkit.scorers._choice import numbers_in
from toolkit.scorers._json import json_form
from toolkit.scorers._rule import normalised

Form = Literal["exact", "normalised", "json", "numeric"]
"""How strict "the same" is."""

FORMS: tuple[Form, ...] = get_args(Form)

_STRIPPED = " \t\n\"'`*_.!?"


def answer_form(text: str, form: Form) -> str | None:
    """Returns what two answers share when they are the same in a form; `None` when an answer has no such form.

    Args:
        text: The answer.
        form: `exact` = to the letter; `normalised` = but for case, white space, Unicode composition, and the quotes,
            asterisks and closing punctuation around it; `json` = the same JSON object or array, whatever the order of
            its keys and its layout; `numeric` = the same last number.

    Example:
        >>> answer_form(" **Positive.**", "normalised"), answer_form("It is 1.50.", "numeric")
        ('positive', '1.5')
        >>> answer_form('{"b": 1, "a": 2}', "json"), answer_form("positive", "json")
        ('{"a":2,"b":1}', None)
    """
    if form == "exact":
        return text
    if form == "normalised":
        return normalised(text, ignore_case=True).strip(_STRIPPED)
    if form == "json":
        found = json_form(text)
        return found if found is not None and found[0] in "{[" else None
    numbers = numbers_in(text)
    # Without trailing zeros, and 0 for -0: equal numbers are one text.
    return str((numbers[-1] + 0).normalize()) if numbers else None
