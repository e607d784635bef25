"""The viewer's text: the state of stream and tracker, and the chosen angles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calib.errors import SkeletonError
from realtime.overlay.angles import AnglePanel, choose_rows
from realtime.overlay.style import ALARM, CAUTION, GOOD, MUTED, Colour, Image, Typeface
from realtime.sample import PoseSample, Status
from realtime.stream.angle_sample import AngleSample
from realtime.stream.messages import StatusMessage
from realtime.viewer.hud import plain

GREATEST = 1e4
"""Larger coordinates, in rad and m, are meaningless and would fill the screen with digits."""

Line = list[tuple[str, Colour]]
"""Pieces of text in their colours."""

_STATUS: dict[Status, tuple[str, Colour]] = {
    Status.TRACKING: ("Tracking", GOOD),
    Status.UNSURE: ("Unsure: does not fit the image", CAUTION),
    Status.WARM_UP: ("Measuring body size", CAUTION),
    Status.LOST: ("Nobody in view", ALARM),
}


class AngleReadout:
    """The overlay's panel of angles for a stream of any model.

    Args:
        typeface: Typeface of the text.
        coordinates: Names of coordinates to show, as in the overlay; None for the default ones.
        unit_px: Size of a design pixel.
    """

    def __init__(self, typeface: Typeface, coordinates: Sequence[str] | None, unit_px: float) -> None:
        self._typeface, self._coordinates, self._unit_px = typeface, coordinates, unit_px
        self._panel: AnglePanel | None = None
        self._names: tuple[str, ...] = ()
        self._n_rows = 0
        self._pose: PoseSample | None = None

    def remember(self, sample: AngleSample) -> str:
        """Add the next sample; returns a message about unknown coordinates, usually an empty one."""
        complaint, names = "", tuple(sample.keys())
        if self._panel is None or names != self._names:
            model = sample.meta.model
            try:
                rows = choose_rows(model, self._coordinates)
            except SkeletonError as error:  # perhaps of another model that the tracker runs now
                rows, complaint = choose_rows(model, None), str(error)
            self._panel, self._names, self._n_rows = AnglePanel(rows, self._typeface), names, len(rows)
        self._pose = legible(sample.pose_sample())
        self._panel.remember(self._pose)
        return complaint

    def picture(self) -> Image | None:
        """Image of the panel at the newest sample; None if it is empty. Shape: (height, width, 3)."""
        if self._panel is None or self._pose is None or not self._n_rows:
            return None
        return self._panel.picture(self._pose, self._unit_px)


def state_lines(
    sample: AngleSample | None, heartbeat: StatusMessage | None, address: str, drawn_hz: float
) -> tuple[list[Line], Colour]:
    """Text about the state of stream and tracker, and the colour of the dot before it.

    Args:
        sample: Newest sample; None while there is no stream.
        heartbeat: Newest heartbeat, if any.
        address: Address of the stream.
        drawn_hz: Redraws per second.
    """
    where: Line = [(address, MUTED)]
    if sample is None:
        return [plain("Waiting for stream"), where], CAUTION
    said, dot = _STATUS[sample.status]
    first = [said]
    if heartbeat is not None and heartbeat.fps is not None:
        first.append(f"{np.clip(heartbeat.fps, 0.0, 9999.0):.0f} fps")
    first.append(f"{np.clip(sample.age_ms, 0.0, 99999.0):.0f} ms")
    first.append(f"drawn {drawn_hz:.0f}/s")
    second: Line = [(printable(sample.meta.model.name, 40), MUTED)]
    if sample.pose is None:
        second.append(("no bodies in this stream", CAUTION))
    if heartbeat is not None and heartbeat.note:
        second.append((printable(heartbeat.note, 80), CAUTION))
    return [plain(*first), second, where], dot


def legible(pose: PoseSample) -> PoseSample:
    """The sample without coordinates that are too large to be meaningful."""
    with np.errstate(invalid="ignore"):
        return replace(pose, q=np.where(np.abs(pose.q) < GREATEST, pose.q, np.nan))


def printable(text: str, longest: int) -> str:
    """The beginning of a text from the stream, without characters that cannot be drawn."""
    return "".join(c if c.isprintable() else "?" for c in text[:longest])
