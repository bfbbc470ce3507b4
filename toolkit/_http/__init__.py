"""HTTP for every source and provider: requests, event streams, deadlines, plain failures out."""

from toolkit._http._body import MAX_BODY_BYTES, describe_body, encode_json, parse_json
from toolkit._http._client import IDLE_TIMEOUT_S, HttpClient, HttpResponse, HttpStream
from toolkit._http._failure import HttpFailure, HttpFailureKind
from toolkit._http._routes import tls_context
from toolkit._http._wire import CONNECT_TIMEOUT_S

__all__ = [
    "CONNECT_TIMEOUT_S",
    "IDLE_TIMEOUT_S",
    "MAX_BODY_BYTES",
    "HttpClient",
    "HttpFailure",
    "HttpFailureKind",
    "HttpResponse",
    "HttpStream",
    "describe_body",
    "encode_json",
    "parse_json",
    "tls_context",
]
