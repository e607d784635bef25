"""A real browser without a window, spoken to through its debugging port."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.support.environment import SYSTEM_PACKAGES, missing

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str:
    """A Chromium; continuous integration must have one, others may skip."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is not None:
        return found
    missing(f"no browser: none of {', '.join(NAMES)} is installed; {SYSTEM_PACKAGES}")


class Page:
    """One page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._session: str | None = None
        self._next_id = 0
        self.events: list[dict[str, Any]] = []
        """What the browser has told unasked."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")
        self.ask("Emulation.setFocusEmulationEnabled", enabled=True)  # or keys may reach no page

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command; its answer."""
        self._next_id += 1
        request = {"id": self._next_id, "method": method, "params": parameters}
        if self._session is not None:
            request["sessionId"] = self._session
        self._socket.send(json.dumps(request))
        while (message := json.loads(self._socket.recv(60.0))).get("id") != self._next_id:
            self.events.append(message)
        assert "error" not in message, message
        return message["result"]

    def resize(self, width: int, height: int) -> None:
        """As a phone or a screen of that size."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def open(self, path: Path) -> None:
        """Load a file and wait until it has been drawn."""
        self.visit(path.as_uri())

    def visit(self, url: str) -> None:
        """Load an address and wait until it has been drawn."""
        self.events.clear()
        self.ask("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(json.loads(self._socket.recv(60.0)))

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def wait_for(self, script: str, timeout_s: float = 60.0) -> Any:
        """The first true value of an expression in the page."""
        deadline_s = time.monotonic() + timeout_s
        while not (value := self.evaluate(script)):
            text = self.evaluate("document.body.innerText")
            assert time.monotonic() < deadline_s, f"never true: {script}; the page says: {text}"
            time.sleep(0.05)
        return value

    def click(self, selector: str) -> None:
        """Click what a selector names, once it is there and can be used."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.wait_for(f"!!{found} && !{found}.disabled && !{found}.classList.contains('disabled')")
        self.evaluate(f"{found}.click()")

    def fill(self, selector: str, text: str) -> None:
        """Replace the text of the field that a selector names or holds."""
        field = f"document.querySelector({json.dumps(f'{selector}:is(input), {selector} input')})"
        self.wait_for(f"!!{field}")
        self.evaluate(f"{field}.focus(); {field}.select()")
        self.ask("Input.insertText", text=text)
        self.wait_for(f"{field}.value == {json.dumps(text)}")

    def press(self, key: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            code = f"Key{key.upper()}"
            self.ask(
                "Input.dispatchKeyEvent", type=kind, key=key, code=code, text=key if kind == "keyDown" else ""
            )

    def text_of(self, selector: str) -> str:
        """Text of what a selector names; empty where there is nothing."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def screenshot(self) -> bytes:
        """The whole page as PNG."""
        return base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def requests(self) -> list[str]:
        """What the page has fetched."""
        return [
            e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """What the browser has found wrong."""
        return [e["params"]["entry"]["text"] for e in self.events if e["method"] == "Log.entryAdded"]


@contextmanager
def browser_page(profile: Path) -> Iterator[Page]:
    """Start a browser with an empty profile."""
    process = subprocess.Popen(
        [
            find_browser(), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={profile}",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        address = next(line.split()[-1] for line in process.stderr if "DevTools listening on" in line)
        with connect(address, max_size=None, ping_interval=None, close_timeout=1.0) as socket:
            yield Page(socket)
    finally:
        process.kill()
        process.communicate()
