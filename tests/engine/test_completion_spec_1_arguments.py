"""What the arguments of `completion` mean in their odder forms, and who wins (completion.md sections 1 to 3)."""

from __future__ import annotations

import copy
import datetime as dt
import inspect
import json
import pickle
import warnings
from decimal import Decimal

import pytest

import toolkit as tk
from tests.builders import make_prompt
from tests.engine.world import MESSAGES, PROMPTS, World
from tests.servers._process import serving
from toolkit import _sync
from toolkit._records import FrozenDict
from toolkit.config import Settings
from toolkit.engine import default_engine
from toolkit.errors import (
    AuthenticationError,
    MissingVariablesError,
    UnknownNameError,
    UnusedVariableWarning,
    UsageError,
)
from toolkit.testing import FakeProvider, FakeSource, fake_engine

FILLED = {"prompt_id": "text", "prompt_variables": {"word": "a"}}
DOCUMENTED = (
    "model messages prompt_id prompt_variables prompt_version prompt_label stream api_key api_base timeout max_retries "
    "fallbacks strict dialect ignore_prompt_manager_model ignore_prompt_manager_optional_params langfuse_public_key "
    "langfuse_secret langfuse_secret_key langfuse_host humanloop_api_key"
).split()
LANGFUSE = {"langfuse_public_key": "pk-lf-test", "langfuse_secret": "sk-lf-test"}


@pytest.mark.line("1.1", "1.2")
@pytest.mark.parametrize("call", [tk.completion, tk.acompletion])
def test_arguments_have_the_names_of_the_document(call):
    """Both calls take the documented names, the first two by position too, and any chat parameter besides."""
    taken = inspect.signature(call).parameters
    assert list(taken)[:2] == ["model", "messages"]
    assert set(DOCUMENTED) <= set(taken)
    assert all(taken[name].kind is inspect.Parameter.KEYWORD_ONLY for name in DOCUMENTED[2:])
    assert any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken.values())


@pytest.mark.line("1.5")
def test_an_answer_is_dumped_as_plain_values(world):
    """model_dump(), with the SDK's modes, and to_dict() give the same dicts and lists; they can be changed."""
    response = world("openai/m", MESSAGES)
    dumped = response.model_dump(mode="json")
    assert (type(dumped), type(dumped["choices"])) == (dict, list)
    assert dumped == response.to_dict() == json.loads(response.model_dump_json())
    assert "refusal" not in response.model_dump(exclude_none=True)["choices"][0]["message"]
    dumped["choices"].clear()
    assert len(response.choices) == 1


@pytest.mark.line("1.6")
def test_an_answer_pickles_and_copies(world):
    """A pickled and a copied answer are equal to it, and tell prompt, request and latency as it does."""
    response = world("langfuse/openai/m", **FILLED)
    for twin in (pickle.loads(pickle.dumps(response)), copy.deepcopy(response)):  # noqa: S301  our own bytes
        assert twin == response
        assert (twin.prompt, twin.request, twin.latency) == (response.prompt, response.request, response.latency)


@pytest.mark.line("1.14")
def test_the_cost_is_usd_where_it_is_known(world):
    """`.cost` is tokens times the listed price: 1 in and 2 out, at 0.15 and 0.60 USD a million."""
    assert world("openai/gpt-4o-mini", MESSAGES).cost == pytest.approx(0.15e-6 + 2 * 0.60e-6)


@pytest.mark.line("1.17")
def test_what_is_given_is_never_changed(world):
    """Messages and variables, nested ones too, are after a call what they were before."""
    messages = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    variables = {"word": ["a", {"b": None}]}
    before = copy.deepcopy((messages, variables))
    world("openai/m", messages, stop=["x"])
    world("langfuse/openai/m", messages, prompt_id="text", prompt_variables=variables)
    assert (messages, variables) == before


@pytest.mark.line("1.19")
def test_azure_may_stand_behind_a_prefix(tmp_path):
    """langfuse/azure/<deployment> is Azure with that deployment."""
    azure = FakeProvider(name="azure")
    engine = fake_engine(Settings(home=tmp_path), providers=[azure], sources=[FakeSource(PROMPTS, name="langfuse")])
    tk.completion("langfuse/azure/my-deployment", **FILLED, engine=engine)
    assert azure.requests[0].model == "my-deployment"


