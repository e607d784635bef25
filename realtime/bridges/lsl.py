"""Lab Streaming Layer (LSL): joint angles together with EEG, force plates and other LSL devices.

One stream of type `MoCap`, described according to XDF's conventions for motion capture: label, type and unit
of each channel; manufacturer, model and settings of the acquisition. Channels are the coordinates in degrees
and m, then the confidence of each, then, on request, the markers. The rate is declared irregular, so that
importers keep the true times, and each sample carries its time of capture on LSL's clock. The last channel is
the status, since LSL has no words for it: see `STATUS_CODES`.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import time
from collections.abc import Iterator

import numpy as np
import pylsl

from realtime.errors import BridgeError
from realtime.sample import Status
from realtime.stream.angle_sample import AngleSample
from realtime.stream.messages import Meta, Model, StatusMessage

logger = logging.getLogger(__name__)

STREAM_NAME, STREAM_TYPE = "kinecast", "MoCap"
N_CLOCK_READINGS = 20
TRANSLATIONS = {"_tx": "PositionX", "_ty": "PositionY", "_tz": "PositionZ"}
STATUS_CODES = {Status.LOST: 0, Status.WARM_UP: 1, Status.UNSURE: 2, Status.TRACKING: 3}
"""Value of the last channel: how far the sample can be relied on, 3 is best."""
Channel = tuple[str, str, str]
"""Label, type, unit."""


class LslBridge:
    """Publishes an LSL outlet.

    Args:
        address: Address of the kinecast stream. The outlet's identifier is derived from it, this computer's
            name and the tracker's session, so that recorders find the outlet again after a restart of the
            bridge, and never take that of another computer for it.
        markers: Whether to send markers, too; needs a subscription with poses.
        name: Name of the LSL stream.
        allow_network: Must be True, because LSL listens on every network interface without authentication.

    Raises:
        BridgeError: `allow_network` is False.
    """

    def __init__(
        self, address: str, *, markers: bool = False, name: str = STREAM_NAME, allow_network: bool = False
    ) -> None:
        if not allow_network:
            raise BridgeError(
                "LSL listens on every network interface without authentication, and joint angles are "
                "personal data; to allow this, add --allow-network"
            )
        logger.warning("other computers in this network can find and read the LSL stream %r", name)
        self._address, self._name, self._markers = address, name, markers
        self._outlet: pylsl.StreamOutlet | None = None
        self._offset_s = lsl_clock_offset_s()
        self.description = f"LSL stream {name!r} of type {STREAM_TYPE}: angles in degrees, with confidences"

    def meet(self, meta: Meta) -> None:
        """Open the outlet for this skeleton; an open one is closed first."""
        self.close()
        channels = list(channels_of(meta.model, markers=self._markers))
        if not channels:
            raise BridgeError("the stream has no coordinates")
        info = pylsl.StreamInfo(
            self._name,
            STREAM_TYPE,
            len(channels),
            pylsl.IRREGULAR_RATE,
            pylsl.cf_double64,
            source_id(self._address, meta, len(channels)),
        )
        describe(info, channels, meta)
        self._outlet = pylsl.StreamOutlet(info)

    def send(self, sample: AngleSample) -> None:
        """Push one sample with the time of its capture; NaN where undefined."""
        if self._outlet is None:
            raise BridgeError("the outlet is not open")
        values = [sample[name] for name in sample.meta.model.coordinate_names]
        values += sample.message.confidence
        if self._markers:
            if sample.pose is None:
                raise BridgeError("the stream has no markers for this sample")
            values += np.array(sample.pose.marker_m, dtype=np.float64).ravel().tolist()
        values.append(float(STATUS_CODES[sample.status]))
        local_s = (sample.t_capture_ns + sample.clock_offset_ns) * 1e-9
        self._outlet.push_sample(values, local_s + self._offset_s)

    def beat(self, status: StatusMessage | None) -> None:
        """LSL has its own heartbeat."""

    def close(self) -> None:
        """Close the outlet."""
        self._outlet = None


def source_id(address: str, meta: Meta, n_channels: int) -> str:
    """Identifier of an outlet, the same after a restart of the bridge and never that of another computer."""
    key = f"{socket.gethostname()} {address} {meta.session} {meta.model.sha} {n_channels}"
    return f"kinecast-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def channels_of(model: Model, *, markers: bool) -> Iterator[Channel]:
    """Label, type and unit of each channel."""
    for name, unit in zip(model.coordinate_names, model.units, strict=True):
        if unit == "rad":
            yield name, "JointAngle", "degrees"
        else:
            yield name, TRANSLATIONS.get(name[-3:], "Position"), "meters"
    for name in model.coordinate_names:
        yield f"{name}_confidence", "Confidence", "normalized"
    if markers:
        for name in model.marker_names:
            for axis in "XYZ":
                yield f"{name}_{axis}", f"Position{axis}", "meters"
    yield "status", "Status", "code"


def describe(info: pylsl.StreamInfo, channels: list[Channel], meta: Meta) -> None:
    """Write the metadata of XDF's motion capture conventions into a stream's description."""
    description = info.desc()
    written = description.append_child("channels")
    for label, kind, unit in channels:
        channel = written.append_child("channel")
        for field, value in (("label", label), ("type", kind), ("unit", unit)):
            channel.append_child_value(field, xml_text(value))
        if kind.startswith("Position") and label[-2:] in ("_X", "_Y", "_Z"):
            channel.append_child_value("marker", xml_text(label[:-2]))
    acquisition = description.append_child("acquisition")
    acquisition.append_child_value("manufacturer", "kinecast")
    acquisition.append_child_value("model", xml_text(meta.estimator))
    acquisition.append_child_value("compensated_lag", "0")
    settings = acquisition.append_child("settings")
    lag_s = meta.smoothing_lag_s
    for field, value in (
        ("source", meta.source),
        ("skeleton", meta.model.name),
        ("skeleton_sha", meta.model.sha),
        ("nominal_rate", "" if meta.rate_hz is None else f"{meta.rate_hz:g}"),
        ("smoothing_lag", "" if lag_s is None else f"{lag_s:g}"),
    ):
        settings.append_child_value(field, xml_text(value))


def xml_text(text: str) -> str:
    """Text without control characters, which XML cannot represent; LSL escapes the rest."""
    return "".join(c for c in text if c.isprintable())


def lsl_clock_offset_s() -> float:
    """LSL's clock minus `time.perf_counter`, from the fastest of several readings."""
    readings = []
    for _ in range(N_CLOCK_READINGS):
        before_ns = time.perf_counter_ns()
        lsl_s = pylsl.local_clock()
        after_ns = time.perf_counter_ns()
        readings.append((after_ns - before_ns, lsl_s - 0.5e-9 * (before_ns + after_ns)))
    return min(readings)[1]
