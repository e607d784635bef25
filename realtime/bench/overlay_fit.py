"""How well the drawn skeleton lies on the person, against landmarks of a network that does not track them.

BlazePose heavy detects the person afresh in single frames. The distance of each drawn joint from its
landmark is given in % of the stature. A landmark is not the centre of a joint: BlazePose's shoulder lies on
top of the shoulder, 3 cm above the glenohumeral joint, and its hip beside the joint. The second distance is
therefore measured from where the landmark lies on the skeleton (`realtime.pose.landmark_model`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton
from engines.assets import fetch
from engines.blazepose.detector import WHOLE_PICTURE, SearchRegion
from engines.blazepose.pose_landmark import ANKLES, ELBOWS, HIPS, KNEES, SHOULDERS, WRISTS, Pair
from engines.blazepose.tracker import BlazePose, BlazePoseResult
from realtime.errors import RealtimeError
from realtime.geometry import camera_in_ground, joint_centres
from realtime.pose.certainty import ORDINARY_STATURE_M
from realtime.pose.landmark_model import build_landmark_model
from realtime.sample import Estimator, PoseSample
from realtime.sources.source import FrameSource

Array = NDArray[np.float64]
Observer = Callable[[NDArray[np.uint8]], BlazePoseResult | None]
"""Landmarks of a single frame, found without the frames before; None without a person."""

NETWORK = "pose_landmark_heavy"
EVERY = 8
"""Every how many frames are compared: consecutive ones tell little more."""
MIN_VISIBILITY = 0.5
GROUPS: dict[str, tuple[str, Pair]] = {
    "shoulder": ("humerus", SHOULDERS),
    "elbow": ("ulna", ELBOWS),
    "wrist": ("hand", WRISTS),
    "hip": ("femur", HIPS),
    "knee": ("tibia", KNEES),
    "ankle": ("talus", ANKLES),
}
"""Joint group: the bodies whose joints are drawn, and their landmarks, left and right."""


@dataclass(frozen=True, slots=True)
class GroupFit:
    """Median distances of one group of joints, both sides, in % of the stature."""

    n: int
    joint_percent: float
    """Of the drawn joint from the landmark."""
    low_percent: float
    """By how much the joint is drawn below the landmark."""
    inside_percent: float
    """By how much it is drawn nearer to the other side."""
    landmark_percent: float
    """Of where the landmark lies on the skeleton from the landmark."""


@dataclass(frozen=True, slots=True)
class OverlayFit:
    """Fit of the drawn skeleton in one video."""

    frames: int
    """Number of frames compared."""
    groups: dict[str, GroupFit]
    """By name; groups that were never seen are left out."""

    def as_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        return asdict(self)


def independent_observer(search: tuple[float, float, float, float] | None = None) -> Observer:
    """BlazePose heavy, which finds the person afresh in each frame.

    Args:
        search: Part of the image in which the person is looked for, as of `--region`; None for all of it.

    Raises:
        AssetError: the network cannot be fetched; the text says how to.
    """
    region = WHOLE_PICTURE if search is None else SearchRegion(*search)
    blazepose = BlazePose(fetch(NETWORK), search_region=region)

    def look(image: NDArray[np.uint8]) -> BlazePoseResult | None:
        blazepose.reset()
        return blazepose.step(image)

    return look


def measure_overlay(
    source: FrameSource, estimator: Estimator, look: Observer, every: int = EVERY
) -> OverlayFit:
    """Track an opened source and compare what is drawn on its frames.

    Args:
        source: Opened source.
        estimator: Estimator that tracks.
        look: Independent network.
        every: Number of frames from one comparison to the next.

    Raises:
        RealtimeError: no frame shows a person to both.
    """
    compare = _Comparison(estimator.skeleton, estimator.camera)
    n_frames = 0
    with tqdm(desc=estimator.name, unit="frame", leave=False, disable=None) as progress:
        while (frame := source.read()) is not None:
            sample = estimator.step(frame).on_image()
            if n_frames % every == 0 and np.isfinite(sample.q).all():
                seen = look(frame.image)
                if seen is not None:
                    compare.add(sample, seen)
            n_frames += 1
            progress.update()
    if not compare.n_frames:
        raise RealtimeError(f"{source.description}: no person in any of {n_frames} frames")
    return compare.result()


class _Comparison:
    """Collects the distances of one video."""

    def __init__(self, skeleton: Skeleton, camera: CameraCalibration) -> None:
        self._skeleton, self._camera = skeleton, camera
        self._model = build_landmark_model(skeleton)
        self._row = {int(landmark): k for k, landmark in enumerate(self._model.landmark)}
        self._found: dict[str, list[tuple[float, float, float, float]]] = {group: [] for group in GROUPS}
        self.n_frames = 0

    def add(self, sample: PoseSample, seen: BlazePoseResult) -> None:
        """Take in one frame."""
        self.n_frames += 1
        camera, skeleton, model = camera_in_ground(self._camera, sample), self._skeleton, self._model
        T, factors = sample.T_ground_body[model.station_body], sample.scale_factors[model.station_body]
        stations_m = np.einsum("nij,nj->ni", T[:, :3, :3], model.station_m * factors) + T[:, :3, 3]
        joints_m = joint_centres(skeleton, sample.T_ground_body, sample.scale_factors)
        depth_m = float(np.median((joints_m - camera.T_ground_cam[:3, 3]) @ camera.T_ground_cam[:3, 2]))
        stature_m = ORDINARY_STATURE_M * float(sample.scale_factors.mean())
        percent = 100.0 * depth_m / (camera.intrinsics.fy * stature_m)
        joints, stations = camera.project(joints_m) * percent, camera.project(stations_m) * percent
        landmarks = seen.landmarks_px[:, :2] * percent
        for group, (stem, pair) in GROUPS.items():
            for landmark, other in (pair, pair[::-1]):
                body = f"{stem}_{'l' if landmark == pair[0] else 'r'}"
                is_seen = seen.visibility[landmark] >= MIN_VISIBILITY and body in skeleton.body_names
                if is_seen and landmark in self._row:
                    to_other = landmarks[other] - landmarks[landmark]
                    apart = joints[skeleton.body_index(body)] - landmarks[landmark]
                    inside = float(apart @ to_other / max(float(np.linalg.norm(to_other)), 1e-9))
                    own = float(np.linalg.norm(stations[self._row[landmark]] - landmarks[landmark]))
                    self._found[group].append((float(np.linalg.norm(apart)), float(apart[1]), inside, own))

    def result(self) -> OverlayFit:
        """Medians of what was collected."""
        groups = {}
        for group, rows in self._found.items():
            if rows:
                joint, low, inside, own = np.median(np.array(rows), axis=0).tolist()
                groups[group] = GroupFit(len(rows), joint, low, inside, own)
        return OverlayFit(self.n_frames, groups)


def format_overlay(fit: OverlayFit) -> str:
    """The fit as a table."""
    lines = [
        f"{fit.frames} frames; median distances from {NETWORK} in % of the stature",
        f"{'joint':<10}{'n':>6}{'joint':>8}{'low':>8}{'inside':>8}{'landmark':>10}",
    ]
    lines += [
        f"{name:<10}{g.n:>6}{g.joint_percent:>8.2f}{g.low_percent:>+8.2f}{g.inside_percent:>+8.2f}"
        f"{g.landmark_percent:>10.2f}"
        for name, g in fit.groups.items()
    ]
    return "\n".join(lines)
