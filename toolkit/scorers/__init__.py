"""Scorers: functions that give a number about one outcome."""

from toolkit.scorers._registry import as_scorers, known_scorers, load_scorer
from toolkit.scorers._scorer import FunctionScorer, Scorer, as_scorer, is_refused, score_outcome
from toolkit.scorers._text import TextScorer, contains, exact, regex

__all__ = [
    "FunctionScorer",
    "Scorer",
    "TextScorer",
    "as_scorer",
    "as_scorers",
    "contains",
    "exact",
    "is_refused",
    "known_scorers",
    "load_scorer",
    "regex",
    "score_outcome",
]
