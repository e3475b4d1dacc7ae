# SPDX-License-Identifier: Apache-2.0
"""The seven calls that record what features and their users do: one row each, as it was given."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import os
import threading
import uuid
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tidegauge as tg
from tidegauge.integrations.feature_records import FeatureRecords
from tidegauge.testing import Captured, capture

records = FeatureRecords()


class Scalar:
    """A number as PyTorch has it: a tensor of no dimensions."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        return f"Scalar({self._value})"

    def item(self) -> object:
        """The Python value."""
        return self._value


class Kind(enum.StrEnum):
    """A text with a name."""

    WARNING = "warning"


class Text(str):
    """A text of a class of its own."""

    __slots__ = ()


def the_row(captured: Captured) -> dict[str, Any]:
    """The columns of the one row there is."""
    (fact,) = captured.facts
    return fact.columns


KEYWORDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "performance": (
        "system_performance",
        {
            "feature": "learning-engine",
            "metric_category": "response_time",
            "metric_name": "pattern_recognition_ms",
            "value": 125.5,
            "unit": "milliseconds",
            "context": "production",
        },
        {},
    ),
    "satisfaction": (
        "user_satisfaction",
        {
            "feature": "learning-engine",
            "satisfaction_type": "accuracy",
            "score": 0.92,
            "feedback": "Pattern recognition is very accurate",
            "interaction_id": "interaction_001",
        },
        {"score_scale": "0-1", "normalized_score": 0.92, "rating": 9},
    ),
    "usage": (
        "feature_usage",
        {
            "feature": "learning-engine",
            "action": "recognize_pattern",
            "duration_ms": 125.5,
            "success": True,
            "user_context": "morning_session",
        },
        {},
    ),
    "learning": (
        "learning_effectiveness",
        {
            "feature": "learning-engine",
            "learning_type": "pattern_recognition",
            "accuracy": 0.92,
            "confidence": 0.88,
            "sample_size": 1000,
            "improvement_rate": 0.05,
        },
        {},
    ),
    "impact": (
        "optimization_impact",
        {
            "feature": "process-optimization",
            "optimization_id": "opt_001",
            "impact_category": "task_completion_time",
            "before_value": 45.2,
            "after_value": 38.7,
            "user_impact_score": 0.85,
        },
        {"relative_change": (38.7 - 45.2) / 45.2},
    ),
    "resource": (
        "resource_utilization",
        {
            "resource_type": "memory",
            "resource_name": "learning_engine_cache",
            "utilization_percent": 65.5,
            "allocated": 1024.0,
            "used": 670.0,
            "unit": "MB",
        },
        {},
    ),
    "error": (
        "errors",
        {
            "feature": "learning-engine",
            "error_type": "PatternRecognitionError",
            "error_severity": "warning",
            "error_message": "Low confidence pattern detected",
            "recovery_attempted": True,
            "recovery_successful": True,
            "impact_level": "low",
        },
        {},
    ),
}

CALLS = {
    "performance": records.record_performance_metric,
    "satisfaction": records.record_satisfaction,
    "usage": records.record_feature_usage,
    "learning": records.record_learning_effectiveness,
    "impact": records.record_optimization_impact,
    "resource": records.record_resource_utilization,
    "error": records.record_error,
}


@pytest.mark.parametrize("kind", KEYWORDS)
def test_a_call_with_keywords_is_a_row(captured: Captured, kind: str) -> None:
    """Every argument is in the column of its name; what follows from them is in columns beside."""
    table, given, derived = KEYWORDS[kind]
    CALLS[kind](**given)
    (fact,) = captured.facts
    assert (fact.table, fact.columns) == (table, {**given, **derived})


@pytest.mark.parametrize("kind", KEYWORDS)
def test_a_call_by_position_is_the_same_row(captured: Captured, kind: str) -> None:
    """The order of the arguments is that of the table's columns."""
    _, given, derived = KEYWORDS[kind]
    values = list(given.values())
    if kind == "usage":
        values.insert(4, None)  # the class of an error
    CALLS[kind](*values)
    assert the_row(captured) == {**given, **derived}


@pytest.mark.parametrize("kind", KEYWORDS)
def test_the_second_row_is_recorded_as_the_first(captured: Captured, kind: str) -> None:
    """Once a series is known, rows take a shorter way, to the same result."""
    table, given, derived = KEYWORDS[kind]
    for _ in range(3):
        CALLS[kind](**given)
    found = [(fact.table, fact.columns) for fact in captured.facts]
    assert found == [(table, {**given, **derived})] * 3


