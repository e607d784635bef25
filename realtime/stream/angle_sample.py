"""The sample that a subscriber receives, with access by coordinate name."""

from __future__ import annotations

import math
from collections.abc import KeysView
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIC_ANGLES
from realtime.geometry import rotation_matrices
from realtime.sample import PoseSample, Status
from realtime.stream.messages import Angles, Meta, Pose


@dataclass(frozen=True, slots=True, eq=False)
class AngleSample:
    """One sample of the stream, indexed by coordinate name: `sample["knee_angle_r"]` in degrees."""

    message: Angles
    meta: Meta
    pose: Pose | None
    """Bodies and markers; None unless subscribed with `poses=True` and received."""
    missed: int
    """Number of samples lost between the previous sample and this one."""
    t_receive_ns: int
    """Time of reception, on this process's `time.perf_counter_ns`."""
    clock_offset_ns: int
    """Offset from the publisher's time stamps to this process's `time.perf_counter_ns`."""
    _index: dict[str, int] = field(repr=False)

    def __getitem__(self, name: str) -> float:
        """Angle in degrees, or translation in m; NaN where undefined."""
        k = self._at(name)
        value = self.message.q[k]
        return math.degrees(value) if self.meta.model.units[k] == "rad" else value

    def keys(self) -> KeysView[str]:
        """Names of the coordinates; makes `dict(sample)` work."""
        return self._index.keys()

    @property
    def pelvic_angles_deg(self) -> dict[str, float]:
        """Rotation, obliquity and tilt of the pelvis by name; see `Angles.pelvic_angles`."""
        angles_deg = map(math.degrees, self.message.pelvic_angles)
        return dict(zip(PELVIC_ANGLES, angles_deg, strict=True))

    def confidence_of(self, name: str) -> float:
        """Confidence of a coordinate, from 0 (undefined) to 1."""
        return self.message.confidence[self._at(name)]

    @property
    def seq(self) -> int:
        """Number of the sample within the publisher's run."""
        return self.message.seq

    @property
    def frame_id(self) -> int:
        """Number of the source's frame."""
        return self.message.frame_id

    @property
    def t_capture_ns(self) -> int:
        """Time of capture on the publisher's clock."""
        return self.message.t_capture_ns

    @property
    def t_wall_ns(self) -> int:
        """Time of capture in ns since 1970-01-01 UTC."""
        return self.message.t_capture_ns + self.meta.wall_offset_ns

    @property
    def status(self) -> Status:
        """Tracking status: whether the coordinates can be used."""
        return self.message.status

    @property
    def age_ms(self) -> float:
        """Time from capture to reception; exact on one machine, else as good as the two wall clocks agree."""
        return (self.t_receive_ns - self.clock_offset_ns - self.message.t_capture_ns) * 1e-6

    @property
    def q_rad(self) -> NDArray[np.float64]:
        """Coordinates in rad and m, in the order of `meta.model.coordinate_names`. Shape: (n_q,)."""
        return np.array(self.message.q)

    @property
    def qdot_rad_s(self) -> NDArray[np.float64]:
        """Generalized speeds in rad/s and m/s. Shape: (n_q,)."""
        return np.array(self.message.qdot)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Confidence of each coordinate. Shape: (n_q,)."""
        return np.array(self.message.confidence)

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events that the user has marked since the sample before."""
        return tuple(self.message.events)

    def as_record(self) -> dict[str, Any]:
        """A flat dict for JSON: degrees and m under the coordinates' names, None where undefined."""
        message = self.message
        record: dict[str, Any] = {
            "session": message.session,
            "seq": message.seq,
            "frame_id": message.frame_id,
            "t_capture_ns": message.t_capture_ns,
            "t_publish_ns": message.t_publish_ns,
            "t_wall_ns": self.t_wall_ns,
            "status": message.status.value,
            "person": message.person.value,
            "missed": self.missed,
            "others": message.others,
            "events": list(self.events),
        }
        for name in self._index:
            value = self[name]
            record[name] = None if math.isnan(value) else value
        for name, angle in zip(PELVIC_ANGLES, message.pelvic_angles, strict=True):
            record[name] = None if math.isnan(angle) else math.degrees(angle)
        return record

    def pose_sample(self) -> PoseSample:
        """The tracker's sample, for drawing and recording; NaN for what was not sent."""
        model, pose = self.meta.model, self.pose
        T = np.full((len(model.body_names), 4, 4), np.nan)
        markers_m = np.full((len(model.marker_names), 3), np.nan)
        if pose is not None:
            T[:, :3, :3] = rotation_matrices(np.array(pose.body_rotation_wxyz).reshape(-1, 4))
            T[:, :3, 3] = np.array(pose.body_position_m).reshape(-1, 3)
            T[:, 3] = (0.0, 0.0, 0.0, 1.0)
            markers_m = np.array(pose.marker_m).reshape(-1, 3)
        return PoseSample(
            frame_id=self.frame_id,
            t_capture_ns=self.t_capture_ns,
            status=self.status,
            q=self.q_rad,
            qdot=self.qdot_rad_s,
            confidence=self.confidence,
            scale_factors=np.full((len(T), 3), np.nan),
            T_ground_body=T,
            markers_m=markers_m,
            box_px=np.full(4, np.nan),
            foot_contact=np.array(self.message.foot_contact),
            pelvic_angles=np.array(self.message.pelvic_angles),
            person=self.message.person,
            advice=self.message.advice,
            others=self.message.others,
            events=self.events,
        )

    def _at(self, name: str) -> int:
        try:
            return self._index[name]
        except KeyError:
            raise KeyError(f"no coordinate {name!r}; the stream has {', '.join(self._index)}") from None
