"""Which views carried which seconds of a run."""

from __future__ import annotations

from collections.abc import Sequence

from realtime.sample import PoseSample

LONGEST_S = 36_000
"""Seconds that are told apart; those of longer runs count with the last."""


class ViewShares:
    """Counts, for each second of a run, the samples that rest on each view."""

    def __init__(self) -> None:
        self._start_ns: int | None = None
        self._n_samples: list[int] = []
        self._n_used: list[dict[int, int]] = []

    def add(self, sample: PoseSample) -> None:
        """Count one sample; those of a single camera count with no view."""
        if self._start_ns is None:
            self._start_ns = sample.t_capture_ns
        second = min(max(sample.t_capture_ns - self._start_ns, 0) // 1_000_000_000, LONGEST_S)
        while len(self._n_samples) <= second:
            self._n_samples.append(0)
            self._n_used.append({})
        self._n_samples[second] += 1
        for view in sample.used_views:
            self._n_used[second][view] = self._n_used[second].get(view, 0) + 1

    def as_dict(self, names: Sequence[str]) -> dict[str, object]:
        """Columns, one entry a second, ready for JSON.

        Args:
            names: Names of the views.
        """
        used = {name: [row.get(view, 0) for row in self._n_used] for view, name in enumerate(names)}
        return {"step_s": 1.0, "samples": list(self._n_samples), "used": used}
