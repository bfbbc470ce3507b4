"""Versions of scoring functions: what changes them, and what cannot be told."""

from __future__ import annotations

import functools
import json
import re

import numpy as np
import pytest

from toolkit.scorers import UNVERSIONED, as_scorer
from toolkit.scorers._fingerprint import function_version

BODY = "def check(text, most=3):\n    return len(text) <= most and helper(text) != LIMIT and PATTERN.match(text)\n"


def made(body=BODY, **names):
    """The function `check` of a small module whose other names are given."""
    module = {"helper": lambda text: text.count("a"), "LIMIT": 2, "PATTERN": re.compile("a"), **names}
    exec(body, module)  # noqa: S102  our own source
    return module["check"]


@pytest.mark.parametrize(
    "other",
    [
        made(BODY.replace("<=", "<")),
        made(BODY.replace("most=3", "most=4")),
        made(BODY.replace("helper(text)", "helper(text + '')")),
        made(LIMIT=3),
        made(helper=lambda text: text.count("b")),
        made(PATTERN=re.compile("b")),
        functools.partial(made(), most=5),
    ],
    ids=["operator", "default", "constant", "global value", "function it calls", "pattern", "partial"],
)
def test_a_changed_function_has_another_version(other):
    """Code, defaults, constants, and global values and functions that it reads are part of a function's version."""
    assert function_version(other) not in (function_version(made()), UNVERSIONED)


def test_the_same_function_has_the_same_version():
    """Defining a function again, with other comments, keeps its version; names that it does not read do not matter."""
    commented = made("# why\n" + BODY.replace(":\n", ":  # what\n", 1), OTHER=object())
    assert function_version(commented) == function_version(made())


def test_enclosed_values_count():
    """A function that was made by another has the version of the values that it encloses."""

    def at_most(limit):
        return lambda text: len(text) <= limit

    assert function_version(at_most(3)) == function_version(at_most(3)) != function_version(at_most(4))


def test_functions_inside_count():
    """What a function inside the function reads counts as well."""
    body = "def check(text):\n    return [helper(word) for word in (lambda: text.split(SEP))()]\n"
    assert function_version(made(body, SEP=" ")) != function_version(made(body, SEP=","))


def test_a_function_that_calls_itself():
    """A function that calls itself has a version."""
    body = "def check(n):\n    return check(n - 1) if n else 0\n"
    assert function_version(made(body)) == function_version(made(body)) != UNVERSIONED


@pytest.mark.parametrize("value", [object(), np.zeros(3), [object()], {"a": np.zeros(2)}], ids=type)
def test_what_cannot_be_compared(value):
    """A function that reads an object of which it cannot be told whether it has changed has no version."""
    assert function_version(made("def check(text):\n    return VALUE\n", VALUE=value)) == UNVERSIONED


def test_modules_count_by_name():
    """Modules of Python and of installed packages count by their names and versions."""
    body = "def check(text):\n    return MODULE.loads(text)\n"
    versions = {function_version(made(body, MODULE=module)) for module in (json, re, np)}
    assert len(versions) == 3
    assert UNVERSIONED not in versions


@pytest.mark.parametrize("value", [3, 2.5, True, "a", b"a", None, ..., (1, 2), [1], {"a": {1, 2}}, frozenset("ab"), 1j])
def test_plain_values(value):
    """Plain values and collections of them are compared by what they are, not by which object they are."""
    body = "def check(text):\n    return VALUE\n"
    assert function_version(made(body, VALUE=value)) != UNVERSIONED
    assert function_version(made(body, VALUE=value)) != function_version(made(body, VALUE=[value]))


def test_a_version_that_is_given_stands():
    """A version that the author gives is taken as it is."""
    assert as_scorer(made(), version="7").version == "7"
    assert as_scorer(made()).version == function_version(made())
