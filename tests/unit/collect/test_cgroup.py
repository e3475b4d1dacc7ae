# SPDX-License-Identifier: Apache-2.0
"""Limits of control groups, from trees of files as kernels and containers show them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tidegauge.collect.cgroup import ControlGroup, CpuQuota, MemoryLimit

MIB = 1 << 20
Make = Callable[..., ControlGroup]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a tree below a mount point, and what the kernel says of this process; reads it."""

    def build(mounts: list[str], groups: list[str], files: dict[str, str]) -> ControlGroup:
        proc = tmp_path / "proc"
        proc.mkdir()
        lines = [each.replace("TOP", str(tmp_path / "sys")) for each in mounts]
        (proc / "mountinfo").write_text("\n".join(["22 1 8:1 / / rw - ext4 /dev/a rw", *lines]))
        (proc / "cgroup").write_text("\n".join(groups) + "\n")
        (tmp_path / "sys").mkdir()
        for name, text in files.items():
            path = tmp_path / "sys" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return ControlGroup(proc)

    return build


V2 = ["30 22 0:26 / TOP rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"]
V1 = [
    "40 22 0:31 / TOP/memory rw - cgroup cgroup rw,memory",
    r"41 22 0:32 / TOP/cpu\054cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
]


def test_a_container_of_version_2(make: Make) -> None:
    """In a namespace of its own its group is the top; pages that can be dropped are not used."""
    group = make(
        V2,
        ["0::/"],
        {
            "memory.max": str(512 * MIB),
            "memory.current": str(300 * MIB),
            "memory.stat": f"anon 5\ninactive_file {100 * MIB}\nactive_file 7",
            "cpu.max": "150000 100000",
            "cpu.stat": "usage_usec 2500000\nuser_usec 1",
        },
    )
    assert group.memory() == MemoryLimit(512 * MIB, 200 * MIB)
    assert group.cpu() == CpuQuota(1.5, 2.5)


def test_a_container_of_version_1(make: Make) -> None:
    """Its directory is mounted as the top, and the path of its group is that of the machine."""
    mounts = [each.replace(" / TOP", " /docker/4f5e TOP") for each in V1]
    group = make(
        mounts,
        ["5:memory:/docker/4f5e", "4:cpu,cpuacct:/docker/4f5e", "1:name=systemd:/"],
        {
            "memory/memory.limit_in_bytes": str(256 * MIB),
            "memory/memory.usage_in_bytes": str(200 * MIB),
            "memory/memory.stat": f"inactive_file 9\ntotal_inactive_file {50 * MIB}",
            "cpu,cpuacct/cpu.cfs_quota_us": "50000",
            "cpu,cpuacct/cpu.cfs_period_us": "100000",
            "cpu,cpuacct/cpuacct.usage": "1500000000",
        },
    )
    assert group.memory() == MemoryLimit(256 * MIB, 150 * MIB)
    assert group.cpu() == CpuQuota(0.5, 1.5)


def test_accounting_may_be_mounted_by_itself(make: Make) -> None:
    """In version 1 the quota and the usage may be of two hierarchies."""
    group = make(
        [
            "41 22 0:32 / TOP/cpu rw - cgroup cgroup rw,cpu",
            "42 22 0:33 / TOP/acct rw - cgroup cgroup rw,cpuacct",
        ],
        ["4:cpu:/job", "3:cpuacct:/job"],
        {
            "cpu/job/cpu.cfs_quota_us": "200000",
            "cpu/job/cpu.cfs_period_us": "100000",
            "acct/job/cpuacct.usage": "3000000000",
        },
    )
    assert group.cpu() == CpuQuota(2.0, 3.0)


def test_no_limit_is_none(make: Make) -> None:
    """Version 2 says max; the number of version 1 that stands for it is no limit either."""
    v2 = {"memory.max": "max", "memory.current": "5", "cpu.max": "max 100000"}
    v1 = {
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "memory/memory.usage_in_bytes": "5",
        "cpu,cpuacct/cpu.cfs_quota_us": "-1",
        "cpu,cpuacct/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/cpuacct.usage": "5",
    }
    mounts = [V2[0].replace("TOP", "TOP/unified"), *V1]
    files = {f"unified/{name}": text for name, text in v2.items()} | v1
    group = make(mounts, ["0::/", "5:memory:/", "4:cpu,cpuacct:/"], files)
    assert (group.memory(), group.cpu()) == (None, None)


def test_the_tightest_limit_of_those_around_counts(make: Make) -> None:
    """Memory of the group that has the least left, CPUs of the one that may use the fewest."""
    group = make(
        V2,
        ["0::/shop.slice/api.service"],
        {
            "shop.slice/memory.max": str(900 * MIB),
            "shop.slice/memory.current": str(880 * MIB),
            "shop.slice/cpu.max": "100000 100000",
            "shop.slice/cpu.stat": "usage_usec 9000000",
            "shop.slice/api.service/memory.max": str(500 * MIB),
            "shop.slice/api.service/memory.current": str(100 * MIB),
            "shop.slice/api.service/cpu.max": "400000 100000",
            "shop.slice/api.service/cpu.stat": "usage_usec 1000000",
        },
    )
    assert group.memory() == MemoryLimit(900 * MIB, 880 * MIB)
    assert group.cpu() == CpuQuota(1.0, 9.0)


def test_a_group_that_cannot_be_seen_is_the_top(make: Make) -> None:
    """A path that leads out of the namespace, or nowhere, is that of what is mounted."""
    group = make(
        V2,
        ["0::/../../elsewhere"],
        {"memory.max": str(MIB), "memory.current": "1000", "elsewhere/memory.max": "1"},
    )
    assert group.memory() == MemoryLimit(MIB, 1000)


def test_more_is_dropped_than_was_used(make: Make) -> None:
    """Numbers of two moments may contradict each other; memory in use is never less than none."""
    files = {"memory.max": "1000", "memory.current": "10", "memory.stat": "inactive_file 20"}
    assert make(V2, ["0::/"], files).memory() == MemoryLimit(1000, 0)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"memory.max": "", "cpu.max": ""},
        {"memory.max": "1000", "cpu.max": "100000 100000"},
        {"memory.max": "much", "memory.current": "1", "cpu.max": "a b", "cpu.stat": "usage_usec 1"},
        {"memory.max": "0", "memory.current": "1", "cpu.max": "1 0", "cpu.stat": "usage_usec 1"},
    ],
)
def test_files_that_say_nothing(make: Make, files: dict[str, str]) -> None:
    """Missing, empty, half or unreadable ones are no limit."""
    group = make(V2, ["0::/"], files)
    assert (group.memory(), group.cpu()) == (None, None)


def test_a_system_without_groups(tmp_path: Path) -> None:
    """Where the kernel says nothing of groups, there are no limits."""
    group = ControlGroup(tmp_path / "nothing")
    assert (group.memory(), group.cpu()) == (None, None)


def test_the_group_of_this_process() -> None:
    """Whatever it is, its limits are possible."""
    group = ControlGroup()
    memory, cpu = group.memory(), group.cpu()
    assert memory is None or 0 <= memory.used_bytes <= memory.limit_bytes
    assert cpu is None or (cpu.cpus > 0 and cpu.used_s >= 0)
