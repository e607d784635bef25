"""`kinecast.toml` says what the command line could say; the command line wins, and mistakes are named."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import cli
from realtime.commands import live
from realtime.commands.live import LiveOptions
from realtime.config_file import ConfigError, ConfigFile, check_file, config_paths, options_of, subparsers_of
from realtime.source_names import public_source

Tracked = Callable[..., LiveOptions]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, two below the project's."""
    folder = tmp_path / "project" / "below" / "deeper"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    (tmp_path / "settings" / "kinecast").mkdir(parents=True)
    return tmp_path / "project"


@pytest.fixture
def tracked(monkeypatch: pytest.MonkeyPatch) -> Tracked:
    """Options of `kinecast live` with these words."""

    def run(*words: str) -> LiveOptions:
        seen: list[LiveOptions] = []
        monkeypatch.setattr(live, "track", lambda options: seen.append(options) or 0)
        assert cli.main(["live", *words]) == 0
        return seen[0]

    return run


def user_file() -> Path:
    return config_paths()[1]


def test_options_come_from_both_files_and_the_command_line_wins(
    project: Path, tracked: Tracked, capsys: pytest.CaptureFixture[str]
):
    user_file().write_text('height = 1.6\nfov = 70\n[live]\nsource = "2"\nmirror = true\n')
    (project / "kinecast.toml").write_text(
        'height = 1.75\n[live]\nshow = ["knee_angle", "hip_flexion_r"]\nno-window = true\nmirror = false\n'
        'out = "records"\nheading = -30\n[replay]\nrealtime = true\n'
    )
    options = tracked()
    said = capsys.readouterr().err
    assert str(project / "kinecast.toml") in said and str(user_file()) in said and "--height=1.75" in said
    assert (options.run.estimator.height_m, options.run.camera.fov_deg) == (1.75, 70.0)
    assert (options.run.source, options.window, options.mirror) == ("2", False, False)
    assert options.run.drawing.show == ("knee_angle", "hip_flexion_r")
    assert options.run.estimator.heading == "-30" and options.run.out == project / "records"
    options = tracked("--height", "1.9", "--source=0", "--fov", "50", "--show", "knee_angle")
    assert (options.run.estimator.height_m, options.run.camera.fov_deg) == (1.9, 50.0)
    assert (options.run.source, options.run.drawing.show) == ("0", ("knee_angle",))


def test_what_excludes_an_option_overrules_it(project: Path, tracked: Tracked):
    (project / "kinecast.toml").write_text('height = 1.75\n[live]\npublish = "tcp://127.0.0.1:6000"\n')
    options = tracked("--subject", "anna.json", "--no-publish")
    assert (options.run.estimator.height_m, options.run.publish.address) == (None, None)
    assert options.run.estimator.subject_path == Path("anna.json")


def test_without_files_nothing_is_said(project: Path, tracked: Tracked, capsys: pytest.CaptureFixture[str]):
    tracked("--no-window")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hieght = 1.75", "hieght is no option of any command; did you mean height?"),
        ("[live]\nmirorr = true", "mirorr is no option of kinecast live; did you mean mirror?"),
        ("[liev]\nmirror = true", "[liev] is no command; did you mean live?"),
        ("[live]\nmirror = 1", "mirror = 1; accepted: true, false"),
        ("height = true", "height = True; accepted: a text, a number, or a list"),
        ("height = 7", "--height"),
        ("height = 1979-05-27", "accepted: a text"),
        ("height = ", "cannot be read"),
        ("[live]\ndebug = true", "debug is no option"),
        ('[live.show]\nx = "1"', "accepted: a text"),
    ],
)
def test_mistakes_are_named(project: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]):
    (project / "kinecast.toml").write_text(text)
    assert cli.main(["live", "--no-window"]) == 2
    error = capsys.readouterr().err.splitlines()
    assert said in error[-1] and len(error) <= 2


def test_secrets_stay_in_the_file(project: Path, capsys: pytest.CaptureFixture[str]):
    url = "rtsp://anna:hush@192.0.2.7/live?key=hidden"
    (project / "kinecast.toml").write_text(f'[live]\nsource = "{url}"\nfps = 3\n')
    assert cli.main(["live"]) == 2
    cli.main(["doctor"])
    (project / "kinecast.toml").write_text(f'[live]\nsource = "{url}"\nheight = 99\n')
    assert cli.main(["live"]) == 2
    cli.main(["doctor"])
    said = "".join(capsys.readouterr())
    assert public_source(url) in said and "hush" not in said and "hidden" not in said


def test_doctor_shows_and_checks_every_table(project: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["doctor"]) == 0
    assert "none (optional); looked for" in capsys.readouterr().out
    (project / "kinecast.toml").write_text("height = 1.75\n[calibrate.camera]\nsquare-m = 0.03\n")
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "--height = 1.75" in said and "calibrate camera --square-m = 0.03" in said
    (project / "kinecast.toml").write_text("[calibrate.camera]\nsquare = 0.03\n")
    assert cli.main(["doctor"]) == 1
    assert "square is no option of kinecast calibrate camera; did you mean" in capsys.readouterr().out


def test_a_recording_holds_the_options_that_it_was_made_with(project: Path):
    out = project / "out"
    words = ["replay", "synthetic", "--frames", "2", "--out", str(out), "--fov", "50"]
    (project / "kinecast.toml").write_text("fov = 80\nheight = 1.7\n")
    assert cli.main(words) == 0
    options = json.loads((out / "session.json").read_text())["options"]
    assert (options["camera"]["fov_deg"], options["estimator"]["height_m"]) == (50.0, 1.7)


names = st.sampled_from(["height", "live", "show", "debug", "calibrate", "camera", "x", "no-window"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
)
PARSER: argparse.ArgumentParser = cli.build_parser([])


@given(st.dictionaries(names, values, max_size=4))
def test_any_content_is_taken_or_refused(content: dict[str, object]):
    try:
        check_file(ConfigFile(Path("kinecast.toml"), content), PARSER, cli.all_options(PARSER))
    except ConfigError as error:
        assert "kinecast.toml: " in str(error)
        return
    for key, value in content.items():
        assert key in (subparsers_of(PARSER) if isinstance(value, dict) else cli.all_options(PARSER))


def test_every_option_of_live_can_stand_in_a_file():
    (leaf,) = (parser for word, parser in subparsers_of(PARSER).items() if word == "live")
    assert {"source", "no-window", "headless", "height", "no-smoothing", "record-video"} <= set(
        options_of(leaf)
    )
