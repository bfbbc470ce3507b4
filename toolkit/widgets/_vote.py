"""Two answers in a notebook, without names: which is better is said by a key, and who was who is told at the end."""

from __future__ import annotations

import datetime as dt
import getpass
import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import anywidget
import traitlets

from toolkit._votes import Verdict, Vote
from toolkit.errors import UsageError
from toolkit.results import CaseGrid, Results, Safe, cell_text, counted, element, find_arm, for_screen, shorten
from toolkit.widgets._bundle import Bundle, Lasting, bundle, takes_place_of_html
from toolkit.widgets._paint import guarded
from toolkit.widgets._slot import PAGE_PROGRAM, new_slot
from toolkit.widgets._theme import theme_css
from toolkit.widgets._vote_report import Wire, next_pairs, report_parts
from toolkit.widgets._vote_state import Duel, Key, Shown, VoteState, plan_duels

_STATIC = Path(__file__).parent / "static"

# What a page may send: equal texts are found here, and nobody says so.
_SAID: dict[str, Verdict] = {verdict: verdict for verdict in get_args(Verdict) if verdict != "same"}

_MOST_OF_ANSWER = 100_000
_MOST_OF_VARIABLE = 400
_MOST_OF_NOTE = 2_000
_MOST_OF_NAME = 100

# Without a kernel the next few pairs are shown.
_MOST_STILL = 5
_MOST_OF_STILL = 600

# Answers whose texts are in memory together while equal ones are looked for.
_AT_A_TIME = 500


