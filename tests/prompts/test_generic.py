"""The generic prompt-management interface of LiteLLM's document: what is asked, what comes back, what goes wrong."""

from typing import Any

import pytest

from tests.servers._process import ServerProcess
from tests.servers.fake_generic_prompts import API_KEY
from toolkit._redact import Secret
from toolkit._sync import run
from toolkit.errors import PromptNotFoundError, PromptSourceError, UsageError
from toolkit.prompts import GenericSource, SourceAccess, Sources, render

PATH = "/beta/litellm_prompt_management"
ANSWER = {
    "prompt_id": "simple_prompt",
    "prompt_template": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Help me with {task} or {{task}}"},
    ],
    "prompt_template_model": "gpt-4",
    "prompt_template_optional_params": {"temperature": 0.7, "max_tokens": 500},
}


def paths(server: ServerProcess) -> list[str]:
    return [request["path"] for request in server.requests()]


def test_a_prompt_is_messages_model_and_params(generic: ServerProcess, generic_source: GenericSource):
    """The document's answer becomes a chat with its model and params, whose `{x}` and `{{x}}` are both filled."""
    generic.control(seed=[ANSWER])
    prompt = run(generic_source.get("simple_prompt"))
    assert paths(generic) == [f"{PATH}?prompt_id=simple_prompt"]
    assert generic.requests()[0]["authorization"] == "valid"
    assert (prompt.kind, prompt.source) == ("chat", "generic")
    assert prompt.config == {"model": "gpt-4", "temperature": 0.7, "max_tokens": 500}
    assert [message.content for message in render(prompt, {"task": "{this}"})] == [
        "You are a helpful assistant.",
        "Help me with {this} or {this}",
    ]


def test_the_configured_query_is_sent_too(generic: ServerProcess, sources: Sources):
    """`provider_specific_query_params` stand beside the prompt id, as text, and never in its place."""
    generic.control(seed=[{**ANSWER, "query": {"project_name": "litellm", "slug": "a&b", "n": "3", "on": "true"}}])
    query = {"project_name": "litellm", "slug": "a&b", "n": 3, "on": True, "prompt_id": "other", "none": None}
    access = SourceAccess(api_base=f"{generic.url}/", query_params=query)
    prompt = run(sources.fetch("generic_prompt_management", "simple_prompt", access=access))
    assert prompt.prompt_id == "simple_prompt"
    assert generic.requests()[0]["authorization"] == "none"


def test_other_query_params_are_another_source(generic: ServerProcess, sources: Sources):
    """Two entries with the same server and other parameters do not share what they fetched."""
    for slug, model in (("a", "gpt-4"), ("b", "gpt-5")):
        generic.control(seed=[{**ANSWER, "prompt_template_model": model, "query": {"slug": slug}}])
    for slug, model in (("a", "gpt-4"), ("b", "gpt-5")):
        access = SourceAccess(api_base=generic.url, query_params={"slug": slug})
        assert run(sources.fetch("generic", "simple_prompt", access=access)).config["model"] == model


def test_version_and_label_are_sent(generic: ServerProcess, generic_source: GenericSource):
    """A version or a label that is asked for stands in the query; the prompt says which it was."""
    generic.control(seed=[ANSWER])
    assert run(generic_source.get("simple_prompt", version="7")).version == "7"
    assert run(generic_source.get("simple_prompt", label="production")).label == "production"
    assert paths(generic) == [
        f"{PATH}?prompt_id=simple_prompt&prompt_version=7",
        f"{PATH}?prompt_id=simple_prompt&prompt_label=production",
    ]


def test_a_server_that_counts_versions_is_believed(generic: ServerProcess, generic_source: GenericSource):
    """`prompt_version` in an answer is the version."""
    generic.control(seed=[{**ANSWER, "prompt_version": 12}])
    assert run(generic_source.get("simple_prompt")).version == "12"


def test_without_a_version_the_content_is_the_version(generic: ServerProcess, generic_source: GenericSource):
    """A prompt without a version is pinned by its content: found again while it is the same, not found after."""
    generic.control(seed=[ANSWER])
    (version,) = run(generic_source.versions("simple_prompt"))
    assert version.startswith("content-")
    assert run(generic_source.get("simple_prompt", version=version)).version == version
    generic.control(seed=[{**ANSWER, "prompt_template_model": "gpt-5"}])
    generic_source.refresh()
    with pytest.raises(PromptNotFoundError, match="keeps no history"):
        run(generic_source.get("simple_prompt", version=version))
    assert all("prompt_version" not in path for path in paths(generic))


