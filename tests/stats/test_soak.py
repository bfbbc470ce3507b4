"""Intervals hold the truth as often as they say, tests raise no more false alarms: simulated, with docs kept honest."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import pytest

from tests.stats import simulate
from tests.stats.simulate import Figures

DOCUMENT = Path(__file__).parents[2] / "docs" / "statistics.md"

pytestmark = pytest.mark.soak


@functools.cache
def measured(name: str) -> Figures:
    """The figures of one simulation, made once."""
    figures: Figures = getattr(simulate, name)()
    return figures


def column(name: str, head: str) -> list[float]:
    figures = measured(name)
    place = figures.head.index(head)
    return [float(row[place]) for row in figures.rows]


def chance_of(rate: float, runs: int) -> float:
    """Four standard errors of a rate seen in so many runs."""
    return 4 * math.sqrt(rate * (1 - rate) / runs)


def test_wilson_holds_on_average():
    """Wilson's interval holds the share 95 times in 100, averaged over the shares, and never less than 85."""
    assert column("shares", "Wilson, mean") == [pytest.approx(0.95, abs=0.01)] * 5
    assert min(column("shares", "Wilson, least")) > 0.85


def test_clopper_pearson_never_falls_short():
    """Clopper and Pearson's interval holds every share at least 95 times in 100."""
    assert min(column("shares", "Clopper-Pearson, least")) >= 0.95


def test_bonett_price_holds():
    """Bonett and Price's interval holds the difference at least 95 times in 100, from 20 pairs on."""
    for head in ("Bonett-Price, .2 and .1", "Bonett-Price, .1 and .1"):
        assert min(column("paired_shares", head)) >= 0.95


@pytest.mark.parametrize("head", ["mid-p, most alarms", "exact, most alarms"])
def test_mcnemar_raises_no_more_false_alarms(head):
    """McNemar's tests at 5 % raise 5 false alarms in 100; the mid-p at most a tenth of one more."""
    assert max(column("paired_shares", head)) <= (0.05 if head.startswith("exact") else 0.051)


def test_t_holds_for_graded_scores():
    """The t interval of graded differences holds the truth 95 times in 100, from five cases on."""
    assert min(column("means", "t, graded differences")) >= 0.95 - chance_of(0.95, 2_000)


def test_t_falls_short_for_skewed_values():
    """The t interval of a few very skewed values holds less often than it says: about 82 times in 100 at 5."""
    assert column("means", "t, log-normal values")[0] == pytest.approx(0.82, abs=0.04)


@pytest.mark.parametrize(
    ("name", "head"), [("means", "sign flips, false alarms"), ("clustered", "cluster sign flips, false alarms")]
)
def test_sign_flips_raise_no_more_false_alarms(name, head):
    """Sign flips at 5 % raise at most 5 false alarms in 100, with clusters and without."""
    assert max(column(name, head)) <= 0.05 + chance_of(0.05, 2_000)


def test_clusters_are_minded():
    """The clustered interval holds at least 90 times in 100 with 5 clusters; one that ignores them not 80."""
    assert min(column("clustered", "t, clustered (CR1)")) >= 0.90
    assert max(column("clustered", "t, clusters ignored")) < 0.80


def test_ratio_of_medians_holds():
    """The interval of a ratio of medians holds 90 times in 100 at 10 cases, and 93 from 20 on."""
    found = column("medians", "bootstrap, ratio of medians")
    assert found[0] >= 0.88
    assert min(found[1:]) >= 0.95 - chance_of(0.95, 1_000)


def test_holm_keeps_a_family():
    """Nine arms as good as the baseline make one false alarm or more in at most 5 families of 100."""
    assert max(column("families", "Holm")) <= 0.05 + chance_of(0.05, 4_000)
    assert column("families", "uncorrected")[-1] > 0.15


def test_early_stopping_raises_no_more_false_alarms():
    """Looking after every case, the e-process stops for nothing in at most 5 runs of 100."""
    assert column("early_stopping", "decided early")[0] <= 0.05


@pytest.mark.parametrize(
    ("head", "others"),
    [
        ("decided early", [0.028, 0.44, 0.99, 0.88, 1.00, 1.00, 1.00]),
        ("cases used, share", [0.98, 0.80, 0.35, 0.50, 0.14, 0.27, 0.07]),
        ("exact McNemar on all cases", [0.039, 0.71, 1.00, 0.98, 1.00, 1.00, 1.00]),
    ],
)
def test_early_stopping_saves_and_costs(head, others):
    """What early stopping decides and saves is what another program found in 2,000 runs of its own."""
    for ours, theirs in zip(column("early_stopping", head), others, strict=True):
        # Both are rounded or random: two sets of runs, and half a unit of the last digit shown.
        assert ours == pytest.approx(theirs, abs=0.006 + math.sqrt(2) * chance_of(theirs, 2_000))


def test_interval_holds_at_every_look():
    """The betting interval ever misses in at most 5 runs of 100; the ordinary one in more than 10."""
    assert max(column("at_every_look", "ever missed")) <= 0.05
    assert min(column("at_every_look", "t, every 5 cases")) > 0.10


def test_share_of_wins_holds_at_every_look():
    """The interval of the share of wins ever misses within 500 cases in at most 5 runs of 100."""
    assert max(column("win_shares", "ever missed")) <= 0.05 + chance_of(0.05, 2_000)


def test_worse_arms_rarely_pass():
    """An arm that is worse by just the margin passes in about 2.5 runs of 100."""
    assert max(column("margins", "passes, worse by the margin")) <= 0.025 + chance_of(0.025, 4_000)


def test_strengths_hold():
    """The interval of a strength holds at least 90 times in 100."""
    assert min(column("rankings", "bootstrap, log-strength")) >= 0.90


@pytest.mark.parametrize("measure", simulate.ALL, ids=lambda measure: measure.__name__)
def test_document_has_the_figures(measure):
    """docs/statistics.md shows each table as it is measured, give or take .02."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    head, rule, *rows = measured(measure.__name__).lines()
    place = lines.index(head)
    assert lines[place + 1] == rule
    for shown, made in zip(lines[place + 2 :], rows, strict=False):
        for ours, theirs in zip(shown.strip("|").split("|"), made.strip("|").split("|"), strict=True):
            try:
                assert float(ours) == pytest.approx(float(theirs), abs=0.02)
            except ValueError:
                assert ours == theirs
