"""How long a person's segments are, given the stature, and where they are known, pictures and sex.

Tall people have longer shanks for their stature, and men wider hips between the joints: published tables of
shares of stature leave this out. Linear regressions on the logarithm of stature, on what upright pictures
tell, and on sex give the shares; `kinecast train proportions` fitted them to synthetic adults.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import stem_of
from calib.errors import SubjectError
from calib.kinematics import joint_centres
from calib.skeleton import Skeleton

Array = NDArray[np.float64]

SEGMENTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "thigh": (("femur_r",), ("tibia_r",)),
    "shank": (("tibia_r",), ("talus_r",)),
    "upper arm": (("humerus_r",), ("ulna_r",)),
    "forearm": (("ulna_r",), ("hand_r",)),
    "hips to shoulders": (("femur_r", "femur_l"), ("humerus_r", "humerus_l")),
    "hips apart": (("femur_r",), ("femur_l",)),
    "shoulders apart": (("humerus_r",), ("humerus_l",)),
}
"""Each end is the mean of the joints that carry these bodies."""
SCALED: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "thigh": (("femur", "patella"), (0, 1, 2)),
    "shank": (("tibia",), (0, 1, 2)),
    "upper arm": (("humerus",), (0, 1, 2)),
    "forearm": (("ulna", "radius"), (0, 1, 2)),
    "hips to shoulders": (("pelvis", "torso"), (0, 1)),
    "hips apart": (("pelvis",), (2,)),
    "shoulders apart": (("torso",), (2,)),
}
"""Bodies of both sides that each segment scales, and the axes."""
MEAN_STATURE_M = 1.70
ADULT_STATURES_M = (1.40, 2.05)
"""Beyond, shares of stature stay what they are at the end: children are no small adults."""


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """Logarithms of segments' lengths over stature, linear in what is known."""

    weights: Array
    """Constant, logarithm of stature over the mean, pictures, sex: those that the regression knows.
    Shape: (len(SEGMENTS), n)."""
    spread: Array
    """Standard deviation of what is left open. Shape: (len(SEGMENTS),)."""


@dataclass(frozen=True, slots=True, eq=False)
class Proportions:
    """Expected lengths of `SEGMENTS`."""

    lengths_m: Array
    """Shape: (len(SEGMENTS),)."""
    spread: Array
    """Standard deviations as shares. Shape: (len(SEGMENTS),)."""


def default_table_path() -> Path:
    """The regressions that ship with kinecast."""
    return Path(__file__).with_name("data") / "proportions.json"


def known_facts(height_m: Array, looks: Array | None, is_female: Array | None) -> Array:
    """What regressions read. Shapes: (n,), (n, n_looks), (n,) to (n, n_facts)."""
    columns = [np.ones(len(height_m)), np.log(np.clip(height_m, *ADULT_STATURES_M) / MEAN_STATURE_M)]
    columns += [] if looks is None else list(looks.T)
    columns += [] if is_female is None else [np.asarray(is_female, dtype=np.float64)]
    return np.stack(columns, axis=1)


def regression_name(*, has_looks: bool, has_sex: bool) -> str:
    """Which regression knows this much."""
    return "stature" + (", pictures" if has_looks else "") + (", sex" if has_sex else "")


@lru_cache(maxsize=4)
def load_regressions(path: Path | None = None) -> dict[str, Regression]:
    """The table, by `regression_name`.

    Raises:
        SubjectError: the file cannot be read, or is none.
    """
    path = default_table_path() if path is None else path
    try:
        table = json.loads(path.read_text())["regressions"]
        found = {
            name: Regression(np.array(row["weights"], dtype=float), np.array(row["spread"], dtype=float))
            for name, row in table.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SubjectError(
            f"{path}: not a table of proportions ({error}); install kinecast again, or make one: "
            "kinecast train proportions"
        ) from error
    if any(r.weights.ndim != 2 or len(r.weights) != len(SEGMENTS) for r in found.values()):
        raise SubjectError(f"{path}: not one row for each of {', '.join(SEGMENTS)}; make the table again")
    return found


def expect_proportions(
    height_m: float, looks: Array | None = None, is_female: bool | None = None
) -> Proportions:
    """What somebody's segments measure.

    Args:
        height_m: Stature.
        looks: What upright pictures tell (`engines.features.body_proportions`), averaged; None without any.
            Shape: (n_looks,).
        is_female: Sex, None if unknown.
    """
    regression = load_regressions()[
        regression_name(has_looks=looks is not None, has_sex=is_female is not None)
    ]
    sex = None if is_female is None else np.array([is_female])
    facts = known_facts(np.array([height_m]), None if looks is None else looks[None], sex)[0]
    return Proportions(height_m * np.exp(regression.weights @ facts), regression.spread)


def segment_lengths(skeleton: Skeleton, scale_factors: Array | None = None) -> Array:
    """Lengths of `SEGMENTS` in m; NaN where the skeleton lacks a body. Shape: (len(SEGMENTS),)."""
    centres_m = joint_centres(skeleton, skeleton.q_default, scale_factors)
    names, out = skeleton.body_names, np.full(len(SEGMENTS), np.nan)
    for k, ends in enumerate(SEGMENTS.values()):
        if all(name in names for end in ends for name in end):
            start, end = (centres_m[[names.index(name) for name in bodies]].mean(0) for bodies in ends)
            out[k] = np.linalg.norm(end - start)
    return out


def set_segments(skeleton: Skeleton, per_body: Array, per_segment: Array) -> Array:
    """Give the bodies that segments scale the segments' values; NaN leaves them.

    Args:
        skeleton: The skeleton.
        per_body: Values of each body along its axes, such as scale factors. Shape: (n_bodies, 3).
        per_segment: Values of each segment. Shape: (len(SEGMENTS),).

    Returns:
        Shape: (n_bodies, 3).
    """
    out = per_body.copy()
    for value, (bodies, axes) in zip(per_segment, SCALED.values(), strict=True):
        rows = [k for k, name in enumerate(skeleton.body_names) if stem_of(name) in bodies]
        if np.isfinite(value) and rows:
            out[np.ix_(rows, list(axes))] = value
    return out
