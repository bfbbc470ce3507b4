"""Scorers of how much an answer's wording has in common with the expected one: edits, ROUGE-L, BLEU."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any

from toolkit._optional import require
from toolkit._records import Case, Outcome
from toolkit.errors import UsageError
from toolkit.scorers._rule import NO_EXPECTED, RuleScorer, Verdict, normalised, rule_scorer, shortened
from toolkit.scorers._text import Expected, as_texts

_PURPOSE = "to compare wordings"

_TOKEN = re.compile(r"\w+")


def edit_similarity(
    expected: Expected | None = None, *, ignore_case: bool = False, name: str | None = None
) -> RuleScorer:
    """Returns a scorer that gives 1 less the share of characters to insert, delete or replace, from 0 to 1.

    The number of edits (Levenshtein) is divided by the longer text's length; of several expected answers the nearest
    counts. Both sides are brought to Unicode NFC, and every run of white space counts as one space.

    Args:
        expected: The answer, or a list of which any counts; `None` = each case's own expected answer.
        ignore_case: Whether `Positive` is `positive`.
        name: Name of the score; `None` = `edit_similarity`, with the expected answer behind it when one is given.

    A case without an expected answer is not scored.

    Raises:
        UsageError: If `expected` is empty or holds something else than text, numbers and truth values.
        MissingDependencyError: If the package rapidfuzz is not installed (extra `text`).

    Source: V. I. Levenshtein, Soviet Physics Doklady 10 (1966) 707-710; normalised as in rapidfuzz.

    Example:
        >>> edit_similarity("kitten").name
        'edit_similarity(kitten)'
    """
    levenshtein = require("rapidfuzz.distance", extra="text", purpose=_PURPOSE).Levenshtein
    normalise = functools.partial(normalised, ignore_case=ignore_case)
    return _best_of(
        "edit_similarity", levenshtein.normalized_similarity, normalise, expected, {"ignore_case": ignore_case}, name
    )


def rouge_l(expected: Expected | None = None, *, ignore_case: bool = True, name: str | None = None) -> RuleScorer:
    """Returns a scorer that gives ROUGE-L: F1 over the longest common subsequence of words, from 0 to 1.

    Words are runs of letters, digits and `_` in any script, without stemming: for English it is the usual ROUGE-L,
    and other scripts, which the usual one drops, count as well. Where words are not parted by spaces, as in Chinese,
    a whole phrase is one word, and `edit_similarity` says more. Of several expected answers the best match counts.
    Both sides are brought to Unicode NFC.

    Args:
        expected: The answer, or a list of which any counts; `None` = each case's own expected answer.
        ignore_case: Whether `The` is `the`.
        name: Name of the score; `None` = `rouge_l`, with the expected answer behind it when one is given.

    A case without an expected answer is not scored.

    Raises:
        UsageError: If `expected` is empty or holds something else than text, numbers and truth values.
        MissingDependencyError: If the package rapidfuzz is not installed (extra `text`).

    Source: C.-Y. Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", ACL 2004, with beta = 1.

    Example:
        >>> rouge_l().name
        'rouge_l'
    """
    common = require("rapidfuzz.distance", extra="text", purpose=_PURPOSE).LCSseq.similarity
    normalise = functools.partial(normalised, ignore_case=ignore_case)
    return _best_of(
        "rouge_l", functools.partial(_rouge_l, common=common), normalise, expected, {"ignore_case": ignore_case}, name
    )


def bleu(expected: Expected | None = None, *, ignore_case: bool = False, name: str | None = None) -> RuleScorer:
    """Returns a scorer that gives the sentence BLEU of the answer, from 0 to 1.

    It is sacrebleu's: up to 4 words in a row, fewer for shorter sentences, exponential smoothing, the tokens of WMT's
    13a. Several expected answers are several references. A mean of sentence BLEUs is not the BLEU of a corpus. Both
    sides are brought to Unicode NFC, and every run of white space counts as one space.

    Args:
        expected: The answer, or a list of references; `None` = each case's own expected answer.
        ignore_case: Whether `The` is `the`.
        name: Name of the score; `None` = `bleu`, with the expected answer behind it when one is given.

    A case without an expected answer is not scored.

    Raises:
        UsageError: If `expected` is empty or holds something else than text, numbers and truth values.
        MissingDependencyError: If the package sacrebleu is not installed (extra `text`).

    Source: M. Post, "A Call for Clarity in Reporting BLEU Scores", WMT 2018.

    Example:
        >>> bleu().name
        'bleu'
    """
    metric = require("sacrebleu.metrics", extra="text", purpose=_PURPOSE).BLEU(effective_order=True)
    rule = functools.partial(
        _bleu,
        metric=metric,
        texts=_given("bleu", expected),
        normalise=functools.partial(normalised, ignore_case=ignore_case),
    )
    return _named("bleu", rule, expected, {"ignore_case": ignore_case}, name)


Normalise = Callable[[str], str]


def _best_of(
    kind: str,
    similarity: Callable[[str, str], float],
    normalise: Normalise,
    expected: Any,
    options: dict[str, Any],
    name: str | None,
) -> RuleScorer:
    rule = functools.partial(_best, similarity=similarity, texts=_given(kind, expected), normalise=normalise)
    return _named(kind, rule, expected, options, name)


def _named(
    kind: str, rule: Callable[[Outcome, Case], Verdict], expected: Any, options: dict[str, Any], name: str | None
) -> RuleScorer:
    label = None if expected is None else "|".join(as_texts(expected))
    return rule_scorer(kind, rule, {"expected": expected, **options}, name=name, label=label and shortened(label))


def _given(kind: str, expected: Any) -> tuple[str, ...] | None:
    if expected is None:
        return None
    try:
        texts = as_texts(expected)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{kind}() compares with text, numbers and truth values, not with {expected!r}.") from error
    if not all(text.strip() for text in texts) or not texts:
        raise UsageError(f"{kind}() got {expected!r}, which is empty; leave it out to use each case's own answer.")
    return texts


def _best(
    outcome: Outcome,
    case: Case,
    *,
    similarity: Callable[[str, str], float],
    texts: tuple[str, ...] | None,
    normalise: Normalise,
) -> Verdict:
    wanted = texts if texts is not None else as_texts(case.expected)
    if not wanted:
        return NO_EXPECTED
    answer = normalise(outcome.text)
    found = [float(similarity(answer, normalise(text))) for text in wanted]
    known = [value for value in found if not math.isnan(value)]
    return (max(known), None) if known else (math.nan, "the expected answer has no words")


def _rouge_l(answer: str, expected: str, *, common: Callable[[list[str], list[str]], int]) -> float:
    ours, theirs = _TOKEN.findall(answer), _TOKEN.findall(expected)
    if not ours or not theirs:
        return math.nan if not theirs else 0.0
    return 2 * common(ours, theirs) / (len(ours) + len(theirs))


def _bleu(outcome: Outcome, case: Case, *, metric: Any, texts: tuple[str, ...] | None, normalise: Normalise) -> Verdict:
    wanted = texts if texts is not None else as_texts(case.expected)
    if not wanted:
        return NO_EXPECTED
    found = metric.sentence_score(normalise(outcome.text), [normalise(text) for text in wanted])
    # Rounding leaves a perfect match a hair above 100.
    return min(float(found.score) / 100, 1.0), None
