"""The overlay: what is drawn lies where it belongs, can be read, and nothing makes it fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.errors import SkeletonError
from calib.skeleton import Skeleton, load_skeleton
from realtime.geometry import joint_centres
from realtime.overlay import style as overlay_style
from realtime.overlay.angles import TRACE_S, choose_rows
from realtime.overlay.overlay import Overlay
from realtime.overlay.skeleton import skeleton_segments
from realtime.overlay.style import (
    FAINT,
    INK,
    LEFT,
    MUTED,
    PANEL_OPACITY,
    RIGHT,
    WHITE,
    Colour,
    person_colour,
)
from realtime.sample import LiveStats, PoseSample, Status
from tests.support.poses import lost_sample, sample_of

Image = NDArray[np.uint8]
SIZE_PX = (640, 480)


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def camera() -> CameraCalibration:
    return CameraCalibration.assumed(*SIZE_PX)


def standing(skeleton: Skeleton, t_ns: int = 0, **coordinates: float) -> PoseSample:
    """A person 3 m in front of the assumed camera, facing it, arms away from the body."""
    q = np.where(skeleton.is_locked, skeleton.q_default, 0.0)
    stance = {"pelvis_tx": -3.0, "pelvis_ty": 0.0, "arm_add_r": -0.8, "arm_add_l": -0.8}
    for name, value in (stance | coordinates).items():
        q[skeleton.coordinate_index(name)] = value
    return replace(sample_of(skeleton, q, t_capture_ns=t_ns), confidence=np.ones(skeleton.n_q))


def plain(value: int = 128, size_px: tuple[int, int] = SIZE_PX) -> Image:
    image = np.full((size_px[1], size_px[0], 3), value, np.uint8)
    image.flags.writeable = False
    return image


def where(image: Image, colour: Colour) -> NDArray[np.bool_]:
    return np.array((image == np.array(colour, np.uint8)).all(axis=2))


def test_the_frame_is_left_as_it_is(skeleton: Skeleton, camera: CameraCalibration) -> None:
    image = plain()
    drawn = Overlay(skeleton, camera).draw(image, standing(skeleton))
    assert drawn.shape == image.shape and drawn.dtype == np.uint8 and drawn.flags.writeable
    assert (image == 128).all() and not np.shares_memory(image, drawn)


@pytest.mark.parametrize("size_px", [(640, 480), (960, 720), (1280, 960)])
def test_joints_are_drawn_where_opencv_projects_them(
    skeleton: Skeleton, camera: CameraCalibration, size_px: tuple[int, int]
) -> None:
    sample = standing(skeleton, pelvis_rotation=0.3, arm_flex_r=0.4)
    drawn = Overlay(skeleton, camera, coordinates=()).draw(plain(size_px=size_px), sample)
    T_cam_ground = np.linalg.inv(camera.T_ground_cam)
    points = joint_centres(skeleton, sample.T_ground_body, sample.scale_factors)
    rotation = cv2.Rodrigues(T_cam_ground[:3, :3])[0]
    uv_px, _ = cv2.projectPoints(points, rotation, T_cam_ground[:3, 3], camera.intrinsics.matrix, None)
    uv_px = uv_px[:, 0] * size_px[0] / SIZE_PX[0]
    expected = {"tibia_r": RIGHT, "tibia_l": LEFT, "hand_r": RIGHT, "hand_l": LEFT, "neck": None}
    for name, colour in expected.items():
        x, y = np.rint(uv_px[skeleton.body_index(name)]).astype(int)
        at_joint = drawn[y, x].astype(int)
        assert np.abs(at_joint - (colour or overlay_style.MIDLINE)).max() <= 40, name
        assert (drawn[y, x] != 128).any()


def test_the_persons_right_is_warm_and_stays_so_in_the_mirror(
    skeleton: Skeleton, camera: CameraCalibration
) -> None:
    columns = {}
    for mirror in (False, True):
        drawn = Overlay(skeleton, camera, coordinates=(), mirror=mirror).draw(plain(), standing(skeleton))
        columns[mirror] = [np.flatnonzero(where(drawn, c).any(axis=0)).mean() for c in (RIGHT, LEFT)]
    middle = (SIZE_PX[0] - 1) / 2
    # Facing the camera, the person's right is on the image's left; a mirror swaps that.
    assert columns[False][0] < middle < columns[False][1]
    assert columns[True][1] < middle < columns[True][0]
    assert columns[True][0] == pytest.approx(SIZE_PX[0] - 1 - columns[False][0], abs=1.5)


def test_people_are_drawn_in_colours_of_their_own_with_their_numbers(
    skeleton: Skeleton, camera: CameraCalibration
) -> None:
    first, second = standing(skeleton, pelvis_tz=-0.9), standing(skeleton, pelvis_tz=0.9)
    overlay = Overlay(skeleton, camera, coordinates=(), panels=False)
    drawn = overlay.draw(plain(), replace(first, further_people=(second,)))
    columns = [np.flatnonzero(where(drawn, person_colour(k)).any(axis=0)) for k in (1, 2)]
    assert columns[0].max() < columns[1].min() or columns[1].max() < columns[0].min()
    assert not where(drawn, RIGHT).any() and where(overlay.draw(plain(), first), RIGHT).any()
    alone = overlay.draw(plain(), replace(lost_sample(skeleton), further_people=(second,)))
    assert not where(alone, person_colour(1)).any() and where(alone, person_colour(2)).any()
    # A disc above the head: wider than any limb.
    rows = where(drawn, person_colour(2)).sum(axis=1)
    assert rows[: int(np.flatnonzero(rows)[0]) + 20].max() >= 14


def test_writing_is_not_mirrored_but_the_picture_is(skeleton: Skeleton, camera: CameraCalibration) -> None:
    image = plain().copy()
    image[-40:, :40] = 10
    sample = lost_sample(skeleton)
    straight = Overlay(skeleton, camera).draw(image, sample)
    mirrored = Overlay(skeleton, camera, mirror=True).draw(image, sample)
    np.testing.assert_array_equal(straight[:300, :240], mirrored[:300, :240])
    assert (mirrored[-20:, -20:] == 10).all() and (straight[-20:, :20] == 10).all()


def test_nothing_of_a_lost_person_is_drawn(skeleton: Skeleton, camera: CameraCalibration) -> None:
    for markers in (False, True):
        overlay = Overlay(skeleton, camera, coordinates=(), markers=markers)
        overlay.draw(plain(), standing(skeleton))
        drawn = overlay.draw(plain(), lost_sample(skeleton, t_capture_ns=10**8))
        assert not where(drawn, RIGHT).any() and not where(drawn, LEFT).any()
        assert (drawn[60:430] == 128).all()


def test_doubt_fades_what_is_drawn(skeleton: Skeleton, camera: CameraCalibration) -> None:
    sample = standing(skeleton)
    changed = []
    for confidence in (1.0, 0.4, 0.2, 0.0):
        doubtful = replace(sample, confidence=np.full(skeleton.n_q, confidence))
        drawn = Overlay(skeleton, camera, coordinates=()).draw(plain(), doubtful)
        changed.append(np.abs(drawn[60:430].astype(int) - 128).sum())
    assert changed[0] > 1.3 * changed[1] > 1.3 * changed[2] > 1.3 * changed[3] > 0


def test_doubt_in_one_limb_fades_that_limb(skeleton: Skeleton, camera: CameraCalibration) -> None:
    sample = standing(skeleton)
    for name in ("hip_flexion_l", "hip_adduction_l", "hip_rotation_l"):
        sample.confidence[skeleton.coordinate_index(name)] = 0.1
    sure = Overlay(skeleton, camera, coordinates=()).draw(plain(), standing(skeleton))
    drawn = Overlay(skeleton, camera, coordinates=()).draw(plain(), sample)
    differs = np.flatnonzero((sure != drawn).any(axis=2).any(axis=0))
    assert len(differs) and differs.min() > SIZE_PX[0] / 2 - 10
    np.testing.assert_array_equal(where(sure, RIGHT), where(drawn, RIGHT))
    assert where(drawn, LEFT).sum() < where(sure, LEFT).sum()


def test_the_forearm_is_as_sure_as_the_elbow(skeleton: Skeleton, camera: CameraCalibration) -> None:
    # Its turn about its own axis is hardly ever known, and moves nothing.
    sample = standing(skeleton)
    sample.confidence[skeleton.coordinate_index("pro_sup_r")] = 0.0
    overlay = Overlay(skeleton, camera, coordinates=())
    sure = overlay.draw(plain(), standing(skeleton))
    np.testing.assert_array_equal(overlay.draw(plain(), sample), sure)
    sample.confidence[skeleton.coordinate_index("elbow_flex_r")] = 0.0
    assert where(overlay.draw(plain(), sample), RIGHT).sum() < where(sure, RIGHT).sum()


def test_shoulders_hang_on_the_neck_and_hips_close_the_pelvis(skeleton: Skeleton) -> None:
    names = skeleton.body_names
    lines = {
        frozenset({names[s.start], names[s.end]})
        for s in skeleton_segments(skeleton, [])
        if s.end < len(names)
    }
    for pair in [("neck", "humerus_r"), ("neck", "humerus_l"), ("torso", "neck"), ("femur_r", "femur_l"),
                 ("torso", "femur_r"), ("femur_r", "tibia_r"), ("humerus_l", "ulna_l")]:  # fmt: skip
        assert frozenset(pair) in lines
    assert frozenset({"pelvis", "femur_r"}) not in lines


def test_sides_share_a_row_and_names_may_leave_the_side_out(skeleton: Skeleton) -> None:
    index = skeleton.coordinate_index
    rows = choose_rows(
        skeleton, ["knee_angle", "lumbar_extension", "elbow_flex_l", "hip_flexion_l", "hip_flexion_r"]
    )
    assert [row.coordinates for row in rows] == [
        (index("knee_angle_r"), index("knee_angle_l")),
        (index("lumbar_extension"),),
        (index("elbow_flex_l"),),
        (index("hip_flexion_r"), index("hip_flexion_l")),
    ]
    assert [row.label for row in rows] == ["Knee", "Lumbar extension", "Elbow left", "Hip flexion"]
    assert rows[0].colours == (RIGHT, LEFT) and rows[1].colours == (WHITE,) and rows[2].colours == (LEFT,)
    assert choose_rows(skeleton, []) == []
    assert len(choose_rows(skeleton, None)) >= 5
    assert not choose_rows(skeleton, ["pelvis_tx"])[0].in_degrees


def test_an_unknown_coordinate_is_refused_with_those_that_exist(
    skeleton: Skeleton, camera: CameraCalibration
) -> None:
    with pytest.raises(SkeletonError, match=r"'knee_angel'.*knee_angle_r"):
        Overlay(skeleton, camera, coordinates=["knee_angel"])


def luminance(colour: NDArray[np.float64] | Colour) -> float:
    """Relative luminance of WCAG 2."""
    share = np.asarray(colour, dtype=np.float64)[::-1] / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("background", [0, 90, 180, 255])
@pytest.mark.parametrize("colour", [WHITE, MUTED, RIGHT, LEFT])
def test_writing_stands_out_from_any_background(background: int, colour: Colour) -> None:
    panel = PANEL_OPACITY * np.array(INK) + (1.0 - PANEL_OPACITY) * background
    lighter, darker = sorted([luminance(colour), luminance(panel)], reverse=True)
    # WCAG asks 4.5 of small and 3 of large writing; the coloured values are large.
    assert (lighter + 0.05) / (darker + 0.05) >= (3.0 if colour in (RIGHT, LEFT) else 4.5)


def test_panels_have_the_promised_opacity(skeleton: Skeleton, camera: CameraCalibration) -> None:
    drawn = Overlay(skeleton, camera).draw(plain(255), lost_sample(skeleton))
    expected = PANEL_OPACITY * np.array(INK) + (1.0 - PANEL_OPACITY) * 255
    in_panel = drawn[80:300, 16:20].reshape(-1, 3).astype(float)
    assert np.abs(np.median(in_panel, axis=0) - expected).max() < 2.0


def trace_rows(drawn: Image, unit_px: float = 1.0) -> NDArray[np.bool_]:
    """Where the only trace of the panel is drawn: its band, below the first row's values."""
    top = round((1.8 * 12 + 26) * unit_px) + round(6 * unit_px)
    band = drawn[
        top + round(19 * unit_px) : top + round(43 * unit_px), round(24 * unit_px) : round(172 * unit_px)
    ]
    return np.array(band.min(axis=2) > 200)


