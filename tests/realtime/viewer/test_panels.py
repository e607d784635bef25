"""Panels over the scene: where they appear, and what texts and numbers they show."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from calib.skeleton import Skeleton, load_skeleton
from realtime.viewer.hud import TextPanel, Viewpoint, fan, outline, plain
from realtime.viewer.readout import legible, printable
from tests.support.poses import random_sample


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.mark.parametrize("rotation", [(0.0, 0.0, 0.0), (0.4, -1.2, 0.3)])
def test_panels_appear_at_their_pixels(rotation: tuple[float, float, float]) -> None:
    """OpenCV's projection has pixel centres at whole numbers; edges lie half a pixel before."""
    matrix = np.array([[600.0, 0.0, 639.5], [0.0, 600.0, 359.5], [0.0, 0.0, 1.0]])
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = cv2.Rodrigues(np.array(rotation))[0], (0.1, -0.4, 3.0)
    view = Viewpoint(1280, 720, matrix, T)
    corners = outline(200, 80, 9.0) + np.array([31.0, 47.0])
    points = view.in_ground(corners, 0.06)
    uv_px, _ = cv2.projectPoints(points, np.array(rotation), T[:3, 3], matrix, None)
    np.testing.assert_allclose(uv_px[:, 0] + 0.5, corners, atol=1e-6)
    assert (np.array([corners.min(axis=0), corners.max(axis=0)]) == [[31, 47], [231, 127]]).all()
    a, b, c = (corners[fan(len(corners))[:, k]] for k in range(3))
    u, v = b - a, c - a
    doubled = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    assert (doubled < 0.0).all()  # all face the viewer: pixels count downwards
    assert -doubled.sum() / 2.0 == pytest.approx(200 * 80 - (4 - np.pi) * 81, rel=0.001)


def test_a_text_panel_grows_with_its_text_and_is_drawn_once() -> None:
    from realtime.overlay.style import GOOD, INK, Typeface

    panel = TextPanel(Typeface(), 13.0)
    small, is_new = panel.draw([plain("one")])
    assert is_new and not panel.draw([plain("one")])[1]
    large, is_new = panel.draw([plain("one", "two three four five"), plain("six")], GOOD)
    assert is_new and large.shape[0] > small.shape[0] and large.shape[1] > small.shape[1]
    assert (large != INK).any() and (large[0] == INK).all()
    assert panel.draw([])[0].size


def test_absurd_numbers_and_texts_do_not_reach_the_screen(skeleton: Skeleton) -> None:
    sample = random_sample(skeleton, 9)
    sample.q[:4] = (1e300, -np.inf, np.nan, 0.5)
    q = legible(sample).q
    assert np.isnan(q[:3]).all() and q[3] == 0.5
    assert printable("kine\ncast\x00\u200b" + "x" * 99, 12) == "kine?cast??x"
