"""The VMC bridge: an OSC server hears it, and an avatar in Unity's axes does what the person does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer
from scipy.spatial.transform import Rotation

from calib.kinematics import body_transforms
from realtime.bridges.humanoid import BONES, Humanoid, rest_rotation
from realtime.bridges.vmc import LONGEST_DATAGRAM_BYTES, VmcBridge, bundles, message
from realtime.errors import BridgeError
from realtime.sample import PoseSample
from realtime.stream.to_messages import Envelope, pose_of
from tests.support.bridging import SKELETON, bridged, new_publisher, pose, publish_until
from tests.support.poses import lost_sample

HALF = np.sqrt(0.5)
PARENT = {bone.name: bone.parent for bone in BONES}
T_POSE_DEG = {
    f"{name}_{side}": angle for side in "rl" for name, angle in (("arm_add", -90.0), ("pro_sup", 90.0))
}


def bones(sample: PoseSample) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Bone -> quaternion x, y, z, w and position."""
    sent = pose_of(sample, Envelope("", 0, 0), SKELETON)
    humanoid = Humanoid(list(SKELETON.body_names))
    hips_m = sample.T_ground_body[SKELETON.body_index("pelvis"), :3, 3]
    quaternion, position = humanoid.local(
        np.array(sent.body_rotation_wxyz), np.array(sent.joint_centre_m), hips_m
    )
    return {name: (q, p) for name, q, p in zip(humanoid.names, quaternion, position, strict=True)}


def turned(name: str, **angles_deg: float) -> np.ndarray:
    """The quaternion of one bone in a pose that differs from the T-pose by some angles."""
    q = bones(pose(**(T_POSE_DEG | angles_deg)))[name][0]
    return q if q[3] >= 0 else -q


def test_the_t_pose_is_rest():
    for name, (q, _) in bones(pose(**T_POSE_DEG)).items():
        angle_deg = np.degrees(2.0 * np.arccos(min(1.0, abs(q[3]))))
        assert angle_deg < (6.0 if "Lower" in name and "Arm" in name else 0.01), name


@pytest.mark.parametrize(
    ("bone", "angles_deg", "xyzw"),
    [
        # Unity: X right, Y up, Z forward. A bent knee takes the foot back: a turn about +X.
        ("RightLowerLeg", {"knee_angle_r": 90.0}, (HALF, 0.0, 0.0, HALF)),
        ("LeftLowerLeg", {"knee_angle_l": 90.0}, (HALF, 0.0, 0.0, HALF)),
        # A raised thigh goes forward: about -X.
        ("RightUpperLeg", {"hip_flexion_r": 90.0}, (-HALF, 0.0, 0.0, HALF)),
        # The person turns to the left: about -Y.
        ("Hips", {"pelvis_rotation": 90.0}, (0.0, -HALF, 0.0, HALF)),
        # From the T-pose a bent elbow takes the hand forward: right about -Y, left about +Y.
        ("RightLowerArm", {"elbow_flex_r": 90.0}, (0.0, -HALF, 0.0, HALF)),
        ("LeftLowerArm", {"elbow_flex_l": 90.0}, (0.0, HALF, 0.0, HALF)),
        # Arms that hang: the right arm turns from +X to -Y, about -Z; the left about +Z.
        ("RightUpperArm", {"arm_add_r": 0.0}, (0.0, 0.0, -HALF, HALF)),
        ("LeftUpperArm", {"arm_add_l": 0.0}, (0.0, 0.0, HALF, HALF)),
        # Toes up: about -X.
        (
            "RightFoot",
            {"ankle_angle_r": 20.0},
            (-np.sin(np.radians(10.0)), 0.0, 0.0, np.cos(np.radians(10.0))),
        ),
    ],
)
def test_known_poses_turn_the_right_bone_about_the_right_axis(
    bone: str, angles_deg: dict[str, float], xyzw: tuple[float, ...]
):
    is_tilted = any(word in bone for word in ("LowerLeg", "LowerArm", "Foot"))  # anatomical axes
    tolerance = 0.2 if is_tilted else 1e-6
    np.testing.assert_allclose(turned(bone, **angles_deg), xyzw, atol=tolerance)


