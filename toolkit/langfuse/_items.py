"""The items of a Langfuse dataset that a run's cases are: found by id or by content, made where there are none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from toolkit._canonical import canonical_json
from toolkit._records import Case
from toolkit.errors import LangfuseError
from toolkit.langfuse._client import LangfuseClient

ID_COLUMNS = ("item_id", "id")
"""Columns that name a case's item, where the cases came out of a dataset: the first where inputs have an `id` too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetItems:
    """A dataset, and the item of each case."""

    dataset_id: str
    by_case: Mapping[int, str]
    """Item's id by the case's index."""
    made: int = 0
    """Items that were new."""


async def match_items(
    client: LangfuseClient,
    name: str,
    cases: Sequence[Case],
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> DatasetItems:
    """Returns the dataset of this name, made if need be, with an item for each case.

    A case is the item whose id stands in its column `id` (or `item_id`); else the item of the same input and expected
    output; else a new one, whose id follows from its content, so that it is made once however often this is done.

    Args:
        client: Asks the project.
        name: Name of the dataset.
        cases: The cases.
        on_progress: Hears how many cases have an item, of how many.

    Raises:
        LangfuseError: If the server cannot be reached or refuses.
    """
    dataset_id = await _dataset(client, name)
    by_id: set[str] = set()
    by_content: dict[str, str] = {}
    async for row in client.pages("/api/public/dataset-items", {"datasetName": name, "limit": 100}):
        key = str(row.get("id"))
        by_id.add(key)
        by_content.setdefault(_content(row.get("input"), row.get("expectedOutput")), key)
    found: dict[int, str] = {}
    made = 0
    for done, case in enumerate(cases):
        named = [str(case.variables[name]) for name in ID_COLUMNS if name in case.variables]
        if known := [key for key in named if key in by_id]:
            found[case.index] = known[0]
            continue
        content = _content(_input(case), case.expected)
        if content not in by_content:
            on_progress(done, len(cases))
            by_content[content] = await _make(client, name, case, dataset_id)
            made += 1
        found[case.index] = by_content[content]
    return DatasetItems(dataset_id=dataset_id, by_case=found, made=made)


async def _dataset(client: LangfuseClient, name: str) -> str:
    path = "/api/public/v2/datasets"
    try:
        answer = await client.get(f"{path}/{quote(name, safe='')}")
    except LangfuseError as error:
        if error.status != 404:
            raise
        # Making one that is there changes nothing: two who make it at once get the same.
        answer = await client.post(path, {"name": name}, is_repeatable=True)
    dataset_id = answer.get("id") if isinstance(answer, dict) else None
    if not isinstance(dataset_id, str):
        raise LangfuseError(
            f"Langfuse at {client.host!r}, asked for the dataset {name!r}: the answer has no 'id'. Check LANGFUSE_HOST."
        )
    return dataset_id


async def _make(client: LangfuseClient, name: str, case: Case, dataset_id: str) -> str:
    told = f"{dataset_id}\n{_content(_input(case), case.expected)}"
    key = hashlib.sha256(told.encode("ascii")).hexdigest()[:32]
    body = {"datasetName": name, "id": key, "input": _input(case), "expectedOutput": case.expected}
    await client.post("/api/public/dataset-items", body, is_repeatable=True)
    return key


def _input(case: Case) -> dict[str, Any]:
    column = next((name for name in ID_COLUMNS if name in case.variables), None)
    return {name: value for name, value in case.variables.items() if name != column}


def _content(given: Any, expected: Any) -> str:
    return canonical_json([given, expected])
