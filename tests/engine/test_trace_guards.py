"""A call is never the worse for its trace, and is traced only where that was asked for, in the right project."""

from __future__ import annotations

import pickle
import warnings

import pytest

import toolkit as tk
from tests.builders import make_prompt
from tests.engine.traced import MANAGED, PROMPT, arguments
from tests.engine.world import MESSAGES
from toolkit import _sync
from toolkit._records import FrozenDict
from toolkit._redact import Secret
from toolkit.config import BOTH, ConfigFile, Credentials, Deployment, Settings
from toolkit.engine import Entry, complete, make_call, traced, with_traces
from toolkit.errors import LangfuseWarning, ProviderTimeoutError, StoreError, UsageError
from toolkit.testing import fake_engine


@pytest.mark.parametrize("fault", ["spot", "take"])
def test_a_tracer_that_fails_fails_no_call(make, fault):
    """What goes wrong in a tracer is one warning, and the call has its answer."""
    world = make(["one", "two"], fault=fault)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        texts = [world("openai/m", MESSAGES).choices[0].message.content for _ in range(2)]
    assert texts == ["one", "two"]
    assert [each.category for each in caught] == [LangfuseWarning]


def test_a_call_without_a_project_is_answered_and_warned_of(make, monkeypatch):
    """Without Langfuse's keys a traced call is answered, and one warning says what is missing."""
    for name in ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    world = make(["one"], langfuse=None)
    with pytest.warns(LangfuseWarning, match="LANGFUSE_PUBLIC_KEY"):
        answer = world("openai/m", MESSAGES)
    assert (answer.choices[0].message.content, answer.trace_url, world.tracer.calls) == ("one", None, [])


OTHER = {"langfuse_public_key": "pk-other", "langfuse_secret": "secret-of-other", "langfuse_host": "http://other"}
GENERAL = Credentials(
    langfuse_public_key="pk-general", langfuse_secret_key=Secret("secret-general"), langfuse_host="http://general"
)


@pytest.mark.parametrize(
    ("model", "options", "credentials", "host"),
    [
        ("openai/m", {}, None, "http://home"),
        ("openai/m", {}, GENERAL, "http://general"),
        ("openai/m", OTHER, GENERAL, "http://other"),
        ("folder/openai/m", {**MANAGED, **OTHER}, None, "http://other"),
        ("langfuse/openai/m", MANAGED, None, "http://home"),
        ("langfuse/openai/m", MANAGED, GENERAL, "http://general"),
        ("langfuse/openai/m", {**MANAGED, **OTHER}, GENERAL, "http://other"),
    ],
)
def test_a_trace_goes_to_the_project_of_its_prompt(make, monkeypatch, model, options, credentials, host):
    """A call goes to the project that its prompt is from; else to the call's, config.yaml's, the settings'."""
    world = make(credentials=credentials)
    fetched = {"langfuse": PROMPT, "folder": make_prompt(prompt_id="text", source="folder")}

    async def fetch(name, prompt_id, **_):
        return fetched[name]

    monkeypatch.setattr(world.engine.sources, "fetch", fetch)
    world(model, MESSAGES, **options)
    assert [project.host for project in world.tracer.projects] == [host]


@pytest.mark.parametrize("model", ["langfuse/openai/m", "folder/openai/m", "openai/m"])
def test_a_deployment_s_project_has_its_traces(make, monkeypatch, model):
    """Calls of a deployment with a Langfuse project of its own go there, with a prompt from it or without."""
    of_deployment = Credentials(
        langfuse_public_key="pk-of-it", langfuse_secret_key=Secret("secret-of-it"), langfuse_host="http://of-it"
    )
    deployment = Deployment(model_name="mine", model=model, credentials=of_deployment)
    world = make(credentials=GENERAL, deployments=[deployment])

    async def fetch(name, prompt_id, **_):
        return make_prompt(prompt_id="text", source=name)

    monkeypatch.setattr(world.engine.sources, "fetch", fetch)
    world("mine", MESSAGES, **({} if model == "openai/m" else MANAGED))
    assert [project.host for project in world.tracer.projects] == ["http://of-it"]


def test_another_key_of_a_deployment_leaves_the_general_project(make):
    """A deployment with a key for another service only is traced in config.yaml's general project."""
    other = Deployment(
        model_name="mine", model="openai/m", credentials=Credentials(humanloop_api_key=Secret("key-of-humanloop"))
    )
    world = make(credentials=GENERAL, deployments=[other])
    world("mine", MESSAGES)
    assert [project.host for project in world.tracer.projects] == ["http://general"]


