"""What the tests of single completions share."""

from __future__ import annotations

import pytest

from tests.engine.world import World


@pytest.fixture
def world(tmp_path):
    """A world without config.yaml."""
    return World(tmp_path)
