"""How much each step of the recipe makes: `small` to try it, `ship` as for the networks in `engines/data`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Sizes of all steps."""

    name: str
    threads: int | None
    """Threads of torch; None: one a core. Their number changes how sums round; with small networks, several
    only wait for each other."""
    motions: str
    """Sources of motion, as for `kinecast train synth`."""
    pictures: int
    """Single images that BlazePose looks at."""
    held_out_pictures: int
    clips: int
    """Rendered clips that BlazePose looks at."""
    held_out_clips: int
    observe_steps: int
    simulated_clips: int
    """Clips without rendering, at 3 frames a second, for the lifter."""
    patch_epochs: int
    lift_epochs: int
    lift_networks: int
    smooth_clips: int
    """Clips without rendering, at the rates of webcams, for the temporal network."""
    temporal_epochs: int
    temporal_steps: int
    temporal_batch: int
    images: int
    """Images of the direct network's set."""
    image_px: int
    held_out_images: int
    phases: tuple[tuple[int, int], ...]
    """Side of the direct network's input, and images that it has seen at the end of each phase."""


SMALL = Scale(
    name="small", threads=1, motions="procedural",
    pictures=1600, held_out_pictures=1600, clips=4, held_out_clips=4,
    observe_steps=300, simulated_clips=100, patch_epochs=1, lift_epochs=8, lift_networks=1, smooth_clips=24,
    temporal_epochs=2, temporal_steps=20, temporal_batch=8, images=512, image_px=128, held_out_images=128,
    phases=((64, 3_000),),
)  # fmt: skip
SHIP = Scale(
    name="ship", threads=None, motions="captured",
    pictures=50_000, held_out_pictures=4_000, clips=306, held_out_clips=23,
    observe_steps=3_000, simulated_clips=16_000, patch_epochs=5, lift_epochs=7, lift_networks=3,
    smooth_clips=600,
    temporal_epochs=8, temporal_steps=100, temporal_batch=16, images=37_376, image_px=256,
    held_out_images=1_024, phases=((192, 135_000), (128, 447_000), (96, 560_000), (128, 1_058_000)),
)  # fmt: skip
SCALES = {scale.name: scale for scale in (SMALL, SHIP)}
