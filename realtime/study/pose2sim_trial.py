"""A Pose2Sim trial: `videos`, `kinematics`, and here or one folder up `Config.toml` and `calibration`."""

from __future__ import annotations

import tomllib
from pathlib import Path

from calib.errors import CalibError
from calib.rig_file import load_rig
from realtime.errors import StudyError
from realtime.sources.source import VIDEO_SUFFIXES
from realtime.study.study_file import StudySubject, Trial, check_height_m, check_name

CONFIG, VIDEOS = "Config.toml", "videos"


def is_pose2sim_trial(folder: Path) -> bool:
    """Whether a folder is one."""
    return (folder / VIDEOS).is_dir() and any(
        (f / CONFIG).is_file() for f in (folder, folder.resolve().parent)
    )


def read_pose2sim_trial(folder: Path) -> tuple[StudySubject, tuple[str, ...]]:
    """The subject of a trial, and what was left out.

    Its videos are tracked together where a calibration names as many cameras, else each on its own.

    Raises:
        StudyError: Config.toml or the calibration cannot be read, or the stature is none.
    """
    folder = folder.resolve()
    videos = [p for p in sorted((folder / VIDEOS).iterdir()) if p.suffix.lower() in VIDEO_SUFFIXES]
    height_m, name = _height_m(folder), check_name(str(folder), folder.name)
    references = sorted((folder / "kinematics").glob("*.mot"))
    reference = references[0] if len(references) == 1 else None
    rig = _rig(folder)
    remarks = []
    if len(references) > 1:
        remarks.append(f"{len(references)} .mot files in kinematics: name one as reference yourself")
    if rig is not None and len(videos) > 1 and len(load_rig(rig).cameras) == len(videos):
        together = Trial(name="all_views", videos=tuple(map(str, videos)), cameras=rig, reference=reference)
        trials = [together]
        remarks.append("the videos are tracked together; set offsets_s if they are not synchronised")
    else:
        trials = [
            Trial(name=check_name(str(v), v.stem), videos=(str(v),), reference=reference) for v in videos
        ]
        remarks.append("no calibration of as many cameras as videos: each video is a trial of its own")
    return StudySubject(name=name, trials=tuple(trials), height_m=height_m), tuple(remarks)


def _height_m(folder: Path) -> float | None:
    path = next(f / CONFIG for f in (folder, folder.parent) if (f / CONFIG).is_file())
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StudyError(f"{path}: cannot be read ({error})") from error
    project = config.get("project")
    height = project.get("participant_height") if isinstance(project, dict) else None
    height = height[0] if isinstance(height, list) and len(height) == 1 else height
    if isinstance(height, bool) or not isinstance(height, int | float):  # "auto", or of several people
        return None
    return check_height_m(str(path), float(height))


def _rig(folder: Path) -> Path | None:
    """The calibration that Pose2Sim would take.

    Raises:
        StudyError: it is damaged.
    """
    found = [p for f in (folder, folder.parent) for p in sorted((f / "calibration").glob("*.toml"))]
    if not found:
        return None
    try:
        load_rig(found[0])
    except CalibError as error:
        raise StudyError(str(error), name="cameras") from error
    return found[0]
