"""OpenAI-compatible chat completions, plain and streamed, over the one HTTP client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toolkit._http import HttpClient
from toolkit._records import Request, Response, messages_to_wire
from toolkit._redact import Secret
from toolkit.providers._embeddings import ask_for_embeddings
from toolkit.providers._http_provider import HttpProvider
from toolkit.providers._openai_wire import StreamAssembler, read_completion
from toolkit.providers._provider import Embedded


class OpenAIWire:
    """The protocol of OpenAI's chat completions.

    Args:
        takes_stream_options: Whether a stream may be asked for its usage.
        reports_cost: Whether the service puts what an answer cost, in USD, into its usage.
    """

    end_mark: str | None = "[DONE]"

    def __init__(self, *, takes_stream_options: bool = True, reports_cost: bool = False) -> None:
        self._takes_stream_options = takes_stream_options
        self._reports_cost = reports_cost

    def url(self, base_url: str, model: str) -> str:
        """Returns where a request goes; the model is in its body."""
        return f"{base_url}/chat/completions"

    def headers(self, key: Secret | None, request: Request) -> dict[str, str]:
        """Returns the credential as a bearer token."""
        return {"authorization": f"Bearer {key.reveal()}"} if key is not None else {}

    def body(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """Returns the model, the messages and exactly the request's params; for a stream what asks for one."""
        left_out = {"stream"} if stream else {"stream", "stream_options"}
        params = {name: value for name, value in request.params.items() if name not in left_out}
        body = {"model": request.model, "messages": messages_to_wire(request.messages)} | params
        if stream:
            body["stream"] = True
            if self._takes_stream_options:
                body.setdefault("stream_options", {"include_usage": True})
        return body

    def read(
        self, body: Mapping[str, Any], *, request_id: str | None, latency_s: float, first_token_s: float | None
    ) -> Response:
        """Returns the response that a chat completion holds."""
        return read_completion(
            body,
            request_id=request_id,
            latency_s=latency_s,
            first_token_s=first_token_s,
            reports_cost=self._reports_cost,
        )

    def assembler(self) -> StreamAssembler:
        """Returns what adds one stream up."""
        return StreamAssembler()


class OpenAIProvider(HttpProvider):
    """Any service that speaks OpenAI's chat completions.

    The body holds the model, the messages and exactly the request's params. A streamed request has `stream` besides,
    and `stream_options: {"include_usage": true}` unless the params say otherwise, because without it a stream has no
    token counts and so no cost; services that refuse the question are not asked it.

    Args:
        name: What stands before the slash of a model.
        base_url: The API's address, such as `https://api.openai.com/v1`.
        api_key: Gives the credential, or `None` when it is not set; asked anew for each request.
        key_variable: Environment variable of the credential, for messages.
        http: The client; closed by whoever made it.
        own_base_url: The service's own address.
        requires_key: Whether the own address refuses a request without a credential.
        takes_stream_options: Whether a stream may be asked for its usage.
        reports_cost: Whether the service puts what an answer cost, in USD, into its usage.
    """

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        api_key: Callable[[], Secret | None],
        key_variable: str,
        http: HttpClient,
        own_base_url: str,
        requires_key: bool = True,
        takes_stream_options: bool = True,
        reports_cost: bool = False,
    ) -> None:
        super().__init__(
            name=name,
            base_url=base_url,
            wire=OpenAIWire(takes_stream_options=takes_stream_options, reports_cost=reports_cost),
            api_key=api_key,
            key_variable=key_variable,
            http=http,
            own_base_url=own_base_url,
            requires_key=requires_key,
        )

    async def embed(self, model: str, texts: Sequence[str], *, timeout_s: float) -> Embedded:
        """Sends texts to the service's embeddings endpoint, once, and returns one vector each.

        Raises:
            ProviderError: Of the most specific class.
        """
        key = self._api_key()
        headers = {"authorization": f"Bearer {key.reveal()}"} if key is not None else {}
        return await ask_for_embeddings(
            self._http,
            f"{self.base_url}/embeddings",
            headers,
            model,
            texts,
            provider=self.name,
            key_variable=self._key_variable,
            timeout_s=timeout_s,
        )
