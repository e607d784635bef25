"""Glass-to-glass latency: time from a change of the screen until the image that shows it is ready.

The screen flashes at irregular times and the camera records it. A flash is detected in the first frame whose
brightness has changed by more than half. Latency is the time when that frame's overlay was ready minus the
time when the flash was sent to the screen; it includes screen, camera, tracking and drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.errors import RealtimeError
from realtime.sample import Frame

Array = NDArray[np.float64]

CELLS = (16, 12)
"""Columns and rows of the cells of the image whose brightness is measured."""
MIN_CONTRAST = 10.0
"""Smallest change of a cell's grey value with the screen."""
MIN_FLASHES = 8
MAX_MISSED_SHARE = 0.34
SETTLED_SHARE = 0.4
"""Last part of the time between two flashes, in which frames show the flash completely."""


@dataclass(frozen=True, slots=True)
class Flash:
    """Time at which a new brightness was sent to the screen."""

    t_ns: int
    is_bright: bool


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Brightness of one frame."""

    t_capture_ns: int
    t_done_ns: int
    """Time at which its overlay was ready."""
    cells: NDArray[np.float32]
    """Brightness of the cells of the image. Shape: (CELLS[0] * CELLS[1],)."""


@dataclass(frozen=True, slots=True, eq=False)
class GlassToGlass:
    """Measured delays in ms, one for each detected flash."""

    total_ms: Array
    """Time from the flash to the image that shows it."""
    to_capture_ms: Array
    """Part until the frame's time of capture: screen, exposure, transfer."""
    processing_ms: Array
    """Part after the time of capture: waiting, tracking, drawing."""
    n_missed: int
    contrast: float
    """Difference of grey values between dark and bright."""

    def as_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        return {
            "flashes": len(self.total_ms),
            "missed": self.n_missed,
            "contrast": round(self.contrast, 1),
            "glass_to_glass_ms": spread_ms(self.total_ms),
            "screen_and_camera_ms": spread_ms(self.to_capture_ms),
            "processing_ms": spread_ms(self.processing_ms),
        }


def spread_ms(values: Array) -> dict[str, float]:
    """Percentiles, extremes and standard deviation."""
    p50, p95 = np.percentile(values, [50.0, 95.0])
    found = {"p50": p50, "p95": p95, "min": values.min(), "max": values.max(), "jitter": values.std()}
    return {name: round(float(value), 2) for name, value in found.items()}


def look_at(frame: Frame, t_done_ns: int) -> Look:
    """Reduce a frame to the brightness of its cells."""
    small = cv2.resize(frame.image, CELLS, interpolation=cv2.INTER_AREA)
    cells = np.asarray(small, dtype=np.float32).mean(axis=2).ravel()
    return Look(frame.t_capture_ns, t_done_ns, cells)


def measure(flashes: Sequence[Flash], looks: Sequence[Look]) -> GlassToGlass:
    """Detect the flashes in the camera's frames.

    Args:
        flashes: Flashes in order, alternately bright and dark.
        looks: Brightness of every frame, in order.

    Raises:
        RealtimeError: too few flashes, or the camera does not see them; the text says what to do.
    """
    if len(flashes) < MIN_FLASHES:
        raise RealtimeError(f"{len(flashes)} flashes are too few; at least {MIN_FLASHES} are needed")
    if not looks:
        raise RealtimeError("the camera gave no images between the flashes; see that it works: kinecast live")
    t_capture_ns = np.array([look.t_capture_ns for look in looks], dtype=np.int64)
    cells = np.array([look.cells for look in looks], dtype=np.float64).reshape(len(looks), -1)
    settled = _settled_levels(flashes, t_capture_ns, cells)
    is_bright = np.array([flash.is_bright for flash in flashes])
    known = np.isfinite(settled).all(axis=1)
    if not (known & is_bright).any() or not (known & ~is_bright).any():
        raise RealtimeError("the camera gave no images between the flashes; try --interval 2")
    response = settled[known & is_bright].mean(axis=0) - settled[known & ~is_bright].mean(axis=0)
    if response.max() < MIN_CONTRAST:
        raise RealtimeError(
            f"the camera does not see the window flash: brightness changes by {max(0.0, response.max()):.0f} "
            f"of 255, at least {MIN_CONTRAST:.0f} are needed; point it at the window (or hold up a mirror), "
            "turn the screen's brightness up and other light down; for a camera slower than 0.4 s add "
            "--interval 2"
        )
    seeing = response > 0.5 * response.max()
    crossings = _crossings(
        flashes, t_capture_ns, cells[:, seeing].mean(axis=1), settled[:, seeing].mean(axis=1)
    )
    n_missed = sum(crossing is None for crossing in crossings)
    if n_missed > MAX_MISSED_SHARE * len(crossings):
        raise RealtimeError(
            f"{n_missed} of {len(crossings)} flashes were not seen; keep camera and screen still, and for a "
            "camera slower than 0.4 s add --interval 2"
        )
    seen = [(flash, looks[k]) for flash, k in zip(flashes[1:], crossings, strict=True) if k is not None]
    return _delays(seen, n_missed, float(response.max()))


def _delays(seen: Sequence[tuple[Flash, Look]], n_missed: int, contrast: float) -> GlassToGlass:
    flash_ns = np.array([flash.t_ns for flash, _ in seen])
    capture_ns = np.array([look.t_capture_ns for _, look in seen])
    done_ns = np.array([look.t_done_ns for _, look in seen])
    return GlassToGlass(
        total_ms=(done_ns - flash_ns) * 1e-6,
        to_capture_ms=(capture_ns - flash_ns) * 1e-6,
        processing_ms=(done_ns - capture_ns) * 1e-6,
        n_missed=n_missed,
        contrast=contrast,
    )


def _settled_levels(flashes: Sequence[Flash], t_capture_ns: NDArray[np.int64], cells: Array) -> Array:
    """Brightness at the end of each flash; NaN where no frame was taken then. Shape: (n_flashes, n_cells)."""
    starts = np.array([flash.t_ns for flash in flashes], dtype=np.int64)
    ends = np.append(starts[1:], 2 * starts[-1] - starts[-2])
    levels = np.full((len(flashes), cells.shape[1]), np.nan)
    for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
        inside = (t_capture_ns >= end - SETTLED_SHARE * (end - start)) & (t_capture_ns < end)
        if inside.any():
            levels[k] = np.median(cells[inside], axis=0)
    return levels


def _crossings(
    flashes: Sequence[Flash], t_capture_ns: NDArray[np.int64], brightness: Array, settled: Array
) -> list[int | None]:
    """For each flash after the first, the first frame that is more than half the way to its level."""
    found: list[int | None] = []
    for k in range(1, len(flashes)):
        low, high = settled[k - 1], settled[k]
        rises = flashes[k].is_bright
        if not (
            np.isfinite([low, high]).all() and (high > low) == rises and abs(high - low) >= MIN_CONTRAST / 2
        ):
            found.append(None)
            continue
        end_ns = flashes[k + 1].t_ns if k + 1 < len(flashes) else np.iinfo(np.int64).max
        after = np.flatnonzero((t_capture_ns > flashes[k].t_ns) & (t_capture_ns < end_ns))
        share = (brightness[after] - low) / (high - low)
        passed = after[share > 0.5]
        found.append(int(passed[0]) if len(passed) else None)
    return found
