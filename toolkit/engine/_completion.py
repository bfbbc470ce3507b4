"""`completion` and `acompletion`: the call that LiteLLM's prompt management made known, over our completion path."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Any

from toolkit import _sync
from toolkit._canonical import canonical_json
from toolkit._records import FrozenDict, Outcome
from toolkit._redact import Secret
from toolkit.config import Dialect
from toolkit.engine._engine import Engine, default_engine
from toolkit.engine._reply import ModelResponse, chunk_reply, completion_body
from toolkit.engine._resolve import CompletionCall, Fallback, Way, prepare
from toolkit.engine._serve import complete, stream_complete
from toolkit.engine._trace import CallTrace, metadata_of, traced
from toolkit.errors import UsageError
from toolkit.prompts import SourceAccess
from toolkit.providers import Access

# Arguments of LiteLLM's call that steer LiteLLM itself; they would be wrong on the wire, and mean nothing here.
_OTHERS_ARGUMENTS = frozenset(
    "metadata caching cache logger_fn verbose custom_llm_provider litellm_call_id litellm_logging_obj model_list "
    "mock_response num_retries context_window_fallback_dict allowed_openai_params additional_drop_params drop_params "
    "force_timeout hf_model_name proxy_server_request tags no-log stream_response input_cost_per_token "
    "output_cost_per_token shared_session guardrails client ssl_verify request_timeout stream_timeout cooldown_time "
    "fallback_depth max_fallbacks base_model model_info model_config retry_policy retry_strategy ttl acompletion "
    "text_completion preset_cache_key complete_response async_call prompt_environment rpm tpm weight".split()
)
_OTHERS_PREFIXES = ("litellm_", "_litellm_", "mock_")

# Arguments that would change a request beside its body; leaving them out in silence would send something else.
_NOT_SENT = frozenset("extra_headers headers default_headers extra_query organization".split())

_PLAIN = (str, int, float, Mapping, list, tuple, type(None))  # a bool is an int


class Stream:
    """A streamed completion: iterate it for chunks, plainly or with `async for`; leaving early cancels the request.

    `next` and `anext` take one chunk; a loop behind them goes on from there.
    """

    def __init__(self, chunks: AsyncIterator[Mapping[str, Any]], *, trace: CallTrace | None = None) -> None:
        self._chunks = chunks
        self._trace = trace
        self._plain: Iterator[ModelResponse] | None = None
        self._awaited: AsyncIterator[ModelResponse] | None = None

    @property
    def trace_url(self) -> str | None:
        """Address of the call's trace in Langfuse once the stream has ended; `None` where calls are not traced."""
        return None if self._trace is None else self._trace.find_url()

    def __iter__(self) -> Iterator[ModelResponse]:
        # Not kept here: a loop that is left lets go of its iterator, and that cancels the request.
        return self._plain or self._read()

    def __next__(self) -> ModelResponse:
        self._plain = self._plain or self._read()
        return next(self._plain)

    def __aiter__(self) -> AsyncIterator[ModelResponse]:
        return self._awaited or self._aread()

    async def __anext__(self) -> ModelResponse:
        self._awaited = self._awaited or self._aread()
        return await anext(self._awaited)

    def _read(self) -> Iterator[ModelResponse]:
        for chunk in _sync.iterate(self._chunks):
            yield chunk_reply(chunk)

    async def _aread(self) -> AsyncIterator[ModelResponse]:
        async for chunk in _sync.aiterate(self._chunks):
            yield chunk_reply(chunk)


