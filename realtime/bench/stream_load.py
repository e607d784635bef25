"""Subscribers for the benchmark of the stream, in their own processes: counting, crowd and stalled ones."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

import zmq

from realtime.client import subscribe
from realtime.errors import StreamError
from realtime.stream.decoding import decode
from realtime.stream.messages import Angles

START_TIMEOUT_S = 60.0
END_SILENCE_S = 5.0
"""Time without a sample after which the stream has ended."""
CROWD_PER_PROCESS = 20


@dataclass(frozen=True, slots=True)
class Heard:
    """Samples received by one subscriber."""

    seq: list[int]
    delay_ns: list[int]
    """Time from publication to the decoded sample, on the common clock."""


class Listeners:
    """Processes that subscribe as a user's program would, and report at the end.

    Args:
        address: Address of the stream.
        n: Number of subscribers.
        is_bare: Whether to use plain ZeroMQ sockets and decode afterwards, as the lower limit.
    """

    def __init__(self, address: str, n: int, *, is_bare: bool = False) -> None:
        kind = "listen-bare" if is_bare else "listen"
        self._processes = [_start(kind, address, stdin=None) for _ in range(n)]
        self.n_ready = 0
        """Number of subscribers that have received a sample."""

    def look_for_ready(self) -> bool:
        """Whether all have received a sample; call it between samples.

        Raises:
            StreamError: one of them has ended.
        """
        for process in self._processes:
            if process.poll() is not None:
                raise StreamError("a subscriber of the benchmark has ended early")
        waiting = self._processes[self.n_ready :]
        if waiting and _has_said_something(waiting[0]):
            self.n_ready += 1
        return self.n_ready == len(self._processes)

    def reports(self) -> list[Heard]:
        """Samples received by each; call it after the publisher has stopped."""
        heard = []
        for process in self._processes:
            output, _ = process.communicate(timeout=START_TIMEOUT_S)
            heard.append(Heard(**json.loads(output.splitlines()[-1])))
        return heard

    def stop(self) -> None:
        """Stop processes that still run."""
        for process in self._processes:
            process.kill()
            process.communicate()


class Crowd:
    """Further subscribers that come and go together; some are stalled and never read.

    Args:
        address: Address of the stream.
        n: Number of subscribers, including stalled ones.
        n_stuck: Number of stalled subscribers, which never read.
    """

    def __init__(self, address: str, n: int, n_stuck: int) -> None:
        reading = n - n_stuck
        sizes = [(min(CROWD_PER_PROCESS, reading - k), 0) for k in range(0, reading, CROWD_PER_PROCESS)]
        sizes += [(0, n_stuck)] * (n_stuck > 0)
        self._processes = [_start("crowd", address, str(a), str(b), stdin=subprocess.PIPE) for a, b in sizes]

    def switch(self, is_on: bool) -> None:
        """Connect or disconnect all of them."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("on\n" if is_on else "off\n")
            process.stdin.flush()

    def stop(self) -> None:
        """Stop the processes."""
        for process in self._processes:
            process.kill()
            process.communicate()


def _start(*words: str, stdin: int | None) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "realtime.bench.stream_load", *words]
    return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, text=True)


def _has_said_something(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    poller = zmq.Poller()
    poller.register(process.stdout.fileno(), zmq.POLLIN)
    return bool(poller.poll(0)) and bool(process.stdout.readline())


def _listen(address: str) -> None:
    seq: list[int] = []
    delay_ns: list[int] = []
    with subscribe(address) as stream:
        sample = stream.receive(START_TIMEOUT_S)
        print("ready", flush=True)
        while sample is not None:
            delay_ns.append(time.perf_counter_ns() - sample.message.t_publish_ns)
            seq.append(sample.seq)
            sample = stream.receive(END_SILENCE_S)
    _report(seq, delay_ns)


def _listen_bare(address: str) -> None:
    frames: list[tuple[bytes, int]] = []
    socket = _join(address, is_stuck=False)
    socket.rcvtimeo = round(1e3 * END_SILENCE_S)
    with suppress(zmq.Again):
        while True:
            frames.append((socket.recv(), time.perf_counter_ns()))
            if len(frames) == 1:
                print("ready", flush=True)
    angles = [(message, t_ns) for frame, t_ns in frames if isinstance(message := decode(frame), Angles)]
    _report([m.seq for m, _ in angles], [t_ns - m.t_publish_ns for m, t_ns in angles])


def _report(seq: list[int], delay_ns: list[int]) -> None:
    print(json.dumps({"seq": seq, "delay_ns": delay_ns}))


def _crowd(address: str, n_reading: int, n_stuck: int) -> None:
    """Handle "on" and "off" from stdin; read messages without decoding them."""
    poller, sockets = zmq.Poller(), []
    poller.register(sys.stdin.fileno(), zmq.POLLIN)
    while True:
        for socket, _ in poller.poll():
            if isinstance(socket, zmq.Socket):
                if not socket.closed:  # it may have gone with the crowd since the poll
                    socket.recv()
                continue
            if sys.stdin.readline().strip() == "on":
                sockets = [_join(address, is_stuck=k >= n_reading) for k in range(n_reading + n_stuck)]
                for new in sockets[:n_reading]:
                    poller.register(new, zmq.POLLIN)
                continue
            for old in sockets[:n_reading]:
                poller.unregister(old)
            for old in sockets:
                old.close(linger=0)
            sockets = []


def _join(address: str, *, is_stuck: bool) -> zmq.Socket[bytes]:
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    if is_stuck:
        socket.rcvhwm, socket.rcvbuf = 1, 4096
    socket.subscribe(b"angles ")
    socket.connect(address)
    return socket


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        _listen(sys.argv[2])
    elif sys.argv[1] == "listen-bare":
        _listen_bare(sys.argv[2])
    else:
        _crowd(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
