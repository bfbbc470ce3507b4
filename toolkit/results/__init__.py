"""The results of a run: frame, comparison, verdict, scores, exports, display; and tables of variables."""

from toolkit.results._audit import Audit, Check
from toolkit.results._columns import Column
from toolkit.results._frame import columns_of, to_frame
from toolkit.results._html import Safe, element, escaped, joined
from toolkit.results._labels import arm_labels
from toolkit.results._listing import Frame, listing
from toolkit.results._results import Results
from toolkit.results._screen import for_screen, shorten
from toolkit.results._tables import read_table, rows_of

__all__ = [
    "Audit",
    "Check",
    "Column",
    "Frame",
    "Results",
    "Safe",
    "arm_labels",
    "columns_of",
    "element",
    "escaped",
    "for_screen",
    "joined",
    "listing",
    "read_table",
    "rows_of",
    "shorten",
    "to_frame",
]
