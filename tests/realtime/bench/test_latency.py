import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from realtime.bench.flasher import Flasher, FlashWatcher
from realtime.bench.latency import CELLS, Flash, Look, look_at, measure
from realtime.errors import RealtimeError
from realtime.pipeline.pipeline import Pipeline
from realtime.pipeline.trace import Trace
from realtime.sample import Frame
from tests.support.fakes import FakeEstimator, FakeSource

MS = 1_000_000


class SimulatedCamera:
    """Watches a screen through a rolling shutter, and tells what it saw some time later.

    Args:
        flashes: of the screen.
        fps: of the camera.
        to_light_ms: from the hand-over of a flash to the screen's light.
        exposure_ms: of each row.
        readout_ms: from the first row's exposure to the last one's.
        to_stamp_ms: from the end of the last exposure to the frame's stamp.
        processing_ms: from the stamp to the finished image.
        jitter_ms: standard deviation of the last two.
    """

    def __init__(
        self,
        flashes: list[Flash],
        *,
        fps: float = 30.0,
        to_light_ms: float = 12.0,
        exposure_ms: float = 16.0,
        readout_ms: float = 15.0,
        to_stamp_ms: float = 20.0,
        processing_ms: float = 14.0,
        jitter_ms: float = 0.0,
        noise: float = 1.5,
        seed: int = 0,
    ) -> None:
        self.period_ms = 1e3 / fps
        self.fixed_ms = to_light_ms + 0.5 * (exposure_ms + readout_ms) + to_stamp_ms + processing_ms
        rng = np.random.default_rng(seed)
        change_ms = np.array([flash.t_ns / MS + to_light_ms for flash in flashes])
        level = np.array([200.0 if flash.is_bright else 30.0 for flash in flashes])
        starts_ms = np.arange(0.0, change_ms[-1] + 800.0, self.period_ms) + rng.uniform(0.0, self.period_ms)
        columns, rows = CELLS
        self.looks = []
        for start in starts_ms:
            row_start = start + np.arange(rows) / (rows - 1) * readout_ms
            # Light gathered by each row: the mean of the screen over its exposure.
            t = row_start[:, None] + np.linspace(0.0, exposure_ms, 17)
            index = np.searchsorted(change_ms, t, side="right") - 1
            rows_light = np.where(index < 0, 30.0, level[np.maximum(index, 0)]).mean(axis=1)
            cells = np.full((rows, columns), 90.0)
            cells[:, 4:12] = rows_light[:, None]  # the screen fills the middle
            cells += rng.normal(0.0, noise, cells.shape)
            stamp = start + readout_ms + exposure_ms + to_stamp_ms + abs(rng.normal(0.0, jitter_ms))
            done = stamp + processing_ms + abs(rng.normal(0.0, jitter_ms))
            self.looks.append(Look(round(stamp * MS), round(done * MS), cells.astype(np.float32).ravel()))


def irregular_flashes(n: int, interval_ms: float = 600.0, seed: int = 0) -> list[Flash]:
    at_ms = 500.0 + np.cumsum(interval_ms * np.random.default_rng(seed).uniform(0.6, 1.4, n))
    return [Flash(round(t * MS), k % 2 == 1) for k, t in enumerate(at_ms)]


@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
@pytest.mark.parametrize("to_light_ms", [5.0, 60.0])
def test_a_known_delay_is_measured(fps: float, to_light_ms: float):
    flashes = irregular_flashes(200)
    camera = SimulatedCamera(flashes, fps=fps, to_light_ms=to_light_ms)
    found = measure(flashes, camera.looks)
    assert found.n_missed == 0
    # A flash waits for the next exposure: half a period in the mean, evenly spread.
    expected_ms = camera.fixed_ms + 0.5 * camera.period_ms
    uncertainty_ms = 4.0 * camera.period_ms / np.sqrt(12.0 * 199.0)
    assert found.total_ms.mean() == pytest.approx(expected_ms, abs=uncertainty_ms + 1.0)
    assert found.total_ms.std() == pytest.approx(camera.period_ms / np.sqrt(12.0), rel=0.2)
    np.testing.assert_allclose(found.processing_ms, 14.0, atol=1e-3)
    np.testing.assert_allclose(found.total_ms, found.to_capture_ms + found.processing_ms, atol=1e-6)


def test_jitter_adds_to_the_spread():
    flashes = irregular_flashes(200)
    steady = measure(flashes, SimulatedCamera(flashes, fps=60.0).looks)
    shaky = measure(flashes, SimulatedCamera(flashes, fps=60.0, jitter_ms=12.0).looks)
    expected = np.sqrt(steady.total_ms.std() ** 2 + 2 * (12.0 * np.sqrt(1 - 2 / np.pi)) ** 2)
    assert shaky.total_ms.std() == pytest.approx(expected, rel=0.2)
    assert shaky.as_dict()["glass_to_glass_ms"]["jitter"] == pytest.approx(shaky.total_ms.std(), abs=0.01)


def test_a_dim_and_noisy_screen_is_enough():
    flashes = irregular_flashes(60)
    camera = SimulatedCamera(flashes, noise=4.0)
    for look in camera.looks:  # a tenth of the light, behind a lamp's glare
        look.cells[:] = 100.0 + 0.12 * (look.cells - 90.0)
    found = measure(flashes, camera.looks)
    assert found.n_missed == 0
    assert found.total_ms.mean() == pytest.approx(camera.fixed_ms + 0.5 * camera.period_ms, abs=6.0)


