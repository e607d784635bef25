"""The fusion network: what it reads of exact views, whatever their order, and that it learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from calib.skeleton import Skeleton, load_skeleton
from engines.blazepose.pose_landmark import HIPS
from engines.features.crossing import crossing_points
from train.fusion.data import FusionRows, ViewsMoments, fusion_rows
from train.fusion.fit import FusionOptions, errors_deg, fit_fusion, fuse, training_rows
from train.fusion.network import FusionModel
from train.lift.network import lifted_coordinates

EYES_M = np.array([[3.0, 1.2, 0.0], [0.5, 1.5, 3.2], [-3.0, 0.9, 1.0]])


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def moments(skeleton: Skeleton, n: int, rng: np.random.Generator, bias_rad: float = 0.0) -> ViewsMoments:
    """Views that err independently about the truth, and all alike by a bias; rays without error."""
    size = len(lifted_coordinates(skeleton))
    truth, n_views = rng.normal(0.0, 0.3, (n, size)), len(EYES_M)
    points_m = rng.uniform(-0.9, 0.9, (n, 33, 3)) + np.array([0.0, 1.0, 0.0])
    rays = points_m[:, None] - EYES_M[None, :, None]
    return ViewsMoments(
        seen=np.ones((n, n_views), dtype=np.bool_),
        heading_rad=np.zeros((n, n_views)),
        q=truth[:, None] + bias_rad + rng.normal(0.0, 0.05, (n, n_views, size)),
        sigma=np.full((n, n_views, size), 0.1),
        eyes_m=EYES_M,
        rays=rays / np.linalg.norm(rays, axis=-1, keepdims=True),
        weights=np.ones((n, n_views, 33)),
        truth=truth,
    )


def test_rays_meet_where_the_points_are() -> None:
    rng = np.random.default_rng(0)
    points_m = rng.uniform(-1.0, 1.0, (5, 7, 3))
    rays = points_m[:, None] - EYES_M[None, :, None]
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    found_m = crossing_points(EYES_M, rays, rng.uniform(0.2, 1.0, rays.shape[:3]))
    np.testing.assert_allclose(found_m, points_m, atol=1e-6)


def test_a_turn_of_the_room_changes_nothing(skeleton: Skeleton) -> None:
    clip = moments(skeleton, 6, np.random.default_rng(1))
    angle = 0.7
    c, s = np.cos(angle), np.sin(angle)
    R = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    names = lifted_coordinates(skeleton)
    rotation = names.index("pelvis_rotation")
    upright = [names.index(name) for name in ("pelvis_tilt", "pelvis_list")]
    for q in (clip.q, clip.truth):
        q[..., upright] = 0.0  # of an upright pelvis, a turn about the vertical is its rotation alone
    turned = replace(
        clip, heading_rad=clip.heading_rad + angle, eyes_m=EYES_M @ R.T, rays=clip.rays @ R.T,
        q=clip.q + angle * (np.arange(len(names)) == rotation),
        truth=clip.truth + angle * (np.arange(len(names)) == rotation),
    )  # fmt: skip
    for name in FusionRows.__slots__:
        a, b = (getattr(fusion_rows(one, [0, 2], skeleton), name) for one in (clip, turned))
        np.testing.assert_allclose(a, b, atol=1e-4, err_msg=name)


def test_crossed_landmarks_are_those_of_the_person(skeleton: Skeleton) -> None:
    clip = moments(skeleton, 4, np.random.default_rng(2))
    rows = fusion_rows(clip, [0, 1, 2], skeleton)
    places = rows.crossed[:, : 33 * 3].reshape(-1, 33, 3)
    np.testing.assert_allclose(places[:, list(HIPS)].mean(1), 0.0, atol=1e-4)
    np.testing.assert_allclose(rows.pooled, clip.q.mean(1), atol=1e-4)


def test_views_have_no_order_and_any_number(skeleton: Skeleton) -> None:
    clip = moments(skeleton, 8, np.random.default_rng(3))
    rows = fusion_rows(clip, [0, 1, 2], skeleton)
    torch.manual_seed(0)
    model = FusionModel(rows.views.shape[-1], rows.crossed.shape[-1], rows.pooled.shape[-1]).eval()
    model.normalise(rows)
    torch.nn.init.normal_(model.correction.weight, std=0.1)
    there, back = fuse(model, rows)[0], fuse(model, fusion_rows(clip, [2, 0, 1], skeleton))[0]
    np.testing.assert_allclose(there, back, atol=1e-4)
    assert np.abs(there - rows.pooled).max() > 1e-3
    assert fuse(model, fusion_rows(clip, [0, 1], skeleton))[0].shape == there.shape


def test_training_takes_away_what_all_views_get_wrong_alike(skeleton: Skeleton) -> None:
    rng = np.random.default_rng(4)
    learnt, other = (moments(skeleton, 200, rng, bias_rad=0.2) for _ in range(2))
    model = fit_fusion(training_rows([learnt], skeleton), FusionOptions(epochs=30, weight_decay=0.0))
    before, after = (errors_deg(m, [other], 2, skeleton)[3:].mean() for m in (None, model))
    assert before == pytest.approx(np.degrees(0.2), rel=0.1) and after < 0.5 * before


def test_moments_that_a_view_misses_are_left_out(skeleton: Skeleton) -> None:
    clip = moments(skeleton, 5, np.random.default_rng(5))
    clip.seen[2, 1] = False
    assert len(fusion_rows(clip, [0, 1], skeleton)) == 4 and len(fusion_rows(clip, [0, 2], skeleton)) == 5
