"""Judges: a model grades answers or says which of two is better; what it is sent, how its verdict is read. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from toolkit._canonical import content_hash
from toolkit._records import EMPTY, Case, FrozenDict, Outcome, Score, Trial, messages_to_wire
from toolkit.errors import UsageError
from toolkit.prompts import render
from toolkit.scorers._judge_prompts import COMPARE, GRADE, blocks_of, mark_for
from toolkit.scorers._rule import bounded
from toolkit.scorers._scorer import is_refused
from toolkit.scorers._text import as_texts
from toolkit.scorers._verdict import AnyScale, ReadVerdict, Scale, as_scale, read_verdict

Pairs: TypeAlias = Literal["baseline", "all"]
"""Which answers meet each other."""

_WINNERS = Scale(values=(("second", 0.0), ("tie", 0.5), ("first", 1.0)), is_numeric=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A model that grades each answer; made by `judge`."""

    name: str
    criteria: str
    model: str
    scale: Scale
    params: FrozenDict = EMPTY
    budget_usd: float | None = None
    concurrency: int | None = None
    use_expected: bool = True
    people: str | None = None
    prices: FrozenDict = EMPTY

    prompt = GRADE
    field = "score"

    @property
    def version(self) -> str:
        """Changes when equal answers would be judged differently."""
        return _version_of(self)

    @property
    def spec(self) -> str:
        """The call that makes this judge again."""
        return _spec_of(self, f", scale={dict(self.scale.values)!r}")

    def __call__(self, outcome: Outcome, case: Case) -> Any:
        """Refuses: the answers of a run go to the judge together.

        Raises:
            UsageError: Always.
        """
        raise UsageError(_REFUSAL.format(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class PairJudge:
    """A model that compares answers to the same case with each other, in both orders; made by `judge_pairs`."""

    name: str
    criteria: str
    model: str
    params: FrozenDict = EMPTY
    budget_usd: float | None = None
    concurrency: int | None = None
    use_expected: bool = True
    people: str | None = None
    baseline: str | int | None = None
    pairs: Pairs = "baseline"
    prices: FrozenDict = EMPTY

    prompt = COMPARE
    field = "winner"
    scale = _WINNERS

    @property
    def version(self) -> str:
        """Changes when equal answers would be judged differently."""
        return _version_of(self)

    @property
    def spec(self) -> str:
        """The call that makes this judge again."""
        if self.pairs == "all":
            return _spec_of(self, ", pairs='all'")
        return _spec_of(self, "" if self.baseline is None else f", baseline={self.baseline!r}")

    def __call__(self, outcome: Outcome, case: Case) -> Any:
        """Refuses: the answers of a run go to the judge together.

        Raises:
            UsageError: Always.
        """
        raise UsageError(_REFUSAL.format(self.name))


_REFUSAL = "The judge {!r} asks a model; give it to `score` of a run's results."


def judge(
    criteria: str,
    *,
    model: str,
    scale: AnyScale = (1, 5),
    params: Mapping[str, Any] | None = None,
    use_expected: bool = True,
    people: str | None = None,
    budget_usd: float | None = None,
    prices: Mapping[str, Mapping[str, float]] | None = None,
    concurrency: int | None = None,
    name: str | None = None,
) -> Judge:
    """Returns a scorer that has a model grade each answer on a scale.

    The judge is shown the variables that prompts read, the expected answer and the answer, as data, not the arm. Its
    calls are a run of their own in the run store, `judge-...`: kept before they count, tried again, resumed, and not
    sent twice. After scoring, what there is to know about the judging is printed, what it cost among it, and kept in
    `results.judging`. An answer that failed or was refused is not judged; a verdict that cannot be read, or is outside
    the scale, is not scored.

    Args:
        criteria: What makes an answer good, in plain words.
        model: `provider/name` or an alias from config.yaml; better another family than the models under test.
        scale: Ends of a range of whole numbers, such as `(1, 5)`, which are the scores; or labels from worst to best,
            such as `["no", "yes"]`, which score from 0 to 1; or labels with their scores.
        params: Sampling and output parameters of the judge; `None` = none are sent.
        use_expected: Whether the judge sees the case's expected answer, where there is one.
        people: Score or variable with people's verdicts on the same answers, to tell how far the judge agrees with
            them; `None` = the one called `human`, where there is one.
        budget_usd: Most USD that the judging may come to; the run's own budget is another. `None` = no limit.
        prices: USD per million tokens by model, before the dated table, as for `sweep`.
        concurrency: Most calls in flight; `None` = as a sweep.
        name: Name of the score; `None` = `judge`.

    Raises:
        UsageError: If the criteria are empty, or the scale is none.

    Example:
        >>> judge("Polite and correct.", model="openai/gpt-4o-mini", scale=["no", "yes"]).scale.words
        'one of "no", "yes"'
    """
    return Judge(
        name=name or "judge",
        criteria=_checked(criteria, "judge"),
        model=model,
        scale=as_scale(scale),
        params=FrozenDict(params or {}),
        budget_usd=budget_usd,
        concurrency=concurrency,
        use_expected=use_expected,
        people=people,
        prices=FrozenDict(prices or {}),
    )


def judge_pairs(
    criteria: str,
    *,
    model: str,
    baseline: str | int | None = None,
    pairs: Pairs = "baseline",
    params: Mapping[str, Any] | None = None,
    use_expected: bool = True,
    people: str | None = None,
    budget_usd: float | None = None,
    prices: Mapping[str, Mapping[str, float]] | None = None,
    concurrency: int | None = None,
    name: str | None = None,
) -> PairJudge:
    """Returns a scorer that has a model compare answers to the same case with each other, in both orders.

    The score is 1 for a win over the baseline, 0 for a loss and 0.5 for a tie; the baseline's own answers have 0.5.
    A win counts only when the judge names the same answer in both orders; when the orders contradict each other it is
    a tie. A pair of which one verdict cannot be read, or one answer is missing, is not scored. What is kept and printed
    is as for `judge`; besides, whether the judge prefers the answer that stands first.

    With `pairs="all"` every arm meets every other: k arms make k (k - 1) calls a case. The score is then the share of
    its pairs that an answer won, a tie counting half, and `results.judging[name].ranks` ranks the arms by the
    Bradley-Terry model, with intervals.

    Args:
        criteria: What makes an answer better, in plain words.
        model: As for `judge`.
        baseline: Label or index of an arm; `None` = the one that the run was planned with.
        pairs: `baseline` = each answer meets that of the baseline; `all` = that of every other arm.
        params: As for `judge`.
        use_expected: As for `judge`.
        people: As for `judge`, on the same scale: 1, 0.5, 0.
        budget_usd: As for `judge`.
        prices: As for `judge`.
        concurrency: As for `judge`.
        name: Name of the score; `None` = `judge_pairs`.

    Raises:
        UsageError: If the criteria are empty, `pairs` is neither, or all pairs are asked for with a baseline.

    Example:
        >>> judge_pairs("More helpful.", model="openai/gpt-4o-mini").name
        'judge_pairs'
    """
    if pairs not in ("baseline", "all"):
        raise UsageError(f"`pairs` of judge_pairs() is 'baseline' or 'all'; got {pairs!r}.")
    if pairs == "all" and baseline is not None:
        raise UsageError(f"judge_pairs() with pairs='all' has no baseline; leave out {baseline!r}, or `pairs`.")
    return PairJudge(
        name=name or "judge_pairs",
        criteria=_checked(criteria, "judge_pairs"),
        model=model,
        params=FrozenDict(params or {}),
        budget_usd=budget_usd,
        concurrency=concurrency,
        use_expected=use_expected,
        people=people,
        baseline=baseline,
        pairs=pairs,
        prices=FrozenDict(prices or {}),
    )


def judged_variables(
    judge: Judge | PairJudge, trial: Trial, answers: Sequence[str], *, names: Collection[str], key: bytes
) -> FrozenDict:
    """Returns the variables of one call to a judge: criteria, scale, the mark of this call, and the blocks.

    Args:
        judge: Who is asked.
        trial: Whose answer it is: its case says what was asked and expected.
        answers: One answer to grade, or two in the order in which they are shown.
        names: Variables to show: those that prompts read, and no labels by people.
        key: Makes the marks; known to nobody who writes an answer.
    """
    blocks = []
    asked = _asked(trial, names)
    if asked:
        blocks.append(("INPUT", asked))
    expected = as_texts(trial.case.expected) if judge.use_expected else ()
    if expected:
        blocks.append(("REFERENCE", "\n\nor\n\n".join(expected)))
    blocks += zip(("ANSWER",) if len(answers) == 1 else ("FIRST", "SECOND"), answers, strict=True)
    mark = mark_for([judge.criteria, *(text for block in blocks for text in block)], key=key)
    material = blocks_of(blocks, mark)
    return FrozenDict({"criteria": judge.criteria, "scale": judge.scale.words, "mark": mark, "material": material})


def read_judgement(judge: Judge | PairJudge, outcome: Outcome | None) -> tuple[float | None, ReadVerdict]:
    """Returns the number of a judge's verdict and the verdict; `None` and the problem when it is not to be had."""
    if outcome is None:
        return None, ReadVerdict(problem="not judged yet")
    if outcome.response is None:
        kind = outcome.failure.kind if outcome.failure is not None else outcome.status
        return None, ReadVerdict(problem=f"not judged: {kind}")
    if is_refused(outcome):
        return None, ReadVerdict(problem="the judge refused")
    read = read_verdict(outcome.text, judge.field)
    if read.problem is not None:
        return None, ReadVerdict(problem=f"{UNREAD}: {read.problem}")
    value = judge.scale.value_of(read.verdict)
    if value is None:
        shown = json.dumps(read.verdict, ensure_ascii=False)[:60]
        return None, ReadVerdict(problem=f"{UNREAD}: {shown} is not {judge.scale.words}")
    return value, read


UNREAD = "the judge's verdict cannot be read"
"""How the reason begins when there was an answer and no verdict in it."""


def judge_score(judge: Judge | PairJudge, value: float | None, explanation: str | None) -> Score:
    """Returns a score of this judge."""
    return Score(
        name=judge.name,
        value=math.nan if value is None else value,
        explanation=explanation,
        scorer=judge.spec,
        scorer_version=judge.version,
    )


def _asked(trial: Trial, names: Collection[str]) -> str:
    """The case's variables; for a case without any, the messages that were sent."""
    shown = {name: value for name, value in trial.case.variables.items() if name in names}
    if shown:
        return "\n\n".join(f"{name}:\n{_text(value)}" for name, value in shown.items())
    messages = messages_to_wire(render(trial.arm.prompt, trial.case.variables, missing="keep"))
    return "\n\n".join(f"{message['role']}:\n{_text(message['content'])}" for message in messages)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _checked(criteria: str, kind: str) -> str:
    if not isinstance(criteria, str) or not criteria.strip():
        raise UsageError(f"{kind}() needs criteria in plain words, such as 'Polite and correct.'; got {criteria!r}.")
    return criteria.strip()


def _spec_of(judge: Judge | PairJudge, end: str) -> str:
    kind = "judge" if isinstance(judge, Judge) else "judge_pairs"
    params = f", params={dict(judge.params)!r}" if judge.params else ""
    expected = "" if judge.use_expected else ", use_expected=False"
    return bounded(f"{kind}({judge.criteria!r}, model={judge.model!r}{end}{params}{expected})")


def _version_of(judge: Judge | PairJudge) -> str:
    shaping = {each.name: getattr(judge, each.name) for each in fields(judge)}
    for name in ("name", "budget_usd", "prices", "concurrency", "people", "scale"):
        shaping.pop(name, None)
    if shaping.get("pairs") == "baseline":
        # As it was before there were others, so that what was judged then is still its own.
        shaping.pop("pairs")
    values = [list(pair) for pair in judge.scale.values]
    return content_hash("j1", {"prompt": judge.prompt.fingerprint, "scale": values, **shaping})
