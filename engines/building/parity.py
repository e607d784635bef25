"""How far an engine's answers are from the reference's: angles in degrees, points in % of the region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError
from engines.features.patches import IS_POINT, KINDS, OUTPUTS, is_patch_network, kinds_of
from engines.features.temporal import OutputLayout
from engines.runtimes.available import LIMIT_DEG, LIMIT_PERCENT, Precision
from engines.spec import ModelSpec

Array = NDArray[np.float64]

ROTATIONS = "R_crop_pelvis"
COORDINATES = "q"
TEMPORAL = "y"


@dataclass(frozen=True, slots=True)
class Measure:
    """What of a network's answers is compared."""

    what: str
    unit: str
    limit: Mapping[Precision, float]
    """Largest mean change that is accepted, in the unit."""


ANGLES = Measure("angles", "deg", LIMIT_DEG)
POINTS = Measure("points", "% of the region", LIMIT_PERCENT)


class Parity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Change of the answers against ONNX Runtime in single precision on the same inputs."""

    what: str
    """What was compared; see `Measure`."""
    unit: str
    """Of the three values below."""
    mean: float
    """Over all inputs and angles, the turn of the pelvis counting as one; or over all points."""
    p99: float
    max: float
    n_inputs: int
    inputs: str
    """What these were, for people."""

    @property
    def text(self) -> str:
        """The change, for people."""
        return f"{self.what} change by {self.mean:.2g} {self.unit} on average, 99 % below {self.p99:.2g}"


def measure_of(spec: ModelSpec) -> Measure:
    """What is compared of a network's answers.

    Raises:
        EngineError: the network gives neither angles nor points of patches.
    """
    if is_patch_network(spec):
        return POINTS
    names = tuple(t.name for t in spec.outputs)
    accepted = (COORDINATES, TEMPORAL, ROTATIONS, OUTPUTS[0].name)
    if not set(names) & set(accepted[:3]):
        raise EngineError(
            f"{spec.name} gives {', '.join(names)}, and none of these are angles or points of patches; "
            f"accepted: networks with an output {', '.join(accepted)}",
            name="outputs", value=names, accepted=accepted,
        )  # fmt: skip
    return ANGLES


def answer_changes(
    spec: ModelSpec,
    inputs: Sequence[NDArray[np.floating]],
    reference: Sequence[NDArray[np.floating]],
    found: Sequence[NDArray[np.floating]],
) -> Array:
    """How much each answer differs, in the unit of `measure_of`.

    Args:
        spec: Spec whose inputs and outputs these are.
        inputs: All inputs. Shapes: (n, ...).
        reference: All answers for each of the spec's outputs. Shapes: (n, ...).
        found: The same answers from another runtime.

    Returns:
        NaN where a patch has fewer points than others. Shape: (n, n_angles or MAX_POINTS).

    Raises:
        EngineError: the network gives nothing that is compared, or an answer is not finite.
    """
    if measure_of(spec) is ANGLES:
        return angle_changes_deg(spec, reference, found)
    _check_finite(spec, found)
    return point_changes_percent(kinds_of(inputs[1].astype(np.float32)), reference[0], found[0])


def point_changes_percent(
    kinds: NDArray[np.int64], reference: NDArray[np.floating], found: NDArray[np.floating]
) -> Array:
    """How far points and their standard deviations, taken as a third axis, move in % of the region.

    Args:
        kinds: Number of the kind of each patch. Shape: (n,).
        reference: Points as the network gives them. Shape: (n, MAX_POINTS, 3).
        found: The same from another runtime.

    Returns:
        NaN where there is no point. Shape: (n, MAX_POINTS).
    """
    sides = np.array([kind.side for kind in KINDS])[kinds, None]
    moved = 100.0 * sides * np.linalg.norm(found.astype(np.float64) - reference, axis=-1)
    return np.where(IS_POINT[::2][kinds], moved, np.nan)


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
        EngineError: an answer is not finite.
    """
    _check_finite(spec, found)
    names = [t.name for t in spec.outputs]
    parts = []
    for name, a, b in zip(names, reference, found, strict=True):
        if name == ROTATIONS:
            parts.append(_turn_deg(a.astype(np.float64), b.astype(np.float64))[:, None])
        elif name in (COORDINATES, TEMPORAL):
            used = OutputLayout(len(spec.coordinate_names)).correction
            change = b[:, used].astype(np.float64) - a[:, used]
            parts.append(np.degrees(np.abs(np.angle(np.exp(1j * change)))))
    return np.concatenate(parts, 1)


def _check_finite(spec: ModelSpec, found: Sequence[NDArray[np.floating]]) -> None:
    for tensor, answers in zip(spec.outputs, found, strict=True):
        if not np.isfinite(answers).all():
            raise EngineError(f"{spec.name}: output {tensor.name!r} is not finite", name=tensor.name)


def summarise(measure: Measure, changes: Array, inputs: str) -> Parity:
    """The figures of a manifest.

    Args:
        measure: What was compared.
        changes: Result of `answer_changes`. Shape: (n, ...).
        inputs: What was put in, for people.
    """
    return Parity(
        what=measure.what,
        unit=measure.unit,
        mean=float(np.nanmean(changes)),
        p99=float(np.nanpercentile(changes, 99)),
        max=float(np.nanmax(changes)),
        n_inputs=len(changes),
        inputs=inputs,
    )


def _turn_deg(R_a: Array, R_b: Array) -> Array:
    """Angle of the rotation from one to the other, exact for small ones. Shapes: (n, 3, 3) to (n,)."""
    # The Frobenius distance is 2 sqrt(2) sin(angle / 2).
    distance = np.linalg.norm(R_b - R_a, axis=(1, 2))
    return np.degrees(2.0 * np.arcsin(np.clip(distance / np.sqrt(8.0), 0.0, 1.0)))
