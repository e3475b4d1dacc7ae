# SPDX-License-Identifier: Apache-2.0
"""What is read of GPUs: by the real pynvml, over a driver of documented structures and without."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from tidegauge.collect.gpu import GpuReading
from tidegauge.collect.nvml import Nvml
from tidegauge.testing import FakeClock

GIB = 1 << 30


@pytest.fixture
def clock() -> FakeClock:
    """Time that passes when it is told to."""
    return FakeClock()


@pytest.fixture
def nvml(clock: FakeClock) -> Iterator[Nvml]:
    """What looks; it gives everything back in the end."""
    found = Nvml(clock)
    yield found
    found.close()


@pytest.fixture
def full(make_gpu: Any) -> Any:
    """A GPU that tells everything."""
    return make_gpu(
        answers={
            "nvmlDeviceGetUUID": "GPU-1b2c",
            "nvmlDeviceGetName": "NVIDIA H100 80GB HBM3",
            "nvmlDeviceGetUtilizationRates": {"gpu": 87, "memory": 41},
            "nvmlDeviceGetMemoryInfo_v2": {
                "total": 80 * GIB,
                "reserved": GIB,
                "free": 59 * GIB,
                "used": 20 * GIB,
            },
            "nvmlDeviceGetPowerUsage": 412_500,
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetTotalEnergyConsumption": 9_000_000_500,
            "nvmlDeviceGetTemperatureV": {"temperature": 61},
            "nvmlDeviceGetClockInfo": {0: 1980, 1: 1755, 2: 2619, 3: 1545},
            "nvmlDeviceGetCurrentClocksEventReasons": 0x4 | 0x20,
            "nvmlDeviceGetTotalEccErrors": {0: 3, 1: 1},
        },
        fields={197: 5_000, 198: 7_000},
        gpm={1: 88.0, 2: 35.5, 5: 12.25, 10: 20.0},
    )


def test_a_gpu_that_tells_everything(driver: Any, nvml: Nvml, full: Any, clock: FakeClock) -> None:
    """Each field in its unit; what the counters tell comes with the second look."""
    driver.gpus = [full]
    first = nvml.read()
    clock.advance(10)
    (reading,) = nvml.read()
    assert reading == GpuReading(
        index="0",
        uuid="GPU-1b2c",
        name="NVIDIA H100 80GB HBM3",
        busy_percent=87,
        memory_busy_percent=41,
        sm_percent=35.5,
        tensor_percent=12.25,
        memory_bandwidth_percent=20.0,
        memory_used_bytes=20 * GIB,
        memory_limit_bytes=80 * GIB,
        power_watts=412.5,
        power_limit_watts=700.0,
        energy_joules=9_000_000.5,
        temperature_celsius=61.0,
        clocks_mhz={"graphics": 1980, "sm": 1755, "memory": 2619, "video": 1545},
        throttled={
            "power_cap": True,
            "power_brake": False,
            "hardware_slowdown": False,
            "software_thermal": True,
            "hardware_thermal": False,
        },
        errors_corrected=3,
        errors_uncorrected=1,
        io_received_bytes=7_000,
        io_sent_bytes=5_000,
    )
    assert reading.memory_percent == 25.0
    assert [each.sm_percent for each in first] == [None]


def test_a_gpu_that_tells_nothing(driver: Any, nvml: Nvml, make_gpu: Any) -> None:
    """A card that supports no function is there, without any field."""
    driver.gpus = [make_gpu()]
    assert nvml.read() == [GpuReading(index="0")]


@pytest.mark.parametrize(
    ("function", "lost"),
    [
        ("nvmlDeviceGetUUID", {"uuid"}),
        ("nvmlDeviceGetName", {"name"}),
        ("nvmlDeviceGetMemoryInfo_v2", {"memory_used_bytes", "memory_limit_bytes"}),
        ("nvmlDeviceGetPowerUsage", {"power_watts"}),
        ("nvmlDeviceGetEnforcedPowerLimit", {"power_limit_watts"}),
        ("nvmlDeviceGetTotalEnergyConsumption", {"energy_joules"}),
        ("nvmlDeviceGetTemperatureV", {"temperature_celsius"}),
        ("nvmlDeviceGetClockInfo", {"clocks_mhz"}),
        ("nvmlDeviceGetCurrentClocksEventReasons", {"throttled"}),
        ("nvmlDeviceGetTotalEccErrors", {"errors_corrected", "errors_uncorrected"}),
    ],
)
def test_a_field_that_a_card_lacks_takes_no_other_with_it(
    driver: Any, nvml: Nvml, full: Any, function: str, lost: set[str]
) -> None:
    """Only what the unsupported function tells is missing."""
    driver.gpus = [full]
    (whole,) = nvml.read()
    del full.answers[function]
    (reading,) = nvml.read()
    differing = {
        each.name
        for each in fields(GpuReading)
        if getattr(reading, each.name) != getattr(whole, each.name)
    }
    assert differing == lost
    assert not any(getattr(reading, name) for name in lost)


def test_an_older_driver_is_asked_in_the_older_way(driver: Any, nvml: Nvml, full: Any) -> None:
    """Memory and temperature come from the first version of the functions where that is all."""
    driver.gpus = [full]
    answers = full.answers
    del answers["nvmlDeviceGetMemoryInfo_v2"], answers["nvmlDeviceGetTemperatureV"]
    answers["nvmlDeviceGetMemoryInfo"] = {"total": 80 * GIB, "free": 59 * GIB, "used": 21 * GIB}
    answers["nvmlDeviceGetTemperature"] = {0: 58}
    (reading,) = nvml.read()
    assert (reading.memory_used_bytes, reading.temperature_celsius) == (21 * GIB, 58.0)


def test_a_package_that_is_older_than_a_field(
    driver: Any, nvml: Nvml, full: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the package has no name for is not known, and everything else is."""
    driver.gpus = [full]
    monkeypatch.delattr("pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES")
    monkeypatch.delattr("pynvml.nvmlClocksEventReasonSwPowerCap")
    (reading,) = nvml.read()
    assert (reading.io_received_bytes, reading.throttled) == (None, {})
    assert (reading.busy_percent, reading.power_watts) == (87, 412.5)


