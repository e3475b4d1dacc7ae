# SPDX-License-Identifier: Apache-2.0
"""The units a metric may have: a curated part of UCUM, annotations in braces, and currencies.

A code is an atom (`ms`), an annotation (`{token}`), an atom with one (`g{CO2}`), a currency of
ISO 4217 (`USD`), or one of these over another (`By/s`, `{request}/s`, `USD/{prediction}`). UCUM
has far more; what is here is what a metrics layer meets, so that a typing error is found.

Each unit knows its base unit and the factor to it, because Prometheus wants base units, and the
ways people spell it at the end of a name, because a name should not say its unit twice.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

import msgspec

from tidegauge.model.errors import MetricValidationError

__all__ = ["ATOMS", "CURRENCIES", "Atom", "Unit", "check_unit", "parse_unit", "word_factor"]


class Atom(NamedTuple):
    """One unit symbol.

    Attributes:
        quantity: What it measures; atoms of one quantity convert into each other.
        word: Its English name in the plural; `quantity`'s base unit has factor 1.
        factor: How many base units it is.
        spellings: Other endings of a name that mean this unit.
    """

    quantity: str
    word: str
    factor: float
    spellings: tuple[str, ...] = ()


#: UCUM code -> what it is.
ATOMS: dict[str, Atom] = {
    "1": Atom("ratio", "ratio", 1.0),
    "%": Atom("ratio", "percent", 0.01, ("pct", "percentage")),
    "s": Atom("time", "seconds", 1.0, ("s", "sec", "secs", "second")),
    "ms": Atom("time", "milliseconds", 1e-3, ("ms", "msec", "msecs", "millis", "millisecond")),
    "us": Atom("time", "microseconds", 1e-6, ("us", "usec", "micros", "microsecond")),
    "ns": Atom("time", "nanoseconds", 1e-9, ("ns", "nsec", "nanos", "nanosecond")),
    "min": Atom("time", "minutes", 60.0, ("minute",)),
    "h": Atom("time", "hours", 3600.0, ("h", "hour")),
    "d": Atom("time", "days", 86400.0, ("day",)),
    "wk": Atom("time", "weeks", 604800.0, ("week",)),
    "By": Atom("data", "bytes", 1.0, ("byte",)),
    "kBy": Atom("data", "kilobytes", 1e3, ("kb",)),
    "MBy": Atom("data", "megabytes", 1e6, ("mb",)),
    "GBy": Atom("data", "gigabytes", 1e9, ("gb",)),
    "TBy": Atom("data", "terabytes", 1e12, ("tb",)),
    "KiBy": Atom("data", "kibibytes", 2.0**10, ("kib",)),
    "MiBy": Atom("data", "mebibytes", 2.0**20, ("mib",)),
    "GiBy": Atom("data", "gibibytes", 2.0**30, ("gib",)),
    "TiBy": Atom("data", "tebibytes", 2.0**40, ("tib",)),
    "bit": Atom("data", "bits", 0.125),
    "Hz": Atom("frequency", "hertz", 1.0, ("hz",)),
    "kHz": Atom("frequency", "kilohertz", 1e3, ("khz",)),
    "MHz": Atom("frequency", "megahertz", 1e6, ("mhz",)),
    "GHz": Atom("frequency", "gigahertz", 1e9, ("ghz",)),
    "W": Atom("power", "watts", 1.0, ("watt",)),
    "mW": Atom("power", "milliwatts", 1e-3),
    "kW": Atom("power", "kilowatts", 1e3, ("kw",)),
    "J": Atom("energy", "joules", 1.0, ("joule",)),
    "kJ": Atom("energy", "kilojoules", 1e3, ("kj",)),
    "W.h": Atom("energy", "watt_hours", 3600.0, ("wh",)),
    "kW.h": Atom("energy", "kilowatt_hours", 3.6e6, ("kwh",)),
    "V": Atom("voltage", "volts", 1.0, ("volt",)),
    "A": Atom("current", "amperes", 1.0, ("amps",)),
    "Cel": Atom("temperature", "celsius", 1.0),
    "m": Atom("length", "meters", 1.0, ("meter", "metres")),
    "mm": Atom("length", "millimeters", 1e-3, ("mm",)),
    "km": Atom("length", "kilometers", 1e3, ("km",)),
    "g": Atom("mass", "grams", 1.0, ("gram",)),
    "mg": Atom("mass", "milligrams", 1e-3, ("mg",)),
    "kg": Atom("mass", "kilograms", 1e3, ("kg",)),
}

#: The active codes of ISO 4217.
CURRENCIES: frozenset[str] = frozenset(  # 150 codes read better as text than as a list
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD
    CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP
    GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD
    KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN
    NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP
    SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES
    VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905
)

_ANNOTATED = re.compile(r"(?P<atom>[^{}/]*)(?:\{(?P<note>[A-Za-z0-9_.%#-]{1,40})\})?\Z")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_BASE_WORDS = {atom.quantity: atom.word for atom in ATOMS.values() if atom.factor == 1.0}
_FACTORS = {atom.word: (atom.quantity, atom.factor) for atom in ATOMS.values()}
_ALLOWED = (
    "a UCUM code such as 1, %, s, ms, By, MiBy, By/s, {token}, {request}/s, "
    "or a currency such as USD"
)


class Unit(msgspec.Struct, frozen=True):
    """A unit, read.

    Attributes:
        code: The code as the catalogue has it.
        quantity: What it measures; `count` for a bare annotation, `money` for a currency, and
            for a quotient both quantities with a slash.
        word: The base unit in Prometheus' words: `seconds`, `bytes_per_second`, `usd`; empty
            where the name needs none (plain numbers and counts).
        scale: What a value in this unit is multiplied by to be in base units.
        spellings: Endings of a metric's name that say this unit, longest first.
        otlp: The code for OTLP; differs for currencies only, which UCUM has as annotations.
    """

    code: str
    quantity: str
    word: str
    scale: float
    spellings: tuple[str, ...]
    otlp: str


def check_unit(unit: str) -> str:
    """Return the unit unchanged if a metric may have it.

    Raises:
        MetricValidationError: It is not one of the units above (reason `bad_unit`); the error
            says the code for a unit written in words.
    """
    return parse_unit(unit).code


def parse_unit(unit: str) -> Unit:
    """Read a unit code.

    Raises:
        MetricValidationError: It is not one of the units above (reason `bad_unit`).

    Example:
        >>> parse_unit("ms").word, parse_unit("ms").scale
        ('seconds', 0.001)
    """
    if not isinstance(unit, str):
        raise _bad_unit(unit)
    return _parsed(unit)


def word_factor(word: str) -> tuple[str, float] | None:
    """Say what quantity a plural unit word stands for and how many base units it is.

    `milliseconds` is `("time", 0.001)`; None for a word that is no unit's.
    """
    if word.upper() in CURRENCIES:
        return ("money", 1.0)
    return _FACTORS.get(word)


@functools.lru_cache(maxsize=1024)
def _parsed(unit: str) -> Unit:
    over, slash, under = unit.partition("/")
    top = _term(over)
    if top is None or len(unit) > 63 or not unit.isascii():
        raise _bad_unit(unit)
    if not slash:
        return Unit(unit, top.quantity, *_as_word(top), top.spellings, _otlp(over))
    bottom = _term(under)
    if bottom is None or under.startswith("1"):
        raise _bad_unit(unit)
    word, scale = _as_word(top)
    per = _NOT_WORD.sub("_", _singular(_as_word(bottom)[0] or bottom.word))
    return Unit(
        unit,
        f"{top.quantity}/{bottom.quantity}",
        f"{word}_per_{per}" if word else f"per_{per}",
        scale / bottom.factor,
        tuple(f"{w}_per_{p}" for w in top.spellings for p in bottom.spellings)
        + tuple(f"per_{p}" for p in (*bottom.spellings, per)),
        f"{_otlp(over)}/{_otlp(under)}",
    )


def _term(code: str) -> Atom | None:
    match = _ANNOTATED.match(code)
    if match is None or not code:
        return None
    symbol, note = match["atom"], match["note"]
    if not symbol:
        return Atom("count", note.lower(), 1.0) if note else None
    if symbol in CURRENCIES:
        return Atom("money", symbol.lower(), 1.0, (symbol.lower(),))
    atom = ATOMS.get(symbol)
    if atom is None:
        return None
    if symbol == "1":  # a name may well end in "ratio": it says more than the unit does
        return atom
    spellings = sorted({atom.word, *atom.spellings}, key=len, reverse=True)
    return atom._replace(spellings=tuple(spellings))


def _as_word(term: Atom) -> tuple[str, float]:
    """Word and scale of the base unit. A plain number and a count need no word."""
    if term.quantity == "count" or (term.quantity == "ratio" and term.factor == 1.0):
        return "", 1.0
    return _BASE_WORDS.get(term.quantity, term.word), term.factor


def _singular(word: str) -> str:
    return word if word in ("celsius", "hertz") else word.removesuffix("s")


def _otlp(code: str) -> str:
    return f"{{{code}}}" if code in CURRENCIES else code


def _bad_unit(unit: object) -> MetricValidationError:
    word = unit.strip().lower() if isinstance(unit, str) else ""
    codes = (
        code for code, atom in ATOMS.items() if word in (atom.word, code.lower(), *atom.spellings)
    )
    code = next(codes, word.upper() if word.upper() in CURRENCIES else None)
    if code is not None:
        fix = f"Write {code!r}."
    elif re.fullmatch(r"[a-z][a-z_]*", word):
        fix = f"For a count of things write '{{{word.removesuffix('s')}}}', for a plain number '1'."
    else:
        fix = "For a count of things write '{thing}', for a plain number '1'."
    return MetricValidationError(
        "unit is not known", reason="bad_unit", got=unit, allowed=_ALLOWED, fix=fix
    )
