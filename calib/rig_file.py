"""Reads rigs: kinecast's own, and those of OpenCap, Pose2Sim, Qualisys and OpenCV.

Other programs write world-to-camera transforms, in a world of their own:

- OpenCap (its pickle as JSON: `intrinsicMat`, `rotation`, `translation`): mm, the world of a checkerboard
  that stands upright, with Y down. Ground is this world turned by 180 deg about its X.
- Pose2Sim (`.toml`): m, Z up. Ground is this world turned by -90 deg about its X.
- Qualisys (`.qca.txt`): camera-to-world, mm, Z up; lengths on the sensor in 64ths of a pixel, distortion as
  in OpenCV. Pose2Sim divides the distortion by 64, too; images of boards from such cameras say otherwise.
- OpenCV (JSON of `camera_matrix`, `distortion_coefficients`, `R`, `T`, `image_size` for each camera name):
  OpenCV fixes neither unit nor vertical, so the file states `"unit": "m"` or `"mm"` and `"up"`: `"+y"`,
  `"-y"`, `"+z"` or `"-z"`.

How well ground's Y is vertical is how well the other program's was: a board 1 degree off turns the pelvis by
1 degree.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import cv2
import defusedxml.ElementTree
import numpy as np
from defusedxml import DefusedXmlException
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.camera_file import camera_from_dict, read_json
from calib.errors import CameraError
from calib.rig import Rig, make_rig, rig_from_dict

Array = NDArray[np.float64]

ACCEPTED = (
    "accepted: a rig of kinecast, a pair of kinecast calibrate two-cameras, OpenCap's cameras as JSON, "
    "Pose2Sim's .toml, Qualisys's .qca.txt, or OpenCV's camera_matrix, distortion_coefficients, R, T and "
    "image_size of each camera in JSON with unit and up"
)
SUBPIXELS = 64.0
"""Qualisys writes lengths on the sensor in 64ths of a pixel."""
UNITS_M = {"m": 1.0, "mm": 1e-3}
R_GROUND_WORLD: dict[str, Array] = {
    "+y": np.eye(3),
    "-y": np.diag([1.0, -1.0, -1.0]),
    "+z": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
    "-z": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]),
}
"""Ground of worlds whose vertical is another axis."""


@dataclass(frozen=True, slots=True)
class _Fields:
    """What a program calls the parts of a camera, and what its numbers mean."""

    matrix: str
    distortion: str
    rotation: str
    translation: str
    size: str
    is_height_first: bool = False
    unit: str = ""
    up: str = ""


OPENCAP = _Fields("intrinsicMat", "distortion", "rotation", "translation", "imageSize", True, "mm", "-y")
POSE2SIM = _Fields("matrix", "distortions", "rotation", "translation", "size", False, "m", "+z")
OPENCV = _Fields("camera_matrix", "distortion_coefficients", "R", "T", "image_size")


def load_rig(path: Path, names: Sequence[str] | None = None) -> Rig:
    """Read a rig of kinecast or of another program; see the module.

    Args:
        path: File of the cameras.
        names: Cameras of the file, in the order wanted; None for all, in the file's order.

    Raises:
        CameraError: the file is missing, of no known kind, lacks a field or a camera, or its cameras make no
            rig.
    """
    rig = _read(Path(path))
    return rig if names is None else rig.only(names)


def _read(path: Path) -> Rig:
    try:
        if path.suffix == ".toml":
            return _from_mapping(tomllib.loads(_text(path)), path)
        if path.name.endswith((".qca.txt", ".xml")):
            return _from_qualisys(path)
        data = read_json(path)
        if not isinstance(data, dict):
            raise TypeError(f"{type(data).__name__} instead of an object")
        if "rig" in data:
            return rig_from_dict(data, path)
        if "T_a_b" in data:
            return make_rig([_named(data[key], key, path) for key in ("a", "b")])
        return _from_mapping(data, path)
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError, cv2.error) as error:
        raise CameraError(f"{path}: no rig ({type(error).__name__}: {error}); {ACCEPTED}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise CameraError(f"{path}: cannot be read ({error.strerror})") from error


def _named(data: object, name: str, path: Path) -> CameraCalibration:
    """A camera of a pair, whose own name may be missing or the other's."""
    if not isinstance(data, dict):
        raise TypeError(f"{type(data).__name__} instead of an object")
    return camera_from_dict({**data, "camera": name}, path)


def _from_mapping(data: Mapping[str, object], path: Path) -> Rig:
    """Cameras by name, as OpenCap, Pose2Sim and OpenCV's users write them."""
    cameras = {name: fields for name, fields in data.items() if isinstance(fields, dict)}
    for kind in (OPENCAP, POSE2SIM, OPENCV):
        found = {name: fields for name, fields in cameras.items() if kind.matrix in fields}
        if found:
            break
    else:
        raise ValueError("it names no camera with a matrix")
    unit, up = kind.unit or data.get("unit"), kind.up or data.get("up")
    if unit not in UNITS_M or up not in R_GROUND_WORLD:
        raise CameraError(
            f"{path}: unit {unit!r}, up {up!r}; accepted: unit {' or '.join(UNITS_M)}, "
            f"up {', '.join(R_GROUND_WORLD)}: OpenCV fixes neither, so the file has to state both",
            name="unit" if unit not in UNITS_M else "up",
        )
    return make_rig([_camera(name, fields, kind, str(unit), str(up), path) for name, fields in found.items()])


