"""The scorer of meaning: the cosine of two texts' embeddings, by a model of an installed package or of a service."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit._optional import require
from toolkit._records import EMPTY, Case, FrozenDict, Outcome, Score
from toolkit.errors import UsageError
from toolkit.scorers._rule import NO_EXPECTED, RuleScorer, normalised, rule_scorer, shortened
from toolkit.scorers._text import Expected, as_texts

LOCAL = "wordllama"
"""The embedding model that comes with a package, weights and all."""


def semantic(
    expected: Expected | None = None,
    *,
    model: str = LOCAL,
    budget_usd: float | None = None,
    prices: Mapping[str, Mapping[str, float]] | None = None,
    name: str | None = None,
) -> RuleScorer | EmbeddingScorer:
    """Returns a scorer that gives how near the answer's meaning is to the expected one: a cosine, at most 1.

    What a cosine of 0.7 means depends on the model, and so do negative ones: compare scores of one model only. No
    embedding tells a sentence from its denial well. Both sides are brought to Unicode NFC, and every run of white space
    counts as one space; of several expected answers the nearest counts.

    Args:
        expected: The answer, or a list of which any counts; `None` = each case's own expected answer.
        model: `wordllama` = static word embeddings of 256 numbers, English above all, in this process, weights
            included in the package; else `provider/name` of an OpenAI-compatible embeddings endpoint, such as
            `openai/text-embedding-3-small`: texts go there in batches. These calls are a run of their own in the run
            store, `embed-...`: tried again, paid for, kept to 7 digits, and no text is sent twice. What it cost is
            printed after scoring.
        budget_usd: Most USD that the embeddings of one run may come to; what does not fit is not scored. `None` = no
            limit.
        prices: USD per million tokens by model, before the dated table: `{"acme/e": {"input": 0.1, "output": 0}}`.
        name: Name of the score; `None` = `semantic`, with the expected answer behind it when one is given.

    A case without an expected answer, and an empty text on either side, is not scored.

    Raises:
        UsageError: If `expected` is empty, or the model is neither of these.
        MissingDependencyError: If the model is `wordllama` and the package is not installed (extra `semantic`).

    Source: wordllama's `l2_supercat` at 256 dimensions (D. L. Miller, 2024).

    Example:
        >>> semantic(model="openai/text-embedding-3-small").spec
        "semantic(expected=None, model='openai/text-embedding-3-small')"
    """
    texts = None if expected is None else as_texts(expected)
    if texts is not None and not (texts and all(text.strip() for text in texts)):
        raise UsageError(f"semantic() got {expected!r}, which is empty; leave it out to use each case's own answer.")
    if model != LOCAL and "/" not in model:
        raise UsageError(f"`model` of semantic() is {LOCAL!r} or provider/name of an embedding model; got {model!r}.")
    options = {"expected": expected, "model": model}
    label = shortened("|".join(texts)) if texts is not None else None
    rule = functools.partial(_nearness, texts=texts, embed=_local_embed if model == LOCAL else _not_here)
    made = rule_scorer("semantic", rule, options, name=name, label=label)
    if model == LOCAL:
        _wordllama()
        return made
    return EmbeddingScorer(
        name=made.name, spec=made.spec, model=model, texts=texts, budget_usd=budget_usd, prices=FrozenDict(prices or {})
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingScorer:
    """A scorer that asks a service for embeddings; `results.score` sends its texts in batches."""

    name: str
    spec: str
    model: str
    """`provider/name`."""
    texts: tuple[str, ...] | None
    """Expected answers, of which any counts; `None` = the case's own."""
    budget_usd: float | None = None
    prices: FrozenDict = EMPTY
    version: str = "1"

    def texts_of(self, outcome: Outcome, case: Case) -> tuple[str, tuple[str, ...]]:
        """Returns the answer and the expected answers, as they are embedded; empty ones are left out."""
        wanted = self.texts if self.texts is not None else as_texts(case.expected)
        plain = [normalised(text, ignore_case=False) for text in wanted]
        return normalised(outcome.text, ignore_case=False), tuple(text for text in plain if text)

    def score(self, value: float, explanation: str | None = None) -> Score:
        """Returns a score of this scorer."""
        return Score(
            name=self.name, value=value, explanation=explanation, scorer=self.spec, scorer_version=self.version
        )

    def score_with(self, outcome: Outcome, case: Case, vectors: Callable[[str], Sequence[float]]) -> Score:
        """Returns the score of one answer, given the embeddings of `texts_of`."""
        return self.score(*_nearness(outcome, case, texts=self.texts, embed=vectors))

    def __call__(self, outcome: Outcome, case: Case) -> Any:
        """Refuses: the texts of a run go to the service together.

        Raises:
            UsageError: Always.
        """
        raise UsageError(
            f"The scorer {self.spec} asks a service for embeddings; give it to `score` of a run's results."
        )


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    """Returns the cosine of the angle between two vectors; NaN when one is all zeros.

    Example:
        >>> cosine([3.0, 4.0], [6.0, 8.0]), cosine([1.0, 0.0], [0.0, 2.0])
        (1.0, 0.0)
    """
    lengths = math.hypot(*a) * math.hypot(*b)
    return math.fsum(map(operator.mul, a, b)) / lengths if lengths else math.nan


def _nearness(
    outcome: Outcome, case: Case, *, texts: tuple[str, ...] | None, embed: Callable[[str], Sequence[float]]
) -> tuple[float, str | None]:
    wanted = texts if texts is not None else as_texts(case.expected)
    plain = [text for each in wanted if (text := normalised(each, ignore_case=False))]
    answer = normalised(outcome.text, ignore_case=False)
    if not plain:
        return NO_EXPECTED
    if not answer:
        return math.nan, "the answer is empty, which has no meaning to compare"
    ours = embed(answer)
    found = [value for text in plain if not math.isnan(value := cosine(ours, embed(text)))]
    return (max(found), None) if found else (math.nan, "the model has no embedding for it")


@functools.cache
def _wordllama() -> Any:
    package = require("wordllama", extra="semantic", purpose="to embed texts in this process")
    # The folder of the package itself: nothing is fetched.
    return package.WordLlama.load(cache_dir=Path(str(package.__file__)).parent, disable_download=True)


@functools.lru_cache(maxsize=4096)
def _local_embed(text: str) -> Sequence[float]:
    vector: Sequence[float] = _wordllama().embed([text], norm=False)[0].tolist()
    return vector


def _not_here(text: str) -> Sequence[float]:
    raise UsageError("Embeddings of a service are asked for by `score` of a run's results.")
