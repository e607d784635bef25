"""The moving skeleton as BVH (Biovision hierarchy).

A joint is the joint that carries a body, under the body's name. In the rest pose, all angles zero, every body
is turned as ground is: Y up, X forward, Z to the right, arms hanging with the palms forward. Lengths are in
m, angles in degrees; a rotation is Rz Rx Ry, in the file `Zrotation Xrotation Yrotation`.

Offsets are those of the person: the median of the recorded ones. Where an offset changes by more than
`LEAST_MOVE_M` (joints that slide, body sizes that were still being measured), the joint has position
channels too, which take the place of its offset, as in Blender. BVH cannot hold unknown values: while nobody
is in view, the pose before is held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import stem_of
from realtime.errors import RecordingError
from realtime.export.even import evenly
from realtime.export.motion import RecordedMotion
from realtime.geometry import aligned_quaternions, quaternions, rotation_matrices

Array = NDArray[np.float64]

LEAST_MOVE_M = 1e-4
POSITION, ROTATION = "Xposition Yposition Zposition", "Zrotation Xrotation Yrotation"
ENDS_M = {"head": (0.0, 0.2, 0.0), "hand": (0.0, -0.15, 0.0), "toes": (0.06, 0.0, 0.0)}
"""Ends of the last bones, which only drawing needs."""
OTHER_END_M = (0.0, -0.1, 0.0)
_TURN = 2.0 * np.pi


@dataclass(frozen=True, slots=True, eq=False)
class _Joint:
    name: str
    children: list[int]
    offset_m: Array
    """Shape: (3,)."""
    positions_m: Array | None
    """Positions in the parent's frame; None for joints that keep their offset. Shape: (n, 3)."""
    rotations_deg: Array
    """About Z, X and Y. Shape: (n, 3)."""


def write_bvh(motion: RecordedMotion, path: Path) -> None:
    """Write the skeleton's hierarchy and its motion at an even rate.

    Raises:
        RecordingError: nobody was tracked, or the recording holds angles without bodies.
    """
    even, parents = evenly(motion), motion.meta.model.body_parents
    if not np.isfinite(motion.joint_centres_m).all(axis=(1, 2)).any():
        raise RecordingError(
            "the poses of the bodies were never known in this recording, so there is no skeleton to export"
        )
    wxyz, positions_m = _relative_to_parents(motion, parents)
    wxyz = _held(even.resampled(aligned_quaternions(wxyz)))
    positions_m = _held(even.resampled(positions_m))
    joints = [
        _joint(motion, k, wxyz[:, k], positions_m[:, k]) for k in range(len(motion.meta.model.body_names))
    ]
    order: list[int] = []
    lines = ["HIERARCHY"]
    for root in (k for k, parent in enumerate(parents) if parent < 0):
        lines += _hierarchy(joints, root, 0, order)
    lines += ["MOTION", f"Frames: {len(even.time_s)}", f"Frame Time: {1.0 / even.rate_hz:.9f}"]
    columns = [c for k in order for c in (joints[k].positions_m, joints[k].rotations_deg) if c is not None]
    rows = np.concatenate(columns, axis=1).tolist()
    lines += [" ".join(f"{value:.6f}" for value in row) for row in rows]
    path.write_text("\n".join(lines) + "\n", "ascii")


def _relative_to_parents(motion: RecordedMotion, parents: Sequence[int]) -> tuple[Array, Array]:
    """Quaternions and positions of each joint in the frame of its parent joint, of every sample."""
    n, n_bodies = motion.body_rotations_wxyz.shape[:2]
    R = rotation_matrices(motion.body_rotations_wxyz.reshape(-1, 4)).reshape(n, n_bodies, 3, 3)
    centres_m = motion.joint_centres_m
    R_local, positions_m = R.copy(), centres_m.copy()
    for k, parent in enumerate(parents):
        if parent >= 0:
            R_parent = R[:, parent].transpose(0, 2, 1)
            R_local[:, k] = R_parent @ R[:, k]
            positions_m[:, k] = np.einsum("nij,nj->ni", R_parent, centres_m[:, k] - centres_m[:, parent])
    return quaternions(R_local.reshape(-1, 3, 3)).reshape(n, n_bodies, 4), positions_m


def _held(values: Array) -> Array:
    """Values without NaN: that of the row before; before the first known row, the first known value."""
    known = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    newest = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return values[np.where(newest < 0, int(np.argmax(known)), newest)]


def _joint(motion: RecordedMotion, body: int, wxyz: Array, positions_m: Array) -> _Joint:
    model = motion.meta.model
    is_root = model.body_parents[body] < 0
    R = rotation_matrices(wxyz / np.linalg.norm(wxyz, axis=1, keepdims=True))
    offset_m = np.zeros(3) if is_root else np.median(positions_m, axis=0)
    moves = is_root or float(np.abs(positions_m - offset_m).max()) > LEAST_MOVE_M
    return _Joint(
        name=model.body_names[body].replace(" ", "_"),
        children=[k for k, parent in enumerate(model.body_parents) if parent == body],
        offset_m=offset_m,
        positions_m=positions_m if moves else None,
        rotations_deg=_zxy_deg(R),
    )


def _zxy_deg(R: Array) -> Array:
    """Angles of R = Rz Rx Ry in degrees, each row near the one before. Shape: (n, 3, 3) to (n, 3)."""
    z = np.arctan2(-R[:, 0, 1], R[:, 1, 1])
    x = np.arcsin(R[:, 2, 1].clip(-1.0, 1.0))
    y = np.arctan2(-R[:, 2, 0], R[:, 2, 2])
    angles = np.stack([z, x, y], axis=1)
    # The same rotation with the middle angle beyond a right angle, which avoids flips by half a turn.
    others = np.stack([z + np.pi, np.pi - x, y + np.pi], axis=1)
    chosen = angles[:1].copy().repeat(len(angles), axis=0)
    for k in range(1, len(angles)):
        last = chosen[k - 1]
        near, other = (v[k] - _TURN * np.round((v[k] - last) / _TURN) for v in (angles, others))
        chosen[k] = near if np.abs(near - last).sum() <= np.abs(other - last).sum() else other
    return np.asarray(np.degrees(chosen))


def _hierarchy(joints: Sequence[_Joint], k: int, depth: int, order: list[int]) -> Iterator[str]:
    """Lines of a joint and everything below; `order` receives the joints as they come."""
    joint, indent = joints[k], "\t" * depth
    order.append(k)
    channels = f"6 {POSITION} {ROTATION}" if joint.positions_m is not None else f"3 {ROTATION}"
    yield f"{indent}{'JOINT' if depth else 'ROOT'} {joint.name}"
    yield f"{indent}{{"
    yield f"{indent}\tOFFSET {_three(joint.offset_m)}"
    yield f"{indent}\tCHANNELS {channels}"
    for child in joint.children:
        yield from _hierarchy(joints, child, depth + 1, order)
    if not joint.children:
        end_m = ENDS_M.get(stem_of(joint.name), OTHER_END_M)
        yield from (
            f"{indent}\tEnd Site",
            f"{indent}\t{{",
            f"{indent}\t\tOFFSET {_three(end_m)}",
            f"{indent}\t}}",
        )
    yield f"{indent}}}"


def _three(values: Sequence[float] | Array) -> str:
    return " ".join(f"{value:.6f}" for value in values)
