"""The portable run file `.sweep`: a zip of Parquet tables and a JSON manifest; data only, read with caps."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

from toolkit._optional import require
from toolkit._records import Arm, Case, Outcome, Prompt, RunView, Score, Trial
from toolkit._redact import known_masker, redact
from toolkit._votes import Vote
from toolkit.errors import UsageError
from toolkit.results._export_cells import writable, written
from toolkit.results._portable_records import fields_of, masked, record_of

FORMAT = "promptsweep-run"
FORMAT_VERSION = 1

MOST_BYTES = 4 * 1024**3
"""Most bytes that a file may unpack to."""
MOST_ROWS = 50_000_000
"""Most rows of one table."""

# A file may shrink well when its texts repeat; beyond both of these it is made to grow.
_RATIO_FROM_BYTES = 64 * 1024**2
_MOST_RATIO = 250
_MOST_MANIFEST_BYTES = 1024**2
_ROWS_AT_A_TIME = 1_024

_MANIFEST = "manifest.json"
# Each table's columns; what is nested is JSON in the column `record`.
_TABLES: Mapping[str, Mapping[str, str]] = {
    "prompts": {"record": "string"},
    "arms": {"record": "string"},
    "cases": {"record": "string"},
    "trials": {"trial_id": "string", "arm": "int64", "case": "int64", "repeat": "int64", "attempted": "bool"},
    "outcomes": {"trial_id": "string", "record": "string"},
    "scores": {"trial_id": "string", "record": "string"},
    "votes": {"record": "string"},
}
# Tables that are there only when they have a row, so that a file without them is as it was before they came.
_OPTIONAL = frozenset({"votes"})


def portable_bytes(view: RunView) -> bytes:
    """Returns the run as the content of a `.sweep` file.

    Credentials of this process and of its environment are masked wherever they stand, an answer included.

    Raises:
        MissingDependencyError: If pyarrow is not installed.
    """
    arrow = require("pyarrow", extra="parquet", purpose="to write .sweep files")
    parquet = require("pyarrow.parquet", extra="parquet", purpose="to write .sweep files")
    present = {name: rows for name, rows in _rows_of(view).items() if name not in _OPTIONAL or getattr(view, name)}
    tables = {name: _table_bytes(arrow, parquet, name, rows) for name, rows in present.items()}
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "written_by": f"promptsweep {metadata.version('promptsweep')}",
        "run_id": known_masker()(view.run_id),
        "created_at": view.created_at.isoformat(),
        "baseline": view.baseline,
        "is_grid": view.is_grid,
        "tables": {name: {"sha256": hashlib.sha256(content).hexdigest()} for name, content in tables.items()},
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        parts = {_MANIFEST: json.dumps(manifest, indent=1).encode("ascii")}
        parts |= {f"{name}.parquet": content for name, content in tables.items()}
        for name, content in parts.items():
            # Its clock stands still unless it is set, so that one run gives one file.
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, content)
    return made.getvalue()


def load_view(path: str | Path) -> RunView:
    """Returns the run of a `.sweep` file; nothing in the file is run, and nothing is unpacked to the disk.

    Raises:
        UsageError: If there is no such file, it is not a `.sweep` file, it is damaged, newer than this version, or
            unpacks to more than is sensible.
        MissingDependencyError: If pyarrow is not installed.
    """
    arrow = require("pyarrow", extra="parquet", purpose="to read .sweep files")
    parquet = require("pyarrow.parquet", extra="parquet", purpose="to read .sweep files")
    path = Path(path)
    try:
        with _Part(path, "rb") as whole, zipfile.ZipFile(whole) as file:
            whole.is_open = True
            names = _check_entries(file)
            manifest = _manifest(file)
            tables = {name: _part(file, f"{name}.parquet", manifest["tables"][name]["sha256"]) for name in names}
        return _view_of(manifest, {name: _read_table(parquet, name, tables[name]) for name in names})
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    except (*_NOT_OURS, arrow.ArrowException) as error:
        reason = redact(str(error).splitlines()[0][:300]) if str(error) else type(error).__name__
        raise UsageError(f"{str(path)!r} is not a whole .sweep file: {reason}") from error


class _Part(io.FileIO):
    """A file of which only little can be read until its table of contents, which comes first, has been read."""

    is_open = False

    def read(self, size: int | None = -1, /) -> bytes:
        """Returns bytes as any file does.

        Raises:
            ValueError: If it is the table of contents, and larger than that of a run can be.
        """
        if not self.is_open and size is not None and size > _MOST_MANIFEST_BYTES:
            raise ValueError("its table of contents is larger than a megabyte.")
        return super().read(size) or b""


# What a file with other content than ours makes the readers raise.
_NOT_OURS = (
    zipfile.BadZipFile, zlib.error, ValueError, KeyError, TypeError, IndexError, RecursionError, NotImplementedError,
    OverflowError, EOFError, RuntimeError,
)  # fmt: skip


def _rows_of(view: RunView) -> dict[str, Iterator[tuple[Any, ...]]]:
    mask = known_masker()

    def row(record: Any, **instead: Any) -> str:
        # ASCII, so that lone surrogates and NUL survive as JSON's own escapes.
        return json.dumps(masked(fields_of(record) | instead, mask), default=str)

    prompts: dict[str, int] = {}
    places = {arm.index: prompts.setdefault(row(arm.prompt), len(prompts)) for arm in view.arms}
    cases = {trial.case.index: trial.case for trial in view.trials}
    trial_ids = list(dict.fromkeys(trial.trial_id for trial in view.trials))
    return {
        "prompts": ((prompt,) for prompt in prompts),
        "arms": ((row(replace(arm, provider=redact(arm.provider)), prompt=places[arm.index]),) for arm in view.arms),
        "cases": ((row(case),) for case in cases.values()),
        "trials": (
            (trial.trial_id, trial.arm.index, trial.case.index, trial.repeat, trial.trial_id in view.attempted)
            for trial in view.trials
        ),
        "outcomes": (
            (trial_id, row(_told(view.outcomes[trial_id]))) for trial_id in trial_ids if trial_id in view.outcomes
        ),
        "scores": ((trial_id, row(score)) for trial_id in trial_ids for score in view.scores.get(trial_id, ())),
        "votes": ((row(vote),) for vote in view.votes),
    }


def _told(outcome: Outcome) -> Outcome:
    if outcome.failure is None:
        return outcome
    return replace(outcome, failure=replace(outcome.failure, message=redact(outcome.failure.message)))


def _table_bytes(arrow: Any, parquet: Any, name: str, rows: Iterator[tuple[Any, ...]]) -> bytes:
    kinds = _TABLES[name]
    schema = arrow.schema(
        [arrow.field(column, _arrow_type(arrow, kind), nullable=False) for column, kind in kinds.items()]
    )
    made = io.BytesIO()
    # Plain and uncompressed: the zip shrinks it, and a reader sees from the zip how large it will be.
    with parquet.ParquetWriter(made, schema, compression="none", use_dictionary=False, write_statistics=False) as file:
        while chunk := list(islice(rows, _ROWS_AT_A_TIME)):
            columns = zip(*chunk, strict=True)
            arrays = [
                arrow.array(map(writable, values) if kind == "string" else values, _arrow_type(arrow, kind))
                for kind, values in zip(kinds.values(), columns, strict=True)
            ]
            file.write_batch(arrow.record_batch(arrays, schema=schema))
    return made.getvalue()


def _arrow_type(arrow: Any, kind: str) -> Any:
    return {"string": arrow.large_string(), "int64": arrow.int64(), "bool": arrow.bool_()}[kind]


def _check_entries(file: zipfile.ZipFile) -> list[str]:
    """Returns the names of the tables that are there, once the parts have been found to be those of a run."""
    entries = file.infolist()
    names = sorted(entry.filename for entry in entries)
    tables = [name for name in _TABLES if name not in _OPTIONAL or f"{name}.parquet" in names]
    if names != sorted([_MANIFEST, *(f"{name}.parquet" for name in tables)]):
        raise ValueError(f"it holds {len(names)} parts, and not the {len(tables) + 1} of a run.")
    total = sum(entry.file_size for entry in entries)
    if total > MOST_BYTES:
        raise ValueError(f"it would unpack to {total:,} bytes; the most is {MOST_BYTES:,}.")
    packed = max(1, sum(entry.compress_size for entry in entries))
    if total > _RATIO_FROM_BYTES and total / packed > _MOST_RATIO:
        raise ValueError(f"it would grow {total / packed:,.0f} times when unpacked; that is no run.")
    return tables


def _manifest(file: zipfile.ZipFile) -> dict[str, Any]:
    if file.getinfo(_MANIFEST).file_size > _MOST_MANIFEST_BYTES:
        raise ValueError("its manifest is larger than a megabyte.")
    manifest = json.loads(_content(file, _MANIFEST))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"its manifest does not say {FORMAT!r}.")
    version = manifest.get("format_version")
    if version != FORMAT_VERSION:
        raise ValueError(f"its format is version {version!r}, and this promptsweep reads {FORMAT_VERSION}; update it.")
    return manifest


def _part(file: zipfile.ZipFile, name: str, digest: str) -> bytes:
    content = _content(file, name)
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"the part {name!r} is not the one that was written.")
    return content


def _content(file: zipfile.ZipFile, name: str) -> bytes:
    declared = file.getinfo(name).file_size
    with file.open(name) as part:
        content = part.read(declared + 1)
    if len(content) > declared:
        raise ValueError(f"the part {name!r} is longer than it says.")
    return content


def _read_table(parquet: Any, name: str, content: bytes) -> list[tuple[Any, ...]]:
    kinds = _TABLES[name]
    file = parquet.ParquetFile(io.BytesIO(content), thrift_string_size_limit=10**7, thrift_container_size_limit=10**6)
    if file.schema_arrow.names != list(kinds) or file.metadata.num_rows > MOST_ROWS:
        raise ValueError(f"the table {name!r} has other columns, or more than {MOST_ROWS:,} rows.")
    _check_encoding(file.metadata, name)
    rows: list[tuple[Any, ...]] = []
    read_bytes = 0
    for batch in file.iter_batches(batch_size=_ROWS_AT_A_TIME):
        # Plain values are no larger in memory than in the file; more is a file that says one thing and is another.
        read_bytes += batch.nbytes
        if read_bytes > MOST_BYTES or read_bytes > _RATIO_FROM_BYTES + 16 * len(content):
            raise ValueError(f"the table {name!r} grows while it is read.")
        columns = [
            [_text(value) for value in values] if kind == "string" else values
            for kind, values in zip(kinds.values(), (column.to_pylist() for column in batch.columns), strict=True)
        ]
        rows += zip(*columns, strict=True)
    return rows


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is a {type(value).__name__}.")
    return written(value)


def _check_encoding(footer: Any, name: str) -> None:
    """Refuses what we do not write: compression and dictionaries can make a small file a large table."""
    for group in range(footer.num_row_groups):
        for place in range(footer.num_columns):
            column = footer.row_group(group).column(place)
            if column.compression != "UNCOMPRESSED" or not set(column.encodings) <= {"PLAIN", "RLE", "BIT_PACKED"}:
                raise ValueError(f"the table {name!r} is compressed in a way that .sweep files are not.")


def _view_of(manifest: Mapping[str, Any], tables: Mapping[str, Sequence[tuple[Any, ...]]]) -> RunView:
    prompts = [record_of(Prompt, json.loads(record)) for (record,) in tables["prompts"]]
    arms: dict[int, Arm] = {}
    for (record,) in tables["arms"]:
        fields = json.loads(record)
        arm = record_of(Arm, fields | {"prompt": prompts[fields["prompt"]]})
        arms[arm.index] = arm
    cases = {case.index: case for case in (record_of(Case, json.loads(record)) for (record,) in tables["cases"])}
    trials = tuple(
        Trial(trial_id=trial_id, arm=arms[arm], case=cases[case], repeat=int(repeat))
        for trial_id, arm, case, repeat, _ in tables["trials"]
    )
    scores: dict[str, tuple[Score, ...]] = {}
    for trial_id, record in tables["scores"]:
        scores[trial_id] = (*scores.get(trial_id, ()), record_of(Score, json.loads(record)))
    run_id, baseline = manifest["run_id"], manifest["baseline"]
    if not isinstance(run_id, str) or not isinstance(baseline, int):
        raise TypeError("the manifest's run_id is not text, or its baseline is not a number.")
    created_at = dt.datetime.fromisoformat(manifest["created_at"])
    if created_at.tzinfo is None:
        raise ValueError("the manifest's created_at has no time zone.")
    return RunView(
        run_id=run_id,
        created_at=created_at,
        arms=tuple(arms.values()),
        trials=trials,
        outcomes={trial_id: record_of(Outcome, json.loads(record)) for trial_id, record in tables["outcomes"]},
        attempted=frozenset(trial_id for trial_id, *_, attempted in tables["trials"] if attempted),
        scores=scores,
        baseline=baseline,
        is_grid=bool(manifest["is_grid"]),
        votes=tuple(record_of(Vote, json.loads(record)) for (record,) in tables.get("votes", ())),
    )
