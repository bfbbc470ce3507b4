"""A sweep that stops early: what is not needed any more is a row, is not paid for, and can be sent later."""

from __future__ import annotations

import pytest

import toolkit as tk
from tests.builders import make_prompt
from toolkit import _sync
from toolkit.errors import ProviderError, UsageError
from toolkit.results import looks
from toolkit.sweep._early import Early
from toolkit.testing import FakeProvider

PROMPTS = tuple(make_prompt(f"{letter} {{{{word}}}}.", version=str(n)) for n, letter in enumerate("ABC", start=1))
CASES = [{"word": f"w{n:02}", "expected": "yes"} for n in range(60)]


def answering(**right):
    """A provider that answers rightly for the prompts named, for all words or for those given."""

    def answer(request):
        letter, word = request.messages[0].content.rstrip(".").split(" ")
        words = right.get(letter, ())
        return "yes" if words is True or word in words else "no"

    return FakeProvider(answer)


@pytest.fixture
def run(make_engine):
    """Sweeps versions of a prompt over the cases, one call at a time."""

    def made(provider, versions=(1, 2), variables=CASES, **options):
        engine = make_engine(provider, prompts=PROMPTS)
        prompts = [f"fake:greet@{version}" for version in versions]
        options = {"concurrency": 1, "stop_early": tk.exact()} | options
        return tk.sweep(prompts, "fake/x", variables, progress="off", engine=engine, **options)

    return made


def statuses(results, version):
    """How often each status came, in one arm."""
    frame = results.df
    return frame.loc[frame["prompt_version"] == version, "status"].value_counts().to_dict()


def test_a_decided_comparison_ends_the_sweep(run):
    """An arm that wins every case is settled at the eighth; what is left of both is rows, and is not sent."""
    provider = answering(B=True)
    results = run(provider)
    # The answer to the sixteenth is looked at while the seventeenth may be on its way.
    assert len(provider.requests) in (16, 17)
    assert len(results.df) == 120
    assert sum(results.df["status"] == "stopped_early") == 120 - len(provider.requests)
    assert results.audit().ok


def test_a_row_left_out_says_why(run):
    """A row that is not needed says after how many cases which arm was better, by which scorer, and how to send it."""
    frame = run(answering(B=True)).df
    left = frame[(frame["prompt_version"] == "2") & (frame["status"] == "stopped_early")]
    assert set(left["failure"]) == {"stopped_early"}
    assert set(left["message"]) == {
        "Not sent: after 8 of 60 cases greet@2 is better than greet@1 on exact. "
        "The same sweep without `stop_early` sends it."
    }


def test_left_out_is_no_failure(run):
    """Trials that were left out are not among the failures, and raise nothing."""
    results = run(answering(B=True))
    assert results.failures.empty
    results.raise_for_failures()


def test_the_same_sweep_without_it_sends_the_rest(run):
    """Without `stop_early` the same sweep sends what was left out, and nothing twice."""
    provider = answering(B=True)
    first = run(provider)
    results = run(provider, stop_early=None)
    assert results.run_id == first.run_id
    assert len(provider.requests) == len({request.key for request in provider.requests}) == 120
    assert set(results.df["status"]) == {"ok"}


def test_the_same_sweep_with_it_sends_nothing(run):
    """What the store holds settles the comparison before anything is sent."""
    provider = answering(B=True)
    before = run(provider).df
    sent = len(provider.requests)
    assert run(provider).df["status"].tolist() == before["status"].tolist()
    assert len(provider.requests) == sent


def test_resume_may_stop_early_too(run, make_engine):
    """A run that is resumed sends the rest, unless `stop_early` is given there as well."""
    provider = answering(B=True)
    run_id, sent = run(provider).run_id, len(provider.requests)
    engine = make_engine(provider, prompts=PROMPTS)
    tk.resume(run_id, stop_early="exact", engine=engine, progress="off")
    assert len(provider.requests) == sent
    tk.resume(run_id, engine=engine, progress="off")
    assert len(provider.requests) == 120


