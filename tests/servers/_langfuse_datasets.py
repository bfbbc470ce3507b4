"""The datasets of the fake Langfuse: datasets by name, items with their history, and run items of older SDKs."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from typing import Any
from urllib.parse import unquote

from tests.servers._langfuse_common import (
    PROJECT_ID,
    Query,
    Row,
    incomplete,
    missing,
    moment,
    new_id,
    now,
    page,
    stamp,
)


def experiment_id(dataset_id: str, run_name: str) -> str:
    """Returns the identifier that the server gives to a run over a dataset: the same name is the same experiment."""
    named = json.dumps(
        ["langfuse-experiment-v1", PROJECT_ID, dataset_id, run_name], separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(named.encode()).hexdigest()[:16]


class DatasetTable:
    """All datasets, every state that an item was in, and the run items that were posted."""

    def __init__(self) -> None:
        self.datasets: list[Row] = []
        self.states: list[tuple[dt.datetime, Row]] = []
        self.run_items: list[Row] = []

    def create(self, body: Row) -> Row:
        """Makes a dataset, or changes the one that has the name."""
        if refused := incomplete(body, "name"):
            raise refused
        at = stamp(now())
        given = {name: body.get(name) for name in ("description", "metadata", "inputSchema", "expectedOutputSchema")}
        for row in self.datasets:
            if row["name"] == body["name"]:
                row.update({name: value for name, value in given.items() if value is not None}, updatedAt=at)
                return row
        row = {
            "id": new_id(),
            "projectId": PROJECT_ID,
            "name": body["name"],
            **given,
            "createdAt": at,
            "updatedAt": at,
        }
        self.datasets.append(row)
        return row

    def get(self, name: str) -> Row:
        """Returns the dataset of a name."""
        for row in self.datasets:
            if row["name"] == name:
                return row
        raise missing("Dataset not found")

    def list(self, query: Query) -> Row:
        """Returns one page of the datasets, newest first."""
        return page(self.datasets[::-1], query)

    def create_item(self, body: Row) -> Row:
        """Makes an item, or changes the one that has the id; what was before stays readable by `version`."""
        if refused := incomplete(body, "datasetName"):
            raise refused
        dataset = self.get(body["datasetName"])
        key = body.get("id") or str(uuid.uuid4())
        older = self.items().get(key)
        if older is not None and older["datasetId"] != dataset["id"]:
            raise missing(f"The dataset item with id {key} already exists in a dataset other than {dataset['name']}")
        at = now()
        names = ("input", "expectedOutput", "metadata", "sourceTraceId", "sourceObservationId", "status")
        before: Row = older or dict.fromkeys(names) | {"status": "ACTIVE", "createdAt": stamp(at)}
        row = {
            "id": key,
            "datasetId": dataset["id"],
            **{name: body[name] if body.get(name) is not None else before[name] for name in names},
            "createdAt": before["createdAt"],
            "updatedAt": stamp(at),
            "datasetName": dataset["name"],
            "mediaReferences": [],
        }
        self.states.append((at, row))
        return row

    def items(self, until: dt.datetime | None = None) -> dict[str, Row]:
        """Returns the items by id in the order in which they were made, each in its newest state up to a time."""
        return {row["id"]: row for at, row in self.states if until is None or at <= until}

    def item(self, key: str) -> Row:
        """Returns the item of an id, as it is now."""
        if key not in (items := self.items()):
            raise missing("Dataset item not found")
        return items[key]

    def delete_item(self, key: str) -> Row:
        """Forgets an item with all its states."""
        self.item(key)
        self.states = [(at, row) for at, row in self.states if row["id"] != key]
        return {"message": "Dataset item successfully deleted"}

    def list_items(self, query: Query) -> Row:
        """Returns one page of the active items, newest first, as they were at `version` where it is given."""
        if "datasetName" in query:
            self.get(query["datasetName"])
        rows = [
            row
            for row in self.items(moment(query["version"]) if "version" in query else None).values()
            if query.get("datasetName", row["datasetName"]) == row["datasetName"]
            and query.get("sourceTraceId", row["sourceTraceId"]) == row["sourceTraceId"]
            and query.get("sourceObservationId", row["sourceObservationId"]) == row["sourceObservationId"]
            and row["status"] == "ACTIVE"
        ]
        return page(rows[::-1], query)

    def create_run_item(self, body: Row) -> Row:
        """Links an item of a dataset to a trace, as SDKs of major 4 do beside their spans."""
        if refused := incomplete(body, "runName", "datasetItemId"):
            raise refused
        item = self.item(body["datasetItemId"])
        if not body.get("traceId"):
            raise missing("Trace not found")
        at = stamp(now())
        row = {
            "id": str(uuid.uuid4()),
            "datasetRunId": experiment_id(item["datasetId"], body["runName"]),
            "datasetRunName": body["runName"],
            "datasetItemId": item["id"],
            "traceId": body["traceId"],
            "observationId": body.get("observationId"),
            "createdAt": at,
            "updatedAt": at,
        }
        self.run_items.append(row)
        return row

    def run_of(self, name: str, run_name: str) -> Row:
        """Returns a run and its items, as SDKs of major 4 read it back."""
        dataset = self.get(name)
        key = experiment_id(dataset["id"], run_name)
        items = [row for row in self.run_items if row["datasetRunId"] == key]
        if not items:
            raise missing("Dataset run not found")
        return {
            "id": key,
            "name": run_name,
            "description": None,
            "metadata": {},
            "datasetId": dataset["id"],
            "datasetName": name,
            "createdAt": items[0]["createdAt"],
            "updatedAt": items[-1]["updatedAt"],
            "datasetRunItems": items,
        }

    def answer(self, method: str, path: str, query: Query, body: Any) -> tuple[int, Any] | None:
        """Answers what is asked of datasets; `None` = something else is meant."""
        match method, [unquote(part) for part in path.removeprefix("/api/public/").split("/")]:
            case "POST", ["v2", "datasets"]:
                return 200, self.create(body)
            case "GET", ["v2", "datasets"]:
                return 200, self.list(query)
            case "GET", ["v2", "datasets", name]:
                return 200, self.get(name)
            case "POST", ["dataset-items"]:
                return 200, self.create_item(body)
            case "GET", ["dataset-items"]:
                return 200, self.list_items(query)
            case "GET", ["dataset-items", key]:
                return 200, self.item(key)
            case "DELETE", ["dataset-items", key]:
                return 200, self.delete_item(key)
            case "POST", ["dataset-run-items"]:
                return 200, self.create_run_item(body)
            case "GET", ["datasets", name, "runs", run_name]:
                return 200, self.run_of(name, run_name)
        return None
