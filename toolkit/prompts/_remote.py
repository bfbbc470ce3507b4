"""What the answers of prompt servers have in common: what was asked, JSON or not, each status as one of our errors."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from toolkit._http import HttpFailure, HttpResponse, describe_body
from toolkit._records import Prompt, TemplateFormat, freeze
from toolkit._redact import redact
from toolkit.errors import PromptError, PromptNotFoundError, PromptSourceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Which kind of server answers, for messages."""

    title: str
    """As its makers write it: `Langfuse`."""
    source: str
    """Name of the prompt source."""
    address: str
    """What names its address: an argument or an environment variable."""
    keys: str
    """What to check when it refuses the keys, as the end of "check ..."."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked, for messages and as a key: server, and which prompt by which version or label."""

    service: Service
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
    def where(self) -> str:
        """Words for the server: `Langfuse at 'https://...'`."""
        return f"{self.service.title} at {redact(self.host)!r}"

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
            f"{self.where}, asked for {self}{http}: {what}",
            prompt_id=self.prompt_id,
            source=self.service.source,
            status=status,
            retryable=retryable,
        )

    def malformed(self, what: str) -> PromptSourceError:
        """Returns the error for an answer that is JSON and not of the promised form."""
        return self.error(
            f"the answer is not what {self.service.title} promises: {what}. Check {self.service.address}.", status=200
        )

    def not_found(self, hint: str = "", *, status: int = 404) -> PromptNotFoundError:
        """Returns the error for what the server does not have."""
        message = f"{self.where} has no {self} (HTTP {status}). {hint}".rstrip()
        return PromptNotFoundError(message, prompt_id=self.prompt_id, source=self.service.source, status=status)


def read_json(response: HttpResponse, question: Question) -> Any:
    """Returns the JSON of an answer with status 200 or 201.

    Raises:
        PromptNotFoundError: 404 by the service itself; without hints, which take another request.
        PromptSourceError: Everything else.
    """
    status = response.status
    if status not in (200, 201):
        raise error_of(response, question)
    try:
        return response.json()
    except HttpFailure as failure:
        raise question.error(
            f"it answered {failure.message}. Check {question.service.address}.", status=status
        ) from failure


def error_of(response: HttpResponse, question: Question) -> PromptError:
    """Returns the error that an answer with any status but a success stands for."""
    status, said = response.status, _said(response)
    if status == 404 and said is not None:
        return question.not_found()
    service = question.service
    words = f"it says {said!r}. " if said else f"it answered {describe_body(response.text())}. "
    if status == 401:
        advice = f"It refused the keys: check {service.keys}."
    elif status == 403:
        advice = "The keys are known and may not do this: use keys of the project that holds the prompt."
    elif status == 404:
        advice = (
            f"That is not {service.title}'s interface: check {service.address}, and what stands between here and there."
        )
    elif status == 429:
        advice = "It asks for fewer requests and was asked again in vain: wait a minute, then try again."
    elif 300 <= status < 400:
        to = redact(response.headers.get("location", "elsewhere"))
        advice = f"It redirects to {to}; keys do not follow redirects: set {service.address} to the final address."
    elif status >= 500:
        advice = "The server failed and was asked again in vain: see its logs, or try again later."
    else:
        advice = "It does not take this request."
    return question.error(words + advice, status=status, retryable=status == 429 or status >= 500)


def failure_error(failure: HttpFailure, question: Question) -> PromptSourceError:
    """Returns the error for a request that got no whole answer."""
    address = question.service.address
    advice = {
        "dns": f"There is no such host: check {address}.",
        "connect": f"Nothing answers there: check {address}, and that the server runs.",
        "tls": f"Its certificate is not trusted here: check {address} and the certificate."
        if failure.is_untrusted
        else f"No encrypted connection came about: check whether {address} is https:// or http://.",
    }.get(failure.kind, f"Try again; if it stays so, check {address} and the network.")
    return question.error(
        f"no answer came ({redact(failure.message)}). {advice}",
        retryable=failure.kind in ("timeout", "connection", "connect"),
    )


def make_prompt(
    question: Question,
    *,
    version: str,
    kind: Literal["text", "chat"],
    template: Any,
    labels: tuple[str, ...],
    config: Mapping[str, Any],
    template_format: TemplateFormat = "mustache",
) -> Prompt:
    """Returns the prompt of an answer, with its content checked to be plain JSON.

    Raises:
        PromptSourceError: If it is not.
    """
    try:
        prompt = Prompt(
            prompt_id=str(question.prompt_id),
            version=version,
            kind=kind,
            template=freeze(template),
            source=question.service.source,
            label=question.label,
            labels=labels,
            config=freeze(config),
            template_format=template_format,
        )
        _ = prompt.fingerprint
    except (TypeError, ValueError, RecursionError) as error:
        raise question.malformed(str(error)) from error
    return prompt


def mapping(value: Any, question: Question, what: str) -> dict[str, Any]:
    """Returns `value` when it is a map; raises PromptSourceError otherwise."""
    if not isinstance(value, dict):
        raise question.malformed(f"{what} is {_kind(value)} where a map was expected")
    return value


def field(fields: Mapping[str, Any], name: str, wanted: type, question: Question) -> Any:
    """Returns a field that must be there and of this very type; raises PromptSourceError otherwise."""
    if name not in fields:
        raise question.malformed(f"{name!r} is missing")
    if type(fields[name]) is not wanted:  # `isinstance` would take True for a version
        raise question.malformed(f"{name!r} is {_kind(fields[name])} where {_WORDS[wanted]} was expected")
    return fields[name]


def words(fields: Mapping[str, Any], name: str, question: Question) -> tuple[str, ...]:
    """Returns a list of texts, empty when the field is missing; raises PromptSourceError for anything else."""
    found = fields.get(name) or []
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        raise question.malformed(f"{name!r} is not a list of texts")
    return tuple(found)


def moment(text: Any) -> dt.datetime | None:
    """Returns the moment that an ISO text names; `None` for anything else."""
    with contextlib.suppress(ValueError, TypeError):
        return dt.datetime.fromisoformat(text)
    return None


def _said(response: HttpResponse) -> str | None:
    """Returns the message of a service's own error body; `None` for any other body."""
    try:
        body = response.json()
    except HttpFailure:
        return None
    if not isinstance(body, dict):
        return None
    message = body.get("message", body.get("detail"))
    if isinstance(message, str):
        problems = body.get("error")
        first = problems[0] if isinstance(problems, list) and problems else None
        detail = first.get("message") if isinstance(first, dict) else None
        return redact((f"{message}: {detail}" if isinstance(detail, str) else message)[:500])
    return redact(str(message)[:500]) if message is not None else None


_WORDS = {str: "a text", int: "a whole number", list: "a list", dict: "a map"}


def _kind(value: Any) -> str:
    return "null" if value is None else _WORDS.get(type(value), f"a {type(value).__name__}")
