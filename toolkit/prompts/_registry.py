"""Turns what a person names, such as `langfuse:support-reply@production`, into pinned prompts from the right source."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

from toolkit._plugins import known_plugins, load_plugin
from toolkit._records import EMPTY, Prompt, PromptInfo
from toolkit.errors import PromptNotFoundError, UsageError
from toolkit.prompts._managed import ManagedPrompt
from toolkit.prompts._reference import PromptReference, nearest, parse_reference
from toolkit.prompts._source import FROM_SETTINGS, PromptSource, PromptSourceWithHistory, PromptVersion, SourceAccess

if TYPE_CHECKING:  # names for the signatures; the libraries behind them are loaded with the source that needs them
    from toolkit._http import HttpClient
    from toolkit.config import Settings

GROUP = "toolkit.prompt_sources"
BUILTINS = {
    "folder": "toolkit.prompts._folder:folder_source",
    "generic": "toolkit.prompts._generic:generic_source",
    "humanloop": "toolkit.prompts._humanloop:humanloop_source",
    "langfuse": "toolkit.prompts._langfuse:langfuse_source",
}

ALIASES = {"dotprompt": "folder", "generic_prompt_management": "generic"}
"""LiteLLM's names for sources, and ours."""

AnyPrompt = str | Prompt | PromptReference | ManagedPrompt
"""What stands for one or several prompts: a reference, as text or as a record, or a prompt itself."""

# Within the class, `list` is its method.
_Prompts = list[Prompt]
_Names = list[str]


