# SPDX-License-Identifier: Apache-2.0
"""Whether `measure_impact` sees changes, and only those that there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

import tidegauge as tg
from simulations.study import Study, Table, autoregressive
from tidegauge.statistics.impact.result import Impact

__all__ = ["STUDIES"]

_DAYS = 28
_MEMORIES = (0.0, 0.3, 0.5, 0.8)
_LEVEL = 10.0


def false_alarms() -> Table:
    """How often nothing is called a change."""
    table = Table(
        "28 days before and 28 after a date on which nothing happens, AR(1) with memory φ; 300 "
        "series each, 150 with history. A figure is the share of series in which a change is "
        "found with 95 % confidence.",
        tuple(f"φ = {phi:g}" for phi in _MEMORIES),
    )
    rng = np.random.default_rng(1)
    short = [_series(rng, phi, _DAYS, 300) for phi in _MEMORIES]
    year = [_series(rng, phi, 365, 150) for phi in _MEMORIES]
    months = [_series(rng, phi, 112, 150) for phi in _MEMORIES]
    table.add("Welch's test of days", [_share(_welch, series) for series in short])
    table.add("measure_impact, no history", [_alarms(each) for each in short], most=0.08)
    table.add("measure_impact, 112 days before", [_alarms(each) for each in months], most=0.08)
    table.add("measure_impact, a year before", [_alarms(each) for each in year], most=0.08)
    weekly = [each[:150] + _week(each.shape[1]) for each in short]
    table.add("measure_impact, weekly pattern", [_alarms(each) for each in weekly], most=0.08)
    table.add("plain order of placebo effects, 112 days", [_share(_rank, each) for each in months])
    return table


def slow_courses() -> Table:
    """How often what is no change, but no memory of one day either, is called one."""
    table = Table(
        "28 days before and 28 after a date on which nothing happens; with history, 140 before. "
        "The days are a slow AR(1) with memory φ beside as much noise of each day, or independent "
        "days about a straight line that rises by 0.1 or 0.05 standard deviations a day. 200 "
        "series each, 100 with history. A figure is the share in which a change is found.",
        ("slow, φ = 0.7", "slow, φ = 0.9", "slow, φ = 0.97", "line, 0.1", "line, 0.05"),
    )
    rng = np.random.default_rng(7)
    short, long = _slow(rng, _DAYS, 200), _slow(rng, 140, 100)
    table.add("Welch's test of days", [_share(_welch, each) for each in short])
    table.add("measure_impact, no history", [_alarms(each) for each in short], most=0.15)
    table.add("measure_impact, 140 days before", [_alarms(each) for each in long], most=0.13)
    return table


def power_and_coverage() -> Table:
    """How often a change is found, and intervals cover it."""
    table = Table(
        "The same 28 and 28 days; after the date the level is higher by 1, one standard deviation "
        "of the days. 250 series each. A figure is the share of series in which the change is "
        "found, or in which the interval covers it.",
        tuple(f"φ = {phi:g}" for phi in _MEMORIES),
    )
    rng = np.random.default_rng(2)
    changed = {
        before: [_raised(_series(rng, phi, before, 250)) for phi in _MEMORIES]
        for before in (_DAYS, 365)
    }
    table.add("found by Welch's test of days", [_share(_welch, each) for each in changed[_DAYS]])
    for before, name in ((_DAYS, "no history"), (365, "a year before")):
        impacts = [[_measured(each) for each in series] for series in changed[before]]
        found = [_mean([each.is_clear for each in group]) for group in impacts]
        covered = [_mean([_covers(each, 1.0) for each in group]) for group in impacts]
        shares = [_mean([_covers_share(each, 0.1) for each in group]) for group in impacts]
        table.add(f"found by measure_impact, {name}", found, least=0.25)
        table.add(f"interval covers, {name}", covered, least=0.91)
        table.add(f"interval of the share covers, {name}", shares, least=0.91)
    return table


def control_alarms() -> Table:
    """What a control that shares shocks prevents."""
    table = Table(
        "A series and a control that share an AR(0.8) course, with noise of their own, AR(0.3) of "
        "a third of its size; 112 days before and 28 after, 250 pairs. In `shock`, both rise by "
        "20 % on the date. A figure is the share in which a change is found.",
        ("nothing", "shock"),
    )
    shares = [_found_in_pairs(3, own, own) for own in (1.0, 1.2)]
    table.add("one series", [alone for alone, _ in shares])
    table.add("with the control", [beside for _, beside in shares], most=0.08)
    return table


def control_power() -> Table:
    """What a control lets one see."""
    table = Table(
        "The same pairs; only the series rises on the date. A figure is the share in which the "
        "change is found.",
        ("by 5 %", "by 10 %"),
    )
    shares = [_found_in_pairs(3, own, 1.0) for own in (1.05, 1.1)]
    table.add("one series", [alone for alone, _ in shares])
    table.add("with the control", [beside for _, beside in shares], least=0.8)
    return table


def skewed_shares() -> Table:
    """Relative change of skewed numbers, by the logarithm and by the delta method."""
    table = Table(
        "Two samples of numbers whose logarithm has a standard deviation of 1.5, with no "
        "difference; 4000 pairs. A figure is "
        "the share of 95 % intervals of the relative change that cover 0, or lie wholly above or "
        "below it.",
        ("n = 30", "n = 100"),
    )
    rng = np.random.default_rng(4)
    ours, naive = [], []
    for n in (30, 100):
        pairs = rng.lognormal(0, 1.5, (4000, 2, n))
        found = [tg.measure_impact(a, b).relative for a, b in pairs]
        known = [(each.low, each.high) for each in found if each.value is not None]
        ours.append(_sides(np.array(known, dtype=float)))
        naive.append(_sides(np.array([_delta(a, b) for a, b in pairs])))
    for name, sides in (("delta method", naive), ("measure_impact", ours)):
        is_ours = sides is ours
        covered, above, below = zip(*sides, strict=True)
        table.add(f"{name} covers", covered, least=0.87 if is_ours else None)
        table.add(f"{name} is above", above, most=0.08 if is_ours else None)
        table.add(f"{name} is below", below, most=0.08 if is_ours else None)
    return table


def covariates() -> Table:
    """What a covariate saves in randomised groups."""
    table = Table(
        "Two randomised groups of 500 units, with a covariate that correlates by r with what is "
        "measured; 4000 pairs each. A figure is the mean share of variance that is taken out (in "
        "theory r²), or the share of pairs without an effect in which one is found.",
        ("r = 0", "r = 0.5", "r = 0.8"),
    )
    rng = np.random.default_rng(5)
    reductions, alarms = [], []
    for rho in (0.0, 0.5, 0.8):
        impacts = []
        for _ in range(4000):
            covariate = rng.normal(size=(2, 500))
            values = rho * covariate + np.sqrt(1 - rho**2) * rng.normal(size=(2, 500))
            impacts.append(
                tg.measure_impact(
                    values[0],
                    values[1],
                    covariate=(covariate[0], covariate[1]),
                    randomised=True,
                )
            )
        reductions.append(_mean([each.variance_reduction for each in impacts]))
        alarms.append(_mean([each.is_clear for each in impacts]))
    table.add("variance taken out", reductions)
    table.add("found where nothing is", alarms, most=0.07)
    table.add(
        "distance to r²",
        [abs(each - r**2) for each, r in zip(reductions, (0, 0.5, 0.8), strict=True)],
        most=0.02,
    )
    return table


def planned_days() -> Table:
    """Whether as many days as `sample_size` says are enough."""
    table = Table(
        "AR(1) days, as many before and after as `sample_size` asks for to find an effect of one "
        "standard deviation with probability 0.8; 400 series each. A figure is the number of "
        "days, or the share in which `measure_impact` finds the effect.",
        tuple(f"φ = {phi:g}" for phi in _MEMORIES),
    )
    rng = np.random.default_rng(6)
    counts = [tg.sample_size(None, 1.0, std=1.0, autocorrelation=phi) for phi in _MEMORIES]
    table.add("days on each side", counts)
    shares = []
    for phi, count in zip(_MEMORIES, counts, strict=True):
        series = _LEVEL + autoregressive(rng, phi, 2 * count, count=400)
        series[:, count:] += 1
        impacts = [tg.measure_impact(each, at=count, days=count) for each in series]
        shares.append(_mean([each.is_clear for each in impacts]))
    table.add("found", shares, least=0.72)
    return table


STUDIES: tuple[Study, ...] = (
    false_alarms,
    slow_courses,
    power_and_coverage,
    control_alarms,
    control_power,
    skewed_shares,
    covariates,
    planned_days,
)


def _series(rng: np.random.Generator, phi: float, before: int, count: int) -> np.ndarray:
    return _LEVEL + autoregressive(rng, phi, before + _DAYS, count=count)


def _slow(rng: np.random.Generator, before: int, count: int) -> list[np.ndarray]:
    noise = rng.normal(size=(5, count, before + _DAYS))
    courses = [autoregressive(rng, phi, before + _DAYS, count=count) for phi in (0.7, 0.9, 0.97)]
    courses += [slope * np.arange(before + _DAYS) for slope in (0.1, 0.05)]
    return [_LEVEL + each + beside for each, beside in zip(courses, noise, strict=True)]


def _raised(series: np.ndarray) -> np.ndarray:
    series[:, -_DAYS:] += 1
    return series


def _week(days: int) -> np.ndarray:
    return 2.0 * np.isin(np.arange(days) % 7, (5, 6))


def _measured(series: np.ndarray) -> Impact:
    return tg.measure_impact(series, at=len(series) - _DAYS)


def _alarms(series: np.ndarray) -> float:
    return _mean([_measured(each).is_clear for each in series])


def _share(is_found: Callable[[np.ndarray], bool], series: np.ndarray) -> float:
    return _mean([is_found(each) for each in series])


def _welch(series: np.ndarray) -> bool:
    before, after = series[-2 * _DAYS : -_DAYS], series[-_DAYS:]
    return bool(stats.ttest_ind(before, after, equal_var=False).pvalue <= 0.05)


def _rank(series: np.ndarray) -> bool:
    means = np.convolve(series, np.ones(_DAYS) / _DAYS, mode="valid")
    effects = np.abs(means[_DAYS:] - means[:-_DAYS])
    placebos = effects[: len(effects) - _DAYS]
    return bool((1 + (placebos >= effects[-1]).sum()) / (1 + len(placebos)) <= 0.05)


def _covers(impact: Impact, truth: float) -> bool:
    low, high = impact.difference.low, impact.difference.high
    return low is not None and high is not None and low <= truth <= high


def _covers_share(impact: Impact, truth: float) -> bool:
    low, high = impact.relative.low, impact.relative.high
    return low is not None and high is not None and low <= truth <= high


def _found_in_pairs(seed: int, factor: float, control_factor: float) -> tuple[float, float]:
    """How often a change is found in a series alone, and beside its control."""
    rng = np.random.default_rng(seed)
    count, before = 250, 112
    shared = autoregressive(rng, 0.8, before + _DAYS, count=count)
    own = autoregressive(rng, 0.3, before + _DAYS, count=2 * count) / 3
    after = np.arange(before + _DAYS) >= before
    alone, beside = [], []
    for course, one, two in zip(shared, own[:count], own[count:], strict=True):
        series = np.where(after, factor, 1) * (100 + 5 * (course + one))
        control = np.where(after, control_factor, 1) * (40 + 2 * (course + two))
        alone.append(tg.measure_impact(series, at=before).is_clear)
        beside.append(tg.measure_impact(series, at=before, control=control).is_clear)
    return _mean(alone), _mean(beside)


def _mean(shares: Sequence[float | None]) -> float:
    return float(np.mean(np.array(shares, dtype=float)))


def _sides(intervals: np.ndarray) -> tuple[float, float, float]:
    low, high = intervals.T
    covered = (low <= 0) & (high >= 0)
    return float(covered.mean()), float((low > 0).mean()), float((high < 0).mean())


def _delta(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    first, second = before.mean(), after.mean()
    variance = after.var(ddof=1) / len(after) / first**2
    variance += before.var(ddof=1) / len(before) * second**2 / first**4
    reach = 1.96 * np.sqrt(variance)
    return second / first - 1 - reach, second / first - 1 + reach
