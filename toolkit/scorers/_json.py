"""Scorers of answers that should be JSON: valid at all, fitting a schema, with the right value in a place."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from toolkit._canonical import canonical_json
from toolkit._optional import require
from toolkit._records import Case, Outcome
from toolkit.errors import UsageError
from toolkit.scorers._rule import NO_EXPECTED, RuleScorer, Verdict, quoted, rule_scorer
from toolkit.scorers._text import as_texts

_FENCE = re.compile(r"\s*```[\w+-]*[ \t]*\n(.*?)\n?[ \t]*```\s*", re.DOTALL)

_NOT_GIVEN: Any = object()


def json_valid(*, fenced: bool = False, name: str | None = None) -> RuleScorer:
    """Returns a scorer that gives 1 when the whole answer is one JSON value, else 0.

    JSON is that of RFC 8259: `NaN` and `Infinity` are not JSON. White space around the value does not count.

    Args:
        fenced: Whether an answer that is a single Markdown code block counts by what stands in the block.
        name: Name of the score; `None` = `json_valid`.

    Example:
        >>> json_valid().name
        'json_valid'
    """
    return rule_scorer("json_valid", functools.partial(_valid, fenced=fenced), {"fenced": fenced}, name=name)


def json_schema(schema: Mapping[str, Any] | bool, *, fenced: bool = False, name: str | None = None) -> RuleScorer:
    """Returns a scorer that gives 1 when the answer is JSON that fits a JSON Schema, else 0 with the worst misfit.

    The schema's own `$schema` says which draft it is; without one it is 2020-12. References lead within the schema
    only: nothing is fetched. JSON is read as by `json_valid`.

    Args:
        schema: The JSON Schema.
        fenced: Whether an answer that is a single Markdown code block counts by what stands in the block.
        name: Name of the score; `None` = `json_schema`, with the schema's title behind it when it has one.

    Raises:
        UsageError: If it is no JSON Schema.
        MissingDependencyError: If the package jsonschema is not installed (extra `json`).

    Example:
        >>> json_schema({"title": "reply", "type": "object"}).name
        'json_schema(reply)'
    """
    jsonschema = require("jsonschema", extra="json", purpose="to check answers against a JSON Schema")
    try:
        # A copy, so that a schema that is changed later does not change what this one says.
        schema = json.loads(canonical_json(schema))
        validator = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        validator.check_schema(schema)
    except (TypeError, ValueError) as error:
        raise UsageError(f"json_schema() takes a JSON Schema of plain JSON values; got {schema!r}: {error}.") from error
    except jsonschema.SchemaError as error:
        raise UsageError(f"json_schema() got something that is no JSON Schema: {error.message}.") from error
    registry = require("referencing", extra="json", purpose="to keep references within a JSON Schema").Registry()
    rule = functools.partial(
        _fits, validator=validator(schema, registry=registry), jsonschema=jsonschema, fenced=fenced
    )
    title = schema.get("title") if isinstance(schema, dict) else None
    label = title if isinstance(title, str) else None
    return rule_scorer("json_schema", rule, {"schema": schema, "fenced": fenced}, name=name, label=label)


def json_path(path: str, expected: Any = _NOT_GIVEN, *, fenced: bool = False, name: str | None = None) -> RuleScorer:
    """Returns a scorer that gives 1 when a place in the answer's JSON holds the expected value, else 0.

    The place is a JSONPath of RFC 9535, such as `$.items[0].label`; where it finds several values, one that is right is
    enough. Values are right when they are the same JSON value (`1` and `1.0` are), or when both are written the same:
    an expected `"4"` from a table is the number 4. Texts are compared as they are.

    Args:
        path: The JSONPath.
        expected: The value; left out = each case's own expected answer, a list of which any counts.
        fenced: Whether an answer that is a single Markdown code block counts by what stands in the block.
        name: Name of the score; `None` = `json_path` with the path behind it.

    A case without an expected answer is not scored; an answer that is not JSON, or has nothing there, is 0.

    Raises:
        UsageError: If the path is no JSONPath.
        MissingDependencyError: If the package python-jsonpath is not installed (extra `json`).

    Example:
        >>> json_path("$.label").name
        'json_path($.label)'
    """
    jsonpath = require("jsonpath", extra="json", purpose="to look into answers by a JSONPath")
    try:
        compiled = jsonpath.JSONPathEnvironment(strict=True).compile(path)
    except (jsonpath.JSONPathError, TypeError, AttributeError) as error:
        raise UsageError(f"json_path() got {path!r}, which is no JSONPath: {error}") from error
    options = {"path": path, **({} if expected is _NOT_GIVEN else {"expected": expected}), "fenced": fenced}
    rule = functools.partial(_found_at, find=compiled.findall, path=path, expected=expected, fenced=fenced)
    return rule_scorer("json_path", rule, options, name=name, label=path)


def json_form(text: str) -> str | None:
    r"""Returns the canonical form of an answer that is one JSON value, a Markdown block around it or not, else `None`.

    Example:
        >>> json_form('{"b": 1.0, "a": 2}'), json_form("no")
        ('{"a":2,"b":1}', None)
    """
    value, problem = _read(text, fenced=True)
    return None if problem is not None else canonical_json(value)


def _valid(outcome: Outcome, case: Case, *, fenced: bool) -> Verdict:
    _, problem = _read(outcome.text, fenced=fenced)
    return (1.0, None) if problem is None else (0.0, problem)


def _fits(outcome: Outcome, case: Case, *, validator: Any, jsonschema: ModuleType, fenced: bool) -> Verdict:
    value, problem = _read(outcome.text, fenced=fenced)
    if problem is not None:
        return 0.0, problem
    worst = jsonschema.exceptions.best_match(validator.iter_errors(value))
    if worst is None:
        return 1.0, None
    return 0.0, f"{worst.json_path}: {quoted(worst.message, 200)}"


def _found_at(
    outcome: Outcome, case: Case, *, find: Callable[[Any], list[Any]], path: str, expected: Any, fenced: bool
) -> Verdict:
    if expected is _NOT_GIVEN and not as_texts(case.expected):
        return NO_EXPECTED
    value, problem = _read(outcome.text, fenced=fenced)
    if problem is not None:
        return 0.0, problem
    found = find(value)
    if not found:
        return 0.0, f"there is nothing at {path}"
    if expected is not _NOT_GIVEN:
        is_right = any(canonical_json(each) == canonical_json(expected) for each in found)
    else:
        wanted = case.expected if isinstance(case.expected, list | tuple) else [case.expected]
        is_right = any(_is_same(each, right) for each in found for right in wanted)
    return (1.0, None) if is_right else (0.0, f"at {path} stands {quoted(canonical_json(found[0]))}")


def _is_same(found: Any, expected: Any) -> bool:
    if canonical_json(found) == canonical_json(expected):
        return True
    # A table keeps numbers, truth values and nested JSON as text.
    return isinstance(expected, str) and not isinstance(found, str) and _loaded(expected) == canonical_json(found)


def _loaded(text: str) -> str | None:
    value, problem = _read(text, fenced=False)
    return None if problem is not None else canonical_json(value)


def _read(text: str, *, fenced: bool) -> tuple[Any, str | None]:
    """Returns the JSON value of a text, and what is wrong with it when it has none."""
    block = _FENCE.fullmatch(text)
    try:
        return json.loads(block[1] if fenced and block else text, parse_constant=_refuse, parse_float=_finite), None
    except RecursionError:
        return None, "the answer is JSON nested too deeply"
    except ValueError as error:
        if block and not fenced and _read(text, fenced=True)[1] is None:
            return None, "the answer is JSON in a Markdown code block; pass fenced=True to count it"
        return None, f"the answer is not JSON: {quoted(str(error), 120)}"


def _finite(written: str) -> float:
    number = float(written)
    if math.isinf(number):
        raise ValueError(f"{written} is larger than any float")
    return number


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
