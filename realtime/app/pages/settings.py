"""Settings: what is aimed for, what is known of person and camera, what is recorded."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from realtime.app.layout import page_frame, say
from realtime.app.options import AppError, Settings
from realtime.app.pages.people import people_select
from realtime.app.state import AppState
from realtime.app.words import title_of

TARGETS = (
    "knee_angle_r", "knee_angle_l", "hip_flexion_r", "hip_flexion_l", "ankle_angle_r", "ankle_angle_l",
    "arm_flex_r", "arm_flex_l", "elbow_flex_r", "elbow_flex_l", "lumbar_extension",
)  # fmt: skip
"""Coordinates offered before a stream has told its own."""


PEOPLE = {"": "the largest in the image", "left": "the leftmost", "right": "the rightmost"}
"""Who may be tracked where several people are in view."""


def add_settings_page(state: AppState) -> None:
    """Declare the page."""

    @ui.page("/settings")
    def settings_page() -> None:
        with page_frame("Settings", "/settings"), ui.element("div").classes("kc-stack"):
            _Form(state)


class _Form:
    """The fields, kept as soon as they change."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._feedback()
        self._person()
        with self._card("Camera", "Used when a camera is started next; videos have cameras of their own."):
            camera_path = state.settings.camera_path
            self._path("Camera file (kinecast calibrate camera)", camera_path, "camera_path")
        self._recordings()

    def _feedback(self) -> None:
        settings = self._state.settings
        with self._card("Feedback", "The angle that turns green in its band, and counts repetitions."):
            sample = self._state.feed.newest
            names = list(TARGETS) if sample is None else list(sample.keys())
            if settings.target and settings.target not in names:
                names.insert(0, settings.target)
            choices = {"": "none"} | {name: title_of(name) for name in names}
            angle = ui.select(choices, value=settings.target, label="Angle").props(
                "outlined dense data-target"
            )
            angle.style("min-width: 14rem").on_value_change(lambda e: self._change(target=e.value))
            self._number("From (\N{DEGREE SIGN})", settings.target_low, "target_low")
            self._number("To (\N{DEGREE SIGN})", settings.target_high, "target_high")
            self._number(
                "Smallest repetition (\N{DEGREE SIGN})", settings.repetition_range, "repetition_range"
            )
            ui.switch("Sound", value=settings.sound, on_change=lambda e: self._change(sound=e.value))

    def _person(self) -> None:
        settings = self._state.settings
        with self._card("Person", "Used when the tracker is started next."):
            who = ui.select(PEOPLE, value=settings.person, label="Among several people").props(
                "outlined dense"
            )
            who.style("min-width: 14rem").on_value_change(lambda e: self._change(person=e.value))
            people_select(self._state)
            shown = None if settings.height_m is None else round(100.0 * settings.height_m, 1)
            height = ui.number("Stature (cm)", value=shown, min=50, max=250).props(
                "outlined dense clearable debounce=400"
            )
            height.style("width: 11rem").on_value_change(
                lambda e: self._change(height_m=None if not e.value else float(e.value) / 100.0)
            )
            self._path("Measured person (kinecast calibrate subject)", settings.subject_path, "subject_path")

    def _recordings(self) -> None:
        state = self._state
        with self._card(
            "Recordings", f"In {state.recordings}; another folder: kinecast app --recordings DIR"
        ):
            ui.switch(
                "Also record the camera's images without loss (0.4 to 1 GB a minute)",
                value=state.settings.record_video,
                on_change=lambda e: self._change(record_video=e.value),
            )

    def _card(self, title: str, text: str) -> ui.element:
        card = ui.element("div").classes("kc-card kc-stack")
        with card:
            ui.label(title).classes("kc-heading")
            ui.label(text).classes("kc-quiet")
            row = ui.element("div").classes("kc-row")
        return row

    def _number(self, label: str, value: float, name: str) -> None:
        field = ui.number(label, value=value).props(f"outlined dense debounce=400 data-setting={name}")
        field.style("width: 13rem")
        field.on_value_change(lambda e: None if e.value is None else self._change(**{name: float(e.value)}))

    def _path(self, label: str, value: str, name: str) -> None:
        field = ui.input(label, value=value).props(
            f"outlined dense clearable debounce=600 data-setting={name}"
        )
        field.style("flex: 1; min-width: 16rem")
        field.on_value_change(lambda e: self._change(**{name: (e.value or "").strip()}))

    def _change(self, **values: Any) -> None:
        before: Settings = self._state.settings
        try:
            after = self._state.change(**values)
        except AppError as error:
            say(str(error), is_error=True)
            return
        feedback = ("target", "target_low", "target_high", "repetition_range")
        if any(getattr(before, name) != getattr(after, name) for name in feedback):
            self._state.feed.restart_counts()
