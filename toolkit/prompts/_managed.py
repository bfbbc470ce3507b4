"""A prompt with the source that it came from: read, rendered, compared, written back."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from toolkit import _sync
from toolkit._records import FrozenDict, Prompt, messages_to_wire
from toolkit.errors import UsageError
from toolkit.prompts._source import PromptSource, WritablePromptSource
from toolkit.prompts._template import Missing, placeholders, render
from toolkit.prompts._values import thawed


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMove:
    """A label that was put on a version, and where it stood before."""

    prompt_id: str
    label: str
    version: str | None
    """Version that has the label now; `None` after a rollback to nowhere."""
    previous: str | None
    """Version that had it before; `None` when none had."""
    _origin: WritablePromptSource = field(repr=False, compare=False)

    def rollback(self) -> LabelMove:
        """Puts the label back on the version that had it before.

        Raises:
            UsageError: If none had it and the source cannot take a label away.
            PromptSourceError: If the source cannot be reached or refuses it.
        """
        held = _sync.run(self._origin.set_label(self.prompt_id, self.previous, self.label))
        return LabelMove(
            prompt_id=self.prompt_id,
            label=self.label,
            version=self.previous,
            previous=held,
            _origin=self._origin,
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ManagedPrompt:
    """One version of a prompt, with its source.

    Calls that write go to the source and return when it has answered.

    Example:
        >>> prompt = Prompt(prompt_id="greet", version="1", kind="text", template="Hi {{name}}", source="folder")
        >>> ManagedPrompt(prompt=prompt).render(name="Ann")
        [{'role': 'user', 'content': 'Hi Ann'}]
    """

    prompt: Prompt
    """The frozen record."""
    _origin: PromptSource | None = field(default=None, compare=False)

    @property
    def prompt_id(self) -> str:
        """Name within the source."""
        return self.prompt.prompt_id

    @property
    def version(self) -> str:
        """Version within the source."""
        return self.prompt.version

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that stood on this version when it was fetched."""
        return self.prompt.labels

    @property
    def kind(self) -> Literal["text", "chat"]:
        """`text` or `chat`."""
        return self.prompt.kind

    @property
    def template(self) -> str | tuple[FrozenDict, ...]:
        """Text with placeholders, or the messages as maps."""
        return self.prompt.template

    @property
    def config(self) -> FrozenDict:
        """Model, params and whatever else the authors keep with the prompt."""
        return self.prompt.config

    @property
    def source(self) -> str:
        """Name of the prompt source."""
        return self.prompt.source

    @property
    def fingerprint(self) -> str:
        """Content hash; two prompts of equal content have the same."""
        return self.prompt.fingerprint

    @property
    def reference(self) -> str:
        """The pinned reference that finds this version again: `folder:support/reply@3`."""
        return self.prompt.reference

    @property
    def variables(self) -> tuple[str, ...]:
        """Names that the prompt reads, in order of first appearance."""
        return placeholders(self.prompt)

    def render(
        self, variables: Mapping[str, Any] | None = None, /, *, missing: Missing = "error", **named: Any
    ) -> list[dict[str, Any]]:
        """Returns the messages as they would be sent, in the form of chat completions.

        Args:
            variables: Values by name; those that the prompt does not read are passed over.
            missing: `keep` leaves a variable without a value in the text as written.
            named: The same, as keyword arguments; they go before `variables`. A variable called `missing` is given in
                `variables`.

        Raises:
            MissingVariablesError: If a variable has no value and `missing` is `error`.
            TemplateSyntaxError: If the template cannot be read.
        """
        wire = messages_to_wire(render(self.prompt, {**(variables or {}), **named}, missing=missing))
        return [thawed(message) for message in wire]

    def diff(self, other: ManagedPrompt | Prompt) -> str:
        """Returns what `other` changes, as a unified diff of config and messages; empty when nothing.

        Example:
            >>> old = Prompt(prompt_id="greet", version="1", kind="text", template="Hi {{name}}", source="folder")
            >>> new = Prompt(prompt_id="greet", version="2", kind="text", template="Dear {{name}}", source="folder")
            >>> print(ManagedPrompt(prompt=old).diff(new))
            --- folder:greet@1
            +++ folder:greet@2
            @@ -1 +1 @@
            -Hi {{name}}
            +Dear {{name}}
        """
        theirs = other.prompt if isinstance(other, ManagedPrompt) else other
        lines = difflib.unified_diff(
            _lines(self.prompt),
            _lines(theirs),
            fromfile=self.prompt.reference,
            tofile=theirs.reference,
            lineterm="",
            n=1,
        )
        return "\n".join(lines)

    def push(
        self,
        *,
        template: str | Sequence[Mapping[str, Any]] | None = None,
        config: Mapping[str, Any] | None = None,
        labels: Sequence[str] = (),
        tags: Sequence[str] | None = None,
        commit_message: str | None = None,
    ) -> ManagedPrompt:
        """Writes a new version to the source and returns it; this one stays as it is.

        Args:
            template: Text or messages; `None` = this version's.
            config: Model, params and whatever else is kept with the prompt; `None` = this version's.
            labels: Put on the new version and taken from the versions that had them.
            tags: Tags of the prompt; `None` = as they are.
            commit_message: A line about the change.

        Raises:
            UsageError: If the source is read-only, or cannot hold what is given; nothing was written.
            PromptSourceError: If the source cannot be reached or refuses it.
        """
        origin = self._writable()
        pushed = _sync.run(
            origin.push(
                self.prompt_id,
                self.template if template is None else template,
                config=self.config if config is None else config,
                labels=labels,
                tags=tags,
                commit_message=commit_message,
                template_format=self.prompt.template_format,
            )
        )
        return ManagedPrompt(prompt=pushed, _origin=self._origin)

    def label(self, label: str) -> LabelMove:
        """Puts a label, such as `production`, on this version; the answer says who had it and can put it back.

        Raises:
            UsageError: If the source is read-only, or the label is its own (`latest`).
            PromptSourceError: If the source cannot be reached or refuses it.
        """
        origin = self._writable()
        previous = _sync.run(origin.set_label(self.prompt_id, self.version, label))
        return LabelMove(prompt_id=self.prompt_id, label=label, version=self.version, previous=previous, _origin=origin)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the record alone: connections and keys do not travel, and what arrives is for reading."""
        return _for_reading, (self.prompt,)

    def __repr__(self) -> str:
        labels = f" [{', '.join(self.labels)}]" if self.labels else ""
        return "\n".join([f"{self.reference}{labels}", *_lines(self.prompt)])

    def _writable(self) -> WritablePromptSource:
        origin: object = self._origin
        if isinstance(origin, WritablePromptSource):
            return origin
        raise UsageError(
            f"The prompt source {self.source!r} cannot be written to from here; langfuse and folder can. "
            f"{self.reference!r} stays as it is."
        )


def as_text(prompt: Prompt) -> str:
    """Returns config and messages line by line, as a person reads and compares them."""
    return "\n".join(_lines(prompt))


def _for_reading(prompt: Prompt) -> ManagedPrompt:
    return ManagedPrompt(prompt=prompt)


def _lines(prompt: Prompt) -> list[str]:
    """Config and messages as lines: what a person compares."""
    config = [f"{key}: {json.dumps(thawed(value), ensure_ascii=False)}" for key, value in sorted(prompt.config.items())]
    written = [] if prompt.template_format == "mustache" else [f"template_format: {prompt.template_format}"]
    head = [*written, *config, "---"] if written or config else []
    if isinstance(prompt.template, str):
        return [*head, *prompt.template.split("\n")]
    body: list[str] = []
    for message in prompt.template:
        content = message.get("content")
        named = message.get("role") or f"{message.get('type')} {message.get('name')}"
        rest = {key: value for key, value in message.items() if key not in ("role", "content")}
        body.append(f"{named}:" if not rest else f"{named}: {json.dumps(thawed(rest), ensure_ascii=False)}")
        text = content if isinstance(content, str) else json.dumps(thawed(content), ensure_ascii=False)
        body += [] if content is None else text.split("\n")
    return [*head, *body]
