# SPDX-License-Identifier: Apache-2.0
"""Which format and which compression a client is given, from what it says that it accepts.

A header that is absent or makes no sense gives plain text, never an error: a person with a browser
or with curl shall see a page. RFC 9110, section 12.5.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator

__all__ = ["Format", "accepts_gzip", "choose_format"]

_QUALITY = re.compile(r"0(\.\d*)?|1(\.0*)?")
# Longer headers are not from clients that want metrics; nobody shall make us work for them.
_MOST_CHARACTERS = 4_096


class Format(enum.Enum):
    """A format of the page; the value is its Content-Type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def choose_format(accept: str) -> Format:
    """The format for an Accept header.

    OpenMetrics is given to clients that name it, in version 1.0.0 or in none, and do not prefer
    plain text. A client that accepts anything gets plain text. `escaping` is ignored, as all
    names are such that every way of escaping leaves them as they are.

    Args:
        accept: The header; several of them joined by commas; empty if there is none.
    """
    openmetrics = 0.0
    text: dict[str, float] = {}
    for media_type, parameters, quality in _ranges(accept):
        version = parameters.get("version", "")
        if parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
            continue
        if media_type == "application/openmetrics-text" and version in {"", "1.0.0"}:
            openmetrics = max(openmetrics, quality)
        elif media_type in {"text/plain", "text/*", "*/*"} and version in {"", "0.0.4"}:
            text[media_type] = max(text.get(media_type, 0.0), quality)
    # The most specific range counts.
    plain = next((text[key] for key in ("text/plain", "text/*", "*/*") if key in text), 0.0)
    return Format.OPENMETRICS if openmetrics > 0 and openmetrics >= plain else Format.TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip is accepted, and no less than no compression at all.

    Args:
        accept_encoding: The Accept-Encoding header; empty if there is none.
    """
    coding = {name: quality for name, _, quality in _ranges(accept_encoding)}
    anything = coding.get("*", 0.0)
    gzip = coding.get("gzip", coding.get("x-gzip", anything))
    return gzip > 0 and gzip >= coding.get("identity", 0.0)


def _ranges(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Name, parameters and quality of each part that makes sense."""
    if len(header) > _MOST_CHARACTERS:
        return
    for part in header.split(","):
        name, *rest = (piece.strip() for piece in part.split(";"))
        pairs = (piece.partition("=") for piece in rest)
        parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
        quality = parameters.pop("q", "1")
        if name and _QUALITY.fullmatch(quality):
            yield name.lower(), parameters, float(quality)
