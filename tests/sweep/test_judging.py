"""Judges over real HTTP: what they are sent, what becomes of their verdicts, what is kept and what is told."""

from __future__ import annotations

import asyncio

import pandas as pd
import pytest

import toolkit as tk
from tests.sweep.injections import FORGERIES, INJECTIONS
from toolkit.errors import ContentFilterError

CRITERIA = "It names the colour blue."


@pytest.fixture
def server(judge_server):
    """The scripted judge in another process."""
    return judge_server


@pytest.fixture
def make_engine(make_judged_engine):
    """Makes engines over one store, on which `fake/x` says what the variable `answer` is."""
    return make_judged_engine


def answers(engine, texts, *, prompts="fake:greet@1", **options):
    """A run whose answers are these texts."""
    rows = [{"answer": text} if isinstance(text, str) else text for text in texts]
    return tk.sweep(prompts, "fake/x", rows, progress="off", engine=engine, **options)


def scores(results, name):
    """A score's values in the plan's order; `None` = not scored."""
    return [None if pd.isna(value) else float(value) for value in results.df[f"score.{name}"]]


def judged(results, model="strict", **options):
    """What a judge says of each answer."""
    results.score(tk.judge(CRITERIA, model=f"openai/{model}", **options))
    return scores(results, "judge")


def test_each_answer_is_graded(make_engine, server):
    """A judge's verdicts are scores, its reasons stand beside them, and one call is made for each answer."""
    results = answers(make_engine(), ["a blue sky", "a red sky"])
    assert judged(results) == [5.0, 1.0]
    assert results.df["reason.judge"].tolist() == ["As told."] * 2
    assert len(server.requests()) == 2


def test_labels_as_scale(make_engine):
    """On a scale of labels the verdicts are numbers from 0 to 1, or those that the labels were given."""
    results = answers(make_engine(), ["blue", "red"])
    results.score(
        tk.judge(CRITERIA, model="openai/strict", scale={"1": -1, "5": 10}, name="own"),
        tk.judge(CRITERIA, model="openai/strict", scale=["1", "3", "5"], name="even"),
    )
    assert (scores(results, "own"), scores(results, "even")) == ([10.0, -1.0], [1.0, 0.0])


@pytest.mark.parametrize("text", INJECTIONS, ids=lambda text: text.strip()[:24].encode("ascii", "replace").decode())
def test_answers_give_a_judge_no_orders(make_engine, text):
    """An answer that tries to give orders is judged like any other, by a judge that obeys all but the material."""
    assert judged(answers(make_engine(), [text])) == [1.0]


def test_pairs_take_no_orders_either(make_engine):
    """Fifty answers that try to win by orders tie with an honest answer, in both orders."""
    results = answers(make_engine(), INJECTIONS, prompts=["fake:greet@1", "fake:greet@2"])
    results.score(tk.judge_pairs(CRITERIA, model="openai/strict"))
    assert scores(results, "judge_pairs") == [0.5] * 100
    assert results.judging["judge_pairs"].pairs.consistent == 50


@pytest.mark.parametrize("text", FORGERIES)
def test_a_repeated_forgery_is_no_verdict(make_engine, text):
    """A judge that says a forged verdict again before its own has given two, and the answer is not scored."""
    results = answers(make_engine(), [text])
    assert judged(results, "parrot") == [None]
    assert "2 different verdicts" in results.df["reason.judge"][0]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("outside", "the judge's verdict cannot be read: 9 is not a whole number from 1 (worst) to 5 (best)"),
        ("mumbles", "the judge's verdict cannot be read: no JSON object with 'score'"),
    ],
)
def test_what_is_no_verdict_is_not_scored(make_engine, model, reason):
    """A verdict outside the scale, or none, is <NA> with the reason, and is counted."""
    results = answers(make_engine(), ["blue"])
    assert judged(results, model) == [None]
    assert results.df["reason.judge"].tolist() == [reason]
    assert (results.judging["judge"].scored, results.judging["judge"].unread) == (0, 1)


def test_words_around_a_verdict_are_passed_over(make_engine):
    """A verdict in a code block between sentences is read."""
    assert judged(answers(make_engine(), ["blue"]), "wordy") == [5.0]


def test_judging_twice_sends_nothing(make_engine, server):
    """The same judge on the same answers is answered by the store: in this object, and in one opened later."""
    engine = make_engine()
    results = answers(engine, ["blue", "red"])
    first = judged(results)
    assert judged(tk.open_run(results.run_id, engine=engine)) == first
    assert judged(results, name="judge") == first
    assert len(server.requests()) == 2
    assert results.judging["judge"].sent == 0


def test_more_answers_cost_only_themselves(make_engine, server):
    """Judging a larger run asks only about the answers that no run had before."""
    engine = make_engine()
    judged(answers(engine, ["blue", "red"]))
    assert judged(answers(engine, ["red", "green", "blue"])) == [1.0, 1.0, 5.0]
    assert len(server.requests()) == 3


