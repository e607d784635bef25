"""Sides and mirrors by name agree with the skeleton's geometry."""

from __future__ import annotations

import numpy as np
import pytest

from calib.coordinates import (
    PELVIS_ROTATIONS,
    PELVIS_TRANSLATIONS,
    SCORED_COORDINATES,
    mirror_index,
    mirror_signs,
    mirrored_name,
    side_of,
    stem_of,
)
from calib.kinematics import joint_centres
from calib.skeleton import Skeleton, load_skeleton


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.mark.parametrize(
    ("name", "side", "stem", "mirrored"),
    [
        ("knee_angle_r", "r", "knee_angle", "knee_angle_l"),
        ("hip_flexion_l", "l", "hip_flexion", "hip_flexion_r"),
        ("pelvis_tilt", "", "pelvis_tilt", "pelvis_tilt"),
        ("_r", "r", "", "_l"),
        ("r", "", "r", "r"),
    ],
)
def test_side_stem_and_mirror_of_a_name(name: str, side: str, stem: str, mirrored: str) -> None:
    assert (side_of(name), stem_of(name), mirrored_name(name)) == (side, stem, mirrored)


def test_mirrored_coordinates_put_the_skeleton_where_a_mirror_shows_it(skeleton: Skeleton) -> None:
    names, bodies = skeleton.coordinate_names, skeleton.body_names
    q = np.random.default_rng(4).uniform(-0.4, 0.4, skeleton.n_q)
    q[skeleton.is_locked | skeleton.is_dependent] = 0.0

    mirrored = joint_centres(skeleton, mirror_signs(names) * q[mirror_index(names)])

    expected = joint_centres(skeleton, q)[mirror_index(bodies)] * [1.0, 1.0, -1.0]
    np.testing.assert_allclose(mirrored, expected, atol=1e-9)


def test_a_name_without_its_counterpart_is_refused() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        mirror_index(("knee_angle_r", "pelvis_tilt"))


def test_the_named_coordinates_are_the_skeletons(skeleton: Skeleton) -> None:
    assert {*PELVIS_ROTATIONS, *PELVIS_TRANSLATIONS, *SCORED_COORDINATES} <= set(skeleton.coordinate_names)
