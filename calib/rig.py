"""Several cameras in one ground: a rig, kept in one JSON file.

The file of a rig is `{"rig": 1, "cameras": [...]}`, each camera as `calib.camera_file` writes it, with its
name under `camera` and with `T_ground_cam` in the ground that all share: m, Y up.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calib.camera import CameraCalibration
from calib.camera_file import camera_as_dict, camera_from_dict, write_json
from calib.errors import CameraError

logger = logging.getLogger(__name__)

RIG_FORMAT = 1
CODED_PX = 16
"""Codecs store whole blocks, so that 1080 rows become 1088; some programs show the rest, and some do not."""
LEAST_APART_M, LEAST_APART_DEG = 0.05, 2.0
"""Two cameras that differ by less are one camera, given twice."""


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """Cameras that look at the same scene, in one ground whose Y is up."""

    cameras: tuple[CameraCalibration, ...]
    """At least two, with different names."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the cameras, in their order."""
        return tuple(camera.name for camera in self.cameras)

    def only(self, names: Sequence[str]) -> Rig:
        """The rig of some of the cameras, in the order given.

        Raises:
            CameraError: a name is not in the rig, or is given twice.
        """
        by_name = {camera.name: camera for camera in self.cameras}
        for name in names:
            if name not in by_name:
                raise CameraError(
                    f"no camera {name!r} in the rig; accepted: {', '.join(self.names)}",
                    name="camera", value=name, accepted=self.names,
                )  # fmt: skip
        return make_rig([by_name[name] for name in names])

    def for_sizes(self, sizes_px: Sequence[tuple[int, int]], *, may_scale: bool = False) -> Rig:
        """The rig for images of other sizes.

        Args:
            sizes_px: Width and height of each camera's images, in the order of the cameras. Images that lack
                a codec's last rows or columns are accepted.
            may_scale: Whether cameras calibrated at another size of the same shape are scaled.

        Raises:
            CameraError: another number of images than of cameras, a size of another shape, or another size
                that may not be scaled to.
        """
        if len(sizes_px) != len(self.cameras):
            raise CameraError(
                f"{len(sizes_px)} sources for a rig of {len(self.cameras)} cameras "
                f"({', '.join(self.names)}); give one source for each camera, in this order, or "
                "name the cameras of the sources with --camera-names",
                name="sources", value=len(sizes_px), accepted=(len(self.cameras),),
            )  # fmt: skip
        pairs = zip(self.cameras, sizes_px, strict=True)
        return Rig(tuple(_for_size(camera, size_px, may_scale=may_scale) for camera, size_px in pairs))


def make_rig(cameras: Sequence[CameraCalibration]) -> Rig:
    """A rig of cameras, if they can be one.

    Raises:
        CameraError: fewer than two cameras, a name twice, or two cameras in one position.
    """
    names = [camera.name for camera in cameras]
    if len(cameras) < 2:
        raise CameraError(f"{len(cameras)} camera in the rig; accepted: two or more", name="cameras")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CameraError(
            f"camera {', '.join(map(repr, twice))} is there more than once; give each camera its own name",
            name="camera", value=twice[0],
        )  # fmt: skip
    for k, a in enumerate(cameras):
        for b in cameras[k + 1 :]:
            _check_apart(a, b)
    return Rig(tuple(cameras))


def save_rig(path: Path, rig: Rig, details: Mapping[str, object] | None = None) -> None:
    """Write a rig for `calib.rig_file.load_rig`.

    Args:
        path: File to write; an existing one is replaced.
        rig: Cameras to keep.
        details: Further fields for readers; never read back.

    Raises:
        CameraError: the file cannot be written.
    """
    write_json(path, {**rig_as_dict(rig), **(details or {})})


def rig_as_dict(rig: Rig) -> dict[str, object]:
    """Plain values, ready for JSON."""
    return {"rig": RIG_FORMAT, "cameras": [camera_as_dict(camera) for camera in rig.cameras]}


def rig_from_dict(data: Mapping[str, object], path: Path) -> Rig:
    """The rig that `save_rig` wrote.

    Args:
        data: Content of the JSON file.
        path: Path of the file, for messages.

    Raises:
        CameraError: it lacks a field, or its cameras make no rig.
    """
    cameras = data.get("cameras")
    if data.get("rig") != RIG_FORMAT or not isinstance(cameras, list):
        raise CameraError(
            f"{path}: rig of format {data.get('rig')!r}; accepted: {RIG_FORMAT}, with a list of cameras",
            name="rig", value=data.get("rig"), accepted=(RIG_FORMAT,),
        )  # fmt: skip
    for number, camera in enumerate(cameras):
        if not (isinstance(camera, dict) and camera.get("camera") and "T_ground_cam" in camera):
            raise CameraError(f"{path}: camera {number} of the rig has no name or no T_ground_cam")
    return make_rig([camera_from_dict(camera, path) for camera in cameras])


def _for_size(camera: CameraCalibration, size_px: tuple[int, int], *, may_scale: bool) -> CameraCalibration:
    k = camera.intrinsics
    if (k.width_px, k.height_px) == size_px:
        return camera
    width_px, height_px = size_px
    said = f"camera {camera.name} is calibrated at {k.width_px}x{k.height_px}, its source gives "
    said += f"{width_px}x{height_px}"
    if 0 <= k.width_px - width_px < CODED_PX and 0 <= k.height_px - height_px < CODED_PX:
        logger.warning("%s; taken for the same images without their last rows or columns", said)
        return replace(camera, intrinsics=replace(k, width_px=width_px, height_px=height_px))
    if abs(k.width_px * height_px - k.height_px * width_px) > max(k.width_px, k.height_px):
        raise CameraError(
            f"{said}, which has another shape; are the sources in the order of the rig's cameras?",
            name="size_px", value=size_px, accepted=((k.width_px, k.height_px),),
        )  # fmt: skip
    if not may_scale:
        raise CameraError(
            f"{said}; add --scale-camera if both sizes show the same scene",
            name="size_px", value=size_px, accepted=((k.width_px, k.height_px),),
        )  # fmt: skip
    return replace(camera, intrinsics=k.scaled_to(width_px, height_px))


def _check_apart(a: CameraCalibration, b: CameraCalibration) -> None:
    way_m = float(np.linalg.norm(a.T_ground_cam[:3, 3] - b.T_ground_cam[:3, 3]))
    cosine = 0.5 * (float(np.trace(a.T_ground_cam[:3, :3].T @ b.T_ground_cam[:3, :3])) - 1.0)
    turn_deg = float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
    if way_m < LEAST_APART_M and turn_deg < LEAST_APART_DEG:
        raise CameraError(
            f"cameras {a.name} and {b.name} are in the same position; was one file given for both?",
            name="cameras", value=(a.name, b.name),
        )  # fmt: skip
