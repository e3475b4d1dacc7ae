# SPDX-License-Identifier: Apache-2.0
"""A driver of GPUs, as pynvml finds one: C functions over the structures that NVIDIA documents.

The real pynvml runs on top of it, from loading the library on. What a GPU has no answer to is "not
supported", as with real cards.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Iterator
from ctypes import c_char, c_double, c_int, c_longlong, c_uint, c_ulonglong, c_void_p
from dataclasses import dataclass, field
from typing import Any

import pynvml
import pytest

SUCCESS, UNINITIALIZED, NOT_SUPPORTED, NOT_FOUND, GPU_IS_LOST = 0, 1, 3, 6, 15


class Utilization(ctypes.Structure):
    """nvmlUtilization_t."""

    _fields_ = (("gpu", c_uint), ("memory", c_uint))


class Memory(ctypes.Structure):
    """nvmlMemory_t."""

    _fields_ = (("total", c_ulonglong), ("free", c_ulonglong), ("used", c_ulonglong))


class Memory2(ctypes.Structure):
    """nvmlMemory_v2_t."""

    _fields_ = (
        ("version", c_uint),
        ("total", c_ulonglong),
        ("reserved", c_ulonglong),
        ("free", c_ulonglong),
        ("used", c_ulonglong),
    )


class Temperature(ctypes.Structure):
    """nvmlTemperature_v1_t."""

    _fields_ = (("version", c_uint), ("sensor", c_int), ("temperature", c_int))


class FieldValue(ctypes.Structure):
    """nvmlFieldValue_t, with the member of its union that is used here."""

    _fields_ = (
        ("field", c_uint),
        ("scope", c_uint),
        ("timestamp", c_longlong),
        ("latency_us", c_longlong),
        ("type", c_int),
        ("status", c_int),
        ("value", c_ulonglong),
    )


class GpmSupport(ctypes.Structure):
    """nvmlGpmSupport_t."""

    _fields_ = (("version", c_uint), ("is_supported", c_uint))


class GpmMetric(ctypes.Structure):
    """nvmlGpmMetric_t."""

    _fields_ = (
        ("number", c_uint),
        ("status", c_int),
        ("value", c_double),
        ("names", c_void_p * 3),
    )


class GpmMetrics(ctypes.Structure):
    """nvmlGpmMetricsGet_t, with as many metrics as this driver knows."""

    _fields_ = (
        ("version", c_uint),
        ("n_metrics", c_uint),
        ("first", c_void_p),
        ("second", c_void_p),
        ("metrics", GpmMetric * 98),
    )


@dataclass
class Gpu:
    """A GPU: what it answers to each function; to others it answers that they are not supported.

    Attributes:
        answers: By the name of the function.
        fields: By the number of the field.
        gpm: By the number of the metric.
        parts: What MIG has made of it, by place and number of the GPU instance.
        is_lost: Whether it has fallen off the bus.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    fields: dict[int, int] = field(default_factory=dict)
    gpm: dict[int, float] = field(default_factory=dict)
    parts: dict[int, Gpu] = field(default_factory=dict)
    is_lost: bool = False


class Driver:
    """The library of the driver.

    Attributes:
        gpus: What is plugged in.
        is_running: Whether it answers at all.
        initialised: How often it was initialised without having been shut down.
        samples: Samples of performance counters that were not given back.
        asked: Names of the functions that were called.
    """

    def __init__(self) -> None:
        self.gpus: list[Gpu] = []
        self.is_running = True
        self.initialised = 0
        self.samples: dict[int, tuple[Gpu, int | None]] = {}
        self.asked: list[str] = []
        self.latest = itertools.count(1)

    def __getattr__(self, name: str) -> Any:
        if name not in _FUNCTIONS:  # as a library of C does
            raise AttributeError(name)
        types, work = _FUNCTIONS[name]

        def called(*arguments: Any) -> int:
            self.asked.append(name)
            return work(self, *arguments)

        function = ctypes.CFUNCTYPE(c_int, *types)(called)
        setattr(self, name, function)
        return function

    def find(self, handle: int) -> Gpu:
        """The GPU, or part of one, that a handle stands for."""
        number, place = divmod(handle, 100)
        gpu = self.gpus[number - 1]
        return gpu.parts[place - 1] if place else gpu


