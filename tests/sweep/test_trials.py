"""The trials of a grid: their ids are those of their content, however quickly they are made."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit as tk
from tests.builders import make_arm, make_prompt
from toolkit._canonical import content_hash
from toolkit._records import Case, FrozenDict
from toolkit.engine import Route, build_request
from toolkit.prompts import placeholders
from toolkit.sweep._plan import Routes
from toolkit.sweep._trials import Trials, arms_innermost, trial_ids
from toolkit.testing import FakeProvider

VALUES = st.one_of(
    st.text(max_size=20), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.none(), st.booleans()
)

PIECES = st.lists(
    st.sampled_from(["{{a}}", "{{b}}", "{{ a }}", "%s %% { ", "}} ", '"\\', "é😀\ud800", "\n", "\x00", "\x01 1\x02"]),
    max_size=6,
)


def by_content(arm, case, repeat):
    """The id as its definition has it: rendered, canonical, hashed."""
    request = build_request(arm.prompt, case.variables, provider="fake", model=arm.model_sent, params=arm.params)
    content = {
        "source": arm.prompt.source,
        "prompt": arm.prompt.prompt_id,
        "version": arm.prompt.version,
        "request": request.key,
        "repeat": repeat,
    }
    return content_hash("t1", content)


def ids_of(arms, cases, repeats=1):
    """Every id by arm, case and repeat, as the plan makes them."""
    led = [
        Routes(weights=(1.0,), ways=(Route(provider=FakeProvider(name="fake"), model=arm.model_sent),)) for arm in arms
    ]
    trials = Trials(arms=arms, cases=cases, repeats=repeats, ids=trial_ids(arms, led, cases, repeats))
    return {
        (arm, case, repeat): trials.trial_id(arm, case, repeat)
        for arm in range(len(arms))
        for case in range(len(cases))
        for repeat in range(repeats)
    }


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(PIECES, min_size=1, max_size=3),
    rows=st.lists(st.fixed_dictionaries({"a": VALUES, "b": VALUES}), min_size=1, max_size=3),
    params=st.dictionaries(st.sampled_from(["temperature", "stop", "user"]), st.sampled_from([0, 1.0, "%s", "é"])),
)
def test_the_quick_way_gives_the_ids_of_the_content(texts, rows, params):
    """Ids made by joining pieces equal the hashes of the rendered request, whatever template and values hold."""
    messages = tuple(FrozenDict({"role": "user", "content": "".join(pieces)}) for pieces in texts)
    arms = (
        make_arm(0, prompt=make_prompt(messages), params=FrozenDict(params)),
        make_arm(1, prompt=make_prompt("".join(texts[0])), model_sent="other"),
    )
    cases = tuple(Case(index=index, variables=FrozenDict(row)) for index, row in enumerate(rows))
    found = ids_of(arms, cases, repeats=2)
    assert found == {(a, c, r): by_content(arms[a], cases[c], r) for a, c, r in found}


@pytest.mark.parametrize(
    "prompt",
    [
        make_prompt("{% if a %}{{ a }}{% else %}none{% endif %}", template_format="jinja2"),
        make_prompt(({"role": "system", "content": "Be kind."}, {"type": "placeholder", "name": "history"})),
        make_prompt("Dear {a}, {{b}}", template_format="generic"),
        make_prompt("Dear {{ a }}, {{b}}", template_format="humanloop"),
        make_prompt(({"role": "user", "content": ({"type": "text", "text": "See {{a}}"}, {"type": "image_url"})},)),
        make_prompt("No placeholder, 100 %"),
    ],
)
def test_every_kind_of_template_gives_the_ids_of_its_content(prompt):
    """Templates that decide by their values are rendered, others are cut into pieces, and both give the same ids."""
    history = ({"role": "user", "content": "Hi"},)
    rows = ({"a": "x", "b": 1, "history": history}, {"a": "", "b": "{{a}}", "history": ()})
    cases = tuple(Case(index=index, variables=FrozenDict(row)) for index, row in enumerate(rows))
    arms = (make_arm(0, prompt=prompt),)
    found = ids_of(arms, cases)
    assert found == {(a, c, r): by_content(arms[a], cases[c], r) for a, c, r in found}
    assert set(placeholders(prompt)) <= {"a", "b", "history"}


def test_the_grid_makes_its_trials_when_they_are_asked_for(make_engine):
    """A plan's grid reads like a tuple of trials: length, places from either end, slices, order; and it pickles."""
    grid = tk.plan(
        ["fake:greet@1", "fake:greet@2"], "fake/x", [{"word": w} for w in "abc"], repeats=2, engine=make_engine()
    ).grid
    every = list(grid)
    assert (len(grid), len(every)) == (12, 12)
    assert (grid[0], grid[-1], grid[2:4]) == (every[0], every[11], tuple(every[2:4]))
    assert [(t.arm.index, t.case.index, t.repeat) for t in every[:7]] == [
        (0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 2, 0), (1, 2, 0), (0, 0, 1),
    ]  # fmt: skip
    assert list(pickle.loads(pickle.dumps(grid))) == every  # noqa: S301  our own bytes
    with pytest.raises(IndexError):
        grid[12]


def test_any_order_can_be_given():
    """The order of sending is a function from a place to arm, case and repeat; the ids do not depend on it."""
    arms = (make_arm(0), make_arm(1, model_sent="other"))
    cases = tuple(Case(index=index, variables=FrozenDict({"word": str(index)})) for index in range(2))
    ids = bytes(range(64))
    plain = Trials(arms=arms, cases=cases, repeats=1, ids=ids)

    def backwards(place, arms, cases, repeats):
        return arms_innermost(arms * cases * repeats - 1 - place, arms, cases, repeats)

    turned = Trials(arms=arms, cases=cases, repeats=1, ids=ids, order=backwards)
    assert list(turned) == list(reversed(plain))
    assert turned.digest() == plain.digest()


def test_the_run_has_the_same_identity_in_any_order(make_engine):
    """The run's id is made of what is sent and expected and of the baseline; another baseline is another run."""
    grid = {"prompts": ["fake:greet@1", "fake:greet@2"], "models": "fake/x", "engine": make_engine()}
    rows = [{"word": "a", "expected": "A"}]
    first = tk.plan(variables=rows, **grid)
    assert first.run_id == tk.plan(variables=rows, **grid).run_id
    others = [
        tk.plan(variables=rows, baseline="greet@2", **grid),
        tk.plan(variables=[{"word": "a", "expected": "B"}], **grid),
        tk.plan(variables=rows, repeats=2, **grid),
    ]
    assert len({plan.run_id for plan in (first, *others)}) == 4
