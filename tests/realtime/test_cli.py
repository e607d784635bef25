"""The command line: what is lazily imported, what is refused in one line, what ends cleanly."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.errors import CalibError
from engines.errors import EngineError
from realtime import cli
from realtime.commands import arguments
from realtime.commands.listen import choose
from realtime.errors import RealtimeError
from train.errors import TrainError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch):
    """Make `kinecast try` raise or return what a test wants."""

    class Module:
        HELP = "try something"
        outcome: BaseException | int = 0

        @staticmethod
        def add_arguments(parser: argparse.ArgumentParser) -> None:
            parser.add_argument("--number", type=arguments.positive_int)

        @staticmethod
        def run(args: argparse.Namespace) -> int:
            if isinstance(Module.outcome, BaseException):
                raise Module.outcome
            return Module.outcome

    monkeypatch.setitem(sys.modules, "tried_command", Module)
    monkeypatch.setattr(cli, "COMMANDS", {"try": "tried_command"})
    return Module


def kinecast(*words: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "realtime.cli", *words]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False, **options
    )


def test_every_command_has_a_line_of_help_options_and_something_to_run():
    for name, path in cli.COMMANDS.items():
        module = import_module(path)
        assert re.fullmatch(r"[a-z].{10,110}[^.]", module.HELP), name
        module.add_arguments(argparse.ArgumentParser())
        assert callable(module.run)


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["--help"]) == 0
    said = capsys.readouterr().out
    for name, path in cli.COMMANDS.items():
        assert re.search(rf"^\s+{name}\s", said, re.MULTILINE)
        assert import_module(path).HELP.split()[0] in said


def test_only_the_named_command_is_imported():
    code = (
        "import sys; from realtime import cli; cli.main(['assets', '--help']);"
        "print([name for name in sys.modules if name.startswith('realtime.commands.')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.splitlines()[-1] == "['realtime.commands.assets']"


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("kinecast ")


@pytest.mark.parametrize(
    "words",
    [[], ["fly"], ["try", "--number", "-1"], ["try", "--number"], ["try", "--numb", "3"], ["try", "extra"]],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    command, words: list[str], capsys: pytest.CaptureFixture[str]
):
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(r"kinecast.*\n", captured.err)


@pytest.mark.parametrize("kind", [CalibError, EngineError, RealtimeError, TrainError])
def test_refused_input_is_one_line_and_exit_code_2(command, kind: type[Exception], capsys):
    command.outcome = kind("the file\nis not what it should be")
    assert cli.main(["try"]) == 2
    assert capsys.readouterr().err == "kinecast: the file is not what it should be\n"


@pytest.mark.parametrize("text", ["x" * 9000, "x " * 4500, f"no file {'é/' * 3000}: give another"])
def test_a_long_value_does_not_flood_the_console(command, text: str, capsys):
    command.outcome = RealtimeError(text)
    assert cli.main(["try"]) == 2
    said = capsys.readouterr().err
    assert len(said) < 1600 and "..." in said and said.startswith(f"kinecast: {text[:30]}")
    assert cli.main(["try", "--number", text]) == 2
    assert len(capsys.readouterr().err) < 1600


def test_any_other_failure_is_exit_code_1_without_a_traceback(command, capsys):
    command.outcome = ZeroDivisionError("division by zero")
    assert cli.main(["try"]) == 1
    said = capsys.readouterr().err
    assert said == "kinecast: ZeroDivisionError: division by zero (add --debug for the traceback)\n"


@pytest.mark.parametrize("words", [["--debug", "try"], ["try", "--debug"]])
def test_debug_shows_the_traceback(command, words: list[str]):
    command.outcome = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        cli.main(words)


def test_what_a_command_returns_is_the_exit_code(command):
    command.outcome = 1
    assert cli.main(["try"]) == 1


def test_a_stopped_command_is_exit_code_1(command, capsys):
    command.outcome = KeyboardInterrupt()
    assert cli.main(["try"]) == 1
    assert capsys.readouterr().err == "kinecast: stopped\n"


def test_a_reader_that_leaves_is_not_an_error_to_talk_about():
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "realtime.cli", "doctor"]
    result = subprocess.run(
        command, stdout=write_end, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False
    )
    os.close(write_end)
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["live"], "camera 0 cannot be opened .*kinecast replay VIDEO --out DIR"),
        (["live", "--source", "nowhere.mp4"], "'nowhere.mp4': no such file"),
        (["live", "--source", "synthetic", "--fov", "400"], "field of view 400"),
        (["live", "--source", "synthetic", "--skeleton", "nowhere.osim"], r"nowhere\.osim"),
        (["live", "--source", "synthetic", "--camera-file", "nowhere.json"], r"nowhere\.json"),
        (["replay", "synthetic", "--out", "x"], "synthetic has no end; add --frames N"),
        (["replay", "0", "--out", "x"], "camera 0 is live"),
        (["replay", "clip.mp4"], "add --out DIR"),
        (["listen", "--timeout", "0.2", "--connect", "tcp://127.0.0.1:5999"], "nothing received from tcp://127.0.0.1:5999"),
        (["listen", "--connect", "nonsense"], "nonsense"),
        (["assets", "fetch", "no_such_asset"], "no_such_asset"),
    ],
)  # fmt: skip
def test_refusals_of_the_real_commands(words: list[str], said: str, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("realtime.sources.cameras.list_cameras", lambda: [])
    assert cli.main(words) == 2
    assert re.fullmatch(rf"kinecast.*{said}.*\n", capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=12))
def test_option_values_are_valid_or_refused(text: str):
    for parse in (arguments.positive_int, arguments.positive_float, arguments.rate_hz, arguments.size_px):
        try:
            value = parse(text)
        except argparse.ArgumentTypeError:
            continue
        assert all(part > 0 for part in (value if isinstance(value, tuple) else (value,)))


def test_unknown_coordinates_are_refused_with_those_there_are():
    assert choose(("b",), ("a", "b")) == ("b",)
    assert choose(None, ("a", "b")) == ("a", "b")
    with pytest.raises(RealtimeError, match="no coordinate knee; the skeleton has a, b"):
        choose(("a", "knee"), ("a", "b"))


def test_doctor_reports_what_is_there_and_how_to_get_the_rest(capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("realtime.sources.cameras.list_cameras", lambda: [(1, "Integrated Camera")])
    monkeypatch.setattr("realtime.overlay.window.display_problem", lambda: "no screen here")
    monkeypatch.setattr("realtime.commands.doctor.EXTRAS", {"no-such-package": "viewer"})
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "1: Integrated Camera (kinecast live --source 1)" in said
    assert "no screen here; live runs without a window" in said
    assert "pip install 'kinecast[viewer]'" in said
    assert re.search(r"^ok  numpy +\d", said, re.MULTILINE)


def test_doctor_fails_where_something_needed_is_missing(capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("realtime.commands.doctor.REQUIRED", ("no-such-package",))
    assert cli.main(["doctor"]) == 1
    assert "!!  no-such-package" in capsys.readouterr().out
