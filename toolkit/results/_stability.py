"""How steady arms are: how often two repeats of one trial give the same answer, and how often their scores differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toolkit._records import RunView
from toolkit.errors import UsageError
from toolkit.results._columns import Row
from toolkit.results._compare import chosen_score
from toolkit.results._finding import Finding
from toolkit.results._frame import rows_of_view, score_names, to_series
from toolkit.results._labels import arm_labels
from toolkit.results._pandas import pd
from toolkit.results._screen import for_screen
from toolkit.results._words import counted, listed, percent
from toolkit.scorers import FORMS, Form, answer_form
from toolkit.stats import Flips, flips
from toolkit.store import CACHE_SOURCE

# From this rate of flipped scores on, a single answer says little about its case.
_WAVERING = 0.1


def stability_finding(view: RunView, *, score: str | None = None) -> Finding:
    """Returns one row an arm: how often repeats agree, and how often their scores differ.

    Args:
        view: The run.
        score: Name of a score; `None` = the first, where there is one.

    Raises:
        UsageError: If no case was repeated, or there is no such score.
    """
    name = chosen_score(view, score) if score is not None or score_names(view) else None
    labels = arm_labels(view.arms)
    cells = _cells(view)
    found: dict[str, list[Flips]] = {
        form: [flips([_in_form(rows, form) for rows in each]) for each in cells] for form in FORMS
    }
    if not any(each.n for each in found["exact"]):
        raise UsageError(
            "No case has two answers of its own in one arm; sweep with repeats=3 to see how steady they are."
        )
    scored = [flips([[_score(row, name) for row in rows] for rows in each]) for each in cells]
    columns: dict[str, tuple[Sequence[float | int | None], str]] = {
        "cases": ([each.n for each in found["exact"]], "Int64"),
        **{f"same_{form}": ([_same(each) for each in found[form]], "Float64") for form in FORMS},
    }
    if name is not None:
        spans = [each.estimate.interval for each in scored]
        columns |= {
            "flip_rate": ([each.rate for each in scored], "Float64"),
            "flip_low": ([None if span is None else max(0.0, span.low) for span in spans], "Float64"),
            "flip_high": ([None if span is None else min(1.0, span.high) for span in spans], "Float64"),
            "flipped_cases": ([each.changed for each in scored], "Int64"),
        }
    frame = pd.DataFrame({title: to_series(values, dtype) for title, (values, dtype) in columns.items()})
    frame.index = pd.Index(labels, name="arm")
    # A seed that is sent makes repeats alike, whatever the model would do without it.
    seeded = [label for label, arm in zip(labels, view.arms, strict=True) if arm.params.get("seed") is not None]
    return Finding(sentence=_sentence(labels, found, scored, name, seeded), df=frame)


def _cells(view: RunView) -> list[list[list[Row]]]:
    """For each arm, for each case, the rows with an answer of their own."""
    by_arm: dict[int, dict[int, list[Row]]] = {arm.index: {} for arm in view.arms}
    for row in rows_of_view(view):
        # An answer taken over from an equal request is the same by its making.
        if row.answer is not None and row.measures is not None and row.measures.cost_source != CACHE_SOURCE:
            by_arm[row.trial.arm.index].setdefault(row.trial.case.index, []).append(row)
    return [list(cases.values()) for cases in by_arm.values()]


def _in_form(rows: Sequence[Row], form: Form) -> list[str | None]:
    return [answer_form(texts.text, form) if (texts := row.texts) is not None else None for row in rows]


def _score(row: Row, name: str | None) -> float | None:
    score = row.scores.get(name) if name is not None else None
    return score.value if score is not None and score.is_scored else None


def _same(found: Flips) -> float | None:
    return None if found.rate is None else 1.0 - found.rate


def _sentence(
    labels: Sequence[str],
    found: Mapping[str, Sequence[Flips]],
    scored: Sequence[Flips],
    name: str | None,
    seeded: Sequence[str],
) -> str:
    known = [place for place, each in enumerate(found["exact"]) if each.rate is not None]
    lines = []
    for place in known[:4]:
        exact, loose = _same(found["exact"][place]) or 0.0, _same(found["normalised"][place]) or 0.0
        told = f"{labels[place]} repeats itself word for word {percent(exact)} of the time"
        if loose - exact >= 0.005:
            told += f", {percent(loose)} but for case, spaces and punctuation"
        if scored[place].rate is not None:
            told += f"; its score changes {percent(scored[place].rate or 0.0)} of the time"
        lines.append(f"{told} ({counted(found['exact'][place].n, 'case')}).")
    if len(known) > 4:
        lines.append(f"{len(known) - 4} more arms are in the table.")
    wavering = [labels[place] for place in known if (scored[place].rate or 0.0) >= _WAVERING]
    if wavering:
        lines.append(
            f"Next: a single answer of {listed(wavering)} says little; keep the repeats, or lower the temperature."
        )
    elif name is None:
        lines.append("Next: results.score(...) tells whether the differences matter.")
    else:
        shown = for_screen(name, keep_lines=False)
        lines.append(f"Next: {shown} is steady, so spend on more cases and not on more repeats.")
    if seeded:
        lines.append(
            f"A fixed seed is sent for {listed(seeded)}, which may make repeats alike by force: params with "
            "`seed: None` leave it out."
        )
    return "\n".join(lines)
