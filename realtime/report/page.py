"""The report of a recording: one HTML page without scripts or access to the network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecordingError
from realtime.recording.private_file import write_private
from realtime.recording.video.reader import OverlayReader, plays_in_browsers
from realtime.report.data import Recording
from realtime.report.markup import Content, Markup, element
from realtime.report.measures import losses, motion_ranges, symmetries
from realtime.report.people import ReportedPerson, change_notice, people_section, person_heading
from realtime.report.repeated import repetition_section
from realtime.report.run import origin_section, source_name, timing_section
from realtime.report.sections import curves_section, ranges_section, symmetry_section
from realtime.report.views import views_section

NOTICE = (
    "Not a medical device: for research and education, not for diagnosis, treatment or any decision about a "
    "person's health. Angles are estimated from images and can be wrong by several degrees; those of "
    "hidden limbs are guesses."
)
TITLE = "Movement of"
"""Beginning of every report's title, by which earlier reports are known."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Content security policy that lets browsers fetch nothing."""
FILM_POLICY = f"{POLICY}; media-src 'self' file:"
"""The same, but for the video beside the page."""


def write_html_report(people: Sequence[ReportedPerson], path: Path, *, pictures: bool = True) -> None:
    """Write the report.

    Args:
        people: Who is reported, from one recording.
        path: Path of the page; only an earlier report there is replaced.
        pictures: Whether to include frames of the overlay video, and the video itself where the page lies
            beside it and browsers play it.

    Raises:
        RecordingError: the page cannot be written, or another file is there.
    """
    video = people[0].recording.video
    is_beside = video is not None and path.resolve().parent == video.resolve().parent
    page = report_page(people, pictures=pictures, film=pictures and is_beside)
    try:
        if path.exists() and TITLE.encode() not in path.read_bytes()[:4096]:
            raise RecordingError(
                f"{path} is not a report of kinecast; name another file with --out FILE.html"
            )
        write_private(path, page.encode())
    except OSError as error:
        raise RecordingError(f"{path}: cannot write the report ({error.strerror})") from error


def report_page(people: Sequence[ReportedPerson], *, pictures: bool = True, film: bool = False) -> str:
    """The page as text: of one person, or with a part for each of several."""
    recording, recordings = people[0].recording, [one.recording for one in people]
    video = recording.video
    film = film and video is not None and plays_in_browsers(video)
    title = f"{TITLE} {_name_of(people[0])}"
    body: list[Content] = [
        element("header", element("h1", title), _subtitle(recording), element("p", NOTICE, class_="notice")),
        _facts(recordings),
        *(people_section(people) if len(people) > 1 else change_notice(people[0])),
    ]
    if pictures and video is not None:
        found = pictures_of(video, _times_with_most(recordings))
        body += _pictures_section(found, video.name if film else "")
    if len(people) == 1:
        body += _movement(people[0])
    else:
        body += [_part_of(one) for one in people]
        body.append(element("h1", "The recording"))
    body += views_section(recording.run)
    body += timing_section(recording, [losses(one) for one in recordings])
    body += origin_section(recording, recordings[1:])
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=FILM_POLICY if film else POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(_style())),
    )
    return f"<!DOCTYPE html>\n{element('html', head, element('body', element('main', body)), lang='en')}\n"


def _name_of(one: ReportedPerson) -> str:
    """Name of the recording, and the person where the page is of a further one."""
    folder = one.recording.folder.resolve()
    return folder.name if one.number == 1 else f"{folder.parent.name}, person {one.number}"


def _part_of(one: ReportedPerson) -> Markup:
    """The part of the page about one of several people."""
    parts = [person_heading(one), *change_notice(one), *_movement(one)]
    return element("section", parts, id=one.anchor, class_="person")


