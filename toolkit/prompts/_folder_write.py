"""Writes prompts into a folder: a new version is a new file, whole or not at all; labels stand in the index file."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import yaml
from filelock import FileLock, Timeout

from toolkit._records import FrozenDict, Prompt, TemplateFormat, freeze
from toolkit.errors import PromptError, PromptSourceError, UsageError
from toolkit.prompts._files import OWN_KEYS, SOURCE, parse_prompt, read_labels
from toolkit.prompts._source import Evidence
from toolkit.prompts._values import thawed
from toolkit.prompts._written import PulledFrom

EVIDENCE = "evidence"
"""Folder beside the index in which the reasons of promotions stand, one file a prompt and label."""

_LABEL = re.compile(r"[A-Za-z0-9_.-]+")

# Whoever holds the lock reads and writes a small file.
_LOCK_S = 10.0


def check_label(label: str) -> str:
    """Returns `label` when a reference can spell it and a folder may move it.

    Raises:
        UsageError: If it would read as a version or a range, is `latest`, or has other signs than letters, digits and
            `. _ -`.
    """
    if label == "latest":
        raise UsageError("The label 'latest' belongs to the folder: it stands on the newest version.")
    if not isinstance(label, str) or not _LABEL.fullmatch(label) or label.isdigit() or ".." in label:
        raise UsageError(
            f"{label!r} cannot be a label: it is made of letters, digits and . _ - and is neither a number nor a range."
        )
    return label


def prompt_text(
    prompt_id: str,
    template: str | Sequence[Mapping[str, Any]],
    *,
    kind: Literal["text", "chat"] | None,
    config: Mapping[str, Any],
    tags: Sequence[str],
    commit_message: str | None,
    template_format: TemplateFormat,
    pulled_from: PulledFrom | None = None,
) -> str:
    """Returns the text of a `.prompt` file that reads back as exactly this prompt.

    A chat of plain messages is written with `System:` and `User:` lines where that reads back the same, else as
    `messages:` in the front matter.

    Raises:
        UsageError: If kind and template do not fit, or no file can hold what is given.
    """
    is_text = isinstance(template, str)
    if kind not in (None, "text", "chat") or (kind is not None and (kind == "text") != is_text):
        raise UsageError(f"Prompt {prompt_id!r}: kind is {kind!r} and the template is {'text' if is_text else 'chat'}.")
    front: dict[str, Any] = {
        "tags": [*tags],
        "commit_message": commit_message,
        "template_format": None if template_format == "mustache" else template_format,
        "pulled_from": None if pulled_from is None else asdict(pulled_from),
    }
    front = {key: value for key, value in front.items() if value not in (None, [])}
    plain = thawed(dict(config))
    front |= {"config": plain} if OWN_KEYS & plain.keys() else plain
    wanted = _content(template, config, template_format)
    for more, body in _forms(template):
        text = f"---\n{_yaml({**front, **more}, prompt_id)}---\n{body}\n"
        if _reads_as(text, wanted):
            return text
    raise UsageError(
        f"Prompt {prompt_id!r}: a .prompt file cannot hold this template and config exactly; it takes plain JSON "
        "values, messages with a role, and line ends as \\n."
    )


def write_new(path: Path, text: str) -> bool:
    """Writes a file that is not there yet, whole or not at all; False when there is one already."""
    temporary = _write_beside(path, text)
    try:
        # A hard link is the one way to give a finished file its name only if nobody else has taken it.
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if path.exists():
            return False
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def move_label(index: Path, prompt_id: str, label: str, version: str | None) -> None:
    """Puts a label into the index file, or takes it out; the file is replaced whole, its comments are lost.

    Raises:
        PromptSourceError: If the index that is there cannot be read.
    """
    labels = read_labels(index)
    of_prompt = labels.setdefault(prompt_id, {})
    if version is None:
        of_prompt.pop(label, None)
    else:
        of_prompt[label] = version
    numbered = {
        name: {key: int(value) for key, value in sorted(held.items())} for name, held in sorted(labels.items()) if held
    }
    temporary = _write_beside(index, _yaml({"labels": numbered}, prompt_id))
    temporary.replace(index)


@contextlib.contextmanager
def writing(index: Path) -> Iterator[None]:
    """Keeps every other thread and process that writes labels out meanwhile; its file, `.labels.yaml.lock`, stays.

    Raises:
        PromptSourceError: If another one keeps it for more than ten seconds, or the folder cannot be written to.
    """
    lock = FileLock(index.with_name(f".{index.name}.lock"), timeout=_LOCK_S, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise PromptSourceError(
            f"{index} is kept locked by another process; see which one writes prompts there, then try again.",
            source=SOURCE,
        ) from error
    except OSError as error:
        raise PromptSourceError(f"{index} cannot be locked: {error.strerror}.", source=SOURCE) from error
    try:
        yield
    finally:
        lock.release()


def append_evidence(root: Path, evidence: Evidence) -> Path:
    """Adds one entry to the reasons of a prompt and label, unless it is there; the file is replaced whole.

    The file is a YAML list, oldest first, so that a version control shows a promotion as lines that were added.

    Raises:
        PromptSourceError: If it cannot be read or written.
    """
    path = root / EVIDENCE / f"{evidence.prompt_id}.{evidence.label}.yaml"
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise PromptSourceError(f"{path.parent} is a link that leads out of {root}.", source=SOURCE)
    try:
        kept = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise PromptSourceError(f"{path} cannot be read: {error}.", source=SOURCE) from error
    if f"- key: {evidence.key}\n" not in kept:
        entry = thawed({"key": evidence.key, **evidence.facts})
        added = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=1_000)
        _write_beside(path, kept + added).replace(path)
    return path


def _forms(template: str | Sequence[Mapping[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """Returns the ways to write a template, the most readable first: keys of the front matter, and body."""
    if isinstance(template, str):
        body = f"\n{template}" if template.startswith("\n") else template
        return [({}, body), ({"kind": "text"}, body)]
    plain = thawed(list(template))
    forms: list[tuple[dict[str, Any], str]] = []
    if all(message.keys() == {"role", "content"} and isinstance(message["content"], str) for message in plain):
        blocks = [f"{str(message['role']).capitalize()}: {message['content']}" for message in plain]
        forms.append(({}, "\n\n".join(blocks)))
    return [*forms, ({"messages": plain}, "")]


def _reads_as(text: str, wanted: Prompt) -> bool:
    if "\r" in text:
        return False
    try:
        prompt = parse_prompt(text, where="", prompt_id="", version=None, source=SOURCE).prompt
    except PromptError:
        return False
    return _content(prompt.template, prompt.config, prompt.template_format) == wanted


def _content(template: Any, config: Mapping[str, Any], template_format: TemplateFormat) -> Prompt:
    return Prompt(
        prompt_id="",
        version="",
        kind="text" if isinstance(template, str) else "chat",
        template=freeze(template),
        source=SOURCE,
        config=FrozenDict(config),
        template_format=template_format,
    )


def _yaml(values: Mapping[str, Any], prompt_id: str) -> str:
    try:
        return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=1_000) if values else ""
    except yaml.YAMLError as error:
        raise UsageError(
            f"Prompt {prompt_id!r}: config and messages must be plain JSON values: {str(error).splitlines()[0]}"
        ) from error


def _write_beside(path: Path, text: str) -> Path:
    """Returns a finished temporary file in the same folder; its leading dot hides it from every reader."""
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"The text for {path} holds half a surrogate pair at character {error.start}; take it out."
        ) from error
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for the owner only; a prompt is a file like others.
        Path(name).chmod(0o666 & ~_umask())
    except OSError as error:
        with contextlib.suppress(OSError):
            if name:
                Path(name).unlink()
        raise PromptSourceError(f"{path} cannot be written: {error.strerror}.", source=SOURCE) from error
    return Path(name)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
