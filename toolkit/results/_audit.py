"""Proves that nothing of a run is lost or counted twice: each check is computed another way than the frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit._records import RunView
from toolkit.results._frame import to_frame
from toolkit.results._html import Safe, element
from toolkit.results._pandas import pd
from toolkit.results._screen import for_screen
from toolkit.store import measures_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule and whether the run keeps it."""

    rule: str
    ok: bool
    detail: str
    """The numbers behind it."""


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Audit:
    """What an audit found."""

    run_id: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """True when every rule is kept."""
        return all(check.ok for check in self.checks)

    def __repr__(self) -> str:
        broken = sum(not check.ok for check in self.checks)
        verdict = f"{broken} of {len(self.checks)} checks failed" if broken else f"all {len(self.checks)} checks passed"
        lines = [f"{'ok    ' if check.ok else 'FAILED'}  {check.rule}: {check.detail}" for check in self.checks]
        return "\n".join([f"Audit of {for_screen(self.run_id, keep_lines=False)}: {verdict}", *lines])

    def _repr_html_(self) -> Safe:
        return element("pre", repr(self), class_="toolkit-results tex2jax_ignore mathjax_ignore")


def audit(view: RunView) -> Audit:
    """Checks that planned trials and rows are the same, that ids and outcomes belong together, and that sums agree."""
    frame = to_frame(view)
    checks = [*_plan_checks(view, frame), *_outcome_checks(view), *_sum_checks(view, frame)]
    return Audit(run_id=view.run_id, checks=tuple(checks))


def _plan_checks(view: RunView, frame: pd.DataFrame) -> Iterator[Check]:
    planned, rows = len(view.trials), len(frame)
    yield Check(rule="every planned trial is one row", ok=planned == rows, detail=f"{planned:,} planned, {rows:,} rows")
    places = Counter((trial.arm.index, trial.case.index, trial.repeat) for trial in view.trials)
    twice = sum(count > 1 for count in places.values())
    yield Check(rule="no arm, case and repeat stands twice", ok=twice == 0, detail=f"{twice:,} stand twice")
    if view.is_grid:
        grid = 1
        for axis in range(3):
            grid *= len({place[axis] for place in places})
        yield Check(
            rule="the grid of arms, cases and repeats has no hole",
            ok=grid == len(places),
            detail=f"{grid:,} places, {len(places):,} planned",
        )
    contents: dict[str, set[tuple[str, str, str, str]]] = {}
    for trial in view.trials:
        arm = trial.arm
        content = (arm.prompt.fingerprint, arm.provider, arm.model_sent, repr(sorted(arm.params.items())))
        contents.setdefault(trial.trial_id, set()).add(content)
    mixed = sum(len(found) > 1 for found in contents.values())
    yield Check(rule="equal ids have equal prompts, models and params", ok=mixed == 0, detail=f"{mixed:,} ids differ")


def _outcome_checks(view: RunView) -> Iterator[Check]:
    planned = {trial.trial_id for trial in view.trials}
    stray = [key for key in measures_of(view.outcomes) if key not in planned]
    yield Check(rule="no outcome without a trial", ok=not stray, detail=f"{len(stray):,} without")
    crossed = [key for key, outcome in measures_of(view.outcomes).items() if outcome.trial_id != key]
    yield Check(rule="each outcome is filed under its own trial", ok=not crossed, detail=f"{len(crossed):,} are not")
    empty = [
        key
        for key, outcome in measures_of(view.outcomes).items()
        if (outcome.status == "ok") != (outcome.response is not None)
        or (outcome.status == "failed" and outcome.failure is None)
    ]
    yield Check(
        rule="ok has an answer, failed has a reason", ok=not empty, detail=f"{len(empty):,} outcomes have neither"
    )
    yield Check(
        rule="every attempt without a recorded answer is counted as possibly billed",
        ok=all(each.possibly_billed <= each.attempts for each in measures_of(view.outcomes).values()),
        detail=f"{_doubtful(view):,} sent without a recorded answer",
    )
    scored = [key for key in view.scores if key not in planned]
    yield Check(rule="no score without a trial", ok=not scored, detail=f"{len(scored):,} without")


def _doubtful(view: RunView) -> int:
    """Attempts that were sent and have no recorded answer: before another one that has, or as the last of a trial."""
    unknown = {trial.trial_id for trial in view.trials if trial.trial_id not in view.outcomes} & view.attempted
    return sum(outcome.possibly_billed for outcome in measures_of(view.outcomes).values()) + len(unknown)


def _sum_checks(view: RunView, frame: pd.DataFrame) -> Iterator[Check]:
    by_row = Counter(str(status) for status in frame["status"])
    by_trial = Counter(
        measures_of(view.outcomes)[trial.trial_id].status
        if trial.trial_id in measures_of(view.outcomes)
        else ("unknown" if trial.trial_id in view.attempted else "skipped")
        for trial in view.trials
    )
    told = ", ".join(f"{count:,} {status}" for status, count in sorted(by_row.items()))
    yield Check(rule="statuses add up", ok=by_row == by_trial, detail=told or "no rows")
    once = frame.drop_duplicates("trial_id")
    planned = {trial.trial_id for trial in view.trials}
    answers = [
        outcome.response
        for key, outcome in measures_of(view.outcomes).items()
        if key in planned and outcome.response is not None
    ]
    for name in ("input_tokens", "output_tokens"):
        in_frame = int(once[name].sum())
        in_answers = sum(getattr(answer.usage, name) or 0 for answer in answers)
        yield Check(
            rule=f"{name} add up",
            ok=in_frame == in_answers,
            detail=f"{in_frame:,} in the frame, {in_answers:,} in the answers",
        )
    in_frame_usd = float(once["cost_usd"].sum())
    own = [
        outcome
        for key, outcome in measures_of(view.outcomes).items()
        if key in planned and outcome.run_id in (None, view.run_id)
    ]
    in_answers_usd = sum(outcome.cost_usd or 0.0 for outcome in own)
    yield Check(
        rule="costs add up, each answer of this run once",
        ok=abs(in_frame_usd - in_answers_usd) <= 1e-9 * max(1.0, abs(in_answers_usd)),
        detail=f"{in_frame_usd:.6f} USD in the frame, {in_answers_usd:.6f} USD in the answers",
    )
