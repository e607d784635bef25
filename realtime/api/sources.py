"""Sources by name, and their frames read ahead in a thread."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING

from realtime.options import RunOptions

if TYPE_CHECKING:
    from realtime.sample import Frame
    from realtime.sources.source import FrameSource

JOIN_TIMEOUT_S = 10.0
"""Longest wait for a camera's driver at the end."""


def source_of(options: RunOptions) -> FrameSource:
    """The source that the options name; a clip among the assets is downloaded.

    Raises:
        SourceError: there is no such source.
        AssetError: the clip cannot be downloaded.
    """
    from engines.assets import ASSETS, fetch
    from realtime.sources.parse import parse_source
    from realtime.sources.source import VIDEO_SUFFIXES

    text = options.source
    asset = ASSETS.get(text)
    if asset is not None and asset.path.endswith(VIDEO_SUFFIXES):
        text = str(fetch(text, offline=options.estimator.offline))
    return parse_source(
        text, fps=options.rate_hz, size_px=options.size_px, capture_fps=options.capture_rate_hz
    )


def source_or_recording(options: RunOptions) -> FrameSource:
    """As `source_of`; a recording that was made with `--record-video` gives its frames at their own times.

    Raises:
        SourceError: there is no such source, or a rate is given for a recording.
        AssetError: the clip cannot be downloaded.
        RecordingError: the recording is damaged.
    """
    from pathlib import Path

    from realtime.errors import SourceError
    from realtime.recording.source import RecordedVideo, is_recording

    folder = Path(options.source)
    if not is_recording(folder):
        return source_of(options)
    if options.rate_hz is not None or options.capture_rate_hz is not None:
        raise SourceError(
            f"{folder} is a recording, whose frames keep their times; leave out rate_hz and capture_rate_hz",
            name="rate_hz",
        )
    return RecordedVideo(folder)


def captured_frames(source: FrameSource, options: RunOptions) -> Generator[Frame, None, None]:
    """All frames of a file, or of a camera those for which there is time: the newest each time.

    Args:
        source: Open source; closed at the end.
        options: Limits of the run.

    Raises:
        SourceError: the source failed.
    """
    from realtime.pipeline.capture import Capture
    from realtime.pipeline.slot import LatestSlot, SlotClosed, SlotPolicy

    slot: LatestSlot[Frame] = LatestSlot(SlotPolicy.LATEST if source.is_live else SlotPolicy.WAIT)
    capture = Capture(source, slot, max_frames=options.max_frames, max_duration_s=options.max_duration_s)

    def read() -> None:
        with closing(source):
            capture.run()

    thread = threading.Thread(target=read, name="capture", daemon=True)
    thread.start()
    try:
        while True:
            frame = slot.get()
            if frame is not None:
                yield frame
    except SlotClosed:
        pass
    finally:
        slot.close(discard=True)
        capture.stop()
        thread.join(JOIN_TIMEOUT_S)
