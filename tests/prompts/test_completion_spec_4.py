"""Humanloop, line by line of section 4 of the completion specification."""

from pathlib import Path
from typing import Any

import pytest

from tests.servers._process import ServerProcess
from tests.servers.fake_humanloop import API_KEY
from toolkit._http import HttpClient
from toolkit._redact import Secret
from toolkit._sync import run
from toolkit.config import Settings
from toolkit.errors import MissingKeyError, PromptNotFoundError, PromptSourceError, TemplateSyntaxError, UsageError
from toolkit.prompts import FolderSource, HumanloopSource, SourceAccess, Sources, render

SYSTEM = {"role": "system", "content": "You are a {{ tone }} critic."}
USER = {"role": "user", "content": "Is {{movie}} good?"}


def seed(server: ServerProcess, **fields: Any) -> None:
    server.control(seed=[{"id": "pr_1", "version_id": "prv_1", "template": [SYSTEM, USER], **fields}])


def paths(server: ServerProcess) -> list[str]:
    return [request["path"] for request in server.requests()]


# completion.md section 4: `GET {base}/prompts/{id percent-encoded}` with `X-Api-Key`
@pytest.mark.line("4.1", "4.2")
@pytest.mark.parametrize(
    ("prompt_id", "path"),
    [
        ("pr_1", "pr_1"),
        ("a/b?c#d%20", "a%2Fb%3Fc%23d%2520"),
        ("../../secrets", "..%2F..%2Fsecrets"),
        ("x-label:production", "x-label%3Aproduction"),
    ],
)
def test_a_prompt_is_asked_for_by_its_encoded_id(
    humanloop: ServerProcess, humanloop_source: HumanloopSource, prompt_id: str, path: str
):
    """One request for the id, percent-encoded, with the key in its header."""
    seed(humanloop, id=prompt_id)
    assert run(humanloop_source.get(prompt_id)).prompt_id == prompt_id
    assert paths(humanloop) == [f"/v5/prompts/{path}"]
    assert humanloop.requests()[0]["authorization"] == "valid"


@pytest.mark.parametrize("prompt_id", ["", ".", ".."])
def test_an_id_that_is_no_name_is_refused(humanloop: ServerProcess, humanloop_source: HumanloopSource, prompt_id: str):
    """An id that an address would swallow is an error; nothing is sent."""
    with pytest.raises(UsageError, match="cannot be the id"):
        run(humanloop_source.get(prompt_id))
    assert paths(humanloop) == []


# completion.md section 4: base from `HUMANLOOP_BASE_URL`, else `https://api.humanloop.com/v5`
@pytest.mark.line("4.3")
def test_base_and_key_come_from_the_environment(
    humanloop: ServerProcess, http: HttpClient, monkeypatch: pytest.MonkeyPatch
):
    """HUMANLOOP_API_KEY and HUMANLOOP_BASE_URL are enough; without the latter it is the hosted service."""
    monkeypatch.setenv("HUMANLOOP_API_KEY", API_KEY)
    assert repr(Sources(Settings(), http).get("humanloop")) == "HumanloopSource(base='https://api.humanloop.com/v5')"
    monkeypatch.setenv("HUMANLOOP_BASE_URL", f"{humanloop.url}/v5/")
    seed(humanloop)
    assert run(Sources(Settings(), http).resolve("humanloop:pr_1"))[0].reference == "humanloop:pr_1@prv_1"


# completion.md section 4: `?version_id=` and `?environment=` for version and label
@pytest.mark.line("4.4", "4.5")
def test_version_and_environment_are_asked_for(humanloop: ServerProcess, humanloop_source: HumanloopSource):
    """A version is the `version_id`, a label the environment; the prompt says both."""
    staging = [{"id": "env_1", "name": "staging", "tag": "other"}]
    humanloop.control(
        seed=[
            {"id": "pr_1", "version_id": "prv_1", "template": "one", "environments": staging},
            {"id": "pr_1", "version_id": "prv_2", "template": "two"},
        ]
    )
    by_version = run(humanloop_source.get("pr_1", version="prv_2"))
    by_label = run(humanloop_source.get("pr_1", label="staging"))
    assert (by_version.version, by_version.template, by_version.label) == ("prv_2", "two", None)
    assert (by_label.version, by_label.label, by_label.labels) == ("prv_1", "staging", ("staging",))
    assert paths(humanloop) == ["/v5/prompts/pr_1?version_id=prv_2", "/v5/prompts/pr_1?environment=staging"]
    assert run(humanloop_source.versions("pr_1")) == ("prv_1", "prv_2")


