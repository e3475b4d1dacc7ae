# SPDX-License-Identifier: Apache-2.0
"""Reading a SQLite file that another program may be writing, a few thousand rows at a time.

Nothing is locked between two readings. Cells come as they are; what they mean is the reader's
business.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from tidegauge.model.errors import QueryError
from tidegauge.model.sqlite_shapes import APPLICATION_ID, SHAPES
from tidegauge.model.tables import DAILY_AGGREGATES, USER_SATISFACTION

__all__ = ["PAGE_ROWS", "Page", "SqliteSource"]

#: Rows of a page.
PAGE_ROWS = 5_000

_BUSY_TIMEOUT_S = 30.0


class Page(msgspec.Struct, frozen=True):
    """Some rows of a table, in the order of their ids.

    Attributes:
        ids: The id of each; its place in the table if the ids are no key.
        created: When each was created, as the file says.
        cells: The cells of each, of the columns asked for; None where the table lacks one.
    """

    ids: list[object]
    created: list[object]
    cells: list[tuple[object, ...]]


class SqliteSource:
    """A SQLite file. Used by one thread; close it.

    Args:
        path: The file.

    Attributes:
        path: The file.
        tables: The tables with rows that can be imported, in the order of the file's shape, each
            with its columns; daily aggregates are not among them.
        has_aggregates: Whether there is a table of daily aggregates.
        is_export: Whether the file was exported from a store.

    Raises:
        QueryError: It is no SQLite file, or has no table that is known.
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        path.open("rb").close()  # says better than SQLite what is wrong with the name
        self.path = path
        self._connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=ro",
            uri=True,
            isolation_level=None,
            timeout=_BUSY_TIMEOUT_S,
        )
        self._connection.text_factory = _text
        self._has_ids: set[str] = set()
        try:
            self.is_export = self._ask("PRAGMA application_id")[0][0] == APPLICATION_ID
            present = {name: self._columns(name) for name in (*SHAPES, DAILY_AGGREGATES.name)}
        except QueryError:
            self.close()
            raise
        self._present = present
        self.tables = {name: present[name] for name in SHAPES if present[name]}
        self.has_aggregates = bool(present[DAILY_AGGREGATES.name])
        if not self.tables and not self.has_aggregates:
            self.close()
            raise _no_table(path)

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self._ask(f"SELECT count(*) FROM {table}")[0][0])

    def pages(self, table: str, columns: Sequence[str]) -> Iterator[Page]:
        """The rows of a table.

        Args:
            table: One of `tables`, or `daily_aggregates`.
            columns: The columns wanted, whether the table has them or not.

        Raises:
            QueryError: They cannot be read.
        """
        present = self._present[table]
        wanted = ["id" if table in self._has_ids else "rowid", "created_at", *columns]
        # Each is named, for SQLite would take the name of a column that is not there for a text.
        names = ", ".join(
            f"{table}.{name}" if name in present or name == "rowid" else "NULL" for name in wanted
        )
        question = f"SELECT rowid, {names} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"
        last = -(2**63)
        while rows := self._ask(question, (last, PAGE_ROWS)):
            last = rows[-1][0]
            yield Page(
                [row[1] for row in rows], [row[2] for row in rows], [row[3:] for row in rows]
            )

    def ignored(self) -> list[str]:
        """Columns of known tables that mean nothing here, as `table.column`."""
        known = {"id", "created_at", "timestamp", "metadata"}
        return [
            f"{name}.{column}"
            for name, columns in self.tables.items()
            for column in columns
            if column not in known | {each.name for each in SHAPES[name].table.columns}
        ]

    def days(self, table: str) -> frozenset[str]:
        """The days that a table has rows of, as the timestamps name them."""
        if "timestamp" not in self.tables.get(table, ()):
            return frozenset()
        return frozenset(
            str(day)
            for (day,) in self._ask(f"SELECT DISTINCT substr(timestamp, 1, 10) FROM {table}")
        )

    def starred(self) -> frozenset[tuple[object, object]]:
        """Features and types of satisfaction whose scores are whole numbers, some above 1.

        There a score of 1, which the column gives as 1.0, is the worst of 1-5 and not the best of
        0-1.
        """
        columns = self.tables.get(USER_SATISFACTION.name, ())
        if not {"feature", "satisfaction_type", "score"} <= {*columns}:
            return frozenset()
        rows = self._ask(
            f"SELECT feature, satisfaction_type FROM {USER_SATISFACTION.name} GROUP BY 1, 2 "
            "HAVING max(score) > 1 AND sum(score > 0 AND score < 1) = 0"
        )
        return frozenset((feature, kind) for feature, kind in rows)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _columns(self, table: str) -> Collection[str]:
        rows = self._ask(f"PRAGMA table_info({table})")
        if [row[1] for row in rows if row[5]] == ["id"]:
            self._has_ids.add(table)
        return [row[1] for row in rows]

    def _ask(self, question: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            with contextlib.closing(self._connection.execute(question, parameters)) as cursor:
                return cursor.fetchall()
        except sqlite3.Error as error:
            raise QueryError(
                f"the file cannot be read ({error})",
                got=str(self.path),
                allowed="a SQLite file with the tables of an export",
                fix="Check that it is whole, and that no program keeps it locked.",
            ) from error


def _text(data: bytes) -> str:
    """Text as it is, be it no UTF-8: the row that has it is refused, and not the file."""
    return data.decode("utf-8", "surrogateescape")


def _no_table(path: Path) -> QueryError:
    return QueryError(
        "the file has none of the tables that can be imported",
        got=str(path),
        allowed=", ".join([*SHAPES, DAILY_AGGREGATES.name]),
        fix="For tables of other names and shapes, export them to CSV: see tidegauge import.",
    )
