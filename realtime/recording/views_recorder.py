"""Recording of what each view alone gives, beside the recording of all together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from realtime.recording.pictures import RecordedPictures
from realtime.recording.recorder import Recorder
from realtime.sample import PoseSample

VIEWS_NAME = "views"
"""Folder with a recording for each view."""


class ViewsRecorder:
    """Writes samples to one recording, and the own estimates of each view to one for each.

    Args:
        together: Recording of all views.
        each: Recordings of the views, in their order.
    """

    def __init__(self, together: Recorder, each: Sequence[Recorder]) -> None:
        self._together, self._each = together, list(each)

    @property
    def pictures(self) -> RecordedPictures:
        """The videos of the recording of all views."""
        return self._together.pictures

    def write(self, sample: PoseSample) -> None:
        """Add one sample; see `Recorder.write`."""
        self._together.write(sample)
        for recorder, own in zip(self._each, sample.own_estimates, strict=False):
            if own is not None:
                recorder.write(own)

    def close(self) -> None:
        """Finish all files; see `Recorder.close`."""
        try:
            self._together.close()
        finally:
            for recorder in self._each:
                recorder.close()


def folder_of_view(folder: Path, name: str) -> Path:
    """Folder of the recording of one view, by the name of its camera."""
    return folder / VIEWS_NAME / re.sub(r"[^\w-]", "_", name)
