"""The tracker's end of the stream: samples in, messages out."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from msgspec.structs import replace

from realtime.sample import LiveStats, PoseSample
from realtime.stream import security as curve
from realtime.stream.message_publisher import MessagePublisher
from realtime.stream.messages import Encoding
from realtime.stream.to_messages import angles_of, meta_of, model_of, pose_of, root_of

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from calib.skeleton import Skeleton

DEFAULT_ADDRESS = "tcp://127.0.0.1:5570"


class Publisher(MessagePublisher):
    """Publishes a tracker's samples; see `MessagePublisher` for what its socket does and does not do.

    Args:
        address: where to bind; a loopback address unless `keys` are given. Port `*` takes a free one.
        skeleton: names and limits that `meta` tells.
        camera: told in `meta`; None where there is none.
        source: what is watched, such as "camera 0".
        estimator: name of the estimator.
        smoothing_lag_s: delay that smoothing adds; None where it is not known.
        rate_hz: nominal rate of samples; None where it is not known.
        versions: further names and versions for `meta`.
        encoding: "msgpack", or "json" for readers without it.
        keys: CURVE keys and allow-list; required at addresses that other machines reach.

    Raises:
        StreamError: the address is malformed, in use, or not local while `keys` is None.
    """

    def __init__(
        self,
        address: str,
        skeleton: Skeleton,
        camera: CameraCalibration | None = None,
        *,
        source: str = "",
        estimator: str = "",
        smoothing_lag_s: float | None = None,
        rate_hz: float | None = None,
        versions: dict[str, str] | None = None,
        encoding: Encoding = "msgpack",
        keys: curve.ServerKeys | None = None,
    ) -> None:
        meta = meta_of(
            str(uuid.uuid4()),
            model_of(skeleton),
            camera,
            source=source,
            estimator=estimator,
            smoothing_lag_s=smoothing_lag_s,
            rate_hz=rate_hz,
            versions=versions,
        )
        super().__init__(address, meta, encoding=encoding, keys=keys)
        self._skeleton = skeleton
        self._root = root_of(skeleton)

    def send(self, sample: PoseSample, stats: LiveStats | None = None) -> int:
        """Publish one sample and whatever else is due.

        Returns:
            The stamp of publication, in ns of `time.perf_counter_ns`.
        """
        self.tick(stats)
        envelope = self.envelope()
        pose = pose_of(sample, envelope, self._skeleton) if self.is_wanted("pose") else None
        angles = angles_of(sample, envelope, self._root)
        # Making the messages belongs to the tracker's time, and not to the way to subscribers.
        t_publish_ns = self.envelope().t_publish_ns
        if pose is not None:
            pose = replace(pose, t_publish_ns=t_publish_ns)
        self.send_messages(replace(angles, t_publish_ns=t_publish_ns), pose)
        return t_publish_ns
