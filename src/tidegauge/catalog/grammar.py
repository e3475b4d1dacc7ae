# SPDX-License-Identifier: Apache-2.0
"""The grammar of metric names: `[category:]metric_name[.submetric…]`.

Whether a name is well formed, its parts, and how an ill-formed one is made to fit. Whether a name
means anything is the business of `tidegauge.catalog.registry`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from typing import NamedTuple

from tidegauge.catalog.categories import BUILTIN_CATEGORIES
from tidegauge.model.errors import MetricValidationError

__all__ = [
    "GRAMMAR",
    "MAX_NAME_CHARS",
    "METRIC_NAME_PATTERN",
    "SEGMENT_PATTERN",
    "MetricName",
    "check_metric_name",
    "fix_metric_name",
    "format_metric_name",
    "match_metric_name",
    "parse_metric_name",
    "validate_metric_name",
]

#: Longest name, category included. It is MLflow's limit for a metric's key.
MAX_NAME_CHARS = 250

_SEGMENT = r"[a-z][a-z0-9_]*"

#: One segment: a category, a metric's name, or a submetric.
SEGMENT_PATTERN = re.compile(rf"{_SEGMENT}\Z")

#: The whole grammar, the length included. `match` and `fullmatch` agree.
METRIC_NAME_PATTERN = re.compile(
    rf"^(?=.{{1,{MAX_NAME_CHARS}}}\Z)"
    rf"(?:(?P<category>{_SEGMENT}):)?(?P<name>{_SEGMENT}(?:\.{_SEGMENT})*)\Z"
)

#: The grammar in words, for errors.
GRAMMAR = (
    "[category:]metric_name[.submetric…], each part a lower-case letter followed by lower-case "
    f"letters, digits or '_', at most {MAX_NAME_CHARS} characters"
)

_CAMEL_STEP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[:/\\.]+")
_NOT_WORD = re.compile(r"[^a-z0-9]+")


class MetricName(NamedTuple):
    """The parts of a name.

    Attributes:
        category: The part before the colon; None for a bare name.
        name: The part after it, submetrics included.
    """

    category: str | None
    name: str

    @property
    def submetric(self) -> str | None:
        """Everything after the first dot of `name`; None where there is no dot."""
        return self.name.partition(".")[2] or None

    def __str__(self) -> str:
        return self.name if self.category is None else f"{self.category}:{self.name}"


def validate_metric_name(name: str) -> bool:
    """Tell whether a name fits the grammar. Says nothing of whether its category exists.

    Example:
        >>> validate_metric_name("usage:reply_rate"), validate_metric_name("Reply Rate")
        (True, False)
    """
    return match_metric_name(name) is not None


def match_metric_name(name: object) -> re.Match[str] | None:
    """Match the grammar; None for what does not fit, whatever its type. Groups: category, name."""
    return METRIC_NAME_PATTERN.match(name) if isinstance(name, str) else None


def check_metric_name(name: str) -> str:
    """Return the name unchanged if it fits the grammar.

    Raises:
        MetricValidationError: It does not (reason `bad_name`). The error says what to write.
    """
    if not validate_metric_name(name):
        raise _bad_name(name)
    return name


def parse_metric_name(name: str) -> MetricName:
    """Split a name into its category and the rest.

    Raises:
        MetricValidationError: The name does not fit the grammar (reason `bad_name`).

    Example:
        >>> parse_metric_name("model:accuracy.top_5")
        MetricName(category='model', name='accuracy.top_5')
    """
    match = match_metric_name(name)
    if match is None:
        raise _bad_name(name)
    return MetricName(match["category"], match["name"])


def format_metric_name(category: str | None, name: str, *submetrics: str) -> str:
    """Put a name together; the inverse of `parse_metric_name`.

    Raises:
        MetricValidationError: The result does not fit the grammar (reason `bad_name`).

    Example:
        >>> format_metric_name("model", "accuracy", "top_5")
        'model:accuracy.top_5'
    """
    for part in (name, *submetrics):
        if not isinstance(part, str):
            raise _bad_name(part)
    return check_metric_name(str(MetricName(category, ".".join((name, *submetrics)))))


def fix_metric_name(
    legacy: str, *, categories: Container[str] = BUILTIN_CATEGORIES, split_camel: bool = True
) -> str:
    """Make a name fit the grammar without asking what it means.

    A name that fits already and has no category, or one of `categories`, is returned unchanged.
    Otherwise, in this order: accents are folded (`R²` is `r2`); camel case is split and lowered;
    `%` becomes `percent` and `@` begins a submetric (`ndcg@10` is `ndcg.at_10`); slashes, colons
    and dots separate parts; every other run of characters that are neither letters nor digits is
    one `_`, and none at the ends of a part; a part that begins with a digit is joined to the one
    before it (`loss/0` is `loss_0`). The first part is the category if it is one of `categories`;
    else all parts are metric name and submetrics.

    Args:
        legacy: Any text.
        categories: The categories that exist.
        split_camel: Whether `replyRate` is `reply_rate`; False gives `replyrate`.

    Raises:
        MetricValidationError: It cannot be fixed: nothing is left, it begins with a digit, has
            letters that are not Latin, or is too long (reason `bad_name`).

    Example:
        >>> fix_metric_name("model/F1 Score")
        'model:f1_score'
    """
    match = match_metric_name(legacy)
    if match is not None and (match["category"] is None or match["category"] in categories):
        return legacy
    fixed = _fixed(legacy, categories, split_camel=split_camel)
    if fixed is None:
        raise _bad_name(legacy)
    return fixed


def _fixed(legacy: object, categories: Container[str], *, split_camel: bool) -> str | None:
    if not isinstance(legacy, str):
        return None
    text = "".join(c for c in unicodedata.normalize("NFKD", legacy) if not unicodedata.combining(c))
    if any(c.isalnum() and not c.isascii() for c in text):
        return None
    if split_camel:
        text = _CAMEL_STEP.sub("_", text)
    text = text.lower().replace("%", "_percent_").replace("@", ".at_")
    parts: list[str] = []
    for raw in _SEPARATORS.split(text):
        part = _NOT_WORD.sub("_", raw).strip("_")
        if part and part[0].isdigit():
            if not parts:
                return None
            parts[-1] += f"_{part}"
        elif part:
            parts.append(part)
    if not parts:
        return None
    category = parts.pop(0) if len(parts) > 1 and parts[0] in categories else None
    name = str(MetricName(category, ".".join(parts)))
    return name if METRIC_NAME_PATTERN.match(name) else None


def _bad_name(name: object) -> MetricValidationError:
    fixed = _fixed(name, BUILTIN_CATEGORIES, split_camel=True)
    if not isinstance(name, str):
        what = f"metric name is of type {type(name).__name__}"
    elif len(name) > MAX_NAME_CHARS:
        what = f"metric name has {len(name)} characters"
    else:
        what = "metric name does not fit the grammar"
    return MetricValidationError(
        what,
        reason="bad_name",
        got=name,
        allowed=GRAMMAR,
        fix=f"Write {fixed!r}." if fixed else "Choose a name that fits.",
    )
