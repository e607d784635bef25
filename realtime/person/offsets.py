"""Where landmarks lie on this person, learned from the frames seen so far.

BlazePose puts everybody's landmarks at much the same places of a body, but not quite: at the upper edge of
dark socks instead of the ankle, at the pockets instead of the hip. Such an offset stays with the person, and
makes a straight leg look short, which a single image explains as bent. While somebody stands in the neutral
pose (`realtime.person.neutral_pose`) the angles are known, so what remains between landmarks and skeleton is
the offset. Afterwards every frame is corrected by it before the lift network and the solver see it.

An offset has two parts. Across the line of sight it is where the landmark lies on the body, and turns with
the body. Along the line of sight it is an error of the network's depth, which belongs to the view: it fades
as the person turns away from the direction in which it was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.coordinates import stem_of
from calib.kinematics import forward_kinematics, station_positions
from calib.skeleton import Skeleton
from calib.subject import POINT_PREFIX, LandmarkOffset
from calib.tree import KinematicTree
from engines.blazepose.pose_landmark import N_LANDMARKS, PoseLandmark
from engines.blazepose.tracker import BlazePoseResult
from engines.features.patches import POINT_NAMES
from realtime.pose.landmark_model import LandmarkModel
from realtime.pose.observation import rotation_to_ray
from realtime.pose.solver import Prior

Array = NDArray[np.float64]

LEARNING_S = 0.7
"""How long neutral frames are averaged."""
MIN_FRAMES = 5
POPULATION_ACROSS_M, POPULATION_ALONG_M = 0.05, 0.10
"""Standard deviations of offsets among people."""
MEASURED_M = 0.015
"""Standard deviation of an offset as one neutral pose gives it: people do not stand quite as expected."""
CORRECTED_BODIES = ("femur", "tibia", "talus", "calcn", "toes")
"""Legs alone: what arms and head do in the neutral pose is not known."""
NEUTRAL_DEG: dict[str, tuple[float, float]] = {
    "pelvis_tilt": (0.0, 5.0),
    "pelvis_list": (0.0, 2.0),
    "hip_flexion": (0.0, 5.0),
    "hip_adduction": (-3.0, 4.0),
    "knee_angle": (2.0, 3.0),
    "ankle_angle": (3.0, 3.0),
    "subtalar_angle": (0.0, 4.0),
    "mtp_angle": (0.0, 3.0),
    "lumbar_extension": (-4.0, 5.0),
    "lumbar_bending": (0.0, 3.0),
    "lumbar_rotation": (0.0, 3.0),
}
"""Mean and standard deviation of coordinates among adults who stand upright. Some turn their toes out by 15
degrees, so the hips' rotation is left to the expected pose."""


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkOffsets:
    """Offsets of one person's landmarks from those of the model."""

    across_m: Array
    """Seen across the line of sight, in the bodies' frames, unscaled. Shape: (n_stations, 3)."""
    along_m: Array
    """Along the line of sight, unscaled. Shape: (n_stations,)."""
    view: Array
    """Direction from the camera in the bodies' frames while this was measured. Shape: (n_stations, 3)."""

    @classmethod
    def of(cls, by_landmark: Mapping[str, LandmarkOffset], model: LandmarkModel) -> LandmarkOffsets:
        """Offsets by name of the landmark as arrays; those of other landmarks are 0."""
        n = len(model.landmark)
        found = cls(np.zeros((n, 3)), np.zeros(n), np.zeros((n, 3)))
        for k, landmark in enumerate(model.landmark.tolist()):
            offset = by_landmark.get(landmark_name(landmark))
            if offset is not None:
                found.across_m[k], found.along_m[k] = offset.across_m, offset.along_m
                found.view[k] = offset.view
        return found

    def by_landmark(self, model: LandmarkModel) -> dict[str, LandmarkOffset]:
        """The offsets that are not 0, by name of the landmark."""
        return {
            landmark_name(int(landmark)): LandmarkOffset(
                tuple(self.across_m[k].tolist()), float(self.along_m[k]), tuple(self.view[k].tolist())
            )
            for k, landmark in enumerate(model.landmark)
            if self.across_m[k].any() or self.along_m[k]
        }

    def in_cm(self, model: LandmarkModel, scale_factors: Array) -> dict[str, dict[str, float]]:
        """The offsets that are not 0, in cm along the axes of OpenSim's bodies and the line of sight."""
        factors = scale_factors[model.station_body]
        table = {}
        for k, landmark in enumerate(model.landmark.tolist()):
            forward, up, right = (100.0 * self.across_m[k] * factors[k]).tolist()
            behind = 100.0 * float(self.along_m[k] * factors[k].mean())
            row = {"forward": forward, "up": up, "right": right, "behind": behind}
            if any(row.values()):
                table[landmark_name(landmark)] = {name: round(value, 1) for name, value in row.items()}
        return table


