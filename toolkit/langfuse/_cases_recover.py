"""Finds the variables that a prompt was rendered with in the messages that it became, where only one answer fits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit._records import Message, Prompt
from toolkit.errors import PromptError
from toolkit.prompts import placeholders, render

CHANGED = "the input does not fit the template"
SEVERAL = "the input can be read in several ways"
UNFILLED = "a variable was not filled"
LANGUAGE = "the template's language cannot be read backwards"

# Languages that put values in as they are; a Jinja template may change them, or leave them out.
_PLAIN_FORMATS = ("mustache", "generic", "humanloop")

# A text with more turns than this has more readings than anybody wants to tell apart.
_MOST_STEPS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The variables of one rendered prompt, or why there are none."""

    variables: Mapping[str, Any] | None
    """Texts by name, and lists of messages for message placeholders; `None` = not known for certain."""
    reason: str = ""
    """`CHANGED`, `SEVERAL`, `UNFILLED` or `LANGUAGE`; empty when there are variables."""


def recover(prompt: Prompt, rendered: str | Sequence[Message]) -> Reading:
    """Returns the variables that make `prompt` the given text or messages, if there is exactly one set of them.

    Nothing is guessed: where two variables stand side by side, or a value contains what stands between two of them,
    several sets fit and none is returned. Values come back as texts, because that is what was sent.

    Args:
        prompt: The version that was rendered.
        rendered: What was sent; a text stands for one message.

    Example:
        >>> prompt = Prompt(prompt_id="p", version="1", kind="text", template="{{a}} is {{b}}.", source="folder")
        >>> recover(prompt, "Bonn is old.").variables, recover(prompt, "What is, is.").variables
        ({'a': 'Bonn', 'b': 'old'}, None)
        >>> recover(prompt, "This is that is it.").reason
        'the input can be read in several ways'
    """
    if prompt.template_format not in _PLAIN_FORMATS:
        return Reading(variables=None, reason=LANGUAGE)
    sent = [Message(role="user", content=rendered)] if isinstance(rendered, str) else list(rendered)
    if prompt.kind == "text" and len(sent) == 1:
        # Other libraries send the one text of a text prompt as a system message.
        sent = [Message(role="user", content=sent[0].content)]
    try:
        skeleton = _Skeleton.of(prompt)
        found = skeleton.read(sent)
        if not found.variables:
            return found if found.variables is None or _same(render(prompt, {}), sent) else _CHANGED
        fits = _same(render(prompt, found.variables), sent)
    except PromptError:
        return _CHANGED
    return found if fits else _CHANGED


