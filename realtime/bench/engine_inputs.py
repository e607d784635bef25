"""Inputs that engines are calibrated and compared on: files of arrays, or people cut out of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from engines.assets import ASSETS, fetch
from engines.blazepose.tracker import BlazePose
from engines.building.network_inputs import NetworkInputs, load_inputs, random_inputs
from engines.features.crop_rays import MARGIN, log_reach, square_about
from engines.features.direct_outputs import INPUTS
from engines.preprocess import Roi, averaged_crop
from engines.spec import ModelSpec
from realtime.errors import RealtimeError
from realtime.sources.parse import parse_source

DEFAULT_INPUTS = ("demo_clip",)
MAX_PICTURES = 800
VARIANTS = 4
"""Cuts of each image, each a little different, as tracking and zoom vary."""
SHIFT, ZOOM, ROLL_RAD, GAIN = 0.06, (0.85, 1.35), 0.08, (0.6, 1.4)


def gather_inputs(names: Sequence[str], spec: ModelSpec, *, offline: bool = False) -> NetworkInputs:
    """What `--inputs` names, put together.

    Args:
        names: `.npz` files, videos, folders of images or clips among the assets; none: the demonstration
            clip for networks that look at images, noise for others.
        spec: Specification of the network.
        offline: Whether to forbid downloads.

    Raises:
        EngineError: a file does not fit the network, or a clip is not at hand.
        RealtimeError: images are named, and the network takes none, or nobody is on them.
    """
    takes_pictures = tuple(t.name for t in spec.inputs) == INPUTS
    if not names and not takes_pictures:
        return random_inputs(spec)
    parts: list[NetworkInputs] = []
    for name in names or DEFAULT_INPUTS:
        if name.endswith(".npz"):
            parts.append(load_inputs(Path(name), spec))
        elif takes_pictures:
            parts.append(cut_people(name, spec, offline=offline))
        else:
            raise RealtimeError(f"--inputs {name}: network {spec.name} takes no images; accepted: FILE.npz")
    arrays = tuple(np.concatenate(columns) for columns in zip(*(p.arrays for p in parts), strict=True))
    return NetworkInputs(arrays, " and ".join(p.source for p in parts))


def cut_people(name: str, spec: ModelSpec, *, offline: bool = False) -> NetworkInputs:
    """Inputs of a direct network from the person in a video or in images.

    Args:
        name: Video, folder of images or asset to read.
        spec: Specification of the network.
        offline: Whether to forbid downloads.

    Raises:
        RealtimeError: nobody is in it, or it cannot be read.
        AssetError: a network or clip is not at hand.
    """
    side_px = spec.inputs[0].shape[0]
    scratch = np.empty((2 * side_px, 2 * side_px, 3), np.uint8)
    rng = np.random.default_rng(0)
    pictures: list[NDArray[np.uint8]] = []
    reaches: list[float] = []
    for image, roi in _people(name, offline=offline):
        k = CameraCalibration.assumed(image.shape[1], image.shape[0]).intrinsics
        for _ in range(VARIANTS):
            varied = _vary(roi, rng)
            picture = averaged_crop(
                image, varied, scratch=scratch, out=np.empty((side_px, side_px, 3), np.uint8)
            )
            picture = np.clip(picture * rng.uniform(*GAIN), 0.0, 255.0).astype(np.uint8)
            pictures.append(picture[:, ::-1] if rng.random() < 0.5 else picture)
            reaches.append(log_reach(varied, k.fx, k.fy))
        if len(pictures) >= MAX_PICTURES:
            break
    if not pictures:
        raise RealtimeError(f"{name}: nobody found in it; name images of people with --inputs")
    source = name if name in ASSETS else Path(name).name
    return NetworkInputs(
        (np.stack(pictures), np.array(reaches, np.float32)[:, None]), f"{len(pictures)} cuts of {source}"
    )


def _people(name: str, *, offline: bool) -> Iterator[tuple[NDArray[np.uint8], Roi]]:
    """Images with somebody on them, and where."""
    path = str(fetch(name, offline=offline)) if name in ASSETS else name
    source = parse_source(path)
    blazepose = BlazePose(
        fetch("pose_landmark_full", offline=offline), fetch("pose_detection", offline=offline)
    )
    source.open()
    try:
        while (frame := source.read()) is not None:
            result = blazepose.step(frame.image, frame.t_capture_ns)
            height_px, width_px = frame.image.shape[:2]
            roi = None
            if result is not None:
                roi = square_about(result.landmarks_px[:, :2], width_px, height_px, MARGIN)
            if roi is not None:
                yield frame.image, roi
    finally:
        source.close()


def _vary(roi: Roi, rng: np.random.Generator) -> Roi:
    size_px = roi.size_px * float(rng.uniform(*ZOOM))
    shift_px = rng.normal(0.0, SHIFT, 2) * size_px
    return Roi(
        roi.centre_x_px + float(shift_px[0]),
        roi.centre_y_px + float(shift_px[1]),
        size_px,
        float(rng.normal(0.0, ROLL_RAD)),
    )
