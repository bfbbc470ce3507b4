"""Traces of completion calls: over HTTP to a fake Langfuse, linked to the version that the prompt resolved to."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import toolkit as tk
from tests.langfuse.pushing import PUBLIC_KEY, SECRET_KEY, TRACES, held
from tests.langfuse.tracing import KEY, MESSAGES, generations, tracing_engine
from tests.servers._process import serving
from tests.servers.fake_langfuse import AUTHORIZATION
from toolkit import _sync
from toolkit._redact import Secret
from toolkit.errors import PromptNotFoundError, ProviderError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def _openai():
    with serving("tests.servers.fake_openai") as server:
        yield server


@pytest.fixture
def openai(_openai):
    """An OpenAI-compatible server with nothing received and no faults waiting."""
    _openai.control(reset=True)
    return _openai


@pytest.fixture
def engine(tmp_path, langfuse):
    """An engine that traces its calls."""
    made = tracing_engine(tmp_path, langfuse)
    yield made
    _sync.run(made.aclose())


@pytest.fixture
def ask(engine, openai):
    """Makes completions of the fake provider."""
    return lambda *arguments, **options: tk.completion(
        *arguments, api_base=f"{openai.url}/v1", api_key=KEY, engine=engine, **options
    )


def greet(ask, **options):
    return ask("langfuse/openai/small", prompt_id="greet", prompt_variables={"word": "hi"}, **options)


def move_label(langfuse, version):
    """Moves `production` of `greet`, as somebody else would."""
    request = urllib.request.Request(  # noqa: S310  loopback only
        f"{langfuse.url}/api/public/v2/prompts/greet/versions/{version}",
        data=json.dumps({"newLabels": ["production"]}).encode(),
        headers={"authorization": AUTHORIZATION, "content-type": "application/json"},
        method="PATCH",
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310  loopback only
        answer.read()


def test_a_call_is_linked_to_the_version_it_asked_for(ask, langfuse):
    """A call with a version is linked to that version, although `production` is another one."""
    greet(ask, prompt_version=2)
    (row,) = generations(langfuse, 1)
    assert (row["promptName"], row["promptVersion"], row["type"]) == ("greet", 2, "GENERATION")
    assert json.loads(row["input"]) == [{"role": "user", "content": "Please say hi."}]
    assert row["metadata"]["prompt_variables"] == '{"word":"hi"}'


def test_a_call_is_linked_to_what_its_label_stood_on(ask, langfuse):
    """Calls by a label are linked to the version that it stood on when they were made, also after it has moved."""
    greet(ask, prompt_label="production")
    move_label(langfuse, 2)
    greet(ask, prompt_label="production")
    greet(ask)
    rows = generations(langfuse, 3)
    assert [row["promptVersion"] for row in rows] == [1, 2, 2]
    assert [row["metadata"].get("prompt_label") for row in rows] == ["production", "production", None]


def test_an_answer_says_where_its_trace_is(ask, langfuse):
    """`trace_url` leads to the trace, and to the project's own page of it once something was sent."""
    answer = ask("openai/small", MESSAGES)
    (row,) = generations(langfuse, 1)
    assert row["isRootObservation"]
    assert answer.trace_url == f"{langfuse.url}/project/proj-test/traces/{row['traceId']}"


def test_a_call_without_a_prompt_is_a_trace_too(ask, langfuse):
    """Plain messages are traced with model, params, tokens and answer, and linked to no prompt."""
    answer = ask("openai/small", MESSAGES, temperature=0.5)
    (row,) = generations(langfuse, 1)
    assert (row["promptName"], row["traceName"], row["model"]) == ("", "completion", "small")
    assert row["modelParameters"] == {"temperature": 0.5}
    assert row["output"] == answer.choices[0].message.content
    assert row["usageDetails"]["input"] == answer.usage.prompt_tokens
    assert (row["metadata"]["model_asked"], row["metadata"]["model_served"]) == ("openai/small", "small")


def test_a_failure_is_an_error_there(ask, openai, langfuse):
    """A call that fails is a generation of level ERROR with the reason, and raises as ever."""
    openai.control(status=400, body={"error": {"message": "no such thing", "type": "x", "code": None}})
    with pytest.raises(ProviderError):
        greet(ask, prompt_version=1)
    (row,) = generations(langfuse, 1)
    assert (row["level"], row["promptVersion"], row["output"]) == ("ERROR", 1, None)
    assert "no such thing" in row["statusMessage"]


