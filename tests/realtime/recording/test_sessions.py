"""`live`, `replay`, `record` and `listen` end to end, with an estimator that needs no network."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import zmq

from calib.tables.storage import read_mot, read_sto, read_trc
from realtime import cli
from realtime.client import subscribe
from realtime.commands import session
from realtime.sample import Frame, PoseSample, Status
from tests.support import swinging
from tests.support.kinecast_process import FREE_PORT, ROOT, published_address, running
from tests.support.mp4 import write_video
from tests.support.scripted import ScriptedEstimator

FILES = {
    "angles.sto", "angles.mot", "angles.csv", "markers.trc", "overlay.mp4", "report.json", "camera.json",
    "session.json", "stream.msgpack",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "make_estimator", swinging.build)


def csv_rows(path: Path) -> dict[int, str]:
    """Frame number -> the rest of its line."""
    rows = [line.split(",", 1) for line in path.read_text().splitlines()[1:]]
    return {int(frame_id): rest for frame_id, rest in rows}


def replay_stepping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_frames: int, lost: tuple[int, ...], fps: float = 30.0
) -> Path:
    """The recording of a replay in which these frames show nobody."""
    estimator = ScriptedEstimator(lambda name, time_s: 10.0, lost=lost)
    step = estimator.step

    def step_or_nan(frame: Frame) -> PoseSample:
        sample = step(frame)
        gone = np.full_like(sample.q, np.nan)
        return replace(sample, q=gone) if sample.status is Status.LOST else sample

    estimator.step = step_or_nan  # type: ignore[method-assign]
    monkeypatch.setattr(session, "make_estimator", lambda options, camera: estimator)
    out = tmp_path / "out"
    video = write_video(tmp_path / "clip.mp4", n_frames, fps=fps)
    assert cli.main(["replay", str(video), "--out", str(out)]) == 0
    return out


def test_markers_of_nobody_are_not_written_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    out = replay_stepping(tmp_path, monkeypatch, 5, lost=(0, 1, 2, 3, 4))
    assert {path.name for path in out.iterdir()} == FILES - {"markers.trc"}
    assert "nobody was tracked" in caplog.text and "no markers.trc" in caplog.text
    (out / "markers.trc").write_text("of an earlier version, without frames")
    assert cli.main(["recover", str(out)]) == 0
    assert not (out / "markers.trc").exists()


@pytest.mark.parametrize("n_frames", [1, 2])
def test_markers_of_few_frames_have_the_rate_of_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_frames: int
):
    out = replay_stepping(tmp_path, monkeypatch, n_frames, lost=(), fps=25.0)
    rates = (out / "markers.trc").read_text().splitlines()[2].split("\t")
    assert float(rates[0]) == float(rates[1]) == float(rates[5]) == 25.0
    assert read_trc(out / "markers.trc").positions_m.shape[0] == n_frames


def test_a_folder_that_looks_like_a_protocol_holds_a_whole_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_video(tmp_path / "clip.mp4", 6)
    monkeypatch.chdir(tmp_path)
    words = ["live", "--source", "clip.mp4", "--no-window", "--no-publish", "--record-video"]
    assert cli.main([*words, "--out", "trial:1"]) == 0
    assert {path.name for path in Path("trial:1").iterdir()} >= FILES
    assert cli.main(["replay", "trial:1", "--retrack", "--out", "trial:2"]) == 0
    assert cv2.VideoCapture(str(tmp_path / "trial:2" / "overlay.mp4")).read()[0]


def test_replay_leaves_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    video, out = write_video(tmp_path / "clip.mp4", 30), tmp_path / "out"
    assert cli.main(["replay", str(video), "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == FILES
    said = capsys.readouterr().out
    assert "knee_angle" in said and "latency" in said and str(out) in said

    report = json.loads((out / "report.json").read_text())
    assert (report["frames"], report["lost_frames"], report["dropped_frames"]) == (30, 3, 0)
    assert report["latency_ms"].keys() >= {"p50", "p95", "p99", "max"}
    table = read_sto(out / "angles.sto")
    np.testing.assert_allclose(table.time_s, np.arange(30) / 30.0, atol=1e-6)
    knee_deg = table.values[:, table.names.index("knee_angle_r")]
    assert np.isnan(knee_deg[9::10]).all() and np.isfinite(np.delete(knee_deg, [9, 19, 29])).all()
    ranges = report["joint_ranges"]["knee_angle_r"]
    np.testing.assert_allclose(
        [np.nanmin(knee_deg), np.nanmax(knee_deg)], [ranges["min"], ranges["max"]], atol=2e-3
    )
    assert "knee_angle_r" in read_mot(out / "angles.mot").names
    assert len(read_trc(out / "markers.trc").time_s) > 20
    overlay = cv2.VideoCapture(str(out / "overlay.mp4"))
    assert sum(1 for _ in iter(overlay.grab, False)) == 30


def test_a_truncated_video_is_tracked_as_far_as_it_goes(tmp_path: Path, caplog):
    video, out = write_video(tmp_path / "clip.avi", 40, codec="MJPG"), tmp_path / "out"
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    assert cli.main(["replay", str(video), "--out", str(out)]) == 0
    frames = json.loads((out / "report.json").read_text())["frames"]
    assert 2 < frames < 38
    assert f"{frames} frames could be read of 40" in caplog.text


def test_live_and_replay_write_the_same_angles(tmp_path: Path):
    video = write_video(tmp_path / "clip.mp4", 25, fps=25.0)
    assert cli.main(["replay", str(video), "--out", str(tmp_path / "a")]) == 0
    words = ["live", "--source", str(video), "--no-window", "--no-publish", "--out", str(tmp_path / "b")]
    assert cli.main(words) == 0
    replayed, live = (csv_rows(tmp_path / name / "angles.csv") for name in "ab")
    assert len(replayed) == 25
    assert len(live) > 5
    if len(live) == 25:
        assert live == replayed
    else:  # a busy machine dropped frames: what follows a gap is smoothed differently, as it must be
        first_gap = next(k for k in range(25) if k not in live)
        assert all(live[k] == replayed[k] for k in range(first_gap))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_live_ends_cleanly_and_keeps_its_recording(tmp_path: Path, number: signal.Signals):
    out = tmp_path / "out"
    words = ["live", "--source", "synthetic", "--publish", FREE_PORT, "--out", str(out)]
    with running(*words) as process:
        address = published_address(process)
        with subscribe(address, timeout_s=60.0) as samples:
            heard = [next(samples) for _ in range(10)]
        process.send_signal(number)
        said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    assert "Traceback" not in complaints
    assert complaints.count("going on without a window") == 1
    assert "latency, captured to published" in said
    report = json.loads((out / "report.json").read_text())
    assert report["interrupted"] and report["frames"] >= 10
    assert {path.name for path in out.iterdir()} == FILES
    assert heard[-1].frame_id > heard[0].frame_id


def test_a_second_tracker_on_the_same_port_is_refused(capsys):
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        address = f"tcp://127.0.0.1:{port}"
        words = ["live", "--source", "synthetic", "--no-window", "--publish", address, "--frames", "5"]
        assert cli.main(words) == 2
    assert f"{address} is in use" in capsys.readouterr().err


def test_publishing_to_the_world_is_refused(capsys):
    words = [
        "live",
        "--source",
        "synthetic",
        "--no-window",
        "--publish",
        "tcp://0.0.0.0:5570",
        "--frames",
        "5",
    ]
    assert cli.main(words) == 2
    assert "reached from other computers" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["live", "--no-window", "--no-publish", "--source"], ["replay"]])
def test_an_output_folder_that_cannot_be_made_is_refused(tmp_path: Path, command: list[str], capsys):
    (tmp_path / "file").write_text("in the way")
    words = [*command, "synthetic", "--frames", "3", "--out", str(tmp_path / "file" / "out")]
    assert cli.main(words) == 2
    assert re.fullmatch(r"kinecast: .*out.*\n", capsys.readouterr().err)


def test_record_and_listen_hear_what_replay_publishes(tmp_path: Path):
    words = ["live", "--source", "synthetic", "--no-window", "--publish", FREE_PORT]
    with running(*words) as process:
        address = published_address(process)
        recording = [sys.executable, "-m", "realtime.cli", "record", "--connect", address]
        result = subprocess.run(
            [*recording, "--out", str(tmp_path / "heard"), "--count", "20", "--timeout", "60"],
            capture_output=True, text=True, check=False, timeout=120, cwd=ROOT,
        )  # fmt: skip
        assert (result.returncode, result.stderr) == (0, "")
        listening = [sys.executable, "-m", "realtime.cli", "listen", "--connect", address, "--count", "3"]
        lines = subprocess.run(
            [*listening, "--json", "--timeout", "60"], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout.splitlines()
        text = subprocess.run(
            [*listening, "--show", "knee_angle_l"], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
    assert "20 samples recorded" in result.stdout
    assert {path.name for path in (tmp_path / "heard").iterdir()} >= {
        "angles.sto",
        "angles.mot",
        "angles.csv",
        "markers.trc",
    }
    assert len(read_sto(tmp_path / "heard" / "angles.sto").time_s) == 20
    records = [json.loads(line) for line in lines]
    assert len(records) == 3
    assert all("knee_angle_r" in record for record in records)
    assert text.count("knee_angle_l") == 3


def test_a_tracker_that_stops_ends_a_recording_that_has_a_time_limit(tmp_path: Path):
    out = tmp_path / "heard"
    with running("live", "--source", "synthetic", "--no-window", "--publish", FREE_PORT) as process:
        words = ["record", "--connect", published_address(process), "--out", str(out), "--timeout", "15"]
        command = [sys.executable, "-m", "realtime.cli", *words]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as recording:
            table = out / "angles.csv"
            while not table.exists() or table.read_bytes().count(b"\n") <= 6:
                assert recording.poll() is None
                time.sleep(0.1)
            process.kill()
            _, complaints = recording.communicate(timeout=120)
    assert recording.returncode == 2
    assert "the samples have stopped" in complaints
    report = json.loads((out / "report.json").read_text())
    assert report["command"] == "record" and report["frames"] == len(read_sto(out / "angles.sto").time_s)
    assert report["missed_samples"] == 0 and report["latency_ms"]["p50"] > 0.0


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file size are POSIX")
def test_a_full_disk_ends_the_recording_and_not_the_tracking(tmp_path: Path):
    """A limit of file size stands in for the disk: writing fails, everything else goes on."""
    out = tmp_path / "out"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, 90_000))"
    words = [
        "live",
        "--source",
        "synthetic",
        "--no-window",
        "--no-publish",
        "--out",
        str(out),
        "--frames",
        "150",
    ]
    with running(*words, prelude=limit) as process:
        said, complaints = process.communicate(timeout=120)
    assert process.returncode == 1, complaints
    assert "written to" not in said
    assert len(re.findall("recording has stopped after .* tracking goes on", complaints)) == 1
    frames = int(re.search(r"^(\d+) frames in", said, re.MULTILINE)[1])
    recorded = csv_rows(out / "angles.csv")
    assert 0 < len(recorded) < frames
    assert f"kinecast: {len(recorded)} of {frames} samples recorded" in complaints
    assert complaints.rstrip().endswith(f"kinecast recover {out}")
    assert cli.main(["recover", str(out)]) == 0
    assert frames > 100
