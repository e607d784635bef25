"""References for `kinecast evaluate`: what is read as what, and what is refused before tracking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.skeleton import default_skeleton_path
from calib.tables.storage import Table, write_mot
from realtime.bench.reference import Reference, check_times, coordinate_columns, read_reference
from realtime.errors import RealtimeError
from realtime.sources.files import VideoSource
from tests.support.mp4 import write_video
from tests.support.opensim_reference import import_opensim

ROTATIONS = ("pelvis_tilt", "pelvis_rotation", "hip_flexion_r", "knee_angle_r", "arm_flex_r")
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1)


def write(path: Path, names: list[str], values: np.ndarray, *, in_degrees: bool = True, start_s: float = 0.0):
    time_s = start_s + np.arange(len(values)) / 100.0
    write_mot(path, Table(tuple(names), time_s, values, in_degrees))
    return path


def bending(largest: float, n: int = 100) -> np.ndarray:
    return np.linspace(0.0, largest, n)[:, None]


def test_states_of_opensim_are_coordinates_in_radians(tmp_path: Path) -> None:
    names = [
        "/jointset/hip_r/hip_flexion_r/value",
        "/jointset/hip_r/hip_flexion_r/speed",
        "/jointset/walker_knee_r/knee_angle_r/value",
        "/forceset/soleus_r/activation",
    ]
    values = np.tile([0.5, 9.0, 1.2, 0.3], (100, 1))
    found = read_reference(write(tmp_path / "states.sto", names, values, in_degrees=False), ROTATIONS)
    assert found.trajectory.names == ("hip_flexion_r", "knee_angle_r")
    np.testing.assert_allclose(found.trajectory.angles_deg[0], np.degrees([0.5, 1.2]))
    assert found.warnings == ()


def test_opensims_own_states_are_read_as_opensim_does(tmp_path: Path) -> None:
    opensim = import_opensim()
    model = opensim.Model(str(default_skeleton_path()))
    state = model.initSystem()
    states = opensim.StatesTrajectory()
    knee = model.getCoordinateSet().get("knee_angle_r")
    angles_rad = np.linspace(0.1, 1.4, 20)
    for k, angle_rad in enumerate(angles_rad):
        state.setTime(k / 50.0)
        knee.setValue(state, angle_rad, False)
        states.append(state)
    path = tmp_path / "states.sto"
    opensim.STOFileAdapter.write(states.exportToTable(model), str(path))
    found = read_reference(path, ROTATIONS).trajectory
    np.testing.assert_allclose(found.column("knee_angle_r"), np.degrees(angles_rad), atol=1e-4)
    np.testing.assert_allclose(found.time_s, np.arange(20) / 50.0, atol=1e-6)


@given(st.lists(NAMES, min_size=1, unique=True), st.lists(NAMES, max_size=3), st.booleans())
def test_a_state_is_called_by_the_last_but_one_part_of_its_path(
    names: list[str], folders: list[str], is_rooted: bool
) -> None:
    paths = ["/".join(["" if is_rooted else "jointset", *folders, name, "value"]) for name in names]
    speeds = [path.removesuffix("value") + "speed" for path in paths]
    columns = coordinate_columns(Path("a.sto"), [*speeds, *paths])
    assert columns == {name: len(speeds) + k for k, name in enumerate(names)}
    assert coordinate_columns(Path("a.mot"), names) == {name: k for k, name in enumerate(names)}


def test_one_coordinate_in_two_columns_is_refused(tmp_path: Path) -> None:
    names = ["knee_angle_r", "/jointset/knee_r/knee_angle_r/value"]
    path = write(tmp_path / "both.sto", names, np.zeros((50, 2)))
    with pytest.raises(RealtimeError, match=r"knee_angle_r and /jointset.* are both of knee_angle_r"):
        read_reference(path, ROTATIONS)


@pytest.mark.parametrize(("largest", "as_degrees"), [(1.9, False), (3.1, False), (20.0, True), (110.0, True)])
def test_degrees_without_a_header_line_are_noticed(tmp_path: Path, largest: float, as_degrees: bool) -> None:
    path = write(tmp_path / "r.mot", ["knee_angle_r"], bending(largest), in_degrees=False)
    path.write_text(path.read_text().replace("inDegrees=no\n", ""))
    found = read_reference(path, ROTATIONS)
    expected = largest if as_degrees else np.degrees(largest)
    assert found.trajectory.angles_deg.max() == pytest.approx(expected)
    assert [f"an angle of {largest:.1f} cannot be in radians" in w for w in found.warnings] == [
        True
    ] * as_degrees


def test_turning_round_and_wrapped_arms_are_no_sign_of_degrees(tmp_path: Path) -> None:
    names = ["pelvis_rotation", "arm_flex_r", "knee_angle_r"]
    values = np.hstack([bending(13.0), bending(6.2), bending(1.5)])
    found = read_reference(write(tmp_path / "r.mot", names, values, in_degrees=False), ROTATIONS)
    assert found.trajectory.column("knee_angle_r").max() == pytest.approx(np.degrees(1.5))
    assert found.warnings == ()


def test_a_reference_of_something_else_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "grf.mot", ["ground_force_vx", "ground_force_vy"], np.zeros((50, 2)))
    with pytest.raises(RealtimeError, match="none of the skeleton's coordinates; it has ground_force_vx"):
        read_reference(path, ROTATIONS)
    with pytest.raises(RealtimeError, match="1 rows; a reference needs two"):
        read_reference(write(tmp_path / "one.mot", ["knee_angle_r"], np.zeros((1, 1))), ROTATIONS)


@pytest.fixture
def video(tmp_path: Path) -> VideoSource:
    source = VideoSource(str(write_video(tmp_path / "clip.mp4", 60)))
    source.open()
    return source


def reference(tmp_path: Path, n_rows: int, start_s: float) -> Reference:
    return read_reference(
        write(tmp_path / "r.mot", ["knee_angle_r"], bending(9.0, n_rows), start_s=start_s), ROTATIONS
    )


def test_clock_times_are_refused_and_the_option_is_named(tmp_path: Path, video: VideoSource) -> None:
    found = reference(tmp_path, 200, 1000.0)
    with pytest.raises(
        RealtimeError, match=r"1000\.00 to 1001\.99 s and the video's 0\.00 to 2\.00.*--offset auto"
    ):
        check_times(found, video, 0.0, 0.1, 30)
    assert found.offset_s("auto") == pytest.approx(1000.0)
    check_times(found, video, found.offset_s("auto"), 0.1, 30)
    with pytest.raises(RealtimeError, match="do not overlap"):
        check_times(found, video, 2000.0, 0.1, 30)


def test_a_short_reference_is_refused_before_tracking(tmp_path: Path, video: VideoSource) -> None:
    found = reference(tmp_path, 20, 0.0)
    with pytest.raises(RealtimeError, match=r"6 frames can be compared, fewer than 30; .*--min-frames 6"):
        check_times(found, video, 0.0, 0.0, 30)
    check_times(found, video, 0.0, 0.0, 6)
