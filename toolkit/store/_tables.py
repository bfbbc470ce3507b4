"""The store's tables as the code writes and reads them: columns in order, and a checksum over every row."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


class DamagedRowError(sqlite3.DatabaseError):
    """A row is not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table whose rows carry a checksum in the column `seal`; NULL there = written before there were any.

    Rows of a table with a place are written with it before them, and read without: it says where they lie.
    """

    name: str
    columns: tuple[str, ...]
    insert: str
    """SQL that adds a row given as `sealed` gives it."""
    replace: str
    """The same, in place of a row with the same key."""
    add: str
    """The same, unless there is a row with the same key."""
    select: str
    """SQL up to the table's name; the seal is the last column."""
    checksum: Callable[[Sequence[Any]], int]

    def sealed(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """Returns the row with its checksum behind it."""
        return (*row, self.checksum(row))

    def opened(self, row: Sequence[Any]) -> Sequence[Any]:
        """Returns a row that `select` gave, the seal left on, once it has been found to be what was written.

        Raises:
            DamagedRowError: If it is not.
        """
        seal = row[-1]
        if seal is not None and seal != self.checksum(row[:-1]):
            raise DamagedRowError(f"malformed row in table {self.name!r}: its checksum does not fit")
        return row


def _table(name: str, columns: str, seal: Callable[[Sequence[Any]], int], *, where: tuple[str, ...] = ()) -> Table:
    names = tuple(columns.split())
    listed, marks = ", ".join((*where, *names, "seal")), ", ".join("?" * (len(where) + len(names) + 1))
    rest = f"INTO {name} ({listed}) VALUES ({marks})"
    return Table(
        name=name,
        columns=names,
        insert=f"INSERT {rest}",
        replace=f"INSERT OR REPLACE {rest}",
        add=f"INSERT OR IGNORE {rest}",
        select=f"SELECT {', '.join(f'{name}.{column}' for column in names)}, {name}.seal FROM {name}",  # noqa: S608  our own names
        checksum=seal,
    )


def checksum(row: Sequence[Any]) -> int:
    """Returns CRC-32 over a row's values, as SQLite gives them back.

    Example:
        >>> checksum(("a", 1, None)) == checksum(("a", 1.0, None))
        False
    """
    # Not `repr`, which spells a character another way once a later Unicode knows it.
    return zlib.crc32(ascii(row if type(row) is tuple else tuple(row)).encode("ascii"))


def long_checksum(row: Sequence[Any]) -> int:
    """As `checksum`, for rows of long texts and bytes, of which it makes no copy in another spelling.

    Example:
        >>> long_checksum(("ab", "c")) == long_checksum(("a", "bc"))
        False
    """
    crc = 0
    for value in row:
        crc = zlib.crc32(b"\xff", zlib.crc32(value.encode("utf-8") if type(value) is str else value, crc))
    return crc


RUN = _table("run", "run_id created_at baseline toolkit_version trials", checksum)
SPEC = _table("run_spec", "run_id spec", checksum)
ARM = _table("arm", "run_id arm prompt_key model model_source provider model_sent params", checksum)
CASE = _table("run_case", "run_id case_index variables expected", checksum)
TRIAL = _table("trial", "run_id position trial_id arm case_index repeat place", checksum)
OUTCOME = _table(
    "outcome",
    "trial_id run_id request_key status queue_s retry_s started_at model_sent model_served finish_reason request_id "
    "latency_s first_token_s input_tokens output_tokens cached_tokens reasoning_tokens cost_usd cost_source failure "
    "refusal further",
    checksum,
    where=("place",),
)
ANSWER = _table("answer", "trial_id text tool_calls raw", long_checksum, where=("place",))
SCORE = _table("score", "run_id trial_id name value explanation scorer scorer_version", checksum)
VOTE = _table(
    "vote",
    "run_id voter case_index repeat pair is_repeat left_trial right_trial verdict seconds voted_at note",
    checksum,
)
DELIVERY = _table("delivery", "run_id target kind record trial_id content state noted_at", checksum)
ATTEMPT = _table(
    "attempt", "run_id trial_id request_key sent_at process reserved_usd", checksum, where=("attempt_id", "place")
)
"""An attempt as it begins; its state, which changes, has the checksum `end_seal` of its own."""

BEGIN_ATTEMPT = ATTEMPT.insert.replace("seal)", "seal, state)").replace("?)", "?, 'sent')")
"""SQL that adds an attempt which is about to be sent; its number and its trial's place stand before the row."""