class BlindVote(Lasting, anywidget.AnyWidget):
    """Two answers to one case side by side, the arms' names kept in the kernel, and a key to say which is better.

    Each vote is kept in the run store before the next pair is shown. The same widget made again, in another session
    too, goes on where the voter was. About every tenth pair is one that was judged before with its sides changed, to
    see how steady the verdicts are. Keys: `1` or left, `2` or right, `0` tie, `9` both bad, `s` skip, `u` undo, `n`
    note, `?` tells them.

    Args:
        results: Whose answers are compared.
        voter: Who votes; `None` = the name of the user of this machine.
        arms: Labels or indexes of the arms to compare; `None` = all of them.
        seed: Another one gives another order of cases. All voters have the same order, so that those who stop early
            have judged the same pairs; the sides differ between them.
        show_case: Whether the case's variables stand above its answers.
        clock: Seconds that only grow.
        now: The time, in UTC.

    Raises:
        UsageError: If fewer than two arms have answers to one case, or `voter` or `arms` are none.

    Example:
        >>> tk.BlindVote(results)    # doctest: +SKIP
    """

    _esm = PAGE_PROGRAM + (_STATIC / "vote.js").read_text(encoding="utf-8")
    _css = theme_css(".pk-vote") + (_STATIC / "vote.css").read_text(encoding="utf-8")

    # The static form in whose place this one stands, where the page can do that.
    slot = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        results: Results,
        *,
        voter: str | None = None,
        arms: Sequence[str | int] | None = None,
        seed: int = 0,
        show_case: bool = True,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        **kwargs: Any,
    ) -> None:
        voter = _voter(voter)
        grid = CaseGrid(results.view)
        duels = plan_duels(_answers(grid, _places(results, arms)), seed=f"{results.run_id} {seed}")
        if not duels:
            raise UsageError(
                f"No case of run {results.run_id!r} has answers of two of these arms; run the sweep with another "
                "prompt version or model, or name other arms."
            )
        super().__init__(slot=new_slot(), **kwargs)
        self._results = results
        self._grid = grid
        self._voter = voter
        self._show_case = show_case
        self._clock = clock
        self._now = now
        own = [vote for vote in results.view.votes if vote.voter == voter]
        self._state = VoteState(duels, same=_same(grid, duels), votes=own, seed=f"{results.run_id} {seed} {voter}")
        self._lock = threading.RLock()
        # Of what is on the page: a number that no other has, and since when it is there.
        self._turn = itertools.count(1)
        self._now_turn = next(self._turn)
        self._since = clock()
        # What nobody had to judge is no vote that could be taken back.
        self._is_finished = self._state.shown() is None and not self._state.last()
        self._is_told = self._is_finished
        self._acts: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "vote": self._on_vote,
            "undo": self._on_undo,
            "finish": self._on_finish,
            "go_on": self._on_go_on,
        }
        self.on_msg(guarded(self._fail, self._on_message))

    def static_html(self) -> Safe:
        """Returns how far the voter is and the next pairs, or once names are told what the votes say, as inert HTML."""
        with self._lock:
            rest = self._results.votes._repr_html_() if self._is_finished else self._next_pairs()
            still = element("div", element("p", self.static_text()), rest, class_="pk-static")
            return element("div", still, class_=f"toolkit-results tex2jax_ignore mathjax_ignore {self.slot}")

    def static_text(self) -> str:
        """Returns how far the voter is, in one line."""
        counts = self._state.counts()
        ending = "finished" if self._is_finished else "the same call goes on"
        return (
            f"Blind vote by {self._voter} on run {self._results.run_id}: {counts.done:,} of "
            f"{counted(counts.all, 'pair')}; {ending}"
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> Bundle:  # type: ignore[override]  # a pair or a mapping will do
        if takes_place_of_html():
            return bundle(self, None)
        return super()._repr_mimebundle_(**kwargs)

    def _on_message(self, _: object, content: object, buffers: object) -> None:
        if not isinstance(content, Mapping):
            return
        with self._lock:
            act = self._acts.get(str(content.get("ask")))
            # A key that was pressed twice speaks of a pair that is gone: it is answered by the one that is there.
            if act is not None and content.get("turn") == self._now_turn:
                act(content)
            if act is not None or content.get("ask") == "look":
                self._show()

    def _on_vote(self, asked: Mapping[str, Any]) -> None:
        shown, verdict = self._state.shown(), _SAID.get(str(asked.get("verdict")))
        if shown is None or self._is_finished or verdict is None:
            return
        note = asked.get("note")
        at = self._now()
        vote = Vote(
            voter=self._voter,
            case=shown.duel.case,
            repeat=shown.duel.repeat,
            left=shown.left,
            right=shown.right,
            verdict=verdict,
            seconds=max(0.0, self._clock() - self._since),
            at=at,
            is_repeat=shown.is_repeat,
            note=note.strip()[:_MOST_OF_NOTE] if isinstance(note, str) and note.strip() else None,
        )
        # Those with equal texts that come next are ties: kept together with this vote, and taken back with it.
        equal = [_same_vote(self._voter, duel, at) for duel in self._state.passed(vote)]
        self._keep([vote, *equal])
        self._is_finished = self._is_told and self._state.shown() is None
        self._step()

    def _on_undo(self, asked: Mapping[str, Any]) -> None:
        votes = self._state.last()
        if votes and not self._is_finished:
            self._results.drop_votes(votes)
            self._state.remove(votes)
            self._step()

    def _on_finish(self, asked: Mapping[str, Any]) -> None:
        self._is_finished = self._is_told = True
        self._step()

    def _on_go_on(self, asked: Mapping[str, Any]) -> None:
        if self._state.shown() is not None:
            self._is_finished = False
            self._step()

    def _keep(self, votes: Sequence[Vote]) -> None:
        # In the store first: what is not kept is not behind us.
        self._results.keep_votes(votes)
        self._state.add(votes)

    def _step(self) -> None:
        self._now_turn = next(self._turn)

    def _show(self) -> None:
        shown = self._state.shown()
        if self._is_finished:
            rest = self._state.passed()
            if shown is None and rest:
                self._keep([_same_vote(self._voter, duel, self._now()) for duel in rest])
            # Others may have voted meanwhile.
            report = self._results.refresh().votes
            self.send({"turn": self._now_turn, "report": report_parts(report, has_more=shown is not None)})
        elif shown is None:
            # The last vote can be taken back until the names are told.
            self.send({"turn": self._now_turn, "end": {"all": self._state.counts().all}})
        else:
            self.send({"turn": self._now_turn, "pair": self._pair(shown)})
            self._since = self._clock()

    def _next_pairs(self) -> Safe | None:
        """The next pairs as they will stand on the page; nothing of whose they are."""
        shown = self._state.upcoming(_MOST_STILL)
        if not shown:
            return None
        texts = self._grid.texts(dict.fromkeys((each.duel.case, each.duel.repeat) for each in shown))
        pairs = [
            (self._variables(each) if self._show_case else [], shorten(texts[each.left], _MOST_OF_STILL),
             shorten(texts[each.right], _MOST_OF_STILL))
            for each in shown
        ]  # fmt: skip
        return next_pairs(pairs)

    def _variables(self, shown: Shown) -> list[tuple[str, str]]:
        case = self._grid.first((shown.duel.case, shown.duel.repeat)).trial.case
        return [
            (str(name), shorten(cell_text(value) or "", _MOST_OF_VARIABLE)) for name, value in case.variables.items()
        ]

    def _pair(self, shown: Shown) -> Wire:
        key = (shown.duel.case, shown.duel.repeat)
        texts = self._grid.texts([key])
        counts = self._state.counts()
        variables = [[for_screen(name, keep_lines=False), for_screen(value)] for name, value in self._variables(shown)]
        return {
            "left": _screened(texts[shown.left], _MOST_OF_ANSWER),
            "right": _screened(texts[shown.right], _MOST_OF_ANSWER),
            "variables": variables if self._show_case else [],
            "done": counts.done,
            "all": counts.all,
            "skipped": counts.skipped,
            "same": counts.same,
            "can_undo": bool(self._state.last()),
        }

    def _fail(self, words: str) -> None:
        self.send({"turn": self._now_turn, "said": words, "failed": True})


def _same_vote(voter: str, duel: Duel, at: dt.datetime) -> Vote:
    left, right = duel.pair
    return Vote(voter=voter, case=duel.case, repeat=duel.repeat, left=left, right=right, verdict="same", at=at)


def _voter(voter: str | None) -> str:
    if voter is None:
        try:
            voter = getpass.getuser()
        except (OSError, KeyError, ImportError):
            # A container's user often has no name.
            voter = "me"
    if not isinstance(voter, str) or not voter.strip() or len(voter) > _MOST_OF_NAME:
        raise UsageError(f"`voter` is a name of up to {_MOST_OF_NAME} characters; got {voter!r}.")
    return voter.strip()


def _places(results: Results, arms: Sequence[str | int] | None) -> list[int]:
    """The places of the arms to compare."""
    if arms is None:
        return list(range(len(results.view.arms)))
    if isinstance(arms, str) or not isinstance(arms, Sequence):
        raise UsageError(f"`arms` is a list of labels or indexes of arms; got {arms!r}.")
    places = list(dict.fromkeys(find_arm(results.view, arm) for arm in arms))
    if len(places) < 2:
        raise UsageError(f"A vote compares two arms or more; `arms` names {len(places)}: {list(arms)!r}.")
    return places


def _answers(grid: CaseGrid, places: Sequence[int]) -> dict[Key, dict[int, str]]:
    found = {}
    for key in grid.keys:
        cells = ((place, grid.cells(key)[place]) for place in places)
        found[key] = {place: row.trial.trial_id for place, row in cells if row is not None and row.answer is not None}
    return found


def _same(grid: CaseGrid, duels: Sequence[Duel]) -> list[Duel]:
    """Those whose texts are the same but for white space around them, which nobody sees."""
    found = []
    in_order = sorted(duels, key=lambda duel: (duel.case, duel.repeat))
    for start in range(0, len(in_order), _AT_A_TIME):
        some = in_order[start : start + _AT_A_TIME]
        texts = grid.texts(dict.fromkeys((duel.case, duel.repeat) for duel in some))
        found += [duel for duel in some if texts[duel.pair[0]].strip() == texts[duel.pair[1]].strip()]
    return found


def _screened(text: str, most: int) -> str:
    # Cut first: an escape is longer than what it stands for.
    return for_screen(shorten(text, most))
