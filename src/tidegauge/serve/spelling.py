# SPDX-License-Identifier: Apache-2.0
"""How names, labels, numbers and times are spelt on a page, and a record of what cannot be.

Shared by both formats. Which lines a family has is the business of `exposition`.
"""

from __future__ import annotations

import functools
import logging
import math
import re
from collections.abc import Iterable, Sequence

from tidegauge.live.families import Labels

__all__ = [
    "Omissions",
    "bound_texts",
    "clean",
    "clean_labels",
    "escaped",
    "is_metric_name",
    "label_text",
    "number_text",
    "number_texts",
    "seconds_text",
]

_log = logging.getLogger("tidegauge")
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
# Two underscores in front are Prometheus's own, such as `__name__`.
_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPECIAL = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}
_MOST_REPORTS = 1_000
_BOUND_DIGITS = 12


class Omissions:
    """Logs what is left out of pages, each thing once. Safe to use from several threads.

    At most 1,000 things are remembered; what comes after them is left out without a word.
    """

    def __init__(self) -> None:
        self._said: set[str] = set()

    def add(self, what: str, why: str) -> None:
        """Say that something is left out, unless that was said before.

        Args:
            what: The thing, such as `label 'a b'`.
            why: The reason, as a clause.
        """
        if what not in self._said and len(self._said) < _MOST_REPORTS:
            self._said.add(what)
            _log.warning("%s is left out of the page of live metrics: %s", what, why)


def is_metric_name(name: str) -> bool:
    """Whether every reader of either format accepts this name of a metric."""
    return _METRIC_NAME.fullmatch(name) is not None


# Label names are few and come with every series: the cache is three times as fast as a match.
@functools.lru_cache(maxsize=4096)
def _is_label_name(name: str) -> bool:
    return _LABEL_NAME.fullmatch(name) is not None


def clean(text: str) -> str:
    """The text with U+FFFD for each surrogate, which UTF-8 has no bytes for."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def escaped(text: str) -> str:
    """The text as it stands between quotes."""
    return clean(text).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def clean_labels(labels: Labels, omissions: Omissions, *, reserved: str = "") -> Labels:
    """The labels whose names a page can have, each name once.

    Args:
        labels: Any labels.
        omissions: Told what is left out.
        reserved: A name that the format itself needs, such as `le`.
    """
    kept: dict[str, str] = {}
    for name, value in labels:
        if name == reserved or not _is_label_name(name):
            omissions.add(f"label {name!r}", "its name is not valid in Prometheus, or has a use")
        elif name in kept:
            omissions.add(f"second label {name!r}", "a series has a label once")
        else:
            kept[name] = value
    return tuple(kept.items())


def label_text(labels: Labels, omissions: Omissions, *, reserved: str = "") -> str:
    """Labels as they stand between braces; arguments as for `clean_labels`."""
    names = {name for name, _ in labels}
    if len(names) < len(labels) or reserved in names or not all(map(_is_label_name, names)):
        labels = clean_labels(labels, omissions, reserved=reserved)
    return ",".join([f'{name}="{escaped(value)}"' for name, value in labels])


def number_text(value: float) -> str:
    """The shortest text that is read back as this number."""
    text = repr(float(value))
    return _SPECIAL.get(text, text)


def number_texts(values: Iterable[float], scale: float) -> list[str]:
    """Values in the recorded unit, multiplied by `scale`."""
    numbers = [float(value) for value in values]
    if scale != 1.0:
        numbers = [value * scale for value in numbers]
    texts = list(map(repr, numbers))
    if not all(map(math.isfinite, numbers)):
        texts = [_SPECIAL.get(text, text) for text in texts]
    return texts


def bound_texts(bounds: Sequence[float], scale: float = 1.0) -> list[str]:
    """Bounds of buckets as values of `le`, with the canonical spelling of OpenMetrics.

    Rounded to 12 significant digits, so that 75 milliseconds are 0.075 seconds and not
    0.07500000000000001: the text is the identity of a series.
    """
    return [_canonical(float(f"{bound * scale:.{_BOUND_DIGITS}g}")) for bound in bounds]


def seconds_text(time_ns: int) -> str:
    """A time in seconds, to the nanosecond."""
    sign, time_ns = ("-", -time_ns) if time_ns < 0 else ("", time_ns)
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{sign}{seconds}.{rest:09d}"


def _canonical(value: float) -> str:
    """From a million on an exponent, as Go has it; the rest as Python has it."""
    text = number_text(value)
    whole, point, fraction = text.partition(".")
    if not point or "e" in text or len(whole) <= 6 or value < 0:
        return text
    digits = (whole[1:] + fraction).rstrip("0")
    return f"{whole[0]}{'.' if digits else ''}{digits}e+{len(whole) - 1:02d}"
