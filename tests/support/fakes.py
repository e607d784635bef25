"""Sources, estimators, publishers and sinks that behave, or misbehave, on purpose."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from calib.camera import CameraCalibration
from realtime.sample import Frame, LiveStats, PoseSample, Status

N_Q = 3


class FakeSource:
    """Small numbered images; live ones are stamped as they are read."""

    description = "fake"
    width_px, height_px = 8, 6

    def __init__(
        self,
        n_frames: int | None = 20,
        *,
        is_live: bool = False,
        fps: float = 100.0,
        at_frame: Callable[[int], None] = lambda frame_id: None,
    ) -> None:
        self.n_frames = n_frames
        self.is_live = is_live
        self.fps = fps
        self.note = ""
        self.n_closed = 0
        self._at_frame = at_frame
        self._interrupted = threading.Event()
        self._frame_id = 0
        self._start_ns = 0

    def open(self) -> None:
        self._frame_id = 0

    def read(self) -> Frame | None:
        if self._interrupted.is_set() or self._frame_id == self.n_frames:
            return None
        if self._frame_id == 0:
            self._start_ns = time.perf_counter_ns()
        self._at_frame(self._frame_id)
        if self.is_live and self._interrupted.wait(1.0 / self.fps):
            return None
        presented_ns = self._start_ns + round(self._frame_id * 1e9 / self.fps)
        t_capture_ns = time.perf_counter_ns() if self.is_live else presented_ns
        image = np.full((self.height_px, self.width_px, 3), self._frame_id % 251, dtype=np.uint8)
        frame = Frame(self._frame_id, t_capture_ns, image)
        self._frame_id += 1
        return frame

    def interrupt(self) -> None:
        self._interrupted.set()

    def close(self) -> None:
        self.n_closed += 1


class FakeEstimator:
    """A recursive filter: any lost or repeated frame changes everything that follows."""

    name = "fake"

    def __init__(
        self, *, at_frame: Callable[[int], None] = lambda frame_id: None, lost: tuple[int, ...] = ()
    ) -> None:
        self.skeleton = SimpleNamespace(coordinate_names=("a", "b", "c"), sha="0" * 64)
        self.camera = CameraCalibration.assumed(8, 6)
        self.thread_names: set[str] = set()
        self._at_frame = at_frame
        self._lost = lost
        self.reset()

    def relearn(self) -> None:
        pass

    def about_person(self) -> dict[str, object]:
        return {}

    def reset(self) -> None:
        self._q = np.zeros(N_Q)
        self._last_ns: int | None = None

    def step(self, frame: Frame) -> PoseSample:
        self.thread_names.add(threading.current_thread().name)
        self._at_frame(frame.frame_id)
        dt_s = 0.0 if self._last_ns is None else (frame.t_capture_ns - self._last_ns) * 1e-9
        self._last_ns = frame.t_capture_ns
        self._q = 0.9 * self._q + frame.image[0, 0] * np.array([0.1, dt_s, dt_s**0.5])
        is_lost = frame.frame_id in self._lost
        return PoseSample(
            frame_id=frame.frame_id,
            t_capture_ns=frame.t_capture_ns,
            status=Status.LOST if is_lost else Status.TRACKING,
            q=np.full(N_Q, np.nan) if is_lost else self._q.copy(),
            qdot=np.zeros(N_Q),
            confidence=np.zeros(N_Q) if is_lost else np.ones(N_Q),
            scale_factors=np.ones((1, 3)),
            T_ground_body=np.eye(4)[None],
            markers_m=np.zeros((0, 3)),
            box_px=np.zeros(4),
            stage_ns={"filter": 1_000},
        )


class FakePublisher:
    """Keeps what it was told and which thread told it."""

    def __init__(self) -> None:
        self.samples: list[PoseSample] = []
        self.ticks: list[LiveStats | None] = []
        self.n_closed = 0
        self.thread_names = {threading.current_thread().name}

    def send(self, sample: PoseSample) -> int:
        self.thread_names.add(threading.current_thread().name)
        self.samples.append(sample)
        return time.perf_counter_ns()

    def tick(self, stats: LiveStats | None = None) -> None:
        self.thread_names.add(threading.current_thread().name)
        self.ticks.append(stats)

    def close(self) -> None:
        self.thread_names.add(threading.current_thread().name)
        self.n_closed += 1


class FakeSink:
    """Keeps what it was given."""

    def __init__(self, *, at_frame: Callable[[int], None] = lambda frame_id: None) -> None:
        self.pairs: list[tuple[Frame, PoseSample]] = []
        self.n_closed = 0
        self._at_frame = at_frame

    def write(self, frame: Frame, sample: PoseSample, stats: LiveStats) -> None:
        self._at_frame(frame.frame_id)
        self.pairs.append((frame, sample))

    def close(self) -> None:
        self.n_closed += 1


def fail_at(frame_id: int, error: BaseException) -> Callable[[int], None]:
    """Raise `error` when that frame comes."""

    def at_frame(current: int) -> None:
        if current == frame_id:
            raise error

    return at_frame
