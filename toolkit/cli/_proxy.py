"""toolkit proxy: serves a config.yaml as an OpenAI-compatible API on this machine."""

from __future__ import annotations

import argparse
import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from toolkit import _sync
from toolkit._wire_log import set_verbose
from toolkit.config import Settings, read_config
from toolkit.engine import Engine
from toolkit.proxy import ProxyServer


def add_proxy(commands: Any) -> None:
    """Adds the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "proxy",
        help="serve config.yaml as an OpenAI-compatible API",
        description="Serves the models and prompts of a config.yaml as an OpenAI-compatible API on this machine, and "
        "keeps every call in the run store, where tk.traffic() reads it.",
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="config.yaml, as LiteLLM has it")
    parser.add_argument("--port", type=int, default=4000, help="default 4000; 0 = any free one")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1; others need a master key")
    parser.add_argument(
        "--allowed-host", action="append", default=[], metavar="NAME", help="another name that clients call it by"
    )
    parser.add_argument("--detailed_debug", action="store_true", help="print each request that is sent to a provider")
    parser.set_defaults(run=run_proxy)


def run_proxy(options: argparse.Namespace) -> int:
    """Serves until it is interrupted or terminated.

    Raises:
        ToolkitError: If the config is wrong, the address is taken, or the store cannot be opened.
    """
    engine = Engine(Settings.from_environment(), config=read_config(options.config))
    store = engine.store
    server = ProxyServer(engine, host=options.host, port=options.port, allowed_hosts=options.allowed_host)
    if options.detailed_debug:
        set_verbose(True)

    def tell() -> None:
        models = len(engine.config.deployments) if engine.config is not None else 0
        print(f"toolkit proxy: {server.url} ({models} models; calls are kept in {store.path})", flush=True)
        if server.is_wide:
            print("toolkit proxy: other machines can reach it; they need the master key", flush=True)

    # What is there by now stays: the collector need not look through it again and again, call by call.
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    with _stopped_by_signals(server):
        _sync.run(server.serve(on_ready=tell))
    return 0


@contextmanager
def _stopped_by_signals(server: ProxyServer) -> Iterator[None]:
    """Ctrl-C and SIGTERM let the calls under way finish; a second one does not."""
    before = {number: signal.signal(number, lambda *_: server.stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