class Sources:
    """The prompt sources of one configuration, each made when first asked.

    A plug-in of the group `toolkit.prompt_sources` is a factory that is called as `factory(settings=..., http=...)`
    and returns a `PromptSource`; its entry point's name is what people write before the colon.

    Args:
        settings: Where the prompts are.
        http: Sends the sources' requests; stays the caller's to close.
        extra: Sources made elsewhere, by name. They go before built-ins and plug-ins of the same name, and are asked
            for names without a prefix, too.
    """

    def __init__(self, settings: Settings, http: HttpClient, *, extra: Mapping[str, PromptSource] = EMPTY) -> None:
        self._settings = settings
        self._http = http
        self._extra = tuple(extra)
        self._made: dict[str, PromptSource] = dict(extra)
        self._by_place: dict[tuple[str, Hashable], PromptSource] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that may stand before a reference's colon, sorted; configured or not."""
        return tuple(sorted({*known_plugins(GROUP, builtins=BUILTINS), *ALIASES, *self._extra}))

    @property
    def configured(self) -> tuple[str, ...]:
        """Names of the sources that there is something to ask: an address with its keys, a folder; sorted."""
        default = self._settings.prompt_source
        return tuple(sorted({*self._set_up(), *([ALIASES.get(default, default)] if default is not None else [])}))

    def get(self, name: str, *, access: SourceAccess | None = None) -> PromptSource:
        """Returns the source with this name.

        Args:
            name: As it stands before a reference's colon.
            access: Where a built-in source is and the keys for it, before the settings and the environment; each
                place has a source of its own, so that two Langfuse projects stand side by side. `None` = the settings'.

        Raises:
            UnknownNameError: If there is none; the message lists what is known.
            MissingKeyError: If its credentials are not set; the message names argument and variable.
            UsageError: If it needs an address and has none.
            PluginError: If it is a plug-in that cannot be loaded.
        """
        name = ALIASES.get(name, name)
        if name in self._extra or name not in BUILTINS:
            return self._named(name)
        if access is None or access == FROM_SETTINGS:
            if name not in self._made:
                self._made[name] = self._at(name, FROM_SETTINGS)
            return self._made[name]
        return self._at(name, access)

    async def fetch(
        self,
        name: str,
        prompt_id: str,
        *,
        version: str | int | None = None,
        label: str | None = None,
        access: SourceAccess | None = None,
    ) -> Prompt:
        """Returns one version of a prompt from the source of that name; as `get` of the source and of `Sources`."""
        number = None if version is None else str(version)
        return await self.get(name, access=access).get(prompt_id, version=number, label=label)

    def _named(self, name: str) -> PromptSource:
        source = self._made.get(name)
        if source is None:
            factory = load_plugin(GROUP, name, builtins=BUILTINS, what="prompt source")
            source = self._made[name] = factory(settings=self._settings, http=self._http)
        return source

    def _at(self, name: str, access: SourceAccess) -> PromptSource:
        from toolkit.prompts._access import place_of

        key = (name, place_of(name, access, self._settings))
        source = self._by_place.get(key)
        if source is None:
            factory = load_plugin(GROUP, name, builtins=BUILTINS, what="prompt source")
            source = self._by_place[key] = factory(settings=self._settings, http=self._http, access=access)
        return source

    async def resolve(self, reference: AnyPrompt) -> _Prompts:
        """Returns the prompts that a reference names, oldest version first, each pinned to its version.

        `reply`, `reply@8` and `reply@production` give one prompt; `reply@*` every version and `reply@3..7` those in
        the range, fetched at once. A `Prompt` is given back as it is, and of a `ManagedPrompt` its prompt.

        Raises:
            UsageError: If the reference cannot be read, or its name stands in two sources and it says no source.
            UnknownNameError: If it names a source that does not exist.
            MissingKeyError: If it needs a source whose credentials are not set.
            PromptNotFoundError: If there is no such prompt, version or label, or none in the range.
            PromptSourceError: If a source cannot be reached, refuses us or answers nonsense.
        """
        if isinstance(reference, Prompt):
            return [reference]
        if isinstance(reference, ManagedPrompt):
            return [reference.prompt]
        if not isinstance(reference, PromptReference):
            reference = parse_reference(reference, known_sources=self.names)
        source = self.get(reference.source if reference.source is not None else await self._source_of(reference))
        chosen = reference.selector
        if chosen.kind == "default":
            return [await source.get(reference.name)]
        if chosen.kind == "version":
            return [await source.get(reference.name, version=chosen.value)]
        if chosen.kind == "label":
            return [await source.get(reference.name, label=chosen.value)]
        versions = await source.versions(reference.name)
        every = chosen.kind == "all"
        wanted = [version for version in versions if every or _is_within(version, chosen.first, chosen.last)]
        if not wanted:
            raise PromptNotFoundError(
                f"Prompt {reference.name!r} in {source.name!r} has no version in {str(chosen)[1:]}; "
                f"versions: {', '.join(versions) or 'none'}.",
                prompt_id=reference.name,
                source=source.name,
            )
        return list(await asyncio.gather(*(source.get(reference.name, version=version) for version in wanted)))

    async def manage(self, reference: AnyPrompt) -> ManagedPrompt:
        """Returns the one prompt that a reference names, with its source; raises as `resolve`.

        Raises:
            UsageError: If the reference names several versions.
        """
        if isinstance(reference, ManagedPrompt):
            return reference
        found = await self.resolve(reference)
        if len(found) > 1:
            raise UsageError(
                f"{str(reference)!r} names {len(found)} versions ({', '.join(prompt.version for prompt in found)}); "
                "name one of them here, or give the reference to sweep()."
            )
        source = ALIASES.get(found[0].source, found[0].source)
        is_here = source in self._made or source in BUILTINS
        return ManagedPrompt(prompt=found[0], _origin=self.get(source) if is_here else None)

    async def list(self, query: str = "", source: str | None = None) -> list[PromptInfo]:
        """Returns what the sources hold, sorted by source, then by name.

        Args:
            query: Keeps only names that contain it; empty keeps all.
            source: Asks only this source; `None` = all that are configured.

        Raises:
            PromptSourceError: If a source cannot be reached, refuses us or answers nonsense.
        """
        asked = [source] if source is not None else sorted(self._candidates())
        lists = await asyncio.gather(*(self.get(name).list(query=query) for name in asked))
        return [info for infos in lists for info in infos]

    async def history(self, prompt_id: str, source: str) -> tuple[PromptVersion, ...]:
        """Returns every version of a prompt with what its source says of each, oldest first.

        Of a source that says no more than the numbers, there are the numbers.

        Raises:
            PromptNotFoundError: If there is no such prompt.
            PromptSourceError: If the source cannot be reached, refuses us or answers nonsense.
        """
        asked = self.get(source)
        if isinstance(asked, PromptSourceWithHistory):
            return await asked.history(prompt_id)
        return tuple(PromptVersion(version=version) for version in await asked.versions(prompt_id))

    def refresh(self) -> None:
        """Drops every prompt that a source keeps; the next call reads anew."""
        for source in self._all():
            drop = getattr(source, "refresh", None)
            if drop is not None:
                drop()

    async def aclose(self) -> None:
        """Closes every source that was made or handed in."""
        await asyncio.gather(*(source.aclose() for source in self._all()))

    def _all(self) -> tuple[PromptSource, ...]:
        return tuple({id(source): source for source in (*self._made.values(), *self._by_place.values())}.values())

    def _candidates(self) -> _Names:
        """Returns the sources that answer for a name without a prefix."""
        if self._settings.prompt_source is not None:
            return [ALIASES.get(self._settings.prompt_source, self._settings.prompt_source)]
        return self._set_up()

    def _set_up(self) -> _Names:
        names = list(self._extra)
        if self._settings.langfuse is not None and "langfuse" not in names:
            names.append("langfuse")
        if self._settings.prompts_folder.is_dir() and "folder" not in names:
            names.append("folder")
        return names

    async def _source_of(self, reference: PromptReference) -> str:
        names = self._candidates()
        if len(names) == 1:
            return names[0]
        # A source that cannot be asked is an error: the name might be there, and then it would be ambiguous.
        answers = await asyncio.gather(*(self._has(name, reference.name) for name in names))
        found = [name for name, has in zip(names, answers, strict=True) if has]
        if len(found) == 1:
            return found[0]
        if found:
            choices = " or ".join(repr(f"{name}:{reference.name}{reference.selector}") for name in found)
            raise UsageError(
                f"Prompt {reference.name!r} is in {' and in '.join(map(repr, found))}; say which is meant: {choices}, "
                "or set a default with TOOLKIT_PROMPT_SOURCE."
            )
        raise await self._nowhere(reference, names)

    async def _has(self, source: str, prompt_id: str) -> bool:
        try:
            return bool(await self.get(source).versions(prompt_id))
        except PromptNotFoundError:
            return False

    async def _nowhere(self, reference: PromptReference, names: _Names) -> PromptNotFoundError:
        looked = [f"{name!r}" for name in names]
        folder = str(self._settings.prompts_folder)
        if "langfuse" not in names:
            looked.append("not in 'langfuse' (LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY are not both set)")
        if "folder" not in names:
            looked.append(f"not in 'folder' (there is no folder {folder!r}; TOOLKIT_PROMPTS names another)")
        known = sorted({info.prompt_id for info in await self.list()}) if names else []
        hint = f" {nearest(reference.name, known)}" if known else ""
        return PromptNotFoundError(
            f"There is no prompt {reference.name!r}. Looked in: {', '.join(looked)}.{hint}", prompt_id=reference.name
        )


def _is_within(version: str, first: int | None, last: int | None) -> bool:
    """True when a version counts by number and lies in the range; other versions lie in no range."""
    return version.isascii() and version.isdigit() and (first or 0) <= int(version) <= (last or 0)
