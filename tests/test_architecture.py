"""The rules that hold the house up, checked over every file of the package by its syntax tree."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "toolkit"

# Floor of every part: a file of the package's top folder, or a room.
FLOORS = {
    "errors": 0,
    "_kinds": 0,
    "_canonical": 0,
    "_collecting": 0,
    "_redact": 0,
    "_sync": 0,
    "_votes": 0,
    "_warnings": 0,
    "_records": 1,
    "_notebook": 1,
    "_plugins": 1,
    "_optional": 1,
    "_wire_log": 1,
    "_http_text": 1,
    "config": 2,
    "_http": 2,
    "_traced": 2,
    "prompts": 3,
    "providers": 3,
    "store": 3,
    "stats": 3,
    "engine": 4,
    "langfuse": 4,
    "scorers": 4,
    "results": 5,
    "sweep": 6,
    "_doctor": 6,
    "testing": 6,
    "widgets": 7,
    "proxy": 7,
    "cli": 8,
    "__main__": 9,
    "__init__": 9,
}

# On the ground floor a file may read the errors; everything reads them.
GROUND_IMPORTS = {("_sync", "errors"), ("errors", "_kinds"), ("errors", "_warnings")}

# Each third-party package is named in one part only.
HOMES = {
    "httpx": {"_http"},
    "certifi": {"_http"},
    "filelock": {"prompts"},
    "yaml": {"config", "prompts"},
    "pandas": {"results"},
    "pyarrow": {"results"},
    "matplotlib": {"results"},
    "openpyxl": {"results"},
    "tabulate": {"results"},
    "numpy": {"stats", "results"},
    "anywidget": {"widgets"},
    "ipywidgets": {"widgets"},
    "traitlets": {"widgets"},
    "IPython": {"sweep", "widgets"},
    "jinja2": {"prompts"},
    "jsonpath": {"scorers"},
    "jsonschema": {"scorers"},
    "langfuse": {"prompts"},
    "litellm": {"providers"},
    "psutil": {"store"},
    "rapidfuzz": {"scorers"},
    "referencing": {"scorers"},
    "sacrebleu": {"scorers"},
    "uvicorn": {"proxy"},
    "wordllama": {"scorers"},
    "httptools": {"_http", "proxy"},
    "xllamacpp": {"providers"},
}

MAX_LINES = 400
MAX_FUNCTION_LINES = 60


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py"))


def part_of(path: Path, package: Path = PACKAGE) -> str:
    """The part a file belongs to: its room, or itself when it lies in the top folder."""
    relative = path.relative_to(package)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(tree: ast.AST, path: Path, package: Path = PACKAGE) -> Iterator[str]:
    """Every module named by an import, wherever it is written, as an absolute dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = ["toolkit", *path.relative_to(package).with_suffix("").parts]
                base = ".".join([*here[: -node.level], *([node.module] if node.module else [])])
            if base == "toolkit":
                yield from (f"toolkit.{alias.name}" for alias in node.names)
            else:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if called in ("import_module", "require") and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)


def violations(path: Path, package: Path = PACKAGE) -> list[str]:
    """What a file's imports break, in words."""
    part = part_of(path, package)
    found = []
    for name in imports(ast.parse(path.read_text(encoding="utf-8")), path, package):
        top, _, rest = name.partition(".")
        if top == "toolkit":
            target = rest.split(".")[0] or "__init__"
            if target not in FLOORS:
                # A public name taken from the roof, which is above everything.
                target = "__init__"
            if target != part and FLOORS[target] >= FLOORS[part] and (part, target) not in GROUND_IMPORTS:
                found.append(f"{part} (floor {FLOORS[part]}) imports {name} (floor {FLOORS[target]})")
        elif top in HOMES and part not in HOMES[top]:
            found.append(f"{part} imports {top}, whose home is {sorted(HOMES[top])}")
        elif top not in HOMES and top not in sys.stdlib_module_names:
            found.append(f"{part} imports {top}, which has no home")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_down_the_floors(path):
    """A part imports only itself and parts on lower floors, and third-party packages only in their one home."""
    assert violations(path) == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_opens_with_a_caption_and_stays_short(path):
    """A file's first statement is a docstring, it has at most 400 lines, and no function more than 60."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "no caption"
    assert len(text.splitlines()) <= MAX_LINES
    long = {
        node.name: length
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := body_lines(node)) > MAX_FUNCTION_LINES
    }
    assert long == {}


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring, which may be as long as it needs."""
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


