"""docs/behaviour.md says nothing that no test holds, and docs/behaviour_tests.md says which tests they are."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("behaviour_map", ROOT / "scripts" / "behaviour_map.py")
behaviour_map = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(behaviour_map)


@pytest.fixture(scope="module")
def known():
    """The statements by number."""
    return behaviour_map.statements((ROOT / "docs" / "behaviour.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def held():
    """The tests by the number that they name."""
    return behaviour_map.holders(ROOT / "tests")


def test_every_statement_has_a_holder(known, held):
    """No statement of docs/behaviour.md stands without a test that names its number."""
    assert [line for line in known if line not in held] == []


def test_every_named_statement_exists(known, held):
    """No test names a number that docs/behaviour.md does not have."""
    assert {line: names for line, names in held.items() if line not in known} == {}


def test_statements_are_numbered_through(known):
    """The numbers of each of the eight sections go from 1 up, without a gap and in order."""
    numbers = [tuple(map(int, line.split("."))) for line in known]
    sections = {section: [number for part, number in numbers if part == section] for section, _ in numbers}
    assert list(sections) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert all(listed == list(range(1, len(listed) + 1)) for listed in sections.values())


def test_the_map_is_up_to_date(known, held):
    """docs/behaviour_tests.md is what the tests say now."""
    written = (ROOT / "docs" / "behaviour_tests.md").read_text(encoding="utf-8")
    assert written == behaviour_map.markdown(known, held), (
        "run: python scripts/behaviour_map.py > docs/behaviour_tests.md"
    )


def test_marks_are_read_from_plain_and_async_functions(tmp_path):
    """A mark is found wherever a test's decorators stand, with one number or several; other marks are none."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "test_a.py").write_text(
        "import pytest\n\n\n@pytest.mark.line('1.1', '1.2')\n@pytest.mark.model\ndef test_one(): ...\n\n\n"
        "class TestRoom:\n    @pytest.mark.line('1.1')\n    async def test_two(self): ...\n"
    )
    assert behaviour_map.holders(tmp_path) == {
        "1.1": ["room/test_a.py::test_one", "room/test_a.py::test_two"],
        "1.2": ["room/test_a.py::test_one"],
    }


def test_a_number_that_stands_twice_is_refused():
    """Two statements of one number are an error that names it."""
    with pytest.raises(ValueError, match=r"twice: 1\.1;"):
        behaviour_map.statements("- **1.1** One.\n- **1.1** Two.\n")
