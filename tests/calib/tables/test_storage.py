"""Reading and writing `.mot`, `.sto` and `.trc`: round trips, variants, refusals, live recordings."""

from __future__ import annotations

import logging
import os
import signal
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calib.errors import StorageError
from calib.tables.storage import (
    MarkerTable,
    StoWriter,
    Table,
    coordinate_table,
    coordinate_values,
    read_mot,
    read_sto,
    read_trc,
    write_mot,
    write_sto,
    write_trc,
)
from tests.conftest import REPOSITORY

MOT = (
    "Coordinates\nversion=1\nnRows=2\nnColumns=3\ninDegrees=yes\n\nendheader\n"
    "time\ta\tb\n0\t1\t2\n0.1\t3\t4\n"
)
TRC = (
    "PathFileType\t4\t(X/Y/Z)\tx.trc\n"
    "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n"
    "60\t60\t2\t2\tmm\t60\t1\t2\n"
    "Frame#\tTime\tA\t\t\tB c\t\t\n"
    "\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n"
    "\n"
    "1\t0\t1\t2\t3\t4\t5\t6\n"
    "2\t0.1\t7\t8\t9\t\t\t\n"
)
IN_A_FOLDER = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def put(folder: Path, text: str | bytes, name: str = "x.mot") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def small_table() -> Table:
    time_s = np.array([0.0, 0.016, 0.0334, 0.2])
    values = np.array([[1.5, -2e-7, 3], [4, np.nan, 6], [np.nan] * 3, [1e5, 11.123456789, 0]])
    return Table(("pelvis_tilt", "pelvis_tx", "knee_angle_r"), time_s, values, in_degrees=True)


# --- Round trips ---

column_names = st.lists(
    st.text(string.ascii_letters + string.digits + "_./|-#°", min_size=1, max_size=12),
    max_size=5,
    unique=True,
).filter(lambda names: "time" not in [name.lower() for name in names])
numbers = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6), st.floats(-1e-6, 1e-6))


@st.composite
def uneven_times(draw: st.DrawFn) -> np.ndarray:
    steps_ns = draw(st.lists(st.integers(1, 10**9), max_size=6))
    return np.cumsum([draw(st.integers(-(10**12), 10**12)), *steps_ns])[: len(steps_ns)] * 1e-9


@st.composite
def tables(draw: st.DrawFn) -> Table:
    time_s, names = draw(uneven_times()), draw(column_names)
    flat = draw(st.lists(numbers, min_size=time_s.size * len(names), max_size=time_s.size * len(names)))
    return Table(tuple(names), time_s, np.array(flat).reshape(time_s.size, len(names)), draw(st.booleans()))


@given(tables(), st.sampled_from([(write_mot, read_mot), (write_sto, read_sto)]))
@IN_A_FOLDER
def test_tables_survive_a_round_trip(tmp_path: Path, table: Table, functions: tuple[Any, Any]) -> None:
    write, read = functions
    write(tmp_path / "x", table)
    back = read(tmp_path / "x")
    assert back.names == table.names
    assert back.in_degrees == table.in_degrees
    np.testing.assert_allclose(back.time_s, table.time_s, rtol=0, atol=0.6e-9)
    np.testing.assert_allclose(back.values, table.values, rtol=1e-9, atol=0)


@given(tables())
@IN_A_FOLDER
def test_markers_survive_a_round_trip(tmp_path: Path, table: Table) -> None:
    names = tuple(f"{name} {k}" for k, name in enumerate(table.names))
    positions_m = np.repeat(table.values[:, :, None], 3, axis=2) * np.array([1.0, -0.5, 1e-3])
    if not len(table.time_s):
        with pytest.raises(StorageError, match="no frame to write"):
            write_trc(tmp_path / "none.trc", MarkerTable(names, table.time_s, positions_m))
        assert not (tmp_path / "none.trc").exists()
        return
    write_trc(tmp_path / "x.trc", MarkerTable(names, table.time_s, positions_m))
    back = read_trc(tmp_path / "x.trc")
    assert back.names == names
    np.testing.assert_allclose(back.time_s, table.time_s, rtol=0, atol=0.6e-9)
    np.testing.assert_allclose(back.positions_m, positions_m, rtol=1e-9, atol=0)


