# SPDX-License-Identifier: Apache-2.0
"""What is asked of a typed table: keyword arguments are read, and the odd ones refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from tidegauge.model.columns import Table
from tidegauge.model.errors import QueryError
from tidegauge.model.series import DIMENSIONS
from tidegauge.model.times import TimeRange, time_range
from tidegauge.query.feature_facts import Chosen
from tidegauge.query.selection import Vocabulary
from tidegauge.store.measured import rolled_of

__all__ = ["TIMES", "chosen_of", "names_of", "within"]

#: Keyword arguments that say when.
TIMES = ("hours", "days", "start", "end", "time_range")

_ARGUMENTS = ("feature", "hours", "days", "start", "end", "limit", "labels", "every", "by")


def chosen_of(
    table: Table,
    asked: Mapping[str, Any],
    own: Mapping[str, object],
    vocabulary: Vocabulary,
    now_ns: int,
) -> Chosen:
    """Read what is asked of a table.

    Args:
        table: The table.
        asked: A range of time; columns of the table, dimensions and labels.
        own: What columns must hold, as far as not None.
        vocabulary: Reads labels.
        now_ns: Now.

    Raises:
        QueryError: The range is empty, or facts cannot be chosen by something.
    """
    given = {name: each for name, each in asked.items() if name not in (*TIMES, "labels")}
    columns = {name: each for name, each in own.items() if each is not None}
    for name in list(given):
        if name in rolled_of(table).by:
            columns[name] = given.pop(name)
        else:
            _check_free(name, table)
    labels = asked.get("labels")
    if labels is not None and not isinstance(labels, Mapping):
        raise QueryError("labels are not a dict", got=labels, allowed="a dict of names to values")
    chosen = vocabulary.select(None, {**(labels or {}), **given}, TimeRange())
    return Chosen(
        time_range=within(asked, now_ns), columns=columns, about_labels=chosen.about_labels
    )


def within(asked: Mapping[str, Any], now_ns: int) -> TimeRange:
    """The range of time that is asked for; `time_range` is one that was read before.

    Raises:
        QueryError: It is empty, or given twice.
    """
    known = asked.get("time_range")
    if isinstance(known, TimeRange):
        return known
    times: dict[str, Any] = {name: asked.get(name) for name in TIMES[:4]}
    return time_range(now_ns=now_ns, **times)


def names_of(by: object) -> list[str]:
    """Names given as one or several.

    Raises:
        QueryError: It is neither.
    """
    names: list[Any] = [by] if isinstance(by, str) or not isinstance(by, Iterable) else list(by)
    if all(isinstance(name, str) for name in names):
        return names
    raise QueryError("facts cannot be grouped by this", got=by, allowed="a name, or several")


def _check_free(name: str, table: Table) -> None:
    """Refuse what would be taken for a label, and was not meant to be one."""
    if name in DIMENSIONS:
        return
    as_label = f"write labels={{'{name}': ...}} for a label of this name"
    columns = [column.name for column in table.columns]
    if name in columns:
        raise QueryError(
            f"facts of {table.name} cannot be chosen by this column",
            got=name,
            allowed=", ".join(rolled_of(table).by),
            fix=f"Ask in SQL; or {as_label}.",
        )
    near = get_close_matches(name, [*_ARGUMENTS, *columns, *DIMENSIONS], n=1, cutoff=0.8)
    if near:
        raise QueryError(
            "this looks like the name of an argument",
            got=name,
            fix=f"Did you mean {near[0]!r}? Otherwise {as_label}.",
        )
