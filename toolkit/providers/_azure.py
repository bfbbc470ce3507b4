"""Azure OpenAI: OpenAI's chat completions at a deployment's address, with its own version and credential headers."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from toolkit._http import HttpClient
from toolkit._records import Request
from toolkit._redact import Secret
from toolkit.errors import MissingKeyError
from toolkit.providers._http_provider import HttpProvider
from toolkit.providers._openai import OpenAIWire

API_VERSION = "2024-10-21"
"""Sent when nothing names a version: the newest that is generally available for deployment addresses.

Source: learn.microsoft.com/azure/ai-services/openai/reference, read on 2026-11-22.
"""

# A JSON Web Token, as Microsoft Entra ID issues them; a key of the service has no dots.
_TOKEN = re.compile(r"eyJ[\w-]*\.[\w-]+\.[\w-]*")


class AzureWire(OpenAIWire):
    """The protocol of OpenAI's chat completions, addressed by deployment.

    Args:
        api_version: Version of the API; `None` = `API_VERSION`, or none where the address ends in `/openai/v1`.
    """

    def __init__(self, *, api_version: str | None = None) -> None:
        super().__init__()
        self._api_version = api_version

    def url(self, base_url: str, model: str) -> str:
        """Returns the deployment's address; at a base URL that ends in `/openai/v1` the body names the deployment."""
        if base_url.endswith("/openai/v1"):
            path, version = "/chat/completions", self._api_version
        else:
            base_url = base_url.removesuffix("/openai")
            path, version = f"/openai/deployments/{quote(model, safe='')}/chat/completions", self._api_version
            version = version or API_VERSION
        return base_url + path + (f"?api-version={quote(version)}" if version else "")

    def headers(self, key: Secret | None, request: Request) -> dict[str, str]:
        """Returns the credential: a token of Entra ID as bearer, a key as `api-key`."""
        if key is None:
            return {}
        if _TOKEN.fullmatch(key.reveal()):
            return {"authorization": f"Bearer {key.reveal()}"}
        return {"api-key": key.reveal()}


class AzureProvider(HttpProvider):
    """Azure OpenAI. What stands behind `azure/` is the name of a deployment.

    Args:
        base_url: The resource's address, such as `https://my-resource.openai.azure.com`; empty = not set, which
            `check` reports.
        api_key: Gives the key or the Entra ID token, or `None` when neither is set; asked anew for each request.
        http: The client; closed by whoever made it.
        api_version: Version of the API; `None` = `API_VERSION`.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: Callable[[], Secret | None],
        http: HttpClient,
        api_version: str | None = None,
    ) -> None:
        super().__init__(
            name="azure",
            base_url=base_url,
            wire=AzureWire(api_version=api_version),
            api_key=api_key,
            key_variable="AZURE_API_KEY",
            http=http,
            # Azure has no address of its own: everybody has one, so that the identity always names it.
            own_base_url="",
        )

    def check(self, model: str) -> None:
        """Finds out whether an address and a credential are set.

        Raises:
            MissingKeyError: If one is not; names the environment variable and the argument.
        """
        if not self.base_url:
            raise MissingKeyError(
                f"The model 'azure/{model}' needs the address of your resource and AZURE_API_BASE is not set; set it "
                "in the environment, or give `api_base`.",
                variable="AZURE_API_BASE",
            )
        if self._api_key() is None:
            raise MissingKeyError(
                f"The model 'azure/{model}' needs a key for {self.identity.partition('@')[2]!r}; set AZURE_API_KEY (or "
                "AZURE_AD_TOKEN) in the environment, or give `api_key` together with `api_base`.",
                variable="AZURE_API_KEY",
            )
