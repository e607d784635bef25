"""True positions of BlazePose's landmarks, and the features of a view that predict BlazePose's errors.

Positions are in the frame of a camera that looks at the middle of the region of interest, as BlazePose's
are: x right, y down, z away from the camera.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calib.kinematics import joint_centres, marker_positions
from calib.skeleton import Skeleton
from engines.blazepose.pose_landmark import (
    ANKLES,
    ELBOWS,
    HIPS,
    KNEES,
    N_LANDMARKS,
    SHOULDERS,
    WRISTS,
    PoseLandmark,
)
from engines.features.landmarks import MIRRORED, rotations_to_rays
from train.blazepose.data import CLIP_PX, PICTURE_PX, LiftData

Array = NDArray[np.float64]

_SIDES = (
    ("EYE", "EYE"), ("EYE", "EYE"), ("EYE", "EYE"), ("EAR", "EAR"), ("CHIN", "NOSE"), ("SJC", "SJC"),
    ("EJC", "EJC"), ("WJC", "WJC"), ("PNK", "PNK"), ("IND", "IND"), ("THM", "THM"), ("HJC", "HJC"),
    ("KJC", "KJC"), ("AJC", "AJC"), ("HEE", "HEE"), ("HLX", "HLX"),
)  # fmt: skip
_LEFT = [landmark for landmark in PoseLandmark if "LEFT" in landmark.name]
MIN_DEPTH_SHARE = 0.35
"""Smallest depth in hip depths; points nearer to the camera are projected from there, to stay bounded."""
MIN_DEPTH_M = 0.2
NOMINAL_REGION_M = 2.5
"""Side of the region around a person before the network's own region is known."""
N_FEATURES = 7 * N_LANDMARKS + 10
TRUNK_AND_LIMBS = np.array([*SHOULDERS, *ELBOWS, *WRISTS, *HIPS, *KNEES, *ANKLES])
"""Landmarks that decide how much of a person is visible."""


def _marker_pairs() -> tuple[tuple[str, str], ...]:
    """Two markers for each landmark, which lies midway between them."""
    pairs = [("NOSE", "NOSE")] * N_LANDMARKS
    for left, names in zip(_LEFT, _SIDES, strict=True):
        for landmark, side in ((left, "L"), (left.mirrored, "R")):
            one, other = (name if name in ("CHIN", "NOSE") else side + name for name in names)
            pairs[landmark] = (one, other)
    return tuple(pairs)


MARKER_PAIRS = _marker_pairs()


@dataclass(frozen=True, slots=True, eq=False)
class TrueView:
    """Truth of n images."""

    points_cam_m: Array
    """True landmark positions in the camera. Shape: (n, 33, 3)."""
    camera: Array
    """Focal length and principal point x, y, in px. Shape: (n, 3)."""
    R_ground_cam: Array
    """Shape: (n, 3, 3)."""
    side_px: Array
    """Largest width and height of the image. Shape: (n,)."""

    def __len__(self) -> int:
        return len(self.points_cam_m)

    def rows(self, mask: NDArray[np.bool_] | NDArray[np.int64] | slice) -> TrueView:
        """Some of the images."""
        return TrueView(
            self.points_cam_m[mask], self.camera[mask], self.R_ground_cam[mask], self.side_px[mask]
        )

    @property
    def hips_cam_m(self) -> Array:
        """Middle of the hips. Shape: (n, 3)."""
        return 0.5 * (self.points_cam_m[:, HIPS[0]] + self.points_cam_m[:, HIPS[1]])

    @property
    def px_per_m(self) -> Array:
        """Pixels per metre at the depth of the hips. Shape: (n,)."""
        return self.camera[:, 0] / np.maximum(self.hips_cam_m[:, 2], MIN_DEPTH_M)

    def projected_px(self) -> Array:
        """True landmark positions in the image. Shape: (n, 33, 2)."""
        nearest = np.maximum(MIN_DEPTH_SHARE * self.hips_cam_m[:, None, 2], MIN_DEPTH_M)
        depth_m = np.maximum(self.points_cam_m[..., 2], nearest)
        return (
            self.camera[:, None, :1] * self.points_cam_m[..., :2] / depth_m[..., None]
            + self.camera[:, None, 1:]
        )

    def nominal_region(self) -> Array:
        """Centre, side and rotation of a nominal region around the hips. Shape: (n, 4)."""
        hips_px = self.projected_px()[:, list(HIPS)].mean(1)
        return np.column_stack([hips_px, NOMINAL_REGION_M * self.px_per_m, np.zeros(len(self))])

    def speed_m_s(self, t_s: Array) -> Array:
        """Speed of the landmarks relative to the hips since the frame before. Shape: (n,)."""
        about_hips = self.points_cam_m - self.hips_cam_m[:, None]
        moved_m = np.sqrt((np.diff(about_hips, axis=0) ** 2).sum(-1).mean(1))
        return np.concatenate([[0.0], moved_m / np.maximum(np.diff(t_s), 1e-3)])

    def share_seen(self, covered: NDArray[np.bool_] | None = None) -> Array:
        """Part of `TRUNK_AND_LIMBS` inside the image. Shape: (n,)."""
        inside = ~self.outside()
        if covered is not None:
            inside &= ~covered
        return inside[:, TRUNK_AND_LIMBS].mean(1)

    def outside(self) -> NDArray[np.bool_]:
        """Landmarks outside the image, as far as the camera parameters show. Shape: (n, 33)."""
        u_px = self.projected_px()
        # The far borders lie where the frame or the square ends, whichever comes first, unless the frame
        # is cut on the near side: then only the square is known.
        far_px = np.minimum(2.0 * self.camera[:, 1:] + 1.0, self.side_px[:, None])[:, None]
        low = (u_px < 0.0) | (self.points_cam_m[..., 2:] < 0.05)
        return np.asarray((low | (u_px > np.maximum(far_px, 0.0))).any(-1))


