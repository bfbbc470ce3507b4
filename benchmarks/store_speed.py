"""Measures the run store: durable outcomes a second beside plain SQLite, and a run's way into a frame.

`python benchmarks/store_speed.py` prints the figures at 10,000 and 100,000 trials; `--large` adds 1,000,000. Each size
is measured in processes of their own. An answer is 2 KB of text in a body of as much again.

The limit is SQLite by itself: the same rows, made beforehand, in one `executemany` for each table and one commit.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import resource
import sqlite3
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from _bench import cpu_s, keep, rounds, table, versions

SIZES = (10_000, 100_000)
LARGE = 1_000_000
ROUNDS = 5
GROUP = 500
ARMS = 6
TEXT = "It arrived late and the box was torn, but the lamp itself works as described. " * 26


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contender", choices=sorted(CONTENDERS))
    parser.add_argument("--size", type=int)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--large", action="store_true", help=f"measure {LARGE:,} trials too")
    options = parser.parse_args()
    if options.contender:
        print(json.dumps(CONTENDERS[options.contender](options.size, options.home)))
        return
    sizes = (*SIZES, LARGE) if options.large else SIZES
    with tempfile.TemporaryDirectory() as home:
        figures = {size: measure(size, Path(home) / str(size)) for size in sizes}
    keep(
        "store_speed",
        "The run store",
        page(figures),
        versions("promptsweep", "pandas") + f", SQLite {sqlite3.sqlite_version}",
    )


def measure(size: int, home: Path) -> dict[str, dict[str, float]]:
    """The figures of every contender at one size; reading reads what the last writing left."""
    home.mkdir()

    def command(name: str) -> list[str]:
        return [sys.executable, __file__, "--contender", name, "--size", str(size), "--home", str(home)]

    count = ROUNDS if size <= SIZES[-1] else 1
    written = rounds({name: command(name) for name in ("sqlite", "each", "store")}, count=count)
    read = rounds({name: command(name) for name in ("plan", "frame")}, count=count)
    return {**written, **read}


def page(figures: dict[int, dict[str, dict[str, float]]]) -> str:
    """The tables of the results."""
    writing = [
        (
            f"{size:,}",
            f"{found['store']['per_s']:,.0f}",
            f"{found['each']['per_s']:,.0f}",
            f"{found['sqlite']['per_s']:,.0f}",
            f"{found['sqlite']['per_s'] / found['store']['per_s']:.1f}",
            f"{found['store']['cpu_us']:.1f}",
            f"{found['each']['cpu_us']:.1f}",
            f"{found['sqlite']['cpu_us']:.1f}",
        )
        for size, found in figures.items()
    ]
    reading = [
        (
            f"{size:,}",
            f"{found['plan']['cpu_s']:.2f}",
            f"{found['frame']['load_cpu_s']:.2f}",
            f"{found['frame']['frame_cpu_s']:.2f}",
            f"{found['frame']['frame_s']:.2f}",
            f"{found['frame']['summary_cpu_s']:.2f}",
            f"{found['frame']['rss_mb']:,.0f}",
        )
        for size, found in figures.items()
    ]
    head = (
        "outcomes",
        "in groups, a second",
        "one by one, a second",
        "SQLite alone, a second",
        "ratio",
        "CPU us in groups",
        "CPU us one by one",
        "CPU us alone",
    )
    more = (
        "trials",
        "plan saved, CPU s",
        "run read, CPU s",
        "into a frame, CPU s",
        "both, s",
        "summary, CPU s",
        "most memory, MB",
    )
    return (
        f"{ROUNDS} rounds in turn, medians. An outcome is durable when its attempt is ended, its measures and texts "
        f"are written with their checksums, and all is committed. In groups: {GROUP} with one call. One by one: "
        f"{GROUP} callers that wait beside each other, as calls in flight do. SQLite alone is given finished rows.\n\n"
        f"{table(head, writing)}\n\n{table(more, reading)}"
    )


def made(size: int):
    """Trials of different content, as a plan has them."""
    from tests.builders import make_arm, make_prompt
    from toolkit._records import Case, FrozenDict, Trial

    arms = [make_arm(place, prompt=make_prompt(version=str(place))) for place in range(ARMS)]
    case = None
    for number in range(size):
        if number % ARMS == 0:
            case = Case(index=number // ARMS, variables=FrozenDict({"word": f"w{number}"}))
        trial_id = "t1:" + hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
        yield Trial(trial_id=trial_id, arm=arms[number % ARMS], case=case)


def outcome_of(trial_id: str):
    """An answered trial with the text of all others."""
    from tests.builders import make_outcome

    global _outcome
    _outcome = _outcome or make_outcome("", TEXT, run_id="run", cost_usd=0.001, cost_source="list 2026-11-01")
    return replace(_outcome, trial_id=trial_id)


_outcome = None


def write_store(size: int, home: Path, *, as_group: bool = True) -> dict[str, float]:
    """Saves the plan, begins every attempt, then finishes all of them, group by group."""
    from tests.builders import NOON
    from toolkit.store import RunStore

    for old in home.glob("runs*"):
        old.unlink()
    store = RunStore(home / "runs.sqlite")
    trials = list(made(size))

    async def work() -> tuple[float, float]:
        arms = tuple(trial.arm for trial in trials[:ARMS])
        await store.save_run(run_id="run", created_at=NOON, arms=arms, trials=trials, baseline=0)
        numbers = []
        for start in range(0, size, GROUP):
            group = trials[start : start + GROUP]
            numbers += await asyncio.gather(
                *(
                    store.begin_attempt(run_id="run", trial_id=each.trial_id, request_key="r1:a", sent_at=NOON)
                    for each in group
                )
            )
        outcomes = [outcome_of(trial.trial_id) for trial in trials]
        cpu, wall = cpu_s(), time.perf_counter()
        for start in range(0, size, GROUP):
            group = list(zip(outcomes[start : start + GROUP], numbers[start : start + GROUP], strict=True))
            if as_group:
                await store.finish_all(group, run_id="run")
            else:
                await asyncio.gather(
                    *(store.finish(outcome, run_id="run", attempt_id=number) for outcome, number in group)
                )
        return cpu_s() - cpu, time.perf_counter() - wall

    cpu, wall = asyncio.run(work())
    store.close()
    return {"per_s": size / wall, "cpu_us": cpu / size * 1e6}


def write_each(size: int, home: Path) -> dict[str, float]:
    """The same, each outcome finished by its own caller while the others wait beside it."""
    return write_store(size, home, as_group=False)


def write_sqlite(size: int, home: Path) -> dict[str, float]:
    """The same rows by SQLite alone: each table in one statement, all in one transaction."""
    from toolkit.store import _rows
    from toolkit.store._schema import migrate
    from toolkit.store._tables import ANSWER, OUTCOME, checksum

    path = home / "alone.sqlite"
    for old in home.glob("alone*"):
        old.unlink()
    outcomes = [outcome_of(trial.trial_id) for trial in made(size)]
    measures = [
        (place, *OUTCOME.sealed(_rows.outcome_row(outcome, "run"))) for place, outcome in enumerate(outcomes, 1)
    ]
    texts = [(place, *ANSWER.sealed(_rows.answer_row(outcome) or ())) for place, outcome in enumerate(outcomes, 1)]
    ends = [("ok", None, 0, checksum((number, "ok", None, 0)), number) for number in range(1, size + 1)]
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA page_size = 16384")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        migrate(connection, backup=lambda _: None)
        connection.executemany(
            "INSERT INTO attempt (run_id, trial_id, request_key, sent_at, state, place) "
            "VALUES ('run', ?, 'r', 'now', 'sent', ?)",
            [(outcome.trial_id, place) for place, outcome in enumerate(outcomes, 1)],
        )
        cpu, wall = cpu_s(), time.perf_counter()
        connection.execute("BEGIN")
        connection.executemany(
            "UPDATE attempt SET state = ?, kind = ?, possibly_billed = ?, end_seal = ? WHERE attempt_id = ?", ends
        )
        connection.executemany(OUTCOME.insert, measures)
        connection.executemany(ANSWER.insert, texts)
        connection.execute("COMMIT")
        cpu, wall = cpu_s() - cpu, time.perf_counter() - wall
    path.unlink()
    return {"per_s": size / wall, "cpu_us": cpu / size * 1e6}


def save_plan(size: int, home: Path) -> dict[str, float]:
    """Saves the plan alone, its trials made as they are written."""
    from tests.builders import NOON
    from toolkit.store import RunStore

    path = home / "plan.sqlite"
    for old in home.glob("plan*"):
        old.unlink()
    trials = list(made(size))
    store = RunStore(path)
    arms = tuple(trial.arm for trial in trials[:ARMS])
    cpu = cpu_s()
    asyncio.run(store.save_run(run_id="run", created_at=NOON, arms=arms, trials=trials, baseline=0))
    cpu = cpu_s() - cpu
    store.close()
    path.unlink()
    return {"cpu_s": cpu}


def read_frame(size: int, home: Path) -> dict[str, float]:
    """Reads the run, makes its frame with every text, and its summary."""
    from toolkit.results import Results
    from toolkit.store import RunStore

    store = RunStore(home / "runs.sqlite")
    wall, start = time.perf_counter(), cpu_s()
    results = Results(store.load_run("run"))
    loaded = cpu_s()
    frame = results.df
    wall, framed = time.perf_counter() - wall, cpu_s()
    results.summary()
    summed = cpu_s()
    if len(frame) != size or frame["text"].iloc[-1] != TEXT:
        raise RuntimeError("The frame is not what was written.")
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "load_cpu_s": loaded - start,
        "frame_cpu_s": framed - loaded,
        "frame_s": wall,
        "summary_cpu_s": summed - framed,
        "rss_mb": rss_mb,
    }


CONTENDERS = {"store": write_store, "each": write_each, "sqlite": write_sqlite, "plan": save_plan, "frame": read_frame}

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main()
