"""Conversion of the tracker's samples, skeleton and camera to the messages of the stream."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from realtime.geometry import joint_centres, quaternions
from realtime.sample import LiveStats, PersonState, PoseSample, SampleGround, Status
from realtime.stream.messages import SCHEMA, Angles, Camera, Ground, Meta, Model, Pose, StatusMessage

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from calib.skeleton import Skeleton


@dataclass(frozen=True, slots=True)
class Envelope:
    """Fields that all messages sent for one sample share."""

    session: str
    seq: int
    t_publish_ns: int


def angles_of(sample: PoseSample, envelope: Envelope, root: int = 0) -> Angles:
    """The `angles` message of a sample; values that are not finite become NaN with confidence 0.

    Args:
        sample: Estimated sample.
        envelope: Fields shared by the sample's messages.
        root: Index of the body whose position the message holds.
    """
    defined = np.isfinite(sample.q)
    x, y, z = _finite_or_nan(sample.T_ground_body[root, :3, 3]).tolist()
    right, left = _finite_or_nan(sample.foot_contact).clip(0.0, 1.0).tolist()
    return Angles(
        schema=SCHEMA,
        session=envelope.session,
        t_publish_ns=envelope.t_publish_ns,
        seq=envelope.seq,
        frame_id=sample.frame_id,
        t_capture_ns=sample.t_capture_ns,
        status=sample.status,
        q=np.where(defined, sample.q, np.nan).tolist(),
        qdot=_finite_or_nan(sample.qdot).tolist(),
        confidence=np.where(defined, np.nan_to_num(sample.confidence).clip(0.0, 1.0), 0.0).tolist(),
        pelvis_position_m=(x, y, z),
        foot_contact=(right, left),
        pelvic_angles=_triple(_finite_or_nan(sample.pelvic_angles)),
        person=sample.person,
        advice=sample.advice,
        views=list(sample.used_views),
        view_t_capture_ns=list(sample.view_t_ns),
        others=sample.others,
        events=list(sample.events),
        person_id=sample.person_id,
    )


def pose_of(sample: PoseSample, envelope: Envelope, skeleton: Skeleton) -> Pose:
    """The `pose` message of a sample: bodies, joints and markers."""
    T = _finite_or_nan(sample.T_ground_body)
    return Pose(
        schema=SCHEMA,
        session=envelope.session,
        t_publish_ns=envelope.t_publish_ns,
        seq=envelope.seq,
        frame_id=sample.frame_id,
        t_capture_ns=sample.t_capture_ns,
        body_position_m=T[:, :3, 3].tolist(),
        body_rotation_wxyz=quaternions(T[:, :3, :3]).tolist(),
        joint_centre_m=joint_centres(skeleton, T, sample.scale_factors).tolist(),
        marker_m=_finite_or_nan(sample.markers_m).tolist(),
    )


def heartbeat_of(
    status: Status,
    stats: LiveStats,
    envelope: Envelope,
    *,
    person: PersonState = PersonState.UNKNOWN,
    advice: str = "",
) -> StatusMessage:
    """The `status` message of a run.

    Args:
        status: Status of the newest sample.
        stats: Statistics of the run.
        envelope: Fields shared by the messages sent together.
        person: State of the newest sample's person.
        advice: Advice of the newest sample.
    """
    return StatusMessage(
        schema=SCHEMA,
        session=envelope.session,
        t_publish_ns=envelope.t_publish_ns,
        seq=envelope.seq,
        status=status,
        person=person,
        advice=advice,
        fps=known(stats.fps),
        latency_ms=known(stats.latency_ms),
        dropped_frames=stats.dropped_frames,
        lost_frames=stats.lost_frames,
        note=stats.note[:1024],
    )


def root_of(skeleton: Skeleton) -> int:
    """Index of the body whose position `angles` holds: the pelvis, or else the first body."""
    return skeleton.body_names.index("pelvis") if "pelvis" in skeleton.body_names else 0


def model_of(skeleton: Skeleton) -> Model:
    """The part of a skeleton that subscribers need."""
    return Model(
        name=skeleton.name or "model",
        sha=skeleton.sha,
        coordinate_names=list(skeleton.coordinate_names),
        units=["rad" if is_angle else "m" for is_angle in skeleton.is_rotational],
        q_lower=_finite_or_nan(skeleton.q_lower).tolist(),
        q_upper=_finite_or_nan(skeleton.q_upper).tolist(),
        body_names=list(skeleton.body_names),
        body_parents=[int(parent) for parent in skeleton.tree.parent],
        marker_names=list(skeleton.marker_names),
    )


def meta_of(
    session: str,
    model: Model,
    camera: CameraCalibration | None = None,
    *,
    cameras: Sequence[CameraCalibration] = (),
    source: str = "",
    estimator: str = "",
    smoothing_lag_s: float | None = None,
    rate_hz: float | None = None,
    versions: dict[str, str] | None = None,
) -> Meta:
    """The `meta` message of a stream, with current time stamps."""
    now_ns = time.perf_counter_ns()
    return Meta(
        schema=SCHEMA,
        session=session,
        t_publish_ns=now_ns,
        wall_offset_ns=time.time_ns() - now_ns,
        model=model,
        camera=None if camera is None else camera_of(camera),
        cameras=[camera_of(one) for one in cameras],
        source=source[:1024],
        estimator=estimator,
        smoothing_lag_s=known(smoothing_lag_s),
        rate_hz=known(rate_hz),
        versions=versions or {},
    )


def in_ground(meta: Meta, ground: SampleGround) -> Meta:
    """The `meta` message of samples in a ground."""
    camera, cameras = meta.camera, meta.cameras
    if camera is not None:
        # Several cameras move as one: the ground of the samples states where the first is.
        move = ground.T_ground_cam @ np.linalg.inv(np.array(camera.T_ground_cam))
        cameras = [_placed(one, move @ np.array(one.T_ground_cam)) for one in cameras]
        camera = _placed(camera, ground.T_ground_cam)
    about = Ground(
        heading=ground.heading, origin=ground.origin, floor=ground.floor, is_settled=ground.is_settled
    )
    return structs.replace(meta, camera=camera, cameras=cameras, ground=about)


def _placed(camera: Camera, T: NDArray[np.float64]) -> Camera:
    return structs.replace(camera, T_ground_cam=(_row(T[0]), _row(T[1]), _row(T[2]), _row(T[3])))


def camera_of(camera: CameraCalibration) -> Camera:
    """A camera calibration as part of `meta`."""
    k, T = camera.intrinsics, camera.T_ground_cam
    return Camera(
        width_px=k.width_px,
        height_px=k.height_px,
        fx=float(k.fx),
        fy=float(k.fy),
        cx=float(k.cx),
        cy=float(k.cy),
        distortion=[float(value) for value in k.distortion],
        T_ground_cam=(_row(T[0]), _row(T[1]), _row(T[2]), _row(T[3])),
        rms_px=known(camera.rms_px),
        name=camera.name,
    )


def _finite_or_nan(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, np.nan)


def known(value: float | None) -> float | None:
    """The value, or None where it is not a finite number."""
    return float(value) if value is not None and math.isfinite(value) else None


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return x, y, z


def _row(values: NDArray[np.float64]) -> tuple[float, float, float, float]:
    x, y, z, w = values.tolist()
    return x, y, z, w
