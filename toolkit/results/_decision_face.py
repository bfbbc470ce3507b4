"""How results help to decide: comparison, the cheapest arm that will do, where differences come from, steadiness."""

from __future__ import annotations

from toolkit._records import RunView
from toolkit.results._cheapest import cheapest_arm
from toolkit.results._compare import compare_arms, compare_table
from toolkit.results._finding import CheapestFinding, Finding
from toolkit.results._outlook import outlook_finding
from toolkit.results._pandas import pd
from toolkit.results._ratios import compare_ratios, is_measure, ratio_table
from toolkit.results._stability import stability_finding
from toolkit.results._variance import variance_finding


class DecisionFace:
    """The part of `Results` that weighs arms against each other."""

    _view: RunView

    def compare(
        self, score: str | None = None, baseline: str | int | None = None, *, level: float = 0.95
    ) -> pd.DataFrame:
        """Returns one row for each other arm: paired case by case with the baseline, in numbers and in a sentence.

        `latency_s` and `cost_usd` are compared too, by the ratio of the medians over the same cases: `ratio`, `low`,
        `high` in place of `delta` and p. A score of that name goes first.

        Args:
            score: Name of a score, `latency_s` or `cost_usd`; `None` = the first score.
            baseline: Label or index of an arm; `None` = the one the run was planned with.
            level: Confidence level of the interval; 1 - `level` is the error rate of the verdict over all rows.

        Raises:
            UsageError: If nothing is scored, or there is no such score or arm.

        Example:
            >>> results.compare("latency_s").loc["reply@8", "verdict"]    # doctest: +SKIP
            'reply@8 is 1.4 times as slow as reply@7 [1.2, 1.7] on 120 cases. Next: results.compare() tells whether ...'
        """
        if score is not None and is_measure(self._view, score):
            return ratio_table(compare_ratios(self._view, score, baseline=baseline, level=level))
        return compare_table(compare_arms(self._view, score=score, baseline=baseline, level=level))

    def cheapest(
        self, margin: float = 0.02, *, score: str | None = None, baseline: str | int | None = None
    ) -> CheapestFinding:
        """Returns the cheapest arm that is shown to be not worse than the baseline by more than `margin`.

        Say the margin before you look. The intervals are widened for the number of arms, so that the arm taken is worse
        by more than the margin in at most 2.5 runs of 100. An arm of unknown cost is never taken.

        Its `df` has one row an arm, cheapest first: `cost_usd_mean` (USD an answer), `mean`, `gain` (mean difference in
        favour of the arm on the cases that both have), `low`, `high`, `cases`, `standing` (`baseline`, `not worse`,
        `worse`, `undecided`), `chosen`.

        Args:
            margin: The loss that you would accept, above 0, in the score's unit: 0.02 = two points of a share.
            score: Name of a score; `None` = the first.
            baseline: Label or index of an arm; `None` = the one the run was planned with.

        Raises:
            UsageError: If the margin is not above 0, nothing is scored, or there is one arm, or no such score or arm.

        Example:
            >>> results.cheapest(margin=0.05).arm    # doctest: +SKIP
            'reply@8 · gpt-4o-mini'
        """
        return cheapest_arm(self._view, margin=margin, score=score, baseline=baseline)

    def outlook(
        self,
        score: str | None = None,
        baseline: str | int | None = None,
        *,
        gap: float | None = None,
        more: int | None = None,
        repeats: int | None = None,
    ) -> Finding:
        """Returns what would settle each comparison: how many more cases, what they cost, the chance that some more do.

        Judged by this run as a pilot: the spread between cases and between repeats is its own. A gap that was seen by
        chance is too large on average, so say with `gap` which one would matter to you.

        Its `df` has one row for each other arm: `cases` (scored in both), `seen` (mean difference), `gap` (the one to
        be seen), `repeats`, `cases_needed` (in all, for four chances in five), `more_cases` (beyond these), `trials`
        (of the two arms, still to send), `cost_usd` (USD, by what their answers cost here), `added`, `chance` (to see
        the gap with `added` more cases), `between_cases` and `between_repeats` (variances).

        Args:
            score: Name of a score; `None` = the first.
            baseline: Label or index of an arm; `None` = the one the run was planned with.
            gap: The difference that should be seen, in the score's unit: 0.05 = five points; `None` = the one seen.
            more: Cases to add, for `chance`; `None` = as many again.
            repeats: Repeats a case to plan for; `None` = as many as here. More are credited only if there were some.

        Raises:
            UsageError: If nothing is scored, there is no such score or arm or no other arm, or a number makes no sense.

        Example:
            >>> results.outlook(gap=0.05).df["more_cases"]    # doctest: +SKIP
        """
        return outlook_finding(self._view, score=score, baseline=baseline, gap=gap, more=more, repeats=repeats)

    def variance(self, score: str | None = None) -> Finding:
        """Returns how much of a score's spread comes from prompt, model, params, case, their interplay, and chance.

        A grid with holes has its arms as one factor. The shares are rough with two or three prompts or models: they
        say where to look and prove nothing.

        Its `df` has one row a part, largest first: `variance` (of a single trial), `sd`, `share`, `meaning`.

        Args:
            score: Name of a score; `None` = the first.

        Raises:
            UsageError: If nothing is scored, there is no such score, or too little is scored to divide its spread.
        """
        return variance_finding(self._view, score=score)

    def stability(self, score: str | None = None) -> Finding:
        """Returns, for each arm, how often two repeats of one trial give the same answer and the same score.

        Its `df` has one row an arm: `cases` (with two answers or more), `same_exact`, `same_normalised` (but for case,
        white space and closing punctuation), `same_json` and `same_numeric` (of answers that are JSON, or have a
        number; `<NA>` without such), each the chance that two repeats agree; and where there is a score `flip_rate`
        (the chance that two repeats score differently), `flip_low`, `flip_high` (its 95 % interval over cases) and
        `flipped_cases`.

        Args:
            score: Name of a score; `None` = the first, where there is one.

        Raises:
            UsageError: If no case was repeated, or there is no such score.
        """
        return stability_finding(self._view, score=score)
