"""`kinecast keys`: files of keys, who may read them, and that only their owners get the stream."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import zmq
import zmq.auth

from calib.skeleton import load_skeleton
from realtime import cli
from realtime.client import subscribe
from realtime.errors import StreamError
from realtime.stream.key_files import load_client_keys, load_server_keys, make_pair
from realtime.stream.publisher import Publisher
from realtime.stream.security import ClientKeys, ServerKeys
from tests.support.poses import random_sample
from tests.support.streams import PATIENCE_S, join

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(not zmq.has("curve"), reason="this libzmq is built without CURVE")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A publisher's folder with one client, Ana, on the list."""
    folder = tmp_path / "keys"
    assert cli.main(["keys", str(folder)]) == 0
    assert cli.main(["keys", str(folder), "--client", "ana"]) == 0
    return folder


def test_secrets_are_for_their_owner_and_readable_by_zeromqs_own_tools(keys: Path) -> None:
    assert {path.name for path in keys.iterdir()} == {
        "server.key", "server.key_secret", "clients", "ana.key", "ana.key_secret"
    }  # fmt: skip
    if os.name == "posix":
        assert stat.S_IMODE(keys.stat().st_mode) == 0o700
        for name in ("server", "ana"):
            assert stat.S_IMODE((keys / f"{name}.key_secret").stat().st_mode) == 0o600
    public, secret = zmq.auth.load_certificate(keys / "server.key_secret")
    assert zmq.curve_public(secret) == public
    assert zmq.auth.load_certificate(keys / "server.key") == (public, None)
    assert set(zmq.auth.load_certificates(keys / "clients")) == {
        zmq.auth.load_certificate(keys / "ana.key")[0]
    }
    assert secret.decode() not in (keys / "server.key").read_text()


def test_keys_made_by_zeromqs_own_tools_are_taken(keys: Path) -> None:
    _, secret_path = zmq.auth.create_certificates(keys, "ben")
    os.chmod(secret_path, 0o600)
    loaded = load_client_keys(Path(secret_path))
    assert zmq.curve_public(loaded.secret.encode()).decode() == loaded.public
    assert loaded.server_public == load_server_keys(keys).public


