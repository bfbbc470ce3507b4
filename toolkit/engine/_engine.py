"""Introduces the rooms to each other: one configuration's prompt sources, providers and run store."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from toolkit._http import HttpClient
from toolkit.config import Settings
from toolkit.prompts import PromptSource, Sources
from toolkit.providers import Provider, Providers
from toolkit.store import FILE_NAME, RunStore


class Engine:
    """Everything that one configuration needs to complete: made once, used on the engine's loop.

    Args:
        settings: Folders, default source and credentials.
        http: Sends requests; `None` = a client of its own.
        sources: Prompt sources by name, beside those the settings name; they win over built-ins of the same name.
        providers: Providers by name, beside those that are installed; they win over built-ins of the same name.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        http: HttpClient | None = None,
        sources: Mapping[str, PromptSource] | None = None,
        providers: Mapping[str, Provider] | None = None,
    ) -> None:
        self.settings = settings
        self.http = http or HttpClient()
        self.sources = Sources(settings, self.http, extra=sources or {})
        self.providers = Providers(self.http, extra=providers or {})
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
                self._store = RunStore(self.settings.home / FILE_NAME)
            return self._store

    async def aclose(self) -> None:
        """Commits what waits, and closes connections, models and files."""
        await self.sources.aclose()
        await self.providers.aclose()
        await self.http.aclose()
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None


_default_lock = threading.Lock()
_default: Engine | None = None


def default_engine() -> Engine:
    """Returns the engine of the environment's settings; a changed environment gives a new one.

    Raises:
        ConfigError: If the environment's settings are wrong.
    """
    global _default
    settings = Settings.from_environment()
    with _default_lock:
        if _default is None or _default.settings != settings:
            _default = Engine(settings)
        return _default


def set_default_engine(engine: Engine | None) -> None:
    """Makes `engine` the one that calls without an engine use, as long as the environment stays; `None` = afresh."""
    global _default
    with _default_lock:
        _default = engine
