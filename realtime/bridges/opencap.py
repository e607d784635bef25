"""The OpenCap Visualizer's "Live IK Stream": body poses in ground, as JSON over a WebSocket.

A client receives one `init` message (bodies, their meshes from the visualizer's own LaiArnold set, and their
scale) and a `frame` for every sample: for each body a translation in m and a rotation as body-fixed X-Y-Z
angles in rad, in OpenSim's ground. Body frames are those of OpenSim's Rajagopal and Lai-Uhlrich models.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.bridges.network import LOOPBACK
from realtime.bridges.websocket_server import BroadcastServer
from realtime.errors import BridgeError
from realtime.geometry import rotation_matrices
from realtime.stream.angle_sample import AngleSample
from realtime.stream.messages import Meta, Pose, StatusMessage

Array = NDArray[np.float64]

DEFAULT_PORT = 8765
ORIGINS = ("https://visualizer.opencap.ai", "https://opencap-visualizer.onrender.com")
SUBJECT = "kinecast"
MESH_SET = "LaiArnold"
NEW_SCALE = 0.03
"""Relative change of the subject's size after which clients reload their meshes."""

_FINGERS = ("index", "middle", "ring", "little")
_HAND = (
    *("pisiform", "lunate", "scaphoid", "triquetrum", "hamate", "capitate", "trapezoid", "trapezium"),
    *(f"metacarpal{k}" for k in range(1, 6)),
    *(f"{finger}_{part}" for finger in _FINGERS for part in ("proximal", "medial", "distal")),
    *("thumb_proximal", "thumb_distal"),
)


@dataclass(frozen=True, slots=True)
class MeshSegment:
    """Meshes of one body, and a length that determines its scale."""

    meshes: tuple[str, ...]
    ends: tuple[str, str]
    """Bodies whose origins are `length_m` apart in the unscaled model; their distance gives the scale."""
    length_m: float


def _limb(side: str) -> dict[str, MeshSegment]:
    thigh = MeshSegment((f"{side}_femur.vtp",), (f"femur_{side}", f"tibia_{side}"), 0.4061)
    shank_meshes = (f"{side}_tibia.vtp", f"{side}_fibula.vtp")
    foot = (f"calcn_{side}", f"toes_{side}"), 0.1788
    forearm = (f"radius_{side}", f"hand_{side}"), 0.2363
    return {
        f"femur_{side}": thigh,
        f"tibia_{side}": MeshSegment(shank_meshes, (f"tibia_{side}", f"talus_{side}"), 0.4001),
        f"talus_{side}": MeshSegment((f"{side}_talus.vtp",), *foot),
        f"calcn_{side}": MeshSegment((f"{side}_foot.vtp",), *foot),
        f"toes_{side}": MeshSegment((f"{side}_bofoot.vtp",), *foot),
        f"humerus_{side}": MeshSegment(
            (f"humerus_{side}v.vtp",), (f"humerus_{side}", f"ulna_{side}"), 0.2868
        ),
        f"ulna_{side}": MeshSegment((f"ulna_{side}v.vtp",), *forearm),
        f"radius_{side}": MeshSegment((f"radius_{side}v.vtp",), *forearm),
        f"hand_{side}": MeshSegment(tuple(f"{bone}_{side}vs.vtp" for bone in _HAND), *forearm),
    }


SEGMENTS = {
    "pelvis": MeshSegment(("r_pelvis.vtp", "l_pelvis.vtp", "sacrum.vtp"), ("femur_r", "femur_l"), 0.1546),
    "torso": MeshSegment(
        ("hat_spine.vtp", "hat_jaw.vtp", "hat_skull.vtp", "hat_ribs_scap.vtp"), ("torso", "humerus_r"), 0.4085
    ),
    **_limb("r"),
    **_limb("l"),
}
"""Body -> its meshes in the visualizer. The head is part of the torso there, so nods are not visible."""


