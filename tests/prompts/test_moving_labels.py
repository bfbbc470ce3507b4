"""Moving a label only from where it is thought to be, by threads and processes at once; and keeping the reasons."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from tests.servers._process import ServerProcess
from toolkit._sync import run
from toolkit.errors import PromptNotFoundError, PromptSourceError, UsageError
from toolkit.prompts import Evidence, FolderSource, LangfuseSource, PromotingPromptSource

ROOT = Path(__file__).parents[2]
WHY = Evidence(prompt_id="reply", version="2", label="production", key="e1:a", text="Because.", facts={"run_id": "r1"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with nine versions of `reply`, the first in production."""
    for version in range(1, 10):
        (tmp_path / f"reply.v{version}.prompt").write_text(f"Version {version} {{{{a}}}}", encoding="utf-8")
    (tmp_path / "labels.yaml").write_text("labels: {reply: {production: 1}}", encoding="utf-8")
    return tmp_path


@pytest.fixture
def folder(root: Path) -> FolderSource:
    """The source over it."""
    return FolderSource(root)


def test_both_of_ours_can_be_promoted_on(folder: FolderSource, source: LangfuseSource):
    """A folder and Langfuse move labels with care and keep evidence."""
    assert isinstance(folder, PromotingPromptSource)
    assert isinstance(source, PromotingPromptSource)


# A folder


def test_a_label_moves_from_where_it_is_thought_to_be(folder: FolderSource):
    """The label moves when it stands on the version that is named, and the answer says so."""
    assert run(folder.swap_label("reply", "production", held_by="1", version="2")) is True
    assert run(folder.holders("reply", "production")) == ("2",)


@pytest.mark.parametrize("held_by", ["3", None])
def test_a_label_that_stands_elsewhere_stays(folder: FolderSource, held_by: str | None):
    """When another version has the label, or one has that nobody should have, nothing is moved."""
    assert run(folder.swap_label("reply", "production", held_by=held_by, version="2")) is False
    assert run(folder.holders("reply", "production")) == ("1",)


def test_a_label_can_be_given_and_taken(folder: FolderSource):
    """`None` is nobody: a new label is put on a version, and taken away again."""
    assert run(folder.swap_label("reply", "staging", held_by=None, version="3")) is True
    assert run(folder.swap_label("reply", "staging", held_by="3", version=None)) is True
    assert run(folder.holders("reply", "staging")) == ()


def test_what_is_not_there_cannot_be_moved(folder: FolderSource):
    """An unknown version or prompt, or a label that is the folder's own, is refused before anything is written."""
    for prompt_id, version in (("reply", "99"), ("other", "1")):
        with pytest.raises(PromptNotFoundError):
            run(folder.swap_label(prompt_id, "production", held_by="1", version=version))
    with pytest.raises(UsageError):
        run(folder.swap_label("reply", "latest", held_by="9", version="1"))
    assert run(folder.holders("reply", "production")) == ("1",)


