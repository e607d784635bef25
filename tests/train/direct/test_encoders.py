"""Encoders: torchvision's names, so that its weights load; map sizes; the frozen one reads BlazePose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from engines.runtimes.openvino_engine import OpenvinoEngine  # noqa: E402
from tests.support.published import published  # noqa: E402
from train.direct.encoders.make import ENCODERS, input_px, make_encoder  # noqa: E402
from train.direct.encoders.resnet import ResNet, load_imagenet_weights, resnet18  # noqa: E402
from train.errors import TrainError  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def published_shapes(depths: tuple[int, ...], groups: int, width: int) -> dict[str, tuple[int, ...]]:
    """What torchvision's ResNeXt checkpoints hold, written from the paper's table: name -> shape."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)}

    def norm(name: str, n: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (n,)
        shapes[f"{name}.num_batches_tracked"] = ()

    norm("bn1", 64)
    n_in = 64
    for stage, depth in enumerate(depths):
        inner, n_out = groups * width * 2**stage, 256 * 2**stage
        for block in range(depth):
            at = f"layer{stage + 1}.{block}"
            shapes[f"{at}.conv1.weight"] = (inner, n_in, 1, 1)
            shapes[f"{at}.conv2.weight"] = (inner, inner // groups, 3, 3)
            shapes[f"{at}.conv3.weight"] = (n_out, inner, 1, 1)
            norm(f"{at}.bn1", inner)
            norm(f"{at}.bn2", inner)
            norm(f"{at}.bn3", n_out)
            if block == 0:
                shapes[f"{at}.downsample.0.weight"] = (n_out, n_in, 1, 1)
                norm(f"{at}.downsample.1", n_out)
            n_in = n_out
    return shapes


@pytest.mark.parametrize(
    ("name", "depths", "width"),
    [("resnext50_32x4d", (3, 4, 6, 3), 4), ("resnext101_32x8d", (3, 4, 23, 3), 8)],
)
def test_names_and_shapes_are_torchvisions(name: str, depths: tuple[int, ...], width: int) -> None:
    own = {key: tuple(value.shape) for key, value in make_encoder(name).state_dict().items()}
    assert own == published_shapes(depths, 32, width)
    # Xie et al., 2017: 25.0 M and 88.8 M parameters with the classifier's 2.049 M.
    n = sum(p.numel() for p in make_encoder(name).parameters()) + 2_049_000
    assert round(n / 1e6, 1) == {"resnext50_32x4d": 25.0, "resnext101_32x8d": 88.8}[name]


def test_resnet18_has_its_published_size() -> None:
    assert sum(p.numel() for p in resnet18().parameters()) + 513_000 == 11_689_512


@pytest.mark.parametrize("name", [n for n in ENCODERS if n not in ("blazepose", "resnext101_32x8d")])
def test_maps_have_the_size_that_the_stride_says(name: str) -> None:
    encoder = make_encoder(name).eval()
    side = 4 * int(encoder.stride)
    with torch.no_grad():
        stages = encoder(torch.randn(1, 3, side, side))
    assert [maps.shape[1] for maps in stages] == list(encoder.n_channels)
    sides = [maps.shape[2] for maps in stages]
    assert sides == sorted(sides, reverse=True) and sides[0] == side // 8 and sides[-1] == 4
    assert all(maps.shape[2] == maps.shape[3] for maps in stages)
    assert input_px(name) % int(encoder.stride) == 0


def test_the_small_network_is_small() -> None:
    assert sum(p.numel() for p in make_encoder("resnext26_small").parameters()) < 4e6


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_imagenet_weights_load_and_others_are_refused(suffix: str, tmp_path: Path) -> None:
    donor = resnet18()
    weights = donor.state_dict() | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    path = tmp_path / f"weights{suffix}"
    save_file(weights, path) if suffix == ".safetensors" else torch.save(weights, path)
    taker = resnet18()
    load_imagenet_weights(taker, path)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for taken, given in zip(taker.eval()(x), donor.eval()(x), strict=True):
            np.testing.assert_array_equal(taken.numpy(), given.numpy())
    other = make_encoder("resnext50_32x4d")
    assert isinstance(other, ResNet)
    with pytest.raises(TrainError, match="weights of another network"):
        load_imagenet_weights(other, path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TrainError, match="no weights can be read"):
        load_imagenet_weights(taker, path)


def test_an_unknown_encoder_is_refused() -> None:
    with pytest.raises(TrainError, match=r"no encoder 'vgg'; accepted: resnext26_small, resnet18"):
        make_encoder("vgg")


def test_blazepose_maps_are_those_that_its_landmarks_come_from() -> None:
    """Another image changes them, the same one does not, and they agree with a plain run to the end."""
    path = published("pose_landmark_full")
    encoder = make_encoder("blazepose")
    picture = torch.rand(2, 3, 256, 256)
    (maps,) = encoder(picture)
    assert maps.shape == (2, 576, 4, 4) and not maps.requires_grad
    np.testing.assert_array_equal(encoder(picture[:1])[0][0].numpy(), maps[0].numpy())
    assert float((maps[0] - maps[1]).abs().max()) > 0.01
    # The 2x2 map, doubled, fills the first half: each 2x2 block is one cell.
    small = maps[:, :288]
    np.testing.assert_array_equal(small[:, :, ::2, ::2].numpy(), small[:, :, 1::2, 1::2].numpy())
    whole = OpenvinoEngine(path)
    assert whole.infer(picture[:1].permute(0, 2, 3, 1).numpy())[0].size > 0
    assert float(maps.min()) >= 0.0 and float(maps.max()) <= 6.0  # behind a ReLU6