def test_a_trace_stands_before_the_record_of_a_call(make):
    """A call that is recorded and traced is both, attempts included."""
    fault = ProviderTimeoutError("slow", provider="openai", model="m")
    world = make([fault, "hello"])
    noted = []

    class Record:
        async def open(self, prepared, way):
            return Entry(ledger=self, run_id="run-1", trial_id="t1:x")

        async def begin_attempt(self, **fields):
            noted.append(("begin", fields["run_id"], fields["trial_id"]))
            return len(noted)

        async def fail_attempt(self, attempt_id, **fields):
            noted.append(("fail", attempt_id, fields["kind"]))

        async def finish(self, outcome, **fields):
            noted.append(("finish", outcome.status, fields["attempt_id"]))

    call = make_call(arguments(), {})
    _sync.run(complete(world.engine, call, recorder=Record(), trace=traced(world.engine, call)))
    assert noted == [
        ("begin", "run-1", "t1:x"),
        ("fail", 1, "timeout"),
        ("begin", "run-1", "t1:x"),
        ("finish", "ok", 3),
    ]
    assert world.call.outcome.trial_id == "t1:x"


class Full:
    """A record that cannot be kept from some step on."""

    def __init__(self, step):
        self.step = step

    async def _do(self, step):
        if step == self.step:
            raise StoreError("the disk is full")

    async def open(self, prepared, way):
        return Entry(ledger=self, run_id="", trial_id="")

    async def begin_attempt(self, **_):
        await self._do("begin")
        return 1

    async def fail_attempt(self, attempt_id, **_):
        await self._do("fail")

    async def finish(self, outcome, **_):
        await self._do("finish")


@pytest.mark.parametrize(
    ("step", "told"), [("begin", []), ("fail", [("failed", "unknown")]), ("finish", [("ok", None)])]
)
def test_a_call_that_could_not_be_recorded_is_told_as_far_as_it_came(make, step, told):
    """A call whose record failed raises as ever: told is what had come, a failure of ours, or nothing that was sent."""
    world = make([ProviderTimeoutError("slow", provider="openai", model="m"), "hello"])
    call = make_call(arguments(max_retries=1), {})
    with pytest.raises(StoreError):
        _sync.run(complete(world.engine, call, recorder=Full(step), trace=traced(world.engine, call)))
    outcomes = [each.outcome for each in world.tracer.calls]
    assert [(each.status, each.failure and each.failure.kind) for each in outcomes] == told


def test_an_answer_keeps_the_address_of_its_trace(make):
    """An answer that was pickled still says where its trace is; one without a trace says nothing."""
    world = make()
    answer = world("openai/m", MESSAGES)
    assert pickle.loads(pickle.dumps(answer)).trace_url == answer.trace_url  # noqa: S301  our own
    assert tk.ModelResponse({}).trace_url is None


def test_closing_an_engine_closes_its_tracer(make):
    """An engine that is closed hands on what its tracer holds."""
    world = make()
    _sync.run(world.engine.aclose())
    assert world.tracer.is_closed


def test_no_tracer_unless_asked_for(tmp_path, monkeypatch):
    """An engine has a tracer only where its configuration asks for traces, and Langfuse's own switch is not off."""
    settings = Settings(home=tmp_path)
    monkeypatch.delenv("LANGFUSE_TRACING_ENABLED", raising=False)
    assert fake_engine(settings).tracer is None
    assert fake_engine(settings, config=ConfigFile(path="")).tracer is None
    assert fake_engine(settings, config=with_traces(None, True)).tracer is not None
    monkeypatch.setenv("LANGFUSE_TRACING_ENABLED", "False")
    assert fake_engine(settings, config=with_traces(None, True)).tracer is None


@pytest.mark.parametrize(("langfuse", "traces"), [(None, frozenset({"success"})), (True, BOTH), (False, frozenset())])
def test_a_switch_goes_before_the_file(langfuse, traces):
    """True and False go before what config.yaml says of traces; `None` leaves it."""
    config = ConfigFile(path="", traces=frozenset({"success"}))
    assert with_traces(config, langfuse).traces == traces


def test_without_a_file_and_a_switch_there_is_no_configuration():
    """`None` makes no configuration where there is none."""
    assert with_traces(None, None) is None


@pytest.mark.parametrize("given", [1, "yes", []])
def test_a_switch_is_true_false_or_none(given):
    """Any other switch is an error that shows it."""
    with pytest.raises(UsageError, match="`langfuse` is True, False or None"):
        tk.configure(langfuse=given)
    with pytest.raises(UsageError, match="`langfuse` is True, False or None"):
        tk.Toolkit(langfuse=given)


def test_configure_and_toolkit_turn_traces_on(tmp_path, monkeypatch):
    """`configure(langfuse=True)` and `Toolkit(langfuse=True)` have a tracer; `configure()` has none again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LANGFUSE_TRACING_ENABLED", raising=False)
    try:
        assert tk.configure(langfuse=True).tracer is not None
        assert tk.configure().tracer is None
        with tk.Toolkit(langfuse=True) as ours:
            assert ours.engine.tracer is not None
    finally:
        tk.configure()


def test_odd_chunks_are_heard_without_harm(make):
    """A chunk whose choices are no maps, or have no text, is passed on as it came."""
    world = make()
    trace = traced(world.engine, make_call(arguments(), {}))
    for choices in (("odd",), (FrozenDict({"delta": None}),), (FrozenDict({"delta": FrozenDict({"content": 5})}),)):
        trace.heard({"choices": choices})
    with pytest.raises(KeyError), trace.following(None):
        raise KeyError
    assert world.tracer.calls == []
