"""Sets of synthetic people: the same from any number of workers, whole after any death, refused by name."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime import cli
from tests.train.synth.test_labels import assert_same
from train.bodies.adults import load_body_model
from train.bodies.bodies import split_adults
from train.bodies.puppet import PuppetPool
from train.motion.captured import save_captured
from train.motion.library import MotionLibrary, choose_motions, is_held_out
from train.synth import folder as synth_set
from train.synth.folder import locked, read_description
from train.synth.recipe import Recipe
from train.synth.shards import PARTIAL, read_clips, read_images
from train.synth.sheet import contact_sheet, draw_skeleton
from train.synth.stream import stream, stream_clips

IMAGES, CLIPS, PER_SHARD, SIZE_PX, SEED = 28, 1, 8, 64, 5
PATIENCE_S = 120.0
SMALL_SHARDS = f"import train.synth.folder as s; s.IMAGES_PER_SHARD = {PER_SHARD}; "


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synth_set, "IMAGES_PER_SHARD", PER_SHARD)


@pytest.fixture(scope="module")
def recipe(pool: PuppetPool, bodies_path: Path) -> Recipe:
    assert len(pool) == 24  # fitted, so that no worker needs to
    return Recipe(SEED, size_px=SIZE_PX, bodies=bodies_path)


def words(folder: Path, recipe: Recipe, *more: str) -> list[str]:
    return [
        "train", "synth", "--out", str(folder), "--seed", str(recipe.seed), "--size", str(SIZE_PX),
        "--bodies", str(recipe.bodies), "--images", str(IMAGES), *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def reference(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set made by one worker."""
    folder = tmp_path_factory.mktemp("set") / "one"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synth_set, "IMAGES_PER_SHARD", PER_SHARD)
        assert cli.main(words(folder, recipe, "--clips", str(CLIPS), "--workers", "1")) == 0
    return folder


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.tar"))}


def test_two_workers_make_the_same_bytes_as_one(reference: Path, recipe: Recipe, tmp_path: Path):
    assert cli.main(words(tmp_path, recipe, "--clips", str(CLIPS), "--workers", "2")) == 0
    assert shards(tmp_path) == shards(reference)
    assert len(shards(tmp_path)) == 5
    assert (tmp_path / "set.json").read_bytes() == (reference / "set.json").read_bytes()


def test_the_stream_is_what_the_shards_hold(reference: Path, recipe: Recipe):
    stored = list(read_images(reference))
    assert [picture.key for picture in stored] == [f"{k:09d}" for k in range(IMAGES)]
    for one, other in zip(stored[8:], stream(recipe, first=1), strict=False):
        assert one.key == other.key
        np.testing.assert_array_equal(one.image, other.image)
        assert_same(one.labels, other.labels)
    every_other = [picture.key for picture in islice(stream(recipe, first=0, step=2), 9)]
    assert every_other[7:] == ["000000007", "000000016"]


def test_streamed_clips_are_what_the_shards_hold(reference: Path, recipe: Recipe):
    for one, other in zip(read_clips(reference), stream_clips(recipe), strict=False):
        assert one.key == other.key
        assert_same(one.labels, other.labels)
        assert len(one.frames) == len(other.frames) == len(one.labels.t_s) > 30
        for a, b in zip(one.frames, other.frames, strict=True):
            np.testing.assert_array_equal(a.image, b.image)
            assert_same(a.labels, b.labels)


def test_a_clip_is_one_person_in_one_outfit_before_one_camera(reference: Path):
    for clip in read_clips(reference):
        first = clip.frames[0].labels
        for k, frame in enumerate(clip.frames):
            each = frame.labels
            assert (each.adult, each.outfit, each.motion) == (first.adult, first.outfit, clip.labels.motion)
            assert each.t_s == clip.labels.t_s[k]
            np.testing.assert_array_equal(each.camera.T_ground_cam, first.camera.T_ground_cam)
            assert each.camera.fx == first.camera.fx
        q = np.array([frame.labels.q for frame in clip.frames])
        assert 0.0 < np.abs(np.diff(q, axis=0)).max() < 1.5  # moves, and does not jump


def test_a_set_says_what_it_holds(reference: Path, pool: PuppetPool):
    description = read_description(reference)
    assert (description.seed, description.images, description.clips) == (SEED, IMAGES, CLIPS)
    assert description.skeleton_sha == pool.skeleton.sha
    labels = next(read_images(reference)).labels
    for names, values in (
        (description.coordinate_names, labels.q),
        (description.body_names, labels.T_ground_body),
        (description.marker_names, labels.markers_m),
    ):
        assert len(names) == len(values)