def landmark_name(landmark: int) -> str:
    """Name of a landmark in files, such as "right_ankle", or of a point, such as "point_rajc"."""
    if landmark >= N_LANDMARKS:
        return f"{POINT_PREFIX}{POINT_NAMES[landmark - N_LANDMARKS].lower()}"
    return PoseLandmark(landmark).name.lower()


def neutral_prior(skeleton: Skeleton, prior: Prior) -> Prior:
    """The expected pose of somebody who stands in the neutral pose: arms and head as `prior` has them."""
    q, weight = prior.q.copy(), prior.weight.copy()
    for k, name in enumerate(skeleton.coordinate_names):
        if (known := NEUTRAL_DEG.get(stem_of(name))) is not None:
            q[k], weight[k] = np.radians(known[0]), np.radians(known[1]) ** -2.0
    return replace(prior, q=q, weight=weight, information=None)


class PersonModel:
    """The offsets of one person, and what they change.

    Args:
        skeleton: The skeleton.
        model: Landmark stations of the skeleton.
        camera: Intrinsics and position of the camera.
        offsets: Offsets measured before; None learns them.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        model: LandmarkModel,
        camera: CameraCalibration,
        offsets: LandmarkOffsets | None = None,
    ) -> None:
        self._skeleton, self._model, self._camera = skeleton, model, camera
        self._measured = offsets
        self._T_ground_cam = np.ascontiguousarray(camera.T_ground_cam, dtype=np.float64)
        self._R, self._t = camera.T_ground_cam[:3, :3].copy(), camera.T_ground_cam[:3, 3].copy()
        self._T = np.empty((skeleton.n_bodies, 4, 4))
        self._points_m = np.empty((len(model.landmark), 3))
        self._is_corrected = np.array(
            [stem_of(skeleton.body_names[body]) in CORRECTED_BODIES for body in model.station_body]
        )
        self.reset()

    def reset(self) -> None:
        """Forget the person, except for what was measured before."""
        self.offsets: LandmarkOffsets | None = self._measured
        """None until the person is known."""
        self.interrupt()

    def unlearn(self) -> None:
        """Forget also what was measured before."""
        self._measured = None
        self.reset()

    @property
    def is_known(self) -> bool:
        """Whether offsets are known; they stay until the person is forgotten."""
        return self.offsets is not None

    @property
    def learning_left_s(self) -> float:
        """How much longer the neutral pose has to last; NaN unless the last frame showed it."""
        return LEARNING_S - 1e-9 * (self._last_ns - self._since_ns) if self._sums else np.nan

    def interrupt(self) -> None:
        """Drop what was averaged: the person left the neutral pose too soon."""
        self._sums: list[LandmarkOffsets] = []
        self._since_ns = self._last_ns = 0

    def learn(self, t_ns: int, q: Array, scale_factors: Array, rays: Array, depth_m: Array) -> bool:
        """Take in one frame of the neutral pose.

        Args:
            t_ns: Capture time.
            q: Coordinates, found with `neutral_prior`. Shape: (n_q,).
            scale_factors: Shape: (n_bodies, 3).
            rays: Rays of the stations' landmarks, at depth 1. Shape: (n_stations, 3).
            depth_m: Depths of these landmarks as the network gives them. Shape: (n_stations,).

        Returns:
            Whether the person has just become known.
        """
        p_cam_m, R_cam_body, scale = self._place(q, scale_factors)
        across_cam_m = rays * p_cam_m[:, 2:] - p_cam_m
        view = p_cam_m / np.linalg.norm(p_cam_m, axis=1, keepdims=True)
        across_cam_m -= view * (view * across_cam_m).sum(1, keepdims=True)
        self._sums.append(
            LandmarkOffsets(
                across_m=np.einsum("nji,nj->ni", R_cam_body, across_cam_m) / scale,
                along_m=(depth_m - p_cam_m[:, 2]) / scale.mean(1),
                view=np.einsum("nji,nj->ni", R_cam_body, view),
            )
        )
        self._since_ns, self._last_ns = self._since_ns if len(self._sums) > 1 else t_ns, t_ns
        if t_ns - self._since_ns < 1e9 * LEARNING_S or len(self._sums) < MIN_FRAMES:
            return False
        self.offsets = self._mean()
        self.interrupt()
        return True

    def correct(
        self, result: BlazePoseResult, world_m: Array, q: Array, scale_factors: Array, world_scale: float
    ) -> tuple[BlazePoseResult, Array]:
        """The landmarks as they would lie on a person like the model.

        Args:
            result: Landmarks of one frame.
            world_m: The same in metres, in camera axes. Shape: (33, 3).
            q: Coordinates of the frame before. Shape: (n_q,).
            scale_factors: Shape: (n_bodies, 3).
            world_scale: Factor from the network's metres to this person's.

        Returns:
            Both arguments, corrected; unchanged as long as the person is not known.
        """
        if self.offsets is None:
            return result, world_m
        k, used = self._camera.intrinsics, self._model.landmark
        p_cam_m, across_m, along_m = turned_offsets(
            self._skeleton.tree,
            np.array(q, dtype=np.float64),
            np.array(scale_factors, dtype=np.float64),
            self._model.station_body,
            self._model.station_m,
            self._T_ground_cam,
            self.offsets.across_m,
            self.offsets.along_m,
            self.offsets.view,
        )
        off_px, on_px = k.project(np.array([p_cam_m + across_m, p_cam_m]))
        landmarks_px = result.landmarks_px.copy()
        landmarks_px[used, :2] -= np.nan_to_num(off_px - on_px)
        shift_m = across_m / world_scale
        shift_m[:, 2] += along_m / world_scale
        centre_px = np.array([result.roi.centre_x_px, result.roi.centre_y_px])
        corrected_m, region_m = world_m.copy(), result.world_m.copy()
        corrected_m[used] -= shift_m
        region_m[used] -= shift_m @ rotation_to_ray(centre_px, k)
        return replace(result, landmarks_px=landmarks_px, world_m=region_m), corrected_m

    def _place(self, q: Array, scale_factors: Array) -> tuple[Array, Array, Array]:
        """Stations in the camera, their bodies' rotations, scales. Shapes: (n, 3), (n, 3, 3), (n, 3)."""
        factors, body = np.array(scale_factors, dtype=np.float64), self._model.station_body
        forward_kinematics(self._skeleton.tree, np.array(q, dtype=np.float64), factors, self._T)
        station_positions(self._T, body, self._model.station_m * factors[body], self._points_m)
        return (self._points_m - self._t) @ self._R, self._R.T @ self._T[body, :3, :3], factors[body]

    def _mean(self) -> LandmarkOffsets:
        """Posterior mean given the population: offsets shrink by P / (P + R)."""
        across, along = (
            sigma**2 / (sigma**2 + MEASURED_M**2) for sigma in (POPULATION_ACROSS_M, POPULATION_ALONG_M)
        )
        counts = self._is_corrected.astype(np.float64)
        view = np.mean([one.view for one in self._sums], 0)
        return LandmarkOffsets(
            across_m=across * counts[:, None] * np.mean([one.across_m for one in self._sums], 0),
            along_m=along * counts * np.mean([one.along_m for one in self._sums], 0),
            view=view / np.linalg.norm(view, axis=1, keepdims=True),
        )


