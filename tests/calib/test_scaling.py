"""Scale factors, and models written with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calib.errors import OsimError, SkeletonError
from calib.kinematics import body_transforms, marker_positions
from calib.scaling import check_scale_factors, write_scaled_osim
from calib.skeleton import default_skeleton_path, load_skeleton
from tests.support.opensim_reference import Reference, angles_between, import_opensim
from tests.support.osim_text import (
    FREE_ROOT,
    constant,
    document,
    joint,
    linear,
    points,
    polynomial,
    small_model,
    spatial,
    transform_axis,
    version_3,
)


def factors_for(path: Path, seed: int = 0, *, equal_axes: bool = False) -> np.ndarray:
    n_bodies = load_skeleton(path).n_bodies
    factors = np.random.default_rng(seed).uniform(0.7, 1.3, (n_bodies, 3))
    return np.repeat(factors[:, :1], 3, axis=1) if equal_axes else factors


def every_scaled_part(folder: Path) -> Path:
    """The small model, and behind it an ellipsoid and translations of every kind."""
    kinds = spatial(
        transform_axis("translation1", "u", (1, 0, 0), polynomial(0.1, 0.2)),
        transform_axis("translation2", "v", (0, 1, 0), linear(1, 0)),
        transform_axis("translation3", "", (0, 0, 1), constant(0.3)),
    )
    oblique = spatial(
        transform_axis("rotation1", "w", (1, 0, 0), linear(1, 0)),
        transform_axis("translation1", "w", (0.6, 0.8, 0), points("SimmSpline", (-1, 0, 1), (0.1, 0.3, 0.2))),
    )
    ellipsoid = joint(
        "EllipsoidJoint", "shoulder", "c", "e", ["ex", "ey", "ez"], "<radii_x_y_z>0.3 0.2 0.1</radii_x_y_z>"
    )
    more = [
        ellipsoid,
        joint("CustomJoint", "kinds", "e", "f", ["u", "v"], kinds),
        joint("CustomJoint", "oblique", "f", "g", ["w"], oblique),
    ]
    text = small_model().replace("</objects></JointSet>", "".join(more) + "</objects></JointSet>")
    bodies = "".join(f'<Body name="{n}"><mass>1</mass><mass_center>1 2 3</mass_center></Body>' for n in "efg")
    path = folder / "every.osim"
    path.write_text(text.replace("</objects></BodySet>", bodies + "</objects></BodySet>"))
    return path


def assert_written_model_moves_as_scaled(path: Path, factors: np.ndarray, out: Path) -> None:
    write_scaled_osim(path, factors, out)
    skeleton, written = load_skeleton(path), load_skeleton(out)
    assert written.coordinate_names == skeleton.coordinate_names
    rng = np.random.default_rng(1)
    for _ in range(20):
        q = rng.uniform(-1.0, 1.0, skeleton.n_q)
        expected = body_transforms(skeleton, q, factors)
        np.testing.assert_allclose(body_transforms(written, q), expected, atol=1e-12)
        np.testing.assert_allclose(
            marker_positions(written, q), marker_positions(skeleton, q, factors), atol=1e-12
        )


def test_a_written_model_moves_as_the_scaled_one(tmp_path: Path) -> None:
    path = every_scaled_part(tmp_path)
    for seed in range(3):
        assert_written_model_moves_as_scaled(path, factors_for(path, seed), tmp_path / "out.osim")


def test_writing_twice_multiplies_twice(tmp_path: Path) -> None:
    path, once, twice = every_scaled_part(tmp_path), tmp_path / "once.osim", tmp_path / "twice.osim"
    factors = factors_for(path)
    write_scaled_osim(path, factors, once)
    write_scaled_osim(once, 1.0 / factors, twice)
    original, back = load_skeleton(path), load_skeleton(twice)
    q = np.random.default_rng(2).uniform(-1.0, 1.0, original.n_q)
    # Not exact where a length follows three factors at once: an oblique axis, a coupled slide.
    same = [original.body_index(name) for name in ("a", "b", "d")]
    np.testing.assert_allclose(body_transforms(back, q)[same], body_transforms(original, q)[same], atol=1e-12)


def test_the_default_skeleton_can_be_written_to_measure(tmp_path: Path) -> None:
    path = default_skeleton_path()
    assert_written_model_moves_as_scaled(path, factors_for(path), tmp_path / "out.osim")


@pytest.mark.opensim
@pytest.mark.parametrize("name", ["default", "Rajagopal2016.osim", "LaiUhlrich2022.osim", "arm26.osim"])
def test_opensim_opens_a_written_model_as_its_own_scaled_one(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = default_skeleton_path()
    if name != "default":
        path = request.getfixturevalue("shared_data") / "models" / name
    opensim = import_opensim()
    skeleton, factors, out = load_skeleton(path), factors_for(path, 3), tmp_path / "out.osim"
    write_scaled_osim(path, factors, out)
    opensim.Model(str(out)).initSystem()

    ours, theirs = Reference(out, tmp_path), Reference(path, tmp_path)
    theirs.scale(skeleton, factors)
    q = theirs.coupled(skeleton, np.random.default_rng(4).uniform(-0.5, 0.5, skeleton.n_q))
    ours.pose(q)
    theirs.pose(q)
    a, b = ours.bodies(skeleton), theirs.bodies(skeleton)
    np.testing.assert_allclose(a[:, :3, 3], b[:, :3, 3], atol=1e-9)
    assert angles_between(a, b).max() < 1e-9
    np.testing.assert_allclose(ours.markers(skeleton), theirs.markers(skeleton), atol=1e-9)
    for body in skeleton.body_names:
        centre, expected = (r.model.getBodySet().get(body).getMassCenter() for r in (ours, theirs))
        assert [centre.get(i) for i in range(3)] == pytest.approx([expected.get(i) for i in range(3)])


def test_factors_of_one_change_nothing(tmp_path: Path) -> None:
    path = every_scaled_part(tmp_path)
    write_scaled_osim(path, np.ones((load_skeleton(path).n_bodies, 3)), tmp_path / "out.osim")
    skeleton, written = load_skeleton(path), load_skeleton(tmp_path / "out.osim")
    q = np.random.default_rng(5).uniform(-1.0, 1.0, skeleton.n_q)
    np.testing.assert_allclose(body_transforms(written, q), body_transforms(skeleton, q), atol=1e-14)


def test_scale_factors_are_checked() -> None:
    skeleton = load_skeleton()
    good = np.full((skeleton.n_bodies, 3), 1.1)
    np.testing.assert_array_equal(check_scale_factors(skeleton, good), good)
    with pytest.raises(SkeletonError, match=r"shape \(3,\); skeleton 'kinecast' takes \(22, 3\)"):
        check_scale_factors(skeleton, np.ones(3))
    for bad in (0.0, -1.0, np.nan, np.inf):
        wrong = good.copy()
        wrong[skeleton.body_index("torso"), 1] = bad
        with pytest.raises(SkeletonError, match=r"scale factors of torso are .*; accepted: positive numbers"):
            check_scale_factors(skeleton, wrong)


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    old = tmp_path / "old.osim"
    old.write_text(version_3())
    with pytest.raises(OsimError, match=r"Version='30000'; accepted: 40000 and later"):
        write_scaled_osim(old, np.ones((3, 3)), tmp_path / "out.osim")
    small = tmp_path / "small.osim"
    small.write_text(document("a", [FREE_ROOT]))
    with pytest.raises(OsimError, match=r"no_folder/out.osim: cannot be written \(No such file"):
        write_scaled_osim(small, np.ones((1, 3)), tmp_path / "no_folder" / "out.osim")
    with pytest.raises(SkeletonError, match="takes"):
        write_scaled_osim(small, np.ones((2, 3)), tmp_path / "out.osim")
    assert not (tmp_path / "out.osim").exists()
