"""Rows 53 to 57: prompts that move, change or cannot be fetched while a run is under way or between its halves."""

from __future__ import annotations

import datetime as dt
import re
import socket

import pytest

import toolkit as tk
from tests.faults.world import FAST, clean_environment, move_label, post_prompt, wait_until, words
from tests.servers._process import serving
from toolkit import _sync
from toolkit.engine import default_engine, set_default_engine
from toolkit.errors import DriftWarning, PromptNotFoundError, PromptSourceError


@pytest.fixture(scope="module")
def langfuse_server():
    """A Langfuse in another process."""
    with serving("tests.servers.fake_langfuse") as server:
        yield server


@pytest.fixture(scope="module")
def openai_server():
    """An OpenAI-compatible service in another process."""
    with serving("tests.servers.fake_openai") as server:
        yield server


@pytest.fixture
def langfuse(langfuse_server, openai_server, monkeypatch, tmp_path):
    """Langfuse with `greet` in two versions, `production` on the first; the environment points at both servers."""
    clean_environment(monkeypatch, tmp_path)
    langfuse_server.control(reset=True)
    openai_server.control(reset=True)
    openai_server.control(latency_ms=0)
    post_prompt(langfuse_server, "Say {{word}}.", labels=["production"])
    post_prompt(langfuse_server, "Please say {{word}}.")
    monkeypatch.setenv("LANGFUSE_HOST", langfuse_server.url)
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-test")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-test")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{openai_server.url}/v1")
    yield langfuse_server
    _sync.run(default_engine().aclose())
    set_default_engine(None)


def prompt_requests(server):
    """How many requests for a prompt a Langfuse has received."""
    return len([request for request in server.requests() if request["method"] == "GET"])


def forget_prompts():
    """Lets the next call ask the source."""
    tk.refresh()


@pytest.mark.fault(53)
def test_a_label_that_moves_while_a_run_is_under_way_leaves_it_alone(langfuse, openai_server):
    """A label moved at the tenth call changes no later call; check_drift() says afterwards that it moved."""
    openai_server.control(latency_ms=10)
    run = tk.start_sweep("greet@production", variables=words(40), concurrency=2, **FAST)
    wait_until(lambda: len(openai_server.requests()) >= 10)
    assert not run.is_done
    move_label(langfuse, 2, "production")
    results = run.wait()
    sent = [request["body"]["messages"][0]["content"] for request in openai_server.requests()]
    assert sorted(sent) == [f"Say {word}." for word in words(40)["word"]]
    assert list(results.df["prompt_version"].unique()) == ["1"]
    drift = results.check_drift()
    assert [(change.kind, change.reference) for change in drift.changes] == [("moved", "langfuse:greet@1")]
    assert "stands on 2 now" in repr(drift)


@pytest.mark.fault(53)
def test_sources_that_have_not_changed_show_no_drift(langfuse):
    """Without a change check_drift() is false and says so."""
    drift = tk.sweep("greet@production", variables=words(1), **FAST).check_drift()
    assert not drift
    assert "No drift" in repr(drift)


def stopped_after(count, openai_server, total=12):
    """A run that was stopped after at least so many answers; returns its id and what was sent."""
    openai_server.control(latency_ms=20)
    run = tk.start_sweep("greet@production", variables=words(total), concurrency=1, **FAST)
    wait_until(lambda: run.progress.ok >= count)
    run.stop().wait()
    openai_server.control(latency_ms=0)
    return run.run_id, len(openai_server.requests())


