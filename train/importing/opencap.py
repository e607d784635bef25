"""OpenCap sessions: `Videos/CamN/InputMedia/TRIAL/*` and, in `OpenSimData`, `Model` and `Kinematics`.

Where both exist, OpenCap's synchronised video is taken. Reference and video begin together.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.skeleton import Skeleton
from train.errors import TrainError
from train.importing.coordinates import read_motion
from train.importing.take import Labelled, Read, Take, video_frames

METADATA = "sessionMetadata.yaml"
SUFFIXES = (".mp4", ".mov", ".avi")


def find_takes(folder: Path, own: Skeleton, every: int) -> tuple[list[Take], list[str]]:
    """One take for each trial and camera of each session, and what was left out.

    Raises:
        TrainError: nothing is found, a session has no single model, or two have one name.
    """
    sessions = [f for f in (folder, *sorted(folder.iterdir())) if (f / METADATA).is_file()]
    if not sessions:
        raise TrainError(f"{folder}: no {METADATA} in it or its folders; accepted: sessions of OpenCap")
    takes, remarks = [], []
    for session in sessions:
        models = sorted(session.glob("OpenSimData/Model/**/*scaled*.osim"))
        if len(models) != 1:
            raise TrainError(
                f"{session / 'OpenSimData' / 'Model'}: {len(models)} scaled models; accepted: one"
            )
        name = session.resolve().name
        for trial in sorted({path.name for path in session.glob("Videos/*/InputMedia/*") if path.is_dir()}):
            mot = session / "OpenSimData" / "Kinematics" / f"{trial}.mot"
            if not mot.is_file():
                remarks.append(f"{name}: no {mot.name}, so {trial} is left out")
                continue
            for media in sorted(session.glob(f"Videos/*/InputMedia/{trial}")):
                video = _video(media)
                if video is not None:
                    camera = media.parents[1].name
                    takes.append(
                        Take(name, f"{name}_{trial}_{camera}", _reader(video, models[0], mot, own, every))
                    )
    if not takes:
        raise TrainError(f"{folder}: no videos with coordinates; {'; '.join(remarks) or 'no Videos folder'}")
    return takes, remarks


def _video(media: Path) -> Path | None:
    videos = [p for p in sorted(media.iterdir()) if p.suffix.lower() in SUFFIXES]
    return next((v for v in videos if "_sync" in v.stem), videos[0] if videos else None)


def _reader(video: Path, osim: Path, mot: Path, own: Skeleton, every: int) -> Read:
    def read() -> Iterator[tuple[float, NDArray[np.uint8], Labelled]]:
        motion = read_motion(osim, mot, own)
        for _, time_s, image in video_frames(video, every):
            moment = motion.at(time_s)
            if moment is not None:
                yield time_s, image, moment

    return read
