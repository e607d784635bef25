"""Bones reach from joint to joint, grow with the subject, and survive whatever the stream says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.kinematics import body_transforms, joint_centres, marker_positions
from calib.skeleton import Skeleton, load_skeleton
from realtime.viewer.anatomy import Anatomy, anatomy_of, drawable
from realtime.viewer.bones import bones_of
from realtime.viewer.posture import Posture
from realtime.viewer.shapes import MIRROR
from realtime.viewer.subject_scale import scale_factors_of


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def posture(skeleton: Skeleton, q: np.ndarray, factors: np.ndarray | None = None) -> Posture:
    factors = np.ones((skeleton.n_bodies, 3)) if factors is None else factors
    return Posture(
        0,
        skeleton.body_names,
        tuple(skeleton.tree.parent.tolist()),
        body_transforms(skeleton, q, factors),
        joint_centres(skeleton, q, factors),
        dict(zip(skeleton.marker_names, marker_positions(skeleton, q, factors), strict=True)),
        np.ones(skeleton.n_bodies),
    )


def random_q(skeleton: Skeleton, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(np.maximum(skeleton.q_lower, -1.0), np.minimum(skeleton.q_upper, 1.0))


def extent(vertices: np.ndarray) -> float:
    return float(np.linalg.norm(np.ptp(vertices, axis=0)))


@pytest.mark.parametrize("seed", range(4))
def test_anatomy_does_not_depend_on_the_pose(skeleton: Skeleton, seed: int) -> None:
    factors = np.random.default_rng(seed).uniform(0.8, 1.25, (skeleton.n_bodies, 3))
    one = posture(skeleton, random_q(skeleton, seed), factors).anatomy()
    other = posture(skeleton, random_q(skeleton, seed + 50), factors).anatomy()
    # The knee's axis moves a little in its body, as knees do.
    assert not one.differs_from(other, 0.012)
    taller = posture(skeleton, random_q(skeleton, seed), 1.1 * factors).anatomy()
    assert taller.differs_from(one, 0.012)


@pytest.mark.parametrize("seed", range(4))
def test_every_bone_reaches_the_joints_of_its_body(skeleton: Skeleton, seed: int) -> None:
    """Whatever the proportions; 4 cm are about the thickness of a knee or an ankle."""
    rng = np.random.default_rng(seed)
    factors = np.repeat(rng.uniform(0.8, 1.25, (skeleton.n_bodies, 1)), 3, axis=1)
    p = posture(skeleton, random_q(skeleton, seed), factors)
    bones = bones_of(p.anatomy())
    for body, name in enumerate(skeleton.body_names):
        T = p.T_ground_body[body]
        placed = bones[body].vertices @ T[:3, :3].T + T[:3, 3]
        joints = [body, *np.flatnonzero(skeleton.tree.parent == body).tolist()]
        for joint in joints:
            if joint == 0 or (name, skeleton.body_names[joint]) == ("ulna_r", "hand_r"):
                continue
            gap = np.linalg.norm(placed - p.joint_centres_m[joint], axis=1).min()
            assert gap < 0.04 * factors.max(), (name, skeleton.body_names[joint])


def test_bones_grow_with_the_subject(skeleton: Skeleton) -> None:
    q = random_q(skeleton, 3)
    small = bones_of(posture(skeleton, q).anatomy())
    large = bones_of(posture(skeleton, q, np.full((skeleton.n_bodies, 3), 1.3)).anatomy())
    for name, one, other in zip(skeleton.body_names, small, large, strict=True):
        assert extent(other.vertices) == pytest.approx(1.3 * extent(one.vertices), rel=0.01), name


def test_longer_thighs_lengthen_the_femurs_only(skeleton: Skeleton) -> None:
    factors = np.ones((skeleton.n_bodies, 3))
    factors[[skeleton.body_index("femur_r"), skeleton.body_index("femur_l")]] = 1.2
    q = random_q(skeleton, 4)
    before, after = (bones_of(posture(skeleton, q, f).anatomy()) for f in (None, factors))
    for name, one, other in zip(skeleton.body_names, before, after, strict=True):
        expected = 1.2 if name.startswith("femur") else 1.0
        assert extent(other.vertices) == pytest.approx(expected * extent(one.vertices), rel=0.01), name


def test_left_bones_mirror_right_ones(skeleton: Skeleton) -> None:
    bones = dict(
        zip(skeleton.body_names, bones_of(posture(skeleton, skeleton.q_default).anatomy()), strict=True)
    )
    for name, right in bones.items():
        if name.endswith("_r"):
            left = bones[f"{name[:-1]}l"]
            np.testing.assert_allclose(left.vertices, right.vertices @ MIRROR, atol=1e-9)


def test_a_torso_without_head_or_neck_gets_them(skeleton: Skeleton) -> None:
    full = posture(skeleton, skeleton.q_default).anatomy()
    kept = [k for k, name in enumerate(full.body_names) if name not in ("neck", "head")]
    place = {old: new for new, old in enumerate(kept)} | {-1: -1}
    headless = Anatomy(
        tuple(full.body_names[k] for k in kept),
        tuple(place[full.parents[k]] for k in kept),
        full.own_joint_m[kept],
        full.joint_in_parent_m[kept],
        full.tip_m[kept],
    )
    torso = bones_of(headless)[place[full.body_names.index("torso")]]
    alone = bones_of(full)[full.body_names.index("torso")]
    crown = 0.403 + 0.104 + 0.154
    assert torso.vertices[:, 1].max() == pytest.approx(crown, abs=0.03)
    assert alone.vertices[:, 1].max() < 0.45


def test_bodies_of_other_names_get_plain_bones() -> None:
    names, parents = ("base", "upper_arm", "forearm"), (-1, 0, 1)
    T = np.tile(np.eye(4), (3, 1, 1))
    T[1, :3, 3], T[2, :3, 3] = (0.0, 0.3, 0.0), (0.0, 0.3, 0.25)
    bones = bones_of(anatomy_of(names, parents, T, T[:, :3, 3].copy(), {}))
    assert np.ptp(bones[0].vertices[:, 1]) == pytest.approx(0.3, abs=1e-6)
    assert np.ptp(bones[1].vertices[:, 2]) == pytest.approx(0.25, abs=1e-6)
    assert len(bones[2].triangles)


NUMBERS = st.one_of(
    st.floats(-2.0, 2.0), st.sampled_from([float("nan"), float("inf"), 1e300, -1e12, 999.0, 0.0])
)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_joint_makes_a_bone_fail(skeleton: Skeleton, data: st.DataObject) -> None:
    p = posture(skeleton, skeleton.q_default)
    n = skeleton.n_bodies
    for _ in range(data.draw(st.integers(1, 8))):
        k, axis = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, 2))
        p.joint_centres_m[k, axis] = data.draw(NUMBERS)
        p.T_ground_body[data.draw(st.integers(0, n - 1)), axis, 3] = data.draw(NUMBERS)
    names = data.draw(st.permutations(skeleton.body_names))
    anatomy = replace(p, body_names=tuple(names)).anatomy()
    for mesh in bones_of(anatomy):
        assert np.isfinite(mesh.vertices).all()
        assert not len(mesh.vertices) or extent(mesh.vertices) < 8.0
    anatomy.differs_from(p.anatomy(), 0.01)
    assert drawable(p.T_ground_body).shape == (n,)


@pytest.mark.parametrize("model", ["Rajagopal2016", "LaiUhlrich2022", "gait2392_thelen2003muscle", "arm26"])
def test_other_models_have_bones_at_their_joints(shared_data, model: str) -> None:
    skeleton = load_skeleton(shared_data / "models" / f"{model}.osim")
    p = posture(skeleton, skeleton.q_default)
    bones = bones_of(p.anatomy())
    for body, mesh in enumerate(bones):
        if skeleton.tree.parent[body] < 0:
            continue  # moves freely: its joint is nowhere in particular
        T = p.T_ground_body[body]
        placed = mesh.vertices @ T[:3, :3].T + T[:3, 3]
        gap = np.linalg.norm(placed - p.joint_centres_m[body], axis=1).min()
        assert gap < 0.06, skeleton.body_names[body]
    placed = [mesh.vertices @ T[:3, :3].T + T[:3, 3] for mesh, T in zip(bones, p.T_ground_body, strict=True)]
    height = np.ptp(np.concatenate(placed)[:, 1])
    assert 0.3 < height < 0.5 if model == "arm26" else 1.6 < height < 1.95


@pytest.mark.parametrize("seed", range(3))
def test_scale_factors_are_found_again(skeleton: Skeleton, seed: int) -> None:
    """Exactly along axes that a body's points span; the model tells the stream's numbers, not this code."""
    rng = np.random.default_rng(seed)
    factors = rng.uniform(0.85, 1.2, (skeleton.n_bodies, 1)) * rng.uniform(0.97, 1.03, (skeleton.n_bodies, 3))
    found = scale_factors_of(skeleton, posture(skeleton, random_q(skeleton, seed), factors))
    for name in ("pelvis", "torso", "head", "calcn_r"):
        k = skeleton.body_index(name)
        np.testing.assert_allclose(found[k], factors[k], rtol=0.02, err_msg=name)
    for name in ("femur_l", "tibia_r", "humerus_l", "radius_r"):
        k = skeleton.body_index(name)
        assert found[k, 1] == pytest.approx(factors[k, 1], rel=0.01), name
    assert np.abs(found / factors - 1.0).max() < 0.06


def test_scale_factors_of_an_unknown_posture_are_one(skeleton: Skeleton) -> None:
    p = posture(skeleton, skeleton.q_default)
    p.T_ground_body[:] = np.nan
    np.testing.assert_array_equal(scale_factors_of(skeleton, p), np.ones((skeleton.n_bodies, 3)))
    other = replace(p, body_names=tuple(f"x{k}" for k in range(skeleton.n_bodies)))
    np.testing.assert_array_equal(scale_factors_of(skeleton, other), np.ones((skeleton.n_bodies, 3)))
