# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C in the middle of a question."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the parent made of it
from tidegauge.catalog import builtin_catalog
from tidegauge.query.query import Query
from tidegauge.store.store import Store

query = Query(Store("store"), builtin_catalog())
endless = "SELECT count(*) FROM range(1_000_000_000_000) t(i) WHERE i % 7 = -1"
query.sql("SELECT 1")
print("asking", flush=True)
try:
    query.sql(endless)
except KeyboardInterrupt:
    print("interrupted", query.sql("SELECT 2").fetchall(), flush=True)
"""


@pytest.mark.system
def test_ctrl_c_ends_a_query(tmp_path: Path) -> None:
    """The program gets KeyboardInterrupt within seconds, and can go on asking."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "asking\n"
    time.sleep(0.3)  # into the query; earlier or later is right as well
    process.send_signal(signal.SIGINT)
    try:
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert output == "interrupted [(2,)]\n", errors
