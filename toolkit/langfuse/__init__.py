"""The way to Langfuse and back: cases in, results and evidence out."""

from toolkit.langfuse._cases_dataset import DatasetCases, HeldDataset, dataset_cases, held_cases, moment_text
from toolkit.langfuse._cases_prompt import EXPERIMENT, Linked, LinkedRead
from toolkit.langfuse._cases_row import OWN_KEY, FoundCase
from toolkit.langfuse._client import LangfuseClient
from toolkit.langfuse._heading import Heading, Outlet, project_settings
from toolkit.langfuse._ledger import Ledger, MemoryLedger
from toolkit.langfuse._live import LAST_S, LivePush
from toolkit.langfuse._push import Push, push_run, traces_of
from toolkit.langfuse._sending import PATIENCE_S, Tally
from toolkit.langfuse._tracer import CallTracer

__all__ = [
    "EXPERIMENT",
    "LAST_S",
    "OWN_KEY",
    "PATIENCE_S",
    "CallTracer",
    "DatasetCases",
    "FoundCase",
    "Heading",
    "HeldDataset",
    "LangfuseClient",
    "Ledger",
    "Linked",
    "LinkedRead",
    "LivePush",
    "MemoryLedger",
    "Outlet",
    "Push",
    "Tally",
    "dataset_cases",
    "held_cases",
    "moment_text",
    "project_settings",
    "push_run",
    "traces_of",
]
