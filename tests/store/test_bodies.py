"""Bodies of answers: each comes back to the last value, and the text that stands beside is not kept twice."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_outcome
from tests.store.builders import attempt, finish, make_trials, save
from toolkit._records import FrozenDict
from toolkit.store import RunStore
from toolkit.store._bodies import packed, unpacked

TEXT = "It arrived late and the box was torn, but the lamp itself works as described."


class Word(str):
    """A text of a kind of its own."""

    __slots__ = ()


texts = st.one_of(st.just(TEXT), st.text(st.characters(), max_size=80), st.just("\x00"), st.just(TEXT + "\ud800"))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


@given(raw=st.dictionaries(texts, values, max_size=4), text=texts)
def test_every_body_comes_back(raw, text):
    """What was packed beside a text is unpacked beside the same text, wherever the body has that text or holes."""
    assert unpacked(packed(FrozenDict(raw), text), text) == FrozenDict(raw)


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ({"choices": [{"message": {"content": TEXT}}]}, b'T{"choices":[{"message":{"content":"\\u0000"}}]}'),
        ({"content": [{"text": TEXT}], "again": TEXT}, b'T{"content":[{"text":"\\u0000"}],"again":"\\u0000"}'),
        ({"n": 1.0, "text": "short"}, b'{"n":1.0,"text":"short"}'),
        ({"text": TEXT, "nul": "\x00"}, b'{"text":"' + TEXT.encode() + b'","nul":"\\u0000"}'),
        ({"text": Word(TEXT)}, b'{"text":"' + TEXT.encode() + b'"}'),
        ({"text": "more: " + TEXT}, b'{"text":"more: ' + TEXT.encode() + b'"}'),
    ],
    ids=["chat", "twice", "no long text", "looks like a hole", "of a kind of its own", "only a part"],
)
def test_the_text_is_left_out_where_a_value_is_just_that(raw, stored):
    """A body is JSON without the answer's text; one without it, or with what looks like its sign, is kept whole."""
    assert packed(FrozenDict(raw), TEXT) == stored


@pytest.mark.parametrize("has_text", [True, False])
def test_what_is_long_without_the_text_is_compressed(has_text):
    """A body of more than 4 KB beside its text takes less than a tenth of that, and comes back."""
    raw = FrozenDict({"logprobs": ["word " * 10] * 200, "content": TEXT if has_text else ""})
    stored = packed(raw, TEXT)
    assert stored[:1] == (b"T" if has_text else b"x")
    assert len(stored) < 1000
    assert unpacked(stored, TEXT) == raw


def test_a_body_of_an_earlier_version_is_read(tmp_path):
    """An answer whose body was kept whole, text and all, has the same body as one that was kept without."""
    store = RunStore(tmp_path / "runs.sqlite")
    save(store, make_trials(1))
    outcome = make_outcome("t1:0", run_id="run-1")
    raw = FrozenDict({"choices": [{"message": {"content": TEXT}}]})
    finish(store, replace(outcome, response=replace(outcome.response, text=TEXT, raw=raw)), attempt(store))
    assert store.load_run("run-1").outcomes["t1:0"].response.raw == raw
    with closing(sqlite3.connect(store.path)) as connection, connection:
        whole = b'{"choices":[{"message":{"content":"' + TEXT.encode() + b'"}}]}'
        connection.execute("UPDATE answer SET raw = ?, seal = NULL", (whole,))
    assert store.load_run("run-1").outcomes["t1:0"].response.raw == raw
    store.close()


@pytest.mark.parametrize(("characters", "is_cut"), [(63, False), (64, True)])
def test_a_short_text_is_left_where_it_is(characters, is_cut):
    """A text of 64 characters is left out of the body that it stands beside, a shorter one is not."""
    text = "x" * characters
    assert packed(FrozenDict({"content": text}), text).startswith(b"T") is is_cut
