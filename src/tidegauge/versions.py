# SPDX-License-Identifier: Apache-2.0
"""Two versions of a model compared in one call: `query/` bound to the process's store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tidegauge.config import parts
from tidegauge.model.times import TimeLike

if TYPE_CHECKING:
    from tidegauge.query.version_results import VersionComparison

__all__ = ["compare_versions"]


def compare_versions(
    model_name: str,
    first: str | int,
    second: str | int,
    *,
    metrics: str | Sequence[str] | None = None,
    margin: float = 0.0,
    confidence: float = 0.95,
    hours: float | None = None,
    days: float | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    labels: Mapping[str, object] | None = None,
    **more_labels: object,
) -> VersionComparison:
    """Compare two versions of a model in quality, latency, cost and satisfaction.

    Looks at all that was recorded with the dimensions `model` and `model_version`: metrics, such
    as `model:f1_score`; accuracy from predictions and ground truths; errors and latency of
    predictions; cost, errors and latency of calls to language models; what users think; and ratios
    of counters, such as `business:click_through_rate`. Which way is better says the catalogue.

    Facts are put together in pieces of time, for what happens within an hour resembles itself; and
    a version is worth as many pieces as their memory leaves, eight at least. The probability that
    any measure is called better or worse which does not differ is `1 - confidence` at most.

    Args:
        model_name: The model.
        first: The version that is compared with.
        second: The version that is compared.
        metrics: Only these measures; a name, several, or patterns with `*`. If None, all of which
            it is known which way is better.
        margin: How large a relative difference does not matter: 0.02 for 2 %. Then a version is
            better or worse only if it is so by more, and `no relevant difference` is a verdict.
        confidence: 0 to 1, exclusive.
        hours: Length of the range up to now, or up to `end`; everything if there is none.
        days: The same in days.
        start: Beginning of the range.
        end: End of the range, not in it.
        labels: Labels that have the name of a parameter.
        more_labels: Dimensions and labels to choose facts by.

    Returns:
        A row for each measure, with both values, their difference, and a verdict on the second
        version; printed, it is a short text.

    Raises:
        QueryError: The question makes no sense, or a version has no facts.
        StoreError: The store cannot be read.

    Example:
        >>> import tidegauge as tg
        >>> for day in range(1, 11):
        ...     for version, f1 in (("1", 0.80), ("2", 0.85)):
        ...         with tg.context(model="fraud", model_version=version):
        ...             score = f1 + 0.01 * (day * 7 % 5)
        ...             tg.log_metric("model:f1_score", score, time=f"2026-01-{day:02}")
        >>> tg.compare_versions("fraud", 1, 2).verdict
        'better'
    """
    return parts().query.versions.compare(
        model_name,
        first,
        second,
        metrics=metrics,
        margin=margin,
        confidence=confidence,
        hours=hours,
        days=days,
        start=start,
        end=end,
        labels=labels,
        **more_labels,
    )
