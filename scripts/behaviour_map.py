"""Prints which tests hold each statement of docs/behaviour.md, as Markdown, from the tests' text alone.

A statement is a line `- **2.7** ...`; a test names the statements that it holds with `@pytest.mark.line("2.7")`.

    python scripts/behaviour_map.py > docs/behaviour_tests.md
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_STATEMENT = re.compile(r"^- \*\*(?P<line>[0-9]+\.[0-9]+)\*\* (?P<text>.+)$", re.MULTILINE)
_HEAD = """# Which tests hold which statement

Made by `python scripts/behaviour_map.py` from [behaviour.md](behaviour.md) and the tests' `@pytest.mark.line(...)`.

| statement | tests |
|---|---|
"""


def statements(text: str) -> dict[str, str]:
    """Returns the statements of docs/behaviour.md by number, in its order.

    Raises:
        ValueError: If a number stands twice.
    """
    found = [(match["line"], match["text"]) for match in _STATEMENT.finditer(text)]
    numbers = [line for line, _ in found]
    twice = {line for line in numbers if numbers.count(line) > 1}
    if twice:
        raise ValueError(f"These numbers stand twice: {', '.join(sorted(twice))}; give each statement its own.")
    return dict(found)


def holders(tests: Path) -> dict[str, list[str]]:
    """Returns the tests by the number of a statement that they name: `engine/test_call.py::test_name`, sorted.

    Args:
        tests: The folder of the tests.
    """
    held: dict[str, list[str]] = {}
    for path in sorted(tests.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for line in _named(node):
                    held.setdefault(line, []).append(f"{path.relative_to(tests).as_posix()}::{node.name}")
    return {line: sorted(names) for line, names in held.items()}


def markdown(known: dict[str, str], held: dict[str, list[str]]) -> str:
    """Returns the table: a row a statement, with its tests."""
    rows = (f"| {line} | {'<br>'.join(f'`{name}`' for name in held.get(line, []))} |\n" for line in known)
    return _HEAD + "".join(rows)


def _named(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.line":
            yield from (argument.value for argument in decorator.args if isinstance(argument, ast.Constant))


def main() -> None:
    """Prints the map of this repository."""
    known = statements((ROOT / "docs" / "behaviour.md").read_text(encoding="utf-8"))
    sys.stdout.write(markdown(known, holders(ROOT / "tests")))


if __name__ == "__main__":
    main()