def test_of_many_threads_one_moves_the_label(root: Path):
    """Eight threads that move the label away from version 1 at once: one does, and its version has the label."""
    moved: list[str] = []
    start = threading.Barrier(8)

    def swap(version: str) -> None:
        source = FolderSource(root)
        start.wait(timeout=30)
        if run(source.swap_label("reply", "production", held_by="1", version=version)):
            moved.append(version)

    threads = [threading.Thread(target=swap, args=(str(version),)) for version in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(moved) == 1
    assert run(FolderSource(root).holders("reply", "production")) == (moved[0],)


_SWAP = """
import json, sys
from pathlib import Path
from toolkit._sync import run
from toolkit.prompts import FolderSource
source = FolderSource(Path(sys.argv[1]))
version = sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for turn in range(20):
    run(source.set_label("reply", version, f"mine-{version}-{turn}"))
print(json.dumps(run(source.swap_label("reply", "production", held_by="1", version=version))))
"""


def test_of_several_processes_one_moves_the_label_and_no_label_is_lost(root: Path):
    """Processes that write labels at once wait for each other: one moves the label, and every other label is there."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _SWAP, str(root), str(version)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for version in (2, 3, 4)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    answers = [worker.communicate(timeout=120)[0] for worker in workers]
    assert sorted(json.loads(answer) for answer in answers) == [False, False, True]
    index = yaml.safe_load((root / "labels.yaml").read_text(encoding="utf-8"))["labels"]["reply"]
    assert {f"mine-{version}-{turn}": version for version in (2, 3, 4) for turn in range(20)}.items() <= index.items()


def test_what_writes_leaves_no_temporary_file(root: Path, folder: FolderSource):
    """Beside index and evidence there is only the empty file that locks the index."""
    before = {path.name for path in root.iterdir()}
    run(folder.swap_label("reply", "production", held_by="1", version="2"))
    run(folder.keep_evidence(WHY))
    assert {path.name for path in root.iterdir()} - before == {".labels.yaml.lock", "evidence"}
    assert [path.name for path in (root / "evidence").iterdir()] == ["reply.production.yaml"]


def test_evidence_is_added_once(root: Path, folder: FolderSource):
    """Entries stand in the order in which they came, and one of the same key is not written twice."""
    where = run(folder.keep_evidence(WHY))
    other = Evidence(prompt_id="reply", version="3", label="production", key="e1:b", text="", facts={"run_id": "r2"})
    for each in (WHY, other, WHY, other):
        assert run(folder.keep_evidence(each)) == where == str(root / "evidence" / "reply.production.yaml")
    assert yaml.safe_load(Path(where).read_text(encoding="utf-8")) == [
        {"key": "e1:a", "run_id": "r1"},
        {"key": "e1:b", "run_id": "r2"},
    ]


def test_evidence_of_a_prompt_in_a_subfolder_has_one_too(folder: FolderSource, root: Path):
    """The evidence of `team/reply` stands in the folder `evidence/team`."""
    named = Evidence(prompt_id="team/reply", version="1", label="x", key="k", text="", facts={})
    assert run(folder.keep_evidence(named)) == str(root / "evidence" / "team" / "reply.x.yaml")


def test_evidence_is_not_written_through_a_link_that_leads_out(folder: FolderSource, root: Path, tmp_path_factory):
    """A link in the place of the evidence's folder is refused."""
    (root / "evidence").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(PromptSourceError, match="leads out of"):
        run(folder.keep_evidence(WHY))


# Langfuse


def test_langfuse_moves_a_label_from_where_it_is_thought_to_be(langfuse: ServerProcess, source: LangfuseSource):
    """One request asks who has the label, one moves it."""
    assert run(source.swap_label("movie-critic", "production", held_by="1", version="2")) is True
    assert [request["method"] for request in langfuse.requests()] == ["GET", "PATCH"]
    assert run(source.holders("movie-critic", "production")) == ("2",)


@pytest.mark.parametrize("held_by", ["2", None])
def test_langfuse_is_not_told_to_move_a_label_that_stands_elsewhere(
    langfuse: ServerProcess, source: LangfuseSource, held_by: str | None
):
    """Nothing is written when the label is on another version."""
    assert run(source.swap_label("movie-critic", "production", held_by=held_by, version="2")) is False
    assert [request["method"] for request in langfuse.requests()] == ["GET"]


def test_a_label_that_no_version_has_has_no_holder(source: LangfuseSource):
    """Nobody has a label that is not there."""
    assert run(source.holders("movie-critic", "nobody-s")) == ()


def test_langfuse_keeps_evidence_as_one_comment(langfuse: ServerProcess, source: LangfuseSource):
    """The comment is Markdown with the key at its end; a second one of the same key is not written."""
    why = Evidence(prompt_id="movie-critic", version="2", label="production", key="e1:a", text="Why *not*.", facts={})
    page = f"{langfuse.url}/project/proj-test/prompts/movie-critic"
    assert [run(source.keep_evidence(why)), run(source.keep_evidence(why))] == [page, page]
    (posted,) = [request for request in langfuse.requests() if request["method"] == "POST"]
    assert posted["path"] == "/api/public/comments"
    assert posted["body"]["content"] == "Why *not*.\n\n`e1:a`"
    assert (posted["body"]["projectId"], posted["body"]["objectType"]) == ("proj-test", "PROMPT")


def test_a_long_comment_is_cut_and_keeps_its_key(langfuse: ServerProcess, source: LangfuseSource):
    """Langfuse takes 5,000 characters; what is cut is the text, and never the key."""
    why = Evidence(prompt_id="movie-critic", version="2", label="x", key="e1:a", text="w" * 9_000, facts={})
    run(source.keep_evidence(why))
    content = langfuse.requests()[-1]["body"]["content"]
    assert len(content) == 5_000
    assert content.endswith("w…\n\n`e1:a`")


def test_comments_that_are_refused_are_told(langfuse: ServerProcess, source: LangfuseSource):
    """What keeps the evidence out comes as an error with its status."""
    langfuse.control(refuse=["/api/public/comments"])
    why = Evidence(prompt_id="movie-critic", version="2", label="x", key="e1:a", text="", facts={})
    with pytest.raises(PromptSourceError) as refused:
        run(source.keep_evidence(why))
    assert refused.value.status == 403
    langfuse.control(refuse=[])
