"""BlazePose against MediaPipe's own results, and its steps against plain loops."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from engines.blazepose.detector import (
    Detection,
    PoseDetector,
    SearchRegion,
    alignment_roi,
    anchor_centres,
    decode_boxes,
    merge_overlapping,
)
from engines.blazepose.roi_filter import RoiFilter
from engines.blazepose.tracker import BlazePose, BlazePoseResult, refine_with_heatmaps
from engines.errors import EngineError
from engines.preprocess import Roi
from tests.support.published import published

GOLDEN = Path(__file__).parents[1] / "data" / "blazepose_mediapipe.npz"
KEPT_PICTURES = range(96, 106)
RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


@dataclass
class Pass:
    """What one walk through the demo clip leaves: results for every golden image, and a few images."""

    regions: list[BlazePoseResult] = field(default_factory=list)
    """The landmark network on MediaPipe's own regions."""
    tracked: list[BlazePoseResult | None] = field(default_factory=list)
    """Tracking from the first image on, at the golden images."""
    detections: list[Detection | None] = field(default_factory=list)
    n_detector_runs: int = 0
    pictures: dict[int, np.ndarray] = field(default_factory=dict)


@pytest.fixture(scope="module")
def blazepose() -> BlazePose:
    return BlazePose(published("pose_landmark_full"), published("pose_detection"))


@pytest.fixture(scope="module")
def walk(golden: dict[str, np.ndarray], blazepose: BlazePose) -> Pass:
    tracker = BlazePose(published("pose_landmark_full"), published("pose_detection"))
    detector = PoseDetector(published("pose_detection"))
    rows = {int(frame): row for row, frame in enumerate(golden["frame"])}
    capture = cv2.VideoCapture(str(published("demo_clip")))
    found = Pass()
    for frame in itertools.count():
        ok, image = capture.read()
        if not ok:
            return found
        result = tracker.step(image)
        found.n_detector_runs += result is not None and result.detected
        if frame in KEPT_PICTURES:
            found.pictures[frame] = image
        if frame in rows:
            region = blazepose.run_roi(image, Roi(*map(float, golden["roi"][rows[frame]])))
            assert region is not None
            found.regions.append(region)
            found.tracked.append(result)
            found.detections.append(detector.detect(image))


@pytest.fixture(scope="module")
def pictures(walk: Pass) -> dict[int, np.ndarray]:
    return walk.pictures


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a - b, axis=-1)


# Video decoders differ by about one grey level, which the networks turn into fractions of a crop pixel:
# medians must agree closely, and no direction may be favoured.


def test_same_region_gives_mediapipes_landmarks(golden: dict[str, np.ndarray], walk: Pass) -> None:
    landmarks_px = np.array([r.landmarks_px for r in walk.regions])
    world_m = np.array([r.world_m for r in walk.regions])
    error_px = landmarks_px - golden["landmarks_px"]
    crop_px = golden["roi"][:, 2] / 256
    assert np.median(np.linalg.norm(error_px[..., :2], axis=-1) / crop_px[:, None]) < 0.22
    assert np.abs(np.median(error_px[..., :2], axis=(0, 1))).max() < 0.2
    assert np.median(distances(world_m, golden["world_m"])) < 0.006
    assert np.percentile(np.abs([r.visibility for r in walk.regions] - golden["visibility"]), 95) < 0.05
    for found, expected in ((landmarks_px, "landmarks_px"), (world_m, "world_m")):
        z, reference = found[..., 2], golden[expected][..., 2]
        assert (z * reference).sum() / (reference**2).sum() == pytest.approx(1.0, abs=0.02)


def test_tracking_stays_with_mediapipe(golden: dict[str, np.ndarray], walk: Pass) -> None:
    assert None not in walk.tracked
    landmarks_px = np.array([r.landmarks_px[:, :2] for r in walk.tracked])
    assert np.median(distances(landmarks_px, golden["landmarks_px"][..., :2])) < 2.0
    assert np.median(distances(np.array([r.world_m for r in walk.tracked]), golden["world_m"])) < 0.02
    sizes = np.array([r.roi.size_px for r in walk.tracked]) / golden["roi"][:, 2]
    assert np.median(np.abs(sizes - 1.0)) < 0.02
    assert walk.n_detector_runs <= 4, "the detector runs only when lost"


