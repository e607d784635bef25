"""The report of a recording: strict HTML, the numbers of the raw files, nothing fetched, nothing injected."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import cv2
import html5lib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calib.skeleton import load_skeleton
from realtime import cli
from realtime.pipeline.durations import Percentiles
from realtime.pipeline.stats import MOST_STEPS, RunHistory
from realtime.recording.recorder import Recorder
from realtime.recording.summary import write_report
from realtime.recording.video.mpeg4 import Mpeg4Video
from realtime.report.data import read_recording
from realtime.report.measures import title_of
from realtime.report.plot import MOST_POINTS, known_runs, thinned, ticks
from realtime.sample import Status
from tests.support.browser import browser_page
from tests.support.poses import lost_sample, sample_of

HTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
SKELETON = load_skeleton()
RATE_HZ = 30.0
LOST = range(40, 52)
DROPPED = (20, 75)
LABEL_HEIGHTS_PX = "[...document.querySelectorAll('figure text')].map(t => t.getBoundingClientRect().height)"


def swing(k: int) -> np.ndarray:
    """Angles that differ in size between the sides."""
    sides = np.array([0.6 if name.endswith("_l") else 1.0 for name in SKELETON.coordinate_names])
    return sides * 0.4 * np.sin(k / 9.0 + np.arange(SKELETON.n_q))


def squat(k: int) -> np.ndarray:
    """Angles of somebody who squats every two seconds, less on the left."""
    q = SKELETON.q_default.copy()
    for side, size in (("r", 0.8), ("l", 0.4)):
        q[SKELETON.coordinate_index(f"knee_angle_{side}")] = size * (1.0 - np.cos(np.pi * k / RATE_HZ))
    return q


def make_recording(folder: Path, *, n: int = 120, video: bool = True) -> Path:
    """What `live --out` leaves: lost and dropped frames, a video, report.json."""
    picture = np.full((96, 128, 3), 90, dtype=np.uint8)
    with Recorder(folder, SKELETON, rate_hz=RATE_HZ) as recorder:
        for k in range(n):
            if k in DROPPED:
                continue
            stamp_ns = 10**9 + round(k * 1e9 / RATE_HZ)
            make = lost_sample(SKELETON, k, t_capture_ns=stamp_ns)
            if k not in LOST:
                make = sample_of(SKELETON, swing(k), k, t_capture_ns=stamp_ns)
            recorder.write(
                make, cv2.circle(picture.copy(), (k % 128, 40), 9, (0, 0, 255), -1) if video else None
            )
    history = RunHistory()
    for k in range(n):
        history.record(k * 10**8, (20 + k % 7) * 10**6, k, is_lost=k in LOST)
    latency = Percentiles(n, 22.5, 22.0, 26.0, 27.0, 28.25)
    about = {"source": "camera 0", "estimator": "lifted", "latency_from": "capture", "frames": n}
    measured = {"latency_ms": latency.as_dict(), "stages_ms": {"estimate": latency.as_dict()}}
    write_report(folder, about | measured | {"unwritten_frames": 3, "history": history.as_dict()})
    return folder


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("rec") / "out")


def report(folder: Path, *options: str) -> ElementTree.Element:
    """Make the page and parse it, refusing what the HTML standard calls an error."""
    assert cli.main(["report", str(folder), *options]) == 0
    text = (folder / "report.html").read_text("utf-8")
    return html5lib.HTMLParser(strict=True).parse(text)


def text_of(node: ElementTree.Element) -> str:
    return "".join(node.itertext())


def rows_of(page: ElementTree.Element, caption: str) -> list[list[str]]:
    """Cells of the body of the table with that caption."""
    found = [
        t
        for t in page.iter(f"{HTML}table")
        if (c := t.find(f"{HTML}caption")) is not None and caption in c.text
    ]
    (table,) = found
    return [[text_of(cell) for cell in row] for row in table.find(f"{HTML}tbody")]


def raw(folder: Path) -> np.ndarray:
    """angles.csv as numpy reads it."""
    return np.genfromtxt(folder / "angles.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")


def test_the_ranges_are_those_of_the_raw_file(recording: Path):
    page, data = report(recording), raw(recording)
    rows = {(row[0], row[1]): row[2:] for row in rows_of(page, "Ranges of motion, in degrees, positions")}
    names = SKELETON.coordinate_names
    assert len(rows) == len(names)
    tracked = data["status"] == "tracking"
    assert 0 < tracked.sum() < len(data)
    for name in names:
        unit = "m" if name.endswith(("_tx", "_ty", "_tz")) else "deg"
        values = data[f"{name}_{unit}"][tracked]
        low, high = np.percentile(values, (5, 95))
        confidence = np.median(data[f"{name}_confidence"][tracked])
        expected = [values.min(), values.mean(), values.max(), np.ptp(values), high - low, confidence]
        side = {"_r": "right", "_l": "left"}.get(name[-2:], "-")
        stem = name[:-2] if side != "-" else name
        shown = [float(cell) for cell in rows[f"{title_of(name)} {stem}", side]]
        np.testing.assert_allclose(shown, expected, atol=0.0501 if unit == "deg" else 6e-4 + 0.005)


def test_the_symmetry_is_as_defined(recording: Path):
    page, data = report(recording), raw(recording)
    rows = {row[0].split()[-1]: row[1:] for row in rows_of(page, "both sides")}
    tracked = data["status"] == "tracking"
    for stem in ("knee_angle", "hip_flexion", "elbow_flex"):
        right, left = (data[f"{stem}_{side}_deg"][tracked] for side in "rl")
        r, li = (np.subtract(*np.percentile(side, (95, 5))) for side in (right, left))
        *lengths, index, mean = rows[stem]
        np.testing.assert_allclose([float(x) for x in lengths], [r, li, r - li], atol=0.0501)
        assert float(index.removesuffix(" %")) == pytest.approx(100 * abs(r - li) / ((r + li) / 2), abs=0.51)
        assert float(mean) == pytest.approx(right.mean() - left.mean(), abs=0.0501)


def test_losses_and_latency_are_told(recording: Path):
    page = report(recording)
    frames = dict(rows_of(page, "Frames"))
    assert frames["Samples"] == "118" and frames["without a person"].startswith("12 (10.2")
    assert frames["Frames dropped between them"] == "2"
    assert frames["Longest time between two samples"] == "67 ms"
    assert frames["Estimated but not recorded (disk too slow)"] == "3"
    assert ["latency", "22.0", "26.0", "27.0", "28.2"] in rows_of(page, "Durations")


def axes_of(svg: ElementTree.Element) -> tuple[np.poly1d, np.poly1d]:
    """From the drawing's units to time and value, by what its labels say."""
    labels = [
        (float(t.get("x")), float(t.get("y")), t.get("class"), text_of(t)) for t in svg.iter(f"{SVG}text")
    ]
    values = [(y - 4.0, float(text)) for _, y, style, text in labels if style == "end"]
    times = [(x, float(text)) for x, _, style, text in labels if style == "middle" and text[0].isdigit()]
    return (np.poly1d(np.polyfit(*np.array(pairs).T, 1)) for pairs in (times, values))


