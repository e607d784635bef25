"""Hair and headwear: caps cut from the head, curtains of long hair, buns, and hats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from train.faces import hairlines_m
from train.garments import Category, Field, Piece, Tailor
from train.materials import Colour, Material, Pattern, cloth
from train.shoes import blend_weights, mean_weights

STYLES = ("bald", "buzz", "short", "medium", "long", "bun", "ponytail", "curly", "receding", "cap", "beanie")
MASCULINE = np.array([0.06, 0.2, 0.46, 0.04, 0.02, 0.01, 0.01, 0.06, 0.06, 0.05, 0.03])
FEMININE = np.array([0.0, 0.03, 0.12, 0.22, 0.29, 0.1, 0.11, 0.07, 0.0, 0.03, 0.03])


def hair_material(rng: np.random.Generator, colour: Colour) -> Material:
    """Strands."""
    bright = np.minimum(colour * np.float32(rng.uniform(1.4, 2.2)) + 0.004, 0.9)
    return Material(Pattern.HAIR, colour * np.float32(0.7), bright, 60.0, 0.12, 0.5, 45.0, 0.05, 18.0, 0.3)


def from_eyes_m(tailor: Tailor) -> NDArray[np.float32]:
    """Canonical position relative to the middle of the mean head's eyes. Shape: (n_vertices, 3)."""
    eye = tailor.regions.weights["eye"] > 0.5
    return (tailor.regions.canonical_m - tailor.regions.canonical_m[eye].mean(0)).astype(np.float32)


def hairline_field(tailor: Tailor, *, recede_m: float = 0.0) -> Field:
    """Positive where hair grows."""
    p = from_eyes_m(tailor)
    line = hairlines_m(p)
    line = line + np.where(p[:, 0] > -0.05, recede_m, 0.0)
    ear = (np.abs(p[:, 2]) > 0.0715) & (p[:, 0] > -0.095) & (p[:, 0] < -0.05) & (p[:, 1] < 0.012)
    where = p[:, 1] - line
    on_head = (tailor.regions.weights["head"] + tailor.regions.weights["neck"] > 0.5) & (
        tailor.regions.weights["eye"] < 0.1
    )
    return np.where(on_head & ~ear, where, -0.05).astype(np.float32)


def _cap(
    tailor: Tailor,
    where: Field,
    material: int,
    thickness_m: NDArray[np.float64] | float,
    category: Category,
    rng: np.random.Generator,
) -> None:
    """A shell on the head, thicker on top, uneven as hair is."""
    p = from_eyes_m(tailor)
    top = np.clip((p[:, 1] - 0.02) / 0.08, 0.0, 1.0)
    uneven = sum(np.sin(p @ rng.normal(0, f, 3) + rng.uniform(0, 6)) for f in (30, 60, 90)) / 3.0
    thickness = thickness_m * (0.45 + 0.55 * top) * (1.0 + 0.3 * uneven)
    taper = np.clip(where / 0.02, 0.25, 1.0)
    tailor.shell(where, material, category, offset_m=(thickness * taper).astype(np.float32), smoothing=2)


