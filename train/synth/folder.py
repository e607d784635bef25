"""Sets of shards on disk: what they hold and what of them is still missing."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from train.bodies.puppet import PuppetPool
from train.errors import TrainError
from train.motion.motion import Motion
from train.scene.environment import panorama_files
from train.synth.people import PeopleStream
from train.synth.recipe import CLIPS_PER_SHARD, IMAGES_PER_SHARD, Recipe, Shard, plan
from train.synth.shards import Kind, remove_partial

DESCRIPTION = "set.json"


class SetDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What a set holds; the names are in the order of the labels' arrays."""

    kinecast: str
    """The version that makes the set."""
    seed: int
    held_out: bool
    images: int
    clips: int
    size_px: int
    motions: str
    motions_sha: str
    backgrounds_sha: str
    bodies_sha: str
    skeleton_sha: str
    coordinate_names: tuple[str, ...]
    body_names: tuple[str, ...]
    marker_names: tuple[str, ...]

    @classmethod
    def of(cls, recipe: Recipe, people: PeopleStream, *, images: int, clips: int) -> SetDescription:
        """Describe a set before it is made."""
        skeleton = people.skeleton
        return cls(
            kinecast=_version(), seed=recipe.seed, held_out=recipe.held_out, images=images, clips=clips,
            size_px=recipe.size_px, motions=recipe.motions,
            motions_sha=_sha(map(_motion_bytes, people.library.captured)),
            backgrounds_sha=_sha(path.read_bytes() for path in panorama_files(recipe.backgrounds)),
            bodies_sha=bodies_sha(people.pool),
            skeleton_sha=skeleton.sha, coordinate_names=skeleton.coordinate_names,
            body_names=skeleton.body_names, marker_names=skeleton.marker_names,
        )  # fmt: skip

    def shards(self) -> list[Shard]:
        """All of the set."""
        return plan(Kind.IMAGES, self.images, IMAGES_PER_SHARD) + plan(
            Kind.CLIPS, self.clips, CLIPS_PER_SHARD
        )


def bodies_sha(pool: PuppetPool) -> str:
    """Tells one export of the adults, and one fit of the skeleton to them, from another."""
    one = pool.puppet(0)
    arrays: tuple[NDArray[np.generic], ...] = (
        pool.model.mean, pool.model.scores, one.q_rest, one.scale_factors,
    )  # fmt: skip
    return _sha(array.tobytes() for array in arrays)


def read_description(folder: Path) -> SetDescription:
    """What a set holds.

    Raises:
        TrainError: this is no set.
    """
    path = folder / DESCRIPTION
    try:
        return msgspec.json.decode(path.read_bytes(), type=SetDescription)
    except FileNotFoundError as error:
        raise TrainError(
            f"{folder}: no set of images; make one: kinecast train synth --out {folder} --images 1000"
        ) from error
    except (OSError, msgspec.DecodeError) as error:
        raise TrainError(f"{path}: cannot be read ({error})") from error


def begin(folder: Path, description: SetDescription) -> list[Shard]:
    """Start a set, or go on with one.

    Returns:
        The shards that are missing.

    Raises:
        TrainError: the folder holds another set, or cannot be written to.
    """
    try:
        if (folder / DESCRIPTION).exists():
            _compare(folder, read_description(folder), description)
        else:
            partial = folder / f"{DESCRIPTION}.partial"
            partial.write_bytes(msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n")
            partial.replace(folder / DESCRIPTION)
        remove_partial(folder)
    except OSError as error:
        raise explain(error, folder) from error
    return [shard for shard in description.shards() if not (folder / shard.name).exists()]


def _compare(folder: Path, there: SetDescription, asked: SetDescription) -> None:
    for name in SetDescription.__struct_fields__:
        old, new = getattr(there, name), getattr(asked, name)
        if old != new:
            raise TrainError(
                f"{folder}: holds a set with {name} {old!r}, not {new!r}; "
                "ask for the same to go on with it, or give another --out"
            )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """A folder, made if need be, in which no other process makes a set now.

    The system lets go of it if this process is killed.

    Raises:
        TrainError: another process is at it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain(error, folder) from error
    try:
        import fcntl
    except ImportError:  # Windows: there, what is open cannot be removed under it
        yield
        return
    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise TrainError(f"{folder}: another kinecast is making this set; let it end first") from error
    finally:
        os.close(place)


def explain(error: OSError, folder: Path) -> TrainError:
    """What a failure to write means to the user."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return TrainError(
            f"{folder}: no space left on the disk; complete shards are kept: "
            "free some space and run the same command again"
        )
    return TrainError(f"{folder}: cannot be written ({error.strerror or error})")


def _version() -> str:
    try:
        return version("kinecast")
    except PackageNotFoundError:
        return "source"


def _motion_bytes(motion: Motion) -> bytes:
    return motion.name.encode() + motion.q.tobytes()


def _sha(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]
