"""The guide to the neutral pose: shown while it helps, and in nobody's way otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from calib.skeleton import load_skeleton
from realtime.commands.live import _obey
from realtime.overlay.neutral_guide import REPEAT_KEY, SKIP_KEY, NeutralGuide
from realtime.person.neutral_pose import Refusal
from realtime.sample import LiveStats, PersonState, PoseSample
from tests.support.poses import random_sample

SAMPLE = random_sample(load_skeleton())
IMAGE: NDArray[np.uint8] = np.full((480, 640, 3), 90, dtype=np.uint8)


class Plain:
    """Draws nothing."""

    def draw(
        self, image: NDArray[np.uint8], sample: PoseSample, stats: LiveStats | None = None
    ) -> NDArray[np.uint8]:
        return image.copy()


def drawn(guide: NeutralGuide, image: NDArray[np.uint8] = IMAGE, **change: object) -> NDArray[np.uint8]:
    """What the guide changes in an image, as a mask. Shape: (height, width)."""
    shown = guide.draw(image, replace(SAMPLE, **change))  # type: ignore[arg-type]
    assert shown.shape == image.shape
    return np.asarray((shown != image).any(axis=2))


@pytest.mark.parametrize("advice", list(Refusal))
def test_advice_is_shown_at_one_side_and_leaves_the_person_visible(advice: Refusal) -> None:
    changed = drawn(NeutralGuide(Plain()), advice=advice.value)
    assert changed.any()
    assert not changed[:, :390].any()


def test_the_countdown_changes_from_frame_to_frame() -> None:
    guide = NeutralGuide(Plain())
    looks = [
        guide.draw(IMAGE, replace(SAMPLE, person=PersonState.LEARNING, learning_left_s=left_s))
        for left_s in (0.6, 0.5, 0.1)
    ]
    assert (looks[0] != looks[1]).any() and (looks[1] != looks[2]).any()


def test_nothing_is_shown_once_known_or_skipped_or_where_nothing_is_learned() -> None:
    guide = NeutralGuide(Plain())
    assert not drawn(guide, person=PersonState.KNOWN).any()
    assert not drawn(guide).any()
    guide.is_skipped = True
    assert not drawn(guide, advice="stand still").any()


@settings(deadline=None, max_examples=30)
@given(width=st.integers(1, 1500), height=st.integers(1, 1100))
def test_any_size_of_image_is_drawn(width: int, height: int) -> None:
    image: NDArray[np.uint8] = np.full((height, width, 3), 90, dtype=np.uint8)
    drawn(NeutralGuide(Plain()), image, advice=Refusal.OUT_OF_VIEW.value)


class CountingPipeline:
    """Counts how often the person is learned once more."""

    n_relearned = 0

    def relearn(self) -> None:
        self.n_relearned += 1


def test_one_key_skips_the_guide_and_another_asks_again() -> None:
    guide, pipeline = NeutralGuide(Plain()), CountingPipeline()
    for key, is_skipped, n_relearned in (
        ("", False, 0),
        ("x", False, 0),
        (SKIP_KEY, True, 0),
        (REPEAT_KEY, False, 1),
    ):
        _obey(key, pipeline, guide)  # type: ignore[arg-type]
        assert (guide.is_skipped, pipeline.n_relearned) == (is_skipped, n_relearned)
