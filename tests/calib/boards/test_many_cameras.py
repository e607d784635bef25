"""Many cameras by what they share: better together than in pairs; one that sees nothing is named."""

from __future__ import annotations

import numpy as np
import pytest

from calib.boards.many_cameras import fit_cameras, limb_lengths
from calib.boards.two_cameras import PairFit
from calib.boards.two_views import JointTracks, Limb, pair_from_joints
from calib.errors import CameraError
from tests.support.rigs import ring

N_MOMENTS, N_JOINTS, NOISE_PX = 60, 6, 1.5
LIMB = Limb(0, 1, 0.45)


def filmed(angles_deg: tuple[float, ...], seed: int = 3) -> tuple[np.ndarray, list, np.ndarray]:
    """Joints of somebody who walks about, in each image, with noise: (cameras, moments, joints, 2)."""
    rng, cameras = np.random.default_rng(seed), ring(*angles_deg).cameras
    places = np.stack([rng.uniform(-0.8, 0.8, N_MOMENTS), rng.uniform(0.8, 1.2, N_MOMENTS),
                       rng.uniform(-0.8, 0.8, N_MOMENTS)], 1)  # fmt: skip
    offsets = rng.uniform(-0.5, 0.5, (N_MOMENTS, N_JOINTS, 3))
    way = rng.normal(size=(N_MOMENTS, 3))
    offsets[:, 1] = offsets[:, 0] + LIMB.length_m * way / np.linalg.norm(way, axis=1, keepdims=True)
    points = places[:, None] + offsets
    uv = np.stack([c.project(points.reshape(-1, 3)).reshape(N_MOMENTS, N_JOINTS, 2) for c in cameras])
    uv += rng.normal(0.0, NOISE_PX, uv.shape)
    truth = np.stack([np.linalg.inv(cameras[0].T_ground_cam) @ c.T_ground_cam for c in cameras])
    return uv, [c.intrinsics for c in cameras], truth


def by_person(uv: np.ndarray, k: list):
    confident = np.isfinite(uv).all(-1).astype(float)

    def pair(a: int, b: int) -> PairFit:
        tracks = [JointTracks(uv[c], confident[c]) for c in (a, b)]
        return pair_from_joints(*tracks, k[a], k[b], [LIMB])

    return pair


def apart(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Largest turn in deg and shift in m between poses of cameras."""
    turns = [np.degrees(np.arccos(np.clip((np.trace(a[:3, :3].T @ b[:3, :3]) - 1) / 2, -1, 1)))
             for a, b in zip(found, truth, strict=True)]  # fmt: skip
    return max(turns), float(np.linalg.norm(found[:, :3, 3] - truth[:, :3, 3], axis=1).max())


def test_four_cameras_are_found_by_a_person_and_better_together_than_in_a_chain() -> None:
    uv, k, truth = filmed((0.0, 50.0, 105.0, 160.0))
    pair = by_person(uv, k)
    lengths = limb_lengths([LIMB], N_MOMENTS, N_JOINTS)
    found = fit_cameras(uv.reshape(4, -1, 2), k, pair, lengths=lengths)
    turn_deg, shift_m = apart(found.T_first_cam, truth)
    assert turn_deg < 0.3 and shift_m < 0.05
    chain = [np.eye(4)]
    for a in range(3):
        chain.append(chain[-1] @ pair(a, a + 1).T_a_b)
    assert shift_m < apart(np.stack(chain), truth)[1]
    assert found.rms_px == pytest.approx(NOISE_PX, rel=0.3)


def test_cameras_that_see_different_parts_are_joined_by_those_between() -> None:
    uv, k, truth = filmed((0.0, 50.0, 100.0))
    uv[0, N_MOMENTS // 2 :] = np.nan
    uv[2, : N_MOMENTS // 2] = np.nan
    found = fit_cameras(uv.reshape(3, -1, 2), k, by_person(uv, k))
    assert apart(found.T_first_cam, truth)[0] < 1.5


def test_a_camera_that_shares_nothing_is_named() -> None:
    uv, k, _ = filmed((0.0, 50.0, 100.0))
    uv[2] = np.nan
    with pytest.raises(CameraError, match="camera 3 cannot be related to the others"):
        fit_cameras(uv.reshape(3, -1, 2), k, by_person(uv, k))
