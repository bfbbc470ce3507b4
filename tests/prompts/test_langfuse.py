"""Langfuse: what is asked and how often, and what comes back."""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from tests.prompts.conftest import Clock, recording
from tests.servers._process import ServerProcess
from toolkit._records import FrozenDict
from toolkit._sync import run
from toolkit.errors import PromptNotFoundError, PromptSourceError, UsageError
from toolkit.prompts import LangfuseSource, render

MakeSource = Callable[..., LangfuseSource]
BASE = "/api/public/v2/prompts"


def paths(server: ServerProcess) -> list[str]:
    return [request["path"] for request in server.requests()]


@pytest.mark.line("3.7")
@pytest.mark.parametrize(
    ("name", "selection", "asked", "number"),
    [
        ("movie-critic", {}, "/movie-critic", 12),
        ("movie-critic", {"version": "2"}, "/movie-critic?version=2", 13),
        ("movie-critic", {"label": "staging"}, "/movie-critic?label=staging", 14),
        ("movie-critic", {"label": "latest"}, "/movie-critic?label=latest", 15),
        ("support/reply", {}, "/support%2Freply", 16),
        ("history-chat", {}, "/history-chat", 18),
        ("composed", {}, "/composed", 19),
    ],
)
def test_a_prompt_reads_as_it_was_recorded(
    langfuse: ServerProcess, source: LangfuseSource, name: str, selection: dict[str, str], asked: str, number: int
):
    """One request gives text or messages, version, labels and config; without selection the server picks."""
    prompt = run(source.get(name, **selection))
    recorded = recording(number)["response"]["body"]
    template = recorded["prompt"]
    assert (prompt.prompt_id, prompt.version, prompt.kind) == (name, str(recorded["version"]), recorded["type"])
    assert prompt.template == (template if isinstance(template, str) else tuple(map(FrozenDict, template)))
    assert (prompt.config, prompt.labels) == (FrozenDict(recorded["config"]), tuple(recorded["labels"]))
    assert (prompt.label, prompt.source, prompt.template_format) == (selection.get("label"), "langfuse", "mustache")
    assert paths(langfuse) == [BASE + asked]


def test_a_recorded_chat_renders(source: LangfuseSource):
    """A chat with a message placeholder goes from the wire to messages."""
    history = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    messages = render(run(source.get("history-chat")), {"history": history, "q": "why?"})
    assert [message.to_wire() for message in messages] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "why?"},
    ]


@pytest.mark.parametrize(
    "name", ["a/b", "a?version=1", "a#b", "100%", "a%2Fb", "..a", "../x", "a b", "é", "x-label:production", "a&label=b"]
)
def test_any_name_is_one_part_of_the_path(langfuse: ServerProcess, source: LangfuseSource, name: str):
    """Slashes, question marks, dots and percent signs of a name never become part of the address."""
    langfuse.control(seed=[{"name": name, "type": "text", "prompt": name, "labels": ["production"]}])
    assert run(source.get(name)).template == name


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_an_address_would_swallow_is_not_sent(langfuse: ServerProcess, source: LangfuseSource, name: str):
    """An empty name and the dots that an address resolves are refused before sending."""
    with pytest.raises(UsageError, match="cannot be the name"):
        run(source.get(name))
    assert paths(langfuse) == []


@pytest.mark.parametrize("selection", [{"version": "1", "label": "production"}, {"version": "abc"}, {"version": "-1"}])
def test_a_selection_that_cannot_be_is_not_sent(
    langfuse: ServerProcess, source: LangfuseSource, selection: dict[str, str]
):
    """Version and label together, or a version that is no number, are refused before sending."""
    with pytest.raises(UsageError, match="'movie-critic'"):
        run(source.get("movie-critic", **selection))
    assert paths(langfuse) == []


def test_config_is_data(langfuse: ServerProcess, source: LangfuseSource):
    """Addresses, headers and keys in a prompt's config are kept as they are and change no request."""
    config = {"base_url": "http://evil.test", "headers": {"a": "b"}, "api_key": "os.environ/HOME", "model": "m"}
    langfuse.control(
        seed=[{"name": "hostile", "type": "text", "prompt": "x", "labels": ["production"], "config": config}]
    )
    assert run(source.get("hostile")).config == config
    assert run(source.get("movie-critic")).version == "1"


def test_a_prompt_is_fetched_once_within_its_time(langfuse: ServerProcess, source: LangfuseSource, clock: Clock):
    """A prompt is asked for once a minute for each version or label, and after `refresh` again."""
    for _ in range(3):
        run(source.get("movie-critic"))
        run(source.get("movie-critic", version="1"))
    assert len(paths(langfuse)) == 2
    clock.now += 59.9
    run(source.get("movie-critic"))
    assert len(paths(langfuse)) == 2
    clock.now += 0.2
    run(source.get("movie-critic"))
    assert len(paths(langfuse)) == 3
    source.refresh()
    run(source.get("movie-critic"))
    assert len(paths(langfuse)) == 4


