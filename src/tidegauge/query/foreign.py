# SPDX-License-Identifier: Apache-2.0
"""Reading the rows of files that are not ours, CSV and Parquet, a few thousand at a time.

Cells come as they are: text from CSV, values from Parquet. What they mean is the reader's business.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import msgspec

from tidegauge.model.errors import QueryError

__all__ = ["FileFormat", "ForeignTable", "RowBatch", "file_format"]

FileFormat = Literal["csv", "parquet"]

_ENDINGS: dict[str, FileFormat] = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_DELIMITERS = ",;\t|"
_UNREADABLE = (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error)


class RowBatch(msgspec.Struct, frozen=True):
    """Some rows of a file, in their order.

    Attributes:
        first_row: Number of the first row, 1 being the first after the header.
        rows: The cells of the columns asked for; or, for a row that cannot be read as one, what is
            wrong with it.
        done: How far in the file the last one is: bytes for CSV, rows for Parquet.
        total: How far the file goes, in the same measure.
    """

    first_row: int
    rows: list[Sequence[object] | str]
    done: int
    total: int


class ForeignTable:
    """A file of rows. Opened anew by every reading.

    Args:
        path: The file.
        form: Its format; None to tell by its name.
        delimiter: What is between the cells of CSV; None to tell by its first line.
        encoding: How its text is encoded, for CSV.

    Raises:
        QueryError: It is not of that format, nothing tells of which it is, or there is no such
            encoding or delimiter.
        OSError: It cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        form: FileFormat | None = None,
        delimiter: str | None = None,
        encoding: str = "utf-8-sig",
    ) -> None:
        self.path = path
        self.form = form or file_format(path)
        self._encoding = encoding
        self._delimiter = delimiter or ","
        self._check_options()
        path.open("rb").close()  # says better than a reader what is wrong with the name
        if self.form == "parquet":
            with self._parquet() as file:
                self.columns = [str(name) for name in file.schema_arrow.names]
        else:
            self.columns = self._header(delimiter)

    def read(self, columns: Sequence[str], *, batch_rows: int) -> Iterator[RowBatch]:
        """Read the cells of some columns, row by row.

        Args:
            columns: The columns, each of `columns`.
            batch_rows: Most rows of a batch.

        Raises:
            QueryError: The file cannot be read to its end.
        """
        if self.form == "parquet":
            return self._read_parquet(columns, batch_rows)
        return self._read_csv(columns, batch_rows)

    def _read_csv(self, columns: Sequence[str], batch_rows: int) -> Iterator[RowBatch]:
        places = [self.columns.index(name) for name in columns]
        width = len(self.columns)
        total = self.path.stat().st_size
        with self.path.open("rb") as raw, self._text(raw) as text:
            lines = csv.reader(text, delimiter=self._delimiter)
            first_row, rows = 1, list[Sequence[object] | str]()
            self._next(lines)
            while (cells := self._next(lines)) is not None:
                if not cells:
                    continue  # an empty line is no row
                if isinstance(cells, str):
                    rows.append(cells)
                elif len(cells) != width:
                    rows.append(f"the row has {len(cells)} cells and the header {width}")
                else:
                    rows.append([cells[place] for place in places])
                if len(rows) == batch_rows:
                    yield RowBatch(first_row, rows, raw.tell(), total)
                    first_row, rows = first_row + batch_rows, []
            if rows:
                yield RowBatch(first_row, rows, total, total)

    def _next(self, lines: Iterator[list[str]]) -> list[str] | str | None:
        try:
            return next(lines, None)
        except csv.Error as error:
            return f"the line cannot be read: {error}"
        except _UNREADABLE as error:
            raise self._unreadable(error) from error

    def _check_options(self) -> None:
        try:
            "".encode(self._encoding)
        except LookupError as error:
            raise QueryError(
                "there is no such encoding of text",
                got=self._encoding,
                allowed="utf-8, latin-1, cp1252, utf-16, …",
            ) from error
        try:
            csv.reader([], delimiter=self._delimiter)
        except (TypeError, ValueError) as error:
            raise QueryError(
                "this cannot be between the cells of CSV",
                got=self._delimiter,
                allowed="one character, such as ; or a tab",
            ) from error

    def _unreadable(self, error: Exception) -> QueryError:
        is_encoding = isinstance(error, UnicodeDecodeError)
        fix = "Give its encoding: --encoding latin-1." if is_encoding else "Check that it is whole."
        return _unreadable(self.path, error, fix)

    def _header(self, delimiter: str | None) -> list[str]:
        with self.path.open("rb") as raw, self._text(raw) as text:
            try:
                first = text.readline()
            except _UNREADABLE as error:
                raise self._unreadable(error) from error
        if delimiter is None:
            self._delimiter = max(_DELIMITERS, key=first.count)
        names = next(csv.reader([first], delimiter=self._delimiter), [])
        if not any(name.strip() for name in names):
            raise QueryError(
                "the file has no header",
                got=str(self.path),
                allowed="CSV whose first line names the columns",
                fix="Put the names of the columns on the first line.",
            )
        return [name.strip() for name in names]

    def _text(self, raw: BinaryIO) -> io.TextIOWrapper:
        stream = raw if self.path.suffix != ".gz" else cast("BinaryIO", gzip.GzipFile(fileobj=raw))
        return io.TextIOWrapper(stream, encoding=self._encoding, newline="")

    def _parquet(self) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.ParquetFile(self.path)
        except pa.ArrowInvalid as error:
            raise _unreadable(self.path, error, "Check that it is a Parquet file.") from error

    def _read_parquet(self, columns: Sequence[str], batch_rows: int) -> Iterator[RowBatch]:
        import pyarrow as pa

        first_row = 1
        try:
            with self._parquet() as file:
                total = int(file.metadata.num_rows)
                for batch in file.iter_batches(batch_size=batch_rows, columns=list(columns)):
                    cells = [_cells(batch.column(name)) for name in columns]
                    rows = list[Sequence[object] | str](zip(*cells, strict=True))
                    yield RowBatch(first_row, rows, first_row + len(rows) - 1, total)
                    first_row += len(rows)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise _unreadable(self.path, error, "Check that the file is whole.") from error


def file_format(path: Path) -> FileFormat:
    """Tell the format of a file by its name.

    Raises:
        QueryError: Its name does not tell.
    """
    for ending, form in _ENDINGS.items():
        if path.name.lower().endswith(ending):
            return form
    raise QueryError(
        "the file's name does not tell its format",
        got=str(path),
        allowed=f"a name that ends in {', '.join(_ENDINGS)}",
        fix="Say which it is: --format csv or --format parquet.",
    )


def _cells(column: Any) -> list[object]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        # Nanoseconds would need pandas, and the store keeps microseconds.
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    cells: list[object] = column.to_pylist()
    return cells


def _unreadable(path: Path, error: Exception, fix: str) -> QueryError:
    return QueryError(f"the file cannot be read ({error})", got=str(path), fix=fix)
