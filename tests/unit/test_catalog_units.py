# SPDX-License-Identifier: Apache-2.0
"""Which units there are, what they are called, and how they lead to base units."""

from __future__ import annotations

import pytest

from tidegauge.catalog import MetricValidationError, check_unit
from tidegauge.catalog.units import ATOMS, CURRENCIES, parse_unit


@pytest.mark.parametrize(
    ("code", "word", "scale", "otlp"),
    [
        ("1", "", 1.0, "1"),
        ("%", "ratio", 0.01, "%"),
        ("s", "seconds", 1.0, "s"),
        ("ms", "seconds", 0.001, "ms"),
        ("h", "seconds", 3600.0, "h"),
        ("By", "bytes", 1.0, "By"),
        ("MiBy", "bytes", 1048576.0, "MiBy"),
        ("kBy", "bytes", 1000.0, "kBy"),
        ("bit", "bytes", 0.125, "bit"),
        ("Cel", "celsius", 1.0, "Cel"),
        ("kW.h", "joules", 3600000.0, "kW.h"),
        ("{token}", "", 1.0, "{token}"),
        ("g{CO2}", "grams", 1.0, "g{CO2}"),
        ("USD", "usd", 1.0, "{USD}"),
        ("JPY", "jpy", 1.0, "{JPY}"),
        ("By/s", "bytes_per_second", 1.0, "By/s"),
        ("{request}/s", "per_second", 1.0, "{request}/s"),
        ("{request}/min", "per_second", 1 / 60, "{request}/min"),
        ("1/s", "per_second", 1.0, "1/s"),
        ("ms/{request}", "seconds_per_request", 0.001, "ms/{request}"),
        ("USD/{prediction}", "usd_per_prediction", 1.0, "{USD}/{prediction}"),
        ("EUR/h", "eur_per_second", 1 / 3600, "{EUR}/h"),
    ],
)
def test_units(code: str, word: str, scale: float, otlp: str) -> None:
    """A unit knows its base unit's word, the factor to it, and its code for OTLP."""
    unit = parse_unit(code)
    assert (unit.code, unit.word, unit.scale, unit.otlp) == (code, word, scale, otlp)
    assert check_unit(code) == code


@pytest.mark.parametrize(
    ("unit", "fix"),
    [
        ("milliseconds", "Write 'ms'."),
        ("Seconds", "Write 's'."),
        ("sec", "Write 's'."),
        ("percent", "Write '%'."),
        ("MB", "Write 'MBy'."),
        ("bytes", "Write 'By'."),
        ("by", "Write 'By'."),
        ("usd", "Write 'USD'."),
        ("requests", "For a count of things write '{request}', for a plain number '1'."),
        ("", "For a count of things write '{thing}', for a plain number '1'."),
        ("tokens per second", "For a count of things write '{thing}', for a plain number '1'."),
    ],
)
def test_the_error_for_a_unit_in_words_has_the_code(unit: str, fix: str) -> None:
    """A unit that people write in words is refused with the code to write instead."""
    with pytest.raises(MetricValidationError) as caught:
        check_unit(unit)
    assert caught.value.reason == "bad_unit"
    assert caught.value.fix == fix


@pytest.mark.parametrize(
    "unit",
    ["ms/", "/s", "s/1", "s/s/s", "{}", "{a b}", "{tokén}", "XXX", "K", "ms "],
)
def test_what_is_no_unit(unit: str) -> None:
    """Half quotients, annotations with blanks, and codes that are not on the list are refused."""
    with pytest.raises(MetricValidationError) as caught:
        check_unit(unit)
    assert caught.value.reason == "bad_unit"


def test_the_text_of_the_error() -> None:
    """The error says what, got, allowed and what to do."""
    with pytest.raises(MetricValidationError) as caught:
        check_unit("milliseconds")
    assert str(caught.value) == (
        "unit is not known; got 'milliseconds'; allowed: a UCUM code such as 1, %, s, ms, By, "
        "MiBy, By/s, {token}, {request}/s, or a currency such as USD. Write 'ms'."
    )
    with pytest.raises(MetricValidationError, match="unit is not known; got 5"):
        check_unit(5)  # type: ignore[arg-type]


def test_each_quantity_has_one_base_unit() -> None:
    """Among the atoms of a quantity exactly one has the factor 1."""
    bases: dict[str, list[str]] = {}
    for code, atom in ATOMS.items():
        bases.setdefault(atom.quantity, [])
        if atom.factor == 1.0:
            bases[atom.quantity].append(code)
    assert {quantity: len(codes) for quantity, codes in bases.items()} == dict.fromkeys(bases, 1)


def test_no_spelling_means_two_units() -> None:
    """Every word and spelling leads to one atom."""
    owners: dict[str, str] = {}
    for code, atom in ATOMS.items():
        for spelling in {atom.word, *atom.spellings}:
            assert owners.setdefault(spelling, code) == code
    assert not {spelling.upper() for spelling in owners} & CURRENCIES
