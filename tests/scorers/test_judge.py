"""What a judge is sent and how its answer is read, without asking one."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.results import runs
from toolkit._records import Case, FrozenDict, Trial
from toolkit.errors import UsageError
from toolkit.prompts import render
from toolkit.scorers import as_scorers, judge, judge_pairs, judged_variables, load_scorer, read_judgement
from toolkit.scorers._judge_prompts import mark_for
from toolkit.scorers._verdict import as_scale, read_verdict

KEY = b"key"

TEXTS = st.text(st.characters(exclude_categories=[]), max_size=200)


def trial(**fields):
    """A trial that asks with the variable `q`."""
    case = Case(index=0, variables=FrozenDict(fields.pop("variables", {"q": "why"})), **fields)
    return Trial(trial_id="t", arm=runs.arm(), case=case)


def sent(judging, *answers, of=None):
    """The two messages that a judge is sent."""
    made = judged_variables(judging, of or trial(), answers, names={"q"}, key=KEY)
    return [message.content for message in render(judging.prompt, made)]


@given(TEXTS, TEXTS)
def test_answers_stand_word_for_word_between_their_marks(one, other):
    """Any two answers, whatever is in them, are what stands between the lines with this call's mark, and nothing is."""
    system, user = sent(judge_pairs("Better.", model="m/x"), one, other)
    mark = re.search("The mark ([0-9a-f]{16}) was made", system)[1]
    rest = user
    for name, text in (("INPUT", "q:\nwhy"), ("FIRST", one), ("SECOND", other)):
        block = f"<<<{name} {mark}>>>\n{text}\n<<<END {name} {mark}>>>"
        assert block in rest
        rest = rest.replace(block, "", 1)
    assert rest.strip() == "Say which of FIRST and SECOND is better, or tie. JSON only."
    assert mark not in one + other


def test_a_mark_that_a_text_contains_is_not_used():
    """When a text happens to hold the mark that it would get, the next one is taken."""
    first = mark_for(["a"], key=KEY)
    assert mark_for(["a"], key=KEY) == first

    class Holding(str):
        """A text that is hashed as `a` and contains its own mark."""

        def __contains__(self, part):
            return part == first

    assert mark_for([Holding("a")], key=KEY) != first


def test_placeholders_in_an_answer_stay_as_they_are():
    """An answer that looks like a template is not filled in."""
    _, user = sent(judge("Good.", model="m/x"), "{{criteria}} {{mark}}")
    assert "\n{{criteria}} {{mark}}\n" in user


def test_the_expected_answer_is_shown_unless_it_is_not_wanted():
    """The case's expected answer is a block of its own, which `use_expected=False` leaves out."""
    labelled = trial(expected=["blue", "azure"])
    _, shown = sent(judge("Good.", model="m/x"), "a", of=labelled)
    _, hidden = sent(judge("Good.", model="m/x", use_expected=False), "a", of=labelled)
    assert "<<<REFERENCE" in shown
    assert "blue\n\nor\n\nazure" in shown
    assert "REFERENCE" not in hidden


def test_a_call_without_variables_shows_its_messages():
    """For a case without variables, such as a live call, the messages that were sent are what was asked."""
    _, user = sent(judge("Good.", model="m/x"), "a", of=trial(variables={}))
    assert "user:\nSay {{q}}" in user


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('{"score": 4}', 4),
        ('  {"reason": "a {b} c", "score": 4}  ', 4),
        ('```json\n{"score": 4}\n```', 4),
        ('Well {not json} then {"score": 4}.', 4),
        ('{"score": 4} and again {"score": 4}', 4),
        ('<think>{"score": 1}</think>{"score": 4}', 4),
        ('{"score": {"value": 4}}', {"value": 4}),
        ('{"note": {"score": 1}, "score": 4}', 4),
    ],
)
def test_a_verdict_is_found(text, verdict):
    """The JSON object with the verdict is found among words, code fences, drafts and repetitions."""
    assert read_verdict(text, "score").verdict == verdict


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no JSON object"),
        ("4", "no JSON object"),
        ('{"grade": 4}', "no JSON object with 'score'"),
        ('{"score": 4', "no JSON object"),
        ('[{"scores": 4}]', "no JSON object"),
        ('{"score": 5} {"score": 1}', "2 different verdicts"),
        ("{" * 100_000, "no JSON object"),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, "no JSON object"),
    ],
    ids=lambda text: text[:24],
)
def test_no_verdict_is_found(text, problem):
    """An answer without a verdict, or with two, has none; brackets without end do not take for ever."""
    assert read_verdict(text, "score").problem.startswith(problem)


