"""A blind vote without a browser: a page that keeps what it is sent, results, a store for votes."""

from __future__ import annotations

import datetime as dt

from tests.builders import NOON
from tests.results import runs
from toolkit import BlindVote
from toolkit.results import Results


class Page:
    """A page with a vote on it, which has looked once; `shown` is what stands on it now."""

    def __init__(self, results, **fields):
        self.clock = 0.0
        self.ticks = 0
        self.vote = BlindVote(results, clock=lambda: self.clock, now=self.now, **{"voter": "ana", **fields})
        self.got = []
        self.vote.send = lambda content, buffers=None: self.got.append(content)
        self.send(ask="look")

    def now(self):
        self.ticks += 1
        return NOON + dt.timedelta(seconds=self.ticks)

    def send(self, **content):
        self.got.clear()
        self.vote._handle_custom_msg(content, [])
        if self.got:
            self.shown = self.got[-1]
        return list(self.got)

    def say(self, verdict, **more):
        return self.send(ask="vote", turn=self.shown["turn"], verdict=verdict, **more)

    def press(self, ask):
        return self.send(ask=ask, turn=self.shown["turn"])

    def finish(self):
        return self.press("finish")[-1]["report"]


def plain_results(cases=12, **fields):
    """Results of two arms that differ in every case."""
    lines = [[f"{word} {case}" for case in range(cases)] for word in ("yes", "no")]
    return Results(runs.run(lines), **fields)


class Box:
    """Ballots in memory, which may be full, and what was in them at each pair that was shown."""

    def __init__(self):
        self.votes = {}
        self.full = False

    def save_votes(self, run_id, votes):
        if self.full:
            raise OSError("no space")
        self.votes.update({vote.key: vote for vote in votes})

    def drop_votes(self, run_id, votes):
        for vote in votes:
            self.votes.pop(vote.key, None)