def test_the_curves_pass_through_the_raw_values(recording: Path):
    page, data = report(recording), raw(recording)
    figure = next(f for f in page.iter(f"{HTML}figure") if "knee_angle" in text_of(f))
    svg = figure.find(f"{SVG}svg")
    to_time, to_value = axes_of(svg)
    for side in ("right", "left"):
        (path,) = [p for p in svg.iter(f"{SVG}path") if p.get("class") == f"line {side}"]
        runs = path.get("d").split("M")[1:]
        assert len(runs) == 2  # before and after nobody was there
        points = np.array([[float(x) for x in pair.split()] for run in runs for pair in run.split("L")])
        expected = data[f"knee_angle_{side[0]}_deg"]
        known = np.isfinite(expected)
        height = 0.06 * abs(to_value[1])
        np.testing.assert_allclose(
            to_value(points[:, 1]), expected[known], atol=height + 0.06 * abs(to_value.c[0])
        )
        np.testing.assert_allclose(
            to_time(points[:, 0]), data["time_s"][known], atol=0.06 * to_time.c[0] + 1e-3
        )


def test_the_band_is_as_wide_as_the_text_says(recording: Path):
    page, data = report(recording), raw(recording)
    figure = next(f for f in page.iter(f"{HTML}figure") if "hip_rotation" in text_of(f))
    svg = figure.find(f"{SVG}svg")
    _, to_value = axes_of(svg)
    (band,) = [p for p in svg.iter(f"{SVG}path") if p.get("class") == "band right"]
    run = band.get("d").split("M")[1].removesuffix("Z")
    heights = [float(pair.split()[1]) for pair in run.split("L")]
    width = abs(to_value(heights[0]) - to_value(heights[-1]))
    deviation = 10.0 * np.sqrt(1.0 - data["hip_rotation_r_confidence"][0])
    assert width == pytest.approx(2.0 * deviation, abs=0.2 * abs(to_value.c[0]))


