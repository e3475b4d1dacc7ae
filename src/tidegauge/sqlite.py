# SPDX-License-Identifier: Apache-2.0
"""History of features and their users as a SQLite file: taking it away, and bringing it along.

The file has one table for each kind of row, and is read and written by other programs as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from tidegauge import config
from tidegauge.catalog.scales import SCALES
from tidegauge.model.clock import SYSTEM_CLOCK
from tidegauge.model.errors import QueryError, StoreError
from tidegauge.model.loading import loading
from tidegauge.model.sqlite_shapes import SHAPES
from tidegauge.model.times import TimeLike, TimeRange, time_range
from tidegauge.record.privacy import KEEP_ALL, PRIVACY_KEY, Privacy
from tidegauge.record.recorder import Recorder
from tidegauge.record.sqlite_aggregates import orphaned_aggregates
from tidegauge.record.sqlite_import import Progress, RefusedRow, RowImport, check_rows
from tidegauge.record.sqlite_rows import RowReader
from tidegauge.record.sqlite_source import SqliteSource

if TYPE_CHECKING:
    from tidegauge.journal.writer import JournalWriter
    from tidegauge.parts import Parts
    from tidegauge.store.store import Store

__all__ = [
    "Advance",
    "Imported",
    "export_sqlite",
    "import_sqlite",
    "read_import",
    "write_export",
]

#: `advance(done, total)`: how many rows are done, and of how many.
Advance = Callable[[float, float], None]

_DRAIN_ROWS = 250_000


def _no_one(done: float, total: float) -> None:
    """Where nobody watches."""


class Imported(msgspec.Struct, frozen=True):
    """What an import has done.

    Attributes:
        file: The file.
        rows: Rows read, by table.
        recorded: Rows recorded; with `check`, rows that would be.
        present: Rows left alone, for they were recorded before.
        aggregates: Daily aggregates kept, for the file has no rows of their day any more.
        refused: Rows refused, by reason.
        examples: The first of them.
        ignored_columns: Columns that mean nothing here, as `table.column`.
    """

    file: str
    rows: dict[str, int]
    recorded: int
    present: int
    aggregates: int
    refused: dict[str, int]
    examples: list[RefusedRow]
    ignored_columns: list[str]


def export_sqlite(
    path: str | PathLike[str],
    *,
    hours: float | None = None,
    days: float | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    labels: Mapping[str, object] | None = None,
    force: bool = False,
) -> dict[str, int]:
    """Write what features and their users did to a SQLite file, which appears when it is complete.

    Facts that are still in the journal are written as well. Timestamps are UTC without a zone.

    Args:
        path: The file.
        hours: Only the last so many hours.
        days: Only the last so many days.
        start: Only from here on: a datetime, ISO 8601 text, or seconds since 1970.
        end: Only until here, exclusive.
        labels: Only rows with these dimensions and labels.
        force: Whether a file that is there is replaced.

    Returns:
        How many rows each table has.

    Raises:
        ConfigError: The file is there.
        QueryError: The range makes no sense, or nobody knows a label.
        OSError: The file cannot be written.
        StoreError: The store cannot be read.

    Example:
        >>> import tidegauge as tg
        >>> tg.export_sqlite("history.db", days=30, force=True)["errors"]
        0
    """
    chosen = time_range(now_ns=SYSTEM_CLOCK.wall_ns(), hours=hours, days=days, start=start, end=end)
    return write_export(config.parts(), Path(path), labels=labels, time_range=chosen, force=force)


def write_export(
    parts: Parts,
    path: Path,
    *,
    labels: Mapping[str, object] | None,
    time_range: TimeRange,
    force: bool,
    advance: Advance = _no_one,
) -> dict[str, int]:
    """The same for any store; see `export_sqlite`.

    Args:
        parts: The store's.
        path: As for `export_sqlite`, like what is not said here.
        labels: See there.
        time_range: When it happened.
        force: See there.
        advance: Called with how many rows are done, and of how many.
    """
    with loading():
        from tidegauge.query.sqlite_file import write_sqlite_file
        from tidegauge.query.writers import check_place

    check_place(path, force=force)
    return write_sqlite_file(
        parts.store, parts.catalog, path, labels=labels, time_range=time_range, after=advance
    )


def import_sqlite(
    path: str | PathLike[str],
    *,
    time_zone: str = "UTC",
    scale: str | None = None,
    check: bool = False,
) -> Imported:
    """Record the rows of a SQLite file, each through the checks of a record call, and each once.

    A row is known by its content, id and creation: a file may be imported again when it has grown,
    or after an import was killed. Rows of a file that `export_sqlite` wrote are not recorded into a
    store that has them. Daily aggregates are kept where the file has no rows of their day.

    Args:
        path: The file; another program may be writing it.
        time_zone: The zone of timestamps that name none.
        scale: The scale of satisfaction scores that say none: `0-1`, `1-5` or `0-10`. If it is not
            given, a score above 1 is on 1-5, and so is a 1 among whole numbers.
        check: Only check; record nothing.

    Raises:
        QueryError: The file cannot be read, or there is no such zone or scale.
        StoreError: The journal takes no more, or somebody else is importing; what was recorded
            until then is not recorded again.
        OSError: The file cannot be opened.

    Example:
        >>> import tidegauge as tg
        >>> sorted(tg.export_sqlite("history.db", force=True))[0]
        'daily_aggregates'
        >>> tg.import_sqlite("history.db").recorded
        0
    """
    return read_import(config.parts(), Path(path), time_zone=time_zone, scale=scale, check=check)


def read_import(
    parts: Parts,
    path: Path,
    *,
    time_zone: str,
    scale: str | None,
    check: bool,
    advance: Advance = _no_one,
) -> Imported:
    """The same for any store; see `import_sqlite`.

    Args:
        parts: The store's.
        path: As for `import_sqlite`, like all but the last.
        time_zone: See there.
        scale: See there.
        check: See there.
        advance: Called with how many rows are done, and of how many.
    """
    zone = _zone(time_zone)
    _check_scale(scale)
    with closing(SqliteSource(path)) as source:
        total = sum(source.count(name) for name in source.tables)

        def after(progress: Progress) -> None:
            advance(sum(progress.rows.values()), total)

        recorder = _recorder(parts)
        settings = parts.settings
        privacy = Privacy(settings.free_text, settings.user_ids, parts.root / PRIVACY_KEY)
        starred = source.starred()
        readers = {
            name: RowReader(
                SHAPES[name],
                recorder,
                KEEP_ALL if check else privacy,
                zone=zone,
                scale=scale,
                starred=starred,
            )
            for name in source.tables
        }
        aggregates = 0
        if check:
            progress = check_rows(source, readers, after=after)
            progress.recorded = sum(progress.rows.values()) - sum(progress.refused.values())
        else:
            with _alone(parts.store):
                progress = _record(parts, recorder.writer, source, readers, after)
                if source.has_aggregates:
                    aggregates = _keep_aggregates(parts, source, progress, time_zone)
        return Imported(
            file=str(path),
            rows=progress.rows,
            recorded=progress.recorded,
            present=progress.present,
            aggregates=aggregates,
            refused=dict(progress.refused),
            examples=progress.examples,
            ignored_columns=source.ignored(),
        )


def _record(
    parts: Parts,
    writer: JournalWriter,
    source: SqliteSource,
    readers: Mapping[str, RowReader],
    after: Callable[[Progress], None],
) -> Progress:
    with loading():
        from tidegauge.query.stored_rows import StoredRows
        from tidegauge.store.imported_rows import ImportedRows

    drain, drained = parts.drain(), 0

    def after_page(progress: Progress) -> None:
        nonlocal drained
        if progress.recorded - drained >= _DRAIN_ROWS:
            writer.tick()
            drain.advance(force=True)
            drained = progress.recorded
        after(progress)

    with closing(StoredRows(parts.store, parts.catalog)) as stored:
        done = ImportedRows(parts.store.state)
        job = RowImport(source, done, writer, stored=stored, after=after_page)
        try:
            job.run(readers)
        finally:
            writer.close()
    while drain.advance(force=True):
        pass
    return job.progress


def _keep_aggregates(parts: Parts, source: SqliteSource, progress: Progress, time_zone: str) -> int:
    with loading():
        from tidegauge.store.imported_aggregates import keep_aggregates

    orphaned = orphaned_aggregates(source, progress, zone=time_zone)
    kept = keep_aggregates(parts.store, orphaned)
    return kept.written + kept.present


def _recorder(parts: Parts) -> Recorder:
    settings = parts.settings
    return Recorder(
        parts.root / "journal",
        catalog=parts.catalog,
        strict=True,
        budget_bytes=settings.journal_budget_bytes,
        segment_slots=settings.segment_slots,
    )


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    with store.importing() as mine:
        if not mine:
            raise StoreError(
                "somebody else is importing into this store",
                got=str(store.root),
                fix="Import again when that is done.",
            )
        yield


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise QueryError(
            "there is no such time zone",
            got=name,
            allowed="a name of the IANA database, such as UTC or Europe/Amsterdam",
        ) from error


def _check_scale(scale: str | None) -> None:
    if scale is not None and scale not in SCALES:
        raise QueryError("there is no such scale", got=scale, allowed=", ".join(SCALES))
