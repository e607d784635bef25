"""Forward kinematics against OpenSim, Jacobians against finite differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calib.errors import SkeletonError
from calib.kinematics import (
    apply_couplers,
    body_transforms,
    forward_kinematics,
    joint_centres,
    marker_positions,
    station_jacobian,
    station_positions,
)
from calib.skeleton import Skeleton, default_skeleton_path, load_skeleton
from tests.support.opensim_reference import Reference, angles_between
from tests.support.osim_text import (
    FREE_ROOT,
    constant,
    document,
    joint,
    knee_axes,
    linear,
    marker,
    multiplier,
    offset,
    points,
    polynomial,
    small_model,
    spatial,
    transform_axis,
)

SHARED_MODELS = (
    "D3KE_full_body_wo_hands.osim",
    "FullBodyModel_Hamner2010_v2_0.osim",
    "LaiUhlrich2022.osim",
    "Pose2Sim_muscles_flex.osim",
    "Pose2Sim_simple.osim",
    "Rajagopal2016.osim",
    "RajagopalLaiUhlrich2023.osim",
    "arm26.osim",
    "gait10dof18musc.osim",
    "gait2392_thelen2003muscle.osim",
    "walk_ik/subject01.osim",
)
X = (-1.0, -0.3, 0.4, 1.0, 1.3)
Y = (0.1, 0.3, -0.2, 0.5, 0.2)
AXES = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
ROOM = {"in_parent": ((0, 0, 0), (0, 0, 0)), "in_child": ((0, 0, 0), (0, 0, 0))}


def custom(coordinates: list[str], *axes: str) -> str:
    return joint("CustomJoint", "j", "a", "b", coordinates, spatial(*axes))


JOINTS = {
    "weld": joint("WeldJoint", "j", "a", "b"),
    "pin": joint("PinJoint", "j", "a", "b", ["u"]),
    "slider": joint("SliderJoint", "j", "a", "b", ["u"]),
    "universal": joint("UniversalJoint", "j", "a", "b", ["u", "v"]),
    "ball": joint("BallJoint", "j", "a", "b", ["u", "v", "w"]),
    "gimbal": joint("GimbalJoint", "j", "a", "b", ["u", "v", "w"]),
    "planar": joint("PlanarJoint", "j", "a", "b", ["u", "v", "w"]),
    "free": joint("FreeJoint", "j", "a", "b", ["r", "s", "t", "u", "v", "w"]),
    "ellipsoid": joint(
        "EllipsoidJoint", "j", "a", "b", ["u", "v", "w"], "<radii_x_y_z>0.3 0.2 0.1</radii_x_y_z>"
    ),
    "knee": joint("CustomJoint", "j", "a", "b", ["bend"], knee_axes()),
    "oblique turns": custom(
        ["u", "v"],
        transform_axis("rotation1", "u", (1, 2, 0.5), linear(1, 0)),
        transform_axis("rotation2", "v", (0, -1, 0), linear(-1, 0.2)),
        transform_axis("rotation3", "u", (0.3, 0, 1), points("SimmSpline", X, Y)),
        transform_axis("translation1", "u", (1, 0, 0), points("SimmSpline", X[:3], Y[:3])),
        transform_axis("translation2", "v", (0, 1, 0), polynomial(0.1, 0.2, -0.3, 0.4, 0.7)),
        transform_axis("translation3", "", (0, 0, 1), constant(0.3)),
    ),
    "backward axes": custom(
        ["u", "v"],
        transform_axis("rotation1", "u", (-1, 0, 0), linear(2, 0)),
        transform_axis("rotation2", "v", (0, 1, 0), linear(0.5, 0.2)),
        transform_axis("translation1", "u", (-1, 0, 0), points("PiecewiseLinearFunction", X, Y)),
        transform_axis("translation2", "v", (0, 1, 0), multiplier(1.7, points("SimmSpline", X[:4], Y[:4]))),
        transform_axis("translation3", "", (0, 0, 1), multiplier(0.7, constant(0.3))),
    ),
    "sliding coordinates": custom(
        ["u", "v", "w"],
        transform_axis("translation1", "u", (1, 0, 0), linear(1, 0)),
        transform_axis("translation2", "v", (0, 1, 0), linear(-1, 0)),
        transform_axis("translation3", "w", (0, 0, 1), multiplier(1.0, linear(1, 0))),
    ),
    "two coordinates on one axis": custom(
        ["u", "v"],
        transform_axis("rotation1", "u v", (1, 0, 0), linear(1, 0.5, 0.1)),
        transform_axis("rotation2", "v", (0, 1, 0), linear(1, 0)),
    ),
    "coordinates out of order": custom(
        ["v", "u"],
        transform_axis("rotation1", "u", (1, 0, 0), linear(1, 0)),
        transform_axis("rotation2", "v", (0, 1, 0), multiplier(2.0, linear(1, 0))),
    ),
    "two points": custom(
        ["u"], transform_axis("rotation2", "u", (0, 1, 0), points("SimmSpline", X[:2], Y[:2]))
    ),
    "old name": custom(
        ["u"], transform_axis("rotation3", "u", (0, 0, 1), points("NaturalCubicSpline", X, Y))
    ),
}


def random_scale_factors(skeleton: Skeleton, rng: np.random.Generator) -> np.ndarray:
    """Unequal along the three axes, except for bodies on which couplers of lengths depend."""
    factors = rng.uniform(0.7, 1.3, (skeleton.n_bodies, 3))
    for coupler in skeleton.tree.couplers:
        if coupler["weight"].any():
            factors[coupler["body"]] = factors[coupler["body"], 0]
    return factors


def random_pose(skeleton: Skeleton, rng: np.random.Generator) -> np.ndarray:
    """Over the coordinates' ranges and some way outside."""
    lower = np.where(np.isfinite(skeleton.q_lower), skeleton.q_lower, -1.0)
    upper = np.where(np.isfinite(skeleton.q_upper), skeleton.q_upper, 1.0)
    margin = 0.2 * (upper - lower)
    return rng.uniform(lower - margin, upper + margin)


