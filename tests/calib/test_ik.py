"""Inverse kinematics: against OpenSim's, against known poses, and against the conditions of a minimum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import least_squares

from calib.errors import SkeletonError
from calib.ik import InverseKinematics
from calib.kinematics import apply_couplers, body_transforms, marker_positions
from calib.skeleton import Skeleton, default_skeleton_path, load_skeleton
from tests.support.opensim_reference import Reference
from tests.support.osim_text import small_model


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Skeleton:
    path = tmp_path_factory.mktemp("ik") / "small.osim"
    path.write_text(small_model())
    return load_skeleton(path)


def pose(skeleton: Skeleton, seed: int, spread: float = 0.4) -> np.ndarray:
    """Within the ranges, off their ends; dependent coordinates follow."""
    rng = np.random.default_rng(seed)
    room = 0.1 * np.minimum(skeleton.q_upper - skeleton.q_lower, 1.0)
    q = skeleton.q_default + rng.uniform(-spread, spread, skeleton.n_q)
    q = np.clip(q, skeleton.q_lower + room, skeleton.q_upper - room)
    q[skeleton.is_locked] = skeleton.q_default[skeleton.is_locked]
    apply_couplers(skeleton.tree, q, np.ones((skeleton.n_bodies, 3)), np.empty(skeleton.n_q))
    return q


def noisy_markers(skeleton: Skeleton, seed: int, noise_m: float) -> np.ndarray:
    """Markers of a pose, each moved in a random direction."""
    noise = np.random.default_rng(seed).normal(scale=noise_m, size=(skeleton.n_markers, 3))
    return marker_positions(skeleton, pose(skeleton, seed)) + noise


def cost(
    skeleton: Skeleton, q: np.ndarray, targets: np.ndarray, weights: np.ndarray, factors: np.ndarray
) -> float:
    """The weighted squares, computed without the solver."""
    residual = marker_positions(skeleton, q, factors) - targets
    return float(np.nansum(weights * (residual**2).sum(axis=1)))


# --- known poses ---


@pytest.mark.parametrize("seed", range(5))
def test_finds_the_pose_that_the_targets_came_from(seed: int, skeleton: Skeleton) -> None:
    rng = np.random.default_rng(seed)
    factors = rng.uniform(0.8, 1.2, (skeleton.n_bodies, 3))
    q = pose(skeleton, seed)
    solver = InverseKinematics.from_markers(skeleton)
    solver.set_scale_factors(factors)
    targets = marker_positions(skeleton, q, factors)
    for start in (None, skeleton.q_default, pose(skeleton, seed + 100)):
        result = solver.solve(targets, np.ones(skeleton.n_markers), start)
        assert result.converged
        assert result.residual_rms_m < 1e-6
        np.testing.assert_allclose(result.q, q, atol=1e-5)


def test_dependent_coordinates_follow_and_locked_ones_stay(small: Skeleton) -> None:
    q = pose(small, 3)
    solver = InverseKinematics.from_markers(small, ["m_a", "m_b1", "m_b2", "m_c"])
    index = [small.marker_index(n) for n in ("m_a", "m_b1", "m_b2", "m_c")]
    targets = marker_positions(small, q)[index]
    start = small.q_default.copy()
    start[small.coordinate_index("swing")] = 0.123
    result = solver.solve(targets, np.ones(4), start)
    assert result.q[small.coordinate_index("swing")] == 0.123
    followed = result.q.copy()
    apply_couplers(small.tree, followed, np.ones((small.n_bodies, 3)), np.empty(small.n_q))
    np.testing.assert_array_equal(followed, result.q)
    np.testing.assert_allclose(marker_positions(small, result.q)[index], targets, atol=1e-7)


@pytest.mark.parametrize("heading_deg", [0, 90, 179, -120])
def test_starts_by_itself_wherever_the_person_faces(heading_deg: float, skeleton: Skeleton) -> None:
    q = pose(skeleton, 11)
    q[skeleton.coordinate_index("pelvis_rotation")] = np.radians(heading_deg)
    q[skeleton.coordinate_index("pelvis_tx")] = 4.0
    q[skeleton.coordinate_index("pelvis_tz")] = -3.0
    targets = marker_positions(skeleton, q)
    result = InverseKinematics.from_markers(skeleton).solve(targets, np.ones(skeleton.n_markers), None)
    assert result.residual_rms_m < 1e-6
    np.testing.assert_allclose(body_transforms(skeleton, result.q), body_transforms(skeleton, q), atol=1e-5)


def test_stations_need_not_be_markers(skeleton: Skeleton) -> None:
    rng = np.random.default_rng(8)
    factors = rng.uniform(0.8, 1.2, (skeleton.n_bodies, 3))
    body = np.repeat(np.arange(skeleton.n_bodies), 3)
    station = rng.normal(scale=0.1, size=(len(body), 3))
    q = pose(skeleton, 8)
    T = body_transforms(skeleton, q, factors)[body]
    targets = np.einsum("nij,nj->ni", T[:, :3, :3], station * factors[body]) + T[:, :3, 3]
    solver = InverseKinematics(skeleton, body, station)
    solver.set_scale_factors(factors)
    np.testing.assert_allclose(solver.solve(targets, np.ones(len(body)), None).q, q, atol=1e-5)


# --- the minimum ---


@pytest.mark.parametrize("seed", range(4))
def test_noisy_targets_end_at_a_minimum_within_the_bounds(seed: int, skeleton: Skeleton) -> None:
    rng = np.random.default_rng(seed)
    factors = rng.uniform(0.8, 1.2, (skeleton.n_bodies, 3))
    weights = rng.uniform(0.2, 3.0, skeleton.n_markers)
    # Far out of range, so that several coordinates end on their bounds.
    q = pose(skeleton, seed, spread=0.3)
    q[6:] += rng.choice([-1.0, 0.0, 1.0], skeleton.n_q - 6)
    targets = marker_positions(skeleton, q, factors) + rng.normal(scale=0.02, size=(skeleton.n_markers, 3))
    solver = InverseKinematics.from_markers(skeleton)
    solver.set_scale_factors(factors)
    result = solver.solve(targets, weights, None)
    assert result.converged
    assert (result.q >= skeleton.q_lower).all() and (result.q <= skeleton.q_upper).all()
    step = 1e-5
    n_at_bounds = 0
    for j, unit in enumerate(np.eye(skeleton.n_q)):
        above = cost(skeleton, result.q + step * unit, targets, weights, factors)
        below = cost(skeleton, result.q - step * unit, targets, weights, factors)
        slope = (above - below) / (2.0 * step)
        if result.q[j] == skeleton.q_lower[j] != skeleton.q_upper[j]:
            assert slope > -1e-3
            n_at_bounds += 1
        elif result.q[j] == skeleton.q_upper[j]:
            assert slope < 1e-3
            n_at_bounds += 1
        else:
            assert abs(slope) < 1e-3
    assert n_at_bounds > 0


def test_coordinates_outside_their_range_are_brought_in_unless_unbounded(skeleton: Skeleton) -> None:
    j = skeleton.coordinate_index("knee_angle_r")
    q = pose(skeleton, 5)
    q[j] = skeleton.q_upper[j] + 0.2
    targets = marker_positions(skeleton, q)
    bounded = InverseKinematics.from_markers(skeleton).solve(targets, np.ones(skeleton.n_markers), q)
    assert bounded.q[j] <= skeleton.q_upper[j]
    free = InverseKinematics.from_markers(skeleton, bounded=np.zeros(skeleton.n_q, dtype=bool))
    np.testing.assert_allclose(free.solve(targets, np.ones(skeleton.n_markers), bounded.q).q, q, atol=1e-5)


def test_missing_targets_are_as_if_their_stations_were_not_there(skeleton: Skeleton) -> None:
    rng = np.random.default_rng(2)
    targets = marker_positions(skeleton, pose(skeleton, 2)) + rng.normal(
        scale=0.01, size=(skeleton.n_markers, 3)
    )
    keep = np.arange(skeleton.n_markers) % 7 != 0
    targets[~keep] = np.nan
    everything = InverseKinematics.from_markers(skeleton)
    kept = [name for name, k in zip(skeleton.marker_names, keep, strict=True) if k]
    fewer = InverseKinematics.from_markers(skeleton, kept)
    a = everything.solve(targets, np.ones(len(targets)), None)
    b = fewer.solve(targets[keep], np.ones(keep.sum()), None)
    np.testing.assert_allclose(a.q, b.q, atol=1e-9)
    assert a.residual_rms_m == pytest.approx(b.residual_rms_m)
    targets[~keep] = 7.0
    c = everything.solve(targets, keep.astype(float), None)
    np.testing.assert_allclose(a.q, c.q, atol=1e-9)


def test_nothing_to_see_leaves_the_pose_alone(skeleton: Skeleton) -> None:
    start = pose(skeleton, 4)
    solver = InverseKinematics.from_markers(skeleton)
    result = solver.solve(np.full((skeleton.n_markers, 3), np.nan), np.ones(skeleton.n_markers), start)
    np.testing.assert_array_equal(result.q, start)
    assert np.isnan(result.residual_rms_m)


def test_one_side_seen_leaves_the_other_alone(skeleton: Skeleton) -> None:
    start = pose(skeleton, 4)
    targets = marker_positions(skeleton, pose(skeleton, 6))
    tree = skeleton.tree
    on_left_arm = [skeleton.body_names[b].endswith("_l") for b in tree.marker_body]
    targets[on_left_arm] = np.nan
    result = InverseKinematics.from_markers(skeleton).solve(targets, np.ones(len(targets)), start)
    left = [j for j, n in enumerate(skeleton.coordinate_names) if n.endswith("_l")]
    np.testing.assert_array_equal(result.q[left], start[left])
    assert result.residual_rms_m < 1e-6


def test_one_weight_is_an_information_matrix_with_it_on_the_diagonal(skeleton: Skeleton) -> None:
    rng = np.random.default_rng(3)
    weights = rng.uniform(0.5, 2.0, skeleton.n_markers)
    targets = marker_positions(skeleton, pose(skeleton, 3)) + rng.normal(
        scale=0.02, size=(skeleton.n_markers, 3)
    )
    solver = InverseKinematics.from_markers(skeleton)
    a = solver.solve(targets, weights, skeleton.q_default)
    b = solver.solve(targets, weights[:, None, None] * np.eye(3), skeleton.q_default)
    np.testing.assert_array_equal(a.q, b.q)


def test_information_matrices_say_which_direction_to_trust(skeleton: Skeleton) -> None:
    rng = np.random.default_rng(9)
    q = pose(skeleton, 9)
    direction = np.array([0.6, 0.0, 0.8])
    targets = marker_positions(skeleton, q)
    blurred = targets + rng.normal(scale=0.1, size=(len(targets), 1)) * direction
    flat = np.eye(3) - np.outer(direction, direction)
    information = np.broadcast_to(flat + 1e-9 * np.eye(3), (len(targets), 3, 3))
    solver = InverseKinematics.from_markers(skeleton)
    trusted = solver.solve(blurred, information, q)
    np.testing.assert_allclose(body_transforms(skeleton, trusted.q), body_transforms(skeleton, q), atol=2e-3)
    believed = solver.solve(blurred, np.ones(len(targets)), q)
    assert np.abs(believed.q - q).max() > 0.05


def test_a_prior_decides_where_targets_do_not(skeleton: Skeleton) -> None:
    targets, weights = marker_positions(skeleton, pose(skeleton, 1)), np.ones(skeleton.n_markers)
    legs = ("pelvis", "femur", "tibia", "talus", "calcn", "toes")
    on_legs = [skeleton.body_names[b].startswith(legs) for b in skeleton.tree.marker_body]
    targets[~np.array(on_legs)] = np.nan
    solver, start, prior = InverseKinematics.from_markers(skeleton), skeleton.q_default, pose(skeleton, 21)
    weak, strong = np.full(skeleton.n_q, 1e-6), np.full(skeleton.n_q, 1e6)

    result = solver.solve(targets, weights, start, q_prior=prior, prior_weight=weak)
    arms = [skeleton.coordinate_index(n) for n in ("arm_flex_r", "elbow_flex_l", "neck_flexion")]
    np.testing.assert_allclose(result.q[arms], prior[arms], atol=1e-6)
    assert result.residual_rms_m < 1e-3
    result = solver.solve(targets, weights, start, q_prior=prior, prior_weight=strong)
    np.testing.assert_allclose(result.q, prior, atol=1e-3)
    result = solver.solve(targets, weights, prior, prior_weight=strong)
    np.testing.assert_allclose(result.q, skeleton.q_default, atol=1e-3)


def test_a_prior_with_correlations_is_minimised(skeleton: Skeleton) -> None:
    """Against SciPy, with the prior's Cholesky factor as residuals."""
    rng = np.random.default_rng(11)
    targets = marker_positions(skeleton, pose(skeleton, 2)) + rng.normal(0.0, 0.02, (skeleton.n_markers, 3))
    prior = pose(skeleton, 22)
    root = rng.normal(0.0, 0.5, (skeleton.n_q, skeleton.n_q)) + 2.0 * np.eye(skeleton.n_q)
    free = np.flatnonzero(~(skeleton.is_locked | skeleton.is_dependent))
    held = np.setdiff1d(np.arange(skeleton.n_q), free)
    root[:, held] = 0.0
    solver = InverseKinematics.from_markers(skeleton, bounded=np.zeros(skeleton.n_q, dtype=bool))
    found = solver.solve(
        targets, np.full(len(targets), 30.0), skeleton.q_default, q_prior=prior, prior_weight=root.T @ root
    )

    def residuals(x: np.ndarray) -> np.ndarray:
        q = found.q.copy()
        q[free] = x
        apart_m = marker_positions(skeleton, q) - targets
        return np.concatenate([np.sqrt(30.0) * apart_m.ravel(), root[:, free] @ (x - prior[free])])

    best = least_squares(residuals, found.q[free], xtol=1e-12, ftol=1e-12, gtol=1e-12)
    assert found.cost == pytest.approx(2.0 * best.cost, rel=1e-6)
    np.testing.assert_allclose(found.q[free], best.x, atol=2e-4)
    with pytest.raises(SkeletonError, match="prior is not finite"):
        solver.solve(targets, np.ones(len(targets)), None, prior_weight=np.full((skeleton.n_q,) * 2, np.nan))


