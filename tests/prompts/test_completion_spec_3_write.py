"""Writing to Langfuse and what it changes, line by line of section 3 of the completion specification."""

from typing import Any

import pytest

from tests.servers._process import ServerProcess
from toolkit._records import FrozenDict
from toolkit._sync import run
from toolkit.errors import PromptNotFoundError, PromptSourceError, UsageError
from toolkit.prompts import LangfuseSource

BASE = "/api/public/v2/prompts"


def paths(server: ServerProcess) -> list[str]:
    return [request["path"] for request in server.requests()]


# completion.md section 3: Write: POST (name, type, prompt, config, labels, tags, commitMessage)
@pytest.mark.line("3.16")
def test_a_new_version_is_posted(langfuse: ServerProcess, source: LangfuseSource):
    """Everything that is given stands in one POST, and the version that Langfuse made comes back."""
    messages = [{"role": "system", "content": "Hi {{a}}"}, {"type": "placeholder", "name": "history"}]
    prompt = run(
        source.push(
            "team/new",
            messages,
            config=FrozenDict({"model": "gpt-4o", "stop": ["a"]}),
            labels=["staging"],
            tags=["demo"],
            commit_message="First try.",
        )
    )
    (request,) = langfuse.requests()
    assert (request["method"], request["path"], request["body"]) == (
        "POST",
        BASE,
        {
            "name": "team/new",
            "type": "chat",
            "prompt": messages,
            "config": {"model": "gpt-4o", "stop": ["a"]},
            "labels": ["staging"],
            "tags": ["demo"],
            "commitMessage": "First try.",
        },
    )
    assert (prompt.reference, prompt.labels) == ("langfuse:team/new@1", ("staging", "latest"))
    assert prompt == run(source.get("team/new", version="1"))


def test_what_is_not_given_is_not_written(langfuse: ServerProcess, source: LangfuseSource):
    """Tags and message that nobody gives are left to Langfuse, which keeps a prompt's tags."""
    assert run(source.push("movie-critic", "Three.")).version == "3"
    assert langfuse.requests()[0]["body"].keys() == {"name", "type", "prompt", "config", "labels"}
    assert run(source.list(query="movie-critic"))[0].tags == ("demo",)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"template": "x", "kind": "chat"}, "kind is 'chat' and the template is text"),
        ({"template": "x", "labels": "production"}, "is a list"),
        ({"template": "x", "labels": ["latest"]}, "Langfuse's own"),
        ({"template": "x", "config": {"a": object()}}, "plain JSON"),
        ({"template": "{{ x }}", "template_format": "jinja2"}, "not jinja2"),
    ],
)
def test_what_langfuse_cannot_hold_is_not_sent(
    langfuse: ServerProcess, source: LangfuseSource, arguments: dict[str, Any], says: str
):
    """A version that makes no sense is refused with the reason; nothing is sent."""
    with pytest.raises(UsageError, match=says):
        run(source.push("p", **arguments))
    assert paths(langfuse) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"prompt_id": "a|b", "template": "x"}, "cannot contain '|' character"),
        ({"prompt_id": "p", "template": "x", "labels": ["Not OK"]}, "Label must be lowercase"),
        ({"prompt_id": "movie-critic", "template": [{"role": "user", "content": "x"}]}, "different prompt type"),
    ],
)
def test_a_refused_version_has_langfuses_reason(source: LangfuseSource, arguments: dict[str, Any], says: str):
    """What Langfuse refuses is an error with its own reason and the status 400."""
    with pytest.raises(PromptSourceError) as caught:
        run(source.push(**arguments))
    assert caught.value.status == 400
    assert says in str(caught.value)


def test_a_version_is_never_made_twice(langfuse: ServerProcess, source: LangfuseSource):
    """A POST that may have been taken is not tried again; one that was turned away is."""
    for fault in ({"status": 500}, {"drop": True}):
        langfuse.control(next=[fault])
        with pytest.raises(PromptSourceError):
            run(source.push("once", "x"))
    assert len(langfuse.requests()) == 2
    langfuse.control(next=[{"status": 429}])
    assert run(source.push("once", "x")).version == "1"


# completion.md section 3: PATCH /api/public/v2/prompts/{name}/versions/{n} {"newLabels":[...]} adds labels
@pytest.mark.line("3.17")
def test_a_label_moves_and_its_old_holder_is_told(langfuse: ServerProcess, source: LangfuseSource):
    """Moving a label is one PATCH; the version that had it before comes back, so that it can be put back."""
    assert run(source.set_label("movie-critic", "2", "production")) == "1"
    patch = langfuse.requests()[-1]
    assert (patch["method"], patch["path"]) == ("PATCH", f"{BASE}/movie-critic/versions/2")
    assert patch["body"] == {"newLabels": ["production"]}
    assert run(source.get("movie-critic")).version == "2"
    assert run(source.get("movie-critic", version="2")).labels == ("production", "staging", "latest")
    assert run(source.set_label("movie-critic", "1", "production")) == "2"
    assert run(source.get("movie-critic")).version == "1"


def test_a_label_that_stood_nowhere_has_no_old_holder(source: LangfuseSource):
    """The old holder of a new label is None."""
    assert run(source.set_label("movie-critic", "1", "canary")) is None


@pytest.mark.parametrize(
    ("version", "label", "error", "says"),
    [
        ("9", "production", PromptNotFoundError, "no version '9'.*versions: 1, 2"),
        ("1", "latest", UsageError, "Langfuse's own"),
        (None, "production", UsageError, "cannot take the label 'production' away"),
        ("1", "Not OK", PromptSourceError, "HTTP 400"),
    ],
)
def test_a_label_that_cannot_move_says_why(
    langfuse: ServerProcess, source: LangfuseSource, version: str, label: str, error: Any, says: str
):
    """An unknown version, a label of Langfuse's own and a refused label are errors with the reason."""
    if label == "Not OK":
        langfuse.control(next=[{}, {"status": 400, "body": {"message": "Invalid request data", "error": []}}])
    with pytest.raises(error, match=says):
        run(source.set_label("movie-critic", version, label))


def test_writing_drops_what_is_cached(source: LangfuseSource):
    """After a write the next read asks the server: other prompts may include the one that was written."""
    assert run(source.get("composed")).template == "Intro. As a {{level}} movie critic, do you like {{movie}}? End."
    run(source.set_label("movie-critic", "2", "production"))
    assert "One sentence" in str(run(source.get("composed")).template)


# completion.md section 3: Composition is resolved by the server; content can therefore change without a new version
@pytest.mark.line("3.18", "3.19")
def test_composed_content_changes_and_the_fingerprint_with_it(langfuse: ServerProcess, source: LangfuseSource):
    """The same version with another included text has another fingerprint."""
    before = run(source.get("composed"))
    run(source.set_label("movie-critic", "2", "production"))
    after = run(source.get("composed"))
    assert before.version == after.version == "1"
    assert before.fingerprint != after.fingerprint


@pytest.mark.line("3.18")
def test_a_composed_prompt_that_is_pushed_comes_back_resolved(source: LangfuseSource):
    """The prompt that a write returns is the one that a read gives, with its references resolved."""
    pushed = run(source.push("both", "A @@@langfusePrompt:name=movie-critic|version=1@@@ B"))
    assert "@@@" not in str(pushed.template)
    assert pushed == run(source.get("both", version="1"))
