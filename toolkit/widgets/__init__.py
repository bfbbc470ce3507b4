"""What a notebook shows and is clicked: the grid of answers, and what all widgets share."""

from toolkit.widgets._code_line import CodeLine
from toolkit.widgets._form import SweepForm
from toolkit.widgets._form_run import RunProgress
from toolkit.widgets._grid import CompareGrid
from toolkit.widgets._paint import Coalescer, guarded
from toolkit.widgets._picker import PromptPicker
from toolkit.widgets._promotion import PromotionBox
from toolkit.widgets._vote import BlindVote

__all__ = [
    "BlindVote",
    "Coalescer",
    "CodeLine",
    "CompareGrid",
    "PromotionBox",
    "PromptPicker",
    "RunProgress",
    "SweepForm",
    "guarded",
]
