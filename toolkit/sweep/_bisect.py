"""Finds the version of a prompt that broke a case, by halving: log2(n) steps, each through the sweep and its store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit._records import Prompt
from toolkit._sync import run
from toolkit.engine import Engine, default_engine
from toolkit.errors import ScorerError, UsageError
from toolkit.results import Piece, for_screen, word_diff
from toolkit.scorers import Scorer, as_scorers
from toolkit.sweep._sweep import sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectStep:
    """One version that was asked."""

    version: str
    share: float
    """Mean of the check over the repeats, 1 = all passed."""
    run_id: str

    @property
    def passed(self) -> bool:
        """True when at least half of the repeats passed."""
        return self.share >= 0.5


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Bisection:
    """Where a case broke."""

    last_good: Prompt
    first_bad: Prompt
    steps: tuple[BisectStep, ...]
    """In the order in which they were asked."""

    @property
    def change(self) -> list[Piece]:
        """What the version that broke it changed in the template, word by word."""
        return word_diff(_template_text(self.last_good), _template_text(self.first_bad))

    def __repr__(self) -> str:
        marks = {"kept": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
        change = "".join(f"{marks[piece.kind][0]}{piece.text}{marks[piece.kind][1]}" for piece in self.change)
        asked = ", ".join(
            f"{step.version} {'good' if step.passed else 'bad'} ({step.share:.0%})" for step in self.steps
        )
        head = f"{self.first_bad.reference} broke it; {self.last_good.version} was good. Asked: {asked}."
        return f"{for_screen(head, keep_lines=False)}\n\n{for_screen(change)}"


def bisect(
    prompt: str,
    *,
    good: int,
    bad: int,
    case: Mapping[str, Any],
    check: Scorer | Callable[..., Any] | str,
    model: str | None = None,
    params: Mapping[str, Any] | None = None,
    repeats: int = 1,
    engine: Engine | None = None,
) -> Bisection:
    """Returns the first version between `good` and `bad` with which a case fails, asking about log2(n) of them.

    Both ends are asked first: a search between ends that are not what they are taken for finds nothing. Each step is
    a sweep of one version, so that answers in the run store are not paid for again. Where the versions turn from good
    to bad more than once, one of these turns is found.

    Args:
        prompt: Name, with its source where that is needed: `reply`, `langfuse:reply`.
        good: A version with which the case passes.
        bad: A later one with which it fails.
        case: The variables, with `expected` where the check needs it.
        check: A scorer, its name, or a function of the outcome and the case; passed = 0.5 or more.
        model: As in `sweep`; `None` = each version's own.
        params: As in `sweep`; `None` = each version's own.
        repeats: Times that each version is asked; it passes when at least half of the answers do. More of them find
            the right version where answers vary.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        UsageError: If `good` is not before `bad`, one of them does not exist, or one is not what it is taken for.
        TrialsFailedError: If a version has no answer.
        ScorerError: If the check gives no number.

    Example:
        >>> bisect("reply", good=3, bad=12, case={"question": "A refund?"}, check=contains("refund"))  # doctest: +SKIP
    """
    _check(good, bad, case)
    (scorer,) = as_scorers([check])
    engine = engine or default_engine()
    versions = run(engine.sources.resolve(f"{prompt}@{good}..{bad}"))
    known = [version.version for version in versions]
    for name, version in (("good", good), ("bad", bad)):
        if str(version) not in known:
            raise UsageError(f"{prompt!r} has no version {version} ({name}=); within that range: {', '.join(known)}.")
    steps: list[BisectStep] = []

    def passes(place: int) -> bool:
        results = sweep(
            versions[place],
            model,
            [dict(case)],
            params=params,
            repeats=repeats,
            progress="off",
            engine=engine,
        )
        results.raise_for_failures()
        results.score(scorer)
        found = [score for held in results.view.scores.values() for score in held if score.name == scorer.name]
        values = [score.value for score in found if score.is_scored]
        if not values:
            reason = found[0].explanation if found else "it gave nothing"
            raise ScorerError(f"The check {scorer.name!r} has no number for version {known[place]}: {reason}.")
        steps.append(BisectStep(version=known[place], share=sum(values) / len(values), run_id=results.run_id))
        return steps[-1].passed

    low, high = known.index(str(good)), known.index(str(bad))
    if not passes(low):
        raise UsageError(f"Version {good} of {prompt!r} fails the check itself; give an earlier one as `good`.")
    if passes(high):
        raise UsageError(f"Version {bad} of {prompt!r} passes the check; there is nothing to find before it.")
    while high - low > 1:
        middle = (low + high) // 2
        if passes(middle):
            low = middle
        else:
            high = middle
    return Bisection(last_good=versions[low], first_bad=versions[high], steps=tuple(steps))


def _check(good: object, bad: object, case: object) -> None:
    for name, version in (("good", good), ("bad", bad)):
        if not isinstance(version, int) or isinstance(version, bool):
            raise UsageError(f"`{name}` is the number of a version; got {version!r}.")
    if not isinstance(case, Mapping):
        raise UsageError(f"`case` is a map of names and values, such as {{'question': '...'}}; got {case!r}.")
    if isinstance(good, int) and isinstance(bad, int) and not good < bad:
        raise UsageError(f"`good` is an earlier version than `bad`; got good={good!r}, bad={bad!r}.")


def _template_text(prompt: Prompt) -> str:
    if isinstance(prompt.template, str):
        return prompt.template
    return json.dumps(prompt.template, ensure_ascii=False, indent=1)
