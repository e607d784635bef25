"""Discrete events of BlazePose: left/right swaps, lost tracking, covered body parts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engines.blazepose.pose_landmark import HIPS, N_LANDMARKS, SHOULDERS, PoseLandmark
from engines.features.landmarks import MIRRORED
from train.blazepose.data import COVERED_SHARE, Cover, LiftData
from train.blazepose.points import TrueView, points_from_hips

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

L = PoseLandmark
ARMS = tuple(range(L.LEFT_ELBOW, L.LEFT_HIP))
LEGS = tuple(range(L.LEFT_KNEE, N_LANDMARKS))
TRUNK = (*SHOULDERS, *HIPS)
SWAPS: dict[str, tuple[int, ...]] = {"legs": LEGS, "arms": ARMS, "all": tuple(range(N_LANDMARKS))}
SWAPPED_BELOW = 0.6
"""Largest ratio of the distance to the other side's truth to the distance to the own side's."""
LEAST_SEPARATION_M = 0.12
"""Smallest distance between left and right at which a swap can be recognised."""
FACING_AWAY = 0.3
"""Cosine between the trunk's forward direction and that to the camera; turned away below it."""
GAP_PERIODS, LEAST_GAP_S = 2.6, 0.09
SHARE_EDGES = np.array([0.6, 0.95])
"""Edges of `TrueView.share_seen`: tracking is lost more often where less of the person is visible."""
LATE_S = 0.2
DEFAULT_SWAP_S, DEFAULT_LOSS_S = 0.3, 0.5
LOST_PERCENTILE = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class EventRates:
    """Rates and durations of the events."""

    swaps_hz: Array
    """Starts of `SWAPS` per second, for people who face the camera and who do not. Shape: (n_swaps, 2)."""
    swaps_s: tuple[tuple[float, ...], ...]
    """Durations of each kind of swap, one of them drawn per swap."""
    losses_hz: Array
    """Losses per second in each range between `SHARE_EDGES`. Shape: (3,)."""
    losses_s: tuple[float, ...]
    starts_s: tuple[float, ...]
    """Delays until a fully visible person is found, one of them drawn per clip."""
    least_share: float
    """Smallest `TrueView.share_seen` at which anybody is found."""


NO_EVENTS = EventRates(np.zeros((len(SWAPS), 2)), ((),) * len(SWAPS), np.zeros(3), (), (), 0.0)


def faces_away(view: TrueView) -> Mask:
    """Whether the trunk is turned away from the camera. Shape: (n,)."""
    points = view.points_cam_m
    across = points[:, L.RIGHT_SHOULDER] - points[:, L.LEFT_SHOULDER]
    across = across + points[:, L.RIGHT_HIP] - points[:, L.LEFT_HIP]
    up = (
        points[:, L.LEFT_SHOULDER]
        + points[:, L.RIGHT_SHOULDER]
        - points[:, L.LEFT_HIP]
        - points[:, L.RIGHT_HIP]
    )
    facing = np.cross(up, across)
    facing /= np.linalg.norm(facing, axis=1, keepdims=True) + 1e-9
    ray = view.hips_cam_m / (np.linalg.norm(view.hips_cam_m, axis=1, keepdims=True) + 1e-9)
    return np.asarray(-(facing * ray).sum(1) < FACING_AWAY)


def find_swaps(data: LiftData, view: TrueView) -> Mask:
    """Images with a left/right swap of each kind, at most one kind per image. Shape: (n, n_swaps)."""
    truth = points_from_hips(view, data.roi.astype(np.float64))
    world = data.world_m.astype(np.float64)
    world = world - 0.5 * (world[:, L.LEFT_HIP] + world[:, L.RIGHT_HIP])[:, None]
    found = {name: _nearer_exchanged(world, truth, group) for name, group in
             (("legs", LEGS), ("arms", ARMS), ("trunk", TRUNK))}  # fmt: skip
    everything = found["trunk"] & (found["legs"] | found["arms"])
    return np.stack([found["legs"] & ~everything, found["arms"] & ~everything, everything], 1)


def _nearer_exchanged(world: Array, truth: Array, group: tuple[int, ...]) -> Mask:
    there = np.linalg.norm(world[:, group] - truth[:, group], axis=-1).mean(1)
    across = np.linalg.norm(world[:, MIRRORED[list(group)]] - truth[:, group], axis=-1).mean(1)
    return np.asarray((across < SWAPPED_BELOW * there) & (there > LEAST_SEPARATION_M))


def exchange(data: LiftData, swapped: Mask) -> LiftData:
    """Swap left and right where `swapped` is true; a second call undoes it."""
    order = np.tile(np.arange(N_LANDMARKS), (len(data), 1))
    for kind, group in enumerate(SWAPS.values()):
        order[np.ix_(np.flatnonzero(swapped[:, kind]), np.array(group))] = MIRRORED[list(group)]
    return replace(
        data,
        landmarks_px=np.take_along_axis(data.landmarks_px, order[..., None], 1),
        world_m=np.take_along_axis(data.world_m, order[..., None], 1),
        visibility=np.take_along_axis(data.visibility, order, 1),
        presence=np.take_along_axis(data.presence, order, 1),
    )


