"""A service that speaks OpenAI's chat completions and does to its answers whatever can go wrong on a wire.

It is `tests.servers.fake_openai` with more faults. Beside those of that server a fault may have:

- `model`: only for requests of this model; `param`: only for requests that have this parameter;
- `raw_base64`: the bytes of the whole answer, head included;
- `fill_bytes`: a body of so many bytes, written piece by piece as fast as they are taken;
- `bomb`: `gzip`, `deflate`, `br` or `zstd`: `fill_bytes` of zeros, compressed (for the last two only said to be);
- `framing`: `length` (what a whole body has), `chunked`, or `close` (the body ends with the connection);
- `pieces`: sizes of the first pieces of the body, each sent by itself; the rest follows in one;
- `end`: `keep` the connection, `close` it, `reset` it, or `stall`: stay silent until the client goes.

`GET /_requests` and `GET /_stats` count what came in, as there; a request counts as soon as it was read.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import socket
import struct
import zlib
from typing import Any

from tests.servers.fake_openai import FAULT_KEYS, REASONS, Connection, Fake, main

PIECE = b"\0" * 65536


class Faults(Fake):
    """What the server knows."""

    fault_keys = FAULT_KEYS | {"model", "param", "raw_base64", "fill_bytes", "bomb", "framing", "pieces", "end"}

    def fits(self, fault: dict[str, Any], messages: str, body: dict[str, Any]) -> bool:
        """Whether a fault is for this request."""
        fits = super().fits(fault, messages, body)
        fits = fits and fault.get("model") in (None, body.get("model"))
        return fits and (fault.get("param") is None or fault["param"] in body)


class FaultConnection(Connection):
    """One connection."""

    async def misbehave(self, fault: dict[str, Any], body: dict[str, Any]) -> bool:
        """Answers as a fault says."""
        if "raw_base64" in fault:
            await self.write(base64.b64decode(fault["raw_base64"]))
            return await self.end(fault)
        if "bomb" in fault or "fill_bytes" in fault:
            return await self.fill(fault)
        if not {"framing", "pieces", "end"} & fault.keys():
            return await super().misbehave(fault, body)
        content, content_type = self.content(fault, body)
        await self.head(fault, fault.get("content_type", content_type), len(content))
        is_chunked = fault.get("framing") == "chunked"
        content = content[: fault.get("cut", len(content))]
        for size in [*fault.get("pieces", []), len(content)]:
            piece, content = content[:size], content[size:]
            if piece:
                await self.write(b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece)
                await asyncio.sleep(fault.get("gap_s", 0))
        if is_chunked and "cut" not in fault and fault.get("end", "keep") == "keep":
            await self.write(b"0\r\n\r\n")
        return await self.end(fault)

    async def head(self, fault: dict[str, Any], content_type: str, length: int | None) -> None:
        """Writes status and headers."""
        status = fault.get("status", 200)
        given = fault.get("headers", {})
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Scripted')}", f"content-type: {content_type}"]
        if fault.get("framing") == "chunked":
            lines.append("transfer-encoding: chunked")
        elif fault.get("framing") != "close" and length is not None:
            lines.append(f"content-length: {fault.get('content_length', length)}")
        lines += [f"{name}: {value}" for name, value in (given.items() if isinstance(given, dict) else given)]
        await self.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def fill(self, fault: dict[str, Any]) -> bool:
        """Writes a large body, compressed when it is a bomb, until it ends or the client goes."""
        bomb = fault.get("bomb")
        headers = {**fault.get("headers", {}), **({"content-encoding": bomb} if bomb else {})}
        said = {"framing": "close", **fault, "headers": headers}
        await self.head(said, fault.get("content_type", "application/json"), fault["fill_bytes"])
        with contextlib.suppress(ConnectionError):
            if bomb in ("gzip", "deflate"):
                await self.write(packed(bomb, fault["fill_bytes"]))
            else:
                for _ in range(fault["fill_bytes"] // len(PIECE)):
                    await self.write(PIECE)
        return await self.end({"end": "close", **fault})

    async def write(self, content: bytes) -> None:
        """Writes and waits until the system has taken it."""
        self.writer.write(content)
        await self.writer.drain()

    async def end(self, fault: dict[str, Any]) -> bool:
        """Ends an answer as the fault says; false when the connection is over."""
        end = fault.get("end", "close" if fault.get("framing") == "close" or "cut" in fault else "keep")
        if end == "stall":
            with contextlib.suppress(ConnectionError):
                await self.reader.read()
        elif end == "reset":
            sock = self.writer.get_extra_info("socket")
            # With no time to linger, closing sends a reset instead of an end.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        return bool(end == "keep")


@functools.cache
def packed(encoding: str, size: int) -> bytes:
    """So many zeros, compressed."""
    packer = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    return b"".join(packer.compress(PIECE) for _ in range(size // len(PIECE))) + packer.flush()


def completion(content: Any = "hi", *, finish_reason: Any = "stop", **fields: Any) -> str:
    """A chat completion as text; `fields` stand beside its message."""
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "small",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }
    return json.dumps(body | fields)


if __name__ == "__main__":
    main(Faults, connection=FaultConnection, description=__doc__)