def test_coordinates_are_in_degrees_in_tables_and_in_rad_outside() -> None:
    is_rotational = np.array([True, False, True])
    table = coordinate_table(("tilt", "tx", "knee"), is_rotational, [0.0], [[np.pi, 2.0, np.nan]])
    assert table.in_degrees
    np.testing.assert_allclose(table.values, [[180.0, 2.0, np.nan]])
    q = coordinate_values(table, ("knee", "tx", "hip", "tilt"), np.array([True, False, True, True]))
    np.testing.assert_allclose(q, [[np.nan, 2.0, np.nan, np.pi]])
    in_rad = Table(("tilt",), np.zeros(1), np.full((1, 1), 0.5), in_degrees=False)
    assert coordinate_values(in_rad, ("tilt",), np.array([True])) == [[0.5]]


# --- Variants ---


@pytest.mark.parametrize(
    "text",
    [
        MOT,
        MOT.replace("\n", "\r\n"),
        MOT.replace("\n", "\r"),
        "\ufeff" + MOT,
        MOT.rstrip("\n"),
        MOT + "\n\n",
        MOT.replace("\t", "   "),
        MOT.replace("\n", "\t\n"),
        MOT.replace("0.1\t3", "   0.10000000\t      3.00e+00"),
        MOT.replace("inDegrees=yes", "inDegrees = Yes "),
        MOT.replace("nRows=2\nnColumns=3\n", "DataType=double\n").replace("version=1", "version=3"),
        MOT.replace("time", "Time"),
        "name x\ndatacolumns 3\ndatarows 2\n" + MOT[MOT.index("endheader") :],
    ],
    ids=[
        "plain", "crlf", "cr", "bom", "no last line end", "blank lines", "spaces", "tabs at ends", "padded",
        "spaced key", "version 3", "capital", "simm",
    ],
)  # fmt: skip
def test_headers_of_other_programs(tmp_path: Path, text: str) -> None:
    table = read_mot(put(tmp_path, text))
    assert (table.names, table.in_degrees) == (("a", "b"), True)
    np.testing.assert_array_equal(table.time_s, [0.0, 0.1])
    np.testing.assert_array_equal(table.values, [[1, 2], [3, 4]])


@pytest.mark.parametrize("word", ["nan", "NaN", "-nan(ind)", "-NaN", "1.#QNAN", "-1.#IND"])
def test_every_spelling_of_nan(tmp_path: Path, word: str) -> None:
    values = read_mot(put(tmp_path, MOT.replace("\t4\n", f"\t{word}\n"))).values
    np.testing.assert_array_equal(values, [[1, 2], [3, np.nan]])


def test_rotations_are_in_rad_unless_the_header_says_degrees(tmp_path: Path) -> None:
    assert not read_mot(put(tmp_path, MOT.replace("inDegrees=yes", "inDegrees=no"))).in_degrees
    assert not read_mot(put(tmp_path, MOT.replace("inDegrees=yes\n", ""))).in_degrees
    note = "If the header above contains a line with 'inDegrees', this indicates whether ...\n"
    assert not read_mot(put(tmp_path, MOT.replace("inDegrees=yes\n", note))).in_degrees


@pytest.mark.parametrize("text", [TRC, TRC.replace("\n", "\r\n"), TRC.replace("\n\n", "\n"), TRC + "\n"])
def test_markers_come_in_metres_and_missing_ones_as_nan(tmp_path: Path, text: str) -> None:
    table = read_trc(put(tmp_path, text, "x.trc"))
    assert table.names == ("A", "B c")
    expected = np.array([[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [np.nan] * 3]]) * 1e-3
    np.testing.assert_allclose(table.positions_m, expected, rtol=1e-12)


