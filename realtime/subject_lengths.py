"""Lengths that people can check with a tape measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calib.kinematics import joint_centres
from calib.skeleton import Skeleton
from calib.subject import Subject

SEGMENTS: tuple[tuple[str, str, str, int], ...] = (
    ("thigh", "femur_r", "tibia_r", 1),
    ("shank", "tibia_r", "talus_r", 1),
    ("upper arm", "humerus_r", "ulna_r", 1),
    ("forearm", "ulna_r", "hand_r", 1),
    ("hips apart", "femur_r", "femur_l", 2),
    ("shoulders apart", "humerus_r", "humerus_l", 2),
)
"""Name, the bodies whose joints are the ends, and the axis along which the first of them scales it."""
SCALED_BY = {"hips apart": "pelvis", "shoulders apart": "torso"}
"""Lengths that another body scales."""


@dataclass(frozen=True, slots=True)
class SegmentLength:
    """A length between two joints."""

    name: str
    length_m: float
    spread_m: float


def segment_lengths_of(subject: Subject, skeleton: Skeleton) -> list[SegmentLength]:
    """Lengths of the segments that the skeleton has, and of the trunk from hips to shoulders."""
    names = skeleton.body_names
    centres_m = joint_centres(skeleton, skeleton.q_default, subject.scale_factors)
    found = []
    for name, start, end, axis in SEGMENTS:
        if start in names and end in names:
            length_m = float(np.linalg.norm(centres_m[names.index(start)] - centres_m[names.index(end)]))
            body = names.index(SCALED_BY.get(name, start))
            found.append(SegmentLength(name, length_m, length_m * float(subject.scale_spread[body, axis])))
    if "humerus_r" in names:
        pairs = [[names.index(f"{body}_{side}") for side in "rl"] for body in ("femur", "humerus")]
        hips_m, shoulders_m = (centres_m[pair].mean(0) for pair in pairs)
        length_m = float(np.linalg.norm(shoulders_m - hips_m))
        spread = float(subject.scale_spread[names.index("torso"), 1])
        found.append(SegmentLength("hips to shoulders", length_m, length_m * spread))
    return found
