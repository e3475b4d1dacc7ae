# SPDX-License-Identifier: Apache-2.0
"""The machine and this process as psutil has them, within limits and without."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tidegauge.collect.cgroup import ControlGroup
from tidegauge.collect.host import Host, HostReading
from tidegauge.collect.process import OwnProcess
from tidegauge.testing import FakeClock

MIB = 1 << 20
CPUS = float(len(os.sched_getaffinity(0)))


@pytest.fixture
def no_limits(tmp_path: Path) -> ControlGroup:
    """As outside of containers."""
    return ControlGroup(tmp_path / "nothing")


@pytest.fixture
def limits(tmp_path: Path) -> Callable[..., ControlGroup]:
    """Writes limits of half a CPU and 64 MiB, and what is used of them."""
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "cgroup").write_text("0::/\n")
    (proc / "mountinfo").write_text(f"30 22 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw\n")

    def write(*, used_us: int = 0, limit_bytes: int = 64 * MIB) -> ControlGroup:
        for name, text in {
            "memory.max": f"{limit_bytes}",
            "memory.current": f"{20 * MIB}",
            "memory.stat": f"inactive_file {4 * MIB}",
            "cpu.max": "50000 100000",
            "cpu.stat": f"usage_usec {used_us}",
        }.items():
            (tmp_path / name).write_text(text + "\n")
        return ControlGroup(proc)

    return write


def test_the_machine_itself(no_limits: ControlGroup) -> None:
    """Memory, disk and counters agree with the machine's; a share of CPU takes two looks."""
    machine = psutil.virtual_memory()
    reading = Host(no_limits).read()
    assert (reading.cpu_percent, reading.cpu_limit) == (None, CPUS)
    assert reading.memory_limit_bytes == machine.total
    assert reading.memory_used_bytes == pytest.approx(machine.used, rel=0.5)
    assert reading.memory_percent is not None
    assert 0 < reading.memory_percent < 100
    (disk,) = reading.disks
    usage = psutil.disk_usage("/")
    assert (disk.mountpoint, disk.limit_bytes) == ("/", usage.total)
    assert disk.percent == pytest.approx(usage.percent, abs=1)
    for total in (reading.network_received_bytes, reading.disk_read_bytes, reading.disk_writes):
        assert total is None or total >= 0


def test_the_share_of_the_machines_cpus(no_limits: ControlGroup) -> None:
    """A look while this process is busy sees that; a first look is never 0.0."""
    host = Host(no_limits)
    assert host.read().cpu_percent is None
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < 0.5:
        sum(range(1000))
    seen = host.read().cpu_percent
    assert seen is not None
    assert 0 < seen <= 100


def test_the_share_is_of_the_cpus_that_may_be_used(
    no_limits: ControlGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that is pinned to two of sixty-four CPUs and keeps them busy has none left."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {1, 3})
    machine = psutil.cpu_times()
    nothing = machine._make([0.0] * len(machine))
    looks = iter(
        [
            [nothing] * 64,
            [
                nothing._replace(user=100.0) if cpu in (1, 3) else nothing._replace(idle=100.0)
                for cpu in range(64)
            ],
        ]
    )
    monkeypatch.setattr(psutil, "cpu_times", lambda **_: next(looks))
    host = Host(no_limits)
    assert host.read().cpu_percent is None
    reading = host.read()
    assert (reading.cpu_percent, reading.cpu_limit) == (100.0, 2.0)


def test_the_limits_are_the_truth_in_a_container(limits: Callable[..., ControlGroup]) -> None:
    """Memory is used, available and limited as the group has it; CPU is a share of its quota."""
    clock = FakeClock()
    host = Host(limits(used_us=1_000_000), clock=clock)
    first = host.read()
    assert first.cpu_percent is None
    assert first.cpu_limit == 0.5
    assert first.memory_limit_bytes == 64 * MIB
    assert first.memory_used_bytes == 16 * MIB
    assert first.memory_available_bytes == 48 * MIB
    assert first.memory_percent == 25.0
    clock.advance(10)
    limits(used_us=3_000_000)  # 2 seconds of 5
    assert host.read().cpu_percent == pytest.approx(40.0)


def test_a_limit_beyond_the_machine_is_none(limits: Callable[..., ControlGroup]) -> None:
    """What is not there cannot be used, whatever the group may."""
    reading = Host(limits(limit_bytes=1 << 50)).read()
    assert reading.memory_limit_bytes == psutil.virtual_memory().total


def test_file_systems_are_looked_at_once(no_limits: ControlGroup, tmp_path: Path) -> None:
    """That of a place that is still to be made is that of where it will be."""
    elsewhere = [Path("/proc/self"), tmp_path / "not" / "made" / "yet", Path("/")]
    seen = [disk.mountpoint for disk in Host(no_limits, elsewhere).read().disks]
    assert seen[0] == "/"
    assert len(seen) == len(set(seen))


def test_what_the_machine_lacks_is_left_out(
    no_limits: ControlGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel without any of the files leaves an empty reading, and no error."""

    def refuse(*_: object, **__: object) -> None:
        raise FileNotFoundError("/proc/stat")

    for name in ("cpu_times", "virtual_memory", "disk_usage", "disk_io_counters"):
        monkeypatch.setattr(psutil, name, refuse)
    monkeypatch.setattr(psutil, "net_io_counters", lambda **_: {})
    assert Host(no_limits).read() == HostReading(cpu_limit=CPUS)


def test_bytes_are_counted_by_the_interface_that_leads_out(
    no_limits: ControlGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What never leaves the machine is not counted."""
    before = Host(no_limits).read().network_sent_bytes
    real = psutil.net_io_counters(pernic=True)
    loud = real["lo"]._replace(bytes_sent=10**15) if "lo" in real else None
    if loud is not None:
        monkeypatch.setattr(psutil, "net_io_counters", lambda **_: {**real, "lo": loud})
    after = Host(no_limits).read().network_sent_bytes
    assert before is None or (after is not None and after - before < 10**12)


def test_this_process(no_limits: ControlGroup) -> None:
    """Memory, threads and descriptors as they are; the CPU as a share of what may be used."""
    clock = FakeClock()
    process = OwnProcess(no_limits, clock)
    gc.collect()  # what other tests have left open is not to be closed in between
    first = process.read()
    assert first.cpu_percent is None
    assert first.memory_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)
    assert first.threads is not None
    assert first.threads >= threading.active_count()
    with contextlib.ExitStack() as opened:
        for _ in range(50):
            opened.enter_context(Path(os.devnull).open())
        again = process.read()
    # Whoever else is here may open and close some meanwhile.
    assert first.file_descriptors is not None
    assert again.file_descriptors == pytest.approx(first.file_descriptors + 50, abs=20)
    begun_s = time.process_time()
    while time.process_time() - begun_s < 0.3:
        sum(range(1000))
    clock.advance(1)
    seen = process.read().cpu_percent
    assert seen is not None
    assert 25 / CPUS <= seen <= 75 / CPUS


def test_the_share_of_a_process_is_of_its_quota(limits: Callable[..., ControlGroup]) -> None:
    """All processes of a container together come to 100 when its quota is used up."""
    clock = FakeClock()
    process = OwnProcess(limits(), clock)
    process.read()
    begun_s = time.process_time()
    while time.process_time() - begun_s < 0.3:
        sum(range(1000))
    clock.advance(1)
    seen = process.read().cpu_percent
    assert seen is not None
    assert seen >= 50
