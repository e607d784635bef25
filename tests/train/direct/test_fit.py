"""Fitting the direct network: it learns, goes on after any death, and refuses what does not belong."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from calib.skeleton import Skeleton, load_skeleton  # noqa: E402
from realtime import cli  # noqa: E402
from tests.support.direct_set import recipe_of, write_set  # noqa: E402
from train.bodies.puppet import PuppetPool  # noqa: E402
from train.direct.augment import Augmentation  # noqa: E402
from train.direct.checkpoint import CHECKPOINT, load_checkpoint, load_network, save_checkpoint  # noqa: E402
from train.direct.distributed import Rank  # noqa: E402
from train.direct.encoders import make as encoders  # noqa: E402
from train.direct.examples import DirectExamples, collate  # noqa: E402
from train.direct.fit import Fit, FitOptions, rate_at  # noqa: E402
from train.direct.layout import DirectLayout  # noqa: E402
from train.direct.loader import Order, loader  # noqa: E402
from train.direct.loop import run_fit  # noqa: E402
from train.direct.metrics import score_examples  # noqa: E402
from train.direct.network import DirectModel, NetworkConfig  # noqa: E402
from train.direct.sources import PictureSource, ShardPictures, StreamPictures  # noqa: E402
from train.errors import TrainError  # noqa: E402
from train.synth.recipe import Recipe  # noqa: E402
from train.synth.shards import read_images  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

LAYOUT = DirectLayout.of(load_skeleton())
N = 64
TINY = NetworkConfig("tiny", "kinecast", 64)
HERE = Rank(0, 1, torch.device("cpu"))


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(encoders.ENCODERS, "tiny", ("tests.support.direct_set", "tiny_encoder"))


@pytest.fixture(scope="module")
def recipe(pool: PuppetPool, bodies_path: Path) -> Recipe:
    assert len(pool) == 24
    return recipe_of(bodies_path)


@pytest.fixture(scope="module")
def folder(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("direct") / "set", recipe, recipe.open(), N)


@pytest.fixture(scope="module")
def source(folder: Path) -> ShardPictures:
    return ShardPictures([folder], LAYOUT.skeleton)


def options(steps: int, **changes: object) -> FitOptions:
    plain = FitOptions(
        images=16 * steps, batch_size=16, warm_up=80, workers=0, save_every=3, precision="fp32"
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def fit_of(source: PictureSource, out: Path, how: FitOptions, network: NetworkConfig = TINY) -> Fit:
    return Fit(network, LAYOUT, source, how, None, out, HERE)


def tensors_of(out: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(out)[0]


@pytest.mark.parametrize("head", ["kinecast", "d3ke"])
def test_32_pictures_are_learnt_to_less_than_a_degree(
    head: str, source: ShardPictures, tmp_path: Path
) -> None:
    n = 32
    how = FitOptions(
        images=n * 200, batch_size=n, learning_rate=4e-3, weight_decay=0.0, warm_up=5 * n, cool_down=0.5,
        averaging=0.8, precision="fp32",
    )  # fmt: skip
    fit = fit_of(source, tmp_path, how, replace(TINY, head=head))
    examples = DirectExamples(source, LAYOUT, 64)
    batch = collate([examples[k] for k in range(n)])
    for _ in range(fit.steps_left):
        fit.step(batch)
    fit.save()
    network, spec = load_network(tmp_path, LAYOUT.skeleton)
    assert spec.images == n * 200
    result = score_examples(network, LAYOUT, examples, n=n)
    assert result.angle_mae_deg < 1.0, result
    assert result.mpjpe_mm < 20.0 and result.pictures == n


class Death(Exception):
    """Nothing is written after it."""


def test_a_run_that_died_goes_on_as_if_it_had_not(source: ShardPictures, tmp_path: Path) -> None:
    how = options(11)  # with every variation on
    run_fit(fit_of(source, tmp_path / "whole", how))

    def die(fit: Fit) -> dict[str, float]:
        raise Death

    with pytest.raises(Death):
        run_fit(fit_of(source, tmp_path / "cut", how), die, 8)
    assert load_checkpoint(tmp_path / "cut")[1].step == 6
    again = fit_of(source, tmp_path / "cut", how)
    assert again.spec.step == 6
    run_fit(again)
    whole, cut = tensors_of(tmp_path / "whole"), tensors_of(tmp_path / "cut")
    assert whole.keys() == cut.keys()
    for name in whole:
        np.testing.assert_array_equal(whole[name].numpy(), cut[name].numpy(), err_msg=name)
    assert load_checkpoint(tmp_path / "cut")[1].images == 11 * 16


def test_two_processes_share_the_pictures_and_one_goes_on(folder: Path, tmp_path: Path) -> None:
    """As `torchrun` starts them: one place in the data, one checkpoint, one voice."""
    fitting = (
        "-m", "realtime.cli", "train", "spatial", "--data", str(folder), "--out", str(tmp_path),
        "--input", "64", "--batch", "4", "--workers", "0", "--precision", "fp32", "--images",
    )  # fmt: skip
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    both = subprocess.run(
        [sys.executable, *torchrun, *fitting, "24"], env=alone, capture_output=True, text=True, check=False
    )
    assert both.returncode == 0, both.stderr
    assert both.stdout.count(": 24 images seen; ") == 1
    spec = load_checkpoint(tmp_path)[1]
    assert (spec.images, spec.step) == (24, 3)
    one = subprocess.run(
        [sys.executable, *fitting, "32"], env=alone, capture_output=True, text=True, check=False
    )
    assert one.returncode == 0, one.stderr
    assert load_checkpoint(tmp_path)[1].step == 5


def test_workers_make_the_same_batches(source: ShardPictures) -> None:
    examples = DirectExamples(source, LAYOUT, 64, 3, Augmentation())

    def batches(workers: int) -> list[np.ndarray]:
        order = Order(source, 8, first_draw=16, seed=1, n_batches=3)
        return [batch.image.numpy() for batch in loader(examples, order, workers=workers)]

    here, elsewhere = batches(0), batches(2)
    assert len(here) == 3
    for a, b in zip(here, elsewhere, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_order_sees_everything_once_an_epoch_and_starts_anywhere(source: ShardPictures) -> None:
    whole = list(Order(source, 16, seed=5, n_batches=8))
    assert sorted(index for batch in whole[:4] for _, index in batch) == list(range(N))
    assert [i for b in whole[:4] for _, i in b] != [i for b in whole[4:] for _, i in b]
    assert list(Order(source, 16, first_draw=48, seed=5, n_batches=5)) == whole[3:]
    # Two processes with batches of 8 see what one with batches of 16 sees.
    halves = [list(Order(source, 8, seed=5, rank=rank, n_ranks=2, n_batches=8)) for rank in range(2)]
    assert [a + b for a, b in zip(*halves, strict=True)] == whole


def test_a_stream_shows_the_pictures_that_the_set_holds(recipe: Recipe, folder: Path) -> None:
    drawn = StreamPictures(recipe)
    for index, stored in zip((8, 9, 3), (8, 9, 3), strict=True):
        kept = list(read_images(folder))[stored]
        np.testing.assert_array_equal(drawn.picture(index).image, kept.image)
    assert list(Order(drawn, 4, n_batches=2))[1] == [(k, k) for k in range(4, 8)]


def test_pictures_are_read_by_number(source: ShardPictures, folder: Path) -> None:
    assert len(source) == N
    for index, kept in enumerate(read_images(folder)):
        if index % 13 == 0:
            picture = source.picture(index)
            np.testing.assert_array_equal(picture.image, kept.image)
            np.testing.assert_array_equal(picture.labels.q, kept.labels.q)


def test_the_rate_rises_stays_and_falls() -> None:
    how = FitOptions(images=1000, batch_size=10, warm_up=100, cool_down=0.2, learning_rate=1.0)
    rates = [rate_at(images, how) for images in range(0, 1000, 10)]
    assert rates[0] == pytest.approx(0.1) and rates[9:80] == [1.0] * 71
    assert rates[90] == pytest.approx(0.5) and 0.0 < rates[99] < 0.06


def another_skeleton(knee: str = "knee_bend_r") -> Skeleton:
    skeleton = load_skeleton()
    names = tuple(knee if n == "knee_angle_r" else n for n in skeleton.coordinate_names)
    return replace(skeleton, coordinate_names=names, sha="f" * 64)


def test_weights_for_another_skeleton_are_refused_by_name(source: ShardPictures, tmp_path: Path) -> None:
    run_fit(fit_of(source, tmp_path, options(1)))
    with pytest.raises(TrainError, match="it lacks knee_bend_r, it alone has knee_angle_r"):
        load_network(tmp_path, another_skeleton())
    with pytest.raises(TrainError, match="the same names, other geometry"):
        load_network(tmp_path, replace(load_skeleton(), sha="0" * 64))
    other = DirectLayout.of(another_skeleton())
    with pytest.raises(TrainError, match=r"trained with skeleton .*coordinates: it lacks knee_bend_r"):
        Fit(TINY, other, source, options(1), None, tmp_path, HERE)
    with pytest.raises(TrainError, match=r"set: labelled with skeleton .*make the set again"):
        ShardPictures([Path(source.identity.rpartition(" ")[2])], another_skeleton())
    assert not any("kinematics" in name for name in tensors_of(tmp_path))


def test_a_run_goes_on_with_larger_pictures(source: ShardPictures, tmp_path: Path) -> None:
    run_fit(fit_of(source, tmp_path, options(2)))
    larger = fit_of(source, tmp_path, options(3), replace(TINY, input_px=96))
    before = {n: p.clone() for n, p in larger.network.named_parameters()}
    run_fit(larger)
    assert load_checkpoint(tmp_path)[1].network.side_px == 96
    assert load_checkpoint(tmp_path)[1].images == 48
    assert any(not torch.equal(before[n], p) for n, p in larger.network.named_parameters())


def test_a_short_run_warms_up_in_a_tenth_of_it() -> None:
    assert FitOptions(images=1000).shortened().warm_up == 100
    assert FitOptions(images=10**6).shortened().warm_up == FitOptions().warm_up


def test_a_checkpoint_of_another_network_or_a_damaged_one_is_refused(
    source: ShardPictures, tmp_path: Path
) -> None:
    run_fit(fit_of(source, tmp_path, options(1)))
    with pytest.raises(TrainError, match="holds tiny with head kinecast, not tiny with d3ke"):
        fit_of(source, tmp_path, options(1), replace(TINY, head="d3ke"))
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(TrainError, match="not a checkpoint of this program"):
        load_network(tmp_path, LAYOUT.skeleton)
    with pytest.raises(TrainError, match="no checkpoint; train one: kinecast train spatial"):
        load_network(tmp_path / "nowhere", LAYOUT.skeleton)


def test_weights_of_a_network_that_was_built_otherwise_are_refused(
    source: ShardPictures, tmp_path: Path
) -> None:
    run_fit(fit_of(source, tmp_path, options(1)))
    tensors, spec = load_checkpoint(tmp_path)
    gone = [name for name in tensors if name.endswith("head.neck.last.0.weight")]
    save_checkpoint(tmp_path, {name: tensors[name] for name in tensors.keys() - gone}, spec)
    with pytest.raises(TrainError, match=r"built otherwise .* 1 tensors differ, first head\.neck\.last\.0"):
        load_network(tmp_path, LAYOUT.skeleton)
    with pytest.raises(TrainError, match="built otherwise"):
        fit_of(source, tmp_path, options(2))
    wider = {n: torch.cat([t, t]) if n in gone else t for n, t in tensors.items()}
    save_checkpoint(tmp_path, wider, spec)
    with pytest.raises(TrainError, match="built otherwise"):
        load_network(tmp_path, LAYOUT.skeleton)


def test_a_side_that_does_not_suit_is_refused() -> None:
    with pytest.raises(TrainError, match="images of 100 px; tiny takes multiples of 32, from 64"):
        DirectModel(replace(TINY, input_px=100), LAYOUT)
    with pytest.raises(TrainError, match="no head 'd4ke'; accepted: kinecast, d3ke"):
        DirectModel(replace(TINY, head="d4ke"), LAYOUT)


def test_commands_fit_measure_and_refuse(folder: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    words = [
        "train", "spatial", "--data", str(folder), "--out", str(out), "--held-out", str(folder),
        "--encoder", "tiny", "--input", "64", "--images", "64", "--batch", "16", "--workers", "0",
    ]  # fmt: skip
    assert cli.main([*words, "--save-every", "1"]) == 0
    said = capsys.readouterr().out
    assert "0 of 64 images seen" in said and "64 images seen" in said and "waiting for data" in said
    assert cli.main(["train", "evaluate", str(out), "--data", str(folder), "--n", "20",
                     "--json", str(tmp_path / "score.json")]) == 0  # fmt: skip
    said = capsys.readouterr().out
    assert "knee_angle_r" in said and "20 images: all angles" in said
    assert '"mpjpe_mm"' in (tmp_path / "score.json").read_text()
    for more, complaint in (
        (["--without", "jionts"], "no term 'jionts'"),
        (["--learning-rate", "2"], "--learning-rate 2.0; accepted"),
        (["--workers", "-1"], "'-1' is not a whole number from 0"),
        (["--preset", "d3ke"], "ask for the same to go on"),
        (["--weights", str(folder)], ""),
    ):
        code = cli.main([*words, *more])
        assert code == (0 if not complaint else 2)
        assert complaint in capsys.readouterr().err
