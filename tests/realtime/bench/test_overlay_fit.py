"""`evaluate --overlay`: distances of drawn joints from landmarks that are known."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from calib.camera import CameraCalibration
from calib.skeleton import load_skeleton
from engines.blazepose.pose_landmark import N_LANDMARKS, PoseLandmark
from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi
from realtime import cli
from realtime.bench.overlay_fit import GROUPS, OverlayFit, format_overlay, measure_overlay
from realtime.commands import evaluate
from realtime.errors import RealtimeError
from realtime.geometry import joint_centres
from realtime.sample import Frame, PoseSample
from tests.support.fakes import FakeSource
from tests.support.poses import sample_of

SKELETON = load_skeleton()
CAMERA = CameraCalibration.assumed(640, 480)
DISTANCE_M = 4.0
PERCENT_PX = 0.01 * 1.70 * CAMERA.intrinsics.fy / DISTANCE_M
"""1 % of the stature of somebody at this distance."""


class Standing:
    """Somebody stands facing the camera."""

    name, description, lag_s = "standing", "nothing", 0.0
    skeleton, camera = SKELETON, CAMERA

    def warm_up(self) -> None: ...

    def reset(self) -> None: ...

    def step(self, frame: Frame) -> PoseSample:
        q = np.where(SKELETON.is_locked, SKELETON.q_default, 0.0)
        q[SKELETON.coordinate_index("pelvis_tx")] = -DISTANCE_M
        return sample_of(SKELETON, q, frame.frame_id, t_capture_ns=frame.t_capture_ns)


def seen(
    moved: dict[PoseLandmark, tuple[float, float]], hidden: tuple[PoseLandmark, ...] = ()
) -> BlazePoseResult:
    """Landmarks on the joints as OpenCV projects them, some moved, by right and down in % of the stature."""
    sample = Standing().step(Frame(0, 0, np.zeros((1, 1, 3), np.uint8)))
    joints_m = joint_centres(SKELETON, sample.T_ground_body, sample.scale_factors)
    T, K = np.linalg.inv(CAMERA.T_ground_cam), CAMERA.intrinsics.matrix
    uv_px = cv2.projectPoints(joints_m, cv2.Rodrigues(T[:3, :3])[0], T[:3, 3], K, None)[0][:, 0]
    landmarks_px, visibility = np.zeros((N_LANDMARKS, 3)), np.ones(N_LANDMARKS)
    for stem, (left, right) in GROUPS.values():
        for landmark, side in ((left, "l"), (right, "r")):
            landmarks_px[landmark, :2] = uv_px[SKELETON.body_index(f"{stem}_{side}")]
            landmarks_px[landmark, :2] += PERCENT_PX * np.array(moved.get(landmark, (0.0, 0.0)))
    visibility[list(hidden)] = 0.2
    return BlazePoseResult(
        landmarks_px=landmarks_px,
        world_m=np.zeros((N_LANDMARKS, 3)),
        visibility=visibility,
        presence=np.ones(N_LANDMARKS),
        score=1.0,
        roi=Roi(320.0, 240.0, 400.0, 0.0),
        auxiliary_px=np.zeros((2, 3)),
        detected=True,
    )


def measure(result: BlazePoseResult | None, n: int = 20) -> OverlayFit:
    source = FakeSource(n)
    source.open()
    return measure_overlay(source, Standing(), lambda image: result, every=5)


def test_a_skeleton_on_the_landmarks_fits() -> None:
    fit = measure(seen({}))
    assert fit.frames == 4 and set(fit.groups) == set(GROUPS)
    for group in fit.groups.values():
        assert group.n == 8
        assert group.joint_percent == pytest.approx(0.0, abs=1e-6)


def test_distances_are_in_percent_of_the_stature_with_their_direction() -> None:
    # The person faces the camera: their left is on the right of the image. Shoulders seen 2 % further out and
    # 3 % higher than drawn.
    up = {PoseLandmark.LEFT_SHOULDER: (2.0, -3.0), PoseLandmark.RIGHT_SHOULDER: (-2.0, -3.0)}
    fit = measure(seen(up))
    shoulder = fit.groups["shoulder"]
    assert shoulder.joint_percent == pytest.approx(np.hypot(2.0, 3.0), rel=0.05)
    assert shoulder.low_percent == pytest.approx(3.0, rel=0.05)
    assert shoulder.inside_percent == pytest.approx(2.0, rel=0.05)
    assert fit.groups["hip"].joint_percent == pytest.approx(0.0, abs=1e-6)
    # Where the landmark lies on the skeleton, 3 cm above the joint, was drawn nearer to it.
    assert shoulder.landmark_percent < shoulder.joint_percent - 1.0


def test_hidden_joints_do_not_count_and_nobody_is_an_error() -> None:
    knees = (PoseLandmark.LEFT_KNEE, PoseLandmark.RIGHT_KNEE)
    assert "knee" not in measure(seen({}, hidden=knees)).groups
    with pytest.raises(RealtimeError, match="no person in any of 20 frames"):
        measure(None)


def test_the_command_prints_and_writes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluate, "source_of", lambda options: FakeSource(20))
    monkeypatch.setattr(evaluate, "make_camera", lambda *_: CAMERA)
    monkeypatch.setattr(evaluate, "make_estimator", lambda *_: Standing())
    monkeypatch.setattr(evaluate, "independent_observer", lambda search: lambda image: seen({}))
    out = tmp_path / "fit.json"
    assert cli.main(["evaluate", "--video", "v.mp4", "--overlay", "--json", str(out)]) == 0
    assert "shoulder" in capsys.readouterr().out
    written = json.loads(out.read_text())
    assert set(written["groups"]) == set(GROUPS) and written["frames"] == 3
    assert "hip" in format_overlay(measure(seen({})))


@pytest.mark.parametrize("words", [["--reference", "r.mot", "--video", "v.mp4"], ["--trials", "t.toml"]])
def test_it_takes_no_reference(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", "--overlay", *words]) == 2
    assert "cannot go with --overlay" in capsys.readouterr().err
