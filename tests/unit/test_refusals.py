# SPDX-License-Identifier: Apache-2.0
"""What becomes of facts that are not allowed: each is counted once, and the others are recorded."""

from __future__ import annotations

import enum
import itertools
import logging
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import tidegauge as tg
from tidegauge.config import start_over
from tidegauge.journal.reader import Journal
from tidegauge.model.errors import MetricValidationError
from tidegauge.store.status import status_of
from tidegauge.store.store import Store
from tidegauge.testing import capture

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def run(run_program: Callable[..., Done]) -> Callable[..., Done]:
    """Runs a program with the settings of production."""

    def run(program: str, store: Path, **environ: str) -> Done:
        program = f"import tidegauge as tg\n{program}"
        place = {"TIDEGAUGE_STORE": str(store)}
        return run_program(program, store.parent, production=True, **place, **environ)

    return run


def drops(store: Path) -> dict[str, int]:
    """What the journals of a store say was dropped."""
    return {
        reason: count
        for slot in Journal(store / "journal").slots()
        for reason, count in slot.drops().items()
    }


# --- batches -------------------------------------------------------------------------------------


def test_label_that_one_metric_refuses_does_not_take_the_batch_along() -> None:
    """Labels of the context are checked per metric; the rest of the batch is recorded."""
    with capture(strict=False) as captured, tg.context(operation="nope"):
        tg.log_metrics({"resource:disk_operations": 1, "model:accuracy": 0.5})
    assert [(fact.metric, fact.columns["value"]) for fact in captured.facts] == [
        ("model:accuracy", 0.5)
    ]
    assert captured.dropped == {"bad_label": 1}


def test_each_fact_of_a_batch_is_counted_once(store_dir: Path) -> None:
    """Whatever else goes wrong with the batch afterwards: recorded and dropped add up."""
    with capture(strict=False) as captured:
        tg.log_metric("custom:ok", 1)
        with tg.context(operation="nope"):
            tg.log_metrics({"resource:disk_operations": 1, "custom:y": float("nan")})
        tg.log_metrics({"custom:a": 1, "custom:b": 2}, step=1.5)  # type: ignore[arg-type]
    assert len(captured.facts) == 1
    assert captured.dropped == {"bad_label": 1, "not_finite": 1, "bad_step": 2}


def test_metric_spelled_twice_is_two_facts() -> None:
    """With and without its category, as two names of a batch: neither replaces the other."""
    batch = {"reply_rate": 0.1, "usage:reply_rate": 0.2}
    with capture() as captured:
        tg.log_metrics(batch)
        tg.log_usage_metrics(batch)
        tg.MetricLogger().log_metrics(batch)
    assert captured.values("usage:reply_rate") == [0.1, 0.2] * 3


@pytest.mark.parametrize(
    "log",
    [tg.log_metrics, tg.log_usage_metrics, tg.MetricLogger(raise_on_error=False).log_metrics],
    ids=["all", "usage", "logger"],
)
@pytest.mark.parametrize("metrics", [None, 3, "accuracy", [("a", 1), 2]])
def test_batch_that_is_none_is_refused(log: object, metrics: object) -> None:
    """An error that says what a batch is; in lenient mode it is counted, and nothing raises."""
    with capture(strict=False) as captured:
        log(metrics)  # type: ignore[operator]
    assert captured.dropped == {"bad_value": 1}
    with capture(), pytest.raises(MetricValidationError) as caught:
        tg.log_metrics(metrics)  # type: ignore[arg-type]
    assert str(caught.value).startswith("metrics are not a dict; got")


class Share(enum.Enum):
    """Has a value that is a number, and is none."""

    HALF = 0.5


@pytest.mark.parametrize("value", [Share.HALF, enum.IntFlag, True, "0.5", None, Decimal("NaN")])
def test_batch_refuses_what_is_no_number_also_when_it_is_known(value: object) -> None:
    """The first batch of these names is checked in another way than the next."""
    with capture(strict=False) as captured:
        for number in (0.5, value, value):
            tg.log_metrics({"custom:a": 1, "custom:b": number})  # type: ignore[dict-item]
            tg.log_metrics({"custom:a": 1}, step=3 if number == 0.5 else Share.HALF)  # type: ignore[arg-type]
    assert captured.values("custom:b") == [0.5]
    assert captured.values("custom:a") == [1.0] * 4
    assert sum(captured.dropped.values()) == 4


class Stop(Exception):
    """What a program raises in a signal handler to end a loop."""


