"""The lines of a drawn skeleton, and drawing them over the person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.coordinates import side_of, stem_of
from calib.kinematics import joint_centres as neutral_joint_centres
from realtime.geometry import camera_in_ground, coordinates_of, joint_centres
from realtime.overlay.style import INK, SHIFT, WHITE, Colour, Image, fixed, side_colour
from realtime.sample import PoseSample

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from calib.skeleton import Skeleton

LIMB_PX = 5.0
OUTLINE_PX = 2.0
JOINT_PX = 4.0
MARKER_PX = 1.6
FAINTEST = 0.2
"""Opacity of a limb with confidence 0."""
TRUSTED = 0.7
"""Confidence above which a limb is opaque."""
GUESSED = 0.35
"""Confidence below which a limb is dashed: it is a guess, such as legs outside the image."""
DASH_PX, GAP_PX = 9.0, 11.0
MAX_DASHES = 60
SAME_JOINT_M = 0.07
"""Joints closer than this, as in elbow and ankle, are treated as one for the limb's confidence."""

Point = tuple[int, int]
"""Position in an image, in OpenCV's fixed-point units."""


@dataclass(frozen=True, slots=True)
class LimbLine:
    """A line between two points. Points are the joints, then the tips of the last bodies."""

    start: int
    end: int
    side: str
    body: int
    """Body whose coordinates' confidence the line shows."""


class SkeletonDrawing:
    """Draws a pose, limbs in the colour of their side or of the person, near ones over far ones."""

    def __init__(self, skeleton: Skeleton, camera: CameraCalibration) -> None:
        self._skeleton = skeleton
        self._camera = camera
        self._tips = _tip_markers(skeleton)
        self.segments = skeleton_segments(skeleton, [body for body, _ in self._tips])
        self._coordinates = _moved_by(skeleton)
        bodies = [*range(skeleton.n_bodies), *(body for body, _ in self._tips)]
        self._midline = [k for k, body in enumerate(bodies) if not side_of(skeleton.body_names[body])]

    def draw(
        self,
        image: Image,
        sample: PoseSample,
        unit_px: float,
        *,
        mirrored: bool,
        markers: bool,
        colour: Colour | None = None,
    ) -> None:
        """Draw onto `image`; nothing if the pose is undefined.

        Args:
            image: Image to draw on; already mirrored if `mirrored`. Shape: (height, width, 3).
            sample: Sample with the pose.
            unit_px: Size of a design pixel.
            mirrored: Whether the image is mirrored.
            markers: Whether to draw the markers, too.
            colour: Colour of the person; None: limbs have the colours of their sides.
        """
        camera, points = camera_in_ground(self._camera, sample), self._points(sample)
        uv_px = to_picture(camera, points, image, mirrored=mirrored)
        if markers:
            self._draw_markers(image, to_picture(camera, sample.markers_m, image, mirrored=mirrored), unit_px)
        trust = self._confidence(sample)
        depth = (points - camera.T_ground_cam[:3, 3]) @ camera.T_ground_cam[:3, 2]
        places = {k: place for k, place in enumerate(_places(uv_px)) if place is not None}
        drawn = [s for s in self.segments if s.start in places and s.end in places]
        for s in sorted(drawn, key=lambda s: -(depth[s.start] + depth[s.end])):
            ends = places[s.start], places[s.end]
            _draw_limb(image, ends, colour or side_colour(s.side), trust[s.body], unit_px)
        for s in drawn:
            if s.end < self._skeleton.n_bodies:
                _draw_joint(image, places[s.end], colour or side_colour(s.side), trust[s.body], unit_px)

    def top_px(self, image: Image, sample: PoseSample, *, mirrored: bool) -> NDArray[np.float64] | None:
        """Uppermost point of the drawn trunk and head; None if nothing of them is defined. Shape: (2,)."""
        camera, points = camera_in_ground(self._camera, sample), self._points(sample)[self._midline]
        uv_px = to_picture(camera, points, image, mirrored=mirrored)
        uv_px = uv_px[np.isfinite(uv_px).all(axis=1)]
        return uv_px[uv_px[:, 1].argmin()] if len(uv_px) else None

    def _points(self, sample: PoseSample) -> NDArray[np.float64]:
        centres = joint_centres(self._skeleton, sample.T_ground_body, sample.scale_factors)
        return np.concatenate([centres, sample.markers_m[[marker for _, marker in self._tips]]])

    def _confidence(self, sample: PoseSample) -> list[float]:
        """Confidence of each body's best known coordinate; 1 for bodies without coordinates.

        Twists about a limb's own axis are uncertain but hardly move the limb in the image.
        """
        c = sample.confidence.tolist()
        return [max(c[k] for k in own) if own else 1.0 for own in self._coordinates]

    @staticmethod
    def _draw_markers(image: Image, uv_px: NDArray[np.float64], unit_px: float) -> None:
        radius = round(MARKER_PX * unit_px * (1 << SHIFT))
        for place in _places(uv_px):
            if place is not None:
                cv2.circle(image, place, radius * 2, INK, -1, cv2.LINE_AA, SHIFT)
                cv2.circle(image, place, radius, WHITE, -1, cv2.LINE_AA, SHIFT)


