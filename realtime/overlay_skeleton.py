"""Which lines make a drawn skeleton, and drawing them over the person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.geometry import joint_centres
from realtime.overlay_style import INK, SHIFT, WHITE, Image, fixed, side_colour
from realtime.types import PoseSample

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from calib.skeleton import Skeleton

LIMB_PX = 5.0
OUTLINE_PX = 2.0
JOINT_PX = 4.0
MARKER_PX = 1.6
FAINTEST = 0.2
"""Opacity of a limb with confidence 0."""
_SOLID = 0.97


@dataclass(frozen=True, slots=True)
class Segment:
    """A line between two points: joints first, then the tips of the last bodies."""

    start: int
    end: int
    side: str
    body: int
    """The body whose coordinates' confidence it shows."""


class SkeletonDrawing:
    """Draws a skeleton's pose: limbs in the colour of their side, near ones over far ones."""

    def __init__(self, skeleton: Skeleton, camera: CameraCalibration) -> None:
        self._skeleton = skeleton
        self._camera = camera
        self._tips = _tip_markers(skeleton)
        self.segments = skeleton_segments(skeleton, [body for body, _ in self._tips])
        self._joints = sorted({s.start for s in self.segments} | {s.end for s in self.segments})
        self._coordinates = [_coordinates_of(skeleton, body) for body in range(skeleton.n_bodies)]

    def draw(
        self, image: Image, sample: PoseSample, unit_px: float, *, mirrored: bool, markers: bool
    ) -> None:
        """Draw onto `image`; nothing where the pose is undefined.

        Args:
            image: written to; already mirrored if `mirrored`. Shape: (height, width, 3).
            sample: the pose.
            unit_px: size of a design pixel.
            mirrored: the picture is shown as a mirror would.
            markers: also draw the markers.
        """
        points = self._points(sample)
        uv_px = self._project(points, image, mirrored)
        if markers:
            self._draw_markers(image, self._project(sample.markers_m, image, mirrored), unit_px)
        trust = self._confidence(sample)
        depth = (points - self._camera.T_ground_cam[:3, 3]) @ self._camera.T_ground_cam[:3, 2]
        visible = _is_defined(uv_px)
        for segment in sorted(self.segments, key=lambda s: -(depth[s.start] + depth[s.end])):
            if visible[segment.start] and visible[segment.end]:
                _draw_limb(image, uv_px[[segment.start, segment.end]], segment, trust[segment.body], unit_px)
        for segment in self.segments:
            end = segment.end
            if visible[end] and end < self._skeleton.n_bodies:
                _draw_joint(image, uv_px[end], segment, trust[segment.body], unit_px)

    def _points(self, sample: PoseSample) -> NDArray[np.float64]:
        centres = joint_centres(self._skeleton, sample.T_ground_body, sample.scale_factors)
        return np.concatenate([centres, sample.markers_m[[marker for _, marker in self._tips]]])

    def _project(self, points: NDArray[np.float64], image: Image, mirrored: bool) -> NDArray[np.float64]:
        """Pixels of the shown picture, whose size may differ from the camera's."""
        height, width = image.shape[:2]
        k = self._camera.intrinsics
        uv_px = self._camera.project(points) * (width / k.width_px, height / k.height_px)
        if mirrored:
            uv_px[:, 0] = width - 1 - uv_px[:, 0]
        return uv_px

    def _confidence(self, sample: PoseSample) -> NDArray[np.float64]:
        """Least confidence of each body's coordinates; 1 for bodies without any. Shape: (n_bodies,)."""
        c = sample.confidence
        return np.array([c[own].min() if len(own) else 1.0 for own in self._coordinates])

    @staticmethod
    def _draw_markers(image: Image, uv_px: NDArray[np.float64], unit_px: float) -> None:
        radius = round(MARKER_PX * unit_px * (1 << SHIFT))
        for x, y in fixed(uv_px[_is_defined(uv_px)]).tolist():
            cv2.circle(image, (x, y), radius * 2, INK, -1, cv2.LINE_AA, SHIFT)
            cv2.circle(image, (x, y), radius, WHITE, -1, cv2.LINE_AA, SHIFT)