def _curtain(tailor: Tailor, material: int, end_y_m: float, opening: float, thickness_m: float) -> None:
    """Hair that falls around the back of the head to `end_y_m`; `opening`: half angle left free at the face."""
    marks = tailor.landmarks
    top_y = float(marks.eyes[:, 1].mean()) + 0.03
    head = tailor.regions.weights["head"] > 0.5
    axis = tailor.worn_m[head & (tailor.rest_m[:, 1] > top_y - 0.02)].mean(0)
    heights = np.linspace(top_y + 0.02, end_y_m, 14)
    angle = np.linspace(opening, 2.0 * np.pi - opening, 25)
    ray = np.stack([np.cos(angle), np.sin(angle)], 1)
    near = (tailor.arm_share < 0.5) & (tailor.rest_m[:, 1] > end_y_m - 0.1)
    p = tailor.worn_m[near]
    flat = p[:, [0, 2]] - axis[[0, 2]]
    reach, aside = flat @ ray.T, np.abs(flat @ np.stack([-ray[:, 1], ray[:, 0]]))
    grid = np.empty((len(heights), len(angle), 3), np.float32)
    previous = np.zeros(len(angle))
    for k, y in enumerate(heights):
        close = (np.abs(p[:, 1] - y) < 0.02)[:, None] & (aside < 0.02)
        radius = np.where(close, reach, 0.0).max(0) + thickness_m * min(0.6 * k - 1.2, 1.0)
        radius = np.maximum(np.minimum(radius, 0.17), previous - 0.012)
        radius = np.convolve(np.concatenate([radius[:1], radius, radius[-1:]]), [0.25, 0.5, 0.25], "valid")
        previous = radius
        fullness = 1.0 - 0.25 * (k / len(heights)) ** 3
        grid[k] = np.stack(
            [axis[0] + fullness * radius * ray[:, 0], np.full(len(angle), y), axis[2] + radius * ray[:, 1]], 1
        )
    rest = grid.reshape(-1, 3)
    back = (tailor.regions.weights["trunk"] > 0.5) & (
        np.linalg.norm(tailor.rest_m - marks.neck_base, axis=1) < 0.13
    )
    sets = [mean_weights(tailor.node_index[part], tailor.node_weight[part]) for part in (head, back)]
    chin_y = float(marks.eyes[:, 1].mean()) - 0.11
    fall = np.clip((chin_y + 0.02 - rest[:, 1]) / 0.16, 0.0, 1.0)
    node, weight = blend_weights(*sets, fall)
    r, c = np.meshgrid(np.arange(len(heights) - 1), np.arange(len(angle) - 1), indexing="ij")
    a = (r * len(angle) + c).ravel()
    corners = [(a, a + 1, a + len(angle)), (a + 1, a + len(angle) + 1, a + len(angle))]
    faces = np.concatenate([np.stack(corner, 1) for corner in corners]).astype(np.int32)
    ragged = np.minimum(rest[:, 1] - end_y_m - 0.01 - 0.010 * np.abs(np.sin(np.arange(len(rest)) * 1.7)), 1.0)
    detail = np.tile(np.float32([1.0, 0.0]), (len(rest), 1))
    tailor.pieces.append(
        Piece(rest, node, weight, faces, (rest - marks.neck_base).astype(np.float32), detail, ragged.astype(np.float32),
              np.full(len(faces), material, np.int32), Category.HAIR)
    )  # fmt: skip


def _blob(
    tailor: Tailor, material: int, centre_m: NDArray[np.float64], size_m: NDArray[np.float64], sway: float
) -> None:
    """An ellipsoid of hair that moves with the head; its lower end hangs back by `sway`."""
    rows, columns = 9, 14
    v, u = np.meshgrid(
        np.linspace(0, np.pi, rows), np.linspace(0, 2 * np.pi, columns, endpoint=False), indexing="ij"
    )
    unit = np.stack([np.sin(v) * np.cos(u), np.cos(v), np.sin(v) * np.sin(u)], -1).reshape(-1, 3)
    rest = centre_m + unit * size_m
    rest[:, 0] -= sway * np.maximum(-unit[:, 1], 0.0) ** 2
    head = tailor.regions.weights["head"] > 0.5
    node, weight = mean_weights(tailor.node_index[head], tailor.node_weight[head])
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij")
    a, b = (r * columns + c).ravel(), (r * columns + (c + 1) % columns).ravel()
    faces = np.concatenate(
        [np.stack([a, b, a + columns], 1), np.stack([b, b + columns, a + columns], 1)]
    ).astype(np.int32)
    n = len(rest)
    tailor.pieces.append(
        Piece(rest.astype(np.float32), np.tile(node, (n, 1)), np.tile(weight, (n, 1)), faces,
              (rest - tailor.landmarks.neck_base).astype(np.float32), np.tile(np.float32([1.0, 0.0]), (n, 1)),
              np.ones(n, np.float32), np.full(len(faces), material, np.int32), Category.HAIR)
    )  # fmt: skip


