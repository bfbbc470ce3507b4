"""The results of a run: frame, comparison, verdict, scores, exports, display; and tables of variables."""

from toolkit.results._audit import Audit, Check
from toolkit.results._columns import Column
from toolkit.results._compare import ArmComparison, compare_arms
from toolkit.results._diff import CaseDiff, Diff, Piece, word_diff
from toolkit.results._drift import Change, Drift
from toolkit.results._explain import Difference, Explanation
from toolkit.results._export import check_target
from toolkit.results._export_file import write_whole
from toolkit.results._export_tables import load_frame
from toolkit.results._finding import CheapestFinding, Finding
from toolkit.results._frame import columns_of, to_frame
from toolkit.results._html import Safe, element, escaped, joined
from toolkit.results._judging import Judging, agreement_of, counted_reasons, people_labels, relatives
from toolkit.results._labels import arm_labels, find_arm, fitting_arms
from toolkit.results._listing import Frame, listing
from toolkit.results._load import load
from toolkit.results._results import Results
from toolkit.results._scoring import Asked, Asking, kept_trials, to_score, unclear_score
from toolkit.results._screen import for_screen, shorten
from toolkit.results._tables import read_table, rows_of

__all__ = [
    "ArmComparison",
    "Asked",
    "Asking",
    "Audit",
    "CaseDiff",
    "Change",
    "CheapestFinding",
    "Check",
    "Column",
    "Diff",
    "Difference",
    "Drift",
    "Explanation",
    "Finding",
    "Frame",
    "Judging",
    "Piece",
    "Results",
    "Safe",
    "agreement_of",
    "arm_labels",
    "check_target",
    "columns_of",
    "compare_arms",
    "counted_reasons",
    "element",
    "escaped",
    "find_arm",
    "fitting_arms",
    "for_screen",
    "joined",
    "kept_trials",
    "listing",
    "load",
    "load_frame",
    "people_labels",
    "read_table",
    "relatives",
    "rows_of",
    "shorten",
    "to_frame",
    "to_score",
    "unclear_score",
    "word_diff",
    "write_whole",
]
