"""Prompts from any server with LiteLLM's generic prompt-management endpoint: read only, cached."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Unpack

from toolkit._http import HttpClient
from toolkit._records import Prompt, PromptInfo
from toolkit.config import Settings
from toolkit.errors import UsageError
from toolkit.prompts._access import Server, generic_access
from toolkit.prompts._fetching import Asking, RemoteSource
from toolkit.prompts._remote import Question, Service, field, make_prompt, mapping, read_json
from toolkit.prompts._source import FROM_SETTINGS, SourceAccess

PATH = "/beta/litellm_prompt_management"

SERVICE = Service(
    title="The prompt server", source="generic", address="its `api_base`", keys="its `api_key` and `api_base`"
)

# Stands before the content hash that is the version of a prompt whose server counts none.
_BY_CONTENT = "content-"


class GenericSource(RemoteSource):
    """The prompts of one server with the endpoint `/beta/litellm_prompt_management`.

    The interface knows a prompt id and, beside it, what the configuration adds (`query_params`). A version or label
    that is asked for is sent as `prompt_version` or `prompt_label`. The version of a prompt is what the server calls
    its `prompt_version`, else what was asked for, else a hash of the content. `{name}` and `{{name}}` are variables.

    Args:
        server: Base address, key and further query parameters.
        http: Sends the requests; stays the caller's to close.
        **asking: Cache, time-outs and tries, as in `Asking`.
    """

    name = SERVICE.source

    def __init__(self, server: Server, http: HttpClient, **asking: Unpack[Asking]) -> None:
        super().__init__(http, **asking)
        self._server = server

    def __repr__(self) -> str:
        return f"GenericSource(base={self._server.base!r})"

    async def get(self, prompt_id: str, *, version: str | None = None, label: str | None = None) -> Prompt:
        """Returns one version of a prompt; without version and label the one that the server chooses.

        Raises:
            PromptNotFoundError: If there is no such prompt, or its content is not the one of a version by content.
            PromptSourceError: If the server cannot be reached, refuses us or answers nonsense.
            UsageError: If both a version and a label are given; nothing is sent.
        """
        if version is not None and label is not None:
            raise UsageError(
                f"Prompt {prompt_id!r}: version {version!r} and label {label!r} are both given; give one of them. "
                "Nothing was sent."
            )
        if not prompt_id:
            raise UsageError("A prompt id is empty; give the id that the prompt server knows.")
        question = Question(service=SERVICE, host=self._server.base, prompt_id=prompt_id, version=version, label=label)
        return await self._kept.get(question, lambda: self._fetch(question))

    async def versions(self, prompt_id: str) -> tuple[str, ...]:
        """Returns the one version that the server gives; raises as `get`."""
        return ((await self.get(prompt_id)).version,)

    async def list(self, *, query: str = "") -> list[PromptInfo]:
        """Returns nothing: the interface has no list."""
        return []

    async def _fetch(self, question: Question) -> Prompt:
        version = question.version
        by_content = version is not None and version.startswith(_BY_CONTENT)
        params = {name: _text(value) for name, value in self._server.query_params.items() if value is not None}
        params["prompt_id"] = str(question.prompt_id)
        if version is not None and not by_content:
            params["prompt_version"] = version
        if question.label is not None:
            params["prompt_label"] = question.label
        response = await self._sender.send(PATH, question, params=params)
        prompt = _read_prompt(read_json(response, question), question)
        if by_content and prompt.version != version:
            raise question.not_found(f"It gives {prompt.version!r} now; its interface keeps no history.", status=200)
        return prompt

    def _headers(self) -> dict[str, str]:
        return {} if self._server.key is None else {"authorization": f"Bearer {self._server.key.reveal()}"}


def generic_source(*, settings: Settings, http: HttpClient, access: SourceAccess = FROM_SETTINGS) -> GenericSource:
    """Returns the source of the prompt server that a caller names; what the registry calls.

    Raises:
        UsageError: If the caller names none.
    """
    return GenericSource(generic_access(access, settings), http, cache_ttl_s=settings.prompt_cache_ttl_s)


def _read_prompt(answer: Any, question: Question) -> Prompt:
    fields = mapping(answer, question, "the answer")
    messages = field(fields, "prompt_template", list, question)
    params = fields.get("prompt_template_optional_params")
    config = {} if params is None else dict(mapping(params, question, "'prompt_template_optional_params'"))
    model = fields.get("prompt_template_model")
    if model is not None:
        config["model"] = field(fields, "prompt_template_model", str, question)
    named = fields.get("prompt_version")
    asked = None if question.version is None or question.version.startswith(_BY_CONTENT) else question.version
    prompt = make_prompt(
        question,
        version=str(named) if isinstance(named, str | int) else asked or "",
        kind="chat",
        template=[mapping(message, question, "a message") for message in messages],
        labels=() if question.label is None else (question.label,),
        config=config,
        template_format="generic",
    )
    if prompt.version:
        return prompt
    return replace(prompt, version=_BY_CONTENT + prompt.fingerprint.removeprefix("p1:")[:12])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
