# SPDX-License-Identifier: Apache-2.0
"""From the journals to the tables."""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import Any

import pytest
from deltalake import DeltaTable

from tidegauge.model.errors import StoreError
from tidegauge.model.series import SeriesKey
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store

UTC = dt.UTC

# Newer versions of Python warn of forks beside threads; here it is tested that they work.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


def rows(bench: Any, table: str = "points") -> list[dict[str, Any]]:
    """The rows of a table as another reader of Delta sees them, ordered by time."""
    found = DeltaTable(bench.root / "tables" / table).to_pyarrow_table().to_pylist()
    return sorted(found, key=lambda row: row["time"])


def test_a_point_arrives_with_all_it_was_recorded_with(bench: Any) -> None:
    """Dimensions have columns, other labels are a map, what was not given is null."""
    bench.record(
        12.5,
        metric="model:latency_ms",
        at="2026-01-01T10:20:30.123456Z",
        step=7,
        model="fraud",
        model_version="3",
        service="api",
        region="eu",
        host="h1",
    )
    bench.drain()
    assert rows(bench) == [
        {
            "time": dt.datetime(2026, 1, 1, 10, 20, 30, 123456, tzinfo=UTC),
            "date": dt.date(2026, 1, 1),
            "slot": f"{bench.store.journal.id}/000",
            "service": "api",
            "model": "fraud",
            "model_version": "3",
            "experiment": None,
            "run_id": None,
            "environment": None,
            "labels": [("host", "h1"), ("region", "eu")],
            "metadata": None,
            "metric": "model:latency_ms",
            "value": 12.5,
            "step": 7,
        }
    ]


def test_an_event_of_points_arrives_with_its_metadata(bench: Any) -> None:
    """A fact with metadata is a row like any other; so is one without a step."""
    bench.record_event(value=1.0, metadata='{"a": 1}')
    bench.drain()
    (row,) = rows(bench)
    assert (row["value"], row["step"], row["metadata"]) == (1.0, None, '{"a": 1}')


def test_a_batch_arrives_as_one_row_per_value(bench: Any) -> None:
    """Each value under its own metric, all with the batch's time and step."""
    keys = [SeriesKey.of("model:auc", {"model": "a"}), SeriesKey.of("model:loss", {"model": "a"})]
    vector = bench.writer.vector_id(keys)
    bench.writer.put_batch(vector, bench.writer.generation, [0.9, 0.1], 10**18, 4)
    bench.drain()
    found = {row["metric"]: (row["value"], row["step"], row["model"]) for row in rows(bench)}
    assert found == {"model:auc": (0.9, 4, "a"), "model:loss": (0.1, 4, "a")}


def test_intervals_go_to_their_own_table(bench: Any) -> None:
    """Lists included; the table of points is there, and empty."""
    bench.record_interval(count=3)
    bench.drain()
    (row,) = rows(bench, "intervals")
    assert (row["metric"], row["count"], row["positive_counts"]) == ("model:latency_ms", 3, [1])
    assert rows(bench) == []


def test_each_day_is_a_partition_of_its_own(bench: Any) -> None:
    """Late facts and facts of many days in one batch are stored under the day they happened."""
    bench.record(1.0, at="2026-01-01T23:59:59.999999Z")
    bench.record(2.0, at="2026-01-02T00:00:00Z")
    bench.record(3.0, at="1970-01-01T00:00:00Z")
    bench.record(4.0, at="2100-12-31T12:00:00Z")
    bench.drain()
    days = {row["value"]: row["date"].isoformat() for row in rows(bench)}
    assert days == {1.0: "2026-01-01", 2.0: "2026-01-02", 3.0: "1970-01-01", 4.0: "2100-12-31"}
    names = sorted(path.name for path in (bench.root / "tables/points").glob("date=*"))
    assert names == ["date=1970-01-01", "date=2026-01-01", "date=2026-01-02", "date=2100-12-31"]


def test_a_pass_makes_one_commit_per_table_and_one_file_per_day(bench: Any) -> None:
    """However many slots there are."""
    other = bench.new_writer()
    bench.record(1.0)
    bench.record(2.0, writer=other)
    bench.record_interval(count=1)
    bench.drain()
    points = bench.store.tables.open("points").view()
    intervals = bench.store.tables.open("intervals").view()
    assert (points.version, len(points.files)) == (1, 1)
    assert intervals.version == 1


