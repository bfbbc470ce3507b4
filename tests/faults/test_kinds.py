"""The words for failures: one list, and every error has a word of it."""

from __future__ import annotations

import json
import pickle

import pytest

import toolkit as tk
from toolkit import errors
from toolkit.errors import FailureKind, ProviderError


def provider_errors() -> list[type[ProviderError]]:
    """Every error about a request."""
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ProviderError)]


@pytest.mark.parametrize("error", provider_errors())
def test_every_error_has_a_kind_of_the_list(error: type[ProviderError]) -> None:
    """The kind of every error about a request is one of `tk.FailureKind`."""
    assert error("No.").kind in set(tk.FailureKind)


def test_a_kind_is_a_plain_word() -> None:
    """A kind compares, prints, travels and writes as JSON like the word that it is."""
    kind = FailureKind.RATE_LIMIT
    assert (kind == "rate_limit", str(kind), f"{kind}", json.dumps([kind])) == (
        True,
        "rate_limit",
        "rate_limit",
        '["rate_limit"]',
    )
    assert pickle.loads(pickle.dumps(kind)) is kind  # noqa: S301  our own bytes


def test_kinds_are_told_apart() -> None:
    """No two kinds share a word, and each is written in small letters and underscores."""
    assert len({str(kind) for kind in FailureKind}) == len(FailureKind.__members__)
    assert all(str(kind).replace("_", "").isalpha() and str(kind).islower() for kind in FailureKind)
