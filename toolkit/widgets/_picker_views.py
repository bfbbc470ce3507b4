"""What a prompt picker shows, as HTML that runs nothing: messages with their values, word diffs, config, JSON."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit._records import Message, Prompt
from toolkit.errors import PromptError
from toolkit.prompts import as_text, placeholders, render
from toolkit.results import Safe, element, shorten, word_diff
from toolkit.widgets._theme import PREFIX, value

_MOST_CHARACTERS = 20_000

# Stands around the name of a variable without a value while a prompt is rendered; private characters, which nothing
# else is made of.
_OPEN, _CLOSE = "\ue0f0", "\ue0f1"
_MISSING = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")

_TEXT = "white-space:pre-wrap;overflow-wrap:anywhere;margin:.15em 0 .7em"
_ADDED = f"text-decoration:underline;background:color-mix(in srgb,{value('good')} 22%,transparent)"
_REMOVED = f"text-decoration:line-through;background:color-mix(in srgb,{value('bad')} 20%,transparent)"
_GAP = f"background:color-mix(in srgb,{value('warn')} 30%,transparent);color:inherit;padding:0 .15em"
_FAINT = "opacity:.75"


def boxed(*children: Safe | str | Sequence[Safe | str] | None) -> Safe:
    """Returns a block that takes the notebook's colours and in which nothing is read as mathematics."""
    return element("div", *children, class_=f"{PREFIX} tex2jax_ignore mathjax_ignore")


def preview(prompt: Prompt, values: Mapping[str, Any]) -> Safe:
    """Returns the messages as they would be sent, variables without a value marked in their place.

    Args:
        prompt: What is shown.
        values: By name; names that the prompt does not read are passed over.
    """
    try:
        missing = [name for name in placeholders(prompt) if name not in values]
        messages = _rendered(prompt, values, missing)
    except PromptError as error:
        return boxed(element("p", str(error), style=f"color:{value('bad')}"), element("pre", as_text(prompt)))
    warning = element("p", f"⚠ no value: {', '.join(missing)}", style="font-weight:600") if missing else None
    return boxed(warning, [_message(message) for message in messages])


def difference(old: Prompt, new: Prompt) -> Safe:
    """Returns what changed from one version to another, word by word, config included."""
    return changes(as_text(old), as_text(new), f"{old.reference} → {new.reference}")


def changes(old: str, new: str, title: str) -> Safe:
    """Returns a word diff of two texts under a title."""
    head = element("p", element("strong", title), " no difference" if old == new else None)
    words: list[Safe | str] = []
    for piece in word_diff(shorten(old, _MOST_CHARACTERS), shorten(new, _MOST_CHARACTERS)):
        if piece.kind == "kept":
            words.append(piece.text)
        else:
            tag, style = ("ins", _ADDED) if piece.kind == "added" else ("del", _REMOVED)
            words.append(element(tag, piece.text, style=style))
    return boxed(head, element("div", words, style=_TEXT, dir="auto"))


def config_table(prompt: Prompt) -> Safe:
    """Returns what is kept with a prompt: model, params and whatever else, one row a key."""
    if not prompt.config:
        return boxed(element("p", "This version has no config: model and params are the sweep's.", style=_FAINT))
    rows = [
        element("tr", element("th", key, scope="row"), element("td", _json(each), style="text-align:left"))
        for key, each in sorted(prompt.config.items())
    ]
    return boxed(element("table", element("tbody", rows)))


def as_json(prompt: Prompt) -> Safe:
    """Returns the whole record as JSON."""
    fields = {field.name: getattr(prompt, field.name) for field in dataclasses.fields(prompt)}
    told = {**fields, "fingerprint": prompt.fingerprint}
    return boxed(element("pre", shorten(json.dumps(told, ensure_ascii=False, indent=2), _MOST_CHARACTERS), style=_TEXT))


def words(text: str) -> Safe:
    """Returns a faint line of words."""
    return boxed(element("div", text, style=_FAINT))


def _rendered(prompt: Prompt, values: Mapping[str, Any], missing: Sequence[str]) -> tuple[Message, ...]:
    marked = {name: f"{_OPEN}{name}{_CLOSE}" for name in missing}
    try:
        return render(prompt, {**values, **marked}, missing="keep")
    except PromptError:
        # Where whole messages are to be put in, a mark is none: those stay as they are written.
        return render(_without_gaps(prompt, missing), {**values, **marked}, missing="keep")


def _without_gaps(prompt: Prompt, missing: Sequence[str]) -> Prompt:
    """Returns the prompt with a word in place of each list of messages that has no value."""
    if isinstance(prompt.template, str):
        return prompt
    template = tuple(
        {"role": "messages", "content": f"{_OPEN}{message['name']}{_CLOSE}"}
        if message.get("type") == "placeholder" and message.get("name") in missing
        else message
        for message in prompt.template
    )
    return dataclasses.replace(prompt, template=template)  # type: ignore[arg-type]  # frozen when it is parsed


def _message(message: Message) -> Safe:
    content = message.content if isinstance(message.content, str) else _json(message.content)
    more = _json(message.extra) if message.extra else None
    text = shorten(content, _MOST_CHARACTERS)
    parts: list[Safe | str] = []
    for place, part in enumerate(_MISSING.split(text)):
        # Every second part is what stood between two marks: a name.
        parts.append(element("mark", f"{{{{{part}}}}}", style=_GAP, title="no value") if place % 2 else part)
    return element(
        "div",
        element("div", message.role, style=f"{_FAINT};font-weight:600"),
        element("div", parts, style=_TEXT, dir="auto"),
        element("pre", more, style=_FAINT) if more else None,
    )


def _json(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=2, default=str)
