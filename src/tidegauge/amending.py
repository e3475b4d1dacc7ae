# SPDX-License-Identifier: Apache-2.0
"""Changing what the process's store holds: `tidegauge.correct` and `tidegauge.forget`."""

from __future__ import annotations

from collections.abc import Mapping

from tidegauge.amend.amender import Correction
from tidegauge.amend.conditions import Where
from tidegauge.amend.eraser import Forgotten, ForgottenRows
from tidegauge.config import parts
from tidegauge.model.times import TimeLike, time_range
from tidegauge.record.front import recorder

__all__ = ["Correction", "Forgotten", "correct", "forget"]


def correct(
    table: str,
    *,
    where: Where | None = None,
    set: Mapping[str, object] | None = None,  # noqa: A002  (as SQL calls it)
    retract: bool = False,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    hours: float | None = None,
    days: float | None = None,
    reason: str | None = None,
    author: str | None = None,
    dry_run: bool = False,
) -> Correction:
    """Change what was recorded, or take it back, and leave a row in the table `corrections`.

    Everything that was recorded before the call is covered, by whatever process. The rows are
    changed in the tables themselves, so that everybody who reads them sees the change; statistics
    and daily aggregates are worked out anew. What was sent to other systems before stays there, and
    live metrics go on counting what was recorded.

    Args:
        table: The table, such as `points` or `user_satisfaction`.
        where: Which rows: columns, dimensions and labels with the value they must have, several
            allowed values as a list, None for empty. A metric may be given by any of its names. All
            rows of the range of time if not given.
        set: New values of columns, checked like recorded ones. What is worked out of them, such as
            the normalised score, is worked out again. Metric, dimensions, labels and time say
            which series a row belongs to and cannot be set: take such rows back, and record them
            anew.
        retract: Take the rows back instead.
        start: From this time on, inclusive.
        end: Until this time, exclusive.
        hours: The last so many hours, instead of `start`.
        days: The last so many days, instead of `start`.
        reason: Why, for the trail.
        author: Who does it, for the trail.
        dry_run: Only say which rows it would be.

    Returns:
        What was done. If no row is like that, nothing was written, and `rows` is 0.

    Raises:
        QueryError: What is asked for contradicts itself, or the table has no such column.
        MetricValidationError: A value does not fit. Nothing was changed.
        StoreError: The store cannot be used, or others kept it busy for a minute. Nothing was
            changed.

    Example:
        >>> import tidegauge as tg
        >>> tg.correct(
        ...     "points",
        ...     where={"metric": "model:accuracy", "run_id": "7f3a"},
        ...     set={"value": 0.9},
        ...     reason="measured on the wrong split",
        ... )
    """
    recorder.get_ready()
    process = parts()
    chosen = time_range(
        now_ns=process.store.clock.wall_ns(), hours=hours, days=days, start=start, end=end
    )
    return process.amender().correct(
        table,
        where,
        chosen,
        changes=set,
        retract=retract,
        reason=reason,
        author=author,
        dry_run=dry_run,
    )


def forget(
    user: str,
    *,
    rows: ForgottenRows = "anonymize",
    reason: str | None = None,
    author: str | None = None,
    dry_run: bool = False,
) -> Forgotten:
    """Remove everything from the store that says who a user is, from every file of it.

    A row is about a user if its column `user_id`, its label `user` or `user_id`, or one of these
    keys of its metadata names them, plainly or as a hash. Everything that was recorded before the
    call is covered; nobody who is mentioned inside of a text is found.

    Args:
        user: The user, as recorded before hashing.
        rows: What becomes of rows about them. `anonymize` takes away `user_id`, the label, metadata
            and what they wrote, and keeps the numbers, so that statistics stay right. `delete`
            takes away the rows.
        reason: Why, for the trail. It must not name the user.
        author: Who does it, for the trail.
        dry_run: Only say how many rows it would be.

    Returns:
        What was done, and what remains where. Another call finds nothing more to do.

    Raises:
        QueryError: `rows` is neither.
        MetricValidationError: The user, the reason or the author is no fitting text.
        StoreError: The store cannot be used, or others kept it busy for a minute. What was done
            stays done, and another call does the rest.

    Example:
        >>> import tidegauge as tg
        >>> tg.forget("alice@example.org", reason="request 4711")
    """
    recorder.get_ready()
    return parts().eraser().forget(user, rows=rows, reason=reason, author=author, dry_run=dry_run)
