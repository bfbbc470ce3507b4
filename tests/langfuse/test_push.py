"""Pushing a run to Langfuse: what is there afterwards, once, however often it is pushed."""

from __future__ import annotations

import json
import math

import pytest

from tests.builders import make_outcome
from tests.langfuse.pushing import (
    SCORES,
    TRACES,
    asked,
    counts,
    held,
    make_trials,
    push,
    save,
    score,
    with_status,
)
from toolkit._records import Failure, Score
from toolkit.errors import LangfuseError
from toolkit.langfuse import MemoryLedger

ALL = {"experiments": 4, "generations": 200, "different": 200, "linked": 200, "scores": 200}


def test_pushing_twice_makes_nothing_twice(langfuse, store):
    """Four arms over 50 cases, pushed twice, are four experiments, 200 generations of the right version, 200 scores."""
    view = score(store, save(store, make_trials(50)))
    first = push(langfuse, view, store)
    requests = asked(langfuse, "POST", "/")
    second = push(langfuse, view, store)
    assert counts(langfuse) == ALL
    assert asked(langfuse, "POST", "/") == requests
    assert (first.tally.sent, first.tally.scores_sent) == (200, 200)
    assert (second.tally.sent, second.tally.there) == (0, 200)
    assert (second.tally.scores_sent, second.tally.scores_there) == (0, 200)
    versions = {(row["metadata"]["prompt"], row["promptVersion"]) for row in held(langfuse)["observations"]}
    assert versions == {("langfuse:greet@1", 1), ("langfuse:greet@2", 2)}


def test_new_scores_are_pushed_alone(langfuse, store):
    """A push after new scores sends these and nothing else."""
    view = score(store, save(store, make_trials(5)))
    push(langfuse, view, store)
    langfuse.control(next=[{"path": TRACES, "status": 500}])
    tally = push(langfuse, score(store, view, "length", 5.0), store).tally
    assert (tally.sent, tally.there, tally.scores_sent, tally.scores_there) == (0, 20, 20, 20)
    assert counts(langfuse)["scores"] == 40


def test_a_changed_score_takes_the_place_of_the_earlier_one(langfuse, store):
    """A score with another value replaces the one that is there."""
    view = score(store, save(store, make_trials(5)), value=1.0)
    push(langfuse, view, store)
    tally = push(langfuse, score(store, view, value=0.0), store).tally
    assert (tally.scores_sent, tally.scores_there) == (20, 0)
    assert [row["value"] for row in held(langfuse)["scores"]] == [False] * 20


def test_what_is_not_scored_is_not_pushed(langfuse, store):
    """A score without a value is left out."""
    view = score(store, save(store, make_trials(2)), value=math.nan)
    assert push(langfuse, view, store).tally.scores_sent == 0
    assert held(langfuse)["scores"] == []


def test_a_score_is_on_the_generation_and_says_why(langfuse, store):
    """A score has its trial's generation, its explanation as comment, and a type by its scorer."""
    view = save(store, make_trials(1, arms=1))
    trial_id = view.trials[0].trial_id
    made = [
        Score(name="exact", value=1.0, scorer="exact()"),
        Score(name="rouge", value=1.0, scorer="rouge_l()", explanation="all of it"),
    ]
    store.save_scores("run-1", [(trial_id, each) for each in made])
    push(langfuse, store.load_run("run-1"), store)
    (generation,) = held(langfuse)["observations"]
    rows = {row["name"]: row for row in held(langfuse)["scores"]}
    about = {"kind": "observation", "id": generation["id"], "traceId": generation["traceId"]}
    assert [rows[name]["subject"] for name in ("exact", "rouge")] == [about, about]
    assert (rows["exact"]["dataType"], rows["exact"]["value"]) == ("BOOLEAN", True)
    assert (rows["rouge"]["dataType"], rows["rouge"]["value"], rows["rouge"]["comment"]) == ("NUMERIC", 1, "all of it")


def test_a_failed_trial_is_a_generation_with_an_error(langfuse, store):
    """A trial that failed is pushed with the level ERROR and its reason; one that was never sent is not pushed."""
    trials = make_trials(3, arms=1)
    failure = Failure(kind="rate_limit", error_type="RateLimitError", message="slow down, sk-abcdefgh12345678")
    outcomes = [
        make_outcome(trials[0].trial_id, run_id="run-1"),
        with_status(make_outcome(trials[1].trial_id, run_id="run-1"), "failed", response=None, failure=failure),
        with_status(make_outcome(trials[2].trial_id, run_id="run-1"), "skipped", response=None, failure=failure),
    ]
    pushed = push(langfuse, save(store, trials, outcomes=outcomes), store)
    rows = {row["metadata"]["trial_id"]: row for row in held(langfuse)["observations"]}
    failed = rows[trials[1].trial_id]
    assert (failed["level"], failed["statusMessage"]) == ("ERROR", "rate_limit: slow down, ****")
    assert rows[trials[0].trial_id]["level"] == "DEFAULT"
    assert (len(rows), pushed.unsent) == (2, 1)