def test_nothing_new_makes_no_commit(bench: Any) -> None:
    """A forced pass over a journal that is stored leaves the tables as they are."""
    bench.record(1.0)
    bench.drain()
    bench.drain()
    assert bench.store.tables.open("points").view().version == 1


def test_a_pass_is_bounded(bench: Any) -> None:
    """A pass takes about as many rows as it may, and says that there is more."""
    bench.record(*range(100))
    follower = DrainFollower(bench.store, pass_rows=30)
    assert follower.advance(force=True)
    assert bench.stored() == 30
    assert bench.values() == list(range(100))
    bench.drain(pass_rows=30)
    assert bench.stored() == 100


def test_rows_of_a_file_are_ordered_by_series_and_then_as_recorded(bench: Any) -> None:
    """So that a reader of one metric skips the others."""
    bench.record(5.0, 4.0, metric="model:zeta")
    bench.record(3.0, 2.0, metric="model:alpha")
    bench.drain()
    (file,) = (bench.root / "tables/points").glob("date=*/*.parquet")
    import pyarrow.parquet as pq

    assert pq.read_table(file)["value"].to_pylist() == [3.0, 2.0, 5.0, 4.0]


def test_segments_are_deleted_once_everybody_has_passed_them(bench: Any) -> None:
    """The newest segment stays; a registered follower without a cursor keeps all of them."""
    bench.store.state.register_follower("mlflow")
    bench.record(*range(200))  # 64 to a segment
    bench.drain()
    segments = bench.root / "journal/000"
    assert len(list(segments.glob("points-*.seg"))) == 4
    with bench.store.state.transaction() as transaction:
        transaction.set_cursor("mlflow", "000", "points", 130)
    bench.record(200.0)
    bench.drain()
    assert len(list(segments.glob("points-*.seg"))) == 2
    bench.store.state.forget_follower("mlflow")
    bench.record(201.0)
    bench.drain()
    assert len(list(segments.glob("points-*.seg"))) == 1
    assert bench.values() == list(range(202))


def test_the_cursors_are_noted_where_status_and_others_find_them(bench: Any) -> None:
    """In the state, under the follower's name; as a copy, the tables have the true ones."""
    bench.record(1.0, 2.0)
    bench.drain()
    assert bench.store.state.cursors("store")["000", "points"] == 2
    bench.store.state.forget_follower("store")
    bench.record(3.0)
    bench.drain()
    assert bench.values() == [1.0, 2.0, 3.0]


def test_only_one_drains_at_a_time(bench: Any) -> None:
    """Whoever is not the leader does nothing and does not wait."""
    bench.record(1.0)
    with bench.store.lead() as leading:
        assert leading
        assert DrainFollower(bench.store).advance(force=True) is False
    assert bench.stored() == 0


def test_without_the_lock_the_commit_itself_excludes_a_second_drain(bench: Any) -> None:
    """On a file system without locks two drains may read the same facts; one commit fails."""
    bench.record(1.0, 2.0)
    bench.drain()
    bench.record(3.0)
    journal_id, slots = bench.store.slots()
    first, second = DrainFollower(bench.store), DrainFollower(Store(bench.root))
    second._keep_unfit = lambda _: first._pass(journal_id, slots)  # type: ignore[method-assign]
    second.advance(force=True)  # reads; meanwhile the other reads and commits; then it commits
    assert bench.values() == [1.0, 2.0, 3.0]
    files = list((bench.root / "tables/points").glob("date=*/*.parquet"))
    assert len(files) == 2  # what was written and could not be committed is gone


def test_an_event_of_an_unknown_table_is_kept_for_people(bench: Any) -> None:
    """A newer program may have written it: it counts as damaged, and can be read."""
    bench.record_event("requests_v9", a=1)
    bench.record(2.0)
    bench.drain()
    assert bench.values() == [2.0]
    (letter,) = bench.store.state.dead_letters("store")
    assert (letter.reason, letter.detail) == ("unfit", "table requests_v9: unknown table")
    assert json.loads(letter.payload_json)["columns"] == {"a": 1}
    assert bench.status().balance.dropped == {"damaged": 1}


