# SPDX-License-Identifier: Apache-2.0
"""Arrow arrays made and read without pandas agree with pyarrow's own conversions."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tidegauge.store.arrays import from_list, from_numpy, to_numpy

MAP = pa.map_(pa.string(), pa.string())


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", None, "déjà"], pa.string()),
        ([1.5, None, 2], pa.float64()),
        ([1, None, -(2**63)], pa.int64()),
        ([1, None], pa.int32()),
        ([True, None, False, *[True] * 9], pa.bool_()),
        ([False, True], pa.bool_()),
        ([None, None], pa.bool_()),
        ([[1, 2], [], [3]], pa.list_(pa.int64())),
        ([[("a", "1"), ("b", "2")], []], MAP),
        ([None, None], pa.string()),
        ([], MAP),
    ],
)
def test_a_list_becomes_what_pyarrow_makes_of_it(values: list[Any], kind: pa.DataType) -> None:
    """Nulls, empty lists and text beyond ASCII included."""
    assert from_list(values, kind).equals(pa.array(values, kind))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1", pa.float64()),
        (True, pa.float64()),
        (1, pa.bool_()),
        ("true", pa.bool_()),
        (1.0, pa.int64()),
        (2**63, pa.int64()),
        (2**31, pa.int32()),
        (1, pa.string()),
        (["1"], pa.list_(pa.int64())),
        (None, pa.list_(pa.int64())),
    ],
)
def test_a_value_of_another_type_is_refused(value: Any, kind: pa.DataType) -> None:
    """Nothing is rounded, cut or read as a different type."""
    with pytest.raises((TypeError, OverflowError)):
        from_list([value, *([[1]] if pa.types.is_list(kind) else [])], kind)


def test_an_array_is_wrapped_with_its_gaps() -> None:
    """Nine values, so that the bits of presence fill more than a byte."""
    numbers = np.arange(9, dtype=np.int64)
    wrapped = from_numpy(numbers, pa.int64(), absent=numbers % 2 == 1)
    assert wrapped.to_pylist() == [0, None, 2, None, 4, None, 6, None, 8]


def test_a_wrong_width_is_refused() -> None:
    """Bytes are never read as numbers of another size."""
    with pytest.raises(TypeError, match="int32 is not as wide as int64"):
        from_numpy(np.zeros(3, np.int32), pa.int64())


def test_a_column_is_read_with_its_gaps_and_its_offset() -> None:
    """A slice of a chunked column begins in the middle of a buffer."""
    column = pa.chunked_array([[1, None, 3], [], [None, 5, 6]]).slice(1, 4)
    assert to_numpy(column, default=-1).tolist() == [-1, 3, -1, 5]


PROGRAM = """
import sys
from pathlib import Path
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.store.drain import DrainFollower
from tidegauge.store.maintenance import Retention, compact, retire, tidy
from tidegauge.store.snapshot import snapshot
from tidegauge.store.status import status_of
from tidegauge.store.store import Store

store = Store(sys.argv[1])
writer = JournalWriter(store.root / "journal")
key = SeriesKey.of("model:latency_ms", {"model": "a", "route": "/"})
for value in range(10):
    writer.put_point(key, 1.0, time_ns=10**18, step=value)
    writer.put_event("points", key, 10**18, {"value": 1.0, "metadata": "{}"})
    DrainFollower(store).advance(force=True)
snapshot(store, "points")
status_of(store)
compact(store, "points")
retire(store, "points", Retention(days=10_000, metrics={"model:latency_ms": 1}))
tidy(store, "points")
print(sorted({"pandas", "matplotlib"} & sys.modules.keys()))
"""


def test_draining_reading_and_maintaining_do_not_import_pandas(store_dir: Any) -> None:
    """Where pandas is installed, pyarrow would import it into the program that drains."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, store_dir], capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"