def test_nothing_is_fetched_and_pictures_are_inside(recording: Path):
    page = report(recording)
    assert not list(page.iter(f"{HTML}script")) and not list(page.iter(f"{HTML}link"))
    images = list(page.iter(f"{HTML}img"))
    assert len(images) == 3
    for image in images:
        assert image.get("src").startswith("data:image/jpeg;base64,") and image.get("alt")
    text = (recording / "report.html").read_text()
    assert set(re.findall(r"\b\w+://[^\s\"<]+", text)) == set()
    assert [video.get("src") for video in page.iter(f"{HTML}video")] == ["overlay.mp4"]
    without = report(recording, "--no-pictures")
    assert not list(without.iter(f"{HTML}img")) and not list(without.iter(f"{HTML}video"))


def test_a_page_elsewhere_has_no_video_beside_it(recording: Path, tmp_path: Path):
    out = tmp_path / "page.html"
    assert cli.main(["report", str(recording), "--out", str(out)]) == 0
    assert "<video" not in out.read_text() and out.read_text().count("data:image/jpeg") == 3


def test_a_video_that_browsers_do_not_play_is_not_offered(tmp_path: Path):
    folder = make_recording(tmp_path / "out", n=30)
    video = Mpeg4Video(folder / "overlay.mp4", RATE_HZ, (128, 96))
    for k in range(30):
        video.write(np.full((96, 128, 3), 4 * k, dtype=np.uint8), k / RATE_HZ)
    video.close()
    page = report(folder)
    assert not list(page.iter(f"{HTML}video")) and len(list(page.iter(f"{HTML}img"))) == 3


def test_every_drawing_and_table_has_its_words(recording: Path):
    page = report(recording)
    drawings = [s for s in page.iter(f"{SVG}svg") if s.get("aria-hidden") != "true"]
    assert len(drawings) > 20
    assert all(
        s.get("role") == "img" and s.get("aria-label") and s.find(f"{SVG}title") is not None for s in drawings
    )
    for table in page.iter(f"{HTML}table"):
        heads = list(table.iter(f"{HTML}th"))
        assert heads and all(head.get("scope") in ("col", "row") for head in heads)
    assert page.get("lang") == "en"
    assert "Not a medical device" in text_of(page)


def test_text_from_outside_stays_text(tmp_path: Path):
    folder = make_recording(tmp_path / "<b>rec</b>", n=5, video=False)
    hostile = "</style></title><script>alert(1)</script><img src=x onerror=alert(1)>"
    write_report(folder, {"source": hostile, "estimator": hostile, "stages_ms": {hostile: hostile}})
    page = report(folder)
    assert not list(page.iter(f"{HTML}script")) and not list(page.iter(f"{HTML}img"))
    assert hostile in text_of(page)


@pytest.mark.parametrize("source", ["/home/ann/films/knee.mp4", "C:\\Users\\ann\\knee.mp4", "knee.mp4"])
def test_a_page_for_others_hides_the_folders_of_its_maker(tmp_path: Path, source: str):
    folder = make_recording(tmp_path / "ann" / "out", n=5, video=False)
    write_report(folder, {"source": source, "estimator": "lifted"})
    text = text_of(report(folder))
    assert "knee.mp4" in text and "ann" not in text.replace("cannot", "")


def test_a_killed_recording_is_told_as_far_as_it_goes(tmp_path: Path):
    folder = make_recording(tmp_path / "out")
    for name in ("report.json", "angles.mot", "markers.trc", "overlay.mp4"):
        (folder / name).unlink()
    whole = (folder / "angles.csv").read_bytes()
    (folder / "angles.csv").write_bytes(whole[:-40])  # in the middle of the last row
    page = report(folder)
    assert dict(rows_of(page, "Frames"))["Samples"] == "117"
    assert "Latency is unknown" in text_of(page)
    (folder / "session.json").write_text('{"source": "camera 7", "estimator": "lifted"}')
    assert "camera 7" in text_of(report(folder))


def test_the_sto_alone_gives_the_same_ranges(tmp_path: Path):
    folder = make_recording(tmp_path / "out", video=False)
    with_csv = rows_of(report(folder), "Ranges of motion, in degrees, positions")
    (folder / "angles.csv").unlink()
    page = report(folder, "--cycles", "none")
    assert [row[:-1] for row in rows_of(page, "Ranges of motion, in degrees, positions")] == [
        r[:-1] for r in with_csv
    ]
    assert dict(rows_of(page, "Frames"))["without a person"].startswith("12 ")
    assert not [p for p in page.iter(f"{SVG}path") if "band" in p.get("class", "")]


