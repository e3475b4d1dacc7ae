# SPDX-License-Identifier: Apache-2.0
"""What the calls about features refuse: why, in which words, and what becomes of the program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tidegauge as tg
from tidegauge.integrations.feature_records import FeatureRecords
from tidegauge.testing import Captured, capture

records = FeatureRecords()


class Silent:
    """An object that cannot be shown, asked for its number, or told to be true."""

    def __repr__(self) -> str:
        raise OSError("not me")

    def __bool__(self) -> bool:
        raise OSError("nor this")

    def item(self) -> float:
        """Never a number."""
        raise OSError("nor that")


def performance(value: Any = 1.0, **given: Any) -> None:
    """Record a value."""
    named = {"feature": "f", "metric_category": "latency", "metric_name": "p", **given}
    records.record_performance_metric(value=value, **named)


def satisfaction(score: Any = 4, **given: Any) -> None:
    """Record an opinion."""
    records.record_satisfaction("f", "speed", score, **given)


def usage(**given: Any) -> None:
    """Record a use."""
    records.record_feature_usage(**{"feature": "f", "action": "a", **given})


def learning(**given: Any) -> None:
    """Record a judgement."""
    records.record_learning_effectiveness("f", "prediction", **given)


def impact(before: Any = 2.0, after: Any = 1.0, **given: Any) -> None:
    """Record an effect."""
    records.record_optimization_impact("f", "o", "accuracy", before, after, **given)


def resource(percent: Any = 50.0, **given: Any) -> None:
    """Record how full something is."""
    records.record_resource_utilization("cpu", "all", percent, **given)


def error(**given: Any) -> None:
    """Record an error."""
    records.record_error(**{"feature": "f", "error_type": "E", **given})


WITHIN_ITSELF: dict[str, Any] = {}
WITHIN_ITSELF["a"] = WITHIN_ITSELF

REFUSED: list[tuple[Callable[..., None], dict[str, Any], str]] = [
    (performance, {"feature": ""}, "bad_value"),
    (performance, {"feature": None}, "bad_value"),
    (performance, {"feature": 7}, "bad_value"),
    (performance, {"feature": b"f"}, "bad_value"),
    (performance, {"feature": "x" * 10_001}, "bad_value"),
    (performance, {"feature": "\ud800"}, "bad_value"),
    (performance, {"metric_category": ""}, "bad_value"),
    (performance, {"metric_name": None}, "bad_value"),
    (performance, {"value": None}, "bad_value"),
    (performance, {"value": True}, "bad_value"),
    (performance, {"value": np.bool_(1)}, "bad_value"),
    (performance, {"value": "125.5"}, "bad_value"),
    (performance, {"value": 1j}, "bad_value"),
    (performance, {"value": [1.0]}, "bad_value"),
    (performance, {"value": np.array([1.0, 2.0])}, "bad_value"),
    (performance, {"value": Silent()}, "bad_value"),
    (performance, {"value": float("nan")}, "not_finite"),
    (performance, {"value": -float("inf")}, "not_finite"),
    (performance, {"value": np.float32("nan")}, "not_finite"),
    (performance, {"value": 10**400}, "not_finite"),
    (performance, {"unit": 7}, "bad_value"),
    (performance, {"context": {}}, "bad_value"),
    (performance, {"time": "yesterday"}, "bad_time"),
    (performance, {"time": -1}, "bad_time"),
    (performance, {"time": float("nan")}, "bad_time"),
    (performance, {"time": True}, "bad_time"),
    (performance, {"time": 1_765_706_400_000}, "bad_time"),
    (performance, {"metadata": [1]}, "bad_metadata"),
    (performance, {"metadata": ""}, "bad_metadata"),
    (performance, {"metadata": np.array([1, 2])}, "bad_metadata"),
    (performance, {"metadata": WITHIN_ITSELF}, "bad_metadata"),
    (performance, {"metadata": {"a": Silent()}}, "bad_metadata"),
    (performance, {"metadata": {"a": "x" * (1 << 20)}}, "bad_metadata"),
    (satisfaction, {"score": None}, "bad_value"),
    (satisfaction, {"score": True}, "bad_value"),
    (satisfaction, {"score": np.bool_(1)}, "bad_value"),
    (satisfaction, {"score": "4"}, "bad_value"),
    (satisfaction, {"score": np.array([4, 5])}, "bad_value"),
    (satisfaction, {"score": Silent()}, "bad_value"),
    (satisfaction, {"score": float("nan")}, "not_finite"),
    (satisfaction, {"score": 10**400}, "not_finite"),
    (satisfaction, {"score": -0.1}, "out_of_range"),
    (satisfaction, {"score": 5.1}, "out_of_range"),
    (satisfaction, {"score": np.float32(7)}, "out_of_range"),
    (satisfaction, {"score": 0.5, "scale": "1-5"}, "out_of_range"),
    (satisfaction, {"score": 2, "scale": "0-1"}, "out_of_range"),
    (satisfaction, {"score": 11, "scale": "0-10"}, "out_of_range"),
    (satisfaction, {"scale": "1-10"}, "bad_value"),
    (satisfaction, {"scale": ["0-1"]}, "bad_value"),
    (satisfaction, {"feedback": 7}, "bad_value"),
    (satisfaction, {"interaction_id": "x" * 10_001}, "bad_value"),
    (satisfaction, {"user": 7}, "bad_value"),
    (usage, {"action": ""}, "bad_value"),
    (usage, {"duration_ms": -0.001}, "out_of_range"),
    (usage, {"duration_ms": np.float64(-1)}, "out_of_range"),
    (usage, {"duration_ms": float("inf")}, "not_finite"),
    (usage, {"duration_ms": False}, "bad_value"),
    (usage, {"success": 1}, "bad_value"),
    (usage, {"success": "yes"}, "bad_value"),
    (usage, {"success": np.array([True, False])}, "bad_value"),
    (usage, {"user": b"u"}, "bad_value"),
    (usage, {"user": "u", "time": "never"}, "bad_time"),
    (learning, {"accuracy": 1.01}, "out_of_range"),
    (learning, {"confidence": -0.01}, "out_of_range"),
    (learning, {"sample_size": 1.5}, "bad_value"),
    (learning, {"sample_size": True}, "bad_value"),
    (learning, {"sample_size": -1}, "out_of_range"),
    (learning, {"sample_size": 2**63}, "out_of_range"),
    (learning, {"sample_size": 2**70}, "out_of_range"),
    (learning, {"sample_size": "7"}, "bad_value"),
    (learning, {"sample_size": float("nan")}, "not_finite"),
    (learning, {"sample_size": np.ma.array(5, mask=True)}, "bad_value"),
    (learning, {"accuracy": np.ma.masked}, "bad_value"),
    (learning, {"improvement_rate": float("nan")}, "not_finite"),
    (impact, {"before": None}, "bad_value"),
    (impact, {"after": "1"}, "bad_value"),
    (impact, {"before": float("nan")}, "not_finite"),
    (impact, {"user_impact_score": 1.2}, "out_of_range"),
    (resource, {"percent": 100.1}, "out_of_range"),
    (resource, {"percent": -0.1}, "out_of_range"),
    (resource, {"percent": None}, "bad_value"),
    (resource, {"allocated": -1.0}, "out_of_range"),
    (resource, {"used": -1.0}, "out_of_range"),
    (error, {"error_type": ""}, "bad_value"),
    (error, {"error_severity": "fatal"}, "bad_value"),
    (error, {"error_severity": "WARNING"}, "bad_value"),
    (error, {"error_severity": None}, "bad_value"),
    (error, {"impact_level": "none"}, "bad_value"),
    (error, {"error_message": ValueError("x")}, "bad_value"),
    (error, {"recovery_attempted": None}, "bad_value"),
    (error, {"recovery_attempted": 1}, "bad_value"),
    (error, {"recovery_successful": "no"}, "bad_value"),
    (error, {"recovery_attempted": np.array([True, False])}, "bad_value"),
    (error, {"recovery_attempted": Silent()}, "bad_value"),
    (error, {"recovery_successful": True}, "bad_value"),
]
IDS = [
    f"{call.__name__}-{'-'.join(given)}-{number}" for number, (call, given, _) in enumerate(REFUSED)
]


@pytest.mark.parametrize(("call", "given", "reason"), REFUSED, ids=IDS)
def test_in_strict_mode_it_raises_with_the_reason(
    captured: Captured, call: Callable[..., None], given: dict[str, Any], reason: str
) -> None:
    """Nothing is recorded, whether it is the first row of its kind or a later one."""
    for n_before in (0, 1):
        with pytest.raises(tg.TidegaugeError) as raised:
            call(**given)
        assert getattr(raised.value, "reason", None) == reason
        assert len(captured.facts) == n_before
        call()


def test_in_lenient_mode_nothing_raises_and_all_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Of every refused row the reason is counted, and the rows that fit are recorded."""
    expected: dict[str, int] = {}
    with capture(strict=False) as captured:
        for call, given, reason in REFUSED:
            call(**given)
            expected[reason] = expected.get(reason, 0) + 1
            call()
    assert captured.dropped == expected
    assert len(captured.facts) == len(REFUSED)
    assert "internal" not in caplog.text


