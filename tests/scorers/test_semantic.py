"""The scorer of meaning, with the embedding model that comes in a package."""

from __future__ import annotations

import math
import socket

import pytest

from tests.results import runs
from toolkit import _optional
from toolkit._records import EMPTY, Case
from toolkit.errors import MissingDependencyError, UsageError
from toolkit.scorers import _semantic, semantic


def score(scorer, text, expected=None):
    """The score of one answer."""
    return scorer(runs.outcome("t", text), Case(index=0, variables=EMPTY, expected=expected))


def test_nearer_in_meaning_scores_higher():
    """An answer in other words is nearer than one about something else, and the same text is 1."""
    expected = "I will refund your money."
    same = score(semantic(), expected, expected).value
    near = score(semantic(), "You get your money back.", expected).value
    far = score(semantic(), "The weather is nice today.", expected).value
    assert same == pytest.approx(1.0)
    assert 1.0 > near > far + 0.3


def test_the_nearest_expected_answer_counts():
    """Of several expected answers the nearest counts, and white space does not."""
    assert score(semantic(), "the  weather\n", ["money", "the weather"]).value == pytest.approx(1.0)


@pytest.mark.parametrize(("text", "expected"), [("a", None), ("", "a"), (" \n", "a"), ("a", [])])
def test_nothing_to_compare(text, expected):
    """A missing expected answer and an empty answer have no meaning to compare: not scored."""
    found = score(semantic(), text, expected)
    assert math.isnan(found.value)
    assert found.explanation


def test_the_package_s_model_needs_no_network(monkeypatch):
    """Loading the model opens no connection: its weights are in the package."""
    _semantic._wordllama.cache_clear()

    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert score(semantic(), "yes", "yes").value == pytest.approx(1.0)


def test_a_missing_package_is_named(monkeypatch):
    """Without the extra, making the scorer says what to install."""
    _semantic._wordllama.cache_clear()

    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(_optional.importlib, "import_module", missing)
    with pytest.raises(MissingDependencyError, match=r"promptsweep\[semantic\]"):
        semantic()


def test_models_that_are_none():
    """A model that is neither the package's nor a service's is refused; an empty expected answer too."""
    with pytest.raises(UsageError, match="provider/name"):
        semantic(model="bert")
    with pytest.raises(UsageError, match="empty"):
        semantic("")


def test_a_service_s_model_cannot_be_called():
    """A scorer that asks a service says where it belongs when it is called like a function."""
    with pytest.raises(UsageError, match="`score` of a run"):
        score(semantic(model="openai/embed"), "a", "b")
