"""The spans of the fake Langfuse, and what it reads from them: observations, metrics and experiments."""

from __future__ import annotations

import itertools
import json
import operator
import time
from collections.abc import Callable, Iterable
from typing import Any

from tests.servers import _langfuse_otlp as otlp
from tests.servers._fake import Refused
from tests.servers._langfuse_common import (
    Query,
    Row,
    after_cursor,
    bad,
    incomplete,
    limit_of,
    moment,
    now,
    one_of,
    stamp,
)

ScoresOf = Callable[[str, str], list[Row]]
"""Gives the scores on something: its kind (`experiment`, `observation`, `trace`) and its identifier."""

_CORE = "id traceId startTime endTime projectId parentObservationId type".split()
_ALWAYS = ("modelId", "inputPrice", "outputPrice", "totalPrice")
_GROUPS = {
    "core": _CORE,
    "basic": "name level statusMessage version environment userId sessionId isRootObservation bookmarked "
    "public".split(),
    "time": "completionStartTime createdAt updatedAt".split(),
    "io": ["input", "output"],
    "metadata": ["metadata"],
    "model": "model internalModelId modelParameters".split(),
    "usage": "usageDetails inputUsage outputUsage totalUsage costDetails inputCost outputCost totalCost "
    "usagePricingTierId usagePricingTierName latency timeToFirstToken".split(),
    "prompt": "promptId promptName promptVersion".split(),
    "metrics": ["latency", "timeToFirstToken"],
    "trace_context": "tags release traceName".split(),
}
_PLAIN = ("name", "type", "traceId", "level", "userId", "sessionId", "version")
_LONGEST = 200
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "contains": lambda value, part: part in value,
    "matches": lambda value, part: part.lower() in value.lower(),
    "does not contain": lambda value, part: part not in value,
    "starts with": lambda value, part: value.startswith(part),
    "ends with": lambda value, part: value.endswith(part),
    "any of": lambda value, parts: value in parts,
    "none of": lambda value, parts: value not in parts,
}


