"""Words of the pages."""

from __future__ import annotations

from calib.coordinates import side_of, stem_of

SIDES = {"r": "right", "l": "left"}


def title_of(name: str) -> str:
    """A coordinate's name for people, such as "Knee angle, right"."""
    words, side = stem_of(name).replace("_", " ").capitalize(), SIDES.get(side_of(name) or "")
    return f"{words}, {side}" if side else words
