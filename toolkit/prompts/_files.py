"""Reads one `.prompt` file: YAML front matter, then the body as text or as the messages of a chat."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from toolkit._records import FrozenDict, Prompt
from toolkit.config import MAX_YAML_BYTES, load_yaml
from toolkit.errors import ConfigError, PromptError, PromptSourceError, TemplateSyntaxError
from toolkit.prompts._blocks import is_export_body, read_blocks
from toolkit.prompts._humanloop_wire import config_of, format_of
from toolkit.prompts._written import PulledFrom

SOURCE = "folder"

_ROLE_LINE = re.compile(r"^(System|User|Assistant|Developer):[ \t]*", re.MULTILINE)
OWN_KEYS = frozenset(
    "commit_message config description kind labels messages pulled_from tags template_format version".split()
)
"""Keys of the front matter that are about the file; everything else there is the prompt's config."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedPrompt:
    """What the text of a `.prompt` file says."""

    prompt: Prompt
    """Without labels: those are known only when all files of the name and the index are read."""
    labels: tuple[str, ...]
    """Labels that the file itself claims."""
    tags: tuple[str, ...]
    message: str | None = None
    """What its author wrote about the change."""
    pulled_from: PulledFrom | None = None
    """Where it was brought from, if it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFile:
    """What one file says."""

    path: Path
    prompt: Prompt
    """Without labels: those are known only when all files of the name and the index are read."""
    labels: tuple[str, ...]
    """Labels that the file itself claims."""
    tags: tuple[str, ...]
    changed_s: float
    """When the file was last changed, in seconds since 1970."""
    message: str | None = None
    """What its author wrote about the change."""
    pulled_from: PulledFrom | None = None
    """Where it was brought from, if it was."""


def read_prompt_file(path: Path, *, prompt_id: str, version: str | None) -> PromptFile:
    """Returns what the file at `path` says; see `parse_prompt`.

    Args:
        path: The file.
        prompt_id: Name that the path stands for.
        version: Version in the file's name; `None` = what the front matter says, else `1`.

    Raises:
        PromptSourceError: If the file cannot be read, or its front matter is not what it must be.
        TemplateSyntaxError: If the body is not what the front matter says.
    """
    parsed = parse_prompt(_text_of(path), where=str(path), prompt_id=prompt_id, version=version, source=SOURCE)
    return PromptFile(
        path=path,
        prompt=parsed.prompt,
        labels=parsed.labels,
        tags=parsed.tags,
        changed_s=path.stat().st_mtime,
        message=parsed.message,
        pulled_from=parsed.pulled_from,
    )


def parse_prompt(text: str, *, where: str, prompt_id: str, version: str | None, source: str) -> ParsedPrompt:
    """Returns what the text of a `.prompt` file says.

    A body is a chat when the front matter has `messages:` or says `kind: chat`, when its first line that is not empty
    begins with `System:`, `User:`, `Assistant:` or `Developer:` (each such line then begins a message), or when it is
    nothing but `<system>..</system>`, `<user>..</user>`, ... blocks, which is how Humanloop exports its prompts. Every
    other body is text, less one line end at its beginning and end.

    Args:
        text: Front matter and body.
        where: What is read, for messages.
        prompt_id: Name of the prompt.
        version: Version that is known from elsewhere; `None` = what the front matter says, else `1`.
        source: Name of the prompt source.

    Raises:
        PromptSourceError: If the front matter is not what it must be.
        TemplateSyntaxError: If the body is not what the front matter says.
    """
    head, body = _split(text, where)
    front = _front_matter(head, where)
    return build_prompt(front, body, where=where, prompt_id=prompt_id, version=version, source=source)


def build_prompt(
    front: Mapping[str, Any], body: str, *, where: str, prompt_id: str, version: str | None, source: str
) -> ParsedPrompt:
    """Returns the prompt of a front matter that is read already and a body; as `parse_prompt`."""
    kind, template, is_export = _template(front, body, where)
    template_format = front.get("template_format", format_of(front) if is_export else "mustache")
    if template_format not in ("mustache", "jinja2", "humanloop"):
        raise _wrong(where, f"template_format is {template_format!r}; write mustache or jinja2")
    config = _config(front, where)
    try:
        prompt = Prompt(
            prompt_id=prompt_id,
            version=_version(front, version, where),
            kind=kind,
            template=template,
            source=source,
            config=FrozenDict(config_of(config) if is_export else config),
            template_format=template_format,
        )
        _ = prompt.fingerprint
    except (TypeError, ValueError) as error:
        raise _wrong(where, f"its front matter holds what JSON cannot: {error}") from error
    message = front.get("commit_message")
    return ParsedPrompt(
        prompt=prompt,
        labels=_words(front, "labels", where),
        tags=_words(front, "tags", where),
        message=None if message is None else str(message),
        pulled_from=_pulled_from(front, where),
    )


def read_labels(path: Path) -> dict[str, dict[str, str]]:
    """Returns the index file's labels, as version by label by name; empty when there is no such file.

    Raises:
        PromptSourceError: If it is not of the form `labels: {support/reply: {production: 3}}`.
    """
    if not path.is_file():
        return {}
    try:
        index = load_yaml(_text_of(path), where=str(path))
    except ConfigError as error:
        raise PromptSourceError(str(error), source=SOURCE) from error
    named = index.get("labels") if isinstance(index, dict) else None
    form = "labels: {support/reply: {production: 3}}"
    if not isinstance(named, dict):
        raise _wrong(str(path), f"it needs the form {form}")
    labels: dict[str, dict[str, str]] = {}
    for prompt_id, versions in named.items():
        if not isinstance(versions, dict):
            raise _wrong(str(path), f"{prompt_id!r} needs a map of labels to versions, as in {form}")
        labels[str(prompt_id)] = {
            str(label): _number(version, str(path), str(label)) for label, version in versions.items()
        }
    return labels


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_YAML_BYTES:
            raise _wrong(str(path), f"it is larger than {MAX_YAML_BYTES:,} bytes")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(str(path), f"byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise _wrong(str(path), f"it cannot be read: {error.strerror}") from error


def _split(text: str, where: str) -> tuple[str, str]:
    """Returns front matter and body; the front matter keeps its line numbers."""
    first, end_of_line, rest = text.partition("\n")
    if first.rstrip() != "---":
        return "", text
    lines = (end_of_line + rest).split("\n")
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == "---":
            return "\n".join(lines[:number]), "\n".join(lines[number + 1 :])
    raise _wrong(where, "line 1: the front matter that '---' opens is not closed; put a line '---' behind it")


def _front_matter(head: str, where: str) -> dict[str, Any]:
    try:
        front = load_yaml(head, where=str(where))
    except ConfigError as error:
        raise PromptSourceError(str(error), source=SOURCE) from error
    if front is None:
        return {}
    if not isinstance(front, dict):
        raise _wrong(where, f"its front matter must be a map of keys to values, not {type(front).__name__}")
    return front


def _template(
    front: Mapping[str, Any], body: str, where: str
) -> tuple[Literal["text", "chat"], str | tuple[FrozenDict, ...], bool]:
    """Returns kind and template, and whether the body is one that Humanloop exported."""
    kind = front.get("kind")
    if kind not in (None, "text", "chat"):
        raise _wrong(where, f"kind is {kind!r}; write text or chat")
    text = body.removeprefix("\n").removesuffix("\n")
    if "messages" in front:
        if text.strip() or kind == "text":
            raise _unreadable(where, "has 'messages:' and also a text; keep one")
        return "chat", _messages(front["messages"], where), False
    if kind != "text" and is_export_body(text):
        try:
            return "chat", read_blocks(text), True
        except ValueError as error:
            raise _unreadable(where, f"has {error}") from error
    if kind == "chat" or (kind is None and _ROLE_LINE.match(text.lstrip())):
        return "chat", _role_lines(text, where), False
    return "text", text, False


def _messages(messages: Any, where: str) -> tuple[FrozenDict, ...]:
    if not isinstance(messages, list) or not messages:
        raise _unreadable(where, "has 'messages:' that are not a list")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not (
            isinstance(message.get("role"), str)
            or (message.get("type") == "placeholder" and isinstance(message.get("name"), str))
        ):
            raise _unreadable(
                where, f"has a message {index} that is neither {{role, content}} nor {{type: placeholder, name}}"
            )
    return tuple(FrozenDict(message) for message in messages)


def _role_lines(text: str, where: str) -> tuple[FrozenDict, ...]:
    before, *rest = _ROLE_LINE.split(text)
    if before.strip() or not rest:
        raise _unreadable(
            where, "is a chat whose text does not begin with a line 'System:', 'User:', 'Assistant:' or 'Developer:'"
        )
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return tuple(FrozenDict({"role": role.lower(), "content": content.strip()}) for role, content in pairs)


def _config(front: Mapping[str, Any], where: str) -> dict[str, Any]:
    config = front.get("config") or {}
    if not isinstance(config, dict):
        raise _wrong(where, f"config must be a map, not {type(config).__name__}")
    beside = {key: value for key, value in front.items() if key not in OWN_KEYS}
    for key in config:
        if key in beside:
            raise _wrong(where, f"{key!r} stands both in config and beside it; keep one")
    return {key: _dates_as_text(value) for key, value in {**beside, **config}.items()}


def _dates_as_text(value: Any) -> Any:
    """YAML reads `2026-11-22` as a date, which JSON has not."""
    if isinstance(value, dict):
        return {key: _dates_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_dates_as_text(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def _version(front: Mapping[str, Any], in_name: str | None, where: str) -> str:
    in_front = _number(front["version"], where, "version") if front.get("version") is not None else None
    if in_name is not None and in_front is not None and in_name != in_front:
        raise _wrong(where, f"its name says version {in_name} and its front matter {in_front}; make them agree")
    return in_name or in_front or "1"


def _number(value: Any, where: str, key: str) -> str:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise _wrong(where, f"{key!r} needs a version number such as 3, not {value!r}")
    return str(int(text))


def _words(front: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = front.get(key)
    words = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise _wrong(where, f"{key!r} needs a list of words, not {value!r}")
    return tuple(dict.fromkeys(words))


def _pulled_from(front: Mapping[str, Any], where: str) -> PulledFrom | None:
    value = front.get("pulled_from")
    if value is None:
        return None
    names = [field.name for field in fields(PulledFrom)]
    if not isinstance(value, dict) or {*value} != {*names}:
        raise _wrong(where, f"pulled_from, which `toolkit prompts pull` writes, needs {', '.join(names)}")
    return PulledFrom(**{name: str(value[name]) for name in names})


def _wrong(where: str, what: str) -> PromptError:
    return PromptSourceError(f"{where}: {what}.", source=SOURCE)


def _unreadable(where: str, what: str) -> PromptError:
    return TemplateSyntaxError(f"{where}: it {what}.", source=SOURCE)