@pytest.mark.parametrize("name", ["a/b?c#d", "50%", "../x", "a&prompt_id=b", "größe"])
def test_any_name_is_one_parameter(generic: ServerProcess, generic_source: GenericSource, name: str):
    """A prompt id is encoded into the query, whatever signs it has."""
    generic.control(seed=[{**ANSWER, "prompt_id": name}])
    assert run(generic_source.get(name)).prompt_id == name


def test_one_fetch_serves_all(generic: ServerProcess, generic_source: GenericSource):
    """A prompt is fetched once within the time that it is kept."""
    generic.control(seed=[ANSWER])
    for _ in range(3):
        run(generic_source.get("simple_prompt"))
    assert len(paths(generic)) == 1


@pytest.mark.parametrize(
    ("fault", "error", "status", "says"),
    [
        ({"status": 404, "body": {"detail": "Prompt 'p' not found"}}, PromptNotFoundError, 404, "no prompt 'p'"),
        ({"status": 401, "body": {"detail": "no"}}, PromptSourceError, 401, "`api_key`"),
        ({"status": 200, "body": "<html>hi</html>"}, PromptSourceError, 200, "HTML"),
        ({"status": 200, "body": []}, PromptSourceError, 200, "the answer is a list where a map was expected"),
        ({"status": 200, "body": {}}, PromptSourceError, 200, "'prompt_template' is missing"),
        ({"status": 200, "body": {"prompt_template": ["x"]}}, PromptSourceError, 200, "a message is a text"),
        ({"status": 200, "body": {**ANSWER, "prompt_template_model": 4}}, PromptSourceError, 200, "template_model'"),
        ({"status": 200, "body": {**ANSWER, "prompt_template_optional_params": 4}}, PromptSourceError, 200, "params'"),
    ],
    ids=str,
)
def test_each_failure_is_one_clear_error(
    generic: ServerProcess, generic_source: GenericSource, fault: Any, error: Any, status: int, says: str
):
    """What the server refuses or garbles is an error with the prompt, the status and the reason."""
    generic.control(next=[fault])
    with pytest.raises(error, match=says) as caught:
        run(generic_source.get("p"))
    assert (caught.value.status, caught.value.prompt_id) == (status, "p")


def test_hostile_params_are_metadata(generic: ServerProcess, generic_source: GenericSource):
    """Addresses and keys among a prompt's params are kept, and nothing is sent to them."""
    params = {"api_base": "http://evil.test", "headers": {"a": "b"}, "api_key": "os.environ/HOME"}
    generic.control(seed=[{**ANSWER, "prompt_template_optional_params": params}])
    assert run(generic_source.get("simple_prompt")).config == {**params, "model": "gpt-4"}


@pytest.mark.parametrize("name", ["generic", "generic_prompt_management"])
def test_without_an_address_the_error_says_where_it_belongs(sources: Sources, name: str):
    """A generic source without `api_base` is an error that names it; the environment gives none."""
    with pytest.raises(UsageError, match="api_base"):
        sources.get(name)


def test_version_and_label_exclude_each_other(generic: ServerProcess, generic_source: GenericSource):
    """A version and a label together, and an empty id, are refused; nothing is sent."""
    with pytest.raises(UsageError, match="both given"):
        run(generic_source.get("p", version="1", label="x"))
    with pytest.raises(UsageError, match="empty"):
        run(generic_source.get(""))
    assert paths(generic) == []


def test_the_key_is_in_no_error(generic: ServerProcess, sources: Sources):
    """A token that the server repeats is masked."""
    access = SourceAccess(api_base=generic.url, api_key=Secret("planted-secret-77"))
    generic.control(next=[{"status": 400, "body": {"detail": "bad planted-secret-77"}}])
    with pytest.raises(PromptSourceError) as caught:
        run(sources.fetch("generic", "p", access=access))
    assert "planted" not in str(caught.value)
    assert API_KEY not in repr(sources.get("generic", access=access))
