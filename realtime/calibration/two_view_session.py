"""Collection of simultaneous observations of two cameras: a board, or the joints of a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calib.boards.board import Board, BoardFinder, BoardView
from calib.boards.camera_views import Verdict, ViewCollector
from calib.boards.two_views import JointTracks, Limb
from calib.kinematics import body_transforms
from calib.skeleton import load_skeleton
from engines.blazepose.pose_landmark import ANKLES, ELBOWS, HIPS, KNEES, N_LANDMARKS, SHOULDERS, WRISTS
from realtime.person.scaling import SEGMENTS, reference_stature_m
from realtime.pose.landmark_model import build_landmark_model
from realtime.sample import Frame
from realtime.sources.source import FrameSource

if TYPE_CHECKING:
    from engines.blazepose.tracker import BlazePose, BlazePoseResult

Array = NDArray[np.float64]

JOINTS = (*SHOULDERS, *ELBOWS, *WRISTS, *HIPS, *KNEES, *ANKLES)
"""Landmarks of joints, which both cameras see at the same point: shoulders to wrists, hips to ankles."""
LIMB_SEGMENTS = (0, 1, 3, 4)
"""Thigh, shank, upper arm, forearm among `SEGMENTS`."""
MOST_PAIRS = 40
LOOKS_PER_S = 4.0


def simultaneous_frames(
    first: FrameSource, second: FrameSource, offset: int = 0
) -> Iterator[tuple[Frame, Frame]]:
    """Pairs of simultaneous frames, until either source ends.

    Files are paired frame by frame, cameras by the times of capture.

    Args:
        first: First source, open.
        second: Second source, open.
        offset: Number of frames by which the second file began earlier; negative if the first did.
    """
    for source, count in ((second, offset), (first, -offset)):
        for _ in range(max(0, count)):
            source.read()
    tolerance_ns = 0.5e9 / max(first.fps, second.fps)
    is_live = first.is_live and second.is_live
    while (a := first.read()) is not None and (b := second.read()) is not None:
        while is_live and abs(a.t_capture_ns - b.t_capture_ns) > tolerance_ns:
            newer = second.read() if b.t_capture_ns < a.t_capture_ns else first.read()
            if newer is None:
                return
            a, b = (a, newer) if b.t_capture_ns < a.t_capture_ns else (newer, b)
        yield a, b


def collect_board_pairs(
    first: FrameSource, second: FrameSource, board: Board, offset: int = 0
) -> list[tuple[BoardView, BoardView]]:
    """Views of a board that both cameras see, each different from those before.

    Args:
        first: First source, open. All images of a folder are used; of other sources, the sharp views.
        second: Second source, open.
        board: Board shown to both.
        offset: Offset as for `simultaneous_frames`.
    """
    finder = BoardFinder(board)
    are_pictures = not (first.is_live or second.is_live) and _is_folder(first) and _is_folder(second)
    collector = ViewCollector(board, first.width_px, first.height_px, needs_still=first.is_live)
    pairs: list[tuple[BoardView, BoardView]] = []
    next_ns = 0
    for a, b in simultaneous_frames(first, second, offset):
        if not are_pictures and a.t_capture_ns < next_ns:
            continue
        next_ns = a.t_capture_ns + round(1e9 / LOOKS_PER_S)
        seen_a = finder.find(a.image)
        seen_b = None if seen_a is None else finder.find(b.image)
        is_new = are_pictures or collector.judge(a.image, seen_a) is Verdict.TAKEN
        if seen_a is not None and seen_b is not None and is_new:
            collector.add(seen_a)
            pairs.append((seen_a, seen_b))
            if len(pairs) == MOST_PAIRS and not are_pictures:
                break
    return pairs


def collect_joints(
    first: FrameSource,
    second: FrameSource,
    networks: tuple[BlazePose, BlazePose],
    *,
    offset: int = 0,
    n_frames: int | None = None,
) -> tuple[JointTracks, JointTracks]:
    """Track the person's joints in both cameras.

    Args:
        first: First source, open.
        second: Second source, open.
        networks: One tracker for each camera.
        offset: Offset as for `simultaneous_frames`.
        n_frames: Largest number of frames; None for all.
    """
    tracks: tuple[list[BlazePoseResult | None], list[BlazePoseResult | None]] = [], []
    for frames in simultaneous_frames(first, second, offset):
        for frame, network, track in zip(frames, networks, tracks, strict=True):
            track.append(network.step(frame.image, frame.t_capture_ns))
        if n_frames is not None and len(tracks[0]) >= n_frames:
            break
    return joint_tracks(tracks[0]), joint_tracks(tracks[1])


def limbs_of_person(height_m: float) -> list[Limb]:
    """Distances between joints as BlazePose shows them: the skeleton's proportions times its known bias."""
    skeleton = load_skeleton()
    model = build_landmark_model(skeleton)
    stations = body_transforms(skeleton, skeleton.q_default)[model.station_body]
    points = np.full((N_LANDMARKS, 3), np.nan)
    points[model.landmark] = (
        np.einsum("nij,nj->ni", stations[:, :3, :3], model.station_m) + stations[:, :3, 3]
    )
    scale = height_m / reference_stature_m(points)
    limbs = []
    for segment in (SEGMENTS[k] for k in LIMB_SEGMENTS):
        for (start,), (end,) in segment.landmark_pairs:
            length_m = scale * segment.shown * float(np.linalg.norm(points[start] - points[end]))
            limbs.append(Limb(JOINTS.index(start), JOINTS.index(end), length_m))
    return limbs


def joint_tracks(track: list[BlazePoseResult | None]) -> JointTracks:
    """The joints of one view, from its landmarks in each moment; None where nobody is seen."""
    uv_px = np.full((len(track), len(JOINTS), 2), np.nan)
    confidence = np.zeros((len(track), len(JOINTS)))
    for moment, result in enumerate(track):
        if result is not None:
            uv_px[moment] = result.landmarks_px[list(JOINTS), :2]
            confidence[moment] = (result.visibility * result.presence)[list(JOINTS)]
    return JointTracks(uv_px, confidence)


def _is_folder(source: FrameSource) -> bool:
    from realtime.sources.files import PictureSource

    return isinstance(source, PictureSource)
