"""The figures of `kinecast evaluate` as text for the console."""

from __future__ import annotations

from collections.abc import Sequence

from calib.coordinates import SCORED_COORDINATES
from realtime.bench.evaluation import Evaluation
from realtime.bench.trials import PeopleScores, TrialsResult

NONE = "-"
COLUMNS = ("raw", "bias", "bias out", "median", "standing", "top", "bottom")
EXPLANATION = (
    "deg. raw: mean absolute error; bias out: after the mean error is taken out; median: over frames; "
    "standing: in the first still seconds; top, bottom: where the reference is in the outer tenths of its "
    "range"
)


def format_evaluation(evaluation: Evaluation) -> str:
    """One trial, coordinate by coordinate."""
    errors, standing, extremes = evaluation.errors, evaluation.standing, evaluation.extremes
    tables = (
        errors.mae_deg,
        errors.bias_deg,
        errors.bias_removed_deg,
        errors.median_deg,
        standing.mae_deg if standing else {},
        extremes.top_deg,
        extremes.bottom_deg,
    )
    lines = [_row("coordinate", COLUMNS)]
    for name in errors.mae_deg:
        note = "" if name in SCORED_COORDINATES else "  (not scored)"
        lines.append(_row(name, [number(table.get(name)) for table in tables]) + note)
    means = [errors.mean_mae_deg, None, errors.mean_bias_removed_deg, errors.median_frame_error_deg]
    means.append(standing.mean_mae_deg if standing else None)
    lines += [_row("mean of the scored", [number(value, 2) for value in means]), EXPLANATION]
    lines += [*_pelvis_lines(evaluation), *_run_lines(evaluation)]
    return "\n".join(lines + [f"warning: {warning}" for warning in evaluation.warnings])


def _pelvis_lines(evaluation: Evaluation) -> list[str]:
    pelvis = evaluation.published_pelvis
    if pelvis is None:
        return []
    tables = {
        "as published": pelvis.as_published_deg,
        "with the first second's heading": pelvis.first_second_heading_deg,
    }
    return [
        f"{words}: " + ", ".join(f"{name} {value:.1f}" for name, value in table.items())
        for words, table in tables.items()
        if table
    ]


def _run_lines(evaluation: Evaluation) -> list[str]:
    latency = ", ".join(f"{k} {v:.1f}" for k, v in evaluation.latency_ms.items())
    known = evaluation.known_after_s
    return [
        f"{evaluation.compared_frames} of {evaluation.frames} frames compared, "
        f"{evaluation.lost_frames} lost; "
        f"offset {evaluation.offset_s:g} s, lag {evaluation.lag_s * 1e3:.0f} ms; "
        + ("person never known" if known is None else f"person known after {known:.2f} s"),
        f"{evaluation.estimator}: jitter {evaluation.jitter_deg:.2f} deg, step {latency} ms",
    ]


def format_trials(result: TrialsResult) -> str:
    """All trials in one table, and their mean over people, coordinate by coordinate."""
    head = ("person", "raw", "bias out", "median", "standing", "extremes", "frames", "known s")
    lines = [_row("mean of the scored", head)]
    for e in result.evaluations:
        values = (
            e.errors.mean_mae_deg,
            e.errors.mean_bias_removed_deg,
            e.errors.median_frame_error_deg,
            e.standing.mean_mae_deg if e.standing else None,
            e.extremes.mean_mae_deg,
        )
        cells = [e.trial.person[:9], *(number(v, 2) for v in values)]
        lines.append(_row(e.trial.name, [*cells, str(e.compared_frames), number(e.known_after_s, 2)]))
    return "\n".join([*lines, _mean_row(result.over_people), "", *_people_lines(result.over_people)])


def _mean_row(people: PeopleScores) -> str:
    values = (
        people.mean_mae_deg,
        people.mean_bias_removed_deg,
        people.median_frame_error_deg,
        people.standing_mean_mae_deg,
        people.extremes_mean_mae_deg,
    )
    cells = [number(value, 2) for value in values]
    frames = str(people.compared_frames)
    return _row("over people", [str(people.people), *cells, frames, number(people.known_after_s, 2)])


def _people_lines(people: PeopleScores) -> list[str]:
    tables = (
        people.mae_deg,
        people.bias_removed_deg,
        people.median_deg,
        people.standing_mae_deg,
        people.top_deg,
        people.bottom_deg,
        people.published_pelvis_deg,
        people.first_second_heading_deg,
    )
    head = ("raw", "bias out", "median", "standing", "top", "bottom", "published", "1st s")
    rows = [_row(name, [number(table.get(name)) for table in tables]) for name in people.mae_deg]
    note = "; published: pelvis as it was published, 1st s: with one heading from the first second"
    return [_row("over people", head), *rows, EXPLANATION + note]


def number(value: float | None, digits: int = 1) -> str:
    """A figure, or a dash where there is none."""
    return NONE if value is None else f"{value:.{digits}f}"


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:<22}" + "".join(f"{cell:>10}" for cell in cells)
