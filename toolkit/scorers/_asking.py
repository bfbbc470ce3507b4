"""What all scorers that ask a model have in common, for those who carry the asking out."""

from __future__ import annotations

from typing import TypeAlias

from toolkit.scorers._judge import Judge, PairJudge
from toolkit.scorers._semantic import EmbeddingScorer

AskingScorer: TypeAlias = Judge | PairJudge | EmbeddingScorer
"""A scorer that cannot be called by itself: `results.score` asks its model, by the engine."""
