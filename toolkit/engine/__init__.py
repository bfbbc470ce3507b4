"""The completion path: resolve, render, request, call, outcome; one for sweeps and single completions."""

from toolkit.engine._call import DEFAULT_TIMEOUT_S, Caller, Ledger, call, failure_of
from toolkit.engine._clock import Clock, SystemClock
from toolkit.engine._engine import Engine, default_engine, set_default_engine
from toolkit.engine._limits import DEFAULT_CONCURRENCY, Slots
from toolkit.engine._request import CHAT_PARAMS, build_request, config_model, effective_params
from toolkit.engine._retry import RetryPolicy, Tries, after_failure, backoff_s

__all__ = [
    "CHAT_PARAMS",
    "DEFAULT_CONCURRENCY",
    "DEFAULT_TIMEOUT_S",
    "Caller",
    "Clock",
    "Engine",
    "Ledger",
    "RetryPolicy",
    "Slots",
    "SystemClock",
    "Tries",
    "after_failure",
    "backoff_s",
    "build_request",
    "call",
    "config_model",
    "default_engine",
    "effective_params",
    "failure_of",
    "set_default_engine",
]