def _init(driver: Driver, flags: int) -> int:
    if not driver.is_running:
        return 9  # the driver is not loaded
    driver.initialised += 1
    return SUCCESS


def _shutdown(driver: Driver) -> int:
    driver.initialised -= 1
    return SUCCESS


def _count(driver: Driver, target: int) -> int:
    c_uint.from_address(target).value = len(driver.gpus)
    return SUCCESS if driver.is_running else UNINITIALIZED


def _handle(driver: Driver, number: int, target: int) -> int:
    if driver.gpus[number].is_lost:
        return GPU_IS_LOST
    c_void_p.from_address(target).value = (number + 1) * 100
    return SUCCESS


def _text(name: str) -> Callable[..., int]:
    def work(driver: Driver, handle: int, target: int, length: int) -> int:
        gpu = driver.find(handle)
        if gpu.is_lost or name not in gpu.answers:
            return GPU_IS_LOST if gpu.is_lost else NOT_SUPPORTED
        data = gpu.answers[name].encode() + b"\0"
        (c_char * length).from_address(target)[: len(data)] = data
        return SUCCESS

    return work


def _field_values(driver: Driver, handle: int, count: int, target: int) -> int:
    known = driver.find(handle).fields
    for each in (FieldValue * count).from_address(target):
        each.status = SUCCESS if each.field in known else NOT_SUPPORTED
        each.type, each.value = 3, known.get(each.field, 0)
    return SUCCESS


def _mig_mode(driver: Driver, handle: int, current: int, pending: int) -> int:
    is_on = int(bool(driver.find(handle).parts))
    c_uint.from_address(current).value = c_uint.from_address(pending).value = is_on
    return SUCCESS


def _mig_count(driver: Driver, handle: int, target: int) -> int:
    c_uint.from_address(target).value = 7
    return SUCCESS


def _mig_handle(driver: Driver, handle: int, place: int, target: int) -> int:
    if place not in driver.find(handle).parts:
        return NOT_FOUND
    c_void_p.from_address(target).value = handle + place + 1
    return SUCCESS


def _gpm_supported(driver: Driver, handle: int, target: int) -> int:
    gpu = driver.find(handle)
    has_any = bool(gpu.gpm) or any(part.gpm for part in gpu.parts.values())
    GpmSupport.from_address(target).is_supported = int(has_any)
    return SUCCESS


def _gpm_alloc(driver: Driver, target: int) -> int:
    number = next(driver.latest)
    driver.samples[number] = Gpu(), None
    c_void_p.from_address(target).value = number
    return SUCCESS


def _gpm_free(driver: Driver, sample: int) -> int:
    del driver.samples[sample]
    return SUCCESS


def _gpm_sample(driver: Driver, handle: int, sample: int) -> int:
    gpu = driver.find(handle)
    if gpu.is_lost or not gpu.gpm:
        return GPU_IS_LOST if gpu.is_lost else NOT_SUPPORTED
    driver.samples[sample] = gpu, None
    return SUCCESS


def _gpm_mig_sample(driver: Driver, handle: int, instance: int, sample: int) -> int:
    for part in driver.find(handle).parts.values():
        if part.answers["nvmlDeviceGetGpuInstanceId"] == instance:
            driver.samples[sample] = part, instance
            return SUCCESS
    return NOT_FOUND


def _gpm_metrics(driver: Driver, target: int) -> int:
    asked = GpmMetrics.from_address(target)
    (gpu, instance), (other, other_instance) = (
        driver.samples[asked.first],
        driver.samples[asked.second],
    )
    assert (gpu, instance) == (other, other_instance)
    for each in asked.metrics[: asked.n_metrics]:
        each.status = SUCCESS if each.number in gpu.gpm else NOT_SUPPORTED
        each.value = gpu.gpm.get(each.number, 0.0)
    return SUCCESS


