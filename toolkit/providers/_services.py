"""What the environment says of each service, without its key; and whether a service answers and takes that key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from toolkit._http import HttpClient, HttpFailure
from toolkit._redact import Secret, Unshown, redact
from toolkit.providers._families import SERVICES, Family, same_origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service as the environment has it."""

    name: str
    url: str
    """Base address; empty when it has none of its own and none is set."""
    key_variable: str
    """The variable that holds its key, or the one to set."""
    url_variable: str
    """The variable that replaces its address."""
    has_key: bool
    is_configured: bool
    """Whether its key or its address is set."""
    requires_key: bool
    _key: Secret | None = field(default=None, repr=False, compare=False)
    _wire: str = field(default="openai", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What came of asking a service for its models."""

    is_ok: bool
    text: str
    remedy: str = ""


def services(environ: Mapping[str, str]) -> tuple[Service, ...]:
    """Returns every service that is known by name, those that are configured first.

    Args:
        environ: Where keys and addresses are read.

    Example:
        >>> first = services({"GROQ_API_KEY": "gsk-0123456789"})[0]
        >>> first.name, first.has_key, "gsk" in repr(first)
        ('groq', True, False)
    """
    found = [_service(family, Unshown(environ)) for family in SERVICES.values()]
    return tuple(sorted(found, key=lambda service: not service.is_configured))


async def reach(service: Service, http: HttpClient, *, timeout_s: float) -> Reached:
    """Asks a service for its list of models, which costs nothing, and tells whether it answers and takes the key.

    Args:
        service: As `services` gives it.
        http: Sends the request.
        timeout_s: Seconds from connecting to the last byte.
    """
    if service._wire == "azure":
        return Reached(is_ok=True, text="not asked: its models are behind deployments")
    path = "/v1/models" if service._wire == "anthropic" else "/models"
    try:
        answer = await http.request("GET", service.url + path, timeout_s=timeout_s, headers=_headers(service))
    except HttpFailure as failure:
        return Reached(
            is_ok=False,
            text=f"cannot be reached: {redact(failure.message)}",
            remedy=f"check that it is up, the way to it, and {service.url_variable}.",
        )
    if answer.status in (401, 403):
        return Reached(
            is_ok=False,
            text=f"does not take the key (HTTP {answer.status})",
            remedy=f"set {service.key_variable} to a key that is valid there.",
        )
    if answer.status >= 500:
        return Reached(is_ok=False, text=f"answers with HTTP {answer.status}", remedy="try again later.")
    return Reached(is_ok=True, text="answers" if answer.status < 400 else f"answers (HTTP {answer.status})")


def _service(family: Family, environ: Mapping[str, str]) -> Service:
    variable = next((name for name in family.key_variables if environ.get(name)), None)
    url_variable = next((name for name in family.url_variables if environ.get(name)), None)
    value = environ.get(variable, "").strip() if variable is not None else ""
    return Service(
        name=family.name,
        url=family.url(environ),
        key_variable=variable or family.key_variables[0],
        url_variable=url_variable or family.url_variables[0],
        has_key=bool(value),
        is_configured=variable is not None or url_variable is not None,
        # A server that people run themselves behind another address may want none.
        requires_key=family.requires_key and same_origin(family.url(environ), family.base_url),
        _key=Secret(value) if value else None,
        _wire=family.wire,
    )


def _headers(service: Service) -> dict[str, str]:
    if service._key is None:
        return {}
    if service._wire == "anthropic":
        return {"x-api-key": service._key.reveal(), "anthropic-version": "2023-06-01"}
    return {"authorization": f"Bearer {service._key.reveal()}"}
