"""How a lifter's errors go together, from errors that are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calib.skeleton import Skeleton, load_skeleton
from train.blazepose.data import LiftData
from train.bodies.puppet import PuppetPool
from train.motion.library import MotionLibrary

pytest.importorskip("torch", reason="training needs the extra 'train'")
from engines.shipped import shipped_lifter_path
from engines.spec import load_spec
from tests.support.observers import perfect_model
from train.blazepose.simulate import MovingBodies, simulated_clips
from train.lift import errors
from train.lift.network import lifted_coordinates, make_pairs

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def data(pool: PuppetPool) -> LiftData:
    bodies = MovingBodies(pool, MotionLibrary(pool.skeleton), held_out=True)
    return simulated_clips(perfect_model(), bodies, np.random.default_rng(5), 60, rates_fps=(3.0,))


def test_correlations_are_those_of_the_errors(
    skeleton: Skeleton, data: LiftData, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = lifted_coordinates(skeleton)
    tilt, hip = names.index("pelvis_tilt"), names.index("hip_flexion_r")
    wanted = np.eye(len(names))
    wanted[tilt, hip] = wanted[hip, tilt] = -0.7
    rng = np.random.default_rng(1)
    sigma = rng.uniform(0.02, 0.2, (len(data), len(names)))
    wrong = sigma * rng.multivariate_normal(np.zeros(len(names)), wanted, len(data))
    truth = make_pairs(data, skeleton, None).q.numpy()
    monkeypatch.setattr(errors, "exported_lift", lambda path, skeleton: lambda batch: (truth + wrong, sigma))
    found = errors.error_correlation(Path("any.onnx"), data, skeleton)
    np.testing.assert_allclose(np.diag(found), 1.0)
    np.testing.assert_allclose(found, 0.95 * wanted + 0.05 * np.eye(len(names)), atol=0.2)
    assert found[tilt, hip] == pytest.approx(-0.66, abs=0.1)


def test_it_goes_into_the_spec_and_few_images_do_not(
    skeleton: Skeleton, data: LiftData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lifter.onnx"
    path.write_bytes(shipped_lifter_path().read_bytes())
    replace(load_spec(shipped_lifter_path()), error_correlation=()).save(path.with_suffix(".json"))
    assert not errors.write_error_correlation(path, data.rows(np.arange(40)), skeleton)
    assert load_spec(path).error_correlation == ()
    monkeypatch.setattr(errors, "MIN_IMAGES", 100)
    assert errors.write_error_correlation(path, data, skeleton)
    R = np.array(load_spec(path).error_correlation)
    assert R.shape == (37, 37) and np.linalg.eigvalsh(R).min() > 0.0
    np.testing.assert_allclose(R, R.T)
