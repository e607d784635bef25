"""What `.osim` files of OpenSim 3 and 4 say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from calib.kinematics import body_transforms
from calib.osim.functions import Linear, Multiplier, Polynomial
from calib.osim.osim import load_osim
from calib.scaling import write_scaled_osim
from calib.skeleton import default_skeleton_path, load_skeleton
from tests.support.opensim_reference import Reference, import_opensim
from tests.support.osim_text import (
    FREE_ROOT,
    coupler,
    document,
    joint,
    linear,
    small_model,
    spatial,
    transform_axis,
    version_3,
    version_4,
)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write(tmp_path / "small.osim", small_model())


def test_names_stand_in_the_order_of_the_file(small: Path) -> None:
    model = load_osim(small)
    assert model.name == "small"
    assert model.bodies == ("a", "b", "c", "d")
    assert [j.name for j in model.joints] == ["root", "knee", "slider", "pin"]
    assert [m.name for m in model.markers] == ["m_a", "m_b1", "m_b2", "m_c", "m_ground"]


def test_coordinates_keep_default_range_and_flags(small: Path) -> None:
    coordinates = {c.name: c for j in load_osim(small).joints for c in j.coordinates}
    bend, swing = coordinates["bend"], coordinates["swing"]
    assert (bend.default_value, bend.lower, bend.upper) == (0.1, -1.5, 0.8)
    assert bend.is_clamped and not bend.is_locked
    assert swing.is_locked and not swing.is_clamped
    assert swing.default_value == 0.3


def test_a_coupler_carries_its_scale_factor(small: Path) -> None:
    (follow,) = load_osim(small).couplers
    assert (follow.dependent, follow.independent) == ("slide", "bend")
    assert follow.function == Multiplier(1.5, Polynomial((0.05, 0.1, 0.02)))


def test_a_coupler_that_is_not_enforced_leaves_its_coordinate_free(tmp_path: Path) -> None:
    pins = [FREE_ROOT, joint("PinJoint", "p", "a", "b", ["u"]), joint("PinJoint", "r", "b", "c", ["v"])]
    for enforced in (True, False):
        text = document("abc", pins, (), [coupler("c", "v", "u", linear(2, 0), enforced=enforced)])
        skeleton = load_skeleton(write(tmp_path / "x.osim", text))
        assert bool(skeleton.is_dependent[skeleton.coordinate_index("v")]) is enforced


COLONS = (
    '<ForceSet><objects><HuntCrossleyForce name="foot"><HuntCrossleyForce::ContactParametersSet '
    'name="contact_parameters"><objects><HuntCrossleyForce::ContactParameters><stiffness>1e6</stiffness>'
    "</HuntCrossleyForce::ContactParameters></objects><groups/></HuntCrossleyForce::ContactParametersSet>"
    "</HuntCrossleyForce></objects></ForceSet>"
)


def test_element_names_with_colons_change_nothing(small: Path, tmp_path: Path) -> None:
    text = small_model()
    path = write(tmp_path / "colons.osim", text.replace("</Model>", f"{COLONS}</Model>"))
    assert load_osim(path) == load_osim(small)


@pytest.mark.opensim
def test_a_model_in_which_opensim_writes_colons_moves_as_in_opensim(small: Path, tmp_path: Path) -> None:
    opensim = import_opensim()
    model = opensim.Model(str(small))
    force = opensim.HuntCrossleyForce()
    force.setName("foot")
    ball = opensim.ContactSphere(0.03, opensim.Vec3(0.0), model.getBodySet().get("b"), "ball")
    floor = opensim.ContactHalfSpace(opensim.Vec3(0.0), opensim.Vec3(0.0), model.getGround(), "floor")
    for geometry in (ball, floor):
        model.addContactGeometry(geometry)
        force.addGeometry(geometry.getName())
    force.setStiffness(1e6)
    model.addForce(force)
    model.finalizeConnections()
    path = tmp_path / "contact.osim"
    model.printToXML(str(path))
    assert "<HuntCrossleyForce::ContactParametersSet" in path.read_text()
    skeleton, reference = load_skeleton(path), Reference(path, tmp_path)
    q = np.random.default_rng(0).uniform(-0.5, 0.5, skeleton.n_q)
    reference.pose(reference.coupled(skeleton, q))
    found = body_transforms(skeleton, q, np.ones((skeleton.n_bodies, 3)))
    np.testing.assert_allclose(found, reference.bodies(skeleton), atol=1e-9)
    scaled = tmp_path / "scaled.osim"
    write_scaled_osim(path, np.full((skeleton.n_bodies, 3), 1.1), scaled)
    assert opensim.Model(str(scaled)).getForceSet().getSize() == 1


def test_marker_frames_lead_to_their_bodies(small: Path) -> None:
    markers = {m.name: m for m in load_osim(small).markers}
    assert markers["m_b1"].frame.body == "b" and markers["m_b1"].frame.offsets == ()
    assert markers["m_b2"].frame.body == "b"
    assert markers["m_b2"].frame.offsets[0].translation == (0.05, -0.1, 0.02)
    assert markers["m_ground"].frame.body == "ground"


def test_a_transform_axis_without_function_is_the_coordinate_itself(tmp_path: Path) -> None:
    axes = spatial(transform_axis("rotation1", "u", (1, 0, 0), ""))
    text = document("ab", [FREE_ROOT, joint("CustomJoint", "j", "a", "b", ["u"], axes)])
    joint_read = load_osim(write(tmp_path / "x.osim", text)).joints[1]
    assert joint_read.rotations[0].function == Linear((1.0, 0.0))


def test_missing_ranges_are_unbounded(tmp_path: Path) -> None:
    text = document("ab", [FREE_ROOT, joint("PinJoint", "j", "a", "b", ['<Coordinate name="u"/>'])])
    (u,) = load_osim(write(tmp_path / "x.osim", text)).joints[1].coordinates
    assert (u.lower, u.upper, u.default_value) == (-math.inf, math.inf, 0.0)


@pytest.mark.parametrize("spline", ["SimmSpline", "NaturalCubicSpline", "natCubicSpline"])
def test_version_3_says_the_same_as_version_4(spline: str, tmp_path: Path) -> None:
    old = load_skeleton(write(tmp_path / "old.osim", version_3(spline)))
    new = load_skeleton(write(tmp_path / "new.osim", version_4()))
    assert old.sha == new.sha
    assert old.coordinate_names == new.coordinate_names


@pytest.mark.opensim
def test_opensims_own_conversion_of_version_3_reads_the_same(tmp_path: Path) -> None:
    opensim = import_opensim()
    old = write(tmp_path / "old.osim", version_3())
    opensim.Model(str(old)).printToXML(str(tmp_path / "new.osim"))
    assert load_skeleton(old).sha == load_skeleton(tmp_path / "new.osim").sha


@pytest.mark.opensim
@pytest.mark.parametrize("name", ["default", "Rajagopal2016.osim", "FullBodyModel_Hamner2010_v2_0.osim"])
def test_flags_ranges_and_motion_types_are_opensims(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = default_skeleton_path()
    if name != "default":
        path = request.getfixturevalue("shared_data") / "models" / name
    skeleton = load_skeleton(path)
    reference = Reference(path, tmp_path)
    rotational = reference.opensim.Coordinate.Rotational
    for j, c in enumerate(reference.coordinates):
        assert skeleton.coordinate_names[j] == c.getName()
        assert skeleton.q_default[j] == pytest.approx(c.getDefaultValue(), abs=1e-12)
        assert skeleton.q_lower[j] == pytest.approx(c.getRangeMin())
        assert skeleton.q_upper[j] == pytest.approx(c.getRangeMax())
        assert bool(skeleton.is_clamped[j]) == c.getDefaultClamped()
        assert bool(skeleton.is_locked[j]) == c.getDefaultLocked()
        assert bool(skeleton.is_rotational[j]) == (c.getMotionType() == rotational)
