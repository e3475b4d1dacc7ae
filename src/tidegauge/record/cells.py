# SPDX-License-Identifier: Apache-2.0
"""What a cell of a typed table may hold, how it is read, and what is wrong with one that does not.

`kind_of` says it to msgspec, for the rows that are plain; `read_cell` does the same with care: it
knows the numbers of other libraries, and tells people what they may pass. Both take the same cells.
"""

from __future__ import annotations

import math
import operator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tidegauge.catalog.labels import is_bool
from tidegauge.catalog.validation import read_number
from tidegauge.journal.events import encode
from tidegauge.model.amounts import PLACES, read_amount, to_units
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.tables import Column, Table

__all__ = ["MOST_TEXT_CHARS", "kind_of", "plain", "read_cell", "shortened"]

#: Longest text of a cell.
MOST_TEXT_CHARS = 10_000

_MAX_FLOAT = 1.7976931348623157e308
_MAX_INT = 2**63 - 1
#: A share that was computed with 32 bits may be this much above 1.
_ROUNDING = 1e-6


def kind_of(column: Column) -> Any:
    """The type that msgspec checks a plain cell of a column against."""
    least_chars = 0 if column.nullable else 1
    kind: Any = Annotated[str, Meta(min_length=least_chars, max_length=MOST_TEXT_CHARS)]
    if column.values:
        kind = Literal[column.values]
    elif column.kind == "bool":
        kind = bool
    elif column.kind != "str":
        number = float if column.kind == "f64" else int  # an amount is so many units
        least, most = _bounds(column)
        kind = Annotated[number, Meta(ge=number(least), le=number(most))]
    return kind | None if column.nullable else kind


def read_cell(table: Table, column: Column, value: object) -> object:
    """What is recorded of a value: None, a bool, an int, a float or a text.

    A whole number for a column of amounts is so many units; other numbers are the amount itself.

    Args:
        table: The table, for the error.
        column: The column.
        value: What somebody passed. Numbers may be whatever a metric's value may be
            (`tidegauge.catalog.validation.check_value`), whole ones whatever is one exactly.
            A number that rounding took beyond the largest one allowed is that one.

    Raises:
        MetricValidationError: The column cannot hold it: it is of another type, text too long or
            empty or none of the column's values (reason `bad_value`), NaN or infinite
            (`not_finite`), or too small or large (`out_of_range`).
    """
    if value is None:
        if not column.nullable:
            raise _refused(table, column, "is missing")
        return None
    if column.kind == "str":
        return _text(table, column, value)
    if column.kind == "bool":
        return _bool(table, column, value)
    if column.kind == "decimal" and not isinstance(value, int):
        return _units(table, column, value)
    return _number(table, column, value)


def plain(value: object) -> object:
    """The Python value of a scalar of NumPy or PyTorch; anything else as it is."""
    try:
        item = getattr(value, "item", None)
        return item() if callable(item) else value
    except Exception:  # noqa: BLE001  (an array of several elements, or whatever a caller has)
        return value


def shortened(text: str) -> str:
    """A text as a cell can hold it: cut at its end, which is marked by "…", and all of it UTF-8."""
    if not text.isascii():
        text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= MOST_TEXT_CHARS else f"{text[: MOST_TEXT_CHARS - 1]}…"


def _text(table: Table, column: Column, value: object) -> str:
    text = str.__str__(value) if isinstance(value, str) else _as_encoded(value)
    if not isinstance(text, str):
        problem = "is a bool" if is_bool(value) else f"is of type {type(value).__name__}"
        fix = "Turn it into text with str() where it comes from."
        raise _refused(table, column, problem, got=value, fix=fix)
    if column.values:
        if text not in column.values:
            raise _refused(table, column, "has a closed set of values", got=text)
        return text
    if not text and not column.nullable:
        raise _refused(table, column, "is empty", got=text)
    if len(text) > MOST_TEXT_CHARS:
        fix = "Cut it, or put it into `metadata`."
        raise _refused(table, column, "is too long", got=f"{len(text)} characters", fix=fix)
    if not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text):
        fix = "Decode the bytes it came from with errors='replace'."
        raise _refused(table, column, "cannot be written as UTF-8", got=text, fix=fix)
    return text


