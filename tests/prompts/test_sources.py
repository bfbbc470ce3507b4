"""The choice between sources: prefixes, defaults, names that stand in two places, plug-ins, and histories."""

import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tests.servers._process import ServerProcess
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from toolkit._http import HttpClient
from toolkit._records import Prompt, PromptInfo
from toolkit._redact import Secret
from toolkit._sync import run
from toolkit.config import LangfuseSettings, Settings
from toolkit.errors import MissingKeyError, PromptNotFoundError, PromptSourceError, UnknownNameError, UsageError
from toolkit.prompts import FolderSource, LangfuseSource, PromptReference, Selector, Sources

MakeSources = Callable[..., Sources]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with five versions of `reply` and one of `greet`."""
    root = tmp_path / "prompts"
    root.mkdir()
    for version in (1, 2, 3, 9, 10):
        (root / f"reply.v{version}.prompt").write_text(f"reply {version}")
    (root / "labels.yaml").write_text("labels: {reply: {production: 2}}")
    (root / "greet.prompt").write_text("Hi")
    return root


@pytest.fixture
def make_sources(http: HttpClient, folder: Path) -> MakeSources:
    """Makes the sources of a configuration with the folder, and with Langfuse where a test gives its server."""

    def make(server: ServerProcess | None = None, *, extra: Any = None, **settings: Any) -> Sources:
        keys = {"public_key": PUBLIC_KEY, "secret_key": Secret(SECRET_KEY)}
        langfuse = None if server is None else LangfuseSettings(host=server.url, **keys)
        merged = {"prompts_folder": folder, "langfuse": langfuse, **settings}
        return Sources(Settings(**merged), http, extra=extra or {})

    return make


def references(prompts: list[Prompt]) -> list[str]:
    return [prompt.reference for prompt in prompts]


@pytest.mark.parametrize(
    ("reference", "resolved"),
    [
        ("reply", ["folder:reply@10"]),
        ("reply@9", ["folder:reply@9"]),
        ("reply@production", ["folder:reply@2"]),
        ("folder:reply@3", ["folder:reply@3"]),
        ("reply@*", [f"folder:reply@{version}" for version in (1, 2, 3, 9, 10)]),
        ("reply@2..9", [f"folder:reply@{version}" for version in (2, 3, 9)]),
        ("reply@4..9", ["folder:reply@9"]),
        (PromptReference(name="reply", selector=Selector(kind="all")), [f"folder:reply@{v}" for v in (1, 2, 3, 9, 10)]),
    ],
)
def test_a_reference_is_pinned_to_versions(make_sources: MakeSources, reference: Any, resolved: list[str]):
    """Version, label, `*` and range become prompts with their versions, oldest first by number."""
    assert references(run(make_sources().resolve(reference))) == resolved


def test_a_prompt_asked_for_by_label_keeps_the_label(make_sources: MakeSources):
    """The label that was asked for stays with the pinned prompt; without one there is none."""
    sources = make_sources()
    assert [prompt.label for prompt in run(sources.resolve("reply@production"))] == ["production"]
    assert [prompt.label for prompt in run(sources.resolve("reply@2"))] == [None]


def test_a_prompt_is_its_own_reference(make_sources: MakeSources):
    """A prompt that is given instead of a reference is taken as it is; no source is asked."""
    prompt = Prompt(prompt_id="me@home:1", version="1", kind="text", template="x", source="memory")
    assert run(make_sources(prompts_folder=Path("/nowhere")).resolve(prompt)) == [prompt]


def test_a_range_without_versions_shows_what_there_is(make_sources: MakeSources):
    """A range in which no version lies is an error that lists the versions."""
    with pytest.raises(PromptNotFoundError, match=r"no version in 4\.\.8; versions: 1, 2, 3, 9, 10"):
        run(make_sources().resolve("reply@4..8"))


def test_a_history_is_fetched_from_langfuse(langfuse: ServerProcess, make_sources: MakeSources):
    """`@*` reads every version of a Langfuse prompt, in as many requests as there are versions and one."""
    sources = make_sources(langfuse)
    prompts = run(sources.resolve("langfuse:movie-critic@*"))
    assert [(prompt.version, prompt.labels) for prompt in prompts] == [
        ("1", ("production",)),
        ("2", ("staging", "latest")),
    ]
    assert len(langfuse.requests()) == 3


@pytest.mark.parametrize(
    ("reference", "resolved"), [("reply", ["folder:reply@10"]), ("movie-critic@2", ["langfuse:movie-critic@2"])]
)
def test_a_bare_name_is_found_where_it_is(
    langfuse: ServerProcess, make_sources: MakeSources, reference: str, resolved: list[str]
):
    """With two sources configured a name without a prefix is taken from the one that has it."""
    assert references(run(make_sources(langfuse).resolve(reference))) == resolved


def test_a_name_in_two_sources_is_an_error_that_shows_both(langfuse: ServerProcess, make_sources: MakeSources):
    """A bare name that two sources have is refused with the two ways to write it, whichever has the version."""
    langfuse.control(seed=[{"name": "greet", "type": "text", "prompt": "x", "labels": ["production"]}])
    with pytest.raises(UsageError, match="'langfuse:greet@1' or 'folder:greet@1'"):
        run(make_sources(langfuse).resolve("greet@1"))
    assert references(run(make_sources(langfuse).resolve("folder:greet"))) == ["folder:greet@1"]


def test_a_configured_default_decides(langfuse: ServerProcess, make_sources: MakeSources):
    """With a default source a bare name is asked for there and nowhere else."""
    langfuse.control(seed=[{"name": "greet", "type": "text", "prompt": "x", "labels": ["production"]}])
    for default in ("folder", "langfuse"):
        prompts = run(make_sources(langfuse, prompt_source=default).resolve("greet"))
        assert references(prompts) == [f"{default}:greet@1"]


def test_a_name_that_is_nowhere_says_where_was_looked(
    langfuse: ServerProcess, make_sources: MakeSources, tmp_path: Path
):
    """A bare name that no source has is an error with the places that were searched and the nearest names."""
    with pytest.raises(PromptNotFoundError, match=r"Looked in: 'langfuse', 'folder'\. Did you mean 'reply'\?"):
        run(make_sources(langfuse).resolve("repli"))
    with pytest.raises(PromptNotFoundError) as caught:
        run(make_sources(prompts_folder=tmp_path / "none").resolve("reply"))
    assert "LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY are not both set" in str(caught.value)
    assert "TOOLKIT_PROMPTS names another" in str(caught.value)


def test_a_source_that_is_down_is_not_passed_over(langfuse: ServerProcess, make_sources: MakeSources):
    """When one of two sources cannot be asked, a bare name is an error: it might stand there too."""
    langfuse.control(next=[{"status": 401, "body": {"message": "no"}}])
    with pytest.raises(PromptSourceError, match="LANGFUSE_PUBLIC_KEY"):
        run(make_sources(langfuse).resolve("reply"))


@pytest.mark.parametrize("settings", [{}, {"prompt_source": "langfuse"}])
def test_langfuse_without_keys_names_the_variables(make_sources: MakeSources, settings: dict[str, str]):
    """A reference into Langfuse without its keys is an error that names both variables."""
    reference = "reply" if settings else "langfuse:reply"
    with pytest.raises(MissingKeyError, match="LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY"):
        run(make_sources(**settings).resolve(reference))


def test_an_unknown_source_is_an_error(make_sources: MakeSources):
    """A prefix and a default that are no source are refused with the known ones."""
    with pytest.raises(UnknownNameError, match=r"'folderr'.*Known: dotprompt, folder, generic, .*humanloop, langfuse"):
        run(make_sources().resolve("folderr:reply"))
    with pytest.raises(UnknownNameError, match=r"'folderr'.*Known: folder, generic, humanloop, langfuse"):
        run(make_sources(prompt_source="folderr").resolve("reply"))


def test_the_list_is_of_all_configured_sources(langfuse: ServerProcess, make_sources: MakeSources):
    """The list has every configured source's prompts, by source and name, or those of one source."""
    listed = run(make_sources(langfuse).list(query="re"))
    assert [(info.source, info.prompt_id) for info in listed] == [
        ("folder", "greet"),
        ("folder", "reply"),
        ("langfuse", "support/reply"),
    ]
    assert {info.source for info in run(make_sources(langfuse).list(source="folder"))} == {"folder"}


