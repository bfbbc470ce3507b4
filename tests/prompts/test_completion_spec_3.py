"""Langfuse on the wire, line by line of section 3 of the completion specification."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.prompts.conftest import Clock
from tests.servers._process import ServerProcess, serving
from tests.servers.fake_langfuse import AUTHORIZATION, PUBLIC_KEY, SECRET_KEY
from toolkit._http import HttpClient
from toolkit._redact import Secret
from toolkit._sync import run
from toolkit.config import Settings
from toolkit.engine import effective_params
from toolkit.errors import ConfigError, MissingKeyError, PromptNotFoundError, PromptSourceError, UsageError
from toolkit.prompts import LangfuseSource, SourceAccess, Sources

MakeSource = Callable[..., LangfuseSource]
BASE = "/api/public/v2/prompts"
KEYS = {"langfuse_public_key": PUBLIC_KEY, "langfuse_secret_key": Secret(SECRET_KEY)}


def paths(server: ServerProcess) -> list[str]:
    return [request["path"] for request in server.requests()]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Sets variables and returns the settings that come of them."""

    def set_all(**variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return Settings.from_environment()

    return set_all


# completion.md section 3: GET {host}/api/public/v2/prompts/{name percent-encoded, "/" as %2F}, Basic auth
@pytest.mark.line("3.2", "3.5")
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("team/reply", "team%2Freply"),
        ("a?b#c", "a%3Fb%23c"),
        ("50%", "50%25"),
        ("%2e%2e", "%252e%252e"),
        ("../secrets", "..%2Fsecrets"),
        ("reply-label:production", "reply-label%3Aproduction"),
        ("größe ✓", "gr%C3%B6%C3%9Fe%20%E2%9C%93"),
    ],
)
def test_a_name_is_percent_encoded_whole(langfuse: ServerProcess, source: LangfuseSource, name: str, path: str):
    """Every sign of a name that means something in an address is encoded, so that the name stays one part of it."""
    langfuse.control(seed=[{"name": name, "type": "text", "prompt": "x", "labels": ["production"]}])
    assert run(source.get(name)).prompt_id == name
    assert paths(langfuse) == [f"{BASE}/{path}"]
    assert langfuse.requests()[0]["authorization"] == "valid"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_an_address_swallows_is_refused(langfuse: ServerProcess, source: LangfuseSource, name: str):
    """A name that no address can hold is an error; nothing is sent."""
    for ask in (source.get, source.versions):
        with pytest.raises(UsageError, match="cannot be the name"):
            run(ask(name))
    with pytest.raises(UsageError, match="cannot be the name"):
        run(source.push(name, "x"))
    assert paths(langfuse) == []


# completion.md section 3: ?version=N|label=L; neither: no query, and the server picks `production`
@pytest.mark.line("3.1", "3.3", "3.4")
@pytest.mark.parametrize(
    ("selection", "query", "version"),
    [({}, "", "1"), ({"version": "2"}, "?version=2", "2"), ({"label": "staging"}, "?label=staging", "2")],
)
def test_version_or_label_is_the_query(
    langfuse: ServerProcess, source: LangfuseSource, selection: dict[str, str], query: str, version: str
):
    """A version or a label is sent as such; without either there is no query and the server picks production."""
    assert run(source.get("movie-critic", **selection)).version == version
    assert paths(langfuse) == [f"{BASE}/movie-critic{query}"]


# completion.md section 3: Version and label together: error before sending
@pytest.mark.line("3.6")
def test_version_and_label_together_are_refused(langfuse: ServerProcess, source: LangfuseSource):
    """A version and a label together are an error; nothing is sent."""
    with pytest.raises(UsageError, match=r"both given.*Nothing was sent"):
        run(source.get("movie-critic", version="1", label="staging"))
    assert paths(langfuse) == []


# completion.md section 3: an HTML 404 is possible from a proxy: never `.json()` blindly
@pytest.mark.line("3.10")
def test_a_page_instead_of_json_is_told(langfuse: ServerProcess, source: LangfuseSource):
    """A page of HTML, whatever its status, is an error that says so."""
    page = "<!DOCTYPE html><html><head><title>404</title></head></html>"
    for status in (200, 404, 502):
        langfuse.control(next=[{"status": status, "body": page}] * 3)
        with pytest.raises(PromptSourceError, match=f"HTTP {status}.*HTML"):
            run(source.get("movie-critic"))
        langfuse.control(reset=True)
        source.refresh()


