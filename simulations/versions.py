# SPDX-License-Identifier: Apache-2.0
"""How often a comparison of two versions says that one is better which is not."""

from __future__ import annotations

import numpy as np
from scipy import stats

from simulations.study import Study, Table, autoregressive
from tidegauge.statistics.verdicts import contrasts, side_of

__all__ = ["STUDIES", "false_verdicts", "found_differences"]

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


STUDIES: tuple[Study, ...] = (false_verdicts, found_differences)


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
