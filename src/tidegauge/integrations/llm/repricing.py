# SPDX-License-Identifier: Apache-2.0
"""Working prices of calls out anew. The first price of each stays where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec

from tidegauge.model.amounts import EXACT, from_units
from tidegauge.model.tables import LLM_PRICES
from tidegauge.prices.pricing import Priced, Pricer, context_of
from tidegauge.prices.usage import BUCKETS, TokenUsage
from tidegauge.query.llm_to_price import CallToPrice
from tidegauge.record.recorder import Recorder
from tidegauge.record.rows import RowWriter

__all__ = ["Repriced", "reprice"]


class Repriced(msgspec.Struct, kw_only=True):
    """What was done.

    Attributes:
        calls: Calls that were looked at.
        changed: Calls whose price is another one now.
        found: Of these, calls that had no price.
        lost: Of these, calls that have none any more.
        before: Cost of the calls looked at by the prices that held, by currency.
        after: By those that hold now.
    """

    calls: int = 0
    changed: int = 0
    found: int = 0
    lost: int = 0
    before: dict[str, Decimal] = {}
    after: dict[str, Decimal] = {}


def reprice(
    recorder: Recorder,
    pricer: Pricer,
    batches: Iterable[list[CallToPrice]],
    *,
    dry_run: bool = False,
    advance: Callable[[int], None] | None = None,
) -> Repriced:
    """Price calls by the lists as they are, each for its own time, and record what is different.

    May be killed anywhere and run again: a price that is the same is not recorded again.

    Args:
        recorder: Records the new prices.
        pricer: The lists.
        batches: The calls.
        dry_run: Only tell.
        advance: Is told how many calls were looked at.
    """
    done, writer = Repriced(), RowWriter(recorder, LLM_PRICES)
    for batch in batches:
        for call in batch:
            new = _priced(pricer, call)
            cost = None if new.units is None else from_units(new.units)
            done.calls += 1
            _add(done.before, call.currency, call.cost)
            _add(done.after, new.currency, cost)
            if (cost, new.currency, new.reason) == (call.cost, call.currency, call.reason):
                continue
            done.changed += 1
            done.found += call.cost is None and cost is not None
            done.lost += call.cost is not None and cost is None
            if not dry_run:
                _put(writer, call, new)
        if advance is not None:
            advance(done.calls)
    return done


def _priced(pricer: Pricer, call: CallToPrice) -> Priced:
    return pricer.price(
        TokenUsage(**dict(zip(BUCKETS, call.tokens, strict=True))),
        provider=call.provider,
        models=(call.response_model, call.model),
        time_ns=call.time_ns,
        context=context_of(call.context),
    )


def _put(writer: RowWriter, call: CallToPrice, new: Priced) -> None:
    labels = () if call.model is None else (("model", call.model),)
    writer.bind(labels)(
        (
            call.call_id,
            call.version + 1,
            new.units,
            new.currency,
            new.source,
            new.model,
            new.context or None,
            new.reason,
        ),
        call.time_ns,
    )


def _add(sums: dict[str, Decimal], currency: str | None, cost: Decimal | None) -> None:
    if currency is not None and cost is not None:
        sums[currency] = EXACT.add(sums.get(currency, Decimal(0)), cost)