def test_no_circle_inside_a_room():
    """Within a room, the files that import each other form no circle."""
    graph = {".".join(("toolkit", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in modules()}
    edges = {
        name: {target for target in imports(ast.parse(path.read_text(encoding="utf-8")), path) if target in graph}
        for name, path in graph.items()
        if path.name != "__init__.py"
    }
    remaining = dict(edges)
    while True:
        free = [name for name, targets in remaining.items() if not targets & remaining.keys()]
        if not free:
            break
        for name in free:
            del remaining[name]
    assert sorted(remaining) == []


@pytest.mark.parametrize(
    ("place", "line", "word"),
    [
        ("store/_bad.py", "from toolkit.engine import call", "floor 4"),
        ("store/_bad.py", "from toolkit.prompts import render", "floor 3"),
        ("store/_bad.py", "from ..sweep import plan", "floor 6"),
        ("store/_bad.py", "from toolkit import sweep", "floor 6"),
        ("store/_bad.py", "def f():\n    import toolkit.results", "floor 5"),
        ("store/_bad.py", "if TYPE_CHECKING:\n    from toolkit.engine import Engine", "floor 4"),
        ("sweep/_bad.py", "import pandas", "home"),
        ("sweep/_bad.py", "import requests", "no home"),
        ("sweep/_bad.py", "require('pyarrow', extra='x', purpose='y')", "home"),
    ],
)
def test_each_kind_of_violation_is_caught(tmp_path, place, line, word):
    """An upward arrow is seen wherever it is written: at the top, relative, by the roof, in a function, for types."""
    path = tmp_path / place
    path.parent.mkdir()
    path.write_text(f'"""Caption."""\n{line}\n', encoding="utf-8")
    assert all(word in found for found in violations(path, tmp_path))
    assert violations(path, tmp_path)


def test_import_loads_the_standard_library_only():
    """`import toolkit` loads no third-party package."""
    code = (
        "import sys; before = set(sys.modules); import toolkit; "
        "print(sorted({n.split('.')[0] for n in set(sys.modules) - before}))"
    )
    # -I keeps site customisation and the current folder out of the picture.
    shown = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(ast.literal_eval(shown))
    assert "toolkit" in loaded
    assert {name for name in loaded if name not in sys.stdlib_module_names} == {"toolkit"}


def test_public_names_are_sorted_and_all_load():
    """`toolkit.__all__` is sorted, each of its names loads, and each has a docstring."""
    import toolkit

    assert sorted(toolkit.__all__) == toolkit.__all__
    for name in toolkit.__all__:
        assert getattr(toolkit, name).__doc__, name
    assert not hasattr(toolkit, "no_such_name")


def test_a_room_never_hides_a_public_name():
    """`toolkit.sweep` is the call, also after the room of the same name has been imported in any way."""
    code = (
        "import toolkit.sweep._plan, importlib, toolkit as tk; importlib.import_module('toolkit.sweep'); "
        "from toolkit.sweep import Plan; print(tk.sweep.__name__, callable(tk.sweep), callable(tk.plan))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "sweep True True\n"


def test_version_is_the_newest_of_the_changelog():
    """`toolkit.__version__` is the newest heading of the changelog."""
    import toolkit

    lines = (PACKAGE.parent / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    newest = next(line for line in lines if line.startswith("## [") and "Unreleased" not in line)
    assert newest.startswith(f"## [{toolkit.__version__}]")
