"""VMC protocol (OSC over UDP) for humanoid avatars in VSeeFace, Unity, Unreal, Blender and Godot.

For each sample: `/VMC/Ext/OK` 1 3 0 t (loaded, calibrated, normal mode, t = 1 while a person is tracked),
`/VMC/Ext/T` seconds, `/VMC/Ext/Root/Pos` at the origin, and `/VMC/Ext/Bone/Pos` name, position, quaternion
x y z w for each bone, all local, in Unity's axes (see `realtime.bridges.humanoid`). Without a person the
bones are omitted and avatars keep still. Positions other than that of the hips reflect the person's own
proportions: let the receiver synchronise bone rotations, not bone positions, unless the avatar shall take
over these proportions. One bundle holds a sample, and the avatar stands at its origin as the person first
stood.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from realtime.bridges.humanoid import Humanoid
from realtime.bridges.network import LOOPBACK, check_host
from realtime.errors import BridgeError
from realtime.sample import Status
from realtime.stream.angle_sample import AngleSample
from realtime.stream.messages import Ground, Meta, StatusMessage

Array = NDArray[np.float64]

DEFAULT_PORT = 39539
"""Where VMC's receivers ("marionettes") listen."""
FARTHEST_M = 1e4
CALIBRATED, NORMAL_MODE = 3, 0
ROOT = ("root", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


class VmcBridge:
    """Sends to one receiver.

    Args:
        host: Host of the receiver.
        port: Port of the receiver.
        allow_network: Whether `host` may be another computer.

    Raises:
        BridgeError: the host is unknown or not allowed.
    """

    def __init__(
        self, host: str = LOOPBACK, port: int = DEFAULT_PORT, *, allow_network: bool = False
    ) -> None:
        check_host(host, allow_network=allow_network)
        family, *_, target = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._target = target
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._humanoid: Humanoid | None = None
        self._first_ns: int | None = None
        self._centre_m: Array | None = None
        self._ground: Ground | None = None
        self.unheard = 0
        """Number of datagrams refused by the operating system; a missing receiver is no error in UDP."""
        self.description = f"VMC to udp {host}:{port}: rotations of an avatar's bones relative to the T-pose"

    def meet(self, meta: Meta) -> None:
        """Match the skeleton's bodies to bones."""
        try:
            self._humanoid = Humanoid(meta.model.body_names)
        except ValueError as error:
            raise BridgeError(f"the skeleton {meta.model.name} cannot move an avatar: {error}") from error
        self._first_ns = None
        self._centre_m, self._ground = None, None

    def send(self, sample: AngleSample) -> None:
        """Send one sample."""
        if self._first_ns is None or sample.t_capture_ns < self._first_ns:
            self._first_ns = sample.t_capture_ns
        time_s = (sample.t_capture_ns - self._first_ns) * 1e-9
        try:
            self._socket.sendto(bundle(self._messages(sample, time_s)), self._target)
        except OSError:
            self.unheard += 1

    def beat(self, status: StatusMessage | None) -> None:
        """The protocol has no heartbeat."""

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _messages(self, sample: AngleSample, time_s: float) -> list[OscMessage]:
        """Messages of one sample."""
        is_well_tracked = sample.status not in (Status.LOST, Status.UNSURE)
        return [
            message("/VMC/Ext/OK", 1, CALIBRATED, NORMAL_MODE, int(is_well_tracked)),
            message("/VMC/Ext/T", time_s),
            message("/VMC/Ext/Root/Pos", *ROOT),
            *self._bones(sample),
        ]

    def _bones(self, sample: AngleSample) -> Iterator[OscMessage]:
        pose = sample.pose
        if pose is None or self._humanoid is None:
            raise BridgeError("the stream has no poses for this sample")
        joints_m = np.array(pose.joint_centre_m).reshape(-1, 3)
        hips_m = np.array(sample.message.pelvis_position_m)
        quaternion, position_m = self._humanoid.local(
            np.array(pose.body_rotation_wxyz).reshape(-1, 4),
            joints_m,
            hips_m - self._centre(sample, hips_m, joints_m),
        )
        for name, p, q in zip(self._humanoid.names, position_m.tolist(), quaternion.tolist(), strict=True):
            if all(abs(value) < FARTHEST_M for value in (*p, *q)):  # also omits NaN
                yield message("/VMC/Ext/Bone/Pos", name, *p, *q)

    def _centre(self, sample: AngleSample, hips_m: Array, joints_m: Array) -> Array:
        """Origin of the avatar: on the floor, under the person as they first stood. Shape: (3,)."""
        ground = sample.meta.ground
        if self._centre_m is None or ground != self._ground:
            if not np.isfinite(hips_m).all():
                return np.zeros(3)
            floor_m = float(np.nanmin(joints_m[:, 1])) if ground is None else 0.0
            self._centre_m, self._ground = np.array([hips_m[0], floor_m, hips_m[2]]), ground
        return self._centre_m


def message(address: str, *arguments: str | int | float) -> OscMessage:
    """One OSC message; integers are sent as int32, others as float32."""
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return builder.build()


def bundle(messages: list[OscMessage]) -> bytes:
    """All messages of a sample in one bundle, so that receivers never mix two samples."""
    builder = OscBundleBuilder(IMMEDIATELY)
    for part in messages:
        builder.add_content(part)
    return bytes(builder.build().dgram)
