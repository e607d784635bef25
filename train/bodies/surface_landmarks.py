"""Points of anatomy on Anny's mesh: where a motion laboratory would glue its markers.

Every body of Anny has the same topology, so a point is three vertices and their barycentric weights,
found once on the average adult. Heights and depths follow published anthropometry where the skin does
not show the bone: ASIS at 0.563 of stature and PSIS 35 mm above it, so that the average adult's pelvis
leans by 10 degrees (standing norm 11.3, sd 4.3: Levine and Whittle, JOSPT 24, 1996); epicondyles at
0.289 of stature (lateral femoral epicondyle height 0.285: ANSUR II, 2012); cervicale at 0.864 and
suprasternale at 0.817 (ANSUR II). The heel and toe points have the height that leaves the calcaneus
level when the sole is flat.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from train.errors import TrainError

_POINTS: dict[str, tuple[tuple[int, int, int], tuple[float, float, float]]] = {
    "asis_r": ((4302, 4308, 4305), (0.603, 0.182, 0.215)),
    "asis_l": ((10915, 10918, 10920), (0.603, 0.215, 0.182)),
    "psis_r": ((4376, 4176, 4177), (0.353, 0.613, 0.034)),
    "psis_l": ((10800, 10799, 10978), (0.034, 0.613, 0.353)),
    "knee_lateral_r": ((4633, 4614, 4611), (0.317, 0.517, 0.166)),
    "knee_lateral_l": ((11213, 11216, 11235), (0.166, 0.517, 0.317)),
    "knee_medial_r": ((6390, 4602, 6389), (0.049, 0.435, 0.516)),
    "knee_medial_l": ((11204, 12971, 12970), (0.435, 0.049, 0.516)),
    "malleolus_lateral_r": ((4810, 6223, 6357), (0.201, 0.096, 0.703)),
    "malleolus_lateral_l": ((12938, 12804, 11412), (0.703, 0.096, 0.201)),
    "malleolus_medial_r": ((6326, 6322, 6413), (0.738, 0.258, 0.004)),
    "malleolus_medial_l": ((12994, 12903, 12907), (0.004, 0.258, 0.738)),
    "heel_r": ((5851, 6340, 5840), (0.083, 0.037, 0.880)),
    "heel_l": ((12921, 12432, 12421), (0.037, 0.083, 0.880)),
    "toe_r": ((6698, 5847, 6697), (0.701, 0.146, 0.153)),
    "toe_l": ((12428, 13278, 13277), (0.146, 0.701, 0.153)),
    "metatarsal5_r": ((6195, 6196, 6179), (0.019, 0.272, 0.709)),
    "metatarsal5_l": ((12776, 12760, 12777), (0.019, 0.709, 0.272)),
    "acromion_r": ((1557, 1546, 1556), (0.509, 0.373, 0.118)),
    "acromion_l": ((8219, 8218, 8209), (0.509, 0.118, 0.373)),
    "sternum_r": ((1514, 1475, 1525), (0.874, 0.081, 0.045)),
    "sternum_l": ((8191, 8145, 8182), (0.045, 0.081, 0.874)),
    "elbow_lateral_r": ((3372, 3355, 3371), (0.631, 0.336, 0.033)),
    "elbow_lateral_l": ((10024, 10023, 10007), (0.631, 0.033, 0.336)),
    "elbow_medial_r": ((3395, 3378, 3368), (0.642, 0.210, 0.148)),
    "elbow_medial_l": ((10020, 10030, 10047), (0.148, 0.210, 0.642)),
    "radial_styloid_r": ((3881, 3535, 3755), (0.094, 0.186, 0.720)),
    "radial_styloid_l": ((10406, 10187, 10530), (0.720, 0.186, 0.094)),
    "ulnar_styloid_r": ((3549, 3874, 3790), (0.175, 0.764, 0.061)),
    "ulnar_styloid_l": ((10201, 10440, 10523), (0.175, 0.061, 0.764)),
    "c7": ((1032, 857, 858), (0.051, 0.889, 0.060)),
    "suprasternal": ((1526, 1524, 1523), (0.052, 0.900, 0.048)),
    "t10": ((3930, 3944, 3943), (0.821, 0.153, 0.026)),
    "vertex": ((881, 879, 1024), (0.448, 0.513, 0.039)),
}

LANDMARK_NAMES: tuple[str, ...] = tuple(_POINTS)
ANCHORS = (
    "head_top", "eye_r", "eye_l", "neck_base", "shoulder_r", "shoulder_l", "elbow_r", "elbow_l",
    "wrist_r", "wrist_l", "hip_r", "hip_l", "knee_r", "knee_l", "ankle_r", "ankle_l", "toe_r", "toe_l",
)  # fmt: skip
"""Points of the body that cameras aim at and furniture is put to."""

_VERTICES = np.array([vertices for vertices, _ in _POINTS.values()])
_WEIGHTS = np.array([weights for _, weights in _POINTS.values()])
_WEIGHTS /= _WEIGHTS.sum(axis=1, keepdims=True)


def landmark_positions(vertices_m: NDArray[np.floating]) -> NDArray[np.float64]:
    """Find all landmarks on posed or resting meshes.

    Args:
        vertices_m: Shape: (..., n_vertices, 3), of Anny's topology.

    Returns:
        Positions in the order of `LANDMARK_NAMES`. Shape: (..., n_landmarks, 3).
    """
    corners = np.asarray(vertices_m)[..., _VERTICES, :].astype(np.float64)
    return np.einsum("...lkc,lk->...lc", corners, _WEIGHTS)


def landmark_index(name: str) -> int:
    """Position of a landmark in `LANDMARK_NAMES`.

    Raises:
        TrainError: there is no such landmark.
    """
    if name not in _POINTS:
        raise TrainError(f"no landmark {name!r} on the mesh; there are: {', '.join(_POINTS)}")
    return LANDMARK_NAMES.index(name)