def test_version_and_environment_exclude_each_other(humanloop: ServerProcess, humanloop_source: HumanloopSource):
    """A version and a label together are refused; nothing is sent."""
    with pytest.raises(UsageError, match="both given"):
        run(humanloop_source.get("pr_1", version="prv_1", label="staging"))
    assert paths(humanloop) == []


# completion.md section 4: template (string | message | list)
@pytest.mark.line("4.6")
@pytest.mark.parametrize(
    ("template", "kind", "sent"),
    [
        ("Is {{movie}} good?", "text", [("user", "Is Heat good?")]),
        (USER, "chat", [("user", "Is Heat good?")]),
        ([SYSTEM, USER], "chat", [("system", "You are a kind critic."), ("user", "Is Heat good?")]),
    ],
)
def test_a_template_is_text_message_or_list(
    humanloop: ServerProcess, humanloop_source: HumanloopSource, template: Any, kind: str, sent: list[Any]
):
    """A text becomes one user message, a message a chat of one, a list a chat."""
    seed(humanloop, template=template)
    prompt = run(humanloop_source.get("pr_1"))
    rendered = render(prompt, {"movie": "Heat", "tone": "kind"})
    assert (prompt.kind, prompt.template_format) == (kind, "humanloop")
    assert [(message.role, message.content) for message in rendered] == sent


@pytest.mark.line("4.7")
def test_a_jinja_template_is_rendered_as_one(humanloop: ServerProcess, humanloop_source: HumanloopSource):
    """`template_language: jinja` is rendered by the sandboxed Jinja, not by Humanloop's own rule."""
    seed(humanloop, template="{% if a %}{{ a|upper }}{% endif %}", template_language="jinja")
    assert render(run(humanloop_source.get("pr_1")), {"a": "x"})[0].content == "X"


# completion.md section 4: temperature, top_p, max_tokens (-1 = not set: never forwarded), stop, ..., tools
@pytest.mark.line("4.9")
def test_params_become_those_of_chat_completions(humanloop: ServerProcess, humanloop_source: HumanloopSource):
    """What a version sets is its config, in the names and forms of chat completions; `max_tokens: -1` is not there."""
    tool = {"name": "look", "description": "Looks.", "parameters": {"type": "object"}, "strict": True}
    seed(
        humanloop,
        temperature=0.2,
        stop=["END"],
        seed=7,
        response_format={"type": "json_object"},
        tools=[tool],
        other={"api_base": "http://evil.test"},
    )
    config = run(humanloop_source.get("pr_1")).config
    assert config == {
        "model": "openai/gpt-4o",
        "temperature": 0.2,
        "top_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop": ("END",),
        "seed": 7,
        "response_format": {"type": "json_object"},
        "tools": ({"type": "function", "function": tool},),
        "endpoint": "chat",
        "other": {"api_base": "http://evil.test"},
    }


@pytest.mark.line("4.10")
@pytest.mark.parametrize(("given", "kept"), [(-1, None), (200, 200), (None, None)])
def test_max_tokens_of_minus_one_is_not_set(
    humanloop: ServerProcess, humanloop_source: HumanloopSource, given: Any, kept: Any
):
    """`max_tokens: -1` asks for nothing and is never forwarded; a number is."""
    seed(humanloop, max_tokens=given)
    assert run(humanloop_source.get("pr_1")).config.get("max_tokens") == kept


@pytest.mark.line("4.8")
@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({"provider": "openai", "model": "gpt-4o"}, "openai/gpt-4o"),
        ({"provider": "anthropic", "model": "claude-3-5-sonnet"}, "anthropic/claude-3-5-sonnet"),
        ({"provider": "openai_azure", "model": "chat"}, "azure/chat"),
        ({"provider": "google", "model": "gemini-2.0-flash"}, "gemini/gemini-2.0-flash"),
        ({"provider": None, "model": "gpt-4o"}, "gpt-4o"),
        ({"provider": "openai", "model": None}, None),
    ],
)
def test_provider_and_model_are_one_name(
    humanloop: ServerProcess, humanloop_source: HumanloopSource, fields: dict[str, Any], model: str | None
):
    """Humanloop's provider and model become `provider/model` in our names."""
    seed(humanloop, **fields)
    assert run(humanloop_source.get("pr_1")).config.get("model") == model


