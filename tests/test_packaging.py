"""What is built is what is used: the wheel, installed in an empty environment without extras."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel that this tree builds."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    """The wheel has every module, the demo's samples and the type marker, and no tests or notebooks."""
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    expected = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "toolkit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == expected
    assert {"toolkit/py.typed", "toolkit/cli/sample/reviews.csv"} <= inside


def test_it_works_where_only_its_requirements_are_installed(wheel, tmp_path):
    """Without extras the package imports, the command answers, and the embedded model says what to install."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "v")], check=True)
    python = tmp_path / "v" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True, capture_output=True)

    def run(*command):
        return subprocess.run(
            [python, *command],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )

    assert run("-c", "import toolkit; print(toolkit.__version__)").stdout.strip()
    assert "demo" in run("-m", "toolkit", "--help").stdout
    asked = run("-m", "toolkit", "demo", "--cases", "1")
    assert asked.returncode == 2
    assert "pip install 'promptsweep[local]'" in asked.stderr
    assert "Traceback" not in asked.stderr
    assert not (tmp_path / "demo-results").exists()
