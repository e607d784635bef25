"""Only the app's own pages may speak with it: hostile sites, rebound names and guessed tokens may not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from realtime.app.guard import COOKIE, LOGIN_PATH, Guard
from tests.support.environment import import_or_skip
from tests.support.running_app import RunningApp, running_app, status_of

PORT = 5580
OWN = f"127.0.0.1:{PORT}"


async def nothing(*_: Any) -> None:
    """An application that serves nothing."""


def guard(*, token: str = "", is_public: bool = False, is_secure: bool = False) -> Guard:
    return Guard(nothing, token=token, is_public=is_public, is_secure=is_secure)


@pytest.mark.parametrize("host", [OWN, f"localhost:{PORT}", "127.0.0.1", f"[::1]:{PORT}", "LOCALHOST"])
def test_this_computer_is_served(host: str):
    assert not guard().refusal("http", "GET", {"host": host})
    own = {"host": host, "origin": f"http://{host}"}
    assert not guard().refusal("websocket", "GET", own) and not guard().refusal("http", "POST", own)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:5580", "127.0.0.1.evil.example", "192.168.1.7:5580", "localhost.evil"],
)
def test_other_names_are_refused_as_rebinding_uses_them(host: str):
    assert guard().refusal("http", "GET", {"host": host, "origin": f"http://{host}"})


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:8000", f"https://{OWN}", None]
)
def test_other_sites_neither_write_nor_listen(origin: str | None):
    headers = {"host": OWN} | ({} if origin is None else {"origin": origin})
    assert guard().refusal("http", "POST", headers)
    assert guard().refusal("websocket", "GET", headers)
    assert origin is None or guard().refusal("http", "GET", headers)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_may_link_here_and_no_more(site: str):
    headers = {"host": OWN, "sec-fetch-site": site}
    assert not guard().refusal("http", "GET", headers | {"sec-fetch-mode": "navigate"})
    assert guard().refusal("http", "GET", headers | {"sec-fetch-mode": "no-cors"})  # an image, a script


def test_other_devices_are_served_by_address_and_not_by_foreign_name():
    public = guard(token="t" * 16, is_public=True, is_secure=True)
    assert not public.refusal("http", "GET", {"host": "192.168.1.7:5580"})
    assert public.refusal("http", "GET", {"host": "evil.example:5580"})
    own = {"host": "192.168.1.7:5580"}
    assert public.refusal("http", "POST", own | {"origin": "http://192.168.1.7:5580"})
    assert not public.refusal("http", "POST", own | {"origin": "https://192.168.1.7:5580"})


@given(host=st.text(), origin=st.none() | st.text())
def test_whatever_the_headers_hold_a_websocket_needs_its_own_origin(host: str, origin: str | None):
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    if not guard().refusal("websocket", "GET", headers):
        assert origin == f"http://{host}"


def answers(guarded: Guard, path: str, method: str = "GET", body: bytes = b"", cookie: str = "") -> list[Any]:
    """Messages that an ASGI server would get."""
    sent: list[Any] = []
    headers = [(b"host", OWN.encode()), (b"origin", f"http://{OWN}".encode()), (b"cookie", cookie.encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": headers}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(guarded(scope, receive, send))
    return sent


def test_the_token_opens_a_session_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("realtime.app.guard.REFUSED_S", 0.0)
    guarded = guard(token="ABCDEFGHIJKLMNOP")
    assert answers(guarded, "/live")[0]["status"] == 303
    assert answers(guarded, LOGIN_PATH, "POST", b"token=ABCDEFGHIJKLMNO")[0]["status"] == 200
    assert answers(guarded, "/live", cookie=f"{COOKIE}=ABCDEFGHIJKLMNOP")[0]["status"] == 303
    opened = answers(guarded, LOGIN_PATH, "POST", b"token=ABCDEFGHIJKLMNOP")[0]
    cookie = dict(opened["headers"])[b"set-cookie"].decode()
    assert opened["status"] == 303 and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert "ABCDEFGHIJKLMNOP" not in cookie
    assert answers(guarded, "/live", cookie=cookie.partition(";")[0]) == []  # passed on


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    import_or_skip("nicegui", "pip install 'kinecast[app]'")
    with running_app(tmp_path_factory.mktemp("guarded")) as app:
        yield app


def test_the_server_refuses_over_http(app: RunningApp):
    assert status_of(app.url) == 200
    assert status_of(app.url, Host=f"evil.example:{app.port}") == 403
    assert status_of(f"{app.url}/media/live.mjpg", Origin="http://evil.example") == 403
    assert status_of(f"{app.url}/media/cameras/0.jpg", **{"Sec-Fetch-Site": "cross-site"}) == 403


@pytest.mark.parametrize("origin", ["http://evil.example", None])
def test_the_server_refuses_foreign_websockets(app: RunningApp, origin: Any):
    url = f"ws://127.0.0.1:{app.port}/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    with pytest.raises(InvalidStatus, match="403"):
        connect(url, origin=origin)


def test_the_server_listens_on_loopback_only(app: RunningApp):
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    local = {row[1].partition(":")[0] for row in listening if int(row[1].partition(":")[2], 16) == app.port}
    assert local == {"0100007F"}


@pytest.mark.parametrize(
    "name", ["..%2f..%2fetc", "%2e%2e", "missing", "..", "a%00b", "%2e%2e%2f%2e%2e%2fetc%2fpasswd"]
)
def test_nothing_outside_the_folder_is_served(app: RunningApp, name: str):
    assert status_of(f"{app.url}/media/recordings/{name}/report.html") == 404
    assert status_of(f"{app.url}/media/recordings/{name}/image.jpg?t_s=0") == 404
