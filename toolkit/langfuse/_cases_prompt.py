"""Cases out of production: the generations that are linked to a prompt, read page by page, gently, and resumable."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit._http import HttpFailure
from toolkit._records import Prompt
from toolkit.errors import LangfuseError, PromptNotFoundError
from toolkit.langfuse._cases_dataset import moment_text, read_moment
from toolkit.langfuse._cases_row import METADATA_KEYS, FoundCase, read_answer, read_variables
from toolkit.langfuse._client import LangfuseClient

PAGE_SIZE = 100
"""Generations asked for at once; Langfuse gives up to 1,000, whose inputs may be too much for one answer."""

EXPERIMENT = "sent by an experiment"
GONE = "its prompt version is gone"

_PATH = "/api/public/v2/observations"

# Environments of what was not asked in production: the SDK's experiments, and what Langfuse runs itself.
_EXPERIMENTS = ("sdk-experiment", "langfuse-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """Which generations are wanted."""

    prompt_id: str
    since: dt.datetime
    until: dt.datetime
    version: str | None = None
    """`None` = any, within `first` and `last`."""
    first: int | None = None
    last: int | None = None
    environment: str | None = None
    """`None` = any but those of experiments."""
    at_most: int | None = None
    """Generations to read, newest first; `None` = all."""

    def takes(self, version: Any) -> bool:
        """True when a generation that is linked to this version is wanted."""
        if self.version is not None:
            return str(version) == self.version
        if not isinstance(version, int):
            return False
        return (self.first is None or version >= self.first) and (self.last is None or version <= self.last)

    def query(self) -> dict[str, str | int]:
        """Returns the parameters that ask for them, without the page."""
        conditions: list[dict[str, Any]] = [
            _condition("string", "type", "=", "GENERATION"),
            _condition("string", "promptName", "=", self.prompt_id),
            _condition("datetime", "startTime", ">=", moment_text(self.since)),
            _condition("datetime", "startTime", "<", moment_text(self.until)),
        ]
        if self.version is not None:
            conditions.append(_condition("number", "promptVersion", "=", int(self.version)))
        if self.first is not None:
            conditions.append(_condition("number", "promptVersion", ">=", self.first))
        if self.last is not None:
            conditions.append(_condition("number", "promptVersion", "<=", self.last))
        if self.environment is not None:
            conditions.append(_condition("string", "environment", "=", self.environment))
        return {
            "fields": "core,basic,io,metadata,prompt",
            "expandMetadata": ",".join(METADATA_KEYS),
            "filter": json.dumps(conditions, separators=(",", ":")),
        }


@dataclass(slots=True, kw_only=True)
class LinkedRead:
    """How far the reading is; kept between calls, so that an interrupted one goes on where it was."""

    linked: Linked
    found: list[FoundCase] = field(default_factory=list)
    """Newest first."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Generations without known variables, by reason."""
    pages: int = 0
    read: int = 0
    project_id: str | None = None
    is_done: bool = False
    is_cut: bool = False
    """True when there are more than `at_most`."""
    _size: int = field(default_factory=lambda: PAGE_SIZE)
    _cursor: str | None = None
    _cursors: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)

    @property
    def line(self) -> str:
        """How far it is, in a few words."""
        return f"{self.read:,} generations of {self.linked.prompt_id!r} read, variables known of {len(self.found):,}"

    async def go_on(
        self,
        client: LangfuseClient,
        template: Callable[[str], Awaitable[Prompt]],
        *,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Reads the pages that are left, one after the other; a page counts once all of it was read.

        Args:
            client: Asks the project.
            template: Fetches a version of the prompt.
            told: Is told how far it is, in a few words.

        Raises:
            LangfuseError: If the server cannot be reached, refuses, or has no such interface; what was read is kept.
            PromptError: If a version cannot be fetched; what was read is kept.
        """
        while not self.is_done:
            asked = self.linked.query() | ({"cursor": self._cursor} if self._cursor else {})
            try:
                answer = await client.get(_PATH, asked | {"limit": self._size})
            except LangfuseError as error:
                if self._size > 1 and _is_too_large(error):
                    self._size //= 2
                    continue
                raise _explained(error) from error
            rows, cursor = _rows(answer)
            templates = {
                version: await _template(template, str(version))
                for version in dict.fromkeys(row.get("promptVersion") for row in rows)
                if self.linked.takes(version)
            }
            # Nothing below waits: the page is taken whole, or not at all.
            for row in rows:
                self._take(row, templates)
            self.pages += 1
            if cursor and self.linked.at_most is not None and self.read >= self.linked.at_most:
                self.is_cut = True
            # A server that names a page again would be asked for ever.
            self.is_done = self.is_cut or not cursor or cursor in self._cursors
            self._cursors.add(cursor or "")
            self._cursor = cursor
            told(self.line)

    def _take(self, row: Mapping[str, Any], templates: Mapping[Any, Prompt | None]) -> None:
        linked, version, case_id = self.linked, row.get("promptVersion"), str(row.get("id"))
        started_at = read_moment(row.get("startTime"))
        is_wanted = (
            row.get("type") == "GENERATION"
            and row.get("promptName") == linked.prompt_id
            and linked.takes(version)
            and started_at is not None
            and linked.since <= started_at < linked.until
            and linked.environment in (None, row.get("environment"))
        )
        # Langfuse keeps a span twice that was sent twice.
        if not is_wanted or case_id in self._seen or started_at is None:
            return
        if linked.at_most is not None and self.read >= linked.at_most:
            self.is_cut = True
            return
        self._seen.add(case_id)
        self.read += 1
        self.project_id = self.project_id or row.get("projectId")
        if linked.environment is None and str(row.get("environment") or "").startswith(_EXPERIMENTS):
            self.left_out[EXPERIMENT] += 1
            return
        prompt = templates[version]
        if prompt is None:
            self.left_out[GONE] += 1
            return
        reading = read_variables(row, prompt)
        if reading.variables is None:
            self.left_out[reading.reason] += 1
            return
        answer = read_answer(row.get("output"))
        self.found.append(
            FoundCase(
                case_id=case_id,
                version=str(version),
                started_at=started_at,
                variables=reading.variables,
                answer=None if answer == "" else answer,
            )
        )


def _condition(kind: str, column: str, operator: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "column": column, "operator": operator, "value": value}


def _rows(answer: Any) -> tuple[Sequence[Mapping[str, Any]], str | None]:
    rows = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise LangfuseError(
            f"Langfuse was asked GET {_PATH} and answered something else than a list of observations; check "
            "LANGFUSE_HOST.",
            status=200,
        )
    meta = answer.get("meta")
    cursor = meta.get("cursor") if isinstance(meta, Mapping) else None
    return rows, cursor if isinstance(cursor, str) and cursor else None


async def _template(fetch: Callable[[str], Awaitable[Prompt]], version: str) -> Prompt | None:
    try:
        return await fetch(version)
    except PromptNotFoundError:
        return None


def _is_too_large(error: LangfuseError) -> bool:
    """True when the page was more than this configuration reads of one answer."""
    return isinstance(error.__cause__, HttpFailure) and error.__cause__.kind == "too_large"


def _explained(error: LangfuseError) -> LangfuseError:
    """The error, with the way out where there is one."""
    advice = {
        403: (
            "Reading observations back may not be part of this plan, or of what these keys may do: take the cases "
            "from a dataset (dataset=...), or from the calls of your own proxy (tk.from_traffic)."
        ),
        404: (
            "What production used is read through an interface that Langfuse has from version 4 on: update the "
            "server, or take the cases from a dataset (dataset=...) or from your own proxy (tk.from_traffic)."
        ),
        429: "What was read so far is kept: the same call goes on from there.",
    }.get(error.status or 0)
    if advice is None:
        return error
    return LangfuseError(f"{error} {advice}", status=error.status, retryable=error.retryable)
