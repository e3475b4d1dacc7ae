# SPDX-License-Identifier: Apache-2.0
"""What honest correlation costs: 20 metrics beside 20 others, over a year of days.

The floor is what such a question usually gets: `scipy.stats.pearsonr` on each of the 400 pairs,
which looks at one lag, takes days for independent and gives no interval. Beside it stands the same
with scipy's bootstrap of 999 draws for each pair, on ten of the pairs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

# Set before numpy starts its threads: times are of one core.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
from scipy import stats

import measure
from measure import Case, Limit, Report
from tidegauge.statistics.correlation.grid import Grid
from tidegauge.statistics.correlation.recipe import DRAWS, Recipe
from tidegauge.statistics.correlation.relate import Observed, relate

FLOOR, BOOTSTRAP = "scipy's pearsonr, lag 0", "the same with scipy's bootstrap"
OURS, QUICK = "tidegauge, 15 lags, intervals", "tidegauge, 15 lags, no intervals"
EACH, FEW = 20, 10
GRID = Grid(20_458 * 86_400_000_000, 86_400, 365)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    measure.add_arguments(parser)
    options = parser.parse_args(arguments)
    values = walks()
    series = [Observed(f"s{number}", each) for number, each in enumerate(values)]
    pairs = [(one, EACH + other) for one in range(EACH) for other in range(EACH)]
    report = Report(
        "correlation",
        floor=FLOOR,
        sizes={"rounds": options.rounds, "pairs": len(pairs), "days": GRID.n, "draws": DRAWS},
    )
    cases = [
        Case(FLOOR, lambda: naive(values, pairs), len(pairs)),
        Case(BOOTSTRAP, lambda: bootstrapped(values, pairs[:FEW]), FEW),
        Case(QUICK, lambda: relate(series, pairs, GRID, Recipe(draws=0)), len(pairs)),
        Case(OURS, lambda: relate(series, pairs, GRID, Recipe()), len(pairs)),
    ]
    samples = measure.interleave(cases, rounds=options.rounds, warm_up=1)
    report.timings += measure.timings(samples, floor=FLOOR)
    took_s = {timing.name: timing.ns * len(pairs) / 1e9 for timing in report.timings}
    name = f"{len(pairs)} pairs of {GRID.n} days, on one core"
    report.limits.append(Limit(name, took_s[OURS], "s", at_most=5))
    return measure.finish(report, options, arguments)


def walks() -> np.ndarray:
    """Series with a memory and a week; shape (2 * EACH, days)."""
    noise = np.random.default_rng(1).normal(size=(2 * EACH, GRID.n))
    for step in range(1, GRID.n):
        noise[:, step] += 0.9 * noise[:, step - 1]
    week = np.array([1.0, 0, 2, 0, 3, -4, -2])
    return noise + week[np.arange(GRID.n) % 7]


def naive(values: np.ndarray, pairs: Sequence[tuple[int, int]]) -> None:
    for one, other in pairs:
        stats.pearsonr(values[one], values[other])


def bootstrapped(values: np.ndarray, pairs: Sequence[tuple[int, int]]) -> None:
    for one, other in pairs:
        found = stats.pearsonr(values[one], values[other])
        found.confidence_interval(method=stats.BootstrapMethod(n_resamples=DRAWS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
