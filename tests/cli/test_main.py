"""The command: one line per error, and exit codes that a script can read."""

from __future__ import annotations

import pytest

from toolkit.cli import main


def test_help_lists_the_commands(capsys):
    """Without a command the help is printed, and the exit code says that nothing was done."""
    assert main([]) == 2
    assert "demo" in capsys.readouterr().out


def test_version_is_the_package_s(capsys):
    """--version prints the distribution's name and version."""
    import toolkit

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"promptsweep {toolkit.__version__}\n"


@pytest.mark.parametrize("number", ["0", "17"])
def test_a_wrong_number_is_one_line_and_exit_code_2(capsys, tmp_path, monkeypatch, number):
    """A number of cases that the sample does not have is refused in one line; nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--cases", number]) == 2
    assert capsys.readouterr().err == f"toolkit: --cases is a number from 1 to 16; got {number}.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_used_is_exit_code_1(capsys, tmp_path, monkeypatch):
    """A broken run store is one line that names the file, and exit code 1."""
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path))
    (tmp_path / "runs.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 100)
    assert main(["demo", "--cases", "1"]) == 1
    shown = capsys.readouterr().err
    assert "runs.sqlite" in shown
    assert len(shown.splitlines()) == 1
