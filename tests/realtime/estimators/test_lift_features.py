"""A live frame's features are those of training: `engines.features.landmarks` computes both sides' truth."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from engines.features.landmarks import N_FEATURES, LandmarkBatch, landmark_features, mirrored
from realtime.estimators.lift_features import fill_lift_features


def random_batch(seed: int) -> LandmarkBatch:
    """Landmarks about a body, seen by a camera that is turned any way."""
    rng = np.random.default_rng(seed)
    return LandmarkBatch(
        landmarks_px=rng.uniform(-100.0, 700.0, (1, 33, 2)),
        world_m=rng.normal(0.0, 0.4, (1, 33, 3)),
        visibility=rng.uniform(0.0, 1.0, (1, 33)),
        roi_centre_px=rng.uniform(0.0, 600.0, (1, 2)),
        camera=np.array([[rng.uniform(300.0, 900.0), 330.0, 210.0]]),
        R_ground_cam=Rotation.random(random_state=seed).as_matrix()[None],
    )


@pytest.mark.parametrize("seed", range(20))
def test_live_features_equal_those_of_training(seed: int) -> None:
    batch = random_batch(seed)
    values = np.full((2, N_FEATURES), np.nan, dtype=np.float32)
    heading_rad, size_m = fill_lift_features(*(getattr(batch, f.name)[0] for f in fields(batch)), values)
    expected, image = landmark_features(batch), landmark_features(mirrored(batch))
    # One unit in the last place of float32: sums are in another order.
    np.testing.assert_allclose(values, np.concatenate([expected.values, image.values]), rtol=2e-7, atol=1e-9)
    assert heading_rad == pytest.approx(expected.heading_rad[0], abs=1e-12)
    assert size_m == pytest.approx(expected.size_m[0], abs=1e-12)
