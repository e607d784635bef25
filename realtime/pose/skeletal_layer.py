"""From an estimate of the coordinates to a finished sample: smoothing, limits, bodies in ground.

Every estimator ends here, so that smoothing, limits and the meaning of "lost" are the same for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import stem_of
from calib.kinematics import apply_couplers, forward_kinematics, scaled_markers, station_positions
from calib.pelvis import clinical_angles
from calib.skeleton import Skeleton
from realtime.pose.estimate import Estimate
from realtime.pose.ground import PersonGround
from realtime.pose.one_euro import BETA, FAST_PER_S, MIN_CUTOFF_HZ, OneEuroFilter, OneEuroSettings
from realtime.pose.temporal_network import TemporalNetwork
from realtime.sample import Frame, PoseSample, SampleGround, Status, UnsmoothedPose

Array = NDArray[np.float64]


WELL_KNOWN_RAD, WELL_KNOWN_ROOT_RAD = np.radians(12.0), np.radians(6.0)
"""Angles with a larger standard deviation are smoothed more, by their variance."""
GUESS_RAD, GUESS_ARM_RAD = np.radians(18.0), np.radians(24.0)
"""Angles with a larger standard deviation are guesses, and hold still: it is 12 degrees for legs in view, 20
for arms, which move more, and 20 to 60 for legs out of view."""
ARM = ("arm_", "elbow_", "pro_sup", "wrist_")
TRUNK = ("pelvis_", "lumbar_", "hip_adduction", "hip_rotation")
FASTEST_TRUNK_RAD_PER_S = 10.0
"""Pelvis and spine turn no faster in a golfer's swing, nor do hips other than in flexion."""
TRANSLATION_MIN_CUTOFF_HZ, TRANSLATION_BETA = 2.0, 16.0
"""A step in a walk is slow in m/s and fast in rad/s. With the angles' constants the skeleton trailed a
walking person by 5 of their 400 pixels, with these by 2, and jittered by 0.9 pixels instead of 0.7."""


FOOT_SHOWN = 0.5
"""Probability of being in the image from which a foot is in view."""
STEADY_HZ = 10.0
"""After the temporal network, only jumps are left to hold back."""


def is_root(skeleton: Skeleton) -> NDArray[np.bool_]:
    """Coordinates that move the whole skeleton in ground.

    Models limit them to what one laboratory's trials need; a person in front of a camera turns around,
    so their limits are not anatomical and not applied. Shape: (n_q,).
    """
    return np.array([name.startswith("pelvis_") for name in skeleton.coordinate_names])


