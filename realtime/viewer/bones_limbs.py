"""Bones of the right arm and leg, in the frames of an adult's bodies (m; X forward, Y up, Z right).

Lengths are those of kinecast's own skeleton, which the shapes are stretched from; thicknesses and
landmarks follow ordinary anatomical proportions.
"""

from __future__ import annotations

import itertools

from realtime.viewer.shapes import Mesh, curve, ellipsoid, merge, tube

_PATELLA_M = (0.0095, 0.021, 0.02)


def femur() -> Mesh:
    """Hip to knee (0, -0.43, 0): head, neck, trochanters, a shaft bowed forward, two condyles."""
    shaft = curve(
        [
            (-0.006, -0.025, 0.046, 0.017, 0.017),
            (0.002, -0.09, 0.042, 0.0165, 0.016),
            (0.011, -0.2, 0.028, 0.0135, 0.0135),
            (0.009, -0.32, 0.013, 0.0145, 0.014),
            (0.002, -0.385, 0.004, 0.026, 0.02),
            (-0.002, -0.41, 0.0, 0.036, 0.025),
        ],
        11,
    )
    return merge(
        [
            ellipsoid((0.0, 0.0, 0.0), (0.0235, 0.0235, 0.0235), 6, 12),
            tube([(0.0, 0.0, 0.0), (-0.002, -0.012, 0.025), (-0.005, -0.028, 0.05)], [0.015, 0.015, 0.021]),
            ellipsoid((-0.01, -0.014, 0.056), (0.017, 0.027, 0.016)),
            ellipsoid((-0.017, -0.062, 0.028), (0.011, 0.015, 0.011), 4, 8),
            tube(shaft[:, :3], shaft[:, 3:], 10),
            ellipsoid((-0.011, -0.422, 0.026), (0.03, 0.0265, 0.0185)),
            ellipsoid((-0.011, -0.424, -0.026), (0.031, 0.0275, 0.0185)),
        ]
    )


def tibia() -> Mesh:
    """Knee to ankle (0, -0.43, 0): plateau, tuberosity, shaft, malleoli; with the fibula beside it."""
    shaft = curve(
        [
            (-0.006, -0.03, 0.0, 0.036, 0.024),
            (-0.003, -0.06, 0.0, 0.022, 0.021),
            (0.004, -0.13, -0.004, 0.0135, 0.016),
            (0.004, -0.25, -0.006, 0.0115, 0.013),
            (0.0, -0.36, -0.006, 0.0125, 0.0125),
            (0.0, -0.405, -0.007, 0.021, 0.018),
            (0.0, -0.416, -0.007, 0.022, 0.018),
        ],
        12,
    )
    fibula = curve(
        [
            (-0.022, -0.036, 0.036, 0.009),
            (-0.023, -0.06, 0.036, 0.007),
            (-0.02, -0.2, 0.03, 0.0055),
            (-0.013, -0.36, 0.026, 0.006),
            (-0.01, -0.42, 0.028, 0.0095),
            (-0.011, -0.446, 0.028, 0.006),
        ],
        10,
    )
    return merge(
        [
            ellipsoid((-0.006, -0.029, 0.0), (0.025, 0.011, 0.037), 5, 12),
            ellipsoid((0.016, -0.052, 0.002), (0.01, 0.018, 0.011), 4, 8),
            tube(shaft[:, :3], shaft[:, 3:], 10),
            ellipsoid((0.001, -0.424, -0.026), (0.013, 0.018, 0.008), 5, 8),
            tube(fibula[:, :3], fibula[:, 3], 7),
        ]
    )


def patella() -> Mesh:
    """About its own centre."""
    return ellipsoid((0.0, 0.0, 0.0), _PATELLA_M, 5, 10)


def kneecap() -> Mesh:
    """The patella where models without one of its own have it: before the knee, carried by the tibia."""
    return ellipsoid((0.03, 0.004, 0.0), _PATELLA_M, 5, 10)