def test_markers_between_spaces(tmp_path: Path) -> None:
    text = TRC.replace("B c", "Bc").replace("9\t\t\t", "9\tnan\tnan\tnan").replace("\t", "  ")
    table = read_trc(put(tmp_path, text.replace("mm", "cm"), "x.trc"))
    assert table.names == ("A", "Bc")
    np.testing.assert_allclose(table.positions_m[0, 0], [0.01, 0.02, 0.03], rtol=1e-12)


# --- Refusals ---


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "empty"),
        (" \n\n", 1, "empty"),
        (MOT.replace("endheader\n", ""), 9, "endheader"),
        (MOT[: MOT.index("time")], 7, "nothing follows endheader"),
        (MOT.replace("time", "t"), 8, "'t'"),
        (MOT.replace("\ta\tb", "\ta\ta"), 8, "'a'"),
        (MOT.replace("\ta\tb", "\t\tb"), 8, "column 2 has no name"),
        (MOT.replace("\t4\n", "\n"), 10, "2 columns"),
        (MOT.replace("\t4\n", "\t4\t5\n"), 10, "4 columns"),
        (MOT.replace("\t4\n", "\tfour\n"), 10, "'four'"),
        (MOT.replace("\t4\n", "\t1_0\n"), 10, "'1_0'"),
        (MOT.replace("\t4\n", "\tinf\n"), 10, "'inf'"),
        (MOT.replace("\t4\n", "\t٤\n"), 10, "'٤'"),
        (MOT.replace("0.1\t", "0\t"), 10, "0 s follows 0 s"),
        (MOT.replace("0.1\t", "nan\t"), 10, "no time"),
        (MOT.replace("inDegrees=yes", "inDegrees=maybe"), 5, "'maybe'"),
    ],
)
def test_bad_tables_are_refused_by_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = put(tmp_path, text)
    with pytest.raises(StorageError, match="accepted: ") as caught:
        read_mot(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "empty"),
        (MOT, 1, "'Coordinates'"),
        (TRC[: TRC.index("Frame#")], 3, "within its header"),
        (TRC.replace("Units", "Things"), 2, "no Units"),
        (TRC.replace("\tmm\t60\t1\t2", ""), 3, "4 values for 8 keys"),
        (TRC.replace("\tmm\t", "\tfurlong\t"), 3, "'furlong'"),
        (TRC.replace("B c", "A"), 4, "'A'"),
        (TRC.replace("B c", ""), 4, "1 names for '2' markers"),
        (TRC.replace("Frame#\tTime", "A\tB"), 4, "names of columns"),
        (TRC.replace("\t\tX1", "1\t0"), 5, "axes"),
        (TRC.replace("\t6\n", "\n"), 7, "7 columns"),
        (TRC.replace("\t6\n", "\t6\t7\n"), 7, "9 columns"),
        (TRC.replace("\t6\n", "\tsix\n"), 7, "'six'"),
        (TRC.replace("2\t0.1", "2\t-0.1"), 8, "-0.1 s follows 0 s"),
        (TRC.replace("2\t0.1", "2\t"), 8, "no time"),
    ],
)
def test_bad_markers_are_refused_by_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = put(tmp_path, text, "x.trc")
    with pytest.raises(StorageError, match="accepted: ") as caught:
        read_trc(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize("read", [read_mot, read_sto, read_trc])
def test_files_that_cannot_be_read(tmp_path: Path, read: Any) -> None:
    for path in (tmp_path / "missing", tmp_path, put(tmp_path, b"\x00\x01" + MOT.encode())):
        with pytest.raises(StorageError, match=path.name):
            read(path)


@given(st.data(), st.sampled_from([MOT, TRC]))
@settings(parent=IN_A_FOLDER, max_examples=300)
def test_damaged_files_are_refused_or_read_consistently(
    tmp_path: Path, data: st.DataObject, text: str
) -> None:
    damaged = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 8))] = data.draw(
            st.binary(max_size=6)
            | st.sampled_from([b"\t", b"\n", b"nan", b"-", b"1e999", b"endheader\n", b" "])
        )
        if not damaged:
            break
    path = put(tmp_path, bytes(damaged), "damaged")
    for read in (read_mot, read_trc):
        try:
            table = read(path)
        except StorageError as error:
            assert str(error).startswith(str(path))
            continue
        values = table.values if isinstance(table, Table) else table.positions_m
        assert values.shape[:2] == (len(table.time_s), len(table.names))
        assert (np.diff(table.time_s) > 0).all()
        assert not np.isinf(values).any()


