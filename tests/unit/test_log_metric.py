# SPDX-License-Identifier: Apache-2.0
"""What a call of `log_metric` and its kin leaves in the journal, and what it refuses."""

from __future__ import annotations

import datetime as dt
import logging
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import tidegauge as tg
from tidegauge.journal.reader import Journal
from tidegauge.model.errors import CatalogError, MetricValidationError
from tidegauge.testing import capture


def test_bare_name_resolves_to_the_standard_metric() -> None:
    """`reply_rate` is `usage:reply_rate`, since only one standard metric is called so."""
    with capture() as captured:
        tg.log_metric("reply_rate", 0.1523)
        tg.log_metric("accuracy", 0.9)
        tg.log_metric("user_engagement", 3.0)
    assert [fact.metric for fact in captured.facts] == [
        "usage:reply_rate",
        "model:accuracy",
        "custom:user_engagement",
    ]


def test_every_form_of_the_call_is_kept_exactly() -> None:
    """Value, step, time, dimensions and labels come out as they went in, fast path or not."""
    with capture() as captured:
        for _ in range(3):  # the first call takes the careful way, the others the fast one
            tg.log_metric("model:loss_total", 0.25, step=-7, model="fraud", split="val")
        tg.log_metric("model:loss_total", 1, time="2024-01-15T10:30:00Z")
    assert [fact.columns for fact in captured.facts] == [
        {"value": 0.25, "step": -7},
        {"value": 0.25, "step": -7},
        {"value": 0.25, "step": -7},
        {"value": 1.0, "step": None},
    ]
    assert captured.facts[1].labels == {"model": "fraud", "split": "val"}
    assert captured.facts[3].time_ns == 1_705_314_600_000_000_000


@pytest.mark.parametrize(
    "value",
    [2, 2.0, np.float32(2), np.float64(2), np.int16(2), np.array([2.0]), Decimal(2)],
    ids=lambda value: type(value).__name__,
)
def test_numbers_of_every_kind_are_accepted(value: float) -> None:
    """Python's and NumPy's numbers, and arrays of one element, are recorded as floats."""
    with capture() as captured:
        tg.log_metric("custom:x", value)
        tg.log_metric("custom:x", value)
    assert captured.values("custom:x") == [2.0, 2.0]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "not_finite"),
        (float("inf"), "not_finite"),
        (-float("inf"), "not_finite"),
        (True, "bad_value"),
        (np.bool_(1), "bad_value"),
        ("0.5", "bad_value"),
        (None, "bad_value"),
        ([0.5], "bad_value"),
        (np.array([0.1, 0.2]), "bad_value"),
        (1.5, "out_of_range"),
        (-1, "out_of_range"),
        (10**400, "not_finite"),
    ],
    ids=lambda value: repr(value)[:20],
)
@pytest.mark.parametrize("warm", [False, True], ids=["first call", "later call"])
def test_what_is_no_value_is_refused(value: object, reason: str, *, warm: bool) -> None:
    """Bools, text, NaN, infinities and what the metric's bounds exclude never become a number."""
    with capture(strict=False) as captured:
        if warm:
            tg.log_metric("model:accuracy", 0.5)
        tg.log_metric("model:accuracy", value)  # type: ignore[arg-type]
    assert captured.values("model:accuracy") == [0.5] * warm
    assert captured.dropped == {reason: 1}


def test_strict_mode_raises_with_the_four_facts() -> None:
    """The error says what, got, allowed and what to do, and nothing was recorded."""
    with capture() as captured:
        tg.log_metric("model:accuracy", 0.5)
        with pytest.raises(MetricValidationError) as caught:
            tg.log_metric("model:accuracy", 7)
    error = caught.value
    assert (error.reason, error.got, error.allowed) == ("out_of_range", 7, "0 to 1")
    assert str(error).startswith("value of metric 'model:accuracy' is out of range; got 7; allowed")
    assert error.__context__ is None
    assert captured.dropped == {}


CIRCULAR: dict[str, object] = {}
CIRCULAR["itself"] = CIRCULAR

