"""The published pelvis against motion capture: nothing is fitted but where the person faced at first."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from calib.camera import CameraCalibration
from realtime.bench.evaluation import Matching, Tracked, rotation_names, score
from realtime.bench.reference import read_reference
from realtime.bench.trials_file import Trial
from realtime.estimators.build import make_estimator
from realtime.options import EstimatorOptions
from realtime.sources.parse import parse_source, read_frames

MOST_FOR_HEADING_DEG = 0.5
"""By which tilt and list may be worse than with the heading that fits the whole trial best."""


@pytest.mark.parametrize(("clip", "tilt_deg", "list_deg"), [("squat", 4.7, 1.6), ("walk", 2.6, 4.0)])
def test_tilt_and_list_are_the_persons_and_not_the_cameras(
    clip: str, tilt_deg: float, list_deg: float, shared_data: Path
) -> None:
    """Little is lost by not knowing the heading that fits the whole trial best.

    The person squatting faces 38 degrees away from the camera: in its ground, list was 10.5 degrees off.
    """
    folder = shared_data / "real" / clip
    video = str(folder / "video.mp4")
    source = parse_source(video)
    source.open()
    camera = CameraCalibration.assumed(source.width_px, source.height_px)
    source.close()
    estimator = make_estimator(EstimatorOptions(estimator="lifted", offline=True), camera)
    frames = islice(read_frames(parse_source(video)), 300)
    samples = [estimator.step(frame) for frame in frames]
    skeleton = estimator.skeleton
    trial = Trial(clip, "", video, folder / "reference_mocap.mot")
    reference = read_reference(trial.reference, rotation_names(skeleton))
    found = score(trial, Tracked("lifted", skeleton, samples, [1] * len(samples)), reference, Matching())
    assert found.published_pelvis is not None
    limits = {"pelvis_tilt": tilt_deg, "pelvis_list": list_deg}
    pelvis = found.published_pelvis
    for errors in (pelvis.first_second_heading_deg, pelvis.as_published_deg):
        for name, limit_deg in limits.items():
            best_deg = found.errors.mae_deg[name]
            assert errors[name] < min(limit_deg, best_deg + MOST_FOR_HEADING_DEG), (name, best_deg, errors)
    if clip == "squat":
        obliquity_deg = np.degrees([sample.pelvic_angles[1] for sample in samples])
        assert np.abs(obliquity_deg).max() < 4.0
