"""Judges of all pairs, and judges of the family under test, over real HTTP."""

from __future__ import annotations

import pandas as pd
import pytest

import toolkit as tk
from toolkit.errors import UsageError

ALL = ["fake:greet@1", "fake:greet@2", "fake:greet@3"]
"""An answer as it is, with `Well: ` before it, with `!` behind it: the shortest, the longest, and one between."""


@pytest.fixture
def server(judge_server):
    """The scripted judge."""
    return judge_server


@pytest.fixture
def engine(make_judged_engine):
    """An engine on which `fake/x` says what the variable `answer` is."""
    return make_judged_engine()


def answered(engine, n=4, prompts=ALL, **options):
    """A run of so many answers of different texts on each prompt."""
    rows = [{"answer": f"red {place}"} for place in range(n)]
    return tk.sweep(prompts, "fake/x", rows, progress="off", engine=engine, **options)


def test_every_arm_meets_every_other(engine, server):
    """With all pairs, three arms make six calls a case; a score is the share of its pairs that an answer won."""
    results = answered(engine).score(tk.judge_pairs("Longer.", model="openai/longer", pairs="all"))
    assert results.wide("score.judge_pairs").to_numpy().tolist() == [[0.0, 1.0, 0.5]] * 4
    assert len(server.requests()) == 4 * 6
    assert results.df["reason.judge_pairs"][0] == "won 0, tied 0, lost 2 of 2 pairs"


def test_all_pairs_are_ranked(engine, capsys):
    """All pairs give a ranking by Bradley-Terry with intervals, in the printed report and as a table."""
    results = answered(engine).score(tk.judge_pairs("Longer.", model="openai/longer", pairs="all"))
    ranks = results.judging["judge_pairs"].ranks
    assert ranks.index.tolist() == ["greet@2", "greet@3", "greet@1"]
    assert ranks[["won", "tied", "lost"]].to_numpy().tolist() == [[8, 0, 0], [4, 0, 4], [0, 0, 8]]
    assert (ranks["low"] <= ranks["strength"]).all()
    assert (ranks["strength"] <= ranks["high"]).all()
    told = capsys.readouterr().out
    assert "Ranking of 3 arms by 12 pairs (Bradley-Terry):" in told
    assert "1. greet@2: strength +" in told
    assert "some arms never lost or never won" in told


def test_two_arms_that_tie_have_one_strength(engine):
    """A judge that always names the first answer makes ties, and arms of the same strength."""
    results = answered(engine, prompts=ALL[:2])
    results.score(tk.judge_pairs("Any.", model="openai/first", pairs="all"))
    ranks = results.judging["judge_pairs"].ranks
    assert ranks["strength"].tolist() == [0.0, 0.0]
    assert ranks["tied"].tolist() == [4, 4]


def test_all_pairs_twice_send_nothing(engine, server):
    """All pairs judged once more are answered by the store, and so are those that were judged against the baseline."""
    results = answered(engine).score(tk.judge_pairs("Longer.", model="openai/longer"))
    assert len(server.requests()) == 4 * 4
    for _ in range(2):
        results.score(tk.judge_pairs("Longer.", model="openai/longer", pairs="all", name="all"))
    assert len(server.requests()) == 4 * 6


def test_equal_answers_tie_without_a_judge(make_judged_engine, server):
    """Answers that are the same word for word are a tie in all pairs too, and no judge is asked about them."""
    engine = make_judged_engine(answer=lambda request: "same")
    results = answered(engine, n=1).score(tk.judge_pairs("Longer.", model="openai/longer", pairs="all"))
    assert results.df["score.judge_pairs"].tolist() == [0.5] * 3
    assert server.requests() == []


def test_a_pair_without_a_verdict_counts_for_neither(engine):
    """Pairs of which no verdict can be read are left out, and an answer without any other is not scored."""
    results = answered(engine, n=1).score(tk.judge_pairs("Any.", model="openai/outside", pairs="all"))
    assert results.df["score.judge_pairs"].isna().all()
    assert results.df["reason.judge_pairs"].str.startswith("the judge's verdict cannot be read").all()
    assert results.judging["judge_pairs"].ranks.empty


def test_all_pairs_have_no_baseline():
    """A baseline and all pairs together are refused, and so is a word that is neither."""
    with pytest.raises(UsageError, match="has no baseline"):
        tk.judge_pairs("Longer.", model="openai/longer", pairs="all", baseline="greet@1")
    with pytest.raises(UsageError, match="'baseline' or 'all'"):
        tk.judge_pairs("Longer.", model="openai/longer", pairs="every")


def test_one_chosen_arm_is_the_other_side(engine):
    """A label as `baseline` has every answer compared with that arm's."""
    results = answered(engine).score(tk.judge_pairs("Longer.", model="openai/longer", baseline="greet@3"))
    assert results.wide("score.judge_pairs").to_numpy().tolist() == [[0.0, 1.0, 0.5]] * 4


def test_a_judge_of_the_family_says_so_in_the_frame(engine):
    """Scores of models of the judge's own family say so in their reason, those of others do not."""
    rows = [{"answer": "blue"}]
    results = tk.sweep(
        "fake:greet@1", ["fake/gpt-4o-mini", "fake/claude-sonnet"], rows, progress="off", engine=engine
    ).score(tk.judge("Blue.", model="openai/gpt-4o"))
    reasons = dict(zip(results.df["model"], results.df["reason.judge"], strict=True))
    assert reasons["fake/gpt-4o-mini"] == "As told. (judged by a model of its own family)"
    assert reasons["fake/claude-sonnet"] == "As told."
    assert results.judging["judge"].relatives == ("fake/gpt-4o-mini",)
    assert "openai/gpt-4o and fake/gpt-4o-mini are one family" in str(results.judging["judge"])


def test_an_own_price_lets_a_judge_have_a_budget(engine):
    """`prices` of a judge give its model a price that the table does not have."""
    prices = {"openai/strict": {"input": 1.0, "output": 2.0}}
    results = answered(engine, n=1, prompts=ALL[0])
    results.score(tk.judge("Blue.", model="openai/strict", budget_usd=1.0, prices=prices, params={"max_tokens": 50}))
    assert pd.notna(results.df["score.judge"][0])
    assert results.judging["judge"].cost_usd > 0


def test_alpha_stands_beside_kappa(engine):
    """With 30 labels or more, agreement with people is told by Krippendorff's alpha too, which minds the order."""
    rows = [{"answer": f"{'blue' if n % 2 else 'red'} {n}", "human": 5 if n % 2 else 1} for n in range(40)]
    rows[0]["human"] = 2
    results = tk.sweep("fake:greet@1", "fake/x", rows, progress="off", engine=engine)
    results.score(tk.judge("Blue.", model="openai/strict"))
    told = str(results.judging["judge"])
    assert "Cohen's kappa 0.95, Krippendorff's alpha 0.99" in told
    assert results.judging["judge"].agreement.alpha > 0.95
