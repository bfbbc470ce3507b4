"""Measures how often intervals miss and tests raise false alarms: `python -m tests.stats.simulate` prints the tables.

Where the cases can be counted out, they are; the rest is seeded simulation, and each table says how many runs.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.stats

from toolkit.stats import (
    Interval,
    Preference,
    bonett_price,
    clopper_pearson,
    compare_medians,
    confidence_sequence,
    e_value,
    holm,
    mcnemar,
    mean_interval,
    rank_arms,
    sign_flip_p,
    standing,
    wilson,
    win_share_interval,
)

# Missing the truth in either direction, for 95 % intervals.
ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A table of measured figures."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]

    def lines(self) -> Iterator[str]:
        """The table in Markdown."""
        yield f"| {' | '.join(self.head)} |"
        yield f"|{'---|' * len(self.head)}"
        for row in self.rows:
            yield f"| {' | '.join(cell if isinstance(cell, str) else f'{cell:.3f}' for cell in row)} |"


def holds(interval: Interval | None, truth: float) -> bool:
    """True when the interval holds the truth; one that cannot be told holds everything."""
    return interval is None or interval.low <= truth <= interval.high


def shares() -> Figures:
    """Coverage of one share's interval, counted out over 97 true shares from .02 to .98."""
    rows = []
    truths = np.linspace(0.02, 0.98, 97)
    for n in (5, 10, 20, 50, 100):
        chance = scipy.stats.binom.pmf(np.arange(n + 1)[:, None], n, truths)
        row: list[str | float] = [str(n)]
        for made in (wilson, clopper_pearson):
            inside = [[holds(interval, truth) for truth in truths] for interval in (made(k, n) for k in range(n + 1))]
            coverage = np.sum(chance * np.array(inside), axis=0)
            row += [float(coverage.mean()), float(coverage.min())]
        rows.append(tuple(row))
    head = ("cases", "Wilson, mean", "Wilson, least", "Clopper-Pearson, mean", "Clopper-Pearson, least")
    return Figures(title="One share", head=head, rows=tuple(rows))


def paired_shares() -> Figures:
    """Coverage of the interval and false alarms of the tests of paired zeros and ones, counted out."""
    rows = []
    for n in (20, 50, 100, 200):
        covered = {True: 0.0, False: 0.0}
        for up, down in ((0.2, 0.1), (0.1, 0.1)):
            for wins, losses, chance in _pairs(n, up, down):
                covered[up == down] += chance * holds(bonett_price(wins, losses, n), up - down)
        most_mid = most_exact = 0.0
        for share in (0.02, 0.05, 0.1, 0.2, 0.4):
            mid = exact = 0.0
            for wins, losses, chance in _pairs(n, share, share):
                p_exact, p_mid = _mcnemar(wins, losses)
                exact, mid = exact + chance * (p_exact <= ALPHA), mid + chance * (p_mid <= ALPHA)
            most_mid, most_exact = max(most_mid, mid), max(most_exact, exact)
        rows.append((str(n), covered[False], covered[True], most_mid, most_exact))
    head = ("cases", "Bonett-Price, .2 and .1", "Bonett-Price, .1 and .1", "mid-p, most alarms", "exact, most alarms")
    return Figures(title="Paired zeros and ones", head=head, rows=tuple(rows))


def means(runs: int = 2_000) -> Figures:
    """Coverage of the t interval and false alarms of sign flips for differences of scores with three repeats."""
    rows = []
    generator = np.random.default_rng(1)
    for n in (5, 10, 20, 30, 100):
        held = skewed = alarms = 0
        for run in range(runs):
            ease = generator.beta(1, 1, size=n)
            difference = (generator.binomial(3, ease) - generator.binomial(3, ease)) / 3
            held += holds(mean_interval(difference), 0.0)
            alarms += sign_flip_p(difference, seed=run) <= ALPHA
            skewed += holds(mean_interval(generator.lognormal(size=n)), math.exp(0.5))
        rows.append((str(n), held / runs, alarms / runs, skewed / runs))
    head = ("cases", "t, graded differences", "sign flips, false alarms", "t, log-normal values")
    return Figures(title=f"Means ({runs:,} runs)", head=head, rows=tuple(rows))


