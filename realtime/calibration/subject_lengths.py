"""Lengths that people can check with a tape measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calib.coordinates import stem_of
from calib.proportions import SCALED, SEGMENTS, segment_lengths
from calib.skeleton import Skeleton
from calib.subject import Subject


@dataclass(frozen=True, slots=True)
class SegmentLength:
    """A length between two joints."""

    name: str
    length_m: float
    spread_m: float


def segment_lengths_of(subject: Subject, skeleton: Skeleton) -> list[SegmentLength]:
    """Lengths of the segments that the skeleton has."""
    names = [stem_of(name) for name in skeleton.body_names]
    found = []
    for name, length_m in zip(SEGMENTS, segment_lengths(skeleton, subject.scale_factors), strict=True):
        if np.isfinite(length_m):
            bodies, axes = SCALED[name]
            row = next(names.index(body) for body in bodies[::-1] if body in names)
            spread = float(subject.scale_spread[row, axes[-1]])
            found.append(SegmentLength(name, float(length_m), float(length_m) * spread))
    return found