# --- Writing ---


@pytest.mark.parametrize(
    ("name", "time_s", "value"),
    [
        ("a b", [0.0, 1.0], 0.0), ("", [0.0, 1.0], 0.0), ("time", [0.0, 1.0], 0.0), ("a\tb", [0.0, 1.0], 0.0),
        ("a", [0.0, 0.0], 0.0), ("a", [0.0, 1e-10], 0.0), ("a", [0.0, np.nan], 0.0),
        ("a", [0.0, 1.0], np.inf),
    ],
)  # fmt: skip
def test_what_cannot_be_read_back_is_not_written(
    tmp_path: Path, name: str, time_s: list[float], value: float
) -> None:
    path = put(tmp_path, "before")
    table = Table((name,), np.array(time_s), np.full((2, 1), value), in_degrees=True)
    with pytest.raises(StorageError, match="accepted: "):
        write_mot(path, table)
    with pytest.raises(StorageError, match="accepted: "), StoWriter(tmp_path / "live.sto", [name]) as writer:
        for row_s in time_s:
            writer.append(row_s, [value])
    assert path.read_text() == "before"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, "before")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StorageError, match="No space left"):
            write_mot(path, small_table())
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["x.mot"]
    write_mot(path, small_table())
    assert len(read_mot(path).time_s) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["x.mot"]


def test_folders_that_do_not_exist_are_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "x.mot"
    for write in (lambda: write_mot(path, small_table()), lambda: StoWriter(path, ["a"])):
        with pytest.raises(StorageError, match="No such file"):
            write()


def test_rows_of_the_wrong_length_are_refused(tmp_path: Path) -> None:
    with StoWriter(tmp_path / "x.sto", ["a", "b"]) as writer:
        with pytest.raises(StorageError, match=r"shape \(1,\)"):
            writer.append(0.0, [1.0])
        writer.append(0.0, [1.0, 2.0])
    with pytest.raises(ValueError, match="shape"):
        Table(("a",), np.zeros(2), np.zeros((1, 1)), in_degrees=True)
    with pytest.raises(ValueError, match="shape"):
        MarkerTable(("a",), np.zeros(1), np.zeros((1, 3)))
    assert len(read_sto(tmp_path / "x.sto").time_s) == 1


# --- Live recordings ---


def test_a_recording_can_be_read_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "live.sto"
    with StoWriter(path, ["a"]) as writer:
        assert read_sto(path).values.shape == (0, 1)
        for k in range(5):
            writer.append(0.1 * k + 0.01 * k * k, [k])
            assert read_sto(path).values[-1] == k
        assert writer.n_rows == 5


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_recording_survives_being_killed(tmp_path: Path) -> None:
    path = tmp_path / "live.sto"
    program = (
        "import os, signal, sys\n"
        "from calib.tables.storage import StoWriter\n"
        "writer = StoWriter(sys.argv[1], ['a', 'b'])\n"
        "for k in range(100): writer.append(0.01 * k, [k, float('nan')])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], cwd=REPOSITORY, check=False)
    assert done.returncode == -signal.SIGKILL
    np.testing.assert_array_equal(read_sto(path).values[:, 0], np.arange(100))


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_row_cut_off_in_writing_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, cut: int
) -> None:
    path = tmp_path / "live.sto"
    with StoWriter(path, ["a"]) as writer:
        writer.append(0.0, [12.0])
        writer.append(0.1, [345678.0])
    path.write_bytes(path.read_bytes()[:-cut])
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(read_sto(path).values, [[12.0]])
    assert "cut off" in caplog.text


def test_a_wrong_number_of_rows_is_pointed_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(read_mot(put(tmp_path, MOT.replace("nRows=2", "nRows=9"))).time_s) == 2
    assert "2 rows, but the header says '9'" in caplog.text
