"""The report of several people: everybody is in it, with the numbers of their own recording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import cv2
import html5lib
import numpy as np
import pytest

from calib.skeleton import load_skeleton
from calib.tables.storage import read_mot
from realtime import cli, load_recording
from realtime.recording.parts import folder_of_person
from realtime.recording.parts_recorder import PartsRecorder, further_people_of
from realtime.recording.recorder import Recorder
from realtime.recording.summary import write_report
from realtime.sample import PoseSample, Status
from tests.support.browser import browser_page
from tests.support.poses import lost_sample, sample_of

HTML = "{http://www.w3.org/1999/xhtml}"
SKELETON = load_skeleton()
RATE_HZ, N = 30.0, 120
KNEES = [SKELETON.coordinate_index(f"knee_angle_{side}") for side in "rl"]
LOST = range(90, 120)
"""Frames without the second person."""


def squat(k: int, most_rad: float) -> np.ndarray:
    """Angles of somebody who bends both knees every second."""
    q = SKELETON.q_default.copy()
    q[KNEES] = 0.5 * most_rad * (1.0 - np.cos(2.0 * np.pi * k / RATE_HZ))
    return q


def both(k: int, number: int = 2) -> PoseSample:
    """One who bends the knees to 1 rad, and another who bends them to 2 rad until they are lost."""
    stamp_ns = 10**9 + round(k * 1e9 / RATE_HZ)
    first = sample_of(SKELETON, squat(k, 1.0), k, t_capture_ns=stamp_ns)
    second = sample_of(SKELETON, squat(k, 2.0), k, t_capture_ns=stamp_ns)
    second = lost_sample(SKELETON, k, t_capture_ns=stamp_ns) if k in LOST else second
    return replace(first, person_id=1, further_people=(replace(second, person_id=number),))


def record(folder: Path, samples: list[PoseSample]) -> Path:
    """What `live --people 2 --out` leaves."""
    whole = Recorder(folder, SKELETON, rate_hz=RATE_HZ)
    second = Recorder(folder_of_person(folder, 2), SKELETON, rate_hz=RATE_HZ)
    recorder = PartsRecorder(whole, [second], further_people_of)
    picture = np.full((96, 128, 3), 90, dtype=np.uint8)
    for sample in samples:
        recorder.write(sample)
        k = sample.frame_id
        whole.pictures.write_overlay(
            sample.t_capture_ns, cv2.circle(picture.copy(), (k, 40), 9, (0, 0, 255), -1)
        )
    recorder.close()
    known = {"state": "known", "known_after_s": 1.25, "landmark_offsets_cm": {}}
    about = {"source": "camera 0", "estimator": "lifted", "frames": len(samples)}
    write_report(folder, about | {"person": {"state": "unknown"}, "frames_with_others": 7})
    write_report(folder_of_person(folder, 2), about | {"person": known})
    return folder


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("rec") / "pair", [both(k) for k in range(N)])


def page_of(path: Path) -> ElementTree.Element:
    return html5lib.HTMLParser(strict=True).parse(path.read_text("utf-8"))


def text_of(node: ElementTree.Element) -> str:
    return "".join(node.itertext())


def cells_of(node: ElementTree.Element, caption: str) -> list[list[str]]:
    """Cells of the table with that caption."""
    (table,) = [t for t in node.iter(f"{HTML}table") if caption in (t.findtext(f"{HTML}caption") or "")]
    return [[text_of(cell) for cell in row] for row in table.find(f"{HTML}tbody")]


def rows_of(node: ElementTree.Element, caption: str) -> dict[str, list[str]]:
    """First cell -> other cells."""
    return {row[0]: row[1:] for row in cells_of(node, caption)}


def part_of(page: ElementTree.Element, number: int) -> ElementTree.Element:
    (part,) = [s for s in page.iter(f"{HTML}section") if s.get("id") == f"person-{number}"]
    return part


def test_everybody_is_on_the_page_with_their_own_numbers(recording: Path) -> None:
    assert cli.main(["report", str(recording)]) == 0
    page = page_of(recording / "report.html")
    who = rows_of(page, "Who was there")
    assert who["Person 1"][:3] == ["100.0 %", "0.0 %", "0.0 to 4.0 s"]
    assert who["Person 2"] == ["75.0 %", "0.0 %", "0.0 to 3.0 s", "known from 1.2 s on"]
    links = [a.get("href") for a in page.iter(f"{HTML}a")]
    assert links == ["#person-1", "#person-2"]
    for number, most_rad, n_squats in ((1, 1.0, 4), (2, 2.0, 3)):
        part = part_of(page, number)
        ranges = cells_of(part, "Ranges of motion")
        (highest,) = [row[4] for row in ranges if "knee_angle" in row[0] and row[1] == "right"]
        assert float(highest) == pytest.approx(np.degrees(most_rad), abs=0.06)
        assert f"{n_squats} repetitions" in text_of(part)
    frames = rows_of(page, "Frames")
    assert frames["without person 1"][0].startswith("0 ") and frames["without person 2"][0].startswith("30 ")
    assert frames["with somebody else in view, who was not tracked"] == ["7 of 120"]
    assert len(list(page.iter(f"{HTML}img"))) == 3
    assert "Person 2" in text_of(page) and "Not one person" not in text_of(page)


def test_one_person_may_have_a_page_of_their_own(recording: Path) -> None:
    whole = cli.main(["report", str(recording)]), (recording / "report.html").read_bytes()
    assert cli.main(["report", str(recording), "--of-person", "2"]) == 0
    page = page_of(recording / "report_person_2.html")
    assert page.findtext(f".//{HTML}h1") == "Movement of pair, person 2"
    assert "Tracked75.0 %" in text_of(page) and not list(page.iter(f"{HTML}section"))
    assert len(list(page.iter(f"{HTML}img"))) == 3
    assert (recording / "report.html").read_bytes() == whole[1]
    assert cli.main(["report", str(recording / "person_2")]) == 0
    assert "Movement of pair, person 2" in (recording / "person_2" / "report.html").read_text("utf-8")


def test_files_of_each_are_reached_from_the_whole(recording: Path, tmp_path: Path) -> None:
    for number, most_rad in ((1, 1.0), (2, 2.0)):
        motion = load_recording(recording, person=number)
        assert np.nanmax(motion.q[:, KNEES]) == pytest.approx(most_rad)
        assert set(motion.person_id[[s is not Status.LOST for s in motion.status]]) == {number}
        out = tmp_path / f"{number}.mot"
        assert (
            cli.main(["export", str(recording), "--of-person", f"{number}", "--to", "mot", "--out", str(out)])
            == 0
        )
        table = read_mot(out)
        assert table.values[:, table.names.index("knee_angle_r")].max() == pytest.approx(
            np.degrees(most_rad), abs=1e-4
        )


def test_who_is_not_there_is_refused(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["report"], ["export", "--to", "mot", "--out", str(recording / "x.mot")]):
        assert cli.main([words[0], str(recording), *words[1:], "--of-person", "3"]) == 2
        assert "holds the people 1, 2, and no person 3" in capsys.readouterr().err
    assert not (recording / "x.mot").exists()


def test_who_came_one_after_the_other_is_told(tmp_path: Path) -> None:
    samples = [both(k, number=2 if k < 45 else 3) for k in range(N)]
    page = page_after(record(tmp_path / "rec", samples))
    said = "number 2 (0.0 to 1.5 s), then number 3 (1.5 to 3.0 s)"
    assert said in text_of(part_of(page, 2)) and "Not one person" not in text_of(part_of(page, 1))
    alone = tmp_path / "alone"
    with Recorder(alone, SKELETON, rate_hz=RATE_HZ) as recorder:
        for sample in samples:
            recorder.write(replace(sample.further_people[0]))
    assert said in text_of(page_after(alone))


def page_after(folder: Path) -> ElementTree.Element:
    assert cli.main(["report", str(folder)]) == 0
    return page_of(folder / "report.html")


def test_a_browser_goes_to_the_person_on_a_phone_and_on_a_screen(recording: Path, tmp_path: Path) -> None:
    assert cli.main(["report", str(recording)]) == 0
    with browser_page(tmp_path / "profile") as page:
        for width in (360, 1280):
            page.resize(width, 720)
            page.open(recording / "report.html")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            row = "document.querySelector('a[href=\"#person-2\"]')"
            assert page.evaluate(f"{row}.getBoundingClientRect().bottom") < 900  # without much scrolling
            page.evaluate(f"{row}.click()")
            top = "document.getElementById('person-2').getBoundingClientRect().top"
            page.wait_for(f"Math.abs({top}) < 40")
            assert not page.complaints()
