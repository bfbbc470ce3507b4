"""What Langfuse's answers mean: prompts and lists out of JSON, and what there is instead of what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from toolkit._canonical import canonical_json
from toolkit._records import FrozenDict, Prompt, PromptInfo
from toolkit.errors import PromptNotFoundError
from toolkit.prompts._remote import Question, Service, field, make_prompt, mapping, moment, words
from toolkit.prompts._source import Evidence, PromptVersion
from toolkit.prompts._written import WrittenVersion

SERVICE = Service(
    title="Langfuse",
    source="langfuse",
    address="LANGFUSE_HOST",
    keys=(
        "LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY and LANGFUSE_HOST; a pair of keys belongs to one project on one host"
    ),
)

# Most characters that Langfuse takes in a comment.
_MOST_COMMENT = 5_000

# A list that claims more pages than this is not a list of prompts.
_MAX_PAGES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of the list of prompts."""

    prompts: tuple[PromptInfo, ...]
    total_pages: int


def read_prompt(answer: Any, question: Question) -> Prompt:
    """Returns the prompt of a `GET /api/public/v2/prompts/{name}` answer; config and messages stay as they came.

    Raises:
        PromptSourceError: If a field is missing or of a wrong type.
    """
    fields = mapping(answer, question, "the answer")
    kind = field(fields, "type", str, question)
    if kind not in ("text", "chat"):
        raise question.malformed(f"'type' is {kind!r} where 'text' or 'chat' was expected")
    template = field(fields, "prompt", str if kind == "text" else list, question)
    if kind == "chat":
        template = tuple(mapping(message, question, "a message") for message in template)
    config = fields.get("config")
    return make_prompt(
        question,
        version=str(field(fields, "version", int, question)),
        kind="text" if kind == "text" else "chat",
        template=template,
        labels=words(fields, "labels", question),
        config={} if config is None else mapping(config, question, "'config'"),
    )


def read_version(answer: Any, question: Question) -> PromptVersion:
    """Returns what the same answer says of the version beside its text.

    Raises:
        PromptSourceError: If a field is missing or of a wrong type.
    """
    fields = mapping(answer, question, "the answer")
    message = fields.get("commitMessage")
    return PromptVersion(
        version=str(field(fields, "version", int, question)),
        labels=words(fields, "labels", question),
        created_at=moment(fields.get("createdAt")),
        message=message if isinstance(message, str) and message else None,
    )


def read_written(answer: Any, question: Question) -> WrittenVersion:
    """Returns the version of the same answer, asked for with `resolve=false`, with its tags and message.

    Raises:
        PromptSourceError: If a field is missing or of a wrong type.
    """
    return WrittenVersion(
        prompt=read_prompt(answer, question),
        tags=words(mapping(answer, question, "the answer"), "tags", question),
        message=read_version(answer, question).message,
    )


def is_composed(prompt: Prompt) -> bool:
    """True when a prompt that is as it was written takes parts of other prompts in."""
    return "@@@langfusePrompt:" in canonical_json(prompt.template)


def read_page(answer: Any, question: Question) -> Page:
    """Returns one page of a `GET /api/public/v2/prompts` answer.

    Raises:
        PromptSourceError: If a field is missing or of a wrong type.
    """
    fields = mapping(answer, question, "the answer")
    meta = mapping(fields.get("meta"), question, "'meta'")
    total = field(meta, "totalPages", int, question)
    if total > _MAX_PAGES:
        raise question.malformed(f"'totalPages' is {total:,}")
    entries = field(fields, "data", list, question)
    return Page(prompts=tuple(_read_entry(entry, question) for entry in entries), total_pages=total)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentTarget:
    """What a comment on a version is hung on."""

    prompt_row: str
    """Langfuse's id of the version."""
    project: str


def read_comment_target(answer: Any, question: Question) -> CommentTarget:
    """Returns the ids of a `GET /api/public/v2/prompts/{name}` answer.

    Raises:
        PromptSourceError: If a field is missing or of a wrong type.
    """
    fields = mapping(answer, question, "the answer")
    return CommentTarget(
        prompt_row=field(fields, "id", str, question), project=field(fields, "projectId", str, question)
    )


def has_comment(answer: Any, key: str, question: Question) -> bool:
    """Tells whether one of the comments of a `GET /api/public/comments` answer has a key in it.

    Raises:
        PromptSourceError: If the answer is no list of comments.
    """
    found = field(mapping(answer, question, "the answer"), "data", list, question)
    return any(isinstance(each, dict) and key in str(each.get("content")) for each in found)


def comment_text(evidence: Evidence) -> str:
    """Returns the Markdown of a comment: the reasons, cut where they are too long, and the key at the end."""
    tail = f"\n\n`{evidence.key}`"
    room = _MOST_COMMENT - len(tail)
    text = evidence.text if len(evidence.text) <= room else evidence.text[: room - 1] + "…"
    return text + tail


def _read_entry(entry: Any, question: Question) -> PromptInfo:
    fields = mapping(entry, question, "an entry")
    versions = field(fields, "versions", list, question)
    if not all(type(version) is int for version in versions):
        raise question.malformed(f"'versions' holds {versions!r:.100} where numbers were expected")
    config = fields.get("lastConfig")
    return PromptInfo(
        prompt_id=field(fields, "name", str, question),
        source=SERVICE.source,
        kind=field(fields, "type", str, question),
        versions=tuple(str(version) for version in sorted(versions)),
        labels=words(fields, "labels", question),
        tags=words(fields, "tags", question),
        updated_at=moment(fields.get("lastUpdatedAt")),
        config=FrozenDict(config if isinstance(config, dict) else {}),
    )


def not_found(question: Question, infos: Sequence[PromptInfo], hint: str) -> PromptNotFoundError:
    """Returns the error for a prompt, version or label that is not there, with what is.

    Args:
        question: What was asked.
        infos: What the list says of this very name; empty when there is no such prompt.
        hint: The sentence on other names, for when there is no such prompt.
    """
    if not infos:
        asked = f", asked for{question.selection}" if question.selection else ""
        message = f"{question.where} has no prompt {question.prompt_id!r}{asked} (HTTP 404). {hint}".rstrip()
    else:
        found = infos[0]
        asked = question.selection or " label 'production', which a reference without '@' means"
        message = (
            f"Prompt {question.prompt_id!r} in {question.where} has no{asked} (HTTP 404); "
            f"versions: {', '.join(found.versions)}; labels: {', '.join(found.labels) or 'none'}."
        )
    return PromptNotFoundError(message, prompt_id=question.prompt_id, source=SERVICE.source, status=404)