def to_picture(
    camera: CameraCalibration, points: NDArray[np.float64], image: Image, *, mirrored: bool
) -> NDArray[np.float64]:
    """Project points in ground to the shown image, whose size may differ from the camera's.

    Args:
        camera: Camera calibration.
        points: Points in ground, in m. Shape: (n, 3).
        image: The shown image.
        mirrored: Whether it is mirrored.

    Returns:
        Pixel coordinates; NaN behind the camera. Shape: (n, 2).
    """
    height, width = image.shape[:2]
    k = camera.intrinsics
    uv_px = camera.project(points) * (width / k.width_px, height / k.height_px)
    if mirrored:
        uv_px[:, 0] = width - 1 - uv_px[:, 0]
    return uv_px


def skeleton_segments(skeleton: Skeleton, tip_bodies: list[int]) -> list[LimbLine]:
    """Lines from joint to joint, in the form in which skeletons are usually drawn.

    Shoulders are joined to the neck, and hips to the spine, not to the joint below: the left and right
    children of a midline body start at its midline child. Patellae are left out.

    Args:
        skeleton: Skeleton with names and parents.
        tip_bodies: Bodies that end in a tip; the tip of the k-th is point n_bodies + k.
    """
    names, parents = skeleton.body_names, skeleton.tree.parent
    segments = []
    for body, parent in enumerate(parents.tolist()):
        if parent < 0 or "patella" in names[body]:
            continue
        start = parent
        if not side_of(names[parent]) and side_of(names[body]):
            hub = _midline_child(skeleton, parent)
            start = parent if hub is None else hub
        segments.append(LimbLine(start, body, side_of(names[parent]), parent))
    roots = [body for body, parent in enumerate(parents.tolist()) if parent < 0]
    segments += [s for root in roots for s in _across(skeleton, root)]
    for k, body in enumerate(tip_bodies):
        segments.append(LimbLine(body, skeleton.n_bodies + k, side_of(names[body]), body))
    return segments


def _midline_child(skeleton: Skeleton, parent: int) -> int | None:
    children = np.flatnonzero(skeleton.tree.parent == parent).tolist()
    midline = [child for child in children if not side_of(skeleton.body_names[child])]
    return midline[0] if midline else None


def _across(skeleton: Skeleton, root: int) -> list[LimbLine]:
    """The line from the right to the left child of the root, which closes the pelvis."""
    names = skeleton.body_names
    children = np.flatnonzero(skeleton.tree.parent == root).tolist()
    right = {stem_of(names[child]): child for child in children if side_of(names[child]) == "r"}
    left = {stem_of(names[child]): child for child in children if side_of(names[child]) == "l"}
    return [LimbLine(right[stem], left[stem], "", root) for stem in right if stem in left]


def _tip_markers(skeleton: Skeleton) -> list[tuple[int, int]]:
    """Each last body with markers, and the marker farthest from its joint: toe, finger tip, top of head."""
    parents, tree = skeleton.tree.parent.tolist(), skeleton.tree
    tips = []
    for body, name in enumerate(skeleton.body_names):
        markers = np.flatnonzero(tree.marker_body == body)
        if body in parents or not len(markers) or "patella" in name:
            continue
        from_joint = tree.M_marker[markers].sum(axis=2) - tree.M_body_joint[body].sum(axis=1)
        tips.append((body, int(markers[np.argmax(np.linalg.norm(from_joint, axis=1))])))
    return tips


