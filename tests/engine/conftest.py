"""What the tests of single completions share."""

from __future__ import annotations

import pytest

from tests.engine.traced import TracedWorld
from tests.engine.world import World


@pytest.fixture
def world(tmp_path):
    """A world without config.yaml."""
    return World(tmp_path)


@pytest.fixture
def make(tmp_path):
    """Makes engines with a noting tracer."""
    return lambda *arguments, **options: TracedWorld(tmp_path / "home", *arguments, **options)