@pytest.mark.line("1.23")
def test_an_alias_may_stand_behind_a_prefix(tmp_path):
    """langfuse/<alias> takes the prompt from Langfuse and goes on through the alias."""
    world = World(tmp_path, "model_list: [{model_name: mine, litellm_params: {model: openai/m, seed: 4}}]")
    world("langfuse/mine", **FILLED)
    assert (world.sent.model, world.sent.params) == ("m", {"seed": 4})


@pytest.mark.line("1.25")
@pytest.mark.parametrize(
    ("bare", "provider"),
    [("gpt-4o", "openai"), ("chatgpt-4o-latest", "openai"), ("o1", "openai"), ("o3-mini", "openai"),
     ("claude-3-opus", "anthropic"), ("gemini-2.0-flash", "gemini")],
)  # fmt: skip
def test_bare_names_of_each_family(tmp_path, bare, provider):
    """Each family's bare names go to the provider that serves it."""
    asked = FakeProvider(name=provider)
    tk.completion(bare, MESSAGES, engine=fake_engine(Settings(home=tmp_path), providers=[asked]))
    assert asked.requests[0].model == bare


@pytest.mark.line("1.28", "1.54")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt_id": ""}, "`prompt_id` is text that is not empty; got ''"),
        ({"prompt_id": 5}, "`prompt_id` is text"),
        ({"prompt_id": "text", "prompt_label": ""}, "`prompt_label` is text"),
        ({"prompt_id": "text", "prompt_version": ""}, "`prompt_version` is a number or text"),
        ({"prompt_id": "text", "prompt_version": 1.5}, "`prompt_version` is a number or text"),
        ({"prompt_id": "text", "prompt_version": True}, "`prompt_version` is a number or text"),
        ({"dialect": "french"}, "`dialect` is 'toolkit' or 'litellm'"),
        ({"fallbacks": [{"openai/m": ["openai/n"]}]}, "`fallbacks` is a list of models"),
        ({"fallbacks": [5]}, "`fallbacks` is a list of models"),
        ({"fallbacks": [{"model": "openai/n", "prompt_id": "other"}]}, "`fallbacks` is a list of models"),
        ({"extra_body": {"messages": []}}, "`extra_body` is a map"),
    ],
)
@pytest.mark.parametrize("model", ["openai/m", "langfuse/openai/m"])
def test_an_argument_that_says_nothing_is_refused(world, model, arguments, message):
    """An empty name, a wrong type and an unknown form are errors that name the argument; nothing is sent."""
    with pytest.raises(UsageError, match=message):
        world(model, MESSAGES, **arguments)
    assert world.openai.requests == []


@pytest.mark.line("1.33")
def test_a_sweep_s_models_win_over_the_prompts(world):
    """A sweep with models sends to them, although the prompt's config names another."""
    plan = tk.plan("langfuse:own-model@1", "openai/m", engine=world.engine)
    assert [arm.model for arm in plan.arms] == ["openai/m"]


PARAMETERS = (
    "temperature max_tokens max_completion_tokens top_p n stop presence_penalty frequency_penalty tools tool_choice "
    "response_format seed logit_bias user parallel_tool_calls logprobs top_logprobs reasoning_effort"
).split()


@pytest.mark.line("1.37", "1.40")
@pytest.mark.parametrize("name", PARAMETERS)
def test_every_known_parameter_has_the_same_precedence(tmp_path, name):
    """Each chat parameter is the caller's, else the prompt config's, else config.yaml's."""
    deployment = {"model": "langfuse/openai/m", "prompt_id": "p", name: ["config"]}
    config = json.dumps({"model_list": [{"model_name": "alias", "litellm_params": deployment}]})
    prompt = make_prompt("Hi", prompt_id="p", source="langfuse", config={name: ["prompt"]})
    world = World(tmp_path, config, prompts=[prompt])
    for given, value, source in (
        ({name: ["caller"]}, ("caller",), "caller"),
        ({}, ("prompt",), "prompt"),
        ({"ignore_prompt_manager_optional_params": True}, ("config",), "config"),
    ):
        answer = world("alias", **given)
        assert (world.sent.params, answer.param_sources) == ({name: value}, {name: source})


