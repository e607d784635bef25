"""A person's measures: the file, the meter, scaled models that OpenSim opens, and what estimators take."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calib.coordinates import SCORED_COORDINATES
from calib.errors import SubjectError
from calib.kinematics import body_transforms, joint_centres
from calib.scaling import write_scaled_osim
from calib.skeleton import Skeleton, default_skeleton_path, load_skeleton
from calib.subject import LandmarkOffset, Subject, load_subject, save_subject
from realtime.calibration.subject_meter import (
    MIN_LOOKS,
    SubjectMeter,
    residuals,
    segment_lengths_of,
    symmetric,
)
from realtime.cli import main
from realtime.person.scaling import KnownSubject, SubjectScaling, shoulder_rise, unscaled_stature
from realtime.pose.landmark_model import build_landmark_model
from realtime.sample import PoseSample, Status
from tests.calib.boards.test_floor import result, stick_person
from tests.support.opensim_reference import Reference

RNG = np.random.default_rng(6)


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def a_subject(skeleton: Skeleton) -> Subject:
    offsets = np.full(skeleton.n_q, np.nan)
    offsets[skeleton.coordinate_index("knee_angle_r")] = np.radians(4.0)
    return Subject(
        height_m=1.68,
        skeleton_name=skeleton.name,
        skeleton_sha=skeleton.sha,
        scale_factors=symmetric(skeleton, RNG.uniform(0.9, 1.1, (skeleton.n_bodies, 3))),
        scale_spread=residuals(skeleton),
        neutral_offsets=offsets,
        neutral_spread=np.where(np.isfinite(offsets), 0.01, np.nan),
        n_frames=80,
        source="test",
    )


def test_a_subject_survives_its_file(skeleton: Skeleton, tmp_path: Path) -> None:
    subject, path = a_subject(skeleton), tmp_path / "me.json"
    save_subject(path, subject, skeleton)
    loaded = load_subject(path, skeleton)
    np.testing.assert_array_equal(loaded.scale_factors, subject.scale_factors)
    np.testing.assert_array_equal(loaded.scale_spread, subject.scale_spread)
    np.testing.assert_allclose(loaded.neutral_offsets, subject.neutral_offsets, atol=1e-12)
    np.testing.assert_allclose(loaded.neutral_spread, subject.neutral_spread, atol=1e-12)
    assert (loaded.height_m, loaded.n_frames, loaded.source) == (1.68, 80, "test")


def test_landmark_offsets_survive_the_file_and_early_files_have_none(
    skeleton: Skeleton, tmp_path: Path
) -> None:
    offsets = {"left_ankle": LandmarkOffset((0.01, 0.06, -0.002), -0.03, (0.6, 0.0, 0.8))}
    subject, path = replace(a_subject(skeleton), landmark_offsets=offsets), tmp_path / "me.json"
    save_subject(path, subject, skeleton)
    loaded = load_subject(path, skeleton)
    assert loaded.landmark_offsets == offsets
    assert KnownSubject.of(loaded, apply_offsets=False).landmark_offsets == offsets
    data = json.loads(path.read_text())
    del data["landmark_offsets"]
    path.write_text(json.dumps(data))
    assert load_subject(path, skeleton).landmark_offsets == {}


def a_landmark(**change: object) -> dict[str, object]:
    """An entry of a subject file for one landmark."""
    offset = {"across_m": [0.0, 0.06, 0.0], "along_m": 0.0, "view": [1.0, 0.0, 0.0], **change}
    return {"landmark_offsets": {"left_ankle": offset}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (a_landmark(along_m=0.7), "0.7 m off"),
        (a_landmark(along_m=float("nan")), "nan m off"),
        (a_landmark(view=[0.0, 0.0, 0.0]), "no direction"),
        (a_landmark(across_m=[0.0]), "not a subject"),
        ({"landmark_offsets": []}, "not a subject"),
        ({"height_m": 3.0}, "0.5 to 2.5"),
        ({"height_m": "tall"}, "not a subject"),
        ({"scale_factors": {}}, "not a subject"),
        ({"skeleton_sha": "0" * 64}, "calibrate subject"),
        ({"neutral_offsets_deg": {"knee_angle_r": 80.0}}, "45 deg"),
        ({"neutral_offsets_deg": {"tail_wag": 1.0}}, "not a subject"),
    ],
)
def test_files_that_are_no_subject_are_refused(
    change: dict[str, object], said: str, skeleton: Skeleton, tmp_path: Path
) -> None:
    path = tmp_path / "me.json"
    save_subject(path, a_subject(skeleton), skeleton)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SubjectError, match=said):
        load_subject(path, skeleton)


def test_factors_no_person_has_are_refused(skeleton: Skeleton, tmp_path: Path) -> None:
    path = tmp_path / "me.json"
    for wrong in (0.0, 9.0, np.nan):
        factors = np.ones((skeleton.n_bodies, 3))
        factors[3, 1] = wrong
        subject = replace(a_subject(skeleton), scale_factors=factors)
        path.write_text("{}")
        with pytest.raises((SubjectError, ValueError)):
            save_subject(path, subject, skeleton)
            load_subject(path, skeleton)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.recursive(
        st.none() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
    )
)
def test_any_json_is_read_or_refused_in_plain_words(data: object, skeleton: Skeleton, tmp_path: Path) -> None:
    path = tmp_path / "me.json"
    path.write_text(json.dumps({"skeleton_sha": skeleton.sha, "height_m": data, "scale_factors": data}))
    with pytest.raises(SubjectError, match="calibrate subject"):
        load_subject(path, skeleton)
    with pytest.raises(SubjectError, match="cannot be read"):
        load_subject(tmp_path / "nobody.json", skeleton)


def test_the_unscaled_skeleton_is_as_tall_as_it_was_drawn(skeleton: Skeleton) -> None:
    assert unscaled_stature(skeleton) == pytest.approx(1.75, abs=0.002)


def a_sample(skeleton: Skeleton, k: int, q: np.ndarray, speed: float = 0.0) -> PoseSample:
    """Of a moment, one every 0.2 s."""
    return PoseSample(
        frame_id=k,
        t_capture_ns=k * 200_000_000,
        status=Status.TRACKING,
        q=q,
        qdot=np.full(skeleton.n_q, speed),
        confidence=np.ones(skeleton.n_q),
        scale_factors=np.ones((skeleton.n_bodies, 3)),
        T_ground_body=np.empty((skeleton.n_bodies, 4, 4)),
        markers_m=np.empty((0, 3)),
        box_px=np.zeros(4),
    )


def test_stature_sets_the_size_and_frames_the_proportions(skeleton: Skeleton) -> None:
    true = a_subject(skeleton).scale_factors
    meter, stick = SubjectMeter(skeleton, 1.60), result(stick_person(), np.zeros((33, 2)))
    q = skeleton.q_default.copy()
    q[skeleton.coordinate_index("knee_angle_r")] = np.radians(5.0)
    for k in range(40):
        seen_factors = 0.7 * true * RNG.normal(1.0, 0.01, true.shape)  # the network's metres are its own
        assert meter.add(a_sample(skeleton, k, q, speed=0.0 if k < 20 else 2.0), stick, seen_factors)
    subject = meter.result("here")
    # The rise from ankles to shoulders has the share of stature that the skeleton was drawn with.
    assert shoulder_rise(skeleton, subject.scale_factors) / shoulder_rise(skeleton) == pytest.approx(
        1.60 / 1.75, rel=2e-3
    )
    ratio = subject.scale_factors / true
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=0.012)
    assert (subject.scale_spread >= residuals(skeleton)).all()
    assert meter.n_still == 20
    knee = skeleton.coordinate_index("knee_angle_r")
    assert subject.neutral_offsets[knee] == pytest.approx(np.radians(5.0))
    known = {skeleton.coordinate_names[k] for k in np.flatnonzero(np.isfinite(subject.neutral_offsets))}
    assert known == set(SCORED_COORDINATES)


def test_people_out_of_the_picture_and_of_no_stature_are_refused(skeleton: Skeleton) -> None:
    for wrong in (0.3, 3.0):
        with pytest.raises(SubjectError, match=r"0\.5 to 2\.5"):
            SubjectMeter(skeleton, wrong)
    meter = SubjectMeter(skeleton, 1.7)
    hidden = result(stick_person(), np.zeros((33, 2)), trust=0.2)
    sample = a_sample(skeleton, 0, skeleton.q_default)
    assert not meter.add(sample, hidden, np.ones((skeleton.n_bodies, 3)))
    assert not meter.add(replace(sample, status=Status.LOST), result(stick_person(), np.zeros((33, 2))),
                         np.ones((skeleton.n_bodies, 3)))  # fmt: skip
    with pytest.raises(SubjectError, match=f"0 frames, but {MIN_LOOKS}"):
        meter.result()


def test_the_scaled_model_opens_in_opensim_and_moves_alike(skeleton: Skeleton, tmp_path: Path) -> None:
    factors = a_subject(skeleton).scale_factors
    path = tmp_path / "me.osim"
    write_scaled_osim(default_skeleton_path(), factors, path)
    reference = Reference(path, tmp_path)
    for _ in range(4):
        q = RNG.uniform(0.4 * skeleton.q_lower, 0.4 * skeleton.q_upper)
        q = np.where(np.isfinite(q), q, 0.1)
        reference.pose(q)
        ours = body_transforms(skeleton, q, factors)
        np.testing.assert_allclose(ours, reference.bodies(skeleton), atol=1e-6)


def test_lengths_are_those_between_joints(skeleton: Skeleton) -> None:
    subject = a_subject(skeleton)
    lengths = {s.name: s for s in segment_lengths_of(subject, skeleton)}
    centres = joint_centres(skeleton, RNG.uniform(-0.2, 0.2, skeleton.n_q), subject.scale_factors)
    thigh = np.linalg.norm(centres[skeleton.body_index("femur_r")] - centres[skeleton.body_index("tibia_r")])
    assert lengths["thigh"].length_m == pytest.approx(thigh, rel=0.02)  # the knee rolls a little
    assert lengths["thigh"].spread_m == pytest.approx(0.021 * lengths["thigh"].length_m)
    assert "hips to shoulders" in lengths and len(lengths) == 7


def test_known_factors_stay_and_the_networks_metres_follow_them(skeleton: Skeleton) -> None:
    model, subject = build_landmark_model(skeleton), a_subject(skeleton)
    scaling = SubjectScaling(skeleton, model, known=subject.scale_factors)
    T = body_transforms(skeleton, skeleton.q_default, subject.scale_factors)[model.station_body]
    station = model.station_m * subject.scale_factors[model.station_body]
    world = np.full((33, 3), np.nan)
    world[model.landmark] = np.einsum("nij,nj->ni", T[:, :3, :3], station) + T[:, :3, 3]
    for _ in range(5):
        assert not scaling.update(0.8 * world, np.ones(33))
    np.testing.assert_array_equal(scaling.scale_factors, subject.scale_factors)
    assert scaling.world_scale == pytest.approx(1.25, rel=0.1)
    scaling.reset()
    np.testing.assert_array_equal(scaling.scale_factors, subject.scale_factors)


def test_offsets_are_taken_off_only_if_asked(skeleton: Skeleton) -> None:
    subject, q = a_subject(skeleton), skeleton.q_default + 0.3
    np.testing.assert_array_equal(KnownSubject.of(subject, apply_offsets=False).without_offsets(q), q)
    off = q - KnownSubject.of(subject, apply_offsets=True).without_offsets(q)
    knee = skeleton.coordinate_index("knee_angle_r")
    assert off[knee] == pytest.approx(np.radians(4.0))
    assert np.count_nonzero(np.delete(off, knee)) == 0


def test_the_command_refuses_what_it_cannot_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = [
        "calibrate",
        "subject",
        "--video",
        str(tmp_path / "none.mp4"),
        "--out",
        str(tmp_path / "me.json"),
    ]
    assert main([*common, "--height", "0.3"]) == 2
    assert "0.5 to 2.5" in capsys.readouterr().err
    assert main(common) == 2
    assert "--height" in capsys.readouterr().err
    assert main([*common, "--height", "1.7"]) == 2
    assert "none.mp4" in capsys.readouterr().err
    assert main([*common[:-1], str(tmp_path / "no" / "me.json"), "--height", "1.7"]) == 2
    assert "cannot be written" in capsys.readouterr().err
