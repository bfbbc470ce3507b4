"""`tk.push_prompt`: a new version of a prompt, with the run that speaks for it, and never with `production`."""

from __future__ import annotations

import pytest

import toolkit as tk
from tests.servers._process import serving
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from toolkit import _sync
from toolkit._redact import Secret
from toolkit.config import LangfuseSettings, Settings
from toolkit.errors import PromptNotFoundError, RunNotFoundError, UsageError
from toolkit.prompts import PromptReference
from toolkit.testing import FakeProvider, fake_engine

OLD, NEW = "Dear {{name}}, hello.", "Hi {{name}}."


@pytest.fixture(scope="module")
def server():
    """A Langfuse in another process."""
    with serving("tests.servers.fake_langfuse") as started:
        yield started


@pytest.fixture(params=["folder", "langfuse"])
def engine(request, tmp_path, server):
    """An engine on one source, folder or Langfuse, with one version of `reply`, in production, and a provider."""
    keys = None
    if request.param == "langfuse":
        server.control(reset=True)
        keys = LangfuseSettings(host=server.url, public_key=PUBLIC_KEY, secret_key=Secret(SECRET_KEY))
    settings = Settings(home=tmp_path / "home", prompts_folder=tmp_path / request.param, langfuse=keys)
    made = fake_engine(settings, providers=[FakeProvider(["hello"])])
    source = made.sources.get(request.param)
    _sync.run(source.push("reply", OLD, config={"model": "fake/m"}, labels=["production"]))
    yield made
    _sync.run(made.aclose())


def message_of(engine, prompt):
    """What its source says about the change."""
    return _sync.run(engine.sources.history(prompt.prompt_id, prompt.source))[-1].message


def test_a_new_version_keeps_the_config(engine):
    """A new version has the config of the version that it goes on from, its labels and message; production stays."""
    pushed = tk.push_prompt("reply", NEW, message="shorter", labels=["staging"], engine=engine)
    assert (pushed.version, pushed.template, dict(pushed.config)) == ("2", NEW, {"model": "fake/m"})
    assert message_of(engine, pushed) == "shorter"
    assert tk.prompt("reply@staging", engine=engine).version == "2"
    assert tk.prompt("reply@production", engine=engine).version == "1"


def test_config_can_be_given(engine):
    """Another config alone is a change, and takes the place of the stored one."""
    pushed = tk.push_prompt("reply", OLD, config={"model": "fake/n"}, engine=engine)
    assert (pushed.version, dict(pushed.config)) == ("2", {"model": "fake/n"})


def test_the_run_that_speaks_for_it_is_named(engine):
    """The message names the run, given as results or by its id, with or without words of one's own."""
    draft = tk.Prompt(prompt_id="reply", version="d", kind="text", template=NEW, source="draft")
    results = tk.sweep(draft, "fake/m", {"name": ["Ana"]}, progress="off", engine=engine)
    pushed = tk.push_prompt("reply", NEW, message="shorter", run=results, engine=engine)
    assert message_of(engine, pushed) == f"shorter (run {results.run_id})"
    with pytest.raises(UsageError, match="does not speak for this draft"):
        tk.push_prompt("reply", "Something else, {{name}}", run=results.run_id, engine=engine)
    again = tk.push_prompt("reply", NEW, config={"model": "fake/n"}, run=results.run_id, engine=engine)
    assert message_of(engine, again) == f"run {results.run_id}"


@pytest.mark.parametrize(
    ("reference", "template", "options", "error", "says"),
    [
        ("reply", OLD, {}, UsageError, "has this text and config already"),
        ("reply@1", OLD, {}, UsageError, "Nothing is changed"),
        ("reply", NEW, {"labels": ["production"]}, UsageError, r"results\.promote"),
        ("reply", [{"role": "user", "content": "Hi"}], {}, UsageError, "is text, and the draft is chat"),
        ("reply@9", NEW, {}, PromptNotFoundError, "has no version '9'"),
        ("reply", NEW, {"run": "run-nothing"}, RunNotFoundError, "run-nothing"),
        ("reply", NEW, {"run": 5}, UsageError, "`run` is a run, its results or its id, or None; got 5"),
        ("reply", NEW, {"message": 5}, UsageError, "`message` is a text, or None; got 5"),
        ("reply", NEW, {"config": "hot"}, UsageError, "`config` is a map .*got 'hot'"),
        ("reply", NEW, {"config": {"a": object()}}, UsageError, "are plain JSON"),
        ("reply", " ", {}, UsageError, "draft is empty"),
        ("reply", [], {}, UsageError, "draft is empty"),
        ("reply", None, {}, UsageError, "`template` is a text, or a list of messages as maps; got None"),
        ("reply", ["Hi"], {}, UsageError, "`template` is a text, or a list of messages as maps"),
        ("reply", [{"role": "user"}], {}, UsageError, "Message 0 of `template` has no 'content'"),
    ],
)
def test_what_makes_no_version_is_refused(engine, reference, template, options, error, says):
    """What changes nothing, asks for `production`, is of another kind or names nothing is refused and not written."""
    with pytest.raises(error, match=says):
        tk.push_prompt(reference, template, engine=engine, **options)
    (source,) = engine.sources.configured
    assert _sync.run(engine.sources.get(source).versions("reply")) == ("1",)


def test_a_new_prompt_begins_at_1(engine):
    """A name that the source lacks is a new prompt, also one that a reference cannot spell as text."""
    (source,) = engine.sources.configured
    assert tk.push_prompt("fresh", NEW, engine=engine).reference == f"{source}:fresh@1"
    if source == "langfuse":
        odd = PromptReference(name="a:b@c", source=source)
        first = tk.push_prompt(odd, NEW, engine=engine)
        assert (first.prompt_id, first.version) == ("a:b@c", "1")
        assert tk.push_prompt(first, OLD, engine=engine).version == "2"


def test_a_prompt_without_production_goes_on_from_its_newest_version(engine):
    """Where a source has no default version, the newest one is gone on from, and its config stays."""
    (source,) = engine.sources.configured
    _sync.run(engine.sources.get(source).push("quiet", OLD, config={"model": "fake/m"}))
    pushed = tk.push_prompt("quiet", NEW, engine=engine)
    assert (pushed.version, dict(pushed.config)) == ("2", {"model": "fake/m"})


def test_a_new_prompt_names_its_source_where_there_are_two(tmp_path, server):
    """With two sources a new prompt needs the one that takes it, and the error says how to name it."""
    (tmp_path / "prompts").mkdir()
    keys = LangfuseSettings(host=server.url, public_key=PUBLIC_KEY, secret_key=Secret(SECRET_KEY))
    engine = fake_engine(Settings(home=tmp_path / "home", prompts_folder=tmp_path / "prompts", langfuse=keys))
    with pytest.raises(UsageError, match="'folder:brand-new'"):
        tk.push_prompt("brand-new", NEW, engine=engine)
    assert tk.push_prompt("folder:brand-new", NEW, engine=engine).reference == "folder:brand-new@1"
    _sync.run(engine.aclose())
