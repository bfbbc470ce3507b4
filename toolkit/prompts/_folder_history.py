"""What a folder holds of one prompt: every version, the labels on them, and words for what is not there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit._records import Prompt, PromptInfo
from toolkit.errors import PromptNotFoundError
from toolkit.prompts._files import SOURCE, PromptFile
from toolkit.prompts._source import PromptVersion
from toolkit.prompts._written import WrittenVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderHistory:
    """All versions of one prompt."""

    prompt_id: str
    root: Path
    prompts: Mapping[str, Prompt]
    """By version, oldest first."""
    labels: Mapping[str, str]
    """Version by label."""
    files: Mapping[str, PromptFile]
    """By version."""

    @property
    def versions(self) -> tuple[str, ...]:
        return tuple(self.prompts)

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(sorted({tag for file in self.files.values() for tag in file.tags}))

    def details(self) -> tuple[PromptVersion, ...]:
        return tuple(
            PromptVersion(
                version=version,
                labels=prompt.labels,
                created_at=_moment(self.files[version]),
                message=self.files[version].message,
            )
            for version, prompt in self.prompts.items()
        )

    def written(self, versions: Collection[str] | None) -> tuple[WrittenVersion, ...]:
        wanted = self.versions if versions is None else sorted({*versions}, key=int)
        for version in wanted:
            if version not in self.prompts:
                raise self.not_found(f"version {version!r}")
        return tuple(
            WrittenVersion(
                prompt=self.prompts[version],
                tags=self.files[version].tags,
                message=self.files[version].message,
                pulled_from=self.files[version].pulled_from,
            )
            for version in wanted
        )

    def info(self) -> PromptInfo:
        newest = self.prompts[self.versions[-1]]
        return PromptInfo(
            prompt_id=self.prompt_id,
            source=SOURCE,
            kind=newest.kind,
            versions=self.versions,
            labels=tuple(sorted(self.labels)),
            tags=self.tags,
            updated_at=max(_moment(file) for file in self.files.values()),
            config=newest.config,
        )

    def not_found(self, what: str) -> PromptNotFoundError:
        labels = ", ".join(f"{label} (version {version})" for label, version in sorted(self.labels.items()))
        return PromptNotFoundError(
            f"Prompt {self.prompt_id!r} in the folder {str(self.root)!r} has no {what}; "
            f"versions: {', '.join(self.versions)}; labels: {labels or 'none'}.",
            prompt_id=self.prompt_id,
            source=SOURCE,
        )


def history_of(prompt_id: str, files: Mapping[str, PromptFile], labels: Mapping[str, str], root: Path) -> FolderHistory:
    """Returns the history of a prompt from its files by version and its versions by label."""
    ordered = sorted(files, key=int)
    by_version = {
        version: tuple(sorted(label for label, its in labels.items() if its == version)) for version in ordered
    }
    return FolderHistory(
        prompt_id=prompt_id,
        root=root,
        prompts={version: replace(files[version].prompt, labels=by_version[version]) for version in ordered},
        labels=labels,
        files=files,
    )


def _moment(file: PromptFile) -> dt.datetime:
    return dt.datetime.fromtimestamp(file.changed_s, tz=dt.UTC)


def normal_version(version: str) -> str:
    """Returns a version as the folder counts it: `03` is `3`."""
    return str(int(version)) if version.isascii() and version.isdigit() else version
