"""What the client asks of whatever carries its requests: the network, or a stand-in for it.

A wire and its answers raise `HttpFailure` and no error of their library: those hold the request's headers, and with
them a credential, in their attributes and in the local variables of the frames that they came through.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

CONNECT_TIMEOUT_S = 10.0
"""Most seconds for looking a host up, connecting and agreeing on encryption."""


class Progress:
    """Whether the request began to leave, to tell a failure that cost nothing from one that may be billed."""

    __slots__ = ("request_sent",)

    def __init__(self) -> None:
        self.request_sent = False


class Answer(Protocol):
    """An answer whose head has arrived."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    is_decoded: bool
    """True when the parts come decompressed already."""

    async def next_part(self) -> bytes:
        """Returns the next bytes of the body as soon as they are there; empty at its end.

        Raises:
            HttpFailure: If the connection breaks.
        """
        ...

    async def aclose(self) -> None:
        """Gives the connection back, or cuts it when the body was not read to its end."""
        ...


class Wire(Protocol):
    """Carries requests."""

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None,
        connect_s: float,
        progress: Progress,
    ) -> Answer:
        """Sends one request and returns the answer as soon as its head is there.

        Raises:
            HttpFailure: If none comes.
        """
        ...

    async def aclose(self) -> None:
        """Closes every connection."""
        ...
