# SPDX-License-Identifier: Apache-2.0
"""The files of an object store, shown on the one kind that needs no server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from tidegauge.model.tables import POINTS
from tidegauge.store import location as location_module
from tidegauge.store.drain import DrainFollower
from tidegauge.store.maintenance import compact
from tidegauge.store.objects import ObjectStore
from tidegauge.store.snapshot import snapshot
from tidegauge.store.status import status_of
from tidegauge.store.store import Store


@pytest.mark.parametrize("data", [b"bytes", memoryview(b"bytes"), pa.py_buffer(b"bytes")])
def test_what_arrow_writes_is_what_is_read(tmp_path: Path, data: object) -> None:
    """Arrow's buffers included."""
    files = pafs.PyFileSystem(ObjectStore(f"file://{tmp_path}", {}))
    with files.open_output_stream("a/b.bin") as sink:
        sink.write(data)
    assert files.get_file_info("a/b.bin").size == 5
    with files.open_input_file("a/b.bin") as source:
        assert source.read() == b"bytes"


def test_a_store_whose_tables_are_objects(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Draining, merging, reading and the status do the same without a directory at hand."""
    monkeypatch.setattr(location_module, "_local", lambda _: None)
    (tmp_path / "objects").mkdir()
    store = Store(bench.root, tables_uri=f"file://{tmp_path}/objects", clock=bench.clock)
    for value in range(9):
        bench.record(float(value), region="eu")
        if value < 8:
            DrainFollower(store).advance(force=True)
    merged = compact(store, POINTS.name)
    assert merged is not None
    assert (merged.files_before, merged.files_after) == (8, 1)
    connection = duckdb.connect()
    snapshot(store, POINTS.name).register(connection, "points")
    found = connection.execute("SELECT count(*), sum(value), min(labels['region']) FROM points")
    assert found.fetchall() == [(9, 36.0, "eu")]
    assert status_of(store).is_balanced
    assert store.tables.names() == ["points"]
