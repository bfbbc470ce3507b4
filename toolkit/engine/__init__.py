"""The completion path: resolve, render, request, call, outcome; one for sweeps and single completions."""

from toolkit.engine._call import DEFAULT_TIMEOUT_S, Caller, Ledger, call, failure_of
from toolkit.engine._clock import Clock, SystemClock
from toolkit.engine._completion import Stream, acompletion, completion, make_call
from toolkit.engine._engine import Engine, configure, default_engine, set_default_engine
from toolkit.engine._limits import DEFAULT_CONCURRENCY, Slots
from toolkit.engine._reply import ModelResponse, PromptUsed, Sent, WireObject, completion_body
from toolkit.engine._request import build_request, config_model, effective_params, takeable
from toolkit.engine._resolve import CompletionCall, Prepared, Way, prepare
from toolkit.engine._retry import RetryPolicy, Tries, after_failure, backoff_s
from toolkit.engine._route import Route, Target, choose, find_route, follow, targets
from toolkit.engine._serve import Entry, Recorder, complete, stream_complete

__all__ = [
    "DEFAULT_CONCURRENCY",
    "DEFAULT_TIMEOUT_S",
    "Caller",
    "Clock",
    "CompletionCall",
    "Engine",
    "Entry",
    "Ledger",
    "ModelResponse",
    "Prepared",
    "PromptUsed",
    "Recorder",
    "RetryPolicy",
    "Route",
    "Sent",
    "Slots",
    "Stream",
    "SystemClock",
    "Target",
    "Tries",
    "Way",
    "WireObject",
    "acompletion",
    "after_failure",
    "backoff_s",
    "build_request",
    "call",
    "choose",
    "complete",
    "completion",
    "completion_body",
    "config_model",
    "configure",
    "default_engine",
    "effective_params",
    "failure_of",
    "find_route",
    "follow",
    "make_call",
    "prepare",
    "set_default_engine",
    "stream_complete",
    "takeable",
    "targets",
]
