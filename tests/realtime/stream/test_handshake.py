"""Someone who hears nothing learns whether the tracker is off or which key does not fit."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import zmq

from realtime.client import subscribe
from realtime.errors import StreamError
from realtime.stream.handshake import Handshake, read_mechanism, try_handshake
from realtime.stream.key_files import allow, load_client_keys, load_server_keys, make_pair
from realtime.stream.publisher import Publisher
from realtime.stream.security import ClientKeys
from tests.support.bridging import SKELETON, new_publisher
from tests.support.streams import PATIENCE_S, join

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(not zmq.has("curve"), reason="this libzmq is built without CURVE")


@dataclass(frozen=True)
class Encrypted:
    """A publisher that lets only Ana in, and key files around it."""

    publisher: Publisher
    folder: Path

    @property
    def address(self) -> str:
        return self.publisher.address.replace("0.0.0.0", "127.0.0.1")

    def keys(self, name: str) -> ClientKeys:
        return load_client_keys(self.folder / f"{name}.key_secret")


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    folder = tmp_path_factory.mktemp("keys") / "keys"
    for name in ("server", "ana", "eve", "other"):
        make_pair(folder, name)
    allow(folder, folder / "ana.key")
    with Publisher("tcp://0.0.0.0:*", SKELETON, keys=load_server_keys(folder)) as publisher:
        yield Encrypted(publisher, folder)


@pytest.fixture(scope="module")
def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"


def other_server(encrypted: Encrypted) -> ClientKeys:
    """Ana's keys with a key that is not the publisher's."""
    return replace(encrypted.keys("ana"), server_public=encrypted.keys("other").public)


def test_each_cause_is_told_apart(encrypted: Encrypted, free_address: str) -> None:
    ana = encrypted.keys("ana")
    assert try_handshake(encrypted.address, ana) is Handshake.SUCCEEDED
    assert try_handshake(encrypted.address, encrypted.keys("eve")) is Handshake.KEY_REFUSED
    assert try_handshake(encrypted.address, other_server(encrypted)) is Handshake.OTHER_SERVER_KEY
    assert try_handshake(encrypted.address, None) is Handshake.KEY_REQUIRED
    assert try_handshake(free_address, ana) is Handshake.UNANSWERED
    assert try_handshake(free_address, None) is Handshake.UNANSWERED


def test_keys_for_a_stream_without_are_noticed(encrypted: Encrypted) -> None:
    with new_publisher() as plain:
        assert try_handshake(plain.address, None) is Handshake.SUCCEEDED
        assert try_handshake(plain.address, encrypted.keys("ana")) is Handshake.KEY_UNWANTED


def hang_up_on_keys(server: socket.socket, greeting: bytes) -> None:
    """Play a publisher that is always faster: it resets whoever says by which mechanism they come."""
    while True:
        try:
            peer, _ = server.accept()
        except OSError:
            return
        with peer, contextlib.suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            received = b""
            peer.sendall(greeting[:11])
            while len(received) < 11:
                if not (part := peer.recv(64)):
                    raise ConnectionError("hung up before its version")
                received += part
            peer.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                if len(received) > 12 or peer.recv(64):
                    continue
            peer.sendall(greeting[11:])
            peer.recv(64)


@pytest.mark.parametrize(
    ("mechanism", "cause"),
    [(b"NULL", Handshake.KEY_UNWANTED), (b"CURVE", Handshake.OTHER_SERVER_KEY)],
)
def test_a_publisher_that_hangs_up_first_is_told_apart_too(
    encrypted: Encrypted, mechanism: bytes, cause: Handshake
) -> None:
    greeting = b"\xff" + 8 * b"\0" + b"\x7f\x03\x00" + mechanism.ljust(20, b"\0") + 32 * b"\0"
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=hang_up_on_keys, args=(server, greeting), daemon=True)
        thread.start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert try_handshake(address, encrypted.keys("ana")) is cause
        assert read_mechanism(address) == mechanism.decode()
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5.0)


def test_the_mechanism_is_what_the_publisher_uses(encrypted: Encrypted, free_address: str) -> None:
    with new_publisher() as plain:
        assert read_mechanism(plain.address) == "NULL"
    assert read_mechanism(encrypted.address) == "CURVE"
    assert read_mechanism(free_address) is None
    assert read_mechanism("ipc:///nowhere") is None


def test_a_peer_that_says_nothing_counts_as_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert try_handshake(address, None) is Handshake.UNANSWERED


def test_the_message_names_the_cause_and_the_next_command(encrypted: Encrypted, free_address: str) -> None:
    said = {}
    for name, address, keys in [
        ("eve", encrypted.address, encrypted.keys("eve")),
        ("other server", encrypted.address, other_server(encrypted)),
        ("none", encrypted.address, None),
        ("off", free_address, encrypted.keys("ana")),
    ]:
        with (
            subscribe(address, timeout_s=0.05, keys=keys) as stream,
            pytest.raises(StreamError, match="nothing received") as raised,
        ):
            next(stream)
        said[name] = str(raised.value)
    assert "kinecast keys DIR --allow NAME.key" in said["eve"]
    assert "--server-key FILE.key" in said["other server"]
    assert "--key NAME.key_secret" in said["none"]
    assert "kinecast live" in said["off"] and "key" not in said["off"]


def test_watching_does_not_disturb_those_who_are_let_in(encrypted: Encrypted) -> None:
    with subscribe(encrypted.address, timeout_s=PATIENCE_S, keys=encrypted.keys("ana")) as stream:
        join(encrypted.publisher, stream, SKELETON)
        for name in ("ana", "eve"):
            try_handshake(encrypted.address, encrypted.keys(name))
        missed = stream.missed
        join(encrypted.publisher, stream, SKELETON)
        assert stream.missed == missed


def test_nothing_is_left_open(encrypted: Encrypted) -> None:
    """A process with a wrong key ends by itself: a context whose monitor is open would wait for ever."""
    code = (
        "import sys; from pathlib import Path; from realtime.client import subscribe;"
        "from realtime.stream.key_files import load_client_keys;"
        "stream = subscribe(sys.argv[1], timeout_s=0.05, keys=load_client_keys(Path(sys.argv[2])));"
        "print(stream.described_silence(1.0)); print(stream.described_silence(1.0)); stream.close();"
        "import zmq; zmq.Context.instance().term()"
    )
    words = [sys.executable, "-c", code, encrypted.address, str(encrypted.folder / "eve.key_secret")]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and run.stdout.count("refuses your key") == 2, run.stderr


def test_listen_tells_a_wrong_key_from_a_tracker_that_is_off(
    encrypted: Encrypted, free_address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from realtime import cli

    key = str(encrypted.folder / "eve.key_secret")
    said = []
    for address in (encrypted.address, free_address):
        assert cli.main(["listen", "--connect", address, "--key", key, "--timeout", "0.2"]) == 2
        said.append(capsys.readouterr().err)
    assert "refuses your key" in said[0] and "running there" not in said[0]
    assert "running there" in said[1] and "refuses" not in said[1]
