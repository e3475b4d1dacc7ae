# SPDX-License-Identifier: Apache-2.0
"""What is recorded of a look, by whom, and when the next one is due."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tidegauge as tg
from tidegauge.collect.cgroup import ControlGroup
from tidegauge.collect.facts import Facts
from tidegauge.collect.gpu import GpuReading
from tidegauge.collect.host import DiskSpace, HostReading
from tidegauge.collect.process import ProcessReading
from tidegauge.collect.sampler import Sampler
from tidegauge.collect.watch import RESOURCES_LOCK, Watch
from tidegauge.store.leader import exclusive, holder
from tidegauge.testing import Captured, FakeClock, capture


@pytest.fixture
def captured() -> Iterator[Captured]:
    """What is recorded, strictly: a value out of its bounds raises."""
    with capture() as found:
        yield found


@pytest.fixture
def make_watch(store_dir: Path, no_driver: None) -> Iterator[Callable[[], Watch]]:
    """Makes watches on the store, without GPUs; closes them in the end."""
    made: list[Watch] = []

    def make() -> Watch:
        made.append(Watch(store_dir, ControlGroup(store_dir / "no-limits"), FakeClock()))
        return made[-1]

    yield make
    for watch in made:
        watch.close()


def shown(captured: Captured) -> list[tuple[Any, ...]]:
    """Metric, labels and value of each fact, in order."""
    return [(fact.metric, fact.labels, fact.columns["value"]) for fact in captured.facts]


def test_a_reading_of_the_machine_becomes_facts(captured: Captured) -> None:
    """Each value under its name; of totals what they have grown by."""
    facts = Facts()
    disk = DiskSpace(mountpoint="/", used_bytes=30, limit_bytes=90, percent=33.5)
    for received in (1_000, 1_500):
        facts.host(
            HostReading(
                cpu_percent=12.5,
                memory_percent=60.0,
                memory_used_bytes=6,
                memory_available_bytes=4,
                memory_limit_bytes=10,
                disks=(disk,),
                network_received_bytes=received,
            )
        )
    once = [
        ("resource:cpu_percent", {}, 12.5),
        ("resource:memory_percent", {}, 60.0),
        ("resource:memory_used_bytes", {}, 6.0),
        ("resource:memory_available_bytes", {}, 4.0),
        ("resource:memory_limit_bytes", {}, 10.0),
        ("resource:disk_percent", {"mountpoint": "/"}, 33.5),
        ("resource:disk_used_bytes", {"mountpoint": "/"}, 30.0),
        ("resource:disk_limit_bytes", {"mountpoint": "/"}, 90.0),
    ]
    assert shown(captured) == [
        *once,
        *once,
        ("resource:network_bytes", {"way": "receive"}, 500.0),
    ]


def test_a_reading_of_a_process_becomes_facts(captured: Captured) -> None:
    """What is not known is no fact."""
    Facts().process(ProcessReading(memory_bytes=7, threads=3))
    assert shown(captured) == [
        ("resource:process_memory_bytes", {}, 7.0),
        ("resource:process_threads", {}, 3.0),
    ]


def test_readings_of_gpus_become_facts(captured: Captured) -> None:
    """Each GPU with its index, UUID and model; what has no UUID goes without."""
    facts = Facts()
    a = {"gpu": "0", "gpu_uuid": "GPU-a", "gpu_name": "NVIDIA A100"}
    before = 0
    for joules, errors in ((100.0, 0), (160.0, 2)):
        before = len(captured.facts)
        facts.gpus(
            [
                GpuReading(
                    index="0",
                    uuid="GPU-a",
                    name="NVIDIA A100",
                    busy_percent=80,
                    memory_used_bytes=3,
                    memory_limit_bytes=4,
                    energy_joules=joules,
                    errors_corrected=errors,
                    clocks_mhz={"sm": 1_400},
                    throttled={"power_cap": True},
                    sent_bytes_per_s=5e6,
                ),
                GpuReading(index="1", busy_percent=0),
            ]
        )
    assert shown(captured)[before:] == [
        ("resource:gpu_percent", a, 80.0),
        ("resource:gpu_memory_used_bytes", a, 3.0),
        ("resource:gpu_memory_limit_bytes", a, 4.0),
        ("resource:gpu_memory_percent", a, 75.0),
        ("resource:gpu_clock_mhz", {**a, "clock": "sm"}, 1400.0),
        ("resource:gpu_throttled", {**a, "reason": "power_cap"}, 1.0),
        ("resource:gpu_energy_joules", a, 60.0),
        ("resource:gpu_io_speed", {**a, "way": "transmit"}, 5e6),
        ("resource:gpu_errors", {**a, "error_type": "corrected"}, 2.0),
        ("resource:gpu_percent", {"gpu": "1"}, 0.0),
    ]


def test_the_first_to_look_records_the_machine(
    captured: Captured, make_watch: Callable[[], Watch], store_dir: Path
) -> None:
    """Each records its process; when the first is closed, the other takes over."""
    first, second = make_watch(), make_watch()
    for _ in range(2):
        first.look()
        second.look()
    assert (first.leads, second.leads) == (True, False)
    assert holder(store_dir / RESOURCES_LOCK) is not None
    assert len(captured.values("resource:process_memory_bytes")) == 4
    assert len(captured.values("resource:memory_used_bytes")) == 2
    first.close()
    second.look()
    assert second.leads
    assert len(captured.values("resource:memory_used_bytes")) == 3


def test_a_watch_that_was_closed_records_nothing(
    captured: Captured, make_watch: Callable[[], Watch]
) -> None:
    """Whoever still has it may ask it to look; closing it twice is fine."""
    watch = make_watch()
    watch.close()
    watch.look()
    watch.close()
    assert captured.facts == []
    assert not watch.leads


def test_a_driver_that_hangs_holds_nobody_up(
    captured: Captured,
    store_dir: Path,
    driver: Any,
    make_gpu: Any,
) -> None:
    """Closing waits a second, gives the lock to others, and what comes after is not recorded."""
    hung, released = threading.Event(), threading.Event()

    class Hanging(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            hung.set()
            released.wait(30)
            return super().get(key, default)

    driver.gpus = [make_gpu(answers=Hanging({"nvmlDeviceGetUtilizationRates": {"gpu": 5}}))]
    watch = Watch(store_dir, ControlGroup(store_dir / "no-limits"))
    thread = threading.Thread(target=watch.look)
    thread.start()
    assert hung.wait(30)
    watch.close()
    with exclusive(store_dir / RESOURCES_LOCK) as is_free:
        assert is_free
    released.set()
    thread.join()
    assert captured.values("resource:gpu_percent") == []
    assert len(captured.values("resource:memory_used_bytes")) == 1
    driver.initialised = 0  # left behind on purpose


def test_gpus_of_this_machine_are_recorded(
    captured: Captured, store_dir: Path, driver: Any, make_gpu: Any
) -> None:
    """From the driver's answer to the fact."""
    driver.gpus = [make_gpu(answers={"nvmlDeviceGetUtilizationRates": {"gpu": 5, "memory": 1}})]
    watch = Watch(store_dir, ControlGroup(store_dir / "no-limits"))
    watch.look()
    watch.close()
    assert captured.values("resource:gpu_percent") == [5.0]
    assert captured.values("resource:gpu_memory_busy_percent") == [1.0]


