# SPDX-License-Identifier: Apache-2.0
"""Finding what is broken in a Delta log, and whether the table can do without it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["LogDamage", "damage_of"]

_LAST_CHECKPOINT = "_last_checkpoint"


class LogDamage(msgspec.Struct, frozen=True):
    """The broken files of a log.

    Attributes:
        newest: The newest commit, if it is broken. Without it the table is what it was before, and
            so are its cursors; what the commit had stored is drained again.
        checkpoints: Broken checkpoints, with the file that points to one that is broken or gone.
            Without them the table is read from an older one, if the commits since are there.
        commits: Other broken commits. They cannot be done without.
    """

    newest: Path | None
    checkpoints: list[Path]
    commits: list[Path]

    @property
    def dispensable(self) -> list[Path]:
        """The broken files that the table may be able to do without."""
        return [*self.checkpoints, *([] if self.newest is None else [self.newest])]


def damage_of(log: Path) -> LogDamage:
    """Look for broken files in the log directory of a table, as far as they are in use."""
    checkpoints = sorted(log.glob("*.checkpoint*.parquet"))
    broken_checkpoints = [path for path in checkpoints if not _is_parquet(path)]
    intact = [_version(path) for path in checkpoints if path not in broken_checkpoints]
    in_use = [path for path in log.glob("*.json") if _version(path) > max(intact, default=-1)]
    broken = sorted(path for path in in_use if not _is_commit(path))
    newest = max(in_use, default=None)
    pointer = log / _LAST_CHECKPOINT
    astray = pointer.exists() and _pointed_to(pointer) not in {*intact, None}
    return LogDamage(
        newest=newest if newest in broken else None,
        checkpoints=[*broken_checkpoints, *([pointer] if astray else [])],
        commits=[path for path in broken if path != newest],
    )


def _pointed_to(pointer: Path) -> int | None:
    """The checkpoint that the pointer names; None if it cannot be read, which hurts nobody."""
    try:
        return int(json.loads(pointer.read_bytes())["version"])
    except (ValueError, KeyError, TypeError):
        return None


def _version(path: Path) -> int:
    digits = path.name.partition(".")[0]
    return int(digits) if digits.isdigit() else -1


def _is_commit(path: Path) -> bool:
    lines = path.read_bytes().splitlines()
    try:
        return bool(lines) and all(isinstance(json.loads(line), dict) for line in lines)
    except ValueError:
        return False


def _is_parquet(path: Path) -> bool:
    try:
        pq.ParquetFile(path).read(["txn"])
    except (OSError, pa.ArrowException):
        return False
    return True