def talus() -> Mesh:
    """Ankle joint at the origin, the next one behind and below it."""
    return merge(
        [
            ellipsoid((-0.002, -0.006, 0.0), (0.025, 0.014, 0.019)),
            ellipsoid((-0.006, -0.02, 0.001), (0.023, 0.012, 0.017), 4, 8),
            ellipsoid((0.024, -0.016, -0.006), (0.018, 0.012, 0.013)),
        ]
    )


def calcaneus() -> Mesh:
    """Heel, tarsus and metatarsals, with the toes' joint at (0.18, -0.003, 0.002)."""
    heads = ((0.185, 0.004, -0.036), (0.186, 0.003, -0.014), (0.178, 0.002, 0.006),
             (0.167, 0.001, 0.024), (0.155, 0.0, 0.04))  # fmt: skip
    parts = [
        ellipsoid((0.004, 0.013, 0.0), (0.024, 0.021, 0.017)),
        tube(
            [(0.004, 0.014, 0.0), (0.035, 0.02, 0.003), (0.066, 0.022, 0.008)],
            [(0.014, 0.016), (0.016, 0.014), (0.012, 0.011)],
        ),
        ellipsoid((0.082, 0.031, -0.018), (0.015, 0.013, 0.017)),
        ellipsoid((0.083, 0.022, 0.014), (0.018, 0.011, 0.014)),
        ellipsoid((0.1, 0.026, -0.016), (0.013, 0.011, 0.02), 4, 8),
    ]
    for k, (x, y, z) in enumerate(heads):
        r = 0.0085 if k == 0 else 0.0058
        foot = (0.104 - 0.003 * k, 0.026 - 0.004 * k, 0.62 * z - 0.004)
        middle = (0.5 * (x + foot[0]), 0.5 * (y + foot[1]) + 0.003, 0.5 * (z + foot[2]))
        parts.append(tube([foot, middle, (x - 0.012, y, z), (x + 0.004, y, z)], [r, 0.62 * r, 0.9 * r, r], 7))
    return merge(parts)


def toes() -> Mesh:
    """Five toes, from the joint at their base."""
    bases = ((0.012, 0.005, -0.036, 0.05), (0.012, 0.004, -0.015, 0.047), (0.004, 0.003, 0.005, 0.042),
             (-0.007, 0.002, 0.023, 0.037), (-0.019, 0.001, 0.039, 0.031))  # fmt: skip
    parts: list[Mesh] = []
    for k, (x, y, z, long) in enumerate(bases):
        at = [(x, y, z), (x + 0.5 * long, y, z), (x + long, y - 0.004, z - 0.002)]
        parts += _knuckled(at, 0.008 if k == 0 else 0.0055)
    return merge(parts)


def humerus() -> Mesh:
    """Shoulder to elbow (0.013, -0.286, -0.01): head, tubercle, shaft, epicondyles, trochlea."""
    shaft = curve(
        [
            (0.0, -0.012, 0.004, 0.018, 0.018),
            (0.002, -0.05, 0.004, 0.0135, 0.0135),
            (0.006, -0.13, 0.001, 0.011, 0.0115),
            (0.01, -0.22, -0.005, 0.0125, 0.0095),
            (0.012, -0.262, -0.008, 0.023, 0.0095),
            (0.013, -0.28, -0.009, 0.029, 0.009),
        ],
        10,
    )
    return merge(
        [
            ellipsoid((-0.001, 0.001, -0.006), (0.022, 0.022, 0.021), 6, 12),
            ellipsoid((0.004, -0.008, 0.017), (0.014, 0.017, 0.01)),
            tube(shaft[:, :3], shaft[:, 3:], 9),
            tube(
                [(0.014, -0.286, -0.034), (0.014, -0.286, -0.022), (0.014, -0.287, -0.01),
                 (0.014, -0.285, 0.002), (0.014, -0.284, 0.014)],
                [0.009, 0.0125, 0.0095, 0.0105, 0.009],
            ),
        ]
    )  # fmt: skip