class Memory:
    """A source in memory with one prompt."""

    name = "memory"

    def __init__(self, **made_with: Any) -> None:
        self.made_with = made_with
        self.is_closed = False

    async def get(self, prompt_id: str, *, version: str | None = None, label: str | None = None) -> Prompt:
        return Prompt(prompt_id=prompt_id, version="a1", kind="text", template="x", source=self.name, label=label)

    async def versions(self, prompt_id: str) -> tuple[str, ...]:
        if prompt_id != "note":
            raise PromptNotFoundError("no")
        return ("a1", "b2")

    async def list(self, *, query: str = "") -> list[PromptInfo]:
        return [PromptInfo(prompt_id="note", source=self.name, kind="text")]

    async def aclose(self) -> None:
        self.is_closed = True


def test_a_source_handed_in_is_a_source_like_others(make_sources: MakeSources):
    """An extra source has a prefix, is asked for bare names, is listed, and is closed with the others."""
    memory = Memory()
    sources = make_sources(extra={"memory": memory})
    assert references(run(sources.resolve("memory:note"))) == ["memory:note@a1"]
    assert references(run(sources.resolve("note"))) == ["memory:note@a1"]
    assert references(run(sources.resolve("reply@1"))) == ["folder:reply@1"]
    assert [info.prompt_id for info in run(sources.list())] == ["greet", "reply", "note"]
    run(sources.aclose())
    assert memory.is_closed


