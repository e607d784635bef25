"""What people wear above and below the waist, and in which order it is put on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.clothing.garments import Category, Field, Tailor
from train.clothing.materials import Material, Pattern, cloth, denim, srgb
from train.clothing.shoes import put_on_shoes, shoe_style
from train.clothing.skirts import put_on_skirt
from train.clothing.socks import put_on_socks

TOPS = {"tee": 0.36, "long": 0.2, "shirt": 0.13, "jacket": 0.13, "tank": 0.06, "hoodie": 0.12}
BOTTOMS_MASCULINE = {"trousers": 0.42, "shorts": 0.38, "leggings": 0.08, "sweatpants": 0.12}
BOTTOMS_FEMININE = {"trousers": 0.38, "shorts": 0.2, "skirt": 0.12, "leggings": 0.22, "sweatpants": 0.08}
SHOD_ODDS = 0.88
SOCKS_IN_SHOES_ODDS, SOCKS_ALONE_ODDS = 0.9, 0.55
AT_THE_KNEE_ODDS = 0.65
"""Shorts whose hem is at the knee or below it; trackers take the hem for the knee."""
TUCKED_ODDS = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Shape of one garment."""

    where: Field
    fabric: Material
    offset_m: float
    looseness: float
    slack: float


def _pick(rng: np.random.Generator, odds: dict[str, float]) -> str:
    return str(rng.choice(list(odds), p=list(odds.values())))


def put_on_clothes(tailor: Tailor, rng: np.random.Generator, *, masculine: bool) -> tuple[str, ...]:
    """Add a random outfit without headwear; returns what is worn."""
    bottom = _pick(rng, BOTTOMS_MASCULINE if masculine else BOTTOMS_FEMININE)
    top = _pick(rng, TOPS)
    shod, tucked = rng.random() < SHOD_ODDS, rng.random() < TUCKED_ODDS
    socks = "no socks"
    if rng.random() < (SOCKS_IN_SHOES_ODDS if shod else SOCKS_ALONE_ODDS):
        socks = f"{put_on_socks(tailor, rng)} socks"
    if tucked:
        _put_on_top(tailor, top, rng)
    _put_on_bottom(tailor, bottom, rng)
    if shod:
        put_on_shoes(tailor, shoe_style(rng), rng)
    if not tucked:
        _put_on_top(tailor, top, rng)
    return top, bottom, socks, "shoes" if shod else "no shoes"


def _put_on_bottom(tailor: Tailor, kind: str, rng: np.random.Generator) -> None:
    hip_y, neck_y = tailor.landmarks.hips[0, 1], tailor.landmarks.neck_base[1]
    waist_y = float(hip_y + rng.uniform(0.17, 0.27) * (neck_y - hip_y))
    if kind == "skirt":
        put_on_skirt(tailor, waist_y, rng)
        return
    cut = _bottom_cut(tailor, kind, waist_y, rng)
    folds = tailor.joint_creases(("knees", "hips", "ankles"))
    tailor.shell(
        cut.where, tailor.add_material(cut.fabric), Category.LOWER, offset_m=cut.offset_m, smoothing=8,
        looseness=cut.looseness, slack=cut.slack, crease=folds,
    )  # fmt: skip


def _bottom_cut(tailor: Tailor, kind: str, waist_y: float, rng: np.random.Generator) -> Cut:
    marks = tailor.landmarks
    knee_y, ankle_y, crotch_y = marks.knees[0, 1], marks.ankles[0, 1], marks.crotch_y_m
    plain = [Pattern.PLAIN] * 4 + [Pattern.HEATHER]
    if kind == "shorts":
        reach = rng.uniform(0.85, 1.3) if rng.random() < AT_THE_KNEE_ODDS else rng.uniform(0.25, 0.9)
        hem_y = crotch_y + reach * (knee_y - crotch_y)
        fabric = denim(rng) if rng.random() < 0.3 else cloth(rng, plain, muted=0.75)
        offset, looseness, slack = rng.uniform(0.006, 0.014), rng.uniform(0.4, 1.0), rng.uniform(0.0, 0.08)
    elif kind == "leggings":
        hem_y = ankle_y + rng.uniform(0.0, 0.2)
        fabric = cloth(rng, [Pattern.PLAIN], bump=0.08, muted=0.8)
        offset, looseness, slack = 0.003, 0.0, 0.0
    elif kind == "sweatpants":
        hem_y = ankle_y + rng.uniform(-0.02, 0.05)
        fabric = cloth(rng, plain, bump=0.4, muted=0.8)
        offset, looseness, slack = rng.uniform(0.010, 0.018), rng.uniform(0.4, 0.8), 0.06
    else:
        hem_y = ankle_y + rng.uniform(-0.035, 0.05)
        fabric = denim(rng) if rng.random() < 0.5 else cloth(rng, plain, bump=0.4, muted=0.8)
        offset, looseness, slack = rng.uniform(0.005, 0.010), rng.uniform(0.15, 0.9), rng.uniform(0.0, 0.08)
    return Cut(tailor.lower_field(waist_y, hem_y), fabric, offset, looseness, slack)


