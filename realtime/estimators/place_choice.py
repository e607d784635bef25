"""Who is tracked by an estimator that tells nobody apart: chosen by place, or by a click."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.blazepose.detector import WHOLE_PICTURE, PoseDetector, SearchRegion
from engines.blazepose.people import APART, CHOOSING_S, SEARCH_HIDDEN_S, in_order
from engines.preprocess import Roi

Image = NDArray[np.uint8]


class PlaceChoice:
    """Regions of people in whole images, the one who is wanted first.

    While the choice is open, for a second from the first person on, it is repeated: people whom the detector
    finds later count, too. Afterwards, whoever was lost for a moment is the one who is nearest to where they
    were.

    Args:
        detector: Detector of people in whole images.
        choice: One of `engines.blazepose.people.CHOICES`, or a number from the left; None takes the person
            of whom the detector is most certain.
        search_region: Part of the image that is searched.
    """

    def __init__(
        self, detector: PoseDetector, choice: str | None, search_region: SearchRegion = WHOLE_PICTURE
    ) -> None:
        self._detector, self._choice, self._search_region = detector, choice, search_region
        self.reset()

    def reset(self) -> None:
        """Forget who was found, and when."""
        self._first_ns: int | None = None
        self._searched_ns = 0
        self._last: Roi | None = None
        self._wanted: tuple[float, float] | None = None

    def choose_at(self, x: float, y: float) -> None:
        """Want whoever is at a point of the next image, from 0 to 1."""
        self._wanted = (x, y)

    def found(self, roi: Roi, t_ns: int) -> None:
        """Note where the person is."""
        self._last = roi
        self._first_ns = t_ns if self._first_ns is None else self._first_ns

    def find(self, image: Image) -> list[Roi]:
        """People in an image, the one to track first."""
        if self._choice is None:
            detection = self._detector.detect(self._searched(image))
            return [] if detection is None else [self._in_image(image, detection.roi)]
        rois = self._all(image)
        if self._last is None:
            return in_order(rois, self._choice)
        last = self._last
        return sorted(rois, key=lambda roi: _way(roi, last))

    def others(self, image: Image, t_ns: int) -> list[Roi]:
        """People to track instead of the one who is tracked, the first who can be; mostly nobody."""
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self._first_ns = t_ns - round(1e9 * CHOOSING_S) - 1  # the choice is no longer open
            rois = self._at(image, wanted)
            return [roi for roi in rois if self._last is None or _way(roi, self._last) >= APART]
        last = self._last
        if last is None or not self._is_due(t_ns):
            return []
        self._searched_ns = t_ns
        rois = self._all(image)
        own = min(rois, key=lambda roi: _way(roi, last), default=last)
        if _way(own, last) >= APART:  # not detected this time
            own = last
            rois.append(own)
        ordered = in_order(rois, self._choice)
        return ordered[: ordered.index(own)]

    def _is_due(self, t_ns: int) -> bool:
        if self._choice is None or self._first_ns is None:
            return False
        is_open = t_ns - self._first_ns <= 1e9 * CHOOSING_S
        return is_open and t_ns - self._searched_ns >= 1e9 * SEARCH_HIDDEN_S

    def _at(self, image: Image, point: tuple[float, float]) -> list[Roi]:
        """Whoever is at a point: of those around whom it lies, who is nearest; empty if nobody is there."""
        height_px, width_px = image.shape[:2]
        x, y = point[0] * width_px, point[1] * height_px
        ways = [(np.hypot(roi.centre_x_px - x, roi.centre_y_px - y), roi) for roi in self._all(image)]
        around = [(way_px, roi) for way_px, roi in ways if way_px < 0.5 * roi.size_px]
        return [min(around, key=lambda one: float(one[0]))[1]] if around else []

    def _all(self, image: Image) -> list[Roi]:
        return [self._in_image(image, one.roi) for one in self._detector.detect_all(self._searched(image))]

    def _searched(self, image: Image) -> Image:
        rows, columns = self._search_region.slices(image)
        return image[rows, columns]

    def _in_image(self, image: Image, roi: Roi) -> Roi:
        rows, columns = self._search_region.slices(image)
        return roi.shifted(columns.start, rows.start)


def _way(a: Roi, b: Roi) -> float:
    """Distance of two regions' centres, in sizes of the larger."""
    way_px = np.hypot(a.centre_x_px - b.centre_x_px, a.centre_y_px - b.centre_y_px)
    return float(way_px) / max(a.size_px, b.size_px)