def true_points(skeleton: Skeleton, q: Array, scale_factors: Array) -> Array:
    """Landmark positions in ground for n poses. Shape: (n, 33, 3)."""
    index = np.array([[skeleton.marker_index(name) for name in pair] for pair in MARKER_PAIRS])
    markers = [marker_positions(skeleton, qk, fk)[index] for qk, fk in zip(q, scale_factors, strict=True)]
    return np.array(markers).reshape(-1, N_LANDMARKS, 2, 3).mean(2)


def true_view(data: LiftData, skeleton: Skeleton) -> TrueView:
    """The truth of some data; the camera positions follow from the joint centres."""
    q, scale = data.q.astype(np.float64), data.scale_factors.astype(np.float64)
    R = data.R_ground_cam.astype(np.float64)
    centres = np.array([joint_centres(skeleton, qk, fk) for qk, fk in zip(q, scale, strict=True)])
    eye = (centres - np.einsum("nij,nkj->nki", R, data.centres_cam_m.astype(np.float64))).mean(1)
    points = np.einsum("nji,nkj->nki", R, true_points(skeleton, q, scale) - eye[:, None])
    side_px = np.empty(len(data))
    for rows in data.clips():
        side_px[rows] = CLIP_PX if data.t_s[rows][-1] > 0 else PICTURE_PX
    return TrueView(points, data.camera.astype(np.float64), R, side_px)


def mirrored_view(view: TrueView) -> TrueView:
    """The view of the mirrored person."""
    flip = np.array([-1.0, 1.0, 1.0])
    return replace(
        view,
        points_cam_m=view.points_cam_m[:, MIRRORED] * flip,
        R_ground_cam=np.array([1.0, 1.0, -1.0])[:, None] * view.R_ground_cam * flip,
    )


def ray_rotations(view: TrueView, region: Array) -> Array:
    """Rotation from the camera that looks at each region's centre to the real camera. Shape: (n, 3, 3)."""
    centre = (region[:, :2] - view.camera[:, 1:]) / view.camera[:, :1]
    return rotations_to_rays(np.concatenate([centre, np.ones((len(centre), 1))], -1))


def points_from_hips(view: TrueView, region: Array) -> Array:
    """True landmark positions from the middle of the hips, in the camera that looks at the region.

    Args:
        view: View of n images.
        region: Centre x, y, side, rotation, as `LiftData.roi`. Shape: (n, 4).

    Returns:
        Shape: (n, 33, 3).
    """
    return np.einsum(
        "nji,nkj->nki", ray_rotations(view, region), view.points_cam_m - view.hips_cam_m[:, None]
    )


def view_features(view: TrueView, region: Array) -> NDArray[np.float32]:
    """Features that predict BlazePose's errors; see `points_from_hips`. Shape: (n, N_FEATURES)."""
    u_px, side_px, size_px = view.projected_px(), view.side_px, region[:, 2]
    g_cam = -view.R_ground_cam[:, 1]
    gravity = np.einsum("nji,nj->ni", ray_rotations(view, region), g_cam)
    in_region = (u_px - region[:, None, :2]) / size_px[:, None, None]
    in_picture = u_px / side_px[:, None, None]
    far = np.minimum(2.0 * view.camera[:, 1:] / side_px[:, None], 1.0)
    values = [
        points_from_hips(view, region).reshape(len(view), -1),
        in_region.clip(-1.5, 1.5).reshape(len(view), -1),
        in_picture.clip(-0.4, 1.4).reshape(len(view), -1),
        gravity,
        far,
        np.log(size_px / side_px)[:, None],
        np.log(view.camera[:, 0] / side_px)[:, None],
        np.log(np.maximum(view.hips_cam_m[:, 2], MIN_DEPTH_M))[:, None],
        np.sin(region[:, 3:]), np.cos(region[:, 3:]),
    ]  # fmt: skip
    return np.concatenate(values, 1).astype(np.float32)
