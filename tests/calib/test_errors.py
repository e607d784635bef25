"""Errors tell programs what was refused and what is accepted, besides the text for people."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from calib.boards.board import Board, BoardKind
from calib.camera import Intrinsics
from calib.errors import BoardError, CalibError, CameraError, OsimError, SkeletonError, SubjectError
from calib.skeleton import load_skeleton
from calib.subject import STATURE_RANGE_M, check_stature


def test_a_refused_value_comes_with_its_name_and_range() -> None:
    with pytest.raises(SubjectError) as stature:
        check_stature(17.5)
    assert (stature.value.name, stature.value.value) == ("height_m", 17.5)
    assert stature.value.accepted == STATURE_RANGE_M
    with pytest.raises(CameraError) as view:
        Intrinsics.from_fov(640, 480, 180.0)
    assert (view.value.name, view.value.value, view.value.accepted) == ("fov_deg", 180.0, (1.0, 179.0))


def test_an_unknown_name_comes_with_those_known() -> None:
    skeleton = load_skeleton()
    with pytest.raises(SkeletonError) as unknown:
        skeleton.body_index("tail")
    assert (unknown.value.name, unknown.value.value) == ("body", "tail")
    assert unknown.value.accepted == skeleton.body_names


def test_a_board_names_the_field_that_is_wrong() -> None:
    with pytest.raises(BoardError) as error:
        Board(BoardKind.CHARUCO, 7, 5, 9.0)
    assert (error.value.name, error.value.value) == ("square_m", 9.0)


def test_a_file_says_where_it_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.osim"
    path.write_text("<OpenSimDocument><Nothing/></OpenSimDocument>")
    with pytest.raises(OsimError) as error:
        load_skeleton(path)
    assert str(path) in str(error.value)
    assert error.value.accepted and error.value.accepted[0] in str(error.value)


def test_attributes_survive_the_way_between_processes() -> None:
    there = pickle.loads(pickle.dumps(CalibError("text", name="a", value=1, accepted=(0, 2))))
    assert (str(there), there.name, there.value, there.accepted) == ("text", "a", 1, (0, 2))