@pytest.mark.fault(54)
@pytest.mark.parametrize(("change", "kind"), [("edit", "edited"), ("delete", "gone")])
def test_a_version_that_changes_between_the_halves_of_a_run_is_replaced_by_its_copy(
    langfuse, openai_server, change, kind
):
    """Resumed after its version was edited or deleted, a run sends the rest from its own copy and warns of it."""
    run_id, sent_before = stopped_after(3, openai_server)
    langfuse.control(reset=True)
    if change == "edit":
        post_prompt(langfuse, "Shout {{word}}!", labels=["production"])
    forget_prompts()
    with pytest.warns(DriftWarning, match=f"(?s){kind}.*langfuse:greet@1.*own cop"):
        results = tk.resume(run_id, progress="off")
    sent = [request["body"]["messages"][0]["content"] for request in openai_server.requests()]
    assert sorted(sent) == [f"Say {word}." for word in words(12)["word"]]
    assert 0 < sent_before < 12
    assert list(results.df["status"]) == ["ok"] * 12
    assert {change.kind for change in results.check_drift().changes} >= {kind}


@pytest.mark.fault(54)
def test_a_run_is_resumed_while_its_prompt_source_is_away(langfuse, openai_server):
    """Resuming needs no prompt source: what the store has of the run is enough."""
    run_id, _ = stopped_after(3, openai_server)
    langfuse.control(next=[{"status": 401, "body": {"message": "no"}}] * 50)
    forget_prompts()
    results = tk.resume(run_id, progress="off")
    assert list(results.df["status"]) == ["ok"] * 12
    assert len(openai_server.requests()) == 12


OUTAGES = {
    "503": {"status": 503, "body": {"message": "away"}},
    "hang-up": {"drop": True},
}


@pytest.mark.fault(55)
@pytest.mark.parametrize("outage", OUTAGES)
def test_a_source_that_is_away_refuses_the_sweep(langfuse, openai_server, outage):
    """When Langfuse is away the sweep is refused with a typed error and nothing is sent, though a copy is known."""
    tk.sweep("greet@production", variables=words(1), **FAST)
    forget_prompts()
    langfuse.control(next=[OUTAGES[outage]] * 10)
    with pytest.raises(PromptSourceError, match="greet"):
        tk.sweep("greet@production", variables=words(2), **FAST)
    assert len(openai_server.requests()) == 1


@pytest.mark.fault(55)
@pytest.mark.parametrize("outage", OUTAGES)
def test_the_last_copy_is_used_where_that_is_asked_for_and_every_row_says_so(langfuse, openai_server, outage):
    """With offline="snapshot" the label's last copy is sent, and each row's prompt_source tells when it was seen."""
    tk.sweep("greet@production", variables=words(1), **FAST)
    forget_prompts()
    langfuse.control(next=[OUTAGES[outage]] * 10)
    results = tk.sweep("langfuse:greet@production", variables=words(3), offline="snapshot", **FAST)
    assert set(results.df["prompt_version"]) == {"1"}
    (source,) = set(results.df["prompt_source"])
    seen_at = dt.datetime.fromisoformat(re.fullmatch("snapshot@(.*)", source).group(1))
    assert abs(dt.datetime.now(dt.UTC) - seen_at) < dt.timedelta(minutes=10)
    # The first word has an answer already: a copy of the same content sends nothing twice.
    assert len(openai_server.requests()) == 3
    reopened = tk.open_run(results.run_id)
    assert set(reopened.df["prompt_source"]) == {source}


