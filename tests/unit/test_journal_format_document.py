# SPDX-License-Identifier: Apache-2.0
"""docs/format/journal.md and the code describe the same bytes."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from tidegauge.journal import layout
from tidegauge.journal.events import MAX_EVENT_BYTES
from tidegauge.journal.state import drop_offset
from tidegauge.journal.writer import SEGMENT_SLOTS
from tidegauge.model.reasons import REASONS

TEXT = (Path(__file__).parents[2] / "docs" / "format" / "journal.md").read_text()
# Bytes that follow a struct and are not part of it: its checksum.
TRAILERS = {"HEADER": 4, "IDENTITY": 4}


def rows(marker: str) -> list[list[str]]:
    """The cells of the table after a marker, without its heading."""
    after = TEXT.split(f"<!-- {marker} -->", 1)[1]
    lines = re.search(r"(\|.*\n)+", after)
    assert lines is not None
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[0].splitlines()[2:]]


@pytest.mark.parametrize("name", ["HEADER", "POINT", "FRAME", "IDENTITY"])
def test_struct_has_the_documented_fields(name: str) -> None:
    """Offsets and lengths in the document are those of the struct, without gaps."""
    code: struct.Struct = getattr(layout, name)
    documented = [(int(offset), int(size)) for offset, size, _ in rows(f"struct: {name}")]
    fields = re.findall(r"\d*[a-zA-Z]", code.format.lstrip("<"))
    starts = [struct.calcsize("<" + "".join(fields[:n])) for n in range(len(fields))]
    sizes = [struct.calcsize("<" + field) for field in fields]
    expected = list(zip(starts, sizes, strict=True))
    if name in TRAILERS:
        expected.append((code.size, TRAILERS[name]))
    assert documented == expected
    assert code.format.startswith("<")


def test_numbers_of_the_page_are_where_the_document_says() -> None:
    """Each number of the page is documented, in order, with its offset."""
    documented = {name.strip("`"): int(offset) for offset, name, _ in rows("numbers")}
    assert documented == layout.NUMBER_OFFSETS
    assert list(documented) == list(layout.NUMBER_OFFSETS)
    assert layout.NUMBER.size == 16


def test_drops_follow_in_the_order_of_the_reasons() -> None:
    """The counters of drops begin at 1024, 16 bytes each, and all fit in the page."""
    assert [drop_offset(reason) for reason in REASONS] == [
        1024 + 16 * n for n in range(len(REASONS))
    ]
    assert "From offset 1024 on" in TEXT
    assert drop_offset(list(REASONS)[-1]) + 16 <= layout.STATE_BYTES
    assert max(layout.NUMBER_OFFSETS.values()) + 16 <= layout.FIRST_DROP_OFFSET


def test_first_reasons_never_change_their_place() -> None:
    """The order of the reasons is part of the format: new ones are appended."""
    assert list(REASONS)[:15] == [
        "bad_name",
        "unknown_metric",
        "bad_value",
        "not_finite",
        "out_of_range",
        "bad_label",
        "bad_step",
        "bad_time",
        "bad_metadata",
        "budget",
        "disk_full",
        "unavailable",
        "damaged",
        "deleted",
        "internal",
    ]


def test_magics_are_documented() -> None:
    """Every magic is in the document, and ends in the version 1."""
    magics = [
        layout.POINTS_MAGIC,
        layout.EVENTS_MAGIC,
        layout.SERIES_MAGIC,
        layout.STATE_MAGIC,
        layout.FRAME_MAGIC.to_bytes(4, "little"),
    ]
    assert [magic for magic in magics if f"`{magic.decode()}`" not in TEXT] == []
    assert {magic[-1:] for magic in magics} == {b"1"}


def test_sizes_and_seeds_in_the_prose_are_those_of_the_code() -> None:
    """Constants that the text gives in passing."""
    assert (layout.HEADER_BYTES, layout.POINT_BYTES) == (4096, 40)
    assert "Slot *n*\nbegins at offset 4096 + 40 *n*" in TEXT
    assert f"{SEGMENT_SLOTS:,} slots by default" in TEXT
    assert f"at most {layout.MAX_SEGMENT_SLOTS:,}" in TEXT
    assert f"`0x{layout.STEP_FACTOR:X}`" in TEXT
    assert f"`0x{layout.SERIES_CHECK_SEED:X}`" in TEXT
    assert layout.FIRST_SERIES_OFFSET == 16
    assert "16 bytes of header: the magic `TGserie1`" in TEXT
    assert layout.FRAME_ALIGNMENT == 8
    assert MAX_EVENT_BYTES == 1 << 20
    assert "a payload has at most 1 MiB" in TEXT
    assert layout.STATE_BYTES == 4096
