"""The text of a study file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from realtime.study.layouts import FoundStudy
from realtime.study.place import is_url
from realtime.study.study_file import StudySubject, Trial

HEAD = """\
# A study: who was filmed, in which trials. Paths are relative to this file; videos may be URLs that fsspec
# knows. Above the subjects, for all trials: estimator, heading, skeleton, and of the images that are searched
# region = [left, top, width, height]. Every key: realtime/docs/scale.md.
"""


def study_text(found: FoundStudy, folder: Path) -> str:
    """A study file, to be written into a folder."""
    lines = [HEAD]
    for subject in found.subjects:
        lines += ["[[subject]]", *_subject_lines(subject, folder.resolve()), ""]
    return "\n".join(lines)


def _subject_lines(subject: StudySubject, folder: Path) -> Iterator[str]:
    yield f"name = {quoted(subject.name)}"
    if subject.height_m is None:
        yield "# height_m = 1.75    # without it, sizes are estimated from the images"
    else:
        yield f"height_m = {subject.height_m!r}"
    if subject.sex is not None:
        yield f"sex = {quoted(subject.sex)}"
    if subject.static is not None:
        yield f"static = {quoted(_relative(subject.static, folder))}"
    if subject.static_camera is not None:
        yield f"camera = {quoted(_relative(str(subject.static_camera), folder))}"
    for trial in subject.trials:
        yield ""
        yield "[[subject.trial]]"
        yield from _trial_lines(trial, folder, has_camera=subject.static_camera is not None)


def _trial_lines(trial: Trial, folder: Path, *, has_camera: bool) -> Iterator[str]:
    yield f"name = {quoted(trial.name)}"
    videos = [quoted(_relative(video, folder)) for video in trial.videos]
    yield f"video = {videos[0]}" if len(videos) == 1 else f"videos = [{', '.join(videos)}]"
    if trial.cameras is not None:
        yield f"cameras = {quoted(_relative(str(trial.cameras), folder))}"
    if trial.camera is not None and not has_camera:
        yield f"camera = {quoted(_relative(str(trial.camera), folder))}"
    if trial.reference is not None:
        yield f"reference = {quoted(_relative(str(trial.reference), folder))}"
        yield f"offset_s = {quoted('auto') if trial.offset_s == 'auto' else trial.offset_s}"


def quoted(text: str) -> str:
    """A basic string of TOML, whose escapes are JSON's, except that DEL is one, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _relative(place: str, folder: Path) -> str:
    if is_url(place):
        return place
    try:
        return Path(os.path.relpath(place, folder)).as_posix()
    except ValueError:  # another drive
        return Path(place).as_posix()
