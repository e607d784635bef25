"""How far an engine's angles are from the reference's, in degrees."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError
from engines.features.temporal import OutputLayout
from engines.spec import ModelSpec

Array = NDArray[np.float64]

ROTATIONS = "R_crop_pelvis"
COORDINATES = "q"
TEMPORAL = "y"


class Parity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Change of the coordinates against ONNX Runtime in single precision on the same inputs."""

    mean_deg: float
    """Over all inputs and coordinates; the turn of the pelvis counts as one."""
    p99_deg: float
    max_deg: float
    n_inputs: int
    inputs: str
    """What these were, for people."""


def angle_changes_deg(
    spec: ModelSpec, reference: Sequence[NDArray[np.floating]], found: Sequence[NDArray[np.floating]]
) -> Array:
    """How much each angle differs, the short way round.

    Args:
        spec: Spec whose outputs these are.
        reference: All answers for each of the spec's outputs. Shapes: (n, ...).
        found: The same answers from another runtime.

    Returns:
        Shape: (n, n_angles).

    Raises:
        EngineError: the network gives no angles, or an answer is not finite.
    """
    names = [t.name for t in spec.outputs]
    parts = []
    for name, a, b in zip(names, reference, found, strict=True):
        if not np.isfinite(b).all():
            raise EngineError(f"{spec.name}: output {name!r} is not finite")
        if name == ROTATIONS:
            parts.append(_turn_deg(a.astype(np.float64), b.astype(np.float64))[:, None])
        elif name in (COORDINATES, TEMPORAL):
            used = OutputLayout(len(spec.coordinate_names)).correction
            change = b[:, used].astype(np.float64) - a[:, used]
            parts.append(np.degrees(np.abs(np.angle(np.exp(1j * change)))))
    if not parts:
        raise EngineError(
            f"{spec.name} gives {', '.join(names)}, and none of these are angles; accepted: networks with an "
            f"output {COORDINATES}, {TEMPORAL} or {ROTATIONS}"
        )
    return np.concatenate(parts, 1)


def summarise(changes_deg: Array, inputs: str) -> Parity:
    """The figures of a manifest. Shape: (n, n_angles)."""
    return Parity(
        mean_deg=float(changes_deg.mean()),
        p99_deg=float(np.percentile(changes_deg, 99)),
        max_deg=float(changes_deg.max()),
        n_inputs=len(changes_deg),
        inputs=inputs,
    )


def _turn_deg(R_a: Array, R_b: Array) -> Array:
    """Angle of the rotation from one to the other, exact for small ones. Shapes: (n, 3, 3) to (n,)."""
    # The Frobenius distance is 2 sqrt(2) sin(angle / 2).
    distance = np.linalg.norm(R_b - R_a, axis=(1, 2))
    return np.degrees(2.0 * np.arcsin(np.clip(distance / np.sqrt(8.0), 0.0, 1.0)))
