"""The push that other tests kill: run as a program, it shoots itself at the moment that it is told.

`python -m tests.langfuse.killed_push STORE HOST MOMENT`: a moment is `claimed-N` (noted as leaving, nothing sent),
`taken-N` (the server has it, nothing noted), `noted-N` (noted as arrived), each of the N-th group of generations,
`scores-taken-N` and `scores-noted-N` of scores, or `never`.
"""

from __future__ import annotations

import collections
import datetime as dt
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.langfuse.pushing import push
from toolkit.store import Delivery, RunStore


class Shooting:
    """A ledger that ends the process at one moment."""

    def __init__(self, store: RunStore, moment: str) -> None:
        self._store = store
        self._moment = moment
        self._counts: collections.Counter[str] = collections.Counter()

    def deliveries(self, run_id: str, target: str | None = None) -> list[Delivery]:
        return self._store.deliveries(run_id, target)

    async def claim_deliveries(
        self,
        run_id: str,
        target: str,
        deliveries: Sequence[Delivery],
        *,
        instead_of: Mapping[tuple[str, str], dt.datetime] | None = None,
    ) -> set[tuple[str, str]]:
        claimed = await self._store.claim_deliveries(run_id, target, deliveries, instead_of=instead_of)
        self._reach("claimed")
        return claimed

    async def note_deliveries(self, run_id: str, target: str, deliveries: Sequence[Delivery]) -> None:
        kind = deliveries[0].kind
        before = {"span": "taken", "score": "scores-taken"}.get(kind)
        if before is not None:
            self._reach(before)
        await self._store.note_deliveries(run_id, target, deliveries)
        if before is not None:
            self._reach(before.replace("taken", "noted"))

    async def forget_deliveries(self, run_id: str, target: str, records: Sequence[tuple[str, str]]) -> None:
        await self._store.forget_deliveries(run_id, target, records)

    def _reach(self, moment: str) -> None:
        self._counts[moment] += 1
        if f"{moment}-{self._counts[moment]}" == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)


def main(path: str, host: str, moment: str) -> None:
    """Pushes the one run of the store."""
    store = RunStore(Path(path))
    ((run_id, _),) = store.runs()
    push(host, store.load_run(run_id), Shooting(store, moment))
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
