"""The four cameras that filmed the balance beam, as their laboratory published them."""

from __future__ import annotations

import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import numpy as np

from calib.camera import CameraCalibration, Intrinsics

UNITS_PER_PX = 64.0
"""Qualisys writes lengths on the sensor in 64ths of a pixel."""


def published_cameras(path: Path) -> dict[str, Intrinsics]:
    """Cameras of a Qualisys calibration; distortion left out."""
    cameras = {}
    for camera in ElementTree.parse(path).iter("camera"):
        video, lens = camera.find("fov_video"), camera.find("intrinsic")
        assert video is not None and lens is not None
        names = ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV")
        fx, fy, cx, cy = (float(lens.attrib[name]) / UNITS_PER_PX for name in names)
        width, height = int(video.attrib["right"]) + 1, int(video.attrib["bottom"]) + 1
        cameras[camera.attrib["serial"]] = Intrinsics(width, height, fx, fy, cx, cy)
    return cameras


def placed_cameras(path: Path) -> dict[str, CameraCalibration]:
    """Cameras of a Pose2Sim file, in the laboratory (Z up); distortion left out."""
    cameras = {}
    for name, fields in tomllib.loads(path.read_text()).items():
        if "matrix" not in fields:
            continue
        (fx, _, cx), (_, fy, cy), _ = fields["matrix"]
        width, height = (int(side) for side in fields["size"])
        T_cam_ground = np.eye(4)
        T_cam_ground[:3, :3] = cv2.Rodrigues(np.array(fields["rotation"]))[0]
        T_cam_ground[:3, 3] = fields["translation"]
        k = Intrinsics(width, height, fx, fy, cx, cy)
        cameras[name] = CameraCalibration(k, np.linalg.inv(T_cam_ground))
    return cameras
