"""The default skeleton: what it promises, against published dimensions and the models it must agree with."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from calib.default.dimensions import MASS_KG, STATURE_M
from calib.default.skeleton import write_default_skeleton
from calib.kinematics import body_transforms, marker_positions
from calib.skeleton import Skeleton, default_skeleton_path, load_skeleton
from tests.support.opensim_reference import Reference, angles_between, import_opensim

LEG = [
    "hip_flexion",
    "hip_adduction",
    "hip_rotation",
    "knee_angle",
    "ankle_angle",
    "subtalar_angle",
    "mtp_angle",
]
ARM = ["arm_flex", "arm_add", "arm_rot", "elbow_flex", "pro_sup", "wrist_flex", "wrist_dev"]
COORDINATES = [
    "pelvis_tilt", "pelvis_list", "pelvis_rotation", "pelvis_tx", "pelvis_ty", "pelvis_tz",
    *(f"{name}_{side}" for side in "rl" for name in LEG),
    "lumbar_extension", "lumbar_bending", "lumbar_rotation", "neck_flexion", "neck_bending", "neck_rotation",
    *(f"{name}_{side}" for side in "rl" for name in ARM),
]  # fmt: skip


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def markers(skeleton: Skeleton, **angles_deg: float) -> dict[str, np.ndarray]:
    """Every marker in ground, standing but for the coordinates given."""
    q = skeleton.q_default.copy()
    for name, angle_deg in angles_deg.items():
        q[skeleton.coordinate_index(name)] = np.radians(angle_deg)
    return dict(zip(skeleton.marker_names, marker_positions(skeleton, q), strict=True))


def distance(points: dict[str, np.ndarray], a: str, b: str) -> float:
    return float(np.linalg.norm(points[a] - points[b]))


def test_the_file_is_what_the_module_writes(tmp_path: Path) -> None:
    write_default_skeleton(tmp_path / "x.osim")
    assert default_skeleton_path().read_text() == (tmp_path / "x.osim").read_text(), (
        "run python -m calib.default.skeleton"
    )


def test_coordinates(skeleton: Skeleton) -> None:
    assert list(skeleton.coordinate_names) == COORDINATES
    assert skeleton.n_bodies == 22
    assert not skeleton.is_locked.any() and not skeleton.is_dependent.any()
    assert skeleton.is_rotational.sum() == 37
    assert (skeleton.q_lower < skeleton.q_default).all() and (skeleton.q_default < skeleton.q_upper).all()


@pytest.mark.parametrize(
    ("name", "lower_deg", "upper_deg"),
    [
        ("hip_flexion_r", -30, 125), ("hip_adduction_r", -45, 30), ("hip_rotation_r", -45, 45),
        ("knee_angle_r", -5, 145), ("ankle_angle_r", -50, 30), ("lumbar_extension", -80, 30),
        ("neck_flexion", -60, 60), ("neck_rotation", -80, 80), ("arm_flex_r", -60, 180),
        ("arm_add_r", -180, 30), ("elbow_flex_r", 0, 150), ("pro_sup_r", 0, 150), ("wrist_flex_r", -70, 70),
    ],
)  # fmt: skip
def test_ranges_hold_what_people_do(
    skeleton: Skeleton, name: str, lower_deg: float, upper_deg: float
) -> None:
    k = skeleton.coordinate_index(name)
    assert np.degrees(skeleton.q_lower[k]) < lower_deg + 0.01
    assert np.degrees(skeleton.q_upper[k]) > upper_deg - 0.01


# --- Published dimensions ---


def test_it_stands_on_the_floor_at_its_stature(skeleton: Skeleton) -> None:
    points = markers(skeleton)
    assert points["HEAD"][1] == pytest.approx(STATURE_M, abs=1e-5)
    soles = [points[name][1] for name in ("RHEE", "RMT1", "RMT5", "RHLX", "RSTO")]
    assert 0.0 < min(soles) and max(soles) < 0.05
    assert points["NECK"][0] == pytest.approx(points["RAJC"][0], abs=0.08), "the trunk is over the feet"


@pytest.mark.parametrize(
    ("a", "b", "of_stature", "tolerance"),
    [
        # Drillis and Contini 1966; de Leva 1996; widths of ANSUR II and OpenSim's models.
        ("RHJC", "RKJC", 0.245, 0.001), ("RKJC", "RAJC", 0.246, 0.001),
        ("RSJC", "REJC", 0.1618, 0.001), ("REJC", "RWJC", 0.1545, 0.001), ("RWJC", "RTIP", 0.108, 0.002),
        ("RHJC", "LHJC", 0.096, 0.005), ("RSJC", "LSJC", 0.2, 0.005), ("RASI", "LASI", 0.14, 0.01),
        ("REAR", "LEAR", 0.0815, 0.002), ("RKNE", "RKNEM", 0.058, 0.004), ("RHEE", "RHLX", 0.152, 0.005),
    ],
)  # fmt: skip
def test_lengths_are_the_published_ones(
    skeleton: Skeleton, a: str, b: str, of_stature: float, tolerance: float
) -> None:
    assert distance(markers(skeleton), a, b) / STATURE_M == pytest.approx(of_stature, abs=tolerance)


@pytest.mark.parametrize(
    ("marker", "of_stature"),
    [("RHJC", 0.53), ("RSHO", 0.822), ("C7", 0.8655), ("REAR", 0.9255), ("REYE", 0.9305), ("RWJC", 0.482)],
)
def test_heights_are_the_published_ones(skeleton: Skeleton, marker: str, of_stature: float) -> None:
    assert markers(skeleton)[marker][1] / STATURE_M == pytest.approx(of_stature, abs=0.01)


@pytest.mark.parametrize(
    ("centre", "lateral", "medial"), [("KJC", "KNE", "KNEM"), ("AJC", "ANK", "MMAL"), ("EJC", "ELB", "ELBM")]
)
@pytest.mark.parametrize("side", "RL")
def test_joint_centres_are_between_their_markers(
    skeleton: Skeleton, side: str, centre: str, lateral: str, medial: str
) -> None:
    points = markers(skeleton)
    middle = (points[side + lateral] + points[side + medial]) / 2.0
    np.testing.assert_allclose(points[side + centre], middle, atol=2e-3)


def test_masses_and_inertias_are_those_of_real_bodies() -> None:
    bodies = ElementTree.parse(default_skeleton_path()).getroot().findall("Model/BodySet/objects/Body")
    masses = {body.get("name"): float(body.findtext("mass", "nan")) for body in bodies}
    assert sum(masses.values()) == pytest.approx(MASS_KG, rel=1e-6)
    assert masses["femur_r"] / MASS_KG == pytest.approx(0.1416), "de Leva 1996"
    for body in bodies:
        x, y, z, *products = (float(word) for word in body.findtext("inertia", "").split())
        assert min(x, y, z) > 0 and products == [0, 0, 0]
        assert x < y + z and y < z + x and z < x + y, f"no solid has the inertia of {body.get('name')}"


def test_left_is_the_mirror_image_of_right(skeleton: Skeleton) -> None:
    rng = np.random.default_rng(42)
    q = skeleton.q_default.copy()
    q[20:26] = 0.0
    right = [k for k, name in enumerate(COORDINATES) if name.endswith("_r")]
    left = [skeleton.coordinate_index(COORDINATES[k][:-1] + "l") for k in right]
    q[right] = q[left] = rng.uniform(skeleton.q_lower[right], skeleton.q_upper[right])
    points = dict(zip(skeleton.marker_names, marker_positions(skeleton, q), strict=True))
    pairs = [name for name in points if name[0] == "R" and "L" + name[1:] in points]
    assert len(pairs) == 36
    for name in pairs:
        np.testing.assert_allclose(points["L" + name[1:]], points[name] * [1, 1, -1], atol=1e-9)


# --- Signs ---


@pytest.mark.parametrize(
    ("coordinate", "marker", "direction"),
    [
        ("pelvis_tilt", "NECK", [-1, 0, 0]), ("pelvis_list", "NECK", [0, 0, 1]),
        ("pelvis_rotation", "RASI", [1, 0, 0]), ("hip_flexion_r", "RKJC", [1, 0, 0]),
        ("hip_adduction_r", "RKJC", [0, 0, -1]), ("hip_rotation_r", "RTOE", [0, 0, -1]),
        ("knee_angle_r", "RAJC", [-1, 0, 0]), ("ankle_angle_r", "RTOE", [0, 1, 0]),
        ("subtalar_angle_r", "RMT5", [0, -0.5, -0.8]), ("mtp_angle_r", "RHLX", [0, -1, 0]),
        ("lumbar_extension", "NECK", [-1, 0, 0]), ("lumbar_bending", "NECK", [0, 0, 1]),
        ("lumbar_rotation", "RSJC", [1, 0, 0]), ("neck_flexion", "NOSE", [0, 1, 0]),
        ("neck_bending", "HEAD", [0, 0, 1]), ("neck_rotation", "NOSE", [0, 0, -1]),
        ("arm_flex_r", "REJC", [1, 0, 0]), ("arm_add_r", "REJC", [0, 0, -1]),
        ("arm_rot_r", "RTHM", [1, 0, 0]), ("elbow_flex_r", "RWJC", [1, 0, 0]),
        ("pro_sup_r", "RTHM", [1, 0, 0]),
        ("wrist_flex_r", "RTIP", [1, 0, 0]), ("wrist_dev_r", "RTIP", [0, 0, -1]),
    ],
)  # fmt: skip
def test_positive_coordinates_move_where_they_should(
    skeleton: Skeleton, coordinate: str, marker: str, direction: list[float]
) -> None:
    moved = markers(skeleton, **{coordinate: 5.0})[marker] - markers(skeleton)[marker]
    assert moved @ direction > 0.7 * np.linalg.norm(moved) > 0.0


# --- OpenSim, and the models it must agree with ---


@pytest.mark.opensim
def test_opensim_opens_it_without_complaint(capfd: pytest.CaptureFixture[str]) -> None:
    opensim = import_opensim()
    opensim.Logger.setLevelString("warn")
    try:
        model = opensim.Model(str(default_skeleton_path()))
        state = model.initSystem()
    finally:
        opensim.Logger.setLevelString("off")
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
    assert model.getTotalMass(state) == pytest.approx(MASS_KG, rel=1e-6)
    coordinates = model.getCoordinateSet()
    assert [coordinates.get(k).getName() for k in range(coordinates.getSize())] == COORDINATES


def shared_poses(skeleton: Skeleton, reference: Reference, n_poses: int) -> Any:
    """Poses within both models' ranges: our coordinates, and theirs of the same names."""
    rng = np.random.default_rng(7)
    names = [coordinate.getName() for coordinate in reference.coordinates]
    shared = [k for k, name in enumerate(COORDINATES) if name in names]
    lower, upper = skeleton.q_lower.copy(), skeleton.q_upper.copy()
    for k in shared:
        theirs = reference.coordinates[names.index(COORDINATES[k])]
        lower[k] = max(lower[k], theirs.getRangeMin(), -2.0)
        upper[k] = min(upper[k], theirs.getRangeMax(), 3.0)
    for _ in range(n_poses):
        q = skeleton.q_default.copy()
        q[shared] = rng.uniform(lower[shared], upper[shared])
        their_q = np.array([coordinate.getDefaultValue() for coordinate in reference.coordinates])
        their_q[[names.index(COORDINATES[k]) for k in shared]] = q[shared]
        yield q, their_q


