"""Which pair of answers is shown next, on which sides, and what is left; nothing here knows a browser or a clock."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from toolkit._votes import Vote

Key: TypeAlias = tuple[int, int]
"""Index of the case, and repeat from 0."""

_DuelKey: TypeAlias = tuple[int, int, tuple[str, str]]

# A pair is shown again after about this many new ones, give or take two, and not before this many others came between.
_NEW_BETWEEN = 9
_GIVE_OR_TAKE = 2
_OTHERS_BETWEEN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """Two answers to one case that are to be compared."""

    case: int
    repeat: int
    pair: tuple[str, str]
    """Trial ids in order."""

    @property
    def key(self) -> _DuelKey:
        """What a vote on it has in common with it."""
        return (self.case, self.repeat, self.pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A pair as it stands on the page."""

    duel: Duel
    left: str
    """Trial id."""
    right: str
    is_repeat: bool
    """True when the voter judged it before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How far a voter is."""

    done: int
    """Pairs that were shown and answered, those shown again included."""
    all: int
    """Pairs to show in all, those shown again included."""
    skipped: int
    same: int
    """Pairs with the same text, which nobody need judge."""


def plan_duels(answers: Mapping[Key, Mapping[int, str]], *, seed: str) -> list[Duel]:
    """Returns every pair of answers in the order in which they are shown.

    Cases come in random order. Each shows one pair of arms before any shows a second, and the pairs of arms take turns,
    so that whoever stops early has compared all arms about equally often. Answers that are shared, as those of cases
    with equal variables are, meet once.

    Args:
        answers: By case and repeat: the trial id of each arm that has an answer, by the arm's place.
        seed: The same seed gives the same order.

    Example:
        >>> plan_duels({(0, 0): {0: "a", 1: "b"}}, seed="")
        [Duel(case=0, repeat=0, pair=('a', 'b'))]
    """
    rng = _drawn_from(f"order\n{seed}")
    places = sorted({place for held in answers.values() for place in held})
    turns = list(itertools.combinations(places, 2))
    rng.shuffle(turns)
    keys = list(answers)
    rng.shuffle(keys)
    queues = []
    for number, key in enumerate(keys):
        start = number % len(turns) if turns else 0
        held = answers[key]
        queues.append([(key, held[a], held[b]) for a, b in turns[start:] + turns[:start] if a in held and b in held])
    found: dict[tuple[str, str], Duel] = {}
    for round_ in itertools.zip_longest(*queues):
        for each in round_:
            if each is not None and each[1] != each[2]:
                (case, repeat), first, second = each
                pair = (min(first, second), max(first, second))
                found.setdefault(pair, Duel(case=case, repeat=repeat, pair=pair))
    return list(found.values())


