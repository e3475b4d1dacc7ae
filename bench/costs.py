# SPDX-License-Identifier: Apache-2.0
"""What importing a bill costs: a FOCUS file of two million charges, and one of a tenth.

Each import is a process of its own, for its memory counts as well. The floor is what DuckDB alone
takes to read the same columns, sort them by day with the same memory, and write them to one file;
it too is a process of its own, and both take turns.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb

import measure
from measure import Limit, Report

FLOOR, OURS = "DuckDB reads, sorts and writes", "import_focus"
MEMORY = "256MB"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--charges", type=float, default=2e6)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    measure.add_arguments(parser)
    options = parser.parse_args(arguments)
    if options.run:
        return run_here(*options.run)
    charges = int(options.charges)
    report = Report(
        "costs", floor=FLOOR, sizes={"rounds": options.rounds, "charges": charges, "columns": 30}
    )
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        large, small = Path(directory) / "large.parquet", Path(directory) / "small.parquet"
        write_bill(large, charges)
        write_bill(small, charges // 10)
        report.values["size of the file, MiB"] = large.stat().st_size / 2**20
        imports(large, small, options.rounds, charges, report)
    return measure.finish(report, options, arguments)


def imports(large: Path, small: Path, rounds: int, charges: int, report: Report) -> None:
    samples: dict[str, list[float]] = {FLOOR: [], OURS: []}
    seconds, again_s, large_mib, small_mib = [], [], [], []
    for number in range(rounds + 1):
        with tempfile.TemporaryDirectory(dir=large.parent) as directory:
            floor_s, _ = measured("floor", large, directory)
            took_s, most_mib = measured("import", large, directory)
            once_more_s, _ = measured("import", large, directory)
            _, least_mib = measured("import", small, f"{directory}/small")
        if number:
            samples[FLOOR].append(floor_s * 1e9 / charges)
            samples[OURS].append(took_s * 1e9 / charges)
            seconds.append(took_s)
            again_s.append(once_more_s)
            large_mib.append(most_mib)
            small_mib.append(least_mib)
    report.timings += measure.timings(samples, floor=FLOOR)
    took_s = statistics.median(seconds)
    more_mib = statistics.median(large_mib) - statistics.median(small_mib)
    report.limits += [
        Limit(f"importing {charges:,} charges", took_s, "s", at_most=15),
        Limit("memory that ten times the charges take more", more_mib, "MiB", at_most=384),
    ]
    report.values |= {
        "charges per second": charges / took_s,
        "the same file again, s": statistics.median(again_s),
        "the most memory of the process, MiB": statistics.median(large_mib),
        "the same with a tenth of the charges, MiB": statistics.median(small_mib),
    }


def measured(what: str, path: Path, directory: str) -> tuple[float, float]:
    """Seconds and the most memory, MiB, of a process of its own."""
    program = [sys.executable, __file__, "--run", what, str(path), directory]
    told = subprocess.run(program, check=True, capture_output=True, text=True).stdout.split()
    return float(told[0]), float(told[1])


def run_here(what: str, path: str, directory: str) -> int:
    if what == "floor":
        started_s = time.perf_counter()
        sort_and_write(path, directory)
    else:
        from tidegauge.collect.focus import import_focus
        from tidegauge.store.store import Store

        started_s = time.perf_counter()
        import_focus(Store(f"{directory}/store"), [path])
    took_s = time.perf_counter() - started_s
    print(took_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return os.EX_OK


def sort_and_write(path: str, directory: str) -> None:
    config = {
        "memory_limit": MEMORY,
        "temp_directory": f"{directory}/spill",
        "preserve_insertion_order": False,
    }
    connection = duckdb.connect(config=config)
    columns = (
        "BilledCost, EffectiveCost, ListCost, BillingAccountId, BillingCurrency, "
        "BillingPeriodStart, ChargePeriodStart, ChargePeriodEnd, ChargeCategory, "
        "ChargeDescription, ConsumedQuantity, ConsumedUnit, ProviderName, RegionId, ResourceId, "
        "ServiceCategory, ServiceName, SkuId, SubAccountId, SubAccountName, Tags"
    )
    connection.execute(
        f"COPY (SELECT {columns} FROM '{path}' ORDER BY ChargePeriodStart::DATE) "
        f"TO '{directory}/floor.parquet' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    )


def write_bill(path: Path, charges: int) -> None:
    """A month of so many charges: 60 services, 40 accounts, 50,000 resources, in no order."""

    def one_of(*texts: str, seed: int) -> str:
        return f"{list(texts)}[1 + (hash(i * {seed}) % {len(texts)})::BIGINT]"

    def some(n: int, seed: int) -> str:
        return f"(hash(i * {seed}) % {n})::BIGINT"

    def amount(seed: int) -> str:
        return f"({some(10**9, seed)} / 1e8)::DECIMAL(18, 8)"

    hour = some(744, 1)
    columns = {
        "BilledCost": f"{amount(7)} * (CASE WHEN i % 50 = 0 THEN -1 ELSE 1 END)",
        "EffectiveCost": amount(11),
        "ListCost": amount(13),
        "ContractedCost": amount(17),
        "BillingAccountId": "'123456789012'",
        "BillingAccountName": "'Example'",
        "BillingCurrency": "'USD'",
        "BillingPeriodStart": "TIMESTAMP '2026-10-01'",
        "BillingPeriodEnd": "TIMESTAMP '2026-11-01'",
        "ChargePeriodStart": f"TIMESTAMP '2026-10-01' + to_hours({hour})",
        "ChargePeriodEnd": f"TIMESTAMP '2026-10-01' + to_hours({hour} + 1)",
        "ChargeCategory": one_of("Usage", "Usage", "Usage", "Purchase", "Tax", "Credit", seed=3),
        "ChargeClass": "NULL::VARCHAR",
        "ChargeDescription": f"'$0.0116 per unit of kind ' || {some(3000, 5)}",
        "ChargeFrequency": "'Usage-Based'",
        "ConsumedQuantity": f"{some(10_000, 19)} / 100.0",
        "ConsumedUnit": one_of("GB", "Hours", "Requests", seed=23),
        "InvoiceIssuerName": "'Amazon Web Services, Inc.'",
        "PricingQuantity": f"{some(10_000, 19)} / 100.0",
        "PricingUnit": "'Hours'",
        "ProviderName": "'AWS'",
        "PublisherName": "'AWS'",
        "RegionId": one_of("us-east-1", "eu-west-1", "eu-central-1", "ap-south-1", seed=29),
        "ResourceId": "'arn:aws:ec2:us-east-1:123456789012:instance/i-' || "
        f"lpad({some(50_000, 31)}::VARCHAR, 17, '0')",
        "ServiceCategory": one_of("Compute", "Storage", "AI and Machine Learning", seed=37),
        "ServiceName": f"'Amazon Service ' || {some(60, 37)}",
        "SkuId": f"'SKU' || {some(5000, 41)}",
        "SubAccountId": f"lpad({some(40, 43)}::VARCHAR, 12, '0')",
        "SubAccountName": f"'account ' || {some(40, 43)}",
        "Tags": f'\'{{"team": "t\' || {some(30, 47)} || \'", "env": "prod"}}\'',
    }
    chosen = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    duckdb.connect().execute(
        f"COPY (SELECT {chosen} FROM range({charges}) AS t(i)) TO '{path}' (FORMAT parquet)"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