def assert_matches_opensim(path: Path, scratch: Path, n_poses: int, n_scales: int) -> None:
    """Bodies and markers to 1e-6 m and rad, first unscaled, then under random scale factors."""
    skeleton = load_skeleton(path)
    rng = np.random.default_rng(42)
    for trial in range(n_scales):
        reference = Reference(path, scratch)
        assert [c.getName() for c in reference.coordinates] == list(skeleton.coordinate_names)
        factors = np.ones((skeleton.n_bodies, 3))
        if trial > 0:
            factors = random_scale_factors(skeleton, rng)
            reference.scale(skeleton, factors)
        for _ in range(n_poses // n_scales):
            q = random_pose(skeleton, rng)
            reference.pose(reference.coupled(skeleton, q))
            expected, found = reference.bodies(skeleton), body_transforms(skeleton, q, factors)
            np.testing.assert_allclose(found[:, :3, 3], expected[:, :3, 3], atol=1e-6, rtol=0)
            assert angles_between(expected, found).max() < 1e-6
            markers = marker_positions(skeleton, q, factors)
            np.testing.assert_allclose(markers, reference.markers(skeleton), atol=1e-6, rtol=0)


@pytest.mark.opensim
@pytest.mark.parametrize("name", SHARED_MODELS)
def test_bodies_and_markers_are_where_opensim_puts_them(name: str, shared_data: Path, tmp_path: Path) -> None:
    assert_matches_opensim(shared_data / "models" / name, tmp_path, n_poses=200, n_scales=4)


@pytest.mark.opensim
def test_default_skeleton_matches_opensim(tmp_path: Path) -> None:
    assert_matches_opensim(default_skeleton_path(), tmp_path, n_poses=200, n_scales=10)


@pytest.mark.opensim
@pytest.mark.parametrize("kind", JOINTS)
def test_every_kind_of_joint_matches_opensim(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "joint.osim"
    path.write_text(document(["a", "b"], [FREE_ROOT, JOINTS[kind]]))
    # OpenSim's names for splines of version 3 are not read in version 4.
    if kind == "old name":
        renamed = tmp_path / "renamed.osim"
        renamed.write_text(path.read_text().replace("NaturalCubicSpline", "SimmSpline"))
        assert load_skeleton(path).sha == load_skeleton(renamed).sha
        path = renamed
    assert_matches_opensim(path, tmp_path, n_poses=40, n_scales=4)


@pytest.mark.opensim
def test_couplers_and_markers_on_joint_frames_match_opensim(tmp_path: Path) -> None:
    path = tmp_path / "small.osim"
    path.write_text(small_model())
    assert_matches_opensim(path, tmp_path, n_poses=100, n_scales=10)


@pytest.mark.opensim
def test_chains_of_offset_frames_match_opensim(tmp_path: Path) -> None:
    body_with_frames = (
        '<Body name="a"><components>'
        + offset("inner", "..", (0.1, 0.2, 0.3), (0.3, 0.2, -0.5))
        + offset("outer", "/bodyset/a/inner", (0.2, -0.1, 0.4), (0.1, -0.4, 0.2))
        + "</components><mass>1</mass><mass_center>0 0 0</mass_center><inertia>1 1 1 0 0 0</inertia></Body>"
    )
    pin = joint("PinJoint", "pin", "a", "b", ["u"]).replace(
        "<socket_parent>/bodyset/a<", "<socket_parent>/bodyset/a/outer<"
    )
    path = tmp_path / "chain.osim"
    markers = [
        marker("tip", "/bodyset/a/outer", (0.1, 0.2, 0.3)),
        marker("end", "/bodyset/b", (0.3, 0.1, 0.2)),
    ]
    path.write_text(document([body_with_frames, "b"], [FREE_ROOT, pin], markers))
    assert_matches_opensim(path, tmp_path, n_poses=40, n_scales=8)


@pytest.mark.opensim
def test_dependent_coordinates_are_where_opensim_assembles_them(tmp_path: Path) -> None:
    path = tmp_path / "small.osim"
    path.write_text(small_model())
    skeleton, reference = load_skeleton(path), Reference(path, tmp_path)
    bend = reference.model.getCoordinateSet().get("bend")
    bend.setValue(reference.state, 0.6, False)
    bend.setLocked(reference.state, True)
    reference.model.assemble(reference.state)
    expected = [c.getValue(reference.state) for c in reference.coordinates]
    q = np.array(expected)
    q[skeleton.coordinate_index("slide")] = 99.0
    apply_couplers(skeleton.tree, q, np.ones((skeleton.n_bodies, 3)), np.empty(skeleton.n_q))
    np.testing.assert_allclose(q, expected, atol=1e-6)


def test_what_a_dependent_coordinate_says_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "small.osim"
    path.write_text(small_model())
    skeleton = load_skeleton(path)
    q = np.full(skeleton.n_q, 0.3)
    other = q.copy()
    other[skeleton.is_dependent] = -7.0
    np.testing.assert_array_equal(body_transforms(skeleton, q), body_transforms(skeleton, other))
    assert (other[skeleton.is_dependent] == -7.0).all()


@pytest.mark.opensim
@pytest.mark.parametrize("name", ["default", "Rajagopal2016.osim", "D3KE_full_body_wo_hands.osim"])
def test_joint_centres_are_the_origins_of_opensims_child_frames(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = default_skeleton_path()
    if name != "default":
        path = request.getfixturevalue("shared_data") / "models" / name
    skeleton, reference = load_skeleton(path), Reference(path, tmp_path)
    rng = np.random.default_rng(1)
    factors = random_scale_factors(skeleton, rng)
    reference.scale(skeleton, factors)
    q = reference.coupled(skeleton, random_pose(skeleton, rng))
    reference.pose(q)
    joints = reference.model.getJointSet()
    expected = [reference.frame(joints.get(joint).getChildFrame())[:3, 3] for joint in skeleton.joint_names]
    np.testing.assert_allclose(joint_centres(skeleton, q, factors), expected, atol=1e-6)


def test_oblique_translations_keep_their_length_under_factors_of_one(tmp_path: Path) -> None:
    # OpenSim's rule would multiply this one by 1.4: see the comment in `propagate`.
    axis = transform_axis("translation1", "u", (0.6, 0.8, 0), polynomial(1.0, 0.0, 0.0))
    path = tmp_path / "oblique.osim"
    path.write_text(
        document(["a", "b"], [FREE_ROOT, joint("CustomJoint", "j", "a", "b", ["u"], spatial(axis), **ROOM)])
    )
    skeleton = load_skeleton(path)
    q = np.zeros(skeleton.n_q)
    q[skeleton.coordinate_index("u")] = 2.0
    a, b = (body_transforms(skeleton, q, np.full((2, 3), s))[:, :3, 3] for s in (1.0, 1.5))
    np.testing.assert_allclose(np.linalg.norm(a[1] - a[0]), 4.0)
    np.testing.assert_allclose(np.linalg.norm(b[1] - b[0]), 6.0)


def jacobian_errors(skeleton: Skeleton, rng: np.random.Generator) -> float:
    """Largest difference between the Jacobian of random stations and central finite differences."""
    n, step = 12, 1e-6
    factors = random_scale_factors(skeleton, rng)
    q = rng.uniform(np.maximum(skeleton.q_lower, -1.5), np.minimum(skeleton.q_upper, 1.5))
    station_body = rng.integers(-1, skeleton.n_bodies, n)
    station_m = rng.normal(scale=0.2, size=(n, 3))
    T = np.empty((skeleton.n_bodies, 4, 4))
    jacobian = np.empty((n, 3, skeleton.n_q))
    station_jacobian(skeleton.tree, q, factors, station_body, station_m, T, jacobian)
    np.testing.assert_array_equal(T, body_transforms(skeleton, q, factors))

    def positions(q: np.ndarray) -> np.ndarray:
        out = np.empty((n, 3))
        forward_kinematics(skeleton.tree, q, factors, T)
        station_positions(T, station_body, station_m, out)
        return out

    worst = 0.0
    for j, unit in enumerate(np.eye(skeleton.n_q)):
        slope = (positions(q + step * unit) - positions(q - step * unit)) / (2.0 * step)
        worst = max(worst, float(np.abs(jacobian[:, :, j] - slope).max()))
    return worst


@pytest.mark.parametrize("kind", JOINTS)
def test_jacobian_of_every_kind_of_joint_matches_finite_differences(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "joint.osim"
    path.write_text(document(["a", "b"], [FREE_ROOT, JOINTS[kind]]))
    rng = np.random.default_rng(3)
    assert max(jacobian_errors(load_skeleton(path), rng) for _ in range(5)) < 1e-6


def test_jacobian_counts_dependent_motion_for_the_coordinate_it_follows(tmp_path: Path) -> None:
    path = tmp_path / "small.osim"
    path.write_text(small_model())
    skeleton = load_skeleton(path)
    rng = np.random.default_rng(4)
    assert max(jacobian_errors(skeleton, rng) for _ in range(5)) < 1e-6


def test_default_jacobian_matches_finite_differences() -> None:
    rng = np.random.default_rng(5)
    assert max(jacobian_errors(load_skeleton(), rng) for _ in range(5)) < 1e-6


@pytest.mark.parametrize("name", SHARED_MODELS)
def test_jacobians_of_published_models_match_finite_differences(name: str, shared_data: Path) -> None:
    rng = np.random.default_rng(6)
    skeleton = load_skeleton(shared_data / "models" / name)
    assert max(jacobian_errors(skeleton, rng) for _ in range(5)) < 1e-6


def test_wrong_shapes_are_named() -> None:
    skeleton = load_skeleton()
    with pytest.raises(SkeletonError, match=rf"q has shape \(3,\).*takes \({skeleton.n_q},\)"):
        body_transforms(skeleton, np.zeros(3))
    with pytest.raises(SkeletonError, match=r"scale factors have shape \(2, 3\)"):
        marker_positions(skeleton, skeleton.q_default, np.ones((2, 3)))
