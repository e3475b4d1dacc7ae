# SPDX-License-Identifier: Apache-2.0
"""Two samples: independent ones, randomised ones with a covariate, and the same units twice."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from tidegauge.model.errors import QueryError
from tidegauge.statistics.estimate import CONFIDENCE, Estimate, unknown
from tidegauge.statistics.impact.groups import NO_VARIANCE, Group, no_common_order, size_of
from tidegauge.statistics.impact.quantiles import compare_quantiles
from tidegauge.statistics.impact.relative import Means, relative_change
from tidegauge.statistics.impact.result import Design, Impact
from tidegauge.statistics.welch import student_quantile, welch_freedom

__all__ = ["Samples", "measure_samples"]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """What is compared.

    Attributes:
        before: One sample: before a change, or without it.
        after: The other.
        is_randomised: Whether chance decided which unit is in which.
        quantile: The quantile that is compared, 0 to 1, exclusive; None for the mean.
    """

    before: Group
    after: Group
    is_randomised: bool = False
    quantile: float | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """A difference of two means, and the errors of all."""

    means: Means
    error: float
    freedom: float
    method: str


def measure_samples(samples: Samples, *, confidence: float = CONFIDENCE) -> Impact:
    """Tell how two samples differ.

    Means of independent samples are compared by Welch's method. Units that are in both samples are
    compared with themselves, and others then left out. A covariate of randomised groups takes out
    what it explains (CUPED; Deng and others 2013).

    Args:
        samples: What is compared.
        confidence: Probability that intervals cover the truth, 0 to 1, exclusive.

    Returns:
        An impact without a p-value, and with a reason, if there are too few values.

    Raises:
        QueryError: The samples have something that does not go with how they are compared.
    """
    shared = _shared(samples)
    _check(samples, is_paired=shared is not None)
    notes = _left_out(samples, shared)
    before, after = samples.before, samples.after
    design: Design = "randomised" if samples.is_randomised else "two samples"
    if shared is not None:
        before, after, design = before.at(shared[0]), after.at(shared[1]), "paired units"
    counts = len(before.values), len(after.values)
    n = counts[0] if shared is not None else sum(counts)
    if min(counts) < 2:
        reason = f"there are {counts[0]} values before and {counts[1]} after, and 2 are needed"
        return _unknown(design, reason, n, notes, confidence)
    if samples.quantile is not None:
        return _of_quantiles(samples, design, n, notes, confidence)
    reduction = None
    found = _independent(before, after) if shared is None else _paired(before, after)
    if before.covariate is not None and after.covariate is not None:
        adjusted = _independent(*_cuped(before, after), method="CUPED")
        reduction = 1 - (adjusted.error / found.error) ** 2 if found.error else None
        found = adjusted
    if found.error == 0:
        return _unknown(design, "the values do not vary", n, notes, confidence)
    difference = found.means.actual - found.means.expected
    reach = student_quantile((1 + confidence) / 2, found.freedom)
    return Impact(
        design=design,
        before=found.means.expected,
        expected=found.means.expected,
        after=found.means.actual,
        difference=Estimate(
            difference,
            difference - reach * found.error,
            difference + reach * found.error,
            confidence,
            found.method,
            n,
        ),
        relative=relative_change(
            found.means,
            (reach, reach),
            is_positive=bool(min(before.values.min(), after.values.min()) >= 0),
            n=n,
            confidence=confidence,
        ),
        p_value=float(2 * stdtr(found.freedom, -abs(difference) / found.error)),
        n=n,
        n_effective=float(n),
        variance_reduction=reduction,
        notes=notes,
    )


def _of_quantiles(
    samples: Samples, design: Design, n: int, notes: tuple[str, ...], confidence: float
) -> Impact:
    probability = samples.quantile or 0.5
    found = compare_quantiles(samples.before.values, samples.after.values, probability, confidence)
    return Impact(
        statistic=f"p{100 * probability:g}",
        design=design,
        before=found.before,
        expected=found.before,
        after=found.after,
        difference=found.difference,
        relative=found.relative,
        p_value=found.p_value,
        n=n,
        n_effective=float(n),
        notes=notes,
        reason=found.difference.reason,
    )


def _independent(before: Group, after: Group, *, method: str = "Welch") -> _Found:
    counts = len(before.values), len(after.values)
    variances = [each.variance / count for each, count in zip((before, after), counts, strict=True)]
    total = sum(variances)
    freedom = welch_freedom(variances[0], counts[0], variances[1], counts[1]) if total else 1.0
    return _Found(Means(before.mean, after.mean, *variances), math.sqrt(total), freedom, method)


def _paired(before: Group, after: Group) -> _Found:
    n = len(before.values)
    spread = np.cov(before.values, after.values) / n
    variance = float((after.values - before.values).var(ddof=1)) / n
    least = NO_VARIANCE * max(size_of(before.values), size_of(after.values)) ** 2
    error = math.sqrt(variance) if variance > least else 0.0
    means = Means(before.mean, after.mean, *spread.flat[[0, 3, 1]].tolist())
    return _Found(means, error, n - 1, "paired t")


def _cuped(before: Group, after: Group) -> tuple[Group, Group]:
    """Both groups without what their covariate explains, by one slope for both."""
    covariates = [group.covariate for group in (before, after) if group.covariate is not None]
    centre = float(np.concatenate(covariates).mean())
    products = squares = 0.0
    for group, covariate in zip((before, after), covariates, strict=True):
        deviations = covariate - covariate.mean()
        products += float(deviations @ (group.values - group.mean))
        squares += float(deviations @ deviations)
    slope = products / squares if squares else 0.0
    return before.adjusted(slope, centre), after.adjusted(slope, centre)


def _shared(samples: Samples) -> tuple[np.ndarray, np.ndarray] | None:
    """Where the units are that both samples have; None if there are none, or nobody said."""
    units = samples.before.units, samples.after.units
    if units[0] is None or units[1] is None:
        return None
    try:
        common, first, second = np.intersect1d(units[0], units[1], return_indices=True)
    except TypeError as error:
        raise no_common_order() from error
    return (first, second) if len(common) else None


def _check(samples: Samples, *, is_paired: bool) -> None:
    has_covariate = samples.before.covariate is not None
    if samples.is_randomised and is_paired:
        raise QueryError(
            "a unit cannot be in both groups of a randomised comparison",
            fix="Leave those units out; or leave out randomised, to compare them with themselves.",
        )
    if has_covariate and not samples.is_randomised:
        raise QueryError(
            "a covariate can only adjust randomised groups",
            fix="Pass randomised=True if chance has made the groups; or units, which compares the "
            "same units before and after.",
        )
    if samples.quantile is not None and (is_paired or has_covariate):
        raise QueryError(
            "quantiles can only be compared between independent samples",
            got=f"p{100 * samples.quantile:g}",
            allowed="the mean, with units in both samples or a covariate",
        )


def _left_out(samples: Samples, shared: tuple[np.ndarray, np.ndarray] | None) -> tuple[str, ...]:
    notes = []
    if missing := samples.before.left_out + samples.after.left_out:
        notes.append(f"{missing} rows with a missing number or unit are left out.")
    if shared is not None:
        count = len(samples.before.values) + len(samples.after.values) - 2 * len(shared[0])
        if count:
            notes.append(f"{count} units that are only in one sample are left out.")
    return tuple(notes)


def _unknown(
    design: Design, reason: str, n: int, notes: tuple[str, ...], confidence: float
) -> Impact:
    nothing = unknown(reason, n=n, confidence=confidence)
    return Impact(
        design=design, difference=nothing, relative=nothing, n=n, notes=notes, reason=reason
    )
