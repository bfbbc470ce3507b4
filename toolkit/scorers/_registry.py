"""Finds a scorer by name: our own first, then plug-ins of the group `toolkit.scorers`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from toolkit._plugins import known_plugins, load_plugin
from toolkit._records import Score
from toolkit.errors import UsageError
from toolkit.scorers._scorer import Scorer, as_scorer

GROUP = "toolkit.scorers"

BUILTINS = {
    "bleu": "toolkit.scorers._overlap:bleu",
    "contains": "toolkit.scorers._text:contains",
    "cost": "toolkit.scorers._measure:cost",
    "edit_similarity": "toolkit.scorers._overlap:edit_similarity",
    "exact": "toolkit.scorers._text:exact",
    "json_path": "toolkit.scorers._json:json_path",
    "json_schema": "toolkit.scorers._json:json_schema",
    "json_valid": "toolkit.scorers._json:json_valid",
    "judge": "toolkit.scorers._judge:judge",
    "judge_pairs": "toolkit.scorers._judge:judge_pairs",
    "latency": "toolkit.scorers._measure:latency",
    "length": "toolkit.scorers._measure:length",
    "numeric": "toolkit.scorers._choice:numeric",
    "one_of": "toolkit.scorers._choice:one_of",
    "regex": "toolkit.scorers._text:regex",
    "rouge_l": "toolkit.scorers._overlap:rouge_l",
    "semantic": "toolkit.scorers._semantic:semantic",
}


def load_scorer(name: str, **options: Any) -> Scorer:
    """Returns the scorer called `name`, made with `options`.

    Raises:
        UnknownNameError: If no scorer has this name; the message lists those that there are.
        PluginError: If it belongs to a plug-in that cannot be loaded.
        UsageError: If it does not take these options.

    Example:
        >>> load_scorer("contains", ignore_case=False).spec
        'contains(ignore_case=False, whole_word=False)'
    """
    factory = load_plugin(GROUP, name, builtins=BUILTINS, what="scorer")
    try:
        made = factory(**options)
    except TypeError as error:
        raise UsageError(f"The scorer {name!r} cannot be made with {options!r}: {error}.") from error
    return as_scorer(made)


def rebuilt_scorer(score: Score) -> Scorer | None:
    """Returns the scorer that gave a score, made again from what is kept with it.

    `None` where that does not say enough: a function, a scorer with long options, or one that has changed since.

    Example:
        >>> found = rebuilt_scorer(Score(name="mine", value=1.0, scorer="contains(ignore_case=True, whole_word=False)"))
        >>> found.name, found.spec
        ('mine', 'contains(ignore_case=True, whole_word=False)')
    """
    try:
        call = ast.parse(score.scorer, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            return None
        given = [ast.literal_eval(each) for each in call.args]
        options = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
        # Which way a measure counts is said for readers and is no argument of those that are always so.
        options.pop("lower_is_better", None)
        factory = load_plugin(GROUP, call.func.id, builtins=BUILTINS, what="scorer")
        made = as_scorer(factory(*given, **options, name=score.name))
    except (SyntaxError, ValueError, TypeError, UsageError):
        return None
    is_same = (made.name, made.spec, made.version) == (score.name, score.scorer, score.scorer_version)
    return made if is_same else None


def known_scorers() -> list[str]:
    """Returns the sorted names that `load_scorer` knows."""
    return known_plugins(GROUP, builtins=BUILTINS)


def as_scorers(scorers: Sequence[Scorer | Callable[..., Any] | str]) -> list[Scorer]:
    """Returns each as a scorer: names by `load_scorer`, functions by `as_scorer`.

    Raises:
        UsageError: If two have one name, because the second would replace the first's scores; or if one of ours was
            not called, such as `contains` in place of `contains()`.
    """
    for item in scorers:
        name = getattr(item, "__name__", None)
        if name in BUILTINS and f"{getattr(item, '__module__', '')}:{name}" == BUILTINS[name]:
            raise UsageError(f"{name} makes a scorer and is none itself; call it: tk.{name}(...).")
    made = [load_scorer(item) if isinstance(item, str) else as_scorer(item) for item in scorers]
    names = [scorer.name for scorer in made]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"Two scorers are called {twice[0]!r} and would replace each other; give one another `name`, "
            "a function with as_scorer(function, name=...)."
        )
    return made
