"""Where a run is pushed: which project, under which name, and what its arms are there."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit._http import HttpClient
from toolkit._records import Case, RunView
from toolkit._redact import known_masker
from toolkit.config import LangfuseSettings, Settings
from toolkit.errors import MissingKeyError
from toolkit.langfuse._client import LangfuseClient
from toolkit.langfuse._items import match_items
from toolkit.langfuse._ledger import Ledger
from toolkit.langfuse._spans import Experiment, RunFacts, experiments_of
from toolkit.store import Delivery

Progress = Callable[[str, int, int], None]
"""Hears what is being done, how much of it, of how much."""

_NAME = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """What pushing needs: a project, a way there, and a place for notes."""

    settings: LangfuseSettings
    http: HttpClient
    ledger: Ledger
    is_lasting: bool = True
    """Whether the ledger outlives the process; where it does not, the server is asked what it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """One run on its way to one project under one name."""

    target: str
    """Address of the project; what the ledger calls it."""
    project_id: str
    name: str
    dataset: str | None
    experiments: Mapping[int, Experiment]
    """By index of the arm."""
    items: Mapping[int, str]
    """Ids of the dataset's items by index of the case; empty without a dataset."""
    facts: RunFacts

    def compare_path(self, baseline: int) -> str:
        """Returns the path of the page that shows the arms beside each other, the baseline's first."""
        first = self.experiments[baseline].experiment_id
        others = [each.experiment_id for arm, each in self.experiments.items() if arm != baseline]
        path = f"/project/{self.project_id}/experiments/results?baseline={first}"
        return path + "".join(f"&c={each}" for each in others)

    def experiment_path(self, arm: int) -> str:
        """Returns the path of the page of one arm's experiment."""
        return f"/project/{self.project_id}/experiments/results?baseline={self.experiments[arm].experiment_id}"


def project_settings(settings: Settings) -> LangfuseSettings:
    """Returns the project that the settings name.

    Raises:
        MissingKeyError: If a key is not set; names the variable.
    """
    if settings.langfuse is not None:
        return settings.langfuse
    missing = "LANGFUSE_SECRET_KEY" if os.environ.get("LANGFUSE_PUBLIC_KEY") else "LANGFUSE_PUBLIC_KEY"
    raise MissingKeyError(
        "Langfuse needs keys: set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY (and LANGFUSE_HOST, unless it is "
        f"Langfuse's European cloud); {missing} is not set.",
        variable=missing,
    )


async def head_for(
    view: RunView,
    labels: Sequence[str],
    client: LangfuseClient,
    ledger: Ledger,
    *,
    name: str | None,
    dataset: str | None,
    now: Callable[[], dt.datetime],
    on_progress: Progress = lambda what, done, total: None,
) -> Heading:
    """Returns where a run is pushed to; makes the dataset and its items where there are none, and nothing else.

    Args:
        view: The run; its outcomes are not looked at.
        labels: Names of its arms, in their order.
        client: Asks the project.
        ledger: Has the name under which the run was pushed before.
        name: Begins the name of each arm's experiment; `None` = as it was pushed last, else the run's own.
        dataset: Dataset that the cases are items of; `None` = none, or that of the name it was pushed under last.
        now: Tells the time (UTC).
        on_progress: Hears how far the matching of items is.

    Raises:
        LangfuseError: If the server cannot be reached or refuses.
        StoreError: If the name cannot be noted.
    """
    project_id, _ = await client.project()
    target = client.link(f"/project/{project_id}")
    if name is None and dataset is None:
        name, dataset = await asyncio.to_thread(_last_name, ledger, view.run_id, target)
    name = name or default_name(view)
    items: Mapping[int, str] = {}
    dataset_id = None
    if dataset is not None:
        cases = _cases(view)
        matched = await match_items(
            client, dataset, cases, on_progress=lambda done, total: on_progress("items", done, total)
        )
        items, dataset_id = matched.by_case, matched.dataset_id
    told = json.dumps({"dataset": dataset})
    noted = Delivery(kind=_NAME, record=name, content=told, state="arrived", at=now())
    await ledger.note_deliveries(view.run_id, target, [noted])
    return Heading(
        target=target,
        project_id=project_id,
        name=name,
        dataset=dataset,
        experiments=experiments_of(
            view, labels, target=target, name=name, project_id=project_id, dataset_id=dataset_id
        ),
        items=items,
        facts=RunFacts(run_id=view.run_id, created_at=view.created_at, target=target, mask=known_masker()),
    )


def default_name(view: RunView) -> str:
    """Returns the name that a run is pushed under unless another is given: its first prompt and its id."""
    prompt = view.arms[0].prompt.prompt_id if view.arms else ""
    return f"{prompt} {view.run_id}".strip()


def _last_name(ledger: Ledger, run_id: str, target: str) -> tuple[str | None, str | None]:
    names = [each for each in ledger.deliveries(run_id, target) if each.kind == _NAME]
    if not names:
        return None, None
    last = max(names, key=lambda each: each.at)
    told: Any = json.loads(last.content or "{}")
    return last.record, told.get("dataset")


def _cases(view: RunView) -> list[Case]:
    found: dict[int, Case] = {}
    for trial in view.trials:
        found.setdefault(trial.case.index, trial.case)
    return list(found.values())
