"""A prompt in three versions, in a folder or in a Langfuse, with results that speak for or against the second one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from tests.results import runs
from tests.servers._process import ServerProcess
from tests.servers.fake_langfuse import AUTHORIZATION, PUBLIC_KEY, SECRET_KEY
from toolkit import _sync
from toolkit._http import HttpClient
from toolkit._redact import Secret
from toolkit.config import LangfuseSettings
from toolkit.prompts import FolderSource, LangfuseSource, PromotingPromptSource
from toolkit.results import Results

TEMPLATES = ("Say {{q}}.", "Kindly say {{q}}.", "Say {{q}} now.")

# 9 cases won of 98: the gain lies between +2.7 and +15.3 points.
BETTER = [[0.0] * 9 + [1.0] * 89, [1.0] * 98, [1.0] * 98]
WORSE = [[1.0] * 98, [0.0] * 9 + [1.0] * 89, [1.0] * 98]


class Place(Protocol):
    """Where the prompt is kept; looked at without the code under test."""

    name: str

    @property
    def source(self) -> PromotingPromptSource:
        """A new source on it."""
        ...

    def holders(self) -> list[int]:
        """Every version that has the label `production`."""
        ...

    def evidence(self) -> list[str]:
        """What is kept of the reasons, oldest first, as text."""
        ...


@dataclass
class Folder:
    """The prompt as files."""

    root: Path
    name = "folder"

    def __post_init__(self) -> None:
        self.root.mkdir()
        for version, template in enumerate(TEMPLATES, start=1):
            (self.root / f"reply.v{version}.prompt").write_text(template, encoding="utf-8")
        (self.root / "labels.yaml").write_text("labels: {reply: {production: 1}}", encoding="utf-8")

    @property
    def source(self) -> PromotingPromptSource:
        return FolderSource(self.root)

    def holders(self) -> list[int]:
        index = yaml.safe_load((self.root / "labels.yaml").read_text(encoding="utf-8"))["labels"]
        return [version for label, version in index.get("reply", {}).items() if label == "production"]

    def evidence(self) -> list[str]:
        path = self.root / "evidence" / "reply.production.yaml"
        kept = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else []
        return [yaml.safe_dump(entry, width=10_000) for entry in kept]


@dataclass
class Langfuse:
    """The prompt in the fake Langfuse, over HTTP."""

    server: ServerProcess
    http: HttpClient
    name = "langfuse"

    def __post_init__(self) -> None:
        seed = [
            {"name": "reply", "type": "text", "prompt": template, "labels": ["production"] if place == 0 else []}
            for place, template in enumerate(TEMPLATES)
        ]
        self.server.control(reset=True, seed=seed)

    @property
    def source(self) -> PromotingPromptSource:
        settings = LangfuseSettings(host=self.server.url, public_key=PUBLIC_KEY, secret_key=Secret(SECRET_KEY))
        return LangfuseSource(settings, self.http)

    def holders(self) -> list[int]:
        return [
            version
            for version in (1, 2, 3)
            if "production" in self.ask(f"v2/prompts/reply?version={version}")["labels"]
        ]

    def evidence(self) -> list[str]:
        rows = self.ask("comments?objectType=PROMPT&limit=100")["data"]
        by_id = {self.ask(f"v2/prompts/reply?version={version}")["id"]: version for version in (1, 2, 3)}
        return [f"on version {by_id[row['objectId']]}: {row['content']}" for row in rows]

    def ask(self, path: str) -> Any:
        """What the server answers."""
        return self.server.call("GET", f"/api/public/{path}", headers={"authorization": AUTHORIZATION})


def results_of(
    place: Place, scores: list[list[float | None]] | None = None, *, versions: tuple[int, ...] = (1, 2), **fields: Any
) -> Results:
    """Returns results of some versions, scored as given, that know where the prompt is kept."""
    source = place.source
    arms = [
        runs.arm(nth, prompt=_sync.run(source.get("reply", version=str(version))))
        for nth, version in enumerate(versions)
    ]
    lines = scores if scores is not None else BETTER
    given = lines[: len(arms)]
    answers = [[runs.failure() if score is None else "yes" for score in line] for line in given]
    view = runs.run(answers, arms=arms, scores={"right": given})
    return Results(view, find_source=lambda _: source, **fields)
