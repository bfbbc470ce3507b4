"""What one linked generation tells of the variables that its prompt was filled with."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit._records import Message, Prompt
from toolkit.errors import PromptError
from toolkit.langfuse._cases_recover import CHANGED, SEVERAL, UNFILLED, Reading, recover
from toolkit.prompts import placeholders, render

OWN_KEY = "prompt_variables"
"""Key of an observation's metadata under which this package keeps the variables."""

METADATA_KEYS = (OWN_KEY, "langfuse_prompt_variables", "prompt_management_metadata", "variables", "inputs")
"""Keys whose values are asked for whole: Langfuse shortens others to 200 characters."""

NO_INPUT = "no input was recorded"

# How deep other libraries bury a map of variables in their metadata.
_DEPTH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCase:
    """One use of a prompt in production."""

    case_id: str
    """Id of the observation."""
    version: str
    """Of the prompt, as it was linked."""
    started_at: dt.datetime
    variables: Mapping[str, Any]
    answer: Any = None
    """What was answered: a text, or JSON data; `None` = nothing was recorded."""


def read_variables(row: Mapping[str, Any], prompt: Prompt) -> Reading:
    """Returns the variables of one generation: those in its metadata, else those that its input gives away.

    What other libraries keep in the metadata is believed when it renders to the recorded input; what this package
    keeps there is believed as it is.

    Args:
        row: An observation with its input and metadata, as Langfuse lists it.
        prompt: The version that it is linked to.
    """
    names = placeholders(prompt)
    metadata = _parsed(row.get("metadata"))
    own = _parsed(metadata.get(OWN_KEY)) if isinstance(metadata, Mapping) else None
    if isinstance(own, Mapping):
        if all(name in own for name in names):
            return Reading(variables={name: own[name] for name in names})
        return Reading(variables=None, reason=UNFILLED)
    inputs = list(_inputs(row.get("input"), is_chat=prompt.kind == "chat"))
    if not inputs and row.get("input") in (None, ""):
        return Reading(variables=None, reason=NO_INPUT)
    told = _told(metadata, frozenset(names), _DEPTH) if names else ()
    for variables in told:
        if any(_renders_to(prompt, variables, sent) for sent in inputs):
            return Reading(variables=variables)
    found = [recover(prompt, sent) for sent in inputs]
    whole = [reading for reading in found if reading.variables is not None]
    if len(whole) == 1:
        return whole[0]
    if whole:
        return Reading(variables=None, reason=SEVERAL)
    reasons = [reading.reason for reading in found if reading.reason != CHANGED]
    return Reading(variables=None, reason=reasons[0] if reasons else CHANGED)


def read_answer(output: Any) -> Any:
    """Returns what a recorded output says: the text of a message, or of a completion's first choice, else all of it.

    Example:
        >>> read_answer('{"role": "assistant", "content": "Hi"}'), read_answer("Hi"), read_answer('{"label": 1}')
        ('Hi', 'Hi', '{"label": 1}')
    """
    found = _parsed(output)
    if isinstance(found, Mapping) and isinstance(found.get("choices"), list) and found["choices"]:
        first = found["choices"][0]
        found = first.get("message") if isinstance(first, Mapping) else found
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, Mapping) and "role" in found and isinstance(found.get("content"), str):
        return found["content"]
    return output


def _inputs(recorded: Any, *, is_chat: bool) -> Iterator[str | list[Message]]:
    """The ways to take a recorded input: as messages where it has their form, and as the text that it is.

    A text prompt's variable may itself be text that looks like messages; both ways are told then.
    """
    found = _parsed(recorded)
    if isinstance(found, Mapping) and "role" not in found:
        found = found.get("messages", found.get("prompt"))
    if isinstance(found, Mapping):
        found = [found]
    if isinstance(found, list) and found and all(isinstance(each, Mapping) for each in found):
        with contextlib.suppress(ValueError, TypeError):
            yield [Message.from_wire(_without_holes(each)) for each in found]
            if is_chat:
                return
    yield from dict.fromkeys(text for text in (found, recorded) if isinstance(text, str))


def _without_holes(wire: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in wire.items() if value is not None}


def _told(metadata: Any, names: frozenset[str], depth: int) -> Iterator[Mapping[str, Any]]:
    """Every map in the metadata that has exactly these names."""
    found = _parsed(metadata)
    if not isinstance(found, Mapping):
        return
    if found.keys() == names:
        yield found
    if depth:
        for value in found.values():
            yield from _told(value, names, depth - 1)


def _renders_to(prompt: Prompt, variables: Mapping[str, Any], sent: str | list[Message]) -> bool:
    try:
        made = render(prompt, variables)
    except PromptError:
        return False
    if isinstance(sent, str):
        return len(made) == 1 and made[0].content == sent
    if prompt.kind == "text" and len(sent) == 1:
        return made[0].content == sent[0].content
    return list(made) == sent


def _parsed(value: Any) -> Any:
    """What a text says that is a JSON map or list; anything else stays what it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
