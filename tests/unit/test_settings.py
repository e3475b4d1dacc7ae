# SPDX-License-Identifier: Apache-2.0
"""Settings: where they come from, and what is said of those that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegauge.model.errors import ConfigError
from tidegauge.settings import Settings, describe_settings, read_settings


def test_defaults() -> None:
    """Without anything given, a store in the working directory, lenient."""
    settings = read_settings({}, {})
    assert (settings.store, settings.strict, settings.follower) == (".tidegauge", False, "thread")


def test_given_beats_environment_beats_default() -> None:
    """Each setting has a variable; what is given in the call wins."""
    environ = {
        "TIDEGAUGE_STORE": "/from/env",
        "TIDEGAUGE_STRICT": "1",
        "TIDEGAUGE_DRAIN_AFTER_S": "5",
        "TIDEGAUGE_MLFLOW": "yes",
        "TIDEGAUGE_RETENTION_METRICS": '{"model:latency_ms": 7}',
    }
    settings = read_settings({"store": Path("/given")}, environ)
    assert settings.store == "/given"
    assert (settings.strict, settings.drain_after_s, settings.mlflow) == (True, 5.0, True)
    assert settings.retention_metrics == {"model:latency_ms": 7.0}


def test_strict_is_the_default_under_pytest_only() -> None:
    """In development a wrong fact raises; in production it never does."""
    assert read_settings({}, {"PYTEST_VERSION": "9"}).strict is True
    assert read_settings({}, {"PYTEST_VERSION": "9", "TIDEGAUGE_STRICT": "0"}).strict is False
    assert read_settings({"strict": False}, {"PYTEST_VERSION": "9"}).strict is False


def test_unknown_setting_is_named_with_the_likely_one() -> None:
    """A typing error is an error, with the name that was probably meant."""
    with pytest.raises(ConfigError, match="Did you mean 'store'"):
        read_settings({"stor": "x"}, {})


@pytest.mark.parametrize(
    ("given", "environ"),
    [
        ({"follower": "maybe"}, {}),
        ({"segment_slots": 0}, {}),
        ({"journal_budget_bytes": -1}, {}),
        ({"drain_after_points": "many"}, {}),
        ({}, {"TIDEGAUGE_FSYNC_INTERVAL_MS": "soon"}),
        ({}, {"TIDEGAUGE_DURABILITY": "eternal"}),
        ({"retention_metrics": {"model:latency_ms": "long"}}, {}),
        ({"retention_metrics": {"model:latency_ms": -1}}, {}),
        ({"retention_days": -1}, {}),
        ({}, {"TIDEGAUGE_RETENTION_METRICS": "{7"}),
    ],
    ids=str,
)
def test_values_out_of_type_or_range_are_refused(
    given: dict[str, object], environ: dict[str, str]
) -> None:
    """Every setting is checked against its type when it is given."""
    with pytest.raises(ConfigError):
        read_settings(given, environ)


def test_every_setting_is_described() -> None:
    """The table has a line for each, with its variable, default and meaning."""
    rows = describe_settings()
    assert [row[0] for row in rows] == list(Settings.__struct_fields__)
    assert rows[0] == (
        "store",
        "TIDEGAUGE_STORE",
        "str",
        "'.tidegauge'",
        "directory of the store; created with the first fact",
    )
    assert all(all(row) for row in rows)
