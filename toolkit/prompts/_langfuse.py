"""Prompts from Langfuse over its public HTTP interface: read by name and version or label, cached; and written."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Unpack
from urllib.parse import quote

from toolkit._canonical import canonical_json
from toolkit._http import HttpClient
from toolkit._records import Prompt, PromptInfo, TemplateFormat
from toolkit._redact import register_secret
from toolkit.config import LangfuseSettings, Settings
from toolkit.errors import PromptError, PromptNotFoundError, UsageError
from toolkit.prompts._access import langfuse_access
from toolkit.prompts._fetching import Asking, RemoteSource
from toolkit.prompts._langfuse_wire import (
    SERVICE,
    Page,
    comment_text,
    has_comment,
    is_composed,
    not_found,
    read_comment_target,
    read_page,
    read_prompt,
    read_version,
    read_written,
)
from toolkit.prompts._reference import nearest
from toolkit.prompts._remote import Question, read_json
from toolkit.prompts._source import FROM_SETTINGS, Evidence, PromptVersion, SourceAccess
from toolkit.prompts._values import thawed
from toolkit.prompts._written import WrittenVersion

PAGE_SIZE = 100
"""Most prompts that Langfuse lists at once."""

# Versions that are asked for one by one; of older ones only the numbers are told.
_DETAILED = 50

_PROMPTS = "/api/public/v2/prompts"
_COMMENTS = "/api/public/comments"

# Within the class, `list` is its method.
_Infos = list[PromptInfo]


class LangfuseSource(RemoteSource):
    """The prompts of one Langfuse project.

    An answer is kept for `cache_ttl_s`, and several callers who ask for one prompt at once make one request. A 429, a
    5xx and a broken connection are tried again, twice at most. What a prompt's config says is data: no address, header
    or key in it is ever obeyed.

    Args:
        settings: Host and keys.
        http: Sends the requests; stays the caller's to close.
        **asking: Cache, time-outs and tries, as in `Asking`.
    """

    name = SERVICE.source
    template_formats: tuple[TemplateFormat, ...] = ("mustache",)

    def __init__(self, settings: LangfuseSettings, http: HttpClient, **asking: Unpack[Asking]) -> None:
        super().__init__(http, **asking)
        self._settings = settings

    def __repr__(self) -> str:
        return f"LangfuseSource(host={self._settings.host!r})"

    async def get(self, prompt_id: str, *, version: str | None = None, label: str | None = None) -> Prompt:
        """Returns one version of a prompt; without version and label the one that the server's `production` names.

        References to other prompts (`@@@langfusePrompt:...@@@`) are resolved by the server, so the text of a version
        can change: compare `Prompt.fingerprint`.

        Raises:
            PromptNotFoundError: If there is no such prompt, version or label; the message says which exist.
            PromptSourceError: If the server cannot be reached, refuses us or answers nonsense; `status` and
                `retryable` say how.
            UsageError: If both a version and a label are given, or the version is no number; nothing is sent.
        """
        question = self._question(prompt_id, version, label)
        return await self._kept.get(question, lambda: self._fetch(question))

    async def versions(self, prompt_id: str) -> tuple[str, ...]:
        """Returns every version of a prompt, oldest first; raises as `get`."""
        return (await self._entry(prompt_id)).versions

    async def history(self, prompt_id: str) -> tuple[PromptVersion, ...]:
        """Returns every version of a prompt, oldest first; raises as `get`.

        Langfuse tells labels, date and message of one version at a time: the newest 50 are asked for, of those before
        them only the numbers are told.
        """
        versions = await self.versions(prompt_id)
        newest = await asyncio.gather(*(self._version(prompt_id, each) for each in versions[-_DETAILED:]))
        return (*(PromptVersion(version=version) for version in versions[:-_DETAILED]), *newest)

    async def label_versions(self, prompt_id: str) -> dict[str, str]:
        """Returns which version each label of a prompt stands on; raises as `get`."""
        labels = (await self._entry(prompt_id)).labels
        holders = await asyncio.gather(*(self._holder(prompt_id, label) for label in labels))
        # A label that was taken away between the two questions stands on nothing.
        return {label: holder for label, holder in zip(labels, holders, strict=True) if holder is not None}

    async def written(self, prompt_id: str, versions: Collection[str] | None = None) -> tuple[WrittenVersion, ...]:
        """Returns versions as they are written, oldest first, asked anew; `None` = every one; raises as `get`."""
        wanted = await self.versions(prompt_id) if versions is None else sorted({*versions}, key=int)
        answers = await asyncio.gather(*(self._as_written(prompt_id, version) for version in wanted))
        return tuple(read_written(*answer) for answer in answers)

    async def list(self, *, query: str = "") -> list[PromptInfo]:
        """Returns what the project holds, sorted by name; the pages behind the first are fetched at once.

        Args:
            query: Keeps only names that contain it, in upper or lower case; empty keeps all.

        Raises:
            PromptSourceError: As for `get`.
        """
        question = Question(service=SERVICE, host=self._settings.host)
        first = await self._page(question)
        rest = await asyncio.gather(*(self._page(question, page=page) for page in range(2, first.total_pages + 1)))
        # A prompt made meanwhile moves others to the next page: each name once, as it was seen last.
        by_name = {info.prompt_id: info for page in (first, *rest) for info in page.prompts}
        return [by_name[name] for name in sorted(by_name) if query.lower() in name.lower()]

    async def push(
        self,
        prompt_id: str,
        template: str | Sequence[Mapping[str, Any]],
        *,
        kind: Literal["text", "chat"] | None = None,
        config: Mapping[str, Any] | None = None,
        labels: Sequence[str] = (),
        tags: Sequence[str] | None = None,
        commit_message: str | None = None,
        template_format: TemplateFormat = "mustache",
    ) -> Prompt:
        """Writes a new version and returns it; Langfuse numbers it and puts `latest` on it.

        The request is not tried again once the server may have taken it, so that no version is made twice. The cache
        is dropped, because other prompts may include this one.

        Args:
            prompt_id: Name of the prompt; a new one begins at version 1.
            template: Text, or the messages of a chat as maps.
            kind: `None` = `text` for text, `chat` for messages.
            config: Model, params and whatever else is kept with the prompt; `None` = nothing.
            labels: Put on the new version and taken from the versions that had them.
            tags: Tags of all of the prompt's versions; `None` = as they are.
            commit_message: A line about the change.
            template_format: Only `mustache`: Langfuse knows no other.

        Raises:
            UsageError: If kind and template do not fit, or something is not plain JSON; nothing was sent.
            PromptSourceError: If the server cannot be reached or refuses it; the message has its reason.
        """
        if template_format != "mustache":
            raise UsageError(f"Prompt {prompt_id!r}: Langfuse keeps {{{{name}}}} templates, not {template_format}.")
        if kind not in (None, "text", "chat") or (kind or _kind_of(template)) != _kind_of(template):
            raise UsageError(f"Prompt {prompt_id!r}: kind is {kind!r} and the template is {_kind_of(template)}.")
        question = self._question(prompt_id, None, None)
        _check_labels(labels)
        body: dict[str, Any] = {
            "name": prompt_id,
            "type": _kind_of(template),
            "prompt": thawed(template),
            "config": thawed(dict(config or {})),
            "labels": [*labels],
        }
        body |= {} if tags is None else {"tags": [*tags]}
        body |= {} if commit_message is None else {"commitMessage": commit_message}
        try:
            canonical_json(body)
        except (TypeError, ValueError) as error:
            raise UsageError(f"Prompt {prompt_id!r}: config and messages must be plain JSON: {error}") from error
        response = await self._sender.send(_PROMPTS, question, method="POST", json_body=body)
        created = read_prompt(read_json(response, question), question)
        self.refresh()
        # The answer to a write has the references to other prompts unresolved.
        return await self.get(prompt_id, version=created.version) if is_composed(created) else created

    async def set_label(self, prompt_id: str, version: str | None, label: str) -> str | None:
        """Puts a label on a version and returns the version that had it before; `None` when none had.

        Raises:
            PromptNotFoundError: If there is no such prompt or version; the message says which exist.
            UsageError: If the label is `latest`, which Langfuse moves itself, or `version` is `None`: its interface
                can move a label and not take it away. Nothing was sent.
            PromptSourceError: If the server cannot be reached or refuses it; the message has its reason.
        """
        return await self._move(prompt_id, version, label)

    async def holders(self, prompt_id: str, label: str) -> tuple[str, ...]:
        """Returns the versions that a label stands on, asked anew: one, or none; raises as `get`."""
        info = await self._labelled(prompt_id, label)
        return info.versions if info is not None else ()

    async def swap_label(self, prompt_id: str, label: str, *, held_by: str | None, version: str | None) -> bool:
        """Moves a label if it stands on `held_by`, asked just before, and tells whether it did; raises as `set_label`.

        Langfuse cannot do both in one step: of two who move a label in the same instant the later one has it.
        """
        return await self._move(prompt_id, version, label, held_by=held_by) == held_by

    async def keep_evidence(self, evidence: Evidence) -> str:
        """Comments on the version why its label was moved, unless a comment says so, and returns the prompt's page.

        Raises:
            PromptSourceError: If the server cannot be reached or refuses it; the message has its reason.
        """
        question = self._question(evidence.prompt_id, evidence.version, None)
        path = f"{_PROMPTS}/{quote(evidence.prompt_id, safe='')}"
        params = {"version": evidence.version, "resolve": "false"}
        response = await self._sender.send(path, question, params=params)
        known = read_comment_target(read_json(response, question), question)
        about = {"objectType": "PROMPT", "objectId": known.prompt_row}
        response = await self._sender.send(_COMMENTS, question, params={**about, "limit": PAGE_SIZE})
        if not has_comment(read_json(response, question), evidence.key, question):
            body = {"projectId": known.project, **about, "content": comment_text(evidence)}
            read_json(await self._sender.send(_COMMENTS, question, method="POST", json_body=body), question)
        return f"{self._settings.host}/project/{known.project}/prompts/{quote(evidence.prompt_id, safe='')}"

    async def _move(
        self, prompt_id: str, version: str | None, label: str, *, held_by: str | Literal[False] | None = False
    ) -> str | None:
        """Moves a label, where `held_by` is given only from there; returns the version that had it before."""
        if version is None:
            raise UsageError(
                f"Prompt {prompt_id!r}: Langfuse's interface cannot take the label {label!r} away; put it on another "
                "version, or take it away in its web page."
            )
        _check_labels([label])
        question = self._question(prompt_id, version, None)
        previous = await self._holder(prompt_id, label)
        if held_by is not False and held_by != previous:
            return previous
        path = f"{_PROMPTS}/{quote(prompt_id, safe='')}/versions/{int(version)}"
        response = await self._sender.send(path, question, method="PATCH", json_body={"newLabels": [label]})
        try:
            read_json(response, question)
        except PromptNotFoundError as error:
            raise await self._with_hints(question) from error
        self.refresh()
        return previous

    def _question(self, prompt_id: str, version: str | None, label: str | None) -> Question:
        if version is not None and label is not None:
            raise UsageError(
                f"Prompt {prompt_id!r}: version {version!r} and label {label!r} are both given; Langfuse takes one "
                "of them. Nothing was sent."
            )
        if version is not None and not (version.isascii() and version.isdigit()):
            raise UsageError(f"Prompt {prompt_id!r}: a Langfuse version is a number, not {version!r}; is it a label?")
        if prompt_id in ("", ".", ".."):
            raise UsageError(f"{prompt_id!r} cannot be the name of a Langfuse prompt.")
        return Question(service=SERVICE, host=self._settings.host, prompt_id=prompt_id, version=version, label=label)

    async def _fetch(self, question: Question) -> Prompt:
        selection = {"version": question.version, "label": question.label}
        params = {name: value for name, value in selection.items() if value is not None}
        try:
            response = await self._sender.send(
                f"{_PROMPTS}/{quote(str(question.prompt_id), safe='')}", question, params=params
            )
            answer = read_json(response, question)
        except PromptNotFoundError as error:
            raise await self._with_hints(question) from error
        return read_prompt(answer, question)

    async def _version(self, prompt_id: str, version: str) -> PromptVersion:
        return read_version(*await self._as_written(prompt_id, version))

    async def _as_written(self, prompt_id: str, version: str) -> tuple[Any, Question]:
        """Returns the answer about one version, references to other prompts left in it, and what was asked."""
        question = self._question(prompt_id, version, None)
        path = f"{_PROMPTS}/{quote(prompt_id, safe='')}"
        response = await self._sender.send(path, question, params={"version": version, "resolve": "false"})
        return read_json(response, question), question

    async def _with_hints(self, question: Question) -> PromptNotFoundError:
        """Returns the error that says what there is instead, as far as the list tells."""
        infos: tuple[PromptInfo, ...] = ()
        hint = ""
        try:
            infos = (await self._page(question, name=question.prompt_id)).prompts
            if not infos:
                first = await self._page(question)
                hint = nearest(str(question.prompt_id), sorted(info.prompt_id for info in first.prompts))
                hint += f" (Of the first {PAGE_SIZE} by name.)" if first.total_pages > 1 else ""
        except PromptError as error:
            hint = f"What it has instead could not be asked: {error}"
        return not_found(question, infos, hint)

    async def _entry(self, prompt_id: str) -> PromptInfo:
        question = self._question(prompt_id, None, None)
        page = await self._page(question, name=prompt_id)
        for info in page.prompts:
            if info.prompt_id == prompt_id:
                return info
        raise await self._with_hints(question)

    async def _holder(self, prompt_id: str, label: str) -> str | None:
        """Returns the version that a label stands on."""
        info = await self._labelled(prompt_id, label)
        return info.versions[-1] if info is not None and info.versions else None

    async def _labelled(self, prompt_id: str, label: str) -> PromptInfo | None:
        """Returns the prompt with only the versions that have a label; the list filtered by it is the cheap way."""
        question = self._question(prompt_id, None, label)
        page = await self._page(question, name=prompt_id, label=label)
        return next((info for info in page.prompts if info.prompt_id == prompt_id), None)

    async def _page(
        self, question: Question, *, page: int = 1, name: str | None = None, label: str | None = None
    ) -> Page:
        params: dict[str, str | int] = {"page": page, "limit": PAGE_SIZE}
        params |= {key: value for key, value in (("name", name), ("label", label)) if value is not None}
        response = await self._sender.send(_PROMPTS, question, params=params)
        return read_page(read_json(response, question), question)

    def _headers(self) -> dict[str, str]:
        pair = f"{self._settings.public_key}:{self._settings.secret_key.reveal()}"
        token = base64.b64encode(pair.encode()).decode()
        register_secret(token)
        return {"authorization": f"Basic {token}"}


def langfuse_source(*, settings: Settings, http: HttpClient, access: SourceAccess = FROM_SETTINGS) -> LangfuseSource:
    """Returns the source of the Langfuse project that caller, settings or environment name; what the registry calls.

    Raises:
        MissingKeyError: If a key is missing.
    """
    return LangfuseSource(langfuse_access(access, settings), http, cache_ttl_s=settings.prompt_cache_ttl_s)


def _kind_of(template: object) -> Literal["text", "chat"]:
    return "text" if isinstance(template, str) else "chat"


def _check_labels(labels: Sequence[str]) -> None:
    if isinstance(labels, str):
        raise UsageError(f"`labels` is a list such as ['production']; got {labels!r}.")
    if "latest" in labels:
        raise UsageError("The label 'latest' is Langfuse's own: it stands on the newest version. Nothing was sent.")
