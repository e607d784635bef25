"""The VMC bridge: an OSC server hears it, and an avatar in Unity's axes does what the person does."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_server import BlockingOSCUDPServer
from scipy.spatial.transform import Rotation

from calib.camera import CameraCalibration
from calib.coordinates import PELVIS_TRANSLATIONS
from calib.kinematics import body_transforms
from realtime.bridges.humanoid import BONES, Humanoid, rest_rotation
from realtime.bridges.vmc import VmcBridge, bundle, message
from realtime.errors import BridgeError
from realtime.sample import PoseSample, SampleGround, Status
from realtime.stream.angle_sample import AngleSample
from realtime.stream.to_messages import Envelope, angles_of, in_ground, meta_of, model_of, pose_of
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


def pivot_m(name: str, sample: PoseSample) -> np.ndarray:
    """Position of a bone's pivot in ground; those between two joints move with the trunk."""
    bone = next(bone for bone in BONES if bone.name == name)
    T = sample.T_ground_body
    if not bone.toward:
        return T[SKELETON.body_index(bone.pivot or bone.body), :3, 3]
    start, end = (T[SKELETON.body_index(body), :3, 3] for body in (bone.pivot or bone.body, bone.toward))
    return start + bone.share * (end - start)


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
    found, placed, turn = bones(sample), {}, {}
    for name, (q, p) in found.items():
        parent, at = PARENT[name], pivot_m(name, sample)
        if not parent:
            placed[name], turn[name] = unity(at), Rotation.from_quat(q)
            np.testing.assert_allclose(p, unity(at), atol=1e-9)
            continue
        resting = unity(pivot_m(name, rest) - pivot_m(parent, rest))
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
            publish_until(
                publisher,
                lambda k: replace(pose(k), status=Status.UNSURE),
                lambda: heard.last("/VMC/Ext/OK") == (1, 3, 0, 0),
            )
            assert heard.last("/VMC/Ext/Bone/Pos", "RightToes") is not None
            n_bones = sum(address == "/VMC/Ext/Bone/Pos" for address, _ in heard.heard)
            publish_until(
                publisher,
                lambda k: lost_sample(SKELETON, k, t_capture_ns=10**18),
                lambda: heard.last("/VMC/Ext/OK") == (1, 3, 0, 0),
            )
            heard.heard.clear()
            publisher.send(lost_sample(SKELETON, 1, t_capture_ns=10**18 + 1))
            assert n_bones and heard.last("/VMC/Ext/Bone/Pos") is None


def test_a_sample_is_one_bundle():
    messages = [message("/VMC/Ext/Bone/Pos", f"Bone{k}", *range(7)) for k in range(60)]
    read = OscBundle(bundle(messages))
    assert [part.params[0] for part in read] == [f"Bone{k}" for k in range(60)]


def test_a_whole_sample_arrives_in_one_datagram():
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(5.0)
    sender = VmcBridge(port=receiver.getsockname()[1])
    heard = heard_sample(pose(**T_POSE_DEG))
    sender.meet(heard.meta)
    sender.send(heard)
    read = OscBundle(receiver.recv(65535))
    sent = [part.params[0] for part in read if part.address == "/VMC/Ext/Bone/Pos"]
    assert sent == [bone.name for bone in BONES]
    assert {"Chest", "UpperChest", "LeftShoulder", "RightShoulder"} < set(sent)
    sender.close()
    receiver.close()


@pytest.mark.parametrize("has_ground", [False, True])
def test_the_avatar_stands_at_its_origin(has_ground: bool):
    """The person stands 4 m away, in a ground whose floor is 1.4 m lower, or on its floor."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(5.0)
    sender = VmcBridge(port=receiver.getsockname()[1])
    places = [(4.0, -0.4, 1.0), (4.5, -0.4, 1.0)]
    if has_ground:
        places = [(x, y + 1.4, z) for x, y, z in places]
    hips = []
    for k, (x, y, z) in enumerate(places):
        position = dict(zip(PELVIS_TRANSLATIONS, np.degrees([x, y, z]), strict=True))  # `pose` takes degrees
        heard = heard_sample(pose(k, **position), has_ground=has_ground)
        if not k:
            sender.meet(heard.meta)
        sender.send(heard)
        read = OscBundle(receiver.recv(65535))
        hips.append(next(part.params[1:4] for part in read if part.params[0] == "Hips"))
    sender.close()
    receiver.close()
    np.testing.assert_allclose(hips[0], (0.0, 1.0, 0.0), atol=0.06)
    np.testing.assert_allclose(np.subtract(hips[1], hips[0]), (0.0, 0.0, 0.5), atol=1e-5)


def heard_sample(sample: PoseSample, *, has_ground: bool = False) -> AngleSample:
    """A sample as a subscriber receives it."""
    envelope = Envelope(str(uuid.uuid4()), 0, 0)
    meta = meta_of(envelope.session, model_of(SKELETON), CameraCalibration.assumed(64, 48))
    if has_ground:
        meta = in_ground(meta, SampleGround(np.eye(4), "person", "person", "feet", is_settled=True))
    angles, sent = angles_of(sample, envelope), pose_of(sample, envelope, SKELETON)
    return AngleSample(angles, meta, sent, 0, 0, 0, {})


def test_other_computers_need_an_explicit_yes(caplog: pytest.LogCaptureFixture):
    with pytest.raises(BridgeError, match="--allow-network"):
        VmcBridge("192.0.2.1")
    VmcBridge("192.0.2.1", allow_network=True).close()
    assert "other computers" in caplog.text
    with pytest.raises(BridgeError, match="not a host name or address"):
        VmcBridge("no such host.invalid")
