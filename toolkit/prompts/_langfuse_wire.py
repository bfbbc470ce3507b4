"""What Langfuse's answers mean: prompts and lists out of JSON, and every status as one of our errors."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from toolkit._http import HttpFailure, HttpResponse, describe_body
from toolkit._records import FrozenDict, Prompt, PromptInfo
from toolkit._redact import redact
from toolkit.errors import PromptError, PromptNotFoundError, PromptSourceError

SOURCE = "langfuse"

# A list that claims more pages than this is not a list of prompts.
_MAX_PAGES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked, for messages: the host, and which prompt by which version or label."""

    host: str
    prompt_id: str | None = None
    """`None` when the list was asked for."""
    version: str | None = None
    label: str | None = None

    def __str__(self) -> str:
        if self.prompt_id is None:
            return "the list of prompts"
        return f"prompt {self.prompt_id!r}{self.selection}"

    @property
    def selection(self) -> str:
        """Words for version or label, with a space before; empty when neither was asked for."""
        if self.version is not None:
            return f" version {self.version!r}"
        return f" label {self.label!r}" if self.label is not None else ""

    def error(self, what: str, *, status: int | None = None, retryable: bool = False) -> PromptSourceError:
        """Returns the error that names host, prompt, selection and status around `what`."""
        http = f" (HTTP {status})" if status is not None else ""
        return PromptSourceError(
            f"Langfuse at {redact(self.host)!r}, asked for {self}{http}: {what}",
            prompt_id=self.prompt_id,
            source=SOURCE,
            status=status,
            retryable=retryable,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of the list of prompts."""

    prompts: tuple[PromptInfo, ...]
    total_pages: int


def read_json(response: HttpResponse, question: Question) -> Any:
    """Returns the JSON of an answer with status 200.

    Raises:
        PromptNotFoundError: 404 by Langfuse itself; without hints, which take another request.
        PromptSourceError: Everything else.
    """
    status = response.status
    if status != 200:
        raise error_of(response, question)
    try:
        return response.json()
    except HttpFailure as failure:
        raise question.error(f"it answered {failure.message}. Check LANGFUSE_HOST.", status=status) from failure


def error_of(response: HttpResponse, question: Question) -> PromptError:
    """Returns the error that an answer with any status but 200 stands for."""
    status, said = response.status, _said(response)
    if status == 404 and said is not None:
        return PromptNotFoundError(
            f"Langfuse at {redact(question.host)!r} has no {question} (HTTP 404).",
            prompt_id=question.prompt_id,
            source=SOURCE,
            status=status,
        )
    words = f"it says {said!r}. " if said else f"it answered {describe_body(response.text())}. "
    if status == 401:
        advice = (
            "It refused the keys: check LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY and LANGFUSE_HOST; a pair of keys "
            "belongs to one project on one host."
        )
    elif status == 403:
        advice = "The keys are known and may not read prompts: use keys of the project that holds them."
    elif status == 404:
        advice = "That is not Langfuse's interface: check LANGFUSE_HOST, and what stands between here and there."
    elif status == 429:
        advice = "It asks for fewer requests and was asked again in vain: wait a minute, then try again."
    elif 300 <= status < 400:
        to = redact(response.headers.get("location", "elsewhere"))
        advice = f"It redirects to {to}; keys do not follow redirects: set LANGFUSE_HOST to the final address."
    elif status >= 500:
        advice = "The server failed and was asked again in vain: see its logs, or try again later."
    else:
        advice = "It does not take this request."
    return question.error(words + advice, status=status, retryable=status == 429 or status >= 500)


def failure_error(failure: HttpFailure, question: Question) -> PromptSourceError:
    """Returns the error for a request that got no whole answer."""
    advice = {
        "dns": "There is no such host: check LANGFUSE_HOST.",
        "connect": "Nothing answers there: check LANGFUSE_HOST, and that the server runs.",
        "tls": "Its certificate is not trusted here: check LANGFUSE_HOST and the certificate.",
    }.get(failure.kind, "Try again; if it stays so, check LANGFUSE_HOST and the network.")
    return question.error(
        f"no answer came ({redact(failure.message)}). {advice}",
        retryable=failure.kind in ("timeout", "connection", "connect"),
    )


def read_prompt(answer: Any, question: Question) -> Prompt:
    """Returns the prompt of a `GET /api/public/v2/prompts/{name}` answer; config and messages stay as they came.

    Raises:
        PromptSourceError: If a field is missing or of a wrong type.
    """
    fields = _mapping(answer, question, "the answer")
    kind = _field(fields, "type", str, question)
    if kind not in ("text", "chat"):
        raise _malformed(question, f"'type' is {kind!r} where 'text' or 'chat' was expected")
    template = _field(fields, "prompt", str if kind == "text" else list, question)
    if kind == "chat":
        template = tuple(FrozenDict(_mapping(message, question, "a message")) for message in template)
    config = fields.get("config")
    try:
        prompt = Prompt(
            prompt_id=str(question.prompt_id),
            version=str(_field(fields, "version", int, question)),
            kind="text" if kind == "text" else "chat",
            template=template,
            source=SOURCE,
            label=question.label,
            labels=_words(fields, "labels", question),
            config=FrozenDict({} if config is None else _mapping(config, question, "'config'")),
        )
        _ = prompt.fingerprint
    except (TypeError, ValueError, RecursionError) as error:
        raise _malformed(question, str(error)) from error
    return prompt


def read_page(answer: Any, question: Question) -> Page:
    """Returns one page of a `GET /api/public/v2/prompts` answer.

    Raises:
        PromptSourceError: If a field is missing or of a wrong type.
    """
    fields = _mapping(answer, question, "the answer")
    meta = _mapping(fields.get("meta"), question, "'meta'")
    total = _field(meta, "totalPages", int, question)
    if total > _MAX_PAGES:
        raise _malformed(question, f"'totalPages' is {total:,}")
    entries = _field(fields, "data", list, question)
    return Page(prompts=tuple(_read_entry(entry, question) for entry in entries), total_pages=total)


def _read_entry(entry: Any, question: Question) -> PromptInfo:
    fields = _mapping(entry, question, "an entry")
    versions = _field(fields, "versions", list, question)
    if not all(type(version) is int for version in versions):
        raise _malformed(question, f"'versions' holds {versions!r:.100} where numbers were expected")
    config = fields.get("lastConfig")
    return PromptInfo(
        prompt_id=_field(fields, "name", str, question),
        source=SOURCE,
        kind=_field(fields, "type", str, question),
        versions=tuple(str(version) for version in sorted(versions)),
        labels=_words(fields, "labels", question),
        tags=_words(fields, "tags", question),
        updated_at=_time(fields.get("lastUpdatedAt")),
        config=FrozenDict(config if isinstance(config, dict) else {}),
    )


def _said(response: HttpResponse) -> str | None:
    """Returns the message of Langfuse's own error body; `None` for any other body."""
    try:
        body = response.json()
    except HttpFailure:
        return None
    message = body.get("message") if isinstance(body, dict) else None
    return redact(message[:500]) if isinstance(message, str) else None


def _mapping(value: Any, question: Question, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _malformed(question, f"{what} is {_kind(value)} where a map was expected")
    return value


def _field(fields: dict[str, Any], name: str, wanted: type, question: Question) -> Any:
    if name not in fields:
        raise _malformed(question, f"{name!r} is missing")
    if type(fields[name]) is not wanted:  # `isinstance` would take True for a version
        raise _malformed(question, f"{name!r} is {_kind(fields[name])} where {_WORDS[wanted]} was expected")
    return fields[name]


def _words(fields: dict[str, Any], name: str, question: Question) -> tuple[str, ...]:
    words = fields.get(name) or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise _malformed(question, f"{name!r} is not a list of texts")
    return tuple(words)


_WORDS = {str: "a text", int: "a whole number", list: "a list", dict: "a map"}


def _kind(value: Any) -> str:
    return "null" if value is None else _WORDS.get(type(value), f"a {type(value).__name__}")


def _malformed(question: Question, what: str) -> PromptSourceError:
    return question.error(f"the answer is not what Langfuse promises: {what}. Check LANGFUSE_HOST.", status=200)


def _time(text: Any) -> dt.datetime | None:
    with contextlib.suppress(ValueError, TypeError):
        return dt.datetime.fromisoformat(text)
    return None


def not_found(question: Question, infos: Sequence[PromptInfo], hint: str) -> PromptNotFoundError:
    """Returns the error for a prompt, version or label that is not there, with what is.

    Args:
        question: What was asked.
        infos: What the list says of this very name; empty when there is no such prompt.
        hint: The sentence on other names, for when there is no such prompt.
    """
    host = redact(question.host)
    if not infos:
        message = f"Langfuse at {host!r} has no prompt {question.prompt_id!r} (HTTP 404). {hint}".rstrip()
    else:
        found = infos[0]
        asked = question.selection or " label 'production', which a reference without '@' means"
        message = (
            f"Prompt {question.prompt_id!r} in Langfuse at {host!r} has no{asked} (HTTP 404); "
            f"versions: {', '.join(found.versions)}; labels: {', '.join(found.labels) or 'none'}."
        )
    return PromptNotFoundError(message, prompt_id=question.prompt_id, source=SOURCE, status=404)
