"""Limits of an answer that the environment sets."""

from __future__ import annotations

import pytest

from toolkit.config import Settings
from toolkit.errors import ConfigError


def test_limits_of_an_answer_have_defaults_and_can_be_moved() -> None:
    """An answer may be silent for 60 s and 16 MiB large, unless the environment says otherwise."""
    plain = Settings.from_environment({})
    assert (plain.idle_timeout_s, plain.max_answer_bytes) == (60.0, 16_777_216)
    moved = Settings.from_environment({"TOOLKIT_IDLE_TIMEOUT_S": "2.5", "TOOLKIT_MAX_ANSWER_BYTES": "1000"})
    assert (moved.idle_timeout_s, moved.max_answer_bytes) == (2.5, 1000)


@pytest.mark.parametrize(
    ("variable", "wrong"),
    [
        *(("TOOLKIT_IDLE_TIMEOUT_S", wrong) for wrong in ("0", "-1", "soon", "inf", "nan")),
        *(("TOOLKIT_MAX_ANSWER_BYTES", wrong) for wrong in ("0", "-1", "16M", "1.5", "9" * 16)),
    ],
)
def test_a_limit_that_is_none_is_refused(variable: str, wrong: str) -> None:
    """A limit that is no positive number is refused with the variable and what it held."""
    with pytest.raises(ConfigError, match=f"{variable} is '{wrong}'"):
        Settings.from_environment({variable: wrong})
