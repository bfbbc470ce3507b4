"""Intervals, paired comparison, multiplicity, power and more: plain numbers in, plain values out."""

from toolkit.stats._agreement import Scale, cohen_kappa, cohen_kappa_of, fleiss_kappa, krippendorff_alpha
from toolkit.stats._betting import confidence_sequence
from toolkit.stats._bootstrap import Bootstrapped, PairedStatistic, bootstrap_paired
from toolkit.stats._bradley_terry import BradleyTerry, bradley_terry, elo, elo_expected
from toolkit.stats._compare import Comparison, compare_paired, compare_worst_case
from toolkit.stats._early import Course, course_interval, follow
from toolkit.stats._exchange import Exchange, compare_answers
from toolkit.stats._independent import compare_independent, fisher, newcombe
from toolkit.stats._intervals import Estimate, Interval, clopper_pearson, estimate, mean_interval, wilson
from toolkit.stats._judges import Agreement, BothOrders, JudgeReport, Verdict, judge_agreement, judge_report
from toolkit.stats._multiplicity import benjamini_hochberg, bonferroni, bonferroni_level, holm
from toolkit.stats._non_inferiority import (
    Candidate,
    Choice,
    Standing,
    cheapest_not_worse,
    interval_of_ties,
    standing,
    ties_needed,
)
from toolkit.stats._paired_tests import SignedRanks, StudentT, paired_t, sign_flip_p, wilcoxon
from toolkit.stats._pairs import ChiSquare, bonett_price, mcnemar, mcnemar_chi_square
from toolkit.stats._power import (
    Outlook,
    chance_to_see,
    gap_variance,
    outlook,
    rows_for_gap,
    rows_for_pairs,
    smallest_gap,
)
from toolkit.stats._ranking import ArmStrength, Preference, Ranking, rank_arms
from toolkit.stats._ratios import RatioComparison, compare_medians, ratio_of_medians
from toolkit.stats._repeats import Components, Flips, anova_components, flips, mean_pass_at_k, pass_at_k
from toolkit.stats._sequential import Watch, e_value, is_order_fixed, watch, win_share_interval
from toolkit.stats._special import (
    beta_quantile,
    incomplete_beta,
    normal_cdf,
    normal_quantile,
    t_cdf,
    t_quantile,
    t_two_sided_p,
)
from toolkit.stats._variance import VariancePart, VarianceSplit, split_variance

__all__ = [
    "Agreement",
    "ArmStrength",
    "Bootstrapped",
    "BothOrders",
    "BradleyTerry",
    "Candidate",
    "ChiSquare",
    "Choice",
    "Comparison",
    "Components",
    "Course",
    "Estimate",
    "Exchange",
    "Flips",
    "Interval",
    "JudgeReport",
    "Outlook",
    "PairedStatistic",
    "Preference",
    "Ranking",
    "RatioComparison",
    "Scale",
    "SignedRanks",
    "Standing",
    "StudentT",
    "VariancePart",
    "VarianceSplit",
    "Verdict",
    "Watch",
    "anova_components",
    "benjamini_hochberg",
    "beta_quantile",
    "bonett_price",
    "bonferroni",
    "bonferroni_level",
    "bootstrap_paired",
    "bradley_terry",
    "chance_to_see",
    "cheapest_not_worse",
    "clopper_pearson",
    "cohen_kappa",
    "cohen_kappa_of",
    "compare_answers",
    "compare_independent",
    "compare_medians",
    "compare_paired",
    "compare_worst_case",
    "confidence_sequence",
    "course_interval",
    "e_value",
    "elo",
    "elo_expected",
    "estimate",
    "fisher",
    "fleiss_kappa",
    "flips",
    "follow",
    "gap_variance",
    "holm",
    "incomplete_beta",
    "interval_of_ties",
    "is_order_fixed",
    "judge_agreement",
    "judge_report",
    "krippendorff_alpha",
    "mcnemar",
    "mcnemar_chi_square",
    "mean_interval",
    "mean_pass_at_k",
    "newcombe",
    "normal_cdf",
    "normal_quantile",
    "outlook",
    "paired_t",
    "pass_at_k",
    "rank_arms",
    "ratio_of_medians",
    "rows_for_gap",
    "rows_for_pairs",
    "sign_flip_p",
    "smallest_gap",
    "split_variance",
    "standing",
    "t_cdf",
    "t_quantile",
    "t_two_sided_p",
    "ties_needed",
    "watch",
    "wilcoxon",
    "wilson",
    "win_share_interval",
]
