# SPDX-License-Identifier: Apache-2.0
"""The one place where results become text: tables for people, one JSON document for programs.

Commands describe what there is to see with the blocks below. Rich is loaded when something is
drawn, so that a program that asks for JSON does not pay for it.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = [
    "Block",
    "Column",
    "Kind",
    "Lines",
    "Output",
    "Pairs",
    "Table",
    "bytes_text",
    "number_text",
    "plain",
]

#: How the cells of a column are written.
Kind = Literal["text", "number", "count", "time", "bytes", "share"]

_NUMBERS = ("number", "count", "bytes", "share")

# Wide enough for any row: a pipe has no width, and cut cells would be lost to the next program.
_PIPE_WIDTH = 4000

# Rich takes a quarter of a millisecond for a row, which is too long for very many.
_MOST_DRAWN = 2000
_PIECE_LINES = 500


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        key: Where its cells are in a row.
        title: Its heading; the key if empty.
        kind: How its cells are written.
    """

    key: str
    title: str = ""
    kind: Kind = "text"


class Table(NamedTuple):
    """Rows under headings.

    Attributes:
        columns: The columns, in order.
        rows: One mapping per row; a missing key is an empty cell.
        title: A line above it.
        empty: What to say if there are no rows.
    """

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    title: str = ""
    empty: str = "Nothing."


class Pairs(NamedTuple):
    """Names with one value each."""

    pairs: Iterable[tuple[str, object]]
    title: str = ""


class Lines(NamedTuple):
    """Text, with Rich's markup: `[bold]…[/]`; escape what users wrote."""

    text: str


Block = Table | Pairs | Lines


class Output:
    """What a command writes to.

    Args:
        as_json: Write one JSON document to standard output, and nothing else.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._consoles: dict[bool, Console] = {}

    def show(self, document: object, *blocks: Block) -> None:
        """Write a result: `document` if JSON is wanted, else the blocks one below the other."""
        if self.as_json:
            self.write_json(document)
        else:
            self.tell(*blocks)

    def tell(self, *blocks: Block) -> None:
        """Write blocks for people, one below the other; nothing if JSON is wanted."""
        if self.as_json:
            return
        for block in blocks:
            if isinstance(block, Table) and (
                not self._is_terminal or len(block.rows) > _MOST_DRAWN
            ):
                self._write_lines(_table_lines(block))
            elif self._is_terminal:
                self._console(error=False).print(_drawn(block))
            else:
                with self._console(error=False).capture() as drawn:
                    self._console(error=False).print(_drawn(block))
                # Cells are padded to the width of their column; a file needs no such spaces.
                self._write_lines(line.rstrip() for line in drawn.get().splitlines())

    def write_json(self, document: object) -> None:
        """Write a document to standard output, whatever was asked for."""
        encoded = _encoder.encode(plain(document))
        sys.stdout.write(msgspec.json.format(encoded, indent=2).decode() + "\n")

    def write_json_line(self, document: object) -> None:
        """Write a part of a document to standard output on one line, without ending it."""
        sys.stdout.write(_encoder.encode(plain(document)).decode())

    def write(self, text: str) -> None:
        """Write text to standard output as it is."""
        sys.stdout.write(text)

    def note(self, text: str) -> None:
        """Tell people something beside the result; goes to standard error. Takes Rich's markup."""
        self._console(error=True).print(text, highlight=False)

    @property
    def _is_terminal(self) -> bool:
        return sys.stdout.isatty()

    def _write_lines(self, lines: Iterable[str]) -> None:
        # In pieces, so that a reader who goes away is noticed in time.
        waiting = iter(lines)
        while piece := list(itertools.islice(waiting, _PIECE_LINES)):
            sys.stdout.write("\n".join([*piece, ""]))

    @property
    def error_console(self) -> Console:
        """The console on standard error."""
        return self._console(error=True)

    def _console(self, *, error: bool) -> Console:
        if error not in self._consoles:
            from rich.console import Console

            stream = sys.stderr if error else sys.stdout
            width = None if stream.isatty() else _PIPE_WIDTH
            self._consoles[error] = Console(
                file=stream, width=width, highlight=False, soft_wrap=width is not None
            )
        return self._consoles[error]


