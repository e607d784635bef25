"""Recordings beside the first: of what each view alone gives, and of further people, with reports."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from realtime.recording.closing import close_all
from realtime.recording.joint_ranges import JointRanges
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.parts import VIEWS_NAME, folder_of_person
from realtime.recording.pictures import RecordedPictures
from realtime.recording.recorder import Recorder
from realtime.recording.summary import StreamReport, write_report
from realtime.sample import Estimator, PoseSample


class PartsRecorder:
    """Writes samples to one recording, and other samples that are part of them to further ones.

    Args:
        whole: Recording of the samples themselves; it alone has videos.
        parts: Recordings of the parts.
        parts_of: Function that returns the parts of a sample, in the order of their recordings; None where
            one is missing.
    """

    def __init__(
        self,
        whole: Recorder,
        parts: Sequence[Recorder],
        parts_of: Callable[[PoseSample], Sequence[PoseSample | None]],
    ) -> None:
        self._whole, self._parts, self._parts_of = whole, list(parts), parts_of

    @property
    def pictures(self) -> RecordedPictures:
        """The videos."""
        return self._whole.pictures

    def write(self, sample: PoseSample) -> None:
        """Add one sample; see `Recorder.write`."""
        self._whole.write(sample)
        for recorder, part in zip(self._parts, self._parts_of(sample), strict=False):
            if part is not None:
                recorder.write(part)

    def close(self) -> None:
        """Finish all files, also where some recording fails; see `Recorder.close`.

        Raises:
            RecordingError: the first one of any recording.
        """
        close_all((self._whole, *self._parts))


def own_estimates_of(sample: PoseSample) -> Sequence[PoseSample | None]:
    """What each view alone gives."""
    return sample.own_estimates


def further_people_of(sample: PoseSample) -> Sequence[PoseSample | None]:
    """Samples of the second person and of those after them."""
    return sample.people[1:]


def folder_of_view(folder: Path, name: str) -> Path:
    """Folder of the recording of one view, by the name of its camera."""
    return folder / VIEWS_NAME / re.sub(r"[^\w-]", "_", name)


def write_people_reports(
    out: Path, about: dict[str, object], people: Sequence[Estimator]
) -> dict[Path, JointRanges]:
    """Write report.json of each further person.

    Args:
        out: Folder of the first person's recording; the files of all recordings are finished.
        about: Source, command and options, for the reports.
        people: Estimators of all people, the first one's first.

    Returns:
        Folder of each further person's recording, and their joint ranges.

    Raises:
        RecordingError: a log cannot be read, or a report not be written.
    """
    ranges = {}
    for number, one in enumerate(people[1:], 2):
        folder = folder_of_person(out, number)
        if not (folder / LOG_NAME).is_file():
            continue  # the run ended before its first frame
        log = StreamLog(folder / LOG_NAME)
        report = StreamReport(log.meta, with_latency=False)
        for angles, _ in log.samples():
            report.add(angles)
        own = {"person": one.about_person(), "smoothing_lag_s": one.lag_s}
        write_report(folder, report.as_dict() | about | own)
        ranges[folder] = report.ranges
    return ranges
