"""Files of clips without images: thousands of simulated poses for each rendered one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from calib.skeleton import load_skeleton
from train.blazepose.files import load_model
from train.blazepose.model import ObservationModel
from train.blazepose.pictures import make_files
from train.blazepose.simulate import MovingBodies, simulated_clips
from train.bodies.puppet import PuppetPool
from train.motion.library import MotionLibrary, choose_motions

CLIPS_PER_FILE = 20
N_CAMERAS = 2


@dataclass(frozen=True, slots=True)
class Simulation:
    """Settings of simulated clips."""

    model: Path
    """File of the model, made by kinecast train observe."""
    seed: int = 0
    held_out: bool = False
    """Whether to draw the people and captured motions held out for evaluation."""
    motions: str = "procedural"
    """Sources of motion, as for kinecast train synth."""
    rates_fps: tuple[float, ...] = (3.0,)
    """Frame rates of the clips; slow ones show more poses for the same work."""


def make_simulated_clips(
    folder: Path, simulation: Simulation, n_clips: int, workers: int, cluster: str | None = None
) -> Iterator[int]:
    """Write the missing files of `n_clips` clips, `CLIPS_PER_FILE` clips per file.

    Args:
        folder: Folder of the files; complete ones are kept.
        simulation: Settings of the clips.
        n_clips: Number of clips in the folder at the end.
        workers: Number of processes.
        cluster: Address of a Ray cluster that does the work instead.

    Yields:
        The number of finished clips, after each file.

    Raises:
        TrainError: the folder cannot be written, the model cannot be read, or motions are missing.
    """
    load_model(simulation.model)  # fails before processes start
    starts = [k for k in range(0, n_clips, CLIPS_PER_FILE) if not _file(folder, simulation, k).exists()]
    done = n_clips - CLIPS_PER_FILE * len(starts)
    for _ in make_files(folder, partial(_make_file, folder, simulation), starts, workers, cluster):
        done += CLIPS_PER_FILE
        yield min(done, n_clips)


def _file(folder: Path, simulation: Simulation, start: int) -> Path:
    return folder / f"{simulation.seed:04d}-{start:07d}.npz"


@lru_cache(maxsize=1)
def _tools(simulation: Simulation) -> tuple[ObservationModel, MovingBodies]:
    """The model and the bodies, opened once in each process."""
    skeleton = load_skeleton()
    motions = choose_motions(simulation.motions, skeleton, held_out=simulation.held_out)
    library = MotionLibrary(skeleton, captured=motions)
    bodies = MovingBodies(PuppetPool(skeleton), library, held_out=simulation.held_out)
    return load_model(simulation.model), bodies


def _make_file(folder: Path, simulation: Simulation, start: int) -> None:
    model, bodies = _tools(simulation)
    clips = simulated_clips(
        model,
        bodies,
        np.random.default_rng([simulation.seed, start]),
        CLIPS_PER_FILE,
        n_cameras=N_CAMERAS,
        first_block=start,
        rates_fps=simulation.rates_fps,
    )
    clips.save(_file(folder, simulation, start))
