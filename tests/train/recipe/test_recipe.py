"""The recipe of all networks: its commands are real ones, it resumes, and it gives the same twice."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch")

import torch

from realtime.cli import main
from tests.support.published import published
from train import cli
from train.commands.all_networks import run_command
from train.errors import TrainError
from train.recipe.run import MANIFEST, Manifest, figures_of, new_manifest, run_steps
from train.recipe.scales import SCALES, SMALL
from train.recipe.steps import Step, steps_of


@pytest.mark.parametrize("scale", list(SCALES))
def test_every_step_is_a_command_and_reads_what_an_earlier_one_made(scale: str, tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    made: set[str] = set()
    for step in steps_of(SCALES[scale], tmp_path, 7):
        parser.parse_args(list(step.words))
        read = {word for word in step.words if word.startswith(str(tmp_path))} - {
            step.words[step.words.index("--out") + 1] if "--out" in step.words else "",
            step.words[step.words.index("--json") + 1] if "--json" in step.words else "",
        }
        assert read <= made, step.name
        made |= {str(path) for path in step.outputs} | {
            str(path.parent) for path in step.outputs if path.name == "checkpoint.safetensors"
        }
    names = {"lifter.onnx", "patches.onnx", "proportions.json", "temporal.onnx", "direct.onnx"}
    assert {str(tmp_path / name) for name in names} <= made


class Commands:
    """Writes the last word as a file, and dies at one of them."""

    def __init__(self, dies_at: str = "") -> None:
        self.dies_at, self.called = dies_at, []

    def __call__(self, words: Sequence[str]) -> int:
        if words[0] == self.dies_at:
            raise KeyboardInterrupt
        self.called.append(list(words))
        Path(words[1]).write_text(words[0])
        print(f"  knee {len(words[0])}.0 deg")
        return 0


def made_up_steps(out: Path) -> list[Step]:
    return [
        Step(name, (name, str(out / name)), (out / name,), on_cluster=name == "b") for name in ("a", "b", "c")
    ]


def test_it_goes_on_where_it_ended(tmp_path: Path) -> None:
    steps, commands = made_up_steps(tmp_path), Commands(dies_at="c")
    with pytest.raises(KeyboardInterrupt):
        run_steps(steps, tmp_path, new_manifest("small", 1), commands, "10.0.0.1:6379")
    assert commands.called == [
        ["a", str(tmp_path / "a")],
        ["b", str(tmp_path / "b"), "--ray", "10.0.0.1:6379"],
    ]
    again = Commands()
    manifest = run_steps(steps, tmp_path, new_manifest("small", 1), again, None)
    assert [words[0] for words in again.called] == ["c"]
    stored = msgspec.json.decode((tmp_path / MANIFEST).read_bytes(), type=Manifest)
    assert stored == manifest and list(stored.steps) == ["a", "b", "c"]
    assert (
        stored.steps["a"].figures == ("knee 1.0 deg",) and stored.steps["b"].command == "kinecast train b b"
    )
    (tmp_path / "b").unlink()
    last = Commands()
    run_steps(steps, tmp_path, new_manifest("small", 1), last, None)
    assert [words[0] for words in last.called] == ["b"]


def test_hashes_are_of_names_and_contents_but_not_of_times(tmp_path: Path) -> None:
    def hashed(name: str, *files: tuple[str, str]) -> str:
        out = tmp_path / name

        def fill(words: Sequence[str]) -> int:
            for file, text in files:
                path = out / "set" / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return 0

        steps = [Step("a", ("a",), (out / "set", out / "set" / "x"), dated=(out / "set" / "x",))]
        found = run_steps(steps, out, new_manifest("small", 1), fill, None).steps["a"].sha256
        assert list(found) == ["set"]  # what tells of times has no hash
        return found["set"]

    one = hashed("1", ("x", "1"), ("deep/y", "2"))
    assert hashed("2", ("deep/y", "2"), ("x", "1")) == one
    assert one not in {hashed("3", ("x", "1"), ("deep/y", "3")), hashed("4", ("x", "1"), ("y", "2"))}


def test_the_small_recipe_computes_in_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, found = torch.get_num_threads(), []

    def ran(*args: object) -> Manifest:
        found.append(torch.get_num_threads())
        return new_manifest("small", 0)

    monkeypatch.setattr("train.recipe.run.run_steps", ran)
    torch.set_num_threads(2)
    try:
        for scale in ("small", "ship"):
            assert main(["train", "all", "--out", str(tmp_path), "--scale", scale]) == 0
        assert found == [1, 2] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    run_steps(made_up_steps(tmp_path), tmp_path, new_manifest("small", 1), Commands(), None)
    with pytest.raises(TrainError, match="was begun with seed 1, not 2"):
        run_steps(made_up_steps(tmp_path), tmp_path, new_manifest("small", 2), Commands(), None)
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(TrainError, match="cannot be read"):
        run_steps(made_up_steps(tmp_path), tmp_path, new_manifest("small", 1), Commands(), None)


def test_a_step_that_makes_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="a: ended with 0, without"):
        run_steps(made_up_steps(tmp_path), tmp_path, new_manifest("small", 1), lambda words: 0, None)


def test_figures_are_lines_with_units() -> None:
    assert figures_of(" mean  5.0 deg\nloss 3\n9 images/s, 1 deg\nMPJPE  107 mm\n") == (
        "mean 5.0 deg", "MPJPE 107 mm",
    )  # fmt: skip


TINY = replace(
    SMALL, name="tiny", pictures=1600, held_out_pictures=1600, clips=2, held_out_clips=4, observe_steps=20,
    simulated_clips=20, patch_epochs=1, lift_epochs=1, smooth_clips=20, temporal_epochs=1,
    temporal_steps=2, temporal_batch=2,
    images=64, image_px=64, held_out_images=16, phases=((96, 128), (64, 256)),
)  # fmt: skip


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_twice_gives_the_same_figures(tmp_path: Path) -> None:
    """Minutes: every network is trained twice, for a moment."""
    published("pose_landmark_full"), published("pose_detection")
    found = []
    for name in ("first", "second"):
        out = tmp_path / name
        found.append(run_steps(steps_of(TINY, out, 3), out, new_manifest("tiny", 3), run_command, None))
    first, second = (manifest.steps for manifest in found)
    assert any(record.figures for record in first.values())
    for name, record in first.items():
        assert second[name].figures == record.figures, name
        assert second[name].sha256 == record.sha256, name


def test_an_unreachable_cluster_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "all", "--out", str(tmp_path / "all"), "--ray", "127.0.0.1:1"]) == 2
    assert "no Ray cluster answers there" in capsys.readouterr().err
