# SPDX-License-Identifier: Apache-2.0
"""Amounts of money: exact to the cent of a micro-dollar, 10⁻⁸, from the journal to the table.

In journals an amount is a whole number of such units, for that is small and compares exactly;
tables hold a decimal with eight places; people and Python get a `Decimal`.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

__all__ = ["EXACT", "MOST_UNITS", "PLACES", "from_units", "read_amount", "to_units"]

#: Digits behind the point.
PLACES = 8

#: The largest amount of a journal, in units: ninety billion.
MOST_UNITS = 2**63 - 1

#: Amounts are worked out in this context, whatever the program's own is.
EXACT = Context(
    prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow]
)

_UNIT = Decimal(1).scaleb(-PLACES)


def read_amount(value: object) -> Decimal:
    """The amount that somebody passed.

    Args:
        value: A `Decimal`, a whole number, a text, or a float, which counts as what it is printed
            as: 0.1 is a tenth.

    Raises:
        ValueError: It is none, or is not finite.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float | str):
        raise ValueError(f"{type(value).__name__} is not an amount")  # noqa: TRY004  (one to catch)
    try:
        amount = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is not an amount") from error
    if not amount.is_finite():
        raise ValueError(f"{value!r} is not finite")
    return amount


def to_units(amount: Decimal) -> int:
    """The amount in units of 10⁻⁸, rounded half to even."""
    return int(amount.scaleb(PLACES, EXACT).to_integral_value(ROUND_HALF_EVEN, EXACT))


def from_units(units: int) -> Decimal:
    """The amount that units are, with eight places."""
    return Decimal(units).scaleb(-PLACES, EXACT).quantize(_UNIT, context=EXACT)
