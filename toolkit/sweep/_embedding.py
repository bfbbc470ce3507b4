"""Has a service embed the texts that a scorer compares: each text once, in batches, tried again as any call is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from toolkit import _sync
from toolkit._records import RunView, Score
from toolkit.engine import Engine, RetryPolicy, Route, Tries, after_failure, find_route, targets
from toolkit.errors import ProviderError, UsageError
from toolkit.providers import Embedder
from toolkit.results import Asked, kept_trials, to_score, unclear_score
from toolkit.scorers import EmbeddingScorer, why_not
from toolkit.store import measures_of

# Texts in one request, and requests in flight: services take a few hundred of the first.
_BATCH = 64
_IN_FLIGHT = 4
_TIMEOUT_S = 60.0


class EmbeddingAsking:
    """One embedding model and one run.

    Args:
        engine: Providers.
        view: The run whose answers are compared.
        scorer: What is compared, and by which model.
        again: Whether answers that are scored already are scored again.
    """

    def __init__(self, engine: Engine, view: RunView, scorer: EmbeddingScorer, *, again: bool) -> None:
        self._engine = engine
        self._view = view
        self._scorer = scorer
        self._again = again

    def attend(self) -> Asked:
        """Embeds the texts and returns the scores."""
        return _sync.run(self._score())

    async def attended(self) -> Asked:
        """As `attend`, awaited."""
        return await _sync.bridge(self._score())

    async def _score(self) -> Asked:
        view, scorer = self._view, self._scorer
        cases, unclear = to_score(view)
        measures = measures_of(view.outcomes)
        kept = frozenset() if self._again else kept_trials(view, scorer)
        scores: list[tuple[str, Score]] = []
        wanted: list[str] = []
        for trial_id in cases:
            reason = why_not(measures[trial_id])
            if trial_id in unclear:
                scores.append((trial_id, unclear_score(scorer)))
            elif reason is not None:
                scores.append((trial_id, scorer.score(float("nan"), reason)))
            elif trial_id not in kept:
                wanted.append(trial_id)
        texts: dict[str, None] = {}
        for trial_id in wanted:
            answer, expected = scorer.texts_of(view.outcomes[trial_id], cases[trial_id])
            if answer and expected:
                texts.update(dict.fromkeys([answer, *expected]))
        vectors, problems = await self._embed(list(texts))
        for trial_id in wanted:
            outcome, case = view.outcomes[trial_id], cases[trial_id]
            answer, expected = scorer.texts_of(outcome, case)
            missing = next((problems[text] for text in [answer, *expected] if text in problems), None)
            if missing is not None:
                scores.append((trial_id, scorer.score(float("nan"), missing)))
            else:
                scores.append((trial_id, scorer.score_with(outcome, case, vectors.__getitem__)))
        return Asked(scores=scores)

    async def _embed(self, texts: Sequence[str]) -> tuple[dict[str, Sequence[float]], dict[str, str]]:
        """Returns the vectors by text, and why a text has none."""
        vectors: dict[str, Sequence[float]] = {}
        problems: dict[str, str] = {}
        if not texts:
            return vectors, problems
        route = self._route()
        places = asyncio.Semaphore(_IN_FLIGHT)

        async def one(batch: Sequence[str]) -> None:
            async with places:
                try:
                    vectors.update(zip(batch, await self._ask(route, batch), strict=True))
                except ProviderError as error:
                    problems.update(dict.fromkeys(batch, f"no embedding: {error.kind}: {error}"))

        await asyncio.gather(*(one(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)))
        return vectors, problems

    async def _ask(self, route: Route, batch: Sequence[str]) -> list[Sequence[float]]:
        provider, tries, engine = route.provider, Tries(), self._engine
        assert isinstance(provider, Embedder)  # noqa: S101  _route has seen to it
        while True:
            try:
                return await provider.embed(route.model, batch, timeout_s=_TIMEOUT_S)
            except ProviderError as error:
                wait_s, tries = after_failure(error, tries, policy=RetryPolicy(), rng=engine.rng)
                if wait_s is None:
                    raise
                await engine.clock.sleep(wait_s)

    def _route(self) -> Route:
        model = self._scorer.model
        route = find_route(targets(model, self._engine.config)[0][1], self._engine.providers)
        if not isinstance(route.provider, Embedder):
            raise UsageError(
                f"The provider of {model!r} has no embeddings that this package can ask for; give an OpenAI-compatible "
                "one, or leave `model` out."
            )
        return route