def test_a_client_may_make_its_own_pair_and_be_allowed(keys: Path, tmp_path: Path, capsys) -> None:
    own = tmp_path / "own"
    assert cli.main(["keys", str(own), "--client", "cleo"]) == 0
    assert len(load_server_keys(keys).allowed_clients) == 1
    assert cli.main(["keys", str(keys), "--allow", str(own / "cleo.key")]) == 0
    assert len(load_server_keys(keys).allowed_clients) == 2
    secret = zmq.auth.load_certificate(own / "cleo.key_secret")[1].decode()
    assert all(secret not in path.read_text() for path in keys.rglob("*") if path.is_file())
    said = capsys.readouterr()
    assert secret not in said.out + said.err
    assert cli.main(["keys", str(keys), "--allow", str(own / "cleo.key")]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["keys", "KEYS"], "server.key exists already"),
        (["keys", "KEYS", "--client", "ana"], "ana.key exists already"),
        (["keys", "KEYS", "--client", "../ana"], "'../ana' is not a valid key name"),
        (["keys", "KEYS", "--client", ".."], "'..' is not a valid key name"),
        (["keys", "NONE", "--allow", "KEYS/ana.key"], "NONE holds no keys of a publisher"),
        (["keys", "KEYS", "--allow", "gone.key"], "gone.key: no such key file"),
        (["listen", "--key", "KEYS/ana.key"], "ana.key: holds only a public key"),
        (["listen", "--key", "KEYS/nobody.key_secret"], "nobody.key_secret: no such key file"),
        (["listen", "--server-key", "KEYS/server.key"], "add --key"),
        (["live", "--source", "synthetic", "--no-window", "--keys", "NONE"], "make them with: kinecast keys"),
    ],
)  # fmt: skip
def test_wrong_use_is_refused(keys: Path, words: list[str], said: str, capsys, monkeypatch) -> None:
    monkeypatch.chdir(keys.parent)
    before = {path: path.read_bytes() for path in keys.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert cli.main([word.replace("KEYS", str(keys)) for word in words]) == 2
    # On a slow machine a note about preparations may come first.
    assert re.fullmatch(rf"kinecast.*{re.escape(said)}.*", capsys.readouterr().err.splitlines()[-1])
    assert before == {path: path.read_bytes() for path in keys.rglob("*") if path.is_file()}


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_a_secret_that_others_can_read_is_refused(keys: Path) -> None:
    (keys / "ana.key_secret").chmod(0o640)
    (keys / "server.key_secret").chmod(0o604)
    with pytest.raises(StreamError, match="chmod 600"):
        load_client_keys(keys / "ana.key_secret")
    with pytest.raises(StreamError, match="chmod 600"):
        load_server_keys(keys)


def test_files_without_a_key_are_refused(keys: Path) -> None:
    (keys / "ana.key").write_text("not a key")
    with pytest.raises(StreamError, match="holds no key"):
        load_client_keys(keys / "ana.key_secret", keys / "ana.key")
    (keys / "clients" / "ana.key").write_bytes(b'public-key = "\xff\xfe"')
    with pytest.raises(StreamError, match="holds no key"):
        load_server_keys(keys)


def test_nobody_gets_in_while_no_authenticator_answers() -> None:
    server, client = (tuple(key.decode() for key in zmq.curve_keypair()) for _ in range(2))
    skeleton = load_skeleton()
    with Publisher(
        "tcp://127.0.0.1:*", skeleton, keys=ServerKeys(*server, allowed_clients=frozenset({client[0]}))
    ) as publisher:
        assert publisher._socket._authenticator is not None
        publisher._socket._authenticator.stop()
        with subscribe(publisher.address, keys=ClientKeys(*client, server_public=server[0])) as stream:
            for k in range(20):
                publisher.send(random_sample(skeleton, k))
                assert stream.receive(0.02) is None
            assert stream.meta is None


def test_the_commands_serve_those_with_a_key_and_nobody_else(keys: Path, tmp_path: Path) -> None:
    assert cli.main(["keys", str(tmp_path / "stranger"), "--client", "eve"]) == 0
    command = [
        sys.executable,
        "-u",
        "-m",
        "tests.support.swinging",
        "live",
        "--source",
        "synthetic",
        "--no-window",
    ]
    process = subprocess.Popen(
        [*command, "--publish", "tcp://*:*", "--keys", str(keys)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        said = next(line for line in process.stdout if "publishing" in line)
        port = re.search(r":(\d+), encrypted, for 1 subscriber with", said)[1]
        address = f"tcp://127.0.0.1:{port}"
        eve, server = tmp_path / "stranger" / "eve.key_secret", str(keys / "server.key")
        outsiders = [subscribe(address), subscribe(address, keys=load_client_keys(eve, Path(server)))]
        ana = ["--connect", address, "--key", str(keys / "ana.key_secret"), "--count", "20"]
        listening = [sys.executable, "-m", "realtime.cli", "listen", *ana, "--timeout", "60"]
        heard = subprocess.run(listening, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
        assert len(heard.stdout.splitlines()) == 20
        for outsider in outsiders:
            assert outsider.receive(0.2) is None and outsider.meta is None and outsider.status is None
            outsider.close()
    finally:
        process.kill()
        process.communicate()


def test_keys_are_read_once(keys: Path) -> None:
    skeleton, loaded = load_skeleton(), load_server_keys(keys)
    client = load_client_keys(keys / "ana.key_secret")
    with Publisher("tcp://0.0.0.0:*", skeleton, keys=loaded) as publisher:
        (keys / "server.key_secret").unlink()
        address = publisher.address.replace("0.0.0.0", "127.0.0.1")
        with subscribe(address, timeout_s=PATIENCE_S, keys=client) as stream:
            assert join(publisher, stream, skeleton).seq >= 0


def test_a_pair_is_never_made_by_halves(tmp_path: Path) -> None:
    (tmp_path / "dora.key").write_text("in the way")
    with pytest.raises(StreamError, match="exists already"):
        make_pair(tmp_path, "dora")
    assert not (tmp_path / "dora.key_secret").exists()
