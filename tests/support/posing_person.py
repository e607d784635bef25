"""A person known exactly, and the landmarks that a network with known faults would find on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from calib.camera import CameraCalibration
from calib.kinematics import body_transforms
from calib.skeleton import Skeleton
from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi
from realtime.pose.landmark_model import LandmarkModel
from realtime.pose.observation import rotation_to_ray

HIPS, ANKLES = (23, 24), (27, 28)
SOCKS: dict[int, tuple[float, float, float]] = {
    **dict.fromkeys(HIPS, (0.0, -0.05, 0.0)),
    **dict.fromkeys(ANKLES, (0.0, 0.06, 0.0)),
}
"""Offsets of hips and ankles in their bodies' frames, in m, as seen on a man in dark socks."""
STANDING = {"hip_flexion": 0.0, "knee_angle": 2.0, "ankle_angle": 3.0, "lumbar_extension": -4.0}
"""Coordinates of both sides in deg, of somebody standing upright."""


@dataclass(frozen=True)
class PosingPerson:
    """Somebody in front of a level camera, whose feet stay where they are."""

    skeleton: Skeleton
    model: LandmarkModel
    camera: CameraCalibration = field(default_factory=lambda: CameraCalibration.assumed(640, 480))
    offsets_m: Mapping[int, tuple[float, float, float]] = field(default_factory=dict)
    """Of landmarks, in their bodies' frames."""
    depth_error_m: float = 0.0
    """Deviation of the network's depths, the same in all frames."""
    depth_gain: float = 1.0
    """Depths of the network over true ones: images show them poorly."""
    noise_px: float = 0.0
    distance_m: float = 3.0
    aside_m: float = 0.0

    def coordinates(self, turn_deg: float = 0.0, **angles_deg: float) -> np.ndarray:
        """Coordinates in rad and m: both sides alike unless the side is named."""
        q = self.skeleton.q_default.copy()
        for name, value in angles_deg.items():
            for stem in (name, f"{name}_r", f"{name}_l"):
                if stem in self.skeleton.coordinate_names:
                    q[self.skeleton.coordinate_index(stem)] = np.radians(value)
        q[self.skeleton.coordinate_index("pelvis_rotation")] += np.radians(turn_deg)
        shifts = [self.skeleton.coordinate_index(f"pelvis_t{axis}") for axis in "xyz"]
        q[shifts] = 0.0
        ankles = [self.skeleton.body_index(f"talus_{side}") for side in "rl"]
        centre_m = body_transforms(self.skeleton, q)[ankles, :3, 3].mean(0)
        q[shifts] = np.array([-self.distance_m, -0.85, self.aside_m]) - centre_m
        return q

    def see(self, q: np.ndarray, seed: int = 0) -> BlazePoseResult:
        """What the network says about one frame."""
        T = body_transforms(self.skeleton, q)[self.model.station_body]
        station_m = self.model.station_m.copy()
        for k, landmark in enumerate(self.model.landmark.tolist()):
            station_m[k] += self.offsets_m.get(landmark, (0.0, 0.0, 0.0))
        p_ground_m = np.einsum("nij,nj->ni", T[:, :3, :3], station_m) + T[:, :3, 3]
        R, t = self.camera.T_ground_cam[:3, :3], self.camera.T_ground_cam[:3, 3]
        p_cam_m = np.zeros((33, 3))
        p_cam_m[:] = ((p_ground_m - t) @ R)[0]
        p_cam_m[self.model.landmark] = (p_ground_m - t) @ R
        noise = np.random.default_rng(seed).normal(0.0, 1.0, (33, 2))
        px = self.camera.intrinsics.project(p_cam_m) + self.noise_px * noise
        depth_errors_m = self.depth_error_m * np.random.default_rng(1).normal(0.0, 1.0, 33)
        relative_m = p_cam_m - p_cam_m[list(HIPS)].mean(0)
        relative_m[:, 2] = self.depth_gain * relative_m[:, 2] + depth_errors_m
        centre_px = px.mean(0)
        size_px = float(1.25 * np.ptp(px, axis=0).max())
        return BlazePoseResult(
            landmarks_px=np.concatenate([px, np.zeros((33, 1))], 1),
            world_m=relative_m @ rotation_to_ray(centre_px, self.camera.intrinsics),
            visibility=np.ones(33),
            presence=np.ones(33),
            score=1.0,
            roi=Roi(float(centre_px[0]), float(centre_px[1]), size_px, 0.0),
            auxiliary_px=np.zeros((2, 3)),
            detected=False,
        )


def standing_then_squat(
    person: PosingPerson, *, rate_hz: float = 20.0, stand_s: float = 2.0, squat_s: float = 3.0
) -> Iterator[tuple[int, np.ndarray]]:
    """Times in ns and coordinates: quiet standing, then down to a knee of 100 degrees and up again."""
    for k in range(round((stand_s + squat_s) * rate_hz)):
        t_s = k / rate_hz
        depth = 0.5 - 0.5 * np.cos(2.0 * np.pi * max(t_s - stand_s, 0.0) / squat_s)
        angles = {
            "hip_flexion": 90.0 * depth,
            "knee_angle": 2.0 + 98.0 * depth,
            "ankle_angle": 3.0 + 22.0 * depth,
            "lumbar_extension": -4.0 - 6.0 * depth,
            "pelvis_tilt": -15.0 * depth,
        }
        yield round(1e9 * t_s), person.coordinates(**angles)
