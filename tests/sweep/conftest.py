"""Engines with fakes and a store of their own."""

from __future__ import annotations

import os

import pytest

from tests.builders import make_prompt
from tests.servers._process import serving
from toolkit import _sync
from toolkit.config import Settings
from toolkit.testing import FakeProvider, FakeSource, fake_engine

GREETINGS = (
    make_prompt("Say {{word}}.", labels=("production",), config={"model": "fake/own", "temperature": 0.5}),
    make_prompt("Please say {{word}}.", version="2"),
    make_prompt("Say {{word}} to {{name}}.", version="3", labels=("candidate",)),
)


@pytest.fixture
def make_engine(tmp_path):
    """Makes engines over one store folder, with the scripted provider given; closes them at the end."""
    made = []

    def make(*providers, prompts=GREETINGS, home=tmp_path / "home"):
        engine = fake_engine(
            Settings(home=home, prompts_folder=tmp_path / "prompts"),
            providers=providers or [FakeProvider(lambda request: request.messages[0].content.upper())],
            sources=[FakeSource(prompts)],
        )
        made.append(engine)
        return engine

    yield make
    for engine in made:
        _sync.run(engine.aclose())


ECHO = (
    make_prompt("{{answer}}"),
    make_prompt("Well: {{answer}}", version="2"),
    make_prompt("{{answer}}!", version="3"),
)


@pytest.fixture(scope="module")
def judge_server():
    """The scripted judge, which also embeds, in another process."""
    with serving("tests.servers.fake_judge") as running:
        yield running


@pytest.fixture
def make_judged_engine(tmp_path, monkeypatch, judge_server):
    """Makes engines over one store: `fake/x` says what the variable `answer` is, and `openai/` is the judge."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "TOOLKIT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{judge_server.url}/v1")
    judge_server.control(reset=True)
    made = []

    def make(home=tmp_path, answer=None):
        provider = FakeProvider(answer or (lambda request: request.messages[0].content))
        source = FakeSource(ECHO)
        made.append(fake_engine(Settings(home=home, prompts_folder=home), providers=[provider], sources=[source]))
        return made[-1]

    yield make
    for engine in made:
        _sync.run(engine.aclose())
