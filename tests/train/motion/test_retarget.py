"""Readers of captured motion, and following it with the skeleton."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.kinematics import body_transforms, joint_centres
from calib.skeleton import Skeleton, load_skeleton
from train.errors import TrainError
from train.motion.captured import collect, is_plausible, load_captured, read_opensim, save_captured
from train.motion.floor import Floor
from train.motion.library import MotionLibrary
from train.motion.mocap_files import (
    Capture,
    quaternions,
    read_amc,
    read_asf,
    read_deepmimic,
    read_expmap,
    rotation_vectors,
)
from train.motion.motion import Motion
from train.motion.retarget import _BODY_OF_JOINT, Retargeter, face_forward

UNIT_M = 0.0254 / 0.45

ASF = """
:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name rfemur
     direction 0 -1 0
     length 8
     axis 0 0 90 XYZ
    dof rx
    limits (-160 20)
  end
  begin
     id 2
     name rtibia
     direction 0 -1 0
     length 7
     axis 0 0 0 XYZ
  end
  begin
     id 3
     name rfoot
     direction 0 0 1
     length 2
     axis 0 0 0 XYZ
  end
:hierarchy
  begin
    root rfemur
    rfemur rtibia
    rtibia rfoot
  end
"""
AMC = """#!OML:ASF
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 90 0
rfemur 0
2
root 1 2 3 0 0 0
rfemur 90
"""


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_acclaim_bones_begin_where_their_parents_end(tmp_path: Path) -> None:
    asf = read_asf(written(tmp_path, "01.asf", ASF))
    capture = read_amc(written(tmp_path, "01_01.amc", AMC), asf)
    assert capture.joint_names == ("root", "rfemur", "rtibia", "rfoot")
    # CMU's X is left, Z forward; ours X forward, Z right.
    root = np.array([3.0, 2.0, -1.0]) * UNIT_M
    np.testing.assert_allclose(
        capture.p_m[0], root + np.array([[0, 0, 0], [0, 0, 0], [0, -8, 0], [0, -15, 0]]) * UNIT_M
    )
    np.testing.assert_allclose(capture.p_known_m[3], np.array([0, -15, 0]) * UNIT_M, atol=1e-12)
    # Turned left by 90 degrees: the front of the root looks along CMU's +X, our -Z.
    np.testing.assert_allclose(capture.R[0, 0] @ [1, 0, 0], [0, 0, -1], atol=1e-12)
    # The femur's own x axis lies along CMU's Y: 90 degrees about it leave the leg hanging, but turned.
    np.testing.assert_allclose(capture.p_m[1, 3], root + np.array([0, -15, 0]) * UNIT_M, atol=1e-12)
    np.testing.assert_allclose(capture.R[1, 1] @ [1, 0, 0], [0, 0, -1], atol=1e-12)


def test_exponential_maps_of_the_known_pose_stand_with_arms_out(tmp_path: Path) -> None:
    row = np.zeros(117)
    row[3 + 3 * 2 + 2], row[3 + 3 * 8 + 2] = 0.366519143, -0.366519143
    capture = read_expmap(
        written(tmp_path, "walking_1.txt", "\n".join(",".join(map(str, row)) for _ in range(2)))
    )
    at = dict(zip(capture.joint_names, capture.p_m[0], strict=True))
    np.testing.assert_allclose(capture.p_m[0], capture.p_known_m, atol=1e-6)
    for side, sign in (("l", -1.0), ("r", 1.0)):
        leg = at[f"{side}foot"] - at[f"{side}femur"]
        assert abs(leg[2]) < 0.03 * abs(leg[1]) and leg[1] < -0.7
        arm = at[f"{side}wrist"] - at[f"{side}humerus"]
        assert sign * arm[2] > 0.4 and abs(arm[1]) < 0.02
        assert at[f"{side}toes"][0] > at[f"{side}foot"][0]


def test_a_humanoid_without_turns_stands_facing_forward(tmp_path: Path) -> None:
    quaternion = [1.0, 0.0, 0.0, 0.0]
    frame = [
        0.0333,
        0.1,
        0.9,
        0.2,
        *quaternion * 4,
        0.0,
        *quaternion * 2,
        0.5,
        *quaternion,
        0.0,
        *quaternion * 2,
        0.0,
    ]
    capture = read_deepmimic(written(tmp_path, "walk.txt", json.dumps({"Frames": [frame, frame]})))
    at = dict(zip(capture.joint_names, capture.p_m[0], strict=True))
    assert capture.fps == pytest.approx(30.0, rel=0.01)
    np.testing.assert_allclose(at["root"], [0.1, 0.9, 0.2])
    assert at["rfemur"][2] > at["lfemur"][2] and at["head"][1] > at["thorax"][1] > at["root"][1]
    # The right elbow is bent: its wrist comes forward.
    assert at["rwrist"][0] > at["rradius"][0] + 0.1 and abs(at["lwrist"][0] - at["lradius"][0]) < 1e-9


@given(st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3))
def test_rotation_vectors_are_those_of_opencv(v: list[float]) -> None:
    np.testing.assert_allclose(rotation_vectors(np.array(v)), cv2.Rodrigues(np.array(v))[0], atol=1e-9)


def test_quaternions_match_rotation_vectors() -> None:
    v = np.random.default_rng(0).normal(size=(20, 3))
    angle = np.linalg.norm(v, axis=1, keepdims=True)
    wxyz = np.concatenate([np.cos(angle / 2), np.sin(angle / 2) * v / angle], axis=1)
    np.testing.assert_allclose(quaternions(3.0 * wxyz), rotation_vectors(v), atol=1e-12)


@given(st.text(alphabet=':begin dofrxyz\n0123456789.- rootAXIS{}[],"Frames', max_size=200))
@settings(max_examples=60, deadline=None)
def test_nonsense_is_refused_with_the_file_named(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("nonsense")
    path = written(folder, "01.asf", text)
    for reader in (read_asf, read_expmap, read_deepmimic):
        with pytest.raises(TrainError, match=r"01\.asf"):
            reader(path)


def capture_of(skeleton: Skeleton, poses: np.ndarray, known: np.ndarray, scale: np.ndarray) -> Capture:
    """What another system would record of our own skeleton, every frame of it turned arbitrarily."""
    bodies = {"root": "pelvis", "thorax": "torso", "head": "head"}
    for b in ("r", "l"):
        bodies |= {
            b + joint: f"{body}_{b}"
            for joint, body in _BODY_OF_JOINT.items()
            if joint not in ("foot", "wrist")
        }
        bodies |= {f"{b}foot": f"calcn_{b}", f"{b}wrist": f"hand_{b}", f"{b}radius": f"radius_{b}"}
    where = {**bodies, "rfoot": "talus_r", "lfoot": "talus_l", "rradius": "ulna_r", "lradius": "ulna_l"}
    rng = np.random.default_rng(0)
    twist = np.array([cv2.Rodrigues(rng.normal(size=3))[0] for _ in bodies])
    R_index = [skeleton.body_index(body) for body in bodies.values()]
    p_index = [skeleton.body_index(where[joint]) for joint in bodies]

    def record(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return joint_centres(skeleton, q, scale)[p_index], body_transforms(skeleton, q, scale)[
            R_index, :3, :3
        ] @ twist

    frames = [record(q) for q in poses]
    p, R = np.array([p for p, _ in frames]), np.array([R for _, R in frames])
    return Capture("own", tuple(bodies), 30.0, p, R, *record(known), arms_out=False)


def test_our_own_motion_comes_back(skeleton: Skeleton) -> None:
    rng = np.random.default_rng(11)
    scale = np.full((skeleton.n_bodies, 3), 0.93)
    motion = MotionLibrary(skeleton).sample(rng, activity="walk", duration_s=1.0, scale_factors=scale)
    q = motion.q.copy()
    for side in ("r", "l"):
        # The capture sees neither of them.
        q[:, skeleton.coordinate_index(f"mtp_angle_{side}")] = 0.0
    blank = capture_of(skeleton, q, np.zeros(skeleton.n_q), scale)
    known = Retargeter(skeleton, blank)._q_known
    followed = Retargeter(skeleton, capture_of(skeleton, q, known, scale)).follow(
        capture_of(skeleton, q, known, scale), source="cmu"
    )
    difference = np.degrees(np.abs(followed.q - face_forward(skeleton, q)))
    # Turns about the axis of an arm that hangs almost straight hardly show.
    hidden = np.array([n.startswith(("arm_rot", "pro_sup")) for n in skeleton.coordinate_names])
    shown = skeleton.is_rotational & ~hidden
    assert difference[:, shown].mean() < 0.6
    assert np.percentile(difference[:, shown], 99) < 3.0
    assert difference[:, hidden].max() < 12.0


def test_face_forward_looks_along_x_and_changes_no_shape(skeleton: Skeleton) -> None:
    motion = MotionLibrary(skeleton).sample(np.random.default_rng(2), activity="turn", duration_s=2.0)
    columns = [skeleton.coordinate_index(f"pelvis_{n}") for n in ("tilt", "list", "rotation")]
    q = motion.q.copy()
    q[:, skeleton.coordinate_index("pelvis_tx")] += 3.0
    turned = face_forward(skeleton, q)
    R = body_transforms(skeleton, turned[0])[skeleton.body_index("pelvis"), :3, :3]
    assert abs(R[0, 2]) < 1e-9 and R[2, 2] > 0.0
    before, after = (np.array([joint_centres(skeleton, x) for x in frames]) for frames in (q, turned))
    for frames in (before, after):
        frames -= frames[:1, :1]
    # One turn about the vertical takes the one to the other.
    np.testing.assert_allclose(after[..., 1], before[..., 1], atol=1e-9)
    np.testing.assert_allclose(
        np.linalg.norm(after[..., [0, 2]], axis=-1), np.linalg.norm(before[..., [0, 2]], axis=-1), atol=1e-9
    )
    assert not np.allclose(turned[:, columns], q[:, columns])


def test_kept_motion_comes_back_to_a_hundredth_of_a_degree(skeleton: Skeleton, tmp_path: Path) -> None:
    motion = MotionLibrary(skeleton).sample(np.random.default_rng(3), activity="turn", duration_s=3.0)
    spun = motion.q.copy()
    spun[:, skeleton.coordinate_index("pelvis_rotation")] += np.linspace(0.0, 15.0, len(spun))
    motions = [motion, Motion("spun", 30.0, motion.t_s, spun, "cmu")]
    save_captured(tmp_path / "kept.npz", skeleton, motions)
    back = load_captured(skeleton, tmp_path / "kept.npz")
    assert [(m.name, m.source) for m in back] == [(motion.name, "procedural"), ("spun", "cmu")]
    for a, b in zip(motions, back, strict=True):
        np.testing.assert_allclose(b.q - b.q[0], a.q - a.q[0], atol=4e-4)
    assert load_captured(skeleton, tmp_path / "absent.npz") == []


def test_kept_motion_of_another_skeleton_or_a_damaged_file_is_refused(
    skeleton: Skeleton, tmp_path: Path
) -> None:
    path = tmp_path / "kept.npz"
    np.savez(path, coordinate_names=np.array(["a", "b"]))
    with pytest.raises(TrainError, match="another skeleton"):
        load_captured(skeleton, path)
    path.write_bytes(b"PK broken")
    with pytest.raises(TrainError, match=r"kept\.npz: not retargeted motion"):
        load_captured(skeleton, path)


def test_a_table_of_coordinates_is_taken_as_it_is(skeleton: Skeleton, tmp_path: Path) -> None:
    header = "Coordinates\nversion=1\nnRows=4\nnColumns=5\ninDegrees=yes\nendheader\n"
    rows = "time\tpelvis_tilt\thip_flexion_r\tknee_angle_l\tlumbar_extension\n" + "".join(
        f"{k / 30}\t-5\t{10 + k}\t20\t-3\n" for k in range(4)
    )
    motion = read_opensim(written(tmp_path, "gait.mot", header + rows), skeleton)
    assert motion.source == "opensim"
    np.testing.assert_allclose(
        np.degrees(motion.q[:, skeleton.coordinate_index("hip_flexion_r")]), [10, 11, 12, 13]
    )
    np.testing.assert_allclose(np.degrees(motion.q[:, skeleton.coordinate_index("pelvis_tilt")]), -5.0)
    assert min(Floor(skeleton).soles(q)[:, 1].min() for q in motion.q) == pytest.approx(0.0, abs=5e-3)
    legs_only = rows.replace("pelvis_tilt", "anything")
    with pytest.raises(TrainError, match="no column pelvis_tilt"):
        read_opensim(written(tmp_path, "legs.mot", header + legs_only), skeleton)


def test_people_on_their_heads_are_left_out(skeleton: Skeleton) -> None:
    q = np.tile(skeleton.q_default, (5, 1))
    q[3:, skeleton.coordinate_index("pelvis_list")] = 2.5
    assert is_plausible(skeleton, q).tolist() == [True, True, True, False, False]


def test_captured_walks_look_like_walking(skeleton: Skeleton, shared_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    for name in (
        "cmu_asfamc/02.asf",
        "cmu_asfamc/02_01.amc",
        "cmu_expmap/train/walking/walking_2.txt",
        "deepmimic/humanoid3d_walk.txt",
    ):
        (folder / Path(name).name).symlink_to(shared_data / "motions" / name)
    motions = collect(folder, skeleton)
    assert {m.source for m in motions} == {"cmu", "deepmimic"}
    for motion in motions:
        knee, hip, ankle = (
            np.degrees(motion.q[:, skeleton.coordinate_index(f"{n}_r")])
            for n in ("knee_angle", "hip_flexion", "ankle_angle")
        )
        assert 45.0 < knee.max() < 90.0 and knee.min() < 25.0
        assert 25.0 < np.ptp(hip) < 75.0
        assert -5.0 < np.median(ankle) < 15.0
        assert motion.q[-1, skeleton.coordinate_index("pelvis_tx")] > 0.4
