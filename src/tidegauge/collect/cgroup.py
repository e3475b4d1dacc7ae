# SPDX-License-Identifier: Apache-2.0
"""What the control group of this process may use, and uses: version 2, and version 1.

Inside a container the machine's own numbers are somebody else's: what counts is the limit, and what
is used of it. A limit may be set on the group itself or on any group around it. Files are read, no
program is started.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

__all__ = ["ControlGroup", "CpuQuota", "MemoryLimit"]

_PROC = Path("/proc/self")
#: Version 1 has no word for "no limit" but a number that no machine has.
_UNLIMITED_BYTES = 1 << 60
_MICROSECOND_S = 1e-6
_NANOSECOND_S = 1e-9


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The memory of a group.

    Attributes:
        limit_bytes: Most that it may use.
        used_bytes: What it uses, less the pages of files that can be dropped at any time.
    """

    limit_bytes: int
    used_bytes: int


@dataclass(frozen=True, slots=True)
class CpuQuota:
    """The CPUs of a group.

    Attributes:
        cpus: How many it may use at a time on average; may be less than one.
        used_s: Seconds that all its processes have used since it was made.
    """

    cpus: float
    used_s: float


class _Mount(NamedTuple):
    """Where a hierarchy of groups is to be found."""

    controllers: frozenset[str]
    root: str
    path: Path


class ControlGroup:
    """The limits in force for this process. Without any, everything it gives is None.

    Which groups those are is looked up once: processes are moved between groups when they begin.

    Args:
        proc: The process's directory, `/proc/self`.
    """

    def __init__(self, proc: Path = _PROC) -> None:
        mounts = list(_mounts(_lines(proc / "mountinfo")))
        groups = dict(_groups(_lines(proc / "cgroup")))
        unified = [each for each in mounts if not each.controllers]
        self._unified = _upwards(unified, groups.get("", ""))
        self._memory, self._cpu, self._usage = (
            _upwards([each for each in mounts if name in each.controllers], groups.get(name, ""))
            for name in ("memory", "cpu", "cpuacct")
        )

    def memory(self) -> MemoryLimit | None:
        """The memory of the group that has the least of it left; None if none is limited."""
        found = [*map(_memory_2, self._unified), *map(_memory_1, self._memory)]
        limits = [each for each in found if each is not None]
        return min(limits, key=lambda each: each.limit_bytes - each.used_bytes, default=None)

    def cpu(self) -> CpuQuota | None:
        """The CPUs of the group that may use the fewest; None if none has a quota."""
        found = [*map(_cpu_2, self._unified), *map(_cpu_1, self._cpu, self._usage)]
        quotas = [each for each in found if each is not None]
        return min(quotas, key=lambda each: each.cpus, default=None)


def _mounts(lines: list[str]) -> Iterator[_Mount]:
    """The hierarchies that are mounted; version 2 is the one without controllers of its own."""
    for line in lines:
        before, dash, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if not dash or len(fields) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        controllers = kind[2].split(",") if kind[0] == "cgroup" else ()
        yield _Mount(frozenset(controllers), _unescaped(fields[3]), Path(_unescaped(fields[4])))


def _groups(lines: list[str]) -> Iterator[tuple[str, str]]:
    """The group of this process for each controller; that of version 2 under an empty name."""
    for line in lines:
        _, names, path = (*line.split(":", 2), "", "")[:3]
        for name in names.split(","):
            yield name, path


def _upwards(mounts: list[_Mount], group: str) -> list[Path]:
    """The directories of a group and of those around it, as far up as they can be seen."""
    for mount in mounts:
        inside = group.removeprefix(mount.root.rstrip("/")).strip("/")
        directory = mount.path / inside
        # In a namespace of its own a process sees its group as the top, or as something outside.
        if ".." in inside.split("/") or not directory.is_dir():
            directory = mount.path
        return [directory, *(each for each in directory.parents if _is_in(each, mount.path))]
    return []


def _is_in(directory: Path, top: Path) -> bool:
    return directory == top or top in directory.parents


def _memory_2(directory: Path) -> MemoryLimit | None:
    return _memory(directory, "memory.max", "memory.current", "inactive_file")


def _memory_1(directory: Path) -> MemoryLimit | None:
    names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
    return _memory(directory, *names)


def _memory(directory: Path, limit: str, usage: str, droppable: str) -> MemoryLimit | None:
    limit_bytes = _number(directory / limit)
    if limit_bytes is None or not 0 < limit_bytes < _UNLIMITED_BYTES:
        return None
    used_bytes = _number(directory / usage)
    if used_bytes is None:
        return None
    used_bytes -= _stat(directory / "memory.stat", droppable) or 0
    return MemoryLimit(limit_bytes, min(max(used_bytes, 0), limit_bytes))


def _cpu_2(directory: Path) -> CpuQuota | None:
    quota, period = (*" ".join(_lines(directory / "cpu.max")).split(), "", "")[:2]
    if not (quota.isdecimal() and period.isdecimal()):  # "max" is no quota
        return None
    used_us = _stat(directory / "cpu.stat", "usage_usec")
    return None if used_us is None else _quota(int(quota), int(period), used_us * _MICROSECOND_S)


def _cpu_1(directory: Path, accounted: Path) -> CpuQuota | None:
    quota, period = (_number(directory / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    used_ns = _number(accounted / "cpuacct.usage")
    if quota is None or period is None or used_ns is None:  # a quota of -1 is none
        return None
    return _quota(quota, period, used_ns * _NANOSECOND_S)


def _quota(quota_us: int, period_us: int, used_s: float) -> CpuQuota | None:
    return CpuQuota(quota_us / period_us, used_s) if quota_us > 0 and period_us > 0 else None


def _stat(path: Path, name: str) -> int | None:
    for line in _lines(path):
        key, _, value = line.partition(" ")
        if key == name and value.isdecimal():
            return int(value)
    return None


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)[:1]).strip()
    return int(text) if text.removeprefix("-").isdecimal() else None


def _lines(path: Path) -> list[str]:
    """The lines of a file; none if it cannot be read, for a group need not have every file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _unescaped(text: str) -> str:
    r"""A path of `mountinfo`, where a space is `\040`."""
    if "\\" not in text:
        return text
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