def test_only_the_settled_arm_ends(run):
    """While another comparison is open, the baseline goes on; nine wins settle one of two comparisons."""
    results = run(answering(B=True), versions=(1, 2, 3))
    assert statuses(results, "2")["ok"] in (9, 10)
    assert statuses(results, "1")["ok"] == statuses(results, "3")["ok"] == 60


def test_curtailed_when_the_rest_cannot_turn_the_order(run):
    """With six wins of ten cases nothing is shown, and the last are not sent: they cannot change who is ahead."""
    results = run(answering(B=True), variables=CASES[:10])
    assert statuses(results, "2")["ok"] in (6, 7)
    (sentence,) = results.compare()["verdict"]
    assert sentence.startswith(
        "Stopped after 6 of 10 cases: greet@2 is ahead of greet@1 on exact, and the rest of these"
    )


def test_a_failed_row_decides_nothing(run):
    """Failures of an arm are no losses: an arm without answers is not settled by them."""

    def answer(request):
        return ProviderError("No.", kind="odd") if request.messages[0].content.startswith("B") else "yes"

    results = run(FakeProvider(answer))
    assert statuses(results, "1") == {"ok": 60}
    assert "stopped_early" not in statuses(results, "2")


def test_repeats_are_one_case(run):
    """A case counts once all its repeats are answered, and once: three repeats of eight cases settle it."""
    results = run(answering(B=True), repeats=3)
    assert statuses(results, "2")["ok"] in (24, 25)


def test_rows_with_equal_content_are_one_case(run):
    """Ten rows with the same words are one answer and count as one case: with six more they show nothing."""
    (sentence,) = run(answering(B=True), variables=[CASES[0]] * 10 + CASES[1:7]).compare()["verdict"]
    assert "greet@2 is ahead of greet@1" in sentence
    assert "better than" not in sentence


def test_numbers_of_a_fixed_number_of_cases_are_hidden(run):
    """A sweep that stopped has no p and no ordinary interval, but one of the share of wins that holds at every look."""
    row = run(answering(B=True)).compare().loc["greet@2"]
    for name in ("p", "p_holm", "low", "high", "cases_needed", "smallest_gap"):
        assert row[[name]].isna().all()
    assert (row["stopped_after"], row["win_share"]) == (8, 1.0)
    # The share at which 8 wins in a row are as unlikely as the bar: s^8 = .05 / 9.
    assert row["win_share_low"] == pytest.approx((0.05 / 9) ** (1 / 8))
    assert row["win_share_high"] == 1.0


def test_the_sentence_says_where_it_stopped(run):
    """The sentence begins with how far it came, and says which arm is better; the verdict says it too."""
    results = run(answering(B=True))
    (sentence,) = results.compare()["verdict"]
    assert sentence.startswith("Stopped after 8 of 60 cases: greet@2 is better than greet@1 on exact: +100.0 points")
    assert "p =" not in sentence
    assert "stopped after 8 of 60 cases" in results.verdict


def test_a_worse_arm_is_called_worse(run):
    """An arm that loses every case is settled for the baseline."""
    (sentence,) = run(answering(A=True)).compare()["verdict"]
    assert sentence.startswith("Stopped after 8 of 60 cases: greet@2 is worse than greet@1")


def test_graded_scores_stop_too(run):
    """A graded scorer settles by betting, and its interval is of the mean difference."""
    results = run(answering(B=True), stop_early=tk.scorer(name="half")(lambda text: 0.9 if text == "yes" else 0.2))
    row = results.compare().loc["greet@2"]
    assert row["stopped_after"] < 60
    assert 0 < row["low"] < 0.7 < row["high"]