def test_detector_finds_what_mediapipe_finds(golden: dict[str, np.ndarray], walk: Pass) -> None:
    certain = np.flatnonzero(golden["detection"][:, 0] > 0.8)
    assert certain.size > 10
    for row in certain:
        detection = walk.detections[row]
        assert detection is not None
        assert detection.score == pytest.approx(float(golden["detection"][row, 0]), abs=0.1)
        expected = golden["detection"][row, 1:].reshape(4, 2)
        # A few pixels of the 1768 that the detector sees as 224.
        assert np.median(distances(detection.keypoints_px, expected)) < 10.0
        assert detection.roi.size_px == pytest.approx(2.5 * distances(expected[0], expected[1]), rel=0.06)


def test_turned_picture_gives_turned_landmarks(
    golden: dict[str, np.ndarray], pictures: dict[int, np.ndarray], blazepose: BlazePose
) -> None:
    image = pictures[100]
    x, y, size, rotation = map(float, golden["roi"][golden["frame"] == 100][0])
    upright = blazepose.run_roi(image, Roi(x, y, size, rotation))
    # A quarter turn clockwise takes (x, y) to (height - 1 - y, x).
    turned_roi = Roi(image.shape[0] - 1 - y, x, size, rotation + math.pi / 2)
    turned = blazepose.run_roi(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE), turned_roi)
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert np.median(distances(turned.world_m, upright.world_m @ quarter.T)) < 0.005
    expected = upright.landmarks_px @ quarter.T + (image.shape[0] - 1, 0, 0)
    assert np.median(distances(turned.landmarks_px, expected)) < 2.0


def test_same_frames_give_the_same_bits(pictures: dict[int, np.ndarray], blazepose: BlazePose) -> None:
    runs = []
    for _ in range(2):
        blazepose.reset()
        results = [
            blazepose.step(image, t_capture_ns=k * 16_666_667) for k, image in enumerate(pictures.values())
        ]
        runs.append([(r.landmarks_px.tobytes(), r.world_m.tobytes(), r.detected) for r in results if r])
    assert runs[0] == runs[1]
    assert len(runs[0]) == len(pictures)


