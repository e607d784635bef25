"""Evaluate many trials, and average them over people: everybody weighs alike, however often filmed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np

from calib.skeleton import Skeleton
from realtime.bench.evaluation import Evaluation, Matching, OpenEstimator, evaluate_trial, open_reference
from realtime.bench.trials_file import Trial
from realtime.errors import RealtimeError

FORMAT = "kinecast-trials 1"


@dataclass(frozen=True, slots=True)
class PeopleScores:
    """Means over people of each person's mean over trials; None and gaps where nobody has a value."""

    people: int
    trials: int
    compared_frames: int
    mean_mae_deg: float | None
    mean_bias_removed_deg: float | None
    median_frame_error_deg: float | None
    standing_mean_mae_deg: float | None
    extremes_mean_mae_deg: float | None
    known_after_s: float | None
    """Over the trials in which the person became known."""
    mae_deg: dict[str, float]
    bias_removed_deg: dict[str, float]
    median_deg: dict[str, float]
    standing_mae_deg: dict[str, float]
    top_deg: dict[str, float]
    bottom_deg: dict[str, float]
    published_pelvis_deg: dict[str, float]
    first_second_heading_deg: dict[str, float]


@dataclass(frozen=True, slots=True)
class TrialsResult:
    """What `kinecast evaluate --trials` writes."""

    evaluations: tuple[Evaluation, ...]
    over_people: PeopleScores

    def as_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        return {
            "format": FORMAT,
            "estimator": self.evaluations[0].estimator,
            "over_people": asdict(self.over_people),
            "trials": [evaluation.as_dict() for evaluation in self.evaluations],
        }


def evaluate_trials(
    trials: Sequence[Trial],
    skeleton: Skeleton,
    open_estimator: OpenEstimator,
    matching: Matching,
    report: Callable[[Evaluation], None],
) -> TrialsResult:
    """Track and score every trial, after all references and videos were checked.

    Args:
        trials: One or more.
        skeleton: The estimator's skeleton.
        open_estimator: Gives the estimator for an opened video.
        matching: Options for matching estimate and reference in time.
        report: Called with each trial's scores as soon as they are known.

    Raises:
        RealtimeError: naming the trial that cannot be scored.
    """
    references = []
    for trial in trials:
        with _naming(trial):
            references.append(open_reference(trial, skeleton, matching))
    evaluations = []
    for trial, reference in zip(trials, references, strict=True):
        with _naming(trial):
            evaluations.append(evaluate_trial(trial, reference, open_estimator, matching))
        report(evaluations[-1])
    return TrialsResult(tuple(evaluations), over_people(evaluations))


@contextmanager
def _naming(trial: Trial) -> Iterator[None]:
    """Say which trial an error belongs to."""
    try:
        yield
    except RealtimeError as error:
        raise RealtimeError(f"trial {trial.name}: {error}") from error


def over_people(evaluations: Sequence[Evaluation]) -> PeopleScores:
    """Average trials within each person, and then people."""

    def mean(value: Callable[[Evaluation], float | None]) -> float | None:
        return means(lambda e: {} if (v := value(e)) is None else {"": v}).get("")

    def means(values: Callable[[Evaluation], dict[str, float]]) -> dict[str, float]:
        return _means([(e.trial.person, values(e)) for e in evaluations])

    return PeopleScores(
        people=len({e.trial.person for e in evaluations}),
        trials=len(evaluations),
        compared_frames=sum(e.compared_frames for e in evaluations),
        mean_mae_deg=mean(lambda e: e.errors.mean_mae_deg),
        mean_bias_removed_deg=mean(lambda e: e.errors.mean_bias_removed_deg),
        median_frame_error_deg=mean(lambda e: e.errors.median_frame_error_deg),
        standing_mean_mae_deg=mean(lambda e: e.standing.mean_mae_deg if e.standing else None),
        extremes_mean_mae_deg=mean(lambda e: e.extremes.mean_mae_deg),
        known_after_s=mean(lambda e: e.known_after_s),
        mae_deg=means(lambda e: e.errors.mae_deg),
        bias_removed_deg=means(lambda e: e.errors.bias_removed_deg),
        median_deg=means(lambda e: e.errors.median_deg),
        standing_mae_deg=means(lambda e: e.standing.mae_deg if e.standing else {}),
        top_deg=means(lambda e: e.extremes.top_deg),
        bottom_deg=means(lambda e: e.extremes.bottom_deg),
        published_pelvis_deg=means(
            lambda e: e.published_pelvis.as_published_deg if e.published_pelvis else {}
        ),
        first_second_heading_deg=means(
            lambda e: e.published_pelvis.first_second_heading_deg if e.published_pelvis else {}
        ),
    )


def _means(values_of_people: Sequence[tuple[str, dict[str, float]]]) -> dict[str, float]:
    """Mean over people of their mean over trials, for every name that anybody has.

    Args:
        values_of_people: Person and values of each trial.
    """
    table: dict[str, dict[str, list[float]]] = {}
    for person, values in values_of_people:
        for name, value in values.items():
            table.setdefault(name, {}).setdefault(person, []).append(value)
    return {
        name: float(np.mean([np.mean(trials) for trials in people.values()]))
        for name, people in table.items()
    }
