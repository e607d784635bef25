"""The pose of one frame, with access by coordinate name."""

from __future__ import annotations

from collections.abc import KeysView
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIC_ANGLES
from calib.skeleton import Skeleton
from realtime.sample import Drawing, PoseSample, SampleGround, Status

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TrackedPose:
    """The pose of one frame: `pose["knee_angle_r"]` in degrees; NaN where nothing is known."""

    sample: PoseSample
    """All values of the frame, as the estimator gave them."""
    skeleton: Skeleton
    """Skeleton that the values refer to."""
    t_s: float
    """Time of the frame: that passed to the tracker, or since the first frame of a source."""
    _drawing: Drawing = field(repr=False)
    _index: dict[str, int] = field(repr=False)

    def __getitem__(self, name: str) -> float:
        """Angle in degrees, or translation in m; NaN where unknown.

        Raises:
            KeyError: the skeleton has no such coordinate.
        """
        k = self._at(name)
        value = float(self.sample.q[k])
        return float(np.degrees(value)) if self.skeleton.is_rotational[k] else value

    def keys(self) -> KeysView[str]:
        """Names of the coordinates; makes `dict(pose)` work."""
        return self._index.keys()

    def confidence_of(self, name: str) -> float:
        """Confidence of a coordinate, from 0 (unknown) to 1."""
        return float(self.sample.confidence[self._at(name)])

    @property
    def people(self) -> tuple[TrackedPose, ...]:
        """Poses of everybody in the frame, this one first; see `EstimatorOptions.n_people`."""
        return tuple(replace(self, sample=sample) for sample in self.sample.people)

    @property
    def frame_id(self) -> int:
        """Number of the frame, from 0."""
        return self.sample.frame_id

    @property
    def status(self) -> Status:
        """Whether the values can be used: `tracking`, `unsure`, `warm_up` or `lost`."""
        return self.sample.status

    @property
    def q(self) -> Array:
        """Coordinates in rad and m, in the order of `skeleton.coordinate_names`. Shape: (n_q,)."""
        return self.sample.q

    @property
    def qdot(self) -> Array:
        """Speeds in rad/s and m/s. Shape: (n_q,)."""
        return self.sample.qdot

    @property
    def confidence(self) -> Array:
        """Confidence of each coordinate, from 0 to 1. Shape: (n_q,)."""
        return self.sample.confidence

    @property
    def T_ground_body(self) -> Array:
        """Body to ground, in m, in the order of `skeleton.body_names`. Shape: (n_bodies, 4, 4)."""
        return self.sample.T_ground_body

    @property
    def markers_m(self) -> Array:
        """Marker positions in ground, in the order of `skeleton.marker_names`. Shape: (n_markers, 3)."""
        return self.sample.markers_m

    @property
    def ground(self) -> SampleGround | None:
        """Ground of positions and of the pelvis; None before the first person."""
        return self.sample.ground

    @property
    def pelvic_angles_deg(self) -> dict[str, float]:
        """Rotation, obliquity and tilt of the pelvis by name; see `calib.pelvis.clinical_angles`."""
        angles_deg = np.degrees(self.sample.pelvic_angles).tolist()
        return dict(zip(PELVIC_ANGLES, angles_deg, strict=True))

    def draw(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A new image with skeleton and angles drawn on it.

        Args:
            image: BGR image of this pose's frame; left unchanged. Shape: (height, width, 3).
        """
        return self._drawing.draw(image, self.sample)

    def _at(self, name: str) -> int:
        try:
            return self._index[name]
        except KeyError:
            known = ", ".join(self._index)
            raise KeyError(f"no coordinate {name!r}; skeleton {self.skeleton.name!r} has {known}") from None