@pytest.mark.parametrize(
    "columns",
    [
        {"value": "fast"},
        {"value": True},
        {"value": None},
        {},
        {"value": 1.0, "step": 1.5},
        {"value": 1.0, "metadata": {"a": 1}},
    ],
)
def test_an_event_that_does_not_fit_is_left_out_and_the_rest_is_stored(
    bench: Any, columns: dict[str, Any]
) -> None:
    """One bad record does not stop its neighbours, and is never stored as something else."""
    bench.record_event(value=1.0)
    bench.record_event(**columns)
    bench.record_event(value=2.0)
    bench.drain()
    assert bench.values() == [1.0, 2.0]
    assert bench.status().balance.dropped == {"damaged": 1}
    assert bench.status().is_balanced
    assert len(bench.store.state.dead_letters("store")) == 1


def test_facts_of_a_series_that_is_lost_count_as_damaged(bench: Any) -> None:
    """Without its series a value means nothing."""
    bench.record(1.0, 2.0)
    bench.writer.close()
    (bench.root / "journal/000/series.log").unlink()
    bench.drain()
    assert bench.values() == []
    assert bench.status().balance.dropped == {"damaged": 2}
    assert bench.status().is_balanced


def test_a_crash_between_two_tables_repeats_neither(bench: Any) -> None:
    """A table that was committed before the crash skips what it has, by its own cursor."""
    for count in range(3):
        bench.record_interval(count=count)
        bench.record_event("intervals", count="unfit")
        bench.record_event(value=float(count))
    follower = DrainFollower(bench.store)
    commit = follower._commit

    def die_before_points(name: str, *args: Any) -> None:
        if name == "points":
            raise KeyboardInterrupt
        commit(name, *args)

    follower._commit = die_before_points  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        follower.advance(force=True)
    assert (bench.stored("intervals"), bench.stored("points")) == (3, 0)
    assert bench.values("intervals") == [0, 1, 2]
    assert bench.status().balance.missing == 0
    bench.record_interval(count=3)
    bench.drain()
    assert bench.values("intervals") == [0, 1, 2, 3]
    assert bench.values() == [0.0, 1.0, 2.0]
    assert bench.status().balance.dropped == {"damaged": 3}
    assert bench.status().is_balanced
    assert len(bench.store.state.dead_letters("store")) == 3


def test_a_new_column_is_added_to_a_table_that_exists(bench: Any) -> None:
    """Old rows have null in it, new rows what was recorded, and readers see both."""
    from msgspec.structs import replace

    from tidegauge.model import tables as model

    bench.record(1.0)
    bench.drain()
    column = model.Column("shard", "str", "a column of the future")
    wider = replace(model.POINTS, columns=(*model.POINTS.columns, column))
    stored = bench.store.tables.ensure(wider)
    assert "shard" in stored.view().columns
    assert stored.view().evolved
    bench.record(2.0)
    bench.drain()
    assert bench.values() == [1.0, 2.0]
    assert [row["shard"] for row in rows(bench)] == [None, None]


def test_a_table_of_a_newer_format_is_refused(bench: Any) -> None:
    """Nobody writes into what he does not understand."""
    bench.record(1.0)
    bench.drain()
    table = DeltaTable(bench.root / "tables/points")
    table.alter.set_table_properties({"tidegauge.format": "2"}, raise_if_not_exists=False)
    bench.record(2.0)
    with pytest.raises(StoreError, match="format that this version does not know; got '2'"):
        DrainFollower(Store(bench.root)).advance(force=True)


def test_a_forked_child_asks_its_parent_to_drain(bench: Any) -> None:
    """The Delta library does not survive a fork, so the child leaves a note and goes on."""
    bench.record(1.0)
    bench.drain()
    bench.record(2.0)
    follower = DrainFollower(bench.store)
    child = os.fork()
    if not child:
        quiet = follower.advance(force=True) is False and not follower.is_caught_up()
        os._exit(0 if quiet else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert bench.stored() == 1
    assert (bench.root / "drain.wanted").exists()
    follower.advance()
    assert bench.stored() == 2
    assert not (bench.root / "drain.wanted").exists()
