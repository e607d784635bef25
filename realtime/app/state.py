"""What all pages share: the tracker, its stream, the settings."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as with_options
from pathlib import Path
from typing import Any

import msgspec

from realtime.app.assistants import Assistant
from realtime.app.command import RunningCommand
from realtime.app.feed import Feed
from realtime.app.options import AppError, AppOptions, Settings, load_settings, save_settings
from realtime.app.recordings import new_folder
from realtime.app.tracker import Tracker
from realtime.control.messages import TrackerState

DEMO_SOURCE, DEMO_REGION = "demo_clip", "0,0.5,1,0.5"
"""The demonstration clip, and the half of its image in which the person walks."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A calibration under way."""

    assistant: Assistant
    out: Path
    """File for the result."""
    command: RunningCommand


class AppState:
    """One for the whole app: pages come and go, this stays.

    Args:
        options: Options of the app.
    """

    def __init__(self, options: AppOptions) -> None:
        self.options = with_options(options, recordings=options.recordings.resolve())
        self.settings = load_settings(options.folder)
        self.tracker = Tracker(options.folder, f"app-{options.port}")
        self.feed = Feed(self._stream_address, lambda: self.settings)
        self.calibration: Calibration | None = None
        """Calibration that runs, or has run last."""

    @property
    def recordings(self) -> Path:
        """Folder of the recordings."""
        return self.options.recordings

    def change(self, **values: Any) -> Settings:
        """Change settings, and keep them.

        Raises:
            AppError: a value is not accepted, or the settings cannot be kept; nothing is changed then.
        """
        settings = msgspec.structs.replace(self.settings, **values)
        save_settings(self.options.folder, settings)
        self.settings = settings
        return settings

    def start_tracker(self, source: str) -> None:
        """Start the tracker with the settings.

        Raises:
            AppError: one is running, a calibration uses the camera, or it cannot be started.
        """
        if self.calibration is not None and self.calibration.command.exit_code is None:
            raise AppError("a calibration is using the camera; stop it first")
        self.feed.person = 1
        self.tracker.start(source, self.tracker_words(source))

    def tracker_words(self, source: str) -> list[str]:
        """Words for `kinecast live` that the settings stand for."""
        settings, words = self.settings, []
        if settings.n_people > 1:  # a stature, or measures, would be those of one
            words += ["--people", f"{settings.n_people}"]
        elif settings.subject_path:  # which has a stature, too
            words += ["--subject", settings.subject_path]
        elif settings.height_m is not None:
            words += ["--height", f"{settings.height_m:g}"]
        if settings.person:
            words += ["--person", settings.person]
        if settings.camera_path and source.isdigit():
            words += ["--camera-file", settings.camera_path]
        if settings.record_video:
            words.append("--record-video")
        if source == DEMO_SOURCE:
            words += ["--region", DEMO_REGION]
        return words

    def begin_recording(self, label: str) -> TrackerState:
        """Begin a recording in the folder of the app.

        Raises:
            ControlError: the tracker refuses, or does not answer.
        """
        remote = self.tracker.remote()
        try:
            return remote.record(new_folder(self.recordings, label))
        finally:
            remote.close()

    def end_recording(self) -> TrackerState:
        """End the recording.

        Raises:
            ControlError: there is none, or the tracker does not answer.
        """
        remote = self.tracker.remote()
        try:
            return remote.finish()
        finally:
            remote.close()

    def mark(self, event: str) -> None:
        """Mark an event at the next frame.

        Raises:
            ControlError: the tracker does not answer.
        """
        remote = self.tracker.remote()
        try:
            remote.mark(event)
        finally:
            remote.close()

    def relearn(self) -> None:
        """Have the person learned once more.

        Raises:
            ControlError: the tracker does not answer.
        """
        remote = self.tracker.remote()
        try:
            remote.relearn()
        finally:
            remote.close()

    def choose_at(self, x: float, y: float) -> None:
        """Track whoever is at a point of the image, from 0 to 1.

        Raises:
            ControlError: the estimator tells nobody apart, or the tracker does not answer.
        """
        remote = self.tracker.remote()
        try:
            remote.choose_at(x, y)
        finally:
            remote.close()

    def begin_calibration(self, assistant: Assistant, out: Path, words: list[str]) -> None:
        """Start the command of a calibration.

        Raises:
            AppError: the tracker or another calibration is using the camera, or it cannot be started.
        """
        if self.tracker.is_on:
            raise AppError("the tracker is using the camera; stop it on the live page first")
        if self.calibration is not None and self.calibration.command.exit_code is None:
            raise AppError("another calibration is running; stop it first")
        self.calibration = Calibration(assistant, out, RunningCommand(words))

    def close(self) -> None:
        """End the tracker in order, and the threads."""
        if self.calibration is not None:
            self.calibration.command.stop()
        self.tracker.stop()
        self.tracker.wait()
        self.tracker.close()
        self.feed.close()

    def _stream_address(self) -> str:
        state = self.tracker.state
        return "" if state is None else state.stream_address
