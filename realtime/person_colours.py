"""The colours that tell several people apart, alike in images, pages and reports."""

from __future__ import annotations

RGB = ((255, 200, 92), (72, 176, 255), (255, 120, 160), (130, 230, 140))
"""Amber, blue, pink and green: of the first person, the second, and so on."""


def rgb_of_person(number: int) -> tuple[int, int, int]:
    """Red, green and blue of a person among several, by their number from 1."""
    return RGB[(number - 1) % len(RGB)]


def css_of_person(number: int) -> str:
    """The same colour as style sheets write it."""
    return "#{:02x}{:02x}{:02x}".format(*rgb_of_person(number))
