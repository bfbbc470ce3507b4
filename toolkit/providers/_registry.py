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
from toolkit._redact import Secret, Unshown
from toolkit.errors import UnknownNameError
from toolkit.providers._families import ALIASES, SERVICES, Family, same_origin
from toolkit.providers._provider import Access, Provider
from toolkit.providers._weights import EMBEDDED

if TYPE_CHECKING:
    from toolkit._http import HttpClient

GROUP = "toolkit.providers"

# Built-ins that are not reached over HTTP; strings, so that nothing is imported before its name is used.
_BUILTINS: Mapping[str, str] = {
    "litellm": "toolkit.providers._litellm:LiteLLMProvider",
    "local": "toolkit.providers._local:LocalProvider",
}

_NO_ACCESS = Access()

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
    `Provider`. The entry point's name is what people write before the slash. For a deployment with a credential or an
    address of its own it is called again, with `access` besides.

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
        self._environ = Unshown(os.environ if environ is None else environ)
        self._extra = dict(extra)
        self._made: dict[tuple[object, ...], Provider] = {}

    def find(self, model: str, *, access: Access | None = None) -> tuple[Provider, str]:
        """Returns the provider of `model` and the name that the provider knows the model by.

        Args:
            model: `provider/name`; `local/` with an embedded model's name or the path of a GGUF file; or a bare name
                that starts like `gpt-`, `o1`, `chatgpt-`, `claude-` or `gemini-`.
            access: Credential and address of this deployment; `None` = as the environment says. An `api_base` without
                an `api_key` is never sent a key of the environment that belongs to another origin.

        Raises:
            UnknownNameError: If no provider has that name, or a bare name is nobody's; lists what is known.
            PluginError: If the provider is a plug-in that cannot be loaded.
            MissingDependencyError: If an extra is not installed.
        """
        name, rest = self._split(model)
        if name in self._extra:
            return self._extra[name], rest
        name = ALIASES.get(name, name)
        access = access or _NO_ACCESS
        if name in SERVICES:
            family = SERVICES[name]
            # A changed base URL is another endpoint, with an identity of its own.
            url = family.url(self._environ, given=access.api_base)
            version = access.api_version or self._environ.get("AZURE_API_VERSION") if name == "azure" else None
            # Secrets compare by what they hold and show themselves to nobody, so that one may be part of a key.
            key = (name, url, version, access.api_key, access.api_base is not None)
            return self._once(key, lambda: self._service(family, url, version, access)), rest
        if name == "local":
            return self._local(rest), rest
        return self._once((name, access), lambda: self._plugin(name, access)), rest

    def name_of(self, model: str) -> str | None:
        """Returns the name of the provider that `model` means, or `None` when it means none; loads nothing."""
        try:
            name, _ = self._split(model)
        except UnknownNameError:
            return None
        name = ALIASES.get(name, name)
        # The built-in ones first: to know the plug-ins, every installed distribution is looked at.
        return name if name in SERVICES or name in self._extra or name in self.known() else None

    def known(self) -> list[str]:
        """Returns the sorted names that may stand before the slash; loads nothing."""
        return sorted({*self._extra, *SERVICES, *ALIASES, *known_plugins(GROUP, builtins=_BUILTINS)})

    async def aclose(self) -> None:
        """Closes every provider that was made, and the ready-made ones."""
        for provider in (*self._made.values(), *self._extra.values()):
            await provider.aclose()
        self._made.clear()

    def _split(self, model: str) -> tuple[str, str]:
        name, slash, rest = model.partition("/")
        if slash and name and rest:
            return name, rest
        if not slash:
            for provider, pattern in _BARE:
                if pattern.match(model):
                    return provider, model
        known = self.known()
        if slash or model in known:
            raise UnknownNameError(
                f"The model {model!r} is not complete; write provider/name, such as 'openai/gpt-4o-mini' or "
                f"'local/{next(iter(EMBEDDED))}'.", name=model, known=known,
            )  # fmt: skip
        embedded = [f"local/{item}" for item in EMBEDDED]
        near = difflib.get_close_matches(f"local/{model}", embedded, n=1, cutoff=0.6)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownNameError(
            f"The model {model!r} names no provider; write provider/name, such as 'ollama/{model}'.{guess} Known "
            f"providers: {', '.join(known)}.", name=model, known=known,
        )  # fmt: skip

    def _once(self, key: tuple[object, ...], make: Callable[[], Provider]) -> Provider:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _plugin(self, name: str, access: Access) -> Provider:
        known = self.known()
        if name not in known:
            raise UnknownNameError(unknown_name("provider", name, known), name=name, known=known)
        factory = load_plugin(GROUP, name, builtins=_BUILTINS, what="provider")
        if name in _BUILTINS:
            return cast(Provider, factory(access=access))
        own = {} if access == _NO_ACCESS else {"access": access}
        return cast(Provider, factory(http=self._http, environ=self._environ, **own))

    def _local(self, model: str) -> Provider:
        from toolkit.providers._local import LocalProvider

        if not model.lower().endswith(".gguf"):
            return self._once(("local",), LocalProvider)
        file = Path(model).expanduser()
        stat = file.stat() if file.is_file() else None
        # A file that was written anew is another model.
        key = ("local", str(file.absolute()), f"{stat.st_size}:{stat.st_mtime_ns}" if stat is not None else "")
        return self._once(key, lambda: LocalProvider(file=file))

    def _service(self, family: Family, url: str, version: str | None, access: Access) -> Provider:
        def api_key() -> Secret | None:
            """The deployment's own key, or the environment's as it is now, where the address is one it is for."""
            if access.api_key is not None:
                return access.api_key
            if access.api_base is not None and not same_origin(url, family.url(self._environ)):
                return None
            value = next((self._environ[name] for name in family.key_variables if self._environ.get(name)), None)
            return Secret(value.strip()) if value is not None else None

        if family.wire == "azure":
            from toolkit.providers._azure import AzureProvider

            return AzureProvider(base_url=url, api_key=api_key, http=self._http, api_version=version)
        if family.wire == "anthropic":
            from toolkit.providers._anthropic import AnthropicProvider

            return AnthropicProvider(base_url=url, api_key=api_key, http=self._http, own_base_url=family.base_url)
        from toolkit.providers._openai import OpenAIProvider

        return OpenAIProvider(
            name=family.name,
            base_url=url,
            api_key=api_key,
            key_variable=family.key_variables[0],
            http=self._http,
            own_base_url=family.base_url,
            requires_key=family.requires_key,
            takes_stream_options=family.takes_stream_options,
            reports_cost=family.reports_cost,
        )
