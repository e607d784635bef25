"""Fitting the lifter: it learns angles from landmarks; simulated people help where rendered ones are few."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calib.coordinates import SCORED_COORDINATES
from calib.skeleton import Skeleton, load_skeleton
from engines.errors import EngineError
from engines.shipped import shipped_lifter_path, shipped_temporal_path
from realtime import cli
from train.blazepose.data import LiftData, concatenated
from train.bodies.puppet import PuppetPool
from train.errors import TrainError
from train.motion.library import MotionLibrary

pytest.importorskip("torch", reason="training needs the extra 'train'")
from tests.support.observers import perfect_model
from train.blazepose.simulate import MovingBodies, simulated_clips
from train.lift.export import export_lift
from train.lift.exported import exported_models
from train.lift.fit import LiftOptions, fit_lift, predict, score
from train.lift.network import make_pairs

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def people(pool: PuppetPool, seed: int, n: int, *, held_out: bool = False) -> LiftData:
    bodies = MovingBodies(pool, MotionLibrary(pool.skeleton), held_out=held_out)
    rng = np.random.default_rng(seed)
    return simulated_clips(perfect_model(), bodies, rng, n, rates_fps=(3.0,))


@pytest.fixture(scope="module")
def others(pool: PuppetPool) -> LiftData:
    return people(pool, 1, 30, held_out=True)


def spread_deg(data: LiftData, skeleton: Skeleton) -> float:
    """How wrong the mean pose is."""
    index = [skeleton.coordinate_index(name) for name in SCORED_COORDINATES]
    q = data.q[:, index]
    return float(np.degrees(np.abs(q - q.mean(0)).mean()))


def test_a_lifter_learns_and_simulated_people_help(
    skeleton: Skeleton, pool: PuppetPool, others: LiftData
) -> None:
    few, many = people(pool, 2, 10), people(pool, 3, 80)
    options = LiftOptions(epochs=8, batch_size=64, width=96, tuning_epochs=2)
    alone = score(fit_lift(few, skeleton, options), others, skeleton)["mean"]
    told: list[int] = []
    helped = fit_lift(few, skeleton, options, lambda k, *_: told.append(k), simulated=many)
    assert told == [*range(8), *range(2)]
    assert score(helped, others, skeleton)["mean"] < 0.8 * min(alone, spread_deg(others, skeleton))


def test_frames_of_a_clip_are_taken_apart_and_pictures_are_not(skeleton: Skeleton, pool: PuppetPool) -> None:
    clip = people(pool, 4, 1)
    apart = clip.apart(0.9)
    assert 1 < len(apart) < len(clip) and (np.diff(apart.t_s) > 0.9 - 1e-6).all()
    still = replace(clip, t_s=np.zeros_like(clip.t_s), block=clip.block + 1)
    assert len(concatenated([still, clip]).apart(0.9)) == len(still) + len(apart)


def test_data_in_which_nobody_was_found_and_damaged_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="no lift data; make some"):
        LiftData.load(tmp_path)
    for name in ("a", "b"):
        LiftData.from_rows([]).save(tmp_path / f"{name}.npz")
    with pytest.raises(TrainError, match="nobody was found in any image of its 2 files"):
        LiftData.load(tmp_path)
    (tmp_path / "c.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:200])
    with pytest.raises(TrainError, match=r"c\.npz: cannot be read"):
        LiftData.load(tmp_path)


def test_an_exported_lifter_is_trained_further(
    skeleton: Skeleton, pool: PuppetPool, others: LiftData, tmp_path: Path
) -> None:
    few, many = people(pool, 2, 10), people(pool, 3, 60)
    models = [
        fit_lift(few, skeleton, LiftOptions(epochs=4, batch_size=64, width=96, seed=seed)) for seed in (0, 1)
    ]
    path = tmp_path / "lifter.onnx"
    export_lift(models, skeleton, path, "lifter")
    read = exported_models(path, skeleton)
    features = make_pairs(others, skeleton, None).features
    for model, again in zip(models, read, strict=True):
        for part, same in zip(predict(model, features), predict(again, features), strict=True):
            np.testing.assert_array_equal(part, same)
    further = fit_lift(many, skeleton, LiftOptions(epochs=6, batch_size=64, tuning_rate=1e-3), start=read[0])
    assert score(further, others, skeleton)["mean"] < 0.9 * score(read[0], others, skeleton)["mean"]
    for part, same in zip(predict(models[0], features), predict(read[0], features), strict=True):
        np.testing.assert_array_equal(part, same)  # what it started from is as it was


def test_only_lifters_are_trained_further(skeleton: Skeleton, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"temporal\.onnx: no lifter"):
        exported_models(shipped_temporal_path(), skeleton)
    path = tmp_path / "other.onnx"
    path.with_suffix(".json").write_text(shipped_lifter_path().with_suffix(".json").read_text())
    path.write_bytes(shipped_temporal_path().read_bytes())
    with pytest.raises(EngineError, match="do not belong together"):
        exported_models(path, skeleton)


def test_the_number_of_networks_is_that_of_the_lifter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--start", str(shipped_lifter_path()), "--networks", "2", "--out", str(tmp_path / "out.onnx")]
    assert cli.main(["train", "lift", str(tmp_path), *words]) == 2
    assert "leave out --networks, or --start" in capsys.readouterr().err