def test_a_complete_set_is_left_alone(reference: Path, recipe: Recipe, capsys: pytest.CaptureFixture[str]):
    before = {path: path.stat().st_mtime_ns for path in reference.glob("*.tar")}
    assert cli.main(words(reference, recipe, "--clips", str(CLIPS), "--workers", "2")) == 0
    assert {path: path.stat().st_mtime_ns for path in reference.glob("*.tar")} == before
    assert "28 images and 1 clips" in capsys.readouterr().out


def wait_for(condition, what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, f"waited in vain for {what}"
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_a_killed_run_leaves_nothing_half_and_goes_on(reference: Path, recipe: Recipe, tmp_path: Path):
    code = (
        SMALL_SHARDS + f"from realtime.cli import main; main({words(tmp_path, recipe, '--workers', '2')!r})"
    )
    run = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    wait_for(lambda: list(tmp_path.glob("*.tar")) and list(tmp_path.glob(f".*{PARTIAL}")), "a shard in work")
    workers = children(run.pid)
    assert workers
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_for(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers), "the workers' end")
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")}
    assert 0 < len(done) < 4
    assert list(tmp_path.glob(f".*{PARTIAL}"))  # what the kill left
    assert cli.main(words(tmp_path, recipe, "--workers", "2")) == 0
    expected = {name: data for name, data in shards(reference).items() if name.startswith("images")}
    assert shards(tmp_path) == expected
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert {p.name for p in tmp_path.iterdir()} == {*expected, "set.json"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB, which holds one shard and not two."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_with_a_clear_message_and_keeps_what_is_whole(
    reference: Path, recipe: Recipe, small_disk: Path, capsys: pytest.CaptureFixture[str]
):
    command = words(small_disk, recipe, "--workers", "1")
    assert cli.main(command) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"kinecast: {small_disk}: no space left on the disk; complete shards are kept")
    kept = shards(small_disk)
    assert kept and kept.items() <= shards(reference).items()
    assert not list(small_disk.glob(f".*{PARTIAL}"))
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    assert cli.main(command) == 0
    assert shards(small_disk) == {n: d for n, d in shards(reference).items() if n.startswith("images")}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--seed", "-1"], "seed -1; accepted: whole numbers from 0 to 4294967295"),
        (["--seed", "4294967296"], "seed 4294967296; accepted"),
        (["--seed", "two"], "invalid int value: 'two'"),
        (["--images", "0"], "'0' is not a whole number from 1"),
        (["--size", "20"], "images of 20 px; accepted: 64 to 1024"),
        (["--motions", "cmu,juggling"], "no motion source 'juggling'; accepted: captured, procedural, cmu"),
        (["--motions", "set.json"], "no motion source 'set.json'"),
        (["--backgrounds", "nowhere"], "nowhere: no .hdr panoramas"),
    ],
)  # fmt: skip
def test_refusals(more: list[str], said: str, recipe: Recipe, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words(tmp_path / "set", recipe, *more)) == 2
    assert re.fullmatch(rf"kinecast.*{re.escape(said)}.*\n", capsys.readouterr().err)
    assert not (tmp_path / "set").exists()


