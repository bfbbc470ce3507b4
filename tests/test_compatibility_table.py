"""The compatibility tables are whole, and the script that measures them can be run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")


def tables():
    """Header and rows of each table of the page, as lists of cells."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", PAGE, flags=re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        found.append((rows[0], rows[2:]))
    return found


def test_no_cell_of_the_tables_is_empty():
    """Every row has a cell for each column of its table, and says something in each."""
    assert [len(header) for header, _ in tables()] == [4, 3, 3, 3]
    for header, rows in tables():
        assert [row for row in rows if len(row) != len(header) or not all(row)] == []


def test_no_line_stands_twice():
    """Each thing is told once in a table, so that no two rows can contradict each other."""
    for _, rows in tables():
        names = [row[0] for row in rows]
        assert [name for name in names if names.count(name) > 1] == []


def test_what_litellm_does_is_told_with_its_version():
    """The page says which versions were measured, and with which script, which exists."""
    assert re.search(r"measured with litellm \d+\.\d+\.\d+ .* langfuse \d+\.\d+\.\d+", PAGE)
    (script,) = re.findall(r"`(scripts/measure_\w+\.py)`", PAGE)
    assert (ROOT / script).is_file()


def test_the_measurements_tell_what_arrived_at_the_servers():
    """The script puts the toolkit through LiteLLM's cases, and shows what its caller saw and what was sent."""
    script = ROOT / "scripts" / "measure_litellm.py"
    command = [sys.executable, str(script), sys.executable, "--toolkit", "--only", "calls", "--case", "text prompt, no"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0, shown.stderr
    case, seen, arrived = shown.stdout.splitlines()[-1].strip("| ").split(" | ")
    assert case == "text prompt, no messages"
    assert re.fullmatch(r"text: [0-9a-f]{8} Say a\., model: gpt-3\.5-turbo", seen)
    assert arrived == (
        "langfuse [valid] /text<br>"
        'openai [k-environment] {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "Say a."}]}'
    )
