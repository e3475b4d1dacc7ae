# SPDX-License-Identifier: Apache-2.0
"""The object form of recording, for code that wants its own rules of strictness."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from tidegauge.catalog.validation import check_value
from tidegauge.model.spec import MetricSpec
from tidegauge.model.times import TimeLike
from tidegauge.record import front
from tidegauge.record.recorder import Rules

__all__ = ["MetricLogger"]


class MetricLogger:
    """Records metrics, by its own rules for names and errors.

    Args:
        allow_legacy_names: Accept names that do not fit the grammar ("AnotherOldMetric", "metric
            with spaces") and record them under the name `migrate_metric_name` gives them.
        raise_on_error: Whether a fact that is not allowed raises here, whatever the mode of the
            process. If not, it is logged, counted as dropped, and the program goes on.

    Example:
        >>> import tidegauge as tg
        >>> logger = tg.MetricLogger(allow_legacy_names=True)
        >>> logger.log_metric("Reply Rate", 0.1523)
    """

    #: Reads the latest values of a run from the store: `run_id` to metric name to value.
    read_run: Callable[[str], dict[str, float]]

    def __init__(self, *, allow_legacy_names: bool = False, raise_on_error: bool = True) -> None:
        self.allow_legacy_names = allow_legacy_names
        self.raise_on_error = raise_on_error

    def log_metric(
        self,
        name: str,
        value: float,
        step: int | None = None,
        *,
        time: TimeLike | None = None,
        raise_on_error: bool | None = None,
        **labels: object,
    ) -> None:
        """Record one value; see `tidegauge.log_metric`.

        Raises:
            MetricValidationError: It is not allowed, and `raise_on_error`, here or of the logger.
        """
        rules = self._rules(raises=raise_on_error)
        front.recorder.record(name, value, step, time, labels, rules=rules)

    def log_metrics(
        self,
        metrics: Mapping[str, float],
        step: int | None = None,
        *,
        raise_on_error: bool | None = None,
    ) -> None:
        """Record several values at one moment; see `tidegauge.log_metrics`.

        Raises:
            MetricValidationError: One is not allowed, and `raise_on_error`; none was recorded then.
        """
        front.recorder.many(metrics, step, rules=self._rules(raises=raise_on_error))

    def log_metric_with_metadata(
        self,
        name: str,
        value: float,
        metadata: Mapping[str, object],
        step: int | None = None,
        *,
        raise_on_error: bool | None = None,
    ) -> None:
        """Record one value with metadata; see `tidegauge.log_metric_with_metadata`.

        Raises:
            MetricValidationError: It is not allowed, and `raise_on_error`, here or of the logger.
        """
        rules = self._rules(raises=raise_on_error)
        front.recorder.with_metadata(name, value, metadata, step, rules=rules)

    def get_metrics_by_prefix(
        self, metrics: Mapping[str, float] | str, prefix: str
    ) -> dict[str, float]:
        """The metrics whose names begin with a prefix, such as `usage:`.

        Args:
            metrics: A dict of metrics, or the id of a run whose latest values are read from the
                store.
            prefix: The beginning of the full name.
        """
        found = type(self).read_run(metrics) if isinstance(metrics, str) else metrics
        return {name: value for name, value in found.items() if name.startswith(prefix)}

    def aggregate_metrics(
        self, metrics_list: Sequence[Mapping[str, float]]
    ) -> dict[str, dict[str, float]]:
        """Summarise the metrics of several runs: mean, min, max, median and count of each.

        A run that lacks a metric does not count for it.
        """
        values: dict[str, list[float]] = {}
        for metrics in metrics_list:
            for name, value in metrics.items():
                values.setdefault(name, []).append(
                    check_value(MetricSpec(name=name, description=name), value)
                )
        return {
            name: {
                "mean": statistics.fmean(each),
                "min": min(each),
                "max": max(each),
                "median": statistics.median(each),
                "count": len(each),
            }
            for name, each in values.items()
        }

    def _rules(self, *, raises: bool | None) -> Rules:
        raises = self.raise_on_error if raises is None else raises
        return Rules(raises=raises, fixes_names=self.allow_legacy_names)