def test_versions_that_are_no_numbers_lie_in_no_range(make_sources: MakeSources):
    """A range chooses by number; a source that counts otherwise has nothing in it, and everything under `*`."""
    sources = make_sources(extra={"memory": Memory()})
    assert len(run(sources.resolve("memory:note@*"))) == 2
    with pytest.raises(PromptNotFoundError, match="versions: a1, b2"):
        run(sources.resolve("memory:note@1..9"))


def test_a_plug_in_is_called_with_settings_and_http(
    make_sources: MakeSources, http: HttpClient, monkeypatch: pytest.MonkeyPatch
):
    """The entry point's name is the prefix; its factory gets `settings` and `http`, once, when first needed."""
    entry = metadata.EntryPoint(name="memory", value=f"{__name__}:Memory", group="toolkit.prompt_sources")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry] if group == entry.group else [])
    sources = make_sources()
    assert {"folder", "langfuse", "memory"} <= {*sources.names}
    assert references(run(sources.resolve("memory:note"))) == ["memory:note@a1"]
    source: Any = sources.get("memory")
    assert source is sources.get("memory")
    assert source.made_with.keys() == {"settings", "http"}
    assert source.made_with["http"] is http


def test_a_refresh_reaches_every_source(langfuse: ServerProcess, make_sources: MakeSources):
    """After `refresh` a prompt that was fetched a moment ago is fetched again."""
    sources = make_sources(langfuse, prompt_source="langfuse")
    for _ in range(2):
        run(sources.resolve("movie-critic"))
    sources.refresh()
    run(sources.resolve("movie-critic"))
    assert len(langfuse.requests()) == 2


def test_built_ins_go_through_the_same_door(langfuse: ServerProcess, make_sources: MakeSources):
    """The folder and Langfuse are made by name, once each."""
    sources = make_sources(langfuse)
    assert isinstance(sources.get("folder"), FolderSource)
    assert isinstance(sources.get("langfuse"), LangfuseSource)
    assert sources.get("folder") is sources.get("folder")


def test_references_and_templates_are_light_to_import():
    """The public names come without the YAML, HTTP, Jinja and frame libraries; those come with what needs them."""
    heavy = "{'yaml', 'httpx', 'jinja2', 'pandas', 'numpy', 'langfuse'}"
    code = f"import sys, toolkit.prompts; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
