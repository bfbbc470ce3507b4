"""Where the differences in a score come from: prompt, model, case, their interplay, or chance between repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit._records import Arm, RunView
from toolkit.errors import UsageError
from toolkit.results._columns import TEXT, as_json
from toolkit.results._compare import chosen_score
from toolkit.results._finding import Finding
from toolkit.results._frame import rows_of_view, to_series
from toolkit.results._pandas import pd
from toolkit.results._screen import for_screen
from toolkit.results._words import counted, percent
from toolkit.stats import VariancePart, VarianceSplit, split_variance

# Below this share of the spread a part is not worth a sentence.
_TELLING_SHARE = 0.1


def variance_finding(view: RunView, *, score: str | None = None) -> Finding:
    """Returns the variance of a single trial's score by where it comes from, largest first.

    Args:
        view: The run with its scores.
        score: Name of a score; `None` = the first.

    Raises:
        UsageError: If there is no such score, or too little is scored to divide its variance.
    """
    name = chosen_score(view, score)
    factors, levels = _factors(view.arms)
    split = split_variance(_grid(view, name, levels), factors=factors)
    if split is None:
        raise UsageError(
            f"The spread of {name!r} cannot be divided: no case is scored in every arm, or there is one arm and one "
            "case. results.summary() shows what is not scored; score or sweep the rest first."
        )
    parts = sorted([*split.parts, split.noise], key=lambda part: part.variance, reverse=True)
    columns: dict[str, tuple[Sequence[Any], str]] = {
        "variance": ([part.variance for part in parts], "Float64"),
        "sd": ([math.sqrt(part.variance) for part in parts], "Float64"),
        "share": ([part.share for part in parts], "Float64"),
        "meaning": ([_meaning(part, split) for part in parts], TEXT),
    }
    frame = pd.DataFrame({title: to_series(values, dtype) for title, (values, dtype) in columns.items()})
    frame.index = pd.Index([_name(part) for part in parts], name="part")
    sentence = _sentence(for_screen(name, keep_lines=False), split, parts)
    if split.has_own_noise and any(arm.params.get("seed") is not None for arm in view.arms):
        # A seed that is sent makes repeats alike, whatever the model would do without it.
        sentence += "\nA fixed seed is sent, which hides chance between repeats: params with `seed: None` leave it out."
    return Finding(sentence=sentence, df=frame)


def _factors(arms: Sequence[Arm]) -> tuple[tuple[str, ...], list[tuple[int, ...]]]:
    """The factors that the arms are a full grid of, and each arm's place in it; else the arms are one factor."""
    keys = {
        "prompt": [arm.prompt.fingerprint + arm.prompt.reference for arm in arms],
        "model": [f"{arm.model} {arm.model_sent}" for arm in arms],
        "params": [as_json(sorted(arm.params.items())) for arm in arms],
    }
    places = {name: [list(dict.fromkeys(values)).index(value) for value in values] for name, values in keys.items()}
    varied = [name for name, found in places.items() if len(set(found)) > 1]
    levels = list(zip(*(places[name] for name in varied), strict=True))
    size = math.prod(len(set(places[name])) for name in varied)
    if varied and len(set(levels)) == len(arms) == size:
        return (*varied, "case"), levels
    return ("arm", "case"), [(place,) for place in range(len(arms))]


def _grid(view: RunView, name: str, levels: Sequence[tuple[int, ...]]) -> np.ndarray:
    """The scores with one axis a factor, then cases, then repeats; NaN where there is none."""
    rows = rows_of_view(view)
    cases = {index: place for place, index in enumerate(dict.fromkeys(row.trial.case.index for row in rows))}
    arms = {arm.index: level for arm, level in zip(view.arms, levels, strict=True)}
    sizes = [max(level[axis] for level in levels) + 1 for axis in range(len(levels[0]))]
    repeats = max(row.trial.repeat for row in rows) + 1
    grid = np.full((*sizes, len(cases), repeats), np.nan)
    for row in rows:
        score = row.scores.get(name)
        if score is not None and score.is_scored:
            grid[(*arms[row.trial.arm.index], cases[row.trial.case.index], row.trial.repeat)] = score.value
    return grid


def _name(part: VariancePart) -> str:
    return "repeat noise" if part.factors == ("noise",) else part.name


def _told(part: VariancePart, split: VarianceSplit) -> str:
    if part.factors == ("noise",) and not split.has_own_noise:
        return "chance, or peculiar to single trials"
    return _name(part)


def _meaning(part: VariancePart, split: VarianceSplit) -> str:
    if part.factors == ("noise",):
        if split.has_own_noise:
            return "the same trial asked again"
        return "chance between repeats, and what is peculiar to single trials: told apart only with repeats"
    if part.factors == ("case",):
        return "some cases are harder for every arm"
    if part.factors == ("params",):
        return "which params are set, whatever the rest"
    if len(part.factors) == 1:
        return f"which {part.factors[0]} it is, whatever the rest"
    *first, last = part.factors
    if last == "case":
        return f"how a case goes depends on the {' and '.join(first)}"
    return f"which {last} {'are' if last == 'params' else 'is'} better depends on the {' and '.join(first)}"


def _sentence(name: str, split: VarianceSplit, parts: Sequence[VariancePart]) -> str:
    if split.total <= 0:
        return f"Every trial has the same {name}: there is no spread to divide. Next: take cases where arms differ."
    shown = [part for part in parts if (part.share or 0) >= _TELLING_SHARE]
    told = ", ".join(f"{percent(part.share or 0)} {_told(part, split)}" for part in shown)
    left = sum(part.share or 0 for part in parts if part not in shown)
    rest = f", the rest {percent(left)}" if left > 1e-9 else ""
    lines = [f"Spread of {name} between single trials: {told}{rest}. Next: {_advice(parts[0], split)}."]
    if split.dropped:
        lines.append(
            f"{counted(split.dropped, 'case')} left out, not scored in every arm: results.failures and "
            "results.summary() tell which."
        )
    if not split.has_own_noise:
        lines.append("Without repeats, chance cannot be told from the rest: repeats=3 in the sweep would tell it.")
    elif not split.is_balanced:
        lines.append("Cells differ in what is scored, so take the shares as rough.")
    return "\n".join(lines)


def _advice(part: VariancePart, split: VarianceSplit) -> str:
    if part.factors == ("noise",):
        if split.has_own_noise:
            return "repeat more or lower the temperature; results.stability() shows which arm wavers"
        return "sweep with repeats=3, to see how much of it is chance"
    if part.factors == ("case",):
        return "look at the hard cases in results.wide(); results.compare() is paired, so that they do not blur it"
    if len(part.factors) == 1:
        return f"choosing the {part.factors[0]} matters most; results.compare() tells which"
    if "case" in part.factors:
        return "no arm is best for all cases; results.diff(a, b) shows which cases each of two arms wins"
    return f"choose {' and '.join(part.factors)} together, not one by one; results.compare() has each pair"
