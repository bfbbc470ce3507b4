"""Reads one `.prompt` file: YAML front matter, then the body as text or as the messages of a chat."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from toolkit._records import FrozenDict, Prompt
from toolkit.config import MAX_YAML_BYTES, load_yaml
from toolkit.errors import ConfigError, PromptError, PromptSourceError, TemplateSyntaxError

SOURCE = "folder"

_ROLE_LINE = re.compile(r"^(System|User|Assistant|Developer):[ \t]*", re.MULTILINE)
_OWN_KEYS = frozenset({"config", "description", "kind", "labels", "messages", "tags", "template_format", "version"})


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


def read_prompt_file(path: Path, *, prompt_id: str, version: str | None) -> PromptFile:
    """Returns what the file at `path` says.

    A body is a chat when the front matter has `messages:` or says `kind: chat`, or when its first line that is not
    empty begins with `System:`, `User:`, `Assistant:` or `Developer:`; each such line then begins a message. Every
    other body is text, less one line end at its beginning and end.

    Args:
        path: The file.
        prompt_id: Name that the path stands for.
        version: Version in the file's name; `None` = what the front matter says, else `1`.

    Raises:
        PromptSourceError: If the file cannot be read, or its front matter is not what it must be.
        TemplateSyntaxError: If the body is not what the front matter says.
    """
    head, body = _split(_text_of(path), path)
    front = _front_matter(head, path)
    kind, template = _template(front, body, path)
    template_format = front.get("template_format", "mustache")
    if template_format not in ("mustache", "jinja2"):
        raise _wrong(path, f"template_format is {template_format!r}; write mustache or jinja2")
    try:
        prompt = Prompt(
            prompt_id=prompt_id,
            version=_version(front, version, path),
            kind=kind,
            template=template,
            source=SOURCE,
            config=FrozenDict(_config(front, path)),
            template_format=template_format,
        )
        _ = prompt.fingerprint
    except (TypeError, ValueError) as error:
        raise _wrong(path, f"its front matter holds what JSON cannot: {error}") from error
    return PromptFile(
        path=path,
        prompt=prompt,
        labels=_words(front, "labels", path),
        tags=_words(front, "tags", path),
        changed_s=path.stat().st_mtime,
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
        raise _wrong(path, f"it needs the form {form}")
    labels: dict[str, dict[str, str]] = {}
    for prompt_id, versions in named.items():
        if not isinstance(versions, dict):
            raise _wrong(path, f"{prompt_id!r} needs a map of labels to versions, as in {form}")
        labels[str(prompt_id)] = {str(label): _number(version, path, str(label)) for label, version in versions.items()}
    return labels


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_YAML_BYTES:
            raise _wrong(path, f"it is larger than {MAX_YAML_BYTES:,} bytes")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(path, f"byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise _wrong(path, f"it cannot be read: {error.strerror}") from error


def _split(text: str, path: Path) -> tuple[str, str]:
    """Returns front matter and body; the front matter keeps its line numbers."""
    first, end_of_line, rest = text.partition("\n")
    if first.rstrip() != "---":
        return "", text
    lines = (end_of_line + rest).split("\n")
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == "---":
            return "\n".join(lines[:number]), "\n".join(lines[number + 1 :])
    raise _wrong(path, "line 1: the front matter that '---' opens is not closed; put a line '---' behind it")


def _front_matter(head: str, path: Path) -> dict[str, Any]:
    try:
        front = load_yaml(head, where=str(path))
    except ConfigError as error:
        raise PromptSourceError(str(error), source=SOURCE) from error
    if front is None:
        return {}
    if not isinstance(front, dict):
        raise _wrong(path, f"its front matter must be a map of keys to values, not {type(front).__name__}")
    return front


def _template(
    front: Mapping[str, Any], body: str, path: Path
) -> tuple[Literal["text", "chat"], str | tuple[FrozenDict, ...]]:
    kind = front.get("kind")
    if kind not in (None, "text", "chat"):
        raise _wrong(path, f"kind is {kind!r}; write text or chat")
    text = body.removeprefix("\n").removesuffix("\n")
    if "messages" in front:
        if text.strip() or kind == "text":
            raise _unreadable(path, "has 'messages:' and also a text; keep one")
        return "chat", _messages(front["messages"], path)
    if kind == "chat" or (kind is None and _ROLE_LINE.match(text.lstrip())):
        return "chat", _blocks(text, path)
    return "text", text


def _messages(messages: Any, path: Path) -> tuple[FrozenDict, ...]:
    if not isinstance(messages, list) or not messages:
        raise _unreadable(path, "has 'messages:' that are not a list")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not (
            isinstance(message.get("role"), str)
            or (message.get("type") == "placeholder" and isinstance(message.get("name"), str))
        ):
            raise _unreadable(
                path, f"has a message {index} that is neither {{role, content}} nor {{type: placeholder, name}}"
            )
    return tuple(FrozenDict(message) for message in messages)


def _blocks(text: str, path: Path) -> tuple[FrozenDict, ...]:
    before, *rest = _ROLE_LINE.split(text)
    if before.strip() or not rest:
        raise _unreadable(
            path, "is a chat whose text does not begin with a line 'System:', 'User:', 'Assistant:' or 'Developer:'"
        )
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return tuple(FrozenDict({"role": role.lower(), "content": content.strip()}) for role, content in pairs)


def _config(front: Mapping[str, Any], path: Path) -> dict[str, Any]:
    config = front.get("config") or {}
    if not isinstance(config, dict):
        raise _wrong(path, f"config must be a map, not {type(config).__name__}")
    beside = {key: value for key, value in front.items() if key not in _OWN_KEYS}
    for key in config:
        if key in beside:
            raise _wrong(path, f"{key!r} stands both in config and beside it; keep one")
    return {key: _dates_as_text(value) for key, value in {**beside, **config}.items()}


def _dates_as_text(value: Any) -> Any:
    """YAML reads `2026-11-22` as a date, which JSON has not."""
    if isinstance(value, dict):
        return {key: _dates_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_dates_as_text(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def _version(front: Mapping[str, Any], in_name: str | None, path: Path) -> str:
    in_front = _number(front["version"], path, "version") if front.get("version") is not None else None
    if in_name is not None and in_front is not None and in_name != in_front:
        raise _wrong(path, f"its name says version {in_name} and its front matter {in_front}; make them agree")
    return in_name or in_front or "1"


def _number(value: Any, path: Path, key: str) -> str:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise _wrong(path, f"{key!r} needs a version number such as 3, not {value!r}")
    return str(int(text))


def _words(front: Mapping[str, Any], key: str, path: Path) -> tuple[str, ...]:
    value = front.get(key)
    words = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise _wrong(path, f"{key!r} needs a list of words, not {value!r}")
    return tuple(dict.fromkeys(words))


def _wrong(path: Path, what: str) -> PromptError:
    return PromptSourceError(f"{path}: {what}.", source=SOURCE)


def _unreadable(path: Path, what: str) -> PromptError:
    return TemplateSyntaxError(f"{path}: it {what}.", source=SOURCE)
