"""BANet's networks on two views: what they are given, that nothing later is read, and that they learn."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from calib.skeleton import Skeleton, load_skeleton
from train.blazepose.pictures import images_path, save_images
from train.direct.encoders.hourglass import StackedHourglass
from train.files import save_arrays
from train.fusion import banet
from train.fusion.banet import TwoViewNetwork, fit_two_views, joint_angles, read_pictures, two_view_errors_deg

N = 6


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the stacks, and half the channels."""
    encoder = partial(StackedHourglass, n_stacks=1, n_channels=128)
    monkeypatch.setattr(banet, "StackedHourglass", encoder)


def write_clip(path: Path, skeleton: Skeleton) -> Path:
    """Two views of 128 px; the first gets lighter, the second is blue, and lost at the end."""
    rois = np.tile([64.0, 64.0, 128.0, 0.0], (2, N, 1))
    rois[1, -1] = np.nan
    images = [np.full((128, 128, 3), 20 * k, np.uint8) for k in range(N)]
    images += [np.full((128, 128, 3), (200, 0, 0), np.uint8)] * N
    save_images(path, images)
    q = np.tile(0.3 * np.arange(N)[:, None], (1, skeleton.n_q))
    save_arrays(path, {"roi": rois, "t_s": np.arange(N) / 3.0, "q": q})
    assert images_path(path).exists()
    return path


def test_each_view_is_cut_from_its_own_images(skeleton: Skeleton, tmp_path: Path) -> None:
    clip = read_pictures(write_clip(tmp_path / "views-0000-0000.npz", skeleton), skeleton)
    pixels = 255.0 * (clip.images * banet.DEVIATION + banet.MEAN)
    for frame in range(N):
        np.testing.assert_allclose(pixels[frame, 0].mean((1, 2)), 20.0 * frame, atol=2.0)
    red, _, blue = pixels[0, 1].mean((1, 2)).tolist()  # BANet takes red first
    assert blue > 190.0 and red < 10.0 and float(pixels[-1, 1].max()) == pytest.approx(0.0, abs=1e-3)
    np.testing.assert_allclose(clip.dt_s, [0.0, *[1.0 / 3.0] * (N - 1)], atol=1e-6)
    assert clip.truth.shape == (N, len(joint_angles(skeleton)))


def test_no_moment_knows_those_after_it() -> None:
    torch.manual_seed(0)
    model = TwoViewNetwork(5).eval()
    images, dt_s = torch.randn(4, 2, 3, banet.SIDE_PX, banet.SIDE_PX), torch.full((4,), 0.3)
    with torch.no_grad():
        whole = model(images, dt_s)
        images[3] += 1.0
        changed = model(images, dt_s)
        swapped = model(images.flip(1), dt_s)
    for a, b, c in zip(whole, changed, swapped, strict=True):
        np.testing.assert_allclose(a[:3], b[:3], atol=1e-5)
        assert float((a[3] - b[3]).abs().max()) > 1e-4
        np.testing.assert_allclose(b, c, atol=1e-5)  # views have no order


def test_brightness_that_tells_the_pose_is_learned(skeleton: Skeleton, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "views-0000-0000.npz", skeleton)
    seen: list[float] = []
    model = fit_two_views([path], 6 * 2 * N, skeleton, lambda n, loss: seen.append(loss))
    assert len(seen) == 6 and seen[-1] < 0.9 * seen[0]
    errors = two_view_errors_deg(model, [path], skeleton)
    assert list(errors) == ["mean pose", "hourglass", "hourglass and U-Net"]
    # The last three moments are 9, 26 and 43 degrees away from the mean of all.
    assert errors["mean pose"].mean() == pytest.approx(np.degrees(0.45), rel=0.01)
