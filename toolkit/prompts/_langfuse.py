"""Prompts from Langfuse over its public HTTP interface: by name and version or label, cached, with a few retries."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from toolkit._http import HttpClient, HttpFailure, HttpResponse
from toolkit._records import Prompt, PromptInfo
from toolkit._redact import register_secret
from toolkit.config import LangfuseSettings, Settings
from toolkit.errors import MissingKeyError, PromptError, PromptNotFoundError, UsageError
from toolkit.prompts._langfuse_wire import (
    SOURCE,
    Page,
    Question,
    failure_error,
    not_found,
    read_json,
    read_page,
    read_prompt,
)
from toolkit.prompts._reference import nearest

PAGE_SIZE = 100
"""Most prompts that Langfuse lists at once."""

MAX_IN_FLIGHT = 8
MAX_RETRIES = 2
MAX_WAIT_S = 30.0
"""Most seconds to wait before one retry, whatever the server asks for."""

_FIRST_WAIT_S = 0.25

# Within the class, `list` is its method.
_Infos = list[PromptInfo]


class LangfuseSource:
    """The prompts of one Langfuse project.

    An answer is kept for `cache_ttl_s`, and several callers who ask for one prompt at once make one request. A 429, a
    5xx and a broken connection are tried again, twice at most. What a prompt's config says is data: no address, header
    or key in it is ever obeyed.

    Args:
        settings: Host and keys.
        http: Sends the requests; stays the caller's to close.
        cache_ttl_s: Seconds for which a fetched prompt is given out again; 0 = not at all.
        timeout_s: Seconds for one try of one request.
        rng: Source of the retry waits' jitter; `None` = a new one.
        sleep: Waits between tries.
        clock: Tells seconds, for the cache.
    """

    name = SOURCE

    def __init__(
        self,
        settings: LangfuseSettings,
        http: HttpClient,
        *,
        cache_ttl_s: float = 60.0,
        timeout_s: float = 20.0,
        rng: random.Random | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._http = http
        self._cache_ttl_s = cache_ttl_s
        self._timeout_s = timeout_s
        self._rng = rng if rng is not None else random.Random()  # noqa: S311  jitter, no secret
        self._sleep = sleep
        self._clock = clock
        self._places: asyncio.Semaphore | None = None
        self._kept: dict[Question, tuple[float, Prompt]] = {}
        self._on_the_way: dict[Question, asyncio.Task[Prompt]] = {}

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
        kept = self._kept.get(question)
        if kept is not None and self._clock() < kept[0]:
            return kept[1]
        task = self._on_the_way.get(question)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._fetch(question))
            self._on_the_way[question] = task
            task.add_done_callback(lambda done: self._arrived(question, done))
        # Shielded: one caller's Ctrl-C does not take the answer from the others.
        return await asyncio.shield(task)

    async def versions(self, prompt_id: str) -> tuple[str, ...]:
        """Returns every version of a prompt, oldest first; raises as `get`."""
        return (await self._entry(prompt_id)).versions

    async def label_versions(self, prompt_id: str) -> dict[str, str]:
        """Returns which version each label of a prompt stands on; raises as `get`."""
        labels = (await self._entry(prompt_id)).labels
        question = Question(host=self._settings.host, prompt_id=prompt_id)
        pages = await asyncio.gather(*(self._page(question, name=prompt_id, label=label) for label in labels))
        found = zip(labels, pages, strict=True)
        # A label that was taken away between the two questions stands on nothing.
        return {
            label: page.prompts[0].versions[-1] for label, page in found if page.prompts and page.prompts[0].versions
        }

    async def list(self, *, query: str = "") -> list[PromptInfo]:
        """Returns what the project holds, sorted by name; the pages behind the first are fetched at once.

        Args:
            query: Keeps only names that contain it, in upper or lower case; empty keeps all.

        Raises:
            PromptSourceError: As for `get`.
        """
        question = Question(host=self._settings.host)
        first = await self._page(question)
        rest = await asyncio.gather(*(self._page(question, page=page) for page in range(2, first.total_pages + 1)))
        # A prompt made meanwhile moves others to the next page: each name once, as it was seen last.
        by_name = {info.prompt_id: info for page in (first, *rest) for info in page.prompts}
        return [by_name[name] for name in sorted(by_name) if query.lower() in name.lower()]

    def refresh(self) -> None:
        """Drops every cached prompt; the next call asks the server. Requests on their way are not shared any more."""
        self._kept.clear()
        self._on_the_way.clear()

    async def aclose(self) -> None:
        """Cancels what is on its way and drops the cache."""
        for task in self._on_the_way.values():
            task.cancel()
        self.refresh()

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
        return Question(host=self._settings.host, prompt_id=prompt_id, version=version, label=label)

    def _arrived(self, question: Question, task: asyncio.Task[Prompt]) -> None:
        was_shared = self._on_the_way.get(question) is task
        if was_shared:
            del self._on_the_way[question]
        if task.cancelled() or task.exception() is not None or not was_shared:
            return
        self._kept[question] = (self._clock() + self._cache_ttl_s, task.result())

    async def _fetch(self, question: Question) -> Prompt:
        path = f"/api/public/v2/prompts/{quote(str(question.prompt_id), safe='')}"
        selection = {"version": question.version, "label": question.label}
        params = {name: value for name, value in selection.items() if value is not None}
        try:
            answer = read_json(await self._send(path, params, question), question)
        except PromptNotFoundError as error:
            raise await self._with_hints(question) from error
        return read_prompt(answer, question)

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

    async def _page(
        self, question: Question, *, page: int = 1, name: str | None = None, label: str | None = None
    ) -> Page:
        params: dict[str, str | int] = {"page": page, "limit": PAGE_SIZE}
        params |= {key: value for key, value in (("name", name), ("label", label)) if value is not None}
        response = await self._send("/api/public/v2/prompts", params, question)
        return read_page(read_json(response, question), question)

    async def _send(self, path: str, params: dict[str, Any], question: Question) -> HttpResponse:
        """Returns the answer to one GET, after at most `MAX_RETRIES` further tries where those can help."""
        for retry in range(MAX_RETRIES + 1):
            asked_s: float | None = None
            try:
                response = await self._send_once(path, params)
            except HttpFailure as failure:
                # No second try after a timeout: the caller has waited long enough to be told.
                if retry == MAX_RETRIES or failure.kind not in ("connect", "connection"):
                    raise failure_error(failure, question) from failure
            else:
                if retry == MAX_RETRIES or not (response.status == 429 or response.status >= 500):
                    return response
                asked_s = response.retry_after_s()
            jittered_s = self._rng.uniform(0.5, 1.0) * _FIRST_WAIT_S * 2**retry
            await self._sleep(jittered_s if asked_s is None else min(asked_s, MAX_WAIT_S))
        raise AssertionError  # the last turn of the loop returns or raises

    async def _send_once(self, path: str, params: dict[str, Any]) -> HttpResponse:
        if self._places is None:
            self._places = asyncio.Semaphore(MAX_IN_FLIGHT)
        pair = f"{self._settings.public_key}:{self._settings.secret_key.reveal()}"
        token = base64.b64encode(pair.encode()).decode()
        register_secret(token)
        async with self._places:
            return await self._http.request(
                "GET",
                self._settings.host + path,
                timeout_s=self._timeout_s,
                headers={"authorization": f"Basic {token}"},
                params=params or None,
            )


def langfuse_source(*, settings: Settings, http: HttpClient) -> LangfuseSource:
    """Returns the source of the settings' Langfuse project; what the registry calls.

    Raises:
        MissingKeyError: If the settings have no Langfuse keys.
    """
    if settings.langfuse is None:
        raise MissingKeyError(
            "Prompts from Langfuse need its keys: set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY (and LANGFUSE_HOST, "
            "unless it is Langfuse's European cloud).",
            variable="LANGFUSE_PUBLIC_KEY",
        )
    return LangfuseSource(settings.langfuse, http)