@pytest.mark.fault(55)
@pytest.mark.parametrize("how", ["hangs", "has no address"])
def test_a_source_that_hangs_or_is_nowhere_is_away_too(langfuse, openai_server, monkeypatch, how):
    """A Langfuse that does not answer in time, or whose host does not resolve, lets the last copy be used."""
    tk.sweep("greet@production", variables=words(1), **FAST)
    forget_prompts()
    source = default_engine().sources.get("langfuse")
    if how == "hangs":
        langfuse.control(delay_s=30)
        monkeypatch.setattr(source._sender, "_timeout_s", 0.3)
    else:
        real = socket.getaddrinfo

        def nowhere(host, *arguments, **options):
            if host == "langfuse.invalid":
                raise socket.gaierror(socket.EAI_NONAME, "no such host")
            return real(host, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", nowhere)
        monkeypatch.setenv("LANGFUSE_HOST", "http://langfuse.invalid")
    results = tk.sweep("langfuse:greet@production", variables=words(1), offline="snapshot", **FAST)
    assert results.df["prompt_source"].iloc[0].startswith("snapshot@")
    langfuse.control(delay_s=0)


@pytest.mark.fault(55)
def test_a_prompt_that_was_never_seen_has_no_copy(langfuse, openai_server):
    """Without a copy in the store offline="snapshot" changes nothing: the source's own error comes."""
    langfuse.control(next=[OUTAGES["503"]] * 10)
    with pytest.raises(PromptSourceError, match="503"):
        tk.sweep("langfuse:greet@production", variables=words(1), offline="snapshot", **FAST)
    assert openai_server.requests() == []


@pytest.mark.fault(55)
def test_every_known_version_stands_for_a_star(langfuse, openai_server):
    """`@*` on copies is every version that the store has seen, oldest first."""
    tk.sweep("greet@*", variables=words(1), **FAST)
    forget_prompts()
    langfuse.control(next=[OUTAGES["503"]] * 10)
    results = tk.sweep("langfuse:greet@*", variables=words(1), offline="snapshot", **FAST)
    assert list(results.df["prompt_version"]) == ["1", "2"]


@pytest.mark.fault(56)
@pytest.mark.parametrize(
    ("status", "error"), [(401, PromptSourceError), (403, PromptSourceError), (404, PromptNotFoundError)]
)
def test_a_refused_key_or_a_missing_prompt_is_never_replaced_by_a_copy(langfuse, openai_server, status, error):
    """401, 403 and 404 are typed errors that say the status, asked once for the prompt, whatever `offline` says."""
    tk.sweep("langfuse:greet@production", variables=words(1), **FAST)
    forget_prompts()
    asked_before = prompt_requests(langfuse)
    langfuse.control(next=[{"status": status, "body": {"message": "no", "error": "no"}}] * 5)
    with pytest.raises(error, match=str(status)) as caught:
        tk.sweep("langfuse:greet@production", variables=words(2), offline="snapshot", **FAST)
    assert caught.value.prompt_id == "greet"
    assert len(openai_server.requests()) == 1
    # After a 404 it asks, once or twice, what there is instead.
    asked = prompt_requests(langfuse) - asked_before
    assert asked == 1 if status != 404 else asked <= 3


MALFORMED = {
    "no prompt": {"name": "greet", "version": 1, "type": "text", "labels": [], "config": {}},
    "messages of numbers": {"name": "greet", "version": 1, "type": "chat", "prompt": [1], "labels": [], "config": {}},
    "a list": [],
    "no version": {"name": "greet", "type": "text", "prompt": "x", "labels": [], "config": {}},
}


@pytest.mark.fault(57)
@pytest.mark.parametrize("body", MALFORMED)
def test_a_malformed_prompt_is_a_typed_error_that_names_it(langfuse, openai_server, body):
    """An answer that is no prompt is a PromptSourceError that names the prompt, also when a copy is known."""
    tk.sweep("langfuse:greet@production", variables=words(1), **FAST)
    forget_prompts()
    langfuse.control(next=[{"status": 200, "body": MALFORMED[body]}])
    with pytest.raises(PromptSourceError, match="'greet'"):
        tk.sweep("langfuse:greet@production", variables=words(1), offline="snapshot", **FAST)
    assert len(openai_server.requests()) == 1


@pytest.mark.fault(57)
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ([{"type": "placeholder", "name": "history"}, {"role": "user", "content": "{{word}}"}], "chat"),
        ("Say {{word}} @@@langfusePrompt:name=nobody|label=production@@@", "text"),
    ],
    ids=["messages left open", "a dependency that is not there"],
)
def test_what_cannot_be_filled_in_is_refused_by_name(langfuse, openai_server, text, kind):
    """A placeholder without messages and a reference to no prompt refuse the sweep, name the prompt, send nothing."""
    langfuse.control(seed=[{"name": "open", "type": kind, "prompt": text, "labels": ["production"], "config": {}}])
    with pytest.raises(tk.PromptError, match="open"):
        tk.sweep("langfuse:open@production", variables=words(1), **FAST)
    assert openai_server.requests() == []
