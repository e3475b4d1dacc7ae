# SPDX-License-Identifier: Apache-2.0
"""How often honest correlation cries wolf, what it finds, and what its intervals are worth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from simulations.study import Study, Table, autoregressive
from tidegauge.statistics.correlation.grid import Grid
from tidegauge.statistics.correlation.recipe import Recipe
from tidegauge.statistics.correlation.relate import Observed, relate
from tidegauge.statistics.correlation.report import Relations
from tidegauge.statistics.timeseries.adjustment import adjusted

__all__ = ["STUDIES"]

ALPHA = 0.05
MAX_LAG = 7
MONDAY_US = 20_458 * 86_400_000_000  # 2026-01-05
QUICK = Recipe(max_lag=MAX_LAG, draws=0)

# At φ = 0.5 and at 0.9, where most of what is missing is.
POWER_WITH_GAPS = (0.3, 0.15)

Pairs = tuple[np.ndarray, np.ndarray]


def false_alarms() -> Table:
    """Unrelated series that have a memory, a week and maybe a trend in common."""
    columns = ("φ = 0", "φ = 0.5", "φ = 0.9", "φ = 0.95", "walk", "φ = 0.5, trend")
    table = Table(
        "500 pairs of unrelated daily series of 120 days, AR(1) with the same weekly pattern in "
        "both; the last ones with the same trend as well. Share of pairs that are called related "
        "at 5 %.",
        columns,
    )
    made = [
        *(_unrelated(phi, 500, 120, seed) for seed, phi in enumerate((0, 0.5, 0.9, 0.95, 1.0))),
        _unrelated(0.5, 500, 120, 9, trend=2.0),
    ]
    table.add("tidegauge, best of 15 lags", [_share(_p_values(each)) for each in made], most=0.06)
    for name, naive in NAIVE.items():
        table.add(name, [_share(naive(*each)) for each in made])
    return table


def hard_cases() -> Table:
    """Unrelated series that share something else than a week."""
    n, count = 120, 500
    rng = np.random.default_rng(20)
    time = np.linspace(-1, 1, n)
    first, second = _unrelated(0.5, count, n, 21)
    restless = np.exp(0.6 * rng.normal(size=(count, n)))
    weekdays = np.where(np.arange(n) % 7 < 5, 0.0, np.nan)
    week = rng.normal(size=(count, 7))[:, np.arange(n) % 7]
    gaps = np.where(rng.random(size=(2, count, n)) < 0.1, np.nan, 0.0)
    cases = {
        "bent trend": (first + 3 * time**2, second + 3 * time**2),
        "growth": (first + np.exp(2 * time), second + np.exp(2 * time)),
        "step": (first + 2 * (time > 0), second + 2 * (time > 0)),
        "restless days": (restless * rng.normal(size=(count, n)), restless * second),
        "lognormal": (np.exp(first), np.exp(second)),
        "no weekends": (first + weekdays, second + weekdays),
        "a week that grows": (
            first + week * (1.1 + 0.9 * time),
            second + week * (1.1 + 0.9 * time),
        ),
        "a week that begins": (first + week * (time > 0), second + week * (time > 0)),
        "gaps": (first + gaps[0], second + gaps[1]),
    }
    table = Table(
        "The same with φ = 0.5, but what both have in common beside the week is a bent trend, "
        "exponential growth, a step on the same day, days on which they vary more, or a weekly "
        "pattern that gets ten times as strong, or begins in the middle; or values are skewed, "
        "there are none on weekends, or a tenth of each is missing.",
        tuple(cases),
    )
    table.add(
        "tidegauge, best of 15 lags",
        [_share(_p_values(each)) for each in cases.values()],
        most=0.08,
    )
    naive = NAIVE["Pearson, lag 0"]
    shares = [
        _share(naive(*(each[:, np.isfinite(each[0])] for each in pairs)))
        for name, pairs in cases.items()
        if name != "gaps"
    ]
    table.add("Pearson, lag 0", [*shares, _share(_naive_p_of(_related(cases["gaps"], QUICK)))])
    return table


def power() -> Table:
    """A relation that is there."""
    phis = (0.0, 0.5, 0.8, 0.9, 0.95)
    table = Table(
        "300 pairs of series of 200 days with a weekly pattern, whose innovations have a "
        "correlation of 0.35, three days apart. Share of pairs that are called related at 5 %, and "
        "of those in which the lag is right.",
        tuple(f"φ = {phi:g}" for phi in phis),
    )
    made = [_led(phi, 300, 200, 30 + seed) for seed, phi in enumerate(phis)]
    found = [_related(each, QUICK) for each in made]
    table.add("tidegauge", [_share(_p_of(each)) for each in found], least=0.9)
    right = [np.mean([pair.lag == 3 for pair in each.pairs]) for each in found]
    table.add("tidegauge, right lag", [float(each) for each in right], least=0.9)
    table.add("effective n, week taken out", [_share(_effective(*each)) for each in made])
    return table


def power_with_gaps() -> Table:
    """The same relation where values are missing."""
    phis = (0.5, 0.9)
    kinds = ("none", "a tenth of each", "three tenths of both", "no weekends")
    table = Table(
        "The same 200 days, 200 pairs: a tenth of the values of each is missing, three tenths of "
        "both at once, or all of weekends. Then the relation three days apart is that of three "
        "working days. Share of pairs that are called related at 5 %.",
        kinds,
    )
    for phi, least in zip(phis, POWER_WITH_GAPS, strict=True):
        rng = np.random.default_rng(60)
        first, second = _led(phi, 200, 200, 61)
        some = np.where(rng.random(size=(2, *first.shape)) < 0.1, np.nan, 0.0)
        many = np.where(rng.random(size=first.shape) < 0.3, np.nan, 0.0)
        made = {
            "none": (first, second),
            "a tenth of each": (first + some[0], second + some[1]),
            "three tenths of both": (first + many, second + many),
            "no weekends": (_working_days(first), _working_days(second)),
        }
        shares = [_share(_p_of(_related(made[kind], QUICK))) for kind in kinds]
        table.add(f"tidegauge, φ = {phi:g}", shares, least=least)
    return table


def families() -> Table:
    """Fifty pairs at once, none of which is related."""
    table = Table(
        "200 families of 5 times 10 unrelated series of 120 days, AR(1) with φ = 0.9. Share of "
        "families with a discovery at 5 % (Benjamini and Hochberg), and discoveries per family.",
        ("any discovery", "discoveries"),
        digits=2,
    )
    rng = np.random.default_rng(40)
    pairs = [(one, other) for one in range(5) for other in range(5, 15)]
    ours: list[int] = []
    naive: list[int] = []
    for _ in range(200):
        values = autoregressive(rng, 0.9, 120, count=15)
        found = relate(_observed(values), pairs, Grid(MONDAY_US, 86_400, 120), QUICK)
        ours.append(len(found.significant))
        p_values = [pair.naive_p_value for pair in found.pairs]
        naive.append(int((stats.false_discovery_control(p_values) < ALPHA).sum()))
    for method, counts, most in (("tidegauge", ours, 0.08), ("Pearson, lag 0", naive, None)):
        any_share = float(np.mean([count > 0 for count in counts]))
        table.add(method, [any_share, float(np.mean(counts))], most=most)
    return table


def intervals() -> Table:
    """What the intervals hold."""
    truths = (0.0, 0.2, 0.35, 0.5)
    table = Table(
        "300 pairs of series of 200 days, AR(1) with φ = 0.8, whose innovations have a known "
        "correlation. Share of 95 % intervals that hold it. The second row chooses the best of 15 "
        "lags first; the third does so too, and then pretends that there had been no choice.",
        tuple(f"r = {truth:g}" for truth in truths),
    )
    made = [_led(0.8, 300, 200, 50 + seed, r) for seed, r in enumerate(truths)]
    now = [(first[:, :-3], second[:, 3:]) for first, second in made]
    draws = 499
    one_lag = [
        _coverage(_related(each, Recipe(max_lag=0, draws=draws)), truth, lag=0)
        for each, truth in zip(now, truths, strict=True)
    ]
    found = [_related(each, Recipe(max_lag=MAX_LAG, draws=draws)) for each in made]
    table.add("tidegauge, one lag", one_lag, least=0.9, most=0.99)
    best = [_coverage(each, truth, lag=3) for each, truth in zip(found, truths, strict=True)]
    table.add("tidegauge, best of 15 lags", best, least=0.9)
    naive = [_fisher_coverage(each, truth) for each, truth in zip(found, truths, strict=True)]
    table.add("Fisher, best of 15 lags", naive)
    return table


def _unrelated(phi: float, count: int, n: int, seed: int, *, trend: float = 0.0) -> Pairs:
    """Pairs of independent series with a weekly pattern, and maybe a trend, in common."""
    rng = np.random.default_rng(seed)
    pattern = rng.normal(size=(count, 7))
    shared = pattern[:, np.arange(n) % 7] + trend * np.linspace(-1, 1, n)
    if phi == 1:
        first, second = np.cumsum(rng.normal(size=(2, count, n)), axis=2)
    else:
        first, second = (autoregressive(rng, phi, n, count=count) for _ in range(2))
    return first + shared, second + shared


def _led(phi: float, count: int, n: int, seed: int, correlation: float = 0.35) -> Pairs:
    """Pairs whose first series leads by three days, with weekly patterns."""
    rng = np.random.default_rng(seed)
    noise, other = rng.normal(size=(2, count, n + 200))
    later = correlation * np.roll(noise, 3, axis=1) + np.sqrt(1 - correlation**2) * other
    pattern = rng.normal(size=(count, 7))[:, np.arange(n) % 7]
    first, second = (_filtered(each, phi)[:, -n:] + pattern for each in (noise, later))
    return first, second


def _working_days(values: np.ndarray) -> np.ndarray:
    """The first values on the working days of as many days, and none on weekends."""
    n = values.shape[1]
    is_working = np.arange(n) % 7 < 5
    spread = np.full(values.shape, np.nan)
    spread[:, is_working] = values[:, : is_working.sum()]
    return spread


def _filtered(noise: np.ndarray, phi: float) -> np.ndarray:
    values = noise.copy()
    for step in range(1, values.shape[1]):
        values[:, step] += phi * values[:, step - 1]
    return values


def _observed(values: np.ndarray) -> list[Observed]:
    return [Observed(f"s{number}", each) for number, each in enumerate(values)]


def _related(pairs: Pairs, recipe: Recipe) -> Relations:
    count, n = pairs[0].shape
    asked = [(number, count + number) for number in range(count)]
    return relate(_observed(np.vstack(pairs)), asked, Grid(MONDAY_US, 86_400, n), recipe)


def _p_values(pairs: Pairs) -> np.ndarray:
    return _p_of(_related(pairs, QUICK))


def _p_of(found: Relations) -> np.ndarray:
    return np.array([np.nan if pair.p_value is None else pair.p_value for pair in found.pairs])


def _naive_p_of(found: Relations) -> np.ndarray:
    return np.array([pair.naive_p_value for pair in found.pairs], dtype=float)


def _share(p_values: np.ndarray) -> float:
    """How many are called related; what is refused makes the share no number, and fails."""
    return float(np.where(np.isnan(p_values), np.nan, p_values < ALPHA).mean())


def _coverage(found: Relations, truth: float, *, lag: int) -> float:
    held = []
    for pair in found.pairs:
        expected = truth if pair.lag == lag else 0.0
        low, high = pair.correlation.low, pair.correlation.high
        held.append(low is not None and high is not None and low <= expected <= high)
    return float(np.mean(held))


def _fisher_coverage(found: Relations, truth: float) -> float:
    held = []
    for pair in found.pairs:
        expected = truth if pair.lag == 3 else 0.0
        assert pair.correlation.value is not None
        off = np.arctanh(pair.correlation.value) - np.arctanh(expected)
        held.append(abs(off) * np.sqrt(pair.n - 3) <= stats.norm.isf(ALPHA / 2))
    return float(np.mean(held))


def _pearson(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.asarray(stats.pearsonr(first, second, axis=1).pvalue)


def _spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return _pearson(stats.rankdata(first, axis=1), stats.rankdata(second, axis=1))


def _best_lag(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    n = first.shape[1]
    at_lags = [
        _pearson(first[:, max(-lag, 0) : n - max(lag, 0)], second[:, max(lag, 0) : n + min(lag, 0)])
        for lag in range(-MAX_LAG, MAX_LAG + 1)
    ]
    smallest: np.ndarray = np.min(at_lags, axis=0)
    return smallest


def _effective(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pearson's with n (1 - φ₁φ₂) / (1 + φ₁φ₂) for n (Bretherton 1999), fifteen lags paid for.

    Trend and week are taken out before.
    """
    n = first.shape[1]
    days = np.arange(n) % 7
    first, second = (
        np.stack([adjusted(each, days).residuals for each in side]) for side in (first, second)
    )
    memory = [
        stats.pearsonr(each[:, :-1], each[:, 1:], axis=1).statistic for each in (first, second)
    ]
    product = memory[0] * memory[1]
    effective = np.clip(n * (1 - product) / (1 + product), 3, n)
    p_values = []
    for lag in range(-MAX_LAG, MAX_LAG + 1):
        left = first[:, max(-lag, 0) : n - max(lag, 0)]
        right = second[:, max(lag, 0) : n + min(lag, 0)]
        r = stats.pearsonr(left, right, axis=1).statistic
        student = np.abs(r) * np.sqrt((effective - 2) / (1 - r**2))
        p_values.append(2 * stats.t.sf(student, effective - 2))
    smallest: np.ndarray = np.min(p_values, axis=0)
    return 1 - (1 - smallest) ** len(p_values)


NAIVE: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "Pearson, lag 0": _pearson,
    "Spearman, lag 0": _spearman,
    "Pearson, best of 15 lags": _best_lag,
    "effective n, week taken out, best of 15 lags": _effective,
}

STUDIES: tuple[Study, ...] = (
    false_alarms,
    hard_cases,
    power,
    power_with_gaps,
    families,
    intervals,
)
