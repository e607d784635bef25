"""How latency and losses went over a run: a table of constant size whose steps grow with the run."""

from __future__ import annotations

import numpy as np

MOST_STEPS = 512
FIRST_STEP_NS = 1_000_000_000


class RunHistory:
    """Counts samples in steps of equal length; when the table is full, steps are joined in pairs."""

    def __init__(self) -> None:
        self._step_ns = FIRST_STEP_NS
        self._start_ns: int | None = None
        self._next_frame_id = 0
        self._used = 0
        self._frames, self._lost, self._dropped, self._sum_ns, self._max_ns = np.zeros(
            (5, MOST_STEPS), dtype=np.int64
        )

    def record(self, t_ns: int, latency_ns: int, frame_id: int, *, is_lost: bool) -> None:
        """Count one sample.

        Args:
            t_ns: when it was published; not before the one before.
            latency_ns: of this sample.
            frame_id: of the source; a gap is a dropped frame.
            is_lost: whether nobody was found in it.
        """
        if self._start_ns is None:
            self._start_ns, self._next_frame_id = t_ns, frame_id
        k = max(0, t_ns - self._start_ns) // self._step_ns
        while k >= MOST_STEPS:
            self._join_pairs()
            k = (t_ns - self._start_ns) // self._step_ns
        self._used = max(self._used, k + 1)
        self._frames[k] += 1
        self._lost[k] += is_lost
        self._dropped[k] += max(0, frame_id - self._next_frame_id)
        self._sum_ns[k] += latency_ns
        self._max_ns[k] = max(self._max_ns[k], latency_ns)
        self._next_frame_id = frame_id + 1

    def as_dict(self) -> dict[str, object]:
        """Columns, one entry a step, ready for JSON; latencies are None where a step has no frame."""
        used = slice(0, self._used)
        frames = self._frames[used]
        mean_ms = 1e-6 * self._sum_ns[used] / np.maximum(frames, 1)
        latencies = {"latency_mean_ms": mean_ms, "latency_max_ms": 1e-6 * self._max_ns[used]}
        columns: dict[str, object] = {
            name: [round(float(ms), 3) if n else None for ms, n in zip(values, frames, strict=True)]
            for name, values in latencies.items()
        }
        return {
            "step_s": self._step_ns * 1e-9,
            "frames": frames.tolist(),
            "lost": self._lost[used].tolist(),
            "dropped": self._dropped[used].tolist(),
            **columns,
        }

    def _join_pairs(self) -> None:
        half = MOST_STEPS // 2
        for counts in (self._frames, self._lost, self._dropped, self._sum_ns):
            counts[:half] = counts[0::2] + counts[1::2]
            counts[half:] = 0
        self._max_ns[:half] = np.maximum(self._max_ns[0::2], self._max_ns[1::2])
        self._max_ns[half:] = 0
        self._step_ns *= 2
        self._used = (self._used + 1) // 2
