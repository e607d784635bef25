"""The stream under load: 120 samples a second to many subscribers on loopback, some of them stuck."""

from __future__ import annotations

import gc
import os
import time
from dataclasses import dataclass, field, replace

import numpy as np

from calib.kinematics import body_transforms, marker_positions
from calib.skeleton import Skeleton, load_skeleton
from engines.benchmark import BenchResult, Figure, Timing
from realtime.bench.stream_load import START_TIMEOUT_S, Crowd, Listeners
from realtime.errors import StreamError
from realtime.sample import PoseSample, Status
from realtime.stream.publisher import Publisher

RATE_HZ = 120.0
TURN_S = 10.0
"""How long the crowd stays, and stays away, before the next turn."""
FLOOR_S = 20.0
"""How long bare ZeroMQ sockets are measured for comparison."""
SETTLING_S = 2.0
"""Left out of the comparison after the crowd came or went."""


@dataclass(frozen=True, slots=True)
class StreamLoad:
    """Who listens, and for how long."""

    seconds: float = 20.0
    subscribers: int = 1
    """Processes that decode every sample and must lose none."""
    crowd: int = 0
    """Further subscribers; by turns of ten seconds they are there and are not."""
    stuck: int = 0
    """How many of the crowd never read."""


@dataclass(slots=True)
class _Log:
    """What the publishing side saw."""

    first_seq: int = 0
    """The first sample that all subscribers must have."""
    alone_ns: list[int] = field(default_factory=list)
    """Frame to published while only the subscribers listen."""
    crowded_ns: list[int] = field(default_factory=list)
    """The same while the crowd is there."""
    rss_mb: list[float] = field(default_factory=list)
    """Memory of this process, once a second."""


@dataclass(frozen=True, slots=True)
class _Received:
    """What all subscribers got."""

    n_sent: int
    n_lost: int
    delay_ns: list[int]


def measure(quick: bool, load: StreamLoad | None = None) -> BenchResult:
    """Publish to subscribers in other processes and collect what they saw.

    Raises:
        StreamError: a subscriber did not start, or ended early.
    """
    load = load or StreamLoad(seconds=3.0 if quick else 20.0)
    log = _Log()
    heard = _listened(load, log)
    floor = replace(load, seconds=min(load.seconds, FLOOR_S), crowd=0, stuck=0)
    return _result(load, log, heard, _listened(floor, _Log(), is_bare=True))


def _listened(load: StreamLoad, log: _Log, *, is_bare: bool = False) -> _Received:
    """Publish for the asked time; what the subscribers got."""
    skeleton = load_skeleton()
    with Publisher("tcp://127.0.0.1:*", skeleton) as publisher:
        listeners = Listeners(publisher.address, load.subscribers, is_bare=is_bare)
        crowd = Crowd(publisher.address, load.crowd, load.stuck) if load.crowd else None
        try:
            _publish(publisher, skeleton, load, listeners, crowd, log)
            n_sent = publisher.seq - log.first_seq
            if crowd is not None:
                crowd.stop()
            heard = listeners.reports()
        finally:
            listeners.stop()
            if crowd is not None:
                crowd.stop()
    delay_ns: list[int] = []
    n_lost = 0
    for one in heard:
        counted = np.array(one.seq) >= log.first_seq
        n_lost += n_sent - int(counted.sum())
        delay_ns += np.array(one.delay_ns)[counted].tolist()
    return _Received(n_sent, n_lost, delay_ns)


def _publish(
    publisher: Publisher,
    skeleton: Skeleton,
    load: StreamLoad,
    listeners: Listeners,
    crowd: Crowd | None,
    log: _Log,
) -> None:
    """Send samples at an even pace: first until all listen, then for the asked time."""
    start_ns, is_ready, is_crowded, k = time.perf_counter_ns(), False, False, 0
    gc.collect()
    while True:
        due_ns = start_ns + int(k * 1e9 / RATE_HZ)
        time.sleep(max(0, due_ns - time.perf_counter_ns()) * 1e-9)
        before_ns = time.perf_counter_ns()
        publisher.send(_sample(skeleton, k))
        took_ns = time.perf_counter_ns() - before_ns
        k += 1
        elapsed_s = (time.perf_counter_ns() - start_ns) * 1e-9
        if not is_ready:
            if elapsed_s > START_TIMEOUT_S:
                raise StreamError(f"{listeners.n_ready} of {load.subscribers} subscribers have started")
            if listeners.look_for_ready():
                is_ready, log.first_seq = True, publisher.seq
                start_ns, k = time.perf_counter_ns(), 0
            continue
        if elapsed_s >= load.seconds:
            return
        turn, in_turn_s = divmod(elapsed_s, TURN_S)
        if crowd is not None and bool(turn % 2) != is_crowded:
            is_crowded = not is_crowded
            crowd.switch(is_crowded)
        if in_turn_s > SETTLING_S or crowd is None:
            (log.crowded_ns if is_crowded else log.alone_ns).append(took_ns)
        if k % round(RATE_HZ) == 0:
            log.rss_mb.append(rss_mb())


def _result(load: StreamLoad, log: _Log, heard: _Received, floor: _Received) -> BenchResult:
    timings = [Timing.from_ns("frame -> published", log.alone_ns)]
    figures = [Figure("lost samples", float(heard.n_lost), "")]
    if log.crowded_ns:
        timings.append(Timing.from_ns(f"the same with {load.crowd} more, {load.stuck} stuck", log.crowded_ns))
        change = 100.0 * (timings[1].p99_us / timings[0].p99_us - 1.0)
        figures.append(Figure("change of its p99 by the crowd", change, "%"))
    timings += [
        Timing.from_ns(f"published -> received, {load.subscribers} subscribers", heard.delay_ns),
        Timing.from_ns(f"the same, {load.subscribers} bare ZeroMQ sockets", floor.delay_ns),
    ]
    for percent, of_ours, of_bare in (
        (50, timings[-2].p50_us, timings[-1].p50_us),
        (99, timings[-2].p99_us, timings[-1].p99_us),
    ):
        figures.append(Figure(f"p{percent} of subscribers over that of bare sockets", of_ours / of_bare, "x"))
    if len(log.rss_mb) >= 8:
        quarter = len(log.rss_mb) // 4
        growth = float(np.median(log.rss_mb[-quarter:]) - np.median(log.rss_mb[quarter : 2 * quarter]))
        figures.append(Figure("growth of the publisher's memory", growth, "MB"))
    return BenchResult(
        "stream",
        tuple(timings),
        notes=(f"{heard.n_sent} samples at {RATE_HZ:.0f} Hz to {load.subscribers} subscribers",),
        figures=tuple(figures),
    )


def _sample(skeleton: Skeleton, k: int) -> PoseSample:
    q = skeleton.q_default + 0.1 * np.sin(0.05 * k + np.arange(skeleton.n_q))
    return PoseSample(
        frame_id=k,
        t_capture_ns=time.perf_counter_ns(),
        status=Status.TRACKING,
        q=q,
        qdot=np.zeros(skeleton.n_q),
        confidence=np.ones(skeleton.n_q),
        scale_factors=np.ones((skeleton.n_bodies, 3)),
        T_ground_body=body_transforms(skeleton, q),
        markers_m=marker_positions(skeleton, q),
        box_px=np.zeros(4),
    )


def rss_mb() -> float:
    """Memory that this process occupies; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") * 1e-6
    except (OSError, ValueError):
        return 0.0
