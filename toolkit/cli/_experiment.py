"""Reads an experiment file: the arguments of a sweep as YAML, its scorers by name; unknown keys are refused."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.config import MAX_YAML_BYTES, load_yaml
from toolkit.errors import UsageError

if TYPE_CHECKING:  # pandas comes with what they belong to, and `toolkit --help` needs none
    from toolkit.scorers import Scorer

# Arguments of `sweep` that belong to a process, not to an experiment.
_OF_THE_PROCESS = ("engine", "progress", "take_over")

_NUMBERS = ("budget_usd", "timeout_s")
_COUNTS = ("repeats", "concurrency", "max_calls", "max_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What an experiment file asks for."""

    path: Path
    arguments: dict[str, Any]
    """For `sweep` and `plan`."""
    scorers: list[Scorer]

    @property
    def for_plan(self) -> dict[str, Any]:
        """The arguments that `plan` takes as well."""
        from toolkit.sweep import plan

        known = inspect.signature(plan).parameters
        return {name: value for name, value in self.arguments.items() if name in known}


def read_experiment(path: str | Path) -> Experiment:
    """Returns the experiment in a YAML file.

    Its keys are the arguments of `tk.sweep`, and `scorers`: a list of names, or of maps from one name to its options.
    A path in `variables` starts from the file's folder.

    Raises:
        UsageError: If there is no such file, it is not YAML, has a key that there is not, or a value of a wrong kind.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_YAML_BYTES:
            raise UsageError(f"{str(path)!r} is larger than {MAX_YAML_BYTES:,} bytes; put the cases in a file.")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {str(path)!r}; the current folder is {str(Path.cwd())!r}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{str(path)!r} is not UTF-8 (byte {error.start}).") from error
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    found = load_yaml(text, where=repr(str(path)))
    if not isinstance(found, Mapping):
        raise UsageError(f"{str(path)!r} holds no keys; it begins with one such as 'prompts: [reply@8, reply@9]'.")
    return _experiment(path, dict(found))


def _experiment(path: Path, found: dict[str, Any]) -> Experiment:
    known = [*known_keys(), "scorers"]
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            guess = f"did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"{str(path)!r}: there is no key {key!r}; {guess}It has: {', '.join(known)}.")
    if not found.get("prompts"):
        raise UsageError(f"{str(path)!r} names no prompts; add a line such as 'prompts: [reply@8, reply@9]'.")
    scorers = _scorers(found.pop("scorers", None), path)
    if found.get("stop_early") is not None:
        (found["stop_early"],) = _scorers([found["stop_early"]], path)
    for names, kinds, word in ((_COUNTS, int, "a whole number"), (_NUMBERS, (int, float), "a number")):
        for name in names:
            value = found.get(name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
                raise UsageError(f"{str(path)!r}: {name} is {word}; got {value!r}.")
    variables = found.get("variables")
    if isinstance(variables, str):
        found["variables"] = path.parent / variables
    return Experiment(path=path, arguments=found, scorers=scorers)


def known_keys() -> list[str]:
    """Returns the keys of an experiment that are arguments of `sweep`."""
    from toolkit.sweep import sweep

    return [name for name in inspect.signature(sweep).parameters if name not in _OF_THE_PROCESS]


def _scorers(found: Any, path: Path) -> list[Scorer]:
    from toolkit.scorers import as_scorers, load_scorer

    listed = found if isinstance(found, list) else [] if found is None else [found]
    made: list[Any] = []
    for entry in listed:
        if isinstance(entry, str):
            made.append(load_scorer(entry))
        elif isinstance(entry, Mapping) and len(entry) == 1:
            ((name, options),) = entry.items()
            if not isinstance(name, str) or not isinstance(options, Mapping | None):
                raise UsageError(f"{str(path)!r}: the scorer {entry!r} is written as 'name: {{option: value}}'.")
            made.append(load_scorer(name, **{str(key): value for key, value in (options or {}).items()}))
        else:
            raise UsageError(f"{str(path)!r}: a scorer is a name, or a name with its options; got {entry!r}.")
    return as_scorers(made)
