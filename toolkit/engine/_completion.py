"""`completion` and `acompletion`: the call that LiteLLM's prompt management made known, over our completion path."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from toolkit import _sync
from toolkit._records import FrozenDict, Outcome
from toolkit._redact import Secret
from toolkit.config import Dialect
from toolkit.engine._engine import Engine, default_engine
from toolkit.engine._reply import ModelResponse, completion_body
from toolkit.engine._resolve import CompletionCall
from toolkit.engine._serve import complete, stream_complete
from toolkit.errors import UsageError
from toolkit.prompts import SourceAccess
from toolkit.providers import Access

# Arguments of LiteLLM's call that steer LiteLLM itself; they would be wrong on the wire, and mean nothing here.
_OTHERS_ARGUMENTS = frozenset(
    "metadata caching cache logger_fn verbose custom_llm_provider litellm_call_id litellm_logging_obj model_list "
    "mock_response num_retries context_window_fallback_dict allowed_openai_params additional_drop_params drop_params "
    "force_timeout hf_model_name proxy_server_request tags no-log stream_response input_cost_per_token "
    "output_cost_per_token shared_session guardrails".split()
)


class Stream:
    """A streamed completion: iterate it for chunks, plainly or with `async for`; leaving early cancels the request."""

    def __init__(self, chunks: AsyncIterator[Mapping[str, Any]]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[ModelResponse]:
        for chunk in _sync.iterate(self._chunks):
            yield ModelResponse(chunk)

    async def __aiter__(self) -> AsyncIterator[ModelResponse]:
        async for chunk in _sync.aiterate(self._chunks):
            yield ModelResponse(chunk)


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
    fallbacks: Sequence[str] | None = None,
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
    call = make_call(
        {name: value for name, value in locals().items() if name not in ("params", "engine", "stream")}, params
    )
    engine = engine or default_engine()
    if stream:
        return Stream(stream_complete(engine, call))
    return _reply(*await _sync.bridge(complete(engine, call)))


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
    fallbacks: Sequence[str] | None = None,
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
        fallbacks: Models that get the same messages, once each, when the one before failed.
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
        **params: Chat parameters by their OpenAI names; `None` takes one of the prompt's away.

    Returns:
        An answer with `.choices[0].message.content`, `.usage`, `.model_dump()`, and `.prompt`, `.request`, `.cost`,
        `.latency`; with `stream=True` an iterator of chunks with `.choices[0].delta.content`.

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
    call = make_call(
        {name: value for name, value in locals().items() if name not in ("params", "engine", "stream")}, params
    )
    engine = engine or default_engine()
    if stream:
        return Stream(stream_complete(engine, call))
    return _reply(*_sync.run(complete(engine, call)))


def make_call(arguments: Mapping[str, Any], params: Mapping[str, Any]) -> CompletionCall:
    """Returns the call that the arguments of `completion` mean.

    Args:
        arguments: By name, without `stream`, `engine` and the chat parameters.
        params: Chat parameters.

    Raises:
        UsageError: If `model` is no text, or an argument is `os.environ/NAME`, which only config.yaml resolves.
    """
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
    version = arguments["prompt_version"]
    secret = arguments["langfuse_secret"] or arguments["langfuse_secret_key"]
    return CompletionCall(
        model=arguments["model"],
        messages=arguments["messages"],
        prompt_id=arguments["prompt_id"],
        prompt_variables=arguments["prompt_variables"],
        prompt_version=None if version is None else str(version),
        prompt_label=arguments["prompt_label"],
        access=Access(
            api_key=_secret(arguments["api_key"]),
            api_base=arguments["api_base"],
            api_version=arguments["api_version"],
        ),
        source_access=SourceAccess(
            langfuse_public_key=arguments["langfuse_public_key"],
            langfuse_secret_key=_secret(secret),
            langfuse_host=arguments["langfuse_host"],
            humanloop_api_key=_secret(arguments["humanloop_api_key"]),
        ),
        timeout_s=arguments["timeout"],
        max_retries=arguments["max_retries"],
        fallbacks=tuple(arguments["fallbacks"] or ()),
        strict=bool(arguments["strict"]),
        dialect=arguments["dialect"],
        ignore_model=arguments["ignore_prompt_manager_model"],
        ignore_params=arguments["ignore_prompt_manager_optional_params"],
        params=FrozenDict({name: value for name, value in params.items() if name not in _OTHERS_ARGUMENTS}),
    )


def _secret(value: str | Secret | None) -> Secret | None:
    return Secret(value) if isinstance(value, str) and value else value or None


def _reply(way: Any, outcome: Outcome) -> ModelResponse:
    response = outcome.response
    assert response is not None  # noqa: S101  complete() raises when there is none
    body = completion_body(response, way.sent.request)
    return ModelResponse(body, way.sent, response, outcome.cost_usd)