def test_the_same_call_gives_the_same_bits_whatever_came_before(skeleton: Skeleton) -> None:
    rng = np.random.default_rng(6)
    targets = marker_positions(skeleton, pose(skeleton, 6)) + rng.normal(
        scale=0.03, size=(skeleton.n_markers, 3)
    )
    weights = np.ones(skeleton.n_markers)
    solver, other = InverseKinematics.from_markers(skeleton), InverseKinematics.from_markers(skeleton)
    first = solver.solve(targets, weights, skeleton.q_default)
    other.solve(targets[::-1].copy(), 2.0 * weights, None, prior_weight=np.ones(skeleton.n_q))
    for again in (solver, other):
        result = again.solve(targets, weights, skeleton.q_default)
        np.testing.assert_array_equal(result.q, first.q)
        assert result.residual_rms_m == first.residual_rms_m


@pytest.mark.parametrize("far", [1e6, 1e160, 1e300])
def test_absurd_targets_end_with_finite_coordinates(far: float, skeleton: Skeleton) -> None:
    targets = marker_positions(skeleton, pose(skeleton, 6))
    targets[5] = far
    for start in (None, skeleton.q_default):
        result = InverseKinematics.from_markers(skeleton).solve(targets, np.ones(len(targets)), start)
        assert np.isfinite(result.q).all()
        assert (result.q >= skeleton.q_lower).all() and (result.q <= skeleton.q_upper).all()