BAD_CALLS: dict[str, tuple[Callable[[], object], str]] = {
    "no letters": (lambda: tg.log_metric("!?", 1), "bad_name"),
    "empty name": (lambda: tg.log_metric("", 1), "bad_name"),
    "name is None": (lambda: tg.log_metric(None, 1), "bad_name"),  # type: ignore[arg-type]
    "long name": (lambda: tg.log_metric("x" * 251, 1), "bad_name"),
    "fractional step": (lambda: tg.log_metric("x", 1, step=1.5), "bad_step"),  # type: ignore[arg-type]
    "bool step": (lambda: tg.log_metric("x", 1, step=True), "bad_step"),
    "huge step": (lambda: tg.log_metric("x", 1, step=2**47), "bad_step"),
    "text step": (lambda: tg.log_metrics({"x": 1}, step="3"), "bad_step"),  # type: ignore[arg-type]
    "unreadable time": (lambda: tg.log_metric("x", 1, time="yesterday"), "bad_time"),
    "time before 1970": (lambda: tg.log_metric("x", 1, time=-1), "bad_time"),
    "bool label": (lambda: tg.log_metric("x", 1, split=True), "bad_label"),
    "list label": (lambda: tg.log_metric("x", 1, split=["a"]), "bad_label"),
    "reserved label": (lambda: tg.log_metric("x", 1, date="today"), "bad_label"),
    "unreadable timestamp": (
        lambda: tg.log_metric_with_metadata("x", 1, {"timestamp": "?"}),
        "bad_time",
    ),
    "metadata beyond JSON": (
        lambda: tg.log_metric_with_metadata("x", 1, CIRCULAR),
        "bad_metadata",
    ),
    "huge metadata": (
        lambda: tg.log_metric_with_metadata("x", 1, {"a": "b" * (1 << 20)}),
        "bad_metadata",
    ),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_input_is_dropped_counted_and_logged_in_lenient_mode(
    case: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Outside strict mode no record call raises; the fact is counted under its reason."""
    call, reason = BAD_CALLS[case]
    with capture(strict=False) as captured, caplog.at_level(logging.WARNING, "tidegauge"):
        call()
    assert captured.facts == []
    assert captured.dropped == {reason: 1}
    assert f"({reason})" in caplog.text


@pytest.mark.parametrize("case", [case for case in BAD_CALLS if "huge meta" not in case])
def test_bad_input_raises_in_strict_mode(case: str) -> None:
    """In strict mode the same calls raise, and nothing is recorded or counted."""
    call, reason = BAD_CALLS[case]
    with capture() as captured, pytest.raises(MetricValidationError) as caught:
        call()
    assert caught.value.reason == reason
    assert caught.value.allowed
    assert captured.facts == []
    assert captured.dropped == {}


def test_dropping_is_logged_once_a_minute_for_each_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A program that is wrong a thousand times gets one line, and a full count."""
    with capture(strict=False) as captured, caplog.at_level(logging.WARNING, "tidegauge"):
        for _ in range(1000):
            tg.log_metric("model:accuracy", 7)
    assert len(caplog.records) <= 1
    assert captured.dropped == {"out_of_range": 1000}


def test_fixable_name_is_fixed_in_lenient_mode_only() -> None:
    """`Reply Rate` is recorded as `usage:reply_rate` in production and refused in development."""
    with capture(strict=False) as captured:
        tg.log_metric("Reply Rate", 0.5)
        tg.log_metric("Reply Rate", 0.5)
    assert captured.values("usage:reply_rate") == [0.5, 0.5]
    with capture(), pytest.raises(MetricValidationError, match="Reply Rate"):
        tg.log_metric("Reply Rate", 0.5)


def test_labels_that_are_equal_in_python_are_not_mixed_up() -> None:
    """1 is a label value and True is none, though they are equal and hash alike."""
    with capture(strict=False) as captured:
        tg.log_metric("x", 1.0, split=1)
        tg.log_metric("x", 2.0, split="1")
        tg.log_metric("x", 3.0, split=True)
        tg.log_metric("x", 4.0, split=1)
    assert captured.values("custom:x") == [1.0, 2.0, 4.0]
    assert {fact.labels["split"] for fact in captured.facts} == {"1"}
    assert captured.dropped == {"bad_label": 1}


def test_label_names_and_values_keep_their_pairs() -> None:
    """a="x", b="y" is not a="y", b="x", whatever the order of the call."""
    with capture() as captured:
        for _ in range(2):
            tg.log_metric("x", 1.0, a="p", b="q")
            tg.log_metric("x", 2.0, b="q", a="p")
            tg.log_metric("x", 3.0, a="q", b="p")
    assert [(fact.columns["value"], fact.labels) for fact in captured.facts] == [
        (1.0, {"a": "p", "b": "q"}),
        (2.0, {"a": "p", "b": "q"}),
        (3.0, {"a": "q", "b": "p"}),
    ] * 2


def test_batch_is_all_or_nothing_in_strict_mode() -> None:
    """One bad value in a batch refuses the batch; in lenient mode the rest is recorded."""
    good = {"usage:reply_rate": 0.1, "model:accuracy": 0.9}
    bad = {"usage:reply_rate": 0.1, "model:accuracy": 9.0}
    with capture() as captured:
        tg.log_metrics(good, step=4)
        with pytest.raises(MetricValidationError):
            tg.log_metrics(bad)
    assert [(f.metric, f.columns) for f in captured.facts] == [
        ("usage:reply_rate", {"value": 0.1, "step": 4}),
        ("model:accuracy", {"value": 0.9, "step": 4}),
    ]
    with capture(strict=False) as captured:
        tg.log_metrics(good)
        tg.log_metrics(bad)
        tg.log_metrics(good)
    assert captured.values("usage:reply_rate") == [0.1, 0.1, 0.1]
    assert captured.values("model:accuracy") == [0.9, 0.9]
    assert captured.dropped == {"out_of_range": 1}


def test_facts_of_a_batch_share_one_moment() -> None:
    """All values of a batch have the same time."""
    with capture() as captured:
        tg.log_metrics({f"custom:m{n}": n for n in range(50)})
    assert len({fact.time_ns for fact in captured.facts}) == 1


def test_metadata_gives_time_and_dimensions_and_stays_whole() -> None:
    """`timestamp`, `model_version` and `experiment` are taken out and kept in the metadata too."""
    metadata = {
        "model_version": "2.0.1",
        "experiment": "baseline_comparison",
        "timestamp": "2024-01-15T10:30:00Z",
        "cohort": {"size": 12, "since": dt.date(2024, 1, 1)},
    }
    with capture() as captured:
        tg.log_metric_with_metadata("usage:reply_rate", 0.1523, metadata, step=2)
    (fact,) = captured.facts
    assert fact.time_ns == 1_705_314_600_000_000_000
    assert fact.labels == {"model_version": "2.0.1", "experiment": "baseline_comparison"}
    assert fact.columns == {
        "value": 0.1523,
        "step": 2,
        "metadata": '{"model_version":"2.0.1","experiment":"baseline_comparison",'
        '"timestamp":"2024-01-15T10:30:00Z","cohort":{"size":12,"since":"2024-01-01"}}',
    }


def test_prefix_functions_add_their_category_once() -> None:
    """`log_model_metrics` takes `accuracy` and `model:accuracy`, and refuses `usage:…`."""
    with capture() as captured:
        tg.log_usage_metrics({"reply_rate": 0.1})
        tg.log_model_metrics({"accuracy": 0.9, "model:f1_score": 0.8}, step=1)
        tg.log_pipeline_metrics({"data_processed": 100})
        with pytest.raises(MetricValidationError, match="another"):
            tg.log_model_metrics({"usage:reply_rate": 0.1})
    assert [fact.metric for fact in captured.facts] == [
        "usage:reply_rate",
        "model:accuracy",
        "model:f1_score",
        "pipeline:data_processed",
    ]


def test_prefix_functions_do_not_raise_in_lenient_mode() -> None:
    """A name of another category in a prefixed batch is dropped like any bad name."""
    with capture(strict=False) as captured:
        tg.log_model_metrics({"usage:reply_rate": 0.1, "accuracy": 0.5})
    assert captured.values("model:accuracy") == [0.5]
    assert captured.dropped == {"bad_name": 1}


def test_series_cap_gathers_the_rest_in_one_series(tmp_path: Path) -> None:
    """Beyond the cap of a metric nothing is lost: further label sets become overflow="true"."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text("metrics:\n  custom:capped: {description: Capped., series_cap: 3}\n")
    with capture(catalog=catalog) as captured:
        for n in range(6):
            tg.log_metric("custom:capped", n, user=f"u{n}")
        tg.log_metric("custom:capped", 9, user="u0")
    assert [(f.columns["value"], f.labels) for f in captured.facts] == [
        (0.0, {"user": "u0"}),
        (1.0, {"user": "u1"}),
        (2.0, {"user": "u2"}),
        (3.0, {"overflow": "true"}),
        (4.0, {"overflow": "true"}),
        (5.0, {"overflow": "true"}),
        (9.0, {"user": "u0"}),
    ]


def test_deprecated_name_is_recorded_under_the_new_one(tmp_path: Path) -> None:
    """A metric that was renamed goes on under its new name, whichever name the program uses."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(
        "metrics:\n"
        "  custom:new_name: {description: New.}\n"
        "  custom:old_name:\n    description: Old.\n"
        "    deprecated: {renamed_to: 'custom:new_name', since: '2026-01-01'}\n"
    )
    with capture(catalog=catalog) as captured:
        tg.log_metric("custom:old_name", 1)
    assert [fact.metric for fact in captured.facts] == ["custom:new_name"]


def test_settings_name_service_and_environment() -> None:
    """Defaults apply to every fact, beneath the context and the labels of the call."""
    with capture(service="checkout", environment="staging") as captured:
        tg.log_metric("x", 1.0)
        tg.log_metric("x", 2.0, environment="production")
    assert [fact.labels for fact in captured.facts] == [
        {"service": "checkout", "environment": "staging"},
        {"service": "checkout", "environment": "production"},
    ]


def test_a_catalogue_that_is_wrong_is_an_error_at_configure(tmp_path: Path) -> None:
    """Settings are checked when they are given, not when the first fact comes."""
    with pytest.raises(CatalogError):
        tg.configure(store=tmp_path / "store", catalog=tmp_path / "missing.yaml")


def test_first_fact_needs_no_configuration(tmp_path: Path) -> None:
    """A program that only imports and records gets a store in its working directory."""
    program = "import tidegauge as tg; tg.log_metric('reply_rate', 0.5)"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    (slot,) = Journal(tmp_path / ".tidegauge/journal").slots()
    assert slot.points(0, 10).value.tolist() == [0.5]
