"""Rows 65 and 67 to 69: runs that are killed, interrupted, reopened and started twice."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import toolkit as tk
from tests.faults.world import FAST, wait_until, words
from tests.sweep.killed_sweep import CONCURRENCY
from toolkit.engine import default_engine

ROOT = Path(__file__).parents[2]

# What "control back within a second" means.
CONTROL_S = 1.0


@contextlib.contextmanager
def sweeping(folder, trials):
    """A sweep as a process of its own; what it tells of finished trials goes to `told` in its folder."""
    with (
        (folder / "told").open("ab") as told,
        subprocess.Popen(
            [sys.executable, "-m", "tests.sweep.killed_sweep", str(trials)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def told(folder):
    """Ids of the trials that were told to be on record."""
    return {line for line in (folder / "told").read_text(encoding="utf-8").splitlines() if line.startswith("t1:")}


def sent(server):
    """How often each text was sent."""
    return Counter(request["body"]["messages"][0]["content"].strip() for request in server.requests())


def text_of(trial):
    """What a trial sends."""
    return trial.arm.prompt.template.replace("{{word}}", trial.case.variables["word"]).strip()


def killed_again_and_again(project, server, *, kills, trials, rng):
    """Kills a sweep at random points, then lets it end.

    Nothing that was told is lost, nothing finished is sent again, and each kill leaves at most as many attempts unknown
    as were in flight.
    """
    total: Counter[str] = Counter()
    finished_once: dict[str, int] = {}
    unknown: set[int] = set()
    store = default_engine().store
    for number in range(kills):
        left = trials - len(finished_once)
        answers = rng.randint(1, max(1, min(left // 4, 2 * left // (kills - number + 1))))
        # So many are answered; the next ones wait for a minute, so that every kill meets a sweep under way.
        server.control(reset=True)
        server.control(times=answers, delay_s=0.005)
        server.control(times=None, delay_s=60)
        with sweeping(project, trials) as process:
            wait_until(lambda: len(server.requests()) > answers)  # noqa: B023
            # Any moment will do: that is what a random point is.
            time.sleep(rng.uniform(0, 0.03))
            process.kill()
        total.update(sent(server))
        run = store.load_run(store.runs()[-1][0])
        outcomes = set(run.outcomes)
        assert told(project) <= outcomes
        attempts = {attempt.attempt_id for attempt in store.unknown(run.run_id)}
        assert len(attempts - unknown) <= CONCURRENCY
        unknown |= attempts
        for trial in run.trials:
            if trial.trial_id in outcomes:
                finished_once.setdefault(text_of(trial), total[text_of(trial)])
    assert 0 < len(finished_once) < trials

    server.control(reset=True)
    with sweeping(project, trials) as process:
        ended = json.loads(process.communicate(timeout=120)[0])
    assert (ended["rows"], ended["ids"], ended["ok"]) == (trials, trials, trials)
    total.update(sent(server))
    assert {text: total[text] for text in finished_once} == finished_once
    assert len(total) == trials
    return ended["run_id"], total


@pytest.mark.fault(65)
def test_killed_at_ten_random_points_a_sweep_loses_nothing_and_sends_nothing_twice(project, openai_server):
    """After kill -9 at 10 random points, what was told to be on record is, and what had finished is sent once."""
    run_id, total = killed_again_and_again(project, openai_server, kills=10, trials=200, rng=random.Random(20261122))
    # Every request is accounted for: the answer of its trial, or an attempt that may have been billed.
    results = tk.open_run(run_id)
    assert int(results.df["possibly_billed"].sum()) + 200 >= total.total()
    assert "sent without a recorded answer" in repr(results.audit())


@pytest.mark.soak
@pytest.mark.fault(65)
def test_killed_at_a_hundred_random_points_a_sweep_loses_nothing(project, openai_server):
    """After kill -9 at 100 random points, what was told to be on record is, and what had finished is sent once."""
    killed_again_and_again(project, openai_server, kills=100, trials=2000, rng=random.Random(65))


@pytest.mark.fault(65)
@pytest.mark.parametrize("unknown", ["resend", "skip"])
def test_what_was_in_flight_at_a_kill_is_unknown_and_sent_again_or_left(project, openai_server, unknown):
    """Trials in flight at a kill are rows `unknown`, possibly billed; resuming sends them again, or leaves them."""
    in_flight = killed_with_calls_in_flight(project, openai_server, answers=10, trials=60)
    before = tk.open_run(tk.runs()[-1])
    assert Counter(before.df["status"]) == {"ok": 10, "unknown": in_flight, "skipped": 60 - 10 - in_flight}
    assert int(before.df["possibly_billed"].sum()) == in_flight
    assert f"{in_flight} possibly billed" in repr(before)
    assert f"{in_flight} sent without a recorded answer" in repr(before.audit())
    openai_server.control(reset=True)
    after = tk.resume(before.run_id, unknown=unknown, progress="off")
    left_alone = in_flight if unknown == "skip" else 0
    assert len(openai_server.requests()) == 60 - 10 - left_alone
    assert Counter(after.df["status"]) == Counter(ok=60 - left_alone) + Counter(unknown=left_alone)
    assert int(after.df["possibly_billed"].sum()) == in_flight


def killed_with_calls_in_flight(project, server, *, answers, trials):
    """Kills a sweep once so many are answered and the others hang; returns how many calls were in flight."""
    server.control(times=answers, delay_s=0)
    server.control(times=None, delay_s=60)
    with sweeping(project, trials) as process:
        wait_until(lambda: len(told(project)) == answers)
        wait_until(lambda: all_places_are_taken(project, server, answers))
        process.kill()
    return len(server.requests()) - answers


def all_places_are_taken(project, server, answers):
    """Whether every attempt on record has reached the server, and no further one was recorded meanwhile."""
    attempts = attempts_on_record(project)
    return answers < attempts == len(server.requests()) == attempts_on_record(project)


def attempts_on_record(project):
    """Attempts that the project's store has."""
    with contextlib.closing(sqlite3.connect(project / ".toolkit" / "runs.sqlite")) as store:
        return store.execute("SELECT count(*) FROM attempt").fetchone()[0]


