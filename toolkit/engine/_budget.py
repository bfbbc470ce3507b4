"""Keeps a sweep within what it may cost: the worst case is set aside before each attempt, the actual cost after it."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit._canonical import canonical_json
from toolkit._records import Failure, Message, Request, Response, Usage
from toolkit.errors import UsageError
from toolkit.providers import Estimate, Prices, estimate_tokens, most_output_tokens

# Sums are kept in whole units of 1e-12 USD: adding floats would let a million small roundings pass a cap.
_UNITS = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """An amount of what a budget limits."""

    usd: float | None = 0.0
    """`None` = not known."""
    calls: int = 0
    """Requests that left."""
    tokens: int | None = 0
    """Input and output together; `None` = not known."""


NOTHING = Spend()
"""No money, no calls, no tokens."""


class Reservation:
    """What is set aside for one attempt, until `Budget.settle` says what it came to."""

    __slots__ = ("_amount", "is_open", "worst")

    def __init__(self, worst: Spend, amount: tuple[int, int, int]) -> None:
        self.worst = worst
        self._amount = amount
        self.is_open = True
        """False once it is settled."""


class Budget:
    """Caps on money, calls and tokens, of which every attempt reserves its worst case before it is sent.

    `spent + reserved + possibly billed` never passes a cap, whatever is in flight, as long as no attempt costs more
    than its worst case. One that does (a provider that charges for more than it was asked for) is counted in full.

    Made and used on one event loop.

    Args:
        usd: Most USD; `None` = no cap.
        max_calls: Most requests, retries included; `None` = no cap.
        max_tokens: Most tokens, input and output together; `None` = no cap.
        spent: What counts against the caps already.

    Raises:
        UsageError: If a cap is not a number of at least 0.

    Example:
        >>> async def two_calls():
        ...     budget = Budget(usd=0.10)
        ...     first = await budget.reserve(Spend(usd=0.08, calls=1))
        ...     budget.settle(first, Spend(usd=0.01, calls=1))
        ...     second = await budget.reserve(Spend(usd=0.08, calls=1))
        ...     return second is not None, await budget.reserve(Spend(usd=0.95, calls=1))
        >>> asyncio.run(two_calls())
        (True, None)
    """

    def __init__(
        self,
        *,
        usd: float | None = None,
        max_calls: int | None = None,
        max_tokens: int | None = None,
        spent: Spend = NOTHING,
    ) -> None:
        check_caps(usd, max_calls, max_tokens)
        self.usd = usd
        self.max_calls = max_calls
        self.max_tokens = max_tokens
        self._caps = (None if usd is None else _units(usd), max_calls, max_tokens)
        self._settled = [_units(spent.usd or 0.0), spent.calls, spent.tokens or 0]
        self._reserved = [0, 0, 0]
        self._waiting: deque[tuple[Spend, tuple[int, int, int], asyncio.Future[Reservation | None]]] = deque()
        self._is_abandoned = False

    @property
    def spent(self) -> Spend:
        """What was settled; an attempt whose cost is unknown counts with its worst case."""
        usd, calls, tokens = self._settled
        return Spend(usd=usd / _UNITS, calls=calls, tokens=tokens)

    @property
    def reserved(self) -> Spend:
        """What is set aside for attempts in flight."""
        usd, calls, tokens = self._reserved
        return Spend(usd=usd / _UNITS, calls=calls, tokens=tokens)

    async def reserve(self, worst: Spend) -> Reservation | None:
        """Sets the worst case of one attempt aside; `None` when it could exceed a cap: then it is not to be sent.

        Where only what is set aside for attempts in flight stands in the way, it waits until they are settled: most
        cost far less than their worst case. Who asked first is served first.

        Args:
            worst: Most that the attempt can come to; its unknown parts exceed any cap on them.

        Raises:
            asyncio.CancelledError: If it would have to wait, and `abandon` was called.
        """
        amount = self._amount(worst)
        if amount is None:
            return None
        if not self._waiting and self._fits(amount):
            return self._take(worst, amount)
        if not self._may_fit_later(amount):
            return None
        turn: asyncio.Future[Reservation | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((worst, amount, turn))
        if self._is_abandoned:
            turn.cancel()
        try:
            return await turn
        except asyncio.CancelledError:
            granted = turn.result() if turn.done() and not turn.cancelled() else None
            if granted is not None:
                self.release(granted)
            self._serve_waiting()
            raise

    def abandon(self) -> None:
        """Cancels whoever waits, now and from now on: the run is to end, and nothing of it is sent any more."""
        self._is_abandoned = True
        for _, _, turn in self._waiting:
            turn.cancel()

    def settle(self, reservation: Reservation, actual: Spend | None) -> None:
        """Replaces what was set aside by what the attempt came to; a second call for the same one does nothing.

        Args:
            reservation: As `reserve` gave it.
            actual: `None`, or a part that is `None` = not known: the worst case stays counted as possibly billed.
        """
        if not reservation.is_open:
            return
        reservation.is_open = False
        worst = reservation._amount
        came_to = worst if actual is None else _known_amount(actual, worst)
        for kind in range(3):
            self._reserved[kind] -= worst[kind]
            self._settled[kind] += came_to[kind]
        self._serve_waiting()

    def release(self, reservation: Reservation) -> None:
        """Gives back what was set aside for an attempt that was never sent."""
        self.settle(reservation, NOTHING)

    def refusal(self, worst: Spend) -> Failure:
        """Returns why an attempt was not sent: what it could have come to, and what was left."""
        words = []
        usd, calls, tokens = self._settled
        if self._caps[0] is not None:
            could = "an unknown sum" if worst.usd is None else f"up to {usd_words(worst.usd)}"
            left = usd_words(max(self._caps[0] - usd, 0) / _UNITS)
            words.append(f"it could cost {could}, {left} of budget_usd={self.usd:g} was left")
        if self.max_calls is not None:
            words.append(f"{max(self.max_calls - calls, 0)} of max_calls={self.max_calls} were left")
        if self.max_tokens is not None:
            could = "an unknown number of tokens" if worst.tokens is None else f"up to {worst.tokens:,} tokens"
            left = f"{max(self.max_tokens - tokens, 0):,}"
            words.append(f"it could take {could}, {left} of max_tokens={self.max_tokens} were left")
        return Failure(
            kind="over_budget",
            error_type="SweepError",
            message=f"Not sent: {'; '.join(words)}. Raise the budget and run again: it goes on from here. What one "
            "answer may come to at most is set by `max_tokens` in its params.",
        )

    def _amount(self, worst: Spend) -> tuple[int, int, int] | None:
        """Whole units; `None` where a capped part is not known. Unknown parts without a cap count as nothing."""
        if (worst.usd is None and self._caps[0] is not None) or (worst.tokens is None and self._caps[2] is not None):
            return None
        return _units(worst.usd or 0.0), worst.calls, worst.tokens or 0

    def _fits(self, amount: tuple[int, int, int]) -> bool:
        parts = zip(self._caps, self._settled, self._reserved, amount, strict=True)
        return all(cap is None or settled + reserved + more <= cap for cap, settled, reserved, more in parts)

    def _may_fit_later(self, amount: tuple[int, int, int]) -> bool:
        """Whether it would fit if everything in flight came to nothing; a call in flight stays a call."""
        in_flight = (0, self._reserved[1], 0)
        parts = zip(self._caps, self._settled, in_flight, amount, strict=True)
        return all(cap is None or settled + reserved + more <= cap for cap, settled, reserved, more in parts)

    def _take(self, worst: Spend, amount: tuple[int, int, int]) -> Reservation:
        for kind in range(3):
            self._reserved[kind] += amount[kind]
        return Reservation(worst, amount)

    def _serve_waiting(self) -> None:
        while self._waiting:
            worst, amount, turn = self._waiting[0]
            if turn.done():
                self._waiting.popleft()
            elif self._fits(amount):
                self._waiting.popleft()
                turn.set_result(self._take(worst, amount))
            elif not self._may_fit_later(amount):
                self._waiting.popleft()
                turn.set_result(None)
            else:
                return


def check_caps(usd: float | None, max_calls: int | None, max_tokens: int | None) -> None:
    """Refuses caps that are no numbers of at least 0.

    Raises:
        UsageError: Naming the cap and what it was.
    """
    if usd is not None and (
        isinstance(usd, bool) or not isinstance(usd, int | float) or not math.isfinite(usd) or usd < 0
    ):
        raise UsageError(f"`budget_usd` is a number of USD of at least 0, or None; got {usd!r}.")
    for name, cap in (("max_calls", max_calls), ("max_tokens", max_tokens)):
        if cap is not None and (isinstance(cap, bool) or not isinstance(cap, int) or cap < 0):
            raise UsageError(f"`{name}` is a whole number of at least 0, or None; got {cap!r}.")


def worst_case(request: Request, *, prices: Prices) -> Spend:
    """Returns the most that one attempt can come to.

    Input tokens: the upper end of `toolkit.estimate_tokens`. Output tokens: the request's `max_tokens`, else what its
    provider allows the model, for each of the `n` answers asked for. The money is `None` where the model has no price
    or its output no limit; a model in this process costs 0.

    Args:
        request: What would be sent.
        prices: The caller's own, and the table.
    """
    provider = request.provider.partition("@")[0]
    estimate = input_estimate(request.messages, request.params)
    read = estimate.high
    written = most_output_tokens(provider, request.model, request.params, input_tokens=estimate.low)
    tokens = None if written is None else read + written
    if provider == "local":
        return Spend(usd=0.0, calls=1, tokens=tokens)
    found = None
    if written is not None:
        found = prices.price(provider, request.model, Usage(input_tokens=read, output_tokens=written))
    return Spend(usd=None if found is None else found[0], calls=1, tokens=tokens)


def spent_on(response: Response, cost_usd: float | None) -> Spend:
    """Returns what an answered attempt came to; tokens that the provider did not count are not known.

    Args:
        response: The answer.
        cost_usd: Its price; `None` = not known.
    """
    usage = response.usage
    known = usage.input_tokens is not None and usage.output_tokens is not None
    return Spend(
        usd=cost_usd, calls=1, tokens=(usage.input_tokens or 0) + (usage.output_tokens or 0) if known else None
    )


def input_estimate(messages: Sequence[Message], params: Mapping[str, Any]) -> Estimate:
    """Returns the input tokens of a request: its messages, and the tools and the answer's form that go with them."""
    total = estimate_tokens(messages)
    for name in ("tools", "response_format"):
        if params.get(name):
            total += estimate_tokens(canonical_json(params[name]))
    return total


def usd_words(usd: float) -> str:
    """Returns an amount for a person: two significant digits at least, never rounded to nothing.

    Example:
        >>> usd_words(12.5), usd_words(0.00231), usd_words(0)
        ('$12.50', '$0.0023', '$0')
    """
    if not usd:
        return "$0"
    return f"${usd:,.2f}" if abs(usd) >= 1 else f"${usd:.{max(2, 1 - math.floor(math.log10(abs(usd))))}f}"


def _units(usd: float) -> int:
    return round(usd * _UNITS)


def _known_amount(actual: Spend, worst: tuple[int, int, int]) -> tuple[int, int, int]:
    usd = worst[0] if actual.usd is None else _units(actual.usd)
    return usd, actual.calls, worst[2] if actual.tokens is None else actual.tokens
