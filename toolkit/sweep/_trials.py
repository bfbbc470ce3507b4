"""The trials of a grid, made one at a time when they are asked for: a million of them are kept as 16 bytes each."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import Any, Protocol, TypeAlias, overload

from toolkit._canonical import canonical_json, content_hash
from toolkit._records import Arm, Case, Prompt, Trial, messages_to_wire
from toolkit.engine import Route, build_request
from toolkit.errors import PromptError
from toolkit.prompts import placeholders, render, text_of

_TAG = "t1"
_ID_BYTES = 16

Order: TypeAlias = Callable[[int, int, int, int], tuple[int, int, int]]
"""From a place in the plan, and the numbers of arms, cases and repeats, to the indexes of arm, case and repeat."""


def arms_innermost(place: int, arms: int, cases: int, repeats: int) -> tuple[int, int, int]:
    """Returns what is sent at a place: arms innermost, then cases, then repeats.

    Example:
        >>> [arms_innermost(place, 2, 2, 1) for place in range(4)]
        [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)]
    """
    rest, arm = divmod(place, arms)
    repeat, case = divmod(rest, cases)
    return arm, case, repeat


class Trials(Sequence[Trial]):
    """Every trial of a grid, in the order of sending.

    Args:
        arms: What is compared.
        cases: Rows of the variables; the index of each is its place.
        repeats: Times that each is sent.
        ids: The trials' ids without their tag, 16 bytes each, by arm, then case, then repeat.
        order: From a place in the plan to the trial that stands there.
    """

    __slots__ = ("_ids", "arms", "cases", "order", "repeats")

    def __init__(
        self,
        *,
        arms: tuple[Arm, ...],
        cases: tuple[Case, ...],
        repeats: int,
        ids: bytes,
        order: Order = arms_innermost,
    ) -> None:
        self.arms = arms
        self.cases = cases
        self.repeats = repeats
        self.order = order
        self._ids = ids

    def __len__(self) -> int:
        return len(self.arms) * len(self.cases) * self.repeats

    @overload
    def __getitem__(self, place: int) -> Trial: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Trial, ...]: ...

    def __getitem__(self, place: int | slice) -> Trial | tuple[Trial, ...]:
        if isinstance(place, slice):
            return tuple(self[each] for each in range(*place.indices(len(self))))
        return self.at(*self.coordinates(range(len(self))[place]))

    def __iter__(self) -> Iterator[Trial]:
        for place in range(len(self)):
            yield self.at(*self.coordinates(place))

    def coordinates(self, place: int) -> tuple[int, int, int]:
        """Returns the indexes of arm, case and repeat at a place of the plan."""
        return self.order(place, len(self.arms), len(self.cases), self.repeats)

    def at(self, arm: int, case: int, repeat: int) -> Trial:
        """Returns the trial of an arm, a case and a repeat."""
        return Trial(
            trial_id=self.trial_id(arm, case, repeat), arm=self.arms[arm], case=self.cases[case], repeat=repeat
        )

    def trial_id(self, arm: int, case: int, repeat: int) -> str:
        """Returns the id of a trial without making the trial."""
        return f"{_TAG}:{self.short_id(arm, case, repeat).hex()}"

    def short_id(self, arm: int, case: int, repeat: int) -> bytes:
        """Returns the 16 bytes behind the tag of a trial's id."""
        start = ((arm * len(self.cases) + case) * self.repeats + repeat) * _ID_BYTES
        return self._ids[start : start + _ID_BYTES]

    def ids_of_arm(self, arm: int) -> Iterator[bytes]:
        """Yields the short ids of an arm's trials, by case, then repeat."""
        size = len(self.cases) * self.repeats * _ID_BYTES
        for start in range(arm * size, (arm + 1) * size, _ID_BYTES):
            yield self._ids[start : start + _ID_BYTES]

    def replaced(self, instead: Mapping[bytes, bytes]) -> Trials:
        """Returns the same trials with other short ids for some."""
        ids = b"".join([instead.get(each, each) for arm in range(len(self.arms)) for each in self.ids_of_arm(arm)])
        return Trials(arms=self.arms, cases=self.cases, repeats=self.repeats, ids=ids, order=self.order)

    def digest(self) -> bytes:
        """Returns a hash over all ids, whatever the order of sending."""
        return hashlib.sha256(self._ids).digest()