def put_on_hair(tailor: Tailor, colour: Colour, rng: np.random.Generator, *, masculine: bool) -> str:
    """Add a random style; returns its name (`STYLES`)."""
    style = str(rng.choice(STYLES, p=MASCULINE if masculine else FEMININE))
    if style in ("bald", "buzz"):
        return style
    if style in ("cap", "beanie"):
        _put_on_hat(tailor, colour, rng, style, masculine=masculine)
        return style
    material = tailor.add_material(hair_material(rng, colour))
    eyes_y = float(tailor.landmarks.eyes[:, 1].mean())
    recede = rng.uniform(0.01, 0.022) if style == "receding" else rng.uniform(-0.012, 0.006)
    thickness = {
        "short": rng.uniform(0.008, 0.022),
        "curly": rng.uniform(0.025, 0.055),
        "receding": 0.007,
    }.get(style, 0.014)
    _cap(tailor, hairline_field(tailor, recede_m=recede), material, thickness, Category.HAIR, rng)
    if style == "medium":
        _curtain(tailor, material, eyes_y - rng.uniform(0.06, 0.14), rng.uniform(1.25, 1.65), 0.010)
    elif style == "long":
        _curtain(tailor, material, eyes_y - rng.uniform(0.2, 0.42), rng.uniform(1.35, 1.8), 0.010)
    elif style in ("bun", "ponytail"):
        head = tailor.worn_m[tailor.regions.weights["head"] > 0.5]
        back = np.array([head[:, 0].min(), eyes_y + rng.uniform(0.0, 0.07), 0.0])
        if style == "bun":
            _blob(tailor, material, back + [0.0, 0.02, 0.0], np.full(3, rng.uniform(0.028, 0.042)), 0.0)
        else:
            length = rng.uniform(0.08, 0.16)
            _blob(
                tailor, material, back + [-0.018, 0.02 - length, 0.0], np.array([0.028, length, 0.034]), 0.02
            )
    return style


def _put_on_hat(
    tailor: Tailor, colour: Colour, rng: np.random.Generator, style: str, *, masculine: bool
) -> None:
    hair = tailor.add_material(hair_material(rng, colour))
    _cap(tailor, hairline_field(tailor), hair, 0.007, Category.HAIR, rng)
    if not masculine:
        _curtain(tailor, hair, float(tailor.landmarks.eyes[:, 1].mean()) - rng.uniform(0.1, 0.35), 1.6, 0.012)
    p = from_eyes_m(tailor)
    tilt = 0.12 if style == "cap" else 0.3
    band = (
        p[:, 1]
        - (0.050 if style == "cap" else 0.042)
        - tilt * np.minimum(p[:, 0] + 0.06, 0.0) * -0.2
        - 0.1 * p[:, 0]
    )
    on_head = (tailor.regions.weights["head"] > 0.5) & (tailor.regions.weights["eye"] < 0.1)
    where = np.where(on_head, band, -0.05).astype(np.float32)
    fabric = tailor.add_material(cloth(rng, [Pattern.PLAIN, Pattern.PLAIN, Pattern.KNIT], bump=0.15))
    tailor.shell(where, fabric, Category.ACCESSORY, offset_m=0.008 if style == "cap" else 0.012, smoothing=5)
    if style == "cap":
        _visor(tailor, fabric)


def _visor(tailor: Tailor, material: int) -> None:
    """The peak of a cap, forward of the brow."""
    head = tailor.regions.weights["head"] > 0.5
    p = tailor.worn_m[head]
    y = float(tailor.landmarks.eyes[:, 1].mean()) + 0.056
    brow = p[np.abs(p[:, 1] - y) < 0.012]
    front, half = float(brow[:, 0].max()), 0.85 * float(np.abs(brow[:, 2]).max())
    rows, columns = 5, 11
    t, s = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    x = front - 0.055 * s**2 - 0.01 + t * 0.075 * np.sqrt(1.0 - 0.8 * s**2)
    rest = np.stack([x, y - 0.016 * t - 0.014 * s**2, half * s], -1).reshape(-1, 3)
    node, weight = mean_weights(tailor.node_index[head], tailor.node_weight[head])
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = (r * columns + c).ravel()
    faces = np.concatenate(
        [np.stack([a, a + columns, a + 1], 1), np.stack([a + 1, a + columns, a + columns + 1], 1)]
    )
    n = len(rest)
    tailor.pieces.append(
        Piece(rest.astype(np.float32), np.tile(node, (n, 1)), np.tile(weight, (n, 1)), faces.astype(np.int32)[:, ::-1].copy(),
              (rest - tailor.landmarks.neck_base).astype(np.float32), np.tile(np.float32([1.0, 0.0]), (n, 1)),
              np.ones(n, np.float32), np.full(len(faces), material, np.int32), Category.ACCESSORY)
    )  # fmt: skip
