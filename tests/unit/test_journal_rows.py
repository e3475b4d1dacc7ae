# SPDX-License-Identifier: Apache-2.0
"""Rows of typed tables in the journal: by position there, by name when they are read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tidegauge.journal.events import decode_facts, encode
from tidegauge.journal.reader import Journal
from tidegauge.model.tables import GROUND_TRUTHS, TABLES
from tidegauge.record.recorder import Recorder
from tidegauge.record.rows import RowWriter


def read(root: Path) -> list[dict[str, object]]:
    """The columns of every event of a journal."""
    slots = Journal(root).slots()
    return [event.columns for slot in slots for event in slot.events(slot.first_events()).records]


@pytest.mark.parametrize(
    ("values", "columns"),
    [
        (("a", 1.0, None), {"prediction_id": "a", "truth": 1.0}),
        (("a",), {"prediction_id": "a"}),
        (("a", None, "cat", "of a newer version"), {"prediction_id": "a", "truth_text": "cat"}),
        ((), {}),
    ],
)
def test_values_get_the_names_of_their_columns(
    values: tuple[object, ...], columns: dict[str, object]
) -> None:
    """A row of an older version has fewer values, one of a newer version has more."""
    fact = decode_facts(encode(("t", GROUND_TRUTHS.name, 5, 7, values)))
    assert fact is not None
    assert (fact.time_ns, fact.series, fact.columns) == (5, 7, columns)  # type: ignore[union-attr]


def test_rows_survive_a_deleted_journal(store_dir: Path) -> None:
    """A row that was recorded after the directory had been deleted is in the next one."""
    recorder = Recorder(store_dir / "journal", strict=True)
    put = RowWriter(recorder, GROUND_TRUTHS).bind((("model", "fraud"),))
    put(("before", 1.0, None))
    put(("too", 1.0, None))
    shutil.rmtree(store_dir / "journal")
    put(("after", 2.0, None))
    recorder.writer.tick()
    put(("later", 3.0, None))
    found = {str(each["prediction_id"]) for each in read(store_dir / "journal")}
    assert found >= {"after", "later"}
    recorder.writer.close()


def test_rows_go_on_in_the_next_segment(store_dir: Path) -> None:
    """Many rows fill several files, and none is lost or repeated on the way."""
    recorder = Recorder(store_dir / "journal", strict=True)
    put = RowWriter(recorder, GROUND_TRUTHS).bind()
    text = "x" * 9_000
    for number in range(1_000):
        put((f"{number}", None, text))
    found = [int(str(each["prediction_id"])) for each in read(store_dir / "journal")]
    more = Journal(store_dir / "journal").slots()[0]
    position, seen = more.first_events(), []
    while (batch := more.events(position)).end > position:
        seen += [int(str(event.columns["prediction_id"])) for event in batch.records]
        position = batch.end
    assert seen == list(range(1_000))
    assert found == seen[: len(found)]
    recorder.writer.close()


def test_the_order_of_columns_is_that_of_the_first_release() -> None:
    """Rows in journals rely on it: columns are added at the end, and none is taken away."""
    known = {
        "requests": "method route status outcome error_type duration_s first_byte_s stream_s "
        "request_bytes response_bytes scheme trace_id",
        "predictions": "endpoint prediction prediction_text confidence latency_s feature_count "
        "batch_size status error_type prediction_id trace_id prefix",
        "ground_truths": "prediction_id truth truth_text",
        "system_performance": "feature metric_category metric_name value unit context",
        "user_satisfaction": "feature satisfaction_type score feedback interaction_id score_scale "
        "normalized_score rating user_id",
        "feature_usage": "feature action duration_ms success error_type user_context user_id",
        "learning_effectiveness": "feature learning_type accuracy confidence sample_size "
        "improvement_rate",
        "optimization_impact": "feature optimization_id impact_category before_value after_value "
        "user_impact_score relative_change",
        "resource_utilization": "resource_type resource_name utilization_percent allocated used "
        "unit feature",
        "errors": "feature error_type error_severity error_message recovery_attempted "
        "recovery_successful impact_level user_id",
    }
    for table, names in known.items():
        first = names.split()
        assert [column.name for column in TABLES[table].columns][: len(first)] == first
