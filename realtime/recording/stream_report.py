"""What a stream that was recorded leaves for people: the facts and figures of report.json."""

from __future__ import annotations

import numpy as np

from realtime.pipeline.durations import DurationTracker
from realtime.pipeline.stats import RunHistory
from realtime.recording.summary import JointRanges
from realtime.sample import Status
from realtime.stream.messages import Angles, Meta


class StreamReport:
    """Collects figures sample by sample.

    Args:
        meta: of the stream.
        with_latency: whether the samples' stamps of publication are those of the tracker.
    """

    def __init__(self, meta: Meta, *, with_latency: bool) -> None:
        self.ranges = JointRanges(meta.model)
        self._meta = meta
        self._with_latency = with_latency
        self.n_samples = self.n_missed = 0
        self._n_lost = 0
        self._latency, self._history = DurationTracker(), RunHistory()

    def add(self, angles: Angles, *, n_missed: int = 0) -> None:
        """Count one sample, and how many were lost on the way before it."""
        is_lost = angles.status is Status.LOST
        self.n_samples += 1
        self.n_missed += n_missed
        self._n_lost += is_lost
        self.ranges.add_coordinates(angles.status, np.array(angles.q))
        if self._with_latency:
            latency_ns = max(0, angles.t_publish_ns - angles.t_capture_ns)
            self._latency.record(latency_ns)
            self._history.record(angles.t_publish_ns, latency_ns, angles.frame_id, is_lost=is_lost)

    def as_dict(self) -> dict[str, object]:
        """Plain values under the names that report.json has after `live`."""
        meta = self._meta
        content: dict[str, object] = {
            "source": meta.source,
            "source_fps": meta.rate_hz,
            "estimator": meta.estimator,
            "skeleton": meta.model.name,
            "skeleton_sha": meta.model.sha,
            "smoothing_lag_s": meta.smoothing_lag_s,
            "frames": self.n_samples,
            "lost_frames": self._n_lost,
            "missed_samples": self.n_missed,
        }
        if self._with_latency:
            content["latency_from"] = "capture"
            content["latency_ms"] = self._latency.percentiles().as_dict()
            content["history"] = self._history.as_dict()
        return content | {"joint_ranges": self.ranges.as_dict()}