def _moved_by(skeleton: Skeleton) -> list[list[int]]:
    """Coordinates of each body's own joint, and of joints that nearly coincide with it.

    The axis of pronation passes close to the elbow, so the elbow's angle determines where the forearm is.
    """
    centres_m = neutral_joint_centres(skeleton, skeleton.q_default)
    moved_by: list[list[int]] = []
    for body, parent in enumerate(skeleton.tree.parent.tolist()):
        own = coordinates_of(skeleton, body)
        if parent >= 0 and np.linalg.norm(centres_m[body] - centres_m[parent]) < SAME_JOINT_M:
            own = own + moved_by[parent]
        moved_by.append(own)
    return moved_by


def _places(uv_px: NDArray[np.float64]) -> list[Point | None]:
    """Points in OpenCV's fixed-point units; None for undefined ones."""
    defined = np.isfinite(uv_px)
    places = fixed(np.where(defined, uv_px, 0.0)).tolist()
    return [(x, y) if whole.all() else None for (x, y), whole in zip(places, defined, strict=True)]


@contextmanager
def _faded(
    image: Image, points: tuple[Point, ...], margin_px: float, trust: float
) -> Iterator[tuple[Image, tuple[Point, ...]]]:
    """A canvas around some points, and the points on it; drawings there fade with falling confidence."""
    opacity = FAINTEST + (1.0 - FAINTEST) * (trust / TRUSTED if trust > 0.0 else 0.0)
    if opacity >= 1.0:
        yield image, points
        return
    margin = round(margin_px)
    xs, ys = [x >> SHIFT for x, _ in points], [y >> SHIFT for _, y in points]
    x0, y0 = max(0, min(xs) - margin), max(0, min(ys) - margin)
    part = image[y0 : max(0, max(ys) + margin), x0 : max(0, max(xs) + margin)]
    if not part.size:
        yield image, points  # outside the image: OpenCV clips it
        return
    canvas = part.copy()
    yield canvas, tuple((x - (x0 << SHIFT), y - (y0 << SHIFT)) for x, y in points)
    cv2.addWeighted(canvas, opacity, part, 1.0 - opacity, 0.0, dst=part)


def _draw_limb(image: Image, ends: tuple[Point, Point], colour: Colour, trust: float, unit_px: float) -> None:
    limb, outline = LIMB_PX * unit_px, OUTLINE_PX * unit_px
    with _faded(image, ends, limb + outline + 2, trust) as (canvas, (start, end)):
        pieces = [(start, end)] if trust >= GUESSED else _dashes(start, end, unit_px)
        for thickness, ink in ((round(limb + 2 * outline), INK), (max(1, round(limb)), colour)):
            for a, b in pieces:
                cv2.line(canvas, a, b, ink, thickness, cv2.LINE_AA, SHIFT)


def _dashes(start: Point, end: Point, unit_px: float) -> list[tuple[Point, Point]]:
    """Dashes of a line, the first and the last at its ends, with gaps wide enough for round caps."""
    (x0, y0), (x1, y1) = start, end
    length_px = float(np.hypot(x1 - x0, y1 - y0)) / (1 << SHIFT)
    dash_px, gap_px = DASH_PX * unit_px, GAP_PX * unit_px
    n = min(max(1, round((length_px - dash_px) / (dash_px + gap_px)) + 1), MAX_DASHES)
    if n == 1:
        return [(start, end)]
    share = dash_px / length_px
    firsts = [k * (1.0 - share) / (n - 1) for k in range(n)]
    return [(_between(start, end, first), _between(start, end, first + share)) for first in firsts]


def _between(start: Point, end: Point, share: float) -> Point:
    return round(start[0] + share * (end[0] - start[0])), round(start[1] + share * (end[1] - start[1]))


def _draw_joint(image: Image, point: Point, colour: Colour, trust: float, unit_px: float) -> None:
    radius = JOINT_PX * unit_px
    with _faded(image, (point,), 2 * radius + 2, trust) as (canvas, (centre,)):
        for share, ink in ((1.35, INK), (1.0, WHITE), (0.55, colour)):
            cv2.circle(canvas, centre, round(share * radius * (1 << SHIFT)), ink, -1, cv2.LINE_AA, SHIFT)
