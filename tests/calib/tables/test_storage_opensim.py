"""`.mot`, `.sto` and `.trc` files against OpenSim's own readers and writers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calib.tables.storage import (
    MarkerTable,
    StoWriter,
    read_mot,
    read_sto,
    read_trc,
    write_mot,
    write_sto,
    write_trc,
)
from tests.calib.tables.test_storage import small_table
from tests.conftest import REPOSITORY
from tests.support.opensim_reference import import_opensim

pytestmark = pytest.mark.opensim
SHARED_FILES = sorted((REPOSITORY.parent / "shared" / "data").rglob("*"))


@pytest.mark.parametrize("name", ["x.mot", "x.sto", "live.sto"])
def test_opensim_reads_our_tables(tmp_path: Path, name: str) -> None:
    opensim = import_opensim()
    table, path = small_table(), tmp_path / name
    if name.startswith("live"):
        with StoWriter(path, table.names) as writer:
            for time_s, row in zip(table.time_s, table.values, strict=True):
                writer.append(time_s, row)
    else:
        (write_mot if name.endswith("mot") else write_sto)(path, table)
    theirs = opensim.TimeSeriesTable(str(path))
    assert tuple(theirs.getColumnLabels()) == table.names
    assert theirs.getTableMetaDataString("inDegrees") == "yes"
    np.testing.assert_allclose(theirs.getIndependentColumn(), table.time_s, atol=1e-9)
    np.testing.assert_allclose(theirs.getMatrix().to_numpy(), table.values, rtol=1e-9)
    assert opensim.TableProcessor(str(path)).process().getNumRows() == 4
    storage = opensim.Storage(str(path))
    assert (storage.getSize(), storage.isInDegrees()) == (4, True)


def test_opensim_reads_our_markers(tmp_path: Path) -> None:
    opensim = import_opensim()
    positions_m = np.arange(24.0).reshape(4, 2, 3) / 7
    positions_m[1, 0] = np.nan
    write_trc(tmp_path / "x.trc", MarkerTable(("RASI", "Top Head"), small_table().time_s, positions_m))
    theirs = opensim.TimeSeriesTableVec3(str(tmp_path / "x.trc"))
    assert tuple(theirs.getColumnLabels()) == ("RASI", "Top Head")
    assert theirs.getTableMetaDataString("Units") == "m"
    np.testing.assert_allclose(theirs.getIndependentColumn(), small_table().time_s, atol=1e-9)
    np.testing.assert_allclose(marker_array(theirs), positions_m, rtol=1e-9)


def marker_array(table: Any) -> np.ndarray:
    flat = table.flatten()  # kept alive: its matrix is a view
    values = flat.getMatrix().to_numpy().copy()
    return values.reshape(len(values), -1, 3)


def test_we_read_what_opensim_writes(tmp_path: Path) -> None:
    opensim = import_opensim()
    table = opensim.TimeSeriesTable()
    table.setColumnLabels(["a", "b"])
    table.addTableMetaDataString("inDegrees", "yes")
    markers = opensim.TimeSeriesTableVec3()
    markers.setColumnLabels(["A", "B"])
    markers.addTableMetaDataString("DataRate", "10")
    markers.addTableMetaDataString("Units", "mm")
    for k in range(3):
        table.appendRow(0.1 * k, opensim.RowVector([k, np.nan if k == 1 else -k / 3]))
        row = opensim.RowVectorVec3(2)
        row[0], row[1] = opensim.Vec3(1000.0, k, 0.0), opensim.Vec3(np.nan if k == 1 else 2.0)
        markers.appendRow(0.1 * k, row)
    opensim.STOFileAdapter.write(table, str(tmp_path / "x.sto"))
    opensim.TRCFileAdapter.write(markers, str(tmp_path / "x.trc"))
    ours = read_sto(tmp_path / "x.sto")
    assert (ours.names, ours.in_degrees) == (("a", "b"), True)
    np.testing.assert_allclose(ours.values, [[0, 0], [1, np.nan], [2, -2 / 3]], atol=1e-12)
    positions_m = read_trc(tmp_path / "x.trc").positions_m
    np.testing.assert_allclose(positions_m[1], [[1.0, 1e-3, 0.0], [np.nan] * 3], atol=1e-12)


@pytest.mark.parametrize(
    "path", [p for p in SHARED_FILES if p.suffix in (".mot", ".sto")], ids=lambda p: p.name
)
def test_tables_of_others_read_as_opensim_reads_them(path: Path) -> None:
    opensim = import_opensim()
    ours, theirs = read_mot(path), opensim.TimeSeriesTable(str(path))
    assert ours.names == tuple(theirs.getColumnLabels())
    assert ours.in_degrees == (theirs.getTableMetaDataString("inDegrees") == "yes")
    np.testing.assert_allclose(ours.time_s, theirs.getIndependentColumn(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.values, theirs.getMatrix().to_numpy(), rtol=1e-12)


@pytest.mark.parametrize("path", [p for p in SHARED_FILES if p.suffix == ".trc"], ids=lambda p: p.name)
def test_markers_of_others_read_as_opensim_reads_them(path: Path) -> None:
    opensim = import_opensim()
    ours, theirs = read_trc(path), opensim.TimeSeriesTableVec3(str(path))
    assert ours.names == tuple(theirs.getColumnLabels())
    to_metres = {"m": 1.0, "mm": 1e-3}[theirs.getTableMetaDataString("Units")]
    np.testing.assert_allclose(ours.time_s, theirs.getIndependentColumn(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.positions_m, marker_array(theirs) * to_metres, rtol=1e-12)


def test_there_are_files_of_others_to_read(shared_data: Path) -> None:
    suffixes = {path.suffix for path in SHARED_FILES}
    assert {".mot", ".trc"} <= suffixes
