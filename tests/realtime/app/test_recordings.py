"""Names of recordings may come from anywhere; only those in the folder are found."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.skeleton import load_skeleton
from realtime.app.options import AppError, Settings, load_settings, save_settings
from realtime.app.recordings import find_recording, list_recordings, new_folder
from realtime.recording.log import LOG_NAME
from realtime.recording.recorder import Recorder
from realtime.recording.summary import write_report
from tests.support.poses import sample_of

SKELETON = load_skeleton()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished recording, a cut one, and what is none or lies elsewhere."""
    root = tmp_path_factory.mktemp("root")
    for name in ("whole", "cut"):
        with Recorder(root / name, SKELETON) as recorder:
            for k in range(5):
                recorder.write(sample_of(SKELETON, SKELETON.q_default, k, t_capture_ns=(k + 1) * 10**8))
    write_report(root / "whole", {"frames": 5, "elapsed_s": 0.4, "source": "camera 0"})
    (root / "else").mkdir()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with Recorder(elsewhere / "private", SKELETON) as recorder:
        recorder.write(sample_of(SKELETON, SKELETON.q_default, 0, t_capture_ns=1))
    (root / "link").symlink_to(elsewhere / "private")
    return root


def test_the_list_holds_the_folders_recordings(root: Path):
    entries = {entry.name: entry for entry in list_recordings(root)}
    assert set(entries) == {"whole", "cut"}
    assert (entries["whole"].n_samples, entries["whole"].source) == (5, "camera 0")
    assert entries["whole"].is_finished and not entries["cut"].is_finished


@given(name=st.text() | st.lists(st.sampled_from(["..", ".", "/", "link", "whole", "\\"])).map("".join))
def test_only_recordings_directly_in_the_folder_are_found(root: Path, name: str):
    try:
        folder = find_recording(root, name)
    except AppError:
        return
    assert folder.resolve().parent == root.resolve() and (folder / LOG_NAME).is_file()


@given(label=st.text(max_size=100))
def test_a_new_folder_is_new_and_directly_in_the_folder(root: Path, label: str):
    folder = new_folder(root, label)
    assert folder.parent == root and not folder.exists() and len(folder.name) < 100


def test_recordings_of_the_same_second_get_folders_of_their_own(tmp_path: Path):
    made = []
    for _ in range(3):
        made.append(new_folder(tmp_path, "squat"))
        made[-1].mkdir()
    assert len(set(made)) == 3


def test_settings_come_back_and_damaged_ones_are_replaced_by_defaults(tmp_path: Path):
    chosen = Settings(height_m=1.8, target="hip_flexion_l", sound=True)
    save_settings(tmp_path, chosen)
    assert load_settings(tmp_path) == chosen
    assert (tmp_path / "settings.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "settings.json").write_text('{"height_m": "tall"}')
    assert load_settings(tmp_path) == Settings()
    with pytest.raises(AppError, match="height_m"):
        save_settings(tmp_path, Settings(height_m=18.0))
