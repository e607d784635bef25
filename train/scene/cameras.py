"""Where cameras stand and what they cut out: webcams first, then phones that see the whole body."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration, Intrinsics


class Framing(StrEnum):
    """What part of the person the camera is set up to see."""

    WEBCAM = "webcam"
    THREE_QUARTER = "three_quarter"
    FULL_BODY = "full_body"


FRAMING_ODDS = {Framing.WEBCAM: 0.45, Framing.THREE_QUARTER: 0.2, Framing.FULL_BODY: 0.35}

LEVEL_ODDS = 0.4
"""Whole bodies seen by a level camera at chest height, as a phone on a tripod or in a hand sees them."""
_LANDSCAPE_SIZES_PX = ((640, 480), (1280, 720), (1920, 1080), (640, 360), (848, 480))
_PORTRAIT_SIZES_PX = ((720, 1280), (1080, 1920), (360, 640), (480, 848))

_BODY_REACH_M = 1.05
"""From the hips to the ends of an upright body: more is not guessed where legs are out of sight."""
_LEAST_FRAME_SHARE = 0.3
_UNUSUAL_HEIGHT_ODDS = 0.3
_TRIES = 4
"""A camera that misses what it should show is drawn again, but not for ever: people do leave the frame."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A camera and the square it is cropped to."""

    camera: CameraCalibration
    """Calibration of the whole frame."""
    crop_from_frame: NDArray[np.float64]
    """Similarity from frame pixels to crop pixels. Shape: (2, 3)."""
    size_px: int
    """Width and height of the crop."""
    framing: Framing

    @property
    def scale(self) -> float:
        """Crop pixels per frame pixel."""
        return float(np.hypot(self.crop_from_frame[0, 0], self.crop_from_frame[1, 0]))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Homogeneous crop pixels from ground. Shape: (3, 4)."""
        T = np.linalg.inv(self.camera.T_ground_cam)
        affine = np.vstack([self.crop_from_frame, [0.0, 0.0, 1.0]])
        return np.asarray(affine @ self.camera.intrinsics.matrix @ T[:3])

    @property
    def focal_px(self) -> float:
        """Focal length in crop pixels."""
        return self.camera.intrinsics.fx * self.scale

    def project(self, p_ground: NDArray[np.float64]) -> NDArray[np.float64]:
        """Crop pixels of points in ground; NaN behind the camera. Shape: (..., 2)."""
        return self.camera.project(p_ground) @ self.crop_from_frame[:, :2].T + self.crop_from_frame[:, 2]


def look_at(eye_m: NDArray[np.float64], target_m: NDArray[np.float64], roll: float) -> NDArray[np.float64]:
    """Camera to ground, looking from `eye_m` to `target_m`, turned by `roll`. Shape: (4, 4)."""
    forward = target_m - eye_m
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    T = np.eye(4)
    T[:3, :3] = np.stack([c * right + s * down, c * down - s * right, forward], 1)
    T[:3, 3] = eye_m
    return T


def _heading(anchors: dict[str, NDArray[np.float64]]) -> float:
    """Where the trunk faces: angle from +X towards +Z, rad."""
    across = anchors["shoulder_r"] - anchors["shoulder_l"] + anchors["hip_r"] - anchors["hip_l"]
    return float(np.arctan2(-across[0], across[2]))


def _place(
    framing: Framing, anchors: dict[str, NDArray[np.float64]], floor_y_m: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Eye, target and field of view (deg, along the frame's longer side)."""
    pelvis = 0.5 * (anchors["hip_r"] + anchors["hip_l"])
    shoulders = 0.5 * (anchors["shoulder_r"] + anchors["shoulder_l"])
    head = 0.5 * (anchors["eye_r"] + anchors["eye_l"])
    facing = _heading(anchors)
    if framing is Framing.WEBCAM:
        distance, fov = rng.uniform(0.6, 1.5), rng.uniform(50, 90)
        turn = rng.normal(0.0, 0.35)
        height = head[1] + rng.choice([rng.normal(-0.18, 0.08), rng.normal(0.02, 0.08)]) * (
            0.5 + 0.5 * distance
        )
        target = 0.55 * head + 0.45 * shoulders + np.array([0.0, rng.normal(-0.04, 0.06), 0.0])
    elif framing is Framing.THREE_QUARTER:
        distance, fov = rng.uniform(1.4, 2.6), rng.uniform(50, 80)
        turn = rng.normal(0.0, 0.8)
        height = floor_y_m + _eye_height_m(rng, float(head[1] - floor_y_m))
        target = rng.uniform(0.3, 0.8) * shoulders + rng.uniform(0.2, 0.5) * pelvis
        # Who touches the floor has the pelvis above the shoulders.
        target[1] = rng.uniform(*sorted((pelvis[1], shoulders[1])))
    else:
        distance, fov = rng.uniform(2.2, 4.2), rng.uniform(50, 75)
        turn = rng.uniform(-np.pi, np.pi)
        height = floor_y_m + _eye_height_m(rng, 1.3)
        target = np.array([pelvis[0], rng.normal(0.5 * (head[1] + floor_y_m), 0.12), pelvis[2]])
    azimuth = facing + turn
    middle = 0.5 * (shoulders + pelvis)
    eye = np.array([middle[0] + distance * np.cos(azimuth), height, middle[2] + distance * np.sin(azimuth)])
    aim = rng.normal(0, 0.06, 3) * np.array([1.0, 0.3, 1.0]) * min(distance, 2.0)
    return eye, target + aim, float(fov)