@pytest.mark.opensim
@pytest.mark.parametrize("name", ["Rajagopal2016", "LaiUhlrich2022"])
def test_coordinates_mean_what_they_mean_in_published_models(
    skeleton: Skeleton, shared_data: Path, tmp_path: Path, name: str
) -> None:
    reference = Reference(shared_data / "models" / f"{name}.osim", tmp_path)
    welded = {"hand_r", "hand_l"} if name == "LaiUhlrich2022" else set()
    bodies = [b for b in skeleton.body_names if b not in {"neck", "head"} | welded]
    ours = [skeleton.body_index(b) for b in bodies]
    for q, their_q in shared_poses(skeleton, reference, n_poses=60):
        reference.pose(their_q)
        T = body_transforms(skeleton, q)[ours]
        their_T = np.array([reference.frame(reference.model.getBodySet().get(b)) for b in bodies])
        angles_deg = np.degrees(angles_between(T, their_T))
        limb = np.array([b[:-2] in {"tibia", "talus", "calcn", "toes"} for b in bodies])
        assert angles_deg[~limb].max() < 0.01
        assert angles_deg[limb].max() < 1.2, "the knee's coupled rotations are a fit"


@pytest.mark.opensim
def test_joint_centres_are_near_those_of_published_models(
    skeleton: Skeleton, shared_data: Path, tmp_path: Path
) -> None:
    """At Rajagopal2016's stature, 1.70 m; its legs are shorter and its trunk longer than in the surveys."""
    reference = Reference(shared_data / "models" / "Rajagopal2016.osim", tmp_path)
    reference.pose(np.zeros(len(reference.coordinates)))
    T = body_transforms(skeleton, np.zeros(skeleton.n_q)) * (1.70 / STATURE_M)
    for name, limit_m in [("femur_r", 0.01), ("tibia_r", 0.02), ("talus_r", 0.03), ("torso", 0.01),
                          ("humerus_r", 0.065), ("ulna_r", 0.065), ("hand_r", 0.065)]:  # fmt: skip
        theirs = reference.frame(reference.model.getBodySet().get(name))[:3, 3]
        assert np.linalg.norm(T[skeleton.body_index(name), :3, 3] - theirs) < limit_m, name
