"""Parses a prompt once and fills its {{variables}} and message placeholders as often as asked; text and chat."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from toolkit._records import FrozenDict, Message, Prompt, freeze
from toolkit.errors import MissingVariablesError, TemplateSyntaxError
from toolkit.prompts._values import Origin, TextTemplate, text_of

Missing = Literal["error", "keep"]
"""What becomes of a variable without a value: an error before anything is sent, or the text as written."""

# Humanloop's own rule; `\d` would let digits of every script in.
_HUMANLOOP = re.compile(r"\{\{ ?(?P<name>[a-zA-Z_0-9.\[\]]+) ?\}\}")

# The generic interface has both forms. A name begins with a letter, so that `\d{3}` and JSON stay what they are.
_GENERIC = re.compile(r"\{\{\s*(?P<double>[^\W\d][\w.-]*)\s*\}\}|\{(?P<name>[^\W\d][\w.-]*)\}")


def fill(text: str, variables: Mapping[str, Any]) -> str:
    """Returns `text` with each `{{name}}` replaced by the variable of that name.

    Langfuse's rules: find `{{`, then the next `}}`, strip the name between them; one pass, so that a value which
    itself contains `{{...}}` stays as it is. Names that are not given stay as written. `None` becomes the empty
    text; every other value becomes `str(value)`, a tuple as the list that it was frozen from.

    Raises:
        MissingVariablesError: If a value that is asked for is NaN, `pandas.NA` or `NaT`.

    Example:
        >>> fill("As a {{level}} critic: {{ movie }}? {{{level}}}", {"level": "kind", "movie": None})
        'As a kind critic: ? {{{level}}}'
    """
    if "{{" not in text:
        return text
    return _parse(text).fill(variables, [], None)


def placeholders(prompt: Prompt) -> tuple[str, ...]:
    """Returns the names that `prompt` reads, in order of first appearance, those of message placeholders included.

    Names that a Jinja template can do without (`default`, `is defined`) are included too.

    Raises:
        TemplateSyntaxError: If the template cannot be read.

    Example:
        >>> placeholders(Prompt(prompt_id="p", version="1", kind="text", template="{{b}} {{a}} {{b}}", source="folder"))
        ('b', 'a')
    """
    return compile_template(prompt).placeholders


def render(prompt: Prompt, variables: Mapping[str, Any], *, missing: Missing = "error") -> tuple[Message, ...]:
    """Returns the messages that `prompt` makes of `variables`; a text prompt makes one user message.

    A message placeholder is replaced by the list of messages in the variable of its name. Those messages are the
    caller's words: their own `{{names}}` are filled where a value is given and stay as written where none is.

    Args:
        prompt: What to render.
        variables: Values by name; those that the prompt does not read are passed over.
        missing: `"keep"` leaves a variable without a value in the text as written.

    Raises:
        MissingVariablesError: If a variable has no value and `missing` is `"error"`; if a value is NaN; and, with
            either `missing`, if a message placeholder has no list of messages.
        TemplateSyntaxError: If the template cannot be read.

    Example:
        >>> render(Prompt(prompt_id="p", version="1", kind="text", template="Hi {{a}}", source="folder"), {"a": 1})
        (Message(role='user', content='Hi 1', name=None, extra={}),)
    """
    return compile_template(prompt).render(variables, missing=missing)


def compile_template(prompt: Prompt) -> CompiledTemplate:
    """Returns the parsed form of `prompt`; the last 512 are kept, so asking again costs a look-up.

    Raises:
        TemplateSyntaxError: If the template cannot be read.
    """
    return _compile(
        prompt.prompt_id, prompt.version, prompt.source, prompt.kind, freeze(prompt.template), prompt.template_format
    )


def as_message(given: Any) -> Message:
    """Returns the message that a caller means: a `Message`, a map with a role, or the message of an earlier answer.

    Of an answer's message the fields that are `None` are left out: services refuse `tool_calls: null`.

    Raises:
        TypeError: If it is none of them.
        ValueError: If it has no role.

    Example:
        >>> as_message({"role": "user", "content": "Hi"})
        Message(role='user', content='Hi', name=None, extra={})
    """
    if isinstance(given, Message):
        return given
    dump = getattr(given, "model_dump", None)
    return Message.from_wire(dict(given) if dump is None else dump(exclude_none=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledTemplate:
    """A prompt that was parsed; renders without looking at the template again."""

    origin: Origin
    steps: tuple[Message | _TextStep | _PartsStep | _PlaceholderStep, ...]
    """A message with nothing to fill stands for itself."""
    placeholders: tuple[str, ...]
    """As `toolkit.prompts.placeholders`."""
    always_strict: bool = False
    """True where a variable without a value is an error whatever `missing` says: Humanloop's rule."""

    def render(self, variables: Mapping[str, Any], *, missing: Missing = "error") -> tuple[Message, ...]:
        """Returns the messages; as `toolkit.prompts.render`."""
        messages: list[Message] = []
        without_value: list[str] = []
        unresolved: list[str] = []
        for step in self.steps:
            if isinstance(step, Message):
                messages.append(step)
            elif not isinstance(step, _PlaceholderStep):
                messages.append(step.fill(variables, without_value))
            elif step.name in variables:
                messages += step.insert(variables)
            else:
                unresolved.append(step.name)
        is_strict = missing == "error" or self.always_strict
        if unresolved or (without_value and is_strict):
            names = [*without_value, *unresolved] if is_strict else unresolved
            raise self._missing(names, unresolved, variables)
        return tuple(messages)

    def _missing(
        self, names: Sequence[str], unresolved: Sequence[str], variables: Mapping[str, Any]
    ) -> MissingVariablesError:
        absent = list(dict.fromkeys(names))
        lists = f" ({_listed(unresolved)}: a list of messages)" if unresolved else ""
        can_keep = not unresolved and not self.always_strict
        advice = "add them to `variables` or render with missing='keep'" if can_keep else "add them to `variables`"
        return MissingVariablesError(
            f"{self.origin} needs {_listed(absent)}{lists} and got {_listed(sorted(map(str, variables)))}; {advice}.",
            prompt_id=self.origin.prompt_id,
            source=self.origin.source,
            missing=absent,
            given=sorted(map(str, variables)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _MustacheText:
    """A text cut at its placeholders: literal pieces and, between them, the placeholders as written."""

    pieces: tuple[str, ...]
    slots: tuple[tuple[int, str], ...]
    """Index into `pieces` and name of each placeholder."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for _, name in self.slots)

    def fill(self, variables: Mapping[str, Any], missing: list[str], origin: Origin | None) -> str:
        pieces = list(self.pieces)
        for index, name in self.slots:
            try:
                value = variables[name]
            except KeyError:
                missing.append(name)
                continue
            pieces[index] = value if type(value) is str else text_of(value, name=name, origin=origin)
        return "".join(pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class _TextStep:
    """A message whose content is one text with something to fill."""

    origin: Origin
    message: Message
    content: TextTemplate

    @property
    def names(self) -> tuple[str, ...]:
        return self.content.names

    def fill(self, variables: Mapping[str, Any], missing: list[str]) -> Message:
        text = self.content.fill(variables, missing, self.origin)
        return Message(role=self.message.role, content=text, name=self.message.name, extra=self.message.extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class _PartsStep:
    """A message whose content is a list of parts, some of which have a text to fill."""

    origin: Origin
    message: Message
    parts: tuple[tuple[Any, TextTemplate | None], ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for _, template in self.parts if template is not None for name in template.names)

    def fill(self, variables: Mapping[str, Any], missing: list[str]) -> Message:
        content = tuple(
            part if template is None else FrozenDict({**part, "text": template.fill(variables, missing, self.origin)})
            for part, template in self.parts
        )
        return replace(self.message, content=content)


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlaceholderStep:
    """A place where a list of messages is put in."""

    origin: Origin
    name: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def insert(self, variables: Mapping[str, Any]) -> list[Message]:
        given = variables[self.name]
        if not isinstance(given, list | tuple):
            raise self._refused(f"got {type(given).__name__}", variables)
        messages: list[Message] = []
        for index, item in enumerate(given):
            try:
                message = as_message(item)
            except (TypeError, ValueError):
                raise self._refused(f"item {index} is not a message with a 'role': {item!r:.100}", variables) from None
            step = _message_step(message, origin=self.origin, parse=_parse_if_needed)
            messages.append(step if isinstance(step, Message) else step.fill(variables, []))
        return messages

    def _refused(self, reason: str, variables: Mapping[str, Any]) -> MissingVariablesError:
        return MissingVariablesError(
            f"{self.origin} has the message placeholder {self.name!r}, whose variable must be a list of messages "
            f"such as [{{'role': 'user', 'content': '...'}}]; {reason}.",
            prompt_id=self.origin.prompt_id,
            source=self.origin.source,
            missing=[self.name],
            given=sorted(map(str, variables)),
        )


@lru_cache(maxsize=512)
def _compile(
    prompt_id: str, version: str, source: str, kind: str, template: Any, template_format: str
) -> CompiledTemplate:
    origin = Origin(prompt_id=prompt_id, version=version, source=source)
    parse = _PARSERS.get(template_format, _parse_if_needed)
    if template_format == "jinja2":
        from toolkit.prompts._jinja import JinjaText

        def parse(text: str) -> TextTemplate | None:
            return JinjaText.parse(text, origin) if "{" in text else None

    wires = [{"role": "user", "content": template}] if kind == "text" else template
    steps = tuple(_step_of(wire, index=index, origin=origin, parse=parse) for index, wire in enumerate(wires))
    names = dict.fromkeys(name for step in steps if not isinstance(step, Message) for name in step.names)
    return CompiledTemplate(
        origin=origin, steps=steps, placeholders=tuple(names), always_strict=template_format == "humanloop"
    )


_Parse = Callable[[str], TextTemplate | None]


def _step_of(
    wire: Any, *, index: int, origin: Origin, parse: _Parse
) -> Message | _TextStep | _PartsStep | _PlaceholderStep:
    if isinstance(wire, Mapping):
        if wire.get("type") == "placeholder" and isinstance(wire.get("name"), str):
            return _PlaceholderStep(origin=origin, name=wire["name"])
        if isinstance(wire.get("role"), str):
            # Prompt managers mark ordinary messages with a `type` of their own, which no provider knows.
            message = Message.from_wire({key: value for key, value in wire.items() if key != "type"})
            return _message_step(message, origin=origin, parse=parse)
    raise TemplateSyntaxError(
        f"{origin}: message {index} is neither a message with a 'role' nor a placeholder with a 'name': "
        f"{wire!r:.200}; correct it in the source {origin.source!r}.",
        prompt_id=origin.prompt_id,
        source=origin.source,
    )


def _message_step(message: Message, *, origin: Origin, parse: _Parse) -> Message | _TextStep | _PartsStep:
    content = message.content
    if isinstance(content, str):
        template = parse(content)
        return message if template is None else _TextStep(origin=origin, message=message, content=template)
    if not isinstance(content, tuple):
        return message
    parts = tuple(
        (part, parse(part["text"]) if isinstance(part, Mapping) and isinstance(part.get("text"), str) else None)
        for part in content
    )
    if all(template is None for _, template in parts):
        return message
    return _PartsStep(origin=origin, message=message, parts=parts)


def _parse_if_needed(text: str) -> TextTemplate | None:
    return _parse(text) if "{{" in text else None


def _parse_humanloop(text: str) -> TextTemplate | None:
    return _parse_by(_HUMANLOOP, text) if "{{" in text else None


def _parse_generic(text: str) -> TextTemplate | None:
    return _parse_by(_GENERIC, text) if "{" in text else None


_PARSERS: Mapping[str, _Parse] = {"humanloop": _parse_humanloop, "generic": _parse_generic}


def _parse_by(pattern: re.Pattern[str], text: str) -> _MustacheText:
    """Cuts a text at the matches of a pattern whose named groups hold the name."""
    pieces: list[str] = []
    slots: list[tuple[int, str]] = []
    at = 0
    for match in pattern.finditer(text):
        pieces += [text[at : match.start()], match[0]]
        slots.append((len(pieces) - 1, next(name for name in match.groups() if name is not None)))
        at = match.end()
    pieces.append(text[at:])
    return _MustacheText(pieces=tuple(pieces), slots=tuple(slots))


def _parse(text: str) -> _MustacheText:
    pieces: list[str] = []
    slots: list[tuple[int, str]] = []
    at = 0
    while (start := text.find("{{", at)) >= 0 and (end := text.find("}}", start)) >= 0:
        pieces += [text[at:start], text[start : end + 2]]
        slots.append((len(pieces) - 1, text[start + 2 : end].strip()))
        at = end + 2
    pieces.append(text[at:])
    return _MustacheText(pieces=tuple(pieces), slots=tuple(slots))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names) or "no variables"
