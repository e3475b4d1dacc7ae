# SPDX-License-Identifier: Apache-2.0
"""What cannot be used is refused at the command line: the exit code, and what is said."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOON = "2026-01-01T12:00:00Z"


@pytest.fixture
def filled(cli: Any) -> Any:
    """One metric that the catalogue does not know."""
    cli.record("custom:x", 1.0, 2.0, at=NOON)
    return cli


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["nosuch", "--json"], "No such command 'nosuch'."),
        (["--json", "nosuch"], "No such command 'nosuch'."),
        (
            ["export", "-", "--json"],
            "Invalid value: only CSV can go to standard output, and not with --json",
        ),
        (["metrics", "nosuch", "--json"], "No such command 'nosuch'."),
    ],
)
def test_a_usage_error_is_a_document_with_json(cli: Any, arguments: list[str], what: str) -> None:
    """Standard output has one document, whatever went wrong; standard error has the text."""
    done = cli(*arguments)
    assert (done.code, done.json) == (2, {"error": {"kind": "UsageError", "what": what}})
    assert "Usage: " in done.err


def test_json_behind_two_dashes_is_no_option(cli: Any) -> None:
    """It is an argument like any other."""
    done = cli("nosuch", "--", "--json")
    assert (done.code, done.out) == (2, "")


def test_json_and_store_go_behind_a_group_too(cli: Any, tmp_path: Path) -> None:
    """`metrics --json list` is `metrics list --json`."""
    assert cli("metrics", "--json", "list").json == cli("metrics", "list", "--json").json
    cli("log", "custom:y", "1", "--store", tmp_path / "other")
    found = cli("metrics", "--store", tmp_path / "other", "--json", "search", "--recorded").json
    assert [row["metric"] for row in found] == ["custom:y"]


def test_a_negative_value_hints_at_the_two_dashes(cli: Any) -> None:
    """It looks like an option."""
    done = cli("log", "custom:x", "-1.5", "--json")
    assert done.code == 2
    what, hint = done.json["error"]["what"].split(". ", 1)
    assert what in ("No such option: -1", "No such option '-1'")  # versions of typer differ
    assert hint == "Negative numbers go after --, as in: log NAME -- -1.5"


@pytest.mark.parametrize(
    "arguments",
    [
        ["stats", "nope"],
        ["stats", "bad name"],
        ["stats", "custom:x", "--start", "soon"],
        ["history", "nope"],
        ["export", "x.csv", "--metric", "nope"],
        ["export", "x.csv", "--metric", "custom:x", "--metric", "nope"],
        ["export", "x.csv", "--where", "a=b"],
        ["log", "bad name", "1"],
        ["log", "custom:x", "1", "--time", "soon"],
        ["log", "custom:x", "1", "--label", "time=5"],
        ["metrics", "show", "bad name"],
        ["metrics", "list", "--category", "nope"],
        ["metrics", "search", "--category", "nope"],
        ["compact", "--keep", "nope=7"],
    ],
)
def test_what_was_given_and_cannot_be_used_ends_with_2(filled: Any, arguments: list[str]) -> None:
    """Names, times, labels and values alike, in every command; and no file is written."""
    assert filled(*arguments).code == 2
    assert not Path("x.csv").exists()


def test_a_category_that_does_not_exist_names_those_that_do(cli: Any) -> None:
    """For `list` and for `search`."""
    for command in ("list", "search"):
        error = cli("metrics", command, "--category", "nope", "--json").json["error"]
        assert (error["what"], error["got"]) == ("there is no such category", "nope")
        assert error["allowed"].startswith("api, business, cost, ")


def test_search_for_what_was_recorded_needs_a_store(cli: Any) -> None:
    """A mistyped path does not look like an empty store; the catalogue alone needs none."""
    done = cli("metrics", "search", "--recorded")
    assert (done.code, done.err.splitlines()[0]) == (1, "Error: There is no store here.")
    assert cli("metrics", "search", "latency").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["stats", "custom:x", "--start", "2025"],
        ["stats", "custom:x", "--end", "1e3"],
        ["log", "custom:x", "1", "--time", "2024"],
        ["import", "in.csv", "--set", "time=2024"],
    ],
)
def test_a_small_number_is_no_time(filled: Any, write: Any, arguments: list[str]) -> None:
    """A year is not taken for half an hour after the beginning of 1970."""
    write("in.csv", "metric,value\ncustom:x,1\n")
    error = filled(*arguments, "--json").json["error"]
    assert {**error, "got": None} == {
        "kind": "QueryError",
        "what": "a number so small is no time",
        "got": None,
        "allowed": "ISO 8601, or seconds since 1970 of nine digits or more",
        "fix": "Write it like 2024-01-15T10:30:00Z.",
    }


def test_eight_digits_are_a_date(cli: Any, write: Any) -> None:
    """ISO 8601 without dashes, as an option and as the time of an import."""
    cli("log", "custom:x", "1", "--time", "20250102")
    write("in.csv", "metric,value\ncustom:x,2\n")
    cli("import", "in.csv", "--set", "time=20250103")
    rows = cli("history", "custom:x", "--start", "20250101", "--json").json
    assert [row["time"] for row in rows] == [
        "2025-01-02T00:00:00+00:00",
        "2025-01-03T00:00:00+00:00",
    ]


@pytest.mark.parametrize("seconds", ["nan", "-1", "inf"])
@pytest.mark.parametrize("command", [["drain"], ["sql", "select 1"]])
def test_a_time_to_wait_is_a_number_of_seconds(
    filled: Any, command: list[str], seconds: str
) -> None:
    """Not negative, and finite."""
    assert filled(*command, f"--timeout-s={seconds}").code == 2


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_log_that_cannot_write_fails(cli: Any, tmp_path: Path, place: str) -> None:
    """Nothing is said to be recorded that is not."""
    (tmp_path / "file").write_text("mine")
    done = cli("log", "custom:x", "1", "--store", tmp_path / place, "--json")
    assert (done.code, list(done.json)) == (1, ["error"])
    assert done.json["error"]["what"].startswith("the journal's directory cannot be written")
    assert "Recorded" not in done.out + done.err


@pytest.mark.parametrize(
    ("arguments", "code", "first_line"),
    [
        (["export", ".", "-f", "csv", "--force"], 1, "Error: The file is a directory."),
        (["export", "no/x.csv"], 1, "Error: There is no such directory."),
        (["import", "missing.parquet"], 1, "Error: No such file or directory."),
        (
            ["import", "in.csv", "--encoding", "nope"],
            2,
            "Error: There is no such encoding of text.",
        ),
        (
            ["import", "in.csv", "--delimiter", ";;"],
            2,
            "Error: This cannot be between the cells of CSV.",
        ),
        (["demo", "--dir", "in.csv"], 2, "Error: The demo's directory is not empty, or is a file."),
    ],
)
def test_files_that_cannot_be_used_are_named(
    filled: Any, write: Any, arguments: list[str], code: int, first_line: str
) -> None:
    """The error says what is wrong with what was given, not with a file made on the way."""
    write("in.csv", "time,metric,value\n")
    done = filled(*arguments)
    assert (done.code, done.err.splitlines()[0]) == (code, first_line)
    assert ".part" not in done.err


def test_standard_input_cannot_be_imported(filled: Any) -> None:
    """A file is read twice."""
    done = filled("import", "-", "--json")
    assert done.code == 2
    assert "standard input cannot be imported" in done.json["error"]["what"]


def test_a_compressed_file_that_is_cut_is_said_to_be(filled: Any, tmp_path: Path) -> None:
    """An encoding would not help."""
    whole = gzip.compress(b"time,metric,value\n" * 1000)
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    error = filled("import", "cut.csv.gz", "--json").json["error"]
    assert error["fix"] == "Check that it is whole."


def test_intervals_cannot_be_imported(cli: Any) -> None:
    """They are no single values; the error says what to export."""
    cli.record_interval("custom:x", 1.0, 2.0, at=NOON)
    cli("export", "x.parquet", "--table", "intervals")
    error = cli("import", "x.parquet", "--json").json["error"]
    assert error["what"] == (
        "the file has interval summaries, and only single values can be imported"
    )
    assert cli("import", "x.parquet", "--column", "value=sum", "--check").code == 0


def test_the_name_of_a_file_keeps_its_letters(cli: Any, write: Any) -> None:
    """An error that begins with it does not begin with a capital letter."""
    write("my.yaml", "a: [")
    done = cli("metrics", "validate", "--catalog", "my.yaml")
    assert (done.code, done.err[:26]) == (1, "Error: my.yaml is not YAML")


@pytest.mark.parametrize("damage", ["cut", "gone"])
@pytest.mark.parametrize(
    "question",
    [
        ["stats", "custom:x"],
        ["history", "custom:x"],
        ["sql", "select value from points"],
        ["export", "x.csv"],
        ["metrics", "search", "--recorded"],
    ],
)
def test_a_damaged_file_is_named(filled: Any, question: list[str], damage: str) -> None:
    """It is no usage error: exit code 1, the file, and the command that examines the store."""
    filled("drain")
    [file] = (filled.store / "tables" / "points").glob("date=*/*.parquet")
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:100])
    else:
        file.unlink()
    done = filled(*question, "--json")
    assert (done.code, done.json["error"]) == (
        1,
        {
            "kind": "StoreError",
            "what": "a file of the store's tables is missing or damaged",
            "got": str(file),
            "fix": "Run `tidegauge doctor`: it says what is lost and what to do.",
        },
    )


def test_a_closed_standard_output_is_no_reason_to_fail(filled: Any) -> None:
    """As with `>&-` in a shell: the exit code is still told."""
    program = [sys.executable, "-m", "tidegauge.cli", "status", "--store", str(filled.store)]
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *program],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
