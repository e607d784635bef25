"""Running studies in one process, with an estimator that needs no network: results, failures, kills."""

from __future__ import annotations

import csv
import os
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet
import pytest

from realtime.study.outcome import OUTCOME_NAME
from realtime.study.results import PART, opened_results
from tests.support.kinecast_process import running
from tests.support.studies import broken, gray

pytestmark = pytest.mark.timeout(600)

STUDY = """
[[subject]]
name = "anna"
height_m = 1.7
[[subject.trial]]
name = "one"
video = "one.mp4"
reference = "one.mot"
[[subject.trial]]
name = "two"
video = "two.mp4"

[[subject]]
name = "ben"
[[subject.trial]]
name = "cut"
video = "cut.mp4"
[[subject.trial]]
name = "three"
video = "three.mp4"
"""
DIE = "os.kill(os.getpid(), 9)"
NTH_RENAME = """
import os, realtime.study.results as r
real, left = os.rename, [{n}]
def rename(a, b):
    left[0] -= 1
    if left[0] < 0: os.kill(os.getpid(), 9)
    real(a, b)
    if {after} and left[0] == 0: os.kill(os.getpid(), 9)
os.rename = rename
"""
MOMENTS = {
    "in the middle of a recording": (
        "import os, realtime.recording.recorder as r\nreal = r.Recorder.write\ndef write(self, *a):\n"
        f"    real(self, *a)\n    if self.n_samples == 5: {DIE}\nr.Recorder.write = write"
    ),
    "before the first result is named": NTH_RENAME.format(n=0, after=False),
    "after the first result is named": NTH_RENAME.format(n=1, after=True),
    "between recording and report": (
        f"import os, realtime.study.work as w\ndef die(*a): {DIE}\nw.write_html_report = die"
    ),
    "while the table is written": (
        "import os, realtime.study.table as t\nreal = t.as_parquet\n"
        f"def die(*a): {DIE}\nt.as_parquet = die"
    ),
}  # fmt: skip
"""Code that kills the driver at one moment."""


def run_study(study: Path, out: Path, *words: str, prelude: str = "") -> tuple[int, str, str]:
    code = f"exec({prelude!r}, globals())" if prelude else ""
    with running("study", "run", str(study), "--out", str(out), *words, prelude=code) as process:
        said, complained = process.communicate(timeout=500)
    return process.returncode, said, complained


def table_of(out: Path) -> str:
    return (out / "trials.csv").read_text()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    for k, name in enumerate(("one", "two", "three")):
        gray(folder / f"{name}.mp4", 40, 60 + 10 * k)
    broken(folder / "cut.mp4")
    rows = "\n".join(f"{0.05 * k}\t{5 * (k % 7)}\t{3 * (k % 5)}" for k in range(40))
    (folder / "one.mot").write_text(
        f"Coordinates\nversion=1\nnRows=40\nnColumns=3\ninDegrees=yes\nendheader\n"
        f"time\tknee_angle_r\thip_flexion_l\n{rows}\n"
    )
    (folder / "study.toml").write_text(STUDY)
    return folder / "study.toml"


@pytest.fixture(scope="module")
def whole(study: Path) -> tuple[Path, str]:
    """Results of a run that nothing disturbed, and what it said."""
    out = study.parent / "whole"
    code, said, complained = run_study(study, out)
    assert code == 1, complained
    return out, said


def test_every_good_trial_has_its_files_and_the_broken_one_a_row(whole: tuple[Path, str]) -> None:
    out, said = whole
    assert "3 of 4 trials done; without angles: ben/cut" in said
    rows = {row["trial"]: row for row in csv.DictReader(table_of(out).splitlines())}
    assert [row["status"] for row in rows.values()] == ["done", "done", "failed", "done"]
    assert "not a video that can be read" in rows["cut"]["reason"] and "/" not in rows["cut"]["reason"][:8]
    for name in ("anna/one", "anna/two", "ben/three"):
        names = {path.name for path in (out / name).iterdir()}
        assert {"angles.sto", "angles.mot", "report.html", "report.json", "log.txt", OUTCOME_NAME} <= names
    assert not list(out.glob(f"{PART}*")) and not (out / "ben/cut").exists()