class OpencapBridge:
    """Serves the OpenCap Visualizer.

    Args:
        host: Host to listen on.
        port: Port to listen on; the visualizer suggests 8765; 0 takes a free one.
        origins: Further web sites whose pages may connect.
        allow_network: Whether other computers may connect.

    Raises:
        BridgeError: the address cannot be used.
    """

    def __init__(
        self,
        host: str = LOOPBACK,
        port: int = DEFAULT_PORT,
        *,
        origins: Sequence[str] = (),
        allow_network: bool = False,
    ) -> None:
        self._bodies: dict[str, int] = {}
        self._rate_hz = 30.0
        self._first_ns: int | None = None
        self._scales: dict[str, float] = {}
        self._init: str | None = None
        self.server = BroadcastServer(
            host, port, self._greeting, origins=(*ORIGINS, *origins), allow_network=allow_network
        )
        self.description = (
            f"bodies for the OpenCap Visualizer at {self.server.address}: open its Live IK Stream panel, "
            "connect to that address, press Play"
        )

    def meet(self, meta: Meta) -> None:
        """Find the bodies for which the visualizer has meshes."""
        names = meta.model.body_names
        self._bodies = {name: names.index(name) for name in SEGMENTS if name in names}
        if not self._bodies:
            raise BridgeError(f"the skeleton {meta.model.name} has no body that the visualizer knows")
        self._rate_hz, self._scales, self._first_ns = meta.rate_hz or 30.0, {}, None

    def send(self, sample: AngleSample) -> None:
        """Send one pose; samples without a person are omitted."""
        pose = sample.pose
        if pose is None:
            raise BridgeError("the stream has no poses for this sample")
        index = list(self._bodies.values())
        p = np.array(pose.body_position_m, dtype=np.float64).reshape(-1, 3)[index]
        angles = body_fixed_xyz(rotation_matrices(np.array(pose.body_rotation_wxyz).reshape(-1, 4)[index]))
        if not (np.isfinite(p).all() and np.isfinite(angles).all()):
            return
        self._rescale(pose)
        if self._first_ns is None or sample.t_capture_ns < self._first_ns:
            self._first_ns = sample.t_capture_ns
        bodies = {
            name: {"rotation": rotation, "translation": translation}
            for name, rotation, translation in zip(self._bodies, angles.tolist(), p.tolist(), strict=True)
        }
        stream = {"time": (sample.t_capture_ns - self._first_ns) * 1e-9, "bodies": bodies}
        self.server.send(json.dumps({"type": "frame", "streams": {SUBJECT: stream}}))

    def beat(self, status: StatusMessage | None) -> None:
        """The visualizer needs no heartbeat."""

    def close(self) -> None:
        """Disconnect the clients."""
        self.server.close()

    def _greeting(self) -> list[str]:
        return [] if self._init is None else [self._init]

    def _rescale(self, pose: Pose) -> None:
        """Send the meshes' scale when the subject's size becomes known or changes."""
        scales = {}
        for name in self._bodies:
            segment = SEGMENTS[name]
            ends = [pose.body_position_m[self._bodies[end]] for end in segment.ends if end in self._bodies]
            length_m = math.dist(*ends) if len(ends) == 2 else 0.0
            scales[name] = length_m / segment.length_m if length_m > 0.0 else 1.0
        if self._scales and all(abs(scales[n] / self._scales[n] - 1.0) < NEW_SCALE for n in scales):
            return
        self._scales = scales
        self._init = json.dumps(init_record(scales, self._rate_hz))
        self.server.send(self._init)


def init_record(scales: dict[str, float], rate_hz: float) -> dict[str, Any]:
    """The `init` message, which a client receives first.

    Args:
        scales: Body -> size relative to the unscaled meshes.
        rate_hz: Frame rate.
    """
    bodies = {
        name: {"attachedGeometries": list(SEGMENTS[name].meshes), "scaleFactors": [scale] * 3}
        for name, scale in scales.items()
    }
    subject = {"id": SUBJECT, "label": SUBJECT, "bodies": bodies, "model": MESH_SET}
    return {"type": "init", "frameRate": rate_hz, "subjects": [subject], "bodies": bodies}


def body_fixed_xyz(R: Array) -> Array:
    """Angles a, b, c in rad with R = Rx(a) Ry(b) Rz(c); c is 0 where b is a right angle.

    Args:
        R: Rotation matrices. Shape: (n, 3, 3).

    Returns:
        The angles. Shape: (n, 3).
    """
    b = np.arcsin(np.clip(R[:, 0, 2], -1.0, 1.0))
    is_locked = np.abs(R[:, 0, 2]) > 1.0 - 1e-12
    a = np.where(is_locked, np.arctan2(R[:, 2, 1], R[:, 1, 1]), np.arctan2(-R[:, 1, 2], R[:, 2, 2]))
    c = np.where(is_locked, 0.0, np.arctan2(-R[:, 0, 1], R[:, 0, 0]))
    return np.stack([a, b, c], axis=1)
