"""The table of services: where each is, which variables name its key and address, which protocol it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from toolkit.config import normal_host


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One service, or one server software that people run themselves."""

    name: str
    """What stands before the slash of a model."""
    base_url: str
    """Its own address; a server on this machine for software that people run themselves."""
    key_variables: tuple[str, ...]
    """Environment variables of the key; the first that is set counts, and the first is named in messages."""
    url_variables: tuple[str, ...]
    """Environment variables that replace the address; the first that is set counts."""
    requires_key: bool = True
    """Whether its own address refuses a request without a key."""
    takes_stream_options: bool = True
    """Whether a stream may be asked for its usage; services that refuse the question send it unasked."""
    default_path: str = ""
    """Put behind an address that is only a host, where the service's habit is to leave it out."""
    wire: Literal["openai", "anthropic", "azure"] = "openai"
    reports_cost: bool = False
    """Whether it puts what an answer cost, in USD, into the answer's usage."""

    def url(self, environ: Mapping[str, str], *, given: str | None = None) -> str:
        """Returns the base URL to use, without a trailing slash; empty when the service has none of its own.

        Args:
            environ: Where the family's variables are read.
            given: A base URL of the caller's, which goes before them; `None` = none.

        Example:
            >>> FAMILIES["openai"].url({"OPENAI_BASE_URL": "http://127.0.0.1:8000/v1/"})
            'http://127.0.0.1:8000/v1'
        """
        given = given or next((environ[name] for name in self.url_variables if environ.get(name)), None)
        if given is None:
            return self.base_url
        url = normal_host(given)
        if self.wire == "anthropic":
            # People write the address with and without what every request to it ends in.
            url = url.removesuffix("/messages").removesuffix("/v1")
        return url + self.default_path if not urlsplit(url).path else url


def same_origin(one: str, other: str) -> bool:
    """Returns whether two URLs have the same scheme, host and port: a key for one may be sent to the other.

    Example:
        >>> same_origin("https://h/v1", "https://H:443/v2"), same_origin("https://h", "http://h")
        (True, False)
    """
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname, port or {"http": 80, "https": 443}.get(parts.scheme)


def _hosted(
    name: str, base_url: str, *key_variables: str, takes_stream_options: bool = True, reports_cost: bool = False
) -> Family:
    stem = name.upper()
    return Family(
        name=name,
        base_url=base_url,
        key_variables=key_variables,
        url_variables=(f"{stem}_BASE_URL", f"{stem}_API_BASE"),
        takes_stream_options=takes_stream_options,
        reports_cost=reports_cost,
    )


def _own(name: str, base_url: str, *, stems: tuple[str, ...], default_path: str = "/v1") -> Family:
    return Family(
        name=name,
        base_url=base_url,
        key_variables=tuple(f"{stem}_API_KEY" for stem in stems),
        url_variables=tuple(f"{stem}_{end}" for stem in stems for end in ("BASE_URL", "API_BASE")),
        requires_key=False,
        default_path=default_path,
    )


# Addresses as the services document them for OpenAI's clients. Mistral answers 422 to `stream_options`
# (openai-agents-python issue 442); it and Perplexity put the usage of a stream into its events unasked.
FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        _hosted("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
        _hosted("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
        _hosted("together_ai", "https://api.together.xyz/v1", "TOGETHER_API_KEY", "TOGETHERAI_API_KEY",
                "TOGETHER_AI_API_KEY"),
        _hosted("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", takes_stream_options=False),
        _hosted("deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
        _hosted("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", reports_cost=True),
        _hosted("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
        _hosted("gemini", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY",
                "GOOGLE_API_KEY"),
        _hosted("fireworks_ai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
        _hosted("perplexity", "https://api.perplexity.ai", "PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY",
                takes_stream_options=False, reports_cost=True),
        _own("ollama", "http://localhost:11434/v1", stems=("OLLAMA",)),
        _own("vllm", "http://localhost:8000/v1", stems=("VLLM", "HOSTED_VLLM")),
        _own("lm_studio", "http://localhost:1234/v1", stems=("LM_STUDIO",)),
        _own("litellm_proxy", "http://localhost:4000", stems=("LITELLM_PROXY",), default_path=""),
    )
}  # fmt: skip
"""OpenAI-compatible services by name."""

SERVICES: Mapping[str, Family] = {
    **FAMILIES,
    "anthropic": Family(
        name="anthropic",
        base_url="https://api.anthropic.com",
        key_variables=("ANTHROPIC_API_KEY",),
        url_variables=("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"),
        wire="anthropic",
    ),
    "azure": Family(
        name="azure",
        base_url="",
        key_variables=("AZURE_API_KEY", "AZURE_AD_TOKEN"),
        url_variables=("AZURE_API_BASE",),
        wire="azure",
    ),
}
"""Every service that is reached over HTTP, by name."""

ALIASES: Mapping[str, str] = {"hosted_vllm": "vllm"}
"""Other names of a family; one service under two names shares its answers."""