def test_arguments_are_left_as_they_were(skeleton: Skeleton) -> None:
    targets, weights = marker_positions(skeleton, pose(skeleton, 6)), np.ones(skeleton.n_markers)
    start = skeleton.q_default.copy()
    copies = targets.copy(), weights.copy(), start.copy()
    InverseKinematics.from_markers(skeleton).solve(targets, weights, start)
    for array, copy in zip((targets, weights, start), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


# --- OpenSim ---

# Weights of the set-up that made the reference motion: opensim-models, Pipelines/Gait10dof18musc/IK.
HEAVY = ("Top.Head", "R.ASIS", "L.ASIS", "V.Sacral")
FEET = ("R.Heel", "L.Heel", "R.Toe.Tip", "L.Toe.Tip")
WALK_WEIGHTS = dict.fromkeys(HEAVY, 3.0) | dict.fromkeys(FEET, 2.0)


def read_table(path: Path, skip_to: str) -> list[list[str]]:
    """Rows after the line that starts with `skip_to`, read without the project's own readers."""
    lines = path.read_text().splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith(skip_to))
    return [line.split("\t") for line in lines[start:]]


def test_walking_trial_reaches_opensims_own_result(shared_data: Path) -> None:
    folder = shared_data / "models" / "walk_ik"
    skeleton = load_skeleton(folder / "subject01.osim")
    rows = read_table(folder / "subject01_walk.trc", "Frame#")
    columns = {name: k for k, name in enumerate(rows[0]) if name in skeleton.marker_names}
    frames = np.array([[float(v) for v in row[: 2 + 3 * 41]] for row in rows[2:] if row[0].strip()])
    targets = np.stack([frames[:, k : k + 3] / 1000.0 for k in columns.values()], axis=1)
    motion = read_table(folder / "subject01_walk_IK.mot", "time")
    reference = np.array([[float(v) for v in row] for row in motion[1:]])
    reference = reference[:, [motion[0].index(name) for name in skeleton.coordinate_names]]
    reference[:, skeleton.is_rotational] = np.radians(reference[:, skeleton.is_rotational])
    assert len(targets) == len(reference) == 151 and len(columns) == 31

    weights = np.array([WALK_WEIGHTS.get(name, 1) for name in columns], dtype=float)
    solver = InverseKinematics.from_markers(skeleton, list(columns))
    index = [skeleton.marker_index(name) for name in columns]

    def rms_m(q: np.ndarray, frame: int) -> float:
        squares = ((marker_positions(skeleton, q)[index] - targets[frame]) ** 2).sum(axis=1)
        return float(np.sqrt(weights @ squares / weights.sum()))

    q = None
    for frame, expected in enumerate(reference):
        result = solver.solve(targets[frame], weights, q)
        q = result.q
        assert result.converged
        assert rms_m(q, frame) <= 1.01 * rms_m(expected, frame)
        off = np.abs(q - expected)
        assert np.degrees(off[skeleton.is_rotational].max()) < 0.5
        assert off[~skeleton.is_rotational].max() < 0.001