def full_id(short: bytes) -> str:
    """Returns the id that `Trials.short_id` is short for."""
    return f"{_TAG}:{short.hex()}"


def short_id(trial_id: str) -> bytes:
    """Returns what `full_id` was given."""
    return bytes.fromhex(trial_id.removeprefix(f"{_TAG}:"))


class Ways(Protocol):
    """Who may answer for an arm."""

    @property
    def ways(self) -> tuple[Route, ...]:
        """Every route; one or more."""
        ...

    def of(self, case: int, repeat: int) -> Route:
        """Returns who answers a trial."""
        ...


def trial_ids(
    arms: Sequence[Arm],
    routes: Sequence[Ways],
    cases: Sequence[Case],
    repeats: int,
    *,
    on_length: Callable[[int, int, int], None] | None = None,
) -> bytes:
    """Returns the ids of every trial, as `Trials` keeps them.

    A request's canonical JSON is cut at the placeholders once an arm; each trial then costs a join and two hashes.
    Templates that decide by their values (Jinja, lists of messages) are rendered for each case.

    Args:
        arms: What is compared.
        routes: Who may answer for each arm.
        cases: Rows of the variables, checked to have what the prompts need.
        repeats: Times that each is sent.
        on_length: Told arm, case and characters of each request.

    Raises:
        PromptError: If a row cannot be rendered; names it.
    """
    makers = [_maker(arm, led, cases[0]) for arm, led in zip(arms, routes, strict=True)]
    names = sorted({name for maker in makers for name in maker.names})
    ids = bytearray(len(arms) * len(cases) * repeats * _ID_BYTES)
    size = len(cases) * repeats
    for place, case in enumerate(cases):
        texts = {name: encode_basestring_ascii(_text(case, name))[1:-1] for name in names if name in case.variables}
        for arm, maker in enumerate(makers):
            start = (arm * size + place * repeats) * _ID_BYTES
            ids[start : start + repeats * _ID_BYTES] = maker.ids(case, texts, repeats)
            if on_length is not None:
                on_length(arm, place, maker.length)
    return bytes(ids)


def trial_id(prompt: Prompt, request_key: str, repeat: int) -> str:
    """Returns the id of one trial: the content hash of prompt identity, request and repeat."""
    return content_hash(
        _TAG,
        {
            "source": prompt.source,
            "prompt": prompt.prompt_id,
            "version": prompt.version,
            "request": request_key,
            "repeat": repeat,
        },
    )


def asked_anew(ids: bytes, occasion: str) -> bytes:
    """Returns other ids for the same trials, the same ones for the same occasion; an empty one leaves them as they are.

    Args:
        ids: As `trial_ids` gives them.
        occasion: What tells this time of asking from others.
    """
    if not occasion:
        return ids
    return b"".join(
        hashlib.sha256(f"{full_id(ids[start : start + _ID_BYTES])}/{occasion}".encode()).digest()[:_ID_BYTES]
        for start in range(0, len(ids), _ID_BYTES)
    )


def _text(case: Case, name: str) -> str:
    value = case.variables[name]
    return value if type(value) is str else text_of(value, name=name, origin=None)


