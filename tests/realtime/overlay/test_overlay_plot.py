"""The plot of chosen coordinates over time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.camera import CameraCalibration
from calib.errors import SkeletonError
from calib.skeleton import Skeleton, load_skeleton
from realtime.overlay.history import History
from realtime.overlay.overlay import Overlay
from realtime.overlay.plot import HEIGHT_PX, MARGIN_PX, SPAN_S, WIDTH_PX, axis_of
from realtime.overlay.style import LEFT, RIGHT
from realtime.sample import PoseSample
from tests.support.poses import lost_sample, sample_of

SIZE_PX = (640, 480)


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def camera() -> CameraCalibration:
    return CameraCalibration.assumed(*SIZE_PX)


def at(skeleton: Skeleton, t_s: float, **degrees: float) -> PoseSample:
    """Somebody behind the camera, so that only panels are drawn."""
    q = np.where(skeleton.is_locked, skeleton.q_default, 0.0)
    q[skeleton.coordinate_index("pelvis_tx")] = 5.0
    for name, value in degrees.items():
        q[skeleton.coordinate_index(name)] = np.radians(value)
    return replace(sample_of(skeleton, q, t_capture_ns=round(t_s * 1e9)), confidence=np.ones(skeleton.n_q))


def black() -> np.ndarray:
    return np.zeros((SIZE_PX[1], SIZE_PX[0], 3), np.uint8)


def area(drawn: np.ndarray) -> np.ndarray:
    """The part of the image between the plot's axes."""
    top = SIZE_PX[1] - MARGIN_PX - HEIGHT_PX
    return drawn[top + 24 : top + HEIGHT_PX - 16, MARGIN_PX + 36 : MARGIN_PX + WIDTH_PX - 10].astype(int)


def near(drawn: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(area(drawn) - colour).max(axis=2) < 40


def test_there_is_no_plot_unless_asked(skeleton: Skeleton, camera: CameraCalibration) -> None:
    plain = Overlay(skeleton, camera, coordinates=()).draw(black(), at(skeleton, 0.0))
    assert not area(plain).any()
    with pytest.raises(SkeletonError, match="knee_angel"):
        Overlay(skeleton, camera, plots=["knee_angel"])


def test_both_sides_are_drawn_where_their_values_lie(skeleton: Skeleton, camera: CameraCalibration) -> None:
    overlay = Overlay(skeleton, camera, coordinates=(), plots=["knee_angle"])
    drawn = black()
    for k in range(301):
        t_s = 0.04 * k
        drawn = overlay.draw(black(), at(skeleton, t_s, knee_angle_r=80.0, knee_angle_l=20.0))
    right, left = np.nonzero(near(drawn, RIGHT)), np.nonzero(near(drawn, LEFT))
    height = area(drawn).shape[0]
    assert np.ptp(right[1]) > 0.97 * area(drawn).shape[1] and np.ptp(right[0]) <= 3
    # The axis runs from 20 to 80 degrees: the right at its top, the left at its bottom.
    assert right[0].mean() < 0.12 * height and left[0].mean() > 0.86 * height


def test_what_is_older_than_the_span_has_left(skeleton: Skeleton, camera: CameraCalibration) -> None:
    overlay = Overlay(skeleton, camera, coordinates=(), plots=["knee_angle_r"])
    drawn = black()
    for k in range(round((SPAN_S + 4.0) / 0.04)):
        t_s = 0.04 * k
        drawn = overlay.draw(black(), at(skeleton, t_s, knee_angle_r=90.0 if t_s < 2.0 else 10.0))
    rows = np.nonzero(near(drawn, RIGHT))[0]
    assert np.ptp(rows) <= 3  # the step, two seconds old when the plot was full, is gone


def test_a_lost_person_leaves_a_gap(skeleton: Skeleton, camera: CameraCalibration) -> None:
    overlay = Overlay(skeleton, camera, coordinates=(), plots=["knee_angle_r"])
    drawn = black()
    for k in range(201):
        t_s = 0.04 * k
        lost = 3.0 < t_s < 5.0
        sample = lost_sample(skeleton, t_capture_ns=round(t_s * 1e9)) if lost else at(skeleton, t_s)
        drawn = overlay.draw(black(), sample)
    columns = near(drawn, RIGHT).any(axis=0)
    n = len(columns)
    assert columns[: round(0.33 * n)].mean() > 0.95 and columns[round(0.67 * n) :].mean() > 0.95
    assert not columns[round(0.42 * n) : round(0.58 * n)].any()


def test_lengths_have_an_axis_in_metres(skeleton: Skeleton, camera: CameraCalibration) -> None:
    overlay = Overlay(skeleton, camera, coordinates=(), plots=["pelvis_tx", "knee_angle"])
    for k in range(3):
        drawn = overlay.draw(black(), at(skeleton, 0.1 * k))
    assert area(drawn).any() and not near(drawn, RIGHT).any()


@given(st.lists(st.floats(-400.0, 400.0) | st.just(float("nan")), max_size=30))
def test_the_axis_holds_every_value_on_round_numbers(values: list[float]) -> None:
    low, high, step = axis_of(np.array(values), 20.0)
    known = [v for v in values if v == v]
    assert all(low - 1e-9 <= v <= high + 1e-9 for v in known)
    assert high - low >= 20.0 - 1e-9 and 1.0 <= step
    assert (high - low) / step <= 6.0 + 1e-9
    assert low / step == pytest.approx(round(low / step), abs=1e-6)


def test_a_fast_stream_is_remembered_for_the_whole_span() -> None:
    history = History([0], 2.0)
    q = np.zeros(1)
    sample = PoseSample(0, 0, None, q, q, q, q, q, q, q)  # type: ignore[arg-type]
    for k in range(600):
        history.remember(replace(sample, t_capture_ns=k * 8_000_000, q=np.array([float(k)])))
    shares, values = history.recent(599 * 8_000_000, max_points=1000)
    assert len(shares) == 251 and values[0, 0] == 349.0 and values[-1, 0] == 599.0
    assert shares[0] == pytest.approx(0.0) and shares[-1] == 1.0
