# SPDX-License-Identifier: Apache-2.0
"""What DuckDB has to say, as errors of this package; and names that were nearly right."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Collection, Iterable, Iterator

import duckdb

from tidegauge.model.errors import QueryError, StoreError

__all__ = ["clip", "did_you_mean", "readable_errors", "unreadable_sql"]

# How DuckDB names a file of a table that it cannot read.
_FILE = re.compile(r"""['"]([^'"]+\.parquet)['"]""")
_MISSING_TABLE = re.compile(r"Table with name (\S+) does not exist")


@contextlib.contextmanager
def readable_errors(sql: str, *, tables: Collection[str] = ()) -> Iterator[None]:
    """Turn what DuckDB raises in the block into a `QueryError`, or a `StoreError` for its files.

    A relation computes its rows when they are asked for, so whoever asks for them on behalf of a
    person does it in such a block.

    Args:
        sql: The statement, for the error.
        tables: Tables that may be meant where one does not exist.
    """
    try:
        yield
    except duckdb.InterruptException as error:
        raise QueryError("the query was interrupted", got=clip(sql)) from error
    except duckdb.OutOfMemoryException as error:
        raise QueryError(
            "the query needs more memory than it may use",
            got=clip(sql),
            fix=f"Ask for less at once. {_message(error)}",
        ) from error
    except duckdb.CatalogException as error:
        if tables and (missing := _MISSING_TABLE.search(str(error))):
            raise QueryError(
                "there is no such table",
                got=missing[1],
                allowed=", ".join(tables),
                fix=did_you_mean(missing[1], tables, few=0),
            ) from error
        raise unreadable_sql(sql, error) from error
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        if file := _FILE.search(str(error)):
            raise _unreadable_file(file[1]) from error
        raise unreadable_sql(sql, error) from error
    except duckdb.Error as error:
        raise unreadable_sql(sql, error) from error


def did_you_mean(name: str, known: Iterable[str], *, few: int = 10) -> str:
    """A sentence that names the most similar known names, or all if they are few; else nothing.

    Example:
        >>> did_you_mean("acuracy", ["accuracy", "latency_ms", "loss"])
        "Did you mean 'accuracy'?"
    """
    # The category says little: names in it would all be similar.
    by_tail: dict[str, list[str]] = {}
    for candidate in sorted(set(known)):
        by_tail.setdefault(candidate.rpartition(":")[2], []).append(candidate)
    tails = difflib.get_close_matches(name.rpartition(":")[2], by_tail, n=3)
    close = [candidate for tail in tails for candidate in by_tail[tail]]
    names = [candidate for candidates in by_tail.values() for candidate in candidates]
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    if 0 < len(names) <= few:
        return f"There is only {', '.join(map(repr, names))}."
    return ""


def unreadable_sql(sql: str, error: object) -> QueryError:
    """The error for SQL that cannot be parsed, bound or computed."""
    return QueryError("the SQL cannot be answered", got=clip(sql), fix=_message(error))


def clip(sql: str, limit: int = 120) -> str:
    """The text on one line, cut to `limit` characters."""
    line = " ".join(sql.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _unreadable_file(path: str) -> StoreError:
    return StoreError(
        "a file of the store's tables is missing or damaged",
        got=path,
        fix="Run `tidegauge doctor`: it says what is lost and what to do.",
    )


def _message(error: object) -> str:
    """DuckDB's message without the caret drawing at its end."""
    text = str(error).partition("\n\nLINE ")[0].strip()
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?")) else f"{text}."
