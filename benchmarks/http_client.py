"""What one HTTP request costs: our client beside the libraries that it could have been built on.

A JSON `POST` of about 1 KB with an answer of about 1 KB over kept-alive connections, at 32 and at 256 in flight,
without latency and with 20 ms of it, at which the connections really are in flight together. CPU by `getrusage`, each
contender in a process of its own; the others in a virtual environment of their own under the cache folder.
The goal for ours: at most 0.25 ms of CPU, and the same at 256 as at 32.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from _bench import environment, keep, measure, rounds, table, upstream, versions

CONTENDERS = ("ours", "aiohttp", "httpx_aiohttp_direct", "httpx_aiohttp", "httpx")
REQUIREMENTS = ("aiohttp==3.14.5", "httpx==0.28.1", "httpx-aiohttp==0.2.0", "uvloop==0.23.0")
NAMES = tuple(each.partition("==")[0] for each in REQUIREMENTS)
CALLS = {"ours": 4000, "aiohttp": 4000, "httpx_aiohttp_direct": 3000, "httpx_aiohttp": 2000, "httpx": 600}
GOAL_MS = 0.25
BODY = {
    "model": "gpt-4o-mini",
    "messages": [
        {"role": "system", "content": "You answer letters to a parcel service. " + "Be brief and polite. " * 30},
        {"role": "user", "content": "Where is my parcel? It left the depot on Monday. " * 4},
    ],
    "temperature": 0.2,
}
HEADERS = {"authorization": "Bearer sk-benchmark-0000"}


def ours(url: str) -> Any:
    """`toolkit._http.HttpClient`."""
    from toolkit._http import HttpClient

    client = HttpClient()

    async def call(_: int) -> None:
        answer = await client.request("POST", url, timeout_s=60, headers=HEADERS, json_body=BODY)
        assert answer.json()["usage"]  # noqa: S101

    return call


def aiohttp(url: str) -> Any:
    """Its own session, with its JSON in and out."""
    import aiohttp

    session: list[aiohttp.ClientSession] = []

    async def call(_: int) -> None:
        if not session:
            session.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        async with session[0].post(url, json=BODY, headers=HEADERS) as answer:
            assert (await answer.json())["usage"]  # noqa: S101

    return call


def httpx_aiohttp_direct(url: str) -> Any:
    """The transport of httpx-aiohttp, asked with a prebuilt request and without `Client.send`."""
    import httpx
    import httpx_aiohttp

    transport = httpx_aiohttp.AiohttpTransport(limits=httpx.Limits(max_connections=None))
    timeout = {"timeout": {"connect": 10.0, "read": 60.0, "write": 60.0, "pool": None}}

    async def call(_: int) -> None:
        content = json.dumps(BODY).encode()
        headers = {**HEADERS, "content-type": "application/json"}
        request = httpx.Request("POST", url, headers=headers, content=content, extensions=timeout)
        answer = await transport.handle_async_request(request)
        assert json.loads(await answer.aread())["usage"]  # noqa: S101
        await answer.aclose()

    return call


def httpx_aiohttp(url: str) -> Any:
    """`httpx.AsyncClient` over httpx-aiohttp."""
    import httpx
    import httpx_aiohttp

    client = httpx.AsyncClient(
        transport=httpx_aiohttp.AiohttpTransport(limits=httpx.Limits(max_connections=None)), timeout=60
    )

    async def call(_: int) -> None:
        answer = await client.post(url, json=BODY, headers=HEADERS)
        assert answer.json()["usage"]  # noqa: S101

    return call


def httpx(url: str) -> Any:
    """`httpx.AsyncClient` as it comes, with a pool that is large enough."""
    import httpx

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    client = httpx.AsyncClient(limits=limits, timeout=60)

    async def call(_: int) -> None:
        answer = await client.post(url, json=BODY, headers=HEADERS)
        assert answer.json()["usage"]  # noqa: S101

    return call


async def contend(name: str, url: str, *, calls: int, in_flight: int) -> None:
    """Measures one contender and prints its figures."""
    call = globals()[name](url)
    print(json.dumps(await measure(call, calls=calls, in_flight=in_flight)))


def main() -> int:
    """Measures, prints, keeps, and ends with 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contender", choices=CONTENDERS)
    parser.add_argument("--url")
    parser.add_argument("--calls", type=int)
    parser.add_argument("--in-flight", type=int, default=32)
    asked = parser.parse_args()
    if asked.contender:
        asyncio.run(contend(asked.contender, asked.url, calls=asked.calls, in_flight=asked.in_flight))
        return 0
    theirs = environment("http-clients", REQUIREMENTS)
    rows, ours_ms = [], []
    for in_flight, latency_ms in ((32, 0.0), (32, 20.0), (256, 0.0), (256, 20.0)):
        with upstream(latency_ms=latency_ms, python=theirs) as base:
            commands = {}
            for name in CONTENDERS:
                python = sys.executable if name == "ours" else theirs
                commands[name] = [python, __file__, "--contender", name, "--url", f"{base}/v1/chat/completions"]
                commands[name] += ["--calls", str(CALLS[name]), "--in-flight", str(in_flight)]
            figures = rounds(commands, count=asked.rounds)
        own = figures["ours"]["cpu_ms"]
        ours_ms.append(own)
        for name, row in figures.items():
            cpu = row["cpu_ms"]
            measured = [f"{cpu:.3f}", f"{cpu / own:.1f}", row["calls_per_s"], row["p50_ms"]]
            rows.append([in_flight, f"{latency_ms:g}", name, *measured])
    header = ["in flight", "latency ms", "client", "CPU ms a request", "x ours", "requests/s", "p50 ms"]
    verdict = f"Ours costs {min(ours_ms):.3f} to {max(ours_ms):.3f} ms; the goal is {GOAL_MS} ms."
    used = f"{versions('httptools')}; {versions(*NAMES, python=theirs)}"
    keep("http_client", "CPU of one HTTP request", f"{table(header, rows)}\n\n{verdict}", used)
    return int(max(ours_ms) > GOAL_MS)


if __name__ == "__main__":
    sys.exit(main())