def test_a_recording_of_nobody_says_so(tmp_path: Path):
    with Recorder(tmp_path, SKELETON) as recorder:
        for k in range(4):
            recorder.write(lost_sample(SKELETON, k, t_capture_ns=k * 10**7 + 1))
    assert "Nobody was tracked" in text_of(report(tmp_path))


def test_one_sample_is_enough(tmp_path: Path):
    with Recorder(tmp_path, SKELETON) as recorder:
        recorder.write(sample_of(SKELETON, swing(3)))
    assert "1" in text_of(report(tmp_path))


def damage(folder: Path, how: str) -> None:
    csv = folder / "angles.csv"
    lines = csv.read_text().splitlines(keepends=True)
    changed = {
        "header": ["time,what\n", *lines[1:]],
        "row": [*lines[:3], "1,2\n", *lines[4:]],
        "number": [*lines[:3], lines[3].replace("tracking,", "tracking,x"), *lines[4:]],
        "status": [*lines[:3], lines[3].replace("tracking", "dancing"), *lines[4:]],
        "time": [*lines[:3], lines[2], *lines[4:]],
        "empty": lines[:1],
        "nothing": [],
    }
    csv.write_text("".join(changed[how]))


@pytest.mark.parametrize("how", ["header", "row", "number", "status", "time", "empty", "nothing"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str):
    folder = make_recording(tmp_path / "out", n=6, video=False)
    damage(folder, how)
    assert cli.main(["report", str(folder)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(folder) in said
    assert not (folder / "report.html").exists()


def test_what_is_no_recording_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = make_recording(tmp_path / "out", n=4, video=False)
    (tmp_path / "empty").mkdir()
    for words in (
        [str(tmp_path / "absent")], [str(tmp_path / "empty")], [str(folder / "angles.csv")],
        [str(folder), "--out", str(tmp_path / "absent" / "r.html")], [str(folder), "--out", str(tmp_path)],
    ):  # fmt: skip
        assert cli.main(["report", *words]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    (folder / "report.json").write_text("[1")
    assert cli.main(["report", str(folder)]) == 2
    assert "report.json" in capsys.readouterr().err


@given(arrays(np.float64, st.integers(1, 3000), elements=st.floats(-1e3, 1e3) | st.just(np.nan)))
def test_thinning_keeps_every_extreme(values: np.ndarray):
    time_s = np.arange(len(values), dtype=np.float64)
    times, low, high = thinned(time_s, values, values)
    assert len(times) == len(low) == len(high) <= MOST_POINTS
    if np.isfinite(values).any():
        assert np.nanmin(low) == np.nanmin(values) and np.nanmax(high) == np.nanmax(values)
    assert sum(run.stop - run.start for run in known_runs(values)) == np.isfinite(values).sum()


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4), st.integers(2, 9))
def test_ticks_are_few_round_and_inside(lowest: float, length: float, most: int):
    found = ticks(lowest, lowest + length, most)
    slack = 1e-6 * (abs(lowest) + length)
    assert len(found) <= most + 1
    assert all(lowest - slack <= value <= lowest + length + slack for value in found)
    if len(found) > 1:
        assert float(f"{found[1] - found[0]:e}".split("e")[0]) == pytest.approx(
            min((1, 2, 5, 10), key=lambda f: abs(float(f"{found[1] - found[0]:e}".split("e")[0]) - f)),
            rel=1e-6,
        )


@given(
    st.lists(st.tuples(st.integers(0, 10**11), st.integers(0, 10**9), st.booleans()), min_size=1, max_size=60)
)
def test_the_history_loses_no_count(samples: list[tuple[int, int, bool]]):
    samples.sort(key=lambda s: s[0])
    history = RunHistory()
    for k, (gap, latency_ns, is_lost) in enumerate(samples):
        history.record(100 * gap, latency_ns, 3 * k, is_lost=is_lost)
    told = history.as_dict()
    json.dumps(told, allow_nan=False)
    assert len(told["frames"]) <= MOST_STEPS and sum(told["frames"]) == len(samples)
    assert sum(told["lost"]) == sum(is_lost for *_, is_lost in samples)
    assert sum(told["dropped"]) == 2 * (len(samples) - 1)
    known = [ms for ms in told["latency_max_ms"] if ms is not None]
    assert max(known) == pytest.approx(max(ns for _, ns, _ in samples) * 1e-6, abs=1e-3)
    means = zip(told["latency_mean_ms"], told["frames"], strict=True)
    total_ms = sum(ms * n for ms, n in means if ms is not None)
    assert total_ms == pytest.approx(sum(ns for _, ns, _ in samples) * 1e-6, abs=1e-3 * len(samples))


def test_a_browser_shows_it_on_a_phone_on_a_screen_and_in_the_dark(recording: Path, tmp_path: Path):
    report(recording)
    with browser_page(tmp_path / "profile") as page:
        shades = {}
        for width, scheme in ((360, "light"), (1200, "light"), (1200, "dark")):
            page.resize(width, 900)
            page.ask(
                "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
            )
            page.open(recording / "report.html")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
            image = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
            assert image.std() > 5.0
            shades[scheme] = np.median(image)
            assert min(page.evaluate(LABEL_HEIGHTS_PX)) > 8.0
            page.wait_for("document.querySelector('video').videoWidth == 128")
            urls = {url for url in page.requests() if not url.startswith("data:")}
            assert urls == {(recording / name).as_uri() for name in ("report.html", "overlay.mp4")}
            assert not page.complaints()
        assert shades["light"] > 200 and shades["dark"] < 60
        assert page.ask("Page.printToPDF")["data"]


def test_samples_that_do_not_fit_the_image_are_counted_and_shaded(tmp_path: Path) -> None:
    with Recorder(tmp_path, SKELETON, rate_hz=RATE_HZ) as recorder:
        for k in range(100):
            sample = sample_of(SKELETON, swing(k), k, t_capture_ns=10**9 + round(k * 1e9 / RATE_HZ))
            recorder.write(replace(sample, status=Status.UNSURE) if 40 <= k < 60 else sample, None)
    page = report(tmp_path)
    rows = dict((row[0], row[1]) for row in rows_of(page, "Frames"))
    assert rows["unsure: the skeleton does not fit the image"] == "20 (20.0 %)"
    assert "Unsure" in text_of(page)
    recorded = read_recording(tmp_path)
    assert np.flatnonzero(recorded.is_unsure).tolist() == list(range(40, 60))
    assert not recorded.is_lost.any()


@pytest.mark.parametrize(
    ("person", "said"),
    [
        ({"state": "unknown"}, "nobody was seen standing still"),
        (
            {
                "state": "known",
                "known_after_s": 1.25,
                "landmark_offsets_cm": {
                    "left_ankle": {"forward": 0.04, "up": 6.1, "right": -0.5, "behind": None},
                    "right_hip": "damaged",
                },
            },
            "left ankle +0.0 +6.1 -0.5 -",
        ),
    ],
)
def test_the_page_says_who_was_known_and_where_their_landmarks_lie(
    tmp_path: Path, person: dict[str, object], said: str
) -> None:
    folder = make_recording(tmp_path / "rec", video=False)
    run = json.loads((folder / "report.json").read_text())
    (folder / "report.json").write_text(json.dumps(run | {"person": person}))
    text = text_of(report(folder))
    assert said in text
    assert ("from second 1.2 on" in text) is ("known_after_s" in person)
    (folder / "report.json").write_text(json.dumps(run | {"person": {}}))  # nothing is learned
    assert said not in text_of(report(folder))


def test_repetitions_are_a_table_and_mean_curves(tmp_path: Path):
    with Recorder(tmp_path / "rec", SKELETON, rate_hz=RATE_HZ) as recorder:
        for k in range(190):
            stamp_ns = 10**9 + round(k * 1e9 / RATE_HZ)
            recorder.write(sample_of(SKELETON, squat(k), k, t_capture_ns=stamp_ns))
    words = ["report", str(tmp_path / "rec"), "--out"]
    assert cli.main([*words, str(tmp_path / "a.html")]) == 0
    page = html5lib.HTMLParser(strict=True).parse((tmp_path / "a.html").read_text("utf-8"))
    (table,) = [t for t in page.iter(f"{HTML}table") if "3 repetitions; ranges" in text_of(t)]
    rows = [[text_of(cell) for cell in row] for row in table.iter(f"{HTML}tr")]
    first, second = rows[0].index("Knee flexion R"), rows[0].index("Knee flexion symmetry")
    assert [row[0] for row in rows[1:]] == ["1", "2", "3"]
    # 92 and 46 degrees less what is still at rest: a symmetry index of two thirds.
    assert all(85 <= int(row[first].rstrip("\u00b0")) <= 92 and row[second] == "67 %" for row in rows[1:])
    text = text_of(page)
    assert "knee_angle; of both sides, their mean" in text and "over % of the cycle" in text
    assert cli.main([*words, str(tmp_path / "b.html"), "--cycles", "none"]) == 0
    assert "Nothing was repeated here" in (tmp_path / "b.html").read_text("utf-8")