def ulna() -> Mesh:
    """Elbow to wrist (-0.016, -0.264, 0.043): olecranon, coronoid, a tapering shaft, head and styloid."""
    shaft = curve(
        [
            (-0.016, -0.006, 0.0, 0.012),
            (-0.012, -0.035, 0.001, 0.0105),
            (-0.013, -0.1, 0.003, 0.0082),
            (-0.015, -0.19, 0.01, 0.0062),
            (-0.016, -0.238, 0.016, 0.0072),
            (-0.016, -0.252, 0.016, 0.0072),
        ],
        10,
    )
    return merge(
        [
            ellipsoid((-0.017, 0.004, 0.0), (0.0095, 0.018, 0.0125)),
            ellipsoid((0.003, -0.021, 0.0), (0.011, 0.0075, 0.011), 4, 8),
            tube(shaft[:, :3], shaft[:, 3], 8),
            tube([(-0.02, -0.25, 0.013), (-0.021, -0.262, 0.012)], [0.004, 0.0025], 6),
        ]
    )


def radius() -> Mesh:
    """Its head at the origin, the wrist at (-0.009, -0.251, 0.016)."""
    shaft = curve(
        [
            (0.0, -0.002, 0.0, 0.0105, 0.0105),
            (0.0, -0.01, 0.0, 0.0105, 0.0105),
            (0.0, -0.02, 0.0, 0.0075, 0.0075),
            (0.001, -0.045, 0.0, 0.008, 0.008),
            (0.004, -0.12, 0.01, 0.0078, 0.007),
            (-0.002, -0.2, 0.016, 0.0095, 0.0075),
            (-0.008, -0.236, 0.017, 0.0155, 0.0105),
            (-0.009, -0.246, 0.018, 0.016, 0.0105),
        ],
        13,
    )
    return merge(
        [
            tube(shaft[:, :3], shaft[:, 3:], 9),
            ellipsoid((0.0, -0.033, -0.007), (0.006, 0.01, 0.005), 4, 6),
            ellipsoid((-0.009, -0.251, 0.031), (0.006, 0.009, 0.005), 4, 6),
        ]
    )


def hand() -> Mesh:
    """Wrist at the origin, the middle finger's tip at (0.01, -0.187, 0): carpals and five fingers."""
    fingers = (
        ((-0.002, -0.03, 0.013), (-0.009, -0.087, 0.024), (0.004, -0.168, 0.032)),
        ((-0.002, -0.031, 0.004), (-0.01, -0.089, 0.004), (0.008, -0.187, 0.003)),
        ((-0.002, -0.03, -0.006), (-0.009, -0.083, -0.015), (0.007, -0.174, -0.021)),
        ((-0.001, -0.028, -0.015), (-0.007, -0.073, -0.033), (0.007, -0.143, -0.044)),
    )
    rows = ((-0.008, (-0.016, 0.002, 0.018)), (-0.021, (-0.016, -0.005, 0.007, 0.018)))
    parts = [
        ellipsoid((-0.001, y, z), (0.0095, 0.0085, 0.0085), 4, 7) for y, columns in rows for z in columns
    ]
    for base, knuckle, tip in fingers:
        parts.append(_bone(base, knuckle, 0.0062))
        (x0, y0, z0), (x1, y1, z1) = knuckle, tip
        at = [
            (x0 + (x1 - x0) * s * s, y0 + (y1 - y0) * s, z0 + (z1 - z0) * s) for s in (0.03, 0.5, 0.79, 1.0)
        ]
        parts += _knuckled(at, 0.0056)
    thumb = [(0.007, -0.022, 0.021), (0.019, -0.057, 0.04), (0.023, -0.085, 0.05), (0.022, -0.107, 0.055)]
    return merge([*parts, *_knuckled(thumb, 0.0065)])


def _bone(start: tuple[float, ...], end: tuple[float, ...], r: float) -> Mesh:
    """A small long bone: thick ends, thin middle."""
    at = [
        tuple(a + (b - a) * s for a, b in zip(start, end, strict=True)) for s in (0.0, 0.14, 0.5, 0.86, 1.0)
    ]
    return tube(at, [0.7 * r, r, 0.62 * r, r, 0.7 * r], 5)


def _knuckled(points: list[tuple[float, float, float]], r: float) -> list[Mesh]:
    """Small bones from point to point, each thinner than the one before."""
    pairs = itertools.pairwise(points)
    return [_bone(start, end, r * (1.0 - 0.12 * k)) for k, (start, end) in enumerate(pairs)]
