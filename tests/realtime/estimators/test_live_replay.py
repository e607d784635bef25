"""The real estimator gives the same bits for the same frames, live or replayed."""

from __future__ import annotations

import pytest

from calib.camera import CameraCalibration
from engines.shipped import shipped_direct_path
from realtime.estimators.build import ESTIMATOR_NAMES, make_estimator
from realtime.options import EstimatorOptions
from realtime.pipeline.pipeline import Pipeline, PipelineOptions
from realtime.pipeline.slot import SlotPolicy
from realtime.sample import Estimator, Frame, LiveStats, PoseSample, Status
from realtime.sources.parse import parse_source, read_frames
from tests.support.published import published

N_FRAMES = 40


class Keep:
    """A sink that keeps samples."""

    def __init__(self) -> None:
        self.samples: list[PoseSample] = []

    def write(self, frame: Frame, sample: PoseSample, stats: LiveStats) -> None:
        self.samples.append(sample)

    def close(self) -> None:
        pass


@pytest.fixture
def clip() -> str:
    """A person moving; the networks that watch them are fetched, too."""
    published("pose_landmark_full")
    published("pose_detection")
    return str(published("demo_clip"))


def build(name: str, clip: str) -> Estimator:
    if name == "direct" and not shipped_direct_path().exists():
        pytest.skip("no direct network is part of this copy")
    source = parse_source(clip)
    source.open()
    source.close()
    camera = CameraCalibration.assumed(source.width_px, source.height_px)
    return make_estimator(EstimatorOptions(estimator=name, offline=True), camera)


def bits(sample: PoseSample) -> bytes:
    arrays = (
        sample.q,
        sample.qdot,
        sample.confidence,
        sample.scale_factors,
        sample.T_ground_body,
        sample.markers_m,
    )
    return b"".join(array.tobytes() for array in arrays) + sample.status.encode()


@pytest.mark.parametrize("name", ESTIMATOR_NAMES)
def test_live_and_replay_of_the_same_frames_are_bit_identical(name: str, clip: str):
    live, keep = build(name, clip), Keep()
    live.warm_up()
    options = PipelineOptions(SlotPolicy.LATEST, paced=True, max_frames=N_FRAMES, output_depth=N_FRAMES)
    source = parse_source(clip)
    source.open()
    Pipeline(source, live, sink=keep, options=options).run()
    kept = {sample.frame_id for sample in keep.samples}
    assert len(kept) > 3
    assert any(sample.status is not Status.LOST for sample in keep.samples)

    replay = build(name, clip)
    frames = read_frames(parse_source(clip))
    replayed = [replay.step(frame) for frame in frames if frame.frame_id in kept]
    assert [bits(sample) for sample in replayed] == [bits(sample) for sample in keep.samples]


@pytest.mark.parametrize("name", ESTIMATOR_NAMES)
def test_warming_up_and_resetting_leave_no_trace(name: str, clip: str):
    frames = [frame for frame, _ in zip(read_frames(parse_source(clip)), range(8), strict=False)]
    warmed, plain = build(name, clip), build(name, clip)
    warmed.warm_up()
    expected = [bits(plain.step(frame)) for frame in frames]
    assert [bits(warmed.step(frame)) for frame in frames] == expected
    plain.reset()
    assert [bits(plain.step(frame)) for frame in frames] == expected
    assert len(set(expected)) == len(frames)