def test_a_card_without_totals_of_its_bus_tells_the_speed(
    driver: Any, nvml: Nvml, full: Any
) -> None:
    """Kilobytes per second become bytes; where there are totals, the slow call is not made."""
    driver.gpus = [full]
    nvml.read()
    assert "nvmlDeviceGetPcieThroughput" not in driver.asked
    full.fields.clear()
    full.answers["nvmlDeviceGetPcieThroughput"] = {0: 1_500, 1: 2_500}
    (reading,) = nvml.read()
    assert (reading.io_received_bytes, reading.io_sent_bytes) == (None, None)
    assert (reading.received_bytes_per_s, reading.sent_bytes_per_s) == (2.5e6, 1.5e6)


def test_a_card_without_counters_is_busy_all_the_same(driver: Any, nvml: Nvml, full: Any) -> None:
    """Before Hopper there is no activity of multiprocessors, and nothing else is missing."""
    full.gpm.clear()
    driver.gpus = [full]
    nvml.read()
    (reading,) = nvml.read()
    assert (reading.busy_percent, reading.sm_percent, reading.tensor_percent) == (87, None, None)
    assert "nvmlGpmSampleAlloc" not in driver.asked


def test_two_looks_at_once_do_not_wear_the_counters_out(
    driver: Any, nvml: Nvml, full: Any, clock: FakeClock
) -> None:
    """Counters that were not refreshed yet tell nothing; the next look goes back to the first."""
    driver.gpus = [full]
    nvml.read()
    clock.advance(0.05)
    assert [each.sm_percent for each in nvml.read()] == [None]
    clock.advance(0.05)
    assert [each.sm_percent for each in nvml.read()] == [35.5]