# completion.md section 3: Our errors carry `.status` and name the prompt, the version or label asked for, the status
@pytest.mark.line("3.11", "3.12")
@pytest.mark.parametrize(
    ("selection", "says"),
    [({"version": "9"}, "version '9'"), ({"label": "none"}, "label 'none'"), ({}, "'bare'")],
)
@pytest.mark.parametrize("status", [401, 404, 429])
def test_an_error_says_what_was_asked_and_the_status(
    langfuse: ServerProcess, source: LangfuseSource, selection: dict[str, str], says: str, status: int
):
    """The prompt, the version or label that was asked for, and the HTTP status are in the message and on the error."""
    langfuse.control(seed=[{"name": "bare", "type": "text", "prompt": "x"}])
    if status != 404:
        langfuse.control(next=[{"status": status, "body": {"message": "no", "error": "No"}}] * 3)
    with pytest.raises((PromptSourceError, PromptNotFoundError)) as caught:
        run(source.get("bare", **selection))
    assert (caught.value.status, caught.value.prompt_id) == (status, "bare")
    assert f"HTTP {status}" in str(caught.value)
    assert "'bare'" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.line("3.12")
def test_an_unknown_prompt_by_version_names_the_version(source: LangfuseSource):
    """For a prompt that is not there the version or label that was asked for is told, too."""
    with pytest.raises(PromptNotFoundError, match=r"no prompt 'nope', asked for version '7' \(HTTP 404\)"):
        run(source.get("nope", version="7"))


# completion.md section 3: List: ?name&label&tag&page&limit (page from 1, limit <= 100)
@pytest.mark.line("3.13")
def test_the_list_is_asked_for_in_pages_of_100(langfuse: ServerProcess, source: LangfuseSource):
    """Pages count from 1 and hold 100."""
    run(source.list())
    assert paths(langfuse) == [f"{BASE}?page=1&limit=100"]


# completion.md section 3: which label stands on which version comes from `?name=X&label=L`
@pytest.mark.line("3.15")
def test_a_labels_version_is_asked_for_cheaply(langfuse: ServerProcess, source: LangfuseSource):
    """One list request a label tells the version that it stands on, not one request a version."""
    assert run(source.label_versions("movie-critic")) == {"latest": "2", "production": "1", "staging": "2"}
    asked = paths(langfuse)
    assert asked[0] == f"{BASE}?page=1&limit=100&name=movie-critic"
    labels = ("latest", "production", "staging")
    assert sorted(asked[1:]) == [f"{BASE}?page=1&limit=100&name=movie-critic&label={label}" for label in labels]


# completion.md section 3: another host with the same key silently gets the first one: not here
@pytest.mark.line("3.22")
def test_one_key_on_two_hosts_is_two_projects(langfuse: ServerProcess, sources: Sources):
    """The same keys on another host are another source, with a cache of its own."""
    with serving("tests.servers.fake_langfuse") as other:
        other.control(seed=[{"name": "movie-critic", "type": "text", "prompt": "Other.", "labels": ["production"]}])
        for server, begins in ((langfuse, "As a"), (other, "Other.")):
            access = SourceAccess(langfuse_host=server.url, **KEYS)
            prompt = run(sources.fetch("langfuse", "movie-critic", access=access))
            assert str(prompt.template).startswith(begins)


@pytest.mark.line("3.28")
def test_two_projects_stand_side_by_side(langfuse: ServerProcess, sources: Sources):
    """Other keys on one host are another source; each is asked with its own keys."""
    first = SourceAccess(langfuse_host=langfuse.url, **KEYS)
    second = SourceAccess(langfuse_host=langfuse.url, langfuse_public_key="pk-lf-b", langfuse_secret_key=Secret("sk-b"))
    assert sources.get("langfuse", access=first) is not sources.get("langfuse", access=second)
    run(sources.fetch("langfuse", "movie-critic", access=first))
    with pytest.raises(PromptSourceError, match="refused the keys"):
        run(sources.fetch("langfuse", "movie-critic", access=second))
    assert [request["authorization"] for request in langfuse.requests()] == ["valid", "wrong"]


# completion.md section 3: reading prompts through our own HTTP layer
@pytest.mark.line("3.20")
def test_reading_prompts_does_not_import_the_sdk(langfuse: ServerProcess):
    """A prompt is read without the Langfuse SDK being imported."""
    code = (
        "import sys\n"
        "from toolkit._http import HttpClient\nfrom toolkit._sync import run\nfrom toolkit.config import Settings\n"
        "from toolkit.prompts import Sources\n"
        "async def get():\n"
        "    return await Sources(Settings.from_environment(), HttpClient()).resolve('langfuse:movie-critic')\n"
        "print(run(get())[0].version, 'langfuse' in sys.modules)\n"
    )
    variables = {"LANGFUSE_PUBLIC_KEY": PUBLIC_KEY, "LANGFUSE_SECRET_KEY": SECRET_KEY, "LANGFUSE_HOST": langfuse.url}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=True)
    assert done.stdout == "1 False\n"


