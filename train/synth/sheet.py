"""Contact sheets: images of a set with the skeleton on top, for people to judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.skeleton import Skeleton
from train.bodies.puppet import PuppetPool
from train.bodies.report import centre_residuals_m
from train.errors import TrainError
from train.synth.folder import SetDescription, bodies_sha
from train.synth.shards import LabelledImage, read_clips, read_images

Image = NDArray[np.uint8]

_MIDDLE = (("pelvis", "torso"), ("torso", "neck"), ("neck", "head"))
_SIDE = (
    ("pelvis", "femur"), ("femur", "tibia"), ("tibia", "talus"), ("talus", "calcn"), ("calcn", "toes"),
    ("neck", "humerus"), ("humerus", "ulna"), ("ulna", "radius"), ("radius", "hand"),
)  # fmt: skip
_HANGS_ON = {
    "hip": "femur", "knee": "tibia", "ankle": "talus", "shoulder": "humerus", "elbow": "ulna", "wrist": "hand"
}  # fmt: skip
# Red green blue.
_PALE, _RIGHT, _LEFT, _MARKER = (245, 240, 236), (255, 128, 92), (72, 198, 242), (190, 255, 120)
_HIDDEN_SHARE = 0.45
"""How much of its colour a joint keeps where it is hidden."""
_SHEET_QUALITY = 85
_SHIFT = 4
"""Fractional bits of the coordinates that are handed to OpenCV."""


def lines(skeleton: Skeleton) -> list[tuple[int, int, tuple[int, int, int]]]:
    """Pairs of bodies whose joints are connected, and the colour."""
    pairs = [(a, b, _PALE) for a, b in _MIDDLE]
    for side, colour in (("_r", _RIGHT), ("_l", _LEFT)):
        midline = ("pelvis", "neck")
        pairs += [(a if a in midline else a + side, b + side, colour) for a, b in _SIDE]
    return [(skeleton.body_index(a), skeleton.body_index(b), colour) for a, b, colour in pairs]


def draw_skeleton(picture: LabelledImage, skeleton: Skeleton, scale: int = 1) -> Image:
    """An image with joints and markers drawn where the labels say; what is hidden is faint.

    Args:
        picture: Image with labels.
        skeleton: Skeleton of the labels.
        scale: Enlarges the image.

    Returns:
        Shape (scale * size, scale * size, 3), red green blue.
    """
    enlarged = cv2.resize(picture.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    image: Image = np.asarray(enlarged, np.uint8)
    labels = picture.labels
    seen = labels.centres_visible
    for a, b, colour in lines(skeleton):
        ends = labels.centres_px[[a, b]] * scale
        if np.isfinite(ends).all():
            shade = 1.0 if seen[a] and seen[b] else _HIDDEN_SHARE
            start, end = _fixed(ends)
            cv2.line(image, start, end, _faded(colour, shade), scale, cv2.LINE_AA, _SHIFT)
    for points, visible, colour, radius_px in (
        (labels.markers_px, labels.markers_visible, _MARKER, 0.7),
        (labels.centres_px, seen, _PALE, 1.6),
    ):
        for point, is_seen in zip(points * scale, visible, strict=True):
            if is_seen and np.isfinite(point).all():
                radius = round(radius_px * scale * (1 << _SHIFT))
                cv2.circle(image, _fixed(point[None])[0], radius, colour, -1, cv2.LINE_AA, _SHIFT)
    return image


def ring(image: Image, centre_px: NDArray[np.floating], radius_px: float) -> None:
    """Mark a place in an image."""
    radius = round(radius_px * (1 << _SHIFT))
    cv2.circle(image, _fixed(centre_px[None])[0], radius, _MARKER, 2, cv2.LINE_AA, _SHIFT)


def _fixed(points_px: NDArray[np.floating]) -> list[tuple[int, int]]:
    # Far points are pulled in so that OpenCV's integers hold them; it counts from pixels' centres.
    fixed = np.rint((np.clip(points_px, -4000.0, 4000.0) - 0.5) * (1 << _SHIFT)).astype(int)
    return [(int(x), int(y)) for x, y in fixed]


def _faded(colour: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    r, g, b = (round(c * share) for c in colour)
    return r, g, b


def contact_sheet(images: list[Image], gap_px: int = 2) -> Image:
    """Images of one size in a grid that is about square. Shape: (height, width, 3)."""
    columns = int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    height, width = images[0].shape[:2]
    sheet = np.full(
        (rows * (height + gap_px) - gap_px, columns * (width + gap_px) - gap_px, 3), 255, np.uint8
    )
    for k, image in enumerate(images):
        y, x = k // columns * (height + gap_px), k % columns * (width + gap_px)
        sheet[y : y + height, x : x + width] = image
    return sheet


def pick(folder: Path, description: SetDescription, n: int) -> list[LabelledImage]:
    """Images spread evenly over a set; moments of its clips where it has no single images.

    Raises:
        TrainError: there are none, or a shard is damaged.
    """
    if description.images:
        picked = list(_every(read_images(folder), description.images, n))
    else:
        per_clip = max(1, n // description.clips)
        picked = []
        for clip in read_clips(folder):
            picked += _every(clip.frames, len(clip.frames), per_clip)
        picked = list(_every(picked, len(picked), n))
    if not picked:
        raise TrainError(f"{folder}: no complete shard yet; go on with: kinecast train synth --out {folder}")
    return picked


def _every(items: Iterable[LabelledImage], total: int, n: int) -> Iterator[LabelledImage]:
    wanted = set(np.linspace(0, total - 1, min(n, total)).round().astype(int).tolist())
    return (item for k, item in enumerate(items) if k in wanted)


@dataclass(frozen=True, slots=True, eq=False)
class Worst:
    """The image with the joint centre that lies farthest from what the skin shows."""

    picture: LabelledImage
    joint: str
    residual_m: float
    n: int
    """Images that were looked at."""


def find_worst(folder: Path, description: SetDescription, pool: PuppetPool, n: int) -> Worst:
    """The one of the first `n` images with the largest residual of any joint centre that is visible.

    Raises:
        TrainError: the set was made of other bodies, or has no images.
    """
    if bodies_sha(pool) != description.bodies_sha:
        raise TrainError(f"{folder}: made of other bodies than those here; give them with --bodies FILE")
    found = [(shown_residuals_m(picture, pool), picture) for picture in islice(read_images(folder), n)]
    residual_m, joint, k = max(
        ((value, joint, k) for k, (shown, _) in enumerate(found) for joint, value in shown.items()),
        default=(0.0, "", -1),
    )
    if k < 0:
        raise TrainError(f"{folder}: no single images; make some: kinecast train synth --images N")
    return Worst(found[k][1], joint, residual_m, len(found))


def shown_residuals_m(picture: LabelledImage, pool: PuppetPool) -> dict[str, float]:
    """How far the joint centres that an image shows are from the middle of the skin around, in m."""
    labels = picture.labels
    residuals_m = centre_residuals_m(pool.puppet(labels.adult), labels.q)
    return {
        joint: value
        for joint, value in residuals_m.items()
        if labels.centres_visible[joint_body(joint, pool.skeleton)]
    }


def joint_body(joint: str, skeleton: Skeleton) -> int:
    """The body that hangs on a joint such as knee_r."""
    stem, side = joint.rsplit("_", 1)
    return skeleton.body_index(f"{_HANGS_ON[stem]}_{side}")


def save_image(path: Path, image: Image) -> None:
    """Write an image.

    Args:
        path: Ends in .png or .jpg.
        image: Red green blue. Shape: (height, width, 3).

    Raises:
        TrainError: it cannot be written, or not in this format.
    """
    options = {".png": [], ".jpg": [cv2.IMWRITE_JPEG_QUALITY, _SHEET_QUALITY]}
    if path.suffix not in options:
        raise TrainError(f"{path}: not a name of an image; accepted: .png, .jpg")
    data = cv2.imencode(path.suffix, image[..., ::-1], options[path.suffix])[1].tobytes()
    try:
        path.write_bytes(data)
    except OSError as error:
        raise TrainError(f"{path}: cannot be written ({error.strerror})") from error
