"""All pages of the app."""

from __future__ import annotations

from realtime.app.pages.calibration import add_calibration_page
from realtime.app.pages.camera import add_camera_page
from realtime.app.pages.live import add_live_page
from realtime.app.pages.recordings import add_recordings_page
from realtime.app.pages.replay import add_replay_page
from realtime.app.pages.report import add_report_page
from realtime.app.pages.settings import add_settings_page
from realtime.app.state import AppState


def add_pages(state: AppState) -> None:
    """Declare all pages."""
    for add in (
        add_camera_page,
        add_live_page,
        add_recordings_page,
        add_replay_page,
        add_report_page,
        add_calibration_page,
        add_settings_page,
    ):
        add(state)
