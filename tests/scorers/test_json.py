"""Scorers of answers that should be JSON."""

from __future__ import annotations

import math

import pytest

from tests.results import runs
from toolkit import _optional
from toolkit._records import EMPTY, Case
from toolkit.errors import MissingDependencyError, UsageError
from toolkit.scorers import json_path, json_schema, json_valid

FENCED = '```json\n{"a": 1}\n```'

SCHEMA = {
    "title": "reply",
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 0}},
    "required": ["a"],
    "additionalProperties": False,
}


def score(scorer, text, expected=None):
    """The score of one answer."""
    return scorer(runs.outcome("t", text), Case(index=0, variables=EMPTY, expected=expected))


@pytest.mark.parametrize("text", ["{}", "[1, 2]", '"a"', " null\n", "1.5", "true", '{"a": "\\u00e9"}'])
def test_json(text):
    """Any one JSON value is JSON, with white space around it."""
    assert score(json_valid(), text).value == 1


@pytest.mark.parametrize(
    "text",
    ["", "a", "{'a': 1}", '{"a": 1,}', "NaN", "[Infinity]", "{} {}", '{"a": 1} ok', "1e999", FENCED, "[" * 10**5],
)
def test_not_json(text):
    """Anything else is not, among it what only Python takes for JSON; the answer is wrong, not unscored."""
    assert score(json_valid(), text).value == 0


def test_a_code_block_counts_when_asked():
    """JSON in a Markdown code block is told as such, and counts with `fenced=True`."""
    assert "pass fenced=True" in score(json_valid(), FENCED).explanation
    assert score(json_valid(fenced=True), FENCED).value == 1
    assert score(json_valid(fenced=True), '{"a": 1}').value == 1
    assert score(json_schema(SCHEMA, fenced=True), FENCED).value == 1
    assert score(json_path("$.a", 1, fenced=True), FENCED).value == 1


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ('{"a": 1}', 1, None),
        ('{"a": -1}', 0, "$.a: "),
        ('{"a": "1"}', 0, "$.a: "),
        ("{}", 0, "$: "),
        ('{"a": 1, "b": 2}', 0, "$: "),
        ("not", 0, "the answer is not JSON"),
    ],
)
def test_schema(text, value, reason):
    """An answer fits the schema or is told where it does not."""
    found = score(json_schema(SCHEMA), text)
    assert found.value == value
    assert (found.explanation or "").startswith(reason or "")


def test_references_are_not_fetched():
    """A schema that leads elsewhere fetches nothing: the score is an error that says so."""
    scorer = json_schema({"$ref": "http://127.0.0.1:9/other.json"})
    with pytest.raises(Exception, match=r"other\.json"):
        score(scorer, "{}")


def test_a_schema_is_taken_as_it_is():
    """Changing the schema later does not change what the scorer says."""
    schema = {"type": "object", "required": ["a"]}
    scorer = json_schema(schema)
    schema["required"].append("b")
    assert score(scorer, '{"a": 1}').value == 1


@pytest.mark.parametrize("schema", [{"type": "objekt"}, {"minimum": "low"}, {"a": object()}, 3])
def test_what_is_no_schema(schema):
    """What is no JSON Schema is refused when the scorer is made."""
    with pytest.raises(UsageError, match=r"json_schema\(\)"):
        json_schema(schema)


@pytest.mark.parametrize(
    ("path", "text", "expected", "value"),
    [
        ("$.a", '{"a": "x"}', "x", 1),
        ("$.a", '{"a": "X"}', "x", 0),
        ("$.a", '{"a": 4}', 4.0, 1),
        ("$.a", '{"a": 4}', "4", 1),
        ("$.a", '{"a": "4"}', 4, 0),
        ("$.a", '{"a": true}', "true", 1),
        ("$.a", '{"a": {"b": [1]}}', '{"b": [1.0]}', 1),
        ("$.a", '{"a": "x"}', ["y", "x"], 1),
        ("$.a[*].b", '{"a": [{"b": 1}, {"b": 2}]}', 2, 1),
        ("$.a", "{}", "x", 0),
        ("$.a", "nope", "x", 0),
        ("$.a", '{"a": 1e999}', "x", 0),
    ],
)
def test_path(path, text, expected, value):
    """The place holds the case's expected answer, as the same JSON value or written the same."""
    assert score(json_path(path), text, expected).value == value


def test_path_with_a_value_of_its_own():
    """A value that is given is what is expected of every case, null among them."""
    assert score(json_path("$.a", None), '{"a": null}').value == 1
    assert score(json_path("$.a", [1]), '{"a": [1]}').value == 1
    assert score(json_path("$.a", [1]), '{"a": 1}').value == 0


def test_path_without_an_expected_answer():
    """A case without an expected answer is not scored."""
    assert math.isnan(score(json_path("$.a"), '{"a": 1}').value)


@pytest.mark.parametrize("path", ["a b", "$.", "$[", 3])
def test_what_is_no_path(path):
    """What is no JSONPath is refused when the scorer is made."""
    with pytest.raises(UsageError, match=r"json_path\(\)"):
        json_path(path)


@pytest.mark.parametrize("make", [lambda: json_schema({}), lambda: json_path("$.a")], ids=["schema", "path"])
def test_a_missing_package_is_named(make, monkeypatch):
    """Without the extra, making the scorer says what to install."""

    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(_optional.importlib, "import_module", missing)
    with pytest.raises(MissingDependencyError, match=r"promptsweep\[json\]"):
        make()