def unity(p: np.ndarray) -> np.ndarray:
    """X forward, Y up, Z right to X right, Y up, Z forward."""
    return np.array([p[2], p[1], p[0]])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_an_avatar_with_the_persons_proportions_ends_up_where_the_person_is(seed: int):
    """Joints of an avatar in its T-pose, moved by the quaternions alone, land on the person's joints."""
    rng = np.random.default_rng(seed)
    angles_deg = {
        name: float(rng.uniform(-25.0, 60.0))
        for name in SKELETON.coordinate_names
        if not name.endswith(("_tx", "_ty", "_tz")) and not name.startswith(("wrist", "subtalar"))
    }
    sample, rest = pose(**angles_deg), pose(**T_POSE_DEG)
    origin = {bone.name: SKELETON.body_index(bone.pivot or bone.body) for bone in BONES}
    found, placed, turn = bones(sample), {}, {}
    for name, (q, p) in found.items():
        parent, at = PARENT[name], sample.T_ground_body[origin[name], :3, 3]
        if not parent:
            placed[name], turn[name] = unity(at), Rotation.from_quat(q)
            np.testing.assert_allclose(p, unity(at), atol=1e-9)
            continue
        resting = unity(rest.T_ground_body[origin[name], :3, 3] - rest.T_ground_body[origin[parent], :3, 3])
        placed[name] = placed[parent] + turn[parent].apply(resting)
        turn[name] = turn[parent] * Rotation.from_quat(q)
        # The radius starts beside the elbow's axis, and its own axis is tilted.
        slack = 0.06 if "LowerArm" in name or "Hand" in name else 1e-6
        np.testing.assert_allclose(placed[name], unity(at), atol=slack, err_msg=name)


def test_the_rest_rotations_are_those_of_the_skeleton():
    rest = pose(**T_POSE_DEG)
    for bone in BONES:
        expected = body_transforms(SKELETON, rest.q)[SKELETON.body_index(bone.body), :3, :3]
        apart = Rotation.from_matrix(rest_rotation(bone.body).T @ expected).magnitude()
        assert np.degrees(apart) < 5.5, bone.name


class Ears:
    """An OSC server of another library."""

    def __init__(self) -> None:
        dispatcher = Dispatcher()
        dispatcher.set_default_handler(self._hear)
        self.heard: list[tuple[str, tuple]] = []
        self.server = BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
        self.port = self.server.server_address[1]

    def _hear(self, address: str, *arguments: object) -> None:
        self.heard.append((address, arguments))

    def last(self, address: str, first: object = None) -> tuple | None:
        found = [a for named, a in self.heard if named == address and first in (None, *a[:1])]
        return found[-1] if found else None


@contextmanager
def ears() -> Iterator[Ears]:
    listening = Ears()
    thread = threading.Thread(target=listening.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield listening
    finally:
        listening.server.shutdown()
        thread.join(10.0)
        listening.server.server_close()


def test_an_osc_server_hears_the_persons_knee():
    with ears() as heard, new_publisher() as publisher:
        with bridged(VmcBridge(port=heard.port), publisher.address):
            publish_until(
                publisher,
                lambda k: pose(k, knee_angle_r=90.0),
                lambda: heard.last("/VMC/Ext/Bone/Pos", "RightToes") is not None,
            )
            knee = heard.last("/VMC/Ext/Bone/Pos", "RightLowerLeg")
            np.testing.assert_allclose(knee[4:], turned("RightLowerLeg", knee_angle_r=90.0), atol=1e-6)
            np.testing.assert_allclose(knee[1:4], (0.0, -0.42875, 0.0), atol=1e-6)
            assert heard.last("/VMC/Ext/OK") == (1, 3, 0, 1)
            assert heard.last("/VMC/Ext/Root/Pos") == ("root", 0, 0, 0, 0, 0, 0, 1)
            assert heard.last("/VMC/Ext/T")[0] >= 0.0
            n_bones = sum(address == "/VMC/Ext/Bone/Pos" for address, _ in heard.heard)
            publish_until(
                publisher,
                lambda k: lost_sample(SKELETON, k, t_capture_ns=10**18),
                lambda: heard.last("/VMC/Ext/OK") == (1, 3, 0, 0),
            )
            heard.heard.clear()
            publisher.send(lost_sample(SKELETON, 1, t_capture_ns=10**18 + 1))
            assert n_bones and heard.last("/VMC/Ext/Bone/Pos") is None


def test_datagrams_stay_whole_on_any_network():
    messages = [message("/VMC/Ext/Bone/Pos", f"Bone{k}", *range(7)) for k in range(60)]
    datagrams = list(bundles(messages))
    assert len(datagrams) > 1 and all(len(d) <= LONGEST_DATAGRAM_BYTES for d in datagrams)
    assert sum(d.count(b"/VMC/Ext/Bone/Pos\0") for d in datagrams) == 60


def test_other_computers_need_an_explicit_yes(caplog: pytest.LogCaptureFixture):
    with pytest.raises(BridgeError, match="--allow-network"):
        VmcBridge("192.0.2.1")
    VmcBridge("192.0.2.1", allow_network=True).close()
    assert "other computers" in caplog.text
    with pytest.raises(BridgeError, match="not a host name or address"):
        VmcBridge("no such host.invalid")
