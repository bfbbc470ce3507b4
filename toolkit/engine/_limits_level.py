"""How many calls of one model may be in flight: more while answers are clean, fewer when the provider refuses.

Values in, values out: the time is an argument, and nothing here waits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

START = 8
"""Calls in flight at first."""
FLOOR = 1
CEILING = 64
"""Most calls of one model in flight when the caller does not say."""
CUT = 0.7
GROWTH = 0.05
"""Share that a clean round adds once the provider has asked us to slow down; at least one call."""
SATURATED = 0.8
"""A round counts towards growth only if so much of the limit was in use: an unused limit proves nothing."""
COOLDOWN_S = 5.0
"""Seconds without growth after a cut, or longer if the provider asks for it."""

_SHORT = 20
_LONG = 100
_SHORT_MASK = (1 << _SHORT) - 1
_LONG_MASK = (1 << _LONG) - 1
_FEW = 4
_EPISODE_S = 1.0
_MANY = 0.2
_TOO_MANY = 0.06


class Verdict(Enum):
    """What a refusal (a 429) means."""

    FIRST = "first"
    """Nothing is known of the endpoint but this: it pauses, and no limit is cut."""
    STRAY = "stray"
    """It concerns its own trial only."""
    EASED = "eased"
    """The limit went back to what is known to work; the endpoint goes on."""
    EPISODE = "episode"
    """The endpoint is rate-limited: the limit was cut, and the endpoint pauses."""
    SAME_EPISODE = "same episode"
    """As above, of a call sent before the cut: the pause may be extended, the limit is not cut twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Calls that may be in flight, and what is known of how many the provider takes."""

    limit: int = START
    ceiling: int = CEILING
    proven: int = 0
    """Largest limit since the last cut at which a whole round was answered; 0 = none yet."""
    is_doubling: bool = True
    """Until the first episode every success adds a call, so that a clean round doubles the limit."""
    is_new: bool = True
    """Until anything came back."""
    clean: int = 0
    """Answers of this round."""
    peak: int = 0
    """Most calls in flight that an answer of this round met."""
    lowered_at: float = -math.inf
    """When the limit last went down; calls sent before that say nothing about it."""
    is_cut: bool = False
    """True when it went down by an episode."""
    hold_until: float = -math.inf
    """No growth before."""
    latest: int = 0
    """One bit for each of the latest answers, 1 = refused; the newest is the lowest."""
    answers: int = 0
    """Answers in `latest`, at most 100."""
    refused: int = 0
    """Refusals in this round."""
    usual: int = 0
    """Refusals among the 100 answers before this round: so many say nothing about its limit."""


def first_level(most: int | None) -> Level:
    """Returns the level that a model starts with.

    Args:
        most: Most calls in flight that the caller allows; `None` = 64.

    Example:
        >>> first_level(None).limit, first_level(3).limit, first_level(500).ceiling
        (8, 3, 500)
    """
    ceiling = CEILING if most is None else max(FLOOR, most)
    return Level(limit=min(START, ceiling), ceiling=ceiling)


def after_answer(level: Level, *, sent_at: float, in_flight: int, now: float) -> Level:
    """Returns the level after an answer.

    Until the first episode every answer adds one call, so that a round, which is as many answers as the limit has
    places, doubles the limit; after it a round adds 5 %, at least one call. Nothing grows during a cooldown or while
    less than 80 % of the limit is in use, and answers to calls sent before the limit went down count for nothing.

    Args:
        level: As it was.
        sent_at: When the call was sent, in seconds of the monotonic clock.
        in_flight: Calls in flight, this one included.
        now: Seconds of the same clock.
    """
    level = _noted(level, refused=0)
    if sent_at < level.lowered_at or now < level.hold_until:
        return level
    limit, clean, peak, proven = level.limit, level.clean + 1, max(level.peak, in_flight), level.proven
    if level.is_doubling and in_flight >= SATURATED * limit:
        limit = min(limit + 1, level.ceiling)
    if clean >= level.limit:
        if not level.is_doubling and peak >= SATURATED * limit:
            proven = max(proven, limit)
            limit = min(limit + max(1, int(limit * GROWTH)), level.ceiling)
        usual = level.latest.bit_count()
        return replace(level, limit=limit, clean=0, peak=0, proven=proven, refused=0, usual=usual)
    return replace(level, limit=limit, clean=clean, peak=peak)


def after_refusal(
    level: Level, *, sent_at: float, pending: int, asked_s: float | None, now: float
) -> tuple[Level, Verdict]:
    """Returns the level after a 429, and what the 429 means.

    It is an episode, in which the endpoint pauses and the limit is cut to 0.7 of it, when at least a fifth of the
    latest 20 answers are refusals: two at least, or one where at most 4 calls may be in flight. Refusals come back
    sooner than answers, so that half of the calls still in flight count as answered. Refusals within a second of a cut,
    and of calls sent before it, belong to the same episode. If the very first answer is a refusal, the endpoint pauses
    and nothing is cut. Anything less is a stray 429, which delays its own trial only, except that

    - more than usual, while a limit above the proven one is tried out, take the limit back to the proven one;
    - more than 5 of the latest 100 lower the limit by their share.

    Args:
        level: As it was.
        sent_at: When the call was sent.
        pending: Calls whose answers are still to come.
        asked_s: Seconds that the provider asks us to wait; `None` = it did not say.
        now: Seconds of the monotonic clock.
    """
    cooldown_s = max(COOLDOWN_S, asked_s or 0.0)
    if sent_at < level.lowered_at and not level.is_cut:
        return level, Verdict.STRAY
    if level.is_cut and (sent_at < level.lowered_at or now < level.lowered_at + _EPISODE_S):
        return replace(level, hold_until=max(level.hold_until, now + cooldown_s)), Verdict.SAME_EPISODE
    is_first, level = level.is_new, _noted(level, refused=1)
    refused = (level.latest & _SHORT_MASK).bit_count()
    needed = 1 if level.limit <= _FEW else 2
    if refused >= max(needed, _MANY * (min(level.answers, _SHORT) + pending / 2)):
        return _lowered(level, int(level.limit * CUT), now=now, hold_s=cooldown_s, is_cut=True), Verdict.EPISODE
    if is_first:
        return level, Verdict.FIRST
    level = replace(level, refused=level.refused + 1)
    if 0 < level.proven < level.limit and level.refused > level.usual:
        return _lowered(level, level.proven, now=now, hold_s=cooldown_s, is_cut=False), Verdict.EASED
    share = level.latest.bit_count() / _LONG
    if share >= _TOO_MANY:
        limit, level = int(level.limit * (1 - share)), replace(level, latest=0, answers=0)
        return _lowered(level, limit, now=now, hold_s=cooldown_s, is_cut=False), Verdict.EASED
    return level, Verdict.STRAY


def after_other_failure(level: Level) -> Level:
    """Returns the level after a failure that is no refusal (5xx, a broken connection): it is neither raised nor cut."""
    return _noted(level, refused=0)


def restarted(level: Level, *, now: float) -> Level:
    """Returns the level after a pause in which the world may have changed: one call, doubling again."""
    return Level(limit=FLOOR, ceiling=level.ceiling, lowered_at=now)


def limited_to(level: Level, limit: int, *, now: float) -> Level:
    """Returns the level after it was seen that so many calls in flight are taken and one more is not."""
    lowered = _lowered(level, min(limit, level.limit), now=now, hold_s=COOLDOWN_S, is_cut=False)
    return replace(lowered, proven=lowered.limit)


def with_at_least(level: Level, limit: int) -> Level:
    """Returns the level with a limit of `limit` or more, within its ceiling."""
    return level if level.limit >= limit else replace(level, limit=min(limit, level.ceiling))


def _noted(level: Level, *, refused: int) -> Level:
    latest = (level.latest << 1 | refused) & _LONG_MASK
    return replace(level, latest=latest, answers=min(level.answers + 1, _LONG), is_new=False)


def _lowered(level: Level, limit: int, *, now: float, hold_s: float, is_cut: bool) -> Level:
    # After a cut the answers so far belong to another world.
    return replace(
        level,
        limit=max(FLOOR, limit),
        proven=0 if is_cut else min(level.proven, limit),
        is_doubling=False,
        clean=0,
        peak=0,
        refused=0,
        usual=0,
        lowered_at=now,
        is_cut=is_cut,
        hold_until=now + hold_s,
        latest=0 if is_cut else level.latest,
        answers=0 if is_cut else level.answers,
    )