SWEEP = """
results = tk.sweep(["folder:greet@*"], "openai/small", {{"word": [f"{name}{{n}}" for n in range(500)]}},
                   concurrency=16, progress="off")
"""


def interrupted_again_and_again(kernel, server, *, times, rng):
    """Interrupts sweeps at random moments, and looks at what there is each time; returns the seconds it took."""
    kernel.run('tk.sweep("folder:greet@1", "openai/small", {"word": ["a"]}, progress="off")')
    tasks = kernel.value("_sync.run(tasks())")
    took = []
    for number in range(times):
        server.control(reset=True)
        server.control(latency_ms=rng.choice([0, 5, 20]))
        if rng.random() < 0.5:
            # From some moment on nothing is answered any more, so that calls in flight have to be cut.
            server.control(times=rng.randint(1, 100), delay_s=0.005)
            server.control(times=None, delay_s=60)
        cell = kernel.begin(SWEEP.format(name=f"{number}-"))
        wait_until(lambda: len(server.requests()) >= 1)
        time.sleep(rng.uniform(0, 0.05))
        started = time.monotonic()
        kernel.manager.interrupt_kernel()
        reply = kernel.end(cell)
        took.append(time.monotonic() - started)
        assert reply["status"] == "ok", reply
        rows, done, note = kernel.value('[len(results.df), int((results.df["status"] == "ok").sum()), results.note]')
        assert rows == 1000
        assert done == 1000 or note.startswith(f"stopped: {done} of 1,000 done; run the same call, or tk.resume('run-")
        assert kernel.value("len(tk.last_results().df)") == 1000
        assert kernel.value("_sync.run(tasks())") == tasks
        assert len(server.requests()) - done <= 16
        # The next cell works.
        server.control(reset=True)
        server.control(latency_ms=0)
        kernel.run(f'again = tk.sweep("folder:greet@1", "openai/small", {{"word": ["next {number}"]}}, progress="off")')
        assert kernel.value('again.df["status"].tolist()') == ["ok"]
    return took


@pytest.mark.fault(67)
def test_the_stop_button_gives_control_back_within_a_second(kernel, openai_server):
    """Interrupted 5 times in a real kernel, a sweep returns what there is within 1 s, and the next cell works."""
    took = interrupted_again_and_again(kernel, openai_server, times=5, rng=random.Random(67))
    assert max(took) <= CONTROL_S


@pytest.mark.soak
@pytest.mark.fault(67)
def test_the_stop_button_gives_control_back_within_a_second_fifty_times(kernel, openai_server):
    """Interrupted 50 times in a real kernel, a sweep returns what there is within 1 s, and the next cell works."""
    took = interrupted_again_and_again(kernel, openai_server, times=50, rng=random.Random(670))
    assert max(took) <= CONTROL_S


@pytest.mark.fault(67)
def test_an_answer_that_comes_in_the_moment_after_an_interrupt_is_kept(project, openai_server):
    """Calls in flight at Ctrl-C that answer within the moment are on record, and nothing new is sent."""
    openai_server.control(latency_ms=200)
    with sweeping(project, 400) as process:
        wait_until(lambda: len(openai_server.requests()) >= CONCURRENCY)
        process.send_signal(signal.SIGINT)
        ended = json.loads(process.communicate(timeout=30)[0])
    assert ended["ok"] == len(openai_server.requests())
    assert ended["note"].startswith(f"stopped: {ended['ok']} of 400 done")