_CHANGED = Reading(variables=None, reason=CHANGED)
_SEVERAL = Reading(variables=None, reason=SEVERAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Skeleton:
    """A prompt that was rendered with marks for values: what stands between them is the prompt's own."""

    messages: tuple[Message, ...]
    names: tuple[str, ...]
    mark: str
    lists: frozenset[str]
    """Names of message placeholders."""

    @classmethod
    def of(cls, prompt: Prompt) -> _Skeleton:
        names = placeholders(prompt)
        lists = frozenset(
            str(part.get("name"))
            for part in (prompt.template if prompt.kind == "chat" else ())
            if isinstance(part, Mapping) and part.get("type") == "placeholder"
        )
        text = json.dumps(prompt.template, ensure_ascii=False)
        salt = next(salt for salt in range(len(text) + 1) if f"\ue000{salt}:" not in text)
        mark = f"\ue000{salt}:"
        values: dict[str, Any] = {name: f"{mark}{place}\ue001" for place, name in enumerate(names)}
        marks = {name: [{"role": value, "content": ""}] if name in lists else value for name, value in values.items()}
        return cls(messages=render(prompt, marks), names=names, mark=mark, lists=lists)

    def read(self, sent: Sequence[Message]) -> Reading:
        places = [place for place, message in enumerate(self.messages) if message.role.startswith(self.mark)]
        extra = len(sent) - len(self.messages) + len(places)
        if extra < 0 or (extra > 0 and not places):
            return _CHANGED
        if len(places) > 1:
            return _SEVERAL
        own, found = list(sent), {}
        if places:
            name = self._name(self.messages[places[0]].role)
            found[name] = [_wire(message) for message in own[places[0] : places[0] + extra]]
            del own[places[0] : places[0] + extra]
        fixed = [message for place, message in enumerate(self.messages) if place not in places]
        pairs: list[tuple[str, str]] = []
        for made, given in zip(fixed, own, strict=True):
            told = _text_pairs(_wire(made), _wire(given))
            if told is None:
                return _CHANGED
            pairs += told
        texts = self._solve(pairs)
        if texts.variables is None:
            return texts
        if any(_is_placeholder(value, name) for name, value in texts.variables.items()):
            return Reading(variables=None, reason=UNFILLED)
        found |= texts.variables
        return Reading(variables={name: found[name] for name in self.names if name in found})

    def _solve(self, pairs: Sequence[tuple[str, str]]) -> Reading:
        """Reads the texts one after the other; what one of them settles helps with the rest."""
        split = re.compile(re.escape(self.mark) + "([0-9]+)\ue001")
        open_texts = [(split.split(made), given) for made, given in pairs]
        known: dict[str, str] = {}
        while open_texts:
            left = []
            for pieces, given in open_texts:
                names = [self.names[int(place)] for place in pieces[1::2]]
                ways = readings(pieces[::2], names, given, known)
                if not ways:
                    return _CHANGED
                if len(ways) == 1:
                    known |= ways[0]
                else:
                    left.append((pieces, given))
            if len(left) == len(open_texts):
                return _SEVERAL
            open_texts = left
        return Reading(variables=known)

    def _name(self, mark: str) -> str:
        return self.names[int(mark[len(self.mark) : -1])]


def readings(
    literals: Sequence[str], names: Sequence[str], text: str, known: Mapping[str, str], *, at_most: int = 2
) -> list[dict[str, str]]:
    """Returns the ways to read `text` as literals with values between them; no more than `at_most` are looked for.

    A text with so many turns that they are not worth following counts as one with several readings.

    Args:
        literals: What stands before, between and behind the values; one more than `names`.
        names: Of the values, in order; a name that stands twice has one value.
        text: What is read.
        known: Values that are settled.
        at_most: How many ways are enough.

    Example:
        >>> readings(["", " and ", ""], ["a", "b"], "x and y", {})
        [{'a': 'x', 'b': 'y'}]
        >>> len(readings(["", " and ", ""], ["a", "b"], "x and y and z", {}))
        2
        >>> readings(["", " and ", ""], ["a", "a"], "x and y and x and y", {})
        [{'a': 'x and y'}]
    """
    if not names:
        return [{}] if text == literals[0] else []
    # The last one by its length: "-0" would be the whole text.
    end = len(text) - len(literals[-1])
    if not text.startswith(literals[0]) or not text.endswith(literals[-1]) or len(literals[0]) > end:
        return []
    middle = literals[1:-1]
    latest = _latest(middle, text, begin=len(literals[0]), end=end)
    if latest is None:
        return []
    ways: list[dict[str, str]] = []
    # Which value is next, where it begins, from where its end is looked for, and what is known by then.
    turns = [(0, len(literals[0]), len(literals[0]), dict(known))]
    for _ in range(_MOST_STEPS):
        if not turns or len(ways) == at_most:
            return ways
        place, begin, search, found = turns.pop()
        name = names[place]
        if place == len(middle):
            if found.setdefault(name, text[begin:end]) == text[begin:end]:
                ways.append(found)
            continue
        stop = latest[place] + len(middle[place])
        if name in found:
            at = begin + len(found[name])
            if not text.startswith(found[name] + middle[place], begin) or at > latest[place]:
                continue
        else:
            at = text.find(middle[place], search, stop)
            if at < 0:
                continue
            turns.append((place, begin, at + 1, found))
        after = at + len(middle[place])
        turns.append((place + 1, after, after, {**found, name: text[begin:at]}))
    return [{}] * at_most


def _latest(middle: Sequence[str], text: str, *, begin: int, end: int) -> list[int] | None:
    """Where each literal begins at the latest, so that those behind it still find a place; `None` = they do not."""
    latest: list[int] = []
    for literal in reversed(middle):
        at = text.rfind(literal, begin, end)
        if at < 0:
            return None
        latest.append(at)
        end = at
    return latest[::-1]


def _text_pairs(made: Any, given: Any) -> list[tuple[str, str]] | None:
    """The texts of two messages that have the same form, side by side; `None` when they have not."""
    if isinstance(made, str) and isinstance(given, str):
        return [(made, given)]
    if isinstance(made, dict) and isinstance(given, dict):
        if made.keys() != given.keys():
            return None
        made, given = [made[key] for key in made], [given[key] for key in made]
    if not isinstance(made, list) or not isinstance(given, list):
        return [] if made == given else None
    if len(made) != len(given):
        return None
    pairs: list[tuple[str, str]] = []
    for one, other in zip(made, given, strict=True):
        found = _text_pairs(one, other)
        if found is None:
            return None
        pairs += found
    return pairs


def _wire(message: Message) -> dict[str, Any]:
    """A message as plain data; empty fields are left out, and a content of one text is that text."""
    wire = {key: _thawed(value) for key, value in message.to_wire().items() if value is not None}
    content = wire.get("content")
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        part = content[0]
        if part.keys() == {"type", "text"} and part["type"] == "text" and isinstance(part["text"], str):
            wire["content"] = part["text"]
    return wire


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _thawed(each) for key, each in value.items()}
    return [_thawed(each) for each in value] if isinstance(value, list | tuple) else value


def _same(made: Sequence[Message], given: Sequence[Message]) -> bool:
    return [_wire(message) for message in made] == [_wire(message) for message in given]


def _is_placeholder(value: Any, name: str) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\{{1,2}\s*" + re.escape(name) + r"\s*\}{1,2}", value) is not None
