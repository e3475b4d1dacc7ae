# SPDX-License-Identifier: Apache-2.0
"""Handles: made early, kept long, right after every change of settings."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import tidegauge as tg
from tidegauge.model.errors import MetricValidationError
from tidegauge.testing import capture

EARLY = tg.metric("model:latency_ms", model="fraud")
EARLY_RECORD = EARLY.record


def test_handle_made_before_configure_records_after_it() -> None:
    """A handle at the top of a module, even its bare function, follows every configure."""
    for _ in range(2):
        with capture() as captured:
            EARLY.record(1.5)
            EARLY_RECORD(2.5)
            EARLY_RECORD(3.5, 7)
        assert [(f.columns["value"], f.columns["step"]) for f in captured.facts] == [
            (1.5, None),
            (2.5, None),
            (3.5, 7),
        ]
        assert captured.facts[0].labels == {"model": "fraud"}


def test_ids_of_another_store_are_not_used() -> None:
    """Changing the store in the middle never files a fact under another series' name."""
    first, second = tg.metric("custom:first"), tg.metric("custom:second")
    with capture() as captured:
        first.record(1.0)
        second.record(2.0)
    with capture() as captured:
        second.record(3.0)  # takes the id that `first` had in the store before
        first.record(4.0)
        second.record(5.0)
    assert captured.values("custom:first") == [4.0]
    assert captured.values("custom:second") == [3.0, 5.0]


def test_bounds_follow_the_catalogue(tmp_path: Path) -> None:
    """A handle checks against the catalogue in force, not the one it was made under."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text("metrics:\n  custom:bounded: {description: Bounded., min: 0, max: 1}\n")
    handle = tg.metric("custom:bounded")
    with capture() as captured:
        handle.record(5.0)
    assert captured.values("custom:bounded") == [5.0]
    with capture(catalog=catalog) as captured:
        handle.record(0.5)
        with pytest.raises(MetricValidationError, match="out of range"):
            handle.record(5.0)
    assert captured.values("custom:bounded") == [0.5]


def test_bad_name_or_label_of_a_handle_shows_with_the_first_value() -> None:
    """Making a handle checks nothing, so that it can be made before the catalogue is known."""
    handle = tg.metric("no such thing", date="today")
    with capture(), pytest.raises(MetricValidationError):
        handle.record(1)


def test_handle_tells_what_it_is() -> None:
    """The representation can be pasted back."""
    assert repr(EARLY) == "metric('model:latency_ms', model='fraud')"


def test_many_threads_lose_and_double_nothing() -> None:
    """Eight threads share a handle, a name and a batch over many changes of segment."""
    with capture(segment_slots=100) as captured:
        handle = tg.metric("custom:handle")

        def work(offset: int) -> None:
            for n in range(500):
                handle.record(float(offset + n))
                tg.log_metric("custom:name", offset + n)
                tg.log_metrics({"custom:batch": offset + n, "custom:other": n})

        threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    expected = sorted(float(1000 * n + m) for n in range(8) for m in range(500))
    for metric in ("custom:handle", "custom:name", "custom:batch"):
        assert sorted(captured.values(metric)) == expected  # type: ignore[type-var]
    assert len(captured.values("custom:other")) == 4000