@pytest.mark.opensim
def test_no_worse_than_opensims_solver_on_noisy_markers(skeleton: Skeleton, tmp_path: Path) -> None:
    rng = np.random.default_rng(12)
    noise = rng.normal(scale=0.01, size=(4, skeleton.n_markers, 3))
    frames = [marker_positions(skeleton, pose(skeleton, k)) + noise[k] for k in range(4)]
    reference = Reference(default_skeleton_path(), tmp_path)
    solver = InverseKinematics.from_markers(skeleton)
    for targets, theirs in zip(frames, reference.follow_markers(skeleton, frames), strict=True):
        ours = solver.solve(targets, np.ones(len(targets)), None)
        squares = ((marker_positions(skeleton, theirs) - targets) ** 2).sum(axis=1)
        assert ours.residual_rms_m <= 1.0001 * np.sqrt(squares.mean())


# --- refusals ---


def test_wrong_arguments_are_named(skeleton: Skeleton) -> None:
    n = skeleton.n_markers
    solver = InverseKinematics.from_markers(skeleton)
    targets, weights = marker_positions(skeleton, skeleton.q_default), np.ones(n)
    with pytest.raises(SkeletonError, match=rf"targets have shape \(2, 3\); accepted: \({n}, 3\)"):
        solver.solve(targets[:2], weights, None)
    with pytest.raises(
        SkeletonError, match=rf"weights have shape \(2,\); accepted: \({n},\) or \({n}, 3, 3\)"
    ):
        solver.solve(targets, weights[:2], None)
    for bad in (-1.0, np.nan, np.inf):
        with pytest.raises(SkeletonError, match="a weight is negative or not finite"):
            solver.solve(targets, np.where(np.arange(n) == 3, bad, 1.0), None)
        with pytest.raises(SkeletonError, match="a weight is negative or not finite"):
            solver.solve(targets, np.where(np.eye(3) > 0, bad, 0.0) * np.ones((n, 1, 1)), None)
    with pytest.raises(SkeletonError, match="q0 has shape"):
        solver.solve(targets, weights, np.zeros(3))
    with pytest.raises(SkeletonError, match="q0 has shape"):
        solver.solve(targets, weights, np.full(skeleton.n_q, np.nan))
    with pytest.raises(SkeletonError, match="a prior is not finite or its weight is negative"):
        solver.solve(targets, weights, None, prior_weight=np.full(skeleton.n_q, -1.0))


def test_stations_on_unknown_bodies_are_refused(skeleton: Skeleton) -> None:
    with pytest.raises(SkeletonError, match="accepted: 0 to 21"):
        InverseKinematics(skeleton, np.array([0, 22]), np.zeros((2, 3)))
    with pytest.raises(SkeletonError, match=r"accepted: \(n,\), \(n, 3\)"):
        InverseKinematics(skeleton, np.array([0, 1]), np.zeros((3, 3)))
    with pytest.raises(SkeletonError, match="no marker 'nose_tip'"):
        InverseKinematics.from_markers(skeleton, ["nose_tip"])
    with pytest.raises(SkeletonError, match=r"bounded has shape \(3,\)"):
        InverseKinematics.from_markers(skeleton, bounded=np.ones(3, dtype=bool))
