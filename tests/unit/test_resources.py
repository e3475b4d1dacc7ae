# SPDX-License-Identifier: Apache-2.0
"""What GPUs have cost, and the settings around it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tidegauge as tg
from tidegauge.config import start_over
from tidegauge.model.errors import ConfigError, QueryError
from tidegauge.resources import GpuHours, gpu_hours

HOUR_S = 3600
NOON_S = 1_767_268_800  # of 2026-01-01
A100, H100 = "NVIDIA A100", "NVIDIA H100"
RANGE = {"start": "2026-01-01", "end": "2026-01-02"}


@pytest.fixture
def watched(store_dir: Path) -> Iterator[None]:
    """A store of a day: one GPU idle for a quarter of 10 hours, another one all of them."""
    tg.configure(store=store_dir, follower="off")
    for minute in range(600):
        time_s = NOON_S - 10 * HOUR_S + 60 * minute
        for gpu, model, busy in (("0", H100, 0 if minute < 150 else 100), ("1", A100, 0)):
            labels = {"gpu": gpu, "gpu_uuid": f"GPU-{gpu}", "gpu_name": model}
            tg.log_metric("resource:gpu_percent", busy, time=time_s, **labels)
    yield
    start_over()


@pytest.mark.usefixtures("watched")
def test_hours_cost_and_waste() -> None:
    """Money is exact, by the price of each model."""
    prices = {H100: "3.999", "*": 1.1}
    assert gpu_hours(price_usd_per_hour=prices, **RANGE) == [
        GpuHours(
            gpu="0",
            gpu_uuid="GPU-0",
            gpu_name=H100,
            samples=600,
            hours=10.0,
            busy_hours=7.5,
            idle_hours=2.5,
            price_usd_per_hour=Decimal("3.999"),
            cost_usd=Decimal("39.990000"),
            waste_usd=Decimal("9.997500"),
            reason=None,
        ),
        GpuHours(
            gpu="1",
            gpu_uuid="GPU-1",
            gpu_name=A100,
            samples=600,
            hours=10.0,
            busy_hours=0.0,
            idle_hours=10.0,
            price_usd_per_hour=Decimal("1.1"),
            cost_usd=Decimal("11.000000"),
            waste_usd=Decimal("11.000000"),
            reason=None,
        ),
    ]


@pytest.mark.usefixtures("watched")
def test_without_a_price_there_is_no_money() -> None:
    """It is not known, which is not 0; the hours are."""
    (first, second) = gpu_hours(price_usd_per_hour={H100: 4}, **RANGE)
    assert (first.cost_usd, first.reason) == (Decimal(40), None)
    assert (second.price_usd_per_hour, second.cost_usd, second.waste_usd) == (None, None, None)
    assert (second.idle_hours, second.reason) == (10.0, "no price for NVIDIA A100")
    assert [each.cost_usd for each in gpu_hours(**RANGE)] == [None, None]


def test_a_part_of_a_gpu_has_a_price_of_its_own(store_dir: Path) -> None:
    """The GPU that is divided is not paid for a second time, nor is a part paid for as a whole."""
    tg.configure(store=store_dir, follower="off")
    part = f"{H100} MIG 1g.10gb"
    for minute in range(60):
        for gpu, name in (("0", H100), ("0:0", part), ("0:1", f"{H100} MIG 2g.20gb"), ("1", H100)):
            labels = {"gpu": gpu, "gpu_uuid": f"GPU-{gpu}", "gpu_name": name}
            tg.log_metric("resource:gpu_percent", 0, time=NOON_S - HOUR_S + 60 * minute, **labels)
        tg.log_metric(
            "resource:gpu_percent", 0, time=NOON_S - HOUR_S + 60 * minute, gpu="0:2", gpu_name=H100
        )
    found = gpu_hours(price_usd_per_hour={H100: 3.5, part: "0.5", "*": 9}, **RANGE)
    start_over()
    assert [(each.gpu, each.cost_usd, each.reason) for each in found] == [
        ("1", Decimal("3.5"), None),
        ("0:0", Decimal("0.5"), None),
        ("0:1", None, "no price for NVIDIA H100 MIG 2g.20gb, which is part of a GPU"),
        ("0:2", None, "no price for NVIDIA H100, which is part of a GPU"),
    ]


@pytest.mark.parametrize("price", [2.5, "2.5", Decimal("2.5")], ids=["float", "text", "Decimal"])
@pytest.mark.usefixtures("watched")
def test_one_price_for_all(price: Any) -> None:
    """As a number or text."""
    costs = [each.cost_usd for each in gpu_hours(price_usd_per_hour=price, **RANGE)]
    assert costs == [Decimal(25), Decimal(25)]


@pytest.mark.usefixtures("watched")
def test_prices_come_from_the_settings(store_dir: Path) -> None:
    """A GPU that the settings do not name has the price of all others."""
    tg.configure(store=store_dir, follower="off", gpu_hour_usd={A100: 0.5, "*": 2})
    found = gpu_hours(gpu_name=A100, **RANGE) + gpu_hours(gpu_name=H100, **RANGE)
    assert [each.cost_usd for each in found] == [Decimal(5), Decimal(20)]


@pytest.mark.parametrize("price", [-1, 1e30, float("nan"), float("inf"), "much", "", True, [3]])
def test_a_price_that_is_none(price: Any, store_dir: Path) -> None:
    """The error says what was got and what is allowed."""
    with pytest.raises(QueryError) as caught:
        gpu_hours(price_usd_per_hour=price)
    assert str(caught.value) == (
        f"the price of an hour cannot be used; got {price!r}; "
        "allowed: 0 to 1,000,000,000 US dollars, as a number or text."
    )


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"resources_every_s": 0}, "the setting 'resources_every_s' is out of range"),
        ({"resources_every_s": "often"}, "the setting 'resources_every_s' cannot be used"),
        ({"gpu_hour_usd": {"*": -1}}, "the setting 'gpu_hour_usd' is out of range"),
        ({"gpu_hour_usd": 2.5}, "the setting 'gpu_hour_usd' cannot be used"),
    ],
)
def test_settings_that_cannot_be_used(given: dict[str, Any], what: str) -> None:
    """They are refused when they are given."""
    with pytest.raises(ConfigError) as caught:
        tg.configure(**given)
    assert caught.value.what == what
