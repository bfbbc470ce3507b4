"""The results object: scoring, failures, labels, header, audit."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

import pytest

from tests.results import runs
from toolkit._records import Case, Score, Trial
from toolkit.errors import TrialsFailedError, UnknownNameError, UsageError
from toolkit.results import Results, arm_labels
from toolkit.scorers import contains


def test_score_adds_a_column():
    """Scoring adds a column for each scorer and gives the same object back."""
    results = Results(runs.run([["yes", "no"]], expected=["yes", "yes"]))
    assert results.score("contains", lambda text: len(text)) is results
    assert results.df["score.contains"].tolist() == [1.0, 0.0]
    assert results.df["score.lambda"].tolist() == [3.0, 2.0]


def test_score_replaces_its_own_name():
    """A score of the same name is replaced, others stay."""
    results = Results(runs.run([["yes"]], scores={"old": [[0.5]]}))
    results.score(contains("yes", name="right")).score(contains("no", name="right"))
    assert results.df[["score.old", "score.right"]].iloc[0].tolist() == [0.5, 0.0]


def test_scores_are_kept():
    """Scores are handed over to be kept, with the run and the trial."""
    kept = []
    results = Results(runs.run([["yes", "no"]]), save_scores=lambda run_id, pairs: kept.append((run_id, pairs)))
    results.score(contains("yes", name="right"))
    ((run_id, pairs),) = kept
    assert run_id == "run-1"
    assert [(trial_id, score.name, score.value) for trial_id, score in pairs] == [
        ("t-0-0", "right", 1.0),
        ("t-0-1", "right", 0.0),
    ]


def test_scores_that_cannot_be_kept_are_not_shown():
    """When keeping the scores fails, the frame does not show them."""

    def full(run_id, pairs):
        raise OSError("disk full")

    results = Results(runs.run([["yes"]]), save_scores=full)
    with pytest.raises(OSError, match="disk full"):
        results.score(contains("yes"))
    assert "score.contains(yes)" not in results.df


def test_broken_scorer_leaves_the_answer():
    """A scorer that fails leaves the answer and "not scored", with the reason in `raw`."""
    results = Results(runs.run([["yes"]])).score(lambda text: 1 / 0)
    assert results.df["text"].tolist() == ["yes"]
    score = results.raw("t-0-0")["scores"]["lambda"]
    assert math.isnan(score["value"])
    assert score["explanation"] == "the scorer raised ZeroDivisionError: division by zero"


def test_trials_without_outcome_are_not_scored():
    """Only trials with an outcome get a score; a failed one is "not scored"."""
    results = Results(runs.run([["yes", runs.failure(), None]])).score(contains("yes", name="right"))
    assert {trial_id: len(scores) for trial_id, scores in results.view.scores.items()} == {
        "t-0-0": 1,
        "t-0-1": 1,
        "t-0-2": 0,
    }
    assert results.summary()["score.right.unscored"].tolist() == [0]


def test_cases_that_disagree_on_the_answer():
    """Cases with equal variables and different expected answers share an outcome and are not scored."""
    view = runs.run([["yes"]], expected=["yes"])
    twin = Trial(trial_id="t-0-0", arm=view.arms[0], case=replace(view.trials[0].case, index=1, expected="no"))
    results = Results(replace(view, trials=(*view.trials, twin))).score(contains())
    assert results.df["score.contains"].isna().all()
    assert "different expected answers" in results.raw("t-0-0")["scores"]["contains"]["explanation"]


def test_same_name_twice_is_refused():
    """Two scorers of one name are refused before any of them runs."""
    with pytest.raises(UsageError, match="Two scorers are called"):
        Results(runs.run([["yes"]])).score("contains", "contains")


def test_refresh():
    """`refresh()` shows what the store holds by now, and keeps scores that nobody else keeps."""
    later = runs.run([["yes", "no"]])
    results = Results(runs.run([["yes", None]]), reload=lambda: later).score(contains("yes", name="right"))
    assert results.refresh().df["status"].tolist() == ["ok", "ok"]
    assert results.df["score.right"].iloc[0] == 1.0


def test_raw():
    """`raw()` has the messages that were sent, the answer as it came, and the scores."""
    answer = runs.response("hi", raw={"id": 7})
    raw = Results(runs.run([[answer]], scores={"right": [[1.0]]})).raw("t-0-0")
    assert raw["messages"] == [{"role": "user", "content": "Say word 0"}]
    assert (raw["text"], raw["response"], raw["status"], raw["arm"]) == ("hi", {"id": 7}, "ok", "reply@1 · small")
    assert raw["scores"]["right"]["value"] == 1.0


def test_raw_of_a_failure():
    """`raw()` of a failed trial has the failure with its kind."""
    raw = Results(runs.run([[runs.failure("auth")]])).raw("t-0-0")
    assert (raw["failure"]["kind"], raw["text"], raw["response"]) == ("auth", None, None)


def test_raw_of_unknown_trial():
    """A trial that the run does not have is refused."""
    with pytest.raises(UnknownNameError, match="no trial 't-9'"):
        Results(runs.run([["a"]])).raw("t-9")


def test_failures():
    """`failures` has one row for each trial without an answer, and what became of it."""
    found = Results(runs.run([["a", runs.failure("auth", "no key"), None]])).failures
    assert found[["trial_id", "status"]].to_numpy().tolist() == [["t-0-1", "failed"], ["t-0-2", "skipped"]]
    assert found["message"].tolist() == ["no key", "not sent yet"]


def test_raise_for_failures():
    """Failures become one error that counts their kinds, shows the first and has every trial id."""
    results = Results(runs.run([["a", runs.failure("auth", "no key"), runs.failure("auth"), None]]))
    with pytest.raises(
        TrialsFailedError, match=r"3 of 4 trials .* 2 auth, 1 skipped\. First: .*case 1: no key"
    ) as caught:
        results.raise_for_failures()
    assert caught.value.failures == ("t-0-1", "t-0-2", "t-0-3")


def test_no_failures():
    """When every trial has an answer nothing is raised."""
    Results(runs.run([["a"]])).raise_for_failures()


@pytest.mark.parametrize(
    ("arms", "labels"),
    [
        ([runs.arm()], ["reply@1 · small"]),
        ([runs.arm(0), runs.arm(1, version="2")], ["reply@1", "reply@2"]),
        ([runs.arm(0), runs.arm(1, model="fake/big")], ["small", "big"]),
        ([runs.arm(0, model="a/m"), runs.arm(1, model="b/m")], ["a/m", "b/m"]),
        ([runs.arm(0, params={"temperature": 0}), runs.arm(1, params={"temperature": 1.5})], ["t=0", "t=1.5"]),
        ([runs.arm(0), runs.arm(1, params={"top_p": 0.5})], ["top_p=default", "top_p=0.5"]),
        (
            [
                runs.arm(0, params={"temperature": 0}),
                runs.arm(1, version="2", model="fake/big", params={"temperature": 1}),
            ],
            ["reply@1 · small · t=0", "reply@2 · big · t=1"],
        ),
        ([runs.arm(0), runs.arm(1)], ["reply@1 · small #1", "reply@1 · small #2"]),
        (
            [runs.arm(0), runs.arm(1, prompt=replace(runs.prompt(), source="langfuse"))],
            ["folder:reply@1", "langfuse:reply@1"],
        ),
        ([runs.arm(0, params={"stop": "x" * 99}), runs.arm(1)], ["stop=" + "x" * 23 + "…", "stop=default"]),
    ],
)
def test_labels(arms, labels):
    """An arm's label has what the arms differ in, no more than is needed, and is never that of another arm."""
    assert arm_labels(arms) == labels