def _place_level(
    anchors: dict[str, NDArray[np.float64]], floor_y_m: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Eye, target and field of view of a level camera at chest height: frontal, at 45 degrees, or anyhow."""
    middle = 0.5 * (anchors["hip_r"] + anchors["hip_l"])
    distance, fov = rng.uniform(2.3, 3.7), rng.uniform(58, 74)
    side = rng.choice([-1.0, 1.0])
    turns = (rng.normal(0.0, 0.15), side * rng.normal(0.8, 0.15), rng.uniform(-np.pi, np.pi))
    azimuth = _heading(anchors) + turns[rng.choice(3, p=[0.45, 0.35, 0.2])]
    height = floor_y_m + float(np.clip(rng.normal(1.25, 0.16), 0.8, 1.7))
    eye = np.array([middle[0] + distance * np.cos(azimuth), height, middle[2] + distance * np.sin(azimuth)])
    aim_y = height - distance * np.tan(np.radians(rng.normal(3.0, 2.5)))
    return eye, np.array([middle[0], aim_y, middle[2]]) + rng.normal(0, 0.06, 3), float(fov)


def _eye_height_m(rng: np.random.Generator, head_m: float) -> float:
    """Mostly held or on a tripod, now and then near the floor or high on a wall."""
    if rng.random() < _UNUSUAL_HEIGHT_ODDS:
        return float(rng.uniform(0.15, 2.7))
    return float(np.clip(rng.normal(0.85, 0.25) * head_m, 0.25, 2.0))


def _tracker_crop(
    uv_px: dict[str, NDArray[np.float64]], reach_limit_px: float, rng: np.random.Generator, size_px: int
) -> NDArray[np.float64]:
    """The square a landmark tracker cuts: about the hips, around the whole body, upright with the trunk."""
    hips = 0.5 * (uv_px["hip_r"] + uv_px["hip_l"])
    shoulders = 0.5 * (uv_px["shoulder_r"] + uv_px["shoulder_l"])
    reach = max(float(np.linalg.norm(p - hips)) for p in uv_px.values() if np.isfinite(p).all())
    side = 2.0 * 1.25 * min(reach, reach_limit_px) * rng.uniform(0.9, 1.15)
    upright = shoulders - hips
    roll = float(np.arctan2(upright[0], -upright[1])) if rng.random() < 0.6 else 0.0
    centre = hips + rng.normal(0.0, 0.03, 2) * side
    return crop_similarity(centre, side, roll + rng.normal(0.0, 0.06), size_px)


def frame_share(crop_from_frame: NDArray[np.float64], frame: Intrinsics, size_px: int) -> float:
    """Share of a crop that the frame fills."""
    axis = (np.arange(16) + 0.5) / 16.0 * size_px
    pixel = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    at = (pixel - crop_from_frame[:, 2]) @ np.linalg.inv(crop_from_frame[:, :2]).T
    return float(((at >= 0) & (at < [frame.width_px, frame.height_px])).all(1).mean())


def _box_crop(
    uv_px: dict[str, NDArray[np.float64]], frame: Intrinsics, rng: np.random.Generator, size_px: int
) -> NDArray[np.float64]:
    """A loose square around what the frame shows of the person."""
    points = np.stack([p for p in uv_px.values() if np.isfinite(p).all()])
    limits = np.array([frame.width_px, frame.height_px], float)
    low, high = np.clip(points.min(0), 0, limits), np.clip(points.max(0), 0, limits)
    side = max(float((high - low).max()), 0.2 * float(limits.min())) * rng.uniform(1.0, 1.4)
    centre = 0.5 * (low + high) + rng.normal(0.0, 0.05, 2) * side
    return crop_similarity(centre, side, 0.0, size_px)


def crop_similarity(
    centre_px: NDArray[np.float64], side_px: float, roll: float, size_px: int
) -> NDArray[np.float64]:
    """Frame pixels to a square crop whose upright leans right by `roll` rad in the frame. Shape: (2, 3)."""
    scale = size_px / side_px
    c, s = scale * np.cos(roll), scale * np.sin(roll)
    linear = np.array([[c, s], [-s, c]])
    return np.column_stack([linear, np.array([size_px, size_px]) / 2.0 - linear @ centre_px])


def sample_view(
    anchors: dict[str, NDArray[np.float64]],
    floor_y_m: float,
    rng: np.random.Generator,
    *,
    size_px: int = 256,
    framing: Framing | None = None,
) -> View:
    """A camera that sees this person, and a crop as a tracker makes it.

    Args:
        anchors: Positions of `ANCHORS` in ground, in m. Shape of each: (3,).
        floor_y_m: Height of the floor.
        rng: Source of chance.
        size_px: Side of the crop.
        framing: Framing of the camera, or None for `FRAMING_ODDS`.
    """
    if framing is None:
        framing = Framing(str(rng.choice([str(k) for k in FRAMING_ODDS], p=list(FRAMING_ODDS.values()))))
    level = framing is Framing.FULL_BODY and rng.random() < LEVEL_ODDS
    for _ in range(_TRIES):
        camera, uv_px = _aim(framing, anchors, floor_y_m, rng, level=level)
        if _in_frame(framing, uv_px, camera.intrinsics):
            break
    return View(camera, _crop(camera, uv_px, anchors, framing, rng, size_px), size_px, framing)


def _aim(
    framing: Framing,
    anchors: dict[str, NDArray[np.float64]],
    floor_y_m: float,
    rng: np.random.Generator,
    *,
    level: bool,
) -> tuple[CameraCalibration, dict[str, NDArray[np.float64]]]:
    """A camera, and where it sees the anchors."""
    portrait_odds = 0.0 if framing is Framing.WEBCAM else 0.85 if level else 0.4
    sizes = _PORTRAIT_SIZES_PX if rng.random() < portrait_odds else _LANDSCAPE_SIZES_PX
    width_px, height_px = sizes[rng.integers(len(sizes))]
    if level:
        eye, target, fov_deg = _place_level(anchors, floor_y_m, rng)
    else:
        eye, target, fov_deg = _place(framing, anchors, floor_y_m, rng)
    T = look_at(eye, target, rng.normal(0.0, 0.015 if level else 0.035))
    camera = CameraCalibration(Intrinsics.from_fov(width_px, height_px, fov_deg), T)
    return camera, {name: camera.project(p) for name, p in anchors.items()}


def _in_frame(framing: Framing, uv_px: dict[str, NDArray[np.float64]], frame: Intrinsics) -> bool:
    """Whether the frame holds what this framing is meant to show."""
    needed: tuple[str, ...] = ("eye_r", "eye_l", "shoulder_r", "shoulder_l")
    if framing is Framing.FULL_BODY:
        needed = ("head_top", "hip_r", "hip_l", "ankle_r", "ankle_l")
    points = np.stack([uv_px[name] for name in needed])
    with np.errstate(invalid="ignore"):
        return bool(((points > 0) & (points < [frame.width_px, frame.height_px])).all())


def recropped(view: View, anchors: dict[str, NDArray[np.float64]], rng: np.random.Generator) -> View:
    """The same camera, cropped anew around a person who has moved."""
    uv_px = {name: view.camera.project(p) for name, p in anchors.items()}
    crop = _crop(view.camera, uv_px, anchors, view.framing, rng, view.size_px)
    return View(view.camera, crop, view.size_px, view.framing)


def _crop(
    camera: CameraCalibration,
    uv_px: dict[str, NDArray[np.float64]],
    anchors: dict[str, NDArray[np.float64]],
    framing: Framing,
    rng: np.random.Generator,
    size_px: int,
) -> NDArray[np.float64]:
    frame = camera.intrinsics
    if (
        rng.random() < (0.35 if framing is Framing.WEBCAM else 0.7)
        and np.isfinite([uv_px["hip_r"], uv_px["hip_l"]]).all()
    ):
        hips = 0.5 * (anchors["hip_r"] + anchors["hip_l"])
        depth = float((hips - camera.T_ground_cam[:3, 3]) @ camera.T_ground_cam[:3, 2])
        crop = _tracker_crop(uv_px, frame.fx * _BODY_REACH_M / max(depth, 0.3), rng, size_px)
        if frame_share(crop, frame, size_px) > _LEAST_FRAME_SHARE:
            return crop
    return _box_crop(uv_px, frame, rng, size_px)
