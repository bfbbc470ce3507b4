"""From a completion call to the request: which prompt, which model, which params, and where each came from."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from toolkit._records import CHAT_PARAMS, EMPTY, FrozenDict, Message, Prompt, Request
from toolkit.config import Dialect, PromptEntry
from toolkit.engine._entries import access_of, entry_access, entry_prompt_id, source_of
from toolkit.engine._reply import Sent
from toolkit.engine._request import config_model, takeable
from toolkit.engine._route import PROMPT_MANAGERS, Route, Target, find_route, first_set, follow
from toolkit.errors import MissingKeyError, MissingVariableWarning, UsageError
from toolkit.prompts import SourceAccess, as_message, placeholders, render
from toolkit.providers import Access

if TYPE_CHECKING:
    from toolkit.engine._engine import Engine

NO_ACCESS = Access()
NO_SOURCE_ACCESS = SourceAccess()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """A model to go on to, and what is different there."""

    model: str
    access: Access = NO_ACCESS
    timeout_s: float | None = None
    params: FrozenDict = EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionCall:
    """The arguments of `completion`, as they are described there."""

    model: str
    messages: Any = None
    prompt_id: str | None = None
    prompt_variables: Mapping[str, Any] | None = None
    prompt_version: str | None = None
    prompt_label: str | None = None
    access: Access = NO_ACCESS
    source_access: SourceAccess = NO_SOURCE_ACCESS
    stream: bool = False
    timeout_s: float | None = None
    max_retries: int | None = None
    fallbacks: tuple[Fallback, ...] = ()
    strict: bool = False
    dialect: Dialect | None = None
    ignore_model: bool = False
    ignore_params: bool = False
    params: FrozenDict = EMPTY
    metadata: FrozenDict = EMPTY
    """What is told of the call where it is traced, by LiteLLM's names; never sent to a provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One request and who answers it."""

    sent: Sent
    route: Route
    timeout_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A completion call, resolved: the request, and the same for each fallback."""

    ways: tuple[Way, ...]
    """The first is what was asked for; the others are its fallbacks, in order."""
    variables: FrozenDict
    source_access: SourceAccess | None = None
    """Where the prompt's source is, or a traced call's project, when the call or config.yaml says so; `None` = as the
    settings have it."""


async def prepare(engine: Engine, call: CompletionCall, *, draw: float) -> Prepared:
    """Resolves a call without sending anything to a provider.

    Args:
        engine: Sources, providers and config.yaml.
        call: The arguments.
        draw: A number from 0 up to 1 that chooses among deployments of one name.

    Raises:
        UsageError: If the call makes no sense; the message names the argument.
        PromptError: If the prompt cannot be had or rendered.
        UnknownNameError: If there is no such model or provider.
    """
    target = follow(call.model, engine.config, draw=draw)
    prompt, entry, access = await _find_prompt(engine, call, target)
    variables = _variables(call, target)
    messages = _messages(engine, call, prompt, variables)
    chosen, model_source = _choose_model(engine, call, target, prompt, entry, draw=draw)
    ways = [_way(engine, call, prompt, entry, messages, chosen, first=target, model_source=model_source)]
    for fallback in call.fallbacks:
        other = follow(fallback.model, engine.config, draw=draw)
        source = "alias" if other.is_alias else "caller"
        alone = replace(
            call,
            access=fallback.access,
            timeout_s=call.timeout_s if fallback.timeout_s is None else fallback.timeout_s,
            params=FrozenDict({**call.params, **fallback.params}),
        )
        ways.append(_way(engine, alone, prompt, entry, messages, other, first=other, model_source=source))
    return Prepared(ways=tuple(ways), variables=variables, source_access=access)


async def _find_prompt(
    engine: Engine, call: CompletionCall, target: Target
) -> tuple[Prompt | None, PromptEntry | None, SourceAccess | None]:
    """The managed prompt, the entry of config.yaml that names it, and where its source is, if that is said."""
    prompt_id = call.prompt_id or first_set(target.deployments, "prompt_id")
    entries = engine.config.prompts if engine.config is not None else {}
    entry = entries.get(str(prompt_id)) if prompt_id is not None else None
    if entry is not None and target.source not in (None, entry.source):
        entry = None
    source = source_of(entry) if entry is not None else target.source
    if prompt_id is None:
        if source is not None:
            unset = [
                one.credentials.unset["prompt_id"] for one in target.deployments if "prompt_id" in one.credentials.unset
            ]
            why = f" ({unset[0]}, which config.yaml takes it from, is not set)" if unset else ""
            raise UsageError(
                f"The model {call.model!r} asks {source!r} for a prompt and `prompt_id` is not given{why}; "
                "give prompt_id='...', or leave the prefix away to send messages."
            )
        # Who is not asked for a prompt may be the one to tell of the call.
        return None, None, _source_access(engine, call, target, None) if engine.tracer is not None else None
    if source is None:
        raise UsageError(
            f"`prompt_id` {prompt_id!r} is given and nothing says where that prompt is: write the model as "
            f"'langfuse/{call.model}' (or 'folder/...', 'humanloop/...'), or name it under `prompts:` in config.yaml."
        )
    version, label = _version(call, target, entry)
    access = _source_access(engine, call, target, entry)
    try:
        prompt = await engine.sources.fetch(
            source,
            entry_prompt_id(entry) if entry is not None else str(prompt_id),
            version=version,
            label=label,
            access=access,
        )
    except MissingKeyError as error:
        raise _named_by_config(error, engine, target, entry) from error
    return prompt, entry, access


def _named_by_config(
    error: MissingKeyError, engine: Engine, target: Target, entry: PromptEntry | None
) -> MissingKeyError:
    """Returns the error that names the variable which config.yaml takes the missing key from, where it does."""
    given = [deployment.credentials for deployment in target.deployments]
    given += [entry.credentials] if entry is not None else []
    given += [engine.config.credentials] if engine.config is not None else []
    wanted = (error.variable or "").lower()
    for credentials in given:
        for name, variable in credentials.unset.items():
            if name == wanted or (name == "langfuse_secret" and wanted == "langfuse_secret_key"):
                return MissingKeyError(
                    f"config.yaml takes `{name}` from {variable}, which is not set; set it in the environment.",
                    variable=variable,
                )
    return error


def _version(call: CompletionCall, target: Target, entry: PromptEntry | None) -> tuple[str | None, str | None]:
    """The call's version and label replace the deployment's, which replace the entry's."""
    if call.prompt_version is not None or call.prompt_label is not None:
        return call.prompt_version, call.prompt_label
    for deployment in target.deployments:
        # A version belongs to the prompt that it is written beside, not to another one that the call names.
        is_same = call.prompt_id is None or call.prompt_id == deployment.prompt_id
        if is_same and (deployment.prompt_version is not None or deployment.prompt_label is not None):
            return deployment.prompt_version, deployment.prompt_label
    return (entry.version, entry.label) if entry is not None else (None, None)