class SkeletalLayer:
    """Smooths coordinates, keeps them within their limits and computes the bodies' poses.

    Args:
        skeleton: The skeleton.
        smoothing: Whether the One-Euro filter runs; without it, speeds are those of the estimate, or NaN.
        temporal: Temporal network that runs before it, for estimates with standard deviations.
        ground: Ground that samples are published in; None publishes them in the camera's.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        smoothing: bool = True,
        temporal: TemporalNetwork | None = None,
        ground: PersonGround | None = None,
    ) -> None:
        self.skeleton = skeleton
        n_q = skeleton.n_q
        self._temporal = temporal
        self._filter = _smoother(skeleton, temporal) if smoothing else None
        limited = skeleton.is_clamped & ~is_root(skeleton)
        self._lower = np.where(limited, skeleton.q_lower, -np.inf)
        self._upper = np.where(limited, skeleton.q_upper, np.inf)
        self._gain = np.empty(n_q)
        self._ground = ground
        names = skeleton.coordinate_names
        self._ankles = [k for k, name in enumerate(names) if stem_of(name) == "ankle_angle"]
        self._pelvis = skeleton.body_index("pelvis") if "pelvis" in skeleton.body_names else None

    @property
    def lag_s(self) -> float:
        """Mean delay that smoothing has added to moving coordinates so far; 0 without smoothing."""
        lag_s = 0.0 if self._temporal is None else self._temporal.lag_s
        if self._filter is None:
            return lag_s
        lags = self._filter.mean_lag_s
        return lag_s + (float(np.nanmean(lags)) if np.isfinite(lags).any() else 0.0)

    def reset(self) -> None:
        """Forget the person; the ground stays."""
        if self._ground is not None:
            self._ground.forget_person()
        if self._temporal is not None:
            self._temporal.reset()
        if self._filter is not None:
            self._filter.reset()

    def forget_ground(self) -> None:
        """Forget the ground of the run."""
        if self._ground is not None:
            self._ground.reset()

    def step(
        self,
        frame: Frame,
        estimate: Estimate,
        stage_ns: dict[str, int],
        correct: Callable[[Array, Array], None] | None = None,
    ) -> PoseSample:
        """Finish one estimate.

        Args:
            frame: Frame of the estimate.
            estimate: Coordinates of the frame.
            stage_ns: Time spent so far; `skeletal_layer` is added.
            correct: Function that changes coordinates and speeds in place after smoothing, without lag.
        """
        start_ns = time.perf_counter_ns()
        q_frame = estimate.q
        if self._temporal is not None:
            estimate = self._temporal.refine(estimate, frame.t_capture_ns)
        q, qdot = self._smooth(frame.t_capture_ns, estimate)
        scale_factors = np.array(estimate.scale_factors, dtype=np.float64)
        unsmoothed = self._unsmoothed(q_frame, q, scale_factors)
        np.clip(q, self._lower, self._upper, out=q)
        if correct is not None:
            correct(q, qdot)
        T, markers_m = self._pose(q, scale_factors)
        status, ground = estimate.status, None
        if self._ground is not None:
            ground = self._publish(frame.t_capture_ns, estimate, q, qdot, T, markers_m)
            status = status if ground is None or ground.is_settled else Status.WARM_UP
        stage_ns["skeletal_layer"] = time.perf_counter_ns() - start_ns
        return PoseSample(
            frame_id=frame.frame_id,
            t_capture_ns=frame.t_capture_ns,
            status=status,
            q=q,
            qdot=qdot,
            confidence=np.where(np.isfinite(q), _confidence(estimate), 0.0),
            scale_factors=scale_factors,
            T_ground_body=T,
            markers_m=markers_m,
            box_px=estimate.box_px,
            stage_ns=stage_ns,
            foot_contact=np.full(2, np.nan) if estimate.foot_contact is None else estimate.foot_contact,
            unsmoothed=unsmoothed,
            pelvic_angles=self._pelvic_angles(T),
            ground=ground,
        )

    def _pose(self, q: Array, scale_factors: Array) -> tuple[Array, Array]:
        """Bodies and markers; sets coupled coordinates in `q`. Shapes: (n_bodies, 4, 4), (n_markers, 3)."""
        skeleton = self.skeleton
        T, markers_m = np.empty((skeleton.n_bodies, 4, 4)), np.empty((skeleton.n_markers, 3))
        # Smoothing and limits may have pulled coupled coordinates apart.
        apply_couplers(skeleton.tree, q, scale_factors, self._gain)
        forward_kinematics(skeleton.tree, q, scale_factors, T)
        scaled_markers(skeleton.tree, scale_factors, markers_m)
        station_positions(T, skeleton.tree.marker_body, markers_m, markers_m)
        return T, markers_m

    def _unsmoothed(self, q_frame: Array, q_smooth: Array, scale_factors: Array) -> UnsmoothedPose | None:
        """The pose of this frame alone; None without smoothing.

        Guesses are held still here, too: legs outside the image would jump about.
        """
        if self._filter is None and self._temporal is None:
            return None
        apart = q_frame - q_smooth
        apart = np.where(self.skeleton.is_rotational, (apart + np.pi) % (2.0 * np.pi) - np.pi, apart)
        q = q_smooth + (1.0 if self._filter is None else self._filter.firmness) * apart
        np.clip(q, self._lower, self._upper, out=q)
        return UnsmoothedPose(q, *self._pose(q, scale_factors))

    def lost(self, frame: Frame, stage_ns: dict[str, int]) -> PoseSample:
        """The sample of a frame without a person."""
        skeleton = self.skeleton
        return PoseSample(
            frame_id=frame.frame_id,
            t_capture_ns=frame.t_capture_ns,
            status=Status.LOST,
            q=np.full(skeleton.n_q, np.nan),
            qdot=np.full(skeleton.n_q, np.nan),
            confidence=np.zeros(skeleton.n_q),
            scale_factors=np.full((skeleton.n_bodies, 3), np.nan),
            T_ground_body=np.full((skeleton.n_bodies, 4, 4), np.nan),
            markers_m=np.full((skeleton.n_markers, 3), np.nan),
            box_px=np.full(4, np.nan),
            stage_ns=stage_ns,
            ground=None if self._ground is None else self._ground.published,
        )

    def _smooth(self, t_ns: int, estimate: Estimate) -> tuple[Array, Array]:
        """Coordinates and speeds, smoothed where the person's turn does not matter. Shapes: (n_q,) each."""
        q, qdot = estimate.q.copy(), np.full(self.skeleton.n_q, np.nan)
        if self._filter is None:
            if estimate.qdot is not None:
                qdot[:] = estimate.qdot
            return q, qdot
        if self._ground is not None:
            q = self._ground.face(q)
        self._filter.step(t_ns, q, q, qdot, estimate.sigma)
        if self._ground is not None:
            q = self._ground.face(q, qdot, back=True)
        return q, qdot

    def _publish(
        self, t_ns: int, estimate: Estimate, q: Array, qdot: Array, T: Array, markers_m: Array
    ) -> SampleGround | None:
        """Move a sample into the published ground, in place."""
        assert self._ground is not None
        seen = estimate.in_picture
        shows_feet = seen is None or not self._ankles or bool(seen[self._ankles].max() > FOOT_SHOWN)
        self._ground.see(
            t_ns,
            q,
            T,
            float(estimate.scale_factors.mean()),
            is_known=estimate.status is Status.TRACKING,
            shows_feet=shows_feet,
        )
        self._ground.publish(q, qdot, T, markers_m)
        return self._ground.published

    def _pelvic_angles(self, T: Array) -> Array:
        return np.full(3, np.nan) if self._pelvis is None else clinical_angles(T[self._pelvis, :3, :3])