def test_trials_of_equal_content_are_generations_of_their_own(langfuse, store):
    """Two cases with the same content share an answer, and each has its generation."""
    first, second = make_trials(2, arms=1)
    twin = type(first)(trial_id=first.trial_id, arm=first.arm, case=second.case, repeat=0)
    view = save(store, [first, twin], outcomes=[make_outcome(first.trial_id, run_id="run-1")])
    push(langfuse, view, store)
    push(langfuse, view, store)
    assert (counts(langfuse)["generations"], counts(langfuse)["different"]) == (2, 2)


def test_another_name_makes_other_experiments(langfuse, store):
    """A push under another name is another four experiments; without a name it goes on under the last."""
    view = save(store, make_trials(2))
    push(langfuse, view, store, name="first")
    push(langfuse, view, store, name="second")
    last = push(langfuse, view, store)
    assert (last.heading.name, last.tally.sent, last.tally.there) == ("second", 0, 8)
    assert counts(langfuse)["experiments"] == 8


def test_cases_become_items_of_a_dataset(langfuse, store):
    """With a dataset, each case is an item of it, made once, and the experiments have the ids that Langfuse gives."""
    view = save(store, make_trials(3))
    first = push(langfuse, view, store, name="nightly", dataset="words")
    push(langfuse, view, store, name="nightly", dataset="words")
    push(langfuse, view, store)
    found = held(langfuse)
    assert [(item["input"], item["expectedOutput"]) for item in found["items"]] == [
        ({"word": f"w{number}"}, f"w{number}") for number in range(3)
    ]
    used = {row["experiment"]["item.id"] for row in found["observations"]}
    assert used == {item["id"] for item in found["items"]}
    assert {row["experiment"]["dataset.id"] for row in found["observations"]} == {found["datasets"][0]["id"]}
    assert (len(found["observations"]), first.heading.dataset) == (12, "words")


def test_items_that_are_there_are_used(langfuse, store):
    """A case is the item that its column `id` names, else the item of the same content; only then is one made."""
    langfuse_key = {"authorization": _authorization()}
    langfuse.call("POST", "/api/public/v2/datasets", {"name": "words"}, headers=langfuse_key)
    for key, word in (("item-a", "w0"), ("item-b", "other")):
        body = {"datasetName": "words", "id": key, "input": {"word": word}, "expectedOutput": "w0"}
        langfuse.call("POST", "/api/public/dataset-items", body, headers=langfuse_key)
    first, second, third = make_trials(3, arms=1)
    named = type(second.case)(index=1, variables=type(second.case.variables)({"word": "w1", "id": "item-b"}))
    trials = [first, type(second)(trial_id=second.trial_id, arm=second.arm, case=named), third]
    pushed = push(langfuse, save(store, trials), store, dataset="words")
    assert [pushed.heading.items[index] for index in (0, 1)] == ["item-a", "item-b"]
    assert len(held(langfuse)["items"]) == 3


def test_results_of_no_store_are_recognised_by_the_server(langfuse, store):
    """Without a lasting ledger the server is asked what it has, and nothing is sent twice."""
    view = score(store, save(store, make_trials(5)))
    push(langfuse, view, MemoryLedger(), is_lasting=False)
    tally = push(langfuse, view, MemoryLedger(), is_lasting=False).tally
    assert (tally.sent, tally.there) == (0, 20)
    assert (counts(langfuse)["generations"], counts(langfuse)["scores"]) == (20, 20)


def test_a_limit_is_waited_out(langfuse, store):
    """A 429 is asked again after the seconds that the server names, and all arrives once."""
    view = score(store, save(store, make_trials(50)))
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    slow = {"status": 429, "headers": {"retry-after": "7"}, "body": {"message": "Rate limit exceeded"}}
    langfuse.control(next=[{"path": TRACES, **slow}, {"path": TRACES, **slow}, {"path": SCORES, **slow}])
    push(langfuse, view, store, sleep=sleep)
    assert waits == [7.0, 7.0, 7.0]
    assert counts(langfuse) == ALL


