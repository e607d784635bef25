"""Videos and results on storage that fsspec reaches, here its file system in memory."""

from __future__ import annotations

import uuid
from pathlib import Path

import fsspec
import pytest

from realtime.errors import SourceError, StudyError
from realtime.study.outcome import OUTCOME_NAME, Outcome, TrialStatus, write_outcome
from realtime.study.place import local_copy, name_of, size_of
from realtime.study.results import (
    found_outcome,
    place_in,
    read_bytes,
    remove_outcome,
    working_folder,
    write_bytes,
)

OUTCOME = Outcome(
    subject="anna", trial="walk", status=TrialStatus.DONE, key="k",
    values={"frames": 30, "duration_s": 1.0, "estimator": "lifted", "median_confidence": None},
)  # fmt: skip


@pytest.fixture(params=["memory", "folder"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"memory://{uuid.uuid4().hex}/out" if request.param == "memory" else str(tmp_path)


def do_trial(out: str, *, fails: bool = False) -> None:
    with working_folder(out, "anna", "walk") as folder:
        (folder / "angles.sto").write_text("angles")
        if fails:
            raise RuntimeError("the disk is full")
        write_outcome(folder, OUTCOME)


def test_a_trial_is_there_whole_or_not_at_all(out: str) -> None:
    with pytest.raises(RuntimeError):
        do_trial(out, fails=True)
    assert found_outcome(out, "anna", "walk") is None
    assert read_bytes(place_in(out, "anna", "walk", "angles.sto")) is None
    do_trial(out)
    assert found_outcome(out, "anna", "walk") == OUTCOME
    assert read_bytes(place_in(out, "anna", "walk", "angles.sto")) == b"angles"


def test_a_worker_thought_lost_may_come_second(out: str) -> None:
    do_trial(out)
    do_trial(out)
    assert found_outcome(out, "anna", "walk") == OUTCOME


def test_a_result_can_be_removed_to_be_made_again(out: str) -> None:
    do_trial(out)
    remove_outcome(out, "anna", "walk")
    assert found_outcome(out, "anna", "walk") is None
    do_trial(out)
    assert found_outcome(out, "anna", "walk") == OUTCOME


def test_a_damaged_outcome_is_none(out: str) -> None:
    do_trial(out)
    write_bytes(place_in(out, "anna", "walk", OUTCOME_NAME), b'{"subject": 3}')
    assert found_outcome(out, "anna", "walk") is None


def test_tables_are_replaced(out: str) -> None:
    place = place_in(out, "trials.csv")
    write_bytes(place, b"one")
    write_bytes(place, b"two")
    assert read_bytes(place) == b"two"


def test_videos_are_copied_for_as_long_as_they_are_needed() -> None:
    url = f"memory://{uuid.uuid4().hex}/walk 1.mp4"
    system, path = fsspec.core.url_to_fs(url)
    system.pipe_file(path, b"video")
    assert size_of(url) == 5 and name_of(url) == "walk 1.mp4"
    with local_copy(url) as copy:
        assert copy.read_bytes() == b"video" and copy.name == "walk 1.mp4"
    assert not copy.exists()


def test_what_cannot_be_fetched_is_named() -> None:
    with pytest.raises(SourceError, match="cannot be fetched"), local_copy("memory://nowhere/a.mp4"):
        pass
    with pytest.raises(StudyError, match="this kind of URL cannot be opened"), local_copy("gopher://a/b.mp4"):
        pass
    assert size_of("memory://nowhere/a.mp4") is None and size_of("/nowhere/a.mp4") is None
