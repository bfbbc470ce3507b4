"""A server for what lies below a request: connections, who closes them, encryption, and a proxy's part.

Every answer is `{"connection": n, "target": ...}`; connections are counted from 1. What the target ends with decides
what else happens: `/leave` answers and closes without a word of it, `/drop` takes the request and closes, `/cookie`
sets one, `/long` has a header line of 40,000 characters. `CONNECT` leads to loopback, whatever host is named; an
absolute target is answered here, as by a proxy. `/raw/TEXT` is answered with the bytes that TEXT is the base64 of, and
`/raw-end/TEXT` too, and closed. `--certificate FILE` (a key and its chain) serves TLS.

`GET /_requests` lists what came in: connection, method, target, headers.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import ssl
import sys
import threading
from typing import Any


class Wire:
    """What the server has seen."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers on one connection until either side closes it."""
        self.connections += 1
        number = self.connections
        try:
            while await self.serve_one(number, reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def serve_one(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; false when the connection is over."""
        beginning = await reader.readexactly(1)
        if beginning == b"\x16":  # the first byte of TLS, on a plain port
            writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            return False
        head = (beginning + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        await reader.readexactly(int(headers.get("content-length", 0)))
        if target == "/_requests":
            return await self.send(writer, self.received)
        self.received.append({"connection": number, "method": method, "target": target, "headers": headers})
        if method == "CONNECT":
            await self.tunnel(int(target.rpartition(":")[2]), reader, writer)
            return False
        if target.endswith("/drop"):
            return False
        if target.startswith("/raw"):
            writer.write(base64.urlsafe_b64decode(target.rpartition("/")[2]))
            await writer.drain()
            return not target.startswith("/raw-end")
        extra = {"/cookie": "set-cookie: a=b; path=/\r\n", "/long": f"x-long: {'x' * 40_000}\r\n"}
        await self.send(
            writer, {"connection": number, "target": target}, extra.get(f"/{target.rpartition('/')[2]}", "")
        )
        return not target.endswith("/leave")

    async def send(self, writer: asyncio.StreamWriter, value: Any, extra: str = "") -> bool:
        """Writes one JSON answer."""
        content = json.dumps(value).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n{extra}\r\n"
        writer.write(head.encode() + content)
        await writer.drain()
        return True

    async def tunnel(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries bytes to a port of loopback and back."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while part := await source.read(65536):
                target.write(part)
                await target.drain()
            target.close()

        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer), return_exceptions=True)


async def serve(*, port: int, certificate: str | None) -> None:
    """Serves on loopback until standard input is closed."""
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    server = await asyncio.start_server(Wire().serve, "127.0.0.1", port, ssl=context)
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    def watch_stdin() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=watch_stdin, daemon=True).start()
    await over.wait()


def main() -> None:
    """Reads the arguments and serves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 = any free one")
    parser.add_argument("--certificate", default=None)
    options = parser.parse_args()
    asyncio.run(serve(port=options.port, certificate=options.certificate))


if __name__ == "__main__":
    main()
