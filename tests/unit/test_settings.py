# SPDX-License-Identifier: Apache-2.0
"""Settings: where they come from, and what is said of those that are wrong."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tidegauge.catalog import Catalog
from tidegauge.model.errors import ConfigError
from tidegauge.model.tables import TABLES
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
        ({"journal_budget_bytes": 8 << 20}, {}),
        ({"journal_budget_bytes": 14 << 20, "segment_slots": 100_000}, {}),
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


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"service": "a", "mlflow_name_style": "dash"},
            (
                "the setting 'mlflow_name_style' cannot be used; got 'dash'; allowed: as_given, "
                "slash, underscore. Change it, or leave it out for the default, 'as_given'."
            ),
        ),
        (
            {"strict": "maybe"},
            (
                "the setting 'strict' cannot be used; got 'maybe'; allowed: true, false. Change "
                "it, or leave it out for the default, None."
            ),
        ),
        (
            {"store": 3},
            (
                "the setting 'store' cannot be used; got 3; allowed: text (directory of the store; "
                "created with the first fact). Change it, or leave it out for the default, "
                "'.tidegauge'."
            ),
        ),
        (
            {"catalog": Catalog()},
            (
                "the setting 'catalog' cannot be used; got <Catalog of 0 metrics, open>; allowed: "
                "text (YAML or Python file with a catalogue of your own, added to the built-in "
                "one). Change it, or leave it out for the default, None."
            ),
        ),
        (
            {"retention_metrics": {"model:latency_ms": "long"}},
            (
                "the setting 'retention_metrics' cannot be used; got {'model:latency_ms': 'long'}; "
                "allowed: names with a number each (the same for single metrics, such as "
                '{"model:latency_ms": 7}). Change it, or leave it out for the default, {}.'
            ),
        ),
        (
            {"retention_tables": {"request": 7}},
            (
                "the setting 'retention_tables' names a table that does not exist; got 'request'; "
                f"allowed: {', '.join(TABLES)}. Change it, or leave it out for the default, {{}}."
            ),
        ),
        (
            {"retention_tables": {"requests": -1}},
            (
                "the setting 'retention_tables' is out of range; got {'requests': -1.0}; allowed: "
                "0 days or more. Change it, or leave it out for the default, {}."
            ),
        ),
        (
            {"storage_budgets": {"requests": -1}},
            (
                "the setting 'storage_budgets' is out of range; got {'requests': -1}; allowed: "
                "0 bytes or more. Change it, or leave it out for the default, {}."
            ),
        ),
        (
            {"compact_every_s": 0.5},
            (
                "the setting 'compact_every_s' is out of range; got 0.5; allowed: 1 or more. "
                "Change it, or leave it out for the default, 3600.0."
            ),
        ),
        (
            {"retention_days": math.nan},
            (
                "the setting 'retention_days' is out of range; got nan; allowed: 0 or more. "
                "Change it, or leave it out for the default, None."
            ),
        ),
        (
            {"retention_metrics": {"model:latency_ms": -1}},
            (
                "the setting 'retention_metrics' is out of range; got {'model:latency_ms': -1.0}; "
                "allowed: 0 days or more. Change it, or leave it out for the default, {}."
            ),
        ),
        (
            {"drain_after_s": -1},
            (
                "the setting 'drain_after_s' is out of range; got -1.0; allowed: 0 or more. "
                "Change it, or leave it out for the default, 60.0."
            ),
        ),
        (
            {"exit_wait_s": -5},
            (
                "the setting 'exit_wait_s' is out of range; got -5.0; allowed: 0 or more. Change "
                "it, or leave it out for the default, 5.0."
            ),
        ),
        (
            {"segment_slots": 0},
            (
                "the setting 'segment_slots' is out of range; got 0; allowed: more than 0. Change "
                "it, or leave it out for the default, 65536."
            ),
        ),
        (
            {"store": ""},
            (
                "the setting 'store' is empty or has a null character; got ''; allowed: any other "
                "text. Change it, or leave it out for the default, '.tidegauge'."
            ),
        ),
        (
            {"store": "\0"},
            (
                "the setting 'store' is empty or has a null character; got '\\x00'; allowed: any "
                "other text. Change it, or leave it out for the default, '.tidegauge'."
            ),
        ),
        (
            {"service": "a\ud800"},
            (
                "the setting 'service' cannot be a label of the facts; got 'a\\ud800'; allowed: "
                "text without lone surrogates. Change it, or leave it out for the default, None."
            ),
        ),
        (
            {"environment": "x" * 1001},
            "the setting 'environment' cannot be a label of the facts; got '"
            + "x" * 198
            + "…; allowed: at most 1000 characters. Change it, or leave it out for the default, "
            "None.",
        ),
    ],
    ids=lambda case: ascii(case)[:60] if isinstance(case, dict) else "",
)
def test_a_setting_that_cannot_be_used_is_named(given: dict[str, object], text: str) -> None:
    """The error has the one setting, its value, what is allowed, and what to do."""
    with pytest.raises(ConfigError) as caught:
        read_settings(given, {})
    assert str(caught.value) == text


def test_a_variable_that_cannot_be_used_is_named() -> None:
    """The error names the variable, for that is what has to be changed."""
    with pytest.raises(ConfigError) as caught:
        read_settings({}, {"TIDEGAUGE_DURABILITY": "eternal"})
    assert str(caught.value) == (
        "the environment variable TIDEGAUGE_DURABILITY cannot be used; got 'eternal'; allowed: "
        "process, fsync. Change it or unset it."
    )


def test_the_ends_of_a_range_are_allowed() -> None:
    """Draining at once, not waiting at the end and keeping nothing are settings like others."""
    settings = read_settings({"drain_after_s": 0, "exit_wait_s": 0, "retention_days": 0}, {})
    assert (settings.drain_after_s, settings.exit_wait_s, settings.retention_days) == (0, 0, 0)


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