async def acompletion(
    model: str,
    messages: Sequence[Mapping[str, Any]] | None = None,
    *,
    prompt_id: str | None = None,
    prompt_variables: Mapping[str, Any] | None = None,
    prompt_version: int | str | None = None,
    prompt_label: str | None = None,
    stream: bool = False,
    api_key: str | Secret | None = None,
    api_base: str | None = None,
    timeout: float | None = None,  # noqa: ASYNC109  the name is LiteLLM's
    max_retries: int | None = None,
    fallbacks: Sequence[str | Mapping[str, Any]] | None = None,
    strict: bool | None = None,
    dialect: Dialect | None = None,
    ignore_prompt_manager_model: bool = False,
    ignore_prompt_manager_optional_params: bool = False,
    langfuse_public_key: str | None = None,
    langfuse_secret: str | Secret | None = None,
    langfuse_secret_key: str | Secret | None = None,
    langfuse_host: str | None = None,
    humanloop_api_key: str | Secret | None = None,
    api_version: str | None = None,
    engine: Engine | None = None,
    **params: Any,
) -> Any:
    """As `completion`, awaited; with `stream=True` it returns a stream for `async for`."""
    # First of all, so that no traceback with local variables shows one.
    api_key, humanloop_api_key = _secret(api_key), _secret(humanloop_api_key)
    langfuse_secret, langfuse_secret_key = _secret(langfuse_secret), _secret(langfuse_secret_key)
    call = make_call({name: value for name, value in locals().items() if name not in ("params", "engine")}, params)
    engine = engine or default_engine()
    trace = traced(engine, call)
    if stream:
        # What is wrong with the call is told by the call, not by the first chunk.
        prepared = await _sync.bridge(prepare(engine, call, draw=engine.rng.random()))
        return Stream(stream_complete(engine, call, prepared=prepared, trace=trace), trace=trace)
    return _reply(*await _sync.bridge(complete(engine, call, trace=trace)), trace)


def completion(
    model: str,
    messages: Sequence[Mapping[str, Any]] | None = None,
    *,
    prompt_id: str | None = None,
    prompt_variables: Mapping[str, Any] | None = None,
    prompt_version: int | str | None = None,
    prompt_label: str | None = None,
    stream: bool = False,
    api_key: str | Secret | None = None,
    api_base: str | None = None,
    timeout: float | None = None,
    max_retries: int | None = None,
    fallbacks: Sequence[str | Mapping[str, Any]] | None = None,
    strict: bool | None = None,
    dialect: Dialect | None = None,
    ignore_prompt_manager_model: bool = False,
    ignore_prompt_manager_optional_params: bool = False,
    langfuse_public_key: str | None = None,
    langfuse_secret: str | Secret | None = None,
    langfuse_secret_key: str | Secret | None = None,
    langfuse_host: str | None = None,
    humanloop_api_key: str | Secret | None = None,
    api_version: str | None = None,
    engine: Engine | None = None,
    **params: Any,
) -> Any:
    """Sends one completion, from a managed prompt or from messages, and returns an answer that reads like OpenAI's.

    With a managed prompt, `messages` are ignored: a text prompt is sent as one user message, a chat prompt as it is.
    The model is the prompt's own where its config names one, else `model`; params are the caller's over the prompt's
    over config.yaml's.

    Args:
        model: `langfuse/<model>`, `humanloop/<model>` or `folder/<model>` for a managed prompt; `provider/<model>`, a
            `model_name` of config.yaml, or a bare `gpt-...`, `claude-...`, `gemini-...` otherwise.
        messages: What to send when there is no managed prompt; never changed.
        prompt_id: Name of the managed prompt.
        prompt_variables: Values for its placeholders.
        prompt_version: Its version; with neither version nor label, the source's default (Langfuse: `production`).
        prompt_label: Its label.
        stream: Returns the answer in chunks as they arrive.
        api_key: Key for the provider; `None` = config.yaml's, else the environment's.
        api_base: Address of the provider; it is sent no key of the environment.
        timeout: Seconds for one attempt; `None` = config.yaml's, else 120.
        max_retries: Tries after the first; `None` = 2.
        fallbacks: Models that get the same messages, once each, when the one before failed: names, or maps of `model`
            and what is different there (`api_key`, `api_base`, `api_version`, `timeout`, chat parameters).
        strict: True raises when a placeholder has no value; otherwise it is sent as written, with a warning.
        dialect: `litellm` sends text prompts as system messages and the caller's messages after the prompt's.
        ignore_prompt_manager_model: Keeps the caller's model although the prompt names one.
        ignore_prompt_manager_optional_params: Leaves the prompt's params away.
        langfuse_public_key: Langfuse project; `None` = config.yaml's, else the environment's.
        langfuse_secret: Its secret key; goes before `langfuse_secret_key`.
        langfuse_secret_key: The same by another name.
        langfuse_host: Its address; it is sent no key of the environment.
        humanloop_api_key: Humanloop's key.
        api_version: Azure's API version.
        engine: A configuration of its own; `None` = the one that `configure` set, else the environment's.
        **params: Chat parameters by their OpenAI names; `None` takes one of the prompt's away. `base_url` is another
            name of `api_base`, and the fields of `extra_body` are parameters like others.
            `metadata` is not sent: it says `trace_user_id`, `session_id`, `tags`, `trace_name` of a traced call.

    Returns:
        An answer with `.choices[0].message.content`, `.usage`, `.model_dump()`, and `.prompt`, `.request`, `.cost`,
        `.latency`, `.trace_url`; with `stream=True` an iterator of chunks with `.choices[0].delta.content`.

    Raises:
        UsageError: If the call makes no sense; the message names the argument.
        PromptError: If the prompt cannot be had or rendered.
        ProviderError: If the provider, and every fallback, failed.

    Example:
        >>> completion(model="langfuse/gpt-4o-mini", prompt_id="support-reply",
        ...            prompt_variables={"question": "..."}).choices[0].message.content    # doctest: +SKIP
    """
    # First of all, so that no traceback with local variables shows one.
    api_key, humanloop_api_key = _secret(api_key), _secret(humanloop_api_key)
    langfuse_secret, langfuse_secret_key = _secret(langfuse_secret), _secret(langfuse_secret_key)
    call = make_call({name: value for name, value in locals().items() if name not in ("params", "engine")}, params)
    engine = engine or default_engine()
    trace = traced(engine, call)
    if stream:
        prepared = _sync.run(prepare(engine, call, draw=engine.rng.random()))
        return Stream(stream_complete(engine, call, prepared=prepared, trace=trace), trace=trace)
    return _reply(*_sync.run(complete(engine, call, trace=trace)), trace)