@pytest.mark.parametrize("kind", KEYWORDS)
def test_metadata_and_time_may_be_given(captured: Captured, kind: str) -> None:
    """A row may tell of an earlier moment, and carries what else is known as JSON."""
    _, given, derived = KEYWORDS[kind]
    CALLS[kind](**given, metadata={"build": 7}, time="2025-12-14T10:00:00Z")
    (fact,) = captured.facts
    assert fact.columns == {**given, **derived, "metadata": '{"build":7}'}
    assert fact.time_ns == 1_765_706_400 * 10**9


def test_only_what_must_be_given_is_needed(captured: Captured) -> None:
    """What is not known is left out of the row."""
    records.record_performance_metric("f", "latency", "p", 1)
    records.record_satisfaction("f", "overall", 5)
    records.record_feature_usage("f", "open")
    records.record_learning_effectiveness("f", "prediction")
    records.record_optimization_impact("f", "o", "accuracy", 0, 1)
    records.record_resource_utilization("cpu", "all", 12)
    records.record_error("f", "ValueError")
    assert [fact.columns for fact in captured.facts] == [
        {"feature": "f", "metric_category": "latency", "metric_name": "p", "value": 1.0},
        {
            "feature": "f",
            "satisfaction_type": "overall",
            "score": 5.0,
            "score_scale": "1-5",
            "normalized_score": 1.0,
            "rating": 5,
        },
        {"feature": "f", "action": "open", "success": True},
        {"feature": "f", "learning_type": "prediction"},
        {
            "feature": "f",
            "optimization_id": "o",
            "impact_category": "accuracy",
            "before_value": 0.0,
            "after_value": 1.0,
        },
        {"resource_type": "cpu", "resource_name": "all", "utilization_percent": 12.0},
        {
            "feature": "f",
            "error_type": "ValueError",
            "error_severity": "error",
            "recovery_attempted": False,
        },
    ]


@pytest.mark.parametrize(
    "number",
    [
        np.float64(0.5),
        np.float32(0.5),
        np.float16(0.5),
        np.array(0.5),
        np.array([0.5]),
        Scalar(0.5),
        Decimal("0.5"),
        Fraction(1, 2),
    ],
    ids=repr,
)
def test_numbers_of_libraries_are_numbers(captured: Captured, number: Any) -> None:
    """Whatever may be a metric's value may be a number of a row."""
    for _ in range(2):
        records.record_learning_effectiveness("f", "prediction", number)
        records.record_satisfaction("f", "speed", number)
        records.record_optimization_impact("f", "o", "accuracy", number, number)
    assert [fact.columns.get("accuracy") for fact in captured.facts] == [0.5, None, None] * 2
    assert [fact.columns.get("score") for fact in captured.facts] == [None, 0.5, None] * 2
    assert [fact.columns.get("relative_change") for fact in captured.facts] == [None, None, 0.0] * 2


@pytest.mark.parametrize("size", [7, np.int64(7), np.uint8(7), Scalar(7)], ids=repr)
def test_whole_numbers_of_libraries_are_whole_numbers(captured: Captured, size: Any) -> None:
    """As an int, not as a float."""
    records.record_learning_effectiveness("f", "prediction", sample_size=size)
    assert the_row(captured)["sample_size"] == 7
    assert type(the_row(captured)["sample_size"]) is int


@pytest.mark.parametrize("answer", [False, np.bool_(0), Scalar(value=False)], ids=repr)
def test_bools_of_libraries_are_bools(captured: Captured, answer: Any) -> None:
    """A comparison of NumPy numbers is an answer like any other."""
    records.record_feature_usage("f", "open", success=answer)
    records.record_error("f", "ValueError", recovery_attempted=answer, recovery_successful=answer)
    used, failed = captured.facts
    assert used.columns["success"] is False
    assert failed.columns["recovery_attempted"] is False
    assert "recovery_successful" not in failed.columns


def test_texts_of_classes_of_their_own_are_texts(captured: Captured) -> None:
    """Members of an enumeration, NumPy's texts, and UUIDs as what they are written as."""
    for _ in range(2):
        records.record_error(Text("f"), np.str_("ValueError"), Kind.WARNING)
    number = uuid.UUID(int=7)
    records.record_satisfaction("f", "speed", 4, interaction_id=number)  # type: ignore[arg-type]
    first, second, third = captured.facts
    assert first.columns == second.columns
    assert (first.columns["feature"], first.columns["error_type"]) == ("f", "ValueError")
    assert first.columns["error_severity"] == "warning"
    assert third.columns["interaction_id"] == str(number)


