"""Samples as a subscriber gets them, without a stream."""

from __future__ import annotations

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton
from realtime.sample import PoseSample
from realtime.stream.angle_sample import AngleSample
from realtime.stream.messages import SCHEMA, Meta
from realtime.stream.to_messages import Envelope, angles_of, camera_of, model_of, pose_of

SESSION = "00000000-0000-4000-8000-000000000000"


def meta_of(skeleton: Skeleton, camera: CameraCalibration | None = None) -> Meta:
    return Meta(
        schema=SCHEMA,
        session=SESSION,
        t_publish_ns=0,
        wall_offset_ns=0,
        model=model_of(skeleton),
        camera=None if camera is None else camera_of(camera),
    )


def streamed(
    skeleton: Skeleton, sample: PoseSample, *, meta: Meta | None = None, poses: bool = True
) -> AngleSample:
    """The sample as a subscriber gets it."""
    envelope = Envelope(SESSION, sample.frame_id, sample.t_capture_ns)
    meta = meta or meta_of(skeleton)
    index = {name: k for k, name in enumerate(meta.model.coordinate_names)}
    pose = pose_of(sample, envelope, skeleton) if poses else None
    return AngleSample(angles_of(sample, envelope), meta, pose, 0, 0, 0, index)