class TraceTable:
    """Every span that came, in the order in which they came; one that comes twice is here twice."""

    def __init__(self, find_prompt: otlp.FindPrompt, scores_of: ScoresOf) -> None:
        self.rows: list[Row] = []
        self.lag_s = 0.0
        self._find_prompt = find_prompt
        self._scores_of = scores_of
        self._ticks = itertools.count()

    def take(self, body: Row) -> Row:
        """Stores the spans of an export request; returns the export response."""
        problems = []
        for shared, scope, span in otlp.spans_of(body):
            if problem := otlp.problem_of(span):
                problems.append(problem)
                continue
            row = otlp.observation_of(shared, scope, span, self._find_prompt)
            row |= {"createdAt": stamp(now()), "updatedAt": stamp(now()), **dict.fromkeys(_ALWAYS)}
            self.rows.append({**row, "_tick": next(self._ticks), "_came": time.monotonic()})
        if problems:
            return {"partialSuccess": {"rejectedSpans": str(len(problems)), "errorMessage": problems[0]}}
        return {}

    def readable(self) -> list[Row]:
        """Returns the spans that have been here for longer than the lag."""
        until = time.monotonic() - self.lag_s
        return [row for row in self.rows if row["_came"] <= until]

    def held(self) -> list[Row]:
        """Returns every span with all its fields, those too that cannot be read yet, oldest first."""
        return [
            {**{name: value for name, value in row.items() if name[0] != "_"}, "experiment": row["_experiment"]}
            for row in self.rows
        ]

    def observations(self, query: Query) -> Row:
        """Returns what the list of observations answers."""
        groups = set(query.get("fields", "core,basic").split(",")) | {"core"}
        if unknown := sorted(groups - set(_GROUPS)):
            raise bad(f"Invalid field groups: {', '.join(unknown)}")
        if query.get("parseIoAsJson") == "true":
            raise bad("parseIoAsJson is no longer supported")
        rows = [row for row in self.readable() if _is_meant(row, query)]
        taken, meta = after_cursor(
            rows,
            query,
            limit=limit_of(query, usual=50, most=1000),
            key=lambda row: (row["startTime"], row["traceId"], row["id"], row["_tick"]),
            names=("lastStartTimeTo", "lastTraceId", "lastId", "tick"),
        )
        names = {name for group in groups for name in _GROUPS[group]} | set(_ALWAYS)
        expanded = query.get("expandMetadata", "").split(",")
        return {
            "data": [
                {name: _shortened(row[name], name, expanded) for name in row if name in names}  # in the server's order
                for row in taken
            ],
            "meta": meta,
        }

    def metrics(self, query: Query) -> Row:
        """Returns sums and counts of the observations, one row for each value of the dimensions."""
        try:
            asked = json.loads(query["query"])
            dimensions = [dimension["field"] for dimension in asked.get("dimensions", [])]
            bounds = {"fromStartTime": asked["fromTimestamp"], "toStartTime": asked["toTimestamp"]}
            metrics = [(metric["measure"], metric["aggregation"]) for metric in asked["metrics"]]
        except (KeyError, ValueError, TypeError):
            raise bad("Invalid query parameter") from None
        if asked.get("view") != "observations":
            raise bad(f"This fake answers the view 'observations', not {asked.get('view')!r}")
        groups: dict[tuple[Any, ...], list[Row]] = {}
        wanted = asked.get("filters") or []
        for row in self.readable():
            if _is_meant(row, bounds) and all(_holds(row, condition) for condition in wanted):
                groups.setdefault(tuple(row[name] or None for name in dimensions), []).append(row)
        return {
            "data": [
                {
                    **dict(zip(dimensions, values, strict=True)),
                    **{f"{how}_{measure}": _measured(rows, measure, how) for measure, how in metrics},
                }
                for values, rows in sorted(groups.items(), key=lambda group: [str(value or "") for value in group[0]])
            ]
        }

    def experiments(self, query: Query) -> Row:
        """Returns the experiments that the spans speak of, the last active first."""
        groups = query.get("fields", "core").split(",")
        by_id: dict[str, list[Row]] = {}
        for row in self._of_experiments(query):
            by_id.setdefault(row["_experiment"]["id"], []).append(row)
        found = []
        for key, rows in by_id.items():
            said = rows[0]["_experiment"]
            experiment = {
                "id": key,
                "name": said.get("name", ""),
                "description": said.get("description", ""),
                "startTime": min(row["startTime"] for row in rows),
                "endTime": max(row["endTime"] for row in rows),
                # Root spans are counted, so that repeats of one item are several; a span that came twice is one.
                "itemCount": len({row["id"] for row in rows if _is_item(row)}),
                "datasetId": said.get("dataset.id"),
                "_last": max(row["startTime"] for row in rows),
            }
            if "metadata" in groups:
                experiment["metadata"] = otlp.as_json(said.get("metadata"), {})
            if "scores" in groups:
                experiment["scores"] = self._scores_of("experiment", key)
            if all(one_of(query, name, experiment[name]) for name in ("id", "name", "datasetId")):
                found.append(experiment)
        taken, meta = after_cursor(
            found,
            query,
            limit=limit_of(query, usual=50, most=100),
            key=lambda row: (row["_last"], row["id"]),
            names=("lastTime", "lastExperimentId"),
        )
        for experiment in taken:
            del experiment["_last"]
        return {"data": taken, "meta": meta}

    def experiment_items(self, query: Query) -> Row:
        """Returns the root spans of experiments' items, newest first."""
        groups = query.get("fields", "core,dataset").split(",")
        rows = [
            row
            for row in self._of_experiments(query)
            if _is_item(row)
            and one_of(query, "experimentId", row["_experiment"]["id"])
            and one_of(query, "experimentName", row["_experiment"].get("name"))
            and one_of(query, "experimentItemId", row["_experiment"].get("item.id"))
            and one_of(query, "datasetId", row["_experiment"].get("dataset.id"))
        ]
        taken, meta = after_cursor(
            rows,
            query,
            limit=limit_of(query, usual=50, most=100),
            key=lambda row: (row["startTime"], row["traceId"], row["id"], row["_tick"]),
            names=("lastTime", "lastTraceId", "lastId", "tick"),
        )
        return {"data": [self._item(row, groups) for row in taken], "meta": meta}

    def answer(self, method: str, path: str, query: Query) -> tuple[int, Any] | None:
        """Answers what is asked of spans; `None` = something else is meant."""
        match method, path.removeprefix("/api/public/"):
            case "GET", "v2/observations":
                return 200, self.observations(query)
            case "GET", "v2/metrics":
                return 200, self.metrics(query)
            case "GET", "experiments":
                return 200, self.experiments(query)
            case "GET", "experiment-items":
                return 200, self.experiment_items(query)
        return None

    def _of_experiments(self, query: Query) -> Iterable[Row]:
        if refused := incomplete(query, "fromStartTime"):
            raise refused
        bounds = {name: query[name] for name in ("fromStartTime", "toStartTime") if name in query}
        for row in self.readable():
            if "id" in row["_experiment"] and _is_meant(row, bounds):
                yield row

    def _item(self, row: Row, groups: list[str]) -> Row:
        said = row["_experiment"]
        item = {name: row[name] for name in ("id", "traceId", "startTime", "endTime", "level", "environment")}
        item |= {
            "experimentId": said["id"],
            "experimentName": said.get("name", ""),
            "experimentItemId": said.get("item.id", ""),
        }
        if "dataset" in groups:
            item["experimentDatasetId"] = said.get("dataset.id")
            item["experimentItemVersion"] = said.get("item.version")
        if "io" in groups:
            item |= {"input": row["input"], "output": row["output"]}
            item["expectedOutput"] = said.get("item.expected_output")
        if "metadata" in groups:
            item["metadata"] = row["metadata"]
        if "itemMetadata" in groups:
            item["experimentItemMetadata"] = otlp.as_json(said.get("item.metadata"), {})
        if "experimentMetadata" in groups:
            item["experimentMetadata"] = otlp.as_json(said.get("metadata"), {})
            item["experimentDescription"] = said.get("description", "")
        if "scores" in groups:
            item["scores"] = [*self._scores_of("observation", row["id"]), *self._scores_of("trace", row["traceId"])]
        return item