def test_a_gpu_is_lost_and_the_other_goes_on(
    driver: Any,
    nvml: Nvml,
    full: Any,
    make_gpu: Any,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What has fallen off the bus has no reading, is told of once, and comes back when it does."""
    other = make_gpu(answers={**full.answers, "nvmlDeviceGetUUID": "GPU-2"}, gpm={2: 50.0})
    driver.gpus = [full, other]
    assert [each.uuid for each in nvml.read()] == ["GPU-1b2c", "GPU-2"]
    full.is_lost = True
    clock.advance(10)
    for _ in range(2):
        assert [(each.index, each.uuid) for each in nvml.read()] == [("1", "GPU-2")]
    assert [each.message for each in caplog.records if each.levelno == logging.WARNING] == [
        "GPU 0 cannot be looked at: GPU is lost"
    ]
    full.is_lost = False
    assert [each.index for each in nvml.read()] == ["0", "1"]


def test_a_gpu_that_is_lost_in_the_middle_of_a_look(driver: Any, nvml: Nvml, full: Any) -> None:
    """What was asked before is told, the rest is not known, and the sample is given back."""
    driver.gpus = [full]
    answers = full.answers

    class Falling(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            full.is_lost |= key == "nvmlDeviceGetPowerUsage"
            return super().get(key, default)

    full.answers = Falling(answers)
    (reading,) = nvml.read()
    assert (reading.busy_percent, reading.power_watts, reading.energy_joules) == (87, None, None)


def test_parts_that_mig_has_made(
    driver: Any, nvml: Nvml, full: Any, make_gpu: Any, clock: FakeClock
) -> None:
    """Each part has its index, memory and activity; the whole tells what belongs to all of it."""
    del full.answers["nvmlDeviceGetUtilizationRates"]  # as real ones do
    full.gpm.clear()
    for place, instance in ((0, 7), (2, 9)):
        full.parts[place] = make_gpu(
            answers={
                "nvmlDeviceGetUUID": f"MIG-{instance}",
                "nvmlDeviceGetName": "NVIDIA H100 80GB HBM3 MIG 3g.40gb",
                "nvmlDeviceGetMemoryInfo_v2": {"total": 40 * GIB, "used": place * GIB},
                "nvmlDeviceGetGpuInstanceId": instance,
            },
            gpm={1: 10.0 * instance, 2: 30.0},
        )
    driver.gpus = [full]
    nvml.read()
    clock.advance(10)
    whole, *parts = nvml.read()
    assert (whole.index, whole.busy_percent, whole.power_watts) == ("0", None, 412.5)
    assert parts == [
        GpuReading(
            index=f"0:{place}",
            uuid=f"MIG-{instance}",
            name="NVIDIA H100 80GB HBM3 MIG 3g.40gb",
            busy_percent=10.0 * instance,
            sm_percent=30.0,
            memory_used_bytes=place * GIB,
            memory_limit_bytes=40 * GIB,
        )
        for place, instance in ((0, 7), (2, 9))
    ]


@pytest.mark.usefixtures("no_driver")
def test_without_a_driver_there_are_no_gpus(nvml: Nvml, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is raised, and why is told once."""
    caplog.set_level(logging.INFO)
    assert (nvml.read(), nvml.read()) == ([], [])
    assert [each.message for each in caplog.records] == [
        "there are no GPUs that could be looked at: NVML Shared Library Not Found"
    ]


def test_a_driver_that_comes_later_is_found_within_a_minute(
    driver: Any, nvml: Nvml, full: Any, clock: FakeClock
) -> None:
    """And not asked for with every look."""
    driver.gpus = [full]
    driver.is_running = False
    assert nvml.read() == []
    driver.is_running = True
    clock.advance(59)
    assert nvml.read() == []
    assert driver.asked == ["nvmlInitWithFlags"]
    clock.advance(1)
    assert [each.uuid for each in nvml.read()] == ["GPU-1b2c"]


def test_a_driver_that_goes_is_looked_for_again(
    driver: Any, nvml: Nvml, full: Any, clock: FakeClock
) -> None:
    """Its update leaves no reading behind, and no sample."""
    driver.gpus = [full]
    nvml.read()
    driver.is_running = False
    assert nvml.read() == []
    assert (driver.samples, driver.initialised) == ({}, 0)
    driver.is_running = True
    clock.advance(60)
    assert [each.uuid for each in nvml.read()] == ["GPU-1b2c"]


def test_without_the_package_there_are_no_gpus(
    nvml: Nvml, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And it is told which extra has it."""
    caplog.set_level(logging.INFO)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml.read() == []
    assert [each.message for each in caplog.records] == [
        "GPUs are not looked at without the extra: pip install 'tidegauge[gpu]'"
    ]


def test_this_machine_as_it_is() -> None:
    """With a driver each GPU has a UUID and possible values; without one there are none."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        count = 0
    else:
        count = pynvml.nvmlDeviceGetCount()
        pynvml.nvmlShutdown()
    nvml = Nvml()
    try:
        readings = [each for each in nvml.read() if ":" not in each.index]
    finally:
        nvml.close()
    assert [each.index for each in readings] == [str(number) for number in range(count)]
    for each in readings:
        assert each.uuid is not None
        assert each.uuid.startswith("GPU-")
        assert each.busy_percent is None or 0 <= each.busy_percent <= 100
        assert each.memory_percent is None or 0 <= each.memory_percent <= 100
        assert each.temperature_celsius is None or 0 < each.temperature_celsius < 130