def _camera(
    name: str, fields: Mapping[str, object], kind: _Fields, unit: str, up: str, path: Path
) -> CameraCalibration:
    missing = [
        field
        for field in (kind.distortion, kind.rotation, kind.translation, kind.size)
        if field not in fields
    ]
    if missing:
        raise CameraError(f"{path}: camera {name} has no {', '.join(missing)}", name=missing[0])
    if fields.get("fisheye") is True:
        raise CameraError(f"{path}: camera {name} is a fisheye; accepted: OpenCV's ordinary lens model")
    size = _numbers(fields[kind.size], 2)[:: -1 if kind.is_height_first else 1]
    K = _numbers(fields[kind.matrix], 9).reshape(3, 3)
    rotation = np.array(fields[kind.rotation], dtype=np.float64)
    R_cam_world = cv2.Rodrigues(rotation.ravel())[0] if rotation.size == 3 else rotation.reshape(3, 3)
    t_m = UNITS_M[unit] * _numbers(fields[kind.translation], 3)
    T_world_cam = np.eye(4)
    T_world_cam[:3, :3] = np.asarray(R_cam_world, dtype=np.float64).T
    T_world_cam[:3, 3] = -T_world_cam[:3, :3] @ t_m
    distortion = np.array(fields[kind.distortion], dtype=np.float64).ravel()
    return _placed(name, size, (K[0, 0], K[1, 1], K[0, 2], K[1, 2]), distortion, T_world_cam, up, path)


def _placed(
    name: str,
    size_px: Array,
    lens: tuple[float, float, float, float],
    distortion: Array,
    T_world_cam: Array,
    up: str,
    path: Path,
) -> CameraCalibration:
    """The camera in ground."""
    R = T_world_cam[:3, :3]
    if not np.allclose(R @ R.T, np.eye(3), atol=1e-3) or np.linalg.det(R) < 0.0:
        raise CameraError(f"{path}: the rotation of camera {name} is none; accepted: 3 x 3, right-handed")
    T_ground_world = np.eye(4)
    T_ground_world[:3, :3] = R_GROUND_WORLD[up]
    fx, fy, cx, cy = (float(value) for value in lens)
    fields = {
        "camera": name, "width_px": int(size_px[0]), "height_px": int(size_px[1]),
        "fx": fx, "fy": fy, "cx": cx, "cy": cy, "distortion": distortion.tolist(),
        "T_ground_cam": (T_ground_world @ T_world_cam).tolist(),
    }  # fmt: skip
    return camera_from_dict(fields, path)


def _numbers(value: object, n: int) -> Array:
    numbers = np.array(value, dtype=np.float64).ravel()
    if numbers.size != n:
        raise ValueError(f"{numbers.size} numbers instead of {n}")
    return numbers


def _from_qualisys(path: Path) -> Rig:
    try:
        root = defusedxml.ElementTree.fromstring(_text(path))
    except (SyntaxError, DefusedXmlException) as error:
        raise CameraError(f"{path}: no rig ({error}); {ACCEPTED}") from error
    return make_rig([_from_element(camera, path) for camera in root.iter("camera")])


def _from_element(camera: Element, path: Path) -> CameraCalibration:
    video, lens, place = (_child(camera, tag, path) for tag in ("fov_video", "intrinsic", "transform"))
    left, top, right, bottom = (float(video.attrib[side]) for side in ("left", "top", "right", "bottom"))
    fx, fy, cx, cy = (
        float(lens.attrib[field]) / SUBPIXELS
        for field in ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV")
    )
    # Qualisys's axes: the camera looks along -Z with Y up; rows of the file are columns of the rotation.
    R = np.array([[float(place.attrib[f"r{row}{column}"]) for row in (1, 2, 3)] for column in (1, 2, 3)])
    T_world_cam = np.eye(4)
    T_world_cam[:3, :3] = R @ np.diag([1.0, -1.0, -1.0])
    T_world_cam[:3, 3] = [1e-3 * float(place.attrib[axis]) for axis in "xyz"]
    names = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2")
    distortion = np.array([float(lens.attrib[name]) for name in names])
    return _placed(
        camera.attrib["serial"],
        np.array([right - left + 1.0, bottom - top + 1.0]),
        (fx, fy, cx - left, cy - top),
        distortion,
        T_world_cam,
        "+z",
        path,
    )


def _child(camera: Element, tag: str, path: Path) -> Element:
    found = camera.find(tag)
    if found is None:
        raise CameraError(f"{path}: camera {camera.get('serial')} has no {tag}", name=tag)
    return found
