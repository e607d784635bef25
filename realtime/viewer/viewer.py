"""The viewer's loop: takes the newest samples, draws figures and text, and handles keys."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.client import Subscription
from realtime.errors import RealtimeError
from realtime.overlay.angles import PAD_PX
from realtime.overlay.style import MUTED, WHITE, Colour, Typeface
from realtime.stream.angle_sample import AngleSample
from realtime.viewer.ghost import Ghost
from realtime.viewer.hud import KEYS, TextPanel
from realtime.viewer.people import FurtherPerson
from realtime.viewer.readout import AngleReadout, state_lines
from realtime.viewer.scene import GHOST_COLOUR, SHADOW_COLOUR, ViewerScene
from realtime.viewer.scenery import NO_LINES
from realtime.viewer.window import FAR_M, ViewerWindow

FRAME_S = 1.0 / 60.0
PANEL_S = 1.0 / 15.0
"""Interval between updates of text, which nobody reads faster."""
SCENERY_S = 0.25
ZOOM = 0.33
FOLLOW_S = 0.4
"""Time constant with which the viewpoint follows the figure."""
CATCH_UP_S = 0.02
"""Longest time that one pass of the loop spends on samples received since the last pass."""
MOST_SAMPLES = 10_000
"""Largest number of samples per pass, so that a pass ends even under a flood."""
LEAST_MOVE_M = 2e-4
"""Movements of the viewpoint below this do not cause a redraw."""

GHOST_TEXT: Colour = (242, 170, 182)
FRONTS = {
    "1": np.array([1.0, 0.12, 0.28]), "2": np.array([0.05, 0.1, 1.0]), "3": np.array([0.12, 1.0, 0.0]),
}  # fmt: skip
"""Viewing directions of the numbered keys, in ground's axes."""


@dataclass(slots=True)
class Shown:
    """Parts of the view that keys switch on and off."""

    is_following: bool = True
    trails: bool = True
    camera: bool = True
    ghost: bool = True
    angles: bool = True
    keys: bool = True


@dataclass(slots=True)
class Clocks:
    """Times of the last updates, in s."""

    panels: float = -1.0
    scenery: float = -1.0
    frame: float = -1.0
    drawn: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    """Times of the last redraws."""


