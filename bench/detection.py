# SPDX-License-Identifier: Apache-2.0
"""How fast series are watched, and how well changes of their levels are found.

Speed is of a million values: one series of a million steps, and a thousand series of a thousand.
The floor is numpy's running sum of the same. ADWIN and the Page-Hinkley test of river look at one
value at a time and stand beside it.

Changes are those of the seven series of the Turing Change Point Dataset that river brings along,
with five annotators each, sampled as the dataset's own scripts do; the score is that of its
benchmark. `ZERO` says that nothing ever changes.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import river.drift
from river.drift import datasets

import measure
from measure import Case, Limit, Report
from tidegauge.statistics.detection.baseline import fit_baseline
from tidegauge.statistics.detection.cusum import Cusum
from tidegauge.statistics.detection.edetector import EDetector
from tidegauge.statistics.detection.ewma import Ewma
from tidegauge.statistics.detection.segments import segmented

FLOOR = "numpy: a running sum"
POINTS = 1_000_000
RIVER_POINTS = 20_000
# Three months, of which segments are a matter of the square.
HOURS = 2_000
MARGIN = 5


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    measure.add_arguments(parser)
    options = parser.parse_args(arguments)
    report = Report("detection", floor=FLOOR, sizes={"rounds": options.rounds, "points": POINTS})
    speed(options.rounds, report)
    changes(report)
    return measure.finish(report, options, arguments)


def speed(rounds: int, report: Report) -> None:
    rng = np.random.default_rng(1)
    one, many = rng.normal(size=(1, POINTS)), rng.normal(size=(1000, POINTS // 1000))
    failed = {1: (one > 2).astype(float), 1000: (many > 2).astype(float)}
    times_us = np.arange(POINTS) * 60_000_000
    baseline = fit_baseline(times_us[:60_000], one[0, :60_000], 60).baseline
    cases = [
        Case(FLOOR, lambda: np.cumsum(many, axis=1), POINTS),
        Case("baseline", lambda: baseline.z(times_us, one[0]), POINTS),
    ]
    for values, count in ((one, 1), (many, 1000)):
        told = "one series" if count == 1 else "1000 series"
        cases += [
            Case(
                f"CUSUM, {told}",
                lambda v=values, n=count: Cusum.begin(np.full(n, 10.6)).update(v),
                POINTS,
            ),
            Case(
                f"EWMA, {told}",
                lambda v=values, n=count: Ewma.begin(np.full(n, 4.44)).update(v),
                POINTS,
            ),
            Case(
                f"e-detector, {told}",
                lambda n=count: EDetector.begin(0.025, 1e5, n_series=n).update(failed[n]),
                POINTS,
            ),
        ]
    cases.append(Case("segments", lambda: segmented(one[0, :HOURS]), HOURS))
    few = one[0, :RIVER_POINTS].tolist()
    cases += [
        Case("river: ADWIN", lambda: each(river.drift.ADWIN(), few), RIVER_POINTS),
        Case("river: Page-Hinkley", lambda: each(river.drift.PageHinkley(), few), RIVER_POINTS),
    ]
    timings = measure.timings(measure.interleave(cases, rounds=rounds, warm_up=1), floor=FLOOR)
    report.timings += timings
    for timing in timings:
        per_second = 1e9 / timing.ns
        if timing.name == "segments":
            report.limits.append(Limit(timing.name, per_second, "values/s", at_least=2_000))
        elif timing.name == FLOOR or timing.name.startswith("river"):
            report.values[f"{timing.name}, values/s"] = per_second
        else:
            report.limits.append(Limit(timing.name, per_second, "values/s", at_least=1e6))


def each(detector, values: list[float]) -> None:
    for value in values:
        detector.update(value)


def changes(report: Report) -> None:
    ours, zero = [], []
    for name, (values, marked) in annotated().items():
        found = [segment.start for segment in segmented(values)[1:]]
        ours.append((f1(marked, found), covering(marked, found, len(values))))
        zero.append((f1(marked, []), covering(marked, [], len(values))))
        report.rows.append(
            {
                "series": name,
                "steps": len(values),
                "changes": len(found),
                "F1": ours[-1][0],
                "covering": ours[-1][1],
                "F1 of ZERO": zero[-1][0],
                "covering of ZERO": zero[-1][1],
            }
        )
    (our_f1, our_cover), (zero_f1, zero_cover) = (
        np.mean(scores, axis=0).tolist() for scores in (ours, zero)
    )
    report.limits += [
        Limit("F1 of changes, mean of seven series", our_f1, "", at_least=0.645),
        Limit("F1, times that of ZERO", our_f1 / zero_f1, "x", at_least=1.0),
        Limit("covering, times that of ZERO", our_cover / zero_cover, "x", at_least=1.0),
    ]
    report.notes.append(
        "0.645 is the F1 of ZERO over all univariate series of the benchmark, of which seven are "
        "here; of series with several columns only the first is looked at."
    )


def annotated() -> dict[str, tuple[np.ndarray, dict[str, list[int]]]]:
    """The first column of each series, sampled as the dataset is."""
    brent = rows_of("brent_crude_oil")[::10]
    from_2000 = next(n for n, row in enumerate(brent) if row["day"].endswith("2000"))
    return {
        "airline passengers": (
            column("airline_passengers", "Total Passengers"),
            datasets.AirlinePassengers().annotations,
        ),
        "apple": (column("apple", "Close")[1::3], datasets.Apple().annotations),
        "bitcoin": (column("bitcoin", "price")[:774], datasets.Bitcoin().annotations),
        "brent": (
            np.array([float(row["DPB"]) for row in brent[from_2000:]]),
            datasets.BrentSpotPrice().annotations,
        ),
        "occupancy": (column("occupancy", "V1"), datasets.Occupancy().annotations),
        "run log": (column("run_log", "Pace"), datasets.RunLog().annotations),
        "coal": (column("uk_coal_employment", "Employment"), datasets.UKCoalEmploy().annotations),
    }


def rows_of(name: str) -> list[dict[str, str]]:
    path = Path(datasets.__file__).parent / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def column(name: str, key: str) -> np.ndarray:
    return np.array([float(row[key]) for row in rows_of(name)])


def hits(truth: set[int], found: set[int]) -> int:
    """How many true changes have a found one within the margin, each found one used once."""
    left, count = set(found), 0
    for place in sorted(truth):
        near = min((abs(place - each), each) for each in left) if left else (MARGIN + 1, 0)
        if near[0] <= MARGIN:
            left.remove(near[1])
            count += 1
    return count


def f1(annotations: dict[str, list[int]], found: list[int]) -> float:
    """Precision against what anybody has marked, recall against each annotator (van den Burg)."""
    marked = [{0, *places} for places in annotations.values()]
    chosen = {0, *found}
    precision = hits(set().union(*marked), chosen) / len(chosen)
    recall = np.mean([hits(each, chosen) / len(each) for each in marked])
    return float(2 * precision * recall / (precision + recall))


def covering(annotations: dict[str, list[int]], found: list[int], n: int) -> float:
    """How well the segments of each annotator are covered, on average."""

    def parts(places: Sequence[int]) -> list[tuple[int, int]]:
        cuts = [0, *sorted({each for each in places if 0 < each < n}), n]
        return list(itertools.pairwise(cuts))

    def overlap(one: tuple[int, int], other: tuple[int, int]) -> float:
        both = max(0, min(one[1], other[1]) - max(one[0], other[0]))
        return both / ((one[1] - one[0]) + (other[1] - other[0]) - both)

    ours = parts(found)
    covers = [
        sum((part[1] - part[0]) * max(overlap(part, each) for each in ours) for part in parts(a))
        for a in annotations.values()
    ]
    return float(np.mean(covers) / n)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