def test_a_store_that_does_not_admit_us(captured: Captured, no_driver: None) -> None:
    """Without a place for the lock, this process is recorded and nothing is raised."""
    watch = Watch(Path("/proc/nowhere"), ControlGroup(Path("/proc/nowhere")))
    watch.look()
    watch.close()
    assert len(captured.values("resource:process_threads")) == 1
    assert captured.values("resource:memory_used_bytes") == []


class Looks:
    """Counts looks in place of a watch."""

    def __init__(self) -> None:
        self.count = 0

    def look(self) -> None:
        """Count."""
        self.count += 1


def test_looks_are_regular() -> None:
    """The first at once, then one per interval; those that were missed are left out."""
    clock, looks = FakeClock(), Looks()
    sampler = Sampler(lambda: looks, 10.0, clock)  # type: ignore[arg-type,return-value]
    seen = []
    for passed in (0, 4, 5.9, 0.2, 9.8, 35, 4.9, 0.3):
        clock.advance(passed)
        sampler.advance(force=True)
        seen.append(looks.count)
    assert seen == [1, 1, 1, 2, 2, 3, 3, 4]
    assert sampler.is_caught_up()


@pytest.mark.parametrize(("every_s", "poll_s"), [(10.0, 1.0), (60.0, 1.0), (0.5, 0.05)])
def test_how_often_it_is_seen_whether_it_is_time(every_s: float, poll_s: float) -> None:
    """A look is at most a tenth of its interval, or a second, late."""
    assert Sampler(lambda: None, every_s).poll_s == poll_s  # type: ignore[arg-type,return-value]


def test_one_call_records_a_look(captured: Captured, no_driver: None) -> None:
    """`tidegauge.update_resource_metrics()`, on a machine as it is."""
    tg.update_resource_metrics()
    tg.update_resource_metrics()
    assert len(captured.values("resource:memory_percent")) == 2
    assert len(captured.values("resource:process_memory_bytes")) == 2
    assert captured.values("resource:gpu_percent") == []
