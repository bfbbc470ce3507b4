"""Reads the body of a Humanloop `.prompt` file: `<system>..</system>` blocks with texts, images and tool calls."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from toolkit._records import FrozenDict

# A role's tag opens a message only at the beginning of a line, and closes it only at the end of one.
_OPEN = re.compile(r"\s*^<(?P<role>system|user|assistant|developer|tool)(?P<attributes>(?:\s[^<>]*)?)>", re.MULTILINE)
_INNER = re.compile(
    r"<image(?P<image>\s[^<>]*?)/?>(?:\s*</image>)?"
    r"|<text>(?P<text>[^<]*)</text>"
    r"|<tool(?P<tool>\s[^<>]*)>(?P<arguments>[^<]*)</tool>"
)
_ATTRIBUTE = re.compile(
    r"(?P<name>[A-Za-z_][\w-]*)\s*=\s*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|\{(?P<brace>[^}]*)\})"
)
_LINE_END = re.compile(r"[ \t]*(?:\n|\Z)")


def is_export_body(body: str) -> bool:
    """True when a body is nothing but blocks of roles, one or more.

    Example:
        >>> is_export_body("<system>Be brief.</system>"), is_export_body("<user>a</user> and a text")
        (True, False)
    """
    return bool(_cut(body))


def read_blocks(body: str) -> tuple[FrozenDict, ...]:
    r"""Returns the messages of a body, in the form of chat completions.

    A content loses the indentation and the line ends around it. `<image url=.../>` and `<text>` within a message
    become content parts; `<tool name=.. id=..>` within an assistant's message becomes a tool call, and a block `<tool
    id=..>` its answer.

    Raises:
        ValueError: If a tag lacks what it needs; the message says which.

    Example:
        >>> read_blocks("<system>\n  Be {{tone}}.\n</system>")
        ({'role': 'system', 'content': 'Be {{tone}}.'},)
    """
    return tuple(
        FrozenDict(_message(role, _attributes(attributes), content)) for role, attributes, content in _cut(body)
    )


def _cut(body: str) -> list[tuple[str, str, str]]:
    """Returns role, attributes and content of each block; nothing when there is anything else beside blocks."""
    blocks: list[tuple[str, str, str]] = []
    at = 0
    end_of_blocks = len(body.rstrip())
    while at < end_of_blocks:
        opened = _OPEN.match(body, at)
        if opened is None:
            return []
        close = f"</{opened['role']}>"
        end = body.find(close, opened.end())
        ended = _LINE_END.match(body, end + len(close)) if end >= 0 else None
        if ended is None:
            return []
        blocks.append((opened["role"], opened["attributes"], body[opened.end() : end]))
        at = ended.end()
    return blocks


def _message(role: str, attributes: dict[str, str], content: str) -> dict[str, Any]:
    if role == "tool":
        if not attributes.get("id"):
            raise ValueError("a <tool> block without an id; it answers the tool call of that id")
        return {"role": "tool", "content": _trimmed(content), "tool_call_id": attributes["id"]}
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for match in _INNER.finditer(content):
        if match["image"] is not None:
            parts.append(_image(_attributes(match["image"])))
        elif match["text"] is not None:
            parts.append({"type": "text", "text": _trimmed(match["text"])})
        elif role == "assistant":
            calls.append(_call(_attributes(match["tool"]), match["arguments"]))
    if calls:
        before = _trimmed(_INNER.sub("", content))
        return {"role": role, "content": before or None, "tool_calls": calls}
    # A `<text>` alone is the author's own word, such as a tag that the model is to see.
    if any(part["type"] == "image_url" for part in parts):
        return {"role": role, "content": parts}
    return {"role": role, "content": _trimmed(content)}


def _image(attributes: dict[str, str]) -> dict[str, Any]:
    if not attributes.get("url"):
        raise ValueError("an <image> without a url")
    image = {"url": attributes["url"]} | ({"detail": attributes["detail"]} if "detail" in attributes else {})
    return {"type": "image_url", "image_url": image}


def _call(attributes: dict[str, str], arguments: str) -> dict[str, Any]:
    if not attributes.get("name") or not attributes.get("id"):
        raise ValueError("a <tool> within an <assistant> message without name and id")
    function = {"name": attributes["name"], "arguments": arguments.strip()}
    return {"id": attributes["id"], "type": "function", "function": function}


def _attributes(text: str) -> dict[str, str]:
    return {
        match["name"]: next(match[kind] for kind in ("double", "single", "brace") if match[kind] is not None)
        for match in _ATTRIBUTE.finditer(text)
    }


def _trimmed(content: str) -> str:
    return textwrap.dedent(content).strip()
