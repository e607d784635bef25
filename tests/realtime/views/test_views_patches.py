"""Points of patches in several views: rays of their own, looked for in each view's image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.kinematics import marker_positions
from calib.skeleton import Skeleton, load_skeleton
from engines.blazepose.pose_landmark import ELBOWS, WRISTS
from engines.blazepose.tracker import BlazePoseResult
from engines.features.patches import N_POINTS, POINT_LANDMARK, POINT_NAMES
from realtime.pose.landmark_model import build_landmark_model
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import Frame
from realtime.views.estimator import ViewsEstimator
from realtime.views.personal_solver import ViewsPersonalSolver
from realtime.views.tiles import Tiles
from realtime.views.trackers import SeparateTrackers
from tests.support.rigs import person, ring, seen

ASTRAY_M = 0.05


def with_points(
    skeleton: Skeleton, q: np.ndarray, camera: CameraCalibration, result: BlazePoseResult
) -> BlazePoseResult:
    """The result followed by the true places of all points."""
    markers_m = marker_positions(skeleton, q)[[skeleton.marker_index(name) for name in POINT_NAMES]]
    points_px = result.landmarks_px[POINT_LANDMARK].copy()
    points_px[:, :2] = camera.project(markers_m)
    return replace(
        result,
        landmarks_px=np.concatenate([result.landmarks_px, points_px]),
        world_m=np.concatenate([result.world_m, result.world_m[POINT_LANDMARK]]),
        visibility=np.concatenate([result.visibility, result.visibility[POINT_LANDMARK]]),
        presence=np.concatenate([result.presence, result.presence[POINT_LANDMARK]]),
        points_sigma_px=np.full(N_POINTS, 0.004 * result.roi.size_px),
    )


def test_points_correct_landmarks_that_are_astray_in_all_views() -> None:
    skeleton, cameras = load_skeleton(), ring(20.0, -60.0).cameras
    q = person(skeleton, elbow_flex_r=60.0, elbow_flex_l=20.0, arm_flex_r=40.0)
    rng, model = np.random.default_rng(0), build_landmark_model(skeleton)
    errors_deg = []
    for is_with in (False, True):
        one_model = build_landmark_model(skeleton, with_points=is_with)
        known = np.ones((skeleton.n_bodies, 3))
        solver = ViewsPersonalSolver(skeleton, one_model, cameras, known=known, learns=False)
        results: list[BlazePoseResult | None] = []
        for camera in cameras:
            result = seen(skeleton, model, q, camera, rng, noise=0.0)
            astray = result.landmarks_px.copy()
            astray[[*ELBOWS, *WRISTS], 1] += ASTRAY_M * 600.0 / 3.5  # everywhere too low
            result = replace(result, landmarks_px=astray)
            results.append(with_points(skeleton, q, camera, result) if is_with else result)
        found = [solver.solve(k * 33_000_000, results).found.q for k in range(5)][-1]
        elbows = [skeleton.coordinate_index(f"elbow_flex_{side}") for side in "rl"]
        errors_deg.append(np.degrees(np.abs(found - q)[elbows]).mean())
    assert errors_deg[1] < 0.6 * errors_deg[0]


class Told:
    """Stands in for a landmark network."""

    description = "told"

    def __init__(self, result: BlazePoseResult) -> None:
        self.result = result

    def reset(self) -> None:
        """Nothing is remembered."""

    def step(self, image: NDArray[np.uint8], t_capture_ns: int | None = None) -> BlazePoseResult | None:
        """The landmarks that were told."""
        return self.result

    def run_roi(self, image: NDArray[np.uint8], roi: object) -> BlazePoseResult | None:
        """The landmarks that were told."""
        return self.result


def test_each_view_is_looked_at_in_its_own_image() -> None:
    skeleton, rig = load_skeleton(), ring(20.0, -60.0)
    q, rng = person(skeleton), np.random.default_rng(0)
    model = build_landmark_model(skeleton)
    results = [seen(skeleton, model, q, camera, rng, noise=0.0) for camera in rig.cameras]
    looked_at: list[tuple[int, int]] = []

    class Patches:
        """Finds all points where they are."""

        description = "true points"

        def look(self, image: NDArray[np.uint8], result: BlazePoseResult) -> BlazePoseResult:
            centre_px = (result.roi.centre_x_px, result.roi.centre_y_px)
            view = [(r.roi.centre_x_px, r.roi.centre_y_px) for r in results].index(centre_px)
            looked_at.append((view, int(image[0, 0, 0])))
            return with_points(skeleton, q, rig.cameras[view], result)

    estimator = ViewsEstimator(
        skeleton,
        rig,
        SeparateTrackers([Told(result) for result in results]),
        SkeletalLayer(skeleton),
        patches=Patches(),
    )
    images = [np.full((640, 480, 3), 10 + view, np.uint8) for view in range(2)]
    frame = Frame(0, 0, Tiles(((480, 640), (480, 640))).join(images))
    assert estimator.description == "told, 2 views; true points"
    sample = estimator.step(frame)
    assert looked_at == [(0, 10), (1, 11)] and sample.used_views == (0, 1)
    assert "patches" in sample.stage_ns
    assert sample.q[skeleton.coordinate_index("knee_angle_r")] == pytest.approx(0.0, abs=np.radians(5.0))
