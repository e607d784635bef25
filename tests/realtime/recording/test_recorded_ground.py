"""All files of a recording are in one ground, also of the first seconds, in which it was still moving."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calib.camera_file import load_camera
from calib.coordinates import PELVIC_ANGLES
from calib.skeleton import Skeleton, load_skeleton
from calib.tables.storage import read_mot, read_sto, read_trc
from realtime.client import subscribe
from realtime.pose.ground import PersonGround
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.recording.finish import finish_recording
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.recorder import Recorder
from realtime.report.data import read_recording
from realtime.report.measures import motion_ranges
from realtime.report.page import report_page
from realtime.report.people import ReportedPerson
from realtime.sample import Frame, PoseSample
from realtime.stream.publisher import Publisher
from tests.support.standing import CAMERA, FRAME_NS, IMAGE, estimate
from tests.support.streams import join

N, SWAY_DEG = 80, 12.0


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def facing_deg(k: int) -> float:
    """The person turns a little while they are first seen, so that the ground moves when it is settled."""
    return 38.0 - SWAY_DEG * max(0.0, 1.0 - k / 15.0)


@pytest.fixture(scope="module")
def samples(skeleton: Skeleton) -> list[PoseSample]:
    layer = SkeletalLayer(skeleton, smoothing=False, ground=PersonGround(skeleton, CAMERA))
    return [
        layer.step(Frame(k, k * FRAME_NS, IMAGE), estimate(skeleton, facing_deg(k), tilt=-20.0, list=2.0), {})
        for k in range(N)
    ]


@pytest.fixture
def folder(skeleton: Skeleton, samples: list[PoseSample], tmp_path: Path) -> Path:
    with Recorder(tmp_path / "run", skeleton, CAMERA, rate_hz=50.0) as recorder:
        for sample in samples:
            recorder.write(sample)
    return recorder.folder


def test_the_ground_of_these_samples_moves(samples: list[PoseSample]) -> None:
    first, last = samples[0].ground, samples[-1].ground
    assert first is not None and last is not None
    assert not first.is_settled and last.is_settled
    assert np.abs(first.T_ground_cam - last.T_ground_cam).max() > 0.05


def test_every_file_is_in_the_ground_of_camera_json(
    skeleton: Skeleton, samples: list[PoseSample], folder: Path
) -> None:
    final = samples[-1].ground
    assert final is not None
    camera = load_camera(folder / "camera.json")
    np.testing.assert_allclose(camera.T_ground_cam, final.T_ground_cam, atol=1e-9)
    # Where the person was in the image, and how they faced, from the estimates alone.
    markers_m = read_trc(folder / "markers.trc").positions_m
    rotations = [read(folder / name) for read, name in ((read_sto, "angles.sto"), (read_mot, "angles.mot"))]
    settled_deg = np.degrees(np.arctan2(final.T_ground_cam[2, 2], -final.T_ground_cam[0, 2]))
    for k, sample in enumerate(samples):
        assert sample.ground is not None
        own = replace(CAMERA, T_ground_cam=sample.ground.T_ground_cam)
        np.testing.assert_allclose(camera.project(markers_m[k]), own.project(sample.markers_m), atol=0.02)
        for table in rotations:
            turned_deg = table.values[k, table.names.index("pelvis_rotation")]
            assert turned_deg == pytest.approx(facing_deg(k) + settled_deg, abs=1.5)
    recording = read_recording(folder)
    pelvic = recording.values[:, [recording.names.index(name) for name in PELVIC_ANGLES]]
    np.testing.assert_allclose(pelvic[:, 0], [facing_deg(k) for k in range(N)] + settled_deg, atol=0.05)
    np.testing.assert_allclose(pelvic[:, 1:], np.degrees([s.pelvic_angles[1:] for s in samples]), atol=1e-5)


def test_a_killed_recording_is_brought_into_one_ground_when_it_is_recovered(
    skeleton: Skeleton, samples: list[PoseSample], folder: Path, tmp_path: Path
) -> None:
    killed = Recorder(tmp_path / "killed", skeleton, CAMERA, rate_hz=50.0)
    for sample in samples:
        killed.write(sample)
    names = ("angles.csv", "angles.sto", "angles.mot", "markers.trc", "camera.json")
    assert (killed.folder / "angles.csv").read_bytes() != (folder / "angles.csv").read_bytes()
    assert finish_recording(killed.folder) == N
    for name in names:
        assert (killed.folder / name).read_bytes() == (folder / name).read_bytes(), name
    assert not list(killed.folder.glob("*.part"))
    killed.close()


def test_subscribers_hear_of_a_new_ground_before_its_samples(
    skeleton: Skeleton, samples: list[PoseSample]
) -> None:
    with (
        Publisher("tcp://127.0.0.1:*", skeleton, CAMERA) as publisher,
        subscribe(publisher.address, poses=True, timeout_s=10.0) as stream,
    ):
        join(publisher, stream, skeleton)
        for sample in samples:
            publisher.send(sample)
            heard = next(stream)
            assert sample.ground is not None and heard.meta.ground is not None
            assert heard.meta.ground.is_settled == sample.ground.is_settled
            assert heard.meta.camera is not None
            np.testing.assert_allclose(heard.meta.camera.T_ground_cam, sample.ground.T_ground_cam)
            record = heard.as_record()
            told = [record[name] for name in PELVIC_ANGLES]
            np.testing.assert_allclose(told, np.degrees(sample.pelvic_angles), atol=1e-9)
        assert stream.restarts == 0


def test_the_log_gives_the_ground_that_it_ended_with(folder: Path) -> None:
    log = StreamLog(folder / LOG_NAME)
    assert log.has_moved and log.meta.ground is not None and log.meta.ground.is_settled
    assert log.meta.ground.heading == "person" and log.meta.ground.floor == "feet"
    assert json.loads((folder / "camera.json").read_text())["ground"]["heading"] == "person"


def test_the_report_shows_the_clinical_angles_instead_of_tilt_and_list(folder: Path) -> None:
    recording = read_recording(folder)
    ranges = motion_ranges(recording)
    assert set(PELVIC_ANGLES) <= set(ranges) and not {"pelvis_tilt", "pelvis_list"} & set(ranges)
    assert ranges["pelvic_tilt"].mean == pytest.approx(20.0, abs=1.0)
    assert ranges["pelvic_obliquity"].mean == pytest.approx(-2.0, abs=1.0)
    page = report_page([ReportedPerson(recording)], pictures=False)
    assert "Pelvic obliquity (right side up +)" in page
    assert "X where the person faced when they first stood" in page and "pelvis_list" not in page
