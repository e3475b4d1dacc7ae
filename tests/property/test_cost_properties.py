# SPDX-License-Identifier: Apache-2.0
"""Laws of bills: the table has what the files have, to the last place, however often they come."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge.collect.focus import import_focus
from tidegauge.store.snapshot import snapshot
from tidegauge.store.store import Store

AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, places=8, allow_nan=False)
ROWS = st.lists(
    st.tuples(
        st.integers(1, 3),  # month
        st.integers(1, 28),
        AMOUNTS,
        st.sampled_from(["Usage", "Credit", "Tax"]),
        st.sampled_from(["S3", "EC2, with a comma", 'a "quoted" one', ""]),
    ),
    min_size=1,
    max_size=30,
)
HEADER = "BilledCost,BillingCurrency,ChargePeriodStart,ProviderName,ServiceName,ChargeCategory\n"


@settings(max_examples=10, deadline=None)
@given(first=ROWS, second=ROWS)
def test_the_table_has_the_total_of_the_files(
    first: list[tuple[int, int, Decimal, str, str]],
    second: list[tuple[int, int, Decimal, str, str]],
) -> None:
    """Exactly; of a period that comes again, that of the later file."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "store")
        for rows in (first, second, second):
            path = Path(directory) / "focus.csv"
            path.write_text(HEADER + "".join(map(line, rows)))
            done = import_focus(store, [path])
            assert done.billed_cost == sum((row[2] for row in rows), Decimal())
        later = {row[0] for row in second}
        left = [row for row in first if row[0] not in later] + second
        connection = duckdb.connect()
        snapshot(store, "costs").register(connection, "costs")
        found = connection.execute(
            "SELECT charge_category, sum(billed_cost), count(*) FROM costs GROUP BY 1"
        ).fetchall()
        expected: dict[str, tuple[Decimal, int]] = {}
        for _, _, amount, category, _ in left:
            total, count = expected.get(category, (Decimal(), 0))
            expected[category] = (total + amount, count + 1)
        assert {name: (total, count) for name, total, count in found} == expected


def line(row: tuple[int, int, Decimal, str, str]) -> str:
    """A line of CSV."""
    month, day, amount, category, service = row
    quoted = '"' + service.replace('"', '""') + '"'
    return f"{amount},USD,2026-{month:02}-{day:02}T00:00:00Z,AWS,{quoted},{category}\n"
