"""The form that our own scorers share: a rule over one answer, and the call that makes it again."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from toolkit._records import Case, Outcome, Score

Verdict: TypeAlias = tuple[float, str | None]
"""A number and why; NaN = not scored."""

_MOST_SPEC_CHARACTERS = 400

NO_EXPECTED: Verdict = (math.nan, "no expected answer")
"""What a rule gives that needs an expected answer where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleScorer:
    """A scorer of this package: `rule` gives the number and the reason."""

    name: str
    spec: str
    """The call that makes this scorer again."""
    rule: Callable[[Outcome, Case], Verdict]
    version: str = "1"

    def __call__(self, outcome: Outcome, case: Case) -> Score:
        """Returns what the rule gives, as a score."""
        value, explanation = self.rule(outcome, case)
        return Score(
            name=self.name, value=value, explanation=explanation, scorer=self.spec, scorer_version=self.version
        )


def rule_scorer(
    kind: str,
    rule: Callable[[Outcome, Case], Verdict],
    options: Mapping[str, Any],
    *,
    name: str | None,
    label: str | None = None,
) -> RuleScorer:
    """Returns a scorer made by the call `kind(**options)`.

    Args:
        kind: What it is called in the package.
        rule: Gives number and reason.
        options: Every argument that changes the number.
        name: Name of the score; `None` = `kind`, with `label` behind it.
        label: What tells it from another of its kind; `None` = nothing.

    Example:
        >>> rule_scorer("brief", lambda outcome, case: (1.0, None), {"most": 3}, name=None, label="3").spec
        'brief(most=3)'
    """
    spec = bounded(f"{kind}({', '.join(f'{key}={value!r}' for key, value in options.items())})")
    return RuleScorer(name=name or (f"{kind}({shortened(label)})" if label else kind), spec=spec, rule=rule)


def bounded(spec: str) -> str:
    """Returns what rebuilds a scorer, a long one as its beginning and a hash: it is kept with every score.

    Example:
        >>> bounded("exact()"), len(bounded("x" * 10_000))
        ('exact()', 418)
    """
    if len(spec) <= _MOST_SPEC_CHARACTERS:
        return spec
    digest = hashlib.sha256(spec.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{spec[:_MOST_SPEC_CHARACTERS]} #{digest[:16]}"


def shortened(text: str, most: int = 40) -> str:
    """Returns the beginning of a longer text."""
    return text if len(text) <= most else text[: most - 1] + "…"


def quoted(text: str, most: int = 60) -> str:
    """Returns a text in quotes for a reason, the beginning of a longer one."""
    return repr(shortened(text, most))


def normalised(text: str, *, ignore_case: bool) -> str:
    r"""Returns text in Unicode NFC with each run of white space as one space, none around it, and case folded if asked.

    Example:
        >>> normalised(" Caf\u0065\u0301\n au lait ", ignore_case=True)
        'café au lait'
    """
    text = " ".join(unicodedata.normalize("NFC", text).split())
    return text.casefold() if ignore_case else text
