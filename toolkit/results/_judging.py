"""What is to be known about a judging before its scores are believed, in numbers and in words that say what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toolkit._records import RunView
from toolkit.results._html import element
from toolkit.results._pandas import pd
from toolkit.results._ranks import is_first_shown, lent_lines, rank_lines, ranks_table
from toolkit.results._screen import for_screen
from toolkit.results._words import counted
from toolkit.scorers import UNREAD, Judge, PairJudge
from toolkit.stats import Agreement, JudgeReport, Ranking, judge_agreement

PEOPLE = "human"
"""Score or variable with people's verdicts, unless a judge names another."""

# From this share of unread verdicts on, the judge itself is the problem.
_MANY_UNREAD = 0.05

_FEWEST_LABELS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """How one judge did on one run. Its text form says what to make of it."""

    score: str
    """Name of the score."""
    model: str
    run_id: str | None
    """Run of the judge's calls; `None` when there was nothing to judge."""
    answers: int
    """Answers that are scored or should have been; those of a baseline that others are compared with not counted."""
    scored: int
    unread: int
    """Answers that are not scored because a verdict could not be read."""
    reasons: tuple[tuple[str, int], ...]
    """Why answers are not scored, and how many; the commonest first."""
    calls: int
    """Calls whose answers were used."""
    sent: int
    """Those of them that were sent just now; the others were in the store."""
    cost_usd: float | None
    """USD that the calls cost, whenever they were made; `None` when a price is not known."""
    pairs: JudgeReport | None = None
    """Consistency and position bias; `None` for a judge that grades single answers."""
    agreement: Agreement | None = None
    """With people's labels; `None` when there are none."""
    people: str | None = None
    """Score or variable that the labels are."""
    relatives: tuple[str, ...] = ()
    """Models under test of the judge's own family; the reasons of their scores say so too."""
    ranking: Ranking | None = None
    """Of all arms against each other, where every pair was judged; `None` elsewhere."""

    @property
    def ranks(self) -> pd.DataFrame:
        """One row an arm, the strongest first, where every pair was judged; else empty.

        Index `arm`; columns `strength` (log-odds against an arm of average strength), `low`, `high` (its 95 % interval
        over cases; `<NA>` when it cannot be told), `elo` (the same as a rating around 1,500), `won`, `tied`, `lost`
        (pairs).
        """
        return ranks_table(self.ranking)

    def __str__(self) -> str:
        lines = [self._scored_line(), *self._unscored_lines(), *self._rank_lines(), *self._pair_lines()]
        lines += self._people_lines()
        if self.relatives:
            lines.append(
                f"{self.model} and {', '.join(self.relatives)} are one family, and judges tend to favour their own: "
                "take a judge of another family before you decide by this."
            )
        return "\n".join(for_screen(line, keep_lines=False) for line in [*lines, self._cost_line()])

    def _repr_html_(self) -> str:
        return str(element("div", str(self), style="white-space:pre-wrap"))

    def _scored_line(self) -> str:
        return f"{self.score} by {self.model}: {self.scored:,} of {_answers(self.answers)} scored."

    def _unscored_lines(self) -> list[str]:
        if not self.reasons:
            return []
        told = "; ".join(f"{count:,} ({reason})" for reason, count in self.reasons[:4])
        lines = [f"Not scored: {told}."]
        if self.unread > _MANY_UNREAD * self.answers:
            lines.append(
                f"No usable verdict for {self.unread / self.answers:.0%} of them: take a stronger judge, or read what "
                f"it said: tk.open_run({self.run_id!r}).df['text']."
            )
        return lines

    def _rank_lines(self) -> list[str]:
        found = self.ranking
        if found is None:
            return []
        lines = [f"Ranking of {len(found.arms)} arms by {counted(found.n_preferences, 'pair')} (Bradley-Terry):"]
        lines += [*rank_lines(found), *lent_lines(found)]
        if found.arms[0].interval is not None and not is_first_shown(found):
            lines.append(f"The intervals of the first two overlap: results.compare({self.score!r}) tests the gaps.")
        return lines

    def _pair_lines(self) -> list[str]:
        found = self.pairs
        if found is None or not found.scored:
            return []
        won = "" if self.ranking else f"{found.wins:,} won, {found.losses:,} lost, {found.ties:,} tied; "
        lines = [
            f"{won}{found.consistent:,} of {counted(found.scored, 'pair')} have the same verdict in both orders, the "
            "others count as ties."
        ]
        bias, interval = found.position_bias, found.position_bias_interval
        if bias is None:
            return lines
        line = f"Position bias: the answer in front wins {50 + bias * 100:.1f} % of the time, where 50 % is fair"
        if interval is None:
            return [*lines, f"{line}; there are too few pairs to say how sure that is."]
        low, high = 50 + interval.low * 100, 50 + interval.high * 100
        line += f" ({interval.level * 100:g} % interval {low:.1f} to {high:.1f} %)"
        if interval.low <= 0 <= interval.high:
            return [*lines, f"{line}: none is shown."]
        return [*lines, f"{line}: the judge prefers a place. Both orders were asked, so it hides wins as ties."]

    def _people_lines(self) -> list[str]:
        found = self.agreement
        if found is None or not found.n:
            return []
        told = f"Agrees with {self.people!r} on {found.share:.0%} of {_answers(found.n)}"
        if found.n < _FEWEST_LABELS:
            return [f"{told}; label at least {_FEWEST_LABELS} to see how much of that is chance."]
        if found.kappa is None:
            return [f"{told}; all have one label, so how much of that is chance cannot be told."]
        advice = "" if found.kappa >= 0.6 else " Below 0.6: read where they differ before you decide by this judge."
        alpha = "" if found.alpha is None else f", Krippendorff's alpha {found.alpha:.2f}"
        return [f"{told}, Cohen's kappa {found.kappa:.2f}{alpha} (0 = as by chance, 1 = always).{advice}"]

    def _cost_line(self) -> str:
        if self.run_id is None:
            return "Nothing was asked."
        cost = "an unknown sum" if self.cost_usd is None else f"${self.cost_usd:.4g}"
        return (
            f"Judging cost {cost} for {counted(self.calls, 'call')}, {self.sent:,} of them sent now; the run's own "
            f"cost is apart. The calls are the run {self.run_id!r}."
        )


