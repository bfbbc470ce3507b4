"""Results on their way to Langfuse: the call, what it returns, and what it shows."""

from __future__ import annotations

import contextlib
import sys

import pytest

from tests.langfuse.pushing import SEED, TRACES, counts, held, make_trials, save, score, settings_for
from tests.servers._process import serving
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from toolkit import _sync
from toolkit._http import HttpClient
from toolkit.errors import LangfuseError, MissingKeyError, UsageError
from toolkit.langfuse import Outlet
from toolkit.results import Results, load
from toolkit.store import FILE_NAME, RunStore
from toolkit.sweep import open_run


@pytest.fixture(scope="module")
def _server():
    with serving("tests.servers.fake_langfuse") as running:
        yield running


@pytest.fixture
def langfuse(_server):
    """A fake Langfuse with two versions of a prompt, that has received nothing yet."""
    _server.control(reset=True, lag_s=0, seed=SEED)
    return _server


@pytest.fixture
def store(tmp_path):
    """A run store of its own."""
    made = RunStore(tmp_path / "runs.sqlite")
    yield made
    made.close()


@pytest.fixture
def results(langfuse, store):
    """Results of four arms over five cases, scored once, that know their store and their Langfuse."""
    http = HttpClient()
    view = score(store, save(store, make_trials(5)))
    yield Results(view, outlet=lambda: Outlet(settings=settings_for(langfuse), http=http, ledger=store))
    _sync.run(http.aclose())


def test_a_push_returns_what_is_there(langfuse, results):
    """The value has each arm's experiment, what is there and what is new, and the page that compares them."""
    pushed = results.to_langfuse("nightly")
    assert (pushed.name, pushed.dataset, pushed.is_whole, pushed.problems) == ("nightly", None, True, ())
    assert (pushed.generations, pushed.generations_new, pushed.scores, pushed.scores_new) == (20, 20, 20, 20)
    ids = {row["experiment"]["name"]: row["experiment"]["id"] for row in held(langfuse)["observations"]}
    assert {each.name: each.id for each in pushed.experiments.values()} == ids
    first, *others = [each.id for each in pushed.experiments.values()]
    compare = "".join(f"&c={each}" for each in others)
    assert pushed.compare_url == f"{langfuse.url}/project/proj-test/experiments/results?baseline={first}{compare}"
    assert list(pushed.experiments) == list(results.arms.index)


def test_a_push_shows_its_link(results):
    """As text and as HTML the value says what is there, and where the arms are compared."""
    pushed = results.to_langfuse("nightly", dataset="words")
    assert repr(pushed).splitlines() == [
        "Langfuse has 'nightly' on the dataset 'words': 4 experiments, 20 generations (20 new), 20 scores (20 new).",
        f"Compare: {pushed.compare_url}",
    ]
    markup = pushed._repr_html_()
    assert pushed.compare_url.replace("&", "&amp;") in markup
    assert "<a " not in markup


def test_a_name_with_markup_is_shown_as_text(results):
    """A name that looks like HTML is escaped."""
    assert "<b>" not in results.to_langfuse("<b>x</b>")._repr_html_()


def test_the_await_form_does_the_same(langfuse, results):
    """`ato_langfuse` pushes for code that awaits."""
    pushed = _sync.run(results.ato_langfuse("nightly"))
    assert (pushed.generations_new, counts(langfuse)["generations"]) == (20, 20)


def test_what_is_not_taken_is_told(langfuse, results):
    """When something is refused, the value says how much and why, and is not whole."""
    wrong = {"path": TRACES, "status": 400, "body": {"message": "no such thing"}}
    # All 20, the first ten, five, two, one: that one is refused, and everything beside it is taken.
    langfuse.control(next=[wrong] * 5)
    pushed = results.to_langfuse()
    assert (pushed.failed, pushed.generations, pushed.is_whole) == (1, 19, False)
    assert "1 were not taken: " in repr(pushed)
    assert "no such thing" in repr(pushed)
    assert results.to_langfuse().generations_new == 1