def _number(name: str, c_type: Any, *kinds: Any) -> tuple[list[Any], Callable[..., int]]:
    """A function that tells a number or structure of a device, or one for each of its kinds."""

    def work(driver: Driver, handle: int, *more: int) -> int:
        gpu = driver.find(handle)
        answer = gpu.answers.get(name)
        if answer is not None and kinds:
            answer = answer.get(more[0])
        if gpu.is_lost or answer is None:
            return GPU_IS_LOST if gpu.is_lost else NOT_SUPPORTED
        target = c_type.from_address(more[-1])
        for member, value in answer.items() if isinstance(answer, dict) else [("value", answer)]:
            setattr(target, member, value)
        return SUCCESS

    return [c_void_p, *kinds, c_void_p], work


_FUNCTIONS: dict[str, tuple[list[Any], Callable[..., int]]] = {
    "nvmlInitWithFlags": ([c_uint], _init),
    "nvmlShutdown": ([], _shutdown),
    "nvmlDeviceGetCount_v2": ([c_void_p], _count),
    "nvmlDeviceGetHandleByIndex_v2": ([c_uint, c_void_p], _handle),
    "nvmlDeviceGetUUID": ([c_void_p, c_void_p, c_uint], _text("nvmlDeviceGetUUID")),
    "nvmlDeviceGetName": ([c_void_p, c_void_p, c_uint], _text("nvmlDeviceGetName")),
    "nvmlDeviceGetFieldValues": ([c_void_p, c_int, c_void_p], _field_values),
    "nvmlDeviceGetMigMode": ([c_void_p, c_void_p, c_void_p], _mig_mode),
    "nvmlDeviceGetMaxMigDeviceCount": ([c_void_p, c_void_p], _mig_count),
    "nvmlDeviceGetMigDeviceHandleByIndex": ([c_void_p, c_uint, c_void_p], _mig_handle),
    "nvmlGpmQueryDeviceSupport": ([c_void_p, c_void_p], _gpm_supported),
    "nvmlGpmSampleAlloc": ([c_void_p], _gpm_alloc),
    "nvmlGpmSampleFree": ([c_void_p], _gpm_free),
    "nvmlGpmSampleGet": ([c_void_p, c_void_p], _gpm_sample),
    "nvmlGpmMigSampleGet": ([c_void_p, c_uint, c_void_p], _gpm_mig_sample),
    "nvmlGpmMetricsGet": ([c_void_p], _gpm_metrics),
}

for _name, _types in {
    "nvmlDeviceGetUtilizationRates": (Utilization,),
    "nvmlDeviceGetMemoryInfo": (Memory,),
    "nvmlDeviceGetMemoryInfo_v2": (Memory2,),
    "nvmlDeviceGetPowerUsage": (c_uint,),
    "nvmlDeviceGetEnforcedPowerLimit": (c_uint,),
    "nvmlDeviceGetTotalEnergyConsumption": (c_ulonglong,),
    "nvmlDeviceGetTemperatureV": (Temperature,),
    "nvmlDeviceGetTemperature": (c_uint, c_uint),
    "nvmlDeviceGetClockInfo": (c_uint, c_uint),
    "nvmlDeviceGetCurrentClocksEventReasons": (c_ulonglong,),
    "nvmlDeviceGetTotalEccErrors": (c_ulonglong, c_uint, c_uint),
    "nvmlDeviceGetPcieThroughput": (c_uint, c_uint),
    "nvmlDeviceGetGpuInstanceId": (c_uint,),
}.items():
    _FUNCTIONS[_name] = _number(_name, *_types)


@pytest.fixture
def make_gpu() -> type[Gpu]:
    """Makes a GPU out of its answers."""
    return Gpu


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    """A driver without GPUs, which pynvml loads as it loads the real one."""
    driver = Driver()

    def load(name: str) -> Driver:
        assert name == "libnvidia-ml.so.1"
        return driver

    monkeypatch.setattr(pynvml, "CDLL", load)
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    yield driver
    assert driver.samples == {}
    assert driver.initialised == 0


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which the driver's library is not to be found."""

    def load(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(pynvml, "CDLL", load)
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