def _put_on_top(tailor: Tailor, kind: str, rng: np.random.Generator) -> None:
    folds = tailor.joint_creases(("elbows", "shoulders", "hips"))
    hip_y, neck_y = tailor.landmarks.hips[0, 1], tailor.landmarks.neck_base[1]
    hem_y = float(hip_y + rng.uniform(-0.06, 0.12) * (neck_y - hip_y))
    cut = _top_cut(tailor, kind, hem_y, rng)
    opened = kind == "jacket" and rng.random() < 0.6
    where = cut.where
    if kind == "jacket":
        under = tailor.upper_field(hem_y + 0.02, 0.1, tailor.neck_field(rng.uniform(0.062, 0.085)))
        row = tailor.add_material(cloth(rng))
        tailor.shell(under, row, Category.UPPER, offset_m=0.005, looseness=0.3, crease=folds)
    if opened:
        where = np.minimum(where, _front_opening(tailor, rng.uniform(0.02, 0.07)))
    row = tailor.add_material(cut.fabric)
    tailor.shell(
        where, row, Category.UPPER, offset_m=cut.offset_m, smoothing=6, looseness=cut.looseness,
        slack=cut.slack, crease=folds, hides=not opened,
    )  # fmt: skip
    if kind in ("shirt", "jacket", "hoodie"):
        _put_on_collar(tailor, row, hood=kind == "hoodie")
    if kind == "shirt" or (kind == "jacket" and not opened):
        _put_on_placket(tailor, where, cut.fabric, rng)


def _top_cut(tailor: Tailor, kind: str, hem_y: float, rng: np.random.Generator) -> Cut:
    marks = tailor.landmarks
    upper_arm = float(np.linalg.norm(marks.elbows[0] - marks.shoulders[0]))
    arm = upper_arm + float(np.linalg.norm(marks.wrists[0] - marks.elbows[0]))
    v_neck_m = rng.uniform(0.04, 0.12) if rng.random() < 0.25 else 0.0
    neckline = tailor.neck_field(rng.uniform(0.062, 0.085), v_neck_m)
    sleeve_m = arm - rng.uniform(-0.01, 0.03)
    fabric, looseness, offset = cloth(rng), rng.uniform(0.2, 0.9), rng.uniform(0.005, 0.010)
    if kind == "tee":
        sleeve_m = rng.uniform(0.35, 0.85) * upper_arm
    elif kind == "tank":
        sleeve_m, looseness = -0.012, rng.uniform(0.0, 0.6)
        neckline = tailor.neck_field(rng.uniform(0.09, 0.105), 0.05)
    elif kind in ("jacket", "hoodie"):
        looseness, offset = rng.uniform(0.5, 0.9), rng.uniform(0.010, 0.016)
        fabric = cloth(rng, [Pattern.PLAIN] * 4 + [Pattern.HEATHER] * 2 + [Pattern.KNIT], bump=0.45)
        if kind == "hoodie":
            neckline = tailor.neck_field(0.052)
    elif rng.random() < 0.25:  # rolled up
        sleeve_m = upper_arm + rng.uniform(0.05, 0.6) * (arm - upper_arm)
    where = tailor.upper_field(hem_y, sleeve_m, neckline)
    return Cut(where, fabric, offset, looseness, rng.uniform(0.0, 0.12))


def _front_opening(tailor: Tailor, width_m: float) -> Field:
    """Distance from an open front that widens upwards and downwards."""
    height = np.abs(tailor.rest_m[:, 1] - tailor.landmarks.hips[0, 1] - 0.2) / 0.3
    distance = np.abs(tailor.rest_m[:, 2]) - width_m * (0.5 + height)
    forward = tailor.rest_m[:, 0] > tailor.landmarks.neck_base[0] - 0.01
    return np.where(forward & (tailor.arm_share < 0.5), distance, 1.0).astype(np.float32)


def _put_on_collar(tailor: Tailor, row: int, *, hood: bool) -> None:
    """A band that stands off the neck, open in front."""
    base, w = tailor.landmarks.neck_base, tailor.regions.weights
    height = tailor.rest_m[:, 1] - base[1] + 0.35 * (tailor.rest_m[:, 0] - base[0])
    low, high = (-0.06, 0.045) if hood else (-0.035, 0.03)
    radial = 0.105 - np.hypot(tailor.rest_m[:, 0] - base[0], tailor.rest_m[:, 2])
    gap = np.abs(tailor.rest_m[:, 2]) - (0.012 if hood else 0.016)
    front = np.where(tailor.rest_m[:, 0] > base[0], gap, 1.0)
    where = np.minimum(np.minimum(np.minimum(height - low, high - height), radial), front)
    near = (w["neck"] + w["trunk"] + w["shoulder"] > 0.5) & (w["head"] < 0.5)
    where = np.where(near, where, -1.0).astype(np.float32)
    tailor.shell(where, row, Category.UPPER, offset_m=0.016 if hood else 0.009, smoothing=6, hides=False)


def _put_on_placket(tailor: Tailor, cloth_field: Field, fabric: Material, rng: np.random.Generator) -> None:
    """The strip down a closed front, with buttons or a zip."""
    in_front = tailor.rest_m[:, 0] > tailor.landmarks.neck_base[0]
    strip = np.where(in_front, 0.013 - np.abs(tailor.rest_m[:, 2]), -1.0)
    where = np.minimum(strip, cloth_field).astype(np.float32)
    if rng.random() < 0.5:
        contrast = np.float32(rng.choice([0.4, 1.6]))
        material = Material(Pattern.BUTTONS, fabric.colour, fabric.colour * contrast, 12.0, hem=0.3)
    else:
        colour = srgb(*rng.choice([[40, 40, 42], [150, 150, 152]]))
        material = Material(Pattern.PLAIN, colour, colour, grain=0.2, hem=0.5, specular=0.1)
    row = tailor.add_material(material)
    tailor.shell(where, row, Category.UPPER, offset_m=0.002, smoothing=0, hides=False)