def _confidence(estimate: Estimate) -> Array:
    return estimate.confidence if estimate.in_picture is None else estimate.confidence * estimate.in_picture


def _smoother(skeleton: Skeleton, temporal: TemporalNetwork | None) -> OneEuroFilter:
    is_angle = skeleton.is_rotational
    steady_hz = np.zeros(skeleton.n_q)
    if temporal is not None:
        steady_hz[temporal.index] = STEADY_HZ
    is_trunk, is_arm = (
        is_angle & np.array([name.startswith(part) for name in skeleton.coordinate_names])
        for part in (TRUNK, ARM)
    )
    settings = OneEuroSettings(
        min_cutoff_hz=np.where(is_angle, MIN_CUTOFF_HZ, TRANSLATION_MIN_CUTOFF_HZ),
        steady_hz=steady_hz,
        beta=np.where(is_angle, BETA, TRANSLATION_BETA),
        is_angle=is_angle,
        well_known=np.where(
            is_angle, np.where(is_root(skeleton), WELL_KNOWN_ROOT_RAD, WELL_KNOWN_RAD), np.inf
        ),
        guess=np.where(is_angle, np.where(is_arm, GUESS_ARM_RAD, GUESS_RAD), np.inf),
        fastest=np.where(is_trunk, FASTEST_TRUNK_RAD_PER_S, FAST_PER_S),
    )
    return OneEuroFilter(skeleton.n_q, settings)
