"""What one turn of the viewer does, on a window that draws nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import pytest

from calib.skeleton import Skeleton, load_skeleton
from realtime.client import subscribe
from realtime.stream.angle_sample import AngleSample
from realtime.stream.publisher import Publisher
from realtime.viewer import viewer as viewer_module
from realtime.viewer.hud import KEYS, Viewpoint
from realtime.viewer.viewer import Viewer
from tests.support.poses import random_sample
from tests.support.streams import ANY_PORT, PATIENCE_S, join


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


class StubWindow:
    """Takes what a viewer shows, draws nothing."""

    def __init__(self) -> None:
        self.actions: dict[str, Callable[[], None]] = {}
        self.meshes: dict[str, int] = {}

    @property
    def view(self) -> Viewpoint:
        return Viewpoint(
            800, 600, np.array([[600.0, 0.0, 399.5], [0.0, 600.0, 299.5], [0.0, 0.0, 1.0]]), np.eye(4)
        )

    def look(self, *_: object) -> None:
        pass

    def on_key(self, key: str, action: Callable[[], None]) -> None:
        self.actions[key] = action

    def show_mesh(self, name: str, vertices: np.ndarray, *_: object) -> None:
        self.meshes[name] = len(vertices)

    def show_lines(self, *_: object) -> None:
        pass

    show_points = show_lines

    def show_panel(self, *_: object, **__: object) -> None:
        pass

    def end(self) -> None:
        pass

    def tick(self, *, redraw: bool) -> bool:
        return True


def test_one_turn_takes_all_that_came_and_draws_the_newest(
    skeleton: Skeleton, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer_module, "CATCH_UP_S", 1e9)  # else busy machines skip some
    with (
        Publisher(ANY_PORT, skeleton) as publisher,
        subscribe(publisher.address, poses=True) as subscription,
    ):
        join(publisher, subscription, skeleton)
        for k in range(20):
            publisher.send(random_sample(skeleton, 100 + k))
        came: deque[AngleSample] = deque()
        while not came or came[-1].frame_id < 119:
            sample = subscription.receive(PATIENCE_S)
            assert sample is not None
            came.append(sample)
        monkeypatch.setattr(subscription, "receive", lambda _: came.popleft() if came else None)
        window = StubWindow()
        viewer = Viewer(window, subscription, address=publisher.address)  # type: ignore[arg-type]
        viewer.step()
        assert viewer.scene.sample is not None
        assert viewer.scene.sample.frame_id == 119 and viewer.scene.has_bodies
        assert window.meshes["figure"] > 5000 and viewer.fps >= 0.5
        # Trails tell of the samples between, too.
        assert len(viewer.scene.trails().pairs) > 50


def test_every_key_that_is_listed_does_something(skeleton: Skeleton) -> None:
    window = StubWindow()
    with subscribe("tcp://127.0.0.1:9") as subscription:
        viewer = Viewer(window, subscription, address="")  # type: ignore[arg-type]
        listed = {key for keys, _ in KEYS for key in keys.split() if len(key) == 1}
        assert set(window.actions) == listed
        for key in sorted(listed - {"S"}):
            window.actions[key]()
        viewer.step()
        viewer._clocks.drawn.clear()
        assert viewer.step() and viewer.fps == 0.0 and viewer.message == "this stream has no camera"
