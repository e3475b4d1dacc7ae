# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: interleaved rounds, ratios within a round, limits, and the report.

How a ratio comes about. A round runs every case once, one after the other, and a case's ratio is
its time divided by the floor's time *of the same round*. The number reported is the median over the
rounds. So whatever slows the whole machine down for a while hits both sides of a division, and
what hits one case of one round is outvoted. The first rounds are not counted. The garbage collector
begins every case with nothing to do, and then runs as it does in any program.

No number here is a test of the package in continuous integration: machines there vary too much.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = [
    "SCALE",
    "Case",
    "Limit",
    "Report",
    "Timing",
    "add_arguments",
    "finish",
    "interleave",
    "resident_bytes",
    "temporary_store",
    "timings",
    "warm_heap",
]

#: Rounds whose times are thrown away.
WARM_UP = 3

#: How much larger than by default the runs are that take long.
SCALE = float(os.environ.get("BENCH_SCALE", "1"))


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to time.

    Attributes:
        name: What is printed.
        run: Does `calls` calls; this is what is timed.
        calls: How many calls, or values, one `run` stands for.
        prepare: Run before `run` in each round, outside the clock.
        tidy: Run after it, outside the clock.
        clock: Tells the time in nanoseconds. For work of one thread that waits for nothing,
            `time.thread_time_ns` is the clock that other programs on the machine disturb least:
            by the wall, they hit a long case more often than a short floor.
    """

    name: str
    run: Callable[[], object]
    calls: int
    prepare: Callable[[], object] = lambda: None
    tidy: Callable[[], object] = lambda: None
    clock: Callable[[], int] = time.perf_counter_ns


@dataclass(frozen=True, slots=True)
class Timing:
    """What the rounds say about one case.

    Attributes:
        name: The case's name.
        ns: Nanoseconds per call, median over the rounds.
        ratio: Times the floor, median of the ratios within each round.
        ratio_low: A quarter of the rounds had a lower ratio.
        ratio_high: A quarter of the rounds had a higher ratio.
    """

    name: str
    ns: float
    ratio: float
    ratio_low: float
    ratio_high: float


@dataclass(frozen=True, slots=True)
class Limit:
    """A number and what it may be at most, or at least.

    Attributes:
        name: What is measured.
        value: What was measured.
        unit: Of both, such as `x`, `ms`, `points/s`.
        at_most: The limit, if the value must not exceed it.
        at_least: The limit, if the value must reach it.
    """

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether the value keeps to the limit."""
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def text(self) -> str:
        """The limit in words."""
        if self.at_most is not None:
            return f"≤ {self.at_most:,g} {self.unit}"
        return f"≥ {self.at_least:,g} {self.unit}"


@dataclass(slots=True)
class Report:
    """Everything a script found out; its JSON is what the documentation is made from.

    Attributes:
        benchmark: Name of the script.
        floor: What ratios refer to, in words.
        sizes: How much was done: rounds, calls, points.
        timings: Results of `interleave`.
        limits: Numbers with a limit.
        values: Other numbers, by name with unit.
        rows: Rows of a table of the script's own, if it has one.
        notes: Whatever a reader of the numbers must know.
    """

    benchmark: str
    floor: str = ""
    sizes: dict[str, float] = field(default_factory=dict)
    timings: list[Timing] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self, arguments: Sequence[str]) -> dict[str, Any]:
        """The report with the machine and the command it comes from."""
        limits = [
            {**asdict(limit), "is_met": limit.is_met, "text": limit.text} for limit in self.limits
        ]
        return {
            **asdict(self),
            "limits": limits,
            "command": " ".join(["python", f"bench/{self.benchmark}.py", *arguments]),
            "machine": machine(),
        }


def interleave(
    cases: Sequence[Case], *, rounds: int, warm_up: int = WARM_UP
) -> dict[str, list[float]]:
    """Time the cases in rounds: A B C, A B C, …

    Returns:
        Nanoseconds per call of each counted round, by case.
    """
    samples: dict[str, list[float]] = {case.name: [] for case in cases}
    for number in range(warm_up + rounds):
        for case in cases:
            case.prepare()
            gc.collect()
            start_ns = case.clock()
            case.run()
            took_ns = case.clock() - start_ns
            case.tidy()
            if number >= warm_up:
                samples[case.name].append(took_ns / case.calls)
    return samples


