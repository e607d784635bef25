"""OSC trackers of VRChat: eight points of the body, and the head to align them with the headset.

`/tracking/trackers/1/position` to `/8/position` have x, y, z in m, `/rotation` Euler angles in degrees that
Unity applies in the order z, x, y; all in Unity's axes (X right, Y up, Z forward) and the person's own size.
Rotations count from the T-pose. The same of `/tracking/trackers/head` lets VRChat put them where the headset
is. Without a person, or while the skeleton does not fit the image, nothing is sent, and VRChat holds the
trackers.

Source: docs.vrchat.com, "OSC Trackers".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pythonosc.osc_message import OscMessage

from realtime.bridges.humanoid import P_UNITY
from realtime.bridges.network import LOOPBACK
from realtime.bridges.vmc import FARTHEST_M, VmcBridge, message
from realtime.errors import BridgeError
from realtime.sample import Status
from realtime.stream.angle_sample import AngleSample

Array = NDArray[np.float64]

DEFAULT_PORT = 9000
"""Where VRChat listens."""
TRACKERS = {
    "Hips": "1", "Chest": "2", "RightFoot": "3", "LeftFoot": "4", "RightLowerLeg": "5", "LeftLowerLeg": "6",
    "RightLowerArm": "7", "LeftLowerArm": "8", "Head": "head",
}  # fmt: skip
"""Bone -> name of its tracker; knees and elbows are where their lower bones begin."""


class VrchatBridge(VmcBridge):
    """Sends to one VRChat.

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
        super().__init__(host, port, allow_network=allow_network)
        self.description = f"OSC trackers of VRChat to udp {host}:{port}"

    def _messages(self, sample: AngleSample, time_s: float) -> list[OscMessage]:
        """Position and rotation of each tracker."""
        pose = sample.pose
        if pose is None or self._humanoid is None:
            raise BridgeError("the stream has no poses for this sample")
        if sample.status in (Status.LOST, Status.UNSURE):
            return []
        joints_m = np.array(pose.joint_centre_m).reshape(-1, 3)
        hips_m = np.array(sample.message.pelvis_position_m)
        origin = self._centre(sample, hips_m, joints_m) @ P_UNITY
        R, p = self._humanoid.world(np.array(pose.body_rotation_wxyz).reshape(-1, 4), joints_m)
        messages = []
        for k, bone in enumerate(self._humanoid.names):
            values = [*(p[k] - origin).tolist(), *unity_euler_deg(R[k])]
            if bone in TRACKERS and all(abs(value) < FARTHEST_M for value in values):  # also omits NaN
                address = f"/tracking/trackers/{TRACKERS[bone]}"
                messages.append(message(f"{address}/position", *values[:3]))
                messages.append(message(f"{address}/rotation", *values[3:]))
        return messages


def unity_euler_deg(R: Array) -> tuple[float, float, float]:
    """Angles x, y, z in degrees of R = Ry Rx Rz, as in Unity's `Quaternion.Euler`.

    Args:
        R: Rotation matrix. Shape: (3, 3).
    """
    x = np.arcsin(np.clip(-R[1, 2], -1.0, 1.0))
    y, z = np.arctan2(R[0, 2], R[2, 2]), np.arctan2(R[1, 0], R[1, 1])
    x_deg, y_deg, z_deg = np.degrees([x, y, z]).tolist()
    return x_deg, y_deg, z_deg
