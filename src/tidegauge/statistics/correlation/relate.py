# SPDX-License-Identifier: Apache-2.0
"""Which series move together: the whole procedure, from values on a grid to what can be said.

Of each series, what trend, time of the week and its own past tell is taken out (`innovations.py`).
What is left is correlated at each lag (`lags.py`). The best lag pays for having been chosen among
several, and each pair for being one of many (`evidence.py`). Haugh (1976) and Dean and Dunsmuir
(2016) say why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tidegauge.statistics.correlation.evidence import Evidence, weigh
from tidegauge.statistics.correlation.grid import Grid
from tidegauge.statistics.correlation.innovations import LEAST, Innovations, innovations
from tidegauge.statistics.correlation.lags import scan_lags, student_p
from tidegauge.statistics.correlation.recipe import Recipe
from tidegauge.statistics.correlation.report import Relation, Relations, Treatment
from tidegauge.statistics.estimate import Estimate, unknown
from tidegauge.statistics.timeseries.adjustment import DAY_S
from tidegauge.statistics.timeseries.autoregression import autocorrelation

__all__ = ["Observed", "relate"]

# Of a hundred series whose innovations follow no past, one has a smaller p-value.
_FOLLOWS_PAST = 0.01

# Days of the week without any value, such as weekends, can be left out if four weeks show it, and
# if the other days are still most of the week: lags count these.
_LEAST_DAYS = 28
_LEAST_WEEKDAYS = 4

# Autocorrelations of a fifth of the steps matter (Pyper and Peterman 1998), and of no more.
_FURTHEST_MEMORY = 365


_LEFT_OUT = "days of the week without any value are left out, so lags count the other days"


class Observed(NamedTuple):
    """A series.

    Attributes:
        name: Its name.
        values: One per step of the grid; shape (n,), NaN where there is none.
        phases: The day or hour of the week of each step by the clocks of where it is from; shape
            (n,). Those of UTC if None.
    """

    name: str
    values: np.ndarray
    phases: np.ndarray | None = None


def relate(
    series: Sequence[Observed], pairs: Sequence[tuple[int, int]], grid: Grid, recipe: Recipe
) -> Relations:
    """Tell which of the pairs move together.

    Args:
        series: On the grid.
        pairs: Positions of the first and the second series of each pair.
        grid: The steps.
        recipe: How relations are looked for.
    """
    kept = _kept(series, grid)
    series = [each._replace(values=each.values[kept]) for each in series]
    step_weeks = grid.step_s / (7 * DAY_S) * grid.n / kept.sum()
    new = [
        innovations(
            each.values,
            _phases(each, grid)[kept] if recipe.season else None,
            step_weeks,
            can_transform=recipe.transform is not None,
        )
        for each in series
    ]
    relations = _relations(series, new, pairs, grid, recipe) if pairs else []
    if not kept.all():
        relations = [
            replace(each, notes=(*each.notes, _LEFT_OUT)) if each.reason is None else each
            for each in relations
        ]
    return Relations(relations, recipe)


def _kept(series: Sequence[Observed], grid: Grid) -> np.ndarray:
    """The steps that are looked at: not weekends, if nothing is ever known of them; shape (n,)."""
    everything = np.ones(grid.n, dtype=bool)
    if grid.step_s != DAY_S or grid.n < _LEAST_DAYS:
        return everything
    is_known = np.any([np.isfinite(each.values) for each in series], axis=0)
    weekdays = np.unique(grid.phases[is_known])
    return np.isin(grid.phases, weekdays) if len(weekdays) >= _LEAST_WEEKDAYS else everything


def _phases(series: Observed, grid: Grid) -> np.ndarray:
    return grid.phases if series.phases is None else series.phases


def _relations(
    series: Sequence[Observed],
    new: Sequence[Innovations],
    pairs: Sequence[tuple[int, int]],
    grid: Grid,
    recipe: Recipe,
) -> list[Relation]:
    first, second = np.array(pairs).T
    parameters = np.array([each.parameters for each in new])
    evidence = weigh(np.stack([each.values for each in new]), first, second, parameters, recipe)
    raw = np.stack([each.values for each in series])
    naive = scan_lags(raw, first, second, len(evidence.scan.lags) // 2)
    now = len(naive.lags) // 2
    naive_p = student_p(naive.correlations[now], naive.counts[now])
    effective = _effective_counts(new, first, second)
    relations = []
    for index, pair in enumerate(pairs):
        one, other = (series[position].name for position in pair)
        best = evidence.best[index]
        reason = _reason(pair, series, new, evidence, index)
        relations.append(
            Relation(
                first=one,
                second=other,
                correlation=_estimate(evidence, index, reason, recipe),
                lag=None if reason else int(evidence.scan.lags[best]),
                p_value=None if reason else float(evidence.p_values[index]),
                q_value=None if reason else float(evidence.q_values[index]),
                is_significant=not reason and bool(evidence.q_values[index] < recipe.alpha),
                n=0 if reason else int(evidence.scan.counts[best, index]),
                n_effective=None if reason else float(effective[index]),
                naive_correlation=_known(naive.correlations[now, index]),
                naive_p_value=_known(naive_p[index]),
                reason=reason,
                notes=() if reason else _notes(pair, series, new),
                step_s=grid.step_s,
                lags=evidence.scan.lags,
                correlations=evidence.scan.correlations[:, index],
                bands=evidence.bands[:, index],
                naive_correlations=naive.correlations[:, index],
                treatments=(_treatment(new[pair[0]]), _treatment(new[pair[1]])),
            )
        )
    return relations


def _estimate(evidence: Evidence, index: int, reason: str | None, recipe: Recipe) -> Estimate:
    confidence = 1 - recipe.alpha
    if reason is not None:
        return unknown(reason, confidence=confidence)
    best = evidence.best[index]
    low, high = _known(evidence.lows[index]), _known(evidence.highs[index])
    has_interval = low is not None
    return Estimate(
        float(evidence.scan.correlations[best, index]),
        low,
        high,
        confidence=confidence,
        method="circular block bootstrap, for all lags together" if has_interval else "",
        n=int(evidence.scan.counts[best, index]),
        reason=None if has_interval else "no draws were asked for",
    )


def _reason(
    pair: tuple[int, int],
    series: Sequence[Observed],
    new: Sequence[Innovations],
    evidence: Evidence,
    index: int,
) -> str | None:
    """Why nothing can be said of a pair; None if something can."""
    reasons = [f"{series[each].name}: {new[each].reason}" for each in pair if new[each].reason]
    if reasons:
        return "; ".join(reasons)
    if np.isfinite(evidence.p_values[index]):
        return None
    most = int(evidence.scan.counts[:, index].max())
    if most < LEAST:
        return f"{most} steps can be compared, and {LEAST} are needed"
    return "one of them does not vary where both have values"


def _notes(
    pair: tuple[int, int], series: Sequence[Observed], new: Sequence[Innovations]
) -> tuple[str, ...]:
    notes = []
    for each in pair:
        name, found = series[each].name, new[each]
        if found.leftover_p is not None and found.leftover_p < _FOLLOWS_PAST:
            notes.append(
                f"{name} still follows its past (Ljung-Box p = {found.leftover_p:.1g}), "
                "so the p-value may be too small"
            )
        if found.repeats_after is not None:
            notes.append(
                f"{name} seems to repeat after {found.repeats_after} steps; "
                "if both do, the p-value is too small"
            )
    return tuple(notes)


def _treatment(new: Innovations) -> Treatment:
    return Treatment(
        new.transform, new.is_differenced, new.degree, new.order, new.leftover_p, new.reason
    )


def _effective_counts(
    new: Sequence[Innovations], first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """How many independent values pairs are worth before their past is taken out; shape (p,).

    By Bayley and Hammersley (1946), with the correction of Pyper and Peterman (1998).
    """
    n = len(new[0].adjusted)
    furthest = min(n // 5, _FURTHEST_MEMORY)
    present = np.stack([np.isfinite(each.adjusted) for each in new])
    memories = np.zeros((len(new), furthest))
    for memory, each, is_there in zip(memories, new, present, strict=True):
        if is_there.any():
            memory[:] = autocorrelation(each.adjusted, furthest)[1:]
    weights = 2 * (1 - np.arange(1, furthest + 1) / n)
    inflation = 1 + (memories[first] * memories[second]) @ weights
    common = (present[first] & present[second]).sum(axis=1)
    effective: np.ndarray = common / np.maximum(inflation, 1)
    return effective


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
