"""Tables of docs/accuracy.md and of the README, from the JSON of `kinecast evaluate --trials`.

`python -m realtime.bench.accuracy_page lifted.json direct.json` renews them: the first file's coordinates are
shown one by one, of the others only the means.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from calib.coordinates import SCORED_COORDINATES
from realtime.bench.trials import FORMAT, PeopleScores
from realtime.errors import RealtimeError

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "realtime" / "docs" / "accuracy.md"
README = ROOT / "README.md"
START, END = "<!-- accuracy -->", "<!-- /accuracy -->"
NONE = "-"


class _Mean(msgspec.Struct, frozen=True):
    mean_mae_deg: float


class _TrialRow(msgspec.Struct, frozen=True):
    """What the tables need of one trial."""

    name: str
    person: str
    frames: int
    compared_frames: int
    mean_mae_deg: float
    mean_bias_removed_deg: float
    median_frame_error_deg: float
    standing: _Mean | None
    extremes: _Mean
    known_after_s: float | None
    mae_deg: dict[str, float]


class TrialsFile(msgspec.Struct, frozen=True):
    """What the tables need of a result."""

    format: str
    estimator: str
    over_people: PeopleScores
    trials: list[_TrialRow]


def read_result(path: Path) -> TrialsFile:
    """Read what `kinecast evaluate --trials` wrote.

    Raises:
        RealtimeError: the file is none.
    """
    try:
        result = msgspec.json.decode(path.read_bytes(), type=TrialsFile)
    except OSError as error:
        raise RealtimeError(f"{path}: cannot be read ({error.strerror})") from error
    except msgspec.DecodeError as error:
        raise RealtimeError(
            f"{path}: not a result of trials ({error}); make one: "
            "kinecast evaluate --trials FILE.toml --json OUT"
        ) from error
    if result.format != FORMAT:
        raise RealtimeError(f"{path}: its format is {result.format!r}; accepted: {FORMAT!r}; evaluate again")
    return result


def page_tables(results: Sequence[TrialsFile]) -> str:
    """The tables of docs/accuracy.md."""
    parts = []
    for result in results:
        parts += [f"### Means of `{result.estimator}`", "", *_means_table(result), ""]
    first = results[0]
    parts += [f"### Coordinates over people, `{first.estimator}`", "", *_people_table(first.over_people), ""]
    parts += [
        f"### Coordinates by trial, `{first.estimator}`: mean absolute error",
        "",
        *_trials_table(first),
    ]
    return "\n".join(parts)


def readme_table(result: TrialsFile) -> str:
    """The README's one table."""
    people = result.over_people
    rows = [
        (_named(t), t.mean_mae_deg, t.mean_bias_removed_deg, t.median_frame_error_deg, t.compared_frames)
        for t in result.trials
    ]
    mean = (people.mean_mae_deg, people.mean_bias_removed_deg, people.median_frame_error_deg)
    lines = _table(
        ("degrees", "mean absolute error", "without each angle's bias", "median over frames", "frames"),
        [(name, *map(_cell, values), str(frames)) for name, *values, frames in rows],
    )
    total = (_over_people(people), *(_cell(value) for value in mean), str(people.compared_frames))
    return "\n".join([*lines, _row([f"**{cell}**" for cell in total])])


def replace_between_markers(text: str, new: str, path: Path) -> str:
    """A page with what is between its markers made anew.

    Raises:
        RealtimeError: the page has not one pair of them, in order.
    """
    start, end = text.find(START), text.find(END)
    if text.count(START) != 1 or text.count(END) != 1 or end < start:
        raise RealtimeError(f"{path}: needs one line {START} and after it one line {END}")
    return f"{text[: start + len(START)]}\n\n{new}\n\n{text[end:]}"


def _means_table(result: TrialsFile) -> list[str]:
    heads = (
        "degrees",
        "raw",
        "bias removed",
        "median frame",
        "standing",
        "extremes",
        "frames",
        "known after s",
    )
    rows = []
    for t in result.trials:
        standing = None if t.standing is None else t.standing.mean_mae_deg
        values = (t.mean_mae_deg, t.mean_bias_removed_deg, t.median_frame_error_deg, standing)
        cells = [_cell(value, 2) for value in (*values, t.extremes.mean_mae_deg)]
        frames = f"{t.compared_frames} of {t.frames}"
        rows.append([_named(t), *cells, frames, _cell(t.known_after_s, 2)])
    people = result.over_people
    means = [people.mean_mae_deg, people.mean_bias_removed_deg, people.median_frame_error_deg]
    means += [people.standing_mean_mae_deg, people.extremes_mean_mae_deg]
    cells = [_cell(value, 2) for value in means]
    rows.append([_over_people(people), *cells, str(people.compared_frames), _cell(people.known_after_s, 2)])
    return _table(heads, rows)


def _people_table(people: PeopleScores) -> list[str]:
    tables = {
        "raw": people.mae_deg,
        "bias removed": people.bias_removed_deg,
        "median": people.median_deg,
        "standing": people.standing_mae_deg,
        "top": people.top_deg,
        "bottom": people.bottom_deg,
        "as published": people.published_pelvis_deg,
        "heading of the first second": people.first_second_heading_deg,
    }
    rows = [
        [_label(n), *(_cell(table.get(n)) for table in tables.values())] for n in _ordered(people.mae_deg)
    ]
    return _table(("degrees", *tables), rows)


def _trials_table(result: TrialsFile) -> list[str]:
    rows = [
        [_label(n), *(_cell(t.mae_deg.get(n)) for t in result.trials)]
        for n in _ordered(result.over_people.mae_deg)
    ]
    return _table(("degrees", *(t.name for t in result.trials)), rows)


def _ordered(names: Iterable[str]) -> list[str]:
    """The scored coordinates first."""
    return sorted(names, key=lambda name: name not in SCORED_COORDINATES)


def _label(name: str) -> str:
    return name if name in SCORED_COORDINATES else f"{name} (not scored)"


def _named(trial: _TrialRow) -> str:
    return f"{trial.name} (person {trial.person})"


def _over_people(people: PeopleScores) -> str:
    return f"mean over {people.people} people"


def _cell(value: float | None, digits: int = 1) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_row(heads), "|" + "---|" * len(heads), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Renew the tables of both pages."""
    parser = argparse.ArgumentParser(description="renew the accuracy tables from results of trials")
    parser.add_argument("results", nargs="+", type=Path, metavar="TRIALS.json")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE.md")
    parser.add_argument("--readme", type=Path, default=README, metavar="FILE.md")
    args = parser.parse_args(arguments)
    results = [read_result(path) for path in args.results]
    for path, tables in ((args.page, page_tables(results)), (args.readme, readme_table(results[0]))):
        path.write_text(replace_between_markers(path.read_text(), tables, path))


if __name__ == "__main__":
    main()
