"""The rule that our fakes are right: the services' own clients read every answer of theirs.

The bytes of a fake, plain and streamed, are handed to the real `openai` and `anthropic` packages by pointing them at
it.
"""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.servers._process import ServerProcess, serving

KEY = "the-right-key-1"
TOOL_SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}
ANTHROPIC_TOOL: Any = {"name": "look", "input_schema": TOOL_SCHEMA}


@pytest.fixture(scope="module")
def openai_server() -> Iterator[ServerProcess]:
    """The fake of OpenAI."""
    with serving("tests.servers.fake_openai", "--require-key", KEY) as running:
        yield running


@pytest.fixture(scope="module")
def anthropic_server() -> Iterator[ServerProcess]:
    """The fake of Anthropic."""
    with serving("tests.servers.fake_anthropic", "--require-key", KEY) as running:
        yield running


@pytest.fixture
def openai_client(openai_server: ServerProcess) -> Iterator[openai.OpenAI]:
    """The real client, pointed at the fake; what it would pass over in silence is an error."""
    openai_server.control(reset=True)
    with openai.OpenAI(
        base_url=openai_server.url + "/v1", api_key=KEY, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


@pytest.fixture
def anthropic_client(anthropic_server: ServerProcess) -> Iterator[anthropic.Anthropic]:
    """The real client, pointed at the fake; what it would pass over in silence is an error."""
    anthropic_server.control(reset=True)
    with anthropic.Anthropic(
        base_url=anthropic_server.url, api_key=KEY, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


def test_openai_client_reads_a_whole_answer(openai_client: openai.OpenAI) -> None:
    """The real client reads the fake's chat completion: text, finish reason and usage."""
    answer = openai_client.chat.completions.create(
        model="small", messages=[{"role": "user", "content": "one two three"}], max_tokens=2
    )
    text = answer.choices[0].message.content
    assert text is not None
    assert text.endswith(" one")
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 2)


def test_openai_client_reads_a_stream(openai_client: openai.OpenAI) -> None:
    """The real client reads the fake's chunks, and they add up to the whole answer."""
    messages: Any = [{"role": "user", "content": "one two three"}]
    whole = openai_client.chat.completions.create(model="small", messages=messages)
    chunks = list(
        openai_client.chat.completions.create(
            model="small", messages=messages, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, openai.BadRequestError), (401, openai.AuthenticationError), (429, openai.RateLimitError)],
)
def test_openai_client_types_an_error(
    openai_client: openai.OpenAI, openai_server: ServerProcess, status: int, kind: type[openai.APIStatusError]
) -> None:
    """The real client finds the message of the fake's errors where OpenAI puts it."""
    openai_server.control(status=status)
    with pytest.raises(kind) as raised:
        openai_client.chat.completions.create(model="small", messages=[{"role": "user", "content": "x"}])
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["message"] == "Scripted fault."


def ask(client: anthropic.Anthropic, **options: Any) -> anthropic.types.Message:
    """A whole answer to one user message."""
    messages: Any = [{"role": "user", "content": "one two three"}]
    return client.messages.create(model="claude-haiku-5-5", messages=messages, **{"max_tokens": 100, **options})


def test_anthropic_client_reads_a_whole_answer(anthropic_client: anthropic.Anthropic) -> None:
    """The real client reads the fake's message: text block, stop reason and usage."""
    answer = ask(anthropic_client, max_tokens=2, system="Be brief.")
    block = answer.content[0]
    assert isinstance(block, anthropic.types.TextBlock)
    assert block.text.endswith(" one")
    assert (answer.stop_reason, answer.usage.input_tokens, answer.usage.output_tokens) == ("max_tokens", 5, 2)
    assert answer.usage.cache_read_input_tokens == 0


def test_anthropic_client_reads_a_tool_call(anthropic_client: anthropic.Anthropic) -> None:
    """The real client reads the fake's `tool_use` block."""
    answer = ask(anthropic_client, tools=[ANTHROPIC_TOOL], tool_choice={"type": "any"})
    block = answer.content[0]
    assert isinstance(block, anthropic.types.ToolUseBlock)
    assert (answer.stop_reason, block.name, list(block.input)) == ("tool_use", "look", ["text"])


@pytest.mark.parametrize("options", [{}, {"tools": [ANTHROPIC_TOOL], "tool_choice": {"type": "any"}}])
def test_anthropic_client_reads_a_stream(anthropic_client: anthropic.Anthropic, options: dict[str, Any]) -> None:
    """The real client adds the fake's events up to the message that the same request gives whole."""
    messages: Any = [{"role": "user", "content": "one two three"}]
    whole = ask(anthropic_client, **options)
    with anthropic_client.messages.stream(
        model="claude-haiku-5-5", messages=messages, max_tokens=100, **options
    ) as stream:
        added = stream.get_final_message()
    assert [block.model_dump(include={"type", "text", "name", "input"}) for block in added.content] == [
        block.model_dump(include={"type", "text", "name", "input"}) for block in whole.content
    ]
    assert (added.id, added.stop_reason, added.usage) == (whole.id, whole.stop_reason, whole.usage)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (429, anthropic.RateLimitError),
        (529, anthropic.InternalServerError),
    ],
)
def test_anthropic_client_types_an_error(
    anthropic_client: anthropic.Anthropic,
    anthropic_server: ServerProcess,
    status: int,
    kind: type[anthropic.APIStatusError],
) -> None:
    """The real client finds the message of the fake's errors where Anthropic puts it."""
    anthropic_server.control(status=status)
    with pytest.raises(kind) as raised:
        ask(anthropic_client)
    body: Any = raised.value.body
    assert (body["type"], body["error"]["message"]) == ("error", "Scripted fault.")


@pytest.mark.parametrize(
    ("body", "version", "words"),
    [
        ({"max_tokens": 1}, None, "anthropic-version: header is required"),
        ({}, "2023-06-01", "max_tokens: Field required"),
        ({"max_tokens": 1, "messages": []}, "2023-06-01", "messages: at least one message is required"),
        ({"max_tokens": 1, "temperature": 1.0}, "2026-10-21", "temperature: Extra inputs are not permitted"),
    ],
)
def test_anthropic_fake_insists_on_what_the_service_does(
    anthropic_server: ServerProcess, body: dict[str, Any], version: str | None, words: str
) -> None:
    """The fake refuses requests without a version, a limit or messages, and sampling parameters in a new version."""
    whole = {"model": "m", "messages": [{"role": "user", "content": "x"}], **body}
    headers = {"x-api-key": KEY} | ({"anthropic-version": version} if version else {})
    with pytest.raises(urllib.error.HTTPError) as raised:
        anthropic_server.call("POST", "/v1/messages", whole, headers=headers)
    assert raised.value.code == 400
    assert json.loads(raised.value.read())["error"]["message"] == words
