# SPDX-License-Identifier: Apache-2.0
"""Reading a Delta log of this machine without the Delta library.

For processes in which the library cannot be used because their parent had used it before the fork:
they can at least read. It knows what our tables use of the format: commits as lines of JSON, and
checkpoints in one Parquet file. A test holds it against the library.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow.parquet as pq

from tidegauge.store.files import CUT_US, FileList
from tidegauge.store.schema import PARTITION

__all__ = ["PlainLog"]

_DAY_US = 86_400 * 10**6
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_ACTIONS = ("add", "txn", "metaData")


class PlainLog:
    """The newest version of a table.

    Args:
        log: The directory `_delta_log`.

    Attributes:
        version: Number of the version.

    Raises:
        FileNotFoundError: There is no log.
        ValueError: An entry is damaged or missing.
    """

    def __init__(self, log: Path) -> None:
        self.version = -1
        self._transactions: dict[str, int] = {}
        self._log = log
        self._adds: dict[str, Mapping[str, Any]] = {}
        self._metadata: Mapping[str, Any] = {}
        checkpoints = {
            int(path.name.partition(".")[0]): path for path in log.glob("*[0-9].checkpoint.parquet")
        }
        if checkpoints:
            self.version = max(checkpoints)
            self._read_checkpoint(checkpoints[self.version])
        self.update()
        if self.version < 0:
            raise FileNotFoundError(str(log))

    def update(self) -> None:
        """Go on to the version that is the newest now."""
        commits = {int(path.stem): path for path in self._log.glob("*[0-9].json")}
        for version in range(self.version + 1, max(commits, default=-1) + 1):
            if version not in commits:
                raise ValueError(f"the commit {version} is missing")
            for line in commits[version].read_bytes().splitlines():
                self._apply(json.loads(line))
            self.version = version

    def transaction(self, name: str) -> int | None:
        """The version of an application transaction; None if there is none."""
        return self._transactions.get(name)

    @property
    def columns(self) -> frozenset[str]:
        """The table's columns."""
        schema = json.loads(self._metadata["schemaString"])
        return frozenset(field["name"] for field in schema["fields"])

    @property
    def configuration(self) -> dict[str, str]:
        """The table's configuration."""
        return dict(self._metadata["configuration"])

    def files(self) -> FileList:
        """The table's data files."""
        adds = list(self._adds.values())
        statistics = [json.loads(add.get("stats") or "{}") for add in adds]
        dates = [dt.date.fromisoformat(dict(add["partitionValues"])[PARTITION]) for add in adds]
        days = np.array([(date - _EPOCH.date()).days for date in dates], np.int32)
        first_us = days.astype(np.int64) * _DAY_US
        smallest = [each.get("minValues", {}).get("time") for each in statistics]
        largest = [each.get("maxValues", {}).get("time") for each in statistics]
        return FileList(
            paths=[unquote(add["path"]) for add in adds],
            dates=days,
            min_us=_times_us(smallest, first_us),
            max_us=_times_us(largest, first_us + _DAY_US - 1 - CUT_US) + CUT_US,
            rows=np.array([each.get("numRecords", 0) for each in statistics], np.int64),
            sizes_bytes=np.array([add["size"] for add in adds], np.int64),
        )

    def _read_checkpoint(self, path: Path) -> None:
        for action in pq.ParquetFile(path).read(_ACTIONS).to_pylist():
            self._apply({kind: value for kind, value in action.items() if value is not None})

    def _apply(self, action: Mapping[str, Any]) -> None:
        if add := action.get("add"):
            self._adds[add["path"]] = add
        if remove := action.get("remove"):
            self._adds.pop(remove["path"], None)
        if transaction := action.get("txn"):
            self._transactions[transaction["appId"]] = transaction["version"]
        if metadata := action.get("metaData"):
            self._metadata = metadata


def _times_us(texts: list[str | None], default: Any) -> Any:
    times = [
        fallback if text is None else (dt.datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
        for text, fallback in zip(texts, default.tolist(), strict=True)
    ]
    return np.array(times, np.int64)