# completion.md section 3: Cache: one fetch per (host, key, name, version or label) and process within its TTL
@pytest.mark.line("3.25", "3.28")
def test_one_fetch_a_question_within_the_time(langfuse: ServerProcess, source: LangfuseSource, clock: Clock):
    """Each of name, version and label is fetched once in 60 seconds, and again after them."""
    selections: tuple[dict[str, str], ...] = ({}, {"version": "1"}, {"version": "2"}, {"label": "staging"})
    for _ in range(3):
        for selection in selections:
            run(source.get("movie-critic", **selection))
        clock.now += 19.9
    assert len(paths(langfuse)) == 4
    clock.now += 0.5
    run(source.get("movie-critic"))
    assert len(paths(langfuse)) == 5


def test_the_same_project_is_one_source_however_it_is_named(
    langfuse: ServerProcess, http: HttpClient, environment: Callable[..., Settings]
):
    """Keys from the environment and the same keys from a caller share one cache."""
    settings = environment(
        LANGFUSE_PUBLIC_KEY=PUBLIC_KEY, LANGFUSE_SECRET_KEY=SECRET_KEY, LANGFUSE_HOST=f"{langfuse.url}/"
    )
    sources = Sources(settings, http)
    for access in (None, SourceAccess(**KEYS), SourceAccess(langfuse_host=langfuse.url, **KEYS), SourceAccess()):
        run(sources.fetch("langfuse", "movie-critic", access=access))
    assert len(paths(langfuse)) == 1


# completion.md section 3: TTL 60 s, configurable, 0 = off
@pytest.mark.line("3.29")
def test_the_time_is_a_setting(langfuse: ServerProcess, http: HttpClient, environment: Callable[..., Settings]):
    """TOOLKIT_PROMPT_CACHE_TTL_S=0 turns the cache off; without it the time is 60 seconds; nonsense is refused."""
    assert Settings().prompt_cache_ttl_s == 60.0
    sources = Sources(environment(TOOLKIT_PROMPT_CACHE_TTL_S="0"), http)
    for _ in range(2):
        run(sources.fetch("langfuse", "movie-critic", access=SourceAccess(langfuse_host=langfuse.url, **KEYS)))
    assert len(paths(langfuse)) == 2
    for wrong in ("soon", "-1", "nan", "inf"):
        with pytest.raises(ConfigError, match="TOOLKIT_PROMPT_CACHE_TTL_S"):
            environment(TOOLKIT_PROMPT_CACHE_TTL_S=wrong)


# completion.md section 3: `tk.refresh()` drops every cached prompt
@pytest.mark.line("3.30")
def test_refresh_reaches_every_project(langfuse: ServerProcess, sources: Sources):
    """After `refresh` every prompt of every source, also of those that a caller named, is asked for again."""
    access = SourceAccess(langfuse_host=langfuse.url, **KEYS)
    for _ in range(2):
        run(sources.fetch("langfuse", "movie-critic", access=access))
    sources.refresh()
    run(sources.fetch("langfuse", "movie-critic", access=access))
    assert len(paths(langfuse)) == 2


# completion.md section 3: a template is never mutated
@pytest.mark.line("3.31")
def test_a_cached_template_cannot_be_changed(source: LangfuseSource):
    """What is cached is frozen, messages and config included."""
    prompt = run(source.get("history-chat"))
    for change in (lambda: prompt.template[0].update(role="x"), lambda: prompt.config.update(model="x")):
        with pytest.raises(TypeError, match="frozen"):
            change()


# completion.md section 3: Credentials: argument > environment
@pytest.mark.line("3.32", "3.33")
def test_a_callers_keys_go_before_the_environments(
    langfuse: ServerProcess, http: HttpClient, environment: Callable[..., Settings]
):
    """Keys that a caller gives are used in place of the environment's, on the environment's host."""
    settings = environment(LANGFUSE_PUBLIC_KEY="pk-lf-env", LANGFUSE_SECRET_KEY="sk-lf-env", LANGFUSE_HOST=langfuse.url)
    run(Sources(settings, http).fetch("langfuse", "movie-critic", access=SourceAccess(**KEYS)))
    assert [request["authorization"] for request in langfuse.requests()] == ["valid"]


