"""What a recording holds, and what is left of it when things go wrong."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.camera_file import load_camera
from calib.skeleton import Skeleton, load_skeleton
from calib.tables.storage import coordinate_values, read_mot, read_sto, read_trc
from realtime.client import subscribe
from realtime.errors import RecordingError
from realtime.recording.finish import finish_recording
from realtime.recording.log import LOG_NAME
from realtime.recording.recorder import Recorder
from realtime.sample import PoseSample
from realtime.stream.publisher import Publisher
from tests.support.opensim_reference import import_opensim
from tests.support.poses import lost_sample, random_sample, sample_of
from tests.support.streams import join

START_NS = 123_456_789_000
ROOT = Path(__file__).resolve().parents[3]
WRITTEN_AT_THE_END = {
    "angles.mot", "angles.sto", "angles.csv", "markers.trc", "camera.json", LOG_NAME
}  # fmt: skip


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def camera() -> CameraCalibration:
    return CameraCalibration.assumed(640, 480)


def smooth_samples(skeleton: Skeleton, times_s: NDArray[np.float64]) -> list[PoseSample]:
    """A slow motion, so that linear interpolation is near the truth."""
    return [
        sample_of(skeleton, moving_q(skeleton, t), k, t_capture_ns=START_NS + round(t * 1e9))
        for k, t in enumerate(times_s.tolist())
    ]


def moving_q(skeleton: Skeleton, time_s: float) -> NDArray[np.float64]:
    return 0.3 * np.sin(time_s + np.arange(skeleton.n_q))


def uneven_s(n: int) -> NDArray[np.float64]:
    return np.round(
        np.concatenate([[0.0], np.cumsum(np.random.default_rng(0).uniform(0.02, 0.05, n - 1))]), 6
    )


def test_the_files_hold_what_was_tracked(
    skeleton: Skeleton, camera: CameraCalibration, tmp_path: Path
) -> None:
    times_s = uneven_s(60)
    samples = smooth_samples(skeleton, times_s)
    with Recorder(tmp_path / "deep" / "run", skeleton, camera) as recorder:
        for sample in samples:
            recorder.write(sample)
    folder = recorder.folder
    assert {path.name for path in folder.iterdir()} == WRITTEN_AT_THE_END
    q = np.array([sample.q for sample in samples])

    sto = read_sto(folder / "angles.sto")
    assert sto.names == skeleton.coordinate_names and sto.in_degrees
    np.testing.assert_allclose(sto.time_s, times_s, atol=1e-9)
    np.testing.assert_allclose(
        coordinate_values(sto, skeleton.coordinate_names, skeleton.is_rotational), q, atol=1e-9
    )
    ty = skeleton.coordinate_index("pelvis_ty")
    np.testing.assert_allclose(sto.values[:, ty], q[:, ty], atol=1e-9)

    mot = read_mot(folder / "angles.mot")
    assert np.ptp(np.diff(mot.time_s)) < 1e-8 and mot.time_s[0] == 0.0
    assert times_s[-1] - mot.time_s[-1] < np.diff(mot.time_s)[0]
    truth = np.array([moving_q(skeleton, t) for t in mot.time_s])
    q_even = coordinate_values(mot, skeleton.coordinate_names, skeleton.is_rotational)
    # A chord of a sine of amplitude 0.3 over 0.05 s misses it by at most 0.3 * 0.05^2 / 8.
    np.testing.assert_allclose(q_even, truth, atol=1e-4)

    trc = read_trc(folder / "markers.trc")
    assert trc.names == skeleton.marker_names
    np.testing.assert_array_equal(trc.time_s, mot.time_s)
    np.testing.assert_allclose(trc.positions_m[0], samples[0].markers_m, atol=1e-6)

    loaded = load_camera(folder / "camera.json")
    np.testing.assert_array_equal(loaded.T_ground_cam, camera.T_ground_cam)
    assert asdict(loaded.intrinsics) == asdict(camera.intrinsics)


def test_at_the_samples_own_rate_the_even_files_repeat_them(skeleton: Skeleton, tmp_path: Path) -> None:
    samples = smooth_samples(skeleton, np.arange(25) / 29.97)
    with Recorder(tmp_path, skeleton, rate_hz=29.97) as recorder:
        for sample in samples:
            recorder.write(sample)
    mot = read_mot(tmp_path / "angles.mot")
    q = coordinate_values(mot, skeleton.coordinate_names, skeleton.is_rotational)
    np.testing.assert_allclose(q, [sample.q for sample in samples], atol=1e-7)


def test_the_spreadsheet_has_units_confidence_and_state(skeleton: Skeleton, tmp_path: Path) -> None:
    tracked = random_sample(skeleton, 7, t_capture_ns=START_NS)
    with Recorder(tmp_path, skeleton) as recorder:
        recorder.write(tracked)
        recorder.write(lost_sample(skeleton, 9, t_capture_ns=START_NS + 40_000_000))
    with (tmp_path / "angles.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    knee = skeleton.coordinate_index("knee_angle_l")
    assert float(first["knee_angle_l_deg"]) == pytest.approx(np.degrees(tracked.q[knee]), rel=1e-7)
    assert float(first["pelvis_tx_m"]) == pytest.approx(
        tracked.q[skeleton.coordinate_index("pelvis_tx")], rel=1e-7
    )
    assert float(first["knee_angle_l_confidence"]) == pytest.approx(tracked.confidence[knee], rel=1e-3)
    assert (first["frame_id"], first["status"]) == ("7", "tracking")
    assert (second["frame_id"], second["time_s"], second["status"]) == ("9", "0.040000000", "lost")
    assert second["knee_angle_l_deg"] == "nan" and second["knee_angle_l_confidence"] == "0"


def test_lost_frames_stay_undefined_and_only_short_gaps_are_bridged(
    skeleton: Skeleton, tmp_path: Path
) -> None:
    samples = smooth_samples(skeleton, np.arange(100) / 50.0)
    lost = {*range(0, 5), 20, 21, *range(40, 60), *range(95, 100)}
    with Recorder(tmp_path, skeleton, rate_hz=50.0) as recorder:
        for k, sample in enumerate(samples):
            recorder.write(
                lost_sample(skeleton, k, t_capture_ns=sample.t_capture_ns) if k in lost else sample
            )
    sto = read_sto(tmp_path / "angles.sto")
    assert set(np.flatnonzero(np.isnan(sto.values).all(axis=1))) == lost
    assert set(np.flatnonzero(np.isnan(sto.values).any(axis=1))) == lost
    mot = read_mot(tmp_path / "angles.mot")
    assert (mot.time_s[0], mot.time_s[-1]) == (pytest.approx(5 / 50.0), pytest.approx(94 / 50.0))
    undefined = np.flatnonzero(np.isnan(mot.values).any(axis=1)) + 5
    assert set(undefined) == set(range(40, 60))


def test_nobody_in_view_all_along_still_makes_valid_files(skeleton: Skeleton, tmp_path: Path) -> None:
    with Recorder(tmp_path, skeleton) as recorder:
        for k in range(3):
            recorder.write(lost_sample(skeleton, k, t_capture_ns=START_NS + k * 10**7))
    assert len(read_sto(tmp_path / "angles.sto").time_s) == 3
    assert len(read_mot(tmp_path / "angles.mot").time_s) == 0
    assert not (tmp_path / "markers.trc").exists(), "OpenSim hangs on one without frames"


def test_a_turn_is_resampled_the_shorter_way_round(skeleton: Skeleton, tmp_path: Path) -> None:
    yaw = skeleton.coordinate_index("pelvis_rotation")
    with Recorder(tmp_path, skeleton, rate_hz=100.0) as recorder:
        for k, angle in enumerate(np.radians([170.0, 178.0, -174.0, -166.0])):
            q = np.zeros(skeleton.n_q)
            q[yaw] = angle
            recorder.write(sample_of(skeleton, q, k, t_capture_ns=START_NS + k * 50_000_000))
    mot = read_mot(tmp_path / "angles.mot")
    np.testing.assert_allclose(mot.values[:, yaw], np.linspace(170.0, 194.0, 16), atol=1e-6)


@pytest.mark.opensim
def test_opensim_reads_the_files(skeleton: Skeleton, tmp_path: Path) -> None:
    opensim = import_opensim()
    samples = smooth_samples(skeleton, uneven_s(30))
    with Recorder(tmp_path, skeleton) as recorder:
        for k, sample in enumerate(samples):
            recorder.write(lost_sample(skeleton, k, t_capture_ns=sample.t_capture_ns) if k == 10 else sample)
    for name in ("angles.sto", "angles.mot"):
        table = opensim.TimeSeriesTable(str(tmp_path / name))
        assert tuple(table.getColumnLabels()) == skeleton.coordinate_names
        assert table.getTableMetaDataString("inDegrees") == "yes"
    np.testing.assert_allclose(
        opensim.TimeSeriesTable(str(tmp_path / "angles.sto")).getIndependentColumn(), uneven_s(30)
    )
    markers = opensim.TimeSeriesTableVec3(str(tmp_path / "markers.trc"))
    assert tuple(markers.getColumnLabels()) == skeleton.marker_names
    first = [
        [row[k] for k in range(3)] for row in (markers.getRowAtIndex(0)[i] for i in range(skeleton.n_markers))
    ]
    scale = 1.0 if markers.getTableMetaDataString("Units") == "m" else 1e-3
    np.testing.assert_allclose(np.array(first) * scale, samples[0].markers_m, atol=1e-6)


def test_samples_whose_stamp_does_not_advance_are_left_out(skeleton: Skeleton, tmp_path: Path) -> None:
    stamps_ns = [0, 10**7, 10**7, 5 * 10**6, 2 * 10**7]
    with Recorder(tmp_path, skeleton) as recorder:
        for k, t_ns in enumerate(stamps_ns):
            recorder.write(random_sample(skeleton, k, t_capture_ns=START_NS + t_ns))
    assert (recorder.n_samples, recorder.n_refused) == (3, 2)
    np.testing.assert_allclose(read_sto(tmp_path / "angles.sto").time_s, [0.0, 0.01, 0.02])


def test_folders_that_cannot_be_written_are_refused(skeleton: Skeleton, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere")):
        with pytest.raises(RecordingError, match="cannot record here"):
            Recorder(folder, skeleton)
    (tmp_path / "taken" / "angles.csv").mkdir(parents=True)
    with pytest.raises(RecordingError, match="cannot record here"):
        Recorder(tmp_path / "taken", skeleton)


def test_a_stream_is_recorded_like_the_tracker_itself(skeleton: Skeleton, tmp_path: Path) -> None:
    samples = smooth_samples(skeleton, np.arange(10) / 30.0)
    with Recorder(tmp_path / "own", skeleton) as recorder:
        for sample in samples:
            recorder.write(sample)
    with (
        Publisher("tcp://127.0.0.1:*", skeleton) as publisher,
        subscribe(publisher.address, poses=True) as stream,
    ):
        join(publisher, stream, skeleton)
        other = None
        for sample in samples:
            publisher.send(sample)
            heard = next(stream)
            other = other or Recorder(tmp_path / "heard", heard.meta)
            other.write_messages(heard.message, heard.pose, meta=heard.meta)
    assert other is not None
    other.close()
    for name in ("angles.sto", "angles.csv", "angles.mot", "markers.trc"):
        assert (tmp_path / "own" / name).read_bytes() == (tmp_path / "heard" / name).read_bytes()


RECORD_FOR_EVER = """
import sys
from pathlib import Path
import numpy as np
from calib.skeleton import load_skeleton
from realtime.recording.recorder import Recorder
from tests.support.poses import random_sample

