"""Serves the app with uvicorn on the engine's own event loop, so that no request crosses threads."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from toolkit._optional import require
from toolkit.errors import ConfigError, UsageError
from toolkit.proxy._app import ProxyApp
from toolkit.proxy._guard import Guard

if TYPE_CHECKING:
    import uvicorn

    from toolkit.engine import Engine

KEEP_ALIVE_S = 75
"""Seconds that an idle connection is kept for its client's next request."""

# How long calls under way may take to end once the proxy is asked to stop.
_GRACE_S = 10

# More than any number of calls that are let in, few enough to stay below the usual limit of open files.
_MAX_CONNECTIONS = 900


class ProxyServer:
    """One proxy: bound when made, served until it is asked to stop.

    Args:
        engine: Sources, providers and config.yaml, whose master key clients must show.
        host: Address to listen on; anything but a loopback one needs a master key.
        port: 0 = any free one.
        allowed_hosts: What clients may call this machine besides its loopback names, `name` or `name:port`.

    Raises:
        MissingDependencyError: If the extra `proxy` is not installed.
        ConfigError: If the master key's environment variable is not set.
        UsageError: If the address cannot be listened on, or would be open to others without a master key.
    """

    def __init__(
        self, engine: Engine, *, host: str = "127.0.0.1", port: int = 4000, allowed_hosts: Sequence[str] = ()
    ) -> None:
        for package in ("uvicorn", "httptools"):
            require(package, extra="proxy", purpose="by the proxy")
        config = engine.config
        unset = config.master_key_unset if config is not None else None
        if config is not None and unset is not None:
            raise ConfigError(
                f"{config.path}: general_settings.master_key is {unset!r}, which is empty or not set; set it, or take "
                "master_key out to serve this machine without a key."
            )
        master_key = config.master_key if config is not None else None
        self._engine = engine
        self._socket = _listen(host, port, has_key=master_key is not None)
        self._server: uvicorn.Server | None = None
        self._is_wide = not _is_loopback(self._socket)
        self._guard = Guard(
            port=self.port, master_key=master_key, allows_addresses=self._is_wide,
            allowed_hosts=[*allowed_hosts, *([host, socket.gethostname()] if self._is_wide else [])],
        )  # fmt: skip

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Address for clients."""
        host = self._socket.getsockname()[0]
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def is_wide(self) -> bool:
        """True when other machines can reach it."""
        return self._is_wide

    async def serve(self, *, on_ready: Callable[[], None] | None = None) -> None:
        """Serves until `stop`, on the engine's loop; then closes the engine.

        Args:
            on_ready: Called once when connections are accepted.
        """
        import uvicorn

        from toolkit.proxy._protocol import LimitedProtocol

        config = uvicorn.Config(
            ProxyApp(self._engine, guard=self._guard),
            http=LimitedProtocol,
            ws="none",
            loop="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
        )
        self._server = uvicorn.Server(config)
        if on_ready is not None:
            # The socket listens since it was bound: who connects now waits for a moment, and is answered.
            on_ready()
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            await self._engine.aclose()

    def stop(self) -> None:
        """Asks it to end: no new connections, calls under way may finish; asked again, at once. Safe in a signal."""
        if self._server is not None:
            self._server.force_exit = self._server.should_exit
            self._server.should_exit = True


def _listen(host: str, port: int, *, has_key: bool) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, OverflowError, UnicodeError) as error:
        raise UsageError(f"There is no address {host!r} with port {port} to listen on: {error}.") from error
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is; with it, pieces of a stream
    # wait 40 ms for the receipt of those before.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        if not has_key and not _is_loopback(listening):
            raise UsageError(
                f"--host {host} can be reached by other machines, and there is no master key: set "
                "general_settings: {master_key: os.environ/NAME} in config.yaml, or leave --host away."
            )
        listening.listen(1024)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}; choose another --port, 0 for a free one."
        ) from error
    except UsageError:
        listening.close()
        raise
    return listening


def _is_loopback(listening: socket.socket) -> bool:
    return ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback
