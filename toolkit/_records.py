"""The frozen values that flow: Message, Prompt, Request, Usage, Response, Failure, Trial, Outcome, Score."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from toolkit._canonical import content_hash
from toolkit._votes import Vote

TemplateFormat = Literal["mustache", "jinja2", "humanloop", "generic"]
"""How a template's variables are written: `{{name}}`, Jinja, Humanloop's `{{ name }}`, or `{name}` and `{{name}}`."""

Status = Literal["ok", "failed", "skipped", "cancelled", "over_budget", "stopped_early", "unknown"]
"""What became of a trial; `unknown` = sent, and no outcome was recorded; `stopped_early` = not needed any more."""


CHAT_PARAMS = frozenset(
    {
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "top_p",
        "n",
        "stop",
        "presence_penalty",
        "frequency_penalty",
        "tools",
        "tool_choice",
        "response_format",
        "seed",
        "logit_bias",
        "user",
        "stream",
        "stream_options",
        "parallel_tool_calls",
        "logprobs",
        "top_logprobs",
        "reasoning_effort",
    }
)
"""The only parameters taken from a prompt's config; everything else there is metadata and never sent."""


_PLAIN = frozenset({str, int, float, bool, type(None)})


class FrozenDict(dict[str, Any]):
    """A dict that cannot be changed: it pickles, compares and writes as JSON like one, and can be shared.

    Nested mappings become FrozenDicts and nested lists become tuples.

    Example:
        >>> FrozenDict({"a": [1, {"b": 2}]})
        {'a': (1, {'b': 2})}
    """

    __slots__ = ()

    def __init__(self, values: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        plain = values if type(values) is dict else dict(values)
        super().__init__({key: v if type(v) in _PLAIN else freeze(v) for key, v in plain.items()})

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none because it changes; this one does not
        return hash(frozenset(self.items()))

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("This mapping is frozen; make a new one.")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse


EMPTY = FrozenDict()
"""The one empty mapping, for defaults."""


def freeze(value: Any) -> Any:
    """Returns `value` with every mapping a FrozenDict and every list a tuple, all the way down."""
    # Exact types first: bodies of answers are made of these, and a check against `Mapping` costs ten of them.
    kind = type(value)
    if kind in _PLAIN or kind is FrozenDict:
        return value
    if kind is dict or isinstance(value, Mapping):
        return value if isinstance(value, FrozenDict) else FrozenDict(value)
    if isinstance(value, list | tuple):
        return tuple([v if type(v) in _PLAIN else freeze(v) for v in value])
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a chat."""

    role: str
    content: str | tuple[Any, ...] | None
    """Text, content parts as the provider's format has them, or `None` beside tool calls."""
    name: str | None = None
    extra: FrozenDict = EMPTY
    """Further keys, sent as they are: `tool_calls`, `tool_call_id`."""

    def to_wire(self) -> dict[str, Any]:
        """Returns the message in the form of OpenAI's chat completions."""
        wire: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.name is not None:
            wire["name"] = self.name
        return wire | self.extra

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Message:
        """Reads a message in the form of OpenAI's chat completions.

        Raises:
            ValueError: If it has no role.
        """
        if not isinstance(wire.get("role"), str):
            raise ValueError(f"A message needs a 'role' that is text; got {dict(wire)!r}.")
        extra = {key: value for key, value in wire.items() if key not in ("role", "content", "name")}
        return cls(
            role=wire["role"], content=freeze(wire.get("content")), name=wire.get("name"), extra=FrozenDict(extra)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One version of a prompt, as its source gave it."""

    prompt_id: str
    """Name within the source, such as `support/reply`."""
    version: str
    """Version within the source: `3`, or whatever the source counts by."""
    kind: Literal["text", "chat"]
    template: str | tuple[FrozenDict, ...]
    """Text with placeholders, or the messages as maps, placeholders for whole messages included."""
    source: str
    """Name of the prompt source: `folder`, `langfuse`."""
    label: str | None = None
    """The label that the caller asked for; `None` when it was not by label."""
    labels: tuple[str, ...] = ()
    """Every label that stood on this version when it was fetched."""
    config: FrozenDict = EMPTY
    """Model, params and whatever else the authors keep with the prompt."""
    template_format: TemplateFormat = "mustache"
    snapshot_at: str | None = None
    """UTC, ISO 8601: when this version was last seen, for one taken from the run store because its source was away."""

    @property
    def fingerprint(self) -> str:
        """Content hash over kind, template, format and config: `p1:` and 32 hex digits. Names and labels stay out."""
        return content_hash(
            "p1",
            {
                "kind": self.kind,
                "template": self.template,
                "format": self.template_format,
                "config": self.config,
            },
        )

    @property
    def reference(self) -> str:
        """The pinned reference that finds this version again: `folder:support/reply@3`."""
        return f"{self.source}:{self.prompt_id}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent to a provider. Equal requests have equal `key`s, in any process, on any day."""

    provider: str
    """Who answers, with the endpoint where it is not the provider's own: `openai`, `openai@http://127.0.0.1:8000/v1`.

    Two endpoints that serve one model name do not share answers.
    """
    model: str
    """Provider-side name, without the provider prefix: `gpt-4o-mini`."""
    messages: tuple[Message, ...]
    params: FrozenDict = EMPTY
    """Sampling and output parameters by their OpenAI names; only what is set is sent."""

    @property
    def key(self) -> str:
        """Content hash over exactly provider, model, messages and params: `r1:` and 32 hex digits."""
        return content_hash(
            "r1",
            {
                "provider": self.provider,
                "model": self.model,
                "messages": [message.to_wire() for message in self.messages],
                "params": self.params,
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counted them; `None` where it did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    """Part of `input_tokens` that the provider read from its cache."""
    reasoning_tokens: int | None = None
    """Part of `output_tokens` that is not in the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a provider answered."""

    text: str
    finish_reason: str | None
    """`stop`, `length`, `content_filter`, `tool_calls`; the provider's own word where it has another meaning."""
    model: str | None = None
    """Model that served, by the provider's word."""
    usage: Usage = Usage()
    request_id: str | None = None
    latency_s: float | None = None
    """Seconds from sending to the last byte, of the successful attempt alone."""
    first_token_s: float | None = None
    """Seconds from sending to the first text; `None` when the answer was not streamed."""
    refusal: str | None = None
    tool_calls: tuple[FrozenDict, ...] = ()
    cost_usd: float | None = None
    """USD, where the provider itself knows (0 for a model in this process); `None` = unknown."""
    flags: tuple[str, ...] = ()
    """What was done to get it: `encoding_repaired` (bytes without a meaning were replaced in its text),
    `dropped:temperature` (the model refused this parameter, and it was asked again without)."""
    raw: FrozenDict = EMPTY
    """The answer's body as it came; for a stream, what it adds up to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a trial has no answer."""

    kind: str
    """One word, listed in the errors' documentation: `auth`, `timeout`, `rate_limit`, ..."""
    error_type: str
    """Class of the error that `results.raise_for_failures()` would name."""
    message: str
    """One line with credentials masked."""
    retryable: bool = False
    status: int | None = None
    possibly_billed: bool = False
    partial: str | None = None
    """Text of a streamed answer that broke off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One set of variables, with its expected answer."""

    index: int
    """Row of the variables, from 0."""
    variables: FrozenDict
    expected: Any = None
    """`None` when the case has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What is compared: a prompt version, a model and params."""

    index: int
    prompt: Prompt
    model: str
    """As asked: `openai/gpt-4o-mini`, or an alias."""
    model_source: Literal["caller", "prompt", "alias"] = "caller"
    provider: str
    """The provider's identity: its name, with the endpoint behind an `@` where it is not its own."""
    model_sent: str
    """Provider-side name, as it stands on the wire."""
    params: FrozenDict = EMPTY
    """Effective parameters: the caller's over the prompt's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One planned completion: an arm, a case, a repeat."""

    trial_id: str
    """Content hash of prompt identity, request and repeat: `t1:` and 32 hex digits. Equal content, equal id."""
    arm: Arm
    case: Case
    repeat: int = 0
    """From 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a trial ended with: a response, or a failure with a kind."""

    trial_id: str
    request_key: str
    status: Status
    response: Response | None = None
    failure: Failure | None = None
    attempts: int = 0
    possibly_billed: int = 0
    """Attempts that were sent and have no recorded answer."""
    queue_s: float = 0.0
    """Seconds spent waiting for a place among the calls in flight."""
    retry_s: float = 0.0
    """Seconds spent waiting between attempts."""
    cost_usd: float | None = None
    cost_source: str | None = None
    """Price table the cost came from, with its date; `local` for a model in this process."""
    model_sent: str | None = None
    started_at: dt.datetime | None = None
    """UTC; when the first attempt was sent."""
    run_id: str | None = None
    """Run that paid for it."""

    @property
    def text(self) -> str:
        """The answer's text; empty when there is none."""
        return self.response.text if self.response is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A number about one outcome; NaN means "not scored", is kept, and is left out of statistics."""

    name: str
    value: float = math.nan
    explanation: str | None = None
    scorer: str = ""
    """What rebuilds the scorer: `contains(ignore_case=True)`."""
    scorer_version: str = "1"

    @property
    def is_scored(self) -> bool:
        """True when there is a number."""
        return not math.isnan(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptInfo:
    """What a source's list says of one prompt."""

    prompt_id: str
    source: str
    kind: str
    versions: tuple[str, ...] = ()
    """Oldest first."""
    labels: tuple[str, ...] = ()
    """Every label that stands on any of the versions."""
    tags: tuple[str, ...] = ()
    updated_at: dt.datetime | None = None
    config: FrozenDict = field(default_factory=FrozenDict)
    """Config of the newest version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """Everything the store knows of one run, as values: what `Results` is made from."""

    run_id: str
    created_at: dt.datetime
    """UTC."""
    arms: tuple[Arm, ...]
    trials: tuple[Trial, ...]
    """In the plan's order; trials of equal content share a `trial_id` and one outcome."""
    outcomes: Mapping[str, Outcome]
    """By `trial_id`; a trial without one has not been sent, or was sent and nothing came back."""
    attempted: frozenset[str] = frozenset()
    """Trials that were sent at least once."""
    scores: Mapping[str, tuple[Score, ...]] = field(default_factory=dict)
    """By `trial_id`."""
    baseline: int = 0
    """Index of the arm that the others are compared with."""
    is_grid: bool = True
    """False for live calls, which come as they are asked for: each has its own case, on one arm."""
    votes: tuple[Vote, ...] = ()
    """What people said of pairs of answers, oldest first."""


def messages_to_wire(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Returns the messages in the form of OpenAI's chat completions."""
    return [message.to_wire() for message in messages]