@pytest.mark.line("1.39")
def test_null_in_a_prompt_s_config_sets_nothing(tmp_path):
    """A null in a prompt's config leaves config.yaml's parameter in place, in calls and in sweeps."""
    prompt = make_prompt("Hi", prompt_id="p", source="langfuse", config={"temperature": None, "seed": None})
    deployment = "{model: openai/m, temperature: 0.1}"
    world = World(tmp_path, f"model_list: [{{model_name: a, litellm_params: {deployment}}}]", prompts=[prompt])
    world("langfuse/a", prompt_id="p")
    assert world.sent.params == {"temperature": 0.1}
    assert tk.plan("langfuse:p@1", "a", engine=world.engine).arms[0].params == {"temperature": 0.1}


@pytest.mark.line("1.43")
def test_streaming_is_the_caller_s_to_say(tmp_path):
    """A prompt's `stream: true` leaves a call whole; its stream_options are sent with a streamed call, and only so."""
    config = {"stream": True, "stream_options": {"include_usage": True}, "seed": 1}
    world = World(tmp_path, prompts=[make_prompt("Hi", prompt_id="p", source="langfuse", config=config)])
    assert world("langfuse/openai/m", prompt_id="p").choices[0].message.content == "from openai"
    assert world.sent.params == {"seed": 1}
    chunks = list(world("langfuse/openai/m", prompt_id="p", stream=True))
    assert world.sent.params == {"seed": 1, "stream_options": {"include_usage": True}}
    assert chunks[-1].usage.completion_tokens == 2


@pytest.mark.line("1.48")
@pytest.mark.parametrize(
    "fallbacks",
    ["anthropic/y", ["anthropic/y"], ({"model": "anthropic/y"},), {"model": "anthropic/y", "max_tokens": 9}],
)
def test_a_fallback_is_a_name_or_a_map(tmp_path, fallbacks):
    """A fallback is a model's name or a map with one, alone or in a list; a map's parameters go before the call's."""
    world = World(tmp_path, openai=[AuthenticationError("no")])
    world("openai/m", MESSAGES, fallbacks=fallbacks, max_tokens=5)
    (sent,) = world.anthropic.requests
    limit = 9 if isinstance(fallbacks, dict) else 5
    assert (sent.model, sent.params) == ("y", {"max_tokens": limit})


@pytest.mark.line("1.49")
def test_a_fallback_gets_no_key_of_the_first_model(tmp_path, monkeypatch):
    """Key and address of the call are for its first model; a fallback has its own, from its map or the environment."""
    with serving("tests.servers.fake_openai") as first, serving("tests.servers.fake_openai") as second:
        monkeypatch.setenv("GROQ_API_BASE", second.url)
        monkeypatch.setenv("GROQ_API_KEY", "groq-key-123")
        first.control(status=401, times=None)
        engine = fake_engine(Settings(home=tmp_path))
        own = {"model": "openai/m", "api_base": second.url, "api_key": "own-key-123"}
        for fallback in ("groq/m", own):
            call = {"api_key": "first-key-123", "api_base": first.url, "fallbacks": [fallback]}
            tk.completion("openai/m", MESSAGES, engine=engine, **call)
        keys = [request["headers"]["authorization"] for request in second.requests()]
        _sync.run(engine.aclose())
    assert keys == ["Bearer groq-key-123", "Bearer own-key-123"]


@pytest.mark.line("1.58")
def test_a_prompt_that_chooses_another_provider_gets_no_key(tmp_path, monkeypatch):
    """A provider that a prompt's config chooses is not sent the caller's key, nor asked at the caller's address."""
    source = FakeSource([make_prompt("Hi", source="langfuse", config={"model": "anthropic/x"})], name="langfuse")
    with serving("tests.servers.fake_openai") as openai, serving("tests.servers.fake_anthropic") as anthropic:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", anthropic.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "its-own-key-123")
        engine = fake_engine(Settings(home=tmp_path), sources=[source])
        caller = {"api_key": "callers-key-123", "api_base": openai.url}
        tk.completion("langfuse/openai/m", prompt_id="greet", engine=engine, **caller)
        (received,) = anthropic.requests()
        _sync.run(engine.aclose())
        assert (received["headers"]["x-api-key"], openai.requests()) == ("its-own-key-123", [])


