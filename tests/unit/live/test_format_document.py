# SPDX-License-Identifier: Apache-2.0
"""docs/format/live.md and the code describe the same bytes."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tidegauge.live.exact import N_DIGITS
from tidegauge.live.kept import HowKept
from tidegauge.live.place import LIVE_FILE
from tidegauge.live.state_file import HEAD, MAGIC
from tidegauge.live.totals import NO_TIME
from tidegauge.statistics.histogram import START_SCALE

TEXT = (Path(__file__).parents[3] / "docs" / "format" / "live.md").read_text()


def rows(marker: str) -> list[list[str]]:
    """The cells of the table after a marker, without its heading."""
    after = TEXT.split(f"<!-- {marker} -->", 1)[1]
    lines = re.search(r"(\|.*\n)+", after)
    assert lines is not None
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[0].splitlines()[2:]]


def names(marker: str, column: int = 0) -> list[str]:
    """The names in a column of a table."""
    return [row[column].strip("`") for row in rows(marker)]


@pytest.fixture
def parts(bench: Any) -> tuple[bytes, Any, Any]:
    """The file of a store with some of everything: all of it, its head, its body."""
    bench.record("custom:jobs", 0.75, 2.0**158, kind="a")
    bench.record("custom:wait", 0.5, -0.5, 0.0)
    bench.record("custom:level", 3.0, time_ns=7)
    bench.record("custom:workers", 4.0, time_ns=8)
    columns = {"value": 1.0, "metadata": '{"trace_id": "ab"}'}
    bench.record_event("points", columns, "custom:jobs", kind="a", time_ns=9)
    bench.reader().save()
    data = (bench.root / LIVE_FILE).read_bytes()
    _, head_bytes, _, _, _ = HEAD.unpack_from(data)
    begin = HEAD.size + head_bytes
    head = msgspec.msgpack.decode(data[HEAD.size : begin])
    return data, head, msgspec.msgpack.decode(data[begin:], strict=False)


def test_lengths_and_checksums(parts: tuple[bytes, Any, Any]) -> None:
    """Offsets in the document are those of the struct, and what they hold is what it says."""
    data, _, _ = parts
    fields = re.findall(r"\d*[a-zA-Z]", HEAD.format.lstrip("<"))
    starts = [struct.calcsize("<" + "".join(fields[:n])) for n in range(len(fields))]
    sizes = [struct.calcsize("<" + field) for field in fields]
    documented = [(int(offset), int(size)) for offset, size, _ in rows("struct: HEAD")]
    assert documented == list(zip(starts, sizes, strict=True))
    assert f"head follows at offset {HEAD.size}" in TEXT
    magic, head_bytes, head_crc, body_bytes, body_crc = HEAD.unpack_from(data)
    assert f"`{magic.decode()}`" in TEXT
    assert magic == MAGIC
    assert len(data) == HEAD.size + head_bytes + body_bytes
    assert zlib.crc32(data[HEAD.size : HEAD.size + head_bytes]) == head_crc
    assert zlib.crc32(data[HEAD.size + head_bytes :]) == body_crc


def test_keys_of_the_maps(parts: tuple[bytes, Any, Any]) -> None:
    """The document has every key, in the order of the bytes."""
    _, head, body = parts
    assert names("map: head") == list(head)
    assert names("map: position") == list(head["positions"]["000"])
    assert names("map: body") == list(body)
    assert {len(family) for family in body["families"]} == {len(rows("array: family"))}


def test_kinds() -> None:
    """The numbers of what is kept are documented."""
    documented = {int(number): name.strip("`") for number, name, _ in rows("kinds")}
    assert documented == {int(each): each.name.lower() for each in HowKept}


def test_families_and_arrays(parts: tuple[bytes, Any, Any]) -> None:
    """What is in the bytes is what the document makes of them."""
    _, _, body = parts
    by_metric = {family[0]["name"]: family for family in body["families"]}
    jobs, wait = by_metric["custom:jobs"], by_metric["custom:wait"]
    assert jobs[2:6] == ["custom_jobs_total", None, 0, []]
    assert jobs[6] == [[["kind", "a"]]]
    assert wait[4:6] == [3, [0.1, 1.0, 10.0]]
    (jobs_cell,), (wait_cell,) = jobs[7], wait[7]
    (level,), (workers,) = by_metric["custom:level"][7], by_metric["custom:workers"][7]
    n_cells = len(body["families"])
    digits = np.frombuffer(body["digits"], "<i8").reshape(N_DIGITS, n_cells)
    assert f"{N_DIGITS} rows of int64" in TEXT
    units = sum(int(digit) << (32 * at) for at, digit in enumerate(digits[:, jobs_cell]))
    assert units == int(1.75 * 2**96)
    assert body["huge"] == {jobs_cell: hex(2**158)}
    assert np.frombuffer(body["facts"], "<i8")[jobs_cell] == 3
    assert np.frombuffer(body["last_ns"], "<i8")[level] == 7
    assert np.frombuffer(body["value"], "<f8")[level] == 3.0
    assert np.frombuffer(body["source"], "<i8")[level] == 0
    assert np.frombuffer(body["buckets"], "<i8").tolist() == [2, 1, 0, 0]
    keys = np.frombuffer(body["exponential_keys"], "<i8")
    assert (keys >> 20).tolist() == [wait_cell] * 3
    assert (keys >> 18 & 3).tolist() == [0, 1, 2]
    half = -1 * 2**START_SCALE - 1  # the bucket whose upper bound is 1/2
    assert ((keys & (1 << 18) - 1) - 131_072)[[0, 2]].tolist() == [half, half]
    assert np.frombuffer(body["exponential_counts"], "<i8").tolist() == [1, 1, 1]
    assert f"those of scale {START_SCALE}" in TEXT
    ((source, cells),) = body["living"].items()
    assert source == 0
    assert cells == {workers: [4.0, 8, 6]}
    ((cell, bucket, exemplar),) = body["exemplars"]
    assert (cell, bucket) == (jobs_cell, 0)
    assert exemplar == {"labels": [["trace_id", "ab"]], "value": 1.0, "time_ns": 9}
    assert body["recorded"] == 8
    assert body["first_ns"] == 7
    assert NO_TIME == 2**63 - 1


def test_damages_in_the_document() -> None:
    """Each text that the log can have is in the document, and none else."""
    documented = {row[1].strip("`") for row in rows("damage")} - {"nothing"}
    folder = Path(__file__).parents[3] / "src" / "tidegauge" / "live"
    code = (folder / "state_file.py").read_text() + (folder / "saved.py").read_text()
    assert {text for text in documented if text not in code} == set()
    written = re.findall(r'(?:Unusable\(f?|problem = )"([^"{(]*)', code)
    assert {text.strip() for text in written if text.strip()} - documented <= {"the metric"}