def people_labels(view: RunView, judge: Judge | PairJudge) -> tuple[str | None, dict[str, float]]:
    """Returns the name of people's labels for a judge's score, and the labels by trial id on the judge's scale.

    They are a score of that name, else a variable of that name; labels outside the scale are left out.
    """
    name = judge.people or PEOPLE
    labels: dict[str, float] = {}
    for trial in view.trials:
        own = [score.value for score in view.scores.get(trial.trial_id, ()) if score.name == name and score.is_scored]
        if own:
            labels[trial.trial_id] = own[0]
        elif name in trial.case.variables:
            value = judge.scale.value_of(trial.case.variables[name])
            if value is not None:
                labels[trial.trial_id] = value
    return (name if labels or judge.people else None), labels


def agreement_of(values: Mapping[str, float | None], labels: Mapping[str, float]) -> Agreement | None:
    """Returns how far a judge's scores agree with people's labels, by trial id; `None` without labels."""
    if not labels:
        return None
    both = [trial_id for trial_id in values if trial_id in labels]
    # Every scale of a judge has an order, which alpha minds and kappa does not.
    return judge_agreement(
        [values[trial_id] for trial_id in both], [labels[trial_id] for trial_id in both], scale="ordinal"
    )


def counted_reasons(explanations: Sequence[str | None]) -> tuple[tuple[str, int], ...]:
    """Returns why scores are missing, shortened to what they have in common, and how many of each."""
    known = Counter(
        UNREAD if (each or "").startswith(UNREAD) else (each or "for no stated reason") for each in explanations
    )
    return tuple(known.most_common())


def _answers(n: int) -> str:
    return f"{n:,} answer" if n == 1 else f"{n:,} answers"
