"""Engines with fakes and a store of their own."""

from __future__ import annotations

import pytest

from tests.builders import make_prompt
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
