"""Fits the skeleton to a resting mesh: scale factors and resting coordinates, as a motion laboratory would.

Weighted least squares over the targets of `train.bodies.fit_targets`, with two priors: scale factors stay
near stature (published adults differ by about 5 % in the proportions of a segment), and coordinates stay near
the upright pose that OpenCap's scaling set-up assumes, with its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIS_TRANSLATIONS, stem_of
from calib.kinematics import forward_kinematics
from calib.skeleton import Skeleton
from train.bodies.bodies import BodyModel, BodyShape
from train.bodies.fit_targets import direction_targets, point_targets
from train.errors import TrainError

# Stature of the people whom the skeleton's unscaled dimensions describe.
MODEL_STATURE_M = 1.75

# Bodies that share scale factors, and the axes that share one factor. Left and right are alike.
_GROUPS: tuple[tuple[tuple[str, ...], tuple[int, int, int]], ...] = (
    (("pelvis",), (0, 0, 1)),
    (("femur", "patella"), (0, 0, 0)),
    (("tibia",), (0, 0, 0)),
    (("talus", "calcn", "toes"), (0, 0, 0)),
    (("torso",), (0, 0, 1)),
    (("neck", "head"), (0, 0, 0)),
    (("humerus",), (0, 0, 0)),
    (("ulna", "radius"), (0, 0, 0)),
    (("hand",), (0, 0, 0)),
)
_PROPORTION_SIGMA = 0.06

# Value in degrees and spread in degrees. Of OpenCap's scaling: weight 0.1 on coordinates in rad against 10
# on markers in m, with a marker's spread of 10 mm, is 5.7 degrees.
_COORDINATE_PRIOR_DEG: dict[str, tuple[float, float]] = {
    "hip_flexion": (0.0, 5.7),
    "knee_angle": (0.0, 5.7),
    "ankle_angle": (5.0, 5.7),
    "subtalar_angle": (0.0, 5.0),
    "mtp_angle": (0.0, 0.5),
    "lumbar_extension": (0.0, 5.7),
    "lumbar_bending": (0.0, 1.0),
    "lumbar_rotation": (0.0, 1.0),
    "neck_bending": (0.0, 1.0),
    "neck_rotation": (0.0, 1.0),
}
# Anny's resting arms: spread sideways, elbows bent.
_START_DEG = {"arm_flex": 0.0, "arm_add": -45.0, "elbow_flex": 40.0, "pro_sup": 60.0, "hip_adduction": -6.0}
_WEAK_PRIOR_SIGMA = np.radians(60.0)
_MAX_STEPS = 60


@dataclass(frozen=True, slots=True, eq=False)
class FittedBody:
    """The skeleton inside one resting mesh."""

    q_rest: NDArray[np.float64]
    """Coordinates of the resting mesh, in rad and m. Shape: (n_q,)."""
    scale_factors: NDArray[np.float64]
    """Shape: (n_bodies, 3)."""
    T_rest: NDArray[np.float64]
    """T_ground_body at rest. Shape: (n_bodies, 4, 4)."""
    residual_m: dict[str, float]
    """Distance of each joint centre from where the mesh has it."""


class BodyFitter:
    """Fits many adults of one body model with one skeleton."""

    def __init__(self, skeleton: Skeleton, model: BodyModel) -> None:
        """Prepare what all adults share.

        Raises:
            SkeletonError: the skeleton lacks a body that a target is on.
        """
        self.skeleton, self.model = skeleton, model
        self._free = np.flatnonzero(~(skeleton.is_locked | skeleton.is_dependent))
        self._start, self._prior, self._sigma = _coordinate_priors(skeleton)
        self._scale_index = _scale_index(skeleton)
        self._n_scales = int(self._scale_index.max()) + 1

    def fit(self, shape: BodyShape) -> FittedBody:
        """Fit one adult.

        Raises:
            TrainError: the fit does not settle.
        """
        problem = _Problem(self, shape)
        x = np.concatenate([problem.start, np.zeros(self._n_scales)])
        x = _levenberg_marquardt(problem.residuals, x)
        q, scale, T = problem.pose(x)
        return FittedBody(q, scale, T.copy(), problem.centre_residuals(T, scale))


class _Problem:
    """Residuals of one adult."""

    def __init__(self, fitter: BodyFitter, shape: BodyShape) -> None:
        self.f = fitter
        skeleton = fitter.skeleton
        points = point_targets(skeleton, fitter.model, shape)
        directions = direction_targets(fitter.model, shape)
        self.points = points
        self.point_body = np.array([skeleton.body_index(p.body) for p in points])
        self.station = np.array([p.station_m for p in points])
        self.position = np.array([p.position_m for p in points])
        self.point_sigma = np.array([p.sigma_m for p in points])[:, None]
        self.direction_body = np.array([skeleton.body_index(d.body) for d in directions])
        self.in_body = np.array([d.in_body for d in directions])
        self.in_ground = np.array([d.in_ground for d in directions])
        self.direction_sigma = np.array([d.sigma_rad for d in directions])[:, None]
        self.stature_scale = shape.stature_m / MODEL_STATURE_M
        self.start = fitter._start[fitter._free].copy()
        self._T = np.empty((skeleton.n_bodies, 4, 4))

    def pose(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Coordinates, scale factors and body transforms of the unknowns."""
        f = self.f
        q = f._start.copy()
        q[f._free] = x[: len(f._free)]
        scale = self.stature_scale * np.exp(x[len(f._free) :])[f._scale_index]
        forward_kinematics(f.skeleton.tree, q, scale, self._T)
        return q, scale, self._T

    def _points(self, T: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
        station = self.station * scale[self.point_body]
        return np.einsum("pij,pj->pi", T[self.point_body, :3, :3], station) + T[self.point_body, :3, 3]

    def residuals(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        f = self.f
        q, scale, T = self.pose(x)
        turned = np.einsum("dij,dj->di", T[self.direction_body, :3, :3], self.in_body)
        return np.concatenate(
            [
                ((self._points(T, scale) - self.position) / self.point_sigma).ravel(),
                ((turned - self.in_ground) / self.direction_sigma).ravel(),
                ((q - f._prior) / f._sigma)[f._free],
                x[len(f._free) :] / _PROPORTION_SIGMA,
            ]
        )

    def centre_residuals(self, T: NDArray[np.float64], scale: NDArray[np.float64]) -> dict[str, float]:
        distance = np.linalg.norm(self._points(T, scale) - self.position, axis=1)
        return {p.name: float(d) for p, d in zip(self.points, distance, strict=True) if p.is_centre}


def _coordinate_priors(skeleton: Skeleton) -> tuple[NDArray[np.float64], ...]:
    """Starting values, prior values and prior spreads. Each (n_q,)."""
    start = np.zeros(skeleton.n_q)
    prior, sigma = np.zeros(skeleton.n_q), np.full(skeleton.n_q, _WEAK_PRIOR_SIGMA)
    for k, name in enumerate(skeleton.coordinate_names):
        stem = stem_of(name)
        start[k] = np.radians(_START_DEG.get(stem, 0.0))
        if stem in _COORDINATE_PRIOR_DEG:
            prior[k], sigma[k] = np.radians(_COORDINATE_PRIOR_DEG[stem])
    start[skeleton.coordinate_index("pelvis_ty")] = 1.0
    sigma[[skeleton.coordinate_index(name) for name in PELVIS_TRANSLATIONS]] = 1e3
    return start, prior, sigma


def _scale_index(skeleton: Skeleton) -> NDArray[np.int64]:
    """Which unknown scales each body along each axis. Shape: (n_bodies, 3)."""
    index = np.full((skeleton.n_bodies, 3), -1)
    n = 0
    for stems, axes in _GROUPS:
        for body, name in enumerate(skeleton.body_names):
            if stem_of(name) in stems:
                index[body] = n + np.array(axes)
        n += max(axes) + 1
    if (index < 0).any():
        unknown = [name for name, row in zip(skeleton.body_names, index, strict=True) if row[0] < 0]
        known = ", ".join(stem for stems, _ in _GROUPS for stem in stems)
        raise TrainError(f"cannot fit bodies {', '.join(unknown)}; the fit knows {known}")
    return index


def _levenberg_marquardt(
    residuals: Callable[[NDArray[np.float64]], NDArray[np.float64]], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Least squares by damped steps with a numerical Jacobian."""
    damping, step_size = 1e-3, 1e-6
    r = residuals(x)
    for _ in range(_MAX_STEPS):
        J = np.array([(residuals(x + step_size * e) - r) / step_size for e in np.eye(len(x))]).T
        A, g = J.T @ J, J.T @ r
        while True:
            step = -np.linalg.solve(A + damping * np.diag(np.diag(A) + 1e-9), g)
            trial = residuals(x + step)
            if trial @ trial <= r @ r:
                break
            damping *= 4.0
            if damping > 1e8:
                return x
        improvement = r @ r - trial @ trial
        x, r, damping = x + step, trial, damping / 3.0
        if improvement < 1e-6 * (r @ r):
            return x
    raise TrainError(f"the skeleton does not fit the body after {_MAX_STEPS} steps; residual {r @ r:.3g}")