@given(TEXTS)
def test_any_text_is_read(text):
    """Whatever a judge says, reading it raises nothing, and gives a number of the scale or a reason."""
    value, read = read_judgement(judge("Good.", model="m/x"), runs.outcome("t", text))
    assert value in (None, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert (value is None) == (read.problem is not None)


@pytest.mark.parametrize(
    ("scale", "verdict", "value"),
    [
        ((1, 5), 3, 3.0),
        ((1, 5), "3", 3.0),
        ((1, 5), 3.0, 3.0),
        ((1, 5), 3.5, None),
        ((1, 5), 6, None),
        ((1, 5), True, None),
        ((1, 5), None, None),
        ((1, 5), [3], None),
        ((1, 5), "3/5", None),
        ((0, 1), 0, 0.0),
        (["no", "yes"], " YES ", 1.0),
        (["no", "yes"], "maybe", None),
        (["bad", "fair", "good"], "fair", 0.5),
        ({"good": 10, "bad": -2}, "bad", -2.0),
    ],
)
def test_scales(scale, verdict, value):
    """A verdict on the scale is its number, whatever its case; every other is none."""
    assert as_scale(scale).value_of(verdict) == value


@pytest.mark.parametrize(
    "scale", [(5, 1), (1, 1), "yes", ["yes"], ["a", "A"], ["a", ""], {}, {"a": 1}, 5, (0, 1000), [1.5, 2]]
)
def test_what_is_no_scale(scale):
    """A scale that cannot tell answers apart is refused when the judge is made."""
    with pytest.raises(UsageError, match="`scale` is"):
        judge("Good.", model="m/x", scale=scale)


@pytest.mark.parametrize("make", [judge, judge_pairs])
@pytest.mark.parametrize("criteria", ["", "  ", None, 3])
def test_criteria_are_needed(make, criteria):
    """A judge without criteria is refused."""
    with pytest.raises(UsageError, match="needs criteria"):
        make(criteria, model="m/x")


def test_versions_tell_judges_apart():
    """What changes a verdict changes the version; the budget and the name do not."""
    base = judge("Good.", model="m/x")
    same = [judge("Good.", model="m/x", name="n"), judge("Good.", model="m/x", budget_usd=1.0)]
    others = [
        judge("Bad.", model="m/x"),
        judge("Good.", model="m/y"),
        judge("Good.", model="m/x", scale=(1, 3)),
        judge("Good.", model="m/x", params={"temperature": 0}),
        judge("Good.", model="m/x", use_expected=False),
    ]
    assert {each.version for each in same} == {base.version}
    assert len({each.version for each in [base, *others]}) == 6


def test_a_judge_is_found_by_name():
    """`judge` is known to the registry, and two judges of one name are refused."""
    made = load_scorer("judge", criteria="Good.", model="m/x")
    assert json.dumps(made.name) == '"judge"'
    with pytest.raises(UsageError, match="Two scorers are called 'judge'"):
        as_scorers([made, judge("Other.", model="m/x")])


def test_a_judge_cannot_be_called():
    """A judge is no function: calling it says where it belongs."""
    with pytest.raises(UsageError, match="`score` of a run"):
        judge("Good.", model="m/x")(runs.outcome("t"), trial().case)