def clustered(runs: int = 2_000) -> Figures:
    """Coverage with clusters of 1 to 9 cases that share a third of their variance, with and without minding them."""
    rows = []
    generator = np.random.default_rng(2)
    for g in (5, 10, 20, 40):
        minded = ignored = alarms = 0
        for run in range(runs):
            names = np.repeat(np.arange(g), generator.integers(1, 10, size=g))
            values = generator.normal(size=g)[names] * math.sqrt(1 / 3)
            values = values + generator.normal(size=len(names)) * math.sqrt(2 / 3)
            minded += holds(mean_interval(values, clusters=names.tolist()), 0.0)
            ignored += holds(mean_interval(values), 0.0)
            alarms += sign_flip_p(np.bincount(names, weights=values), seed=run) <= ALPHA
        rows.append((str(g), minded / runs, ignored / runs, alarms / runs))
    head = ("clusters", "t, clustered (CR1)", "t, clusters ignored", "cluster sign flips, false alarms")
    return Figures(title=f"Clusters ({runs:,} runs)", head=head, rows=tuple(rows))


def medians(runs: int = 1_000, draws: int = 1_999) -> Figures:
    """Coverage of the ratio of medians of paired log-normal seconds."""
    rows = []
    generator = np.random.default_rng(3)
    for n in (10, 20, 50, 200):
        held = fallback = 0
        for run in range(runs):
            case = generator.normal(size=n) * 0.4
            a, b = (np.exp(case + generator.normal(shift, 0.4, size=n)) for shift in (math.log(0.7), 0.0))
            found = compare_medians(a, b, draws=draws, seed=run)
            held += holds(found.interval, 0.7)
            fallback += found.method != "bca"
        rows.append((str(n), held / runs, fallback / runs))
    head = ("cases", "bootstrap, ratio of medians", "without BCa")
    return Figures(title=f"Ratios of medians ({runs:,} runs, {draws:,} draws)", head=head, rows=tuple(rows))


def families(runs: int = 4_000) -> Figures:
    """Chance of at least one false alarm when several arms, all as good as the baseline, are compared with it."""
    rows = []
    generator = np.random.default_rng(4)
    for arms in (1, 3, 9):
        plain = corrected = 0
        for _ in range(runs):
            ease = generator.beta(2, 2, size=100)
            right = generator.random((arms + 1, 100)) < ease
            p_values = [_mcnemar(int(np.sum(a & ~right[0])), int(np.sum(right[0] & ~a)))[1] for a in right[1:]]
            plain += min(p_values) <= ALPHA
            corrected += min(p for p in holm(p_values) if p is not None) <= ALPHA
        rows.append((str(arms), plain / runs, corrected / runs))
    head = ("arms beside the baseline", "uncorrected", "Holm")
    return Figures(title=f"False alarms in a family ({runs:,} runs, 100 cases)", head=head, rows=tuple(rows))


def early_stopping(runs: int = 2_000) -> Figures:
    """What the e-process finds and saves when it is looked at after every case, beside a fixed number of cases."""
    rows: list[tuple[str | float, ...]] = []
    generator = np.random.default_rng(5)
    for n, up, down in (
        (200, 0.15, 0.15),
        (200, 0.20, 0.10),
        (200, 0.27, 0.07),
        (500, 0.20, 0.10),
        (500, 0.27, 0.07),
        (1000, 0.20, 0.10),
        (1000, 0.27, 0.07),
    ):
        stopped = used = fixed = 0
        for _ in range(runs):
            drawn = generator.random(n)
            wins, losses = np.cumsum(drawn < up), np.cumsum((drawn >= up) & (drawn < up + down))
            # The evidence changes only on cases where the arms differ.
            moves = np.flatnonzero(drawn < up + down)
            at = next((t for t in moves if _e_value(int(wins[t]), int(losses[t])) >= 1 / ALPHA), None)
            stopped += at is not None
            used += n if at is None else int(at) + 1
            fixed += _mcnemar(int(wins[-1]), int(losses[-1]))[0] <= ALPHA
        rows.append((f"{n}", f"{up:g} / {down:g}", stopped / runs, used / runs / n, fixed / runs))
    head = ("cases", "wins / losses", "decided early", "cases used, share", "exact McNemar on all cases")
    return Figures(title=f"Early stopping ({runs:,} runs)", head=head, rows=tuple(rows))


