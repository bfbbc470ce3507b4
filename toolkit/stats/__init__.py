"""Intervals, paired comparison, multiplicity and power: plain numbers in, plain values out."""

from toolkit.stats._compare import Comparison, bonett_price, compare_paired, holm, mcnemar, sign_flip_p
from toolkit.stats._intervals import Estimate, Interval, estimate, mean_interval, wilson
from toolkit.stats._power import rows_for_gap, rows_for_pairs, smallest_gap
from toolkit.stats._special import incomplete_beta, normal_quantile, t_cdf, t_quantile, t_two_sided_p

__all__ = [
    "Comparison",
    "Estimate",
    "Interval",
    "bonett_price",
    "compare_paired",
    "estimate",
    "holm",
    "incomplete_beta",
    "mcnemar",
    "mean_interval",
    "normal_quantile",
    "rows_for_gap",
    "rows_for_pairs",
    "sign_flip_p",
    "smallest_gap",
    "t_cdf",
    "t_quantile",
    "t_two_sided_p",
    "wilson",
]
