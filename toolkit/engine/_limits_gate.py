"""What is known of one model at one endpoint with one key: calls in flight, their pace, a pause, a suspension."""

from __future__ import annotations

import math
from dataclasses import replace

from toolkit._records import Request, Response
from toolkit.engine._limits_level import (
    Verdict,
    after_answer,
    after_other_failure,
    after_refusal,
    first_level,
    limited_to,
    restarted,
    with_at_least,
)
from toolkit.engine._limits_pace import Pace, after_episode, after_stray, tried_higher
from toolkit.providers import Provider, estimate_tokens

_PAUSE_S = 0.5
"""How long a rate-limited endpoint pauses that does not say."""
_MINUTE_S = 60.0
_SPARE = 1.5
"""A learned pace is given so many times the places that it needs on average, because latencies scatter."""
_ENOUGH = 5
_BURST_S = 0.004
"""Calls due within this leave together: a timer for each would cost more than the call."""


class Gate:
    """Decides when the next call of one model may leave, and learns from what comes back. Knows no event loop.

    Args:
        provider: Who answers.
        model: Provider-side name.
        most: Most calls in flight that the caller allows; `None` = 64, or without end where nothing is learned.
        adaptive: Learns from the answers.
    """

    def __init__(self, provider: Provider, model: str, *, most: int | None, adaptive: bool) -> None:
        self.origin = provider.identity
        self.model = model
        self.in_flight = 0
        self.held = 0
        """Those of them that were refused, whose places stay taken as long as an answer would have taken."""
        self.doubts = 0
        """Fatal failures of which nobody has decided yet what they mean for the model."""
        self.level = first_level(most)
        self.pace = Pace()
        self.usual_s = 0.0
        """How long an answer usually takes; 0 = not known yet."""
        self.resumes_at = -math.inf
        """When a provider that asked for a longer wait than is taken may be asked again."""
        self.tpm: float | None = None
        self._is_adaptive = adaptive
        self._at_most = provider.capabilities.max_concurrency or math.inf
        self._call_gap_s = 0.0
        self._next_at = self._pace_next_at = self._tokens_next_at = -math.inf
        self._paused_until = self._ramp_until = -math.inf
        self._sent = self._refused = 0
        self._paused_s = 0.0
        # Most others that an answered call met in flight, and how many were answered, of those sent since the last cut.
        self._met, self._met_answers, self._met_since = 0, 0, -math.inf
        # Whether every refusal since met more others than any answered call: then their number is what is limited.
        self._is_by_number = True
        self._was_held_up = False
        self._told: tuple[int, float | None] = (self.level.limit, None)

    def cap(self, *, at_most: int | None, rpm: float | None, tpm: float | None) -> None:
        """Takes what config.yaml says; of two sayings the smaller counts."""
        if at_most is not None:
            self._at_most = min(self._at_most, at_most)
        if rpm is not None:
            self._call_gap_s = max(self._call_gap_s, _MINUTE_S / rpm)
        if tpm is not None:
            self.tpm = tpm if self.tpm is None else min(self.tpm, tpm)

    def is_suspended(self, now: float) -> bool:
        """True while the provider wants to be left alone for longer than anybody waits."""
        return now < self.resumes_at

    def wait_s(self, now: float) -> float:
        """Returns the seconds until a call may leave: 0 = now, infinity = not before a place comes free."""
        limit = min(self.level.limit, self._at_most) if self._is_adaptive else self._at_most
        if self.in_flight >= limit or self.doubts:
            return math.inf
        wait_s = max(self._paused_until, self._next_at, self._tokens_next_at, self.resumes_at) - now
        if self._pace_next_at - now > _BURST_S:
            self._was_held_up = True
            wait_s = max(wait_s, self._pace_next_at - now)
        return max(wait_s, 0.0)

    def send(self, now: float, tokens: int) -> None:
        """Notes that a call leaves."""
        self.in_flight += 1
        self._sent += 1
        if self._call_gap_s:
            self._next_at = max(now, self._next_at) + self._call_gap_s
        if self.tpm is not None:
            self._tokens_next_at = max(now, self._tokens_next_at) + tokens * _MINUTE_S / self.tpm
        if self.pace.per_s is not None:
            if self._was_held_up:
                self.pace = tried_higher(self.pace, now=now)
                self._was_held_up = False
            self._pace_next_at = max(now, self._pace_next_at) + 1 / (self.pace.per_s or math.inf)
        elif now < self._ramp_until:
            self._pace_next_at = max(now, self._pace_next_at) + self.usual_s / self.level.limit

    def answered(self, *, sent_at: float, met: int, now: float) -> None:
        """Learns from an answer; `met` = calls that were in flight when it was sent."""
        took_s = now - sent_at
        if sent_at >= self._met_since:
            self._met_answers += 1
            self._met = max(self._met, met)
        self.usual_s = took_s if not self.usual_s else 0.9 * self.usual_s + 0.1 * took_s
        self.level = after_answer(self.level, sent_at=sent_at, in_flight=self.in_flight, now=now)

    def failed(self) -> None:
        """Learns from a failure that is no refusal: nothing."""
        self.level = after_other_failure(self.level)

    def refused(self, *, sent_at: float, met: int, asked_s: float | None, now: float) -> Verdict:
        """Learns from a 429: the whole endpoint pauses, or the pace goes down, or nothing but its own trial waits.

        See `after_refusal` for which it is. A pause lasts as long as the provider asks, half a second if it does not
        say; after it calls leave spread over the time that an answer takes, not all at once.
        """
        if self.pace.since is not None and sent_at >= self.pace.since:
            self._refused += 1
        pending = self.in_flight - self.held - 1
        level, verdict = after_refusal(self.level, sent_at=sent_at, pending=pending, asked_s=asked_s, now=now)
        if verdict in (Verdict.STRAY, Verdict.EASED) and self.pace.per_s is not None and sent_at >= self._met_since:
            # Where a pace was learned it goes down, unless this call met more others in flight than any that was
            # answered: then it is their number that matters.
            self._is_by_number = self._is_by_number and met > self._met
            if self._is_by_number and self._met_answers >= _ENOUGH:
                self.level = limited_to(self.level, met, now=now)
                return Verdict.EASED
            if verdict is Verdict.EASED:
                level = replace(self.level, latest=level.latest, answers=level.answers)
                verdict = Verdict.STRAY
        self.level = level
        if verdict is Verdict.STRAY:
            self.pace = after_stray(self.pace, sent_at=sent_at, now=now)
            return verdict
        if verdict is Verdict.EASED or (verdict is Verdict.FIRST and asked_s is None):
            return verdict
        if verdict is Verdict.EPISODE:
            self._begin_episode(now)
        until = max(self._paused_until, now + (_PAUSE_S if asked_s is None else asked_s))
        self._paused_s += until - max(now, self._paused_until)
        self._paused_until = self._pace_next_at = until
        self._ramp_until = until + self.usual_s
        return verdict

    def _begin_episode(self, now: float) -> None:
        """Learns the pace from the calls since the last episode, and sees to it that there are places enough for it."""
        began_at, accepted = self.pace.since, self._sent - self._refused
        self.pace = after_episode(self.pace, accepted=accepted, paused_s=self._paused_s, now=now)
        if self.pace.since != began_at:
            self._sent = self._refused = 0
            self._paused_s = 0.0
        if self.pace.per_s is not None:
            needed = math.ceil(self.pace.per_s * self.usual_s * _SPARE) + 1
            self.level = with_at_least(self.level, needed)
        self._met, self._met_answers, self._met_since, self._is_by_number = 0, 0, now, True

    def restart(self, now: float) -> None:
        """Forgets what was learned of the limits."""
        self.level = restarted(self.level, now=now)
        self.pace = Pace()
        self._paused_until = self._pace_next_at = self._ramp_until = -math.inf

    def correct_tokens(self, request: Request, response: Response) -> None:
        """Puts the tokens that a call really took in the place of their estimate."""
        usage = response.usage
        if self.tpm is not None and usage.input_tokens is not None and usage.output_tokens is not None:
            more = usage.input_tokens + usage.output_tokens - tokens_of(request)
            self._tokens_next_at += more * _MINUTE_S / self.tpm

    @property
    def is_news(self) -> bool:
        """True when the limits have changed enough since they were last told."""
        limit, per_s = self._told
        level = self.level
        if self.pace.per_s != per_s or level.limit < limit:
            return True
        return level.limit >= 2 * limit or (level.limit > limit and level.limit == level.ceiling)

    def told(self) -> None:
        """Notes that the limits as they are now were told."""
        self._told = (self.level.limit, self.pace.per_s)


def tokens_of(request: Request) -> int:
    """Returns the tokens that a call is expected to take: the estimate of its input, and all the output it may give."""
    most = request.params.get("max_completion_tokens") or request.params.get("max_tokens") or 0
    return estimate_tokens(request.messages).expected + (most if isinstance(most, int) else 0)
