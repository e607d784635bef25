"""Error over the number of views, on synthetic people whose pose is known, as a curve.

`python -m realtime.estimators.views_error FOLDER` reads what `kinecast train lift-clips --views 4 --held-out
--out FOLDER` wrote, and draws `realtime/docs/views.svg`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration, Intrinsics
from calib.coordinates import SCORED_COORDINATES
from calib.rig import make_rig
from calib.skeleton import Skeleton, load_skeleton
from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi
from engines.shipped import shipped_lifter_path, shipped_patches_path
from realtime.estimators.lift_network import LiftNetwork
from realtime.estimators.lift_prior import LiftPrior
from realtime.estimators.patch_network import PatchNetwork
from realtime.pose.landmark_model import LandmarkModel, build_landmark_model
from realtime.pose.leg_sides import LegSides
from realtime.views.personal_solver import ViewsPersonalSolver

Array = NDArray[np.float64]
Image = NDArray[np.uint8]
Clip = Mapping[str, NDArray[np.generic]]

PLOT_PATH = Path(__file__).parents[1] / "docs" / "views.svg"
CURVES = {
    "legs and trunk": SCORED_COORDINATES,
    "knees": ("knee_angle_r", "knee_angle_l"),
    "arms": ("arm_flex_r", "arm_flex_l", "arm_add_r", "arm_add_l", "elbow_flex_r", "elbow_flex_l"),
}
SETTLED = 3
"""Frames at the beginning that do not count."""
COLOURS = ("#2f6fb0", "#3f9a6a", "#b0702f")
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 460, 240, 44, 16, 34


Seen = Sequence[Sequence[BlazePoseResult | None]]
"""What is seen in each view of a clip, frame by frame; None where nobody is."""


def seen_of(clip: Clip, images: Iterable[Image] = (), patches: PatchNetwork | None = None) -> Seen:
    """What `ViewsEstimator` sees in each view: legs on their own sides, and the points of patches.

    Args:
        clip: Landmarks, cameras and the truth.
        images: Images of all frames of the first view, then of the next; needed with `patches`.
        patches: Network that looks at patches around the landmarks; None leaves them out.
    """
    t_ns = [round(1e9 * t_s) for t_s in np.asarray(clip["t_s"], np.float64).tolist()]
    sides = LegSides()
    remaining, seen = iter(images), []
    for view in range(len(clip["T_ground_cam"])):
        sides.reset()
        row: list[BlazePoseResult | None] = []
        for frame, at_ns in enumerate(t_ns):
            image, found = next(remaining, None), result_of(clip, view, frame)
            kept = None if found is None else sides.keep(at_ns, found)
            if patches is not None and kept is not None and image is not None:
                kept = patches.look(image, kept)
            row.append(kept)
        seen.append(row)
    return seen


def errors_deg(clip: Clip, seen: Seen, n_views: int, skeleton: Skeleton, model: LandmarkModel) -> Array:
    """Mean absolute error of each coordinate over a clip, estimated from its first views. Shape: (n_q,)."""
    k = float(np.asarray(clip["side_px"]))
    cameras = [
        CameraCalibration(Intrinsics(int(k), int(k), f, f, 0.5 * k, 0.5 * k), T, 0.3, f"camera {view}")
        for view, (f, T) in enumerate(
            zip(np.asarray(clip["fov_px"], np.float64).tolist(), clip["T_ground_cam"], strict=True)
        )
    ]
    make_rig(cameras)
    priors = [LiftPrior(LiftNetwork(skeleton, camera, shipped_lifter_path())) for camera in cameras]
    solver = ViewsPersonalSolver(skeleton, model, cameras, priors)
    apart = []
    for frame, t_s in enumerate(np.asarray(clip["t_s"], np.float64).tolist()):
        given = [one[frame] if view < n_views else None for view, one in enumerate(seen)]
        if any(one is not None for one in given):
            q = solver.solve(round(1e9 * t_s), given).found.q
            apart.append((np.degrees(q - clip["q"][frame]) + 180.0) % 360.0 - 180.0)
    return np.asarray(np.abs(apart[SETTLED:]).mean(0), dtype=np.float64)


def result_of(clip: Clip, view: int, frame: int) -> BlazePoseResult | None:
    """Landmarks of one image of a clip; None if nobody was found."""

    def value(name: str) -> Array:
        return np.asarray(clip[name][view, frame], dtype=np.float64)

    if not np.isfinite(value("score")):
        return None
    return BlazePoseResult(
        landmarks_px=value("landmarks_px"),
        world_m=value("world_m"),
        visibility=value("visibility"),
        presence=value("presence"),
        score=float(value("score")),
        roi=Roi(*value("roi").tolist()),
        auxiliary_px=value("auxiliary_px"),
        detected=bool(value("detected")),
    )


def draw(means_deg: Mapping[str, Sequence[float]], words: str) -> str:
    """Curves over 1, 2, ... views.

    Args:
        means_deg: Mean error of each curve for each number of views.
        words: What was measured, under the plot.

    Returns:
        An SVG document.
    """
    n = max(len(values) for values in means_deg.values())
    top = 1.1 * max(max(values) for values in means_deg.values())

    def place(k: int, value: float) -> tuple[float, float]:
        x = _LEFT + (_WIDTH - _LEFT - 120) * k / max(n - 1, 1)
        return x, _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / top

    parts = [
        "<style>text{font:11px sans-serif;fill:#333}</style>",
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for tick in range(0, int(top) + 1, 2):
        _, y = place(0, tick)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - 120}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick}</text>')
    for k in range(n):
        x, y = place(k, 0.0)[0], _HEIGHT - _BOTTOM + 14
        parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{k + 1}</text>')
    for (name, values), colour in zip(means_deg.items(), COLOURS, strict=False):
        points = [place(k, value) for k, value in enumerate(values)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        x, y = points[-1]
        parts.append(
            f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" style="fill:{colour}">{name} {values[-1]:.1f}</text>'
        )
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 4}">{words}</text>')
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', *parts, "</svg>", ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and draw; see the module."""
    (folder,) = sys.argv[1:] if arguments is None else arguments
    skeleton = load_skeleton()
    model = build_landmark_model(skeleton, with_points=True)
    patches = PatchNetwork(skeleton, shipped_patches_path())
    clips = [dict(np.load(path)) for path in sorted(Path(folder).glob("views-*.npz"))]
    seen = [
        seen_of(clip, stored_images(path), patches)
        for clip, path in zip(clips, sorted(Path(folder).glob("images/views-*.npz")), strict=True)
    ]
    means: dict[str, list[float]] = {name: [] for name in CURVES}
    n_most = clips[0]["T_ground_cam"].shape[0]
    for n_views in range(1, n_most + 1):
        errors = [
            errors_deg(clip, one, n_views, skeleton, model) for clip, one in zip(clips, seen, strict=True)
        ]
        for name, coordinates in CURVES.items():
            index = [skeleton.coordinate_index(coordinate) for coordinate in coordinates]
            means[name].append(float(np.mean(errors, axis=0)[index].mean()))
        print(n_views, {name: round(values[-1], 2) for name, values in means.items()}, flush=True)
    words = f"degrees (mean absolute error) over views; {len(clips)} clips"
    PLOT_PATH.write_text(draw(means, words), encoding="utf-8")
    return 0


def stored_images(path: Path) -> Iterator[Image]:
    """The BGR images of a clip, from its file of JPEGs."""
    stored = np.load(path)
    for jpeg in np.split(stored["jpeg"], np.cumsum(stored["n_bytes"])[:-1]):
        yield np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), dtype=np.uint8)


if __name__ == "__main__":
    sys.exit(main())