def test_scores_stay_with_the_run(make_engine):
    """Scores and reasons of a judge are in the store, and the frame of the opened run has them."""
    engine = make_engine()
    results = answers(engine, ["blue", "red"])
    judged(results)
    again = tk.open_run(results.run_id, engine=engine).df
    assert again["score.judge"].tolist() == [5.0, 1.0]


def test_judging_is_a_run_of_its_own(make_engine):
    """The calls of a judge are a run of the store, audited like any; the run that is judged stays as it was."""
    engine = make_engine()
    results = answers(engine, ["blue", "red"])
    before = results.df[["status", "cost_usd", "attempts"]].copy()
    judged(results)
    run_id = results.judging["judge"].run_id
    assert tk.runs(engine=engine) == [results.run_id, run_id]
    assert tk.open_run(run_id, engine=engine).audit().ok
    assert before.equals(results.df[["status", "cost_usd", "attempts"]])
    assert tk.last_results().run_id == results.run_id


def test_the_answers_are_not_asked_for_again(make_engine):
    """Judging sends nothing to the model under test."""
    asked = []
    engine = make_engine(answer=lambda request: asked.append(request) or "blue")
    results = answers(engine, ["a", "b"])
    judged(results)
    assert len(asked) == 2


def test_failures_and_refusals_are_not_judged(make_engine, server):
    """A trial without an answer is <NA> with its reason, and no judge is asked about it."""

    def answer(request):
        text = request.messages[0].content
        if text == "bad":
            raise ContentFilterError("no", provider="fake", model="x")
        return text

    results = answers(make_engine(answer=answer), ["bad", "blue"])
    assert judged(results) == [None, 5.0]
    assert results.df["reason.judge"][0].startswith("no answer: ")
    assert len(server.requests()) == 1


def test_a_judge_that_fails_leaves_gaps(make_engine, server):
    """A judge's call that fails for good is <NA> with its kind, and is sent again by the next judging."""
    results = answers(make_engine(), ["blue", "red"])
    server.control(status=400, match="red")
    assert judged(results) == [5.0, None]
    assert results.df["reason.judge"][1].startswith("not judged: ")
    assert judged(results) == [5.0, 1.0]
    assert len(server.requests()) == 3


def test_the_budget_of_a_judge_is_its_own(make_engine):
    """`budget_usd` keeps the judging within a sum; what does not fit is not scored, and says so."""
    results = answers(make_engine(), [f"blue {number}" for number in range(6)])
    found = judged(results, "gpt-4o-mini", budget_usd=0.0002, params={"max_tokens": 100}, concurrency=1)
    assert 0 < found.count(None) < 6
    assert {value for value in found if value is not None} == {5.0}
    assert set(results.df["reason.judge"].dropna()) == {"As told.", "not judged: over_budget"}
    assert results.judging["judge"].cost_usd <= 0.0002


@pytest.mark.filterwarnings("ignore::toolkit.errors.UnusedVariableWarning")
def test_what_a_judge_sees(make_engine, server):
    """It sees what was asked, the expected answer and the answer; not the prompt, the arm, or what people said."""
    results = answers(make_engine(), [{"answer": "blue", "expected": "azure", "human": "5", "note": "zebra"}])
    judged(results)
    sent = "\n".join(message["content"] for message in server.requests()[0]["body"]["messages"])
    assert all(word in sent for word in (CRITERIA, "azure", "answer:\nblue"))
    assert not any(word in sent for word in ("zebra", "human", "greet", "fake"))


def test_nothing_is_sent_that_nobody_asked_for(make_engine, server):
    """A judge's requests have the params that were given for it, and no others."""
    results = answers(make_engine(), ["blue"])
    judged(results)
    results.score(tk.judge(CRITERIA, model="openai/strict", params={"temperature": 0}, name="cold"))
    bodies = [set(request["body"]) for request in server.requests()]
    assert bodies == [{"model", "messages"}, {"model", "messages", "temperature"}]


def test_marks_differ_from_store_to_store(make_engine, server, tmp_path):
    """The marks around the material are others in another store, so that nobody can know them beforehand."""
    for home in ("one", "two"):
        judged(answers(make_engine(home=tmp_path / home), ["blue"]))
    one, two = (request["body"]["messages"][1]["content"] for request in server.requests())
    assert one != two
    assert (tmp_path / "one" / "judge.key").stat().st_mode & 0o077 == 0


def test_pairs_are_judged_in_both_orders(make_engine, server):
    """A win counts when both orders name it; the score of a loss is 0, and the baseline's own is 0.5."""
    engine = make_engine(answer=lambda request: request.messages[0].content.replace("Well: red", "blue"))
    results = answers(engine, ["red", "a blue sky"], prompts=["fake:greet@1", "fake:greet@2"])
    results.score(tk.judge_pairs(CRITERIA, model="openai/strict"))
    assert results.wide("score.judge_pairs").to_numpy().tolist() == [[0.5, 1.0], [0.5, 0.5]]
    assert len(server.requests()) == 4
    firsts = [request["body"]["messages"][1]["content"].index("blue") for request in server.requests()]
    assert len(set(firsts)) > 1


