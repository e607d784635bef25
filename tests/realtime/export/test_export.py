"""Exports are read back by other libraries, with the recording's own values."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from calib.kinematics import body_transforms
from calib.skeleton import Skeleton, load_skeleton
from calib.tables.storage import read_mot, read_trc
from realtime import RecordedMotion, cli, load_recording
from realtime.errors import RecordingError
from realtime.events.event import FOOT_OFF, FOOT_STRIKE, Event
from realtime.export.c3d import write_c3d
from realtime.export.export import WRITERS, export
from realtime.geometry import joint_centres
from realtime.recording.log import LOG_NAME
from realtime.recording.recorder import Recorder
from realtime.sample import PoseSample
from tests.support.poses import lost_sample, sample_of

RATE_HZ = 50.0
N = 60
LOST = range(30, 45)  # longer than gaps that are interpolated
START_NS = 5_000_000_000

pandas = pytest.importorskip("pandas", reason="needs the extra kinecast[data]")


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def samples(skeleton: Skeleton) -> list[PoseSample]:
    """Large motion of every coordinate at an even rate; nobody is in view at first and for a while."""
    found = []
    for k in range(N):
        t_ns = START_NS + round(k / RATE_HZ * 1e9)
        if k < 3 or k in LOST:
            found.append(lost_sample(skeleton, k, t_capture_ns=t_ns))
            continue
        middle = 0.5 * (np.maximum(skeleton.q_lower, -2.0) + np.minimum(skeleton.q_upper, 2.0))
        half = 0.5 * (np.minimum(skeleton.q_upper, 2.0) - np.maximum(skeleton.q_lower, -2.0))
        q = middle + half * np.sin(3.0 * k / RATE_HZ + np.arange(skeleton.n_q))
        found.append(sample_of(skeleton, q, k, t_capture_ns=t_ns))
    return found


@pytest.fixture(scope="module")
def folder(skeleton: Skeleton, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded") / "rec"
    with Recorder(folder, skeleton, rate_hz=RATE_HZ) as recorder:
        for sample in samples(skeleton):
            recorder.write(sample)
    return folder


@pytest.fixture(scope="module")
def motion(folder: Path) -> RecordedMotion:
    return load_recording(folder)


def ran_alone(request: pytest.FixtureRequest) -> bool:
    """Whether the test ran in a process of its own: ezc3d fails in one in which opensim was used."""
    if "opensim" not in sys.modules:
        return False
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", request.node.nodeid]
    result = subprocess.run(command, cwd=request.config.rootpath, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    return True


def fresh(folder: Path) -> Path:
    """An empty folder in another."""
    (folder / "exported").mkdir()
    return folder / "exported"


def written(folder: Path, kind: str, tmp_path: Path) -> Path:
    out = tmp_path / f"out.{kind}"
    assert cli.main(["export", str(folder), "--to", kind, "--out", str(out)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    return out


def assert_same_table(table: pandas.DataFrame, motion: RecordedMotion, skeleton: Skeleton) -> None:
    q = np.array([sample.q for sample in samples(skeleton)])
    degrees = q * np.where(skeleton.is_rotational, np.degrees(1.0), 1.0)
    np.testing.assert_allclose(table[list(skeleton.coordinate_names)], degrees, rtol=1e-12)
    np.testing.assert_allclose(table.index, np.arange(N) / RATE_HZ, atol=1e-9)
    assert list(table["status"]) == [sample.status for sample in samples(skeleton)]
    assert list(table["frame_id"]) == list(range(N))
    assert table.index.name == "time_s" and list(table.columns[2:]) == list(motion.names)


def test_angles_are_a_data_frame(motion: RecordedMotion, skeleton: Skeleton):
    assert_same_table(motion.table, motion, skeleton)
    assert list(motion.angles.columns) == list(motion.names)
    knee = motion.angles["knee_angle_r"]
    row = motion.ranges.loc["knee_angle_r"]
    assert row["unit"] == "deg"
    assert (row["min"], row["max"]) == pytest.approx((knee.min(), knee.max()), abs=1e-3)
    assert row["mean"] == pytest.approx(knee.mean(), abs=1e-3)


def test_a_plot_shows_both_sides(motion: RecordedMotion):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    axes = motion.plot("knee_angle")
    assert [line.get_label() for line in axes.lines] == ["knee_angle_r", "knee_angle_l"]
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), motion.angles["knee_angle_l"])
    assert motion.plot("pelvis_tx", ax=axes) is axes
    with pytest.raises(RecordingError, match=r"no coordinate .knee.;.*knee_angle_r"):
        motion.plot("knee")


def test_csv(folder: Path, motion: RecordedMotion, skeleton: Skeleton, tmp_path: Path):
    path = written(folder, "csv", tmp_path)
    assert_same_table(pandas.read_csv(path, index_col="time_s"), motion, skeleton)


def test_parquet(folder: Path, motion: RecordedMotion, skeleton: Skeleton, tmp_path: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = written(folder, "parquet", tmp_path)
    assert_same_table(pandas.read_parquet(path), motion, skeleton)
    column = parquet.read_table(path)["knee_angle_r"].to_numpy()
    np.testing.assert_array_equal(column, motion.angles["knee_angle_r"])


def test_xlsx(folder: Path, motion: RecordedMotion, skeleton: Skeleton, tmp_path: Path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(written(folder, "xlsx", tmp_path), read_only=True)
    assert book.sheetnames[:2] == ["angles", "ranges"]
    header, *rows = book["angles"].iter_rows(values_only=True)
    table = pandas.DataFrame(rows, columns=header).set_index("time_s")
    assert_same_table(table.infer_objects(), motion, skeleton)
    header, *rows = book["ranges"].iter_rows(values_only=True)
    assert header == ("coordinate", "unit", "min", "mean", "max", "range")
    assert {row[0]: row[1:] for row in rows} == {
        name: tuple(row) for name, row in zip(motion.ranges.index, motion.ranges.values.tolist(), strict=True)
    }


def test_mot(folder: Path, tmp_path: Path):
    assert written(folder, "mot", tmp_path).read_bytes() == (folder / "angles.mot").read_bytes()


def test_c3d(folder: Path, skeleton: Skeleton, tmp_path: Path, request: pytest.FixtureRequest):
    if ran_alone(request):
        return
    ezc3d = pytest.importorskip("ezc3d")
    file = ezc3d.c3d(str(written(folder, "c3d", tmp_path)))
    trc, mot = read_trc(folder / "markers.trc"), read_mot(folder / "angles.mot")
    point, analog = file["parameters"]["POINT"], file["parameters"]["ANALOG"]
    assert point["UNITS"]["value"] == ["mm"] and tuple(point["LABELS"]["value"]) == trc.names
    assert point["RATE"]["value"][0] == analog["RATE"]["value"][0] == RATE_HZ
    positions_m = file["data"]["points"][:3].transpose(2, 1, 0) / 1000.0
    np.testing.assert_allclose(positions_m, trc.positions_m, atol=1e-6)
    assert np.isfinite(positions_m).any()
    assert tuple(analog["LABELS"]["value"]) == mot.names
    assert analog["UNITS"]["value"][mot.names.index("pelvis_tx")] == "m"
    np.testing.assert_allclose(file["data"]["analogs"][0].T, mot.values, rtol=1e-6, atol=1e-5)
    assert file["header"]["points"]["first_frame"] == 3  # the three samples before anybody came are left out


def test_c3d_has_events(skeleton: Skeleton, tmp_path: Path, request: pytest.FixtureRequest):
    if ran_alone(request):
        return
    ezc3d = pytest.importorskip("ezc3d")
    with Recorder(tmp_path / "rec", skeleton, rate_hz=RATE_HZ) as recorder:
        for k, sample in enumerate(samples(skeleton)[3:20]):
            t_ns = START_NS + k * 10_000_000_000  # so that minutes pass
            marks = ("event",) if k in (2, 9) else ()
            recorder.write(replace(sample, t_capture_ns=t_ns, events=marks))
    motion = load_recording(tmp_path / "rec")
    steps = (Event(3.25, FOOT_STRIKE, "r"), Event(4.5, FOOT_OFF, "l"))
    write_c3d(motion, [*steps, *motion.marks], tmp_path / "out.c3d")
    found = ezc3d.c3d(str(tmp_path / "out.c3d"))["parameters"]["EVENT"]
    assert found["USED"]["value"] == [4]
    assert found["LABELS"]["value"] == ["Foot Strike", "Foot Off", "event", "event"]
    assert found["CONTEXTS"]["value"] == ["Right", "Left", "General", "General"]
    np.testing.assert_allclose(found["TIMES"]["value"], [[0, 0, 0, 1], [3.25, 4.5, 20, 30]], atol=1e-5)


def test_tables_of_what_was_repeated(skeleton: Skeleton, tmp_path: Path):
    """Squats: the knees go there and back four times."""
    openpyxl = pytest.importorskip("openpyxl")
    right, left = (skeleton.coordinate_index(f"knee_angle_{side}") for side in "rl")
    with Recorder(tmp_path / "rec", skeleton, rate_hz=RATE_HZ) as recorder:
        for k in range(425):
            q = skeleton.q_default.copy()
            q[right] = 0.8 * (1.0 - np.cos(2.0 * np.pi * k / 100.0))
            q[left] = 0.5 * q[right]
            recorder.write(sample_of(skeleton, q, k, t_capture_ns=START_NS + round(k / RATE_HZ * 1e9)))
    book = openpyxl.load_workbook(written(tmp_path / "rec", "xlsx", fresh(tmp_path)), read_only=True)
    assert book.sheetnames[2:] == ["events", "repetitions", "repetition_ranges", "symmetry", "mean_curves"]
    header, *rows = book["repetitions"].iter_rows(values_only=True)
    turns_s = [row[header.index("turn_s")] for row in rows]
    assert turns_s == pytest.approx([1.0, 3.0, 5.0, 7.0], abs=0.1)
    header, *rows = book["symmetry"].iter_rows(values_only=True)
    knees = [row for row in rows if row[header.index("joint_angle")] == "knee_angle"]
    # 1.6 against 0.8 rad: half of the mean.
    assert [row[header.index("index_percent")] for row in knees] == pytest.approx([200.0 / 3.0] * 4)
    out = tmp_path / "curves.parquet"
    words = ["export", str(tmp_path / "rec"), "--to", "parquet", "--table", "mean_curves", "--out", str(out)]
    assert cli.main(words) == 0
    mean = pandas.read_parquet(out)["knee_angle_r_mean"]
    assert len(mean) == 101 and mean.max() == pytest.approx(np.degrees(1.6), abs=1.0)


def test_a_table_that_is_not_there_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["export", str(folder), "--table", "repetitions", "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--to", "csv", "--cycles", "none"]) == 2
    assert "nothing was repeated" in (said := capsys.readouterr().err) and "--cycles" in said
    assert cli.main([*words, "--to", "bvh"]) == 2
    assert "accepted with --table: csv, parquet" in capsys.readouterr().err
    assert cli.main([*words, "--to", "csv", "--cycles", "kneee_angle"]) == 2
    assert "'kneee_angle'" in (said := capsys.readouterr().err) and "knee_angle_r" in said


def test_c3d_names_the_way_out_where_opensim_was_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Confused:
        def c3d(self) -> None:
            raise TypeError("Wrong number or type of arguments for overloaded function")

    monkeypatch.setitem(sys.modules, "ezc3d", Confused())
    motion = load_recording(folder)
    monkeypatch.delitem(sys.modules, "opensim", raising=False)
    with pytest.raises(TypeError):
        export(motion, "c3d", tmp_path / "a.c3d")
    monkeypatch.setitem(sys.modules, "opensim", Confused())
    with pytest.raises(RecordingError, match="opensim was used; run: kinecast export"):
        export(motion, "c3d", tmp_path / "b.c3d")


def test_bvh(folder: Path, skeleton: Skeleton, tmp_path: Path):
    bvhio = pytest.importorskip("bvhio")
    path = written(folder, "bvh", tmp_path)
    root = bvhio.readAsHierarchy(str(path))
    joints = {joint.Name: joint for joint, _, _ in root.layout()}
    assert set(joints) >= set(skeleton.body_names)
    checked = 0
    for k, sample in enumerate(samples(skeleton)[3:]):
        if k + 3 in LOST:
            continue
        root.loadPose(k)
        truth_m = joint_centres(skeleton, body_transforms(skeleton, sample.q), sample.scale_factors)
        read_m = np.array([tuple(joints[name].PositionWorld) for name in skeleton.body_names])
        np.testing.assert_allclose(read_m, truth_m, atol=1e-3)
        checked += 1
    assert checked == N - 3 - len(LOST)


def test_bvh_holds_the_pose_while_nobody_is_in_view(folder: Path, tmp_path: Path):
    text = written(folder, "bvh", tmp_path).read_text()
    rows = np.loadtxt(text.partition("Frame Time:")[2].splitlines()[1:])
    assert rows.shape[0] == N - 3 and np.isfinite(rows).all()
    for k in LOST:
        np.testing.assert_array_equal(rows[k - 3], rows[LOST.start - 4])
    tracked = np.abs(np.diff(rows[: LOST.start - 3], axis=0))
    assert tracked.max() < 90.0  # nor do angles flip by half a turn


def test_a_killed_recording_exports_what_it_has(
    folder: Path, skeleton: Skeleton, tmp_path: Path, request: pytest.FixtureRequest
):
    if ran_alone(request):
        return
    cut = tmp_path / "cut"
    cut.mkdir()
    log = (folder / LOG_NAME).read_bytes()
    (cut / LOG_NAME).write_bytes(log[: len(log) * 2 // 3 + 7])
    kept = load_recording(cut)
    assert 10 < len(kept.time_s) < N
    np.testing.assert_array_equal(kept.q, [sample.q for sample in samples(skeleton)[: len(kept.time_s)]])
    for kind in WRITERS:
        export(kept, kind, cut / f"motion.{kind}")
        assert (cut / f"motion.{kind}").stat().st_size > 100


@given(share=st.floats(0.0, 1.0))
def test_a_recording_cut_anywhere_loads_or_is_refused(share: float, folder: Path, skeleton: Skeleton):
    log = (folder / LOG_NAME).read_bytes()
    with TemporaryDirectory() as name:
        (Path(name) / LOG_NAME).write_bytes(log[: round(share * len(log))])
        try:
            kept = load_recording(name)
        except RecordingError:
            assert share < 0.1  # before the first sample
            return
    np.testing.assert_array_equal(kept.q, [sample.q for sample in samples(skeleton)[: len(kept.time_s)]])
    assert len(kept.time_s) >= int(0.9 * share * N) - 2


def test_nothing_is_replaced_unless_asked(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "mine.csv"
    out.write_text("mine")
    words = ["export", str(folder), "--to", "csv", "--out", str(out)]
    assert cli.main(words) == 2
    assert out.read_text() == "mine" and "--replace" in capsys.readouterr().err
    assert cli.main([*words, "--replace"]) == 0
    assert out.read_text().startswith("time_s,frame_id,status,")


def test_unknown_kinds_are_refused_by_name(
    folder: Path, motion: RecordedMotion, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["export", str(folder), "--to", "fbx", "--out", str(tmp_path / "a.fbx")]) == 2
    assert "'fbx'" in (said := capsys.readouterr().err) and all(kind in said for kind in WRITERS)
    with pytest.raises(RecordingError, match="'fbx'; accepted: c3d, bvh"):
        export(motion, "fbx", tmp_path / "a.fbx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "module"),
    [("c3d", "ezc3d"), ("csv", "pandas"), ("xlsx", "openpyxl"), ("xlsx", "pandas"), ("parquet", "pyarrow")],
)
def test_a_missing_package_is_named_with_the_command(
    kind: str,
    module: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setitem(sys.modules, module, None)
    assert cli.main(["export", str(folder), "--to", kind, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert module in said and "pip install 'kinecast[data]'" in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_nobody_cannot_move(skeleton: Skeleton, tmp_path: Path):
    with Recorder(tmp_path / "rec", skeleton, rate_hz=RATE_HZ) as recorder:
        for k in range(3):
            recorder.write(lost_sample(skeleton, k, t_capture_ns=k + 1))
    for kind in ("c3d", "bvh", "mot"):
        with pytest.raises(RecordingError, match="nobody was tracked"):
            export(load_recording(tmp_path / "rec"), kind, tmp_path / "out")


def test_angles_without_bodies_are_no_skeleton(motion: RecordedMotion, tmp_path: Path):
    angles_only = replace(motion, joint_centres_m=np.full_like(motion.joint_centres_m, np.nan))
    with pytest.raises(RecordingError, match="bodies were never known"):
        export(angles_only, "bvh", tmp_path / "out.bvh")


def test_what_is_no_recording_is_refused(tmp_path: Path):
    with pytest.raises(RecordingError, match="holds no recording"):
        load_recording(tmp_path)
    (tmp_path / LOG_NAME).write_bytes(b"\xc4\x05hello")
    with pytest.raises(RecordingError, match="not the log of a recording"):
        load_recording(tmp_path)


def test_sizes_still_being_measured_keep_joint_centres(skeleton: Skeleton, tmp_path: Path):
    """Offsets that change get position channels, so that joint centres stay within 1 mm."""
    bvhio = pytest.importorskip("bvhio")
    truth_m: list[NDArray[np.float64]] = []
    with Recorder(tmp_path / "rec", skeleton, rate_hz=RATE_HZ) as recorder:
        for k, sample in enumerate(samples(skeleton)[3:20]):
            factors = np.full((skeleton.n_bodies, 3), 1.0 + 0.01 * k)
            T = body_transforms(skeleton, sample.q, factors)
            truth_m.append(joint_centres(skeleton, T, factors))
            recorder.write(replace(sample, T_ground_body=T, scale_factors=factors))
    path = tmp_path / "out.bvh"
    export(load_recording(tmp_path / "rec"), "bvh", path)
    root = bvhio.readAsHierarchy(str(path))
    joints = {joint.Name: joint for joint, _, _ in root.layout()}
    for k, expected_m in enumerate(truth_m):
        root.loadPose(k)
        read_m = np.array([tuple(joints[name].PositionWorld) for name in skeleton.body_names])
        np.testing.assert_allclose(read_m, expected_m, atol=1e-3)
