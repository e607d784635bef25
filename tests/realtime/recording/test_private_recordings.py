"""No secret of a camera's URL leaves the command line; recordings name neither user nor working folder."""

from __future__ import annotations

import getpass
import json
import logging
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime import cli
from realtime.client import subscribe
from realtime.commands import session
from realtime.recording.log import StreamLog
from realtime.sources.parse import parse_source
from tests.realtime.sources.test_network_stream import camera_on
from tests.support import swinging
from tests.support.kinecast_process import FREE_PORT, published_address, running
from tests.support.mp4 import write_video

SECRET = "zQ7secret9X"
URLS = (
    "rtsp://admin:{secret}@127.0.0.1:{port}/stream1",
    "rtsp://root:p@ss/{secret}@127.0.0.1:{port}/Streaming/Channels/101",
    "rtsp://{secret}@127.0.0.1:{port}/live",
    "rtsp://127.0.0.1:{port}/user=admin&password={secret}&channel=1&stream=0.sdp?real_stream",
    "rtmp://127.0.0.1:{port}/bcs/channel0_main.bcs?channel=0&user=admin&password={secret}",
    "http://127.0.0.1:{port}/videostream.cgi?loginuse=admin&loginpas={secret}",
    "http://127.0.0.1:{port}/clip.mp4?token={secret}",
    "https://api:{secret}@127.0.0.1:{port}/live;session={secret}/index.m3u8#{secret}",
)
SERVED = (
    *(url for url in URLS if url.startswith("http:")),
    "http://admin:{secret}@127.0.0.1:{port}/video",
    "http://127.0.0.1:{port}/user=admin&password={secret}/video",
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "make_estimator", swinging.build)


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def dead_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("url", URLS)
def test_no_message_about_a_camera_that_is_not_there_holds_its_secret(
    url: str, dead_port: int, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog
):
    url, out = url.format(secret=SECRET, port=dead_port), tmp_path / "out"
    caplog.set_level(logging.DEBUG)
    camera = ["calibrate", "camera", "--out", str(tmp_path / "c.json"), "--square-m", "0.02", "--source"]
    commands = [
        ["live", "--no-window", "--no-publish", "--out", str(out), "--source", url],
        ["live", "--no-window", "--no-publish", f"--source={url}"],
        ["live", "--no-window", url],
        ["live", "--debug", "--frames", url],
        ["replay", url, "--out", str(out), "--frames", "3"],
        ["replay", url, "--retrack", "--out", str(out)],
        ["replay", url.replace("://", "x://"), "--out", str(out)],
        ["replay", url.partition("://")[2], "--out", str(out)],
        ["report", url],
        ["recover", url],
        ["listen", "--connect", url],
        [*camera, url],
    ]
    for words in commands:
        assert cli.main(words) == 2, words
    printed = capfd.readouterr()
    said = [line for line in printed.err.splitlines() if line.startswith("kinecast")]
    assert len(said) == len(commands)  # FFmpeg writes further lines where an earlier test let it
    assert SECRET not in printed.out + printed.err + caplog.text
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize("url", SERVED)
def test_nothing_that_is_written_published_or_said_holds_a_secret(url: str, tmp_path: Path):
    out = tmp_path / "out"
    with camera_on(0) as port:
        url = url.format(secret=SECRET, port=port).replace("clip.mp4", "clip")
        words = ["live", "--source", url, "--out", str(out), "--record-video", "--frames", "40"]
        trace = ["--trace", str(tmp_path / "trace.json"), "--publish", FREE_PORT]
        with running(*words, *trace) as process:
            address = published_address(process)
            with subscribe(address, timeout_s=60.0) as stream:
                source = next(stream).meta.source
            said, complaints = process.communicate(timeout=60)
        assert process.returncode == 0, complaints
        lost = parse_source(url)
        lost.open()
    lost.interrupt()
    lost._reconnect()  # the server is gone: its note is what window and overlay show
    assert "is gone" in lost.note
    assert source.startswith(f"http://127.0.0.1:{port}")
    assert SECRET not in source + said + complaints + lost.note
    assert cli.main(["report", str(out)]) == 0
    assert cli.main(["replay", str(out), "--retrack", "--out", str(tmp_path / "again")]) == 0
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 20
    for path in written:
        assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX")
def test_only_the_owner_may_read_a_recording(tmp_path: Path, usual_umask: None):
    for words in (
        ["live", "--source", "synthetic", "--no-window", "--no-publish", "--record-video", "--out", "deep/a"],
        ["replay", "synthetic", "--out", "deep/b"],
        ["replay", "deep/a", "--retrack", "--out", "deep/c"],
        ["report", "deep/a"],
        ["recover", "deep/a"],
    ):
        words = [str(tmp_path / word) if word.startswith("deep") else word for word in words]
        limit = [] if words[0] in ("report", "recover") else ["--frames", "12"]
        assert cli.main([*words, *limit]) == 0
    for folder in (tmp_path / "deep").iterdir():
        modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in [folder, *folder.iterdir()]}
        assert modes.pop(folder.name) == "0o700"
        assert len(modes) >= 9 and set(modes.values()) == {"0o600"}, modes


def test_a_recording_names_neither_user_nor_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its files are still found when it is tracked again."""
    home = tmp_path / "home" / "wilhelmina"
    work = home / "clinic-of-wilhelmina"
    work.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("USER", "wilhelmina")
    monkeypatch.setenv("LOGNAME", "wilhelmina")
    assert getpass.getuser() == "wilhelmina"
    monkeypatch.chdir(work)
    write_video(work / "clip.mp4", 5)
    live = ["live", "--source", "synthetic", "--no-window", "--no-publish", "--frames", "5", "--record-video"]
    assert cli.main([*live, "--out", "first"]) == 0
    camera = ["--camera-file", str(work / "first" / "camera.json")]
    outside = tmp_path / "disk" / "rec"
    assert cli.main([*live, "--out", "rec", *camera]) == 0
    assert cli.main(["replay", str(work / "clip.mp4"), "--out", "clips", "--fov", "65"]) == 0
    assert cli.main([*live, "--out", str(outside)]) == 0
    assert cli.main([*live, "--out", str(outside.parent / "b"), "--camera-file", "first/camera.json"]) == 0
    for folder in (work / "rec", work / "clips", outside):
        for path in folder.iterdir():
            assert b"wilhelmina" not in path.read_bytes(), path
        assert "source" in json.loads((folder / "session.json").read_text())
    held = json.loads((outside.parent / "b" / "session.json").read_text())["options"]["camera"]["camera_path"]
    assert held == "~/clinic-of-wilhelmina/first/camera.json"
    for folder in (work / "rec", outside.parent / "b"):
        assert cli.main(["replay", str(folder), "--retrack", "--out", str(folder) + "_again"]) == 0
        assert len(list(StreamLog(Path(str(folder) + "_again") / "stream.msgpack").samples())) == 5
