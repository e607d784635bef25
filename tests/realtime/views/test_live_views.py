"""Live views: which frames go together, and for how long one waits for another, in simulated time."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pytest

from realtime.errors import SourceError
from realtime.sample import Frame
from realtime.views.live_source import LiveViewsSource
from realtime.views.moments import Moments

MS = 1_000_000
TOLERANCE = 0.6


@dataclass(frozen=True)
class Given:
    """One moment: the stamps of its frames in ms, None where a view is missing, and how long it waited."""

    stamps: tuple[float | None, ...]
    waited_ms: float


def every(n: int, fps: float, start_ms: float = 0.0) -> list[float]:
    return [start_ms + k * 1e3 / fps for k in range(n)]


def simulate(
    stamps_ms: list[list[float]], fps: list[float], delays_ms: list[float] | None = None
) -> list[Given]:
    """Moments of views whose frames are stamped at given times and arrive some time later."""
    delays_ms = delays_ms or [0.0] * len(fps)
    arrivals = sorted(
        (round((t + delay) * MS), view, round(t * MS))
        for view, (times, delay) in enumerate(zip(stamps_ms, delays_ms, strict=True))
        for t in times
    )
    moments = Moments(fps, TOLERANCE * 1e9 / max(fps), 0)
    image, found, now_ns, came_ns = np.zeros((1, 1, 3), dtype=np.uint8), [], 0, {}

    def give_until(end_ns: float) -> int:
        now = now_ns
        while True:
            t_ns, wait_ns = moments.next(now)
            if t_ns is None or now + wait_ns > end_ns:
                return now
            now += round(wait_ns)
            taken = moments.take(t_ns)
            first_ns = min(came_ns[view, f.t_capture_ns] for view, f in enumerate(taken) if f is not None)
            stamps = tuple(None if f is None else f.t_capture_ns / MS for f in taken)
            found.append(Given(stamps, (now - first_ns) / MS))

    for at_ns, view, t_ns in arrivals:
        give_until(at_ns - 1)
        now_ns = at_ns
        came_ns[view, t_ns] = at_ns
        moments.views[view].add(Frame(0, t_ns, image), at_ns)
        give_until(at_ns)
    for view in moments.views:
        view.is_over = True
    give_until(now_ns)
    assert moments.is_over
    return found


def seen_by(found: list[Given]) -> list[tuple[int, ...]]:
    return [tuple(k for k, t in enumerate(given.stamps) if t is not None) for given in found]


@pytest.mark.parametrize("phase_ms", [0.0, 5.0, 16.0, 17.5, 30.0])
def test_cameras_of_one_rate_go_in_pairs_whatever_their_phase(phase_ms: float) -> None:
    rng = np.random.default_rng(1)
    jitter = [rng.uniform(-1.0, 1.0, 60), rng.uniform(-1.0, 1.0, 60)]
    times = [
        [t + dt for t, dt in zip(every(60, 30.0, 40.0 + k * phase_ms), jitter[k], strict=True)]
        for k in range(2)
    ]
    found = simulate(times, [30.0, 30.0])
    assert seen_by(found)[2:-2] == [(0, 1)] * len(found[2:-2])
    assert max(given.waited_ms for given in found) <= 1e3 / 30.0 + 1e-6


def test_half_the_rate_takes_part_in_every_other_moment() -> None:
    found = simulate([every(60, 60.0), every(30, 30.0, 2.0)], [60.0, 30.0])
    assert seen_by(found)[4:-4:2] == [(0, 1)] * len(found[4:-4:2])
    assert seen_by(found)[5:-4:2] == [(0,)] * len(found[5:-4:2])
    # Nothing is waited for that cannot come.
    assert max(given.waited_ms for given in found[5:-4:2]) == 0.0


def test_a_view_that_is_unplugged_costs_one_frame_and_comes_back() -> None:
    gone = [t for t in every(90, 30.0, 3.0) if not 900.0 < t < 2000.0]
    found = simulate([every(90, 30.0), gone], [30.0, 30.0])
    without = [given for given in found if given.stamps[1] is None]
    assert 30 <= len(without) <= 36
    assert max(given.waited_ms for given in found) <= 1e3 / 30.0 + 1e-6
    # After three frames it is no longer waited for.
    assert [given.waited_ms for given in without[4:-1]] == [0.0] * len(without[4:-1])
    assert seen_by(found)[-20:] == [(0, 1)] * 20
    assert len([given for given in found if given.stamps[0] is not None]) == 90


def test_a_view_half_a_second_late_is_left_out_and_the_other_goes_on() -> None:
    found = simulate([every(60, 30.0), every(60, 30.0)], [30.0, 30.0], delays_ms=[0.0, 500.0])
    assert [given.stamps[0] for given in found if given.stamps[0] is not None] == pytest.approx(
        every(60, 30.0), abs=1e-5
    )
    live = found[: 60 - 2]
    assert seen_by(live) == [(0,)] * len(live)
    assert sum(given.waited_ms for given in live[25:]) == 0.0


def test_rates_that_differ_by_3_percent_pair_nearest_frames() -> None:
    found = simulate([every(300, 30.0), every(309, 30.9)], [30.0, 30.0])
    both = [given.stamps for given in found if None not in given.stamps]
    assert len(both) > 285
    assert max(abs(a - b) for a, b in both) <= TOLERANCE * 1e3 / 30.0
    # No frame is lost: those without a partner are moments of their own.
    assert sum(given.stamps[0] is not None for given in found) == 300
    assert sum(given.stamps[1] is not None for given in found) == 309


def test_moments_never_go_back_in_time() -> None:
    rng = np.random.default_rng(3)
    times = [sorted(rng.uniform(0.0, 2000.0, 60)) for _ in range(3)]
    found = simulate([list(t) for t in times], [30.0] * 3, delays_ms=[0.0, 20.0, 45.0])
    starts = [min(t for t in given.stamps if t is not None) for given in found]
    assert (np.diff(starts) > 0.0).all()


class Camera:
    """A live source that gives numbered images, then vanishes for good or fails."""

    is_live, fps, width_px, height_px = True, 100.0, 4, 2
    n_frames: int | None = None
    note = ""

    def __init__(self, name: str, n: int, error: SourceError | None = None) -> None:
        self.description, self._n, self._error = name, n, error
        self._k, self.is_closed = 0, False

    def open(self) -> None:
        self._k = 0

    def read(self) -> Frame | None:
        if self._k == self._n:
            if self._error is not None:
                raise self._error
            return None
        time.sleep(0.01)
        self._k += 1
        image = np.full((2, 4, 3), self._k, dtype=np.uint8)
        return Frame(self._k - 1, time.perf_counter_ns(), image)

    def interrupt(self) -> None: ...

    def close(self) -> None:
        self.is_closed = True


def test_one_source_that_fails_leaves_the_others_and_is_named() -> None:
    cameras = [Camera("left", 40), Camera("right", 4, SourceError("it broke", name="source"))]
    source = LiveViewsSource(cameras)
    source.open()
    numbers, notes = [], set()
    with pytest.raises(SourceError, match="it broke"):
        while (frame := source.read()) is not None:
            numbers.append(int(frame.image[0, 0, 0]))
            notes.add(source.note)
            assert len(frame.view_t_ns) == 2
    source.close()
    # Every image of the camera that stayed is there, in its order.
    assert [n for n in numbers if n] == list(range(1, 41))
    assert any("right has ended, going on without it: it broke" in note for note in notes)
    assert all(camera.is_closed for camera in cameras)


def test_interrupting_ends_a_waiting_read() -> None:
    source = LiveViewsSource([Camera("left", 10_000), Camera("right", 10_000)])
    source.open()
    assert source.read() is not None
    source.interrupt()
    assert source.read() is None
    source.close()
