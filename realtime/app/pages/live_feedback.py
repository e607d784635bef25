"""Feedback to the person: a band to reach, repetitions counted, sounds."""

from __future__ import annotations

import math

from nicegui import ui

from realtime.app.layout import say
from realtime.app.options import AppError
from realtime.app.state import AppState
from realtime.app.words import title_of


class FeedbackCard:
    """The value of one coordinate, green in its band, and the number of repetitions."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        feedback = state.feed.feedback
        self._heard = feedback, feedback.n_entered, feedback.n_repetitions
        self._card = ui.element("div").classes("kc-card kc-feedback kc-stack").props("data-feedback")
        with self._card:
            row = ui.element("div").classes("kc-row")
            with row.style("justify-content: space-between; align-items: flex-end; flex-wrap: nowrap"):
                with ui.element("div"):
                    self._name = ui.label().classes("kc-quiet")
                    self._value = ui.label().classes("kc-value").props("data-value")
                with ui.element("div"):
                    ui.label("Repetitions").classes("kc-quiet")
                    self._count = ui.label().classes("kc-value").props("data-repetitions")
            with ui.element("div").classes("kc-row"):
                ui.button("Count from 0", on_click=state.feed.restart_counts).props("flat dense no-caps")
                ui.link("Change", "/settings").classes("kc-quiet")
                ui.switch(
                    "Sound",
                    value=state.settings.sound,
                    on_change=lambda event: self._switch_sound(event.value),
                )
        self._band_sound = ui.audio("/media/sounds/band.wav", controls=False)
        self._count_sound = ui.audio("/media/sounds/repetition.wav", controls=False)
        self.tick()

    def tick(self) -> None:
        """Follow the stream."""
        settings, feedback = self._state.settings, self._state.feed.feedback
        self._card.set_visibility(bool(settings.target))
        band = f"{settings.target_low:g} to {settings.target_high:g}\N{DEGREE SIGN}"
        self._name.set_text(f"{title_of(settings.target)}: aim for {band}")
        self._value.set_text("-" if math.isnan(feedback.value) else f"{feedback.value:.0f}\N{DEGREE SIGN}")
        self._count.set_text(str(feedback.n_repetitions))
        self._card.classes(**{"add" if feedback.is_inside else "remove": "kc-inside"})
        self._sound()

    def _sound(self) -> None:
        """Play what is due."""
        feedback = self._state.feed.feedback
        heard = feedback, feedback.n_entered, feedback.n_repetitions
        if self._state.settings.sound and heard[0] is self._heard[0]:
            if heard[2] > self._heard[2]:
                self._count_sound.play()
            elif heard[1] > self._heard[1]:
                self._band_sound.play()
        self._heard = heard

    def _switch_sound(self, is_on: bool) -> None:
        try:
            self._state.change(sound=is_on)
        except AppError as error:
            say(str(error), is_error=True)
