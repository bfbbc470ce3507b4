"""Pushes that end in the middle: the next one finds out what arrived, sends the rest, and nothing is there twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.langfuse.pushing import OBSERVATIONS, TRACES, asked, counts, make_trials, push, save, score
from toolkit.errors import LangfuseError

ALL = {"experiments": 4, "generations": 200, "different": 200, "linked": 200, "scores": 200}

MOMENTS = (
    "claimed-1",
    "taken-1",
    "noted-1",
    "claimed-2",
    "taken-2",
    "noted-2",
    "scores-taken-1",
    "scores-noted-1",
    "scores-taken-2",
    "scores-noted-2",
)


def start_push(store, langfuse, moment):
    """Pushes the store's run in another process, which ends itself at a moment."""
    command = [sys.executable, "-m", "tests.langfuse.killed_push", str(store.path), langfuse.url, moment]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_push_is_finished_by_the_next_one(langfuse, store, moment):
    """A push killed at any moment, and done again, ends as one that was not: everything once."""
    view = score(store, save(store, make_trials(50)))
    killed = start_push(store, langfuse, moment)
    _, complaints = killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, complaints
    push(langfuse, view, store, patience_s=0.5)
    assert counts(langfuse) == ALL


def test_a_push_killed_while_the_server_takes_its_time(langfuse, store):
    """Generations that the server takes after the one who sent them is gone are found, and not sent again."""
    view = score(store, save(store, make_trials(50)))
    langfuse.control(next=[{"path": TRACES, "delay_s": 1.0}])
    killed = start_push(store, langfuse, "never")
    until = time.monotonic() + 30
    while not asked(langfuse, "POST", TRACES):
        assert time.monotonic() < until
        time.sleep(0.02)
    killed.kill()
    killed.communicate(timeout=30)
    push(langfuse, view, store, patience_s=5.0)
    assert counts(langfuse) == ALL


def test_what_is_shown_late_is_waited_for(langfuse, store):
    """Langfuse shows what it took after a while: a push that begins before then waits instead of sending again."""
    view = score(store, save(store, make_trials(50)))
    langfuse.control(lag_s=1.5)
    start_push(store, langfuse, "taken-1").communicate(timeout=60)
    push(langfuse, view, store, patience_s=6.0)
    assert counts(langfuse) == ALL


def test_an_answer_that_gets_lost_is_no_second_record(langfuse, store):
    """When the connection breaks behind a request that was taken, the same push finds it and goes on."""
    view = score(store, save(store, make_trials(50)))
    langfuse.control(next=[{"path": TRACES, "drop_after": True}])
    tally = push(langfuse, view, store, patience_s=2.0).tally
    assert counts(langfuse) == ALL
    assert (tally.sent, tally.failed) == (200, 0)


def test_a_request_that_gets_lost_is_sent_again(langfuse, store):
    """When the connection breaks before a request was taken, the same push finds nothing and sends it again."""
    view = score(store, save(store, make_trials(50)))
    langfuse.control(next=[{"path": TRACES, "drop": True}])
    tally = push(langfuse, view, store, patience_s=0.3).tally
    assert counts(langfuse) == ALL
    assert (tally.sent, tally.failed) == (200, 0)


def test_a_rejected_part_is_found_out(langfuse, store):
    """An answer that says some were rejected, without saying which, is looked into before anything is sent again."""
    view = save(store, make_trials(5))
    rejected = {"partialSuccess": {"rejectedSpans": "1", "errorMessage": "one was too long"}}
    langfuse.control(next=[{"path": TRACES, "status": 200, "body": rejected}])
    tally = push(langfuse, view, store, patience_s=0.3).tally
    assert counts(langfuse)["different"] == counts(langfuse)["generations"] == 20
    assert "one was too long" in tally.problems[0]


def test_a_server_that_fails_ends_the_push(langfuse, store):
    """A server that fails twice ends the push with its error, and a later push brings everything once."""
    view = score(store, save(store, make_trials(50)))
    langfuse.control(next=[{"path": TRACES, "status": 503, "body": "busy"}] * 2)
    with pytest.raises(LangfuseError, match="HTTP 503"):
        push(langfuse, view, store)
    push(langfuse, view, store, patience_s=0.1)
    assert counts(langfuse) == ALL


def test_what_is_never_seen_is_told(langfuse, store):
    """Generations that are rejected without a name and never shown are sent three times at most, and then told."""
    view = save(store, make_trials(1, arms=1))
    rejected = {"partialSuccess": {"rejectedSpans": 1, "errorMessage": "too long"}}
    langfuse.control(next=[{"path": TRACES, "status": 200, "body": rejected}] * 3)
    tally = push(langfuse, view, store, patience_s=0.1).tally
    assert (tally.sent, tally.failed, asked(langfuse, "POST", TRACES)) == (0, 1, 3)
    assert ["too long" in tally.problems[0], "not seen" in tally.problems[1]] == [True, True]


def test_a_doubt_costs_one_look_at_a_list(langfuse, store):
    """A hundred generations in doubt are looked up in the list of their time, not one by one."""
    view = save(store, make_trials(25))
    langfuse.control(next=[{"path": TRACES, "drop_after": True}])
    push(langfuse, view, store, patience_s=2.0)
    assert asked(langfuse, "GET", OBSERVATIONS) == 1