skeleton = load_skeleton()
recorder = Recorder(Path(sys.argv[1]), skeleton, rate_hz=100.0)
samples = [random_sample(skeleton, k, t_capture_ns=0) for k in range(10)]
from dataclasses import asdict, replace
for k in range(1_000_000):
    recorder.write(replace(samples[k % 10], frame_id=k, t_capture_ns=k * 10_000_000))
    print(k, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("after", [1, 137])
def test_what_was_written_survives_kill_9(skeleton: Skeleton, tmp_path: Path, after: int) -> None:
    command = [sys.executable, "-c", RECORD_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(after):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        acknowledged = after + len(process.stdout.read().split())
    sto = read_sto(tmp_path / "angles.sto")
    assert acknowledged - 1 <= len(sto.time_s) <= acknowledged + 1
    with (tmp_path / "angles.csv").open(newline="") as file:
        assert len([row for row in csv.DictReader(file)]) >= acknowledged - 1
    finish_recording(tmp_path)
    mot = read_mot(tmp_path / "angles.mot")
    q = coordinate_values(mot, skeleton.coordinate_names, skeleton.is_rotational)
    expected = np.array([random_sample(skeleton, k % 10, t_capture_ns=0).q for k in range(len(q))])
    # The even file's angles are continuous; these jump.
    expected[:, skeleton.is_rotational] = np.unwrap(expected[:, skeleton.is_rotational], axis=0)
    np.testing.assert_allclose(q, expected, atol=1e-7)
    assert len(mot.time_s) >= acknowledged - 1
    assert len(read_trc(tmp_path / "markers.trc").time_s) == len(mot.time_s)


RECORD_UNTIL_FULL = """
import resource, sys
from pathlib import Path
from calib.skeleton import load_skeleton
from realtime.errors import RecordingError
from realtime.recording.recorder import Recorder
from tests.support.poses import random_sample

skeleton = load_skeleton()
recorder = Recorder(Path(sys.argv[1]), skeleton)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
errors = []
for k in range(200):
    try:
        recorder.write(random_sample(skeleton, k, t_capture_ns=k * 10_000_000))
    except RecordingError as error:
        errors.append(error)
recorder.close()
recorder.close()
assert errors == [recorder.error], errors
print(recorder.n_samples)
print(recorder.error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits file sizes to stand for a full disk")
@pytest.mark.parametrize("limit", [20_000, 50_000, 123_456])
def test_a_full_disk_stops_recording_once_and_keeps_what_was_written(
    skeleton: Skeleton, tmp_path: Path, limit: int
) -> None:
    command = [sys.executable, "-c", RECORD_UNTIL_FULL, str(tmp_path), str(limit)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    n_samples, message = done.stdout.splitlines()
    assert f"stopped after {n_samples} samples, which are kept" in message
    n = int(n_samples)
    assert 0 < n < 200
    assert len(read_sto(tmp_path / "angles.sto").time_s) == n
    with (tmp_path / "angles.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == n and all(None not in row and None not in row.values() for row in rows)
    finish_recording(tmp_path)
    assert len(read_mot(tmp_path / "angles.mot").time_s) == n


def test_even_files_that_cannot_be_written_can_be_made_later(skeleton: Skeleton, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, skeleton)
    for k in range(3):
        recorder.write(random_sample(skeleton, k, t_capture_ns=k * 10**7))
    (tmp_path / "angles.mot").mkdir()
    with pytest.raises(RecordingError, match=f"{LOG_NAME}.*kinecast recover"):
        recorder.close()
    (tmp_path / "angles.mot").rmdir()
    assert finish_recording(tmp_path) == 3
    made = (tmp_path / "angles.mot").read_bytes()
    assert len(read_mot(tmp_path / "angles.mot").time_s) == 3
    assert finish_recording(tmp_path) == 3
    assert (tmp_path / "angles.mot").read_bytes() == made


def test_infinite_values_are_recorded_as_undefined(skeleton: Skeleton, tmp_path: Path) -> None:
    sample = random_sample(skeleton, 0, t_capture_ns=0)
    with Recorder(tmp_path, skeleton) as recorder:
        recorder.write(replace(sample, q=np.where(np.arange(skeleton.n_q) == 2, np.inf, sample.q)))
    values = read_sto(tmp_path / "angles.sto").values[0]
    assert np.isnan(values[2]) and np.isfinite(np.delete(values, 2)).all()
