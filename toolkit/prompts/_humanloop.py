"""Prompts from Humanloop over its HTTP interface, or from a server that speaks it: read only, cached."""

from __future__ import annotations

from typing import Unpack
from urllib.parse import quote

from toolkit._http import HttpClient
from toolkit._records import Prompt, PromptInfo
from toolkit.config import Settings
from toolkit.errors import UsageError
from toolkit.prompts._access import Server, humanloop_access
from toolkit.prompts._fetching import Asking, RemoteSource
from toolkit.prompts._humanloop_wire import SERVICE, read_info, read_prompt
from toolkit.prompts._remote import Question, field, mapping, read_json
from toolkit.prompts._source import FROM_SETTINGS, SourceAccess

PAGE_SIZE = 100
"""Prompts that are listed at once."""

_MAX_PAGES = 1_000

# Within the class, `list` is its method.
_Infos = list[PromptInfo]


class HumanloopSource(RemoteSource):
    """The prompts of one Humanloop organisation.

    A version is Humanloop's `version_id`, a label one of its environments; without either it is the version that is
    deployed by default. Caching and tries are those of Langfuse.

    Args:
        server: Base address and key.
        http: Sends the requests; stays the caller's to close.
        **asking: Cache, time-outs and tries, as in `Asking`.
    """

    name = SERVICE.source

    def __init__(self, server: Server, http: HttpClient, **asking: Unpack[Asking]) -> None:
        super().__init__(http, **asking)
        self._server = server

    def __repr__(self) -> str:
        return f"HumanloopSource(base={self._server.base!r})"

    async def get(self, prompt_id: str, *, version: str | None = None, label: str | None = None) -> Prompt:
        """Returns one version of a prompt; without version and label the one that is deployed by default.

        Raises:
            PromptNotFoundError: If there is no such prompt, version or environment.
            PromptSourceError: If the server cannot be reached, refuses us or answers nonsense.
            UsageError: If both a version and a label are given; nothing is sent.
        """
        if version is not None and label is not None:
            raise UsageError(
                f"Prompt {prompt_id!r}: version {version!r} and label {label!r} are both given; give one of them. "
                "Nothing was sent."
            )
        question = self._question(prompt_id, version, label)
        return await self._kept.get(question, lambda: self._fetch(question))

    async def versions(self, prompt_id: str) -> tuple[str, ...]:
        """Returns every version of a prompt, oldest first; raises as `get`."""
        question = self._question(prompt_id, None, None)
        response = await self._sender.send(f"/prompts/{quote(prompt_id, safe='')}/versions", question)
        answer = mapping(read_json(response, question), question, "the answer")
        records = [mapping(record, question, "a record") for record in field(answer, "records", list, question)]
        records.sort(key=lambda record: str(record.get("created_at", "")))
        return tuple(field(record, "version_id", str, question) for record in records)

    async def list(self, *, query: str = "") -> list[PromptInfo]:
        """Returns what the organisation holds, sorted by id, each with the version that is deployed by default.

        Args:
            query: Keeps only ids that contain it, in upper or lower case; empty keeps all.

        Raises:
            PromptSourceError: As for `get`.
        """
        question = Question(service=SERVICE, host=self._server.base)
        infos: _Infos = []
        for page in range(1, _MAX_PAGES + 1):
            response = await self._sender.send("/prompts", question, params={"page": page, "size": PAGE_SIZE})
            answer = mapping(read_json(response, question), question, "the answer")
            records = field(answer, "records", list, question)
            infos += [read_info(record, question) for record in records]
            if not records or len(infos) >= field(answer, "total", int, question):
                break
        return sorted(
            (info for info in infos if query.lower() in info.prompt_id.lower()), key=lambda info: info.prompt_id
        )

    def _question(self, prompt_id: str, version: str | None, label: str | None) -> Question:
        if prompt_id in ("", ".", ".."):
            raise UsageError(f"{prompt_id!r} cannot be the id of a Humanloop prompt.")
        return Question(service=SERVICE, host=self._server.base, prompt_id=prompt_id, version=version, label=label)

    async def _fetch(self, question: Question) -> Prompt:
        selection = {"version_id": question.version, "environment": question.label}
        params = {name: value for name, value in selection.items() if value is not None}
        path = f"/prompts/{quote(str(question.prompt_id), safe='')}"
        response = await self._sender.send(path, question, params=params)
        return read_prompt(read_json(response, question), question)

    def _headers(self) -> dict[str, str]:
        return {} if self._server.key is None else {"x-api-key": self._server.key.reveal()}


def humanloop_source(*, settings: Settings, http: HttpClient, access: SourceAccess = FROM_SETTINGS) -> HumanloopSource:
    """Returns the source of the Humanloop that caller or environment name; what the registry calls.

    Raises:
        MissingKeyError: If there is no key.
    """
    return HumanloopSource(humanloop_access(access, settings), http, cache_ttl_s=settings.prompt_cache_ttl_s)
