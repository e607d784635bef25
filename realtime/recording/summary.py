"""Summary of a run: statistics as text, and report.json."""

from __future__ import annotations

import json
import math
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realtime.errors import RecordingError
from realtime.pipeline.durations import DurationTracker
from realtime.pipeline.stats import RunHistory
from realtime.recording.joint_ranges import JointRanges
from realtime.recording.private_file import write_private
from realtime.sample import Status
from realtime.stream.messages import Angles, Meta

if TYPE_CHECKING:
    from realtime.pipeline.durations import Percentiles
    from realtime.pipeline.stats import PipelineStats

REPORT_NAME = "report.json"
VERSIONS_OF = ("kinecast", "numpy", "numba", "opencv-python", "openvino")


def format_stats(stats: PipelineStats, *, is_recorded: bool) -> str:
    """Statistics of a run in two or three lines."""
    rate = f" ({stats.fps:.1f} fps)" if math.isfinite(stats.fps) else ""
    lines = [
        f"{stats.frames} frames in {stats.elapsed_s:.1f} s{rate}, "
        f"{stats.lost_frames} without a person, {stats.dropped_frames} dropped"
    ]
    if stats.unsure_frames:
        lines[0] += f", {stats.unsure_frames} unsure (the skeleton does not fit the image)"
    if stats.shared_frames:
        lines[0] += f", {stats.shared_frames} with somebody else in view (--person chooses)"
    if is_recorded and stats.unwritten_frames:
        lines[0] += f", {stats.unwritten_frames} not recorded (disk too slow)"
    if stats.latency.count:
        start = "captured" if stats.latency_from == "capture" else "handed over"
        lines.append(f"latency, {start} to published: {format_percentiles(stats.latency)}")
        stages = (f"{name} {stage.p50_ms:.1f}" for name, stage in stats.stages.items())
        lines.append(f"median of each stage (ms): {', '.join(stages)}")
    return "\n".join(lines)


def format_percentiles(duration: Percentiles) -> str:
    """Percentiles in one line."""
    return (
        f"p50 {duration.p50_ms:.1f}, p95 {duration.p95_ms:.1f}, p99 {duration.p99_ms:.1f}, "
        f"max {duration.max_ms:.1f} ms"
    )


def write_report(folder: Path, content: dict[str, object]) -> Path:
    """Write report.json.

    Raises:
        RecordingError: the file cannot be written.
    """
    path = folder / REPORT_NAME
    content = content | {"platform": platform.platform(), "versions": installed_versions()}
    try:
        write_private(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())
    except OSError as error:
        raise RecordingError(f"{path}: cannot write the report ({error.strerror})") from error
    return path


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the packages that affect the results."""
    found = {"python": platform.python_version()}
    for name in VERSIONS_OF:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class StreamReport:
    """Collects the content of report.json for a recorded stream, sample by sample.

    Args:
        meta: Description of the stream.
        with_latency: Whether the publication times of the samples are the tracker's own.
    """

    def __init__(self, meta: Meta, *, with_latency: bool) -> None:
        self.ranges = JointRanges(meta.model)
        self._meta = meta
        self._with_latency = with_latency
        self.n_samples = self.n_missed = 0
        self._n_lost = self._n_unsure = 0
        self._latency, self._history = DurationTracker(), RunHistory()

    def add(self, angles: Angles, *, n_missed: int = 0) -> None:
        """Count one sample, and the number of samples lost before it."""
        is_lost = angles.status is Status.LOST
        self.n_samples += 1
        self.n_missed += n_missed
        self._n_lost += is_lost
        self._n_unsure += angles.status is Status.UNSURE
        self.ranges.add_values(angles.status, np.array([*angles.q, *angles.pelvic_angles]))
        if self._with_latency:
            latency_ns = max(0, angles.t_publish_ns - angles.t_capture_ns)
            self._latency.record(latency_ns)
            self._history.record(angles.t_publish_ns, latency_ns, angles.frame_id, is_lost=is_lost)

    def as_dict(self) -> dict[str, object]:
        """Plain values under the same names as report.json of `live`."""
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
            "unsure_frames": self._n_unsure,
            "missed_samples": self.n_missed,
        }
        if self._with_latency:
            content["latency_from"] = "capture"
            content["latency_ms"] = self._latency.percentiles().as_dict()
            content["history"] = self._history.as_dict()
        return content | {"joint_ranges": self.ranges.as_dict()}
