"""Bones of the midline, in the frames of an adult's bodies (m; X forward, Y up, Z right).

Lengths are those of kinecast's own skeleton, which the shapes are stretched from; thicknesses and
landmarks follow ordinary anatomical proportions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realtime.viewer.shapes import Floats, Mesh, both_sides, curve, ellipsoid, loft, merge, tube

SOCKET_BRIGHTNESS = 0.25

_SPINE = ((-0.004, 0.012), (0.012, 0.075), (0.004, 0.135), (-0.028, 0.195), (-0.052, 0.26), (-0.054, 0.32),
          (-0.034, 0.375), (-0.02, 0.4))  # fmt: skip
"""The middle of the vertebral bodies from the sacrum to the first thoracic one: x and y."""
_RIB_HALF_WIDTH_M = (0.055, 0.083, 0.102, 0.115, 0.124, 0.13, 0.133, 0.132, 0.128, 0.12)
_RIB_DROP_M = (0.02, 0.03, 0.042, 0.052, 0.06, 0.066, 0.07, 0.066, 0.06, 0.05)
_STERNUM = ((0.024, 0.338), (0.048, 0.29), (0.068, 0.235), (0.078, 0.19))
"""From the notch to the tip: x and y."""


def pelvis() -> Mesh:
    """Ilia, pubis, ischia, sacrum; hip joints at (-0.055, -0.077, 0.086) and its mirror image."""
    crest = curve([(0.008, 0.002, 0.124), (-0.03, 0.052, 0.142), (-0.088, 0.07, 0.122), (-0.134, 0.05, 0.075),
                   (-0.15, 0.014, 0.046)], 9)  # fmt: skip
    rim = curve([(-0.022, -0.05, 0.094), (-0.045, -0.05, 0.088), (-0.075, -0.04, 0.078),
                 (-0.105, -0.02, 0.062), (-0.13, -0.022, 0.044)], 9)  # fmt: skip
    ilium = _plate(rim, crest, [0.007, 0.0065, 0.0055, 0.005, 0.005, 0.0055, 0.006, 0.007, 0.008])
    right = [
        ilium,
        tube(crest, [0.008, 0.0085, 0.009, 0.0085, 0.008, 0.008, 0.008, 0.0085, 0.007], 6),
        ellipsoid((-0.052, -0.072, 0.079), (0.032, 0.036, 0.019)),
        tube([(-0.03, -0.075, 0.07), (0.0, -0.087, 0.042), (0.012, -0.1, 0.014)], [0.013, 0.0095, 0.012]),
        tube(
            [(-0.068, -0.085, 0.074), (-0.084, -0.125, 0.066), (-0.08, -0.158, 0.058)], [0.018, 0.015, 0.017]
        ),
        tube(
            [(-0.08, -0.162, 0.056), (-0.04, -0.148, 0.036), (0.008, -0.117, 0.012)],
            [0.013, 0.0075, 0.009],
            7,
        ),
    ]
    sacrum = curve(
        [
            (-0.098, 0.062, 0.0, 0.052, 0.022),
            (-0.118, 0.03, 0.0, 0.05, 0.016),
            (-0.146, -0.01, 0.0, 0.036, 0.012),
            (-0.158, -0.055, 0.0, 0.018, 0.009),
            (-0.146, -0.085, 0.0, 0.009, 0.006),
            (-0.132, -0.098, 0.0, 0.004, 0.004),
        ],
        10,
    )
    symphysis = ellipsoid((0.012, -0.107, 0.0), (0.009, 0.017, 0.009), 4, 8)
    return merge([*map(both_sides, right), tube(sacrum[:, :3], sacrum[:, 3:], 10), symphysis])


def torso() -> Mesh:
    """Lumbar and thoracic spine, ribs, sternum, shoulder girdle; neck at (-0.013, 0.403, 0)."""
    spine = np.insert(curve(_SPINE, 17), 2, 0.0, axis=1)
    width = np.linspace(0.026, 0.0145, 17)
    parts = [_vertebra(at, up, r) for at, up, r in zip(spine, np.gradient(spine, axis=0), width, strict=True)]
    sternum = np.insert(curve(_STERNUM, 7), 2, 0.0, axis=1)
    plate = np.stack([np.array([0.026, 0.019, 0.015, 0.018, 0.02, 0.017, 0.007]), np.full(7, 0.0055)], axis=1)
    parts += [tube(sternum, plate, 8), *_ribs(spine[:4:-1])]
    return merge([*parts, both_sides(merge(_shoulder_girdle()))])


def neck() -> Mesh:
    """Seven vertebrae from the neck's joint to the skull's at (0.022, 0.104, 0)."""
    spine = np.insert(
        curve([(-0.003, 0.006), (0.008, 0.045), (0.016, 0.08), (0.016, 0.098)], 7), 2, 0.0, axis=1
    )
    width = np.linspace(0.0145, 0.0115, 7)
    return merge(
        _vertebra(at, up, r) for at, up, r in zip(spine, np.gradient(spine, axis=0), width, strict=True)
    )


def head() -> Mesh:
    """The skull on its joint: cranium, face, jaw; eye sockets and nose dark."""
    face = curve(
        [
            (0.058, 0.085, 0.0, 0.05, 0.034),
            (0.064, 0.045, 0.0, 0.05, 0.032),
            (0.068, 0.012, 0.0, 0.046, 0.031),
            (0.07, -0.014, 0.0, 0.034, 0.03),
            (0.072, -0.032, 0.0, 0.027, 0.025),
        ],
        8,
    )
    jaw = curve(
        [
            (0.014, 0.012, 0.054, 0.007, 0.009),
            (0.016, -0.022, 0.052, 0.006, 0.013),
            (0.04, -0.046, 0.04, 0.006, 0.012),
            (0.078, -0.058, 0.023, 0.007, 0.012),
            (0.094, -0.06, 0.0, 0.009, 0.013),
        ],
        9,
    )
    right = [
        tube(jaw[:, :3], jaw[:, 3:], 7),
        tube([(0.082, 0.012, 0.042), (0.05, 0.016, 0.062), (0.012, 0.02, 0.063)], [0.008, 0.006, 0.005], 6),
        ellipsoid((0.091, 0.036, 0.026), (0.013, 0.0155, 0.0175)).dimmed(SOCKET_BRIGHTNESS),
        ellipsoid((0.09, 0.056, 0.026), (0.013, 0.007, 0.02), 4, 8),
        ellipsoid((-0.01, 0.003, 0.052), (0.012, 0.016, 0.011), 4, 8),
    ]
    return merge(
        [
            ellipsoid((0.0, 0.079, 0.0), (0.094, 0.071, 0.071), 10, 16),
            ellipsoid((-0.025, 0.035, 0.0), (0.058, 0.042, 0.056), 6, 12),
            tube(face[:, :3], face[:, 3:], 12),
            ellipsoid((0.099, 0.004, 0.0), (0.006, 0.0125, 0.0105), 5, 8).dimmed(SOCKET_BRIGHTNESS),
            ellipsoid((0.101, 0.028, 0.0), (0.008, 0.014, 0.0065), 4, 8),
            ellipsoid((0.085, -0.036, 0.0), (0.014, 0.012, 0.024), 4, 10),
            *map(both_sides, right),
        ]
    )


def _plate(inner: NDArray[np.float64], outer: NDArray[np.float64], half_thickness_m: Floats) -> Mesh:
    """A thin curved bone between two edges, both of which run the same way."""
    u = 0.5 * (outer - inner)
    centres = inner + u
    normal = np.cross(np.gradient(centres, axis=0), u)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return loft(centres, u, normal * np.asarray(half_thickness_m)[:, None], 10)


def _vertebra(at: NDArray[np.float64], up: NDArray[np.float64], r: float) -> Mesh:
    """A waisted body, a spinous and two transverse processes."""
    half = 0.42 * up
    forward = np.array([half[1], -half[0], 0.0]) / np.linalg.norm(half)
    body = tube(np.stack([at - half, at, at + half]), [(r, 0.82 * r), (0.88 * r, 0.72 * r), (r, 0.82 * r)], 8)
    root = at - 0.9 * r * forward
    spinous = tube([root, root - 1.1 * r * forward - 0.35 * up, root - 1.7 * r * forward - 0.75 * up],
                   [(0.005, 0.008), (0.004, 0.007), (0.003, 0.006)], 4)  # fmt: skip
    side, tips = np.array([0.0, 0.0, 1.7 * r]), root - 0.3 * r * forward
    across = tube([tips - side, root, tips + side], [0.0035, 0.005, 0.0035], 4, wide=(0.0, 1.0, 0.0))
    return merge([body, spinous, across])


def _ribs(vertebrae: NDArray[np.float64]) -> list[Mesh]:
    """Ten pairs, from the top vertebra down."""
    edge = np.linspace(0.04, 0.96, 7)
    sternum = curve(_STERNUM, 40)
    parts = []
    for k, (width, drop) in enumerate(zip(_RIB_HALF_WIDTH_M, _RIB_DROP_M, strict=True)):
        x, y, _ = vertebrae[k]
        if k < 7:
            x_end, y_end = sternum[round(39 * edge[k])]
            z_end = 0.016
        else:  # the lower ones run into the arch of cartilage below the sternum
            x_end, y_end, z_end = 0.076 - 0.012 * (k - 6), 0.2 - 0.022 * (k - 6), 0.02 + 0.021 * (k - 6)
        front = 0.5 * (x + x_end) + 0.055
        path = curve(
            [
                (x - 0.012, y + 0.004, 0.014),
                (x - 0.04, y - 0.12 * drop, 0.45 * width),
                (x - 0.012, y - 0.45 * drop, 0.86 * width),
                (0.5 * (x + x_end) + 0.004, y - 1.0 * drop, width),
                (min(front, x_end - 0.008), min(y - 1.35 * drop, y_end + 0.01), 0.74 * width),
                (x_end, y_end, z_end),
            ],
            10,
        )
        parts.append(both_sides(tube(path, [(0.0042, 0.0062)] * 10, 5, wide=(0.0, 0.0, 1.0))))
    return parts


def _shoulder_girdle() -> list[Mesh]:
    """Right clavicle and scapula; the shoulder joint at (0.009, 0.32, 0.175)."""
    clavicle = curve(
        [(0.027, 0.338, 0.016), (0.042, 0.348, 0.06), (0.012, 0.36, 0.115), (0.0, 0.356, 0.16)], 9
    )
    medial = curve(
        [(-0.083, 0.372, 0.082), (-0.108, 0.33, 0.066), (-0.12, 0.27, 0.07), (-0.116, 0.205, 0.092)], 7
    )
    lateral = curve(
        [(-0.062, 0.366, 0.1), (-0.035, 0.338, 0.142), (-0.062, 0.28, 0.132), (-0.108, 0.203, 0.1)], 7
    )
    return [
        tube(clavicle, [0.0095, 0.0075, 0.006, 0.006, 0.0055, 0.006, 0.0065, 0.0075, 0.0065], 7),
        _plate(medial, lateral, np.full(7, 0.0035)),
        tube([(-0.11, 0.325, 0.075), (-0.08, 0.35, 0.115), (-0.03, 0.362, 0.155), (0.002, 0.352, 0.176)],
             [(0.004, 0.007), (0.005, 0.009), (0.007, 0.008), (0.012, 0.005)], 7),
        ellipsoid((-0.014, 0.32, 0.148), (0.013, 0.021, 0.01)),
        tube([(-0.02, 0.34, 0.145), (0.01, 0.352, 0.142), (0.028, 0.34, 0.15)], [0.008, 0.0065, 0.005], 6),
    ]  # fmt: skip
