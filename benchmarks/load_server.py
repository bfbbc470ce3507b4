"""The upstream of the sweep benchmarks: latencies, refusals and limits, seeded, so that every client meets the same.

A request is known by the mark `#...#` in its messages and by its model: its latency (lognormal) and whether its first
call is refused depend on seed and these alone, not on when or by whom it is sent. `--per-s` refuses what goes beyond in
any second, `--in-flight 5,20,80` what goes beyond at once, one limit after the other for `--phase-s` seconds each. A
refusal is a 429 with Retry-After, sent at once. `GET /_stats` gives the counts since the last one. Prints
`{"port": N}`, ends with its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import hashlib
import json
import random
import re
import sys
import threading
import time
from dataclasses import dataclass, field

from server import ANSWER, whole

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MARK = re.compile(rb"#([^#]*)#")
_MODEL = re.compile(rb'"model": ?"([^"]*)"')
_ERROR = {"error": {"message": "Slow down.", "type": "requests", "code": "rate_limit_exceeded"}}


def fate(seed: int, mark: str, *, median_s: float, sigma: float, stray: float) -> tuple[float, bool]:
    """Latency of a request in seconds, and whether its first call is refused."""
    rng = random.Random(hashlib.sha256(f"{seed}/{mark}".encode()).digest())  # noqa: S311  made to be repeatable
    return median_s * rng.lognormvariate(0.0, sigma), rng.random() < stray


@dataclass
class Load:
    """What all connections share."""

    options: argparse.Namespace
    refused_marks: set[str] = field(default_factory=set)
    window: collections.deque[float] = field(default_factory=collections.deque)
    started_at: float | None = None
    in_flight: int = 0
    sent: int = 0
    refused: int = 0
    busy: list[tuple[float, int]] = field(default_factory=list)
    """When the number in flight changed (seconds since the first call), and to what."""

    def takes(self, mark: str, is_stray: bool) -> bool:
        """Whether a call is let in."""
        now = time.monotonic()
        self.started_at = self.started_at or now
        self.sent += 1
        if is_stray and mark not in self.refused_marks:
            self.refused_marks.add(mark)
            return False
        if self.options.per_s:
            while self.window and self.window[0] <= now - 1.0:
                self.window.popleft()
            if len(self.window) >= self.options.per_s:
                return False
            self.window.append(now)
        if self.options.in_flight:
            phase = int((now - self.started_at) / self.options.phase_s)
            limits = self.options.in_flight
            if self.in_flight >= limits[min(phase, len(limits) - 1)]:
                return False
        return True

    def move(self, step: int) -> None:
        """A call came in or was answered."""
        self.in_flight += step
        self.busy.append((time.monotonic() - (self.started_at or 0.0), self.in_flight))

    def stats(self) -> dict[str, object]:
        """The counts since the last time, and forgets them."""
        found = {"sent": self.sent, "refused": self.refused, "busy": self.busy}
        self.sent, self.refused, self.busy, self.started_at = 0, 0, [], None
        self.refused_marks.clear()
        self.window.clear()
        return found


class Service(asyncio.Protocol):
    """One connection."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._refusal = whole(json.dumps(_ERROR).encode()).replace(
            b"200 OK\r\n", b"429 Too Many Requests\r\nretry-after: %g\r\n" % load.options.retry_after_s
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers every request that has arrived whole."""
        self._buffer = self._buffer + data if self._buffer else data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._buffer, 0, end)
            size = end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < size:
                return
            request, self._buffer = self._buffer[:size], self._buffer[size:]
            self._answer(request, end)

    def _answer(self, request: bytes, end: int) -> None:
        if request.startswith(b"GET /_stats"):
            return self._write(whole(json.dumps(self._load.stats()).encode()))
        found = _MARK.search(request, end)
        if found is None:
            return self._write(ANSWER)
        model, options = _MODEL.search(request, end), self._load.options
        mark = f"{found[1].decode()}/{model[1].decode() if model else ''}"
        latency_s, is_stray = fate(
            options.seed, mark, median_s=options.median_ms / 1000, sigma=options.sigma, stray=options.stray
        )
        if not self._load.takes(mark, is_stray):
            self._load.refused += 1
            return self._write(self._refusal)
        self._load.move(1)
        asyncio.get_running_loop().call_later(latency_s, self._finish)
        return None

    def _finish(self) -> None:
        self._load.move(-1)
        self._write(ANSWER)

    def _write(self, content: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(content)  # type: ignore[attr-defined]


async def serve(load: Load) -> None:
    """Serves on loopback until standard input is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Service(load), "127.0.0.1", 0, backlog=1024)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    over = asyncio.Event()

    def watch_stdin() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=watch_stdin, daemon=True).start()
    await over.wait()


def main() -> None:
    """Reads the arguments and serves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--median-ms", type=float, default=200.0)
    parser.add_argument("--sigma", type=float, default=0.5)
    parser.add_argument("--stray", type=float, default=0.0, help="share of requests whose first call is refused")
    parser.add_argument("--retry-after-s", type=float, default=1.0)
    parser.add_argument("--per-s", type=int, default=0, help="calls let in in any second; 0 = all")
    parser.add_argument("--in-flight", type=lambda text: [int(part) for part in text.split(",")], default=[])
    parser.add_argument("--phase-s", type=float, default=20.0)
    asyncio.run(serve(Load(parser.parse_args())))


if __name__ == "__main__":
    main()
