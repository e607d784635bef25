"""The values of one trial's row: quality, joint ranges, symmetry, and errors against a reference."""

from __future__ import annotations

import math

import numpy as np

from realtime.bench.accuracy import Trajectory, compare
from realtime.bench.reference import MIN_FRAMES, read_reference, refuse_few_frames
from realtime.bench.scores import error_scores
from realtime.report.data import Recording
from realtime.report.measures import losses, motion_ranges, symmetries
from realtime.study.study_file import Trial

Values = dict[str, int | float | str | None]

DIGITS = 4


def quality_values(recording: Recording) -> Values:
    """How much was tracked, and how surely."""
    lost, n = losses(recording), len(recording.time_s)
    tracked = ~recording.is_lost
    confidence = math.nan
    if recording.confidence is not None and tracked.any():
        confidence = float(np.nanmedian(recording.confidence[tracked]))
    person = recording.run.get("person")
    known_after_s = person.get("known_after_s") if isinstance(person, dict) else None
    return {
        "estimator": str(recording.run.get("estimator") or ""),
        "frames": n,
        "duration_s": rounded(float(recording.time_s[-1] - recording.time_s[0])),
        "tracked_percent": rounded(100.0 * (n - lost.lost) / n),
        "unsure_percent": rounded(100.0 * lost.unsure / n),
        "longest_gap_s": rounded(lost.longest_gap_s),
        "median_confidence": rounded(confidence),
        "person_known_after_s": rounded(known_after_s) if isinstance(known_after_s, int | float) else None,
    }


def movement_values(recording: Recording) -> Values:
    """Range of every coordinate, and symmetry of those with two sides."""
    ranges = motion_ranges(recording)
    values: Values = {}
    for name, found in ranges.items():
        for word, value in (
            ("min", found.lowest), ("mean", found.mean), ("max", found.highest), ("range", found.range),
        ):  # fmt: skip
            values[f"{name}_{word}_{found.unit}"] = rounded(value)
    for symmetry in symmetries(ranges):
        values[f"{symmetry.stem}_symmetry_percent"] = rounded(symmetry.index_percent)
    return values


def evaluation_values(recording: Recording, trial: Trial) -> tuple[Values, tuple[str, ...]]:
    """Errors against the trial's reference, and what a reader of them must know.

    Raises:
        CalibError: the reference cannot be read.
        RealtimeError: it does not fit: other columns, other times, too few frames.
    """
    assert trial.reference is not None
    reference = read_reference(trial.reference, rotations_of(recording))
    offset_s = reference.offset_s(trial.offset_s)
    comparison = compare(_trajectory(recording), reference.trajectory, offset_s=offset_s)
    refuse_few_frames(str(trial.reference.name), comparison.n_frames, MIN_FRAMES)
    scores = error_scores(comparison.differences_deg)
    values: Values = {
        "compared_frames": comparison.n_frames,
        "lag_s": rounded(comparison.lag_s),
        "mean_mae_deg": rounded(scores.mean_mae_deg),
        "mean_bias_removed_deg": rounded(scores.mean_bias_removed_deg),
        "median_frame_error_deg": rounded(scores.median_frame_error_deg),
    }
    values |= {f"{name}_mae_deg": rounded(value) for name, value in scores.mae_deg.items()}
    notes = list(reference.warnings)
    if comparison.at_edge:
        notes.append(
            f"the best lag, {comparison.lag_s * 1e3:+.0f} ms, is at the edge of those tried: set offset_s"
        )
    return values, tuple(notes)


def rotations_of(recording: Recording) -> tuple[str, ...]:
    """Names of the rotational coordinates, and of the clinical angles, which no reference has."""
    return tuple(name for name, unit in zip(recording.names, recording.units, strict=True) if unit == "deg")


def _trajectory(recording: Recording) -> Trajectory:
    columns = [k for k, unit in enumerate(recording.units) if unit == "deg"]
    angles_deg = recording.values[:, columns].copy()
    angles_deg[recording.is_lost] = np.nan
    return Trajectory(rotations_of(recording), recording.time_s, angles_deg)


def rounded(value: float) -> float | None:
    """A value as the table holds it; None where there is none."""
    return round(float(value), DIGITS) if math.isfinite(value) else None
