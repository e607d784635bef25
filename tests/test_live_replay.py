"""The real estimator gives the same bits for the same frames, live or replayed."""

from __future__ import annotations

from pathlib import Path

import pytest

from calib.camera import CameraCalibration
from engines.assets import find
from realtime.estimators import ESTIMATOR_NAMES, make_estimator
from realtime.pipeline import Pipeline, PipelineOptions
from realtime.slot import SlotPolicy
from realtime.sources import parse_source, read_frames
from realtime.types import Estimator, Frame, LiveStats, PoseSample, Status

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
def clip(shared_data: Path) -> str:
    return str(shared_data / "real" / "clips" / "walk_sagittal" / "demo.mp4")


def build(name: str, clip: str) -> Estimator:
    source = parse_source(clip)
    source.open()
    source.close()
    camera = CameraCalibration.assumed(source.width_px, source.height_px)
    return make_estimator(name, camera=camera, offline=True)


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
    if find("pose_landmark_full") is None or find("pose_detection") is None:
        pytest.skip("the networks are not here: kinecast assets fetch")
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
    if find("pose_landmark_full") is None or find("pose_detection") is None:
        pytest.skip("the networks are not here: kinecast assets fetch")
    frames = [frame for frame, _ in zip(read_frames(parse_source(clip)), range(8), strict=False)]
    warmed, plain = build(name, clip), build(name, clip)
    warmed.warm_up()
    expected = [bits(plain.step(frame)) for frame in frames]
    assert [bits(warmed.step(frame)) for frame in frames] == expected
    plain.reset()
    assert [bits(plain.step(frame)) for frame in frames] == expected
    assert len(set(expected)) == len(frames)
