"""What the app asks of other commands is what those commands accept."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from realtime import cli
from realtime.app.assistants import ASSISTANTS, words_of
from realtime.app.options import AppError, Settings
from realtime.app.state import DEMO_SOURCE, AppState

CHOSEN = Settings(
    height_m=1.8, person="left", camera_path="camera.json", subject_path="person.json", record_video=True
)


def parsed(words: list[str]) -> Any:
    return cli.build_parser(words).parse_args(words)


def live_words(settings: Settings, source: str) -> list[str]:
    state: Any = SimpleNamespace(settings=settings)
    return ["live", "--source", source, *AppState.tracker_words(state, source)]


def test_settings_reach_the_tracker():
    args = parsed(live_words(CHOSEN, "1"))
    assert (args.camera_path, args.subject_path) == (Path("camera.json"), Path("person.json"))
    assert args.person == "left"
    assert args.height_m is None and args.record_video  # the measured person has a stature
    assert parsed(live_words(Settings(height_m=1.8), "1")).height_m == 1.8


def test_a_video_has_a_camera_of_its_own():
    assert parsed(live_words(CHOSEN, "squat.mp4")).camera_path is None


def test_the_person_of_the_demonstration_is_looked_for_where_they_are():
    assert parsed(live_words(Settings(), DEMO_SOURCE)).search_region == (0.0, 0.5, 1.0, 0.5)


@pytest.mark.parametrize("assistant", ASSISTANTS, ids=[assistant.key for assistant in ASSISTANTS])
def test_assistants_start_commands_that_exist(assistant: Any):
    words = words_of(
        assistant, "0", Path("out.json"), height_cm=180.0, square_mm=28.0, camera_path="camera.json"
    )
    args = parsed(words)
    assert args.out == Path("out.json") and args.subcommand == assistant.key
    assert getattr(args, "height", 1.8) in (1.8, None) and getattr(args, "square_m", 0.028) == 0.028
    assert hasattr(Settings(), assistant.setting)


@pytest.mark.parametrize("assistant", ASSISTANTS, ids=[assistant.key for assistant in ASSISTANTS])
@pytest.mark.parametrize("lacking", ["source", "numbers"])
def test_what_an_assistant_lacks_is_said_before_it_starts(assistant: Any, lacking: str):
    source = "" if lacking == "source" else "0"
    with pytest.raises(AppError):
        words_of(assistant, source, Path("out.json"), height_cm=None, square_mm=None, camera_path="")
