"""One person: stature, how large each body is, and how the neutral pose differs from zero. Kept as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib.camera_file import write_json
from calib.errors import CameraError, SubjectError
from calib.skeleton import Skeleton

Array = NDArray[np.float64]

STATURE_RANGE_M = (0.5, 2.5)
FACTOR_RANGE = (0.25, 2.5)
"""Of scale factors: smaller or larger than any person against an adult's skeleton."""
MAX_LANDMARK_OFFSET_M = 0.5
"""No landmark lies farther from where the model expects it."""
POINT_PREFIX = "point_"
"""Before the names of points of patches, among those of landmarks."""
MAX_OFFSET_RAD = math.radians(45.0)
"""Nobody who stands straight differs more from the zero pose."""


@dataclass(frozen=True, slots=True)
class LandmarkOffset:
    """Where a landmark lies on this person, less where it lies on the model (`realtime.person.offsets`)."""

    across_m: tuple[float, float, float]
    """Seen across the line of sight, in the body's frame, unscaled."""
    along_m: float
    """Along the line of sight, unscaled."""
    view: tuple[float, float, float]
    """Direction from the camera in the body's frame while this was measured."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is known of a person before the first frame."""

    height_m: float
    """Stature, without shoes."""
    skeleton_name: str
    skeleton_sha: str
    """Of the skeleton that the factors scale; see `Skeleton.sha`."""
    scale_factors: Array
    """OpenSim scale factors of each body along x, y, z. Shape: (n_bodies, 3)."""
    scale_spread: Array
    """How unsure each is: standard deviation, as a share. Shape: (n_bodies, 3)."""
    neutral_offsets: Array
    """Coordinates in the person's quiet stance, less those of the zero pose, in rad; NaN where standing says
    nothing. Shape: (n_q,)."""
    neutral_spread: Array
    """Their standard deviation over the stance, in rad. Shape: (n_q,)."""
    n_frames: int
    """Frames that it rests on."""
    source: str = ""
    """What was looked at."""
    landmark_offsets: Mapping[str, LandmarkOffset] = field(default_factory=dict)
    """By name of the landmark, such as "right_ankle", or of the point of a patch, such as "point_rajc"; empty
    where no neutral pose was seen."""

    def check_skeleton(self, skeleton: Skeleton) -> None:
        """Refuse a skeleton that the factors do not belong to.

        Raises:
            SubjectError: naming both.
        """
        if self.skeleton_sha != skeleton.sha:
            raise SubjectError(
                f"the subject was measured with skeleton {self.skeleton_name!r} ({self.skeleton_sha[:12]}), "
                f"this is {skeleton.name!r} ({skeleton.sha[:12]}); measure again: kinecast calibrate subject"
            )


def is_point_name(name: str) -> bool:
    """Whether a landmark's name in a subject is that of a point of a patch."""
    return name.startswith(POINT_PREFIX)


def check_stature(height_m: float) -> float:
    """A stature that people have.

    Raises:
        SubjectError: it is none.
    """
    low, high = STATURE_RANGE_M
    if not low <= height_m <= high:
        raise SubjectError(
            f"a stature of {height_m} m; accepted: {low} to {high} m, such as --height 1.75",
            name="height_m",
            value=height_m,
            accepted=STATURE_RANGE_M,
        )
    return float(height_m)


def save_subject(path: Path, subject: Subject, skeleton: Skeleton) -> None:
    """Write a subject, bodies and coordinates by name.

    Raises:
        SubjectError: the skeleton is another one, or the file cannot be written.
    """
    subject.check_skeleton(skeleton)
    known = np.flatnonzero(np.isfinite(subject.neutral_offsets))
    names = skeleton.coordinate_names
    try:
        write_json(
            path,
            {
                "height_m": subject.height_m,
                "skeleton": subject.skeleton_name,
                "skeleton_sha": subject.skeleton_sha,
                "scale_factors": dict(zip(skeleton.body_names, subject.scale_factors.tolist(), strict=True)),
                "scale_spread": dict(zip(skeleton.body_names, subject.scale_spread.tolist(), strict=True)),
                "neutral_offsets_deg": {names[k]: math.degrees(subject.neutral_offsets[k]) for k in known},
                "neutral_spread_deg": {names[k]: math.degrees(subject.neutral_spread[k]) for k in known},
                "frames": subject.n_frames,
                "source": subject.source,
                "landmark_offsets": {name: asdict(o) for name, o in subject.landmark_offsets.items()},
            },
        )
    except CameraError as error:
        raise SubjectError(str(error)) from error