def test_a_share_that_rounding_took_above_its_bound_is_the_bound(captured: Captured) -> None:
    """32 bits are not exact, and 100.00001 percent is no error of the caller."""
    records.record_learning_effectiveness(
        "f", "prediction", float(np.float32(1) + np.float32(1e-7))
    )
    records.record_resource_utilization("cpu", "all", 100.00001)
    assert [fact.columns.get("accuracy") for fact in captured.facts] == [1.0, None]
    assert [fact.columns.get("utilization_percent") for fact in captured.facts] == [None, 100.0]


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (50, 25, -0.5),
        (-50, -25, 0.5),
        (np.float64(50), np.float32(25), -0.5),
        (0, 1, None),
        (np.float64(0), np.float64(1), None),
        (-0.0, 1, None),
        (5e-324, 1, None),
        (-1e308, 1e308, None),
    ],
)
def test_the_change_is_relative_to_the_value_before(
    captured: Captured, before: Any, after: Any, change: float | None
) -> None:
    """Growth is positive below 0 too; a change that is no finite number costs nobody the row."""
    records.record_optimization_impact("f", "o", "accuracy", before, after)
    row = the_row(captured)
    assert row.get("relative_change") == change
    assert (row["before_value"], row["after_value"]) == (float(before), float(after))


def test_a_recovery_that_was_not_tried_has_no_outcome(captured: Captured) -> None:
    """Whether it was successful is empty then, and no failure."""
    records.record_error("f", "ValueError", recovery_successful=False)
    records.record_error("f", "ValueError", recovery_attempted=True, recovery_successful=False)
    records.record_error("f", "ValueError", recovery_attempted=True)
    found = [fact.columns.get("recovery_successful") for fact in captured.facts]
    assert found == [None, False, None]


def test_an_error_says_what_is_wrong_with_an_outcome(captured: Captured) -> None:
    """A recovery that was never tried cannot have been successful."""
    with pytest.raises(tg.MetricValidationError) as raised:
        records.record_error("f", "ValueError", recovery_successful=True)
    assert str(raised.value) == (
        "a recovery was successful that was never tried; got 'recovery_attempted=False, "
        "recovery_successful=True'; allowed: recovery_successful with recovery_attempted=True. "
        "Pass recovery_attempted=True as well."
    )
    assert captured.facts == []


@pytest.mark.parametrize("text", ["x" * 10_000, "ü" * 10_000])
def test_a_long_text_is_kept(captured: Captured, text: str) -> None:
    """Up to 10,000 characters."""
    records.record_error(text, "ValueError", error_message=text)
    assert (the_row(captured)["feature"], the_row(captured)["error_message"]) == (text, text)


def test_what_somebody_wrote_is_cut_and_not_refused(captured: Captured) -> None:
    """However long feedback or a message is, the fact is kept, and shows that it was cut."""
    long = "x" * 2_000_000
    records.record_error("f", "ValueError", error_message=long)
    records.record_satisfaction("f", "speed", 4, feedback=long)
    cut = "x" * 9_999 + "…"
    assert captured.facts[0].columns["error_message"] == cut
    assert captured.facts[1].columns["feedback"] == cut


def test_what_cannot_be_written_as_utf_8_is_written_out(captured: Captured) -> None:
    """A file's name that is no text, as the messages of system errors have it, costs no fact."""
    records.record_error("f", "FileNotFoundError", error_message=os.fsdecode(b"no file caf\xe9"))
    assert the_row(captured)["error_message"] == "no file caf\\udce9"


def test_metadata_carry_whatever_json_can(captured: Captured) -> None:
    """Numbers of NumPy as numbers, dates and others as text; an empty dict is none."""
    moment = dt.datetime(2025, 12, 15, tzinfo=dt.UTC)
    records.record_feature_usage("f", "a", metadata={"n": np.float64(0.5), "at": moment})
    records.record_feature_usage("f", "a", metadata={"of": np.array([1, 2]), "where": os})
    records.record_feature_usage("f", "a", metadata={})
    first, second, third = (fact.columns.get("metadata") for fact in captured.facts)
    assert first == '{"n":0.5,"at":"2025-12-15T00:00:00Z"}'
    assert str(second).startswith('{"of":[1,2],"where":"<module')
    assert third is None


@pytest.mark.parametrize(
    ("time", "at_s"),
    [
        ("2025-12-14T10:00:00Z", 1_765_706_400),
        ("2025-12-14T11:00:00+01:00", 1_765_706_400),
        (dt.datetime.fromisoformat("2025-12-14T10:00"), 1_765_706_400),
        (1_765_706_400, 1_765_706_400),
        (1_765_706_400.5, 1_765_706_400.5),
        (dt.date(2025, 12, 14), 1_765_670_400),
        (np.datetime64("2025-12-14T10:00:00"), 1_765_706_400),
    ],
)
def test_a_row_may_come_late(captured: Captured, time: Any, at_s: float) -> None:
    """The time is whatever a point in time may be written as."""
    records.record_performance_metric("f", "latency", "p", 1.0, time=time)
    assert captured.facts[0].time_ns == round(at_s * 1e9)


