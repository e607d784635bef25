"""The page of a study: one HTML file without scripts that links the reports of all trials."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from urllib.parse import quote

from realtime.report.markup import Content, Markup, element, table
from realtime.report.page import NOTICE, POLICY
from realtime.study.outcome import Outcome, TrialStatus
from realtime.study.place import Place
from realtime.study.results import place_in, write_bytes
from realtime.study.study_file import PERSON
from realtime.study.work import LOG_NAME, REPORT_PAGE_NAME

PAGE_NAME = "index.html"
FIGURES = {
    "Frames": "frames",
    "Tracked (%)": "tracked_percent",
    "Unsure (%)": "unsure_percent",
    "Confidence": "median_confidence",
    "Right knee, range (deg)": "knee_angle_r_range_deg",
    "Left knee, range (deg)": "knee_angle_l_range_deg",
    "Right hip flexion, range (deg)": "hip_flexion_r_range_deg",
    "Left hip flexion, range (deg)": "hip_flexion_l_range_deg",
    "Knee asymmetry (%)": "knee_angle_symmetry_percent",
    "Error (deg)": "mean_mae_deg",
}
"""Columns of the page: title -> column of the table, which has all of them."""


def study_page(name: str, outcomes: Sequence[Outcome], tables: Sequence[str]) -> str:
    """The page as text.

    Args:
        name: Name of the study.
        outcomes: Outcomes of its trials.
        tables: Names of the table's files.
    """
    shown = {
        title: column
        for title, column in FIGURES.items()
        if any(outcome.values.get(column) is not None for outcome in outcomes)
    }
    n_done = sum(outcome.is_done for outcome in outcomes)
    people = len({outcome.subject for outcome in outcomes})
    links = [element("a", file, href=quote(file)) for file in tables]
    body: list[Content] = [
        element("header", element("h1", f"Study {name}"), element("p", NOTICE, class_="notice")),
        element("p", f"{people} people, {len(outcomes)} trials, {n_done} of them with angles. All columns: ",
                [[" ", link] for link in links]),
        table("Trials", ("Trial", "Status", *shown, "Remarks"), [_row(o, shown) for o in outcomes]),
    ]  # fmt: skip
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"Study {name}"),
        element("style", Markup(files("realtime").joinpath("data/report.css").read_text("utf-8"))),
    )
    return f"<!DOCTYPE html>\n{element('html', head, element('body', element('main', body)), lang='en')}\n"


def _row(outcome: Outcome, shown: dict[str, str]) -> list[Content]:
    folder = f"{quote(outcome.subject)}/{quote(outcome.trial)}"
    title: Content = outcome.title
    if outcome.status is not TrialStatus.FAILED and outcome.trial != PERSON:
        title = element("a", outcome.title, href=f"{folder}/{REPORT_PAGE_NAME}")
    remarks: list[Content] = [" ".join([outcome.reason, *outcome.notes])]
    if outcome.notes and outcome.status is not TrialStatus.FAILED:
        remarks.append([" ", element("a", "log", href=f"{folder}/{LOG_NAME}")])
    return [title, str(outcome.status), *(_cell(outcome.values.get(c)) for c in shown.values()), remarks]


def _cell(value: int | float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.4g}"


def write_page(out: Place, name: str, outcomes: Sequence[Outcome], tables: Sequence[str]) -> None:
    """Write the page.

    Raises:
        StudyError: it cannot be written.
    """
    write_bytes(place_in(out, PAGE_NAME), study_page(name, outcomes, tables).encode())
