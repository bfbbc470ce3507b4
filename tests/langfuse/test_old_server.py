"""A Langfuse that is older than its experiments: what is pushed all the same, and what is told."""

from __future__ import annotations

import pytest

from tests.langfuse.pushing import OBSERVATIONS, TRACES, asked, held, make_trials, push, save, score
from toolkit.errors import LangfuseError


@pytest.fixture
def old_langfuse(langfuse):
    """A fake Langfuse that knows nothing of what version 4 brought."""
    langfuse.control(version="3.150.0")
    return langfuse


def test_an_older_server_gets_generations_and_scores(old_langfuse, store):
    """A push to an older server sends generations and scores, and asks for nothing that it does not know."""
    view = score(store, save(store, make_trials(3)))
    push(old_langfuse, view, store)
    found = held(old_langfuse)
    assert (len(found["observations"]), len(found["scores"])) == (12, 12)
    assert not asked(old_langfuse, "GET", OBSERVATIONS)


def test_a_push_in_doubt_is_an_error_on_an_older_server(old_langfuse, store):
    """What may have arrived at a server that cannot tell is not sent again: the push ends with an error."""
    view = save(store, make_trials(3))
    old_langfuse.control(next=[{"path": TRACES, "status": 500, "body": {"message": "oops"}}])
    with pytest.raises(LangfuseError, match="new enough \\(version 4\\)"):
        push(old_langfuse, view, store)
    sent = asked(old_langfuse, "POST", TRACES)
    with pytest.raises(LangfuseError, match="new enough \\(version 4\\)"):
        push(old_langfuse, view, store)
    assert asked(old_langfuse, "POST", TRACES) == sent
