"""Data of other projects, made of one rendered walk in their layouts: D3KE on BML-MoVi, ODAH, OpenCap."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

from calib.camera import CameraCalibration, Intrinsics
from calib.kinematics import joint_centres
from calib.scaling import write_scaled_osim
from calib.skeleton import Skeleton, default_skeleton_path
from calib.tables.storage import coordinate_table, write_mot
from train.bodies.puppet import PuppetPool
from train.importing.odah import BODIES, COORDINATES
from train.scene.cameras import Framing, View, crop_similarity, look_at
from train.synth.people import PeopleStream

Array = NDArray[np.float64]

SIDE_PX, FPS, N_FRAMES, FOV_DEG = 320, 30.0, 24, 50.0
LEAD = 5
"""Frames of BML-MoVi's video before its movement."""


@dataclass(frozen=True, slots=True, eq=False)
class FilmedWalk:
    """Images (red green blue) of somebody who walks past a camera that stands still, and the truth."""

    skeleton: Skeleton
    images: list[NDArray[np.uint8]]
    q: Array
    scale_factors: Array
    camera: CameraCalibration

    @property
    def t_s(self) -> Array:
        return np.arange(len(self.q)) / FPS


def film_past(pool: PuppetPool) -> FilmedWalk:
    """Film a walk obliquely from 3.5 m away, chest high."""
    rng = np.random.default_rng(5)
    people = PeopleStream(5, pool=pool, size_px=SIDE_PX)
    person = people.draw_person(rng, duration_s=0.5, fps=FPS)
    duration_s = N_FRAMES / FPS
    motion = people.library.sample(
        rng, duration_s=duration_s, fps=FPS, scale_factors=person.puppet.scale_factors, activity="walk"
    )
    person = replace(person, motion=motion)
    place = motion.q[len(motion.q) // 2, [people.skeleton.coordinate_index(f"pelvis_t{a}") for a in "xyz"]]
    eye = np.array([place[0] + 3.2, 1.3, place[2] + 2.5])
    camera = CameraCalibration(
        Intrinsics.from_fov(SIDE_PX, SIDE_PX, FOV_DEG),
        look_at(eye, np.array([place[0], 0.85, place[2]]), 0.0),
    )
    whole = crop_similarity(np.full(2, SIDE_PX / 2.0), float(SIDE_PX), 0.0, SIDE_PX)
    view = View(camera, whole, SIDE_PX, Framing.FULL_BODY)
    scene = replace(people.clip_scene(person, rng, Framing.FULL_BODY), view=view)
    n = min(N_FRAMES, motion.n_frames)
    images = [people.render(scene, person, k, rng, view).picture.image for k in range(n)]
    return FilmedWalk(people.skeleton, images, motion.q[:n], person.puppet.scale_factors, camera)


def write_video(path: Path, images: list[NDArray[np.uint8]], codec: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), FPS, (SIDE_PX, SIDE_PX))
    for image in images:
        writer.write(np.ascontiguousarray(image[..., ::-1]))
    writer.release()


