"""Elsewhere tests may skip what is not installed; in continuous integration nothing may be missing."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version

import pytest

from tests.support.environment import IS_CI
from tests.support.published import published
from tests.support.screens import virtual_screen

pytestmark = pytest.mark.skipif(not IS_CI, reason="only where CI=true")


@pytest.mark.parametrize(
    "module",
    [
        "anny",
        "cuda.bindings",
        "onnx",
        "onnxruntime",
        "open3d",
        "opencap_visualizer",
        "opensim",
        "pylsl",
        "scipy",
        "torch",
    ],
)
def test_the_packages_that_tests_compare_with_are_installed(module: str) -> None:
    import_module(module)


@pytest.mark.parametrize("name", ["pose_detection", "pose_landmark_full", "demo_clip"])
def test_networks_and_clips_are_at_hand(name: str) -> None:
    assert published(name).is_file()


def test_types_of_tensorrt_are_at_hand() -> None:
    assert version("tensorrt-stubs")


def test_there_is_a_screen_for_windows() -> None:
    with virtual_screen() as environment:
        assert environment["DISPLAY"].startswith(":")
