# SPDX-License-Identifier: Apache-2.0
"""Which rows were imported, by content and identity, and which of them are in doubt."""

from __future__ import annotations

from typing import Any

from tidegauge.store.imported_rows import CONTENT_BYTES, ImportedRows, row_key


def test_a_row_is_known_by_its_content_and_its_identity() -> None:
    """Equal contents begin alike; a key is the same in every process and version."""
    key = row_key("errors", (1, "2026-01-01"), ("a", 1.5, None))
    assert key.hex() == "be0cbe170091296df7ca4bfe68424a2a"
    other = row_key("errors", (2, "2026-01-01"), ("a", 1.5, None))
    assert (len(key), other != key) == (16, True)
    assert other[:CONTENT_BYTES] == key[:CONTENT_BYTES]
    for table, content in (("errors", ("a", 2.5, None)), ("feature_usage", ("a", 1.5, None))):
        assert row_key(table, (1, "2026-01-01"), content)[:CONTENT_BYTES] != key[:CONTENT_BYTES]


def test_a_row_is_in_doubt_until_it_is_settled(bench: Any) -> None:
    """Also for the next one who opens the state."""
    rows = ImportedRows(bench.store.state)
    assert rows.find([b"a"]) == {}
    rows.doubt([b"a", b"b"])
    rows.settle([b"a"])
    bench.store.state.close()
    assert ImportedRows(bench.store.state).find([b"a", b"b", b"c"]) == {b"a": False, b"b": True}
