# SPDX-License-Identifier: Apache-2.0
"""What a fact must be: value, step and labels."""

from __future__ import annotations

import enum
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from tidegauge.catalog import (
    MetricValidationError,
    check_label,
    check_labels,
    check_step,
    check_value,
)
from tidegauge.catalog.validation import read_number
from tidegauge.model.spec import LabelSpec, MetricSpec

OPEN = MetricSpec(name="custom:x", description="x")
RATE = MetricSpec(name="usage:reply_rate", description="x", min=0, max=1)
NUMBERS = "an int, float, Decimal, Fraction, or a NumPy or PyTorch value of one element"


class Tensor:
    """What of a PyTorch tensor matters here: `item()`, `shape`, and a dtype without a kind."""

    def __init__(self, *items: object) -> None:
        self._items = items
        self.dtype = object()
        self.shape = (len(items),)

    def item(self) -> object:
        """Return the one element."""
        if len(self._items) != 1:
            raise RuntimeError(f"a Tensor with {len(self._items)} elements cannot be converted")
        return self._items[0]


class Loss:
    """A number of another library, known by `__float__` only."""

    def __float__(self) -> float:
        return 0.25


class Unshowable:
    """An object whose repr fails."""

    def __repr__(self) -> str:
        raise RuntimeError


class Broken:
    """An object that fails when it is asked for its number."""

    def item(self) -> object:
        """Fail as no number does."""
        raise LookupError


class Lazy:
    """An object whose attributes fail."""

    @property
    def shape(self) -> object:
        """Fail as no array does."""
        raise LookupError

    def __float__(self) -> float:
        raise LookupError


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (0.5, 0.5),
        (-3, -3.0),
        (2**60, float(2**60)),
        (Decimal("0.1523"), 0.1523),
        (Fraction(1, 4), 0.25),
        (np.float16(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.float64(0.125), 0.125),
        (np.longdouble(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.uint8(3), 3.0),
        (np.array(0.5), 0.5),
        (np.array([0.5]), 0.5),
        (np.array([[0.5]]), 0.5),
        (np.ma.array([0.5], mask=[False]), 0.5),
        (Tensor(0.5), 0.5),
        (Loss(), 0.25),
    ],
)
def test_numbers(value: object, number: float) -> None:
    """Every kind of real number of one element is accepted, and comes out as a plain float."""
    checked = check_value(OPEN, value)
    assert type(checked) is float
    assert checked == read_number(value) == number


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (True, "is a bool"),
        (np.True_, "is a bool"),
        (np.array([True]), "is a bool"),
        (Tensor(True), "is a bool"),
        (None, "is None"),
        ("0.5", "is text"),
        (b"0.25", "is text"),
        (np.str_("0.75"), "is text"),
        (np.array(["0.5"]), "is text"),
        (1j, "is complex"),
        (np.complex128(2), "is complex"),
        (Tensor(1j), "is complex"),
        (np.datetime64("2024-01-15"), "is a date"),
        (np.timedelta64(1, "ns"), "is a duration"),
        ([0.5], "is of type list"),
        ({}, "is of type dict"),
        (np.array([0.1, 0.2]), "has the shape (2,)"),
        (np.array([]), "has the shape (0,)"),
        (Tensor(0.1, 0.2), "has the shape (2,)"),
        (Decimal("sNaN"), "is of type Decimal"),
        (Unshowable(), "is of type Unshowable"),
        (np.ma.masked, "is masked"),
        (np.ma.array([5.0], mask=[True]), "is masked"),
        (np.ma.array(5.0, mask=True), "is masked"),
        (Broken(), "is of type Broken"),
        (Lazy(), "is of type Lazy"),
    ],
)
def test_what_is_no_number(value: object, problem: str) -> None:
    """Bools, texts, None, dates, what is masked or fails, several elements: all are refused."""
    with pytest.raises(MetricValidationError) as caught:
        check_value(OPEN, value)
    assert caught.value.reason == "bad_value"
    assert caught.value.what == f"value of metric 'custom:x' {problem}"
    assert caught.value.allowed == NUMBERS
    assert read_number(value) == problem


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        np.float32("nan"),
        Decimal("Infinity"),
        10**400,
        pytest.param(10**5000, id="huge"),
    ],
)
def test_what_is_not_finite(value: object) -> None:
    """NaN, the infinities, and numbers that a 64-bit float cannot hold are refused."""
    with pytest.raises(MetricValidationError) as caught:
        check_value(OPEN, value)
    assert caught.value.reason == "not_finite"
    assert caught.value.fix == ("Leave the fact out when there is no number: absence is not zero.")


