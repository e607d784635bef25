"""Inputs that engines are calibrated and compared on: files of arrays, and cuts of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from engines.assets import ASSETS, fetch
from engines.blazepose.tracker import BlazePose, BlazePoseResult
from engines.building.network_inputs import NetworkInputs, load_inputs, random_inputs
from engines.features.crop_rays import MARGIN, log_reach, square_about
from engines.features.direct_outputs import INPUTS
from engines.features.patches import (
    N_PATCHES,
    PATCH_PX,
    cut_patches,
    fill_pixels,
    is_patch_network,
    patch_context,
    patch_rois,
)
from engines.preprocess import Roi, averaged_crop
from engines.spec import ModelSpec
from realtime.errors import RealtimeError
from realtime.sources.parse import parse_source

DEFAULT_INPUTS = ("demo_clip",)
MAX_PICTURES = 800
VARIANTS = 4
"""Cuts of each image, each a little different, as tracking and zoom vary."""
MAX_LOOKS = MAX_PICTURES // VARIANTS
"""Images that are cut; each has patches enough without variants."""
SHIFT, ZOOM, ROLL_RAD, GAIN = 0.06, (0.85, 1.35), 0.08, (0.6, 1.4)


def gather_inputs(names: Sequence[str], spec: ModelSpec, *, offline: bool = False) -> NetworkInputs:
    """What `--inputs` names, put together.

    Args:
        names: `.npz` files, videos, folders of images or clips among the assets; none: the demonstration
            clip for networks that look at images or patches of them, noise for others.
        spec: Specification of the network.
        offline: Whether to forbid downloads.

    Raises:
        EngineError: a file does not fit the network, or a clip is not at hand.
        RealtimeError: images are named, and the network takes none, or nobody is on them.
    """
    cut = cut_people if tuple(t.name for t in spec.inputs) == INPUTS else None
    cut = cut_people_patches if is_patch_network(spec) else cut
    if not names and cut is None:
        return random_inputs(spec)
    parts: list[NetworkInputs] = []
    for name in names or DEFAULT_INPUTS:
        if name.endswith(".npz"):
            parts.append(load_inputs(Path(name), spec))
        elif cut is not None:
            parts.append(cut(name, spec, offline=offline))
        else:
            raise RealtimeError(
                f"--inputs {name}: network {spec.name} takes no images; accepted: FILE.npz",
                name="inputs", value=name, accepted=("FILE.npz",),
            )  # fmt: skip
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
    for image, found in _people(name, offline=offline):
        roi = square_about(found.landmarks_px[:, :2], image.shape[1], image.shape[0], MARGIN)
        if roi is None:
            continue
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
    _check_somebody(name, len(pictures))
    return NetworkInputs(
        (np.stack(pictures), np.array(reaches, np.float32)[:, None]),
        f"{len(pictures)} cuts of {_source(name)}",
    )


def cut_people_patches(name: str, spec: ModelSpec, *, offline: bool = False) -> NetworkInputs:
    """Inputs of a patch network, in any order, from the person in a video or in images.

    Args:
        name: Video, folder of images or asset to read.
        spec: Specification of the network.
        offline: Whether to forbid downloads.

    Raises:
        RealtimeError: nobody is in it, or it cannot be read.
        AssetError: a network or clip is not at hand.
    """
    rng = np.random.default_rng(0)
    pixels: list[NDArray[np.float32]] = []
    contexts: list[NDArray[np.float32]] = []
    patches = np.empty((N_PATCHES, PATCH_PX, PATCH_PX, 3), np.uint8)
    for image, found in _people(name, offline=offline):
        rois = patch_rois(found.landmarks_px, found.roi)
        cut_patches(image, rois, patches)
        gained = np.clip(patches * rng.uniform(*GAIN), 0.0, 255.0).astype(np.uint8)
        pixels.append(np.empty((N_PATCHES, *spec.inputs[0].shape), np.float32))
        fill_pixels(gained, pixels[-1])
        contexts.append(patch_context(found.landmarks_px, found.visibility * found.presence, rois))
        if len(pixels) >= MAX_LOOKS:
            break
    _check_somebody(name, len(pixels))
    # Or else every part of them that is evenly spread could show the same limbs.
    order = rng.permutation(N_PATCHES * len(pixels))
    return NetworkInputs(
        (np.concatenate(pixels)[order], np.concatenate(contexts)[order]),
        f"{len(order)} patches of {_source(name)}",
    )


def _check_somebody(name: str, n: int) -> None:
    if n == 0:
        raise RealtimeError(
            f"{name}: nobody found in it; name images of people with --inputs", name="inputs", value=name
        )


def _source(name: str) -> str:
    return name if name in ASSETS else Path(name).name


def _people(name: str, *, offline: bool) -> Iterator[tuple[NDArray[np.uint8], BlazePoseResult]]:
    """Images with somebody on them, and their landmarks."""
    path = str(fetch(name, offline=offline)) if name in ASSETS else name
    source = parse_source(path)
    blazepose = BlazePose(
        fetch("pose_landmark_full", offline=offline), fetch("pose_detection", offline=offline)
    )
    source.open()
    try:
        while (frame := source.read()) is not None:
            result = blazepose.step(frame.image, frame.t_capture_ns)
            if result is not None:
                yield frame.image, result
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
