"""Reads captured motion: CMU's asf/amc, the exponential maps made from it, and DeepMimic's humanoid.

Each format becomes a `Capture`: where every joint is and how it is turned, in OpenSim's axes and metres,
with one pose whose meaning is known (arms out or hanging, legs straight) to register the skeleton in.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from train.errors import TrainError

FloatArray = NDArray[np.float64]

# CMU: X to the left, Y up, Z forward; units of 1/0.45 inch.
_R_OPENSIM_CMU = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
_CMU_UNIT_M = 0.0254 / 0.45
_CMU_FPS = 120.0


@dataclass(frozen=True, slots=True, eq=False)
class Capture:
    """Joints of another skeleton over time. A joint has the name of the bone that it turns."""

    name: str
    joint_names: tuple[str, ...]
    fps: float
    p_m: FloatArray
    """Positions in ground. Shape: (n_frames, n_joints, 3)."""
    R: FloatArray
    """Orientations in ground. Shape: (n_frames, n_joints, 3, 3)."""
    p_known_m: FloatArray
    """Positions in the known pose. Shape: (n_joints, 3)."""
    R_known: FloatArray
    """Orientations in the known pose. Shape: (n_joints, 3, 3)."""
    arms_out: bool
    """Whether the known pose has its arms out to the sides; otherwise they hang."""


@dataclass(frozen=True, slots=True, eq=False)
class _Bones:
    """A tree of bones: offsets from the parent joint, in the parent's frame."""

    names: tuple[str, ...]
    parent: NDArray[np.int64]
    offset_m: FloatArray
    frame: FloatArray
    """Frame in which a bone's own turns are written. Shape: (n_joints, 3, 3)."""

    def place(self, root_m: FloatArray, R_local: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Positions and orientations of joints from local turns. R_local: (n_frames, n_joints, 3, 3)."""
        R_local = self.frame @ R_local @ np.swapaxes(self.frame, -1, -2)
        p, R = np.empty(R_local.shape[:-1]), np.empty_like(R_local)
        for j, above in enumerate(self.parent):
            if above < 0:
                p[:, j], R[:, j] = root_m + self.offset_m[j], R_local[:, j]
            else:
                p[:, j] = p[:, above] + R[:, above] @ self.offset_m[j]
                R[:, j] = R[:, above] @ R_local[:, j]
        return p, R


def _to_opensim(p: FloatArray, R: FloatArray) -> tuple[FloatArray, FloatArray]:
    return p @ _R_OPENSIM_CMU.T, _R_OPENSIM_CMU @ R @ _R_OPENSIM_CMU.T


def _rotations(axis: str, angle: FloatArray) -> FloatArray:
    c, s, o, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    rows = {
        "x": [one, o, o, o, c, -s, o, s, c],
        "y": [c, o, s, o, one, o, -s, o, c],
        "z": [c, -s, o, s, c, o, o, o, one],
    }[axis]
    return np.stack(rows, axis=-1).reshape(*np.shape(angle), 3, 3)


def _fixed_xyz(angles: FloatArray) -> FloatArray:
    """About the fixed x, then y, then z axis. Angles: (..., 3) in rad."""
    x, y, z = (_rotations(axis, angles[..., k]) for k, axis in enumerate("xyz"))
    return z @ y @ x


# --- asf / amc -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class AsfSkeleton:
    """The bones of an `.asf` file."""

    bones: _Bones
    degrees_of_freedom: tuple[tuple[int, ...], ...]
    """Axes that each joint of the file turns about, in the order of the `.amc` file."""


def read_asf(path: Path) -> AsfSkeleton:
    """Read an Acclaim skeleton.

    Raises:
        TrainError: the file is not one.
    """
    try:
        sections = _asf_sections(path.read_text(encoding="ascii", errors="replace"))
        return _asf_bones(sections)
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise TrainError(f"{path}: not an Acclaim skeleton ({error!r}); give an .asf file") from error


def _asf_sections(text: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line.startswith(":"):
            current = sections.setdefault(line[1:].split()[0], [])
        elif line:
            current.append(line)
    return sections


def _asf_bones(sections: dict[str, list[str]]) -> AsfSkeleton:
    names, vectors, frames = ["root"], {"root": np.zeros(3)}, [np.eye(3)]
    freedoms: list[tuple[int, ...]] = [(0, 1, 2)]
    for block in "\n".join(sections["bonedata"]).split("begin")[1:]:
        fields = {line.split()[0]: line.split()[1:] for line in block.splitlines() if line.strip()}
        name = fields["name"][0]
        names.append(name)
        direction = np.array([float(x) for x in fields["direction"][:3]])
        vectors[name] = direction * float(fields["length"][0]) * _CMU_UNIT_M
        frames.append(_fixed_xyz(np.radians([float(x) for x in fields["axis"][:3]])))
        freedoms.append(tuple("xyz".index(f[1]) for f in fields.get("dof", []) if f.startswith("r")))
    parent = {"root": ""}
    for line in sections["hierarchy"]:
        above, *below = line.split()
        parent |= dict.fromkeys(below, above) if above != "begin" and below else {}
    # A bone begins where its parent ends. Bones come in the file's order, which is topological.
    bones = _Bones(
        names=tuple(names),
        parent=np.array([names.index(parent[n]) if parent[n] else -1 for n in names]),
        offset_m=np.array([vectors[parent[n]] if parent[n] else np.zeros(3) for n in names]),
        frame=np.array(frames),
    )
    return AsfSkeleton(bones, tuple(freedoms))


def read_amc(path: Path, skeleton: AsfSkeleton) -> Capture:
    """Read an Acclaim motion of a skeleton.

    Raises:
        TrainError: the file is not one, or names a bone that the skeleton lacks.
    """
    names = skeleton.bones.names
    frames: list[FloatArray] = []
    try:
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            words = line.split()
            if len(words) == 1 and words[0].isdigit():
                frames.append(np.zeros((len(names) + 1, 3)))
            elif frames and words and words[0] in names:
                values = [float(x) for x in words[1:]]
                j = names.index(words[0])
                if j == 0:
                    frames[-1][-1], values = values[:3], values[3:]
                for axis, value in zip(skeleton.degrees_of_freedom[j], values, strict=True):
                    frames[-1][j, axis] = value
    except (OSError, ValueError) as error:
        raise TrainError(f"{path}: not an Acclaim motion of this skeleton ({error})") from error
    if not frames:
        raise TrainError(f"{path}: holds no frames; give an .amc file")
    data = np.array(frames)
    p, R = skeleton.bones.place(data[:, -1] * _CMU_UNIT_M, _fixed_xyz(np.radians(data[:, :-1])))
    known = skeleton.bones.place(np.zeros((1, 3)), np.tile(np.eye(3), (1, len(names), 1, 1)))
    return _cmu_capture(path.stem, names, p, R, *known)


def _cmu_capture(
    name: str, joints: tuple[str, ...], p: FloatArray, R: FloatArray, p_known: FloatArray, R_known: FloatArray
) -> Capture:
    p, R = _to_opensim(p, R)
    p_known, R_known = _to_opensim(p_known, R_known)
    return Capture(name, joints, _CMU_FPS, p, R, p_known[0], R_known[0], arms_out=True)


# --- exponential maps ------------------------------------------------------------------------------

# Bones of the CMU skeleton behind the exponential maps: name, parent, offset in CMU's units. The first
# frame of every conversion is this skeleton with these turns about z and x, arms out and legs straight.
_EXPMAP_BONES: tuple[tuple[str, int, tuple[float, float, float]], ...] = (
    ("root", -1, (0.0, 0.0, 0.0)),
    ("lhipjoint", 0, (0.0, 0.0, 0.0)),
    ("lfemur", 1, (1.65674, -1.80282, 0.62477)),
    ("ltibia", 2, (2.59720, -7.13576, 0.0)),
    ("lfoot", 3, (2.49236, -6.84770, 0.0)),
    ("ltoes", 4, (0.19704, -0.54136, 2.14581)),
    ("ltoes_end", 5, (0.0, 0.0, 1.11249)),
    ("rhipjoint", 0, (0.0, 0.0, 0.0)),
    ("rfemur", 7, (-1.61070, -1.80282, 0.62476)),
    ("rtibia", 8, (-2.59502, -7.12977, 0.0)),
    ("rfoot", 9, (-2.46780, -6.78024, 0.0)),
    ("rtoes", 10, (-0.23024, -0.63258, 2.13368)),
    ("rtoes_end", 11, (0.0, 0.0, 1.11569)),
    ("lowerback", 0, (0.0, 0.0, 0.0)),
    ("upperback", 13, (0.01961, 2.05450, -0.14112)),
    ("thorax", 14, (0.01021, 2.06436, -0.05921)),
    ("lowerneck", 15, (0.0, 0.0, 0.0)),
    ("upperneck", 16, (0.00713, 1.56711, 0.14968)),
    ("head", 17, (0.03429, 1.56041, -0.10006)),
    ("head_end", 18, (0.01305, 1.62560, -0.05265)),
    ("lclavicle", 15, (0.0, 0.0, 0.0)),
    ("lhumerus", 20, (3.54205, 0.90436, -0.17364)),
    ("lradius", 21, (4.86513, 0.0, 0.0)),
    ("lwrist", 22, (3.35554, 0.0, 0.0)),
    ("lhand", 23, (0.0, 0.0, 0.0)),
    ("lfingers", 24, (0.66117, 0.0, 0.0)),
    ("lfingers_end", 25, (0.53306, 0.0, 0.0)),
    ("lthumb", 23, (0.0, 0.0, 0.0)),
    ("lthumb_end", 27, (0.54120, 0.0, 0.54120)),
    ("rclavicle", 15, (0.0, 0.0, 0.0)),
    ("rhumerus", 29, (-3.49802, 0.75994, -0.32616)),
    ("rradius", 30, (-5.02649, 0.0, 0.0)),
    ("rwrist", 31, (-3.36431, 0.0, 0.0)),
    ("rhand", 32, (0.0, 0.0, 0.0)),
    ("rfingers", 33, (-0.73041, 0.0, 0.0)),
    ("rfingers_end", 34, (-0.58887, 0.0, 0.0)),
    ("rthumb", 32, (0.0, 0.0, 0.0)),
    ("rthumb_end", 36, (-0.59786, 0.0, 0.59786)),
)
# Turns of the known pose: exponential maps in rad.
_EXPMAP_KNOWN: dict[str, tuple[float, float, float]] = {
    "lfemur": (0.0, 0.0, 0.366519),
    "rfemur": (0.0, 0.0, -0.366519),
}


def read_expmap(path: Path) -> Capture:
    """Read a CMU motion as exponential maps (one line a frame: root, then 38 joints).

    Raises:
        TrainError: the file is not one.
    """
    names = tuple(name for name, _, _ in _EXPMAP_BONES)
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        data = np.array([[float(x) for x in line.split(",")] for line in lines if line.strip()])
        if data.ndim != 2:
            raise ValueError("no frames")
        turns = data[:, 3:].reshape(len(data), len(names), 3)
    except (OSError, ValueError) as error:
        raise TrainError(f"{path}: not a CMU motion of {3 + 3 * len(names)} columns ({error})") from error
    bones = _Bones(
        names=names,
        parent=np.array([parent for _, parent, _ in _EXPMAP_BONES]),
        offset_m=np.array([offset for _, _, offset in _EXPMAP_BONES]) * _CMU_UNIT_M,
        frame=np.tile(np.eye(3), (len(names), 1, 1)),
    )
    # The file's matrices multiply row vectors, so its turns are the inverse of ours.
    p, R = bones.place(data[:, :3] * _CMU_UNIT_M, rotation_vectors(-turns))
    known = np.array([_EXPMAP_KNOWN.get(name, (0.0, 0.0, 0.0)) for name in names])
    return _cmu_capture(
        path.stem, names, p, R, *bones.place(np.zeros((1, 3)), rotation_vectors(-known[None]))
    )


def rotation_vectors(v: FloatArray) -> FloatArray:
    """Rotations of rotation vectors. Shape: (..., 3) to (..., 3, 3)."""
    angle = np.linalg.norm(v, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(v, -1, 0)
    o = np.zeros_like(x)
    K = np.stack([o, -z, y, z, o, -x, -y, x, o], axis=-1).reshape(*x.shape, 3, 3)
    a = np.sinc(angle / np.pi)
    b = 0.5 * np.sinc(angle / (2.0 * np.pi)) ** 2
    return np.eye(3) + a * K + b * (K @ K)


# --- DeepMimic -------------------------------------------------------------------------------------

# Name, parent, offset in m, and how many numbers turn it: a quaternion or an angle about z.
_DEEPMIMIC_BONES: tuple[tuple[str, int, tuple[float, float, float], int], ...] = (
    ("root", -1, (0.0, 0.0, 0.0), 4),
    ("thorax", 0, (0.0, 0.236151, 0.0), 4),
    ("head", 1, (0.0, 0.223894, 0.0), 4),
    ("rfemur", 0, (0.0, 0.0, 0.084887), 4),
    ("rtibia", 3, (0.0, -0.421546, 0.0), 1),
    ("rfoot", 4, (0.0, -0.409870, 0.0), 4),
    ("rhumerus", 1, (-0.02405, 0.24395, 0.18311), 4),
    ("rradius", 6, (0.0, -0.274788, 0.0), 1),
    ("lfemur", 0, (0.0, 0.0, -0.084887), 4),
    ("ltibia", 8, (0.0, -0.421546, 0.0), 1),
    ("lfoot", 9, (0.0, -0.409870, 0.0), 4),
    ("lhumerus", 1, (-0.02405, 0.24395, -0.18311), 4),
    ("lradius", 11, (0.0, -0.274788, 0.0), 1),
    ("rwrist", 7, (0.0, -0.258947, 0.0), 0),
    ("lwrist", 12, (0.0, -0.258947, 0.0), 0),
)


def read_deepmimic(path: Path) -> Capture:
    """Read a motion of DeepMimic's humanoid; its axes are OpenSim's, its zero pose stands with arms hanging.

    Raises:
        TrainError: the file is not one.
    """
    n_columns = 4 + sum(n for *_, n in _DEEPMIMIC_BONES)
    try:
        data = np.array(json.loads(path.read_text(encoding="utf-8"))["Frames"], dtype=np.float64)
        if data.ndim != 2 or data.shape[1] != n_columns:
            raise ValueError(f"frames of shape {data.shape}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainError(f"{path}: not a humanoid motion of {n_columns} columns ({error})") from error
    R_local = np.tile(np.eye(3), (len(data), len(_DEEPMIMIC_BONES), 1, 1))
    column = 4
    for j, (*_, n) in enumerate(_DEEPMIMIC_BONES):
        if n == 4:
            R_local[:, j] = quaternions(data[:, column : column + 4])
        elif n == 1:
            R_local[:, j] = _rotations("z", data[:, column])
        column += n
    names = tuple(name for name, *_ in _DEEPMIMIC_BONES)
    bones = _Bones(
        names=names,
        parent=np.array([bone[1] for bone in _DEEPMIMIC_BONES]),
        offset_m=np.array([bone[2] for bone in _DEEPMIMIC_BONES]),
        frame=np.tile(np.eye(3), (len(names), 1, 1)),
    )
    p, R = bones.place(data[:, 1:4], R_local)
    p_known, R_known = bones.place(np.zeros((1, 3)), np.tile(np.eye(3), (1, len(names), 1, 1)))
    return Capture(path.stem, names, 1.0 / data[0, 0], p, R, p_known[0], R_known[0], arms_out=False)


def quaternions(wxyz: FloatArray) -> FloatArray:
    """Rotations of quaternions, normalised first. Shape: (..., 4) to (..., 3, 3)."""
    w, x, y, z = np.moveaxis(wxyz / np.linalg.norm(wxyz, axis=-1, keepdims=True), -1, 0)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return np.stack(rows, axis=-1).reshape(*w.shape, 3, 3)
