"""Calibration assistants: existing commands with guidance, and what their results are used for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from realtime.app.options import AppError


@dataclass(frozen=True, slots=True)
class Assistant:
    """One calibration."""

    key: str
    """Word of `kinecast calibrate`."""
    title: str
    steps: tuple[str, ...]
    setting: str
    """Setting that takes the resulting file."""
    needs_height: bool = False
    needs_square: bool = False


ASSISTANTS = (
    Assistant(
        "camera",
        "Camera",
        (
            "Print the board at 100 %, glue it onto something flat, and measure a square.",
            "Press Start. Hold the board before the camera: near, far, at all edges, tilted each time.",
            "A window on this computer shows what is missing; it ends when it is good.",
        ),
        "camera_path",
        needs_square=True,
    ),
    Assistant(
        "floor",
        "Floor",
        (
            "Put the camera where it stays. It takes 20 s.",
            "Press Start, stand still with head and feet in view, then walk to the camera and away.",
        ),
        "camera_path",
        needs_height=True,
    ),
    Assistant(
        "subject",
        "Person",
        (
            "Press Start and stand still, facing the camera, arms hanging, head to feet in view.",
            "Then turn around once, lift one knee and the other, squat twice, raise both arms; 25 s in all.",
            "The lines below say what comes next.",
        ),
        "subject_path",
        needs_height=True,
    ),
)


def words_of(
    assistant: Assistant,
    source: str,
    out: Path,
    *,
    height_cm: float | None,
    square_mm: float | None,
    camera_path: str,
) -> list[str]:
    """Words of the command line.

    Args:
        assistant: Calibration to run.
        source: Camera's number or address.
        out: File for the result.
        height_cm: Stature of the person.
        square_mm: Side of the board's squares.
        camera_path: File of an earlier calibration of the camera; empty without one.

    Raises:
        AppError: something that it needs is missing.
    """
    if not source.strip():
        raise AppError("say which camera: its number, such as 0, or its address")
    words = ["calibrate", assistant.key, "--source", source.strip(), "--out", str(out)]
    if assistant.needs_height:
        if not height_cm:
            raise AppError("the stature of the person is needed")
        words += ["--height", f"{height_cm / 100.0:g}"]
    if assistant.needs_square:
        if not square_mm:
            raise AppError("the side of a square, as printed, is needed")
        words += ["--square-m", f"{square_mm / 1000.0:g}"]
    elif camera_path:
        words += ["--camera-file", camera_path]
    return words
