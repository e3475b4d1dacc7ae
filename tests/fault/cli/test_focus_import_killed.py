# SPDX-License-Identifier: Apache-2.0
"""An import of a FOCUS file that is killed: the table has all of the old bill, or of the new."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

ROWS = 60_000
MOST_KILLS = 6


@pytest.mark.repeat
@pytest.mark.timeout(300)
def test_a_killed_import_leaves_one_whole_bill(tmp_path: Path) -> None:
    """Killed at random moments, with the period there before; the next import goes through."""
    old, new = _file(tmp_path, 1), _file(tmp_path, 2)
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_VERSION"}
    environ["TIDEGAUGE_STORE"] = str(tmp_path / "store")
    program = str(Path(sys.executable).with_name("tidegauge"))
    command = [program, "cost", "import", "focus"]
    whole = {1: {"n": ROWS, "total": ROWS}, 2: {"n": ROWS, "total": 2 * ROWS}}

    def stored() -> object:
        question = "select count(*) as n, sum(billed_cost)::bigint as total from costs"
        out = subprocess.check_output([program, "sql", question, "--json"], env=environ)
        (row,) = json.loads(out)
        return row

    started_s = time.monotonic()
    subprocess.check_call([*command, str(old), "--json"], env=environ, stdout=subprocess.DEVNULL)
    took_s = time.monotonic() - started_s
    assert stored() == whole[1]
    kills, files = 0, [new, old]
    for number in range(MOST_KILLS):
        process = subprocess.Popen([*command, str(files[number % 2])], env=environ)
        time.sleep(random.uniform(0.3, 1.0) * took_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += process.returncode == -signal.SIGKILL
        assert stored() in whole.values()
    assert kills
    subprocess.check_call([*command, str(new), "--json"], env=environ, stdout=subprocess.DEVNULL)
    assert stored() == whole[2]


def _file(directory: Path, cost: int) -> Path:
    """A file of October in which every charge costs the same."""
    path = directory / f"focus-{cost}.parquet"
    duckdb.connect().execute(
        f"COPY (SELECT {cost}::DECIMAL(10, 2) AS BilledCost, 'USD' AS BillingCurrency, "
        "TIMESTAMP '2026-10-01' + to_hours((i % 744)::BIGINT) AS ChargePeriodStart, "
        "'AWS' AS ProviderName, 'Service ' || i % 50 AS ServiceName, '1' AS BillingAccountId "
        f"FROM range({ROWS}) AS t(i)) TO '{path}' (FORMAT parquet)"
    )
    return path