class VoteState:
    """One voter's way through the pairs: what comes next follows from the pairs and the votes alone.

    Args:
        duels: In the order in which they are shown.
        same: Those whose answers have the same text.
        votes: What the voter said so far, oldest first; votes on other pairs do not matter.
        seed: Draws sides and which pairs are shown again; another voter has another one.
    """

    def __init__(self, duels: Sequence[Duel], *, same: Collection[Duel], votes: Sequence[Vote], seed: str) -> None:
        self._duels = {duel.key: duel for duel in duels}
        self._same = frozenset(duel.key for duel in same)
        self._seed = seed
        self.votes = [vote for vote in votes if _key_of(vote) in self._duels]
        """Oldest first."""
        self._to_judge = len(self._duels) - len(self._same)
        self._planned_again = next(n for n in itertools.count() if self._due_at(n) > self._to_judge)

    def shown(self) -> Shown | None:
        """Returns the pair to be shown now; `None` when there is none left."""
        again = self._due_again()
        if again is not None:
            return Shown(duel=self._duels[_key_of(again)], left=again.right, right=again.left, is_repeat=True)
        said = {_key_of(vote) for vote in self.votes if not vote.is_repeat}
        waiting = (duel for key, duel in self._duels.items() if key not in said and key not in self._same)
        skipped = (vote for vote in self.votes if vote.verdict == "skip" and not vote.is_repeat)
        # The first alone is made: there may be many thousands.
        duel = next(itertools.chain(waiting, (self._duels[_key_of(vote)] for vote in skipped)), None)
        return None if duel is None else self._sided(duel)

    def upcoming(self, most: int) -> list[Shown]:
        """Returns the pairs that nobody has judged yet, as they will stand on the page, the next first.

        Args:
            most: Pairs that are returned at most.
        """
        said = {_key_of(vote) for vote in self.votes}
        waiting = (duel for key, duel in self._duels.items() if key not in said and key not in self._same)
        return [self._sided(duel) for duel in itertools.islice(waiting, most)]

    def _sided(self, duel: Duel) -> Shown:
        sides = list(duel.pair)
        self._rng("sides", *map(str, duel.key)).shuffle(sides)
        return Shown(duel=duel, left=sides[0], right=sides[1], is_repeat=False)

    def passed(self, vote: Vote | None = None) -> list[Duel]:
        """Returns pairs with the same text that stand before the next pair, and that no vote tells of yet.

        They are ties. Those further on are not counted yet: else stopping early would give them more weight.

        Args:
            vote: One that is about to be added; `None` = the pairs up to the one that is shown now.
        """
        told = {_key_of(each) for each in (*self.votes, *((vote,) if vote is not None else ()))}
        before = itertools.takewhile(lambda key: key in told or key in self._same, self._duels)
        return [self._duels[key] for key in before if key not in told]

    def last(self) -> list[Vote]:
        """Returns what would be taken back: the last vote, and pairs with the same text that were kept with it."""
        said = [vote for vote in self.votes if vote.verdict != "same"][-1:]
        return said + [vote for vote in self.votes if vote.verdict == "same" and said and vote.at == said[0].at]

    def add(self, votes: Sequence[Vote]) -> None:
        """Takes votes over; they are the last now."""
        self.remove(votes)
        self.votes += votes

    def remove(self, votes: Sequence[Vote]) -> None:
        """Forgets votes."""
        keys = {vote.key for vote in votes}
        self.votes = [each for each in self.votes if each.key not in keys]

    def counts(self) -> Counts:
        """Returns how far the voter is."""
        repeats = sum(vote.is_repeat for vote in self.votes)
        new = sum(vote.is_judged for vote in self.votes if not vote.is_repeat)
        return Counts(
            done=new + repeats,
            all=self._to_judge + max(self._planned_again, repeats),
            skipped=sum(vote.verdict == "skip" for vote in self.votes if not vote.is_repeat),
            same=len(self._same),
        )

    def _due_again(self) -> Vote | None:
        """The vote whose pair is to be shown again now, with the sides changed."""
        repeats = {_key_of(vote) for vote in self.votes if vote.is_repeat}
        new = sum(vote.is_judged for vote in self.votes if not vote.is_repeat)
        if new < self._due_at(len(repeats)):
            return None
        seen = [vote for vote in self.votes if vote.verdict != "same"]
        far = [
            vote
            for vote in seen[: max(0, len(seen) - _OTHERS_BETWEEN)]
            if vote.is_judged and not vote.is_repeat and _key_of(vote) not in repeats
        ]
        return self._rng("again", str(len(repeats))).choice(far) if far else None

    def _due_at(self, number: int) -> int:
        """After how many new pairs the next is shown again, by how many were before."""
        jitter = self._rng("when", str(number)).randint(-_GIVE_OR_TAKE, _GIVE_OR_TAKE)
        return _NEW_BETWEEN * (number + 1) + jitter

    def _rng(self, *parts: str) -> Random:
        # By name, not by turn: what is drawn does not depend on what was drawn before.
        return _drawn_from("\n".join((self._seed, *parts)))


def _drawn_from(name: str) -> Random:
    # As bytes: a voter's name may hold half a character, which no text encoding takes.
    return Random(name.encode("utf-8", "surrogatepass"))  # noqa: S311  an order to read in, no secret


def _key_of(vote: Vote) -> _DuelKey:
    return (vote.case, vote.repeat, vote.pair)