def _source_access(
    engine: Engine, call: CompletionCall, target: Target, entry: PromptEntry | None
) -> SourceAccess | None:
    """The first of call, deployments, entry and config.yaml's defaults that says where a project is, whole.

    Never mixed: a key of one with the address of another would send it to the wrong place.
    """
    general = engine.config.credentials if engine.config is not None else None
    given = [deployment.credentials for deployment in target.deployments]
    if entry is not None:
        given.append(entry.credentials)
    if general is not None:
        given.append(general)
    access = call.source_access
    for credentials in given:
        if access != NO_SOURCE_ACCESS:
            break
        of_entry = entry is not None and credentials is entry.credentials
        access = entry_access(entry) if of_entry and entry is not None else access_of(credentials)
    if access == NO_SOURCE_ACCESS:
        return None
    if general is not None and access.langfuse_secret_key and not access.langfuse_host:
        # Keys without a host are for the host that config.yaml names for all, before any other.
        return replace(access, langfuse_host=general.langfuse_host)
    return access


def _variables(call: CompletionCall, target: Target) -> FrozenDict:
    if call.prompt_variables is None:
        return next((one.prompt_variables for one in target.deployments if one.prompt_variables), EMPTY)
    if not isinstance(call.prompt_variables, Mapping):
        raise UsageError(f"`prompt_variables` is a mapping of names to values; got {call.prompt_variables!r}.")
    return FrozenDict(call.prompt_variables)


def _messages(
    engine: Engine, call: CompletionCall, prompt: Prompt | None, variables: FrozenDict
) -> tuple[Message, ...]:
    if prompt is None:
        return _client_messages(call)
    rendered = render(prompt, variables, missing="error" if call.strict else "keep")
    missing = [] if call.strict else [name for name in placeholders(prompt) if name not in variables]
    if missing:
        warnings.warn(
            f"The prompt {prompt.reference!r} has no value for {', '.join(map(repr, missing))}; sent as written.",
            MissingVariableWarning,
            stacklevel=2,
        )
    dialect = call.dialect or (engine.config.dialect if engine.config is not None else "toolkit")
    if dialect == "toolkit":
        return rendered
    # As LiteLLM does it: a text prompt becomes a system message, and the client's messages follow the prompt's.
    if prompt.kind == "text":
        rendered = tuple(replace(message, role="system") for message in rendered)
    return (*rendered, *(_client_messages(call) if call.messages else ()))


