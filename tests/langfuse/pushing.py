"""What tests of pushing share: a fake Langfuse with two prompts, runs in a store, and ways to push them."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.builders import NOON, make_arm, make_outcome, make_prompt, make_trial
from tests.servers._process import ServerProcess
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from toolkit._http import HttpClient
from toolkit._records import Case, FrozenDict, Outcome, RunView, Score, Trial
from toolkit._redact import Secret
from toolkit._sync import run
from toolkit.config import LangfuseSettings
from toolkit.langfuse import Ledger, Outlet, Push, push_run
from toolkit.store import RunStore

TRACES = "/api/public/otel/v1/traces"
SCORES = "/api/public/scores"
OBSERVATIONS = "/api/public/v2/observations"

SEED = [
    {"name": "greet", "type": "text", "prompt": "Say {{word}}.", "labels": ["production"]},
    {"name": "greet", "type": "text", "prompt": "Please say {{word}}.", "labels": []},
]


def make_trials(cases: int, *, arms: int = 4, repeats: int = 1, source: str = "langfuse") -> list[Trial]:
    """Trials of `arms` arms, two of each pair on version 1 and 2 of `greet`, over so many cases."""
    made = [
        make_arm(index, prompt=make_prompt(version=str(index % 2 + 1), source=source), model=f"fake/m{index // 2}")
        for index in range(arms)
    ]
    words = [
        Case(index=number, variables=FrozenDict({"word": f"w{number}"}), expected=f"w{number}")
        for number in range(cases)
    ]
    return [
        make_trial(f"t1:{arm.index}-{case.index}-{repeat}", arm=arm, case=case, repeat=repeat)
        for case in words
        for repeat in range(repeats)
        for arm in made
    ]


def save(
    store: RunStore, trials: list[Trial], *, run_id: str = "run-1", outcomes: list[Outcome] | None = None
) -> RunView:
    """Keeps a run of these trials, all answered unless told otherwise, and reads it back."""
    arms = tuple({trial.arm.index: trial.arm for trial in trials}.values())
    ended = (
        [make_outcome(trial.trial_id, f"answer {trial.trial_id}", run_id=run_id) for trial in trials]
        if outcomes is None
        else outcomes
    )
    run(store.save_run(run_id=run_id, created_at=NOON, arms=arms, trials=trials, baseline=0))
    run(store.finish_all([(outcome, None) for outcome in ended], run_id=run_id))
    return store.load_run(run_id)


def score(store: RunStore, view: RunView, name: str = "exact", value: float = 1.0, **fields: Any) -> RunView:
    """Gives every trial of a run a score, and reads the run again."""
    made = Score(name=name, value=value, **({"scorer": f"{name}()"} | fields))
    store.save_scores(view.run_id, [(trial.trial_id, made) for trial in view.trials])
    return store.load_run(view.run_id)


def settings_for(server: ServerProcess | str) -> LangfuseSettings:
    """The project of a fake Langfuse, by the server or its address."""
    host = server if isinstance(server, str) else server.url
    return LangfuseSettings(host=host, public_key=PUBLIC_KEY, secret_key=Secret(SECRET_KEY))


def push(server: ServerProcess | str, view: RunView, ledger: Ledger, *, is_lasting: bool = True, **how: Any) -> Push:
    """Pushes a run, its arms labelled `arm 0`, `arm 1`, ..."""

    async def work() -> Push:
        http = HttpClient()
        try:
            outlet = Outlet(settings=settings_for(server), http=http, ledger=ledger, is_lasting=is_lasting)
            return await push_run(view, [f"arm {arm.index}" for arm in view.arms], outlet, **how)
        finally:
            await http.aclose()

    return run(work())


def held(server: ServerProcess) -> dict[str, Any]:
    """What a fake Langfuse holds."""
    found: dict[str, Any] = server.call("GET", "/_held")
    return found


def counts(server: ServerProcess) -> dict[str, int]:
    """How many experiments, generations, linked generations and scores there are, each record counted."""
    found = held(server)
    observations = found["observations"]
    return {
        "experiments": len({row["experiment"]["id"] for row in observations}),
        "generations": len(observations),
        "different": len({(row["traceId"], row["id"]) for row in observations}),
        "linked": sum(bool(row["promptId"]) for row in observations),
        "scores": len(found["scores"]),
    }


def asked(server: ServerProcess, method: str, path: str) -> int:
    """How many requests came to a path."""
    return sum(each["method"] == method and each["path"].startswith(path) for each in server.requests())


def with_status(outcome: Outcome, status: Any, **fields: Any) -> Outcome:
    """The outcome, ended in another way."""
    return dataclasses.replace(outcome, status=status, **fields)