def test_long_values_do_not_make_equal_labels():
    """Params that differ after the place where labels are cut still have different labels."""
    arms = [runs.arm(place, params={"stop": "x" * 50 + str(place)}) for place in range(3)]
    assert len(set(arm_labels(arms))) == 3


def test_arms_table():
    """`arms` has the label, the prompt, the model and the params of each arm, and marks the baseline."""
    arms = [runs.arm(0, params={"temperature": 0}), runs.arm(1, params={"temperature": 1})]
    found = Results(runs.run([["a"], ["b"]], arms=arms, baseline=1)).arms
    assert found.index.tolist() == ["t=0", "t=1"]
    assert found["param.temperature"].tolist() == [0, 1]
    assert found["baseline"].tolist() == [False, True]


def header(*args, sent=None, **fields):
    """Returns the first line of what a terminal shows."""
    return repr(Results(runs.run(*args, **fields), sent=sent)).splitlines()[0]


@pytest.mark.parametrize(
    ("answers", "line"),
    [
        ([["a"]], "1 trial · 1 case · $0.01 · 0.5 s"),
        ([["a", runs.failure()], [None, "b"]], "4 trials · 2 prompts x 2 cases · 1 failed · 1 skipped · $0.02 · 0.5 s"),
        ([[runs.outcome("t-0-0", cost_usd=None)]], "1 trial · 1 case · cost unknown · 0.5 s"),
        ([[runs.outcome("t-0-0", cost_usd=0.0)]], "1 trial · 1 case · $0 · 0.5 s"),
        ([[runs.outcome("t-0-0", run_id="run-0")]], "1 trial · 1 case"),
        ([[runs.outcome("t-0-0", possibly_billed=2)]], "1 trial · 1 case · $0.01 · 2 possibly billed · 0.5 s"),
        ([[None]], "1 trial · 1 case · 1 skipped"),
    ],
)
def test_header(answers, line):
    """The header counts trials, axes and what went wrong, and says what this run cost and how long it was at work."""
    assert header(answers) == line.replace(" x ", " \N{MULTIPLICATION SIGN} ")


