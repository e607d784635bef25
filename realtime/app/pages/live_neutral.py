"""Guidance to the neutral pose, in which the person is learned."""

from __future__ import annotations

from nicegui import ui

from realtime.app.state import AppState
from realtime.sample import PersonState

FIGURE = """<svg viewBox="-22 0 44 104" class="kc-figure" fill="none" stroke="currentColor"
stroke-width="4" stroke-linecap="round" stroke-linejoin="round" role="img"
aria-label="Somebody standing upright, arms hanging">
<circle cx="0" cy="12" r="7" fill="currentColor" stroke="none"/>
<path d="M0 24V54M-10 26H10M-10 26L-13 43L-14 58M10 26L13 43L14 58"/>
<path d="M0 54L-7 56L-7 98L-12 100M0 54L7 56L7 98L12 100"/>
</svg>"""


class NeutralCard:
    """Shown while the person is not known: how to stand, and what to change."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._card = ui.element("div").classes("kc-card kc-advice").props("data-advice")
        with self._card, ui.element("div").classes("kc-row").style("flex-wrap: nowrap"):
            ui.html(FIGURE, sanitize=False)
            with ui.element("div").classes("kc-stack"):
                self._heading = ui.label().classes("kc-heading")
                self._text = ui.label()
                ui.label(
                    "Upright and still, feet apart, arms hanging, facing the camera, for about a second: "
                    "knee and hip angles become more accurate."
                ).classes("kc-quiet")
        self.tick()

    def tick(self) -> None:
        """Follow the person."""
        sample = self._state.feed.newest
        is_learning = sample is not None and sample.message.person is PersonState.LEARNING
        advice = "" if sample is None else sample.message.advice
        self._card.set_visibility(is_learning or bool(advice))
        self._heading.set_text("Stay like this" if is_learning else "Stand like this")
        self._text.set_text("" if is_learning else advice)
        self._card.classes(**{"add" if is_learning else "remove": "kc-learning"})
