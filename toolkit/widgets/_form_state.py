"""What a sweep form knows and decides, without any widget: the fields read, the call that they mean, its code."""

from __future__ import annotations

import json
import keyword
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from toolkit.errors import UsageError
from toolkit.results import rows_of
from toolkit.widgets._picker_state import Chosen

Rows = Literal["all", "first", "sample"]
"""Which rows of a table are swept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """Which cases are swept: a table, by the name it has in the notebook or by its path, and which of its rows."""

    table: Any = field(default=None, repr=False)
    """In any form that `sweep` takes; `None` = one case without variables."""
    code: str = "None"
    """The expression that gives the table."""
    rows: Rows = "all"
    count: int = 5
    """Rows that are taken, for `first` and `sample`."""
    seed: int = 0
    """What a sample is drawn by: the same rows on any day."""

    def taken(self) -> Any:
        """Returns what `sweep` is given.

        Raises:
            UsageError: If the table cannot be read.
        """
        if self.rows == "all" or self.table is None:
            return self.table
        rows = rows_of(self.table)
        if self.rows == "first":
            return rows[: self.count]
        return random.Random(self.seed).sample(rows, min(self.count, len(rows)))  # noqa: S311  a sample, no secret

    def expression(self) -> tuple[str, tuple[str, ...]]:
        """Returns the Python that gives the same, and the imports that it needs."""
        needed = "from toolkit.results import rows_of"
        if self.rows == "all" or self.table is None:
            return self.code, ()
        if self.rows == "first":
            return f"rows_of({self.code})[:{self.count}]", (needed,)
        count = min(self.count, len(rows_of(self.table)))
        return f"random.Random({self.seed}).sample(rows_of({self.code}), {count})", ("import random", needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Everything that a form says, read and checked: one sweep."""

    prompts: tuple[Chosen, ...]
    models: tuple[str, ...] = ()
    """None = each prompt's own."""
    cases: Cases = Cases()
    params: tuple[Mapping[str, Any], ...] = ()
    repeats: int = 1
    budget_usd: float | None = None
    baseline: str | None = None
    concurrency: int | None = None

    def arguments(self) -> dict[str, Any]:
        """Returns the arguments of `plan` and `sweep`; what is as it would be anyway is left out.

        Raises:
            UsageError: If nothing is picked, or the table cannot be read.
        """
        if not self.prompts:
            raise UsageError("No prompt is picked yet.")
        given: dict[str, Any] = {"prompts": [chosen.reference for chosen in self.prompts]}
        given |= {"models": list(self.models)} if self.models else {}
        given |= {"variables": self.cases.taken()} if self.cases.table is not None else {}
        return given | self._options()

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"params": [dict(each) for each in self.params]} if self.params else {}
        options |= {"repeats": self.repeats} if self.repeats != 1 else {}
        for name in ("baseline", "budget_usd", "concurrency"):
            if getattr(self, name) is not None:
                options[name] = getattr(self, name)
        return options

    def code(self) -> str:
        """Returns the call of `tk.sweep` that does the same as pressing Run."""
        prompts = [repr(each.reference) if each.is_spelt else each.code for each in self.prompts]
        lines = [f"prompts=[{', '.join(prompts)}],"]
        imports: tuple[str, ...] = ()
        if self.models:
            lines.append(f"models={list(self.models)!r},")
        if self.cases.table is not None:
            expression, imports = self.cases.expression()
            lines.append(f"variables={expression},")
        lines += [f"{name}={value!r}," for name, value in self._options().items()]
        body = "\n".join(f"    {line}" for line in lines)
        return "\n".join([*imports, f"results = tk.sweep(\n{body}\n)"])


def read_params(text: str) -> tuple[Mapping[str, Any], ...]:
    """Returns the sets of params that were typed, one JSON object a line; empty lines are passed over.

    Raises:
        UsageError: If a line is no JSON object; names the line.

    Example:
        >>> read_params('{"temperature": 0}')
        ({'temperature': 0},)
    """
    found: list[Mapping[str, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            read = json.loads(line)
        except ValueError as error:
            raise UsageError(
                f'Params, line {number}: {error}. Write one object a line: {{"temperature": 0}}'
            ) from error
        if not isinstance(read, dict):
            raise UsageError(f'Params, line {number}: {line.strip()!r} is no object. Write {{"temperature": 0}}')
        found.append(read)
    return tuple(found)


def read_budget(text: str) -> float | None:
    """Returns the budget in USD that was typed; nothing typed = none.

    Raises:
        UsageError: If it is no number above 0.
    """
    if not text.strip():
        return None
    try:
        budget_usd = float(text.strip().removeprefix("$"))
    except ValueError:
        budget_usd = math.nan
    if not 0 < budget_usd < math.inf:
        raise UsageError(f"Budget: {text.strip()!r} is no number of USD above 0; leave it empty for no limit.")
    return budget_usd


def read_models(picked: Sequence[str], typed: str) -> tuple[str, ...]:
    """Returns the models that were picked from the list and typed besides, each once.

    Example:
        >>> read_models(["small"], "openai/gpt-4o-mini, small")
        ('small', 'openai/gpt-4o-mini')
    """
    return tuple(dict.fromkeys([*picked, *(name.strip() for name in typed.split(",") if name.strip())]))


def name_of(table: Any, namespaces: Iterable[Mapping[str, Any]]) -> str | None:
    """Returns the name that a table has in a notebook; `None` when it has none.

    Args:
        table: What is looked for, by identity.
        namespaces: Variables by name, the nearest first.
    """
    for namespace in namespaces:
        for name, value in list(namespace.items()):
            if value is table and name.isidentifier() and not name.startswith("_") and not keyword.iskeyword(name):
                return name
    return None


def tables_of(cases: Any, namespaces: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, str]]:
    """Returns the tables that a form offers: what is shown for each, with the table and the code that gives it.

    Args:
        cases: One table or a path; or several by name, as a dict of tables or paths. A dict of lists is one table,
            unless each list holds dicts.
        namespaces: Where a table's name is looked for.

    Raises:
        UsageError: If one of them cannot be read.
    """
    if cases is None:
        return {}
    given = dict(cases) if isinstance(cases, Mapping) and not _is_table(cases) else {"": cases}
    found: dict[str, tuple[Any, str]] = {}
    for name, table in given.items():
        rows = len(rows_of(table))
        is_path = isinstance(table, str) or hasattr(table, "__fspath__")
        code = repr(str(table)) if is_path else name_of(table, namespaces) or (name if name.isidentifier() else "cases")
        title = name or (str(table) if is_path else code)
        found[f"{title}, {rows:,} row{'' if rows == 1 else 's'}"] = (str(table) if is_path else table, code)
    return found


def _is_table(columns: Mapping[str, Any]) -> bool:
    """Tells a dict of columns from a dict of tables."""
    lists = [column for column in columns.values() if isinstance(column, list | tuple)]
    holds_rows = all(column and all(isinstance(row, Mapping) for row in column) for column in lists)
    return len(lists) == len(columns) and not (lists and holds_rows)
