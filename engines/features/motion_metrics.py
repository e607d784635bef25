"""How good estimated motion is over time: error, jitter at rest, lag, and left/right swaps.

Angles in degrees, one column a coordinate; NaN where nobody was seen. Recordings travel between those who
estimate and those who compare as one `.npz` file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError

STILL_SPEED_DEG_S = 5.0
STILL_WINDOW_S = 1.0
"""A coordinate is at rest while its truth is slower than that for so long."""
MIN_STILL_FRAMES = 6
GRID_S = 1.0 / 120.0
MAX_LAG_S = 0.3
MAX_GAP_S = 0.15
"""Nothing is known of the motion between frames further apart."""
SWAP_ERROR_DEG = 10.0
"""Sides count as exchanged if the mean error of paired coordinates is above, and half as large exchanged."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RecordedMotion:
    """One recording: what was true, and what several estimators made of it."""

    names: tuple[str, ...]
    """Coordinates."""
    t_s: Array
    """Rising. Shape: (n,)."""
    truth_deg: Array
    """Shape: (n, n_names)."""
    estimates_deg: dict[str, Array]
    """By estimator. Shape of each: (n, n_names)."""


@dataclass(frozen=True, slots=True)
class MotionScore:
    """How good one estimator is over some recordings."""

    mae_deg: dict[str, float]
    """Mean absolute error of each coordinate."""
    jitter_deg: float
    """RMS over coordinates of the jitter at rest; NaN where nothing rests."""
    lag_s: float
    """NaN where nothing moves."""
    n_swaps: int
    """Times that the sides became exchanged."""
    swapped: float
    """Share of frames on which they are."""

    @property
    def mean_mae_deg(self) -> float:
        """Mean over coordinates."""
        return float(np.mean(list(self.mae_deg.values())))


def score(motions: Sequence[RecordedMotion], estimator: str) -> MotionScore:
    """Compare one estimator with the truth over recordings of the same coordinates."""
    errors = [_difference(m.estimates_deg[estimator], m.truth_deg) for m in motions]
    mae_deg = np.nanmean(np.abs(np.concatenate(errors)), axis=0)
    swapped = [sides_exchanged(m.names, m.estimates_deg[estimator], m.truth_deg) for m in motions]
    return MotionScore(
        mae_deg=dict(zip(motions[0].names, mae_deg.tolist(), strict=True)),
        jitter_deg=jitter(motions, estimator),
        lag_s=lag(motions, estimator),
        n_swaps=sum(int(np.count_nonzero(np.diff(s.astype(np.int8), prepend=0) == 1)) for s in swapped),
        swapped=float(np.concatenate(swapped).mean()),
    )


def jitter(motions: Sequence[RecordedMotion], estimator: str) -> float:
    """RMS in deg of the estimate about its trend while the truth rests.

    Stretches of `STILL_WINDOW_S` in which a coordinate's truth is slow throughout; in each, a straight line
    is fitted to the error and what it leaves counts, two degrees of freedom less than frames.
    """
    squares, freedom = 0.0, 0
    for motion in motions:
        error = _difference(motion.estimates_deg[estimator], motion.truth_deg)
        for rows, columns in _still_windows(motion):
            values, t_s = error[rows][:, columns], motion.t_s[rows]
            values = values[:, np.isfinite(values).all(axis=0)]
            line = np.stack([np.ones_like(t_s), t_s - t_s[0]], axis=1)
            residual = values - line @ np.linalg.lstsq(line, values, rcond=None)[0]
            squares += float((residual**2).sum())
            freedom += (len(t_s) - 2) * values.shape[1]
    return float(np.sqrt(squares / freedom)) if freedom else float("nan")