def plain(value: object) -> Any:
    """Turn what a result is made of into what JSON has; numbers that JSON lacks become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, dt.datetime):
        return _utc(value).isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return _plain_decimal(value)
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.structs.asdict(value))
    return str(value)


#: Amounts are written with all their digits: what they become is up to who reads them.
_encoder = msgspec.json.Encoder(decimal_format="number")


def _plain_decimal(value: Decimal) -> Decimal | int | str | None:
    """The same number without zeros at the end; whole ones beyond 64 bits as text."""
    if not value.is_finite():
        return None
    if value == value.to_integral_value():
        return int(value) if -(2**63) <= value < 2**64 else f"{value:f}"
    return Decimal(f"{value:f}".rstrip("0"))


def number_text(value: float | None) -> str:
    """A number as people read it: five significant digits, thousands apart."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if not 1e-4 <= abs(value) < 1e15:
        return f"{value:.5g}"
    decimals = max(0, 4 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:,.0f}"


def bytes_text(size_bytes: float) -> str:
    """A size as people read it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size_bytes) < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"


def _drawn(block: Block) -> RenderableType:
    if isinstance(block, Lines):
        return block.text
    if isinstance(block, Pairs):
        return _pairs(block)
    return _table(block)


def _table(block: Table) -> RenderableType:
    from rich import box
    from rich.markup import escape
    from rich.table import Table as Drawing

    title = escape(block.title)
    if not block.rows:
        return f"[bold]{title}[/bold]\n{block.empty}" if title else block.empty
    drawing = Drawing(
        box=box.SIMPLE_HEAD,
        title=title or None,
        title_justify="left",
        title_style="bold",
        pad_edge=False,
    )
    for column in block.columns:
        right = column.kind in _NUMBERS
        drawing.add_column(
            escape(column.title or column.key),
            justify="right" if right else "left",
            no_wrap=right,
            overflow="fold",
        )
    for row in block.rows:
        drawing.add_row(*(escape(_cell(row.get(c.key), c.kind)) for c in block.columns))
    return drawing


def _table_lines(block: Table) -> Iterator[str]:
    """A table as Rich would draw it on a terminal without limits and colours."""
    if not block.rows:
        yield from ([block.title] if block.title else [])
        yield block.empty
        return
    headings = [column.title or column.key for column in block.columns]
    rows = [[_cell(row.get(c.key), c.kind) for c in block.columns] for row in block.rows]
    widths = [max(map(_width, cells)) for cells in zip(headings, *rows, strict=True)]
    to_the_right = [column.kind in _NUMBERS for column in block.columns]

    def line(cells: Sequence[str]) -> str:
        padded = []
        for cell, width, right in zip(cells, widths, to_the_right, strict=True):
            space = " " * (width - _width(cell))
            padded.append(space + cell if right else cell + space)
        return f" {'   '.join(padded)}".rstrip()

    yield from ([block.title] if block.title else [])
    yield ""
    yield line(headings)
    yield f" {'─' * (sum(widths) + 3 * (len(widths) - 1))}"
    for row in rows:
        yield from map(line, _split(row))
    yield ""


def _split(row: list[str]) -> Iterator[list[str]]:
    """The lines of a row, of which some cells may have several."""
    if not any("\n" in cell for cell in row):
        yield row
        return
    for cells in itertools.zip_longest(*(cell.split("\n") for cell in row), fillvalue=""):
        yield list(cells)


def _width(text: str) -> int:
    """The columns that a text takes on a terminal."""
    if text.isascii():
        return max(map(len, text.split("\n"))) if "\n" in text else len(text)
    lines = text.split("\n")
    return max(
        sum(
            0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "FW" else 1
            for c in line
        )
        for line in lines
    )


def _pairs(block: Pairs) -> RenderableType:
    from rich.markup import escape
    from rich.table import Table as Drawing

    drawing = Drawing.grid(padding=(0, 2))
    drawing.title = escape(block.title) or None
    drawing.title_justify, drawing.title_style = "left", "bold"
    drawing.add_column(style="dim")
    drawing.add_column(overflow="fold")
    for name, value in block.pairs:
        drawing.add_row(escape(name), escape(_cell(value, "text")))
    return drawing


def _cell(value: object, kind: Kind) -> str:
    if value is None:
        return "-" if kind != "text" else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.datetime):
        return f"{_utc(value):%Y-%m-%d %H:%M:%S}"
    if kind == "bytes" and isinstance(value, int | float):
        return bytes_text(value)
    if kind == "share" and isinstance(value, int | float):
        return f"{value * 100:.4g} %"
    if isinstance(value, Decimal):
        return number_text(float(value))
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, Mapping):
        return " ".join(f"{name}={item}" for name, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(item) for item in value)
    return str(value)


def _utc(time: dt.datetime) -> dt.datetime:
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)