def measure_events(data: LiftData, view: TrueView) -> EventRates:
    """Measure the rates and durations of events in clips."""
    swapped, away, share = find_swaps(data, view), faces_away(view), view.share_seen()
    begun, seconds_facing = np.zeros((len(SWAPS), 2)), np.zeros(2)
    durations: list[list[float]] = [[] for _ in SWAPS]
    lost, seconds_share = np.zeros(3), np.zeros(3)
    losses_s, starts_s = [], []
    for rows in data.clips():
        t_s, dt_s = _steps(data.t_s[rows])
        seconds_facing += [dt_s[~away[rows]].sum(), dt_s[away[rows]].sum()]
        for kind in range(len(SWAPS)):
            for start, stop in runs(swapped[rows, kind]):
                begun[kind, int(away[rows][start])] += 1
                durations[kind].append(float(dt_s[start:stop].sum()))
        ranges = np.digitize(share[rows], SHARE_EDGES)
        seconds_share += np.bincount(ranges, dt_s, 3)
        gap_s = np.diff(t_s, append=t_s[-1])
        gone = gap_s > max(GAP_PERIODS * float(np.median(dt_s)), LEAST_GAP_S)
        lost += np.bincount(ranges[gone], minlength=3)
        losses_s += gap_s[gone].tolist()
        if share[rows][0] > SHARE_EDGES[-1]:
            starts_s.append(float(t_s[0]) if t_s[0] > LATE_S else 0.0)
    return EventRates(
        begun / np.maximum(seconds_facing, 1.0),
        tuple(map(tuple, durations)),
        lost / np.maximum(seconds_share, 1.0),
        tuple(losses_s),
        tuple(starts_s),
        float(np.percentile(share, LOST_PERCENTILE)),
    )


def _steps(stamps_s: NDArray[np.floating]) -> tuple[Array, Array]:
    """Time stamps and the duration of each frame; a gap counts as one frame."""
    t_s = stamps_s.astype(np.float64)
    if len(t_s) < 2:
        return t_s, np.zeros(len(t_s))
    dt_s = np.diff(t_s, prepend=2 * t_s[0] - t_s[1])
    return t_s, np.minimum(dt_s, 2.0 * float(np.median(dt_s)))


def runs(mask: Mask) -> list[tuple[int, int]]:
    """Starts and ends of the stretches where a mask is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def draw_swaps(rates: EventRates, view: TrueView, t_s: Array, rng: np.random.Generator) -> Mask:
    """Draw the swaps of a clip, frame by frame; at most one is true per frame. Shape: (n, n_swaps)."""
    away = faces_away(view).astype(int)
    chance, pick = rng.random((len(t_s), len(SWAPS))), rng.random((len(t_s), len(SWAPS)))
    dt_s = np.diff(t_s, prepend=t_s[:1])
    swapped = np.zeros((len(t_s), len(SWAPS)), dtype=bool)
    until_s, kind = -np.inf, 0
    for k in range(len(t_s)):
        if t_s[k] >= until_s:
            begins = np.flatnonzero(chance[k] < rates.swaps_hz[:, away[k]] * dt_s[k])
            if not len(begins):
                continue
            kind = int(begins[0])
            until_s = t_s[k] + _choose(rates.swaps_s[kind], pick[k, kind], DEFAULT_SWAP_S)
        swapped[k, kind] = True
    return swapped


def draw_found(rates: EventRates, share: Array, t_s: Array, rng: np.random.Generator) -> Mask:
    """Frames of a clip in which the person is found, each drawn from the frames before it.

    Args:
        rates: Rates of the events.
        share: Values of `TrueView.share_seen`. Shape: (n,).
        t_s: Time stamps. Shape: (n,).
        rng: Random generator.
    """
    chance, pick = rng.random(len(t_s)), rng.random(len(t_s))
    dt_s = np.diff(t_s, prepend=t_s[:1])
    hazard = rates.losses_hz[np.digitize(share, SHARE_EDGES)] * dt_s
    found = share >= rates.least_share
    until_s = t_s[0] + _choose(rates.starts_s, float(rng.random()), 0.0)
    for k in range(len(t_s)):
        if t_s[k] >= until_s and chance[k] < hazard[k]:
            until_s = t_s[k] + _choose(rates.losses_s, pick[k], DEFAULT_LOSS_S)
        found[k] &= t_s[k] >= until_s
    return found


def _choose(values: tuple[float, ...], u: float, default: float) -> float:
    return values[int(u * len(values))] if values else default


def draw_covered(view: TrueView, t_s: Array, rng: np.random.Generator) -> Mask:
    """Landmarks hidden by an object before the camera, as in the rendered clips. Shape: (n, 33)."""
    covered = np.zeros((len(view), N_LANDMARKS), dtype=bool)
    if rng.random() >= COVERED_SHARE:
        return covered
    u_px = view.projected_px()
    size_px = np.minimum(2.0 * view.camera[:, 1:], view.side_px[:, None])
    u = u_px / size_px[:, None]
    hips = float(np.clip(u[0, list(HIPS), 1].mean(), 0.0, 1.0))
    cover = Cover.sample(rng, float(t_s[-1]), hips)
    at = (t_s >= cover.start_s) & (t_s < cover.stop_s)
    inside = (u >= [cover.left, cover.top]).all(-1) & (u < [cover.right, cover.bottom]).all(-1)
    return inside & at[:, None]
