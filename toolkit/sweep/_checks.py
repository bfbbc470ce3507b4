"""What makes a grid impossible or odd: identical arms, missing and unused variables, duplicate rows, no baseline."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from toolkit._canonical import canonical_json
from toolkit._records import Arm, Case
from toolkit.errors import MissingVariablesError, UsageError
from toolkit.prompts import placeholders
from toolkit.results import CLUSTER, PEOPLE
from toolkit.sweep._cases import EXPECTED, rows_in_words

LABELS = frozenset({PEOPLE, CLUSTER, EXPECTED, "id"})
"""Columns with a use of their own: people's verdicts, what cases share, what is expected, what cases are called."""


def refuse_identical(arms: Sequence[Arm]) -> None:
    """Two arms that send the same bytes compare nothing, and cost twice."""
    seen: dict[str, Arm] = {}
    for arm in arms:
        prompt = arm.prompt
        sent = canonical_json(
            [prompt.kind, prompt.template, prompt.template_format, arm.provider, arm.model_sent, arm.params]
        )
        if sent in seen:
            first = seen[sent]
            raise UsageError(
                f"Two arms would send identical requests: {_describe(first)} and {_describe(arm)}. "
                "Take one away, or pass allow_identical_arms=True to measure the noise between them."
            )
        seen[sent] = arm


def _describe(arm: Arm) -> str:
    asked = f" (asked as @{arm.prompt.label})" if arm.prompt.label else ""
    params = f"the params {dict(arm.params)!r}" if arm.params else "no params"
    return f"{arm.prompt.reference!r}{asked} on {arm.model!r} with {params}"


def check_variables(arms: Sequence[Arm], cases: Sequence[Case]) -> None:
    """Every prompt must find every variable in every row; all gaps are told at once."""
    gaps: list[str] = []
    missing_names: set[str] = set()
    for prompt in {arm.prompt.reference: arm.prompt for arm in arms}.values():
        # A Jinja template may do without a name that it mentions; rendering it for each row, below, is what tells.
        for name in placeholders(prompt) if prompt.template_format != "jinja2" else ():
            rows = [case.index for case in cases if name not in case.variables]
            if rows:
                where = "every row" if len(rows) == len(cases) else rows_in_words(rows)
                gaps.append(f"{prompt.reference!r} needs {name!r}, missing in {where}")
                missing_names.add(name)
    if gaps:
        given = sorted({name for case in cases for name in case.variables})
        raise MissingVariablesError(
            f"Nothing was sent: {'; '.join(gaps)}. `variables` has: {', '.join(given) or 'none'}. "
            "Add the missing columns or rename the ones you have.",
            missing=sorted(missing_names),
            given=given,
        )


def as_labels(labels: Sequence[str]) -> frozenset[str]:
    """Returns the columns that nobody has to read: those that the caller names, and those that have a use of their own.

    Raises:
        UsageError: If `labels` is no list of names.
    """
    if isinstance(labels, str) or not all(isinstance(name, str) for name in labels):
        raise UsageError(f"`labels` is a list of names of columns, such as ['human']; got {labels!r}.")
    return LABELS | frozenset(labels)


def check_labels(labels: Sequence[str], cases: Sequence[Case], *, expected: str) -> None:
    """Refuses labels that are in no row: a slip of the pen would be found much later.

    Args:
        labels: As the caller gave them.
        cases: With their variables.
        expected: The column of expected answers, which is no variable.

    Raises:
        UsageError: Naming them, and the columns that there are.
    """
    given = {expected, *(name for case in cases for name in case.variables)}
    lacking = [name for name in labels if name not in given]
    if lacking:
        raise UsageError(
            f"`labels` names {', '.join(map(repr, lacking))}, and `variables` has: {', '.join(sorted(given))}."
        )


def names_read(arms: Sequence[Arm]) -> frozenset[str]:
    """Returns the variables that any prompt of these arms reads."""
    return frozenset(name for arm in arms for name in placeholders(arm.prompt))


def unused(arms: Sequence[Arm], cases: Sequence[Case], *, labels: frozenset[str] = LABELS) -> tuple[str, ...]:
    """Returns a note about variables that no prompt reads and nothing else does, as far as is known."""
    unread = sorted({name for case in cases for name in case.variables} - names_read(arms) - labels)
    if not unread:
        return ()
    return (
        f"No prompt of this sweep reads {', '.join(map(repr, unread))}; not sent. For a label that "
        f"scorers or exports use, say labels={unread!r}.",
    )


def check_duplicates(cases: Sequence[Case]) -> tuple[str, ...]:
    """Rows of equal variables are one trial; with different expected answers they contradict each other."""
    first: dict[bytes, Case] = {}
    copies: list[int] = []
    for case in cases:
        key = hashlib.sha256(canonical_json(case.variables).encode("ascii")).digest()
        known = first.setdefault(key, case)
        if known is case:
            continue
        copies.append(case.index)
        if known.expected != case.expected:
            raise UsageError(
                f"Rows {known.index} and {case.index} of `variables` are equal and expect different answers: "
                f"{known.expected!r} and {case.expected!r}. Keep the right one."
            )
    if not copies:
        return ()
    repeat = "repeats an earlier row" if len(copies) == 1 else "repeat earlier rows"
    return (f"{rows_in_words(copies)} {repeat}: sent once, shown in each. For more samples use `repeats`.",)


def find_baseline(arms: Sequence[Arm], baseline: str | None) -> int:
    """Returns the index of the arm that `baseline` names; the first arm when it is `None`.

    Args:
        arms: The plan's arms.
        baseline: A prompt reference by version or by a label that stands on it (`reply@3`, `reply@production`), or a
            model; the first arm that fits.

    Raises:
        UsageError: If no arm fits; the message lists what would.
    """
    if baseline is None:
        return 0
    if not isinstance(baseline, str):
        raise UsageError(f"`baseline` is a prompt reference or a model, which is text; got {baseline!r}.")
    for arm in arms:
        prompt = arm.prompt
        names = {prompt.reference, f"{prompt.prompt_id}@{prompt.version}", prompt.prompt_id, arm.model}
        for label in prompt.labels:
            names |= {f"{prompt.prompt_id}@{label}", f"{prompt.source}:{prompt.prompt_id}@{label}"}
        if baseline in names:
            return arm.index
    known = ", ".join(dict.fromkeys(f"{arm.prompt.prompt_id}@{arm.prompt.version}" for arm in arms))
    raise UsageError(f"No arm fits baseline={baseline!r}; name one of: {known}, or a model.")