def make_call(arguments: Mapping[str, Any], params: Mapping[str, Any]) -> CompletionCall:
    """Returns the call that the arguments of `completion` mean.

    Args:
        arguments: By name, without `engine` and the chat parameters.
        params: Chat parameters.

    Raises:
        UsageError: If `model` is no text, or an argument is `os.environ/NAME`, which only config.yaml resolves.
    """
    _check(arguments, params)
    version = arguments["prompt_version"]
    secret = arguments["langfuse_secret"] or arguments["langfuse_secret_key"]
    return CompletionCall(
        model=arguments["model"],
        messages=arguments["messages"],
        prompt_id=arguments["prompt_id"],
        prompt_variables=arguments["prompt_variables"],
        prompt_version=None if version is None else str(version),
        prompt_label=arguments["prompt_label"],
        access=_access(arguments, params.get("base_url")),
        source_access=SourceAccess(
            langfuse_public_key=arguments["langfuse_public_key"],
            langfuse_secret_key=_secret(secret),
            langfuse_host=arguments["langfuse_host"],
            humanloop_api_key=_secret(arguments["humanloop_api_key"]),
        ),
        stream=bool(arguments["stream"]),
        timeout_s=arguments["timeout"],
        max_retries=arguments["max_retries"],
        fallbacks=_fallbacks(arguments["fallbacks"]),
        strict=bool(arguments["strict"]),
        dialect=arguments["dialect"],
        ignore_model=arguments["ignore_prompt_manager_model"],
        ignore_params=arguments["ignore_prompt_manager_optional_params"],
        params=_chat_params(params),
        metadata=metadata_of(params.get("metadata")),
    )


