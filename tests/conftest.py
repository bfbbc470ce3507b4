"""What holds for the whole run of the tests."""

from __future__ import annotations

import logging

import pytest
from hypothesis import settings

from toolkit import _redact
from toolkit.errors import ToolkitError

# Files that the product writes; configuration that a test writes holds its keys, of course.
WRITTEN_BY_US = {".sqlite", ".sqlite-wal", ".csv", ".jsonl", ".md", ".parquet", ".ipynb", ".log", ".html", ".xlsx"}

# Values that tests use as credentials and that are none: ordinary text, and the name of a variable.
WORDS = {"plain words 123", "os.environ/PLANTED"}

# The same examples each time, so that a failure is about the change at hand; `make soak` draws new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("anew", deadline=None, print_blob=True)
settings.load_profile("same")

# All that was said in the run: by errors when they were made, by log records, by printing.
SAID: set[str] = set()


class _Listening(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("toolkit"):
            SAID.add(record.getMessage())


def _listen_to_errors() -> None:
    make = ToolkitError.__new__

    def new(cls, *args, **kwargs):
        SAID.add(" ".join(str(value) for value in (*args, *kwargs.values())))
        return make(cls, *args)

    ToolkitError.__new__ = new


def pytest_configure() -> None:
    """Listens from before the first test."""
    logging.getLogger().addHandler(_Listening())
    _listen_to_errors()


def pytest_runtest_logreport(report) -> None:
    """Notes what a test left on its standard output and error."""
    SAID.update(text for _, text in report.sections)


@pytest.fixture(autouse=True)
def output_that_a_test_reads(monkeypatch):
    """Notes also what a test takes from `capsys` for itself."""
    read = pytest.CaptureFixture.readouterr

    def noted(self):
        taken = read(self)
        SAID.update((str(taken.out), str(taken.err)))
        return taken

    monkeypatch.setattr(pytest.CaptureFixture, "readouterr", noted)


@pytest.fixture(scope="session", autouse=True)
def no_credential_is_shown(tmp_path_factory):
    """No error, log record, output, store, export or notebook of the whole run shows a credential that passed by."""
    yield
    secrets = sorted(_redact._KNOWN - WORDS)
    said = "\n".join(SAID)
    assert [secret for secret in secrets if secret in said] == []
    planted = [secret.encode() for secret in secrets]
    leaks = []
    for path in tmp_path_factory.getbasetemp().rglob("*"):
        if path.suffix in WRITTEN_BY_US and path.is_file():
            written = path.read_bytes()
            leaks += [(path.name, secret) for secret in planted if secret in written]
    assert leaks == []
