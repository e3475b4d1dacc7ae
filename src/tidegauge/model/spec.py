# SPDX-License-Identifier: Apache-2.0
"""What is known of one metric: kind, unit, direction, bounds, labels, targets, names abroad.

A `MetricSpec` is a plain declaration. Checking one against the rules, resolving names and computing
exported names happen in `tidegauge.catalog`.
"""

from __future__ import annotations

import enum

import msgspec

__all__ = [
    "Combine",
    "Deprecation",
    "Direction",
    "Kind",
    "LabelSpec",
    "MetricSpec",
    "NamesAbroad",
    "Ratio",
    "Target",
]


class Kind(enum.StrEnum):
    """How the values of a metric are to be read."""

    GAUGE = "gauge"  # a state: the last value counts
    COUNTER = "counter"  # an increment: each fact adds to a total
    DISTRIBUTION = "distribution"  # a sample: percentiles are what one asks for


class Direction(enum.StrEnum):
    """Which way is better."""

    HIGHER = "higher"
    LOWER = "lower"
    NONE = "none"


class Combine(enum.StrEnum):
    """How values combine over processes and over time."""

    SUM = "sum"
    LAST = "last"
    MEAN = "mean"
    MAX = "max"


class LabelSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One label a metric may carry.

    Attributes:
        values: The closed set of allowed values; empty means any value.
        description: One line for people.
        required: Whether a fact without this label is refused.
        shown_as: What it is called in monitoring systems, if not by its name. It replaces a label
            of that name, such as the program's `service`.
    """

    values: tuple[str, ...] = ()
    description: str = ""
    required: bool = False
    shown_as: str | None = None


class Ratio(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a metric is the ratio of: a sum over a sum, never a mean of ratios.

    Attributes:
        of: Full name of the counter on top.
        per: Full name of the counter below.
    """

    of: str
    per: str


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A goal for a statistic of the metric, such as p95 < 100.

    Attributes:
        stat: One of mean, min, max, p50, p95, p99, last, rate.
        op: One of <, <=, >, >=.
        value: The bound, in the metric's unit.
    """

    stat: str
    op: str
    value: float


class Deprecation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name that was given up.

    Attributes:
        renamed_to: The full name that replaces it; None if the metric is gone without heir.
        since: Version or ISO date from which it counts as deprecated.
    """

    since: str
    renamed_to: str | None = None


class NamesAbroad(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names that replace the computed ones in other systems; None keeps the computed name.

    Attributes:
        prometheus: Name in Prometheus.
        otlp: Name in OTLP.
        mlflow: Key in MLflow.
        prometheus_also: A second name in Prometheus, of a gauge that shows the same as a counter,
            for queries that were written without `_total`.
    """

    prometheus: str | None = None
    otlp: str | None = None
    mlflow: str | None = None
    prometheus_also: str | None = None


class MetricSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One metric of a catalogue.

    Attributes:
        name: Full name, `category:metric_name[.submetric…]`.
        kind: How values are read; see `Kind`.
        unit: UCUM code: `1`, `s`, `ms`, `By`, `%`, `{token}`, `USD`…
        description: One line for people; becomes the HELP text and MLflow's tag.
        direction: Which way is better.
        min: Smallest value accepted, inclusive; None for no bound.
        max: Largest value accepted, inclusive; None for no bound.
        labels: Label name to what it may hold. Undeclared labels are accepted, open.
        series_cap: Most distinct label sets this metric may have in one process.
        buckets: Upper bounds of explicit histogram buckets, ascending, in the metric's unit.
        combine: How values combine; None means the default of the kind (gauge: last,
            counter: sum, distribution: mean).
        holds_s: For how long the latest value of a gauge is shown live; None for as long as its
            process lives.
        ratio: The counters that the metric can be worked out from; None for no ratio.
        targets: Goals.
        aliases: Other names, bare or full, that resolve to this metric.
        deprecated: Set when the name is given up.
        owner: A team or person.
        names: Names in other systems, where the computed ones do not fit.
    """

    name: str
    description: str
    kind: Kind = Kind.GAUGE
    unit: str = "1"
    direction: Direction = Direction.NONE
    min: float | None = None
    max: float | None = None
    labels: dict[str, LabelSpec] = {}
    series_cap: int = 10_000
    buckets: tuple[float, ...] = ()
    combine: Combine | None = None
    holds_s: float | None = None
    ratio: Ratio | None = None
    targets: tuple[Target, ...] = ()
    aliases: tuple[str, ...] = ()
    deprecated: Deprecation | None = None
    owner: str | None = None
    names: NamesAbroad = NamesAbroad()

    @property
    def category(self) -> str:
        """The part before the colon."""
        return self.name.partition(":")[0]

    @property
    def combined_by(self) -> Combine:
        """`combine`, or the default of the kind."""
        return self.combine or _DEFAULT_COMBINE[self.kind]


_DEFAULT_COMBINE = {
    Kind.GAUGE: Combine.LAST,
    Kind.COUNTER: Combine.SUM,
    Kind.DISTRIBUTION: Combine.MEAN,
}

# msgspec looks a class up when it first converts something to it, and two threads that make it do
# so at the same time end the program with a segmentation fault. Here an import does it, alone.
msgspec.json.Decoder(MetricSpec)
