# SPDX-License-Identifier: Apache-2.0
"""The machine, its GPUs and this process: one look on demand, and what GPUs have cost.

`collect/` and `query/` bound to the process's store. With the setting `resources_every_s` tidegauge
looks by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from tidegauge.config import parts
from tidegauge.model.errors import QueryError
from tidegauge.model.times import TimeLike
from tidegauge.record.front import recorder
from tidegauge.record.recorder import FAULTS

if TYPE_CHECKING:
    from tidegauge.query.gpu_time import GpuTime

__all__ = ["GpuHours", "Price", "gpu_hours", "update_resource_metrics"]

#: US dollars for an hour.
Price = float | Decimal | str

_HOUR_US = Decimal(3_600_000_000)
_STEP_USD = Decimal("0.000001")
# Products of more would not be exact.
_MOST_USD = 1_000_000_000
_ANY = "*"
# Stands between the index of a GPU and that of a part of it.
_OF = ":"
# What is in the name of a part, such as `NVIDIA H100 MIG 1g.10gb`.
_PART = " MIG "


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuHours:
    """What one GPU did in a range of time, and what that cost.

    Attributes:
        gpu: Its index; of a part that MIG has made, `index:part`.
        gpu_uuid: Its UUID.
        gpu_name: Its model.
        samples: How often it was looked at.
        hours: Hours for which it was watched.
        busy_hours: Hours of them in which a kernel ran.
        idle_hours: The others.
        price_usd_per_hour: The price; None if there is none for this model.
        cost_usd: Price of all hours, to a millionth.
        waste_usd: Price of the idle ones.
        reason: Why there is no cost; None if there is one.
    """

    gpu: str
    gpu_uuid: str
    gpu_name: str
    samples: int
    hours: float
    busy_hours: float
    idle_hours: float
    price_usd_per_hour: Decimal | None
    cost_usd: Decimal | None
    waste_usd: Decimal | None
    reason: str | None


def update_resource_metrics() -> None:
    """Look at the machine, its GPUs and this process once, and record what they tell.

    For programs that look by themselves, such as in a thread every 10 seconds; with the setting
    `resources_every_s` tidegauge does. Of all processes of a store one records the machine and its
    GPUs, the first that looks, for as long as it runs; each records itself. What takes two looks,
    such as a share of the CPU and bytes over the network, is recorded from the second one on.

    What the machine lacks is left out: a driver, a file of the kernel, a field of a GPU. Only
    settings that cannot be used raise, in strict mode.

    Example:
        >>> import tidegauge as tg
        >>> tg.update_resource_metrics()
        >>> tg.stats("resource:memory_percent", hours=1).to_pylist()[0]["count"] > 0
        True
    """
    try:
        recorder.get_ready()
    except FAULTS as error:
        recorder.refuse(error, "resources")
        return
    parts().watch.look()


def gpu_hours(
    *,
    price_usd_per_hour: Price | Mapping[str, Price] | None = None,
    hours: float | None = None,
    days: float | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    **labels: object,
) -> list[GpuHours]:
    """For how many hours each GPU was paid for, for how many it worked, and what the rest cost.

    Each sample of `resource:gpu_percent` stands for the time up to the next one, but for at most
    three times the median between two: gaps in which nobody looked are no hours. Busy is what the
    driver calls used, the share of the time in which any kernel ran; so what is idle did nothing at
    all, and is the least that was wasted. Of a GPU that MIG has divided, the parts are told; they
    have a price only under their own name, such as `NVIDIA H100 MIG 1g.10gb`. Single
    values are read, as far as retention has kept them.

    Args:
        price_usd_per_hour: US dollars for an hour of any GPU, or by its model, with `*` for any
            other; the setting `gpu_hour_usd` if None.
        hours: The last so many hours.
        days: The last so many days.
        start: From this time on, inclusive.
        end: Until this time, exclusive.
        labels: Dimensions and labels to choose by, such as `gpu_name`.

    Returns:
        One entry per GPU, by index. Without a price, money is None, and `reason` says so.

    Raises:
        QueryError: A price is no amount of 0 to a billion, or the range makes no sense.
        StoreError: The store cannot be read.

    Example:
        >>> from tidegauge.resources import gpu_hours
        >>> sum(each.waste_usd for each in gpu_hours(days=7, price_usd_per_hour="3.50"))
        0
    """
    found = parts()
    given = found.settings.gpu_hour_usd if price_usd_per_hour is None else price_usd_per_hour
    if not isinstance(given, Mapping):
        given = {_ANY: given}
    prices = {model: _amount(price) for model, price in given.items()}
    times = found.query.gpu_times(hours=hours, days=days, start=start, end=end, **labels)
    return [_priced(each, _price_of(each, prices)) for each in times]


def _price_of(time: GpuTime, prices: Mapping[str, Decimal]) -> Decimal | None:
    """The price of a GPU; a part that MIG has made has one only under its own name."""
    if _OF not in time.gpu:
        return prices.get(time.gpu_name, prices.get(_ANY))
    # Some drivers call a part like the whole, whose price is not that of a part.
    return prices.get(time.gpu_name) if _PART in time.gpu_name else None


def _why_none(time: GpuTime) -> str:
    if _OF in time.gpu:
        return f"no price for {time.gpu_name or 'a part without a name'}, which is part of a GPU"
    return f"no price for {time.gpu_name or 'a GPU without a name'}"


def _priced(time: GpuTime, price: Decimal | None) -> GpuHours:
    idle_us = time.observed_us - time.busy_us
    return GpuHours(
        gpu=time.gpu,
        gpu_uuid=time.gpu_uuid,
        gpu_name=time.gpu_name,
        samples=time.samples,
        hours=float(time.observed_us / _HOUR_US),
        busy_hours=float(time.busy_us / _HOUR_US),
        idle_hours=float(idle_us / _HOUR_US),
        price_usd_per_hour=price,
        cost_usd=None if price is None else _cost(time.observed_us, price),
        waste_usd=None if price is None else _cost(idle_us, price),
        reason=_why_none(time) if price is None else None,
    )


def _cost(duration_us: int, price: Decimal) -> Decimal:
    return (price * duration_us / _HOUR_US).quantize(_STEP_USD)


def _amount(price: Price) -> Decimal:
    try:
        amount = Decimal(str(price))  # a float by the digits that it is written with
    except InvalidOperation as error:
        raise _no_price(price) from error
    if isinstance(price, bool) or not amount.is_finite() or not 0 <= amount <= _MOST_USD:
        raise _no_price(price)
    return amount


def _no_price(price: object) -> QueryError:
    return QueryError(
        "the price of an hour cannot be used",
        got=price,
        allowed=f"0 to {_MOST_USD:,} US dollars, as a number or text",
    )
