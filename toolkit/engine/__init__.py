"""The completion path: resolve, render, request, call, outcome; one for sweeps and single completions."""

from toolkit.engine._budget import (
    NOTHING,
    Budget,
    Reservation,
    Spend,
    check_caps,
    input_estimate,
    spent_on,
    usd_words,
    worst_case,
)
from toolkit.engine._cache import InFlight, copy_for
from toolkit.engine._call import DEFAULT_TIMEOUT_S, Caller, Ledger, call, failure_of
from toolkit.engine._clock import Clock, SystemClock
from toolkit.engine._completion import Stream, acompletion, completion, make_call
from toolkit.engine._engine import Engine, configure, default_engine, set_default_engine
from toolkit.engine._limits import FATAL_KINDS, LimitChange, Place, Slots
from toolkit.engine._limits_level import CEILING as DEFAULT_CONCURRENCY
from toolkit.engine._offline import Offline
from toolkit.engine._reply import ModelResponse, PromptUsed, Sent, WireObject, completion_body
from toolkit.engine._request import build_request, config_model, effective_params, takeable
from toolkit.engine._resolve import CompletionCall, Prepared, Way, prepare
from toolkit.engine._retry import RetryPolicy, Tries, after_failure, backoff_s
from toolkit.engine._route import Route, Target, choose, find_route, follow, targets
from toolkit.engine._serve import Entry, Recorder, complete, stream_complete
from toolkit.engine._trace import CallTrace, metadata_of, traced
from toolkit.engine._tracing import Tracer, with_traces

__all__ = [
    "DEFAULT_CONCURRENCY",
    "DEFAULT_TIMEOUT_S",
    "FATAL_KINDS",
    "NOTHING",
    "Budget",
    "CallTrace",
    "Caller",
    "Clock",
    "CompletionCall",
    "Engine",
    "Entry",
    "InFlight",
    "Ledger",
    "LimitChange",
    "ModelResponse",
    "Offline",
    "Place",
    "Prepared",
    "PromptUsed",
    "Recorder",
    "Reservation",
    "RetryPolicy",
    "Route",
    "Sent",
    "Slots",
    "Spend",
    "Stream",
    "SystemClock",
    "Target",
    "Tracer",
    "Tries",
    "Way",
    "WireObject",
    "acompletion",
    "after_failure",
    "backoff_s",
    "build_request",
    "call",
    "check_caps",
    "choose",
    "complete",
    "completion",
    "completion_body",
    "config_model",
    "configure",
    "copy_for",
    "default_engine",
    "effective_params",
    "failure_of",
    "find_route",
    "follow",
    "input_estimate",
    "make_call",
    "metadata_of",
    "prepare",
    "set_default_engine",
    "spent_on",
    "stream_complete",
    "takeable",
    "targets",
    "traced",
    "usd_words",
    "with_traces",
    "worst_case",
]
