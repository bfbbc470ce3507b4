"""The scheduler in made-up time: limits that are told, that move, that nobody tells; nothing hangs or is lost."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.sweep.simulated import JumpingLoop, LoopClock, Rules, SimulatedProvider, simulate
from toolkit._records import Response
from toolkit.engine import Budget, RetryPolicy, Slots
from toolkit.errors import AuthenticationError, ProviderConnectionError, ProviderError, RateLimitError
from toolkit.sweep._events import LimitChanged, ModelSuspended
from toolkit.sweep._queue import turns
from toolkit.sweep._stop import Stop


def share(provider):
    """Part of the calls that were refused."""
    return len(provider.refused_at) / len(provider.sent_at)


@pytest.mark.parametrize("first_seed", range(0, 2000, 200))
def test_every_trial_ends_whatever_the_provider_does(first_seed):
    """Over thousands of providers with limits, strays and failures of any kind every trial has one outcome."""
    for seed in range(first_seed, first_seed + 200):
        rng = Random(seed)
        rules = Rules(
            per_s=rng.choice([None, None, 2, 10, 50]),
            bucket=rng.choice([None, None, 1, 10]),
            in_flight=(lambda most: lambda now: most)(rng.choice([float("inf"), 1, 3, 10])),
            stray=rng.choice([0.0, 0.02, 0.3]),
            failing=rng.choice([0.0, 0.1, 1.0]),
            retry_after_s=rng.choice([None, 0.0, 0.05, 1.0, 20.0]),
            median_s=rng.choice([0.0, 0.01, 0.2, 5.0]),
            refusal_s=rng.choice([0.0, 0.01, 0.3]),
        )
        provider = SimulatedProvider(rules, seed=seed)
        concurrency, trials = rng.choice([None, 1, 3, 64]), rng.randint(1, 24)
        ended = simulate([provider], trials, seed=seed, concurrency=concurrency)
        assert len(ended.ledger.outcomes) == trials, seed
        assert provider.most <= (concurrency or 64), seed
        assert ended.ledger.attempts == len(provider.sent_at), seed


@pytest.mark.parametrize("bucket", [None, 30])
@pytest.mark.parametrize("seed", range(3))
def test_a_limit_of_thirty_a_second_is_found(bucket, seed):
    """900 trials at 30 calls a second all end within 1.15 of the 30 seconds that they need, with under 8 % refused."""
    provider = SimulatedProvider(Rules(per_s=30, bucket=bucket), seed=seed)
    ended = simulate([provider], 900, seed=seed, concurrency=64)
    assert ended.statuses == {"ok": 900}
    assert ended.wall_s <= 1.15 * 30
    assert share(provider) <= 0.08


@pytest.mark.parametrize("limits", [(5, 20, 80), (80, 5, 20), (20, 80, 5)])
def test_a_limit_that_moves_is_followed(limits):
    """With 5, 20 or 80 calls allowed, in any order, 85 % of the limit is used 10 s after a move; 3 % are refused."""
    phase_s, mean_s = 24, 0.2 * 1.1331  # the mean of a lognormal with sigma 0.5 is 1.1331 times its median
    provider = SimulatedProvider(Rules(in_flight=lambda now: limits[min(int(now / phase_s), 2)]), seed=1)
    simulate([provider], int(sum(limits) * phase_s / mean_s), concurrency=100)
    for number, limit in enumerate(limits):
        since, until = phase_s * number + 12, phase_s * (number + 1)
        answered = sum(since <= at < until for at in provider.answered_at)
        assert answered * mean_s / (until - since) >= 0.85 * limit, limit
    assert share(provider) <= 0.03


def test_stray_refusals_do_not_stop_the_endpoint():
    """With 2 % of 900 calls refused at random for a second, a sweep takes at most 1.3 of its time without refusals."""
    took_s = []
    for stray in (0.0, 0.02):
        seeds = [SimulatedProvider(Rules(stray=stray), seed=seed) for seed in range(5)]
        took_s.append(sorted(simulate([each], 900, concurrency=64).wall_s for each in seeds)[2])
    # Waits at the very end cannot be made up for: up to a second and an answer.
    assert took_s[1] <= 1.3 * took_s[0] + 0.3


def test_the_first_refusal_stops_the_endpoint_for_as_long_as_it_asks():
    """When the first answer ever is a 429 with Retry-After 3, nothing leaves for three seconds."""
    provider = SimulatedProvider(
        Rules(retry_after_s=3.0, refusal_s=0.01, in_flight=lambda now: 0 if now < 1 else 99), seed=0
    )
    simulate([provider], 30, concurrency=4)
    later = [at for at in provider.sent_at if at > 0]
    assert min(later) >= 3.0


def test_a_model_under_limits_holds_up_no_other():
    """Two models share 8 places; the one that refuses everything for 20 s leaves them to the other."""
    slow = SimulatedProvider(Rules(in_flight=lambda now: 0 if now < 20 else 99), seed=0, name="slow")
    free = SimulatedProvider(Rules(sigma=0.0), seed=1, name="free")
    ended = simulate([slow, free], 80, concurrency=8)
    assert ended.statuses == {"ok": 160}
    # 80 answers of 0.2 s through 8 places take 2 s; the other model's tries take a little of that.
    assert max(free.answered_at) <= 3.0


@pytest.mark.parametrize(("rpm", "gap_s"), [(60, 1.0), (600, 0.1)])
def test_calls_a_minute_are_kept(rpm, gap_s):
    """With rpm in config.yaml calls leave evenly, and never sooner than it allows."""
    provider = SimulatedProvider(Rules(), seed=0)
    simulate([provider], 30, route={"rpm": rpm})
    gaps = [later - sooner for sooner, later in zip(provider.sent_at, provider.sent_at[1:], strict=False)]
    assert min(gaps) >= gap_s - 1e-9
    assert max(gaps) <= gap_s * 1.05


def test_tokens_a_minute_are_kept():
    """With tpm in config.yaml 30 calls of 2 tokens each, at 120 tokens a minute, take about 29 seconds."""
    provider = SimulatedProvider(Rules(median_s=0.01), seed=0)
    simulate([provider], 30, route={"tpm": 120})
    assert provider.sent_at[-1] == pytest.approx(29, rel=0.15)


def test_parallel_requests_are_kept():
    """With max_parallel_requests in config.yaml no more calls are in flight."""
    provider = SimulatedProvider(Rules(), seed=0)
    simulate([provider], 50, route={"max_parallel_requests": 3}, concurrency=64)
    assert provider.most == 3


def test_two_keys_of_one_model_have_limits_of_their_own():
    """Two providers of one name and address are two groups: each keeps its own limit, and its own trials."""
    tight = SimulatedProvider(Rules(in_flight=lambda now: 2), seed=0, name="same")
    free = SimulatedProvider(Rules(), seed=1, name="same")
    ended = simulate([tight, free], 60)
    assert ended.statuses == {"ok": 120}
    assert (len(tight.answered_at), len(free.answered_at), free.refused_at) == (60, 60, [])


class Failing(SimulatedProvider):
    """Fails in its own way, from a call on."""

    def __init__(self, error, *, first=0):
        super().__init__(Rules(median_s=0.1, sigma=0.0), seed=0)
        self.error, self.first = error, first

    async def complete(self, request, *, timeout_s):
        response = await super().complete(request, timeout_s=timeout_s)
        if len(self.sent_at) > self.first:
            raise self.error
        return response


@pytest.mark.parametrize(
    ("error", "answered", "sent"),
    [
        (AuthenticationError("no"), 0, 1),
        (AuthenticationError("no"), 10, 11),
        (ProviderError("none left", kind="quota"), 10, 11),
        (ProviderError("unknown", kind="not_found"), 0, 5),
        (ProviderError("unknown", kind="not_found"), 10, 31),
        (ProviderError("untrusted", kind="tls"), 0, 5),
        (ProviderError("bad", kind="bad_request"), 0, 60),
    ],
)
def test_a_model_is_given_up_when_nothing_can_help(error, answered, sent):
    """A refused key or empty account ends a model at once, an unknown model after its first 5 trials or 21 in a row."""
    provider = Failing(error, first=answered)
    ended = simulate([provider], 60, concurrency=1)
    assert len(provider.sent_at) == sent
    assert ended.statuses == {
        name: count for name, count in (("ok", answered), ("failed", sent - answered), ("skipped", 60 - sent)) if count
    }
    assert [event.reason for event in ended.events if isinstance(event, ModelSuspended)] == (
        [str(error)] if sent < 60 else []
    )


@pytest.mark.fault(19)
def test_a_name_that_does_not_resolve_suspends_its_model():
    """Trials of a host whose name does not resolve are tried three times, soon; when one has ended none begins."""
    error = ProviderConnectionError("no such host", kind="dns")
    provider, other = Failing(error), SimulatedProvider(Rules(), seed=1, name="other")
    ended = simulate([provider, other], 20, concurrency=1)
    # Two more had begun in the quarter of a second between the tries of the first.
    assert len(provider.sent_at) == 9
    assert ended.statuses == {"ok": 20, "failed": 3, "skipped": 17}


@pytest.mark.fault(9)
def test_an_overloaded_provider_is_no_reason_to_cut():
    """A 529 among the answers, whatever its share, leaves the number of calls in flight as it is."""
    provider = Failing(ProviderError("overloaded", kind="overloaded", retryable=True))
    ended = simulate([provider], 40, policy=RetryPolicy(max_attempts=2))
    assert ended.statuses == {"failed": 40}
    assert [event for event in ended.events if isinstance(event, LimitChanged)] == []


@pytest.mark.fault(59)
@pytest.mark.parametrize("jump_s", [86_400.0, -86_400.0])
def test_a_jump_of_the_time_of_day_moves_no_wait(jump_s):
    """A clock that is set a day ahead or back during a sweep changes no Retry-After and no outcome."""
    clock = LoopClock()

    async def jump():
        await clock.sleep(1.0)
        clock.set_ahead_s = jump_s

    provider = SimulatedProvider(Rules(retry_after_s=3.0, in_flight=lambda now: 0 if now < 2 else 99), seed=0)
    ended = simulate([provider], 30, concurrency=1, clock=clock, during=jump)
    assert ended.statuses == {"ok": 30}
    assert [round(at, 1) for at in provider.sent_at[:2]] == [0.0, 3.0]
    assert ended.wall_s < 15


@pytest.mark.fault(60)
def test_after_a_sleep_of_the_machine_one_call_goes_first():
    """When the machine slept for an hour its dead connections are retried, and one call in flight goes before two."""
    clock = LoopClock()
    provider = SimulatedProvider(Rules(sigma=0.0), seed=0)
    dead_at = []
    real = provider.complete

    async def complete(request, *, timeout_s):
        started_at = clock.monotonic()
        response = await real(request, timeout_s=timeout_s)
        if started_at < 1.5 <= clock.monotonic():
            dead_at.append(clock.monotonic())
            raise ProviderConnectionError("reset", kind="connection", possibly_billed=True)
        return response

    async def sleep_an_hour():
        await clock.sleep(1.5)
        clock.set_ahead_s = 3600.0

    provider.complete = complete
    ended = simulate([provider], 900, concurrency=64, clock=clock, during=sleep_an_hour)
    assert ended.statuses == {"ok": 900}
    assert len(dead_at) > 30
    woke_at = max(dead_at)
    after = [at for at in provider.sent_at if woke_at < at <= woke_at + 0.2]
    assert len(after) <= 2
    assert provider.refused_at == []


def test_a_drained_run_ends_with_what_was_in_flight():
    """Once a run is to end nothing new is sent, what is in flight is answered, waits for another try end at once."""
    stop, clock = Stop(), LoopClock()

    async def drain():
        await clock.sleep(1.0)
        stop.drain()

    provider = SimulatedProvider(Rules(retry_after_s=60.0, stray=0.3, median_s=0.3), seed=0)
    ended = simulate([provider], 500, concurrency=8, clock=clock, stop=stop, during=drain)
    assert max(provider.sent_at) <= 1.0
    assert ended.wall_s < 5.0
    assert len(ended.ledger.outcomes) < 500
    assert ended.sent == len(ended.ledger.outcomes)


def test_a_drained_run_sends_nothing_that_waited_for_budget():
    """Who waits for budget when a run is to end is neither sent nor refused, though room comes free."""
    stop, clock = Stop(), LoopClock()

    async def drain():
        await clock.sleep(1.0)
        stop.drain()

    provider = SimulatedProvider(Rules(median_s=0.3, sigma=0.0), seed=0)
    # An attempt may take 100 tokens and takes 2, so one is in flight at a time, and more of them would fit later.
    ended = simulate(
        [provider],
        50,
        params={"max_tokens": 90},
        concurrency=8,
        clock=clock,
        stop=stop,
        during=drain,
        budget=Budget(max_tokens=150),
    )
    assert provider.sent_at == pytest.approx([0.0, 0.3, 0.6, 0.9])
    assert ended.statuses == {"ok": 4}


def test_a_cancelled_run_leaves_no_task_and_no_outcome_behind():
    """Once calls are to be cut, the run ends at that moment."""
    stop, clock = Stop(), LoopClock()

    async def cancel():
        await clock.sleep(1.0)
        stop.cancel()

    provider = SimulatedProvider(Rules(median_s=30.0, sigma=0.0), seed=0)
    ended = simulate([provider], 50, concurrency=8, clock=clock, stop=stop, during=cancel)
    assert (ended.wall_s, ended.ledger.outcomes) == (1.0, {})


def test_no_arm_is_always_first():
    """The arms of a case are sent side by side, and each case begins with another one; every trial has one turn."""
    assert list(turns(9, 3)) == [0, 1, 2, 4, 5, 3, 8, 6, 7]
    assert sorted(turns(1003, 7)) == list(range(1003))


def test_limits_that_were_found_are_told_and_kept():
    """Each change of a limit is an event and a line of the run's history, with the reason."""
    ended = simulate([SimulatedProvider(Rules(in_flight=lambda now: 5), seed=0)], 200)
    told = [event for event in ended.events if isinstance(event, LimitChanged)]
    assert told
    assert [change.in_flight for change in ended.ledger.changes] == [event.limit for event in told]
    assert {change.endpoint for change in ended.ledger.changes} == {"sim m"}
    assert "it was rate-limited" in {event.reason for event in told}


def test_a_refused_place_stays_taken_as_long_as_an_answer_takes():
    """A call that is refused at once gives its place back only when an answer would have come."""
    clock, provider = LoopClock(), SimulatedProvider(Rules(), seed=0)

    async def work():
        slots = Slots(1, clock=clock)
        answered = Response(text="ok", finish_reason="stop")
        for _ in range(10):
            async with slots.place(provider, "m") as place:
                await clock.sleep(0.5)
                place.report(answered)
        async with slots.place(provider, "m") as place:
            refused_at = clock.monotonic()
            place.report(RateLimitError("slow down"))
        async with slots.place(provider, "m"):
            return clock.monotonic() - refused_at

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        assert runner.run(work()) == pytest.approx(0.5)
