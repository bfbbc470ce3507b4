"""A ranking of arms as a table and as lines of text, whoever gave the preferences."""

from __future__ import annotations

from typing import Any

from toolkit.results._frame import to_series
from toolkit.results._pandas import pd
from toolkit.stats import Ranking


def ranks_table(ranking: Ranking | None) -> pd.DataFrame:
    """Returns one row an arm, the strongest first; empty without a ranking.

    Index `arm`; columns `strength` (log-odds against an arm of average strength), `low`, `high` (its 95 % interval
    over cases; `<NA>` when it cannot be told), `elo` (the same as a rating around 1,500), and `won`, `tied` and `lost`,
    which count pairs.
    """
    arms = ranking.arms if ranking is not None else ()
    columns: dict[str, tuple[list[Any], str]] = {
        "strength": ([arm.log_strength for arm in arms], "Float64"),
        "low": ([arm.interval.low if arm.interval else None for arm in arms], "Float64"),
        "high": ([arm.interval.high if arm.interval else None for arm in arms], "Float64"),
        "elo": ([arm.elo for arm in arms], "Float64"),
        "won": ([arm.wins for arm in arms], "Int64"),
        "tied": ([arm.ties for arm in arms], "Int64"),
        "lost": ([arm.losses for arm in arms], "Int64"),
    }
    frame = pd.DataFrame({name: to_series(values, dtype) for name, (values, dtype) in columns.items()})
    frame.index = pd.Index([arm.arm for arm in arms], name="arm")
    return frame


def rank_lines(ranking: Ranking) -> list[str]:
    """Returns one line an arm, the strongest first."""
    lines = []
    for place, arm in enumerate(ranking.arms, start=1):
        span = f" [{arm.interval.low:+.2f}, {arm.interval.high:+.2f}]" if arm.interval is not None else ""
        lines.append(
            f"{place}. {arm.arm}: strength {arm.log_strength:+.2f}{span}, Elo {arm.elo:.0f}; "
            f"{arm.wins:,} won, {arm.ties:,} tied, {arm.losses:,} lost"
        )
    return lines


def lent_lines(ranking: Ranking) -> list[str]:
    """Returns how strengths were got where there were none; nothing where there were."""
    if ranking.note is None:
        return []
    reason = "since some arms never lost or never won, or never met the others"
    return [f"Strengths are drawn together: {ranking.note}, {reason}."]


def is_first_shown(ranking: Ranking) -> bool:
    """Tells whether the first arm's interval lies above the second's."""
    first, second = ranking.arms[0].interval, ranking.arms[1].interval
    return first is not None and second is not None and first.low > second.high
