"""The curve of errors over views: clips are read as they were filmed, and drawn as they were measured."""

from __future__ import annotations

import re

import numpy as np
import pytest

from calib.skeleton import load_skeleton
from realtime.estimators.views_error import draw, errors_deg, result_of, seen_of
from realtime.pose.landmark_model import build_landmark_model
from tests.support.rigs import person, ring, seen


def test_a_clip_of_exact_landmarks_has_small_errors_with_two_views() -> None:
    skeleton, cameras = load_skeleton(), ring(20.0, -60.0).cameras
    model, rng = build_landmark_model(skeleton), np.random.default_rng(0)
    q = person(skeleton, knee_angle_r=50.0, hip_flexion_r=40.0)
    # The clip's images are square; cameras differ from those of the ring in nothing else.
    views = [[seen(skeleton, model, q, camera, rng, noise=0.0) for _ in range(6)] for camera in cameras]
    clip = {
        name: np.array([[getattr(one, name) for one in view] for view in views], dtype=np.float64)
        for name in ("landmarks_px", "world_m", "visibility", "presence", "score", "auxiliary_px", "detected")
    }
    clip["landmarks_px"][..., 0] += 320.0 - 240.0
    centres = [[(one.roi.centre_x_px + 80.0, one.roi.centre_y_px, 500.0, 0.0) for one in v] for v in views]
    clip |= {
        "roi": np.array(centres),
        "T_ground_cam": np.array([camera.T_ground_cam for camera in cameras]),
        "fov_px": np.array([600.0, 600.0]),
        "side_px": np.array(640),
        "t_s": np.arange(6) / 8.0,
        "q": np.tile(q, (6, 1)),
    }
    knee = skeleton.coordinate_index("knee_angle_r")
    assert errors_deg(clip, seen_of(clip), 2, skeleton, model)[knee] < 12.0
    clip["score"][1, 2] = np.nan
    assert result_of(clip, 1, 2) is None and result_of(clip, 0, 2) is not None


def test_the_plot_has_a_point_for_every_number_of_views() -> None:
    drawn = draw({"knees": [8.0, 4.0, 2.0], "arms": [6.0, 5.0, 4.0]}, "words under it")
    heights = [float(y) for y in re.findall(r'<circle cx="[\d.]+" cy="([\d.]+)"', drawn)]
    assert len(heights) == 6 and "words under it" in drawn
    floor = 240 - 34
    # Heights over the axis are in proportion to the errors.
    assert (floor - heights[0]) / (floor - heights[2]) == pytest.approx(4.0, rel=0.02)