def _check(arguments: Mapping[str, Any], params: Mapping[str, Any]) -> None:
    for name, value in {**arguments, **params}.items():
        text = value.reveal() if isinstance(value, Secret) else value
        if isinstance(text, str) and text.startswith("os.environ/"):
            variable = text.removeprefix("os.environ/")
            raise UsageError(
                f"`{name}` is 'os.environ/{variable}': that form is for config.yaml. In a call read the variable "
                f"yourself: {name}=os.environ[{variable!r}]."
            )
    if not isinstance(arguments["model"], str) or not arguments["model"]:
        raise UsageError(f"`model` is text such as 'openai/gpt-4o-mini'; got {arguments['model']!r}.")
    for name in ("prompt_id", "prompt_label"):
        if arguments[name] is not None and (not isinstance(arguments[name], str) or not arguments[name]):
            raise UsageError(f"`{name}` is text that is not empty; got {arguments[name]!r}.")
    version = arguments["prompt_version"]
    if version is not None and (isinstance(version, bool) or not isinstance(version, int | str) or version == ""):
        raise UsageError(f"`prompt_version` is a number or text that is not empty; got {version!r}.")
    if arguments["dialect"] not in (None, "toolkit", "litellm"):
        raise UsageError(f"`dialect` is 'toolkit' or 'litellm'; got {arguments['dialect']!r}.")


def _access(arguments: Mapping[str, Any], base_url: str | None) -> Access:
    return Access(
        api_key=_secret(arguments.get("api_key")),
        api_base=arguments.get("api_base") or base_url,
        api_version=arguments.get("api_version"),
    )


def _chat_params(given: Mapping[str, Any], *, besides: Collection[str] = ("base_url",)) -> FrozenDict:
    """Returns the parameters to send out of the further arguments of a call.

    Raises:
        UsageError: If one cannot be sent; the message names it.
    """
    beside = given.get("extra_body") or {}
    if not isinstance(beside, Mapping) or {"model", "messages", "stream"} & set(beside):
        raise UsageError(f"`extra_body` is a map of fields, without model, messages and stream; got {beside!r}.")
    params: dict[str, Any] = {}
    for name, value in (*given.items(), *beside.items()):
        if name in _OTHERS_ARGUMENTS or name == "extra_body" or name in besides or name.startswith(_OTHERS_PREFIXES):
            continue
        if name in _NOT_SENT and value is not None:
            raise UsageError(f"`{name}` is not supported: a request is its body and the credential; leave it out.")
        if not isinstance(value, _PLAIN):
            raise UsageError(f"`{name}` must be JSON (text, number, list, map); got a {type(value).__name__}.")
        try:
            canonical_json(value)
        except (TypeError, ValueError) as error:
            raise UsageError(f"`{name}` must be plain JSON, and {value!r} is not: {error}") from error
        params[name] = value
    return FrozenDict(params)


def _fallbacks(given: Any) -> tuple[Fallback, ...]:
    """Returns the models to go on to.

    Raises:
        UsageError: If an entry is neither a model's name nor a map with one.
    """
    fallbacks = []
    for one in [given] if isinstance(given, str | Mapping) else given or ():
        entry: Any = {"model": one} if isinstance(one, str) else one
        model = entry.get("model") if isinstance(entry, Mapping) else None
        if not isinstance(model, str) or not model or {"messages", "prompt_id", "stream"} & set(entry):
            raise UsageError(
                "`fallbacks` is a list of models: names such as 'openai/gpt-4o-mini', or maps such as "
                f"{{'model': 'openai/gpt-4o-mini', 'temperature': 0}}, which get the same messages; got {one!r}."
            )
        own = ("model", "api_key", "api_base", "base_url", "api_version", "timeout")
        fallbacks.append(
            Fallback(
                model=model,
                access=_access(entry, entry.get("base_url")),
                timeout_s=entry.get("timeout"),
                params=_chat_params(entry, besides=own),
            )
        )
    return tuple(fallbacks)


def _secret(value: str | Secret | None) -> Secret | None:
    return Secret(value) if isinstance(value, str) and value else value or None


def _reply(way: Way, outcome: Outcome, trace: CallTrace | None) -> ModelResponse:
    response = outcome.response
    assert response is not None  # noqa: S101  complete() raises when there is none
    body = completion_body(response, way.sent.request)
    return ModelResponse(body, way.sent, response, outcome.cost_usd, None if trace is None else trace.find_url)
