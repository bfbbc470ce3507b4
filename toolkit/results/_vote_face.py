"""How results are voted on: the widget for it, where the votes go, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from toolkit._notebook import maker_of
from toolkit._records import RunView
from toolkit._votes import Vote
from toolkit.results._voting import VoteReport, vote_report


class Ballots(Protocol):
    """Where votes are kept, such as a run store."""

    def save_votes(self, run_id: str, votes: Sequence[Vote]) -> None:
        """Keeps votes, each in place of an earlier one with the same key."""
        ...

    def drop_votes(self, run_id: str, votes: Sequence[Vote]) -> None:
        """Takes votes back."""
        ...


class VoteFace:
    """The part of `Results` that is voted on."""

    _view: RunView
    _ballots: Ballots | None
    _reload: Callable[[], RunView] | None

    def vote(self, voter: str | None = None, **options: Any) -> Any:
        """Returns a widget that shows two answers at a time, without names, and asks which is better.

        Every vote is kept in the run store before the next pair is shown: closing the notebook loses none, and the
        same call goes on where it was left. `votes` says what the votes come to.

        Args:
            voter: Who votes; `None` = the name of the user of this machine.
            **options: As for `BlindVote`: `arms`, `seed`, `show_case`.

        Raises:
            UsageError: If fewer than two arms have answers to one case.

        Example:
            >>> results.vote()    # doctest: +SKIP
        """
        return maker_of("vote")(self, voter=voter, **options)

    @property
    def votes(self) -> VoteReport:
        """What the blind votes say: `df`, `ranking`, `voters`, `agreement`, `consistency`; it prints what is next."""
        return vote_report(self._view)

    def keep_votes(self, votes: Sequence[Vote]) -> None:
        """Keeps votes in the run store, each in place of an earlier one with the same key, and then here."""
        if self._ballots is not None:
            self._ballots.save_votes(self._view.run_id, votes)
        held = {vote.key: vote for vote in self._view.votes}
        for vote in votes:
            # What is said anew counts as said last.
            held.pop(vote.key, None)
            held[vote.key] = vote
        self._view = replace(self._view, votes=tuple(held.values()))

    def drop_votes(self, votes: Sequence[Vote]) -> None:
        """Takes votes back, in the run store and then here."""
        if self._ballots is not None:
            self._ballots.drop_votes(self._view.run_id, votes)
        keys = {vote.key for vote in votes}
        self._view = replace(self._view, votes=tuple(each for each in self._view.votes if each.key not in keys))
