"""The printed request as a command: pasted into a shell it sends the same again (completion.md section 7)."""

from __future__ import annotations

import os
import subprocess

import pytest

import toolkit
from tests.servers._process import serving
from toolkit import _sync
from toolkit._wire_log import request_text
from toolkit.config import Settings
from toolkit.testing import fake_engine


@pytest.fixture(scope="module")
def openai():
    """An OpenAI-compatible server."""
    with serving("tests.servers.fake_openai") as server:
        yield server


@pytest.fixture
def printed(capsys, tmp_path):
    """What a call prints, without its first line."""
    toolkit.set_verbose = True

    def call(*arguments, **options):
        engine = fake_engine(Settings(home=tmp_path))
        toolkit.completion(*arguments, engine=engine, **options)
        _sync.run(engine.aclose())
        title, _, command = capsys.readouterr().err.partition("\n")
        assert title == "POST Request Sent from toolkit:"
        return command

    yield call
    toolkit.set_verbose = False


def paste(command):
    """Runs a command in a shell."""
    environment = {"PATH": os.environ["PATH"], "NO_PROXY": "*"}
    subprocess.run(["bash", "-c", command], env=environment, capture_output=True, check=True)


@pytest.mark.line("7.6")
@pytest.mark.parametrize(
    "content",
    ["it's \"q\" \\ back", "line\nbreak\ttab\r\n", "wow!! !$HOME `id` $(id)", "größe 🎉 \u2028\x7f", "@file",
     "\x00\x1b[31m", "\ud800", "'", "a' -o /dev/null '"],
)  # fmt: skip
def test_the_command_sends_the_same_body_again(openai, printed, content):
    """Quotes, line ends, expansions and signs of every script come through a shell as they were."""
    openai.control(reset=True)
    paste(printed("openai/m", [{"role": "user", "content": content}], stop=["!'"], api_base=openai.url))
    first, again = openai.requests()
    assert again["body"] == first["body"]
    assert first["body"]["messages"] == [{"role": "user", "content": content}]


@pytest.mark.line("7.7")
def test_an_address_with_a_query_is_quoted(openai, printed):
    """Azure's address has a `?`, which a shell would read as a pattern: it stands in quotes."""
    openai.control(reset=True)
    command = printed("azure/d", [{"role": "user", "content": "Hi"}], api_base=openai.url, api_key="k-123456")
    address = f"{openai.url}/openai/deployments/d/chat/completions?api-version="
    assert f"\n'{address}" in command
    paste(command)
    assert len({request["path"] for request in openai.requests()}) == 1


@pytest.mark.line("7.8")
def test_credentials_are_masked_wherever_they_stand(openai, printed):
    """The key is masked in its header, and in a body or an address that holds it."""
    key = "planted-key-123456"
    shown = printed("openai/m", [{"role": "user", "content": f"my {key}"}], api_base=openai.url, api_key=key)
    assert "-H 'Authorization: Bearer ****'" in shown
    assert '"my ****"' in shown
    assert key not in shown
    assert "user:word@" not in request_text("POST", "http://user:word@host/v1", {}, b"{}")


@pytest.mark.line("7.9")
def test_the_version_that_a_service_insists_on_is_shown(printed):
    """Anthropic's command has the version without which its service answers nobody."""
    with serving("tests.servers.fake_anthropic") as anthropic:
        command = printed("claude-x", [{"role": "user", "content": "Hi"}], api_base=anthropic.url, api_key="k-123456")
        assert "-H 'x-api-key: ****'" in command
        assert "-H 'anthropic-version: " in command
        paste(command)
        first, again = anthropic.requests()
    assert again["body"] == first["body"]
