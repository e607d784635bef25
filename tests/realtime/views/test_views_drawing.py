"""The same skeleton in every view: where each camera sees its joints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calib.skeleton import load_skeleton
from realtime.geometry import joint_centres
from realtime.overlay.overlay import Overlay
from realtime.sample import LiveStats, PoseSample, SampleGround
from realtime.views.drawing import ViewsDrawing
from realtime.views.tiles import Tiles
from tests.support.poses import sample_of
from tests.support.rigs import person, ring


@pytest.mark.parametrize("is_moved", [False, True])
def test_every_view_shows_the_joints_where_its_camera_sees_them(is_moved: bool) -> None:
    skeleton, cameras = load_skeleton(), ring(20.0, -60.0, 130.0).cameras
    first = Overlay(skeleton, cameras[0], coordinates=(), arcs=False)
    drawing = ViewsDrawing(skeleton, cameras, first)
    sample = sample_of(skeleton, person(skeleton, knee_angle_r=40.0))
    centres_m = joint_centres(skeleton, sample.T_ground_body, sample.scale_factors)
    if is_moved:
        # Samples are published in the person's ground, which lies elsewhere than that of the rig.
        M = np.eye(4)
        M[:3, :3] = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]
        M[:3, 3] = [2.0, -0.1, 1.0]
        ground = SampleGround(M @ cameras[0].T_ground_cam, "person", "person", "feet", True)
        markers_m = sample.markers_m @ M[:3, :3].T + M[:3, 3]
        sample = replace(sample, T_ground_body=M @ sample.T_ground_body, markers_m=markers_m, ground=ground)
    tiles = Tiles(tuple((c.intrinsics.width_px, c.intrinsics.height_px) for c in cameras))
    grey = [np.full((height, width, 3), 90, dtype=np.uint8) for width, height in tiles.sizes_px]
    picture = drawing.draw(tiles.join(grey), sample)
    for camera, image in zip(cameras, tiles.split(picture), strict=True):
        assert image is not None
        for body in ("tibia_r", "tibia_l", "talus_r", "humerus_l"):
            x, y = camera.project(centres_m[skeleton.body_index(body)]).round().astype(int)
            assert (image[y - 2 : y + 3, x - 2 : x + 3] != 90).any(), (camera.name, body)
        # Nothing is drawn beside the person but the first view's status.
        assert (image[200:, :60] == 90).all()


class Filled:
    """A drawing that leaves nothing of the image, as panels do where they are."""

    def draw(self, image: np.ndarray, sample: PoseSample, stats: LiveStats | None = None) -> np.ndarray:
        return np.full_like(image, 200)


def test_what_a_view_alone_gives_lies_below_the_rest() -> None:
    skeleton, cameras = load_skeleton(), ring(20.0, -60.0).cameras
    drawing = ViewsDrawing(skeleton, cameras, Filled())
    alone = sample_of(skeleton, person(skeleton, knee_angle_r=40.0))
    sample = replace(alone, own_estimates=(alone, alone))
    tiles = Tiles(tuple((c.intrinsics.width_px, c.intrinsics.height_px) for c in cameras))
    grey = np.full((tiles.height_px, tiles.width_px, 3), 90, dtype=np.uint8)
    first, second = tiles.split(drawing.draw(grey, sample))
    assert first is not None and (first == 200).all()
    assert second is not None and (second != 90).any()
    assert (grey == 90).all()