class Viewer:
    """Draws the samples of a subscription until the window is closed.

    Args:
        window: Window to draw in.
        stream: Subscription with poses.
        address: Address of the stream, shown to people.
        coordinates: Names of coordinates to show, as in the overlay; None for the default ones.
        scene: Scene to draw.
        ghost: Second figure, if any.
        further: Further people.
        folder: Folder in which the save key writes images.
    """

    def __init__(
        self,
        window: ViewerWindow,
        stream: Subscription,
        *,
        address: str,
        coordinates: Sequence[str] | None = None,
        scene: ViewerScene | None = None,
        ghost: Ghost | None = None,
        further: Sequence[FurtherPerson] = (),
        folder: Path = Path(),
    ) -> None:
        self.scene = scene or ViewerScene()
        self.shown = Shown()
        self.message = ""
        """Message about the effect of the last key."""
        self._window, self._stream, self._ghost = window, stream, ghost
        self._further = tuple(further)
        self._address, self._folder = address, folder
        typeface = Typeface()
        size_px = max(11.0, window.view.height_px / 52.0)
        self._state_panel = TextPanel(typeface, size_px)
        self._keys_panel = TextPanel(typeface, 0.88 * size_px, 4.2 * size_px)
        self._unit_px = size_px / 13.0
        self._readout = AngleReadout(typeface, coordinates, self._unit_px)
        self._clocks = Clocks()
        self._was_silent = True
        self._target = np.zeros(3)
        self._R_view = np.zeros((3, 3))
        self._bind_keys()
        window.look(np.zeros(3), FRONTS["1"], ZOOM)

    def run(self, *, until_s: float | None = None) -> None:
        """Draw until the window is closed, or until `until_s` of `time.monotonic`."""
        while self.step() and (until_s is None or time.monotonic() < until_s):
            spare_s = FRAME_S - (time.monotonic() - self._clocks.frame)
            if spare_s > 0.0:
                time.sleep(spare_s)

    def step(self) -> bool:
        """One pass: take the newest sample and draw what changed; False once the window is closed."""
        now_s = time.monotonic()
        elapsed_s, self._clocks.frame = now_s - self._clocks.frame, now_s
        sample = self._newest(now_s)
        if sample is not None:
            self.scene.take(sample, now_s)
        is_silent = self.scene.wait(now_s)
        is_changed = sample is not None or is_silent != self._was_silent
        self._was_silent = is_silent
        if self._ghost is not None:
            self.scene.take_ghost(
                self._ghost.posture(now_s, self.scene.body.posture) if self.shown.ghost else None
            )
            is_changed = True
        for person in self._further:
            is_changed |= person.take(now_s, self.scene.camera)
        is_changed |= self._follow(elapsed_s)
        R_view = self._window.view.R_view
        if is_changed or not np.array_equal(R_view, self._R_view):
            self._R_view = R_view
            self._draw_figures(R_view)
        if now_s - self._clocks.scenery >= SCENERY_S:
            self._clocks.scenery = now_s
            self._draw_scenery()
        if now_s - self._clocks.panels >= PANEL_S:
            self._clocks.panels = now_s
            is_changed |= self._draw_panels(is_silent)
        if is_changed:
            self._clocks.drawn.append(now_s)
        return self._window.tick(redraw=is_changed)

    def described(self) -> str:
        """Description of what was shown, in one line."""
        sample = self.scene.sample
        what = "no stream" if sample is None else f"{sample.meta.model.name}, {sample.status.value}"
        return f"{what}; drawn at {self.fps:.0f} fps"

    @property
    def fps(self) -> float:
        """Redraws per second, over the last two seconds."""
        return sum(self._clocks.frame - drawn < 2.0 for drawn in self._clocks.drawn) / 2.0

    def _newest(self, now_s: float) -> AngleSample | None:
        """The newest sample; earlier ones are added to curves and trails if there is time."""
        sample: AngleSample | None = None
        for _ in range(MOST_SAMPLES):
            newer = self._stream.receive(0.0)
            if newer is None:
                break
            if sample is not None and time.monotonic() - now_s < CATCH_UP_S:
                self.scene.trace(sample)
                self._remember(sample)
            sample = newer
        if sample is not None:
            self._remember(sample)
        return sample

    def _remember(self, sample: AngleSample) -> None:
        self.message = self._readout.remember(sample) or self.message

    def _follow(self, elapsed_s: float) -> bool:
        """Keep the figure in the middle, smoothly; returns whether the viewpoint moved."""
        centre = self.scene.centre_m() if self.shown.is_following else None
        if centre is None:
            return False
        away = centre - self._target
        if np.linalg.norm(away) > 1.5:  # first sample or a jump: no slow flight through the room
            self._target = centre
        else:
            away *= 1.0 - np.exp(-elapsed_s / FOLLOW_S)
            if np.linalg.norm(away) < LEAST_MOVE_M:
                return False
            self._target = self._target + away
        self._window.look(self._target)
        return True

    def _draw_figures(self, R_view: NDArray[np.float64]) -> None:
        scene, window = self.scene, self._window
        figure = scene.body.figure
        if figure is not None:
            colours = scene.body.colours(R_view)
            window.show_mesh("figure", scene.body.vertices, colours, figure.triangles)
            shadow, lit = scene.shadow()
            window.show_mesh("shadow", shadow, np.broadcast_to(SHADOW_COLOUR, shadow.shape).copy(), lit)
        for person in self._further:
            if (mesh := person.body.figure) is not None:
                colours = person.body.colours(R_view)
                window.show_mesh(person.name, person.body.vertices, colours, mesh.triangles)
        window.show_points("ghost", scene.ghost.dots(), GHOST_COLOUR)
        window.show_lines("trails", scene.trails() if self.shown.trails else NO_LINES)

    def _draw_scenery(self) -> None:
        self._window.show_lines("ground", self.scene.ground())
        eye_m = self._window.view.eye_m
        self._window.show_lines("camera", self.scene.frustums(eye_m) if self.shown.camera else NO_LINES)

    def _draw_panels(self, is_silent: bool) -> bool:
        """Update text that has changed; returns whether any had."""
        lines, dot = state_lines(
            None if is_silent else self.scene.sample, self._stream.status, self._address, self.fps
        )
        state, is_changed = self._state_panel.draw([*lines, *self._notes()], dot)
        if is_changed:
            self._window.show_panel("state", state, (0.0, 0.0))
        listed = KEYS if self.shown.keys else (("K", "keys"),)
        keys, is_new = self._keys_panel.draw([[(key, WHITE), (does, MUTED)] for key, does in listed])
        if is_new:
            self._window.show_panel("keys", keys, (1.0, 1.0))
        angles = self._readout.picture() if self.shown.angles and not is_silent else None
        self._window.show_panel("angles", angles, below_px=state.shape[0] + 0.6 * PAD_PX * self._unit_px)
        return is_changed or is_new or angles is not None

    def _notes(self) -> list[list[tuple[str, Colour]]]:
        notes = []
        if self._ghost is not None:
            state = "" if self.scene.ghost.is_visible else " (not visible)" if self.shown.ghost else " (off)"
            notes.append([(f"ghost {self._ghost.label[:50]}{state}", GHOST_TEXT)])
        if self.message:
            notes.append([(self.message[:100], WHITE)])
        return notes

    def _bind_keys(self) -> None:
        for key in FRONTS:
            self._window.on_key(key, partial(self._look_from, key))
        self._window.on_key("4", self._look_from_camera)
        for key, name in (("F", "is_following"), ("T", "trails"), ("C", "camera"), ("G", "ghost"),
                          ("P", "angles"), ("K", "keys")):  # fmt: skip
            self._window.on_key(key, partial(self._switch, name))
        self._window.on_key("A", self._move_ghost)
        self._window.on_key("B", self._restart_ghost)
        self._window.on_key("S", self._save)
        self._window.on_key("Q", self._window.end)

    def _look_from(self, key: str) -> None:
        self._window.look(self._target, FRONTS[key], ZOOM)

    def _look_from_camera(self) -> None:
        camera = self.scene.camera
        if camera is None:
            self.message = "this stream has no camera"
            return
        T = np.array(camera.T_ground_cam)
        front = T[:3, 3] - self._target
        if np.isfinite(front).all() and 0.01 < np.linalg.norm(front) < FAR_M:
            self._window.look(self._target, front, ZOOM)

    def _switch(self, name: str) -> None:
        setattr(self.shown, name, not getattr(self.shown, name))
        self._clocks.scenery = self._clocks.panels = -1.0

    def _move_ghost(self) -> None:
        self.scene.is_ghost_on_figure = not self.scene.is_ghost_on_figure

    def _restart_ghost(self) -> None:
        if self._ghost is not None:
            self._ghost.restart()

    def _save(self) -> None:
        path = self._folder / time.strftime("kinecast-view-%Y%m%d-%H%M%S.png")
        try:
            self._window.save(path)
            self.message = f"saved {path}"
        except RealtimeError as error:
            self.message = str(error)