def load_subject(path: Path, skeleton: Skeleton) -> Subject:
    """Read a subject written by `kinecast calibrate subject`.

    Args:
        path: JSON file.
        skeleton: Skeleton in use.

    Raises:
        SubjectError: the file is missing, is no subject, or belongs to another skeleton.
    """
    try:
        data = json.loads(Path(path).read_text())
        subject = _read(data, skeleton)
    except OSError as error:
        raise SubjectError(
            f"{path}: cannot be read ({error.strerror}); make one: kinecast calibrate subject"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise SubjectError(
            f"{path}: not a subject ({type(error).__name__}: {error}); make one: kinecast calibrate subject"
        ) from error
    try:
        subject.check_skeleton(skeleton)
        _check(subject, skeleton)
    except SubjectError as error:
        raise SubjectError(f"{path}: {error}") from error
    return subject


def _read(data: Any, skeleton: Skeleton) -> Subject:
    sha = str(data["skeleton_sha"])
    if sha != skeleton.sha:  # its bodies may be others: say so, and not that a name is missing
        empty, nothing = np.ones((skeleton.n_bodies, 3)), np.full(skeleton.n_q, np.nan)
        return Subject(
            float(data["height_m"]),
            str(data["skeleton"]),
            sha,
            empty,
            empty,
            nothing,
            nothing,
            int(data["frames"]),
        )
    offsets, spread = (_coordinates(data[f"neutral_{key}_deg"], skeleton) for key in ("offsets", "spread"))
    return Subject(
        height_m=float(data["height_m"]),
        skeleton_name=str(data["skeleton"]),
        skeleton_sha=sha,
        scale_factors=_bodies(data["scale_factors"], skeleton),
        scale_spread=_bodies(data["scale_spread"], skeleton),
        neutral_offsets=offsets,
        neutral_spread=spread,
        n_frames=int(data["frames"]),
        source=str(data.get("source", "")),
        landmark_offsets={
            str(name): _landmark_offset(row) for name, row in data.get("landmark_offsets", {}).items()
        },
    )


def _landmark_offset(row: dict[str, Any]) -> LandmarkOffset:
    (x, y, z), (a, b, c) = (map(float, row[key]) for key in ("across_m", "view"))
    return LandmarkOffset((x, y, z), float(row["along_m"]), (a, b, c))


def _bodies(rows: dict[str, list[float]], skeleton: Skeleton) -> Array:
    return np.array([[float(v) for v in rows[name]] for name in skeleton.body_names]).reshape(-1, 3)


def _coordinates(degrees: dict[str, float], skeleton: Skeleton) -> Array:
    out = np.full(skeleton.n_q, np.nan)
    for name, value in degrees.items():
        out[skeleton.coordinate_names.index(name)] = math.radians(float(value))
    return out


def _check(subject: Subject, skeleton: Skeleton) -> None:
    check_stature(subject.height_m)
    low, high = FACTOR_RANGE
    factors = subject.scale_factors
    if factors.shape != (skeleton.n_bodies, 3) or not ((factors >= low) & (factors <= high)).all():
        raise SubjectError(
            f"scale factors from {factors.min():.3g} to {factors.max():.3g}; accepted: {low} to {high}",
            name="scale_factors",
            value=factors,
            accepted=FACTOR_RANGE,
        )
    offsets = subject.neutral_offsets
    if (np.abs(offsets[np.isfinite(offsets)]) > MAX_OFFSET_RAD).any():
        raise SubjectError(
            "a neutral offset is larger than 45 deg; measure again: kinecast calibrate subject"
        )
    for name, offset in subject.landmark_offsets.items():
        length_m = float(np.abs([*offset.across_m, offset.along_m]).max())
        is_direction = math.isclose(math.hypot(*offset.view), 1.0, abs_tol=0.01)
        if not length_m <= MAX_LANDMARK_OFFSET_M or not is_direction:
            raise SubjectError(
                f"landmark {name!r} is {length_m:.3g} m off, or its view no direction; accepted: at most "
                f"{MAX_LANDMARK_OFFSET_M} m; measure again: kinecast calibrate subject",
                name="landmark_offsets",
                value=offset,
                accepted=(-MAX_LANDMARK_OFFSET_M, MAX_LANDMARK_OFFSET_M),
            )