@pytest.mark.parametrize("log", ["log_metrics", "log_metric_with_metadata"])
def test_exception_of_a_signal_handler_is_for_the_program(log: str, store_dir: Path) -> None:
    """It ends the loop, wherever in a call it comes, and no fact is recorded twice."""

    def stop(*_: object) -> None:
        raise Stop

    def record_until_stopped() -> None:
        deadline_s = time.monotonic() + 10
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.002)
        while time.monotonic() < deadline_s:
            number = next(numbers)
            if log == "log_metrics":
                tg.log_metrics({"custom:a": number, "custom:b": number})
            else:
                tg.log_metric_with_metadata("custom:a", number, {})

    numbers = itertools.count()
    before = signal.signal(signal.SIGVTALRM, stop)  # not SIGALRM, which ends tests
    tg.configure(store=store_dir, follower="off", strict=False)
    try:
        for _ in range(50):
            with pytest.raises(Stop):
                record_until_stopped()
    finally:
        signal.signal(signal.SIGVTALRM, before)
        tg.shutdown()
    found = [
        event.columns["value"]
        for slot in Journal(store_dir / "journal").slots()
        for event in slot.events(0, limit_bytes=1 << 40).records
    ]
    assert len(found) > 50
    assert max(Counter(found).values()) == (2 if log == "log_metrics" else 1)
    assert drops(store_dir) == {}


# --- names that are fixed ------------------------------------------------------------------------


def test_fixed_names_are_counted_in_the_slot(store_dir: Path) -> None:
    """Every fact under a fixed name, whichever function recorded it; and the status shows it."""
    tg.configure(store=store_dir, strict=False, follower="off")
    for _ in range(10):
        tg.log_metric("Reply Rate", 0.1)
        tg.log_metrics({"Reply Rate": 0.1, "model:accuracy": 0.5})
        tg.log_usage_metrics({"Reply Rate": 0.1})
        tg.log_metric_with_metadata("Reply Rate", 0.1, {})
    tg.log_metric("reply_rate", 0.1)
    tg.shutdown()
    seen = status_of(Store(store_dir))
    assert [slot.fixed_names for slot in seen.slots] == [40]
    assert seen.balance.recorded == 51
    assert seen.balance.dropped == {}


def test_many_fixed_names_are_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """At most once a minute, whatever the names."""
    with capture(strict=False), caplog.at_level(logging.WARNING, "tidegauge"):
        for number in range(100):
            tg.log_metric(f"Bad Name {number}", 1)
    assert caplog.messages == [
        "metric name 'Bad Name 0' was recorded as 'custom:bad_name_0'",
    ]


def test_quiet_logger_says_it_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand drops of a `MetricLogger` are one line of the log, and counted."""
    with capture() as captured, caplog.at_level(logging.WARNING, "tidegauge"):
        logger = tg.MetricLogger(raise_on_error=False)
        for _ in range(1000):
            logger.log_metric("model:accuracy", 7)
    assert len(caplog.messages) == 1
    assert captured.dropped == {"out_of_range": 1000}


# --- the rules of a logger -----------------------------------------------------------------------


@pytest.mark.parametrize("strict", [True, False])
def test_rules_of_a_logger_hold_for_steps_times_and_labels_too(*, strict: bool) -> None:
    """Not only for names and values, and whatever the mode of the process."""
    bad = [
        lambda logger: logger.log_metric("usage:reply_rate", 0.1, step=1.5),
        lambda logger: logger.log_metric("usage:reply_rate", 0.1, time="nonsense"),
        lambda logger: logger.log_metric("usage:reply_rate", 0.1, **{"bad label": 1}),
        lambda logger: logger.log_metrics({"usage:reply_rate": 0.1}, step="x"),
        lambda logger: logger.log_metric_with_metadata(
            "usage:reply_rate", 0.1, {"timestamp": "nonsense"}
        ),
    ]
    with capture(strict=strict) as captured:
        for call in bad:
            with pytest.raises(MetricValidationError):
                call(tg.MetricLogger())
            call(tg.MetricLogger(raise_on_error=False))
    assert captured.facts == []
    assert sum(captured.dropped.values()) == len(bad)


def test_logger_takes_time_and_labels() -> None:
    """As `log_metric` does."""
    with capture() as captured:
        tg.MetricLogger().log_metric("custom:x", 1, time=1_700_000_000, model="fraud")
    assert captured.facts[0].time_ns == 1_700_000_000 * 10**9
    assert captured.facts[0].labels == {"model": "fraud"}


# --- metadata ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "label"), [(0, "0"), (2.0, "2.0"), ("2.0.1", "2.0.1")])
def test_version_in_metadata_may_be_a_number(version: object, label: str) -> None:
    """It becomes the dimension's text, also if it is 0."""
    with capture() as captured:
        tg.log_metric_with_metadata("custom:x", 1, {"model_version": version})
    assert captured.facts[0].labels == {"model_version": label}


