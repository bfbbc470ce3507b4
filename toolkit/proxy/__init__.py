"""The proxy: OpenAI's chat completions over the same completion path, every call on record."""

from toolkit.proxy._app import ProxyApp
from toolkit.proxy._recorder import CallRecord, TrafficRecorder
from toolkit.proxy._server import ProxyServer

__all__ = ["CallRecord", "ProxyApp", "ProxyServer", "TrafficRecorder"]