def _client_messages(call: CompletionCall) -> tuple[Message, ...]:
    if not isinstance(call.messages, list | tuple) or not call.messages:
        raise UsageError(
            "`messages` is a list of at least one message such as {'role': 'user', 'content': '...'}; "
            f"got {call.messages!r}. For a managed prompt give `prompt_id` and a model such as 'langfuse/gpt-4o'."
        )
    try:
        return tuple(as_message(message) for message in call.messages)
    except (TypeError, ValueError) as error:
        raise UsageError(f"`messages` has an entry that is no message: {error}") from error


def _choose_model(
    engine: Engine,
    call: CompletionCall,
    target: Target,
    prompt: Prompt | None,
    entry: PromptEntry | None,
    *,
    draw: float,
) -> tuple[Target, str]:
    """The prompt's own model, unless it is to be ignored; a name of config.yaml goes on through that group, once."""
    ignored = (
        call.ignore_model
        or bool(first_set(target.deployments, "ignore_prompt_manager_model"))
        or (entry is not None and entry.ignore_model)
    )
    own = config_model(prompt) if prompt is not None and not ignored else None
    if own is None:
        return target, "alias" if target.is_alias else "caller"
    return follow(own, engine.config, draw=draw, entered=_led_to_prompt(call.model, target)), "prompt"


def _led_to_prompt(model: str, target: Target) -> list[str]:
    """The groups that led to the prompt; those behind it are for models, and the prompt may name one of them."""
    names: list[str] = []
    if target.deployments and target.deployments[0].model_name == model:
        for deployment in target.deployments:
            names.append(deployment.model_name)
            if deployment.model.partition("/")[0] in PROMPT_MANAGERS:
                return names
    return []


def _way(
    engine: Engine,
    call: CompletionCall,
    prompt: Prompt | None,
    entry: PromptEntry | None,
    messages: tuple[Message, ...],
    chosen: Target,
    *,
    first: Target,
    model_source: str,
) -> Way:
    if chosen is not first and _same_provider(engine, chosen, first):
        # The prompt chose another model of the provider that the caller's key and address are for.
        chosen = replace(chosen, deployments=(*first.deployments, *chosen.deployments))
    elif chosen is not first:
        # A prompt's config is data: it may choose a provider, but not have another provider's key sent there.
        call = replace(call, access=NO_ACCESS)
    route = find_route(chosen, engine.providers, access=call.access)
    params, param_sources = _params(call, prompt, entry, first, chosen)
    if engine.config is not None and engine.config.drop_params:
        params = takeable(params, route.provider.capabilities)
        param_sources = FrozenDict({name: param_sources[name] for name in params})
    request = Request(provider=route.provider.identity, model=route.model, messages=messages, params=params)
    return Way(
        sent=Sent(request=request, prompt=prompt, model_source=model_source, param_sources=param_sources),
        route=route,
        timeout_s=route.timeout_s if call.timeout_s is None else call.timeout_s,
    )


def _same_provider(engine: Engine, chosen: Target, first: Target) -> bool:
    """True when a key given for `first` is one for `chosen` too; a first name that is no model at all is for any."""
    if chosen.deployments:
        return False
    given = engine.providers.name_of(first.model)
    return given is None or given == engine.providers.name_of(chosen.model)


def _params(
    call: CompletionCall, prompt: Prompt | None, entry: PromptEntry | None, first: Target, chosen: Target
) -> tuple[FrozenDict, FrozenDict]:
    """The caller's over the prompt's over config.yaml's, and which of them each came from."""
    ignored = (
        call.ignore_params
        or bool(first_set(first.deployments, "ignore_prompt_manager_optional_params"))
        or (entry is not None and entry.ignore_params)
    )
    own = prompt.config if prompt is not None and not ignored else EMPTY
    # Whether an answer is streamed is the caller's to say: it decides what the call returns.
    unsent = {"stream"} if call.stream else {"stream", "stream_options"}
    layers = (
        ("config", chosen.params),
        ("config", first.params),
        ("prompt", {key: value for key, value in own.items() if key in CHAT_PARAMS}),
        ("caller", call.params),
    )
    params: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, layer in layers:
        for key, value in layer.items():
            # Only the caller's `None` takes away what stands below it; in a file it is a parameter that is not set.
            if key not in unsent and (value is not None or name == "caller"):
                params[key], sources[key] = value, name
    kept = {key: value for key, value in params.items() if value is not None}
    return FrozenDict(kept), FrozenDict({key: sources[key] for key in kept})
