"""Every row of docs/faults.md is walked by a test, and the list of them is the one that the marks give."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def matrix() -> ModuleType:
    """The script that makes the list."""
    spec = importlib.util.spec_from_file_location("fault_matrix", ROOT / "scripts" / "fault_matrix.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fault_matrix"] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_has_72_rows(matrix: ModuleType) -> None:
    """The page numbers its rows from 1 to 72 without a gap."""
    assert matrix.rows(matrix.PAGE.read_text(encoding="utf-8")) == list(range(1, 73))


def test_every_row_is_walked(matrix: ModuleType) -> None:
    """Each row has at least one test that carries its number, and no test carries another number."""
    assert sorted(matrix.walks(ROOT / "tests")) == list(range(1, 73))


def test_the_list_on_the_page_is_generated(matrix: ModuleType) -> None:
    """The list at the end of the page is what `scripts/fault_matrix.py --write` writes."""
    page = matrix.PAGE.read_text(encoding="utf-8")
    assert page == matrix.with_listing(page, matrix.walks(ROOT / "tests"))


SAMPLE = """
import pytest
pytestmark = [pytest.mark.fault(1)]

@pytest.mark.fault(2, 3)
def test_one(): ...

class TestMore:
    @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.fault(4)), 2])
    def test_two(self, x): ...

def helper(): ...
"""


def test_marks_are_found_wherever_they_stand(matrix: ModuleType, tmp_path: Path) -> None:
    """A mark counts on a module, a function, a method and a single parameter; helpers are no tests."""
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_sample.py").write_text(SAMPLE, encoding="utf-8")
    both = ["tests/test_sample.py::TestMore::test_two", "tests/test_sample.py::test_one"]
    assert matrix.walks(folder) == {1: both, 2: both[1:], 3: both[1:], 4: both[:1]}