@njit(cache=True, nogil=True)
def turned_offsets(
    tree: KinematicTree, q: Array, scale_factors: Array, station_body: NDArray[np.int64], station_m: Array,
    T_ground_cam: Array, across_m: Array, along_m: Array, view: Array,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Stations in the camera and their offsets, for a pose.

    With the stations p and their bodies' rotations R in the camera, and scale factors f:
    across = R (f across_m), along = mean(f) along_m max(0, view' R' p / |p|)^2.

    Args:
        tree: The skeleton's arrays.
        q: Coordinates. Shape: (n_q,).
        scale_factors: Shape: (n_bodies, 3).
        station_body: Body of each station. Shape: (n,).
        station_m: Stations in their bodies, unscaled. Shape: (n, 3).
        T_ground_cam: Pose of the camera. Shape: (4, 4).
        across_m: Offsets of `LandmarkOffsets`. Shape: (n, 3).
        along_m: Shape: (n,).
        view: Shape: (n, 3).

    Returns:
        Stations, offsets across and offsets along the line of sight, in m. Shapes: (n, 3), (n, 3), (n,).
    """
    n = station_body.shape[0]
    T, points_m, p_cam_m = np.empty((tree.bodies.shape[0], 4, 4)), np.empty((n, 3)), np.empty((n, 3))
    across_cam_m, along_cam_m, R = np.empty((n, 3)), np.empty(n), np.empty((3, 3))
    forward_kinematics(tree, q, scale_factors, T)
    station_positions(T, station_body, station_m * scale_factors[station_body], points_m)
    for k in range(n):
        body, cosine = station_body[k], 0.0
        for i in range(3):
            p_cam_m[k, i] = across_cam_m[k, i] = 0.0
            for j in range(3):
                p_cam_m[k, i] += T_ground_cam[j, i] * (points_m[k, j] - T_ground_cam[j, 3])
                R[i, j] = (T_ground_cam[:3, i] * T[body, :3, j]).sum()
                across_cam_m[k, i] += R[i, j] * scale_factors[body, j] * across_m[k, j]
        for i in range(3):
            for j in range(3):
                cosine += p_cam_m[k, i] * R[i, j] * view[k, j]
        cosine /= np.sqrt((p_cam_m[k] ** 2).sum())
        along_cam_m[k] = along_m[k] * scale_factors[body].mean() * max(cosine, 0.0) ** 2
    return p_cam_m, across_cam_m, along_cam_m
