"""A recording as one HTML page that needs nothing else: no network, no script."""

from __future__ import annotations

from datetime import datetime
from importlib.resources import files
from pathlib import Path

from realtime.errors import RecordingError
from realtime.report.data import Recording
from realtime.report.markup import Content, Markup, element
from realtime.report.measures import losses, motion_ranges, symmetries
from realtime.report.report_pictures import Picture, pictures_of
from realtime.report.run import origin_section, source_name, timing_section
from realtime.report.sections import curves_section, ranges_section, symmetry_section

NOTICE = (
    "Not a medical device: for research and education, not for diagnosis, treatment or any decision about a "
    "person's health. Angles come from one camera and can be several degrees off; hidden limbs are guessed."
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Tells browsers to fetch nothing."""


def write_html_report(recording: Recording, path: Path, *, pictures: bool = True) -> None:
    """Write the report.

    Args:
        recording: what to tell.
        path: the file, replaced if it exists.
        pictures: whether frames of the overlay video go into it.

    Raises:
        RecordingError: it cannot be written.
    """
    page = report_page(recording, pictures=pictures)
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise RecordingError(f"{path}: cannot write the report ({error.strerror})") from error


def report_page(recording: Recording, *, pictures: bool = True) -> str:
    """The whole page as text."""
    ranges = motion_ranges(recording)
    lost = losses(recording)
    title = f"Movement of {recording.folder.resolve().name}"
    body: list[Content] = [
        element("header", element("h1", title), _subtitle(recording), element("p", NOTICE, class_="notice")),
        _facts(recording),
    ]
    if pictures and recording.video is not None:
        body += _pictures_section(pictures_of(recording.video, recording.time_s[~recording.is_lost]))
    if ranges:
        body += curves_section(recording, ranges)
        body += ranges_section(ranges)
        body += symmetry_section(symmetries(ranges))
    else:
        body.append(element("p", "Nobody was tracked: there are no joint angles to show.", class_="notice"))
    body += timing_section(recording, lost)
    body += origin_section(recording)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(_style())),
    )
    return f"<!DOCTYPE html>\n{element('html', head, element('body', element('main', body)), lang='en')}\n"


def _style() -> str:
    return files("realtime").joinpath("data/report.css").read_text("utf-8")


def _subtitle(recording: Recording) -> Markup:
    run = recording.run
    about = [text for text in (source_name(run), str(run.get("estimator") or "")) if text]
    newest_s = max(file.stat().st_mtime for file in recording.folder.glob("angles.*"))
    about.append(f"recorded until {datetime.fromtimestamp(newest_s).astimezone():%Y-%m-%d %H:%M %Z}")
    return element("p", ", ".join(about), class_="quiet")


def _facts(recording: Recording) -> Markup:
    time_s, n = recording.time_s, len(recording.time_s)
    facts = {
        "Duration": f"{time_s[-1] - time_s[0]:.1f} s",
        "Samples": f"{n}",
        "Tracked": f"{100.0 * (~recording.is_lost).mean():.1f} %",
    }
    if n > 1:
        facts["Mean rate"] = f"{(n - 1) / (time_s[-1] - time_s[0]):.1f} Hz"
    dropped = losses(recording).dropped
    if dropped is not None:
        facts["Dropped frames"] = f"{dropped}"
    latency = recording.run.get("latency_ms")
    if isinstance(latency, dict) and isinstance(latency.get("p50"), int | float):
        facts["Median latency"] = f"{latency['p50']:.1f} ms"
    pairs = [element("div", element("dt", name), element("dd", value)) for name, value in facts.items()]
    return element("dl", pairs, class_="facts")


def _pictures_section(pictures: list[Picture]) -> list[Content]:
    if not pictures:
        return []
    figures = [
        element(
            "figure",
            element(
                "img",
                src=picture.uri,
                width=picture.width_px,
                height=picture.height_px,
                alt=f"Frame of the overlay video at {picture.time_s:.1f} s: the person with the skeleton",
            ),
            element("figcaption", f"{picture.time_s:.1f} s"),
        )
        for picture in pictures
    ]
    return [element("h2", "Pictures"), element("div", figures, class_="grid")]
