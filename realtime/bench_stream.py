"""From publishing a sample to a subscriber in another process having it, at 120 Hz on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np

from calib.kinematics import body_transforms, marker_positions
from calib.skeleton import Skeleton, load_skeleton
from engines.benchmark import BenchResult, Timing
from realtime.client import subscribe
from realtime.errors import StreamError
from realtime.publisher import Publisher
from realtime.types import PoseSample, Status

RATE_HZ = 120.0
START_TIMEOUT_S = 20.0


def measure(quick: bool) -> BenchResult:
    """Publish to one subscriber process and collect the delays it saw."""
    n = 360 if quick else 2400
    skeleton = load_skeleton()
    with Publisher("tcp://127.0.0.1:*", skeleton) as publisher:
        command = [sys.executable, "-m", "realtime.bench_stream", publisher.address, str(n)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as subscriber:
            send_ns = _publish(publisher, skeleton, n, subscriber)
            output, _ = subscriber.communicate(timeout=START_TIMEOUT_S)
    received = json.loads(output)
    timings = (
        Timing.from_ns("sending one sample", send_ns),
        Timing.from_ns("published -> received", received["delay_ns"]),
    )
    return BenchResult(
        "stream", timings, notes=(f"{n} samples at {RATE_HZ:.0f} Hz, {received['missed']} missed",)
    )


def _publish(
    publisher: Publisher, skeleton: Skeleton, n: int, subscriber: subprocess.Popen[str]
) -> list[int]:
    """Send samples at an even pace until the subscriber has its share; how long each call took."""
    durations_ns: list[int] = []
    start_ns, k = time.perf_counter_ns(), 0
    while subscriber.poll() is None:
        due_ns = start_ns + int(k * 1e9 / RATE_HZ)
        time.sleep(max(0, due_ns - time.perf_counter_ns()) * 1e-9)
        sample = _sample(skeleton, k)
        before_ns = time.perf_counter_ns()
        publisher.send(sample)
        durations_ns.append(time.perf_counter_ns() - before_ns)
        k += 1
        if k > n + START_TIMEOUT_S * RATE_HZ:
            subscriber.kill()
            raise StreamError(f"the subscriber did not get {n} of {k} samples sent to {publisher.address}")
    return durations_ns


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


def _receive(address: str, n: int) -> None:
    delays_ns: list[int] = []
    with subscribe(address, timeout_s=START_TIMEOUT_S) as stream:
        for sample in stream:
            delays_ns.append(time.perf_counter_ns() - sample.message.t_publish_ns)
            if len(delays_ns) == n:
                break
        print(json.dumps({"delay_ns": delays_ns, "missed": stream.missed}))


if __name__ == "__main__":
    _receive(sys.argv[1], int(sys.argv[2]))
