"""An OpenCap session as it is downloaded.

`sessionMetadata.yaml` (subject, stature), `Videos/CamN/InputMedia/TRIAL/*` (one video a trial and camera) and
`OpenSimData/Kinematics/TRIAL.mot` (OpenCap's own coordinates). The trial `neutral` is the static one. Cameras
are a pickle, which is not opened: it may run anything.
"""

from __future__ import annotations

import re
from pathlib import Path

from realtime.errors import StudyError
from realtime.sources.source import VIDEO_SUFFIXES
from realtime.study.study_file import StudySubject, Trial, check_height_m, check_name

OPENCAP_METADATA = "sessionMetadata.yaml"
STATIC = "neutral"
CAMERA_PICKLE = "cameraIntrinsicsExtrinsics.pickle"
_FIELD = re.compile(
    r"^[ \t]*(subjectID|height_m)[ \t]*:[ \t]*['\"]?([^'\"#\r\n]*?)['\"]?[ \t]*(?:#.*)?$", re.M
)


def read_opencap_session(folder: Path) -> tuple[StudySubject, tuple[str, ...]]:
    """The subject of a session, and what was left out.

    Raises:
        StudyError: the stature is none, or a name cannot be a folder's.
    """
    path = folder / OPENCAP_METADATA
    try:
        fields = dict(_FIELD.findall(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: cannot be read ({error})") from error
    name = check_name(str(path), fields.get("subjectID") or folder.name)
    height_m = _height_m(path, fields.get("height_m"))
    trials: dict[str, list[tuple[str, Path]]] = {}
    for video in sorted(folder.glob("Videos/*/InputMedia/*/*")):
        if video.suffix.lower() in VIDEO_SUFFIXES and video.is_file():
            trials.setdefault(video.parent.name, []).append((video.parents[2].name, video.resolve()))
    static = None
    if height_m is not None and STATIC in trials:
        static = str(trials.pop(STATIC)[0][1])
    found = [
        Trial(
            name=check_name(str(folder), name_ if len(views) == 1 else f"{name_}_{camera}"),
            videos=(str(video),), reference=_kinematics(folder, name_), offset_s="auto",
        )
        for name_, all_views in trials.items()
        for views in (_one_each(all_views),)
        for camera, video in views
    ]  # fmt: skip
    remarks = []
    if any(folder.glob(f"Videos/*/{CAMERA_PICKLE}")):
        remarks.append(
            f"{name}: its {CAMERA_PICKLE} is not opened; each camera is a trial of its own, uncalibrated"
        )
    return StudySubject(name=name, trials=tuple(found), height_m=height_m, static=static), tuple(remarks)


def _height_m(path: Path, text: str | None) -> float | None:
    if not text:
        return None
    try:
        height_m = float(text)
    except ValueError:
        height_m = float("nan")
    return check_height_m(str(path), height_m)


def _one_each(views: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """One video of each camera: the synchronised one, where OpenCap made one."""
    chosen: dict[str, Path] = {}
    for camera, video in views:
        if camera not in chosen or "_sync" in video.stem:
            chosen[camera] = video
    return list(chosen.items())


def _kinematics(folder: Path, trial: str) -> Path | None:
    path = folder / "OpenSimData" / "Kinematics" / f"{trial}.mot"
    return path.resolve() if path.is_file() else None