def _as_encoded(value: object) -> object:
    """What a value is in the journal, where a UUID is a text; the value itself if it cannot be."""
    try:
        return msgspec.msgpack.decode(encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return value


def _bool(table: Table, column: Column, value: object) -> bool:
    read = plain(value)
    if not isinstance(read, bool):
        problem = f"is of type {type(value).__name__}"
        raise _refused(table, column, problem, got=value, fix="Pass True or False.")
    return read


def _units(table: Table, column: Column, value: object) -> int:
    try:
        units = to_units(read_amount(plain(value)))
    except ValueError as error:
        raise _refused(table, column, f"cannot be read: {error}", got=value) from error
    least, most = _bounds(column)
    if not least <= units <= most:
        fix = f"It holds: {column.description}."
        raise _refused(table, column, "is out of range", reason="out_of_range", got=value, fix=fix)
    return units


def _number(table: Table, column: Column, value: object) -> float | int:
    least, most = _bounds(column)
    number = read_number(value)
    if isinstance(number, str):
        fix = "Pass one number." if column.kind == "f64" else "Pass one whole number."
        raise _refused(table, column, number, got=value, fix=fix)
    if column.kind != "f64" and (whole := _whole(value)) is not None:
        number = whole
    elif not math.isfinite(number):
        raise _refused(table, column, "is not finite", reason="not_finite", got=value)
    elif column.kind != "f64":
        fix = "Pass int(…) of it."
        raise _refused(table, column, "is not a whole number", got=value, fix=fix)
    elif most < number <= most * (1 + _ROUNDING):
        number = most
    if not least <= number <= most:
        fix = f"It holds: {column.description}."
        raise _refused(table, column, "is out of range", reason="out_of_range", got=value, fix=fix)
    return number


def _whole(value: object) -> int | None:
    """The whole number that a value is by its type; None if it is of another."""
    try:
        return operator.index(plain(value))  # type: ignore[arg-type]
    except TypeError:
        return None


def _bounds(column: Column) -> tuple[float, float]:
    """The smallest and largest number, inclusive."""
    largest = _MAX_FLOAT if column.kind == "f64" else _MAX_INT
    scale = 10**PLACES if column.kind == "decimal" else 1
    least = -largest if column.least is None else column.least * scale
    return least, largest if column.most is None else column.most * scale


def _refused(
    table: Table,
    column: Column,
    problem: str,
    *,
    reason: str = "bad_value",
    got: object = None,
    fix: str = "",
) -> MetricValidationError:
    if not fix and column.values and got is not None:
        fix = "Use one of them."
    elif not fix:
        unknown = "Leave it out" if column.nullable else "Record no such row"
        fix = f"{unknown} where it is not known."
    return MetricValidationError(
        f"the column {column.name!r} of the table {table.name!r} {problem}",
        reason=reason,
        got=got,
        allowed=_allowed(column),
        fix=fix,
    )


def _allowed(column: Column) -> str:
    if column.values:
        allowed = ", ".join(column.values)
    elif column.kind == "bool":
        allowed = "True, False"
    elif column.kind == "str":
        at_least = "" if column.nullable else "1 to "
        allowed = f"a text of {at_least or 'at most '}{MOST_TEXT_CHARS:,} characters"
    else:
        nouns = {"f64": "a finite number", "decimal": "an amount: a Decimal, a float or a text"}
        noun = nouns.get(column.kind, "a whole number")
        allowed = noun + _range_text(column)
    return f"{allowed}, or None" if column.nullable else allowed


def _range_text(column: Column) -> str:
    if column.least is None:
        return "" if column.most is None else f", {column.most:g} or less"
    return (
        f", {column.least:g} or more"
        if column.most is None
        else (f" from {column.least:g} to {column.most:g}")
    )
