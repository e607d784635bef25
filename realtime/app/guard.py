"""Who may speak with the app: this computer's own browser, or holders of the token.

Any web page can make a browser send requests to this computer. Their headers give them away: `Host` is not
this computer (DNS rebinding), or `Origin` and `Sec-Fetch-Site` name another site.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "kinecast_session"
LOGIN_PATH = "/login"
MAX_FORM_BYTES = 4096
REFUSED_S = 1.0
"""Time to wait after a wrong token."""
HEADERS = {
    # The pages need scripts of their own and Vue's compiler, and nothing from elsewhere.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "frame-ancestors 'self'; form-action 'self'; base-uri 'self'",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
LOGIN_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>kinecast</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font:16px system-ui,sans-serif;max-width:22rem;margin:20vh auto;padding:0 1rem}
input,button{font:inherit;width:100%;padding:.6rem;margin:.4rem 0;box-sizing:border-box}</style>
<h1>kinecast</h1><form method="post"><label>Token<input name="token" type="password" autocomplete="off"
autofocus required></label><button>Open</button></form><p>REASON</p></html>"""


class Guard:
    """ASGI middleware that refuses what does not come from the app's own pages.

    Args:
        app: Application behind it.
        token: Token to ask for; empty asks for none.
        is_public: Whether other computers may connect; otherwise this one's loopback addresses only.
        is_secure: Whether the app is reached by https.
    """

    def __init__(self, app: Application, *, token: str, is_public: bool, is_secure: bool) -> None:
        self._app, self._token = app, token
        self._is_public, self._scheme = is_public, "https" if is_secure else "http"
        self._sessions: set[str] = set()
        names = {"localhost"}
        if is_public:
            own = socket.gethostname().lower()
            names |= {own, own.partition(".")[0], f"{own.partition('.')[0]}.local"}
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        reason = self.refusal(scope["type"], scope.get("method", "GET"), headers)
        if reason:
            await _refuse(scope, send, 403, f"kinecast: {reason}")
        elif not self._token or self._is_known(headers):
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "http" and scope["path"] == LOGIN_PATH:
            await self._log_in(scope, receive, send)
        elif scope["type"] == "http" and headers.get("sec-fetch-dest", "document") == "document":
            await _respond(send, 303, "", {"location": LOGIN_PATH})
        else:
            await _refuse(scope, send, 401, "kinecast: log in first")

    def refusal(self, kind: str, method: str, headers: dict[str, str]) -> str:
        """Reason to refuse a request; empty to go on.

        Args:
            kind: `http` or `websocket`.
            method: Method of an HTTP request.
            headers: Headers by their names in lower case.
        """
        host = headers.get("host", "")
        if not self._is_own_host(host):
            return "this address is not this computer's; open the address that kinecast app has printed"
        origin = headers.get("origin")
        is_writing = kind == "websocket" or method not in ("GET", "HEAD")
        if (origin is not None or is_writing) and origin != f"{self._scheme}://{host}":
            return "requests of other sites are refused"
        site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "")
        if site not in ("none", "same-origin") and (mode != "navigate" or is_writing):
            return "requests of other sites are refused"
        return ""

    def _is_own_host(self, host: str) -> bool:
        """Whether a `Host` can be meant for this app: names of others may have been rebound to it."""
        name = host.lower()
        if name.startswith("["):
            name = name[1:].partition("]")[0]
        elif name.count(":") == 1:
            name = name.partition(":")[0]
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return self._is_public or address.is_loopback

    def _is_known(self, headers: dict[str, str]) -> bool:
        pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
        return any(name == COOKIE and value in self._sessions for name, _, value in pairs)

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = ""
        if scope["method"] == "POST":
            if hmac.compare_digest(await _posted_token(receive), self._token.encode()):
                session = secrets.token_urlsafe(32)
                self._sessions.add(session)
                secure = "; Secure" if self._scheme == "https" else ""
                cookie = f"{COOKIE}={session}; HttpOnly; SameSite=Strict; Path=/{secure}"
                await _respond(send, 303, "", {"location": "/", "set-cookie": cookie})
                return
            await asyncio.sleep(REFUSED_S)
            reason = "This is not the token."
        await _respond(send, 200, LOGIN_PAGE.replace("REASON", reason), {})


async def _posted_token(receive: Receive) -> bytes:
    body = b""
    while len(body) <= MAX_FORM_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return parse_qs(body[:MAX_FORM_BYTES]).get(b"token", [b""])[0].strip()


async def _refuse(scope: Scope, send: Send, status: int, text: str) -> None:
    if scope["type"] == "websocket":  # closed before it is accepted: the browser sees 403
        await send({"type": "websocket.close", "code": 1008})
        return
    await _respond(send, status, text, {}, kind="text/plain")


async def _respond(
    send: Send, status: int, text: str, headers: dict[str, str], kind: str = "text/html"
) -> None:
    every = {"content-type": f"{kind}; charset=utf-8", "cache-control": "no-store", **HEADERS, **headers}
    encoded = [(key.encode(), value.encode()) for key, value in every.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": text.encode()})


def _with_headers(send: Send) -> Send:
    """Add the headers that every answer has, unless it has its own."""

    async def send_with(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            present = {key.lower() for key, _ in message.get("headers", [])}
            more = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in present]
            message = {**message, "headers": [*message.get("headers", []), *more]}
        await send(message)

    return send_with
