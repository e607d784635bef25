"""Networks against the One-Euro filter: `python -m realtime.bench.smoothing MOTIONS.npz` prints the table.

The file holds recordings as `engines.features.motion_metrics.save_motions` writes them. One of its
estimates is smoothed by One-Euro filters of all strengths; the others are compared with that, at equal
steadiness.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from engines.features.motion_metrics import (
    Array,
    MotionScore,
    RecordedMotion,
    format_scores,
    load_motions,
    score,
)
from realtime.bench.smoothing_plot import LagJitterPoint, smoothing_plot
from realtime.errors import RealtimeError
from realtime.pose.one_euro import BETA, MIN_CUTOFF_HZ, OneEuroFilter, OneEuroSettings

CUTOFFS_HZ = tuple(np.geomspace(0.1, 12.0, 12).tolist())
BETAS = (0.0, 0.5, BETA)


def one_euro(motion: RecordedMotion, estimate: str, *, min_cutoff_hz: float, beta: float) -> Array:
    """An estimate of a recording, smoothed. Shape: (n, n_names)."""
    values = np.radians(motion.estimates_deg[estimate])
    n = values.shape[1]
    smooth = OneEuroFilter(n, OneEuroSettings(min_cutoff_hz=min_cutoff_hz, beta=beta, is_angle=True))
    out, speed = np.empty_like(values), np.empty(n)
    for t_s, x, y in zip(motion.t_s, values, out, strict=True):
        smooth.step(round(1e9 * float(t_s)), x, y, speed)
    return np.degrees(out)


def score_one_euro(
    motions: Sequence[RecordedMotion], estimate: str, *, min_cutoff_hz: float, beta: float
) -> MotionScore:
    """Score of an estimate smoothed by a One-Euro filter."""
    filtered = [
        RecordedMotion(m.names, m.t_s, m.truth_deg,
               {estimate: one_euro(m, estimate, min_cutoff_hz=min_cutoff_hz, beta=beta)})
        for m in motions
    ]  # fmt: skip
    return score(filtered, estimate)


def sweep(motions: Sequence[RecordedMotion], estimate: str, beta: float) -> list[LagJitterPoint]:
    """One-Euro filters of one beta, from the strongest to the weakest, and none at last."""
    places = [
        _place(f"{cutoff_hz:.2g} Hz", score_one_euro(motions, estimate, min_cutoff_hz=cutoff_hz, beta=beta))
        for cutoff_hz in CUTOFFS_HZ
    ]
    places.append(_place("unfiltered", score(motions, estimate)))
    return [p for p in places if np.isfinite([p.lag_ms, p.jitter_deg]).all()]


def lag_at_equal_jitter(curves: Sequence[Sequence[LagJitterPoint]], jitter_deg: float) -> float:
    """The least delay in ms at which a curve is as steady; NaN if none is.

    Args:
        curves: Curves, each from the strongest filter to the weakest.
        jitter_deg: Jitter to be reached.
    """
    least = float("nan")
    for curve in curves:
        for stronger, weaker in pairwise(curve):
            if stronger.jitter_deg <= jitter_deg <= weaker.jitter_deg:
                share = (jitter_deg - stronger.jitter_deg) / (weaker.jitter_deg - stronger.jitter_deg + 1e-12)
                least = np.fmin(least, stronger.lag_ms + share * (weaker.lag_ms - stronger.lag_ms))
    return float(least)


def _place(name: str, found: MotionScore) -> LagJitterPoint:
    return LagJitterPoint(name, 1e3 * found.lag_s, found.jitter_deg)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table; draw the plot."""
    parser = argparse.ArgumentParser(prog="python -m realtime.bench.smoothing", description=__doc__)
    parser.add_argument("motions", type=Path)
    parser.add_argument("--raw", metavar="NAME", help="the estimate to smooth; default: the first")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write a plot of jitter over delay")
    args = parser.parse_args(arguments)
    motions = load_motions(args.motions)
    names = list(motions[0].estimates_deg)
    raw = args.raw or names[0]
    if raw not in names:
        raise RealtimeError(f"{args.motions} has no estimate {raw!r}; it has {', '.join(names)}")
    scores = {name: score(motions, name) for name in names}
    plain = score_one_euro(motions, raw, min_cutoff_hz=MIN_CUTOFF_HZ, beta=BETA)
    scores["One-Euro with shipped constants"] = plain
    print(format_scores(scores))
    curves = {f"One-Euro, beta {beta:g}": sweep(motions, raw, beta) for beta in BETAS}
    for name in names:
        lag_ms = lag_at_equal_jitter(list(curves.values()), scores[name].jitter_deg)
        mine_ms = 1e3 * scores[name].lag_s
        print(f"  One-Euro as steady as {name}: {lag_ms:.1f} ms late; {name} is {mine_ms:.1f} ms late")
    if args.svg is not None:
        args.svg.write_text(smoothing_plot(curves, [_place(n, s) for n, s in scores.items()]) + "\n")


if __name__ == "__main__":
    main()
