"""The prompts of the fake Langfuse: versions, labels, composition and lists, in the words of a recorded server."""

from __future__ import annotations

import datetime as dt
import itertools
import re
import uuid
from typing import Any

from tests.servers._fake import Refused

_REFERENCE = re.compile(r"@@@langfusePrompt:name=(?P<name>[^|@]+)\|(?P<by>version|label)=(?P<value>[^@]+)@@@")
_BORN = dt.datetime(2026, 11, 22, 13, 7, 25, tzinfo=dt.UTC)


def invalid(*problems: dict[str, Any]) -> Refused:
    """Returns the answer to a request that does not fit the schema."""
    return Refused(400, {"message": "Invalid request data", "error": list(problems)})


class PromptTable:
    """All versions of all prompts; each row is what a create call answers."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._ticks = itertools.count()

    def create(self, body: dict[str, Any], *, checked: bool = True) -> dict[str, Any]:
        """Adds a version; `checked=False` also takes what newer servers refuse, such as labels in upper case."""
        # The SDK leaves the type out of a text prompt.
        body = {"type": "text", **body}
        if checked:
            _check(body)
        older = self._versions(body["name"])
        if older and older[0]["type"] != body["type"]:
            words = "Previous versions have different prompt type. Create a new prompt with a different name."
            raise Refused(400, {"message": words, "error": "InvalidRequestError"})
        now = self._now()
        # The SDK sends null for what its caller does not give.
        tags = body.get("tags")
        if tags is None:
            tags = older[0]["tags"] if older else []
        row = {
            "id": str(uuid.uuid4()),
            "createdAt": now,
            "updatedAt": now,
            "projectId": "proj-test",
            "createdBy": "API",
            "prompt": body["prompt"],
            "name": body["name"],
            "version": len(older) + 1,
            "type": body["type"],
            "isActive": None,
            "config": body.get("config") or {},
            "tags": tags,
            "labels": [],
            "commitMessage": body.get("commitMessage"),
        }
        for other in older:
            other["tags"] = tags
        self.rows.append(row)
        self._put_labels(row, [*(body.get("labels") or []), "latest"])
        return row

    def move_labels(self, name: str, version: int, labels: list[str]) -> dict[str, Any]:
        """Puts labels on a version, ahead of those that it has, and takes them from the others."""
        for row in self._versions(name):
            if row["version"] == version:
                self._put_labels(row, labels)
                return row
        message = f"Prompt '{name}' version {version} not found in project"
        raise Refused(404, {"message": message, "error": "LangfuseNotFoundError"})

    def get(self, name: str, query: dict[str, str]) -> dict[str, Any]:
        """Returns what a get call answers."""
        if "version" in query and not query["version"].isdigit():
            problem = {"expected": "number", "code": "invalid_type", "received": "NaN", "path": ["version"]}
            raise invalid({**problem, "message": "Invalid input: expected number, received NaN"})
        if "version" in query and "label" in query:
            raise Refused(400, {"message": "Cannot specify both version and label", "error": "InvalidRequestError"})
        by = "version" if "version" in query else "label"
        row = self._find(name, by, query.get(by, "production"))
        prompt, graph = row["prompt"], None
        if query.get("resolve") != "false" and isinstance(prompt, str):
            prompt, graph = self._resolved(row)
        return {**row, "prompt": prompt, "isActive": "production" in row["labels"], "resolutionGraph": graph}

    def delete(self, name: str) -> None:
        """Removes every version of a prompt."""
        self.rows = [row for row in self.rows if row["name"] != name]

    def page(self, query: dict[str, str]) -> dict[str, Any]:
        """Returns what a list call answers."""
        limit, page = int(query.get("limit", "10")), int(query.get("page", "1"))
        if limit > 100:
            raise invalid(
                {
                    "origin": "number",
                    "code": "too_big",
                    "maximum": 100,
                    "inclusive": True,
                    "path": ["limit"],
                    "message": "Too big: expected number to be <=100",
                }
            )
        entries = [entry for name in sorted({row["name"] for row in self.rows}) for entry in self._entry(name, query)]
        meta = {
            "page": page,
            "limit": limit,
            "totalPages": -(-len(entries) // limit),
            "totalItems": len(entries),
        }
        return {"data": entries[(page - 1) * limit : page * limit], "meta": meta, "pagination": meta}

    def _entry(self, name: str, query: dict[str, str]) -> list[dict[str, Any]]:
        label = query.get("label")
        rows = [row for row in self._versions(name) if label is None or label in row["labels"]]
        if not rows or query.get("name", name) != name or ("tag" in query and query["tag"] not in rows[0]["tags"]):
            return []
        labels = {its for row in rows for its in row["labels"] if label in (None, its)}
        return [
            {
                "name": name,
                "tags": rows[0]["tags"],
                "lastUpdatedAt": max(row["updatedAt"] for row in rows),
                "versions": [row["version"] for row in rows],
                "labels": sorted(labels),
                "type": rows[0]["type"],
                "lastConfig": rows[-1]["config"],
            }
        ]

    def _versions(self, name: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["name"] == name]

    def _find(self, name: str, by: str, value: str) -> dict[str, Any]:
        for row in self._versions(name):
            if (value in row["labels"]) if by == "label" else (row["version"] == int(value)):
                return row
        words = f"label '{value}'" if by == "label" else f"version {value}"
        raise Refused(404, {"message": f"Prompt not found: '{name}' with {words}", "error": "LangfuseNotFoundError"})

    def _resolved(self, row: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
        used: list[dict[str, Any]] = []

        def put_in(match: re.Match[str]) -> str:
            other = self._find(match["name"], match["by"], match["value"])
            used.append({"id": other["id"], "name": other["name"], "version": other["version"]})
            return str(other["prompt"])

        text = _REFERENCE.sub(put_in, row["prompt"])
        root = {"name": row["name"], "version": row["version"], "id": row["id"]}
        return text, {"root": root, "dependencies": {row["id"]: used}} if used else None

    def _put_labels(self, row: dict[str, Any], labels: list[str]) -> None:
        for other in self._versions(row["name"]):
            kept = [label for label in other["labels"] if label not in labels]
            if other is row or kept != other["labels"]:
                other["updatedAt"] = self._now()
            other["labels"] = [*labels, *kept] if other is row else kept

    def _now(self) -> str:
        moment = _BORN + dt.timedelta(milliseconds=next(self._ticks))
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _check(body: dict[str, Any]) -> None:
    if "|" in body.get("name", ""):
        raise invalid(
            {
                "origin": "string",
                "code": "invalid_format",
                "format": "regex",
                "pattern": "/^[^|]*$/",
                "path": ["name"],
                "message": "Prompt name cannot contain '|' character",
            }
        )
    for index, label in enumerate(body.get("labels", [])):
        if not re.fullmatch(r"[a-z0-9_\-.]+", label):
            raise invalid(
                {
                    "origin": "string",
                    "code": "invalid_format",
                    "format": "regex",
                    "pattern": r"/^[a-z0-9_\-.]+$/",
                    "path": ["labels", index],
                    "message": "Label must be lowercase alphanumeric with optional underscores, hyphens, or periods",
                }
            )
    if body.get("type") == "text" and not isinstance(body.get("prompt"), str):
        prompt = body.get("prompt")
        as_chat = [_only("chat"), _expected("array", ["prompt"], prompt)]
        raise invalid(_union([_expected("string", ["prompt"], prompt)], as_chat))
    if body.get("type") == "chat":
        for index, message in enumerate(body["prompt"]):
            if message.get("type") != "placeholder" and not isinstance(message.get("content"), str):
                as_message = [_expected("string", ["content"], message.get("content"))]
                as_placeholder = [_only("placeholder"), _expected("string", ["name"], message.get("name"))]
                inner = {**_union(as_message, as_placeholder), "path": ["prompt", index]}
                raise invalid(_union([_only("text"), _expected("string", ["prompt"], body["prompt"])], [inner]))


def _union(*branches: list[dict[str, Any]]) -> dict[str, Any]:
    return {"code": "invalid_union", "errors": list(branches), "path": [], "message": "Invalid input"}


def _expected(wanted: str, path: list[str], got: Any) -> dict[str, Any]:
    received = "undefined" if got is None else "array" if isinstance(got, list) else type(got).__name__
    message = f"Invalid input: expected {wanted}, received {received}"
    return {"expected": wanted, "code": "invalid_type", "path": path, "message": message}


def _only(value: str) -> dict[str, Any]:
    message = f'Invalid input: expected "{value}"'
    return {"code": "invalid_value", "values": [value], "path": ["type"], "message": message}
