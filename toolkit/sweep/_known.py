"""What the run store knows of a plan's trials: which have an answer, and which answers do not serve this run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from toolkit._canonical import canonical_json
from toolkit.store import RunStore
from toolkit.sweep._trials import Trials, full_id, short_id

# Ids asked about at once, so that a million of them are never spelt out together.
_LOOKUP = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The trials of a plan and how many of them have an answer."""

    trials: Trials
    new: tuple[int, ...]
    """Requests to send of each arm."""
    distinct: int
    """Trials of distinct content."""
    stored: int
    """Those that have an answer."""


def look_up(trials: Trials, store: RunStore, run_id: str, *, may_overlap: bool) -> Known:
    """Asks the store about every trial, each content once.

    An answer that another run got cut off or filtered does not serve this one, and is that run's all the same: the
    trial gets another id here, the same one on any day.

    Args:
        trials: The grid.
        store: The run store.
        run_id: The run that the trials are of.
        may_overlap: Whether arms of different models may lead to the same one.
    """
    new = [0] * len(trials.arms)
    distinct = stored = 0
    instead: dict[bytes, bytes] = {}
    for group in _groups(trials, may_overlap=may_overlap):
        seen: set[bytes] = set()
        for arm in group:
            left = list(dict.fromkeys(each for each in trials.ids_of_arm(arm) if each not in seen))
            seen.update(left if len(group) > 1 else ())
            answered = 0
            for at in range(0, len(left), _LOOKUP):
                found = store.answered([full_id(each) for each in left[at : at + _LOOKUP]])
                replaced = _replaced(found, store, run_id) if found else {}
                answered += len(found) - len(replaced) + len(store.answered(list(replaced.values())))
                instead.update((short_id(old), short_id(own)) for old, own in replaced.items())
            distinct += len(left)
            stored += answered
            new[arm] = len(left) - answered
    return Known(
        trials=trials.replaced(instead) if instead else trials, new=tuple(new), distinct=distinct, stored=stored
    )


def _groups(trials: Trials, *, may_overlap: bool) -> Iterator[Sequence[int]]:
    """Indexes of arms that could share a trial: those that would send identical requests. Each group is small."""
    groups: dict[str, list[int]] = {}
    for arm in trials.arms:
        prompt = arm.prompt
        route = [] if may_overlap else [arm.provider, arm.model_sent]
        key = canonical_json([prompt.source, prompt.prompt_id, prompt.version, arm.params, route])
        groups.setdefault(key, []).append(arm.index)
    yield from groups.values()


def _replaced(answered: set[str], store: RunStore, run_id: str) -> dict[str, str]:
    """This run's own ids for trials whose stored answers do not serve it."""
    found: dict[str, str] = {}
    asked = {trial_id: trial_id for trial_id in answered}
    generation = 0
    while unfit := store.not_for(list(asked), run_id):
        generation += 1
        asked = {_own_id(asked[each], generation): asked[each] for each in sorted(unfit)}
        found.update((old, own) for own, old in asked.items())
    return found


def _own_id(trial_id: str, generation: int) -> str:
    return full_id(hashlib.sha256(f"{trial_id}/{generation}".encode("ascii")).digest()[:16])
