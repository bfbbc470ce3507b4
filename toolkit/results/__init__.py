"""The results of a run: frame, comparison, verdict, scores, exports, display; and tables of variables."""

from toolkit.results._arm_comparison import ArmComparison
from toolkit.results._audit import Audit, Check
from toolkit.results._case_table import case_table
from toolkit.results._columns import Column, Row, cell_text
from toolkit.results._compare import compare_arms
from toolkit.results._diff import CaseDiff, Diff, Piece, word_diff
from toolkit.results._drift import Change, Drift
from toolkit.results._drift_report import DriftReport, ServedChange, drift_report
from toolkit.results._early import STOPPED, looks
from toolkit.results._explain import Difference, Explanation
from toolkit.results._export import check_target
from toolkit.results._export_file import write_whole
from toolkit.results._export_tables import load_frame
from toolkit.results._family import relatives
from toolkit.results._finding import CheapestFinding, Finding
from toolkit.results._frame import columns_of, to_frame
from toolkit.results._grid import ArmTotals, CaseGrid, Chip, Key, failure_message, is_unsent, status_words, word_gap
from toolkit.results._grid_html import grid_html, marked_pieces, totals_words
from toolkit.results._html import Safe, element, escaped, joined
from toolkit.results._judging import PEOPLE, Judging, agreement_of, counted_reasons, people_labels
from toolkit.results._labels import arm_labels, find_arm, fitting_arms
from toolkit.results._langfuse_face import LateTraces
from toolkit.results._listing import Frame, listing
from toolkit.results._load import load
from toolkit.results._pandas import load_soon
from toolkit.results._promotion import Promotion
from toolkit.results._promotion_gate import Condition, Gate, cases_to_clear
from toolkit.results._promotion_proposal import Proposal
from toolkit.results._pushed import Pushed, PushedExperiment
from toolkit.results._raw import raw_trial
from toolkit.results._results import Results
from toolkit.results._scoring import Asked, Asking, kept_trials, to_score, unclear_score
from toolkit.results._screen import for_screen, shorten
from toolkit.results._summary import CLUSTER
from toolkit.results._tables import read_table, rows_of
from toolkit.results._voting import VoteReport, rank_rows
from toolkit.results._words import counted, margin_words

__all__ = [
    "CLUSTER",
    "PEOPLE",
    "STOPPED",
    "ArmComparison",
    "ArmTotals",
    "Asked",
    "Asking",
    "Audit",
    "CaseDiff",
    "CaseGrid",
    "Change",
    "CheapestFinding",
    "Check",
    "Chip",
    "Column",
    "Condition",
    "Diff",
    "Difference",
    "Drift",
    "DriftReport",
    "Explanation",
    "Finding",
    "Frame",
    "Gate",
    "Judging",
    "Key",
    "LateTraces",
    "Piece",
    "Promotion",
    "Proposal",
    "Pushed",
    "PushedExperiment",
    "Results",
    "Row",
    "Safe",
    "ServedChange",
    "VoteReport",
    "agreement_of",
    "arm_labels",
    "case_table",
    "cases_to_clear",
    "cell_text",
    "check_target",
    "columns_of",
    "compare_arms",
    "counted",
    "counted_reasons",
    "drift_report",
    "element",
    "escaped",
    "failure_message",
    "find_arm",
    "fitting_arms",
    "for_screen",
    "grid_html",
    "is_unsent",
    "joined",
    "kept_trials",
    "listing",
    "load",
    "load_frame",
    "load_soon",
    "looks",
    "margin_words",
    "marked_pieces",
    "people_labels",
    "rank_rows",
    "raw_trial",
    "read_table",
    "relatives",
    "rows_of",
    "shorten",
    "status_words",
    "to_frame",
    "to_score",
    "totals_words",
    "unclear_score",
    "word_diff",
    "word_gap",
    "write_whole",
]