def test_bounds_are_inclusive() -> None:
    """The bounds themselves are in range."""
    assert check_value(RATE, 0) == 0.0
    assert check_value(RATE, 1) == 1.0


@pytest.mark.parametrize(
    ("low", "high", "value", "allowed"),
    [
        (0, 1, 15.23, "0 to 1"),
        (0, 1, -0.001, "0 to 1"),
        (0, None, -1, "0 or more"),
        (None, 1, 2, "1 or less"),
    ],
)
def test_out_of_range(low: float | None, high: float | None, value: float, allowed: str) -> None:
    """A value beyond min or max is refused, and the error says what was allowed."""
    spec = MetricSpec(name="usage:reply_rate", description="x", min=low, max=high)
    with pytest.raises(MetricValidationError) as caught:
        check_value(spec, value)
    assert caught.value.reason == "out_of_range"
    assert caught.value.allowed == allowed


def test_the_text_of_a_value_error() -> None:
    """The text names the metric and says what, got, allowed, and what to do."""
    with pytest.raises(MetricValidationError) as caught:
        check_value(RATE, 15.23)
    assert str(caught.value) == (
        "value of metric 'usage:reply_rate' is out of range; got 15.23; allowed: 0 to 1. "
        "Check that the value is in the metric's unit, '1'."
    )
    with pytest.raises(MetricValidationError) as caught:
        check_value(RATE, True)
    assert str(caught.value) == (
        f"value of metric 'usage:reply_rate' is a bool; got True; allowed: {NUMBERS}. "
        "Record 1 or 0 if a count is meant, or the share of successes."
    )


@pytest.mark.parametrize("step", [0, -1, 7, 2**47 - 1, -(2**47), np.int64(7), np.uint8(7)])
def test_steps(step: int) -> None:
    """Whole numbers of 48 bits are steps, NumPy's among them."""
    assert type(check_step(step)) is int
    assert check_step(step) == int(step)


@pytest.mark.parametrize(
    ("step", "what"),
    [
        (False, "step is not a whole number"),
        (np.True_, "step is not a whole number"),
        (1.0, "step is not a whole number"),
        (np.float64(2), "step is not a whole number"),
        ("one", "step is not a whole number"),
        (None, "step is not a whole number"),
        (2**47, "step is outside 48 bits"),
        (-(2**47) - 1, "step is outside 48 bits"),
        pytest.param(10**5000, "step is outside 48 bits", id="huge"),
    ],
)
def test_what_is_no_step(step: object, what: str) -> None:
    """Bools, floats, texts and numbers beyond 48 bits are refused."""
    with pytest.raises(MetricValidationError) as caught:
        check_step(step)  # type: ignore[arg-type]
    assert caught.value.reason == "bad_step"
    assert caught.value.what == what
    assert caught.value.allowed == "whole numbers from -140737488355328 to 140737488355327"


def test_a_float_step_is_told_how() -> None:
    """The error for 1.0 says to pass int(step)."""
    with pytest.raises(MetricValidationError) as caught:
        check_step(1.0)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "step is not a whole number; got 1.0; allowed: whole numbers from -140737488355328 to "
        "140737488355327. Pass int(step)."
    )


class Tier(enum.StrEnum):
    """A label's values as an enum."""

    GOLD = "gold"


