"""The stream as plain JSON over a WebSocket, for browsers and other programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from realtime.bridges.network import LOOPBACK
from realtime.bridges.websocket_server import BroadcastServer
from realtime.stream.angle_sample import AngleSample
from realtime.stream.messages import Meta, StatusMessage
from realtime.stream.to_messages import known

DEFAULT_PORT = 5571


class JsonWebSocketBridge:
    """Sends `meta` to each new client, `angles` for every sample and `status` once a second.

    Args:
        host: Host to listen on.
        port: Port to listen on; 0 takes a free one.
        poses: Whether `angles` includes bodies and markers; needs a subscription with poses.
        origins: Web sites whose pages may connect.
        allow_network: Whether other computers may connect.

    Raises:
        BridgeError: the address cannot be used.
    """

    def __init__(
        self,
        host: str = LOOPBACK,
        port: int = DEFAULT_PORT,
        *,
        poses: bool = False,
        origins: Sequence[str] = (),
        allow_network: bool = False,
    ) -> None:
        self._poses = poses
        self._meta: str | None = None
        self._session = ""
        self.server = BroadcastServer(
            host, port, self._greeting, origins=origins, allow_network=allow_network
        )
        self.description = f"JSON at {self.server.address}: meta, angles in degrees, status"

    def meet(self, meta: Meta) -> None:
        """Send the description of the stream to all clients."""
        self._meta, self._session = json.dumps(meta_record(meta), allow_nan=False), meta.session
        self.server.send(self._meta)

    def send(self, sample: AngleSample) -> None:
        """Send one sample."""
        if sample.meta.session != self._session:
            self.meet(sample.meta)
        self.server.send(json.dumps(sample_record(sample, poses=self._poses), allow_nan=False))

    def beat(self, status: StatusMessage | None) -> None:
        """Send the tracker's heartbeat."""
        if status is not None:
            self.server.send(json.dumps(status_record(status), allow_nan=False))

    def close(self) -> None:
        """Disconnect the clients."""
        self.server.close()

    def _greeting(self) -> list[str]:
        return [] if self._meta is None else [self._meta]


def meta_record(meta: Meta) -> dict[str, Any]:
    """The `meta` message, which a client receives first."""
    model = meta.model
    units = ["deg" if unit == "rad" else unit for unit in model.units]
    return {
        "type": "meta",
        "session": meta.session,
        "coordinates": model.coordinate_names,
        "units": dict(zip(model.coordinate_names, units, strict=True)),
        "skeleton": model.name,
        "skeleton_sha": model.sha,
        "source": meta.source,
        "estimator": meta.estimator,
        "rate_hz": meta.rate_hz,
    }


def sample_record(sample: AngleSample, *, poses: bool = False) -> dict[str, Any]:
    """The `angles` message; `null` where undefined. Wall time is in ms, which JavaScript holds exactly."""
    record = {
        "type": "angles",
        "seq": sample.seq,
        "frame_id": sample.frame_id,
        "t_capture_ns": sample.t_capture_ns,
        "t_wall_ms": sample.t_wall_ns / 1e6,
        "status": sample.status.value,
        "missed": sample.missed,
        "angles": {name: known(sample[name]) for name in sample.keys()},
        "confidence": {name: sample.confidence_of(name) for name in sample.keys()},
        "pelvic_angles": {name: known(angle) for name, angle in sample.pelvic_angles_deg.items()},
        "pelvis_position_m": [known(value) for value in sample.message.pelvis_position_m],
    }
    pose, model = sample.pose, sample.meta.model
    if poses and pose is not None:
        record["bodies"] = {
            name: {"position_m": [known(v) for v in p], "rotation_wxyz": [known(v) for v in r]}
            for name, p, r in zip(
                model.body_names, pose.body_position_m, pose.body_rotation_wxyz, strict=True
            )
        }
        markers = zip(model.marker_names, pose.marker_m, strict=True)
        record["markers_m"] = {name: [known(v) for v in p] for name, p in markers}
    return record


def status_record(status: StatusMessage) -> dict[str, Any]:
    """The `status` message: the tracker's heartbeat."""
    return {
        "type": "status",
        "status": status.status.value,
        "fps": status.fps,
        "latency_ms": status.latency_ms,
        "dropped_frames": status.dropped_frames,
        "lost_frames": status.lost_frames,
        "note": status.note,
    }
