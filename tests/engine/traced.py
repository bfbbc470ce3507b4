"""An engine whose tracer notes what it is told, and calls of it."""

from __future__ import annotations

import datetime as dt

import toolkit as tk
from tests.builders import NOON, make_prompt
from tests.engine.world import MESSAGES
from toolkit._redact import Secret
from toolkit._traced import Spot
from toolkit.config import BOTH, ConfigFile, Credentials, LangfuseSettings, Settings
from toolkit.engine import Engine, prepare
from toolkit.testing import FakeProvider, FakeSource

PROMPT = make_prompt("Say {{word}}.", prompt_id="text", source="langfuse", version="7")
MANAGED = {"prompt_id": "text", "prompt_variables": {"word": "a"}}
HOME = LangfuseSettings(host="http://home", public_key="pk-home", secret_key=Secret("secret-of-home"))
SPOT = Spot(trace_id="a" * 32, span_id="b" * 16)


class NotingTracer:
    """Notes what it is told."""

    def __init__(self, fault=None):
        self.fault = fault
        self.asked = []
        self.calls = []
        self.projects = []
        self.is_closed = False

    def spot(self, metadata, *, traceparent):
        if self.fault == "spot":
            raise RuntimeError("no spot")
        self.asked.append((dict(metadata), traceparent))
        return SPOT

    def take(self, call, project):
        if self.fault == "take":
            raise RuntimeError("not taken")
        self.calls.append(call)
        self.projects.append(project)

    def address(self, spot, project):
        return f"{project.host}/{spot.trace_id}"

    async def aclose(self):
        self.is_closed = True


class Ticking:
    """A clock that is a second later each time it is read."""

    def __init__(self):
        self.seconds = 0

    def monotonic(self):
        return float(self.seconds)

    def now(self):
        self.seconds += 1
        return NOON + dt.timedelta(seconds=self.seconds)

    async def sleep(self, seconds):
        """Returns at once."""


class TracedWorld:
    """An engine with a noting tracer."""

    def __init__(
        self, home, answers=("hello",), *, fault=None, traces=BOTH, credentials=None, langfuse=HOME, deployments=()
    ):
        self.provider = FakeProvider(answers, name="openai")
        self.tracer = NotingTracer(fault)
        self.engine = Engine(
            Settings(home=home, langfuse=langfuse),
            providers={"openai": self.provider},
            sources={"langfuse": FakeSource([PROMPT], name="langfuse"), "folder": FakeSource([PROMPT], name="folder")},
            config=ConfigFile(
                path="",
                traces=traces,
                credentials=credentials or Credentials(),
                deployments={one.model_name: (one,) for one in deployments},
            ),
            tracer=self.tracer,
        )
        self.engine.clock = Ticking()

    def __call__(self, *arguments, **options):
        return tk.completion(*arguments, engine=self.engine, **options)

    @property
    def call(self):
        """The one call that was told."""
        (call,) = self.tracer.calls
        return call


def arguments(**more):
    """The arguments of a plain call, all of them."""
    names = (
        "model messages prompt_id prompt_variables prompt_version prompt_label stream api_key api_base timeout "
        "max_retries fallbacks strict dialect langfuse_public_key langfuse_secret langfuse_secret_key langfuse_host "
        "humanloop_api_key api_version"
    ).split()
    flags = {"ignore_prompt_manager_model": False, "ignore_prompt_manager_optional_params": False}
    return dict.fromkeys(names) | flags | {"model": "openai/m", "messages": MESSAGES} | more


async def prepared(world, call):
    """The call, resolved."""
    return await prepare(world.engine, call, draw=0.0)
