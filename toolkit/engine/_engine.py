"""Introduces the rooms to each other: one configuration's prompt sources, providers and run store."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from random import Random

from toolkit._http import HttpClient
from toolkit._records import Prompt
from toolkit.config import ConfigFile, Dialect, Settings, read_config
from toolkit.engine._cache import InFlight
from toolkit.engine._clock import Clock, SystemClock
from toolkit.engine._entries import entry_access, entry_prompt_id, is_inline, source_of
from toolkit.engine._limits import Slots
from toolkit.engine._offline import Offline, is_outage, last_seen
from toolkit.engine._tracing import Tracer, tracer_of, with_traces
from toolkit.errors import PromptError, UsageError
from toolkit.prompts import PromptReference, PromptSource, Sources, inline_source, parse_reference
from toolkit.providers import Provider, Providers
from toolkit.store import FILE_NAME, RunStore, seen_prompts


class Engine:
    """Everything that one configuration needs to complete: made once, used on the engine's loop.

    Args:
        settings: Folders, default source and credentials.
        http: Sends requests; `None` = a client of its own.
        sources: Prompt sources by name, beside those the settings name; they win over built-ins of the same name.
        providers: Providers by name, beside those that are installed; they win over built-ins of the same name.
        config: A config.yaml that has been read; `None` = none.
        tracer: Keeps traces of completion calls; `None` = the one that `config` asks for, if it does.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        http: HttpClient | None = None,
        sources: Mapping[str, PromptSource] | None = None,
        providers: Mapping[str, Provider] | None = None,
        config: ConfigFile | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.settings = _with_config(settings, config)
        self.follows_environment = False
        """True of the one that `default_engine` makes: what is set later in the environment holds for it, too."""
        self.config = config
        self.clock: Clock = SystemClock()
        self.rng = Random()  # noqa: S311  draws and jitter, not secrets
        self.in_flight = InFlight()
        # Single completions are limited by who calls them, not by us.
        self.slots = Slots(None, clock=self.clock, adaptive=False)
        self.http = http or HttpClient(idle_timeout_s=settings.idle_timeout_s, max_body_bytes=settings.max_answer_bytes)
        self.sources = Sources(self.settings, self.http, extra={**_inline(config), **(sources or {})})
        self.providers = Providers(self.http, extra=providers or {})
        self.tracer = tracer or tracer_of(config, self.http)
        self._store: RunStore | None = None
        self._lock = threading.Lock()

    @property
    def store(self) -> RunStore:
        """The run store, opened on first touch.

        Raises:
            StoreError: If it cannot be opened; the message names the file.
        """
        with self._lock:
            if self._store is None:
                self._store = RunStore(self.settings.home / FILE_NAME, durability=self.settings.durability)
            return self._store

    async def resolve(self, reference: str | Prompt | PromptReference, *, offline: Offline = "error") -> list[Prompt]:
        """Returns the prompts that a reference names, pinned; a name under `prompts:` in config.yaml goes first.

        Args:
            reference: What names them.
            offline: `snapshot` = when the source cannot be reached, as the run store last saw them; a refused key and
                a missing prompt stay errors.

        Raises:
            PromptError, UsageError: As `Sources.resolve` does.
        """
        try:
            return await self._resolve_now(reference)
        except PromptError as error:
            found = self._last_seen(reference, error) if offline == "snapshot" and is_outage(error) else []
            if not found:
                raise
            return found

    def _last_seen(self, reference: str | Prompt | PromptReference, error: PromptError) -> list[Prompt]:
        """Returns what the store knows of prompts whose source gave this error; empty when it knows nothing."""
        if isinstance(reference, str):
            reference = parse_reference(reference, known_sources=self.sources.names)
        if isinstance(reference, Prompt) or error.source is None:
            return []
        return last_seen(seen_prompts(self.store, error.source, error.prompt_id or reference.name), reference.selector)

    async def _resolve_now(self, reference: str | Prompt | PromptReference) -> list[Prompt]:
        if isinstance(reference, str) and self.config is not None:
            name, _, selector = reference.partition("@")
            entry = self.config.prompts.get(name)
            if entry is not None:
                version, label = (selector, None) if selector.isdigit() else (None, selector or None)
                prompt = await self.sources.fetch(
                    source_of(entry),
                    entry_prompt_id(entry),
                    version=version if selector else entry.version,
                    label=label if selector else entry.label,
                    access=entry_access(entry),
                )
                return [prompt]
        return await self.sources.resolve(reference)

    async def aclose(self) -> None:
        """Commits what waits, and closes connections, models and files."""
        if self.tracer is not None:
            await self.tracer.aclose()
        await self.sources.aclose()
        await self.providers.aclose()
        await self.http.aclose()
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None


def _inline(config: ConfigFile | None) -> dict[str, PromptSource]:
    if config is None or not any(is_inline(entry) for entry in config.prompts.values()):
        return {}
    return {"config": inline_source(config.prompts)}


def _with_config(settings: Settings, config: ConfigFile | None) -> Settings:
    """What config.yaml says of prompts goes before the environment."""
    if config is None:
        return settings
    folder = Path(config.prompt_directory) if config.prompt_directory is not None else settings.prompts_folder
    return replace(
        settings,
        prompts_folder=folder,
        prompt_source=config.prompt_source or settings.prompt_source,
        durability=config.durability or settings.durability,
    )


_default_lock = threading.Lock()
_default: Engine | None = None
_is_pinned = False


def default_engine() -> Engine:
    """Returns the engine that `configure` made, else that of the environment; a changed environment gives a new one.

    Raises:
        ConfigError: If the environment's settings are wrong.
    """
    global _default
    with _default_lock:
        if _default is not None and _is_pinned:
            return _default
        settings = Settings.from_environment()
        if _default is None or (_default.settings is not settings and _default.settings != settings):
            _default = Engine(settings)
            # What was made with it may ask once more what is set: keys that are set after a sweep are keys.
            _default.follows_environment = True
        return _default


def set_default_engine(engine: Engine | None) -> None:
    """Makes `engine` the one that calls without an engine use; `None` = the environment's again."""
    global _default, _is_pinned
    with _default_lock:
        _default, _is_pinned = engine, engine is not None


def configure(
    config: str | Path | None = None, *, dialect: Dialect | None = None, langfuse: bool | None = None
) -> Engine:
    """Makes a config.yaml the configuration of every call that names no other, and returns its engine.

    Args:
        config: The file: LiteLLM's `model_list`, `prompts` and settings; `None` = the environment alone, as at first.
        dialect: `litellm` = messages as LiteLLM sends them, for calls that do not say; `None` = what the file says.
        langfuse: Whether completions are traced in Langfuse; `None` = what the file says in LiteLLM's
            `success_callback`, `failure_callback` and `callbacks`.

    Raises:
        ConfigError: If the file cannot be read or says something impossible; names the file and the key.
        UsageError: If the dialect is none.

    Example:
        >>> configure("config.yaml")    # doctest: +SKIP
    """
    if dialect not in (None, "toolkit", "litellm"):
        raise UsageError(f"`dialect` is 'toolkit' or 'litellm'; got {dialect!r}.")
    if config is None and dialect is None and langfuse in (None, False):
        set_default_engine(None)
        return default_engine()
    if not isinstance(config, str | PathLike | None):
        raise UsageError(f"`config` is the path of a config.yaml, or None; got {config!r}.")
    read = ConfigFile(path="") if config is None else read_config(config)
    if dialect is not None:
        read = replace(read, dialect=dialect)
    engine = Engine(Settings.from_environment(), config=with_traces(read, langfuse))
    set_default_engine(engine)
    return engine