class _Timed(FakeProvider):
    """A provider that keeps the seconds it was given."""

    seconds: tuple[float, ...] = ()

    async def complete(self, request, *, timeout_s):
        self.seconds += (timeout_s,)
        return await super().complete(request, timeout_s=timeout_s)


@pytest.mark.line("1.52", "5.19")
def test_timeout_is_the_caller_s_before_the_config_s(tmp_path):
    """The seconds of one attempt are the call's, else the deployment's, else 120."""
    world = World(tmp_path, "model_list: [{model_name: a, litellm_params: {model: timed/m, timeout: 30}}]")
    timed = _Timed(name="timed")
    world.engine = fake_engine(Settings(home=tmp_path), providers=[timed], config=world.engine.config)
    world("a", MESSAGES, timeout=5)
    world("a", MESSAGES)
    world("timed/m", MESSAGES)
    assert timed.seconds == (5, 30, 120)


def test_configure_holds_for_every_call_until_it_is_taken_back(tmp_path, monkeypatch):
    """tk.configure(file) is the configuration of calls that name none; tk.configure() goes back to the environment."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(
        "model_list:\n- model_name: mine\n"
        "  litellm_params: {model: openai/m, api_key: k, api_base: 'http://127.0.0.1:9'}\n"
    )
    engine = tk.configure("config.yaml")
    try:
        assert tk.plan(make_prompt(), "mine", [{"word": "a"}]).arms[0].model_source == "alias"
    finally:
        _sync.run(engine.aclose())
        tk.configure()
    with pytest.raises(UnknownNameError, match="mine"):
        tk.plan(make_prompt(), "mine", [{"word": "a"}])


@pytest.mark.line("1.53")
def test_configure_takes_a_dialect(monkeypatch, tmp_path):
    """tk.configure(dialect=...) holds for calls that name none, with a file or without, until it is taken back."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("model_list: [{model_name: a, litellm_params: {model: openai/m}}]")
    try:
        for config in (None, "config.yaml"):
            engine = tk.configure(config, dialect="litellm")
            assert default_engine() is engine
            assert engine.config.dialect == "litellm"
            assert list(engine.config.deployments) == ([] if config is None else ["a"])
    finally:
        assert tk.configure().config is None
    with pytest.raises(UsageError, match="`dialect`"):
        tk.configure(dialect="french")


@pytest.mark.line("1.56")
def test_arguments_of_other_sdks(tmp_path):
    """base_url is the address, extra_body's fields are parameters, and what adds headers or a query is refused."""
    with serving("tests.servers.fake_openai") as server:
        engine = fake_engine(Settings(home=tmp_path))
        tk.completion("openai/m", MESSAGES, base_url=server.url, extra_body={"top_k": 3}, n=1, engine=engine)
        (received,) = server.requests()
        for name in ("extra_headers", "headers", "extra_query", "organization"):
            with pytest.raises(UsageError, match=f"`{name}` is not supported"):
                tk.completion("openai/m", MESSAGES, base_url=server.url, engine=engine, **{name: {"a": "b"}})
        _sync.run(engine.aclose())
        assert len(server.requests()) == 1
    assert received["body"] == {"model": "m", "messages": MESSAGES, "top_k": 3, "n": 1}


@pytest.mark.line("1.57")
def test_a_parameter_that_is_no_json_is_refused(world):
    """A parameter that JSON cannot hold is an error that names it and its type."""
    with pytest.raises(UsageError, match=r"`response_format` must be JSON.*got a type"):
        world("openai/m", MESSAGES, response_format=World)


