# SPDX-License-Identifier: Apache-2.0
"""False alarms and delays of detection, and false verdicts of drift."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from simulations.study import Study, Table, autoregressive
from tidegauge.statistics.detection.cusum import Cusum
from tidegauge.statistics.detection.edetector import EDetector
from tidegauge.statistics.detection.monitor import METHODS, Method, Monitor, fit_monitor
from tidegauge.statistics.drift.counts import counted_values
from tidegauge.statistics.drift.drift import drift_of
from tidegauge.statistics.drift.effects import population_stability

__all__ = ["STUDIES"]

DAY_S, HOUR_S = 86_400, 3_600

Noise = Callable[[np.random.Generator, int], np.ndarray]


def run_lengths() -> Table:
    target, series = 1000, 60
    table = Table(
        f"Steps between two false alarms, divided by the {target} that were asked for. Of {series} "
        "series with a weekly pattern, learned from 16 weeks of days or 4 weeks of hours, watched "
        "for five times the target; phi is how strongly a value follows the one before; t₃ has "
        "heavy tails. The naive CUSUM has the median, the deviation "
        "and a threshold for independent normal values.",
        ("days, phi 0", "days, phi 0.5", "hours, phi 0", "hours, phi 0.5", "hours, t₃, phi 0.5"),
        digits=2,
    )
    cases = [
        (112, DAY_S, _normal(0.0)),
        (112, DAY_S, _normal(0.5)),
        (672, HOUR_S, _normal(0.0)),
        (672, HOUR_S, _normal(0.5)),
        (672, HOUR_S, _heavy(0.5)),
    ]
    for method in METHODS:
        figures = [_false_alarms(case, target, series, method) for case in cases]
        table.add(method.upper(), figures, least=0.8, most=3.0)
    table.add("naive CUSUM", [_false_alarms(case, target, series, None) for case in cases])
    return table


def delays() -> Table:
    shifts = (0.5, 1.0, 2.0, 3.0)
    table = Table(
        "Steps until a shift is noticed, on average over 150 series that were learned from four "
        "weeks of hours, with a false alarm in 1000 steps; shifts in deviations of what the past "
        "does not explain. A change that is not noticed within 400 steps counts as 400.",
        tuple(f"{shift:g} deviations" for shift in shifts),
        digits=1,
    )
    for method in METHODS:
        figures = [_delay(method, 0.0, shift) for shift in shifts]
        table.add(f"{method.upper()}, independent", figures, most=100)
    table.add(
        "CUSUM, phi 0.5",
        [_delay("cusum", 0.5, shift) for shift in shifts],
        most=100,
    )
    return table


def e_detector_run_lengths() -> Table:
    target = 10_000
    table = Table(
        f"Steps between two false alarms where exactly what is tolerated happens; {target} were "
        "asked for. 100 streams of 40 000 steps.",
        ("failures, 2 %", "shares, deviation 0.1"),
        digits=0,
    )
    rng = np.random.default_rng(21)
    failed = (rng.random((100, 40_000)) < 0.02).astype(float)
    shares = rng.normal(0.5, 0.1, size=(100, 40_000)).clip(0, 1)
    for form, name in (("sr", "Shiryaev and Roberts"), ("cusum", "Page")):
        figures = [
            values.size / max(len(_e_alarms(values, tolerated, target, form)), 1)
            for values, tolerated in ((failed, 0.02), (shares, 0.5))
        ]
        table.add(name, figures, least=target)
    return table


def e_detector_delays() -> Table:
    rates = (0.03, 0.04, 0.06, 0.10)
    table = Table(
        "Requests until an alarm where more than the 2 % fail that are tolerated, with a false "
        "alarm in 10 000 requests at most; on average over 200 streams.",
        tuple(f"{rate:.0%} fail" for rate in rates),
        digits=0,
    )
    for form, name in (("sr", "Shiryaev and Roberts"), ("cusum", "Page")):
        figures = []
        for rate in rates:
            failed = np.random.default_rng(22).random((200, 8000)) < rate
            first = dict(reversed(_e_alarms(failed.astype(float), 0.02, 10_000, form)))
            figures.append(np.mean([first.get(stream, 8000) for stream in range(200)]))
        table.add(name, figures, most=2500 if form == "sr" else None)
    return table


def drift_without_drift() -> Table:
    sizes, repeats = (50, 100, 200, 500, 1000), 150
    table = Table(
        f"Share of {repeats} pairs of windows from the same normal distribution that are called "
        "drift, by the number of values of each. The index alone has as many equal bins as Sturges "
        "says, and 0.0001 for empty ones.",
        tuple(f"{size} values" for size in sizes),
        digits=2,
    )
    ours, naive, tested = [], [], []
    for size in sizes:
        rng = np.random.default_rng(23)
        found = np.zeros(3)
        for _ in range(repeats):
            before, now = rng.normal(size=size), rng.normal(size=size)
            found += [
                bool(drift_of(counted_values(before, now)).is_drift),
                _plain_index(before, now) >= 0.1,
                stats.wasserstein_distance(before, now) / before.std() >= 0.1,
            ]
        for figures, count in zip((ours, naive, tested), found, strict=True):
            figures.append(count / repeats)
    table.add("lower end above 0.1", ours, most=0.05)
    table.add("PSI ≥ 0.1", naive)
    table.add("Wasserstein ≥ 0.1 deviations", tested)
    return table


def drift_of_days() -> Table:
    repeats = 150
    table = Table(
        f"Share of {repeats} pairs of 14 days of 100 values that are said to have shifted, without "
        "a shift, by how strongly a value follows the one before.",
        ("phi 0", "phi 0.5", "phi 0.9"),
        digits=2,
    )
    days = np.repeat(np.arange(14), 100)
    ours, tested = [], []
    for phi in (0.0, 0.5, 0.9):
        found = np.zeros(2)
        pairs = autoregressive(np.random.default_rng(24), phi, 1400, count=2 * repeats)
        for before, now in zip(pairs[::2], pairs[1::2], strict=True):
            drift = drift_of(counted_values(before, now, reference_days=days, current_days=days))
            found += [drift.direction is not None, stats.ks_2samp(before, now).pvalue < 0.05]
        ours.append(found[0] / repeats)
        tested.append(found[1] / repeats)
    table.add("bootstrap of days", ours, most=0.1)
    table.add("Kolmogorov-Smirnov, p < 0.05", tested)
    return table


def drift_of_days_that_resemble_each_other() -> Table:
    repeats = 60
    table = Table(
        f"Share of {repeats} pairs of 28 days and the days after them, of 30 values each, that are "
        "said to have shifted, without a shift. A fifth of the variance is that of the levels of "
        "days; phi is how strongly the level of a day follows that of the day before.",
        ("7 days, phi 0", "7 days, phi 0.5", "7 days, phi 0.8", "1 day, phi 0.5"),
        digits=2,
    )
    cases = ((7, 0.0), (7, 0.5), (7, 0.8), (1, 0.5))
    for name, block in (("bootstrap of days", "day"), ("of independent blocks", "block")):
        figures = []
        for count, phi in cases:
            levels = autoregressive(np.random.default_rng(25), phi, 28 + count, count=repeats)
            levels *= np.sqrt(1 - phi**2)
            rng, found = np.random.default_rng(26), 0
            days = np.repeat(np.arange(28 + count), 30)
            for level in levels:
                values = np.sqrt(0.2) * level[days] + rng.normal(0, np.sqrt(0.8), size=len(days))
                before, now = slice(0, 28 * 30), slice(28 * 30, None)
                counts = counted_values(
                    values[before],
                    values[now],
                    reference_days=days[before],
                    current_days=days[now],
                    block=block,
                )
                found += drift_of(counts).direction is not None
            figures.append(found / repeats)
        table.add(name, figures, most=0.15 if block == "day" else None)
    return table


def _false_alarms(
    case: tuple[int, int, Noise], target: int, series: int, method: Method | None
) -> float:
    """Steps between false alarms, of the target."""
    history, step_s, noise = case
    watched, alarms = 5 * target, 0
    times_us = np.arange(history + watched) * step_s * 1_000_000
    weekly = np.sin(2 * np.pi * times_us / (7 * DAY_S * 1e6))
    for number in range(series):
        values = noise(np.random.default_rng((30, number)), len(times_us)) + weekly
        past, now = values[:history], values[history:]
        if method is None:
            scores = (now - weekly[history:] - np.median(past)) / np.std(past - weekly[:history])
            signals = Cusum.begin(5.757).update(scores)
            alarms += sum(signal.kind == "alarm" for signal in signals)
            continue
        monitor = fit_monitor(times_us[:history], past, step_s, run_length=target, method=method)
        assert isinstance(monitor, Monitor)
        notices = monitor.update(times_us[history:], now)
        alarms += sum(notice.kind == "alarm" for notice in notices)
    return series * watched / max(alarms, 1) / target


def _delay(method: Method, phi: float, shift: float) -> float:
    history, watched = 672, 400
    times_us = np.arange(history + watched) * HOUR_S * 1_000_000
    took = []
    for number in range(150):
        values = autoregressive(np.random.default_rng((31, number)), phi, history + watched)[0]
        # So that what the past does not explain has a step of that size in the long run.
        values[history:] += shift * np.sqrt((1 + phi) / (1 - phi))
        monitor = fit_monitor(
            times_us[:history], values[:history], HOUR_S, run_length=1000, method=method
        )
        assert isinstance(monitor, Monitor)
        notices = monitor.update(times_us[history:], values[history:])
        rises = (n.time_us for n in notices if n.kind == "alarm" and n.rises)
        first_us = next(rises, int(times_us[-1]))
        took.append((first_us - int(times_us[history])) / (HOUR_S * 1e6) + 1)
    return float(np.mean(took))


def _e_alarms(values: np.ndarray, tolerated: float, target: int, form: str) -> list:
    detector = EDetector.begin(tolerated, target, form=form, n_series=len(values))
    return detector.update(values)


def _plain_index(before: np.ndarray, now: np.ndarray) -> float:
    edges = np.histogram_bin_edges(np.concatenate([before, now]), bins="sturges")
    shares = [np.histogram(each, edges)[0] / len(each) for each in (before, now)]
    return float(population_stability(*(np.maximum(each, 1e-4) for each in shares)))


def _normal(phi: float) -> Noise:
    return lambda rng, count: autoregressive(rng, phi, count)[0]


def _heavy(phi: float) -> Noise:
    def noise(rng: np.random.Generator, count: int) -> np.ndarray:
        values = rng.standard_t(3, size=count + 200)
        for step in range(1, len(values)):
            values[step] += phi * values[step - 1]
        return values[200:]

    return noise


STUDIES: tuple[Study, ...] = (
    run_lengths,
    delays,
    e_detector_run_lengths,
    e_detector_delays,
    drift_without_drift,
    drift_of_days,
    drift_of_days_that_resemble_each_other,
)
