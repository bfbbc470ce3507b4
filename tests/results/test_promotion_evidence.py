"""What is kept of a promotion: where it stands, what it says, and what becomes of it when it cannot be written."""

from __future__ import annotations

import pytest

from tests.results.promoting import Folder, Langfuse, Place, results_of
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from toolkit import _sync
from toolkit.errors import EvidenceWarning
from toolkit.results import Results


def test_evidence_has_the_numbers_and_finds_the_run(place: Place):
    """What is kept of a promotion are both versions, the run's id, and every condition with its numbers."""
    done = results_of(place).promote("reply@2", confirm=False, max_regressions=3)
    (kept,) = place.evidence()
    for word in ("run-1", "production", "+9.2 points (95 % interval +2.7 to +15.3), 98 cases", "at most 3 may be"):
        assert word in kept
    assert done.evidence is not None


def test_in_langfuse_the_evidence_is_a_comment_on_the_version(langfuse: Langfuse):
    """The comment hangs on the version that got the label, and the promotion has the prompt's page."""
    done = results_of(langfuse).promote("reply@2", confirm=False)
    (kept,) = langfuse.evidence()
    assert kept.startswith(
        "on version 2: **Promotion**: the label `production` moved from version 1 to version 2 on 20"
    )
    assert done.evidence == f"{langfuse.server.url}/project/proj-test/prompts/reply"


def test_in_a_folder_the_evidence_is_a_file_that_no_prompt_is(folder: Folder):
    """The evidence is added to a file beside the prompts, which stay what they were."""
    done = results_of(folder).promote("reply@2", confirm=False)
    assert done.evidence == str(folder.root / "evidence" / "reply.production.yaml")
    (info,) = _sync.run(folder.source.list())
    assert (info.prompt_id, info.versions) == ("reply", ("1", "2", "3"))


def test_evidence_has_the_address_of_results_that_were_pushed(langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch):
    """After a push it is the page that compares the arms; of results opened later, a trace of the candidate."""
    monkeypatch.setenv("LANGFUSE_HOST", langfuse.server.url)
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", PUBLIC_KEY)
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", SECRET_KEY)
    results = results_of(langfuse)
    pushed = results.to_langfuse(progress="off")
    done = results.promote("reply@2", confirm=False).rollback()
    assert pushed.compare_url in langfuse.evidence()[0]
    opened = results_of(langfuse, traces=results.traces).promote("reply@2", confirm=False)
    assert opened.proposal.link == results.traces["t-1-0"]
    assert done.proposal.link == pushed.compare_url


def test_evidence_that_langfuse_refuses_is_owed(langfuse: Langfuse):
    """The label moves all the same, a warning says so, and `write_evidence` tries again."""
    langfuse.server.control(refuse=["/api/public/comments"])
    with pytest.warns(EvidenceWarning, match=r"was moved, and the evidence could not be written: .*write_evidence"):
        done = results_of(langfuse).promote("reply@2", confirm=False)
    assert (langfuse.holders(), done.state, done.evidence) == ([2], "moved", None)
    langfuse.server.control(refuse=[])
    done.write_evidence().write_evidence()
    assert len(langfuse.evidence()) == 1


def test_evidence_that_a_folder_refuses_is_owed(folder: Folder):
    """A file where the folder should be keeps the evidence out, and not the label."""
    (folder.root / "evidence").write_text("in the way", encoding="utf-8")
    with pytest.warns(EvidenceWarning, match="could not be written"):
        done = results_of(folder).promote("reply@2", confirm=False)
    assert folder.holders() == [2]
    (folder.root / "evidence").unlink()
    assert done.write_evidence().evidence == str(folder.root / "evidence" / "reply.production.yaml")
    assert len(folder.evidence()) == 1


def test_a_source_that_can_only_move_labels_can_be_promoted_on(folder: Folder):
    """A source of somebody else's making needs no more than `get` and `set_label`; it is told that nothing is kept."""
    inner = folder.source

    class Plain:
        name = "folder"
        get, versions, list = inner.get, inner.versions, inner.list
        push, set_label, aclose = inner.push, inner.set_label, inner.aclose

    results = Results(results_of(folder).view, find_source=lambda _: Plain())
    with pytest.warns(EvidenceWarning, match="keeps no evidence"):
        done = results.promote("reply@2", confirm=False)
    assert folder.holders() == [2]
    done.proposal.gate.df  # noqa: B018  it is there to be kept by hand
