"""Lengths from stature, pictures and sex: the table that ships, what pictures tell, and the fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calib.camera import CameraCalibration
from calib.errors import SubjectError
from calib.proportions import (
    SEGMENTS,
    default_table_path,
    expect_proportions,
    known_facts,
    load_regressions,
    regression_name,
    segment_lengths,
    set_segments,
)
from calib.skeleton import Skeleton, load_skeleton
from engines.features.body_proportions import HEIGHTS, N_PROPORTIONS, SHOULDERS, look_at_proportions
from engines.features.landmarks import LandmarkBatch
from realtime.calibration.subject_meter import MIN_UPRIGHT, SubjectMeter
from realtime.estimators.build import make_estimator
from realtime.estimators.landmarks import LandmarksEstimator
from realtime.options import EstimatorOptions
from tests.calib.boards.test_floor import result, stick_person, tilted
from tests.realtime.calibration.test_subject import a_sample
from tests.support.published import published
from train.blazepose.data import LiftData
from train.bodies.bodies import split_adults
from train.bodies.puppet import PuppetPool
from train.errors import TrainError
from train.lift.proportions import Adults, fit_proportions, ridge, upright_blocks, write_table

RNG = np.random.default_rng(12)
FOCAL_PX, CENTRE_PX = 900.0, np.array([640.0, 360.0])


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def flat_person() -> np.ndarray:
    """Landmarks of somebody who stands in the plane X = 0 and faces along X, in m; feet at Y = 0. (33, 3)."""
    points = np.zeros((33, 3))
    for pair, height, half_width in (
        ((0, 0), 1.62, 0.0), ((7, 8), 1.60, 0.08), ((11, 12), 1.42, 0.18), ((13, 14), 1.12, 0.22),
        ((15, 16), 0.86, 0.24), ((23, 24), 0.93, 0.10), ((25, 26), 0.50, 0.10), ((27, 28), 0.09, 0.11),
        ((29, 30), 0.0, 0.11), ((31, 32), 0.0, 0.12),
    ):  # fmt: skip
        points[pair[0]], points[pair[1]] = [0.0, height, -half_width], [0.0, height, half_width]
    return points


def batch_of(points_m: np.ndarray, *, pitch_deg: float, height_m: float, distance_m: float) -> LandmarkBatch:
    """What a camera in front sees of landmarks in ground."""
    T = tilted(pitch_deg, 0.0, height_m)
    T[0, 3] = distance_m
    p_cam = (points_m - T[:3, 3]) @ T[:3, :3]
    uv_px = FOCAL_PX * p_cam[:, :2] / p_cam[:, 2:] + CENTRE_PX
    return LandmarkBatch(
        landmarks_px=uv_px[None],
        world_m=p_cam[None],
        visibility=np.ones((1, 33)),
        roi_centre_px=CENTRE_PX[None],
        camera=np.array([[FOCAL_PX, *CENTRE_PX]]),
        R_ground_cam=T[None, :3, :3],
    )


@pytest.mark.parametrize(
    ("pitch_deg", "height_m", "distance_m"), [(0, 0.9, 4.0), (-20, 1.9, 2.2), (5, 0.3, 3)]
)
def test_shares_are_those_of_the_person_wherever_the_camera_stands(
    pitch_deg: float, height_m: float, distance_m: float
) -> None:
    person = flat_person()
    looks = look_at_proportions(
        batch_of(person, pitch_deg=pitch_deg, height_m=height_m, distance_m=distance_m)
    )
    assert looks.is_usable.tolist() == [True]
    assert looks.values.shape == (1, N_PROPORTIONS)
    heights = [person[list(pair), 1].mean() / 1.60 for pair in HEIGHTS]
    np.testing.assert_allclose(looks.values[0, : len(HEIGHTS)], heights, atol=1e-9)
    assert looks.values[0, len(HEIGHTS)] == pytest.approx(0.36 / 1.60)  # shoulders
    np.testing.assert_allclose(looks.values[0, -4:-2], [0.43 / 1.60, np.hypot(0.41, 0.01) / 1.60], atol=1e-9)


def test_who_is_bent_turned_hidden_or_behind_the_camera_is_left_out() -> None:
    person = flat_person()
    turn = np.radians(60.0)
    c, s = np.cos(turn), np.sin(turn)
    turned = person @ np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    bent = person.copy()
    bent[[25, 26], 0] += 0.3  # knees forward
    seen = {"pitch_deg": 0.0, "height_m": 1.0, "distance_m": 4.0}
    for points in (turned, bent):
        assert not look_at_proportions(batch_of(points, **seen)).is_usable[0]
    hidden = batch_of(person, **seen)
    hidden.visibility[0, SHOULDERS[0]] = 0.2
    assert not look_at_proportions(hidden).is_usable[0]
    assert not look_at_proportions(batch_of(person, **(seen | {"distance_m": -4.0}))).is_usable[0]
    behind = person * np.array([1.0, 1.0, -1.0])  # the same from behind
    assert look_at_proportions(batch_of(behind, **seen)).is_usable[0]


def test_segments_that_are_set_are_as_long_as_asked(skeleton: Skeleton) -> None:
    unscaled = segment_lengths(skeleton)
    ratios = RNG.uniform(0.9, 1.1, len(SEGMENTS))
    factors = set_segments(skeleton, np.ones((skeleton.n_bodies, 3)), ratios)
    # The knee rolls on the femur, which moves its joint a little.
    np.testing.assert_allclose(segment_lengths(skeleton, factors) / unscaled, ratios, rtol=4e-3)
    kept = set_segments(skeleton, factors, np.full(len(SEGMENTS), np.nan))
    np.testing.assert_array_equal(kept, factors)


def test_the_shipped_table_is_complete_and_agrees_with_published_people() -> None:
    regressions = load_regressions()
    for has_looks in (False, True):
        for has_sex in (False, True):
            regression = regressions[regression_name(has_looks=has_looks, has_sex=has_sex)]
            assert regression.weights.shape[1] == 2 + N_PROPORTIONS * has_looks + has_sex
            assert (0.005 < regression.spread).all() and (regression.spread < 0.08).all()
    men, women = (expect_proportions(1.70, is_female=female).lengths_m for female in (False, True))
    anybody = expect_proportions(1.70).lengths_m
    assert ((np.minimum(men, women) <= anybody) & (anybody <= np.maximum(men, women))).all()
    # Thigh .245 and shank .246 of stature, upper arm .186 and forearm .146 less what separates skin from
    # joints (Drillis and Contini 1966).
    np.testing.assert_allclose(anybody[:4] / 1.70, [0.245, 0.246, 0.172, 0.15], rtol=0.09)
    short, tall = (expect_proportions(h).lengths_m[1] / h for h in (1.5, 1.9))
    assert tall > 1.04 * short  # shanks
    child, small = (expect_proportions(h).lengths_m / h for h in (0.8, 1.4))
    np.testing.assert_allclose(child, small)


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    for number, text in enumerate(["", "{}", '{"regressions": {"stature": 3}}']):
        path = tmp_path / f"{number}.json"
        path.write_text(text)
        with pytest.raises(SubjectError, match="train proportions"):
            load_regressions(path)
    table = json.loads(default_table_path().read_text())
    table["regressions"]["stature"]["weights"].pop()
    path.write_text(json.dumps(table))
    with pytest.raises(SubjectError, match="one row for each"):
        load_regressions.__wrapped__(path)


def test_ridge_finds_what_made_the_numbers_and_shrinks_what_is_noise() -> None:
    facts = known_facts(RNG.uniform(1.5, 1.9, 400), RNG.normal(size=(400, 3)), None)
    true = np.array([[-1.4, 0.3, 0.05, 0.0, -0.02], [0.2, 0.0, 0.0, 0.1, 0.0]])
    shares = facts @ true.T
    weight = RNG.uniform(1.0, 8.0, 400)
    np.testing.assert_allclose(ridge(facts, shares, weight, 1e-9), true, atol=1e-8)
    weak = ridge(facts, shares, weight, 400.0)
    assert np.abs(weak[:, 1:]).sum() < 0.6 * np.abs(true[:, 1:]).sum()
    np.testing.assert_allclose(
        np.average(facts @ weak.T, axis=0, weights=weight), np.average(shares, axis=0, weights=weight)
    )


def test_the_meter_takes_lengths_from_upright_blocks_where_there_are_enough(skeleton: Skeleton) -> None:
    stick = result(stick_person(), np.zeros((33, 2)))
    person = flat_person()
    person[[25, 26], 1] += 0.03  # long shanks
    look = look_at_proportions(batch_of(person, pitch_deg=0.0, height_m=1.0, distance_m=4.0)).values[0]
    for n_upright, looks in ((0, None), (MIN_UPRIGHT - 1, None), (MIN_UPRIGHT, look)):
        meter = SubjectMeter(skeleton, 1.70, is_own=True, is_female=True)
        for k in range(30):
            meter.add(
                a_sample(skeleton, k, skeleton.q_default), stick, np.ones((skeleton.n_bodies, 3)),
                upright=look if k < n_upright else None,
            )  # fmt: skip
        subject, expected = meter.result(), expect_proportions(1.70, looks, True)
        np.testing.assert_allclose(
            segment_lengths(skeleton, subject.scale_factors), expected.lengths_m, rtol=4e-3
        )
        tibia = skeleton.body_index("tibia_r")
        assert subject.scale_spread[tibia, 1] == pytest.approx(expected.spread[1])


def test_other_skeletons_keep_to_what_was_seen(skeleton: Skeleton) -> None:
    stick, meter = result(stick_person(), np.zeros((33, 2))), SubjectMeter(skeleton, 1.75)
    for k in range(30):
        meter.add(a_sample(skeleton, k, skeleton.q_default), stick, np.ones((skeleton.n_bodies, 3)))
    subject = meter.result()
    np.testing.assert_allclose(subject.scale_factors, 1.0, atol=2e-3)


def test_a_stature_alone_gives_the_lengths_that_it_makes_likely(skeleton: Skeleton) -> None:
    published("pose_landmark_full")
    published("pose_detection")
    camera = CameraCalibration.assumed(640, 480)
    estimator = make_estimator(EstimatorOptions(estimator="lifted", height_m=1.88, offline=True), camera)
    assert isinstance(estimator, LandmarksEstimator)
    factors = estimator._scaling.scale_factors
    np.testing.assert_allclose(
        segment_lengths(skeleton, factors), expect_proportions(1.88).lengths_m, rtol=4e-3
    )
    assert factors[skeleton.body_index("head"), 1] == pytest.approx(1.88 / 1.75, rel=2e-3)


def pictures_of(adults: np.ndarray, shank_shares: np.ndarray, n_pictures: int = 3) -> LiftData:
    """Blocks of pictures of people whose knees are as high as their shanks are long."""
    batches, n = [], len(adults) * n_pictures
    for share in np.repeat(shank_shares, n_pictures):
        person = flat_person() + RNG.normal(0.0, 1e-3, (33, 3))
        person[[25, 26], 1] *= np.exp(share)
        batches.append(batch_of(person, pitch_deg=-5.0, height_m=1.2, distance_m=4.0))

    def rows(name: str) -> np.ndarray:
        return np.concatenate([getattr(batch, name) for batch in batches]).astype(np.float32)

    empty = np.zeros((n, 1), np.float32)
    return LiftData(
        landmarks_px=np.pad(rows("landmarks_px"), ((0, 0), (0, 0), (0, 1))),
        world_m=rows("world_m"),
        visibility=rows("visibility"),
        presence=rows("visibility"),
        roi=np.pad(rows("roi_centre_px"), ((0, 0), (0, 2))),
        camera=rows("camera"),
        R_ground_cam=rows("R_ground_cam"),
        q=empty,
        scale_factors=empty,
        centres_cam_m=empty,
        adult=np.repeat(adults, n_pictures).astype(np.int32),
        block=np.repeat(np.arange(len(adults)), n_pictures).astype(np.int32),
        activity=np.full(n, "stand"),
        t_s=np.zeros(n, np.float32),
    )


def test_the_fit_reads_lengths_off_pictures_and_tells_what_is_left(
    pool: PuppetPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("train.lift.proportions.MIN_PEOPLE", 4)
    train, held_out = (np.array(part) for part in split_adults(pool.model))
    adults = Adults.of(pool)
    assert adults.shares.shape == (len(pool), len(SEGMENTS))
    shares = adults.shares.copy()
    shares[:, 1] = np.linspace(-1.45, -1.35, len(pool))[RNG.permutation(len(pool))]
    looks = [upright_blocks(pictures_of(part, shares[part, 1] + 1.4)) for part in (train, held_out)]
    assert [sorted(look.adult) for look in looks] == [sorted(train), sorted(held_out)]
    found = fit_proportions(looks[0], looks[1], pool, replace(adults, shares=shares))
    errors = {name: row["mean_error_percent"][1] for name, row in found.items()}
    assert errors["stature, pictures"] < 0.6 * errors["stature"]
    path = tmp_path / "table.json"
    write_table(path, found, "made for a test")
    loaded = load_regressions(path)["stature, pictures"]
    np.testing.assert_allclose(loaded.weights, found["stature, pictures"]["weights"])
    monkeypatch.setattr("train.lift.proportions.MIN_PEOPLE", 50)
    with pytest.raises(TrainError, match="more lift data"):
        fit_proportions(looks[0], looks[1], pool, adults)
