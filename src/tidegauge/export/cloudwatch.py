# SPDX-License-Identifier: Apache-2.0
"""The sender for CloudWatch, and the one place where boto3 is used.

What CloudWatch takes is in the module `cloudwatch_rules` beside this one. boto3 is loaded when a
sender is made.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from tidegauge.export.cloudwatch_rules import Datum, check_namespace, check_resolution, datums
from tidegauge.export.deltas import PartlyDelivered, Series
from tidegauge.live.families import Reading
from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.errors import DeliveryError, MissingExtraError

__all__ = ["CloudWatchSender"]

_MOST_DATUMS = 1_000
_MOST_BYTES = 1_000_000
_MOST_VALUES = 150
_ATTEMPTS = 3
_LEAST_TIMEOUT_S = 0.05
# What a member of a list takes in the most verbose encoding that botocore may choose, a form:
# such as `&MetricData.member.1000.Dimensions.member.30.Value=`.
_KEY_BYTES = 55
_NUMBER_BYTES = 24


class CloudWatchSender:
    """Sends readings of deltas to CloudWatch by PutMetricData.

    Implements `tidegauge.export.push.Sender`. Counters arrive as what came since the last reading,
    histograms as values with counts, gauges as they are. Limits are checked here: CloudWatch would
    refuse a whole request for one bad value in it.

    Args:
        namespace: The namespace of all metrics.
        region: AWS region; if None, what the environment or the configuration of AWS says.
        dimensions: Given to every series that has no label of that name.
        resolution_s: 60, or 1 for metrics of high resolution.
        timeout_s: Longest time to connect, and longest time without an answer.
        client: A client of boto3 to use instead of one made from the above.
        clock: Where the time comes from.

    Raises:
        MissingExtraError: boto3 is not installed.
        ConfigError: The namespace or the resolution is none of CloudWatch's.
    """

    wants_deltas = True

    def __init__(
        self,
        namespace: str,
        *,
        region: str | None = None,
        dimensions: Mapping[str, str] | None = None,
        resolution_s: int = 60,
        timeout_s: float = 10.0,
        client: Any = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        _boto3()
        self._namespace = check_namespace(namespace)
        self._region = region
        self._dimensions = dict(dimensions or {})
        self._resolution_s = check_resolution(resolution_s)
        self._timeout_s = timeout_s
        self._given = client
        self._open: tuple[tuple[int, float], Any] | None = None
        self._clock = clock

    def send(self, reading: Reading, *, timeout_s: float | None = None) -> Mapping[str, int]:
        """See `tidegauge.export.push.Sender.send`."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        found, refused = datums(
            reading,
            dimensions=self._dimensions,
            most_values=_MOST_VALUES,
            now_ns=self._clock.wall_ns(),
        )
        arrived: list[Series] = []
        for batch in _batches(found):
            try:
                self._put([self._datum(each, reading.time_ns) for each in batch], until_s)
            except DeliveryError as error:
                if not arrived:
                    raise
                raise PartlyDelivered(error.what, arrived=arrived, fix=error.fix) from error
            arrived += [each.series for each in batch]
        return Counter({"sent": len(arrived), **{f"refused/{k}": n for k, n in refused.items()}})

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._open is not None and self._open[0][0] == os.getpid():
            self._open[1].close()
        self._open = None

    def _datum(self, datum: Datum, time_ns: int) -> dict[str, Any]:
        shape: dict[str, Any] = {
            "MetricName": datum.name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in datum.dimensions],
            "Timestamp": datetime.fromtimestamp(time_ns / 1e9, UTC),
            "Unit": datum.unit,
            "StorageResolution": self._resolution_s,
        }
        if datum.counts == [1]:
            return shape | {"Value": datum.values[0]}
        return shape | {"Values": datum.values, "Counts": [float(n) for n in datum.counts]}

    def _put(self, data: list[dict[str, Any]], until_s: float | None) -> None:
        from botocore.exceptions import (  # type: ignore[import-untyped]
            BotoCoreError,
            ClientError,
        )

        left_s = self._timeout_s if until_s is None else until_s - time.monotonic()
        try:
            self._client(left_s).put_metric_data(Namespace=self._namespace, MetricData=data)
        except (BotoCoreError, ClientError) as error:
            raise DeliveryError(
                f"CloudWatch did not take {len(data)} metrics: {error}",
                got=self._namespace,
                fix="See that the credentials, the region and the right to put metrics are there.",
            ) from error

    def _client(self, left_s: float) -> Any:
        """A client that gives up in time; clients have one timeout for their lives."""
        if self._given is not None:
            return self._given
        is_hurried = left_s < self._timeout_s
        key = (os.getpid(), max(left_s, _LEAST_TIMEOUT_S) if is_hurried else self._timeout_s)
        if self._open is None or self._open[0] != key:
            self.close()
            from botocore.config import Config  # type: ignore[import-untyped]

            config = Config(
                connect_timeout=key[1],
                read_timeout=key[1],
                # Repetitions would take longer than there is time for.
                retries={"mode": "standard", "total_max_attempts": 1 if is_hurried else _ATTEMPTS},
            )
            session = _boto3().session.Session()
            self._open = key, session.client("cloudwatch", region_name=self._region, config=config)
        return self._open[1]


def _batches(found: list[Datum]) -> Iterator[list[Datum]]:
    """Requests of at most 1000 metrics and 1 MB each, before compression."""
    batch: list[Datum] = []
    size = 0
    for datum in found:
        more = _size(datum)
        if batch and (len(batch) == _MOST_DATUMS or size + more > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(datum)
        size += more
    if batch:
        yield batch


def _size(datum: Datum) -> int:
    texts = [datum.name, datum.unit, *(text for pair in datum.dimensions for text in pair)]
    numbers = 2 * len(datum.values) + 2
    return sum(_KEY_BYTES + len(quote_plus(text)) for text in texts) + numbers * (
        _KEY_BYTES + _NUMBER_BYTES
    )


def _boto3() -> Any:
    try:
        import boto3  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("boto3", extra="aws") from error
    return boto3