def test_what_changes_by_itself_is_not_content(humanloop: ServerProcess, humanloop_source: HumanloopSource):
    """Counts and times of an answer do not change the fingerprint."""
    seed(humanloop)
    before = run(humanloop_source.get("pr_1")).fingerprint
    humanloop.control(reset=True)
    seed(humanloop, total_logs_count=1000, last_used_at="2026-01-01T00:00:00")
    humanloop_source.refresh()
    assert run(humanloop_source.get("pr_1")).fingerprint == before


def test_an_integer_reasoning_effort_is_metadata(humanloop: ServerProcess, humanloop_source: HumanloopSource):
    """A budget of tokens is no `reasoning_effort` of chat completions; a word is."""
    seed(humanloop, reasoning_effort=2048)
    config = run(humanloop_source.get("pr_1")).config
    assert ("reasoning_effort" in config, config["reasoning_budget_tokens"]) == (False, 2048)


# completion.md section 4: also read its `.prompt` exports from a folder
@pytest.mark.line("4.11")
def test_an_exported_file_is_read_from_a_folder(tmp_path: Path):
    """Front matter and `<system>..</system><user>..</user>` blocks read as the prompt that was exported."""
    (tmp_path / "critic.prompt").write_text(
        "---\nmodel: gpt-4o\ntemperature: 0.7\nmax_tokens: -1\nprovider: openai\nendpoint: chat\ntools: []\n---\n"
        '<system>\n  You are a {{ tone }} critic.\n  Answer as {"good": true}.\n</system>\n\n'
        "<user>\n  Is {{movie}} good?\n</user>\n"
    )
    prompt = run(FolderSource(tmp_path).get("critic"))
    assert prompt.config == {"model": "openai/gpt-4o", "temperature": 0.7, "endpoint": "chat"}
    assert prompt.template_format == "humanloop"
    assert [(message.role, message.content) for message in render(prompt, {"tone": "kind", "movie": "Heat"})] == [
        ("system", 'You are a kind critic.\nAnswer as {"good": true}.'),
        ("user", "Is Heat good?"),
    ]


@pytest.mark.line("4.11")
def test_an_exported_file_has_images_and_tool_calls(tmp_path: Path):
    """Images and texts become content parts, tools in an assistant's block its calls, a tool block the answer."""
    (tmp_path / "look.prompt").write_text(
        '<user>\n  <text>\n    What is this?\n  </text>\n  <image url="https://a.test/b.png" detail="low" />\n</user>\n'
        '<assistant>\n  <tool name="look" id="call_1">\n    {"deep": true}\n  </tool>\n</assistant>\n'
        '<tool id="call_1">\n  A cat.\n</tool>\n'
    )
    rendered = render(run(FolderSource(tmp_path).get("look")), {})
    image = {"url": "https://a.test/b.png", "detail": "low"}
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"deep": true}'}}
    assert [message.to_wire() for message in rendered] == [
        {
            "role": "user",
            "content": ({"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": image}),
        },
        {"role": "assistant", "content": None, "tool_calls": (call,)},
        {"role": "tool", "content": "A cat.", "tool_call_id": "call_1"},
    ]


@pytest.mark.parametrize(
    "body",
    ["<user>{{x}}</user> is the text", "Read <user>x</user>", "<user>x", "<USER>x</USER>", "<users>x</users>"],
)
def test_a_text_with_tags_stays_a_text(tmp_path: Path, body: str):
    """A body that is not blocks from end to end is a text prompt, tags and all."""
    (tmp_path / "p.prompt").write_text(body)
    prompt = run(FolderSource(tmp_path).get("p"))
    assert (prompt.kind, prompt.template, prompt.template_format) == ("text", body, "mustache")


def test_kind_text_keeps_blocks_as_text(tmp_path: Path):
    """`kind: text` makes a text of a body that would read as an export."""
    (tmp_path / "p.prompt").write_text("---\nkind: text\n---\n<user>{{x}}</user>")
    assert run(FolderSource(tmp_path).get("p")).template == "<user>{{x}}</user>"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("<tool>\nx\n</tool>", "without an id"),
        ("<assistant>\n<tool name='f'>{}</tool>\n</assistant>", "without name and id"),
        ("<user>\n<image detail='low'/>\n</user>", "without a url"),
    ],
)
def test_an_export_that_lacks_something_says_what(tmp_path: Path, body: str, says: str):
    """A tag without what it needs is an error that names the file and the tag."""
    (tmp_path / "p.prompt").write_text(body)
    with pytest.raises(TemplateSyntaxError, match=rf"p\.prompt: it has .*{says}"):
        run(FolderSource(tmp_path).get("p"))