def test_scores_that_are_refused_are_told_one_by_one(langfuse, store):
    """When a group of scores is not taken whole, each is sent alone, and the refused one is told."""
    view = score(store, save(store, make_trials(5)))
    wrong = {"status": 400, "body": {"message": "Invalid request data"}}
    langfuse.control(
        next=[
            {"path": SCORES, "status": 207, "body": {"accepted": 19, "rejected": 1, "errors": []}},
            {"path": SCORES, **wrong},
        ]
    )
    tally = push(langfuse, view, store).tally
    assert (tally.scores_sent, tally.scores_failed) == (19, 1)
    assert "Invalid request data" in tally.problems[0]
    assert push(langfuse, view, store).tally.scores_sent == 1
    assert counts(langfuse)["scores"] == 20


def test_a_group_that_is_too_long_is_sent_in_halves(langfuse, store):
    """A 413 halves the group until what is left is taken."""
    view = save(store, make_trials(2))
    langfuse.control(next=[{"path": TRACES, "status": 413, "body": {"message": "too long"}}])
    assert push(langfuse, view, store).tally.sent == 8
    sizes = [
        len(each["body"]["resourceSpans"][0]["scopeSpans"][0]["spans"])
        for each in langfuse.requests()
        if each["path"] == TRACES
    ]
    assert sizes == [8, 4, 4]


def test_a_generation_that_is_refused_does_not_take_others_with_it(langfuse, store):
    """One generation that Langfuse refuses is told, and the others arrive."""
    view = save(store, make_trials(1))
    wrong = {"path": TRACES, "status": 400, "body": {"message": "no such thing"}}
    langfuse.control(next=[wrong, wrong, wrong])
    tally = push(langfuse, view, store).tally
    assert (tally.sent, tally.failed) == (3, 1)
    assert "no such thing" in tally.problems[0]


def test_groups_are_bounded_in_bytes(langfuse, store):
    """Long answers are sent in several requests, none longer than 3 MB unless it is one generation."""
    trials = make_trials(4, arms=1)
    outcomes = [make_outcome(trial.trial_id, "x" * 1_200_000, run_id="run-1") for trial in trials]
    push(langfuse, save(store, trials, outcomes=outcomes), store)
    sizes = [len(json.dumps(each["body"])) for each in langfuse.requests() if each["path"] == TRACES]
    assert len(sizes) == 2
    assert max(sizes) < 3_100_000


def test_an_old_server_is_told_as_such(langfuse, store):
    """A server that does not know the endpoint for traces gives an error that says so, and nothing is noted."""
    view = save(store, make_trials(1))
    langfuse.control(next=[{"path": TRACES, "status": 404, "body": "<!DOCTYPE html><title>404</title>"}])
    with pytest.raises(LangfuseError, match=r"HTTP 404.*new enough \(version 4\)") as caught:
        push(langfuse, view, store)
    assert caught.value.status == 404
    assert push(langfuse, view, store).tally.sent == 4


def test_prompts_of_other_sources_are_named_and_not_linked(langfuse, store):
    """A prompt from a folder is told in the metadata; the generation is linked to none."""
    push(langfuse, save(store, make_trials(1, source="folder")), store)
    rows = held(langfuse)["observations"]
    assert {row["metadata"]["prompt"] for row in rows} == {"folder:greet@1", "folder:greet@2"}
    assert [row["promptName"] for row in rows] == [""] * 4


def test_text_that_is_no_unicode_arrives(langfuse, store):
    """A lone surrogate in a variable and in an answer hinders neither the push nor the finding of it."""
    trial = make_trials(1, arms=1)[0]
    odd = type(trial.case)(index=0, variables=type(trial.case.variables)({"word": "a\ud800b"}), expected="\udfff")
    trials = [type(trial)(trial_id=trial.trial_id, arm=trial.arm, case=odd)]
    view = save(store, trials, outcomes=[make_outcome(trial.trial_id, "x\ud800y", run_id="run-1")])
    push(langfuse, view, store, dataset="odd")
    assert push(langfuse, view, store).tally.there == 1
    assert len(held(langfuse)["items"]) == 1


def test_the_traces_are_told(langfuse, store):
    """A push gives the address of each trial's trace."""
    view = save(store, make_trials(1, arms=1))
    traces = push(langfuse, view, store).traces
    (generation,) = held(langfuse)["observations"]
    assert traces == {"t1:0-0-0": f"{langfuse.url}/project/proj-test/traces/{generation['traceId']}"}


def _authorization():
    from tests.servers.fake_langfuse import AUTHORIZATION

    return AUTHORIZATION