def test_cases_are_sent_in_random_order_arms_side_by_side(run):
    """Cases leave in an order that is drawn from the run, both arms of a case one after the other."""
    provider = answering()
    results = run(provider)
    sent = [request.messages[0].content.rstrip(".").split(" ")[1] for request in provider.requests]
    view = results.view
    order = [
        place for group in looks(view.run_id, view.arms, [{"word": case["word"]} for case in CASES]) for place in group
    ]
    assert sent[::2] == sent[1::2] == [CASES[place]["word"] for place in order]
    assert order != sorted(order)


def test_the_frame_keeps_the_order_of_the_cases(run):
    """Whatever the order of sending, the frame has the cases in the order in which they were given."""
    frame = run(answering(B=True)).df
    assert frame.loc[frame["prompt_version"] == "1", "case"].tolist() == list(range(60))


def test_a_slow_answer_is_waited_for(run):
    """A case counts in its turn: what came in after one without an answer yet settles nothing."""
    provider = answering()
    view = run(provider, stop_early=None).view
    plan = type(
        "P", (), {"run_id": view.run_id, "arms": view.arms, "baseline": 0, "grid": view.trials, "cases": tuple(
            {trial.case.index: trial.case for trial in view.trials}.values()
        )},
    )()  # fmt: skip
    early = Early(plan, tk.exact())
    places = list(early.turns())
    for place in places[2:60]:
        trial = view.trials[place]
        assert not early.settle(trial.trial_id, float(trial.arm.index))
    first = [view.trials[place] for place in places[:2]]
    assert not early.settle(first[0].trial_id, float(first[0].arm.index))
    assert set(early.settle(first[1].trial_id, float(first[1].arm.index))) == {0, 1}


def test_the_plan_says_that_it_is_the_most(make_engine):
    """A plan with `stop_early` says that less may be sent, by which scorer, and at which error rate."""
    engine = make_engine(answering(), prompts=PROMPTS)
    planned = tk.plan(["fake:greet@*"], "fake/x", CASES, stop_early="exact", engine=engine)
    assert "stop_early: this is the most that is sent." in repr(planned)
    assert "alpha 0.05, divided by 2 comparisons" in repr(planned)


@pytest.mark.parametrize(
    ("given", "versions", "told"),
    [
        (tk.judge("Polite.", model="fake/x"), (1, 2), "asks a model"),
        (tk.latency(), (1, 2), "less is"),
        (tk.exact(), (1,), "there is one"),
        (True, (1, 2), "got True"),
    ],
)
def test_what_cannot_decide_is_refused(run, given, versions, told):
    """Judges, numbers of which less is better, a single arm, and no scorer are refused; nothing was sent."""
    provider = answering()
    with pytest.raises(UsageError, match=told):
        run(provider, versions=versions, stop_early=given)
    assert provider.requests == []


def test_many_in_flight_come_in(run):
    """Answers in flight when it is settled are kept: no more than were in flight are sent beyond it."""
    provider = answering(B=True)
    results = run(provider, concurrency=8)
    assert 16 <= len(provider.requests) <= 16 + 2 * 8
    assert results.compare().loc["greet@2", "stopped_after"] == 8


def test_awaited_and_in_the_background(make_engine):
    """`asweep` and `start_sweep` stop early as `sweep` does."""
    provider = answering(B=True)
    engine = make_engine(provider, prompts=PROMPTS)
    grid = {"stop_early": "exact", "concurrency": 1, "progress": "off", "engine": engine}
    results = _sync.run(tk.asweep(["fake:greet@1", "fake:greet@2"], "fake/x", CASES, **grid))
    assert statuses(results, "2")["ok"] in (8, 9)
    run = tk.start_sweep(["fake:greet@1", "fake:greet@3"], "fake/x", CASES[:20], **grid)
    assert set(run.wait().df["status"]) == {"ok"}


def test_nothing_is_scored_without_it(make_engine):
    """Without `stop_early` nothing is scored while it runs."""
    engine = make_engine(answering(B=True), prompts=PROMPTS)
    results = tk.sweep(["fake:greet@1", "fake:greet@2"], "fake/x", CASES[:5], progress="off", engine=engine)
    assert not results.view.scores
