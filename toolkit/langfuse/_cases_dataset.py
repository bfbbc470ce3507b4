"""Cases out of a Langfuse dataset: each item's input as variables, its expected output as the expected answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from toolkit._plugins import unknown_name
from toolkit.errors import LangfuseError, UsageError
from toolkit.langfuse._client import LangfuseClient

EXPECTED = "expected"

_PAGE = 100
_MOST_NAMES = 500
_ARCHIVED = "archived"


class HeldDataset(Protocol):
    """A dataset that somebody has fetched, as Langfuse's SDK gives it."""

    @property
    def name(self) -> str:
        """Its name in Langfuse."""
        ...

    @property
    def items(self) -> Iterable[object]:
        """Have `id`, `input`, `expected_output`, `metadata`, `status` and `created_at`, or some of them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCases:
    """The items of a dataset as rows, oldest first."""

    rows: tuple[dict[str, Any], ...]
    id_column: str = "id"
    """Column that holds the items' ids; another one where the inputs have an `id` of their own."""
    origin: dict[str, Any]
    """Where they are from: `dataset`, `dataset_id`, `project_id`, `host`, `version`, `read_at`; `None` = not known."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Items that are no cases, by reason."""


async def dataset_cases(
    client: LangfuseClient,
    name: str,
    *,
    version: dt.datetime | None,
    now: dt.datetime,
    metadata: Sequence[str] = (),
    told: Callable[[str], None] = lambda _: None,
) -> DatasetCases:
    """Returns the cases of the dataset called `name`.

    Args:
        client: Asks the project.
        name: Of the dataset.
        version: The moment whose items are wanted; `None` = as they are now.
        now: The time, in UTC.
        metadata: Keys of the items' metadata that become columns.
        told: Is told how far it is, in a few words.

    Raises:
        LangfuseError: If there is no such dataset, with the nearest names; if the server cannot be reached, refuses,
            or knows no versions.
    """
    try:
        dataset = await client.get(f"/api/public/v2/datasets/{quote(name, safe='')}")
    except LangfuseError as error:
        if error.status != 404 or "such thing" not in str(error):
            raise
        raise await _no_dataset(client, name) from None
    if not isinstance(dataset, dict):
        raise LangfuseError(
            f"Langfuse at {client.host!r} was asked for the dataset {name!r} and answered something else. Check "
            "LANGFUSE_HOST, and what stands between here and there.",
            status=200,
        )
    params: dict[str, str | int] = {"datasetName": name, "limit": _PAGE}
    if version is not None:
        params["version"] = moment_text(version)
    items: dict[str, Mapping[str, Any]] = {}
    async for item in client.pages("/api/public/dataset-items", params):
        # An item that is added meanwhile moves another to the next page: each once.
        items.setdefault(str(item.get("id")), item)
        told(f"{len(items)} items of {name!r} read")
    _refuse_unversioned(items.values(), version, client.host)
    origin = {
        "host": client.host,
        "project_id": dataset.get("projectId"),
        "dataset_id": dataset.get("id"),
        "dataset": name,
        "version": None if version is None else moment_text(version),
        "read_at": moment_text(now),
    }
    return _cases(_oldest_first(items.values()), origin, metadata)


def held_cases(dataset: HeldDataset | None, *, metadata: Sequence[str] = (), now: dt.datetime) -> DatasetCases:
    """Returns the cases of a dataset that was fetched with Langfuse's own SDK; asks nobody.

    Args:
        dataset: What `Langfuse().get_dataset(...)` gives, or anything with its `name` and `items`.
        metadata: Keys of the items' metadata that become columns.
        now: The time, in UTC.

    Raises:
        UsageError: If it is no dataset.
    """
    name, found = getattr(dataset, "name", None), getattr(dataset, "items", None)
    if not isinstance(name, str) or not isinstance(found, Iterable):
        raise UsageError(
            "`dataset` is the name of a Langfuse dataset, or one that its SDK has fetched; got something of type "
            f"{type(dataset).__name__!r}."
        )
    items = [
        {
            "id": getattr(item, "id", None),
            "input": getattr(item, "input", None),
            "expectedOutput": getattr(item, "expected_output", None),
            "metadata": getattr(item, "metadata", None),
            "status": getattr(getattr(item, "status", None), "value", getattr(item, "status", None)),
            "createdAt": moment_text(at) if isinstance(at := getattr(item, "created_at", None), dt.datetime) else "",
        }
        for item in found
    ]
    version = getattr(dataset, "version", None)
    origin = {
        "host": None,
        "project_id": getattr(dataset, "project_id", None),
        "dataset_id": getattr(dataset, "id", None),
        "dataset": name,
        "version": moment_text(version) if isinstance(version, dt.datetime) else None,
        "read_at": moment_text(now),
    }
    return _cases(_oldest_first(items), origin, metadata)


