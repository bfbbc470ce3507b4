"""What holds for the whole run of the tests."""

from __future__ import annotations

import pytest

from toolkit import _redact

# Files that the product writes; configuration that a test writes holds its keys, of course.
WRITTEN_BY_US = {".sqlite", ".sqlite-wal", ".csv", ".jsonl", ".md", ".parquet", ".ipynb", ".log"}

# Values that tests use as credentials and as ordinary text alike.
WORDS = {"plain words 123"}


@pytest.fixture(scope="session", autouse=True)
def no_credential_is_written(tmp_path_factory):
    """No store, export, notebook or log that the whole run leaves behind holds a credential that passed through it."""
    yield
    secrets = {value.encode() for value in _redact._KNOWN - WORDS}
    leaks = [
        (path.name, secret)
        for path in tmp_path_factory.getbasetemp().rglob("*")
        if path.suffix in WRITTEN_BY_US and path.is_file()
        for secret in secrets
        if secret in path.read_bytes()
    ]
    assert leaks == []