def test_traces_are_known_after_a_push(langfuse, results):
    """The address of each trial's trace is known once it is there, and not before."""
    assert dict(results.traces) == {}
    results.to_langfuse()
    assert repr(results.traces) == repr(dict(results.traces))
    assert set(results.traces) == set(results.df["trial_id"])
    assert all(each.startswith(f"{langfuse.url}/project/proj-test/traces/") for each in results.traces.values())


def test_results_of_a_file_are_pushed_too(langfuse, results, tmp_path, monkeypatch):
    """A run from a `.sweep` file, which has no store, is pushed by the environment's keys, and pushed twice is once."""
    monkeypatch.setenv("LANGFUSE_HOST", langfuse.url)
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", PUBLIC_KEY)
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", SECRET_KEY)
    path = results.export(tmp_path / "run.sweep")
    assert load(path).to_langfuse("shared").generations_new == 20
    again = load(path)
    assert again.to_langfuse("shared").generations_new == 0
    assert again.to_langfuse("shared").scores_new == 0
    assert (counts(langfuse)["generations"], counts(langfuse)["scores"]) == (20, 20)


def test_missing_keys_are_named(results, tmp_path, monkeypatch):
    """Without keys the error names the variable that is not set."""
    for name in ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    loaded = load(results.export(tmp_path / "run.sweep"))
    with pytest.raises(MissingKeyError, match="LANGFUSE_PUBLIC_KEY is not set"):
        loaded.to_langfuse()
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", PUBLIC_KEY)
    with pytest.raises(MissingKeyError, match="LANGFUSE_SECRET_KEY is not set"):
        loaded.to_langfuse()


def test_keys_that_are_set_after_the_sweep_hold(langfuse, tmp_path, monkeypatch):
    """Results that were made before the keys were set are pushed once they are, by the same call."""
    keys = {"LANGFUSE_PUBLIC_KEY": PUBLIC_KEY, "LANGFUSE_SECRET_KEY": SECRET_KEY, "LANGFUSE_HOST": langfuse.url}
    for name in keys:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path))
    with contextlib.closing(RunStore(tmp_path / FILE_NAME)) as store:
        run_id = save(store, make_trials(5)).run_id
    found = open_run(run_id)
    with pytest.raises(MissingKeyError):
        found.to_langfuse()
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    assert found.to_langfuse().generations_new == 20


def test_a_push_with_nothing_to_send_shows_no_line(results, monkeypatch, capsys):
    """Where nothing is left to send there is no count to show."""
    results.to_langfuse("nightly")
    monkeypatch.setattr("toolkit.results._langfuse_face.has_kernel", lambda: True)
    results.to_langfuse("nightly")
    assert capsys.readouterr().out == ""


def test_an_error_says_where_it_came_from(langfuse, results):
    """A Langfuse that refuses the keys is an error with host and status, and nothing is noted."""
    langfuse.control(next=[{"status": 401, "body": {"message": "Invalid credentials"}}])
    with pytest.raises(LangfuseError, match=f"{langfuse.url}.*HTTP 401"):
        results.to_langfuse()
    assert results.to_langfuse().generations_new == 20


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"name": ""}, "`name`"),
        ({"name": 3}, "`name`"),
        ({"dataset": " "}, "`dataset`"),
        ({"patience_s": -1}, "`patience_s`"),
        ({"patience_s": True}, "`patience_s`"),
        ({"progress": "on"}, "`progress`"),
    ],
)
def test_wrong_arguments_are_refused(langfuse, results, how, words):
    """An argument that makes no sense is named, and nothing is asked."""
    with pytest.raises(UsageError, match=words):
        results.to_langfuse(**how)
    assert langfuse.requests() == []


def test_a_terminal_sees_how_far_it_is(langfuse, results, monkeypatch, capsys):
    """In a terminal one line says how far the push is, and stays; elsewhere nothing is written."""
    results.to_langfuse("first")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    langfuse.control(next=[{"path": TRACES, "delay_s": 0.3}])
    results.to_langfuse("second")
    said = capsys.readouterr().err
    assert "Langfuse: generations 0 of 20" in said
    assert said.endswith("\n")
    assert said.split("\r")[-1].rstrip() == "Langfuse: scores 20 of 20"
