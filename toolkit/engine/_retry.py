"""Which failures are tried again, and after how many seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from toolkit.errors import FailureKind, ProviderError, RateLimitError

_MOST_TRIES: dict[str, int] = {
    FailureKind.DNS: 3,
    FailureKind.MALFORMED_RESPONSE: 2,
    FailureKind.EMPTY_RESPONSE: 2,
}
"""Tries in all of kinds that seldom get better by trying: a name that does not resolve, an answer that is none."""

# A name server that stumbles answers the next question, or is down for long.
_DNS_WAIT_S = (0.05, 0.25)

# A provider without capacity needs longer than one that stumbled.
_OVERLOADED_FACTOR = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient the engine is with one trial."""

    max_attempts: int = 4
    """Tries in all, the first included; waits that a provider asked for do not use one up."""
    base_s: float = 0.5
    cap_s: float = 32.0
    max_wait_s: float = 120.0
    """Most seconds in all that one trial waits because its provider asked for it."""
    resend_possibly_billed: bool = True
    """Whether a request that was sent and has no whole answer is sent again: it may be charged for twice."""


def backoff_s(attempt: int, *, policy: RetryPolicy, rng: Random) -> float:
    """Seconds to wait before try number `attempt`, with full jitter.

    Uniform on [0, min(cap_s, base_s * 2 ** (attempt - 2))]; the mean doubles until the cap.

    Args:
        attempt: The try that is about to start; the first retry is 2.
        policy: Base and cap.
        rng: Source of randomness, passed in so that a sweep can be repeated.

    Raises:
        ValueError: If `attempt` is below 2.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Example:
        >>> 0 <= backoff_s(2, policy=RetryPolicy(), rng=Random(1)) <= 0.5
        True
    """
    if attempt < 2:
        raise ValueError(f"The first retry is attempt 2; got {attempt!r}.")
    # The exponent is bounded so that a long run of retries cannot overflow a float.
    return rng.uniform(0.0, min(policy.cap_s, policy.base_s * 2.0 ** min(attempt - 2, 60)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """What one trial has been through so far."""

    counted: int = 0
    """Failed tries that count against the policy's `max_attempts`."""
    waited_on_request_s: float = 0.0
    """Seconds waited because the provider asked for it."""
    seldom: tuple[str, ...] = ()
    """Kinds of the failed tries for which fewer than `max_attempts` are made."""


def after_failure(
    error: ProviderError, tries: Tries, *, policy: RetryPolicy, rng: Random
) -> tuple[float | None, Tries]:
    """Decides whether to try again: the seconds to wait first, or `None` to give up, and the tries so far.

    A wait that the provider asks for is taken as long as all such waits stay within `max_wait_s`, and does not use up
    a try; a longer one ends the trial. Everything else that is retryable is tried `max_attempts` times in all, a host
    name that does not resolve three times and soon, an answer that is none twice. An overloaded provider is left alone
    four times as long as one that failed.

    Args:
        error: How the last try failed.
        tries: What came before it.
        policy: How patient to be.
        rng: Source of randomness for the jitter.
    """
    if not error.retryable or (error.possibly_billed and not policy.resend_possibly_billed):
        return None, tries
    asked_s = error.retry_after_s if isinstance(error, RateLimitError) else None
    if asked_s is not None:
        waited_s = tries.waited_on_request_s + asked_s
        # A provider that keeps asking for no wait at all is counted, or it could be asked for ever.
        counted = tries.counted + (1 if asked_s <= 0 else 0)
        given_up = waited_s > policy.max_wait_s or counted >= policy.max_attempts
        spent = replace(tries, counted=counted, waited_on_request_s=waited_s)
        return (None if given_up else asked_s), spent
    counted = tries.counted + 1
    seldom = (*tries.seldom, error.kind) if error.kind in _MOST_TRIES else tries.seldom
    spent = replace(tries, counted=counted, seldom=seldom)
    if counted >= policy.max_attempts or seldom.count(error.kind) >= _MOST_TRIES.get(error.kind, counted + 1):
        return None, spent
    if error.kind == FailureKind.DNS:
        return rng.uniform(*_DNS_WAIT_S), spent
    wait_s = backoff_s(counted + 1, policy=policy, rng=rng)
    return wait_s * (_OVERLOADED_FACTOR if error.kind == FailureKind.OVERLOADED else 1.0), spent
