"""Finds who asks a model about a run: for a judge, for a judge of all pairs, or for embeddings."""

from __future__ import annotations

from toolkit._records import RunView
from toolkit.engine import Engine
from toolkit.errors import UsageError
from toolkit.results import Asking
from toolkit.scorers import AskingScorer, EmbeddingScorer, PairJudge
from toolkit.sweep._asking import Prepare
from toolkit.sweep._embedding import EmbeddingAsking
from toolkit.sweep._judging import JudgeAsking
from toolkit.sweep._judging_all import AllPairsAsking


def ask_about(engine: Engine, view: RunView, scorer: AskingScorer, *, prepare: Prepare, again: bool) -> Asking:
    """Returns the asking of a judge or an embedding model about a run.

    Args:
        engine: Providers and the run store.
        view: The run whose answers are scored.
        scorer: A judge or an embedding model.
        prepare: Makes the run of the calls.
        again: Whether scores that are kept are made again; calls are found in the store in any case.

    Raises:
        UsageError: If a judge of pairs is given live calls, which have no case in common.
    """
    if isinstance(scorer, EmbeddingScorer):
        return EmbeddingAsking(engine, view, scorer, prepare, again=again)
    if isinstance(scorer, PairJudge) and not view.is_grid:
        raise UsageError(
            f"The judge {scorer.name!r} compares answers to the same case, and live calls have none in common; use "
            "judge()."
        )
    if isinstance(scorer, PairJudge) and scorer.pairs == "all":
        return AllPairsAsking(engine, view, scorer, prepare)
    return JudgeAsking(engine, view, scorer, prepare)