@pytest.mark.parametrize(
    "call",
    [
        "record_performance_metric('f', 'latency', 'p', 1.0, time='never')",
        "record_satisfaction('f', 'speed', 9)",
        "record_feature_usage('f', 'a', user='u', time='never')",
        "record_error('f', 'E', recovery_successful=True)",
    ],
)
def test_the_mode_holds_for_the_very_first_call(
    call: str, run_program: Any, tmp_path: Path
) -> None:
    """Also where the settings are the environment's, and are read by the call itself."""
    program = (
        "from tidegauge.integrations.feature_records import FeatureRecords\n"
        f"FeatureRecords().{call}\n"
    )
    strict = run_program(program, tmp_path, TIDEGAUGE_STRICT="true")
    assert "MetricValidationError" in strict.stderr
    lenient = run_program(program, tmp_path, TIDEGAUGE_STRICT="false")
    assert lenient.returncode == 0, lenient.stderr


TEXTS: list[tuple[Callable[..., None], dict[str, Any], str]] = [
    (
        usage,
        {"duration_ms": -5.0},
        (
            "the column 'duration_ms' of the table 'feature_usage' is out of range; got -5.0; "
            "allowed: a finite number, 0 or more, or None. It holds: milliseconds that it took."
        ),
    ),
    (
        resource,
        {"percent": 140},
        (
            "the column 'utilization_percent' of the table 'resource_utilization' is out of range; "
            "got 140; allowed: a finite number from 0 to 100. It holds: share in use, 0 to 100."
        ),
    ),
    (
        performance,
        {"value": float("nan")},
        (
            "the column 'value' of the table 'system_performance' is not finite; got nan; "
            "allowed: a finite number. Record no such row where it is not known."
        ),
    ),
    (
        learning,
        {"accuracy": float("inf")},
        (
            "the column 'accuracy' of the table 'learning_effectiveness' is not finite; got inf; "
            "allowed: a finite number from 0 to 1, or None. Leave it out where it is not known."
        ),
    ),
    (
        performance,
        {"value": "12"},
        (
            "the column 'value' of the table 'system_performance' is text; got '12'; "
            "allowed: a finite number. Pass one number."
        ),
    ),
    (
        learning,
        {"sample_size": 1.5},
        (
            "the column 'sample_size' of the table 'learning_effectiveness' is not a whole number; "
            "got 1.5; allowed: a whole number, 0 or more, or None. Pass int(…) of it."
        ),
    ),
    (
        performance,
        {"feature": ""},
        (
            "the column 'feature' of the table 'system_performance' is empty; got ''; "
            "allowed: a text of 1 to 10,000 characters. Record no such row where it is not known."
        ),
    ),
    (
        performance,
        {"feature": None},
        (
            "the column 'feature' of the table 'system_performance' is missing; "
            "allowed: a text of 1 to 10,000 characters. Record no such row where it is not known."
        ),
    ),
    (
        satisfaction,
        {"user": 42},
        (
            "the column 'user_id' of the table 'user_satisfaction' is of type int; got 42; "
            "allowed: a text of at most 10,000 characters, or None. "
            "Turn it into text with str() where it comes from."
        ),
    ),
    (
        usage,
        {"user_context": "x" * 10_001},
        (
            "the column 'user_context' of the table 'feature_usage' is too long; "
            "got '10001 characters'; allowed: a text of at most 10,000 characters, or None. "
            "Cut it, or put it into `metadata`."
        ),
    ),
    (
        usage,
        {"user_context": "\ud800"},
        (
            "the column 'user_context' of the table 'feature_usage' cannot be written as UTF-8; "
            "got '\\ud800'; allowed: a text of at most 10,000 characters, or None. "
            "Decode the bytes it came from with errors='replace'."
        ),
    ),
    (
        usage,
        {"success": 1},
        (
            "the column 'success' of the table 'feature_usage' is of type int; got 1; "
            "allowed: True, False, or None. Pass True or False."
        ),
    ),
    (
        error,
        {"error_severity": "fatal"},
        (
            "the column 'error_severity' of the table 'errors' has a closed set of values; "
            "got 'fatal'; allowed: critical, error, warning, info. Use one of them."
        ),
    ),
    (
        error,
        {"impact_level": "none"},
        (
            "the column 'impact_level' of the table 'errors' has a closed set of values; "
            "got 'none'; allowed: high, medium, low, or None. Use one of them."
        ),
    ),
    (
        satisfaction,
        {"score": 7},
        (
            "the score is not on its scale; got 7; allowed: 0 to 1, or 1 to 5. "
            "Say which scale it is on, for example scale='0-10'."
        ),
    ),
    (
        satisfaction,
        {"score": 0, "scale": "1-5"},
        (
            "the score is not on its scale; got 0; allowed: 1 to 5. "
            "Record the number that was given, and nothing where there was none."
        ),
    ),
    (
        satisfaction,
        {"scale": "1-10"},
        (
            "there is no such scale of scores; got '1-10'; allowed: 0-1, 1-5, 0-10. "
            "Use one of them, or leave it out for a score of 0-1 or 1-5."
        ),
    ),
]


@pytest.mark.parametrize(("call", "given", "text"), TEXTS, ids=range(len(TEXTS)))
def test_an_error_says_which_column_what_and_what_instead(
    captured: Captured, call: Callable[..., None], given: dict[str, Any], text: str
) -> None:
    """The column, what was got, what is allowed and what to do, and not the rest of the row."""
    with pytest.raises(tg.MetricValidationError) as raised:
        call(**given)
    assert str(raised.value) == text


def test_predictions_are_refused_in_the_same_words(captured: Captured) -> None:
    """As are the rows of every other table."""
    with pytest.raises(tg.MetricValidationError) as raised:
        tg.MLMetrics("fraud").record_prediction("1", 0.5, 1.2, 0.1, 1)
    assert str(raised.value) == (
        "the column 'confidence' of the table 'predictions' is out of range; got 1.2; allowed: "
        "a finite number from 0 to 1, or None. It holds: the model's confidence, 0 to 1."
    )
