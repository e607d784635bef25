"""The steps of the recipe, each a command of `kinecast train` that anybody can give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from train.recipe.scales import Scale

LIFTER, PROPORTIONS, TEMPORAL, DIRECT = "lifter.onnx", "proportions.json", "temporal.onnx", "direct.onnx"
PATCHES = "patches.onnx"


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and the files by which it is known to be done."""

    name: str
    words: tuple[str, ...]
    """After `kinecast train`."""
    outputs: tuple[Path, ...]
    on_cluster: bool = False
    """Whether it takes `--ray`."""
    dated: tuple[Path, ...] = ()
    """Outputs that also tell of times and folders, so that their bytes differ from run to run."""


def steps_of(scale: Scale, out: Path, seed: int) -> list[Step]:
    """All steps in order.

    Args:
        scale: Sizes.
        out: Folder of everything that is made.
        seed: Seed of all steps; parts that must differ add to it.
    """
    return [
        *_observations(scale, out, seed), *_lifter(scale, out, seed), *_temporal(scale, out, seed),
        *_direct(scale, out, seed),
    ]  # fmt: skip


def _observations(scale: Scale, out: Path, seed: int) -> list[Step]:
    """BlazePose on rendered people."""
    motions = ("--motions", scale.motions, "--seed", str(seed))
    return [
        Step(
            name, ("lift-data" if kind == "pictures" else "lift-clips", "--out", str(out / name),
                   f"--{kind}", str(n), *motions, *held_out),
            (out / name,), on_cluster=True,
        )
        for name, kind, n, held_out in (
            ("pictures", "pictures", scale.pictures, ()),
            ("pictures_held_out", "pictures", scale.held_out_pictures, ("--held-out",)),
            ("clips", "clips", scale.clips, ()),
            ("clips_held_out", "clips", scale.held_out_clips, ("--held-out",)),
        )
    ]  # fmt: skip


def _lifter(scale: Scale, out: Path, seed: int) -> list[Step]:
    """A model of BlazePose, the lifter, the patch network, and the prior over a person's proportions."""
    model = out / "observation.safetensors"
    simulated, pictures, clips = out / "simulated", out / "pictures", out / "clips"
    return [
        Step(
            "observe", ("observe", str(pictures), str(clips), "--out", str(model), "--steps",
                        str(scale.observe_steps), "--seed", str(seed)),
            (model, model.with_suffix(".json")),
        ),
        Step(
            "simulated", ("simulate", str(model), "--out", str(simulated), "--clips",
                          str(scale.simulated_clips), "--motions", scale.motions, "--seed", str(seed)),
            (simulated,), on_cluster=True,
        ),
        Step(
            "lifter", ("lift", str(pictures), str(clips), "--simulated", str(simulated), "--out",
                       str(out / LIFTER), "--epochs", str(scale.lift_epochs), "--networks",
                       str(scale.lift_networks), "--seed", str(seed)),
            (out / LIFTER, out / "lifter.json"),
        ),
        Step(
            "patches", ("patches", str(pictures), "--out", str(out / PATCHES), "--epochs",
                        str(scale.patch_epochs), "--seed", str(seed)),
            (out / PATCHES, out / "patches.json"),
        ),
        Step(
            "proportions", ("proportions", str(pictures), "--held-out", str(out / "pictures_held_out"),
                            "--out", str(out / PROPORTIONS)),
            (out / PROPORTIONS,),
        ),
    ]  # fmt: skip


def _temporal(scale: Scale, out: Path, seed: int) -> list[Step]:
    """The temporal network, on clips that the lifter was not trained on."""
    smooth = out / "simulated_smooth"
    return [
        Step(
            "simulated_smooth", ("simulate", str(out / "observation.safetensors"), "--out", str(smooth),
                                 "--clips", str(scale.smooth_clips), "--motions", scale.motions, "--seed",
                                 str(seed + 1), "--rates", "25", "30", "60"),
            (smooth,), on_cluster=True,
        ),
        Step(
            "temporal", ("temporal", str(smooth), "--held-out", str(out / "clips_held_out"), "--lifter",
                         str(out / LIFTER), "--out", str(out / TEMPORAL), "--epochs",
                         str(scale.temporal_epochs), "--steps", str(scale.temporal_steps), "--batch",
                         str(scale.temporal_batch), "--seed", str(seed)),
            (out / TEMPORAL, out / "temporal.json"),
        ),
    ]  # fmt: skip


def _direct(scale: Scale, out: Path, seed: int) -> list[Step]:
    """The direct network, on images of growing and shrinking sides."""
    people, held_out, network = out / "people", out / "people_held_out", out / "direct"
    common = ("--size", str(scale.image_px), "--seed", str(seed))
    steps = [
        Step(
            "people", ("synth", "--out", str(people), "--images", str(scale.images), "--motions",
                       scale.motions, *common),
            (people,), on_cluster=True,
        ),
        Step(
            "people_held_out", ("synth", "--out", str(held_out), "--images", str(scale.held_out_images),
                                "--held-out", *common),
            (held_out,), on_cluster=True,
        ),
    ]  # fmt: skip
    for number in range(1, len(scale.phases) + 1):
        steps += _phase(number, scale, out, people, seed)
        network = out / f"direct_{number}"
    figures = out / "direct_figures.json"
    return [
        *steps,
        Step(
            "direct_figures", ("evaluate", str(network), "--data", str(held_out), "--json", str(figures)),
            (figures,), dated=(figures,),
        ),
        Step("direct", ("export", str(network), "--out", str(out / DIRECT)), (out / DIRECT,)),
    ]  # fmt: skip


def _phase(number: int, scale: Scale, out: Path, people: Path, seed: int) -> list[Step]:
    """One phase of the direct network, from the weights of the one before, and its export."""
    side_px, images = scale.phases[number - 1]
    n_before = scale.phases[number - 2][1] if number > 1 else 0
    folder, exported = out / f"direct_{number}", out / f"direct_{number}.onnx"
    start = ("--weights", str(out / f"direct_{number - 1}.safetensors")) if number > 1 else ()
    checkpoint, weights = folder / "checkpoint.safetensors", exported.with_suffix(".safetensors")
    return [
        Step(
            f"direct_{number}", ("spatial", "--data", str(people), "--out", str(folder), "--input",
                                 str(side_px), "--images", str(images - n_before), "--seed",
                                 str(seed + number - 1), *start),
            (checkpoint,), dated=(checkpoint,),
        ),
        Step(
            f"direct_{number}_exported", ("export", str(folder), "--out", str(exported)),
            (exported, weights), dated=(weights,),
        ),
    ]  # fmt: skip