@pytest.mark.line("4.12")
@pytest.mark.parametrize(
    ("fault", "error", "status", "says"),
    [
        ({"status": 401, "body": {"detail": "Invalid API key."}}, PromptSourceError, 401, "check HUMANLOOP_API_KEY"),
        ({"status": 404, "body": "<html>no</html>"}, PromptSourceError, 404, "not Humanloop's interface"),
        ({"status": 422, "body": {"detail": [{"msg": "bad"}]}}, PromptSourceError, 422, "bad"),
        ({"status": 200, "body": "<html>hello</html>"}, PromptSourceError, 200, "Check HUMANLOOP_BASE_URL"),
        ({"status": 200, "body": {"version_id": "v"}}, PromptSourceError, 200, "'template' is neither"),
        ({"status": 200, "body": {"template": "x"}}, PromptSourceError, 200, "'version_id' is missing"),
    ],
    ids=str,
)
def test_each_failure_names_prompt_and_status(
    humanloop: ServerProcess, humanloop_source: HumanloopSource, fault: Any, error: Any, status: int, says: str
):
    """A failure of the server is an error with the prompt, what was asked, the HTTP status and what to check."""
    humanloop.control(next=[fault])
    with pytest.raises(error, match=says) as caught:
        run(humanloop_source.get("pr_1", label="staging"))
    assert caught.value.status == status
    assert "'pr_1' label 'staging'" in str(caught.value)


def test_an_unknown_prompt_is_not_found(humanloop_source: HumanloopSource):
    """A prompt that Humanloop does not have is an error with its id and the status."""
    with pytest.raises(PromptNotFoundError, match=r"no prompt 'pr_9' version 'prv_3' \(HTTP 404\)"):
        run(humanloop_source.get("pr_9", version="prv_3"))


def test_without_a_key_the_error_names_argument_and_variable(sources: Sources):
    """No key for Humanloop is an error that says where it can be given."""
    with pytest.raises(MissingKeyError, match=r"HUMANLOOP_API_KEY.*humanloop_api_key"):
        sources.get("humanloop")


@pytest.mark.line("4.13")
def test_the_environments_key_is_not_sent_to_a_callers_base(
    humanloop: ServerProcess, sources: Sources, monkeypatch: pytest.MonkeyPatch
):
    """A base that a caller names is sent the caller's key or none; without one nothing is sent at all."""
    monkeypatch.setenv("HUMANLOOP_API_KEY", API_KEY)
    with pytest.raises(MissingKeyError, match="humanloop_api_key"):
        run(sources.fetch("humanloop", "pr_1", access=SourceAccess(api_base=humanloop.url)))
    assert paths(humanloop) == []


def test_the_key_is_in_no_error(humanloop: ServerProcess, sources: Sources):
    """A key that the server repeats in its error is masked in ours, and in the source's repr."""
    access = SourceAccess(api_base=f"{humanloop.url}/v5", humanloop_api_key=Secret("hl-planted-secret-1"))
    humanloop.control(next=[{"status": 400, "body": {"detail": "bad key hl-planted-secret-1"}}])
    source = sources.get("humanloop", access=access)
    with pytest.raises(PromptSourceError) as caught:
        run(source.get("pr_1"))
    assert "planted" not in f"{caught.value} {caught.value!r} {source!r} {access!r}"


def test_the_list_is_read_page_by_page(humanloop: ServerProcess, humanloop_source: HumanloopSource):
    """Every prompt is listed once, by id, in as many requests as there are pages of 100."""
    humanloop.control(
        seed=[{"id": f"pr_{n:03}", "version_id": "v", "template": "x", "tags": ["t"]} for n in range(150)]
    )
    infos = run(humanloop_source.list())
    assert [info.prompt_id for info in infos] == [f"pr_{number:03}" for number in range(150)]
    assert (infos[0].versions, infos[0].tags, infos[0].kind) == (("v",), ("t",), "text")
    assert paths(humanloop) == ["/v5/prompts?page=1&size=100", "/v5/prompts?page=2&size=100"]
