"""Scorers: functions that give a number about one outcome, and judges, which ask a model for it."""

from toolkit.scorers._asking import AskingScorer
from toolkit.scorers._choice import numeric, one_of
from toolkit.scorers._fingerprint import UNVERSIONED
from toolkit.scorers._forms import FORMS, Form, answer_form
from toolkit.scorers._json import json_path, json_schema, json_valid
from toolkit.scorers._judge import (
    UNREAD,
    Judge,
    PairJudge,
    judge,
    judge_pairs,
    judge_score,
    judged_variables,
    read_judgement,
)
from toolkit.scorers._measure import cost, latency, length
from toolkit.scorers._overlap import bleu, edit_similarity, rouge_l
from toolkit.scorers._registry import as_scorers, known_scorers, load_scorer, rebuilt_scorer
from toolkit.scorers._rule import RuleScorer
from toolkit.scorers._scorer import FunctionScorer, Scorer, as_scorer, is_lower_better, is_refused, scorer, why_not
from toolkit.scorers._scoring import score_outcome, score_outcomes
from toolkit.scorers._semantic import EmbeddingScorer, semantic
from toolkit.scorers._text import TextScorer, contains, exact, regex
from toolkit.scorers._verdict import ReadVerdict

__all__ = [
    "FORMS",
    "UNREAD",
    "UNVERSIONED",
    "AskingScorer",
    "EmbeddingScorer",
    "Form",
    "FunctionScorer",
    "Judge",
    "PairJudge",
    "ReadVerdict",
    "RuleScorer",
    "Scorer",
    "TextScorer",
    "answer_form",
    "as_scorer",
    "as_scorers",
    "bleu",
    "contains",
    "cost",
    "edit_similarity",
    "exact",
    "is_lower_better",
    "is_refused",
    "json_path",
    "json_schema",
    "json_valid",
    "judge",
    "judge_pairs",
    "judge_score",
    "judged_variables",
    "known_scorers",
    "latency",
    "length",
    "load_scorer",
    "numeric",
    "one_of",
    "read_judgement",
    "rebuilt_scorer",
    "regex",
    "rouge_l",
    "score_outcome",
    "score_outcomes",
    "scorer",
    "semantic",
    "why_not",
]