def test_results_survive_the_next_step(pictures: dict[int, np.ndarray], blazepose: BlazePose) -> None:
    blazepose.reset()
    first = blazepose.step(pictures[100])
    kept = first.landmarks_px.copy(), first.world_m.copy(), first.auxiliary_px.copy()
    blazepose.step(pictures[103])
    for array, copy in zip((first.landmarks_px, first.world_m, first.auxiliary_px), kept, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_lost_person_is_found_again_in_the_first_picture(
    pictures: dict[int, np.ndarray], blazepose: BlazePose
) -> None:
    blazepose.reset()
    empty = np.full_like(pictures[100], 90)
    steps = [
        blazepose.step(image)
        for image in (pictures[100], pictures[101], empty, empty, pictures[102], pictures[103])
    ]
    assert [r and r.detected for r in steps] == [True, False, None, None, True, False]


def test_person_who_jumps_is_found_in_the_same_picture(
    pictures: dict[int, np.ndarray], blazepose: BlazePose
) -> None:
    blazepose.reset()
    before = blazepose.step(pictures[100])
    mirrored = np.ascontiguousarray(pictures[100][:, ::-1])
    after = blazepose.step(mirrored)
    assert after is not None
    assert after.detected
    hips_px = [r.landmarks_px[23:25, 0].mean() for r in (before, after)]
    assert sum(hips_px) == pytest.approx(mirrored.shape[1], abs=25.0)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((480, 640), np.uint8),
        np.zeros((480, 640, 4), np.uint8),
        np.zeros((480, 640, 3), np.float32),
        np.zeros((0, 640, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(image: np.ndarray, blazepose: BlazePose) -> None:
    with pytest.raises(EngineError, match=r"bytes of shape \(height, width, 3\)"):
        blazepose.step(image)
    with pytest.raises(EngineError):
        blazepose.run_roi(image, Roi(0.0, 0.0, 100.0))


@pytest.mark.parametrize("size_px", [0.0, 1.0, math.nan, math.inf])
def test_region_without_a_size_gives_nothing(size_px: float, blazepose: BlazePose) -> None:
    assert blazepose.run_roi(np.zeros((48, 64, 3), np.uint8), Roi(10.0, 10.0, size_px)) is None


def test_anchors_follow_the_published_layers() -> None:
    expected = []
    # Strides of the five layers; consecutive layers of one stride share their cells' anchors.
    for stride, n_layers in ((8, 1), (16, 1), (32, 3)):
        cells = 224 // stride
        for row in range(cells):
            for column in range(cells):
                expected += [((column + 0.5) / cells, (row + 0.5) / cells)] * (2 * n_layers)
    assert len(expected) == 2254
    np.testing.assert_allclose(anchor_centres(), expected)


def test_boxes_are_decoded_from_their_anchor() -> None:
    raw = np.arange(12.0)[None]
    corners, keypoints = decode_boxes(raw, np.array([[0.5, 0.25]]))
    np.testing.assert_allclose(corners[0] * 224, [112 - 1, 56 + 1 - 1.5, 112 + 1, 56 + 1 + 1.5])
    np.testing.assert_allclose(keypoints[0] * 224, [[116, 61], [118, 63], [120, 65], [122, 67]])


def test_overlapping_detections_are_averaged_by_score() -> None:
    corners = np.array([[0.0, 0, 1, 1], [0.1, 0, 1.1, 1], [0.9, 0.9, 1.9, 1.9], [5, 5, 6, 6]])
    keypoints = RNG.normal(size=(4, 4, 2))
    scores = np.array([0.6, 0.9, 0.8, 0.85])
    box, points = merge_overlapping(scores, corners, keypoints)
    # Only the first overlaps the strongest (0.9 of 1.1); the third shares a corner, the fourth nothing.
    np.testing.assert_allclose(box, (0.6 * corners[0] + 0.9 * corners[1]) / 1.5)
    np.testing.assert_allclose(points, (0.6 * keypoints[0] + 0.9 * keypoints[1]) / 1.5)


def test_detection_without_area_stands_alone() -> None:
    corners, keypoints = np.array([[0.5, 0.5, 0.5, 0.5]]), np.ones((1, 4, 2))
    box, points = merge_overlapping(np.array([0.7]), corners, keypoints)
    np.testing.assert_allclose(box, corners[0])
    np.testing.assert_allclose(points, 1.0)


@pytest.mark.parametrize(
    ("edge", "rotation"), [((0, -1), 0.0), ((1, 0), 90.0), ((0, 1), 180.0), ((-1, -1), -45.0)]
)
def test_region_points_its_top_at_the_edge_point(edge: tuple[int, int], rotation: float) -> None:
    centre = np.array([300.0, 200.0])
    roi = alignment_roi(centre, centre + 100.0 * np.array(edge))
    assert math.degrees(roi.rotation_rad) == pytest.approx(rotation)
    assert roi.size_px == pytest.approx(2.5 * 100.0 * math.hypot(*edge))
    corners = roi.corners_px()
    direction = (corners[0] + corners[1]) / 2 - centre
    np.testing.assert_allclose(
        direction / np.linalg.norm(direction), np.array(edge) / math.hypot(*edge), atol=1e-9
    )


def plain_refinement(points: np.ndarray, heatmaps: np.ndarray) -> np.ndarray:
    rows, columns, n = heatmaps.shape
    refined = points.copy()
    for k in range(n):
        column, row = int(points[k, 0] * columns), int(points[k, 1] * rows)
        if not (0 <= column < columns and 0 <= row < rows):
            continue
        total = x = y = peak = 0.0
        for r in range(max(0, row - 4), min(rows, row + 5)):
            for c in range(max(0, column - 4), min(columns, column + 5)):
                weight = 1.0 / (1.0 + math.exp(-heatmaps[r, c, k]))
                peak = max(peak, weight)
                total, x, y = total + weight, x + weight * c, y + weight * r
        if peak >= 0.5:
            refined[k] = x / total / columns, y / total / rows
    return refined


def test_refinement_is_the_plain_loop() -> None:
    points = np.vstack([RNG.uniform(-0.2, 1.2, (60, 2)), [[0, 0], [0.999, 0.999], [1.0, 0.5], [-0.001, 0.5]]])
    heatmaps = RNG.normal(-4.0, 2.0, (24, 32, len(points))).astype(np.float32)
    refined = refine_with_heatmaps(points, heatmaps)
    np.testing.assert_allclose(refined, plain_refinement(points, heatmaps), atol=1e-9)
    changed = (refined != points).any(1)
    assert changed.any()
    assert not changed.all()


def test_uncertain_heatmap_changes_nothing() -> None:
    points = np.array([[0.5, 0.5]])
    np.testing.assert_array_equal(
        refine_with_heatmaps(points, np.full((64, 64, 1), -0.1, np.float32)), points
    )


def published_one_euro(values: np.ndarray, scale: float, dt_s: float, min_cutoff_hz: float) -> np.ndarray:
    """Algorithm 1 of Casiez et al. (2012) on scaled values: beta 10, speeds cut off at 1 Hz."""

    def alpha(cutoff_hz: float) -> float:
        return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff_hz * dt_s))

    filtered, speed = [values[0]], 0.0
    for previous, value in itertools.pairwise(values):
        speed = alpha(1.0) * ((value - previous) / scale / dt_s) + (1.0 - alpha(1.0)) * speed
        a = alpha(min_cutoff_hz + 10.0 * abs(speed))
        filtered.append(a * value + (1.0 - a) * filtered[-1])
    return np.array(filtered)


def test_region_filter_is_the_published_one_euro_filter() -> None:
    path = np.cumsum(RNG.normal(0.0, 4.0, (50, 2)), axis=0)
    points = np.stack([path, path + np.array([30.0, -40.0])], axis=1)
    roi_filter = RoiFilter(0.01)
    found = np.array([roi_filter.step(p, 1 / 30) for p in points])
    for axis in range(2):
        expected = published_one_euro(path[:, axis], 100.0, 1 / 30, 0.01)
        np.testing.assert_allclose(found[:, 0, axis], expected, rtol=1e-9)


def test_region_filter_starts_again() -> None:
    roi_filter = RoiFilter()
    far, near = np.array([[900.0, 900.0], [900.0, 400.0]]), np.array([[10.0, 10.0], [10.0, -90.0]])
    roi_filter.step(far, 0.03)
    roi_filter.reset()
    np.testing.assert_array_equal(roi_filter.step(near, 0.03), near)
    np.testing.assert_array_equal(roi_filter.step(far, 0.0), far)


def test_only_the_search_region_is_searched(pictures: dict[int, np.ndarray]) -> None:
    """The demo clip shows a man on a box above and a woman who walks by below."""
    image = pictures[KEPT_PICTURES.start]
    pose = BlazePose(
        published("pose_landmark_full"),
        published("pose_detection"),
        search_region=SearchRegion(0.0, 0.5, 1.0, 0.5),
    )
    below = pose.step(image)
    assert below is not None
    assert below.landmarks_px[24, 1] > 0.5 * image.shape[0]


@pytest.mark.parametrize("region", [(0.0, 0.5, 1.0, 0.6), (-0.1, 0.0, 1.0, 1.0), (0.2, 0.2, 0.0, 0.5)])
def test_a_search_region_outside_the_picture_is_refused(region: tuple[float, float, float, float]) -> None:
    with pytest.raises(EngineError, match="is not inside the image"):
        SearchRegion(*region)
