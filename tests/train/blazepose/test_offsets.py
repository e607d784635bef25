"""Offsets of landmarks on people who stand, and their plot."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from train.blazepose.offsets import PARTS, landmark_offsets
from train.blazepose.offsets_plot import PANELS, distribution_plot

BODIES = tuple(f"{body}_{side}" for _, body in PARTS.values() for side in "rl")
HEIGHTS_PX = {"shoulder": 100.0, "hip": 200.0, "knee": 300.0, "ankle": 400.0, "heel": 408.0, "toes": 412.0}


def standing() -> tuple[np.ndarray, np.ndarray]:
    """Landmarks that are the joint centres, and the centres."""
    centres = np.array([(120.0 + 20.0 * s, HEIGHTS_PX[part]) for part in PARTS for s in (0, 1)])
    landmarks = np.zeros((33, 3))
    for k, (index, _) in enumerate(PARTS.values()):
        landmarks[list(index), :2] = centres[2 * k : 2 * k + 2]
    return landmarks, centres


def test_offsets_are_shares_of_the_leg_and_positive_upwards() -> None:
    landmarks, centres = standing()
    found = landmark_offsets(landmarks, centres, BODIES)
    assert all(abs(found[part]) < 1e-12 for part in PARTS)
    assert found["leg / trunk"] == pytest.approx(2.0) and found["shank / thigh"] == pytest.approx(1.0)
    landmarks[[27, 28], 1] -= 10.0  # up by a twentieth of the leg
    landmarks[[25, 26], 1] += 4.0
    found = landmark_offsets(landmarks, centres, BODIES)
    assert found["ankle"] == pytest.approx(0.05) and found["knee"] == pytest.approx(-0.02)
    assert found["shank / thigh"] == pytest.approx(86.0 / 104.0)
    # A camera that is turned about its axis sees the same.
    turn = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    turned = landmark_offsets(landmarks[:, :2] @ turn.T, centres @ turn.T, BODIES)
    assert turned == pytest.approx(found)


def test_the_plot_is_a_document_that_holds_every_measure() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"view": view, **{panel: float(rng.uniform(*limits)) for panel, limits in PANELS.items()}}
        for view in ("front", "oblique")
        for _ in range(20)
    ]
    svg = distribution_plot({"before": rows, "now": rows}, {"front": {"ankle": (0.05, 9.0)}})
    root = ElementTree.fromstring(svg)
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert set(PANELS) | {"before", "now", "real person"} <= texts
    width = float(root.attrib["width"])
    bars = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if "x" in e.attrib]
    assert all(
        0 <= float(e.attrib["x"]) <= float(e.attrib["x"]) + float(e.attrib["width"]) <= width for e in bars
    )
