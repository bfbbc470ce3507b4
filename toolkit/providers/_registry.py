"""Turns `openai/gpt-x` into a provider and a model name; each provider is made once, when first asked for."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from toolkit._plugins import known_plugins, load_plugin, unknown_name
from toolkit._records import EMPTY
from toolkit._redact import Secret
from toolkit.errors import UnknownNameError
from toolkit.providers._families import ALIASES, FAMILIES, Family
from toolkit.providers._provider import Provider
from toolkit.providers._weights import EMBEDDED

if TYPE_CHECKING:
    from toolkit._http import HttpClient

GROUP = "toolkit.providers"

# Built-ins that are not OpenAI-compatible services; strings, so that nothing is imported before its name is used.
_BUILTINS: Mapping[str, str] = {"local": "toolkit.providers._local:LocalProvider"}

# Model names that people write without a provider, and who serves them.
_BARE = (
    ("openai", re.compile(r"(?:ft:)?(?:gpt-|chatgpt-|o\d)")),
    ("anthropic", re.compile(r"claude-")),
    ("gemini", re.compile(r"gemini-")),
)


class Providers:
    """Finds providers by the name before the slash.

    A plug-in of the group `toolkit.providers` is a factory: it is called once with the keyword arguments `http` (the
    `HttpClient` to send with) and `environ` (the environment to read keys from, anew for each request) and returns a
    `Provider`. The entry point's name is what people write before the slash.

    Args:
        http: The client that every provider sends with; closed by whoever made it.
        environ: Stands in for `os.environ`; `None` = `os.environ` itself.
        extra: Ready-made providers by name; they win over everything else.
    """

    def __init__(
        self,
        http: HttpClient,
        *,
        environ: Mapping[str, str] | None = None,
        extra: Mapping[str, Provider] = EMPTY,
    ) -> None:
        self._http = http
        self._environ: Mapping[str, str] = os.environ if environ is None else environ
        self._extra = dict(extra)
        self._made: dict[tuple[str, ...], Provider] = {}

    def find(self, model: str) -> tuple[Provider, str]:
        """Returns the provider of `model` and the name that the provider knows the model by.

        Args:
            model: `provider/name`; `local/` with an embedded model's name or the path of a GGUF file; or a bare name
                that starts like `gpt-`, `o1`, `chatgpt-`, `claude-` or `gemini-`.

        Raises:
            UnknownNameError: If no provider has that name, or a bare name is nobody's; lists what is known.
            PluginError: If the provider is a plug-in that cannot be loaded.
            MissingDependencyError: If an extra is not installed.
        """
        name, rest = self._split(model)
        if name in self._extra:
            return self._extra[name], rest
        name = ALIASES.get(name, name)
        if name in FAMILIES:
            family = FAMILIES[name]
            # A changed base URL is another endpoint, with an identity of its own.
            url = family.url(self._environ)
            return self._once((name, url), lambda: self._openai_compatible(family, url)), rest
        if name == "local" and rest.lower().endswith(".gguf"):
            return self._own_file(Path(rest).expanduser()), rest
        return self._once((name,), lambda: self._plugin(name)), rest

    def known(self) -> list[str]:
        """Returns the sorted names that may stand before the slash; loads nothing."""
        return sorted({*self._extra, *FAMILIES, *ALIASES, *known_plugins(GROUP, builtins=_BUILTINS)})

    async def aclose(self) -> None:
        """Closes every provider that was made, and the ready-made ones."""
        for provider in (*self._made.values(), *self._extra.values()):
            await provider.aclose()
        self._made.clear()

    def _split(self, model: str) -> tuple[str, str]:
        name, slash, rest = model.partition("/")
        if slash and name and rest:
            return name, rest
        known = self.known()
        if slash or model in known:
            raise UnknownNameError(
                f"The model {model!r} is not complete; write provider/name, such as 'openai/gpt-4o-mini' or "
                f"'local/{next(iter(EMBEDDED))}'.", name=model, known=known,
            )  # fmt: skip
        for provider, pattern in _BARE:
            if pattern.match(model):
                return provider, model
        embedded = [f"local/{item}" for item in EMBEDDED]
        near = difflib.get_close_matches(f"local/{model}", embedded, n=1, cutoff=0.6)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownNameError(
            f"The model {model!r} names no provider; write provider/name, such as 'ollama/{model}'.{guess} Known "
            f"providers: {', '.join(known)}.", name=model, known=known,
        )  # fmt: skip

    def _once(self, key: tuple[str, ...], make: Callable[[], Provider]) -> Provider:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _plugin(self, name: str) -> Provider:
        known = self.known()
        if name not in known:
            raise UnknownNameError(unknown_name("provider", name, known), name=name, known=known)
        factory = load_plugin(GROUP, name, builtins=_BUILTINS, what="provider")
        if name in _BUILTINS:
            return cast(Provider, factory())
        return cast(Provider, factory(http=self._http, environ=self._environ))

    def _own_file(self, file: Path) -> Provider:
        from toolkit.providers._local import LocalProvider

        stat = file.stat() if file.is_file() else None
        # A file that was written anew is another model.
        key = ("local", str(file.absolute()), f"{stat.st_size}:{stat.st_mtime_ns}" if stat is not None else "")
        return self._once(key, lambda: LocalProvider(file=file))

    def _openai_compatible(self, family: Family, url: str) -> Provider:
        from toolkit.providers._openai import OpenAIProvider

        def api_key() -> Secret | None:
            """The key as the environment has it now."""
            value = next((self._environ[name] for name in family.key_variables if self._environ.get(name)), None)
            return Secret(value.strip()) if value is not None else None

        return OpenAIProvider(
            name=family.name,
            base_url=url,
            api_key=api_key,
            key_variable=family.key_variables[0],
            http=self._http,
            own_base_url=family.base_url,
            requires_key=family.requires_key,
            takes_stream_options=family.takes_stream_options,
        )