def test_a_stream_is_traced_when_it_has_ended(ask, langfuse):
    """A streamed call is one generation with the whole answer and the time of the first token."""
    text = "".join(chunk.choices[0].delta.content or "" for chunk in greet(ask, stream=True))
    (row,) = generations(langfuse, 1)
    assert (row["output"], row["promptVersion"]) == (text, 1)
    assert row["timeToFirstToken"] is not None


def test_a_stream_that_breaks_is_an_error_with_what_had_come(ask, openai, langfuse):
    """A stream that breaks off is a generation of level ERROR, with the text that had come."""
    openai.control(cut=600)
    stream = ask("openai/small", [{"role": "user", "content": "one two three four five six seven"}], stream=True)
    with pytest.raises(ProviderError):
        list(stream)
    (row,) = generations(langfuse, 1)
    assert row["level"] == "ERROR"
    assert row["output"]


def test_a_stream_that_is_left_is_a_warning(ask, openai, langfuse):
    """A stream that its reader leaves is a generation of level WARNING: nobody made a mistake."""
    openai.control(piece_bytes=200, gap_s=0.2)
    for _ in ask("openai/small", [{"role": "user", "content": "one two three four five six seven"}], stream=True):
        break
    (row,) = generations(langfuse, 1)
    assert row["level"] == "WARNING"


def test_the_await_form_is_traced(engine, openai, langfuse):
    """`acompletion` is traced as `completion` is, many at once, each a trace of its own."""

    async def some():
        await asyncio.gather(
            *(
                tk.acompletion(
                    "langfuse/openai/small",
                    prompt_id="greet",
                    prompt_version=number % 2 + 1,
                    prompt_variables={"word": f"w{number}"},
                    api_base=f"{openai.url}/v1",
                    api_key=KEY,
                    engine=engine,
                )
                for number in range(20)
            )
        )

    asyncio.run(some())
    rows = generations(langfuse, 20)
    said = {json.loads(row["metadata"]["prompt_variables"])["word"]: row["promptVersion"] for row in rows}
    assert said == {f"w{number}": number % 2 + 1 for number in range(20)}
    assert len({row["traceId"] for row in rows}) == 20


def test_litellm_s_metadata_names_user_session_and_tags(ask, langfuse, openai):
    """`metadata` by LiteLLM's names says user, session, tags and names; the rest is metadata there, none is sent on."""
    said = {
        "trace_user_id": "ann",
        "session_id": "s-1",
        "tags": ["a", "b"],
        "trace_name": "ask",
        "generation_name": "first",
        "mine": {"deep": 1},
    }
    ask("openai/small", MESSAGES, metadata=said)
    (row,) = generations(langfuse, 1)
    assert (row["userId"], row["sessionId"], row["tags"]) == ("ann", "s-1", ["a", "b"])
    assert (row["traceName"], row["name"], row["metadata"]["mine"]) == ("ask", "first", '{"deep":1}')
    assert set(openai.call("GET", "/_requests")[0]["body"]) == {"model", "messages"}


def test_a_prompt_that_is_not_there_leaves_no_trace(ask, openai, langfuse):
    """A call that sends nothing to a provider is told to its caller alone."""
    with pytest.raises(PromptNotFoundError):
        ask("langfuse/openai/small", prompt_id="nobody")
    ask("openai/small", MESSAGES)
    assert len(generations(langfuse, 1)) == 1
    assert len(openai.call("GET", "/_requests")) == 1


def test_no_key_leaves(ask, langfuse):
    """No credential that this process knows is in anything that goes to Langfuse, wherever it stood in the call."""
    secret = "traced-credential-83fa"
    Secret(secret)
    ask(
        "openai/small",
        [{"role": "user", "content": f"My key is {secret}"}],
        metadata={"mine": secret, "tags": [secret]},
    )
    generations(langfuse, 1)
    sent = json.dumps([request["body"] for request in langfuse.requests()])
    assert [value for value in (secret, KEY, SECRET_KEY) if value in sent] == []