def test_numpy_in_metadata_stays_numbers() -> None:
    """Scalars and arrays are written as JSON has them; what JSON lacks, as text."""
    with capture() as captured:
        tg.log_metric_with_metadata(
            "custom:x",
            1,
            {"share": np.float32(0.5), "n": np.int64(3), "on": np.bool_(1), "all": np.arange(3)},
        )
    assert captured.facts[0].columns["metadata"] == '{"share":0.5,"n":3,"on":true,"all":[0,1,2]}'


@pytest.mark.parametrize("metadata", [None, [1], "text"])
def test_metadata_that_is_no_dict_is_refused(metadata: object) -> None:
    """With an error that says so."""
    with capture(), pytest.raises(MetricValidationError, match="metadata is not a dict; got"):
        tg.log_metric_with_metadata("custom:x", 1, metadata)  # type: ignore[arg-type]


# --- the mode and the place ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        'tg.log_usage_metrics({"Reply Rate!": .1})',
        'tg.log_metrics({"usage:reply_rate": .1}, step=1.5)',
        "tg.log_metrics(None)",
        'tg.log_metric("usage:reply_rate", 7)',
    ],
)
def test_first_call_of_a_process_is_strict_already(
    run: Callable[..., Done], call: str, store_dir: Path
) -> None:
    """The environment is looked at before anything is refused."""
    done = run(call, store_dir, TIDEGAUGE_STRICT="1")
    assert done.returncode == 1
    assert "MetricValidationError" in done.stderr


def test_process_that_only_drops_leaves_its_counts(
    run: Callable[..., Done], store_dir: Path
) -> None:
    """Not one good fact, and the drops are on disk all the same."""
    done = run("for _ in range(1000): tg.log_metric('日本', 1)", store_dir)
    assert done.returncode == 0
    assert drops(store_dir) == {"bad_name": 1000}


def test_settings_that_cannot_be_used_lead_to_no_other_place(
    run: Callable[..., Done], store_dir: Path
) -> None:
    """Every fact is refused for as long as the settings are wrong; none goes to a default."""
    done = run(
        "for _ in range(3): tg.log_metric('custom:x', 1)", store_dir, TIDEGAUGE_STRICT="maybe"
    )
    assert done.returncode == 0
    assert done.stderr.count("TIDEGAUGE_STRICT") >= 1
    assert not [
        slot
        for slot in Journal(store_dir.parent / ".tidegauge/journal").slots()
        if slot.end_points()
    ]
    assert not [slot for slot in Journal(store_dir / "journal").slots() if slot.end_points()]


def test_recording_after_a_shutdown_goes_where_it_was_configured(tmp_path: Path) -> None:
    """The store and the mode stay those of `configure`."""
    tg.configure(store=tmp_path / "a", strict=True, follower="off")
    tg.log_metric("custom:x", 1)
    tg.shutdown()
    tg.log_metric("custom:x", 2)
    with pytest.raises(MetricValidationError):
        tg.log_metric("Bad Name", 1)
    tg.shutdown()
    assert [
        value
        for slot in Journal(tmp_path / "a" / "journal").slots()
        for value in slot.points(0, 10).value.tolist()
    ] == [1.0, 2.0]


# --- summaries -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, True, "1", float("nan")])
def test_summary_refuses_what_is_no_number(value: object) -> None:
    """A mean of NaN or of a bool would be believed."""
    with pytest.raises(MetricValidationError):
        tg.MetricLogger().aggregate_metrics([{"model:accuracy": value}])  # type: ignore[dict-item]


def test_drops_that_no_journal_took_are_not_of_the_next_block(tmp_path: Path) -> None:
    """A place that is no directory takes none; whoever starts over has nothing to do with it."""
    (tmp_path / "store").write_text("")
    tg.configure(store=tmp_path / "store", strict=False, follower="off")
    tg.log_metric("custom:x", 1.0)
    start_over()
    with capture() as captured:
        tg.log_metric("custom:x", 1.0)
        assert (captured.dropped, captured.values("custom:x")) == ({}, [1.0])