def test_motion_that_is_not_here_is_refused_by_name(recipe: Recipe, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr("train.motion.library.load_captured", lambda skeleton: [])
    assert cli.main(words(tmp_path, recipe, "--motions", "deepmimic")) == 2
    said = capsys.readouterr().err
    assert "no motion of deepmimic in" in said and "python -m train.motion.captured FOLDER" in said


def test_nothing_to_make_is_refused(tmp_path: Path, capsys):
    assert cli.main(["train", "synth", "--out", str(tmp_path)]) == 2
    assert "give --images N, --clips N or --held-out" in capsys.readouterr().err


def test_a_folder_with_another_set_is_refused(reference: Path, recipe: Recipe, tmp_path: Path, capsys):
    (tmp_path / "set.json").write_bytes((reference / "set.json").read_bytes())
    assert cli.main(words(tmp_path, recipe, "--clips", "1", "--seed", "6")) == 2
    assert "holds a set with seed 5, not 6" in capsys.readouterr().err
    (tmp_path / "set.json").write_text('{"seed": ')
    assert cli.main(words(tmp_path, recipe)) == 2
    assert re.fullmatch(r"kinecast: .*set\.json: cannot be read .*\n", capsys.readouterr().err)


def test_a_place_that_is_no_folder_is_refused(recipe: Recipe, tmp_path: Path, capsys):
    (tmp_path / "file").touch()
    assert cli.main(words(tmp_path / "file", recipe)) == 2
    assert re.fullmatch(r"kinecast: .*file: cannot be written .*\n", capsys.readouterr().err)


@pytest.mark.skipif(sys.platform == "win32", reason="locks with fcntl")
def test_two_runs_do_not_make_one_set(recipe: Recipe, tmp_path: Path, capsys):
    with locked(tmp_path):
        assert cli.main(words(tmp_path, recipe)) == 2
    assert "another kinecast is making this set" in capsys.readouterr().err


def test_what_is_held_out_is_never_trained_on(recipe: Recipe, bodies_path: Path):
    training, held_out = (set(part) for part in split_adults(load_body_model(bodies_path)))
    assert len(training) == 20 and len(held_out) == 4
    theirs = Recipe(SEED, held_out=True, size_px=SIZE_PX, bodies=bodies_path)
    ours = [sample for block in range(4) for sample in islice(recipe.open().block(block), 2)]
    kept = [sample for block in range(4) for sample in islice(theirs.open().block(block), 2)]
    assert {sample.person.puppet.adult for sample in ours} <= training
    assert {sample.person.puppet.adult for sample in kept} <= held_out
    assert not any(np.array_equal(a.q, b.q) for a, b in zip(ours, kept, strict=True))


def test_captured_motion_is_split_by_name(pool: PuppetPool, tmp_path: Path):
    library = MotionLibrary(pool.skeleton)
    rng = np.random.default_rng(0)
    motions = [library.sample(rng, duration_s=0.5, fps=8.0, activity="stand") for _ in range(120)]
    path = tmp_path / "captured.npz"
    named = [type(m)(f"take{k // 2}", m.fps, m.t_s, m.q, "cmu") for k, m in enumerate(motions)]
    save_captured(path, pool.skeleton, named)
    parts = [choose_motions(str(path), pool.skeleton, held_out=flag) for flag in (False, True)]
    assert len(parts[0]) + len(parts[1]) == 120
    assert 2 <= len(parts[1]) <= 40
    assert not {m.name for m in parts[0]} & {m.name for m in parts[1]}
    assert all(is_held_out(m) for m in parts[1])


def test_a_sheet_shows_pictures_with_the_skeleton(reference: Path, tmp_path: Path, capsys):
    out = tmp_path / "sheet.png"
    assert cli.main(["train", "sheet", str(reference), "--out", str(out), "--n", "9"]) == 0
    assert "9 images" in capsys.readouterr().out
    assert cv2.imread(str(out)).shape == (3 * SIZE_PX + 4, 3 * SIZE_PX + 4, 3)


def test_the_skeleton_is_drawn_on_the_joints(reference: Path, pool: PuppetPool):
    for picture in islice(read_images(reference), 4):
        scale = 3
        drawn = draw_skeleton(picture, pool.skeleton, scale)
        labels = picture.labels
        for point in labels.centres_px[labels.centres_visible] * scale:
            x, y = np.clip(point.astype(int), 0, scale * SIZE_PX - 1)
            assert (drawn[y, x].astype(int) > 150).any()
        np.testing.assert_array_equal(contact_sheet([drawn])[:10], drawn[:10])


def test_the_worst_picture_is_found(reference: Path, recipe: Recipe, tmp_path: Path, capsys):
    command = ["train", "sheet", str(reference), "--out", str(tmp_path / "worst.jpg"), "--worst"]
    assert cli.main([*command, "--bodies", str(recipe.bodies)]) == 0
    said = re.search(r"(\w+) is ([\d.]+) mm from the skin's, the worst of 28", capsys.readouterr().out)
    assert said is not None and 0.5 < float(said[2]) < 60.0
    assert cv2.imread(str(tmp_path / "worst.jpg")).shape == (3 * SIZE_PX, 3 * SIZE_PX, 3)


@pytest.mark.parametrize(
    ("folder", "out", "said"),
    [
        ("nowhere", "sheet.png", "no set of images; make one: kinecast train synth"),
        ("empty", "sheet.png", "no complete shard yet"),
        ("reference", "sheet.gif", "accepted: .png, .jpg"),
        ("reference", "nowhere/sheet.png", "cannot be written"),
    ],
)
def test_sheets_that_cannot_be_drawn(
    folder: str, out: str, said: str, reference: Path, tmp_path: Path, capsys
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "set.json").write_bytes((reference / "set.json").read_bytes())
    place = reference if folder == "reference" else tmp_path / folder
    assert cli.main(["train", "sheet", str(place), "--out", str(tmp_path / out)]) == 2
    assert said in capsys.readouterr().err


def test_what_is_not_installed_is_named_with_its_extra(tmp_path: Path, capsys, monkeypatch):
    def missing(_: object) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch.nn")

    monkeypatch.setattr("train.commands.synth.run", missing)
    assert cli.main(["train", "synth", "--out", str(tmp_path)]) == 2
    assert "torch.nn, which is not installed: pip install 'kinecast[train]'" in capsys.readouterr().err


def test_training_is_not_imported_by_other_commands():
    code = "import sys; from realtime import cli; cli.main(['assets', '--help']); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not any(name.partition(".")[0] == "train" for name in result.stdout.split())


def test_the_help_of_training_is_light():
    code = "import sys; from realtime import cli; cli.main(['train', '--help']); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "torch", "numba", "cv2"} & set(result.stdout.split())
