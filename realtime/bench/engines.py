"""Engines and whole pipelines beside others' on the same frames, by turns, in one run."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from engines.benchmark import TURN, BenchResult, Figure, Ratio, Timing, time_in_turn
from engines.blazepose.tracker import BlazePose
from engines.building.build import Source, build_all
from engines.building.folder import load_engine
from engines.errors import EngineError
from engines.features.crop_rays import MARGIN, square_about
from engines.features.direct_outputs import check_direct_network
from engines.preprocess import Roi
from engines.runtimes.available import Precision, Runtime
from engines.spec import load_spec
from realtime.bench.engine_inputs import gather_inputs
from realtime.bench.estimator import FRAME_NS, HEIGHT_PX, WIDTH_PX, demo_images
from realtime.errors import RealtimeError
from realtime.estimators.build import make_estimator
from realtime.estimators.direct import DirectEstimator
from realtime.options import EstimatorOptions
from realtime.sample import Frame, Status
from realtime.stream.publisher import Publisher

Images = list[NDArray[np.uint8]]

PUBLISHED = "frame -> published"
MEDIAPIPE = "MediaPipe Pose (full), frame -> landmarks"
FAST, REFERENCE = "openvino on cpu int8", "onnxruntime on cpu fp32"


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """What to compare."""

    model: Path
    """A direct network."""
    small: Path | None = None
    """A smaller one, whose pipeline is timed, too."""
    mediapipe_python: Path | None = None
    """A Python that has MediaPipe."""


class Contestant(Protocol):
    """A pipeline that takes frames in order."""

    name: str

    def turn(self, start: int, stop: int) -> list[tuple[int, bool]]:
        """Run some frames: how long each took in ns, and whether somebody was found."""


@dataclass(eq=False)
class TimedPipeline:
    """The estimator `direct` with one network, down to the socket."""

    name: str
    images: Images
    step: Callable[[Frame], bool]
    """From a frame to its sample on the socket; whether somebody was found."""

    def turn(self, start: int, stop: int) -> list[tuple[int, bool]]:
        """Run some frames; see `Contestant`."""
        timed = []
        for k in range(start, stop):
            frame = Frame(k, (k + 1) * FRAME_NS, self.images[k % len(self.images)])
            begin_ns = time.perf_counter_ns()
            found = self.step(frame)
            timed.append((time.perf_counter_ns() - begin_ns, found))
        return timed


@dataclass(eq=False)
class MediapipePeer:
    """MediaPipe in a process and an environment of its own."""

    process: subprocess.Popen[str]
    name: str = field(default=MEDIAPIPE)

    def turn(self, start: int, stop: int) -> list[tuple[int, bool]]:
        """Run some frames; see `Contestant`."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{start} {stop}\n")
        self.process.stdin.flush()
        return [(int(ns), bool(found)) for ns, found in self.answer()]

    def answer(self) -> Any:
        """What the process says next.

        Raises:
            ValueError: it ended, or says something else.
        """
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


def measure(quick: bool, load: EngineLoad) -> BenchResult:
    """Build, time networks by turns, then pipelines by turns.

    Raises:
        EngineError: a network is no direct one; nothing is built then.
    """
    for path in (load.model, load.small):
        if path is not None:
            check_direct_network(load_spec(path), path)
    n = 60 if quick else 400
    images, regions = _with_person(demo_images(120 if quick else 230))
    notes = [
        f"{len(images)} frames of the demonstration clip, {WIDTH_PX}x{HEIGHT_PX}, looked at where BlazePose "
        "sees the person, so that networks that know nothing can be timed"
    ]
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        peer = None
        if load.mediapipe_python is not None:
            peer = stack.enter_context(_mediapipe(load.mediapipe_python, images, notes))
        networks = _time_networks(_build(load.model, root, notes, quick=quick), n)
        contestants: list[Contestant] = []
        for title, path in (("", load.model), ("small, ", load.small)):
            if path is not None:
                if path != load.model:
                    _build(path, root, notes, quick=quick)
                pipeline = _pipeline(title, path, root, (images, regions), notes)
                contestants.append(stack.enter_context(pipeline))
        if peer is not None:
            contestants.append(peer)
        durations_ns = take_turns(contestants, n, len(images), notes)
    pipelines = [Timing.from_ns(name, values) for name, values in durations_ns.items()]
    figures = [Figure(f"{name}, rate", 1e9 * len(v) / sum(v), "fps") for name, v in durations_ns.items()]
    return BenchResult(
        "engines", (*networks, *pipelines), tuple(_ratios(networks, pipelines)), tuple(notes), tuple(figures)
    )


def take_turns(
    contestants: list[Contestant], n: int, n_warm_up: int, notes: list[str]
) -> dict[str, list[int]]:
    """Durations of frames with a person, the first of each turn left out: its caches are another's."""
    durations_ns: dict[str, list[int]] = {c.name: [] for c in contestants}
    lost = dict.fromkeys(durations_ns, 0)
    for contestant in contestants:
        contestant.turn(0, n_warm_up)
    for start in range(n_warm_up, n_warm_up + n, TURN):
        for contestant in contestants:
            for duration_ns, found in contestant.turn(start, start + TURN)[1:]:
                lost[contestant.name] += not found
                if found:
                    durations_ns[contestant.name].append(duration_ns)
    notes += [f"{name}: {k} frames without a person left out" for name, k in lost.items() if k]
    empty = [name for name, values in durations_ns.items() if not values]
    if empty:
        raise RealtimeError(
            f"{empty[0]}: found nobody on any frame of the demonstration clip", name="model", value=empty[0]
        )
    return durations_ns


