"""Prompts from a folder of `.prompt` files: the embedded default."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from toolkit._http import HttpClient
from toolkit._records import Prompt, PromptInfo, TemplateFormat
from toolkit.config import Settings
from toolkit.errors import PromptError, PromptNotFoundError, PromptSourceError, UsageError
from toolkit.prompts._access import folder_access
from toolkit.prompts._files import SOURCE, PromptFile, read_labels, read_prompt_file
from toolkit.prompts._folder_history import FolderHistory, history_of, normal_version
from toolkit.prompts._folder_write import append_evidence, check_label, move_label, prompt_text, write_new, writing
from toolkit.prompts._reference import nearest
from toolkit.prompts._source import FROM_SETTINGS, Evidence, PromptVersion, SourceAccess
from toolkit.prompts._written import PulledFrom, WrittenVersion, plain_template

INDEX = "labels.yaml"

_FILE = re.compile(r"(?P<stem>.+?)(?:\.v(?P<version>[0-9]+))?\.prompt")
_VERSIONED = re.compile(r"(?P<stem>.+)\.v[0-9]+")
_PROMPT_ID = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")


# Within the class, `list` is its method.
_Files = dict[str, list[tuple[Path, str | None]]]
_Infos = list[PromptInfo]


class FolderSource:
    """The prompts of one folder and its subfolders.

    `reply.prompt` is the prompt `reply`; `support/reply.v3.prompt` is version 3 of `support/reply`. A file without a
    version in its name has the one that its front matter says, else 1. The default of a name is its newest version;
    `reply.v3` as a name means version 3 of `reply`, as it does for LiteLLM.
    Labels stand in the files' front matter or in `labels.yaml` at the root, which wins for the labels it names:

        labels: {support/reply: {production: 3}}

    `latest` is the newest version where no one gave the label away. Files and folders whose names begin with a dot are
    passed over, and so is every link that leads out of the folder.

    Args:
        root: The folder; read anew at each call.
    """

    name = SOURCE
    template_formats: tuple[TemplateFormat, ...] = ("mustache", "jinja2", "humanloop")

    def __init__(self, root: Path) -> None:
        self.root = root
        self._read: dict[Path, tuple[tuple[int, int], PromptFile]] = {}

    async def get(self, prompt_id: str, *, version: str | None = None, label: str | None = None) -> Prompt:
        """Returns one version of a prompt, the newest by default.

        Raises:
            PromptNotFoundError: If there is no such prompt, version or label; the message says which exist.
            PromptSourceError: If there is no such folder, or a file of the prompt cannot be read; the message names
                the file, and the line.
            TemplateSyntaxError: If a file's body is not what its front matter says.
            UsageError: If both a version and a label are given.
        """
        if version is not None and label is not None:
            raise UsageError(
                f"Prompt {prompt_id!r}: version {version!r} and label {label!r} are both given; give one of them."
            )
        history = await asyncio.to_thread(self._history, prompt_id)
        if history.prompt_id != prompt_id and version is None and label is None:
            version = prompt_id.removeprefix(f"{history.prompt_id}.v")
        if label is not None:
            version = history.labels.get(label) or (history.versions[-1] if label == "latest" else None)
            if version is None:
                raise history.not_found(f"label {label!r}")
        prompt = history.prompts.get(history.versions[-1] if version is None else normal_version(version))
        if prompt is None:
            raise history.not_found(f"version {version!r}")
        return replace(prompt, label=label)

    async def versions(self, prompt_id: str) -> tuple[str, ...]:
        """Returns every version of a prompt, oldest first; raises as `get`."""
        return (await asyncio.to_thread(self._history, prompt_id)).versions

    async def history(self, prompt_id: str) -> tuple[PromptVersion, ...]:
        """Returns every version of a prompt with labels, the file's last change and its `commit_message`."""
        return (await asyncio.to_thread(self._history, prompt_id)).details()

    async def list(self, *, query: str = "") -> list[PromptInfo]:
        """Returns what the folder holds, sorted by name.

        Args:
            query: Keeps only names that contain it, in upper or lower case; empty keeps all.

        Raises:
            PromptSourceError: If there is no such folder, or a file cannot be read.
        """
        return await asyncio.to_thread(self._list, query)

    async def push(
        self,
        prompt_id: str,
        template: str | Sequence[Mapping[str, Any]],
        *,
        kind: Literal["text", "chat"] | None = None,
        config: Mapping[str, Any] | None = None,
        labels: Sequence[str] = (),
        tags: Sequence[str] | None = None,
        commit_message: str | None = None,
        template_format: TemplateFormat = "mustache",
    ) -> Prompt:
        """Writes a new version as a file of its own, `name.vN.prompt`, and puts the labels into `labels.yaml`.

        The file is there whole or not at all, and one that is there is never written over. Arguments are those of
        `WritablePromptSource.push`; `tags=None` takes those of the newest version's file.

        Raises:
            UsageError: If the name, a label or the template is one that a folder cannot hold; nothing was written.
            PromptSourceError: If the folder cannot be written to, or what it holds cannot be read.
        """
        if isinstance(labels, str):
            raise UsageError(f"`labels` is a list such as ['production']; got {labels!r}.")
        checked = [check_label(label) for label in labels]
        return await asyncio.to_thread(
            self._push,
            prompt_id,
            checked,
            tags,
            template=template,
            kind=kind,
            config=config or {},
            commit_message=commit_message,
            template_format=template_format,
        )

    async def set_label(self, prompt_id: str, version: str | None, label: str) -> str | None:
        """Puts a label on a version, in `labels.yaml`, and returns the version that had it before.

        The index is replaced whole; comments in it are lost.

        Raises:
            PromptNotFoundError: If there is no such prompt or version; the message says which exist.
            UsageError: If it cannot be a label, or is `latest`.
            PromptSourceError: If the index cannot be read or written.
        """
        return await asyncio.to_thread(self._set_label, prompt_id, version, check_label(label))

    async def holders(self, prompt_id: str, label: str) -> tuple[str, ...]:
        """Returns the version that a label stands on: one, or none; raises as `versions`."""
        holder = (await asyncio.to_thread(self._history, prompt_id)).labels.get(label)
        return () if holder is None else (holder,)

    async def swap_label(self, prompt_id: str, label: str, *, held_by: str | None, version: str | None) -> bool:
        """Moves a label if it stands on `held_by`, no other thread or process in between, and tells whether it did.

        Raises as `set_label`.
        """
        found = await asyncio.to_thread(self._set_label, prompt_id, version, check_label(label), held_by=held_by)
        return found == held_by

    async def keep_evidence(self, evidence: Evidence) -> str:
        """Adds why a label was moved to `evidence/NAME.LABEL.yaml`, and returns that path.

        Raises:
            PromptSourceError: If it cannot be written.
        """
        return str(await asyncio.to_thread(self._keep_evidence, evidence))

    async def label_versions(self, prompt_id: str) -> dict[str, str]:
        """Returns which version each label of a prompt stands on, `latest` among them; raises as `get`."""
        history = await asyncio.to_thread(self._history, prompt_id)
        return {"latest": history.versions[-1], **history.labels}

    async def written(self, prompt_id: str, versions: Collection[str] | None = None) -> tuple[WrittenVersion, ...]:
        """Returns versions with what else their files say, oldest first; `None` = every one; raises as `get`."""
        return (await asyncio.to_thread(self._history, prompt_id)).written(versions)

    async def bring(self, prompt_id: str, version: str, written: WrittenVersion) -> bool:
        """Writes a version that another source has under this number; False when the number is taken meanwhile.

        The file says where the version is from, as `pulled_from` in its front matter.

        Raises:
            UsageError: If the name or the template is one that a folder cannot hold; nothing was written.
            PromptSourceError: If the folder cannot be written to, or what it holds cannot be read.
        """
        return await asyncio.to_thread(self._bring, prompt_id, version, written)

    async def aclose(self) -> None:
        """Does nothing: no file is held open."""

    def _keep_evidence(self, evidence: Evidence) -> Path:
        with writing(self.root / INDEX):
            return append_evidence(self.root, evidence)

    def _bring(self, prompt_id: str, version: str, written: WrittenVersion) -> bool:
        path = self._path(prompt_id)
        prompt = written.prompt
        text = prompt_text(
            prompt_id,
            plain_template(prompt),
            kind=prompt.kind,
            config=prompt.config,
            tags=written.tags,
            commit_message=written.message,
            template_format=prompt.template_format,
            pulled_from=PulledFrom(
                source=prompt.source, name=prompt.prompt_id, version=prompt.version, fingerprint=written.content
            ),
        )
        return write_new(path.with_name(f"{path.stem}.v{version}.prompt"), text)

    def _path(self, prompt_id: str) -> Path:
        """Returns the path of a name's file without a version, its folder checked and the root made."""
        if not is_prompt_id(prompt_id):
            raise UsageError(self._no_such_name(prompt_id))
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _error(prompt_id, f"the folder {self.root} cannot be made: {error.strerror}") from error
        path = self.root / f"{prompt_id}.prompt"
        if not path.parent.resolve().is_relative_to(self.root.resolve()):
            raise UsageError(f"The folder of {prompt_id!r} is a link that leads out of {str(self.root)!r}.")
        return path

    def _push(self, prompt_id: str, labels: Sequence[str], tags: Sequence[str] | None, **content: Any) -> Prompt:
        path = self._path(prompt_id)
        version = 0
        if prompt_id in self._scan():
            history = self._history(prompt_id)
            version = int(history.versions[-1])
            tags = history.tags if tags is None else tags
        text = prompt_text(prompt_id, tags=tags or (), **content)
        while True:
            version += 1
            if write_new(path.with_name(f"{path.stem}.v{version}.prompt"), text):
                break
        if labels:
            with writing(self.root / INDEX):
                for label in labels:
                    move_label(self.root / INDEX, prompt_id, label, str(version))
        return self._history(prompt_id).prompts[str(version)]

    def _set_label(
        self, prompt_id: str, version: str | None, label: str, *, held_by: str | Literal[False] | None = False
    ) -> str | None:
        """Moves a label, where `held_by` is given only from there; returns the version that had it before."""
        history = self._history(prompt_id)
        if version is not None and normal_version(version) not in history.prompts:
            raise history.not_found(f"version {version!r}")
        with writing(self.root / INDEX):
            previous = self._history(prompt_id).labels.get(label)
            if held_by is False or held_by == previous:
                move_label(
                    self.root / INDEX, history.prompt_id, label, None if version is None else normal_version(version)
                )
            return previous

    def _list(self, query: str) -> _Infos:
        files = self._scan()
        names = sorted(name for name in files if query.lower() in name.lower())
        index = read_labels(self.root / INDEX)
        return [self._assemble(name, files[name], index).info() for name in names]

    def _history(self, prompt_id: str) -> FolderHistory:
        if not is_prompt_id(prompt_id):
            raise PromptNotFoundError(self._no_such_name(prompt_id), prompt_id=prompt_id, source=SOURCE)
        files = self._scan()
        if prompt_id not in files:
            # LiteLLM takes the name of a version's file for an id.
            named = _VERSIONED.fullmatch(prompt_id)
            if named is not None and named["stem"] in files:
                prompt_id = named["stem"]
        if prompt_id not in files:
            raise PromptNotFoundError(
                f"The folder {str(self.root)!r} has no prompt {prompt_id!r}. {nearest(prompt_id, sorted(files))}",
                prompt_id=prompt_id,
                source=SOURCE,
            )
        return self._assemble(prompt_id, files[prompt_id], read_labels(self.root / INDEX))

    def _no_such_name(self, prompt_id: str) -> str:
        return (
            f"The folder {str(self.root)!r} cannot hold a prompt {prompt_id!r}: a name there is made of letters, "
            "digits and . _ - with / between folders."
        )

    def _scan(self) -> _Files:
        """Returns the files of each name, with the version that stands in the file's name."""
        if not self.root.is_dir():
            raise PromptSourceError(
                f"There is no folder {str(self.root)!r}; make it, or set TOOLKIT_PROMPTS to where the prompts are.",
                source=SOURCE,
            )
        inside = self.root.resolve()
        found: _Files = {}
        for folder, subfolders, names in os.walk(self.root):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            for name in sorted(names):
                match = _FILE.fullmatch(name)
                path = Path(folder) / name
                if match is None or name.startswith(".") or not path.resolve().is_relative_to(inside):
                    continue
                prompt_id = (path.parent.relative_to(self.root) / match["stem"]).as_posix()
                if not is_prompt_id(prompt_id):
                    raise PromptSourceError(
                        f"{path}: a prompt's path is made of letters, digits and . _ -; rename the file.", source=SOURCE
                    )
                found.setdefault(prompt_id, []).append((path, match["version"]))
        return found

    def _assemble(
        self, prompt_id: str, files: Sequence[tuple[Path, str | None]], index: Mapping[str, Mapping[str, str]]
    ) -> FolderHistory:
        by_version: dict[str, PromptFile] = {}
        for path, version in files:
            file = self._file(path, prompt_id, version)
            other = by_version.setdefault(file.prompt.version, file)
            if other is not file:
                raise _error(prompt_id, f"{other.path} and {path} are both version {file.prompt.version}; renumber one")
        labels: dict[str, str] = {}
        indexed = index.get(prompt_id, {})
        for version, file in by_version.items():
            for label in file.labels:
                if label in indexed:
                    continue
                if label in labels:
                    both = f"{by_version[labels[label]].path} and {file.path}"
                    raise _error(prompt_id, f"the label {label!r} stands in {both}; it can name one version")
                labels[label] = version
        for label, version in indexed.items():
            if version not in by_version:
                raise _error(prompt_id, f"{self.root / INDEX} puts {label!r} on version {version}, which has no file")
        return history_of(prompt_id, by_version, {**labels, **indexed}, self.root)

    def _file(self, path: Path, prompt_id: str, version: str | None) -> PromptFile:
        """Reads a file, or remembers it when it has not changed since."""
        try:
            stat = path.stat()
        except OSError as error:
            raise _error(prompt_id, f"{path} cannot be read: {error.strerror}") from error
        state = (stat.st_mtime_ns, stat.st_size)
        known = self._read.get(path)
        if known is not None and known[0] == state:
            return known[1]
        try:
            file = read_prompt_file(
                path, prompt_id=prompt_id, version=None if version is None else normal_version(version)
            )
        except PromptError as error:
            error.prompt_id = prompt_id
            raise
        self._read[path] = (state, file)
        return file


def folder_source(*, settings: Settings, http: HttpClient, access: SourceAccess = FROM_SETTINGS) -> FolderSource:
    """Returns the source of the caller's or the settings' folder; what the registry calls. `http` is not used."""
    return FolderSource(folder_access(access, settings))


def is_prompt_id(prompt_id: str) -> bool:
    """True when a folder can hold the name: letters, digits and `. _ -`, folders parted by `/`, none of them `..`.

    Example:
        >>> is_prompt_id("support/reply"), is_prompt_id("../secrets"), is_prompt_id("/etc/passwd")
        (True, False, False)
    """
    return _PROMPT_ID.fullmatch(prompt_id) is not None and not {".", ".."} & set(prompt_id.split("/"))


def _error(prompt_id: str, what: str) -> PromptError:
    return PromptSourceError(f"Prompt {prompt_id!r}: {what}.", prompt_id=prompt_id, source=SOURCE)