def test_a_cache_time_of_zero_is_no_cache(langfuse: ServerProcess, make_source: MakeSource):
    """With `cache_ttl_s=0` every call asks the server."""
    source = make_source(cache_ttl_s=0)
    run(source.get("movie-critic"))
    run(source.get("movie-critic"))
    assert len(paths(langfuse)) == 2


def test_an_error_is_not_cached(langfuse: ServerProcess, source: LangfuseSource):
    """After a failure the next call asks again."""
    langfuse.control(next=[{"status": 403, "body": {"message": "no"}}])
    with pytest.raises(PromptSourceError):
        run(source.get("movie-critic"))
    assert run(source.get("movie-critic")).version == "1"


@pytest.mark.line("3.28")
def test_callers_at_once_share_a_request(langfuse: ServerProcess, source: LangfuseSource):
    """Twenty callers who ask for one prompt at the same time make one request."""

    async def ask() -> list[Any]:
        return await asyncio.gather(*(source.get("movie-critic") for _ in range(20)))

    assert {prompt.version for prompt in run(ask())} == {"1"}
    assert len(paths(langfuse)) == 1


def test_one_callers_stop_does_not_stop_the_others(langfuse: ServerProcess, source: LangfuseSource):
    """A caller who gives up leaves the shared request to those who still wait."""
    langfuse.control(next=[{"delay_s": 0.2}])

    async def ask() -> Any:
        first, second = (asyncio.create_task(source.get("movie-critic")) for _ in range(2))
        await asyncio.sleep(0)  # both have asked
        first.cancel()
        return await second

    assert run(ask()).version == "1"
    assert len(paths(langfuse)) == 1


@pytest.mark.line("3.27")
def test_at_most_eight_requests_are_in_flight(langfuse: ServerProcess, source: LangfuseSource):
    """However many prompts are asked for at once, the server sees eight requests at a time, and does see several."""
    langfuse.control(
        seed=[{"name": "long", "type": "text", "prompt": str(number)} for number in range(24)], delay_s=0.02
    )

    async def ask() -> list[Any]:
        return await asyncio.gather(*(source.get("long", version=str(number + 1)) for number in range(24)))

    assert [prompt.template for prompt in run(ask())] == [str(number) for number in range(24)]
    assert 2 <= max(request["in_flight"] for request in langfuse.requests()) <= 8


def test_versions_and_labels_are_told(langfuse: ServerProcess, source: LangfuseSource):
    """A prompt's versions come oldest first, and each label with the version that it stands on."""
    assert run(source.versions("movie-critic")) == ("1", "2")
    assert run(source.label_versions("movie-critic")) == {"latest": "2", "production": "1", "staging": "2"}


def test_an_unknown_prompt_has_no_versions(source: LangfuseSource):
    """Versions of a name that is not there are an error with the nearest names, not an empty list."""
    for ask in (source.versions, source.label_versions):
        with pytest.raises(PromptNotFoundError, match=r"no prompt 'movie-critc'.*Did you mean 'movie-critic'"):
            run(ask("movie-critc"))


@pytest.mark.line("3.14")
def test_the_list_reads_as_it_was_recorded(source: LangfuseSource):
    """An entry has versions, labels, tags, kind, time and the newest version's config."""
    entries = {info.prompt_id: info for info in run(source.list(query="CRITIC"))}
    critic = entries["movie-critic"]
    assert (critic.source, critic.kind, critic.versions) == ("langfuse", "text", ("1", "2"))
    assert (critic.labels, critic.tags) == (("latest", "production", "staging"), ("demo",))
    assert critic.config == {"model": "gpt-4o-mini", "temperature": 0}
    assert critic.updated_at is not None
    assert critic.updated_at.tzinfo == dt.UTC
    assert all("critic" in name for name in entries)


@pytest.mark.line("3.13")
def test_a_long_list_is_fetched_page_by_page(langfuse: ServerProcess, source: LangfuseSource):
    """A list longer than 100 comes whole, each name once, sorted, in as many requests as it has pages."""
    langfuse.control(seed=[{"name": f"many/{number:03}", "type": "text", "prompt": "x"} for number in range(250)])
    names = [info.prompt_id for info in run(source.list(query="many/"))]
    assert names == [f"many/{number:03}" for number in range(250)]
    asked = paths(langfuse)
    assert asked[0] == f"{BASE}?page=1&limit=100"
    assert sorted(asked[1:]) == [f"{BASE}?page=2&limit=100", f"{BASE}?page=3&limit=100"]


def test_closing_cancels_what_is_on_its_way(langfuse: ServerProcess, source: LangfuseSource):
    """A source that is closed lets no caller wait for a slow server."""
    langfuse.control(next=[{"delay_s": 5}])

    async def close_while_asking() -> None:
        asking = asyncio.create_task(source.get("movie-critic"))
        await asyncio.sleep(0)  # it has asked
        await source.aclose()
        with pytest.raises(asyncio.CancelledError):
            await asking

    run(close_while_asking())
