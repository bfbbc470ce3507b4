"""Reads Parquet from anyone: its own account of itself first, then a few rows at a time, and counts what they take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toolkit._optional import require
from toolkit.results import _caps
from toolkit.results._pandas import pd

_ROWS_AT_A_TIME = 1_024

# A file's list of columns and its texts are read before anything can be counted.
_MOST_STRING_BYTES = 10**7
_MOST_CONTAINER = 10**6


def read_parquet(path: Path, *, flat: bool) -> pd.DataFrame:
    """Returns the table of a Parquet file.

    A few bytes of it may stand for very many: a value that is written once and repeated, zeros that are packed. So rows
    and bytes are checked by what the file says, and then by what comes out of it.

    Args:
        path: A regular file.
        flat: Whether columns of lists and structs are refused.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no Parquet file, or holds more than `_caps` allows.
        MissingDependencyError: If pyarrow is not installed.
    """
    arrow = require("pyarrow", extra="parquet", purpose="to read Parquet files")
    parquet = require("pyarrow.parquet", extra="parquet", purpose="to read Parquet files")
    _caps.check_size(path)
    limits = {"thrift_string_size_limit": _MOST_STRING_BYTES, "thrift_container_size_limit": _MOST_CONTAINER}
    try:
        with parquet.ParquetFile(path, **limits) as file:
            schema, footer = file.schema_arrow, file.metadata
            _check_footer(footer, schema, flat=flat)
        texts = [field.name for field in schema if _is_text(arrow, field.type)]
        with parquet.ParquetFile(path, read_dictionary=texts, **limits) as file:
            taken, batches = 0, []
            for batch in file.iter_batches(batch_size=_ROWS_AT_A_TIME):
                taken += sum(_bytes_of(arrow, column) for column in batch.columns)
                if taken > _caps.MOST_BYTES:
                    raise ValueError(f"it grows beyond {_caps.MOST_BYTES:,} bytes while it is read.")
                plain = [_plain(arrow, column, field) for column, field in zip(batch.columns, schema, strict=True)]
                batches.append(arrow.record_batch(plain, schema=schema))
            found: pd.DataFrame = arrow.Table.from_batches(batches, schema=schema).to_pandas()
    except arrow.ArrowException as error:
        raise ValueError(f"it is not a Parquet file that can be read: {error}") from error
    return found


def _check_footer(footer: Any, schema: Any, *, flat: bool) -> None:
    """Refuses by what the file says of itself."""
    _caps.check_shape(footer.num_rows, footer.num_columns)
    if flat and footer.num_columns != len(schema.names):
        raise ValueError("it has columns of lists or structs.")
    told = sum(footer.row_group(place).total_byte_size for place in range(footer.num_row_groups))
    if told > _caps.MOST_BYTES:
        raise ValueError(f"it would unpack to {told:,} bytes; the most is {_caps.MOST_BYTES:,}.")


def _is_text(arrow: Any, kind: Any) -> bool:
    types = arrow.types
    return bool(
        types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind)
    )


def _bytes_of(arrow: Any, column: Any) -> int:
    """What a column takes once every value stands for itself."""
    if not arrow.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = arrow.compute.binary_length(column.dictionary)
    return int(arrow.compute.sum(lengths.take(column.indices.cast("int64"))).as_py() or 0)


def _plain(arrow: Any, column: Any, field: Any) -> Any:
    if not arrow.types.is_dictionary(column.type) or arrow.types.is_dictionary(field.type):
        return column
    return column.dictionary_decode().cast(field.type)
