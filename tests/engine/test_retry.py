"""Which failures are tried again, and after how many seconds."""

from __future__ import annotations

from random import Random

import pytest

from toolkit.engine import RetryPolicy, Tries, after_failure, backoff_s
from toolkit.errors import (
    AuthenticationError,
    BadRequestError,
    InvalidResponseError,
    ProviderConnectionError,
    ProviderServerError,
    ProviderTimeoutError,
    QuotaError,
    RateLimitError,
)

POLICY = RetryPolicy(max_attempts=4, base_s=0.5, cap_s=32.0, max_wait_s=120.0)


def decide(error, tries=None):
    """The decision with a fixed policy and seed."""
    return after_failure(error, tries or Tries(), policy=POLICY, rng=Random(0))


@pytest.mark.parametrize("error", [AuthenticationError("no"), BadRequestError("no"), QuotaError("no")])
def test_what_a_retry_cannot_help_ends_at_once(error):
    """A refused key, a bad request and an empty account are not tried again."""
    assert decide(error)[0] is None


@pytest.mark.parametrize(
    "error",
    [
        RateLimitError("slow"),
        ProviderServerError("500"),
        ProviderConnectionError("reset"),
        ProviderTimeoutError("late"),
    ],
)
def test_what_a_retry_can_help_is_tried_four_times(error):
    """A rate limit, a server error, a broken connection and a time-out are tried four times in all."""
    assert sent_in_all(error)[0] == 4


def test_the_provider_s_wait_is_taken_as_it_is_and_uses_up_no_try():
    """Retry-After: 7 waits 7 seconds, and three of them in a row leave all tries."""
    tries = Tries()
    for _ in range(3):
        wait_s, tries = decide(RateLimitError("slow", retry_after_s=7), tries)
        assert wait_s == 7
    assert tries == Tries(counted=0, waited_on_request_s=21)


def test_asked_waits_end_at_their_total():
    """Waits that the provider asks for are taken up to 120 seconds in all; one that goes beyond ends the trial."""
    assert decide(RateLimitError("slow", retry_after_s=120))[0] == 120
    assert decide(RateLimitError("slow", retry_after_s=121))[0] is None
    assert decide(RateLimitError("slow", retry_after_s=60), Tries(waited_on_request_s=61))[0] is None


def test_a_wait_of_zero_cannot_go_on_for_ever():
    """A provider that answers Retry-After: 0 again and again is asked four times in all."""
    assert sent_in_all(RateLimitError("slow", retry_after_s=0))[0] == 4


@pytest.mark.parametrize(("attempt", "most"), [(2, 0.5), (3, 1.0), (4, 2.0), (8, 32.0), (5000, 32.0)])
def test_backoff_doubles_up_to_its_cap(attempt, most):
    """The wait before try n is uniform on [0, 0.5 * 2^(n-2)] seconds and never above 32."""
    rng = Random(1)
    waits = [backoff_s(attempt, policy=POLICY, rng=rng) for _ in range(500)]
    assert min(waits) >= 0
    assert most * 0.9 < max(waits) <= most


def test_backoff_starts_with_the_first_retry():
    """Asking for the wait before the first try is a mistake and says so."""
    with pytest.raises(ValueError, match="first retry is attempt 2; got 1"):
        backoff_s(1, policy=POLICY, rng=Random(0))


def sent_in_all(*errors, policy=POLICY):
    """How often a request leaves that fails like this, the last of the errors again and again; and the waits."""
    waits, tries = [], Tries()
    for number in range(20):
        wait_s, tries = after_failure(errors[min(number, len(errors) - 1)], tries, policy=policy, rng=Random(number))
        if wait_s is None:
            return number + 1, waits
        waits.append(wait_s)
    raise AssertionError("it never ends")


MALFORMED = InvalidResponseError("no JSON")
EMPTY = InvalidResponseError("no message", kind="empty_response")
CUT = InvalidResponseError("cut", kind="truncated_stream")
DNS = ProviderConnectionError("no such host", kind="dns")
SERVER = ProviderServerError("500")


@pytest.mark.parametrize(
    ("errors", "sent"),
    [
        ([MALFORMED], 2),
        ([EMPTY], 2),
        ([MALFORMED, EMPTY], 3),
        ([MALFORMED, EMPTY, MALFORMED], 3),
        ([CUT], 4),
        ([DNS], 3),
        ([SERVER, SERVER, MALFORMED], 4),
        ([MALFORMED, SERVER], 4),
    ],
)
def test_what_seldom_helps_is_tried_less_often(errors, sent):
    """An answer that is none is asked for twice, a name three times, each kind for itself; nothing above four."""
    assert sent_in_all(*errors)[0] == sent


def test_a_name_is_looked_up_again_soon():
    """The two waits before a name is looked up again are a quarter of a second at most, and never nothing."""
    waits = [wait for number in range(50) for wait in sent_in_all(*[SERVER] * (number % 2), DNS)[1][number % 2 :]]
    assert all(0.05 <= wait <= 0.25 for wait in waits)


def test_an_overloaded_provider_is_left_alone_longer():
    """Where a failing provider is left alone for a while, an overloaded one is for four times as long."""
    overloaded = ProviderServerError("busy", kind="overloaded")
    failing_s, overloaded_s = sent_in_all(SERVER)[1], sent_in_all(overloaded)[1]
    assert overloaded_s == pytest.approx([4 * wait for wait in failing_s])


def test_what_may_be_billed_is_sent_again_only_where_that_is_wanted():
    """With `resend_possibly_billed=False`, a failure that may be billed is the last, any other is tried again."""
    careful = RetryPolicy(resend_possibly_billed=False)
    assert sent_in_all(ProviderTimeoutError("late", possibly_billed=True), policy=careful)[0] == 1
    assert sent_in_all(ProviderConnectionError("refused", kind="connect"), policy=careful)[0] == 4
    assert sent_in_all(ProviderTimeoutError("late", possibly_billed=True))[0] == 4


def test_half_a_second_is_a_wait_of_its_own():
    """A provider that asks for a short wait is taken at its word, and only a wait of nothing uses up a try."""
    assert decide(RateLimitError("slow", retry_after_s=0.5))[1] == Tries(counted=0, waited_on_request_s=0.5)


@pytest.mark.parametrize(("counted", "most_s"), [(0, 0.5), (1, 1.0), (2, 2.0)])
def test_the_first_retry_has_the_shortest_wait(counted, most_s):
    """After one failure up to half a second is waited, after two up to one, after three up to two."""
    made = [after_failure(SERVER, Tries(counted=counted), policy=POLICY, rng=Random(seed)) for seed in range(300)]
    assert most_s * 0.9 < max(wait_s for wait_s, _ in made) <= most_s
