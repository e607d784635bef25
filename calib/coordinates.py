"""Names of coordinates and bodies: their side, their mirror image, the pelvis's six, and which are scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PELVIS_ROTATIONS = ("pelvis_tilt", "pelvis_list", "pelvis_rotation")
"""The pelvis's rotations in the order of `calib.pelvis`."""
PELVIS_TRANSLATIONS = ("pelvis_tx", "pelvis_ty", "pelvis_tz")
PELVIC_ANGLES = ("pelvic_rotation", "pelvic_obliquity", "pelvic_tilt")
"""The clinical angles of `calib.pelvis.clinical_angles`, in its order; no model has such coordinates."""

SCORED_COORDINATES = (
    "pelvis_tilt", "pelvis_list", "lumbar_extension", "lumbar_bending", "lumbar_rotation",
    "hip_flexion_r", "hip_flexion_l", "hip_adduction_r", "hip_adduction_l", "hip_rotation_r",
    "hip_rotation_l", "knee_angle_r", "knee_angle_l", "ankle_angle_r", "ankle_angle_l",
)  # fmt: skip
"""The coordinates whose mean is the headline figure: trunk and legs, which marker sets reference well."""

_OTHER_SIDE = {"r": "l", "l": "r"}
_SIGN_CHANGES = (
    "pelvis_list", "pelvis_rotation", "pelvis_tz", "lumbar_bending", "lumbar_rotation", "neck_bending",
    "neck_rotation",
)  # fmt: skip


def side_of(name: str) -> str:
    """The side that a name ends in: `r`, `l`, or empty for the midline."""
    return name[-1] if name.endswith(("_r", "_l")) else ""


def stem_of(name: str) -> str:
    """A name without its side: `knee_angle` of `knee_angle_r`."""
    return name[:-2] if side_of(name) else name


def mirrored_name(name: str) -> str:
    """The same of the other side; names of the midline stay."""
    side = side_of(name)
    return f"{name[:-1]}{_OTHER_SIDE[side]}" if side else name


def mirror_index(names: Sequence[str]) -> NDArray[np.int64]:
    """Index of each name's mirror image among the names.

    Args:
        names: Names of coordinates or bodies, both sides of each.

    Returns:
        Shape: (n_names,).

    Raises:
        ValueError: A name of one side has no counterpart.
    """
    return np.array([names.index(mirrored_name(name)) for name in names], dtype=np.int64)


def mirror_signs(names: Sequence[str]) -> NDArray[np.float64]:
    """Factor of each coordinate in a mirror.

    A mirror maps Z to -Z. Limbs change sides and keep their signs; of the midline's coordinates, translation
    along Z and rotations about X and Y change sign.

    Args:
        names: Names of coordinates of a gait model.

    Returns:
        1 or -1. Shape: (n_names,).
    """
    return np.array([-1.0 if name in _SIGN_CHANGES else 1.0 for name in names])