def _movement(one: ReportedPerson) -> list[Content]:
    """Curves, ranges, symmetry and repetitions of one person."""
    ranges = motion_ranges(one.recording)
    if not ranges:
        return [element("p", "Nobody was tracked, so there are no joint angles.", class_="notice")]
    parts = curves_section(one.recording, ranges)
    parts += ranges_section(ranges)
    parts += symmetry_section(symmetries(ranges))
    return parts + ([] if one.repeated is None else repetition_section(*one.repeated))


def _times_with_most(recordings: Sequence[Recording]) -> NDArray[np.float64]:
    """Times at which most of the people were tracked; empty if nobody ever was. Shape: (n,)."""
    n = min(len(one.time_s) for one in recordings)  # after a kill, one may lack the last sample
    tracked = np.sum([~one.is_lost[:n] for one in recordings], axis=0)
    return recordings[0].time_s[:n][(tracked == tracked.max()) & (tracked > 0)]


def _style() -> str:
    return files("realtime").joinpath("data/report.css").read_text("utf-8")


def _subtitle(recording: Recording) -> Markup:
    run = recording.run
    about = [text for text in (source_name(run), str(run.get("estimator") or "")) if text]
    newest_s = max(file.stat().st_mtime for file in recording.folder.glob("angles.*"))
    about.append(f"recording ended {datetime.fromtimestamp(newest_s).astimezone():%Y-%m-%d %H:%M %Z}")
    return element("p", ", ".join(about), class_="quiet")


def _facts(recordings: Sequence[Recording]) -> Markup:
    recording = recordings[0]
    time_s, n = recording.time_s, len(recording.time_s)
    facts = {"Duration": f"{time_s[-1] - time_s[0]:.1f} s", "Samples": f"{n}"}
    if len(recordings) > 1:
        facts["People"] = f"{len(recordings)}"
    else:
        facts["Tracked"] = f"{100.0 * (~recording.is_lost).mean():.1f} %"
    if len(recordings) == 1 and recording.is_unsure.any():
        facts["Unsure"] = f"{100.0 * recording.is_unsure.mean():.1f} %"
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


def _pictures_section(pictures: list[EmbeddedFrame], film: str) -> list[Content]:
    """Frames of the video and, if it has a name to play it by, the video."""
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
    section: list[Content] = [element("h2", "Pictures"), element("div", figures, class_="grid")]
    if film:
        player = element("video", src=film, controls="", preload="metadata")
        words = f"The whole recording; plays while {film} lies beside this page."
        section.append(element("figure", player, element("figcaption", words), class_="film"))
    return section


N_PICTURES = 3
WIDEST_PX = 560
QUALITY = 78


@dataclass(frozen=True, slots=True)
class EmbeddedFrame:
    """One frame of the overlay video, embedded in the page."""

    time_s: float
    width_px: int
    height_px: int
    uri: str
    """The JPEG file as a data URI."""


def pictures_of(video: Path, tracked_s: NDArray[np.float64]) -> list[EmbeddedFrame]:
    """Frames spread evenly over the times at which a person was tracked.

    Args:
        video: Path of the video. One without index, as a killed process leaves it, gives no frames.
        tracked_s: Times of tracked samples since the first sample. Shape: (n,).

    Returns:
        Frames in order of time: fewer for a short video, none if it cannot be read.
    """
    if not len(tracked_s):
        return []
    indices = np.linspace(0, len(tracked_s) - 1, N_PICTURES + 2).round().astype(np.int64)[1:-1]
    reader = OverlayReader(video)
    try:
        found = [reader.at(float(tracked_s[k])) for k in sorted(set(indices.tolist()))]
    finally:
        reader.close()
    by_time = {time_s: image for image, time_s in filter(None, found)}
    return [_embed(image, time_s) for time_s, image in by_time.items()]


def _embed(image: NDArray[np.uint8], time_s: float) -> EmbeddedFrame:
    height, width = image.shape[:2]
    scale = min(1.0, WIDEST_PX / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    smaller = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", smaller, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    return EmbeddedFrame(time_s, *size, f"data:image/jpeg;base64,{base64.b64encode(data).decode()}")
