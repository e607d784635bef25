"""What all bridges share, and the command that runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.client import connect

from realtime import cli
from realtime.bridges.runner import run_bridge
from realtime.client import subscribe
from realtime.errors import BridgeError
from tests.support.bridging import SKELETON, new_publisher, pose, publish_until
from tests.support.mutations import bridges, survive
from tests.support.streams import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["websocket", "opencap", "vmc", "lsl"])
def test_damaged_messages_do_no_harm(name: str):
    bridge = bridges()[name]
    counts = survive(bridge, 3000, seed=len(name))
    assert counts["received"] > 2000 and counts["refused"] > 500 and counts["sent"] > 100


class Refusing:
    """A bridge that can pass on nothing."""

    description = "nothing"

    def __init__(self) -> None:
        self.beats = 0

    def meet(self, meta) -> None: ...

    def send(self, sample) -> None:
        raise BridgeError("no")

    def beat(self, status) -> None:
        self.beats += 1

    def close(self) -> None: ...


def test_samples_that_cannot_be_passed_on_are_counted(caplog: pytest.LogCaptureFixture):
    bridge = Refusing()
    with new_publisher() as publisher, subscribe(publisher.address) as subscription:
        for k in range(100):
            publisher.send(pose(k))
            if subscription.receive(0.02):
                break
        for k in range(20):
            publisher.send(pose(k))
        publisher.tick()
        rounds = iter(range(25))
        counts = run_bridge(subscription, bridge, is_over=lambda: next(rounds, None) is None)
    assert counts.sent == 0 and counts.unsendable >= 20 and bridge.beats
    assert caplog.text.count("cannot be forwarded") == 1


@pytest.mark.parametrize(
    "words",
    [
        [], ["carrier-pigeon"], ["websocket", "--host", "0.0.0.0"], ["vmc", "--host", "192.0.2.7"], ["lsl"],
        ["websocket", "--port", "70000"], ["opencap", "--allow-origin", "nonsense"], ["vmc", "--connect", "udp://x"],
    ],
)  # fmt: skip
def test_wrong_use_is_refused_in_one_line(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert cli.main(["bridge", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_missing_package_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pythonosc.osc_bundle_builder", None)
    monkeypatch.delitem(sys.modules, "realtime.bridges.vmc", raising=False)
    assert cli.main(["bridge", "vmc"]) == 2
    assert "pip install 'kinecast[bridges]'" in capsys.readouterr().err


def test_the_command_passes_a_stream_on_and_ends_when_told():
    with new_publisher() as publisher:
        words = ["bridge", "websocket", "--connect", publisher.address, "--port", "0"]
        process = subprocess.Popen(
            [sys.executable, "-m", "realtime.cli", *words], cwd=ROOT, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        try:
            said = process.stdout.readline()
            address = re.search(r"ws://\S+?:\d+", said)[0]
            with connect(address, close_timeout=0.2) as client:
                heard = []

                def is_heard() -> bool:
                    try:
                        heard.append(json.loads(client.recv(0.0)))
                    except TimeoutError:
                        return False
                    return heard[-1]["type"] == "angles"

                publish_until(publisher, lambda k: pose(k, knee_angle_r=40.0), is_heard)
            assert heard[-1]["angles"]["knee_angle_r"] == pytest.approx(40.0)
            assert np.isfinite(list(heard[-1]["angles"].values())).sum() == SKELETON.n_q
            process.send_signal(signal.SIGTERM)
            told, errors = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == 0 and "invalid messages" in told and not errors