def timings(samples: Mapping[str, Sequence[float]], *, floor: str) -> list[Timing]:
    """Turn the samples of `interleave` into medians of ratios to the case `floor`."""
    found = []
    for name, each in samples.items():
        ratios = [one / base for one, base in zip(each, samples[floor], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        found.append(Timing(name, statistics.median(each), middle, low, high))
    return found


def warm_heap(size_bytes: int) -> list[object]:
    """Touch memory that the interpreter then keeps, so that no case pays for fresh pages.

    A floor that appends to a list would otherwise measure the kernel handing out zeroed pages,
    which triples it, and every ratio would look three times better than it is.

    Returns:
        What keeps the memory from being given back: hold it for as long as the measurement takes.
    """
    rows: list[object] = [(1, 2**40 + number, number / 7) for number in range(size_bytes // 120)]
    # An arena of 1 MiB stays for as long as one object lives in it; this keeps several in each.
    return rows[::1000]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that every benchmark has."""
    parser.add_argument("--json", metavar="FILE", help="write the report there; - for stdout")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a limit is missed")
    parser.add_argument("--directory", help="where to put stores; the system's default if unset")


def finish(report: Report, options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Print the report, write its JSON if asked for, and say how the script should exit."""
    text = json.dumps(report.as_json(arguments), indent=2, ensure_ascii=False) + "\n"
    if options.json == "-" or (options.json is None and not sys.stdout.isatty()):
        sys.stdout.write(text)
    else:
        if options.json is not None:
            Path(options.json).write_text(text)
        _print(report)
    missed = [limit for limit in report.limits if not limit.is_met]
    for limit in missed:
        sys.stderr.write(
            f"{report.benchmark}: {limit.name} is {limit.value:,.4g} {limit.unit}, "
            f"which misses the limit {limit.text}\n"
        )
    return 1 if missed and options.check else 0


@contextlib.contextmanager
def temporary_store(directory: str | None) -> Iterator[Path]:
    """A place for a store that is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="tidegauge-bench-", dir=directory))
    try:
        yield path / "store"
    finally:
        shutil.rmtree(path, ignore_errors=True)


def resident_bytes(pid: int | None = None) -> int:
    """Memory of a process that is neither swapped out nor shared through files, in bytes.

    Mapped files, such as the journal's segments, are page cache: the kernel takes it back when it
    wants to, so it does not count.
    """
    status = Path(f"/proc/{pid or os.getpid()}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    packages = ("tidegauge", "deltalake", "duckdb", "msgspec", "numpy", "pyarrow")
    return {
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "file_system": _file_system(Path(tempfile.gettempdir())),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "python_optimised": "--enable-optimizations" in _build_arguments(),
        "packages": {name: metadata.version(name) for name in packages},
        "load_before": round(_LOAD_AT_START, 2),
    }


def _print(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if report.timings:
        table = Table(title=f"{report.benchmark}: times the floor ({report.floor})")
        for column in ("case", "ns/call", "ratio", "middle half of the rounds"):
            table.add_column(column, justify="left" if column == "case" else "right")
        for timing in report.timings:
            between = f"{timing.ratio_low:.2f} – {timing.ratio_high:.2f}"
            table.add_row(timing.name, f"{timing.ns:,.0f}", f"{timing.ratio:.2f}", between)
        console.print(table)
    if report.rows:
        table = Table(title=report.benchmark)
        for column in report.rows[0]:
            table.add_column(column.replace("_", " "))
        for row in report.rows:
            table.add_row(*(_shown(value) for value in row.values()))
        console.print(table)
    if report.limits:
        table = Table("what", "measured", "limit", "met", title=f"{report.benchmark}: limits")
        for limit in report.limits:
            met = "yes" if limit.is_met else "[bold red]NO[/]"
            table.add_row(limit.name, f"{_shown(limit.value)} {limit.unit}", limit.text, met)
        console.print(table)
    for name, value in report.values.items():
        console.print(f"{name}: {_shown(value)}")
    for note in report.notes:
        console.print(f"note: {note}")


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "–" if value is None else str(value)


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _file_system(path: Path) -> str:
    command = ["stat", "--file-system", "--format=%T", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _build_arguments() -> str:
    return str(sysconfig.get_config_var("CONFIG_ARGS") or "")


_LOAD_AT_START = os.getloadavg()[0]
