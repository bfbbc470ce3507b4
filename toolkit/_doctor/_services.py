"""Looks at what is asked over the network: prompt sources, and providers with their keys, which are never shown."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from toolkit._doctor._checkup import Finding
from toolkit.engine import Engine
from toolkit.errors import ToolkitError
from toolkit.providers import Service, reach, services
from toolkit.results import counted

_HALF = ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY")


async def look_at_sources(engine: Engine, *, environ: Mapping[str, str], ask: bool, timeout_s: float) -> list[Finding]:
    """Returns one line for each prompt source that is configured, asked at the same time.

    Args:
        engine: Whose sources.
        environ: Where half a pair of keys is found.
        ask: Whether sources on a server are asked; a folder is looked at in any case.
        timeout_s: Seconds that each has.
    """
    names = engine.sources.configured
    found = list(await asyncio.gather(*(_source(engine, name, ask=ask, timeout_s=timeout_s) for name in names)))
    missing = [name for name in _HALF if not environ.get(name)]
    if engine.settings.langfuse is None and len(missing) == 1:
        found.append(
            Finding(
                topic="sources",
                name="langfuse",
                state="fail",
                text=f"one of its two keys is not set: {missing[0]}",
                remedy=f"set {missing[0]}, or unset the other.",
            )
        )
    if not found:
        folder = engine.settings.prompts_folder
        found.append(
            Finding(
                topic="sources",
                name="none",
                state="note",
                text=f"there is no folder {str(folder)!r}, and the keys of Langfuse are not set",
                remedy=f"make {folder}/hello.prompt, or set LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY, LANGFUSE_HOST.",
            )
        )
    return found


async def _source(engine: Engine, name: str, *, ask: bool, timeout_s: float) -> Finding:
    where = {
        "langfuse": engine.settings.langfuse.host if engine.settings.langfuse is not None else "",
        "folder": str(engine.settings.prompts_folder.absolute()),
        "config": engine.config.path if engine.config is not None else "",
    }.get(name, "")
    place = f"{where}: " if where else ""
    if not ask and name not in ("folder", "config"):
        return Finding(topic="sources", name=name, text=f"{place}not asked")
    try:
        async with asyncio.timeout(timeout_s):
            infos = await engine.sources.list(source=name)
    except TimeoutError:
        reason, remedy = f"no answer within {timeout_s:g} s", "check that it is up and that its address is right."
    except ToolkitError as error:
        reason, remedy = str(error), "see the message; until then only other sources can be used."
    except Exception as error:  # noqa: BLE001  a plug-in's source may raise anything: it becomes a line
        reason, remedy = f"{type(error).__name__}: {error}", "tell those who wrote this plug-in."
    else:
        versions = sum(len(info.versions) for info in infos)
        held = f"{counted(len(infos), 'prompt')}, {counted(versions, 'version')}"
        return Finding(topic="sources", name=name, text=place + held)
    return Finding(topic="sources", name=name, state="fail", text=f"{place}{reason}", remedy=remedy)


async def look_at_providers(
    engine: Engine, *, environ: Mapping[str, str], ask: bool, timeout_s: float
) -> list[Finding]:
    """Returns one line for each service that the environment has a key or an address for, and one on all others.

    Args:
        engine: Whose connections.
        environ: Where keys and addresses are.
        ask: Whether each is asked for its list of models, which costs nothing.
        timeout_s: Seconds that each has.
    """
    known = services(environ)
    configured = [service for service in known if service.is_configured]
    found = list(
        await asyncio.gather(*(_provider(engine, service, ask=ask, timeout_s=timeout_s) for service in configured))
    )
    keyless = ", ".join(service.key_variable for service in known if service.requires_key)
    if not any(service.has_key for service in configured):
        found.append(
            Finding(
                topic="providers",
                name="no key",
                state="note",
                text="no provider's key is set; models named local/... need none",
                remedy=f"for others, set one of {keyless}.",
            )
        )
    return found


async def _provider(engine: Engine, service: Service, *, ask: bool, timeout_s: float) -> Finding:
    key = f"{service.key_variable}=****" if service.has_key else f"{service.key_variable} is not set"
    told = f"{service.url or 'its address is not set'} · {key}"
    if service.requires_key and not service.has_key:
        remedy = f"set {service.key_variable}, unless config.yaml brings a key."
        return Finding(topic="providers", name=service.name, state="note", text=told, remedy=remedy)
    if not service.url:
        remedy = f"set {service.url_variable}, unless config.yaml brings an address."
        return Finding(topic="providers", name=service.name, state="note", text=told, remedy=remedy)
    if not ask:
        return Finding(topic="providers", name=service.name, text=told)
    answer = await reach(service, engine.http, timeout_s=timeout_s)
    return Finding(
        topic="providers",
        name=service.name,
        state="ok" if answer.is_ok else "fail",
        text=f"{told} · {answer.text}",
        remedy=answer.remedy,
    )