def at_every_look(runs: int = 1_000) -> Figures:
    """How often an interval that is looked at after each of 200 cases ever misses; the ordinary one beside it."""
    generator = np.random.default_rng(6)
    rows = []
    for name, low, high, draw in (
        ("zeros and ones, .3", 0.0, 1.0, lambda: (np.arange(200) < 60).astype(float)),
        ("scores around .8", 0.0, 1.0, lambda: np.round(generator.beta(8, 2, size=200), 1)),
        ("differences around .1", -1.0, 1.0, lambda: np.round(generator.normal(0.1, 0.3, size=200).clip(-1, 1), 1)),
    ):
        missed = naive = 0
        widths = np.zeros(3)
        for _ in range(runs):
            values = generator.permutation(draw())
            path = confidence_sequence(values, population=200, lowest=low, highest=high)
            missed += any(not holds(one, float(values.mean())) for one in path)
            widths += [path[t - 1].high - path[t - 1].low for t in (50, 100, 150)]
            naive += any(not holds(mean_interval(values[:t]), float(values.mean())) for t in range(5, 200, 5))
        rows.append((name, missed / runs, naive / runs, *(float(width) for width in widths / runs)))
    head = ("values", "ever missed", "t, every 5 cases", "width at 50", "width at 100", "width at 150")
    return Figures(title=f"Looking after every case ({runs:,} runs)", head=head, rows=tuple(rows))


def win_shares(runs: int = 2_000) -> Figures:
    """How often the interval of the share of wins ever misses within 500 cases on which the arms differ."""
    generator = np.random.default_rng(7)
    rows = []
    for truth in (0.5, 0.7, 0.9):
        missed = 0
        for _ in range(runs):
            wins = np.cumsum(generator.random(500) < truth)
            bars = scipy.special.betaln(wins + 1, np.arange(1, 501) - wins + 1) + math.log(ALPHA)
            likely = wins * math.log(truth) + (np.arange(1, 501) - wins) * math.log1p(-truth)
            suspect = np.flatnonzero(likely <= bars + 1e-9)
            missed += any(not holds(win_share_interval(int(wins[t]), int(t + 1 - wins[t])), truth) for t in suspect)
        rows.append((f"{truth:g}", missed / runs))
    return Figures(title=f"Share of wins ({runs:,} runs)", head=("true share", "ever missed"), rows=tuple(rows))


def margins(runs: int = 4_000) -> Figures:
    """How often an arm passes as not worse by more than .05: at exactly that loss, and at none."""
    generator = np.random.default_rng(8)
    rows = []
    for n in (100, 300, 1000):
        passed = []
        for up, down in ((0.10, 0.15), (0.10, 0.10)):
            drawn = generator.multinomial(n, [up, down, 1 - up - down], size=runs)
            intervals = [bonett_price(int(wins), int(losses), n) for wins, losses, _ in drawn]
            passed.append(sum(standing(one, margin=0.05) == "not worse" for one in intervals) / runs)
        rows.append((str(n), *passed))
    head = ("cases", "passes, worse by the margin", "passes, equally good")
    return Figures(title=f"Not worse by more than .05 ({runs:,} runs)", head=head, rows=tuple(rows))


def rankings(runs: int = 400, draws: int = 399) -> Figures:
    """Coverage of Bradley-Terry strengths of four arms, every pair judged in each case."""
    generator = np.random.default_rng(9)
    truth = dict(zip("abcd", (0.6, 0.2, -0.2, -0.6), strict=True))
    rows = []
    for cases in (20, 60):
        held = 0
        for run in range(runs):
            votes = []
            for case in range(cases):
                for i, j in (("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")):
                    chance = 1 / (1 + math.exp(truth[j] - truth[i]))
                    votes.append(Preference(case=case, first=i, second=j, score=float(generator.random() < chance)))
            found = rank_arms(votes, draws=draws, seed=run)
            held += sum(holds(arm.interval, truth[arm.arm]) for arm in found.arms)
        rows.append((str(cases), held / runs / len(truth)))
    head = ("cases", "bootstrap, log-strength")
    return Figures(title=f"Bradley-Terry ({runs:,} runs, {draws:,} draws)", head=head, rows=tuple(rows))


ALL: tuple[Callable[[], Figures], ...] = (
    shares,
    paired_shares,
    means,
    clustered,
    medians,
    families,
    early_stopping,
    at_every_look,
    win_shares,
    margins,
    rankings,
)


def _pairs(n: int, up: float, down: float) -> Iterator[tuple[int, int, float]]:
    """Every number of wins and losses that is not next to impossible, with its chance."""
    for wins in range(n + 1):
        first = scipy.stats.binom.pmf(wins, n, up)
        if first > 1e-12:
            rest = scipy.stats.binom.pmf(np.arange(n - wins + 1), n - wins, down / (1 - up))
            for losses in np.flatnonzero(rest > 1e-12):
                yield wins, int(losses), float(first * rest[losses])


_mcnemar = functools.cache(mcnemar)
_e_value = functools.cache(e_value)

if __name__ == "__main__":
    for measure in ALL:
        figures = measure()
        sys.stdout.write("\n".join([f"### {figures.title}", "", *figures.lines(), "", ""]))
        sys.stdout.flush()
