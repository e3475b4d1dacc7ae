# SPDX-License-Identifier: Apache-2.0
"""Which names the lines of a family have: the types of Prometheus and OpenMetrics as data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from tidegauge.live.families import Histograms, Numbers, Sample, Samples

__all__ = ["AnyFamily", "Form", "form_of", "in_text", "names_of"]

AnyFamily = Numbers | Histograms | Samples

# What may follow a family's name in a line, by type; of other types the name itself.
_SUFFIXES: dict[str, tuple[str, ...]] = {
    "counter": ("_total",),
    "gauge": ("",),
    "gaugehistogram": ("_bucket", "_gcount", "_gsum"),
    "histogram": ("_bucket", "_count", "_sum"),
    "info": ("_info",),
    "stateset": ("",),
    "summary": ("", "_count", "_sum"),
    "unknown": ("",),
}
_HAVE_CREATED = {"counter", "histogram", "summary"}
_IN_TEXT = {
    "gaugehistogram": "histogram",
    "info": "gauge",
    "stateset": "gauge",
    "unknown": "untyped",
}


@dataclass(frozen=True, slots=True)
class Form:
    """Type and names of a family.

    Attributes:
        kind: A type of OpenMetrics.
        base: The family's name in OpenMetrics, without the suffix of a counter or an info.
    """

    kind: str
    base: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names that its lines may have."""
        return tuple(self.base + suffix for suffix in _SUFFIXES[self.kind])

    @property
    def text_name(self) -> str:
        """The family's name in the text format, where a counter is called like its lines."""
        return self.names[0] if len(self.names) == 1 else self.base

    @property
    def text_kind(self) -> str:
        """The nearest type that the text format has."""
        return _IN_TEXT.get(self.kind, self.kind)

    def reserved(self, *, openmetrics: bool) -> set[str]:
        """The names that no other family of a page may have."""
        if not openmetrics:
            return {self.text_name, *self.names}
        created = {f"{self.base}_created"} if self.kind in _HAVE_CREATED else set()
        return {self.base, *self.names} | created

    def line_name(self, given: str) -> str | None:
        """The name under which a line called `given` appears; None if the type has no such line."""
        if given in self.names:
            return given
        return self.names[0] if given == self.base and len(self.names) == 1 else None


def form_of(family: AnyFamily) -> Form:
    """Type and names of a family."""
    kind = "histogram" if isinstance(family, Histograms) else family.kind
    if kind not in _SUFFIXES:
        kind = "unknown"
    suffixes = _SUFFIXES[kind]
    base = family.name.removesuffix(suffixes[0]) if len(suffixes) == 1 else family.name
    return Form(kind, base or family.name)


def names_of(family: AnyFamily) -> set[str]:
    """Every name by which somebody may ask for a family."""
    form = form_of(family)
    return {family.name, form.base, *form.names}


def in_text(family: AnyFamily) -> list[AnyFamily]:
    """The families that stand for this one in the text format, which has no gauge histograms.

    Their buckets are a histogram's there, and their count and sum, which may fall, are gauges.
    """
    if not isinstance(family, Samples) or family.kind != "gaugehistogram":
        return [family]
    parts: dict[str, list[Sample]] = {"_bucket": [], "_gcount": [], "_gsum": []}
    for sample in family.samples:
        if sample.suffix in parts:
            parts[sample.suffix].append(sample)
    buckets = dataclasses.replace(family, kind="histogram", samples=parts.pop("_bucket"))
    return [buckets, *(_gauge(family, suffix, samples) for suffix, samples in parts.items())]


def _gauge(family: Samples, suffix: str, samples: list[Sample]) -> Samples:
    bare = [dataclasses.replace(sample, suffix="") for sample in samples]
    return dataclasses.replace(family, name=family.name + suffix, kind="gauge", samples=bare)
