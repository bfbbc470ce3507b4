"""Turns messages and tools from OpenAI's form into Anthropic's content blocks; refuses what has no counterpart."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit._records import Message

_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,(?P<data>.+)", re.DOTALL)

# Blocks in the API's own form, for callers who write for it.
_OWN_BLOCKS = frozenset({"image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking",
                         "search_result"})  # fmt: skip


class Untranslatable(ValueError):
    """Something of the request has no counterpart; never leaves this room."""


def split_messages(messages: Sequence[Message]) -> tuple[str | list[dict[str, Any]], list[dict[str, Any]]]:
    r"""Returns the system text and the turns.

    Several system messages are joined by an empty line, in their order; where one of them is a list of parts, all of
    them are blocks, so that what the parts carry (cache marks) is kept. Results of tools that follow one another
    become one user turn, as the API wants them.

    Raises:
        Untranslatable: If a role or a content part has no counterpart, or nothing is left but system messages.

    Example:
        >>> split_messages([Message(role="system", content="Be brief."), Message(role="user", content="Hi")])
        ('Be brief.', [{'role': 'user', 'content': 'Hi'}])
    """
    system: list[Any] = []
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role in ("system", "developer"):
            system.append(message.content)
        elif message.role == "user":
            turns.append({"role": "user", "content": _content(message.content)})
        elif message.role == "assistant":
            turns.append({"role": "assistant", "content": _assistant_content(message)})
        elif message.role == "tool":
            _add_result(turns, message)
        else:
            raise Untranslatable(f"a message with the role {message.role!r} has no counterpart there")
    if not turns:
        raise Untranslatable("there is no user message, and the API needs one beside the system message")
    if all(isinstance(content, str) for content in system):
        return "\n\n".join(system), turns
    return [block for content in system if content for block in _blocks(content)], turns


def tool_block(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a tool definition in the API's form; one that is in that form already stays as it is.

    Raises:
        Untranslatable: If it is neither.

    Example:
        >>> tool_block({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}})
        {'name': 'f', 'input_schema': {'type': 'object'}}
    """
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, Mapping):
        if isinstance(tool.get("name"), str):
            return dict(tool)
        raise Untranslatable(f"a tool of type {tool.get('type')!r} has no counterpart there")
    block = {"name": function.get("name")}
    if function.get("description"):
        block["description"] = function["description"]
    block["input_schema"] = function.get("parameters") or {"type": "object", "properties": {}}
    if function.get("strict") is not None:
        block["strict"] = function["strict"]
    return block


def tool_choice_block(choice: Any, *, parallel: Any = None) -> dict[str, Any] | None:
    """Returns `tool_choice` in the API's form, with `parallel_tool_calls: false` in it; `None` when neither is set.

    Raises:
        Untranslatable: If the choice is not one of OpenAI's.

    Example:
        >>> tool_choice_block("required"), tool_choice_block(None, parallel=False)
        ({'type': 'any'}, {'type': 'auto', 'disable_parallel_tool_use': True})
    """
    if choice is None and parallel is not False:
        return None
    if choice is None or choice == "auto":
        block: dict[str, Any] = {"type": "auto"}
    elif choice == "none":
        return {"type": "none"}
    elif choice == "required":
        block = {"type": "any"}
    elif isinstance(choice, Mapping) and isinstance(choice.get("function"), Mapping):
        block = {"type": "tool", "name": choice["function"].get("name")}
    elif isinstance(choice, Mapping) and choice.get("type") in ("auto", "any", "tool", "none"):
        block = dict(choice)
    else:
        raise Untranslatable(f"'tool_choice' {choice!r} has no counterpart there")
    return block | ({"disable_parallel_tool_use": True} if parallel is False else {})


def _content(content: Any) -> Any:
    if content is None or isinstance(content, str):
        return content or ""
    return _blocks(content)


def _blocks(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return [_block(part) for part in content]


def _block(part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" or kind in _OWN_BLOCKS:
        return dict(part)
    if kind == "refusal":
        return {"type": "text", "text": part.get("refusal", "")}
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, Mapping) else image
        if isinstance(url, str):
            kept = {"cache_control": part["cache_control"]} if "cache_control" in part else {}
            return {"type": "image", "source": _image_source(url)} | kept
    raise Untranslatable(f"a content part of type {kind!r} has no counterpart there")


def _image_source(url: str) -> dict[str, Any]:
    inline = _DATA_URL.fullmatch(url)
    if inline is not None:
        return {"type": "base64", "media_type": inline["type"], "data": inline["data"]}
    if url.startswith("data:"):
        raise Untranslatable("an image given as a data: URL must be base64 with a media type")
    return {"type": "url", "url": url}


def _assistant_content(message: Message) -> Any:
    calls = message.extra.get("tool_calls")
    if not calls:
        return _content(message.content)
    # An empty text block is refused, and a turn that only calls tools has no text.
    blocks = _blocks(message.content) if message.content else []
    for call in calls:
        function = call.get("function", {})
        try:
            given = json.loads(function.get("arguments") or "{}")
        except ValueError:
            given = None
        if not isinstance(given, dict):
            raise Untranslatable(f"the arguments of the tool call {function.get('name')!r} are not a JSON object")
        blocks.append({"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": given})
    return blocks


def _add_result(turns: list[dict[str, Any]], message: Message) -> None:
    """Adds a tool's result to the user turn of the results before it, or begins one."""
    block = {
        "type": "tool_result",
        "tool_use_id": message.extra.get("tool_call_id"),
        "content": _content(message.content),
    }
    last = turns[-1] if turns else None
    if last is not None and isinstance(last["content"], list) and last["content"][0]["type"] == "tool_result":
        last["content"].append(block)
    else:
        turns.append({"role": "user", "content": [block]})