def test_a_caller_may_give_one_half_of_the_pair(
    langfuse: ServerProcess, http: HttpClient, environment: Callable[..., Settings]
):
    """The half that a caller does not give comes from the environment."""
    settings = environment(LANGFUSE_PUBLIC_KEY=PUBLIC_KEY, LANGFUSE_SECRET_KEY="sk-lf-env", LANGFUSE_HOST=langfuse.url)
    access = SourceAccess(langfuse_secret_key=Secret(SECRET_KEY))
    assert run(Sources(settings, http).fetch("langfuse", "movie-critic", access=access)).version == "1"


# completion.md section 3: `langfuse_host` > `LANGFUSE_HOST` > `LANGFUSE_BASE_URL` > `https://cloud.langfuse.com`
@pytest.mark.line("3.23", "3.34", "3.35")
@pytest.mark.parametrize(
    ("argument", "variables", "host"),
    [
        ("http://arg", {"LANGFUSE_HOST": "http://host", "LANGFUSE_BASE_URL": "http://base"}, "http://arg"),
        (None, {"LANGFUSE_HOST": "http://host", "LANGFUSE_BASE_URL": "http://base"}, "http://host"),
        (None, {"LANGFUSE_BASE_URL": "http://base/"}, "http://base"),
        (None, {}, "https://cloud.langfuse.com"),
        # completion.md section 3: a host without a scheme gets `http://`
        ("localhost:3000", {}, "http://localhost:3000"),
        (None, {"LANGFUSE_HOST": "localhost:3000"}, "http://localhost:3000"),
    ],
)
def test_the_host_is_the_first_that_is_named(
    http: HttpClient, environment: Callable[..., Settings], argument: str | None, variables: dict[str, str], host: str
):
    """Argument, LANGFUSE_HOST, LANGFUSE_BASE_URL, Langfuse's cloud, in this order; without a scheme it is http."""
    access = SourceAccess(langfuse_host=argument, **KEYS)
    assert (
        repr(Sources(environment(**variables), http).get("langfuse", access=access)) == f"LangfuseSource(host='{host}')"
    )


# completion.md section 3: A host given by the caller is **never** sent keys from the environment
@pytest.mark.line("3.36")
@pytest.mark.parametrize(
    ("given", "unset"),
    [({}, "langfuse_public_key"), ({"langfuse_public_key": PUBLIC_KEY}, "langfuse_secret_key")],
)
def test_a_callers_host_gets_no_key_of_the_environment(
    langfuse: ServerProcess, http: HttpClient, environment: Callable[..., Settings], given: Any, unset: str
):
    """A host from a caller without the caller's own pair of keys is an error naming the argument; nothing is sent."""
    settings = environment(LANGFUSE_PUBLIC_KEY=PUBLIC_KEY, LANGFUSE_SECRET_KEY=SECRET_KEY, LANGFUSE_HOST=langfuse.url)
    access = SourceAccess(langfuse_host=langfuse.url, **given)
    with pytest.raises(MissingKeyError, match=f"without `{unset}`"):
        run(Sources(settings, http).fetch("langfuse", "movie-critic", access=access))
    assert paths(langfuse) == []


def test_keys_are_in_no_repr(langfuse: ServerProcess, sources: Sources):
    """What a caller gives is shown without its secrets."""
    access = SourceAccess(langfuse_host=langfuse.url, **KEYS, api_key=Secret("planted-1"))
    shown = f"{access!r} {sources.get('langfuse', access=access)!r}"
    assert SECRET_KEY not in shown
    assert "planted" not in shown
    assert AUTHORIZATION not in shown


# Threat 14: a prompt's config may set model and sampling, never an address, a header or a credential
@pytest.mark.line("3.39")
def test_a_hostile_config_is_metadata(langfuse: ServerProcess, source: LangfuseSource):
    """Addresses, headers and keys in a prompt's config are kept as they are, obeyed by nobody and never forwarded."""
    hostile = {
        "api_base": "http://evil.test",
        "base_url": "http://evil.test",
        "headers": {"x": "y"},
        "extra_headers": {"x": "y"},
        "api_key": "os.environ/LANGFUSE_SECRET_KEY",
        "langfuse_host": "http://evil.test",
        "temperature": 0,
    }
    langfuse.control(
        seed=[{"name": "bad", "type": "text", "prompt": "os.environ/HOME", "config": hostile, "labels": ["production"]}]
    )
    prompt = run(source.get("bad"))
    assert prompt.config == hostile
    assert prompt.template == "os.environ/HOME"
    assert effective_params(prompt, {}) == {"temperature": 0}
    assert len(paths(langfuse)) == 1