@dataclass(slots=True, kw_only=True)
class _Maker:
    """Makes the ids of one arm's trials."""

    arm: Arm
    led: Ways
    forms: Mapping[int, tuple[str, Callable[[Mapping[str, str]], Any] | None]] | None
    """By the index of the route: the request's canonical JSON with `%s` for what is filled in, and what fills it in;
    `None` = requests of this arm are rendered."""
    names: tuple[str, ...]
    head: str
    tail: str
    length: int = 0
    """Characters of the last request."""

    def ids(self, case: Case, texts: Mapping[str, str], repeats: int) -> bytes:
        """Returns the short ids of a case's repeats, one after the other."""
        if len(self.led.ways) == 1:
            key = self._key(self.led.ways[0], case, texts)
            return b"".join([self._id(key, repeat) for repeat in range(repeats)])
        ways = [self.led.of(case.index, repeat) for repeat in range(repeats)]
        return b"".join([self._id(self._key(way, case, texts), repeat) for repeat, way in enumerate(ways)])

    def _id(self, key: str, repeat: int) -> bytes:
        content = f'{self.head}{repeat},"request":"{key}{self.tail}'
        return hashlib.sha256(content.encode("ascii")).digest()[:_ID_BYTES]

    def _key(self, way: Route, case: Case, texts: Mapping[str, str]) -> str:
        if self.forms is None:
            return self._rendered_key(way, case)
        form, values = self.forms[id(way)]
        text = form if values is None else form % values(texts)
        self.length = len(text)
        return "r1:" + hashlib.sha256(text.encode("ascii")).hexdigest()[:32]

    def _rendered_key(self, way: Route, case: Case) -> str:
        try:
            request = build_request(
                self.arm.prompt,
                case.variables,
                provider=way.provider.identity,
                model=way.model,
                params=self.arm.params,
            )
        except PromptError as error:
            error.args = (f"Row {case.index}: {error}",)
            raise
        self.length = sum(len(str(message.content)) for message in request.messages)
        return request.key


def _maker(arm: Arm, led: Ways, sample: Case) -> _Maker:
    prompt = arm.prompt
    head = f'{{"prompt":{canonical_json(prompt.prompt_id)},"repeat":'
    tail = f'","source":{canonical_json(prompt.source)},"version":{canonical_json(prompt.version)}}}'
    maker = _Maker(arm=arm, led=led, forms=None, names=(), head=head, tail=tail)
    cut = _cut_messages(prompt)
    if cut is None:
        return maker
    messages, order = cut
    fill = operator.itemgetter(*order) if order else None
    forms = {}
    for way in led.ways:
        rest = canonical_json({"model": way.model, "params": arm.params, "provider": way.provider.identity})
        form = f'{{"messages":{messages},{rest[1:]}'
        # Without a value to fill in nothing is formatted, so that a `%%` has to become what it stands for.
        forms[id(way)] = (form.replace("%", "%%").replace(_HOLE, "%s") if fill is not None else form, fill)
    fast = _Maker(arm=arm, led=led, forms=forms, names=tuple(dict.fromkeys(order)), head=head, tail=tail)
    # What is quick must also be right: a template that does more than fill in shows it on the first case.
    texts = {name: encode_basestring_ascii(_text(sample, name))[1:-1] for name in fast.names}
    return fast if fast.ids(sample, texts, 1) == maker.ids(sample, texts, 1) else maker


# Stands for a value while a template is cut; a control character that no prompt has, escaped as JSON writes it.
_HOLE = "\x00hole\x00"


def _cut_messages(prompt: Prompt) -> tuple[str, list[str]] | None:
    """Returns the canonical JSON of a prompt's messages with holes, and their names; `None` = it must be rendered.

    It is rendered once with marks for values, and the marks are found again in what came out.
    """
    if prompt.template_format == "jinja2":
        return None
    names = placeholders(prompt)
    marks = {name: f"\x01{place}\x02" for place, name in enumerate(names)}
    written = canonical_json(prompt.template)
    if "\\u0001" in written or "\\u0000" in written:
        return None
    try:
        rendered = canonical_json(messages_to_wire(render(prompt, marks)))
    except PromptError:
        # A placeholder for whole messages takes no text.
        return None
    order: list[str] = []
    pieces = rendered.split("\\u0001")
    for at, piece in enumerate(pieces[1:], start=1):
        place, _, rest = piece.partition("\\u0002")
        order.append(names[int(place)])
        pieces[at] = _HOLE + rest
    return "".join(pieces), order
