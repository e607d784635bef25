"""The lift network's features of one live frame and of its mirror image, compiled.

`engines.features.landmarks` computes the same for whole batches in training, where numpy's cost per operation
does not count; a live frame would pay for about a hundred operations on a few numbers each. A test holds both
to equal features.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engines.blazepose.pose_landmark import HIPS, SHOULDERS
from engines.features.landmarks import DIRECTIONS, LENGTHS, MIRRORED, USED

Array = NDArray[np.float64]

LEFT_HIP, RIGHT_HIP = (int(landmark) for landmark in HIPS)
LEFT_SHOULDER, RIGHT_SHOULDER = (int(landmark) for landmark in SHOULDERS)


@njit(cache=True, nogil=True)
def fill_lift_features(
    landmarks_px: Array, world_m: Array, visibility: Array, roi_centre_px: Array, camera: Array,
    R_ground_cam: Array, values: NDArray[np.float32],
) -> tuple[float, float]:  # fmt: skip
    """Features of a frame and of what would be seen of the mirrored person in a mirrored room.

    Arguments are those of `engines.features.landmarks.LandmarkBatch`, of one frame.

    Args:
        landmarks_px: Pixels without distortion. Shape: (33, 2).
        world_m: Metric landmarks in the region's camera. Shape: (33, 3).
        visibility: Shape: (33,).
        roi_centre_px: Centre of the region. Shape: (2,).
        camera: Focal length and principal point x, y in px. Shape: (3,).
        R_ground_cam: Rotation of the camera. Shape: (3, 3).
        values: Receives the features. Shape: (2, N_FEATURES).

    Returns:
        Heading in rad and size in m of the frame itself.
    """
    found = _fill(landmarks_px, world_m, visibility, roi_centre_px, camera, R_ground_cam, values[0])
    mirrored_px, mirrored_m = landmarks_px[MIRRORED], world_m[MIRRORED]
    mirrored_px[:, 0] = 2.0 * camera[1] - mirrored_px[:, 0]
    mirrored_m[:, 0] *= -1.0
    centre_px = np.array([2.0 * camera[1] - roi_centre_px[0], roi_centre_px[1]])
    # Ground's Z, the person's right, turns round with the camera's x.
    R = R_ground_cam.copy()
    R[2] *= -1.0
    R[:, 0] *= -1.0
    _fill(mirrored_px, mirrored_m, visibility[MIRRORED], centre_px, camera, R, values[1])
    return found


@njit(cache=True, nogil=True)
def _fill(
    landmarks_px: Array, world_m: Array, visibility: Array, roi_centre_px: Array, camera: Array,
    R_ground_cam: Array, values: NDArray[np.float32],
) -> tuple[float, float]:  # fmt: skip
    """Features of one image; see `fill_lift_features`. Shape of values: (N_FEATURES,)."""
    R_cam_ray = _rotation_to_ray(
        (roi_centre_px[0] - camera[1]) / camera[0], (roi_centre_px[1] - camera[2]) / camera[0]
    )
    R_ground_ray = _product(R_ground_cam, R_cam_ray)
    world = np.empty(world_m.shape)
    _turn(R_ground_ray, world_m, world)
    across = np.empty(3)
    for i in range(3):
        across[i] = world[RIGHT_HIP, i] - world[LEFT_HIP, i]
        across[i] += 0.5 * (world[RIGHT_SHOULDER, i] - world[LEFT_SHOULDER, i])
        world[:, i] -= 0.5 * (world[LEFT_HIP, i] + world[RIGHT_HIP, i])
    heading_rad = np.arctan2(across[0], across[2])
    c, s = np.cos(heading_rad), np.sin(heading_rad)
    R_person_ground = np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])
    person_m = np.empty(world_m.shape)
    _turn(R_person_ground, world, person_m)
    n = 0
    lengths_m = np.empty(LENGTHS.shape[0])
    for k in range(LENGTHS.shape[0]):
        lengths_m[k] = _distance(person_m[LENGTHS[k, 0]], person_m[LENGTHS[k, 1]])
    size_m = lengths_m.sum()
    for k in USED:
        for i in range(3):
            values[n] = 4.0 * person_m[k, i] / size_m
            n += 1
    for k in range(DIRECTIONS.shape[0]):
        a, b = person_m[DIRECTIONS[k, 0]], person_m[DIRECTIONS[k, 1]]
        length_m = _distance(a, b) + 1e-6
        for i in range(3):
            values[n] = (b[i] - a[i]) / length_m
            n += 1
    screen = _on_screen(landmarks_px, camera, R_cam_ray)
    for k in USED:
        values[n], values[n + 1] = screen[k, 0], screen[k, 1]
        n += 2
    for k in USED:
        values[n] = visibility[k]
        n += 1
    for k in range(LENGTHS.shape[0]):
        values[n] = lengths_m[k] / size_m
        n += 1
    R_person_ray = _product(R_person_ground, R_ground_ray)
    for i in range(3):
        values[n + i] = R_person_ray[i, 2]  # where the camera looks
    values[n + 3], values[n + 4] = R_person_ray[1, 0], R_person_ray[1, 1]  # how it leans
    return heading_rad, size_m


@njit(cache=True, nogil=True)
def _rotation_to_ray(u: float, v: float) -> Array:
    """Smallest rotation from the optical axis to the ray u, v, 1 (Rodrigues). Shape: (3, 3)."""
    length = np.sqrt(u * u + v * v + 1.0)
    x, y, z = u / length, v / length, 1.0 / length
    f = 1.0 / (1.0 + z)
    return np.array([[1.0 - f * x * x, -f * x * y, x], [-f * x * y, 1.0 - f * y * y, y], [-x, -y, z]])


@njit(cache=True, nogil=True)
def _on_screen(landmarks_px: Array, camera: Array, R_cam_ray: Array) -> Array:
    """Landmarks on the screen of the camera that looks at the region, in units of their spread."""
    screen, R = np.empty(landmarks_px.shape), R_cam_ray
    for k in range(landmarks_px.shape[0]):
        x = (landmarks_px[k, 0] - camera[1]) / camera[0]
        y = (landmarks_px[k, 1] - camera[2]) / camera[0]
        depth = max(R[0, 2] * x + R[1, 2] * y + R[2, 2], 0.1)
        screen[k, 0] = (R[0, 0] * x + R[1, 0] * y + R[2, 0]) / depth
        screen[k, 1] = (R[0, 1] * x + R[1, 1] * y + R[2, 1]) / depth
    for i in range(2):
        screen[:, i] -= 0.5 * (screen[LEFT_HIP, i] + screen[RIGHT_HIP, i])
    total = 0.0
    for k in USED:
        total += screen[k, 0] ** 2 + screen[k, 1] ** 2
    return screen / np.sqrt(total / USED.shape[0])


@njit(cache=True, nogil=True)
def _turn(R: Array, points: Array, out: Array) -> None:
    """Rotate points. Shapes: (3, 3), (n, 3), (n, 3)."""
    for k in range(points.shape[0]):
        for i in range(3):
            out[k, i] = R[i, 0] * points[k, 0] + R[i, 1] * points[k, 1] + R[i, 2] * points[k, 2]


@njit(cache=True, nogil=True)
def _product(A: Array, B: Array) -> Array:
    """Product of two matrices. Shape: (3, 3)."""
    out = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            out[i, j] = A[i, 0] * B[0, j] + A[i, 1] * B[1, j] + A[i, 2] * B[2, j]
    return out


@njit(cache=True, nogil=True)
def _distance(a: Array, b: Array) -> float:
    """Distance of two points. Shapes: (3,)."""
    x, y, z = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return float(np.sqrt(x * x + y * y + z * z))
