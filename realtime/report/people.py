"""The parts of a report about who was there: people beside each other, and one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.events.movement import Curves, Movement
from realtime.person_colours import css_of_person
from realtime.report.data import Recording
from realtime.report.markup import Content, Markup, element, table

PEOPLE_TEXT = (
    "Several people were tracked at once, each measured as if they were alone. Numbers and colours are those "
    "of the pictures. “Tracked” and “unsure” are shares of the whole recording."
)


@dataclass(frozen=True, slots=True)
class Stay:
    """When one person was seen."""

    person_id: int
    """Number of the person, in the order in which people were found."""
    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True, eq=False)
class ReportedPerson:
    """What a report tells of one person."""

    recording: Recording
    number: int = 1
    """Number among those who were tracked at once, from 1."""
    repeated: tuple[Curves, Movement] | None = None
    """What was repeated, and in which curves; None leaves that out."""
    stays: tuple[Stay, ...] = ()
    """Who had this number, in order; empty where people were not told apart."""

    @property
    def anchor(self) -> str:
        """Name of the person's part of the page, for links."""
        return f"person-{self.number}"


def stays_of(
    person_id: NDArray[np.int64], time_s: NDArray[np.float64], is_lost: NDArray[np.bool_]
) -> tuple[Stay, ...]:
    """Who was seen when, in the order in which they came.

    Args:
        person_id: Number of the person in each sample; 0 where unknown. Shape: (n,).
        time_s: Times since the first sample. Shape: (n,).
        is_lost: Samples without a person. Shape: (n,).
    """
    seen = (person_id > 0) & ~is_lost
    known = dict.fromkeys(person_id[seen].tolist())
    times = {number: time_s[seen & (person_id == number)] for number in known}
    return tuple(Stay(number, float(t[0]), float(t[-1])) for number, t in times.items())


def people_section(people: Sequence[ReportedPerson]) -> list[Content]:
    """Who was there, with links to the part of each."""
    head = ("Person", "Tracked", "Unsure", "Seen", "Neutral pose")
    return [
        element("h2", "People"),
        element("p", PEOPLE_TEXT, class_="quiet"),
        table("Who was there", head, [_row(one) for one in people]),
    ]


def person_heading(one: ReportedPerson) -> Markup:
    """The title of a person's part of the page."""
    return element("h1", swatch(one.number), f"Person {one.number}")


def swatch(number: int) -> Markup:
    """A dot in the colour of a person."""
    return element("span", class_="swatch", style=f"background: {css_of_person(number)}", aria_hidden="true")


def change_notice(one: ReportedPerson) -> list[Content]:
    """Says that what follows is of several people, one after the other; nothing where it is of one."""
    if len(one.stays) < 2:
        return []
    who = ", then ".join(
        f"number {stay.person_id} ({stay.first_s:.1f} to {stay.last_s:.1f} s)" for stay in one.stays
    )
    words = f"Not one person: {who}, by the order in which people were found. Curves and ranges mix them."
    return [element("p", words, class_="notice")]


def _row(one: ReportedPerson) -> tuple[Content, ...]:
    recording = one.recording
    seen_s = recording.time_s[~recording.is_lost]
    return (
        [swatch(one.number), element("a", f"Person {one.number}", href=f"#{one.anchor}")],
        _percent(~recording.is_lost),
        _percent(recording.is_unsure),
        f"{seen_s[0]:.1f} to {seen_s[-1]:.1f} s" if len(seen_s) else "never",
        _learned(recording.run.get("person")),
    )


def _learned(person: object) -> str:
    if not isinstance(person, dict) or not person:  # nothing is learned, or the run was killed
        return "-"
    after_s = person.get("known_after_s")
    return f"known from {after_s:.1f} s on" if isinstance(after_s, int | float) else "not seen"


def _percent(those: NDArray[np.bool_]) -> str:
    return f"{100.0 * float(those.mean()):.1f} %"
