"""The parts of a report about the recording itself: latency, losses, and how it was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.report.data import Recording
from realtime.report.markup import Content, Markup, element, table
from realtime.report.measures import Losses
from realtime.report.plot import Curve, plot
from realtime.source_names import recorded_name

Array = NDArray[np.float64]

LATENCY_TEXT = {
    "capture": "From the capture of a frame (between grab and retrieve) to the publication of its sample.",
    "hand-over": "From the hand-over of a frame to the estimator, because frames were read from a file.",
}
PERCENTILES = ("p50", "p95", "p99", "max")
SHOWN_FIELDS = {
    "command": "Command",
    "source": "Source",
    "estimator": "Estimator",
    "runtime": "Runtime",
    "skeleton": "Skeleton",
    "skeleton_sha": "Skeleton's hash",
    "smoothing_lag_s": "Mean delay from smoothing (s)",
    "smoothed": "Smoothed afterwards",
    "platform": "Computer",
}
"""Fields of report.json that are shown unchanged, with their titles."""


def timing_section(recording: Recording, lost: Sequence[Losses]) -> list[Content]:
    """Latency and losses, as numbers and over time.

    Args:
        recording: Recording of the first person.
        lost: Losses of each person.
    """
    run = recording.run
    figures = [_intervals(recording), *_latency_figures(run.get("history"))]
    parts: list[Content] = [
        element("h2", "Latency and losses"),
        table("Frames", ("What", "Number"), _loss_rows(run, lost)),
        element("div", figures, class_="grid"),
    ]
    stages = _stage_rows(run)
    if stages:
        parts.append(element("p", LATENCY_TEXT.get(str(run.get("latency_from")), ""), class_="quiet"))
        parts.append(table("Durations in ms", ("Stage", *PERCENTILES), stages))
    else:
        parts.append(
            element("p", "Latency is unknown because the recording was interrupted.", class_="quiet")
        )
    return parts


def origin_section(recording: Recording, further: Sequence[Recording] = ()) -> list[Content]:
    """How the recording was made.

    Args:
        recording: Recording of the first person.
        further: Recordings of further people, who were tracked at the same time.
    """
    run, camera = recording.run, recording.camera
    shown = {**run, "source": source_name(run)}
    rows = [(title, _as_text(shown[key])) for key, title in SHOWN_FIELDS.items() if shown.get(key)]
    versions = run.get("versions")
    if isinstance(versions, dict):
        rows.append(("Versions", ", ".join(f"{name} {number}" for name, number in versions.items())))
    if camera:
        rows += [
            (f"Camera {one.get('camera')}", describe_camera(one, in_rig=True)) for one in recording.cameras
        ]
        if not recording.cameras:
            rows.append(("Camera", describe_camera(camera)))
        if isinstance(camera.get("ground"), dict):
            rows.append(("Ground", describe_ground(camera["ground"])))
    for number, one in enumerate((recording, *further), 1):
        person = one.run.get("person")
        if isinstance(person, dict) and person:  # empty where nothing is learned
            name = f"Person {number}" if further else "Person"
            rows += _person_rows(person, name)
    rows.append(("Folder", recording.folder.resolve().name))
    parts: list[Content] = [element("h2", "How it was recorded")]
    if "frames" not in run:
        text = "There is no report.json because the recording was interrupted."
        parts.append(element("p", text, class_="quiet"))
    body = [element("tr", element("th", name, scope="row"), element("td", text)) for name, text in rows]
    parts.append(element("table", element("tbody", body), class_="words"))
    return parts


def _person_rows(person: dict[str, Any], name: str) -> list[tuple[str, str]]:
    """When the person became known, and where landmarks lie on them."""
    offsets, after_s = person.get("landmark_offsets_cm"), person.get("known_after_s")
    if not isinstance(offsets, dict) or not isinstance(after_s, int | float):
        return [(name, "not known: nobody was seen standing still and upright")]
    words = [
        f"{str(name).replace('_', ' ')} {_as_offset(offset)}"
        for name, offset in offsets.items()
        if isinstance(offset, dict)
    ]
    return [
        (name, f"known from second {after_s:.1f} on"),
        ("Landmarks on this person (cm; forward, up, right in the body's axes; behind)", "; ".join(words)),
    ]


def _as_offset(offset: dict[str, Any]) -> str:
    values = (offset.get(axis) for axis in ("forward", "up", "right", "behind"))
    return " ".join(f"{value:+.1f}" if isinstance(value, int | float) else "-" for value in values)


def source_name(run: dict[str, Any]) -> str:
    """The source without secrets and folders, which early recordings hold."""
    return recorded_name(str(run.get("source") or ""))


def describe_ground(ground: dict[str, Any]) -> str:
    """Description of the ground in camera.json in one line."""
    heading = str(ground.get("heading"))
    named = {
        "person": "X where the person faced when they first stood",
        "camera": "X towards the camera, or as in its file",
    }
    origin = "under the person then" if ground.get("origin") == "person" else "under the camera"
    floor = "calibrated" if ground.get("floor") == "calibrated" else "at their lowest foot then"
    about = named.get(heading, f"X {heading} degrees to the person's left from straight at the camera")
    return f"{about}, Y up; origin {origin}; floor {floor}"


def describe_camera(camera: dict[str, Any], *, in_rig: bool = False) -> str:
    """Description of a camera in one line.

    Args:
        camera: Content of camera.json, or one of cameras.json.
        in_rig: Whether it is one of several, which are never assumed.
    """
    focal = camera.get("fx")
    parts = [f"{camera.get('width_px')} x {camera.get('height_px')} px"]
    if isinstance(focal, int | float):
        parts.append(f"focal length {focal:.0f} px")
    rms = camera.get("rms_px")
    if isinstance(rms, int | float):
        parts.append(f"calibrated, reprojection error {rms:.2f} px")
    elif in_rig:
        parts.append("calibrated, reprojection error not stated in its file")
    else:
        parts.append("assumed, not calibrated: angles of the pelvis are less accurate")
    return ", ".join(parts)


def _as_text(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _loss_rows(run: dict[str, Any], lost: Sequence[Losses]) -> list[tuple[str, str]]:
    first = lost[0]
    rows = [("Samples", f"{first.samples}")]
    for number, one in enumerate(lost, 1):
        who, whose = ("a person", "") if len(lost) == 1 else (f"person {number}", f" of person {number}")
        rows.append((f"without {who}", f"{one.lost} ({_percent(one.lost, one)})"))
        unsure = f"{one.unsure} ({_percent(one.unsure, one)})"
        rows.append((f"unsure: the skeleton{whose} does not fit the image", unsure))
    others = run.get("frames_with_others")
    if isinstance(others, int) and others:
        rows.append(("with somebody else in view, who was not tracked", f"{others} of {run.get('frames')}"))
    if first.dropped is not None:
        rows.append(("Frames dropped between them", f"{first.dropped}"))
    rows.append(("Longest time between two samples", f"{1e3 * first.longest_gap_s:.0f} ms"))
    unwritten = run.get("unwritten_frames")
    if isinstance(unwritten, int):
        rows.append(("Estimated but not recorded (disk too slow)", f"{unwritten}"))
    missed = run.get("missed_samples")
    if isinstance(missed, int):
        rows.append(("Published but missed by the recorder", f"{missed}"))
    return rows


def _percent(n: int, lost: Losses) -> str:
    return f"{100.0 * n / lost.samples:.1f} %"


def _stage_rows(run: dict[str, Any]) -> list[tuple[str, ...]]:
    whole, stages = run.get("latency_ms"), run.get("stages_ms")
    durations = {"latency": whole, **(stages if isinstance(stages, dict) else {})}
    return [
        (str(name), *(f"{duration[key]:.1f}" for key in PERCENTILES))
        for name, duration in durations.items()
        if isinstance(duration, dict)
        and all(isinstance(duration.get(key), int | float) for key in PERCENTILES)
    ]


def _intervals(recording: Recording) -> list[Markup]:
    if len(recording.time_s) < 3:
        return []
    interval_ms = 1e3 * np.diff(recording.time_s)
    words = f"median {np.median(interval_ms):.1f} ms, longest {interval_ms.max():.1f} ms"
    curve = Curve("single", interval_ms)
    return [_figure("Time between samples", words, recording.time_s[1:], [curve], "ms")]


def _latency_figures(history: object) -> list[Markup]:
    """Plots of latency and losses over the run, from `RunHistory`; none if report.json has no history."""
    if not isinstance(history, dict):
        return []
    try:
        step_s = float(history["step_s"])
        mean_ms, max_ms = (_column(history[f"latency_{which}_ms"]) for which in ("mean", "max"))
        losses = _column(history["dropped"]) + _column(history["lost"])
    except (KeyError, TypeError, ValueError):
        return []
    time_s = step_s * np.arange(len(mean_ms), dtype=np.float64)
    if len(time_s) < 2 or not len(time_s) == len(max_ms) == len(losses) or np.isnan(mean_ms).all():
        return []
    words = (
        f"solid: mean of each {step_s:g} s of the run; dashed: maximum, at most {np.nanmax(max_ms):.1f} ms"
    )
    curves = [Curve("right", mean_ms), Curve("left", max_ms)]
    figures = [_figure("Latency", words, time_s, curves, "ms")]
    words = f"{losses.sum():.0f} frames dropped or without a person"
    figures.append(
        _figure(f"Losses in each {step_s:g} s of the run", words, time_s, [Curve("single", losses)], "frames")
    )
    return figures


def _column(values: Any) -> Array:
    return np.array([np.nan if value is None else float(value) for value in values])


def _figure(title: str, words: str, time_s: Array, curves: list[Curve], unit: str) -> Markup:
    drawing = plot(title, words, time_s, curves, unit)
    return element("figure", element("h4", title), drawing, element("figcaption", words))
