# SPDX-License-Identifier: Apache-2.0
"""The object form of recording, for code that wants its own rules of strictness."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable, Mapping, Sequence

from tidegauge.catalog import migrate_metric_name
from tidegauge.catalog.validation import check_value
from tidegauge.model.errors import MetricValidationError
from tidegauge.record import front
from tidegauge.record.recorder import Recorder

__all__ = ["MetricLogger"]

_log = logging.getLogger("tidegauge")


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

    @property
    def _recorder(self) -> Recorder:
        return front.recorder

    def log_metric(
        self,
        name: str,
        value: float,
        step: int | None = None,
        *,
        raise_on_error: bool | None = None,
    ) -> None:
        """Record one value; see `tidegauge.log_metric`.

        Raises:
            MetricValidationError: It is not allowed, and `raise_on_error`, here or of the logger.
        """
        self.log_metrics({name: value}, step, raise_on_error=raise_on_error)

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
        raising = self.raise_on_error if raise_on_error is None else raise_on_error
        good = {}
        for name, value in metrics.items():
            try:
                good.update(self._checked(name, value))
            except MetricValidationError as error:
                if raising:
                    raise
                self._recorder.writer.count_drop(error.reason)
                _log.warning("dropped %r (%s): %s", name, error.reason, error)
        if good:
            front.log_metrics(good, step)

    def log_metric_with_metadata(
        self,
        name: str,
        value: float,
        metadata: Mapping[str, object],
        step: int | None = None,
    ) -> None:
        """Record one value with metadata; see `tidegauge.log_metric_with_metadata`."""
        try:
            ((accepted, number),) = self._checked(name, value).items()
        except MetricValidationError as error:
            if self.raise_on_error:
                raise
            self._recorder.writer.count_drop(error.reason)
            _log.warning("dropped %r (%s): %s", name, error.reason, error)
        else:
            front.log_metric_with_metadata(accepted, number, metadata, step)

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
        names = dict.fromkeys(name for metrics in metrics_list for name in metrics)
        summaries = {}
        for name in names:
            values = [metrics[name] for metrics in metrics_list if name in metrics]
            summaries[name] = {
                "mean": statistics.fmean(values),
                "min": min(values),
                "max": max(values),
                "median": statistics.median(values),
                "count": len(values),
            }
        return summaries

    def _checked(self, name: str, value: float) -> dict[str, float]:
        catalog = self._recorder.catalog
        if self.allow_legacy_names:
            name = migrate_metric_name(name, catalog=catalog)
        spec = catalog.resolve(name)
        return {spec.name: check_value(spec, value)}