SHOP = MetricSpec(
    name="custom:orders",
    description="x",
    labels={"tier": LabelSpec(values=("gold", "silver"), required=True), "shop": LabelSpec()},
)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("tier", "gold", "gold"),
        ("shop", Tier.GOLD, "gold"),
        ("shop", "Zürich", "Zürich"),
        ("shop", 7, "7"),
        ("shop", np.int64(7), "7"),
        ("shop", np.uint64(7), "7"),
        ("shop", np.str_("a"), "a"),
        ("undeclared", "x", "x"),
        ("model_version", "2.0.1", "2.0.1"),
        ("userId", "x", "x"),
        ("_x", "x", "x"),
    ],
)
def test_labels(name: str, value: object, text: str) -> None:
    """Texts, members of a StrEnum and whole numbers, NumPy's too; open labels take any."""
    checked = check_label(SHOP, name, value)
    assert type(checked) is str
    assert checked == text


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("tier", "bronze", "label 'tier' of metric 'custom:orders' has a closed set of values"),
        ("shop", "", "label 'shop' of metric 'custom:orders' is empty"),
        ("shop", None, "label 'shop' of metric 'custom:orders' is None"),
        ("shop", True, "label 'shop' of metric 'custom:orders' is a bool"),
        (
            "shop",
            np.timedelta64(5, "s"),
            "label 'shop' of metric 'custom:orders' is of type timedelta64",
        ),
        ("shop", np.True_, "label 'shop' of metric 'custom:orders' is a bool"),
        ("shop", np.uint64(2**63), "label 'shop' of metric 'custom:orders' is of type uint64"),
        (
            "shop",
            np.array([True, False]),
            "label 'shop' of metric 'custom:orders' is of type ndarray",
        ),
        ("shop", 1.5, "label 'shop' of metric 'custom:orders' is of type float"),
        ("shop", 2**63, "label 'shop' of metric 'custom:orders' is of type int"),
        ("shop", b"x", "label 'shop' of metric 'custom:orders' is of type bytes"),
        ("shop", "x" * 1001, "label 'shop' of metric 'custom:orders' has 1001 characters"),
        ("shop", "\ud800", "label 'shop' of metric 'custom:orders' cannot be written as UTF-8"),
        ("a-b", "x", "label name does not fit the grammar"),
        ("9a", "x", "label name does not fit the grammar"),
        ("__x", "x", "label name does not fit the grammar"),
        ("a" * 101, "x", "label name does not fit the grammar"),
        (5, "x", "label name does not fit the grammar"),
    ],
)
def test_bad_labels(name: str, value: object, what: str) -> None:
    """Values outside a closed set, empty, too long or of another type are refused, as are names."""
    with pytest.raises(MetricValidationError) as caught:
        check_label(SHOP, name, value)
    assert caught.value.reason == "bad_label"
    assert caught.value.what == what


@pytest.mark.parametrize(
    "name",
    [
        "value",
        "name",
        "step",
        "time",
        "timestamp",
        "metric",
        "date",
        "slot",
        "labels",
        "metadata",
        "le",
        "quantile",
    ],
)
def test_reserved_label_names(name: str) -> None:
    """Columns, arguments of the record calls, and what Prometheus keeps cannot be labels."""
    with pytest.raises(MetricValidationError) as caught:
        check_label(OPEN, name, "x")
    assert str(caught.value) == (
        f"label name is reserved; got {name!r}; allowed: any name but date, labels, le, metadata, "
        "metric, name, quantile, slot, step, time, timestamp, value. Rename the label, for example "
        "with the thing it describes in front."
    )


def test_the_text_of_a_label_error() -> None:
    """A value outside a closed set is refused with the values there are."""
    with pytest.raises(MetricValidationError) as caught:
        check_label(SHOP, "tier", "bronze")
    assert str(caught.value) == (
        "label 'tier' of metric 'custom:orders' has a closed set of values; got 'bronze'; "
        "allowed: gold, silver. Use one of them, or add the value to the metric in your catalogue."
    )


def test_all_labels_of_a_fact() -> None:
    """The labels of a fact come out as text, in their order."""
    assert list(check_labels(SHOP, {"shop": 7, "tier": "gold"}).items()) == [
        ("shop", "7"),
        ("tier", "gold"),
    ]


def test_a_required_label_is_missed() -> None:
    """A fact without a required label is refused, and told which one."""
    with pytest.raises(MetricValidationError) as caught:
        check_labels(SHOP, {"shop": "x"})
    assert str(caught.value) == (
        "metric 'custom:orders' needs the label 'tier'; got ['shop']; allowed: the labels shop, "
        "tier. Pass tier=… with the fact, or set it in the context."
    )