def test_a_row_without_time_happened_now(captured: Captured) -> None:
    """Within a few seconds of the clock."""
    records.record_feature_usage("f", "a")
    now_ns = dt.datetime.now(dt.UTC).timestamp() * 1e9
    assert abs(captured.facts[0].time_ns - now_ns) < 60e9


def test_the_context_applies(captured: Captured) -> None:
    """Dimensions and labels in force are recorded with every row, whatever way it takes."""
    with tg.context(model="fraud", region="eu"):
        for _ in range(2):
            records.record_feature_usage("f", "a")
        records.record_satisfaction("f", "speed", 4, user="u1")
    records.record_feature_usage("f", "a")
    found = [fact.labels for fact in captured.facts]
    assert found == [{"model": "fraud", "region": "eu"}] * 3 + [{}]


def test_users_are_in_a_column_of_their_own(captured: Captured) -> None:
    """Who it was is no label, of which there must be few."""
    records.record_satisfaction("f", "speed", 4, user="u1")
    records.record_feature_usage("f", "a", user="u1")
    records.record_error("f", "ValueError", user="u1")
    assert [fact.columns["user_id"] for fact in captured.facts] == ["u1"] * 3
    assert [fact.labels for fact in captured.facts] == [{}] * 3


def test_it_may_be_called_from_many_threads(captured: Captured) -> None:
    """No row is lost or mixed up with another."""

    def use(thread: int) -> None:
        for number in range(200):
            records.record_feature_usage(f"f{thread}", "a", number)
            records.record_error(f"f{thread}", "E", error_message=str(number), user="u")

    threads = [threading.Thread(target=use, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for table, column in (("feature_usage", "duration_ms"), ("errors", "error_message")):
        for n in range(4):
            found = [
                float(str(fact.columns[column]))
                for fact in captured.facts
                if fact.table == table and fact.columns["feature"] == f"f{n}"
            ]
            assert found == list(range(200))


def test_it_may_be_called_from_coroutines(captured: Captured) -> None:
    """Each task has a context of its own."""

    async def use(model: str) -> None:
        with tg.context(model=model):
            for _ in range(3):
                await asyncio.sleep(0)
                records.record_feature_usage(model, "a")

    async def main() -> None:
        await asyncio.gather(use("x"), use("y"))

    asyncio.run(main())
    assert len(captured.facts) == 6
    assert all(fact.labels == {"model": fact.columns["feature"]} for fact in captured.facts)


FORK = """
import os, sys
import tidegauge as tg
from tidegauge.integrations.feature_records import FeatureRecords

records = FeatureRecords()
tg.configure(store="store", follower="off", user_ids="hash")
records.record_feature_usage("f", "parent", user="u")
for n in range(3):
    if not os.fork():
        records.record_feature_usage("f", "child", user="u")
        records.record_feature_usage("f", "child")
        os._exit(0)
for n in range(3):
    assert os.wait()[1] == 0
rows = tg.sql("SELECT action, count(*), count(DISTINCT user_id) FROM feature_usage GROUP BY ALL")
print(sorted(rows.fetchall()))
"""


def test_forked_children_record_too(run_program: Any, tmp_path: Any) -> None:
    """Their rows are found beside the parent's, and one user has one hash in all of them."""
    done = run_program(FORK, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[('child', 6, 1), ('parent', 1, 1)]\n"


def test_privacy_is_as_the_settings_say() -> None:
    """What is to be dropped or hashed never reaches the journal, whichever call it came through."""
    with capture(free_text="drop", user_ids="hash") as captured:
        records.record_satisfaction("f", "speed", 4, "secret words", user="anna")
        records.record_feature_usage("f", "a", user="anna")
        records.record_feature_usage("f", "a", user="bert")
        records.record_error("f", "ValueError", error_message="secret words", user="anna")
    texts = [str(fact.columns) for fact in captured.facts]
    assert not any("secret" in text or "anna" in text for text in texts)
    users = [str(fact.columns["user_id"]) for fact in captured.facts]
    assert users[0] == users[1] == users[3] != users[2]
    assert all(user.startswith("h:") and len(user) == 34 for user in users)


def test_a_text_is_hashed_before_it_is_cut() -> None:
    """Two long messages that begin alike have two hashes."""
    with capture(free_text="hash") as captured:
        for end in ("a", "b", "a"):
            records.record_error("f", "E", error_message="x" * 20_000 + end)
    first, second, third = (fact.columns["error_message"] for fact in captured.facts)
    assert first == third != second
