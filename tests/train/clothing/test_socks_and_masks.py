"""Socks lie on feet and shanks and end where they say; masks cover mouth and nose and leave the eyes free."""

from __future__ import annotations

import numpy as np
import pytest

from train.bodies.puppet import PuppetPool
from train.bodies.regions import BodyRegions
from train.clothing.clothes import AT_THE_KNEE_ODDS, _bottom_cut
from train.clothing.garments import Category, Tailor
from train.clothing.hair import from_eyes_m
from train.clothing.masks import mask_field, put_on_mask
from train.clothing.socks import SOCK_COLOUR_ODDS, SOCK_LENGTHS, put_on_socks, sock_fabric


@pytest.fixture
def tailor(pool: PuppetPool) -> Tailor:
    puppet = pool.puppet(3)
    regions = BodyRegions.of(pool.model)
    return Tailor.start(regions, puppet.rest_vertices_m, puppet.rig.node_index, puppet.rig.node_weight)


@pytest.mark.parametrize("kind", list(SOCK_LENGTHS))
def test_socks_are_on_the_legs_and_end_at_their_height(
    tailor: Tailor, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = SOCK_LENGTHS[kind]
    monkeypatch.setattr("train.clothing.socks.SOCK_LENGTHS", {kind: length._replace(odds=1.0)})
    assert put_on_socks(tailor, np.random.default_rng(4)) == kind
    (sock,) = tailor.pieces
    assert sock.category is Category.SHOE and sock.source is not None
    shown = sock.source[sock.clip_m > 0.0]
    w = tailor.regions.weights
    assert (w["foot"] + w["toes"] + w["shank"])[shown].min() > 0.4
    marks = tailor.landmarks
    shank_m = (marks.knees - marks.ankles)[:, 1].mean() if length.of_shank else 1.0
    # Cells of the mesh and the smoothing of the edge leave a centimetre or so.
    above_m = tailor.rest_m[shown, 1].max() - marks.ankles[:, 1].mean()
    assert length.low_m * shank_m - 0.025 < above_m < length.high_m * shank_m + 0.015
    on_sole = np.ptp(tailor.rest_m[shown][:, 0])
    assert on_sole > 0.2, "a sock reaches from heel to toes"
    gap_m = ((sock.rest_m - tailor.rest_m[sock.source]) * tailor.normal[sock.source]).sum(1)
    assert np.percentile(gap_m[sock.clip_m > 0.0], 2) > 0.0


def test_socks_are_as_often_dark_and_light_as_stated() -> None:
    assert sum(length.odds for length in SOCK_LENGTHS.values()) == pytest.approx(1.0)
    assert sum(SOCK_COLOUR_ODDS.values()) == pytest.approx(1.0)
    rng = np.random.default_rng(0)
    albedo = np.array([sock_fabric(rng).colour.mean() for _ in range(600)])
    # 45 of 255 and 140 of 255 on a display, linear.
    assert np.mean(albedo < 0.03) >= SOCK_COLOUR_ODDS["dark"] - 0.07
    assert np.mean(albedo > 0.2) >= SOCK_COLOUR_ODDS["light"] - 0.07


def test_hems_of_shorts_are_at_the_knee_as_often_as_stated(tailor: Tailor) -> None:
    rng, marks = np.random.default_rng(2), tailor.landmarks
    lowest = int(tailor.rest_m[:, 1].argmin())
    fields = [_bottom_cut(tailor, "shorts", marks.crotch_y_m + 0.2, rng).where for _ in range(200)]
    hems_m = np.array([tailor.rest_m[lowest, 1] - where[lowest] for where in fields])
    reach = (marks.crotch_y_m - hems_m) / (marks.crotch_y_m - marks.knees[0, 1])
    assert np.mean(reach > 0.9) == pytest.approx(AT_THE_KNEE_ODDS * 0.4 / 0.45, abs=0.1)
    assert reach.min() > 0.2 and reach.max() < 1.35


def test_a_mask_covers_mouth_and_nose_and_nothing_above_them(tailor: Tailor) -> None:
    p, where = from_eyes_m(tailor), mask_field(tailor)
    head = tailor.regions.weights["head"] > 0.9
    front = head & (p[:, 0] > 0.0) & (np.abs(p[:, 2]) < 0.02)
    lips = front & (np.abs(p[:, 1] + 0.0685) < 0.008)
    nose = front & (np.abs(p[:, 1] + 0.042) < 0.006)
    for part in (lips, nose):
        assert part.any() and (where[part] > 0.0).all()
    above = head & (p[:, 1] > -0.012) & (p[:, 0] > -0.03)
    assert above.any() and (where[above] < 0.0).all()
    assert (where[tailor.regions.weights["eye"] > 0.5] < 0.0).all()
    assert (where[~head & (tailor.regions.weights["head"] < 0.4)] < 0.0).all()
    # Loops reach back towards the ears.
    assert (where[head & (p[:, 0] < -0.07)] > -0.004).any()


def test_a_mask_lies_outside_the_face(tailor: Tailor) -> None:
    put_on_mask(tailor, np.random.default_rng(1))
    (mask,) = tailor.pieces
    assert mask.category is Category.ACCESSORY and mask.source is not None
    shown = mask.clip_m > 0.0
    gap_m = ((mask.rest_m - tailor.rest_m[mask.source]) * tailor.normal[mask.source]).sum(1)[shown]
    assert np.percentile(gap_m, 5) > 0.0 and gap_m.max() < 0.06
