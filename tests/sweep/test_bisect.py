"""Finding the version that broke a case: few steps, nothing sent twice, and honest about its ends."""

from __future__ import annotations

import pytest

import toolkit as tk
from tests.builders import make_prompt
from toolkit.errors import ScorerError, TrialsFailedError, UsageError
from toolkit.testing import FakeProvider

CASE = {"word": "hello", "expected": "hello"}


def history(first_bad, count=12):
    """Returns versions 1 to `count` of a prompt, which say `broken` from `first_bad` on."""
    return [
        make_prompt(f"{'Broken' if number >= first_bad else 'Say'} {number}: {{{{word}}}}.", version=str(number))
        for number in range(1, count + 1)
    ]


def answering():
    """Returns a provider that repeats the word unless the prompt is broken."""
    return FakeProvider(lambda request: "oops" if "Broken" in request.messages[0].content else "hello")


@pytest.mark.parametrize("first_bad", [4, 5, 8, 11, 12])
def test_the_version_that_broke_it_is_found(make_engine, first_bad):
    """Wherever it broke, the first bad version is found, with the last good one before it."""
    engine = make_engine(answering(), prompts=history(first_bad))
    found = tk.bisect("greet", good=3, bad=12, case=CASE, check=tk.contains(), model="fake/m", engine=engine)
    assert (found.last_good.version, found.first_bad.version) == (str(first_bad - 1), str(first_bad))


def test_it_takes_a_step_for_each_halving(make_engine):
    """Over 64 steps of history both ends and six versions between them are asked, each once."""
    provider = answering()
    engine = make_engine(provider, prompts=history(30, count=65))
    found = tk.bisect("greet", good=1, bad=65, case=CASE, check=tk.contains(), model="fake/m", engine=engine)
    assert found.first_bad.version == "30"
    assert len(found.steps) == len(provider.requests) == 2 + 6


def test_nothing_is_sent_twice(make_engine):
    """The same search again sends nothing: its answers are in the run store."""
    provider = answering()
    engine = make_engine(provider, prompts=history(7))
    sent = []
    for _ in range(2):
        tk.bisect("greet", good=3, bad=12, case=CASE, check=tk.contains(), model="fake/m", repeats=3, engine=engine)
        sent.append(len(provider.requests))
    # Versions 3 and 12, then 7, 5 and 6, three times each.
    assert sent == [15, 15]


def test_repeats_outvote_noise(make_engine):
    """With repeats, a version passes when at least half of its answers do, and each step says how many did."""
    seen = {}

    def noisy(request):
        text = request.messages[0].content
        seen[text] = seen.get(text, 0) + 1
        return ("oops" if seen[text] == 1 else "hello") if "Broken" not in text else "oops"

    engine = make_engine(FakeProvider(noisy), prompts=history(4, count=5))
    found = tk.bisect("greet", good=1, bad=5, case=CASE, check=tk.contains(), model="fake/m", repeats=3, engine=engine)
    assert found.first_bad.version == "4"
    assert {round(step.share, 2) for step in found.steps} == {0.67, 0.0}


def test_it_shows_what_the_version_changed(make_engine):
    """The text form names the version and marks the words of the template that it changed."""
    engine = make_engine(answering(), prompts=history(4, count=5))
    found = tk.bisect("greet", good=1, bad=5, case=CASE, check=tk.contains(), model="fake/m", engine=engine)
    assert repr(found).startswith("fake:greet@4 broke it; 3 was good. Asked: 1 good (100%), 5 bad (0%), ")
    assert "[-Say 3: -]{+Broken 4: +}{{word}}." in repr(found)


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ({"good": 5, "bad": 5}, "`good` is an earlier version"),
        ({"good": 5, "bad": 3}, "`good` is an earlier version"),
        ({"good": 1, "bad": 99}, "no version 99"),
        ({"good": 1, "bad": 3}, "Version 3 of 'greet' passes"),
        ({"good": 7, "bad": 9}, "Version 7 of 'greet' fails"),
    ],
)
def test_ends_that_are_not_what_they_are_taken_for(make_engine, ends, words):
    """Ends in the wrong order, that do not exist, that pass or fail against what was said, are refused."""
    engine = make_engine(answering(), prompts=history(6))
    with pytest.raises(UsageError, match=words):
        tk.bisect("greet", case=CASE, check=tk.contains(), model="fake/m", engine=engine, **ends)


def test_a_version_without_an_answer_ends_it(make_engine):
    """A version whose calls fail is no bad version: the search ends with the failure."""
    engine = make_engine(FakeProvider([tk.ProviderError("no", provider="fake", model="m")]), prompts=history(6))
    with pytest.raises(TrialsFailedError):
        tk.bisect("greet", good=1, bad=9, case=CASE, check=tk.contains(), model="fake/m", engine=engine)


def test_a_check_without_a_number_ends_it(make_engine):
    """A check that raises is no bad version: the search ends with its reason."""

    def broken(outcome, case):
        raise RuntimeError("no such field")

    engine = make_engine(answering(), prompts=history(6))
    with pytest.raises(ScorerError, match="no such field"):
        tk.bisect("greet", good=1, bad=9, case=CASE, check=broken, model="fake/m", engine=engine)