@pytest.mark.line("1.59")
def test_an_answer_s_message_may_be_sent_again(tmp_path):
    """A message of an earlier answer stands among messages or in a placeholder's list, without its empty fields."""
    chat = (FrozenDict({"type": "placeholder", "name": "history"}), FrozenDict({"role": "user", "content": "Next"}))
    world = World(tmp_path, prompts=[make_prompt(chat, prompt_id="chat", source="langfuse")])
    earlier = world("openai/m", MESSAGES).choices[0].message
    said = {"role": "assistant", "content": "from openai"}
    world("openai/m", [*MESSAGES, earlier])
    assert [message.to_wire() for message in world.sent.messages] == [*MESSAGES, said]
    world("langfuse/openai/m", prompt_id="chat", prompt_variables={"history": [earlier]})
    assert [message.to_wire() for message in world.sent.messages] == [said, {"role": "user", "content": "Next"}]


@pytest.mark.line("2.8")
@pytest.mark.parametrize("history", [..., None, "x", {"role": "user"}, ["x"], [5], [{"content": "x"}]])
@pytest.mark.parametrize("strict", [None, True])
def test_an_unresolved_placeholder_sends_nothing_and_warns_of_nothing(tmp_path, history, strict):
    """A placeholder that cannot be filled is one error that names it, no warning beside it, and nothing is sent."""
    chat = (FrozenDict({"type": "placeholder", "name": "history"}),)
    world = World(tmp_path, prompts=[make_prompt(chat, prompt_id="chat", source="langfuse")])
    variables = {} if history is ... else {"history": history}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(MissingVariablesError, match="'history'"):
            world("langfuse/openai/m", prompt_id="chat", prompt_variables=variables, strict=strict)
    assert world.openai.requests == []


@pytest.mark.line("2.16")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), ("", ""), (True, "True"), (0, "0"), (1.5, "1.5"), ([1, "a", None], "[1, 'a', None]"),
        ({"a": [1, {"b": None}]}, "{'a': [1, {'b': None}]}"), ((1, 2), "[1, 2]"), (b"x", "b'x'"),
        (dt.date(2026, 1, 2), "2026-01-02"), (Decimal("1.50"), "1.50"),
        ("{{word}} {word}", "{{word}} {word}"), ("größe 🎉\n", "größe 🎉\n"),
    ],
)  # fmt: skip
def test_values_are_filled_in_as_python_writes_them(world, value, text):
    """None is the empty text, every other value is its str(), and a tuple reads as a list."""
    world("langfuse/openai/m", prompt_id="text", prompt_variables={"word": value})
    assert world.sent.messages[0].content == f"Say {text}."


@pytest.mark.line("2.21")
def test_a_sweep_warns_once_of_unused_variables(world):
    """Variables that no prompt of a sweep reads are one warning that names them all."""
    rows = [{"word": "a", "x": 1, "y": 2}, {"word": "b", "x": 1, "y": 2}]
    with pytest.warns(UnusedVariableWarning) as caught:
        tk.plan("langfuse:text@1", "openai/m", rows, engine=world.engine)
    (warning,) = caught
    assert "'x'" in str(warning.message)
    assert "'y'" in str(warning.message)


@pytest.mark.line("3.33")
@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ({"langfuse_secret": "sk-lf-test", "langfuse_secret_key": "sk-wrong"}, "sk-wrong"),
        ({"langfuse_secret_key": "sk-lf-test"}, "sk-wrong"),
        ({}, "sk-lf-test"),
    ],
)
def test_the_first_langfuse_secret_counts(tmp_path, monkeypatch, arguments, environment):
    """langfuse_secret goes before langfuse_secret_key, which goes before LANGFUSE_SECRET_KEY."""
    with serving("tests.servers.fake_langfuse") as server:
        server.control(seed=[{"name": "text", "type": "text", "prompt": "Say {{word}}.", "labels": ["production"]}])
        for name, value in (("HOST", server.url), ("PUBLIC_KEY", "pk-lf-test"), ("SECRET_KEY", environment)):
            monkeypatch.setenv(f"LANGFUSE_{name}", value)
        engine = fake_engine(Settings.from_environment(), providers=[FakeProvider(name="openai")])
        tk.completion("langfuse/openai/m", **FILLED, **arguments, engine=engine)
        _sync.run(engine.aclose())
        assert [request["authorization"] for request in server.requests()] == ["valid"]