def test_header_says_what_was_sent():
    """The header says how many trials were sent just now."""
    assert "· 1 sent now ·" in header([["a", "b"]], sent=1)


def test_pause_is_no_work():
    """A pause of a day between two halves of a run does not count as time at work."""
    later = runs.START + dt.timedelta(days=1)
    assert header([["a", runs.outcome("t-0-1", started_at=later)]]).endswith(" · 1 s")


def test_text_form():
    """The terminal form has the header, one row an arm, the verdict and what else there is."""
    shown = repr(Results(runs.run([["a", "b"], ["c", runs.failure()]], scores={"right": [[1.0, 0.0], [1.0, None]]})))
    assert "reply@1 (baseline)" in shown
    assert "0.50 [0.09, 0.91]" in shown
    assert "1/2" in shown
    assert "Undecided" in shown
    assert ".export(path)" in shown


def test_page_shows_failures_in_words():
    """A notebook shows what became of a trial without an answer by status and kind, not by colour alone."""
    page = Results(runs.run([[runs.failure("rate_limit", "slow down"), None]]))._repr_html_()
    assert "failed: rate limit" in page
    assert "slow down" in page
    assert ">skipped<" in page


def test_page_is_bounded():
    """A notebook shows the first cases and arms only, says how many more there are, and stays below 0.1 MB."""
    page = Results(runs.run([["x" * 20_000] * 40] * 12))._repr_html_()
    assert len(page) < 100_000
    assert "20 more cases, 4 more arms" in page


def test_audit_of_a_sound_run():
    """A sound run passes every check, failures and gaps included."""
    audit = Results(runs.run([["a", runs.failure(), None]], attempted=frozenset({"t-0-2"}))).audit()
    assert audit.ok
    assert "all 13 checks passed" in repr(audit)


def _twice(view):
    return replace(view, trials=(*view.trials, view.trials[0]))


def _hole(view):
    return replace(view, trials=view.trials[:-1])


def _stray_outcome(view):
    return replace(view, outcomes={**view.outcomes, "t-9": runs.outcome("t-9")})


def _crossed(view):
    return replace(view, outcomes={**view.outcomes, "t-0-0": runs.outcome("t-0-1")})


def _empty(view):
    return replace(view, outcomes={**view.outcomes, "t-0-0": replace(runs.outcome("t-0-0"), response=None)})


def _stray_score(view):
    return replace(view, scores={"t-9": (Score(name="s", value=1.0),)})


def _mixed(view):
    changed = replace(view.arms[1], model_sent="other")
    other = Trial(trial_id="t-0-0", arm=changed, case=Case(index=9, variables=view.trials[0].case.variables))
    return replace(view, trials=(*view.trials, other))


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (_twice, "no arm, case and repeat stands twice"),
        (_hole, "the grid of arms, cases and repeats has no hole"),
        (_stray_outcome, "no outcome without a trial"),
        (_crossed, "each outcome is filed under its own trial"),
        (_empty, "ok has an answer, failed has a reason"),
        (_stray_score, "no score without a trial"),
        (_mixed, "equal ids have equal prompts, models and params"),
    ],
)
def test_audit_of_a_damaged_run(damage, rule):
    """Each kind of damage fails its check, and the audit says which."""
    audit = Results(damage(runs.run([["a", "b"], ["c", "d"]]))).audit()
    assert not audit.ok
    assert rule in {check.rule for check in audit.checks if not check.ok}
    assert f"FAILED  {rule}" in repr(audit)