def test_automatic_exposure_of_the_surroundings_is_not_taken_for_the_screen():
    flashes = irregular_flashes(60)
    camera = SimulatedCamera(flashes)
    plain = measure(flashes, camera.looks)
    lag = 6
    middles = [look.cells.reshape(CELLS[::-1])[:, 6].mean() for look in camera.looks]
    for k, look in enumerate(
        camera.looks
    ):  # where no screen is, the camera darkens some frames after a flash
        look.cells.reshape(CELLS[::-1])[:, :3] -= 0.35 * middles[max(0, k - lag)]
    np.testing.assert_array_equal(measure(flashes, camera.looks).total_ms, plain.total_ms)


def test_a_camera_that_looks_elsewhere_is_refused():
    flashes = irregular_flashes(30)
    camera = SimulatedCamera(flashes)
    for look in camera.looks:
        look.cells[:] = np.random.default_rng(0).normal(90.0, 2.0, look.cells.shape)
    with pytest.raises(RealtimeError, match=r"does not see the window flash: .* point it at the window"):
        measure(flashes, camera.looks)


def test_a_camera_slower_than_the_flashes_is_refused():
    flashes = irregular_flashes(40, interval_ms=350.0)
    with pytest.raises(RealtimeError, match="--interval 2"):
        measure(flashes, SimulatedCamera(flashes, to_light_ms=500.0).looks)


def test_too_few_flashes_are_refused():
    with pytest.raises(RealtimeError, match="3 flashes are too few"):
        measure(irregular_flashes(3), [])
    with pytest.raises(RealtimeError, match="no images between the flashes"):
        measure(irregular_flashes(10), [])


def test_a_look_keeps_the_brightness_of_parts_of_the_picture():
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, 320:] = 200
    look = look_at(Frame(0, 5, image), 9)
    cells = look.cells.reshape(CELLS[::-1])
    assert (look.t_capture_ns, look.t_done_ns) == (5, 9)
    np.testing.assert_allclose(cells[:, : CELLS[0] // 2], 0.0)
    np.testing.assert_allclose(cells[:, CELLS[0] // 2 :], 200.0)


class FakeScreen:
    """A window whose light comes late."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._shown: list[tuple[float, int]] = []
        self._lock = threading.Lock()
        self.is_closed = False

    def show(self, image: np.ndarray) -> None:
        with self._lock:
            self._shown.append((time.perf_counter() + self._delay_s, int(image[0, 0, 0])))

    @property
    def size_px(self) -> tuple[int, int]:
        return 64, 48

    def is_open(self) -> bool:
        return not self.is_closed

    def light(self) -> int:
        now = time.perf_counter()
        with self._lock:
            return next((level for at, level in reversed(self._shown) if at <= now), 0)


class CameraBeforeScreen(FakeSource):
    """Sees the light of a screen at the moment of each frame."""

    width_px, height_px = 32, 24

    def __init__(self, screen: FakeScreen) -> None:
        super().__init__(None, is_live=True, fps=120.0)
        self._screen = screen

    def read(self) -> Frame | None:
        frame = super().read()
        if frame is None:
            return None
        image = np.full((self.height_px, self.width_px, 3), self._screen.light(), np.uint8)
        return Frame(frame.frame_id, time.perf_counter_ns(), image)


class PlainDrawing:
    def draw(self, image, sample, stats=None):
        return image.copy()


def test_flashes_are_found_through_the_whole_pipeline(tmp_path: Path):
    screen = FakeScreen(delay_s=0.03)
    source, watcher, trace = CameraBeforeScreen(screen), FlashWatcher(PlainDrawing()), Trace()
    source.open()
    flasher = Flasher(screen, n_flashes=10, interval_s=0.2)
    Pipeline(source, FakeEstimator(), sink=watcher, trace=trace).run(flasher.tick)
    found = measure(flasher.flashes, watcher.looks)
    assert [flash.is_bright for flash in flasher.flashes[:4]] == [False, True, False, True]
    assert len(found.total_ms) >= 7
    assert found.total_ms.min() >= 30.0  # never before the light came
    assert (found.processing_ms > 0.0).all()
    path = tmp_path / "trace.json"
    trace.save(path)
    names = {event["name"] for event in json.loads(path.read_text())["traceEvents"]}
    assert {"estimate", "publish", "output", "wait", "frame"} <= names


def test_intervals_are_irregular_and_slow_enough_for_everybody():
    screen, times = FakeScreen(0.0), []
    flasher = Flasher(screen, n_flashes=6, interval_s=0.35)
    while flasher.tick():
        time.sleep(0.001)
    times = np.diff([flash.t_ns for flash in flasher.flashes]) * 1e-9
    assert len(set(times.round(3))) > 3
    assert times[:-1].min() + times[1:].min() > 1.0 / 3.0


def test_closing_the_window_ends_the_flashing():
    screen = FakeScreen(0.0)
    flasher = Flasher(screen, n_flashes=100, interval_s=0.4)
    assert flasher.tick()
    screen.is_closed = True
    assert not flasher.tick()