def test_the_table_has_what_replay_and_report_say(whole: tuple[Path, str], study: Path) -> None:
    out, _ = whole
    with running("replay", str(study.parent / "two.mp4"), "--out", str(study.parent / "alone")) as process:
        assert process.wait(300) == 0
    alone = (study.parent / "alone/angles.sto").read_bytes()
    assert (out / "anna/two/angles.sto").read_bytes() == alone
    rows = {row["trial"]: row for row in csv.DictReader(table_of(out).splitlines())}
    columns = alone.decode().splitlines()
    names = columns[columns.index("endheader") + 1].split("\t")
    knee = [float(line.split("\t")[names.index("knee_angle_r")]) for line in columns[-40:]]
    tracked = [value for value in knee if value == value]
    assert float(rows["two"]["knee_angle_r_max_deg"]) == pytest.approx(max(tracked), abs=1e-3)
    assert float(rows["two"]["tracked_percent"]) == 90.0
    assert 30 <= float(rows["one"]["compared_frames"]) <= 36  # a lag moves some out of the reference's time
    assert float(rows["one"]["knee_angle_r_mae_deg"]) > 0.0
    assert rows["two"]["compared_frames"] == ""


def test_parquet_is_the_same_table(whole: tuple[Path, str]) -> None:
    table = pyarrow.parquet.read_table(whole[0] / "trials.parquet").to_pylist()
    rows = list(csv.DictReader(table_of(whole[0]).splitlines()))
    assert len(table) == len(rows) == 4
    for stored, written in zip(table, rows, strict=True):
        assert list(stored) == list(written)
        for name, value in stored.items():
            assert written[name] == "" if value is None else value == type(value)(written[name])


def test_the_page_links_every_report(whole: tuple[Path, str]) -> None:
    class Links(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [value or "" for name, value in attrs if name == "href"]

    links = Links()
    page = (whole[0] / "index.html").read_text()
    links.feed(page)
    assert {"anna/one/report.html", "anna/two/report.html", "ben/three/report.html"} <= set(links.found)
    assert all((whole[0] / link).is_file() for link in links.found)
    assert "<script" not in page and "ben/cut" in page


def test_killed_at_five_moments_and_resumed_to_the_same_table(study: Path, whole: tuple[Path, str]) -> None:
    out = study.parent / "killed"
    kept: dict[Path, int] = {}
    for moment, prelude in MOMENTS.items():
        code, _, complained = run_study(study, out, prelude=prelude)
        assert code == -9, f"{moment}: {complained}"
        now = {path: path.stat().st_mtime_ns for path in out.glob(f"[ab]*/*/{OUTCOME_NAME}")}
        assert kept.items() <= now.items(), f"{moment}: a finished trial was done again"
        kept = now
    assert len(kept) == 3
    code, _, _ = run_study(study, out)
    assert code == 1 and table_of(out) == table_of(whole[0])
    assert (out / "trials.parquet").read_bytes() == (whole[0] / "trials.parquet").read_bytes()
    assert not list(out.glob(f"{PART}*"))
    for name in ("anna/one", "anna/two", "ben/three"):
        assert (out / name / "angles.sto").read_bytes() == (whole[0] / name / "angles.sto").read_bytes()


def test_other_videos_are_not_taken_for_the_same_trial(study: Path, whole: tuple[Path, str]) -> None:
    other = study.with_name("other.toml")
    other.write_text(STUDY.replace('"two.mp4"', '"three.mp4"'))
    code, _, complained = run_study(other, whole[0])
    assert code == 2 and "anna/two was made from another video" in complained and "--replace" in complained


def test_two_runs_do_not_share_a_folder(study: Path, tmp_path: Path) -> None:
    with opened_results(str(tmp_path)):
        code, _, complained = run_study(study, tmp_path)
    assert code == 2 and "another kinecast study run is using it" in complained


def test_a_full_disk_is_said_and_leaves_no_half_trial(study: Path, tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"
    limit += "; import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    code, said, complained = run_study(study, tmp_path / "out", prelude=limit)
    assert code in (1, 2) and "Traceback" not in complained
    assert "recorded" in said + complained or "cannot be written" in said + complained
    assert not list((tmp_path / "out").glob("[ab]*/*"))
    assert run_study(study, tmp_path / "out")[0] == 1
    assert len(list((tmp_path / "out").glob(f"[ab]*/*/{OUTCOME_NAME}"))) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written(study: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    code, _, complained = run_study(study, tmp_path / "out")
    assert code == 2 and "cannot be written" in complained
