# SPDX-License-Identifier: Apache-2.0
"""What goes to which stream, when somebody stops reading, and when somebody presses Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.system

HEAVY = {"deltalake", "duckdb", "mlflow", "numpy", "pandas", "pyarrow", "rich", "sklearn", "yaml"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["log", "f1", "0.5"], 0),
        (["log", "f1", "5"], 2),
        (["stats", "latency_ms"], 0),
        (["stats", "nobody_knows"], 2),
        (["history", "latency_ms", "--limit", "3"], 0),
        (["compare", "a", "b"], 2),
        (["sql", "select count(*) from points"], 0),
        (["sql", "not sql"], 2),
        (["metrics", "list"], 0),
        (["metrics", "search", "latency"], 0),
        (["metrics", "show", "f1"], 0),
        (["metrics", "validate", "f1", "Not One"], 1),
        (["metrics", "diff", "builtin", "builtin"], 0),
        (["settings"], 0),
        (["status"], 0),
        (["status", "--dead-letters"], 0),
        (["drain"], 0),
        (["compact"], 0),
        (["doctor"], 0),
        (["export", "out.parquet"], 0),
        (["import", "in.csv"], 1),
        (["import", "nowhere.csv"], 1),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else str(given),
)
def test_with_json_standard_output_is_one_document(
    program: Any, arguments: list[str], code: int
) -> None:
    """Whether a command ends well or not; and nothing is written to it beside the document."""
    program.fill(10)
    (program.directory / "in.csv").write_text("time,metric,value\n1,f1,0.5\n2,f1,5\n")
    done = program.run(*arguments, "--json")
    assert done.returncode == code, done.stderr
    document = json.loads(done.stdout)
    assert ("error" in document) == (code != 0 and bool(done.stderr))
    assert "Traceback" not in done.stderr
    assert done.stdout.count("\n") > 1 or document in ([], {})


def test_a_command_line_that_cannot_be_understood_is_told_on_both(program: Any) -> None:
    """Exit code 2; the usage goes to standard error, and a document to standard output."""
    done = program.run("stats", "--json")
    what = json.loads(done.stdout)["error"]["what"]
    assert done.returncode == 2
    assert what in ("Missing argument 'name'.", "Missing argument 'NAME'.")  # as typer's version
    assert "Usage: tidegauge stats" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["sql", "--format", "csv", "select * from range(5000000)"],
        ["sql", "--format", "json", "select * from range(5000000)"],
        ["history", "latency_ms", "--limit", "0"],
        ["export", "-"],
    ],
    ids=" ".join,
)
def test_head_may_stop_reading(program: Any, arguments: list[str]) -> None:
    """The program ends at once with 141, as one killed by SIGPIPE, and without a complaint."""
    program.fill(100_000)
    process = program.start(*arguments)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(30) == 141
    process.stderr.close()


def test_ctrl_c_ends_a_question(program: Any) -> None:
    """130, one word, no traceback."""
    program.fill(10)
    process = program.start(
        "sql", "select sum(a.range * b.range) from range(10000000) a, range(10000) b"
    )
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"Interrupted.\n")


def test_ctrl_c_ends_an_import_that_can_go_on(program: Any) -> None:
    """What was recorded is not recorded again: every row is there once."""
    path = program.directory / "in.csv"
    rows = "".join(f"{1_700_000_000 + n},model:latency_ms,{n % 7}\n" for n in range(400_000))
    path.write_text(f"time,metric,value\n{rows}")
    process = program.start("import", path)
    _wait_for((program.store / "state.db").exists)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"Interrupted.\n")
    done = program.json("import", path)
    assert done["rows"] == done["recorded"] == 400_000
    assert program.json("stats", "latency_ms")[0]["count"] == 400_000
    assert program.json("sql", "select count(distinct time) as n from points") == [{"n": 400_000}]


def test_progress_is_drawn_on_a_terminal_and_nowhere_else(program: Any) -> None:
    """A bar on standard error does not touch the document on standard output."""
    path = program.directory / "in.csv"
    rows = "".join(f"{n},model:latency_ms,1\n" for n in range(1, 100_001))
    path.write_text(f"time,metric,value\n{rows}")
    ours, theirs = pty.openpty()
    process = program.start("import", path, "--json", stderr=theirs)
    os.close(theirs)
    drawn = _read_all(ours)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(out)["recorded"] == 100_000
    assert b"Importing" in drawn
    assert program.run("import", path, "--again").stderr == ""


def test_a_terminal_gets_colours_and_its_width(program: Any) -> None:
    """Tables fit the terminal; a pipe gets whole rows without colours."""
    program.fill(10)
    ours, theirs = pty.openpty()
    process = program.start("status", stdout=theirs)
    os.close(theirs)
    drawn = _read_all(ours)
    assert process.wait(30) == 0
    process.stderr.close()
    assert b"\x1b[" in drawn
    assert "\x1b" not in program.run("status").stdout


def test_help_loads_nothing_heavy() -> None:
    """What a command does not need it does not load; Rich draws, so it comes last."""
    code = "import sys, tidegauge.cli.app; print(*{m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True
    )
    assert set(done.stdout.split()) & HEAVY == set()


ASK = """
import sys
from typer.testing import CliRunner
from tidegauge.cli.app import app

for words in (
    "log f1 0.5", "metrics search latency", "history latency_ms", "stats latency_ms --by hour",
    "compare a b", "sql select(1)", "features", "dashboard", "trend latency_ms", "jobs", "status",
    "drain", "aggregate", "export out.csv", "import out.csv", "export sqlite out.db",
    "import sqlite out.db", "compact", "doctor",
):
    done = CliRunner().invoke(app, words.split())
    if "pandas" in sys.modules or not isinstance(done.exception, (SystemExit, type(None))):
        sys.exit(f"{words}: {done.output}")
"""


def test_no_command_loads_pandas(program: Any) -> None:
    """Nothing that people look at is worth the half second that it takes."""
    program.fill(10)
    subprocess.run(
        [sys.executable, "-c", ASK], cwd=program.directory, env=program.environ, check=True
    )


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["metrics", "sh"], "show"),
        (["metrics", "show", "f1_s"], "f1_score"),
        (["stats", "usage:reply"], "usage:reply_rate"),
        (["stats", "latency_ms", "--mod"], ""),
    ],
)
def test_the_shell_completes(program: Any, words: list[str], completed: str) -> None:
    """Commands, and names of metrics, full or bare."""
    environ = {
        **program.environ,
        "_TIDEGAUGE_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["tidegauge", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("tidegauge")],
        env=environ,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == completed


def test_the_module_is_the_program(program: Any) -> None:
    """`python -m tidegauge.cli`, where the scripts of the environment are not on the path."""
    done = subprocess.run(
        [sys.executable, "-m", "tidegauge.cli", "--version"],
        env=program.environ,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("tidegauge ")


def _read_all(descriptor: int) -> bytes:
    """All that a program writes to a terminal."""
    read = b""
    while True:
        try:
            more = os.read(descriptor, 65536)
        except OSError:  # how a terminal says that its other end is closed
            break
        if not more:
            break
        read += more
    os.close(descriptor)
    return read


def _wait_for(condition: Any, limit_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
