# SPDX-License-Identifier: Apache-2.0
"""`tidegauge log`: a fact from a shell."""

from __future__ import annotations

from typing import Any

import pytest


def test_log_records_one_fact_that_queries_see_at_once(cli: Any) -> None:
    """A bare name resolves, and the fact has its time, step, dimensions and labels."""
    done = cli(
        *("log", "reply_rate", "0.1523", "--step", "3", "--time", "2024-01-15T10:30:00Z"),
        *("--label", "model=fraud", "-l", "region=eu"),
    )
    assert (done.code, done.err) == (0, "")
    assert done.out == f"Recorded usage:reply_rate = 0.1523 in {cli.store}\n"
    [row] = cli("history", "usage:reply_rate", "--json").json
    assert row == {
        "time": "2024-01-15T10:30:00+00:00",
        "metric": "usage:reply_rate",
        "value": 0.1523,
        "step": 3,
        "service": None,
        "model": "fraud",
        "model_version": None,
        "experiment": None,
        "run_id": None,
        "environment": None,
        "labels": {"region": "eu"},
        "metadata": None,
    }


def test_log_answers_in_json(cli: Any) -> None:
    """With --json, what was recorded is one document."""
    done = cli("log", "f1", "0.5", "--label", "model=a", "--json")
    assert done.json == {
        "metric": "model:f1_score",
        "value": 0.5,
        "step": None,
        "labels": {"model": "a"},
        "store": str(cli.store),
    }


def test_seconds_since_1970_are_a_time(cli: Any) -> None:
    """A number given as the time is seconds."""
    cli("log", "f1", "0.5", "--time", "1700000000.25")
    [row] = cli("history", "f1", "--json").json
    assert row["time"] == "2023-11-14T22:13:20.250000+00:00"


def test_a_negative_value_goes_after_two_dashes(cli: Any) -> None:
    """`--` ends the options, as everywhere."""
    assert cli("log", "custom:delta", "--", "-1.5").code == 0
    assert cli("history", "custom:delta", "--json").json[0]["value"] == -1.5


def test_a_fact_that_is_not_allowed_is_refused(cli: Any) -> None:
    """The error says what, got, allowed and what to do, and nothing is recorded."""
    done = cli("log", "reply_rate", "2")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "Error: Value of metric 'usage:reply_rate' is out of range.\n"
        "  Got: 2.0\n"
        "  Allowed: 0 to 1\n"
        "  Check that the value is in the metric's unit, '1'.\n"
    )
    assert cli("stats", "reply_rate").code == 1


def test_an_error_is_a_document_with_json(cli: Any) -> None:
    """Standard output has the parts of the error, standard error the text."""
    done = cli("--json", "log", "reply_rate", "2")
    assert done.code == 2
    assert done.json == {
        "error": {
            "kind": "MetricValidationError",
            "what": "value of metric 'usage:reply_rate' is out of range",
            "got": "2.0",
            "allowed": "0 to 1",
            "fix": "Check that the value is in the metric's unit, '1'.",
        }
    }
    assert done.err.startswith("Error: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["log"],
        ["log", "reply_rate"],
        ["log", "reply_rate", "much"],
        ["log", "reply_rate", "0.5", "--label", "model"],
        ["log", "reply_rate", "0.5", "--label", "=x"],
        ["log", "reply_rate", "0.5", "-l", "a=1", "-l", "a=2"],
        ["log", "reply_rate", "0.5", "--step", "1.5"],
        ["log", "reply_rate", "0.5", "--sttep", "1"],
        ["lag"],
    ],
)
def test_a_command_line_that_cannot_be_understood_ends_with_2(
    cli: Any, arguments: list[str]
) -> None:
    """Nothing is recorded, and standard error says why; with --json, a document does, too."""
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Usage: " in done.err
    done = cli(*arguments, "--json")
    assert (done.code, done.json["error"]["kind"]) == (2, "UsageError")
    assert "Usage: " in done.err
    assert not cli.store.exists()


def test_the_store_is_given_before_or_after_the_command(cli: Any, tmp_path: Any) -> None:
    """--store wins over the variable, wherever it stands."""
    assert cli("--store", tmp_path / "a", "log", "f1", "0.1").code == 0
    assert cli("log", "f1", "0.2", "--store", tmp_path / "b").code == 0
    assert not cli.store.exists()
    assert cli("--store", tmp_path / "a", "history", "f1", "--json").json[0]["value"] == 0.1
    assert cli("history", "f1", "--json", "--store", tmp_path / "b").json[0]["value"] == 0.2


def test_the_version_is_shown() -> None:
    """`--version` alone is enough."""
    from typer.testing import CliRunner

    from tidegauge import __version__
    from tidegauge.cli.app import app

    assert CliRunner().invoke(app, ["--version"]).stdout == f"tidegauge {__version__}\n"
