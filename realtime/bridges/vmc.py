"""VMC protocol (OSC over UDP) for humanoid avatars in VSeeFace, Unity, Unreal, Blender and Godot.

For each sample: `/VMC/Ext/OK` 1 3 0 t (loaded, calibrated, normal mode, t = 1 while a person is tracked),
`/VMC/Ext/T` seconds, `/VMC/Ext/Root/Pos` at the origin, and `/VMC/Ext/Bone/Pos` name, position, quaternion
x y z w for each bone, all local, in Unity's axes (see `realtime.bridges.humanoid`). Without a person the
bones are omitted and avatars keep still. Positions other than that of the hips reflect the person's own
proportions: let the receiver synchronise bone rotations, not bone positions, unless the avatar shall take
over these proportions.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from realtime.bridges.humanoid import Humanoid
from realtime.bridges.network import LOOPBACK, check_host
from realtime.errors import BridgeError
from realtime.sample import Status
from realtime.stream.angle_sample import AngleSample
from realtime.stream.messages import Meta, StatusMessage

DEFAULT_PORT = 39539
"""Where VMC's receivers ("marionettes") listen."""
LONGEST_DATAGRAM_BYTES = 1400
"""Longest datagram, below the size at which networks split them."""
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

    def send(self, sample: AngleSample) -> None:
        """Send one sample."""
        if self._first_ns is None or sample.t_capture_ns < self._first_ns:
            self._first_ns = sample.t_capture_ns
        time_s = (sample.t_capture_ns - self._first_ns) * 1e-9
        messages = [
            message("/VMC/Ext/OK", 1, CALIBRATED, NORMAL_MODE, int(sample.status is not Status.LOST)),
            message("/VMC/Ext/T", time_s),
            message("/VMC/Ext/Root/Pos", *ROOT),
            *self._bones(sample),
        ]
        for datagram in bundles(messages):
            try:
                self._socket.sendto(datagram, self._target)
            except OSError:
                self.unheard += 1

    def beat(self, status: StatusMessage | None) -> None:
        """The protocol has no heartbeat."""

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _bones(self, sample: AngleSample) -> Iterator[OscMessage]:
        pose = sample.pose
        if pose is None or self._humanoid is None:
            raise BridgeError("the stream has no poses for this sample")
        quaternion, position_m = self._humanoid.local(
            np.array(pose.body_rotation_wxyz).reshape(-1, 4),
            np.array(pose.joint_centre_m).reshape(-1, 3),
            np.array(sample.message.pelvis_position_m),
        )
        for name, p, q in zip(self._humanoid.names, position_m.tolist(), quaternion.tolist(), strict=True):
            if all(abs(value) < FARTHEST_M for value in (*p, *q)):  # also omits NaN
                yield message("/VMC/Ext/Bone/Pos", name, *p, *q)


def message(address: str, *arguments: str | int | float) -> OscMessage:
    """One OSC message; integers are sent as int32, others as float32."""
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return builder.build()


def bundles(messages: list[OscMessage]) -> Iterator[bytes]:
    """Pack the messages into as few datagrams as possible."""
    builder, size = OscBundleBuilder(IMMEDIATELY), 16
    for part in messages:
        if size + part.size + 4 > LONGEST_DATAGRAM_BYTES:
            yield builder.build().dgram
            builder, size = OscBundleBuilder(IMMEDIATELY), 16
        builder.add_content(part)
        size += part.size + 4
    yield builder.build().dgram