def _still_windows(motion: RecordedMotion) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Rows of each stretch, and the coordinates that rest in it."""
    steps_s = np.maximum(np.diff(motion.t_s), 1e-6)[:, None]
    speed = np.abs(np.diff(_unwrapped(motion.truth_deg), axis=0)) / steps_s
    window = ((motion.t_s - motion.t_s[0]) / STILL_WINDOW_S).astype(np.int64)
    for start, end in _runs(window):
        if end - start >= MIN_STILL_FRAMES:
            yield slice(start, end), np.asarray((speed[start : end - 1] < STILL_SPEED_DEG_S).all(axis=0))


def _runs(labels: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(labels)) + 1
    starts, ends = [0, *edges.tolist()], [*edges.tolist(), len(labels)]
    return zip(starts, ends, strict=True)


def lag(motions: Sequence[RecordedMotion], estimator: str) -> float:
    """Delay in s at which the estimate's speeds match the truth's best, finer than a frame.

    The estimate's steps from frame to frame are correlated with the truth's over the same spans of time,
    moved by each lag of a grid; the peak is refined by a parabola. Only the truth, which is
    smooth, is interpolated.
    """
    lags_s = GRID_S * np.arange(-round(MAX_LAG_S / GRID_S), round(MAX_LAG_S / GRID_S) + 1)
    products, energies, truths = (np.zeros(len(lags_s)) for _ in range(3))
    for motion in motions:
        for estimate, truth in zip(motion.estimates_deg[estimator].T, motion.truth_deg.T, strict=True):
            known = _Curve(motion.t_s, truth)
            seen = np.isfinite(estimate)
            t_s, values = motion.t_s[seen], np.unwrap(estimate[seen], period=360.0)
            close = np.diff(t_s) < MAX_GAP_S
            steps = np.diff(values)[close]
            start_s, end_s = t_s[:-1][close], t_s[1:][close]
            true_steps = known(end_s - lags_s[:, None]) - known(start_s - lags_s[:, None])
            both = np.isfinite(true_steps)
            true_steps = np.where(both, true_steps, 0.0)
            products += true_steps @ steps
            energies += both @ steps**2
            truths += (true_steps**2).sum(axis=1)
    correlation = products / np.sqrt(np.maximum(energies * truths, 1e-12))
    peak = int(np.argmax(correlation))
    if not correlation[peak] > 0.0 or peak in (0, len(lags_s) - 1):
        return float("nan")
    left, middle, right = correlation[peak - 1 : peak + 2]
    return float(lags_s[peak] + 0.5 * (left - right) / (left - 2.0 * middle + right) * GRID_S)


class _Curve:
    """A cubic Hermite curve through angles; NaN outside of them and in gaps."""

    def __init__(self, t_s: Array, angles_deg: Array) -> None:
        seen = np.isfinite(angles_deg)
        self._t_s, self._values = t_s[seen], np.unwrap(angles_deg[seen], period=360.0)
        self._slopes = (
            np.gradient(self._values, self._t_s) if len(self._t_s) > 1 else np.zeros(len(self._t_s))
        )

    def __call__(self, at_s: Array) -> Array:
        """Angles at some times, of any shape."""
        if len(self._t_s) < 2:
            return np.full(at_s.shape, np.nan)
        k = np.clip(np.searchsorted(self._t_s, at_s, side="right") - 1, 0, len(self._t_s) - 2)
        step_s = self._t_s[k + 1] - self._t_s[k]
        u = (at_s - self._t_s[k]) / step_s
        rise = self._values[k + 1] - self._values[k]
        a, b = self._slopes[k] * step_s - rise, rise - self._slopes[k + 1] * step_s
        curve = self._values[k] + u * rise + u * (1.0 - u) * ((1.0 - u) * a + u * b)
        return np.where((u >= 0.0) & (u <= 1.0) & (step_s < MAX_GAP_S), curve, np.nan)


def sides_exchanged(names: Sequence[str], estimate_deg: Array, truth_deg: Array) -> NDArray[np.bool_]:
    """Frames on which left and right are taken for each other. Shape: (n,)."""
    right = [k for k, n in enumerate(names) if n.endswith("_r") and f"{n[:-2]}_l" in names]
    left = [list(names).index(f"{names[k][:-2]}_l") for k in right]
    if not right:
        return np.zeros(len(truth_deg), dtype=np.bool_)
    sides, others = right + left, left + right
    error = np.abs(_difference(estimate_deg[:, sides], truth_deg[:, sides])).mean(axis=1)
    exchanged = np.abs(_difference(estimate_deg[:, others], truth_deg[:, sides])).mean(axis=1)
    return np.asarray((error > SWAP_ERROR_DEG) & (exchanged < 0.5 * error))


def _difference(a: Array, b: Array) -> Array:
    """What leads from b to a by the shorter way."""
    return np.asarray((a - b + 180.0) % 360.0 - 180.0)


def _unwrapped(angles_deg: Array) -> Array:
    return np.unwrap(angles_deg, axis=0, period=360.0)


def format_scores(scores: dict[str, MotionScore]) -> str:
    """A table for the console."""
    lines = [f"{'estimator':<28}{'error':>9}{'jitter':>9}{'lag':>9}{'swaps':>7}{'swapped':>9}"]
    lines += [
        f"{name:<28}{s.mean_mae_deg:>5.2f} deg{s.jitter_deg:>5.2f} deg{1e3 * s.lag_s:>6.1f} ms{s.n_swaps:>7}"
        f"{100.0 * s.swapped:>7.2f} %"
        for name, s in scores.items()
    ]
    return "\n".join(lines)


def save_motions(path: Path, motions: Sequence[RecordedMotion]) -> None:
    """Write recordings."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for k, motion in enumerate(motions):
        arrays |= {
            f"{k}/names": np.array(motion.names),
            f"{k}/t_s": motion.t_s,
            f"{k}/truth": motion.truth_deg,
        }
        arrays |= {f"{k}/estimate/{name}": values for name, values in motion.estimates_deg.items()}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_motions(path: Path) -> list[RecordedMotion]:
    """Read recordings.

    Raises:
        EngineError: the file is missing, or not of this kind.
    """
    try:
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError) as error:
        raise EngineError(f"{path}: not recorded motions ({error}); write them with save_motions") from error
    motions: list[RecordedMotion] = []
    while f"{len(motions)}/t_s" in arrays:
        head = f"{len(motions)}/"
        estimates = {
            key.removeprefix(f"{head}estimate/"): values
            for key, values in arrays.items()
            if key.startswith(f"{head}estimate/")
        }
        names = tuple(arrays[f"{head}names"].tolist())
        motions.append(RecordedMotion(names, arrays[f"{head}t_s"], arrays[f"{head}truth"], estimates))
    if not motions:
        raise EngineError(f"{path}: holds no recorded motions; write them with save_motions")
    return motions
