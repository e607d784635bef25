"""The VRChat bridge: an OSC server hears trackers where the body is, turned as Unity has it."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle import OscBundle
from scipy.spatial.transform import Rotation

from realtime import cli
from realtime.bridges.vrchat import TRACKERS, VrchatBridge, unity_euler_deg
from realtime.sample import PoseSample, Status
from realtime.stream.angle_sample import AngleSample
from realtime.stream.to_messages import Envelope, angles_of, meta_of, model_of, pose_of, root_of
from tests.support.bridging import SKELETON, pose
from tests.support.poses import lost_sample

SESSION = "00000000-0000-4000-8000-000000000000"
HALF_TURN = st.floats(-np.pi, np.pi)


def heard(*samples: PoseSample) -> list[dict[str, list[float]]]:
    """What a receiver hears of each sample: address -> values."""
    meta = meta_of(SESSION, model_of(SKELETON))
    index = {name: k for k, name in enumerate(SKELETON.coordinate_names)}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10.0)
        bridge = VrchatBridge(port=receiver.getsockname()[1])
        bridge.meet(meta)
        found = []
        for k, sample in enumerate(samples):
            envelope = Envelope(SESSION, k, time.perf_counter_ns())
            angles = angles_of(sample, envelope, root_of(SKELETON))
            bridge.send(AngleSample(angles, meta, pose_of(sample, envelope, SKELETON), 0, 0, 0, index))
            content = list(OscBundle(receiver.recv(65536)))
            found.append({m.address: m.params for m in content})  # type: ignore[union-attr]
        bridge.close()
    return found


def centre_m(sample: PoseSample, body: str) -> np.ndarray:
    return sample.T_ground_body[SKELETON.body_index(body), :3, 3]


def test_trackers_are_where_the_joints_are():
    first, second = pose(knee_angle_r=60.0), pose(knee_angle_r=60.0, pelvis_rotation=90.0, hip_flexion_l=40.0)
    trackers = heard(first, second)[1]
    assert set(trackers) == {
        f"/tracking/trackers/{n}/{w}" for n in TRACKERS.values() for w in ("position", "rotation")
    }
    for bone, body in (("LeftLowerLeg", "tibia_l"), ("RightFoot", "talus_r"), ("RightLowerArm", "radius_r")):
        between_m = centre_m(second, body) - centre_m(second, "tibia_r")
        knee = np.array(trackers["/tracking/trackers/5/position"])
        sent = np.array(trackers[f"/tracking/trackers/{TRACKERS[bone]}/position"]) - knee
        np.testing.assert_allclose(sent, between_m[[2, 1, 0]], atol=1e-5)  # X right, Y up, Z forward
    # Turned to the left, seen from above: about -Y in Unity's axes.
    np.testing.assert_allclose(trackers["/tracking/trackers/1/rotation"], [0.0, -90.0, 0.0], atol=1e-3)
    assert (
        trackers["/tracking/trackers/head/position"][1] > trackers["/tracking/trackers/1/position"][1] > 0.5
    )


def test_nobody_and_doubt_send_nothing():
    assert heard(lost_sample(SKELETON), replace(pose(), status=Status.UNSURE)) == [{}, {}]


@given(HALF_TURN, HALF_TURN, HALF_TURN)
def test_euler_angles_are_those_of_unity(x: float, y: float, z: float):
    R = Rotation.from_euler("YXZ", [y, x, z]).as_matrix()
    x_deg, y_deg, z_deg = unity_euler_deg(R)
    again = Rotation.from_euler("YXZ", [y_deg, x_deg, z_deg], degrees=True).as_matrix()
    np.testing.assert_allclose(again, R, atol=1e-6)


def test_other_computers_only_on_request(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["bridge", "vrchat", "--host", "192.0.2.1", "--count", "1"]) == 2
    assert "--allow-network" in capsys.readouterr().err
