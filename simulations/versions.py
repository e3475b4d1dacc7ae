# SPDX-License-Identifier: Apache-2.0
"""How often a comparison of two versions says that one is better which is not."""

from __future__ import annotations

import numpy as np
from scipy import stats

from simulations.study import Study, Table, autoregressive
from tidegauge.statistics.estimate import CONFIDENCE
from tidegauge.statistics.percentiles import Place, quantile_side, reach_of_share
from tidegauge.statistics.verdicts import FEWEST_WORTH, Side, contrasts, side_of

__all__ = [
    "STUDIES",
    "false_verdicts",
    "false_verdicts_of_percentiles",
    "found_differences",
    "percentile_side",
    "place_of",
]

MEASURES = 8
MEMORIES = (0.0, 0.3, 0.5, 0.8)


def false_verdicts() -> Table:
    """No measure differs; any verdict is false."""
    table = Table(
        about=f"Share of 2000 comparisons of two equal versions in {MEASURES} measures, 28 days "
        "each in which any measure is called better or worse; days follow one another by AR(1).",
        columns=tuple(f"φ = {memory:g}" for memory in MEMORIES),
    )
    ours, welch, bonferroni = [], [], []
    for at, memory in enumerate(MEMORIES):
        values = _families(2000, memory, seed=100 + at)
        ours.append(np.mean([any(each.differs for each in _compared(one)) for one in values]))
        naive = stats.ttest_ind(values[:, 0], values[:, 1], axis=-1, equal_var=False).pvalue
        welch.append(np.mean((naive < 0.05).any(axis=1)))
        bonferroni.append(np.mean((naive < 0.05 / MEASURES).any(axis=1)))
    table.add("compare_versions: worth of days, Holm", ours, most=0.08)
    table.add("Welch's t-test of the days, Bonferroni", bonferroni)
    table.add("Welch's t-test of the days", welch)
    return table


def found_differences() -> Table:
    """One measure of eight is worse."""
    table = Table(
        about=f"Share of 300 comparisons in which the one of {MEASURES} measures that is "
        "worse by 1.5 standard deviations of a day is found, over 28 days each.",
        columns=tuple(f"φ = {memory:g}" for memory in MEMORIES[:3]),
        digits=2,
    )
    ours = []
    for at, memory in enumerate(MEMORIES[:3]):
        values = _families(300, memory, seed=200 + at)
        values[:, 1, 0] += 1.5
        ours.append(np.mean([_compared(one)[0].differs for one in values]))
    table.add("compare_versions: worth of days, Holm", ours, least=0.25)
    return table


def false_verdicts_of_percentiles() -> Table:
    """Two equal versions, whose latency is known in steps."""
    table = Table(
        about="Share of 500 comparisons of the latency of two equal versions, 20 days of 200 "
        "values each, that call one better or worse; lognormal values around 40 ms, as they are, "
        "rounded to 1 ms and to 10 ms, and 40 or 41 ms by chance.",
        columns=("exact", "1 ms", "10 ms", "two values"),
    )
    for name, share in (("p50", 0.50), ("p95", 0.95)):
        found = [_false_of(steps, share, seed=300 + at) for at, steps in enumerate(_STEPS)]
        table.add(f"compare_versions: {name}", found, most=0.05)
    return table


STUDIES: tuple[Study, ...] = (false_verdicts, found_differences, false_verdicts_of_percentiles)

_STEPS = (0.0, 1.0, 10.0, None)


def place_of(values: np.ndarray, share: float) -> Place:
    """Where the percentile of some values lies."""
    distinct, counts = np.unique(values, return_counts=True)
    middles = (np.cumsum(counts) - counts / 2) / counts.sum()
    lower = max(int(np.searchsorted(middles, share, side="right")) - 1, 0)
    upper = min(int(np.searchsorted(middles, share, side="left")), len(middles) - 1)
    ends = [(float(distinct[at]), float(middles[at])) for at in (lower, upper)]
    return Place.between(share, ends[0], ends[1])


def percentile_side(blocks: np.ndarray, share: float) -> Side | None:
    """One side of values of shape (blocks, values of each); None if it cannot be told."""
    place = place_of(blocks, share)
    of_below, of_above = place.counted
    counted = np.select(
        [blocks < place.below, blocks == place.below, blocks == place.above],
        [1.0, of_below, of_above],
    )
    pieces = [(float(each.sum()), float(each.size)) for each in counted]
    below = side_of(pieces, is_share=True)
    reach = reach_of_share(below, CONFIDENCE)
    low, high = place_of(blocks, share - reach), place_of(blocks, share + reach)
    side = quantile_side(place.value, below, low.value, high.value, CONFIDENCE)
    is_known = low.is_within and high.is_within
    return None if side.worth >= FEWEST_WORTH and not is_known else side


def _false_of(step_ms: float | None, share: float, *, seed: int) -> float:
    """How often equal versions are said to differ; latency in steps, or of two values."""
    rng = np.random.default_rng(seed)
    false = 0
    for _ in range(500):
        values = 40 * rng.lognormal(0, 0.4, (2, 20, 200))
        if step_ms is None:
            values = np.where(values < 40, 40.0, 41.0)
        elif step_ms:
            values = np.round(values / step_ms) * step_ms
        first, second = (percentile_side(side, share) for side in values)
        if first is not None and second is not None:
            false += contrasts([(first, second)])[0].differs
    return false / 500


def _families(count: int, memory: float, *, seed: int) -> np.ndarray:
    """Two sides of some measures, 28 days each; shape (count, 2, MEASURES, 28)."""
    rng = np.random.default_rng(seed)
    values = autoregressive(rng, memory, 28, count=count * 2 * MEASURES)
    return values.reshape(count, 2, MEASURES, 28)


def _compared(values: np.ndarray):
    first, second = (
        [side_of([(each, 1.0) for each in days]) for days in side.tolist()] for side in values
    )
    return contrasts(list(zip(first, second, strict=True)))
