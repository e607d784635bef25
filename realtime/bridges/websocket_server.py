"""A WebSocket server that broadcasts to all clients and waits for none."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Sequence

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.typing import Origin

from realtime.bridges.network import check_host
from realtime.errors import BridgeError

logger = logging.getLogger(__name__)

MOST_CLIENTS = 64
MOST_WAITING_BYTES = 1 << 20
"""A client with more unsent data than this is dropped."""
MOST_WARNINGS = 8
LONGEST_REQUEST_BYTES = 4096
LOCAL_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
"""Origins of pages from this computer. Other pages in the user's browser could reach a local server, too, but
have another origin."""


class BroadcastServer:
    """Serves in its own thread; methods may be called from any thread.

    Args:
        host: Host to listen on.
        port: Port to listen on; 0 takes a free one.
        greeting: Function that returns the first messages for a new client; called in the server's thread.
        origins: Web sites whose pages may connect, besides programs and pages from this computer.
        allow_network: Whether `host` may be an address that other computers can reach.

    Raises:
        BridgeError: the address cannot be used.
    """

    def __init__(
        self,
        host: str,
        port: int,
        greeting: Callable[[], Sequence[str]],
        *,
        origins: Sequence[str] = (),
        allow_network: bool = False,
    ) -> None:
        check_host(host, allow_network=allow_network)
        self.served = 0
        """Number of clients so far."""
        self.dropped = 0
        """Number of clients dropped because they did not keep up or were too many."""
        self._host, self._port, self._greeting = host, port, greeting
        self._origins = [None, LOCAL_ORIGIN, *map(Origin, origins)]
        self._clients: set[ServerConnection] = set()
        self._refused: set[str] = set()
        self._loop = asyncio.new_event_loop()
        self._is_open = threading.Event()
        self._error: OSError | None = None
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="websocket", daemon=True)
        self._thread.start()
        self._is_open.wait()
        if self._error is not None:
            self._thread.join()
            reason = self._error.strerror or self._error
            raise BridgeError(f"cannot listen at {host}:{port}: {reason}; choose another with --port")

    @property
    def address(self) -> str:
        """Address to which clients connect."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"ws://{host}:{self._port}"

    @property
    def n_clients(self) -> int:
        """Number of clients connected now."""
        return len(self._clients)

    def send(self, text: str) -> None:
        """Send a message to all clients."""
        if self._clients:
            self._loop.call_soon_threadsafe(self._send, text)

    def close(self) -> None:
        """Disconnect the clients and release the address; may be called twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        try:
            server = await serve(
                self._talk,
                self._host,
                self._port,
                origins=self._origins,
                process_request=self._note_origin,
                compression=None,
                max_size=LONGEST_REQUEST_BYTES,
                server_header=None,
                close_timeout=1.0,
                logger=logging.getLogger(f"{__name__}.connections"),
            )
        except OSError as error:
            self._error = error
            self._is_open.set()
            return
        self._port = server.sockets[0].getsockname()[1]
        self._is_open.set()
        async with server:
            await self._over.wait()

    def _note_origin(self, client: ServerConnection, request: Request) -> None:
        """Warn once about each of the first web sites that are refused, which the browser keeps to itself."""
        for origin in request.headers.get_all("Origin"):
            is_known = origin in self._origins or LOCAL_ORIGIN.fullmatch(origin) or origin in self._refused
            if is_known or len(self._refused) >= MOST_WARNINGS:
                continue
            self._refused.add(origin)
            if origin == "null":
                advice = "serve a page opened as a file (file://) with: python -m http.server"
            else:
                advice = f"to allow it, add --allow-origin {origin}"
            logger.warning("refused a web page of origin %r; %s", origin[:200], advice[:250])

    async def _talk(self, client: ServerConnection) -> None:
        """Serve a client until it disconnects; its messages are ignored."""
        self.served += 1
        if len(self._clients) >= MOST_CLIENTS:
            self.dropped += 1
            await client.close(1013, "too many clients")
            return
        try:
            for text in self._greeting():
                broadcast([client], text)  # does not block, so that no message is missed before the next line
            self._clients.add(client)
            async for _ in client:
                pass
        except ConnectionClosed:
            pass
        finally:
            self._clients.discard(client)

    def _send(self, text: str) -> None:
        for client in list(self._clients):
            if client.transport.get_write_buffer_size() > MOST_WAITING_BYTES:
                self.dropped += 1
                self._clients.discard(client)
                client.transport.abort()
                logger.warning("dropped a client that did not keep up")
        broadcast(self._clients, text)