def test_traces_show_the_last_seconds(skeleton: Skeleton, camera: CameraCalibration) -> None:
    overlay = Overlay(skeleton, camera, coordinates=["lumbar_extension"])
    step_ns = 40_000_000
    per_trace = round(TRACE_S * 1e9 / step_ns)
    drawn = plain()
    for k in range(per_trace // 2):
        drawn = overlay.draw(plain(0), standing(skeleton, k * step_ns))
    columns = np.flatnonzero(trace_rows(drawn).any(axis=0))
    half = trace_rows(drawn).shape[1] // 2
    assert abs(columns.min() - half) < 12 and columns.max() > 1.9 * half
    for k in range(per_trace // 2, 2 * per_trace + 3):
        angle = 0.0 if k < per_trace else 0.5
        drawn = overlay.draw(plain(0), standing(skeleton, k * step_ns, lumbar_extension=angle))
    columns = np.flatnonzero(trace_rows(drawn).any(axis=0))
    assert columns.min() < 8 and columns.max() > 1.9 * half
    # The step has left the window: the curve is level.
    assert np.ptp(np.flatnonzero(trace_rows(drawn).any(axis=1))) <= 3
    # The source starts again: so do the traces.
    drawn = overlay.draw(plain(0), standing(skeleton, 0))
    assert not trace_rows(drawn).any()


def test_a_lost_person_leaves_a_gap_in_the_trace(skeleton: Skeleton, camera: CameraCalibration) -> None:
    overlay = Overlay(skeleton, camera, coordinates=["lumbar_extension"])
    drawn = plain()
    for k in range(76):
        t_ns = k * 40_000_000
        sample = lost_sample(skeleton, t_capture_ns=t_ns) if 30 <= k < 45 else standing(skeleton, t_ns)
        drawn = overlay.draw(plain(0), sample)
    columns = trace_rows(drawn).any(axis=0)
    width = len(columns)
    assert columns[: round(0.35 * width)].mean() > 0.9 and columns[round(0.65 * width) :].mean() > 0.9
    assert not columns[round(0.45 * width) : round(0.55 * width)].any()


def test_the_state_of_the_run_is_shown(skeleton: Skeleton, camera: CameraCalibration) -> None:
    def draw(sample: PoseSample, stats: LiveStats | None) -> Image:
        return Overlay(skeleton, camera, coordinates=()).draw(plain(), sample, stats)

    quiet = draw(standing(skeleton), None)
    assert (quiet[:60, 300:] == 128).all() and (quiet[440:] == 128).all()
    counted = draw(standing(skeleton), LiveStats(30.0, 18.0))
    dropping = draw(standing(skeleton), LiveStats(30.0, 18.0, dropped_frames=3))
    assert (counted[:60, 300:] != 128).any()
    assert (counted != dropping)[:60, 300:].any() and (counted == dropping)[60:].all()
    assert (draw(standing(skeleton), LiveStats(float("nan"), float("inf")))[:60, 300:] == 128).all()
    noted = draw(standing(skeleton), LiveStats(note="camera 0 is gone, trying again"))
    assert (noted[440:] != 128).any()
    states = [replace(standing(skeleton), status=status) for status in Status]
    corners = [draw(sample, None)[:60, :200].tobytes() for sample in states]
    assert len(set(corners)) == len(Status)


def test_it_grows_with_the_picture(skeleton: Skeleton) -> None:
    dark = []
    for factor in (1, 2, 3):
        size_px = (640 * factor, 480 * factor)
        overlay = Overlay(skeleton, CameraCalibration.assumed(*size_px))
        drawn = overlay.draw(plain(255, size_px), lost_sample(skeleton))
        dark.append((drawn[:, : size_px[0] // 2] < 128).all(axis=2).sum() / factor**2)
    assert dark[1] == pytest.approx(dark[0], rel=0.03) and dark[2] == pytest.approx(dark[0], rel=0.03)


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 900), height=st.integers(1, 900), data=st.data())
def test_no_picture_and_no_pose_makes_it_fail(
    skeleton: Skeleton, camera: CameraCalibration, width: int, height: int, data: st.DataObject
) -> None:
    q = np.random.default_rng(data.draw(st.integers(0, 999))).normal(0.0, 1.5, skeleton.n_q)
    # Anywhere, also behind the camera and far outside the image.
    q[3:6] += data.draw(st.tuples(*[st.floats(-50.0, 50.0)] * 3))
    sample = sample_of(skeleton, q)
    sample.confidence[:] = data.draw(st.floats(0.0, 1.0) | st.just(float("nan")))
    undefined = data.draw(st.integers(0, skeleton.n_bodies))
    sample.T_ground_body[undefined:] = np.nan
    sample.markers_m[::3] = np.nan
    sample.q[::4] = np.nan
    sample = replace(sample, status=data.draw(st.sampled_from(Status)))
    stats = LiveStats(
        data.draw(st.none() | st.floats()), data.draw(st.none() | st.floats()), 10**9, 0, "x" * 300
    )
    plots = ("knee_angle", "pelvis_tx")
    overlay = Overlay(skeleton, camera, mirror=data.draw(st.booleans()), markers=True, plots=plots)
    for k in range(2):
        drawn = overlay.draw(plain(size_px=(width, height)), replace(sample, t_capture_ns=k), stats)
    assert drawn.shape == (height, width, 3)


def test_panels_of_changing_numbers_are_kept_not_hoarded(
    skeleton: Skeleton, camera: CameraCalibration
) -> None:
    overlay = Overlay(skeleton, camera, coordinates=())
    for k in range(300):
        overlay.draw(plain(), lost_sample(skeleton), LiveStats(float(k), 3.0 * k, dropped_frames=k))
    assert len(overlay._pills) < 20


def test_before_opencv_5_the_stroke_font_writes(
    skeleton: Skeleton, camera: CameraCalibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    put_text = cv2.putText

    def record(image: Image, text: str, *args: Any) -> Image:
        written.append(text)
        return put_text(image, text, *args)

    monkeypatch.delattr(cv2, "FontFace", raising=False)
    monkeypatch.setattr(cv2, "putText", record)
    overlay = Overlay(skeleton, camera)
    drawn = overlay.draw(plain(0), standing(skeleton), LiveStats(30.0, 18.0))
    lost = overlay.draw(plain(0), lost_sample(skeleton, t_capture_ns=10**9))
    assert (drawn[:60, :200] > 200).any() and (lost[440:] > 200).any()
    # It has no degree sign and no dash: other characters would be written as question marks.
    assert {"Knee", "Tracking", "30 fps", "-", "0"} <= set(written) and all(map(str.isascii, written))


def test_faint_colours_are_fainter() -> None:
    assert luminance(FAINT) < luminance(MUTED) < luminance(WHITE)


@pytest.mark.parametrize("size_px", range(6, 20))
def test_words_keep_their_distance_at_every_size(size_px: int) -> None:
    typeface, words = overlay_style.Typeface(), "keep head and feet in view".split()
    drawn = np.zeros((40, 400, 3), np.uint8)
    typeface.draw(drawn, " ".join(words), (4, 30), WHITE, size_px, 500)
    columns = np.flatnonzero((drawn > 40).any(axis=(0, 2)))
    gaps = np.diff(columns) - 1
    # As many gaps as between words are wider than any gap within a word.
    widest = np.sort(gaps)[::-1][: len(words)]
    assert widest[len(words) - 2] >= max(2, 0.2 * size_px - 1) and widest[-1] < widest[-2]
    assert abs(columns[-1] + 1 - 4 - typeface.width_px(" ".join(words), size_px, 500)) <= 2


@pytest.mark.parametrize("size_px", [(360, 640), (640, 360), (320, 240), (1280, 720)])
def test_text_is_never_too_small_to_read_nor_drawn_over_other_text(
    skeleton: Skeleton, camera: CameraCalibration, monkeypatch: pytest.MonkeyPatch, size_px: tuple[int, int]
) -> None:
    sizes: list[float] = []
    draw = overlay_style.Typeface.draw

    def spy(self: Any, image: Image, text: str, xy: Any, colour: Colour, size: float, weight: int = 400):
        sizes.append(size)
        draw(self, image, text, xy, colour, size, weight)

    laid: list[tuple[int, int, int, int]] = []
    lay = overlay_style.Panel.lay

    def spy_lay(self: Any, image: Image, x: int, y: int) -> Image:
        laid.append((x, y, x + self.size_px[0], y + self.size_px[1]))
        return lay(self, image, x, y)

    monkeypatch.setattr(overlay_style.Typeface, "draw", spy)
    monkeypatch.setattr(overlay_style.Panel, "lay", spy_lay)
    overlay = Overlay(skeleton, camera, plots=["knee_angle"])
    stats = LiveStats(fps=29.9, latency_ms=112.0, dropped_frames=137)
    overlay.draw(plain(size_px=size_px), standing(skeleton), stats)
    assert min(sizes) >= 9.0
    for k, a in enumerate(laid):
        assert not any(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for b in laid[:k])