def test_each_call_is_sent_once_in_groups(ask, langfuse):
    """Calls of one second leave in one request, and each is there once."""
    for _ in range(5):
        ask("openai/small", MESSAGES)
    assert len(generations(langfuse, 5)) == 5
    posts = [each for each in langfuse.requests() if each["path"] == TRACES]
    assert len(posts) <= 2
    assert posts[0]["headers"]["x-langfuse-ingestion-version"] == "4"


def test_closing_the_engine_sends_what_waits(ask, engine, langfuse):
    """An engine that is closed at once has sent the calls that waited."""
    ask("openai/small", MESSAGES)
    _sync.run(engine.aclose())
    assert len(held(langfuse)["observations"]) == 1


def test_off_by_default(tmp_path, openai, langfuse):
    """Without being asked for, no trace is sent, although Langfuse's keys are there."""
    engine = tracing_engine(tmp_path, langfuse, traces=frozenset())
    answer = tk.completion(
        "langfuse/openai/small", prompt_id="greet", prompt_variables={"word": "hi"}, engine=engine,
        api_base=f"{openai.url}/v1", api_key=KEY,
    )  # fmt: skip
    _sync.run(engine.aclose())
    assert answer.trace_url is None
    assert [each["method"] for each in langfuse.requests()] == ["GET"]


CONFIG = """
model_list:
  - model_name: greeter
    litellm_params: {{model: langfuse/openai/small, prompt_id: greet, api_base: "{openai}/v1", api_key: k-of-config}}
litellm_settings:
  success_callback: ["langfuse"]
  failure_callback: ["langfuse"]
"""


def script(folder, openai, langfuse, code, **environ):
    """Runs a program of its own with an existing LiteLLM file beside it, and gives what it printed."""
    (folder / "config.yaml").write_text(CONFIG.format(openai=openai.url), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LANGFUSE_", "OPENAI_"))}
    given = {"LANGFUSE_PUBLIC_KEY": PUBLIC_KEY, "LANGFUSE_SECRET_KEY": SECRET_KEY, "LANGFUSE_HOST": langfuse}
    environment = {**kept, **given, "NO_PROXY": "*", "PYTHONPATH": str(ROOT), **environ}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done


ONE_CALL = """
import toolkit as tk
tk.configure("config.yaml")
print(tk.completion("greeter", prompt_variables={"word": "hi"}, prompt_version=2).choices[0].message.content)
"""


def test_a_program_that_ends_at_once_has_sent_its_traces(tmp_path, openai, langfuse):
    """An existing LiteLLM file turns traces on, and a program that ends after its call still leaves its trace."""
    host = langfuse.url.replace("127.0.0.1", "localhost")
    done = script(tmp_path, openai, host, ONE_CALL)
    (row,) = held(langfuse)["observations"]
    assert (row["promptVersion"], row["output"]) == (2, done.stdout.strip())
    assert done.stderr == ""


def test_langfuse_s_own_switch_turns_traces_off(tmp_path, openai, langfuse):
    """`LANGFUSE_TRACING_ENABLED=false` goes before the file; environment and release are Langfuse's variables too."""
    script(tmp_path, openai, langfuse.url, ONE_CALL, LANGFUSE_TRACING_ENABLED="false")
    assert held(langfuse)["observations"] == []
    script(tmp_path, openai, langfuse.url, ONE_CALL, LANGFUSE_TRACING_ENVIRONMENT="staging", LANGFUSE_RELEASE="r-7")
    (row,) = held(langfuse)["observations"]
    assert (row["environment"], row["release"]) == ("staging", "r-7")


FORKING = """
import os
import toolkit as tk
tk.configure("config.yaml")
tk.completion("greeter", prompt_variables={"word": "parent"})
child = os.fork()
if child == 0:
    tk.completion("greeter", prompt_variables={"word": "child"})
else:
    os.waitpid(child, 0)
"""


def test_a_fork_sends_its_own_calls_and_no_others(tmp_path, openai, langfuse):
    """What waits when a process forks is sent once, by the parent; the child sends what it asked for itself."""
    script(tmp_path, openai, langfuse.url, FORKING)
    rows = held(langfuse)["observations"]
    assert sorted(row["metadata"]["prompt_variables"] for row in rows) == ['{"word":"child"}', '{"word":"parent"}']
    assert len({row["traceId"] for row in rows}) == 2
