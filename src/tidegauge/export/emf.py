# SPDX-License-Identifier: Apache-2.0
"""The sender for CloudWatch's embedded metric format: lines of JSON on a stream, for AWS Lambda.

CloudWatch makes metrics of such lines when they arrive in its logs, so nothing waits for a network.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from tidegauge.export.cloudwatch_rules import Datum, check_namespace, check_resolution, datums
from tidegauge.live.families import Labels, Reading
from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.errors import DeliveryError

__all__ = ["EmfSender"]

_MOST_METRICS = 100
_MOST_VALUES = 100
_MOST_BYTES = 250_000  # of one event in CloudWatch's logs, which may have 256 KiB
_ROOT = "_aws"


class EmfSender:
    """Writes readings of deltas, a line or more for each set of dimensions.

    Implements `tidegauge.export.push.Sender`. A reading with no gauge, in which nothing has come,
    writes nothing.

    Args:
        namespace: The namespace of all metrics.
        stream: Where lines go; standard output, as it is then, if None.
        dimensions: Given to every series that has no label of that name.
        resolution_s: 60, or 1 for metrics of high resolution.
        clock: Where the time comes from.

    Raises:
        ConfigError: The namespace or the resolution is none of CloudWatch's.
    """

    wants_deltas = True

    def __init__(
        self,
        namespace: str,
        *,
        stream: TextIO | None = None,
        dimensions: Mapping[str, str] | None = None,
        resolution_s: int = 60,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._namespace = check_namespace(namespace)
        self._stream = stream
        self._dimensions = dict(dimensions or {})
        self._resolution_s = check_resolution(resolution_s)
        self._clock = clock

    def send(
        self,
        reading: Reading,
        *,
        timeout_s: float | None = None,  # noqa: ARG002  (a line is written or it is not)
    ) -> Mapping[str, int]:
        """See `tidegauge.export.push.Sender.send`."""
        found, refused = datums(
            reading,
            dimensions=self._dimensions,
            most_values=_MOST_VALUES,
            now_ns=self._clock.wall_ns(),
        )
        sets: dict[Labels, list[Datum]] = {}
        for datum in found:
            # A line has one name space for the values of dimensions and of metrics.
            if datum.name == _ROOT or any(datum.name == name for name, _ in datum.dimensions):
                refused["bad_name"] += 1
            else:
                sets.setdefault(datum.dimensions, []).append(datum)
        lines = [
            self._line(dimensions, part, reading.time_ns)
            for dimensions, data in sets.items()
            for part in _parts(data)
        ]
        self._write(lines)
        sent = sum(map(len, sets.values()))
        return Counter({"sent": sent, **{f"refused/{k}": n for k, n in refused.items()}})

    def close(self) -> None:
        """Nothing to close: the stream is its owner's."""

    def _line(self, dimensions: Labels, data: list[Datum], time_ns: int) -> str:
        directive = {
            "Namespace": self._namespace,
            "Dimensions": [[name for name, _ in dimensions]],
            "Metrics": [
                {"Name": each.name, "Unit": each.unit, "StorageResolution": self._resolution_s}
                for each in data
            ],
        }
        root = {
            _ROOT: {"Timestamp": time_ns // 1_000_000, "CloudWatchMetrics": [directive]},
            **dict(dimensions),
            **{each.name: _target(each) for each in data},
        }
        return json.dumps(root, separators=(",", ":"), allow_nan=False) + "\n"

    def _write(self, lines: list[str]) -> None:
        if not lines:
            return
        stream = self._stream or sys.stdout
        try:
            # In one call, so that what other threads print does not come between.
            stream.write("".join(lines))
            stream.flush()
        except (OSError, ValueError) as error:  # a ValueError if the stream was closed
            raise DeliveryError(
                f"the metrics for CloudWatch could not be written: {error}",
                got=getattr(stream, "name", type(stream).__name__),
                fix="See that the stream is open.",
            ) from error


def _target(datum: Datum) -> float | dict[str, Any]:
    if datum.counts == [1]:
        return datum.values[0]
    return {
        "Values": datum.values,
        "Counts": datum.counts,
        "Min": datum.values[0],
        "Max": datum.values[-1],
        "Sum": datum.total,
        "Count": sum(datum.counts),
    }


def _parts(data: list[Datum]) -> Iterator[list[Datum]]:
    """The metrics of one line each: at most 100, of distinct names, and not too many bytes."""
    part: dict[str, Datum] = {}
    size = 0
    for datum in data:
        more = len(json.dumps(_target(datum))) + 2 * len(datum.name) + 100
        if part and (len(part) == _MOST_METRICS or size + more > _MOST_BYTES or datum.name in part):
            yield list(part.values())
            part, size = {}, 0
        part[datum.name] = datum
        size += more
    if part:
        yield list(part.values())
