"""What `kinecast app` refuses, each with the next command."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from realtime import cli
from tests.support.environment import import_or_skip
from tests.support.kinecast_process import ROOT


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["app", "--no-browser", *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_a_port_that_is_taken_names_another(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    import_or_skip("nicegui", "pip install 'kinecast[app]'")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(capsys, "--port", str(port), "--recordings", str(tmp_path / "rec"))
    assert f"kinecast app --port {port + 1}" in said


def test_other_devices_need_a_certificate(capsys: pytest.CaptureFixture[str]):
    import_or_skip("nicegui", "pip install 'kinecast[app]'")
    said = refusal(capsys, "--host", "0.0.0.0")
    assert "--certificate FILE.pem" in said and "app.md" in said


@pytest.mark.parametrize(
    ("typed", "words"), [("", ["app"]), ("y", ["app"]), ("n", ["--help"]), (None, ["--help"])]
)
def test_kinecast_alone_offers_the_app_at_a_terminal(
    typed: str | None, words: list[str], monkeypatch: pytest.MonkeyPatch
):
    def answer(question: str) -> str:
        if typed is None:
            raise EOFError
        return typed

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", answer)
    assert cli.offered_command() == words


def test_kinecast_alone_in_a_script_is_wrong_usage(capsys: pytest.CaptureFixture[str]):
    assert cli.main([]) == 2
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["80", "70000", "http"])
def test_ports_that_are_none_are_refused(capsys: pytest.CaptureFixture[str], port: str):
    assert "1024 to 65535" in refusal(capsys, "--port", port)


def test_without_the_extra_the_line_to_install_it_is_said():
    hidden = (
        "import sys; sys.modules['nicegui'] = None; from realtime import cli; sys.exit(cli.main(['app']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", hidden], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 2
    assert (
        done.stderr.strip() == "kinecast: the app needs NiceGUI; install it with: pip install 'kinecast[app]'"
    )


def test_a_folder_that_cannot_be_made_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    import_or_skip("nicegui", "pip install 'kinecast[app]'")
    (tmp_path / "file").write_text("")
    assert "--recordings DIR" in refusal(capsys, "--recordings", str(tmp_path / "file" / "rec"))


def test_the_first_page_waits_for_nothing_that_takes_long_to_load():
    import_or_skip("nicegui", "pip install 'kinecast[app]'")
    loaded = (
        "import sys; from realtime.app.pages.all_pages import add_pages; from realtime.app.server import "
        "serve; print([name for name in ('numba', 'cv2', 'openvino', 'av', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
