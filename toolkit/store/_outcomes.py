"""A run's outcomes with their measures at hand and their texts left in the store until they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from toolkit._records import Outcome
from toolkit.store import _rows

# Answers that are read ahead and kept at a time: those who read go through a run in order.
_FIRST_AHEAD = 16
_MOST_AHEAD = 1_000
_MOST_BYTES = 4 * 1024 * 1024


class StoredOutcomes(Mapping[str, Outcome]):
    """The outcomes of one run by trial id; each is whole, its texts read when it is asked for.

    Some megabytes of texts are in memory at a time, whatever the run's size. It pickles as a plain dict.

    Args:
        measures: Outcomes without texts, by trial id.
        read: Reads rows of answers, as `_rows.read_texts` takes them, by trial id.
    """

    def __init__(self, measures: dict[str, Outcome], read: Callable[[Sequence[str]], dict[str, Sequence[Any]]]) -> None:
        self.measures: Mapping[str, Outcome] = measures
        """The same outcomes without text, tool calls and body: for counting, without reading what is long."""
        self._read = read
        self._order = list(measures)
        self._numbers: dict[str, int] | None = None
        self._next = 0
        self._near: dict[str, Sequence[Any]] = {}
        self._ahead = _FIRST_AHEAD
        self._held: Mapping[str, Outcome] = {}

    def __getitem__(self, trial_id: str) -> Outcome:
        if trial_id in self._held:
            return self._held[trial_id]
        measures = self.measures[trial_id]
        return measures if measures.response is None else _rows.with_texts(measures, self._row(trial_id))

    def __contains__(self, trial_id: object) -> bool:
        return trial_id in self.measures

    def __iter__(self) -> Iterator[str]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)

    def with_held(self, outcomes: Mapping[str, Outcome]) -> StoredOutcomes:
        """Returns these and whole `outcomes` that are not in the store yet; an answer in the store goes before them."""
        new = {key: each for key, each in outcomes.items() if key not in self or self.measures[key].status != "ok"}
        made = StoredOutcomes({**self.measures, **new}, self._read)
        made._held = new
        return made

    def texts(self, trial_id: str) -> _rows.Texts | None:
        """Returns text and tool calls of an answer, without its body; `None` when there is no answer.

        Raises:
            KeyError: If the run has no outcome of that trial.
            StoreCorruptError: If the answer is damaged.
        """
        response = self.measures[trial_id].response
        if response is None:
            return None
        if trial_id in self._held:
            return _rows.Texts(text=response.text, tool_calls=response.tool_calls)
        return _rows.read_texts(self._row(trial_id))

    def some(self, trial_ids: Sequence[str]) -> dict[str, _rows.Texts]:
        """Returns text and tool calls of some answers by trial id, wherever they lie; those without one are left out.

        Raises:
            KeyError: If the run has no outcome of one.
            StoreCorruptError: If an answer is damaged.
        """
        wanted = [each for each in trial_ids if self.measures[each].response is not None]
        found = self._read([each for each in wanted if each not in self._held])
        held = ((each, self.measures[each].response) for each in wanted if each in self._held)
        texts = {each: _rows.Texts(text=one.text, tool_calls=one.tool_calls) for each, one in held if one is not None}
        return texts | {each: _rows.read_texts(row) for each, row in found.items()}

    def _row(self, trial_id: str) -> Sequence[Any]:
        row = self._near.get(trial_id)
        if row is None:
            number = self._number(trial_id)
            ahead = self._order[number : number + self._ahead]
            self._next = number + len(ahead)
            # Let go before the next ones are read.
            self._near = {}
            near = self._read(
                [each for each in ahead if self.measures[each].response is not None and each not in self._held]
            )
            # Its own, whatever another thread reads meanwhile.
            row = near[trial_id]
            # As many the next time as such answers as these leave room for.
            size = sum(len(each[1]) + len(each[3]) for each in near.values())
            self._ahead = max(1, min(_MOST_AHEAD, _MOST_BYTES * len(near) // max(size, 1)))
            self._near = near
        return row

    def _number(self, trial_id: str) -> int:
        """Where a trial stands in the order; the next one is known without looking."""
        if self._next < len(self._order) and self._order[self._next] == trial_id:
            return self._next
        if self._numbers is None:
            self._numbers = {each: number for number, each in enumerate(self._order)}
        return self._numbers[trial_id]


def measures_of(outcomes: Mapping[str, Outcome]) -> Mapping[str, Outcome]:
    """Returns outcomes for counting: without texts where that saves reading them."""
    return outcomes.measures if isinstance(outcomes, StoredOutcomes) else outcomes
