"""Signals end a run once; its files are finished unless the user gives them up."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from calib.tables.storage import read_mot
from realtime import cli
from realtime.commands.ending import ENDING_SIGNALS, ended_by_signals
from tests.support.kinecast_process import FREE_PORT, published_address, running

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
SLOW_TO_FINISH = """
import os, time
import realtime.recording.recorder as recorder
finish = recorder.finish_recording
def slow(folder):
    print("now finishing", flush=True)
    while not os.path.exists(os.environ["GO_ON"]):
        time.sleep(0.02)
    return finish(folder)
recorder.finish_recording = slow
"""


@needs_posix
@pytest.mark.parametrize("number", ENDING_SIGNALS)
def test_the_first_signal_ends_the_run_and_only_ctrl_c_gives_up(number: int, tmp_path: Path, capfd):
    with ended_by_signals(tmp_path):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        for other in ENDING_SIGNALS * 2:
            if other != signal.SIGINT:
                signal.raise_signal(other)  # a closed terminal sends several
        assert capfd.readouterr().err == ""
        signal.raise_signal(signal.SIGINT)
        assert "finishing; once more to give up" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert f"kinecast recover {tmp_path}" in capfd.readouterr().err


@needs_posix
def test_a_run_that_ended_by_itself_is_finished(capfd):
    with ended_by_signals() as ending:
        ending.finish()
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert "once more to give up" in capfd.readouterr().err


@needs_posix
def test_handlers_are_restored_and_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        handlers = [signal.getsignal(number) for number in ENDING_SIGNALS]
        with ended_by_signals():
            signal.raise_signal(signal.SIGHUP)
        assert [signal.getsignal(number) for number in ENDING_SIGNALS] == handlers
    finally:
        signal.signal(signal.SIGHUP, before)


@needs_posix
@pytest.mark.parametrize("gives_up", [False, True])
def test_ctrl_c_while_files_are_finished(gives_up: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out, go_on = tmp_path / "out", tmp_path / "go_on"
    monkeypatch.setenv("GO_ON", str(go_on))
    words = ["live", "--source", "synthetic", "--no-window", "--publish", FREE_PORT, "--out", str(out)]
    with running(*words, prelude=f"exec({SLOW_TO_FINISH!r})") as process:
        published_address(process)
        while not (out / "angles.csv").exists():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        wait_for(process.stdout, "now finishing")
        process.send_signal(signal.SIGINT)
        wait_for(process.stderr, "finishing; once more to give up")
        if gives_up:
            process.send_signal(signal.SIGINT)
            wait_for(process.stderr, f"kinecast recover {out}")
        else:
            go_on.touch()
        process.communicate(timeout=60)
    if gives_up:
        assert process.returncode != 0 and not (out / "angles.mot").exists()
        assert cli.main(["recover", str(out)]) == 0
    else:
        assert process.returncode == 0
        assert json.loads((out / "report.json").read_text())["interrupted"]
    assert len(read_mot(out / "angles.mot").time_s) > 0


def wait_for(pipe, text: str) -> None:
    for line in pipe:
        if text in line:
            return
    raise AssertionError(f"never said: {text}")


@needs_posix
def test_closing_the_terminal_finishes_the_recording(tmp_path: Path):
    """The terminal is gone when the run writes its last words."""
    import pty

    out = tmp_path / "out"
    program = [sys.executable, "-m", "tests.support.swinging", "live", "--source", "synthetic", "--no-window"]
    master, terminal = pty.openpty()
    with subprocess.Popen(
        [*program, "--no-publish", "--out", str(out)],
        stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(terminal)
        while not (out / "angles.csv").exists():
            assert process.poll() is None
            if select.select([master], [], [], 0.05)[0]:
                os.read(master, 65536)
        os.close(master)
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 0
    assert json.loads((out / "report.json").read_text())["interrupted"]