def _is_item(row: Row) -> bool:
    return bool(row["_experiment"].get("item.root_observation_id") == row["id"])


def _is_meant(row: Row, query: Query) -> bool:
    if "filter" in query:  # takes precedence over the single parameters, but for the trace
        try:
            conditions = json.loads(query["filter"])
        except ValueError:
            raise bad("Invalid filter: not JSON") from None
        return query.get("traceId", row["traceId"]) == row["traceId"] and all(_holds(row, each) for each in conditions)
    if any(str(row[name]) != query[name] for name in _PLAIN if name in query):
        return False
    if "parentObservationId" in query and (row["parentObservationId"] or "") != query["parentObservationId"]:
        return False
    if "isRootObservation" in query and str(row["isRootObservation"]).lower() != query["isRootObservation"]:
        return False
    if not one_of(query, "environment", row["environment"]):
        return False
    started = moment(row["startTime"])
    return not (
        ("fromStartTime" in query and started < moment(query["fromStartTime"]))
        or ("toStartTime" in query and started >= moment(query["toStartTime"]))
    )


def _holds(row: Row, condition: Row) -> bool:
    try:
        column, how, wanted = condition["column"], condition["operator"], condition.get("value")
        kind = condition["type"]
    except (KeyError, TypeError):
        raise bad("Invalid filter: a condition needs type, column and operator") from None
    column = {"providedModelName": "model", "traceTags": "tags", "tokens": "totalUsage"}.get(column, column)
    if column not in row:
        raise bad(f"Invalid filter: unknown column {column!r}")
    value = row[column]
    if column == "metadata":
        value = value.get(condition.get("key"))
    if kind == "null":
        return (value in (None, "")) == (how == "is null")
    if kind == "datetime":
        value, wanted = moment(value), moment(wanted)
    if kind == "arrayOptions":
        shared = set(value) & set(wanted)
        return {"any of": bool(shared), "none of": not shared, "all of": shared == set(wanted)}[how]
    if how not in _COMPARE:
        raise Refused(400, {"message": f"Invalid filter operator {how!r}", "error": "InvalidRequestError"})
    return value is not None and _COMPARE[how](value, wanted)


def _measured(rows: list[Row], measure: str, how: str) -> Any:
    if how == "count":
        return len(rows)
    values = [row[{"totalTokens": "totalUsage"}.get(measure, measure)] or 0 for row in rows]
    known: dict[str, Callable[[list[Any]], Any]] = {
        "sum": sum,
        "min": min,
        "max": max,
        "avg": lambda given: sum(given) / len(given),
    }
    return known[how](values)


def _shortened(value: Any, name: str, expanded: list[str]) -> Any:
    if name != "metadata":
        return value
    return {
        key: text[:_LONGEST] if isinstance(text, str) and key not in expanded else text for key, text in value.items()
    }