def _osim(walk: FilmedWalk, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_scaled_osim(default_skeleton_path(), walk.scale_factors, path)


def _mot(walk: FilmedWalk, path: Path, rate_hz: float, drop: tuple[str, ...], sign: dict[str, float]) -> None:
    """Coordinates at another rate, without some, some with the other sign."""
    path.parent.mkdir(parents=True, exist_ok=True)
    skeleton, time_s = walk.skeleton, np.arange(0.0, walk.t_s[-1] + 1e-9, 1.0 / rate_hz)
    q = np.stack([np.interp(time_s, walk.t_s, column) for column in walk.q.T], 1)
    kept = [k for k, name in enumerate(skeleton.coordinate_names) if name not in drop]
    names = [skeleton.coordinate_names[k] for k in kept]
    values = q[:, kept] * [sign.get(name, 1.0) for name in names]
    write_mot(path, coordinate_table(names, skeleton.is_rotational[kept], time_s, values))


def opencap(walk: FilmedWalk, folder: Path) -> Path:
    """One session with one trial by one camera."""
    session = folder / "OpenCapData_1"
    write_video(session / "Videos/Cam0/InputMedia/walk/walk_sync.mp4", walk.images, "mp4v")
    (session / "sessionMetadata.yaml").write_text("subjectID: s1\nheight_m: 1.7\n")
    _osim(walk, session / "OpenSimData/Model/LaiUhlrich2022_scaled.osim")
    neck = tuple(name for name in walk.skeleton.coordinate_names if name.startswith("neck_"))
    _mot(walk, session / "OpenSimData/Kinematics/walk.mot", 60.0, neck, {})
    return session


def bmlmovi(walk: FilmedWalk, folder: Path) -> Path:
    """One subject by one camera: the knees of D3KE's model bend the other way, and it has other arms."""
    gray = [np.full((SIDE_PX, SIDE_PX, 3), 120, np.uint8)] * LEAD
    write_video(folder / "videos/F_PG1_Subject_1_L.avi", [*gray, *walk.images], "MJPG")
    (folder / "V3D").mkdir()
    flags = np.array([[LEAD + 1, LEAD + len(walk.images)]])
    savemat(folder / "V3D/F_v3d_Subject_1.mat", {"Subject_1_F": {"move": {"flags30": flags}}})
    generated = folder / "BMLmovi/Subject_1_F_MoSh"
    _osim(walk, generated / "scale.osim")
    bend_knees_backwards(generated / "scale.osim")
    arms = tuple(n for n in walk.skeleton.coordinate_names if n.startswith(("arm_", "neck_", "wrist_")))
    knees = {f"knee_angle_{side}": -1.0 for side in "rl"}
    _mot(walk, generated / "IKResults/Subject_1_F_1_poses.mot", 120.0, arms, knees)
    return folder


def bend_knees_backwards(path: Path) -> None:
    """Let the model's knees flex by negative angles."""
    tree = ElementTree.parse(path)
    for axis in tree.iter("TransformAxis"):
        if (axis.findtext("coordinates") or "").strip().startswith("knee_angle_"):
            coefficients = axis.find(".//coefficients")
            assert coefficients is not None and coefficients.text
            values = [float(value) for value in coefficients.text.split()]
            powers = range(len(values) - 1, -1, -1)  # the highest comes first
            coefficients.text = " ".join(str(v * (-1) ** p) for v, p in zip(values, powers, strict=True))
    tree.write(path)


def odah(walk: FilmedWalk, folder: Path) -> Path:
    """One clip in one view."""
    clip, skeleton = "anna_walk_2", walk.skeleton
    for part in (f"images/clip_{clip}/view0/org", f"coords/{clip}", f"points/{clip}", "scales/anna"):
        (folder / part).mkdir(parents=True)
    np.save(folder / "scales/anna/body_scales.npy", np.ones((len(BODIES), 3)))
    for k, image in enumerate(walk.images):
        cv2.imwrite(str(folder / f"images/clip_{clip}/view0/org/frame_{k}.png"), image[..., ::-1])
        coords = [
            walk.q[k, skeleton.coordinate_index(name)] if name in skeleton.coordinate_names else 0.0
            for name in COORDINATES
        ]
        np.save(folder / f"coords/{clip}/frame_{k}_coords.npy", np.array(coords))
        centres = joint_centres(skeleton, walk.q[k], walk.scale_factors)
        joints = [
            centres[skeleton.body_index(name)] if name in skeleton.body_names else np.zeros(3)
            for name in BODIES
        ]
        points = np.concatenate([np.zeros((len(BODIES), 3)), joints])
        np.save(folder / f"points/{clip}/frame_{k}_joint_points.npy", points)
    return folder


LAYOUTS = {"opencap": opencap, "bmlmovi": bmlmovi, "odah": odah}