def moment_text(moment: dt.datetime) -> str:
    """Returns a moment as Langfuse writes it: UTC, with a Z.

    Example:
        >>> moment_text(dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC))
        '2026-01-02T03:04:05.678901Z'
    """
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def read_moment(text: Any) -> dt.datetime | None:
    """Returns the moment that Langfuse wrote; without a zone it is UTC; `None` for anything else."""
    try:
        found = dt.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)


def _oldest_first(items: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Items as Langfuse lists them, newest first, turned round; what was made at once keeps its order."""
    turned = [*items][::-1]
    turned.sort(key=lambda item: str(item.get("createdAt")))
    return turned


def _cases(items: Sequence[Mapping[str, Any]], origin: dict[str, Any], metadata: Sequence[str]) -> DatasetCases:
    active = [item for item in items if str(item.get("status") or "ACTIVE").upper() == "ACTIVE"]
    inputs = [_variables(item) for item in active]
    taken = {name for variables in inputs for name in variables}
    id_column = _free("id", "item_id", taken)
    expected_column = _free(EXPECTED, "expected_output", taken)
    _check_keys(metadata, active, origin["dataset"])
    columns = {key: _free(key, f"metadata.{key}", taken | {id_column, expected_column}) for key in metadata}
    rows = []
    for item, variables in zip(active, inputs, strict=True):
        found = item.get("metadata")
        told = found if isinstance(found, Mapping) else {}
        labels = {column: told.get(key) for key, column in columns.items()}
        row = {id_column: item.get("id"), **variables, **labels}
        if any(each.get("expectedOutput") is not None for each in active):
            row[expected_column] = item.get("expectedOutput")
        rows.append(row)
    archived = len(items) - len(active)
    left_out = {_ARCHIVED: archived} if archived else {}
    return DatasetCases(rows=tuple(rows), id_column=id_column, origin=origin, left_out=left_out)


def _check_keys(wanted: Sequence[str], items: Sequence[Mapping[str, Any]], dataset: str) -> None:
    """Refuses a key that no item's metadata has: a column without a value is a slip."""
    known = {str(key) for item in items if isinstance(found := item.get("metadata"), Mapping) for key in found}
    for key in wanted if items else ():
        if key not in known:
            words = unknown_name("key", str(key), sorted(known))
            raise UsageError(f"`metadata` of the dataset {dataset!r}: {words}")


def _variables(item: Mapping[str, Any]) -> dict[str, Any]:
    found = item.get("input")
    return {str(name): value for name, value in found.items()} if isinstance(found, Mapping) else {"input": found}


def _free(name: str, other: str, taken: set[str]) -> str:
    """The name of a column, or another one where a variable has that name already."""
    if name not in taken:
        return name
    if other in taken:
        raise UsageError(
            f"The dataset's inputs have both {name!r} and {other!r}, so there is no name left for a column of their "
            "own; rename one of them in the dataset, or read it with Langfuse's SDK and build the table yourself."
        )
    return other


def _refuse_unversioned(items: Iterable[Mapping[str, Any]], version: dt.datetime | None, host: str) -> None:
    """A server that knows no versions answers with the newest items, and says nothing."""
    if version is None:
        return
    for item in items:
        made = read_moment(item.get("createdAt"))
        if made is not None and made > version:
            raise LangfuseError(
                f"Langfuse at {host!r} was asked for a dataset as of {moment_text(version)} and gave item "
                f"{item.get('id')!r}, made {moment_text(made)}: this server knows no versions of datasets. "
                "Update it, or leave `version` out."
            )


async def _no_dataset(client: LangfuseClient, name: str) -> LangfuseError:
    known: list[str] = []
    async for row in client.pages("/api/public/v2/datasets", {"limit": _PAGE}):
        known.append(str(row.get("name")))
        if len(known) == _MOST_NAMES:
            break
    words = unknown_name("dataset", name, sorted(known))
    return LangfuseError(f"Langfuse at {client.host!r} (HTTP 404): {words}", status=404)