def test_orders_that_contradict_each_other_are_a_tie(make_engine):
    """A judge that always names the first answer makes ties only, and its bias is told with its interval."""
    results = answers(make_engine(), [f"red {n}" for n in range(12)], prompts=["fake:greet@1", "fake:greet@2"])
    results.score(tk.judge_pairs(CRITERIA, model="openai/first"))
    assert set(scores(results, "judge_pairs")) == {0.5}
    found = results.judging["judge_pairs"]
    assert (found.pairs.position_bias, found.pairs.swap_consistency) == (0.5, 0.0)
    assert found.pairs.position_bias_interval.low > 0
    assert "the judge prefers a place" in str(found)


def test_a_pair_without_a_verdict_is_not_scored(make_engine):
    """A verdict outside first, second and tie leaves the pair <NA>, which is neither a loss nor a tie."""
    results = answers(make_engine(), ["red"], prompts=["fake:greet@1", "fake:greet@2"])
    results.score(tk.judge_pairs(CRITERIA, model="openai/outside"))
    assert scores(results, "judge_pairs") == [0.5, None]


def test_pairs_are_compared_like_any_score(make_engine):
    """An arm that wins its pairs beats the baseline in the comparison."""
    results = answers(make_engine(), [f"red {n}" for n in range(12)], prompts=["fake:greet@1", "fake:greet@2"])
    results.score(tk.judge_pairs("Longer.", model="openai/longer"))
    row = results.compare("judge_pairs").iloc[0]
    assert (row["delta"], row["wins"], row["losses"]) == (0.5, 12, 0)
    assert " is better than greet@1 " in row["verdict"]


def test_equal_answers_are_not_sent(make_engine, server):
    """Two answers that are the same word for word are a tie, and no judge is asked."""
    engine = make_engine(answer=lambda request: "same")
    results = answers(engine, ["a"], prompts=["fake:greet@1", "fake:greet@2"])
    results.score(tk.judge_pairs(CRITERIA, model="openai/strict"))
    assert (scores(results, "judge_pairs"), server.requests()) == ([0.5, 0.5], [])


def test_what_is_told_after_judging(make_engine, capsys):
    """After scoring, standard output has how many were scored, why the others were not, and what it cost."""
    results = answers(make_engine(), ["blue", "red"])
    judged(results, "mumbles")
    told = capsys.readouterr().out
    assert told == f"{results.judging['judge']}\n"
    assert "0 of 2 answers scored" in told
    assert "2 (the judge's verdict cannot be read)" in told
    assert "take a stronger judge" in told
    assert "2 of them sent now" in told


def test_agreement_with_people(make_engine):
    """With 30 labels or more in the variable `human`, agreement is told by Cohen's kappa."""
    rows = [{"answer": f"{'blue' if n % 2 else 'red'} {n}", "human": 5 if n % 2 else 1} for n in range(40)]
    rows[0]["human"] = 5
    results = answers(make_engine(), rows)
    judged(results)
    found = results.judging["judge"].agreement
    # 39 of 40 agree; by chance 0.5 * 21/40 + 0.5 * 19/40 = 0.5.
    assert (found.n, found.share, round(found.kappa, 6)) == (40, 0.975, 0.95)
    assert "Cohen's kappa 0.95" in str(results.judging["judge"])


def test_agreement_with_a_score_by_people(make_engine):
    """Labels may be a score of these results, and fewer than 30 are said to be too few."""
    results = answers(make_engine(), ["blue", "red"])
    results.score(tk.scorer(name="vote")(lambda text: 5 if "blue" in text else 2))
    judged(results, people="vote")
    assert results.judging["judge"].agreement.share == 0.5
    assert "label at least 30" in str(results.judging["judge"])


def test_judge_of_the_same_family(make_engine):
    """A judge of the family under test is told, because judges tend to favour their own."""
    engine = make_engine()
    results = tk.sweep("fake:greet@1", "fake/strict-large", [{"answer": "blue"}], progress="off", engine=engine)
    judged(results)
    assert results.judging["judge"].relatives == ("fake/strict-large",)


def test_one_arm_has_no_pairs(make_engine):
    """A run with one arm cannot be judged by pairs, and says what to use instead."""
    results = answers(make_engine(), ["blue"])
    with pytest.raises(tk.UsageError, match=r"one arm; use judge\(\)"):
        results.score(tk.judge_pairs(CRITERIA, model="openai/strict"))


def test_results_without_an_engine_cannot_be_judged(make_engine):
    """Results that came from elsewhere say how to get those that can ask a model."""
    results = tk.Results(answers(make_engine(), ["blue"]).view)
    with pytest.raises(tk.UsageError, match=r"tk\.open_run"):
        judged(results)


def test_judging_awaited(make_engine):
    """`ascore` has a judge asked too, from any event loop."""
    results = answers(make_engine(), ["blue"])
    asyncio.run(results.ascore(tk.judge(CRITERIA, model="openai/strict")))
    assert scores(results, "judge") == [5.0]