def skeleton_segments(skeleton: Skeleton, tip_bodies: list[int]) -> list[Segment]:
    """Lines from joint to joint, as a person would draw them.

    Shoulders hang on the neck and hips on the spine, rather than on the joint below: where a midline body
    carries a right and a left one, these start at its midline child. Kneecaps are left out.

    Args:
        skeleton: names and parents.
        tip_bodies: bodies that end in a tip, the point n_bodies + k for the k-th of them.
    """
    names, parents = skeleton.body_names, skeleton.tree.parent
    segments = []
    for body, parent in enumerate(parents.tolist()):
        if parent < 0 or "patella" in names[body]:
            continue
        start = parent
        if not body_side(names[parent]) and body_side(names[body]):
            hub = _midline_child(skeleton, parent)
            start = parent if hub is None else hub
        segments.append(Segment(start, body, body_side(names[parent]), parent))
    roots = [body for body, parent in enumerate(parents.tolist()) if parent < 0]
    segments += [s for root in roots for s in _across(skeleton, root)]
    for k, body in enumerate(tip_bodies):
        segments.append(Segment(body, skeleton.n_bodies + k, body_side(names[body]), body))
    return segments


def body_side(name: str) -> str:
    """Last letter of the name where it tells the side, r or l; empty for the midline."""
    return name[-1] if name.endswith(("_r", "_l")) else ""


def _midline_child(skeleton: Skeleton, parent: int) -> int | None:
    children = np.flatnonzero(skeleton.tree.parent == parent).tolist()
    midline = [child for child in children if not body_side(skeleton.body_names[child])]
    return midline[0] if midline else None


def _across(skeleton: Skeleton, root: int) -> list[Segment]:
    """The line from the right to the left child of the root, which closes the pelvis."""
    names = skeleton.body_names
    children = np.flatnonzero(skeleton.tree.parent == root).tolist()
    right = {names[child][:-2]: child for child in children if body_side(names[child]) == "r"}
    left = {names[child][:-2]: child for child in children if body_side(names[child]) == "l"}
    return [Segment(right[stem], left[stem], "", root) for stem in right if stem in left]


def _tip_markers(skeleton: Skeleton) -> list[tuple[int, int]]:
    """Each last body that has markers, with the marker farthest from its joint: toe, finger, crown."""
    parents, tree = skeleton.tree.parent.tolist(), skeleton.tree
    tips = []
    for body, name in enumerate(skeleton.body_names):
        markers = np.flatnonzero(tree.marker_body == body)
        if body in parents or not len(markers) or "patella" in name:
            continue
        from_joint = tree.M_marker[markers].sum(axis=2) - tree.M_body_joint[body].sum(axis=1)
        tips.append((body, int(markers[np.argmax(np.linalg.norm(from_joint, axis=1))])))
    return tips


def _coordinates_of(skeleton: Skeleton, body: int) -> NDArray[np.int64]:
    first, last = skeleton.tree.column_start[body : body + 2]
    return skeleton.tree.column_coordinate[first:last]


def _is_defined(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.array(np.isfinite(points).all(axis=1))


@contextmanager
def _faded(
    image: Image, points_px: NDArray[np.float64], margin_px: float, trust: float
) -> Iterator[tuple[Image, list[list[int]]]]:
    """A canvas around some points, and the points on it; what is drawn there shows as much as it is trusted."""
    x0, y0 = np.floor(points_px.min(axis=0) - margin_px).clip(0).astype(int)
    x1, y1 = np.ceil(points_px.max(axis=0) + margin_px).clip(0).astype(int)
    part = image[y0:y1, x0:x1]
    opacity = FAINTEST + (1.0 - FAINTEST) * (trust if trust > 0.0 else 0.0)
    canvas = part if opacity > _SOLID or not part.size else part.copy()
    yield canvas, fixed(points_px - (x0, y0)).tolist()
    if canvas is not part:
        cv2.addWeighted(canvas, opacity, part, 1.0 - opacity, 0.0, dst=part)


def _draw_limb(
    image: Image, ends_px: NDArray[np.float64], segment: Segment, trust: float, unit_px: float
) -> None:
    limb, outline = LIMB_PX * unit_px, OUTLINE_PX * unit_px
    with _faded(image, ends_px, limb + outline + 2, trust) as (canvas, (start, end)):
        if canvas.size:
            cv2.line(canvas, start, end, INK, round(limb + 2 * outline), cv2.LINE_AA, SHIFT)
            colour = side_colour(segment.side)
            cv2.line(canvas, start, end, colour, max(1, round(limb)), cv2.LINE_AA, SHIFT)


def _draw_joint(
    image: Image, uv_px: NDArray[np.float64], segment: Segment, trust: float, unit_px: float
) -> None:
    radius = JOINT_PX * unit_px
    with _faded(image, uv_px[None], 2 * radius + 2, trust) as (canvas, (centre,)):
        if canvas.size:
            for share, colour in ((1.35, INK), (1.0, WHITE), (0.55, side_colour(segment.side))):
                size = round(share * radius * (1 << SHIFT))
                cv2.circle(canvas, centre, size, colour, -1, cv2.LINE_AA, SHIFT)
