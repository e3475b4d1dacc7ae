# SPDX-License-Identifier: Apache-2.0
"""docs/explanation/statistics.md shows every study as recorded, and all kept their limits."""

from __future__ import annotations

from simulations import publish


def test_the_page_is_the_one_that_the_record_makes() -> None:
    """No figure of the page was typed; `python -m simulations.publish --page` writes it anew."""
    text = publish.PAGE.read_text(encoding="utf-8")
    assert text == publish.page(text, publish.load())


def test_every_study_is_recorded_and_has_its_place() -> None:
    """A study that nobody can read of is none; and what is no longer studied is not shown."""
    tables = publish.load()
    text = publish.PAGE.read_text(encoding="utf-8")
    assert sorted(tables) == sorted(publish.studies())
    assert [name for name in tables if text.count(f"<!-- table: {name} -->") != 1] == []


def test_what_was_recorded_is_within_its_limits() -> None:
    """Each table holds at least one method of ours to a limit, and none is broken."""
    tables = publish.load()
    assert [line for table in tables.values() for line in table.broken()] == []
    unlimited = [
        name
        for name, table in tables.items()
        if all(row.least is None and row.most is None for row in table.rows)
    ]
    assert unlimited == []
