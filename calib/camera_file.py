"""Cameras in JSON files."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.camera import T_GROUND_LEVEL_CAM, CameraCalibration, Intrinsics
from calib.errors import CameraError

logger = logging.getLogger(__name__)

DISTORTION_LENGTHS = (0, 4, 5, 8, 12, 14)
"""As OpenCV accepts them."""
MAX_FOLDED_SHARE = 0.1
"""Calibrations bend wrongly in the last corners of an image; a person does not fit into the rest of more."""
ACCEPTED = "accepted: JSON with width_px, height_px, fx, fy, cx, cy, and perhaps distortion and T_ground_cam"


def save_camera(path: Path, camera: CameraCalibration, details: Mapping[str, object] | None = None) -> None:
    """Write a calibration for `load_camera`.

    Args:
        path: File to write; an existing one is replaced.
        camera: Calibration to keep.
        details: Further fields for readers, such as the date and the board; never read back.

    Raises:
        CameraError: the file cannot be written.
    """
    write_json(path, {**camera_as_dict(camera), **(details or {})})


def camera_as_dict(camera: CameraCalibration) -> dict[str, object]:
    """Plain values, ready for JSON."""
    k = camera.intrinsics
    fields: dict[str, object] = {
        "camera": camera.name,
        "device": camera.device,
        "width_px": k.width_px,
        "height_px": k.height_px,
        "fx": float(k.fx),
        "fy": float(k.fy),
        "cx": float(k.cx),
        "cy": float(k.cy),
        "distortion": [float(value) for value in k.distortion],
        "T_ground_cam": camera.T_ground_cam.tolist(),
    }
    if not camera.is_assumed:
        fields["rms_px"] = float(camera.rms_px)
    if camera.has_floor:
        fields["has_floor"] = True
    return fields


def write_json(path: Path, fields: Mapping[str, object]) -> None:
    """Write one file whole or not at all.

    Raises:
        CameraError: it cannot be written.
    """
    path = Path(path)
    text = json.dumps(fields, indent=2, allow_nan=False) + "\n"
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise CameraError(
            f"{path}: cannot be written ({error.strerror}); name a file in a folder that exists and is yours"
        ) from error


def load_camera(path: Path) -> CameraCalibration:
    """Read a calibration written by `kinecast calibrate camera`.

    Raises:
        CameraError: the file is missing, not JSON, or lacks a field.
    """
    return camera_from_dict(read_json(path), path)


def read_json(path: Path) -> object:
    """What a JSON file holds.

    Raises:
        CameraError: it is missing, or not JSON.
    """
    try:
        return json.loads(Path(path).read_text())
    except OSError as error:
        raise CameraError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise CameraError(
            f"{path}: not a camera calibration ({type(error).__name__}: {error}); {ACCEPTED}"
        ) from error


def camera_from_dict(data: object, path: Path) -> CameraCalibration:
    """The camera that `camera_as_dict` described.

    Args:
        data: Content of the JSON file.
        path: Path of the file, for messages.

    Raises:
        CameraError: it lacks a field, or a value makes no camera.
    """
    try:
        if not isinstance(data, dict):
            raise TypeError(f"{type(data).__name__} instead of an object")
        intrinsics = Intrinsics(
            int(data["width_px"]),
            int(data["height_px"]),
            float(data["fx"]),
            float(data["fy"]),
            float(data["cx"]),
            float(data["cy"]),
            tuple(float(v) for v in data.get("distortion", ())),
        )
        T_ground_cam = np.array(data.get("T_ground_cam", T_GROUND_LEVEL_CAM), dtype=np.float64)
        rms_px = float(data.get("rms_px", "nan"))
        name, device = str(data.get("camera", "")), str(data.get("device", ""))
        has_floor = data.get("has_floor", False) is True
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise CameraError(
            f"{path}: not a camera calibration ({type(error).__name__}: {error}); {ACCEPTED}"
        ) from error
    _check(path, intrinsics, T_ground_cam)
    _check_lens(path, intrinsics)
    if has_floor:
        _check_stands(path, T_ground_cam)
    return CameraCalibration(intrinsics, T_ground_cam, rms_px, name, device, has_floor)


def _check(path: Path, intrinsics: Intrinsics, T_ground_cam: NDArray[np.float64]) -> None:
    k = intrinsics
    if k.width_px < 1 or k.height_px < 1 or not (np.isfinite(k.matrix).all() and min(k.fx, k.fy) > 0.0):
        raise CameraError(
            f"{path}: {k.width_px} x {k.height_px} pixels, fx {k.fx}, fy {k.fy}, cx {k.cx}, cy {k.cy}; "
            "accepted: finite numbers, sizes and focal lengths above 0"
        )
    if len(k.distortion) not in DISTORTION_LENGTHS or not np.isfinite(k.distortion).all():
        raise CameraError(
            f"{path}: distortion {k.distortion}; accepted: none, or as many finite numbers as OpenCV uses: "
            f"{', '.join(map(str, DISTORTION_LENGTHS[1:]))}"
        )
    if T_ground_cam.shape != (4, 4) or not np.isfinite(T_ground_cam).all():
        raise CameraError(f"{path}: T_ground_cam is not a finite 4 x 4 matrix")


def _check_lens(path: Path, intrinsics: Intrinsics) -> None:
    """Refuse a lens model that turns back well within the image, and warn if it does so in the corners."""
    share = intrinsics.folded_share
    if not share:
        return
    said = (
        f"{path}: the lens model turns back within the image: {100.0 * share:.2g} % of the pixels see nothing"
    )
    if share > MAX_FOLDED_SHARE:
        raise CameraError(
            f"{said}; accepted: at most {100.0 * MAX_FOLDED_SHARE:.0f} %; calibrate again with the board in "
            "the corners of the image, too: kinecast calibrate camera",
            name="distortion",
            value=intrinsics.distortion,
        )
    logger.warning("%s; what is seen there is left out", said)


def _check_stands(path: Path, T_ground_cam: NDArray[np.float64]) -> None:
    R = T_ground_cam[:3, :3]
    if not np.allclose(R @ R.T, np.eye(3), atol=1e-3) or np.linalg.det(R) < 0.0 or T_ground_cam[1, 3] <= 0.0:
        raise CameraError(
            f"{path}: T_ground_cam is no place above a floor; measure it again: kinecast calibrate floor"
        )
