"""Embeddings over OpenAI's protocol: texts in, one vector each out, or an error of the package."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit._http import HttpClient, HttpFailure
from toolkit.errors import InvalidResponseError
from toolkit.providers._errors import error_from_http_failure, error_from_response, request_id
from toolkit.providers._provider import EMBEDDING_PARAMS, Embedded


async def ask_for_embeddings(
    http: HttpClient,
    url: str,
    headers: Mapping[str, str],
    model: str,
    texts: Sequence[str],
    *,
    provider: str,
    key_variable: str,
    timeout_s: float,
) -> Embedded:
    """Sends texts to an embeddings endpoint, once, and returns one vector each.

    Args:
        http: Sends the request.
        url: Of the endpoint.
        headers: With the credential.
        model: Name that the service knows the model by.
        texts: None of them empty.
        provider: For messages.
        key_variable: Environment variable of the credential, for messages.
        timeout_s: Seconds for everything from connecting to the last byte.

    Raises:
        ProviderError: Of the most specific class.
    """
    sent = {"model": model, "input": list(texts), **EMBEDDING_PARAMS}
    try:
        answer = await http.request("POST", url, timeout_s=timeout_s, headers=dict(headers), json_body=sent)
    except HttpFailure as failure:
        raise error_from_http_failure(failure, provider=provider, model=model) from failure
    if not 200 <= answer.status < 300:
        raise error_from_response(
            answer.status, answer.headers, answer.text(), provider=provider, model=model, key_variable=key_variable
        )
    try:
        body = answer.json()
        served, usage = body.get("model"), body.get("usage")
        tokens = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
        return Embedded(
            vectors=_vectors(body, len(texts)),
            input_tokens=tokens if isinstance(tokens, int) and tokens >= 0 else None,
            model=served if isinstance(served, str) else None,
            request_id=request_id(answer.headers),
        )
    except (HttpFailure, RecursionError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidResponseError(
            f"{provider!r} gave no usable embeddings (model {model!r}) for {len(texts)} texts; is that an "
            "embedding model?",
            kind="malformed_response",
            provider=provider,
            model=model,
            status=answer.status,
            request_id=request_id(answer.headers),
            possibly_billed=True,
        ) from error


def _vectors(body: Any, n: int) -> tuple[Sequence[float], ...]:
    by_place = {item["index"]: item["embedding"] for item in body["data"]}
    vectors = [tuple(float(number) for number in by_place[place]) for place in range(n)]
    if len({len(vector) for vector in vectors}) != 1 or not all(math.isfinite(x) for vector in vectors for x in vector):
        raise ValueError("vectors of different lengths, or numbers that are not finite")
    return tuple(vectors)
