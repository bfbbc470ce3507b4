"""docs/widgets.md names tests that exist, and everything that the widgets call a key is on it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "widgets.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and ".py::" in line]
NAMED = sorted(set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: part)
def test_every_named_test_exists(file, name):
    """Each test that the page names is a function of that file."""
    tree = ast.parse((ROOT / "tests" / "browser" / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_row_names_a_test():
    """Each row of what can be done ends with the tests that do it."""
    starts = [line for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 4]
    done = [line for line in starts if not re.match(r"\| (what|widget|---|[^|]*\| `[^|]*made)", line)]
    of_keys = [line for line in done if line not in ROWS and "tk." not in line and "%load_ext" not in line]
    assert of_keys == []
    assert len(ROWS) > 40


@pytest.mark.parametrize("program", ["grid.js", "vote.js"])
def test_every_key_is_on_the_page(program):
    """Each key that a widget lists under `?` stands on the page as a key."""
    source = (ROOT / "toolkit" / "widgets" / "static" / program).read_text(encoding="utf-8")
    (listed,) = re.findall(r"const KEYS = \[\n(.*?)\n\];", source, flags=re.DOTALL)
    keys = [key for line in re.findall(r'^  \["([^"]+)",', listed, flags=re.MULTILINE) for key in _parts(line)]
    assert len(keys) > 8
    on_page = set(re.findall(r"`([^`]+)`", PAGE))
    assert [key for key in keys if key not in on_page] == []


def _parts(line):
    """The keys of `↑ ↓ or j k` one by one; `1 to 5` are its ends."""
    words = re.sub(r"\bPage (Up|Down)\b", r"Page_\1", line)
    return [each.replace("_", " ") for each in re.split(r"[ ,]+", words) if each not in ("", "or", "to")]
