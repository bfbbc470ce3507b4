"""How fast calls of one model may leave: learned from the provider's refusals, or as config.yaml's `rpm` and `tpm` say.

Values in, values out: the time is an argument, and nothing here waits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

_SHORTEST_S = 1.0
"""A rate is not read off less than this."""
_LONGEST_S = 15.0
"""Two episodes further apart have nothing to do with each other: it is the calls in flight that are limited."""
_LEAST_ACTIVE = 0.1
_MARGIN = 0.96
"""How far below the rate that was measured calls are sent."""
_LOWER = 0.95
_LOWEST = 0.8
_EASE = 0.97
_FIRST_STEP = 0.03
_STEP_GROWTH = 1.5
_STEP_S = 1.0
_REST_S = 2.0
_LONGEST_REST_S = 20.0
_SETTLE_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Calls a second, and how it was found."""

    per_s: float | None = None
    """`None` = as fast as there are places."""
    known: float = 0.0
    """About the last pace that was kept without a refusal."""
    since: float | None = None
    """The episode since which calls are counted; `None` = there was none."""
    lowered_at: float = -math.inf
    grow_at: float = math.inf
    """When a higher pace may be tried next."""
    step: float = _FIRST_STEP
    """Share that the next try adds."""
    rest_s: float = _REST_S
    """Seconds without a refusal before a higher pace is tried."""


def after_episode(pace: Pace, *, accepted: int, paused_s: float, now: float) -> Pace:
    """Returns the pace after the endpoint was found rate-limited.

    The first episode only starts the count. The next one, one to 15 seconds later, tells what the provider takes: the
    calls that it took in between, over the seconds in between. Whether the seconds of a pause count depends on how the
    provider counts, which is not known: the geometric mean of both is taken, and calls leave a little more slowly than
    that. Episodes further apart are no matter of the pace.

    Args:
        pace: As it was.
        accepted: Calls sent since `pace.since` that were not refused.
        paused_s: Seconds of pause since then.
        now: Seconds of the monotonic clock.
    """
    since, per_s = now, None if pace.per_s is None else pace.per_s * _LOWER
    if pace.since is not None:
        passed_s = now - pace.since
        if passed_s < _SHORTEST_S:
            since = pace.since
        elif passed_s <= _LONGEST_S:
            active_s = max(passed_s - paused_s, _LEAST_ACTIVE * passed_s)
            measured = max(accepted, 1) / math.sqrt(passed_s * active_s) * _MARGIN
            per_s = measured if pace.per_s is None else min(pace.per_s * _LOWER, max(measured, pace.per_s * _LOWEST))
    return replace(
        pace,
        per_s=per_s,
        known=per_s or 0.0,
        since=since,
        lowered_at=now,
        grow_at=now + pace.rest_s,
        step=_FIRST_STEP,
    )


def after_stray(pace: Pace, *, sent_at: float, now: float) -> Pace:
    """Returns the pace after a single refusal: half way back to the last one kept for a while, or 3 % less than that.

    It takes longer then before more is tried again. Nothing changes without a learned pace, or for calls that were sent
    before the last change had time to show.
    """
    if pace.per_s is None or sent_at < pace.lowered_at + _SETTLE_S:
        return pace
    rest_s = min(pace.rest_s * _STEP_GROWTH, _LONGEST_REST_S)
    eased = pace.per_s * _EASE
    if pace.per_s > pace.known:
        eased = max(pace.known, (pace.known + pace.per_s) / 2 * _EASE)
    return replace(
        pace,
        per_s=eased,
        known=min(pace.known, eased),
        lowered_at=now,
        grow_at=now + rest_s,
        rest_s=rest_s,
        step=_FIRST_STEP,
    )


def tried_higher(pace: Pace, *, now: float) -> Pace:
    """Returns a higher pace when it is time to try one: 3 % more, then each second half as much again as the last time.

    To be asked only when a call had to wait for the pace: one that is not used proves nothing.
    """
    if pace.per_s is None or now < pace.grow_at:
        return pace
    step = min(pace.step * _STEP_GROWTH, 1.0)
    known = pace.per_s if pace.step == _FIRST_STEP else (pace.known + pace.per_s) / 2
    return replace(pace, per_s=pace.per_s * (1 + pace.step), known=known, grow_at=now + _STEP_S, step=step)