def _build(path: Path, root: Path, notes: list[str], *, quick: bool) -> dict[str, Path]:
    """The engines that are compared, by name."""
    spec = load_spec(path)
    inputs = gather_inputs((), spec)
    calibration, comparison = inputs.part(slice(None, None, 10 if quick else 1)).split(False)
    source = Source(path, spec, calibration, comparison)
    built: dict[str, Path] = {}
    for runtime, precision in (
        (Runtime.OPENVINO, Precision.INT8),
        (Runtime.OPENVINO, Precision.FP32),
        (Runtime.ONNXRUNTIME, Precision.FP32),
        (Runtime.TENSORRT, None),
    ):
        for outcome in build_all(source, root, runtime=runtime, precision=precision):
            if outcome.folder is not None and outcome.manifest is not None:
                built[outcome.name] = outcome.folder
                parity = outcome.manifest.parity
                notes.append(f"{spec.name}, {outcome.name}: {parity.text}, over {parity.n_inputs} inputs")
            elif runtime is not Runtime.TENSORRT:
                raise EngineError(f"{path}: {outcome.name}: {outcome.problem}", name="model", value=path)
    return built


def _with_person(images: Images) -> tuple[Images, list[Roi]]:
    """The images that show somebody, and where the tracker would look."""
    blazepose = BlazePose()
    found = [(image, blazepose.step(image)) for image in images]
    tracked = [
        (image, square_about(result.landmarks_px[:, :2], WIDTH_PX, HEIGHT_PX, MARGIN))
        for image, result in found
        if result is not None
    ]
    kept = [(image, roi) for image, roi in tracked if roi is not None]
    return [image for image, _ in kept], [roi for _, roi in kept]


def _time_networks(built: dict[str, Path], n: int) -> tuple[Timing, ...]:
    engines = {name: load_engine(folder).engine for name, folder in built.items()}
    return time_in_turn({f"network, {name}": lambda _, e=e: e.infer() for name, e in engines.items()}, n)  # type: ignore[misc]


@contextmanager
def _pipeline(
    title: str, path: Path, root: Path, tracked: tuple[Images, list[Roi]], notes: list[str]
) -> Iterator[TimedPipeline]:
    images, regions = tracked
    camera = CameraCalibration.assumed(WIDTH_PX, HEIGHT_PX)
    estimator = make_estimator(
        EstimatorOptions(estimator="direct", model_path=path, engines_dir=root), camera
    )
    assert isinstance(estimator, DirectEstimator)
    estimator.warm_up()
    notes.append(f"{title}{PUBLISHED}: {estimator.description}")
    with Publisher("tcp://127.0.0.1:*", estimator.skeleton, camera) as publisher:

        def step(frame: Frame) -> bool:
            estimator.look_at(regions[frame.frame_id % len(regions)])
            sample = estimator.step(frame)
            publisher.send(sample)
            return sample.status is not Status.LOST

        yield TimedPipeline(f"{title}{PUBLISHED}", images, step)


@contextmanager
def _mediapipe(python: Path, images: Images, notes: list[str]) -> Iterator[MediapipePeer]:
    script = Path(__file__).with_name("mediapipe_peer.py")
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "said").open("w+") as said:
        frames = Path(folder) / "frames.npy"
        np.save(frames, np.ascontiguousarray(np.stack(images)[..., ::-1]))
        try:
            process = subprocess.Popen(
                # Isolated: beside the script lie modules with the names of Python's own.
                [str(python), "-I", str(script), str(frames)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        except OSError as error:
            raise RealtimeError(
                f"{python}: cannot be run ({error.strerror})", name="mediapipe_python", value=python
            ) from error
        try:
            peer = MediapipePeer(process)
            try:
                notes.append(f"{MEDIAPIPE}: version {peer.answer()['version']}")
            except ValueError as error:
                said.seek(0)
                reason = (said.read().splitlines() or ["it says nothing"])[-1]
                raise RealtimeError(
                    f"{python}: MediaPipe does not start ({reason}); accepted: a Python of an environment "
                    "made with pip install mediapipe==0.10.21",
                    name="mediapipe_python", value=python,
                ) from error  # fmt: skip
            yield peer
        finally:
            process.kill()
            process.communicate()


def _ratios(networks: tuple[Timing, ...], pipelines: list[Timing]) -> Iterator[Ratio]:
    times_us = {t.name: t.p50_us for t in (*networks, *pipelines)}
    for name, faster, slower in (
        (f"{FAST} over {REFERENCE}", f"network, {FAST}", f"network, {REFERENCE}"),
        ("direct over MediaPipe", PUBLISHED, MEDIAPIPE),
        ("small direct over MediaPipe", f"small, {PUBLISHED}", MEDIAPIPE),
    ):
        if faster in times_us and slower in times_us:
            yield Ratio(f"{name}, times as fast", times_us[slower] / times_us[faster])
