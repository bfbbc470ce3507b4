"""OpenAI's JSON to a completion call, field by field from an allow-list, and answers back to JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote

from toolkit._records import CHAT_PARAMS, FrozenDict
from toolkit.engine import CompletionCall, metadata_of
from toolkit.proxy._refusal import Refused

MAX_BODY_BYTES = 10_000_000
MAX_JSON_DEPTH = 64

# Our own fields, at the top level of the body: what the OpenAI SDK's `extra_body` puts there.
_PROMPT_FIELDS = frozenset({"prompt_id", "prompt_variables", "prompt_version", "prompt_label"})

# The rest of OpenAI's chat completions: sent on as they are, and only because the client sent them.
_OPENAI_FIELDS = CHAT_PARAMS | frozenset(
    "audio function_call functions metadata modalities prediction prompt_cache_key prompt_cache_retention "
    "safety_identifier service_tier store verbosity web_search_options".split()
)

# What would choose where a request goes, with which key, or how it is steered: the config's to say, never a client's.
_REFUSED_FIELDS = frozenset(
    "api_base api_key api_type api_version base_url custom_llm_provider default_headers deployment_id dialect "
    "extra_body extra_headers extra_query fallbacks headers http_client ignore_prompt_manager_model "
    "ignore_prompt_manager_optional_params max_retries mock_response model_list organization project proxy "
    "router strict timeout user_config".split()
)
_REFUSED_PREFIXES = ("langfuse_", "humanloop_", "litellm_", "aws_", "azure_", "vertex_", "gcs_", "s3_", "sagemaker_")

_CONTROL = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client asks for."""

    call: CompletionCall
    stream: bool
    user: str | None
    dropped: tuple[str, ...] = ()
    """Fields that mean nothing here and were left out."""


def read_json(content: bytes) -> dict[str, Any]:
    """Returns the object of a request's body; of equal keys the last counts.

    Raises:
        Refused: 400, if it is not JSON, not an object, nested deeper than 64, or has a number that JSON has not.
    """
    try:
        body = _DECODER.decode(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refused(400, f"The body is not valid JSON: {reason}.") from None
    if not isinstance(body, dict):
        raise Refused(400, f"The body is a JSON object; got {type(body).__name__}.")
    # Counting brackets is an upper bound that nearly every body passes.
    if content.count(b"{") + content.count(b"[") > MAX_JSON_DEPTH and _depth(body) > MAX_JSON_DEPTH:
        raise Refused(400, f"The body is nested deeper than {MAX_JSON_DEPTH} levels.")
    return body


def read_call(body: Mapping[str, Any], *, model: str | None = None) -> Asked:
    """Returns the call that a body means; only fields of the allow-list are read.

    Args:
        body: As `read_json` gives it.
        model: Stands before the body's; `None` = the body's.

    Raises:
        Refused: 400, if a field is refused or has the wrong form.
    """
    params: dict[str, Any] = {}
    dropped: list[str] = []
    for name, value in body.items():
        if name in _OPENAI_FIELDS:
            params[name] = value
        elif name in ("model", "messages") or name in _PROMPT_FIELDS:
            continue
        elif name in _REFUSED_FIELDS or name.startswith(_REFUSED_PREFIXES):
            raise Refused(
                400, f"The field {name!r} is not a client's to set; the proxy's config.yaml says it.", param=name
            )
        else:
            dropped.append(name)
    stream = params.pop("stream", None)
    if stream is not None and not isinstance(stream, bool):
        raise Refused(400, f"`stream` is true or false; got {stream!r}.", param="stream")
    variables = body.get("prompt_variables")
    if variables is not None and not isinstance(variables, dict):
        raise Refused(
            400, f"`prompt_variables` is a map of names to values; got {variables!r}.", param="prompt_variables"
        )
    if body.get("prompt_version") is not None and body.get("prompt_label") is not None:
        raise Refused(400, "Give `prompt_version` or `prompt_label`, not both.", param="prompt_version")
    if not stream:
        params.pop("stream_options", None)
    call = CompletionCall(
        model=model or _text(body, "model") or _no_model(),
        messages=body.get("messages"),
        prompt_id=_text(body, "prompt_id"),
        prompt_variables=variables,
        prompt_version=_version(body),
        prompt_label=_text(body, "prompt_label"),
        stream=bool(stream),
        params=FrozenDict(params),
        metadata=metadata_of(body.get("metadata")),
    )
    return Asked(call=call, stream=bool(stream), user=_text(body, "user"), dropped=tuple(dropped))


def _no_model() -> NoReturn:
    raise Refused(400, "`model` is missing; GET /v1/models lists what there is.", param="model")


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None or (isinstance(value, str) and value and _is_unicode(value)):
        return value
    raise Refused(400, f"`{name}` is text that is not empty; got {value!r}.", param=name)


def _is_unicode(text: str) -> bool:
    """False for a lone half of a surrogate pair, which JSON can write and no address can hold."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _version(body: Mapping[str, Any]) -> str | None:
    value = body.get("prompt_version")
    if value is None or (isinstance(value, str) and value):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(400, f"`prompt_version` is a whole number or text; got {value!r}.", param="prompt_version")
    return str(value)


def to_json(body: Mapping[str, Any]) -> bytes:
    """Returns JSON in ASCII, which holds every text, lone surrogates too.

    Raises:
        ValueError: If a number is none that JSON has.
    """
    return _ENCODER.encode(body).encode("ascii")


def header_text(value: str) -> bytes:
    r"""Returns `value` for a header: printable ASCII as it is, everything else and `%` percent-encoded as UTF-8.

    Example:
        >>> header_text("team/größe"), header_text("a\r\nset-cookie: b")
        (b'team/gr%C3%B6%C3%9Fe', b'a%0D%0Aset-cookie: b')
    """
    if "%" not in value and _CONTROL.search(value) is None:
        return value.encode("ascii")
    printable = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
    return quote(value.encode("utf-8", "surrogatepass"), safe=printable).encode("ascii")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is out of range")
    return number


def _depth(value: Any) -> int:
    """Levels of maps and lists, counted without recursion."""
    deepest, level = 0, [value]
    while level:
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list):
                below += item
        deepest += any(isinstance(item, dict | list) for item in level)
        level = below
    return deepest


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
