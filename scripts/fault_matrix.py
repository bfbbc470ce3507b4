"""Lists which tests walk which row of docs/faults.md, found in the tests' own marks; `--write` puts it into the page.

A test walks a row when it, its class, one of its parameters or its module carries `@pytest.mark.fault(n)`.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "faults.md"
BEGIN = "<!-- Written by scripts/fault_matrix.py --write; do not edit by hand. -->"


def rows(page: str) -> list[int]:
    """Returns the numbers of the page's rows, in order."""
    return [int(number) for number in re.findall(r"^\| (\d+) \|", page.partition(BEGIN)[0], re.M)]


def walks(folder: Path) -> dict[int, list[str]]:
    """Returns the tests of each row as `path::name`, sorted; each stands once, however many cases it has."""
    found: dict[int, set[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        place = path.relative_to(folder.parent).as_posix()
        for name, number in _marked(tree.body, of_all=_numbers_of_module(tree)):
            found.setdefault(number, set()).add(f"{place}::{name}")
    return {number: sorted(tests) for number, tests in sorted(found.items())}


def listing(found: dict[int, list[str]], numbers: list[int]) -> str:
    """Returns the list as Markdown, one row of the matrix a line."""
    lines = [BEGIN, "", "| # | walked by |", "|---|---|"]
    for number in numbers:
        tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in found.get(number, []))
        lines.append(f"| {number} | {tests or 'nothing'} |")
    return "\n".join(lines) + "\n"


def with_listing(page: str, found: dict[int, list[str]]) -> str:
    """Returns the page with the list at its end brought up to date."""
    return page.partition(BEGIN)[0] + listing(found, rows(page))


def _marked(body: list[ast.stmt], *, of_all: set[int], prefix: str = "") -> Iterator[tuple[str, int]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            here = of_all | {number for mark in node.decorator_list for number in _numbers(mark)}
            yield from _marked(node.body, of_all=here, prefix=f"{prefix}{node.name}::")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            # The marks of single parameters stand inside `parametrize`, which is a decorator as well.
            for number in of_all | {number for mark in node.decorator_list for number in _numbers(mark)}:
                yield prefix + node.name, number


def _numbers_of_module(tree: ast.Module) -> set[int]:
    marks = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(name, ast.Name) and name.id == "pytestmark" for name in node.targets)
    ]
    return {number for mark in marks for number in _numbers(mark)}


def _numbers(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
            yield from (part.value for part in node.args if isinstance(part, ast.Constant) and type(part.value) is int)


def main() -> int:
    """Prints the list, or writes it; 1 when a row has no test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="bring docs/faults.md up to date")
    arguments = parser.parse_args()
    page, found = PAGE.read_text(encoding="utf-8"), walks(ROOT / "tests")
    if arguments.write:
        PAGE.write_text(with_listing(page, found), encoding="utf-8")
    else:
        print(listing(found, rows(page)), end="")
    missing = [number for number in rows(page) if number not in found]
    if missing:
        print(f"Rows without a test: {missing}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
