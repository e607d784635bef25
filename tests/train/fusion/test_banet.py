"""BANet's networks on two views: what they are given, that nothing later is read, and that they learn."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from calib.kinematics import joint_centres
from calib.skeleton import load_skeleton
from realtime import cli
from tests.support.views_clips import KNEES, N, camera, coordinates, plain_images, small_hourglass, write_clip
from train.blazepose.pictures import images_path
from train.direct.augment import Augmentation
from train.direct.checkpoint import load_checkpoint
from train.direct.compare import ComparisonRow
from train.direct.distributed import Rank
from train.direct.encoders import make as encoders
from train.direct.fit import FitOptions
from train.direct.layout import DirectLayout
from train.direct.loop import run_fit
from train.errors import TrainError
from train.fusion import banet_fit
from train.fusion.banet import TwoViewNetwork
from train.fusion.banet_fit import TwoViewFit
from train.fusion.compare import compare_views
from train.fusion.pictures import ViewsPictures, holds_views

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SKELETON = load_skeleton()
LAYOUT = DirectLayout.of(SKELETON)
HERE = Rank(0, 1, torch.device("cpu"))
SIDE_PX = 32
PLAIN = Augmentation(
    shift=0.0, zoom=(1.0, 1.0), roll_rad=0.0, wide_roll=0.0, colour=0.0, grey=0.0, blur=0.0, noise=0.0,
    jpeg=0.0, erase=0.0, empty=0.0, flip=0.0,
)  # fmt: skip
assert small_hourglass.__module__ == "tests.support.views_clips"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        encoders.ENCODERS, "hourglass", (small_hourglass.__module__, small_hourglass.__name__)
    )
    monkeypatch.setitem(encoders.ENCODERS, "tiny", ("tests.support.direct_set", "tiny_encoder"))


def options(images: int, **others: object) -> FitOptions:
    return FitOptions(images=images, workers=0, precision="fp32", **others).shortened()  # type: ignore[arg-type]


def fit_of(folder: Path, out: Path, how: FitOptions) -> TwoViewFit:
    return TwoViewFit(SIDE_PX, LAYOUT, ViewsPictures([folder], SKELETON), how, out, HERE)


def test_each_moment_has_the_images_of_its_views(tmp_path: Path) -> None:
    for number, n in enumerate((N, 3)):
        write_clip(tmp_path, SKELETON, number, n)
    source = ViewsPictures([tmp_path], SKELETON)
    assert len(source) == 2 * (N + 3) and source.n_clips == 2 and holds_views([tmp_path])
    for clip, n in enumerate((N, 3)):
        assert source.moments(clip).shape == (n, 2)
        np.testing.assert_allclose(source.dt_s(clip), [0.0, *[1.0 / 3.0] * (n - 1)])
        for frame, (grey, blue) in enumerate(source.moments(clip).tolist()):
            first, second = source.picture(grey), source.picture(blue)
            middle = first.image.shape[0] // 2
            np.testing.assert_allclose(first.image[middle, middle], 200 * frame // n, atol=3)
            red, _, blueness = second.image[middle, middle].tolist()
            assert blueness > 190 and red < 10  # red comes first
            for view, one in enumerate((first, second)):
                assert one.labels.t_s == pytest.approx(frame / 3.0)
                np.testing.assert_allclose(one.labels.q, coordinates(SKELETON, n)[frame])
                np.testing.assert_allclose(one.labels.camera.T_ground_cam, camera(view).T_ground_cam)


def test_labels_lie_where_the_images_show_them(tmp_path: Path) -> None:
    images, body = plain_images(N), SKELETON.body_index("tibia_r")
    for frame, q in enumerate(coordinates(SKELETON, N)):
        knee_m = joint_centres(SKELETON, q, np.ones((SKELETON.n_bodies, 3)))[body]
        for view in range(2):
            x, y = (round(value) for value in camera(view).project(knee_m[None])[0])
            images[view * N + frame] = cv2.circle(
                np.zeros((128, 128, 3), np.uint8), (x, y), 2, (0, 255, 0), -1
            )
    write_clip(tmp_path, SKELETON, images=images)
    source = ViewsPictures([tmp_path], SKELETON)
    for k in range(len(source)):
        picture = source.picture(k)
        green = np.argwhere(picture.image[..., 1] > 128).mean(0)[::-1]
        # A pixel of the clip is one and a half of the stored square's.
        np.testing.assert_allclose(picture.labels.centres_px[body], green, atol=3.0)


def test_no_moment_knows_those_after_it() -> None:
    torch.manual_seed(0)
    model = TwoViewNetwork(torch.zeros(5), torch.ones(5)).eval()
    images, dt_s = torch.rand(4, 2, 3, SIDE_PX, SIDE_PX), torch.full((4,), 0.3)
    with torch.no_grad():
        whole = model(images.flatten(0, 1), dt_s)
        images[3] += 1.0
        changed = model(images.flatten(0, 1), dt_s)
        swapped = model(images.flip(1).flatten(0, 1), dt_s)
    for a, b, c in zip(whole, changed, swapped, strict=True):
        np.testing.assert_allclose(a[:3], b[:3], atol=1e-5)
        assert float((a[3] - b[3]).abs().max()) > 1e-4
        np.testing.assert_allclose(b, c, atol=1e-5)  # views have no order


def test_brightness_that_tells_the_pose_is_learned(tmp_path: Path) -> None:
    write_clip(tmp_path, SKELETON)
    clips = ViewsPictures([tmp_path], SKELETON)

    def rows(images: int) -> list[ComparisonRow]:
        how = options(images, learning_rate=3e-3, augmentation=PLAIN)
        return list(compare_views(LAYOUT, clips, clips, tmp_path / str(images), how, SIDE_PX))

    untrained, trained = rows(1), rows(40 * 2 * N)
    assert [row.variant for row in trained] == ["banet-2-views:hourglass", "banet-2-views:unet"]
    for before, after in zip(untrained, trained, strict=True):
        assert after.score.pictures == 2 * N
        for knee in KNEES:
            assert after.score.mae_deg[knee] < 0.6 * before.score.mae_deg[knee]
        assert after.score.joint_angle_mae_deg == pytest.approx(np.mean(list(after.score.mae_deg.values())))
    assert trained[0].parameters < trained[1].parameters


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number, n in enumerate((4, 3, 5)):
        write_clip(data, SKELETON, number, n)
    how = options(60, save_every=1)
    whole = fit_of(data, tmp_path / "whole", how)
    assert whole.steps_left >= 6
    run_fit(whole)
    assert 60 - 2 * 5 < whole.spec.images <= 60 and whole.steps_left == 0

    cut = fit_of(data, tmp_path / "cut", how)
    for _, batch in zip(range(4), cut.batches(), strict=False):
        cut.step(batch)
    cut.save()
    again = fit_of(data, tmp_path / "cut", how)
    assert again.spec.step == 4
    run_fit(again)
    (a, spec_a), (b, spec_b) = (load_checkpoint(tmp_path / name) for name in ("whole", "cut"))
    assert (spec_a.images, spec_a.step) == (spec_b.images, spec_b.step)
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_clips_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="no clips of several views; make some: kinecast train lift-clips"):
        ViewsPictures([tmp_path], SKELETON)
    path = write_clip(tmp_path, SKELETON)
    whole = dict(np.load(path))
    np.savez(path, **{**whole, "T_ground_cam": whole["T_ground_cam"][:1]})
    with pytest.raises(TrainError, match=r"1 views and .* coordinates; accepted: from 2 views"):
        ViewsPictures([tmp_path], SKELETON)
    np.savez(path, **whole)
    images_path(path).write_bytes(b"")
    with pytest.raises(TrainError, match="no images of this data"):
        ViewsPictures([tmp_path], SKELETON).picture(0)
    path.write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(TrainError, match="not a clip of several views"):
        ViewsPictures([tmp_path], SKELETON)


def test_one_table_has_rows_of_one_view_and_of_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "table"
    for number in range(2):
        write_clip(data, SKELETON, number)
    words = [
        "train", "compare", "banet-2-views", "tiny", "--data", str(data), "--held-out", str(data),
        "--out", str(out), "--images", "24", "--batch", "8", "--input", str(SIDE_PX), "--workers", "0",
    ]  # fmt: skip
    assert cli.main(words) == 0
    table = (out / "comparison.md").read_text()
    assert table.strip() in capsys.readouterr().out
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if "`" in line]
    assert [row[0] for row in cells] == [
        "`banet-2-views:hourglass`",
        "`banet-2-views:unet`",
        "`tiny:kinecast`",
    ]
    assert all(row[6:] == ["-"] * 6 for row in cells[:2]) and "-" not in cells[2]
    rows = json.loads((out / "comparison.json").read_text())
    # All are measured on the same images, and on the same angles.
    assert {row["score"]["pictures"] for row in rows} == {2 * 2 * N}
    for row, shown in zip(rows, cells, strict=True):
        mae_deg = row["score"]["mae_deg"]
        mean = np.mean([mae_deg[name] for name in LAYOUT.coordinate_names])
        assert float(shown[5]) == pytest.approx(mean, abs=0.006)
    assert set(rows[0]["score"]["mae_deg"]) == set(LAYOUT.coordinate_names)
    checkpoint = (out / "banet-2-views" / "checkpoint.safetensors").read_bytes()
    assert cli.main(words) == 0  # resumes, with nothing left to do
    again = json.loads((out / "comparison.json").read_text())
    assert [row["score"] for row in again] == [row["score"] for row in rows]
    assert (out / "banet-2-views" / "checkpoint.safetensors").stat().st_size == len(checkpoint)


def test_images_of_one_view_are_no_clips_of_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--data", str(tmp_path), "--held-out", str(tmp_path), "--out", str(tmp_path / "out")]
    assert cli.main(["train", "compare", banet_fit.NAME, *words]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path}: no clips of several views; make some: kinecast train lift-clips --views 2" in said