@pytest.mark.fault(67)
def test_a_second_interrupt_cuts_at_once_and_is_raised(project, openai_server):
    """A second Ctrl-C raises KeyboardInterrupt at once: what was in flight is unknown, what had finished is kept."""
    openai_server.control(times=5, delay_s=0)
    openai_server.control(times=None, delay_s=60)
    with sweeping(project, 400) as process:
        wait_until(lambda: len(told(project)) == 5)
        wait_until(lambda: all_places_are_taken(project, openai_server, 5))
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    in_flight = len(openai_server.requests()) - 5
    assert (out, process.returncode) == ("", -signal.SIGINT)
    counts = Counter(tk.open_run(tk.runs()[-1]).df["status"])
    assert counts == {"ok": 5, "unknown": in_flight, "skipped": 400 - 5 - in_flight}


@pytest.mark.fault(68)
def test_a_run_is_the_same_after_the_kernel_restarts(kernel, openai_server):
    """After a restart of the kernel, open_run(id) gives the frame that the sweep gave."""
    kernel.run('results = tk.sweep(["folder:greet@*"], "openai/small", {"word": ["a", "b"]}, progress="off")')
    as_text = 'results.df.drop(columns=["cached"]).to_json(date_format="iso")'
    run_id, before = kernel.value("results.run_id"), kernel.value(as_text)
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=60)
    kernel.run(f"import toolkit as tk\nresults = tk.open_run({run_id!r})")
    assert kernel.value(as_text) == before
    assert len(openai_server.requests()) == 4


@pytest.mark.fault(69)
def test_two_processes_on_one_run_send_nothing_twice(project, openai_server):
    """Of two processes that sweep the same grid one sends and the other one watches; both return every row."""
    openai_server.control(latency_ms=20)
    with sweeping(project, 300) as first:
        wait_until(lambda: len(openai_server.requests()) >= 20)
        with sweeping(project, 300) as second:
            ended = [json.loads(process.communicate(timeout=60)[0]) for process in (first, second)]
    assert [(end["rows"], end["ok"]) for end in ended] == [(300, 300), (300, 300)]
    assert set(sent(openai_server).values()) == {1}
    assert len(openai_server.requests()) == 300


@pytest.mark.fault(69)
def test_who_watches_goes_on_when_the_other_process_dies(project, openai_server):
    """When the process that sends is killed, the one that watches sends the rest, and what was in flight once more."""
    openai_server.control(times=30, delay_s=0.01)
    openai_server.control(times=None, delay_s=60)
    with sweeping(project, 100) as first:
        wait_until(lambda: len(told(project)) == 30)
        wait_until(lambda: all_places_are_taken(project, openai_server, 30))
        with sweeping(project, 100) as second:
            wait_until(lambda: "watching" in (project / "told").read_text(encoding="utf-8"))
            before = sent(openai_server)
            openai_server.control(reset=True)
            first.kill()
            ended = json.loads(second.communicate(timeout=60)[0])
    in_flight = before.total() - 30
    assert (ended["rows"], ended["ok"]) == (100, 100)
    assert Counter((before + sent(openai_server)).values()) == {1: 100 - in_flight, 2: in_flight}


@pytest.mark.fault(69)
def test_two_sweeps_of_one_kernel_on_one_run_send_nothing_twice(project, openai_server):
    """The same call twice in one process, once in the background, sends each trial once."""
    openai_server.control(latency_ms=20)
    grid = {"prompts": "folder:greet@1", "variables": words(60), **FAST}
    run = tk.start_sweep(**grid, concurrency=4)
    wait_until(lambda: len(openai_server.requests()) >= 4)
    second = tk.start_sweep(**grid)
    wait_until(lambda: second.progress.state == "waiting")
    assert "another sweep of this process" in second.progress.note
    frames = [second.wait().df, run.wait().df]
    assert [list(frame["status"]) for frame in frames] == [["ok"] * 60] * 2
    assert len(openai_server.requests()) == 60


@pytest.mark.fault(69)
def test_a_run_that_is_worked_on_is_not_taken_over(project, openai_server):
    """take_over=True is refused while the other one is alive, and the message names it."""
    openai_server.control(latency_ms=20)
    grid = {"prompts": "folder:greet@1", "variables": words(20), **FAST}
    run = tk.start_sweep(**grid, concurrency=2)
    wait_until(lambda: len(openai_server.requests()) >= 2)
    with pytest.raises(tk.errors.StoreBusyError, match=f"{run.run_id}.*this process"):
        tk.sweep(**grid, take_over=True)
    run.wait()
    assert len(openai_server.requests()) == 20
