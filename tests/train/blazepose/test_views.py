"""Synthetic people seen by several cameras: the truth lies where every camera sees it."""

from __future__ import annotations

import numpy as np
import pytest

from calib.camera import CameraCalibration, Intrinsics
from calib.kinematics import joint_centres
from engines.blazepose.pose_landmark import HIPS
from engines.blazepose.tracker import BlazePose
from tests.support.published import published
from train.blazepose import views
from train.bodies.puppet import PuppetPool
from train.synth.people import PeopleStream


def test_all_cameras_of_a_clip_see_the_same_person(pool: PuppetPool, monkeypatch: pytest.MonkeyPatch) -> None:
    published("pose_landmark_full")
    published("pose_detection")
    monkeypatch.setattr(views, "CLIP_S", 0.4)
    people = PeopleStream(3, pool=pool, size_px=views.SIDE_PX)
    clip, images = views.film_views(people, BlazePose(n_threads=1), 0, 2)
    skeleton, side = pool.skeleton, views.SIDE_PX
    assert len(images) == 2 * len(clip["q"]) and images[0].shape == (side, side, 3)
    assert str(clip["activity"]) == "squat" and clip["T_ground_cam"].shape == (2, 4, 4)
    for view, (f, T) in enumerate(zip(clip["fov_px"], clip["T_ground_cam"], strict=True)):
        camera = CameraCalibration(Intrinsics(side, side, f, f, 0.5 * side, 0.5 * side), T)
        for frame, q in enumerate(clip["q"]):
            centres_m = joint_centres(skeleton, q, clip["scale_factors"])
            hips_m = 0.5 * sum(centres_m[skeleton.body_index(f"femur_{s}")] for s in "rl")
            found_px = clip["landmarks_px"][view, frame][list(HIPS), :2].mean(0)
            # A tenth of a person's height: these are the person's hips, not somebody else's.
            assert np.linalg.norm(camera.project(hips_m[None])[0] - found_px) < 0.06 * side
