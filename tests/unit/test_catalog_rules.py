# SPDX-License-Identifier: Apache-2.0
"""What makes a metric's declaration sound, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from tidegauge.catalog import Catalog, CatalogError
from tidegauge.model.spec import (
    Combine,
    Deprecation,
    Direction,
    Kind,
    LabelSpec,
    MetricSpec,
    NamesAbroad,
    Ratio,
    Target,
)

BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("bare-name", {"name": "x"}, "has no full name"),
    ("ill-formed-name", {"name": "model:X"}, "has no full name"),
    (
        "unknown-category",
        {"name": "shop:x"},
        "is in the category 'shop', which does not exist",
    ),
    ("empty-description", {"description": " "}, "needs a description of one line"),
    ("long-description", {"description": "a\nb"}, "needs a description of one line"),
    ("empty-owner", {"owner": ""}, "has an empty owner"),
    ("unit", {"unit": "milliseconds"}, "has a unit that is not known"),
    ("nan-min", {"min": float("nan")}, "has a min that is not finite"),
    ("infinite-max", {"max": float("inf")}, "has a max that is not finite"),
    ("bounds", {"min": 2, "max": 1}, "has a min above its max"),
    ("counter-min", {"kind": Kind.COUNTER, "min": -1}, "is a counter that could go down"),
    ("series-cap", {"series_cap": 0}, "has a series_cap that lets no series in"),
    ("holds", {"holds_s": 0.0}, "has a holds_s for which nothing is shown"),
    ("holds-no-gauge", {"kind": "counter", "holds_s": 60.0}, "has holds_s and is no gauge"),
    (
        "reserved-label",
        {"labels": {"value": LabelSpec()}},
        "has a label it cannot have: label name is reserved",
    ),
    (
        "prometheus-label",
        {"labels": {"le": LabelSpec()}},
        "has a label it cannot have: label name is reserved",
    ),
    (
        "dunder-label",
        {"labels": {"__name": LabelSpec()}},
        "has a label it cannot have: label name does not fit the grammar",
    ),
    (
        "label-value-twice",
        {"labels": {"tier": LabelSpec(values=("a", "a"))}},
        "has a value of the label 'tier' twice",
    ),
    (
        "empty-label-value",
        {"labels": {"tier": LabelSpec(values=("a", ""))}},
        "has a value of the label 'tier' that no fact can have",
    ),
    ("gauge-buckets", {"buckets": (1,)}, "is a gauge with buckets"),
    (
        "descending-buckets",
        {"kind": Kind.DISTRIBUTION, "buckets": (1, 3, 2)},
        "has buckets that do not ascend",
    ),
    (
        "equal-buckets",
        {"kind": Kind.DISTRIBUTION, "buckets": (1, 1)},
        "has buckets that do not ascend",
    ),
    (
        "infinite-bucket",
        {"kind": Kind.DISTRIBUTION, "buckets": (1, float("inf"))},
        "has a bucket bound that is not finite",
    ),
    (
        "counter-combine",
        {"kind": Kind.COUNTER, "combine": Combine.LAST},
        "is a counter that does not sum",
    ),
    (
        "counter-ratio",
        {"kind": Kind.COUNTER, "ratio": Ratio(of="business:clicks", per="business:visits")},
        "is a counter and a ratio",
    ),
    (
        "ratio-of-itself",
        {"name": "model:x", "ratio": Ratio(of="model:x", per="business:visits")},
        "is a ratio of itself",
    ),
    (
        "distribution-combine",
        {"kind": Kind.DISTRIBUTION, "combine": Combine.LAST},
        "is a distribution of which only the last value would count",
    ),
    (
        "target-stat",
        {"targets": (Target(stat="p42", op="<", value=1),)},
        "has a target for an unknown statistic",
    ),
    (
        "target-op",
        {"targets": (Target(stat="mean", op="==", value=1),)},
        "has a target with an unknown comparison",
    ),
    (
        "target-value",
        {"targets": (Target(stat="mean", op="<", value=float("inf")),)},
        "has a target that is not finite",
    ),
    (
        "gauge-rate",
        {"targets": (Target(stat="rate", op="<", value=1),)},
        "is a gauge with a target that does not fit",
    ),
    (
        "counter-mean",
        {"kind": Kind.COUNTER, "targets": (Target(stat="mean", op="<", value=1),)},
        "is a counter with a target that does not fit",
    ),
    (
        "target-direction",
        {"direction": Direction.LOWER, "targets": (Target(stat="mean", op=">", value=1),)},
        "is better lower, a target says otherwise",
    ),
    (
        "target-twice",
        {"targets": (Target(stat="mean", op="<", value=1), Target(stat="mean", op="<", value=2))},
        "has two targets for the same",
    ),
    ("alias", {"aliases": ("Acc",)}, "has an alias that is not a name"),
    (
        "alias-category",
        {"aliases": ("shop:acc",)},
        "has an alias in the category 'shop', which does not exist",
    ),
    ("alias-twice", {"aliases": ("a", "a")}, "has an alias twice"),
    ("alias-self", {"aliases": ("model:x",)}, "has itself as an alias"),
    ("alias-bare-self", {"aliases": ("x",)}, "has itself as an alias"),
    ("since", {"deprecated": Deprecation(since="")}, "is deprecated since nothing"),
    (
        "renamed-to-self",
        {"deprecated": Deprecation(since="2", renamed_to="model:x")},
        "is renamed to itself",
    ),
    ("wrong-kind", {"kind": "meter"}, "has a field of the wrong type: Invalid enum value 'meter'"),
    ("wrong-type", {"min": "low"}, "has a field of the wrong type: Expected `float | null`"),
]


@pytest.mark.parametrize(
    ("fields", "problem"), [pytest.param(f, p, id=name) for name, f, p in BROKEN]
)
def test_broken_declarations(fields: dict[str, Any], problem: str) -> None:
    """A declaration that breaks a rule is refused, with metric, source and rule."""
    spec = MetricSpec(**{"name": "model:x", "description": "x", **fields})
    with pytest.raises(CatalogError) as caught:
        Catalog([spec], source="team.yaml")
    assert caught.value.what.startswith(f"metric {spec.name!r} in team.yaml {problem}")
    assert caught.value.fix == "Change its declaration."


def test_the_text_of_a_broken_declaration() -> None:
    """The text has what, got, allowed, and what to do."""
    spec = MetricSpec(name="model:x", description="x", kind=Kind.DISTRIBUTION, buckets=(2, 1))
    with pytest.raises(CatalogError) as caught:
        Catalog([spec], source="team.yaml")
    assert str(caught.value) == (
        "metric 'model:x' in team.yaml has buckets that do not ascend; got (2.0, 1.0); "
        "allowed: each bound above the one before. Change its declaration."
    )


def test_a_unit_in_words_is_corrected_in_the_error() -> None:
    """A catalogue with `milliseconds` is told to write `ms`."""
    with pytest.raises(CatalogError, match=r"or a currency such as USD\. Write 'ms'\. Change its"):
        Catalog([MetricSpec(name="model:x", description="x", unit="milliseconds")])


def test_plain_values_become_exact() -> None:
    """Texts and lists are taken for enums and tuples, so that a catalogue in Python reads well."""
    spec = MetricSpec(
        name="model:x",
        description="x",
        kind="distribution",  # type: ignore[arg-type]
        buckets=[1, 2],  # type: ignore[arg-type]
    )
    sound = Catalog([spec]).metrics["model:x"]
    assert sound.kind is Kind.DISTRIBUTION
    assert sound.buckets == (1.0, 2.0)


def test_a_counter_starts_at_zero() -> None:
    """A counter without a `min` gets 0; a larger one stays."""
    counter = MetricSpec(name="model:x", description="x", kind=Kind.COUNTER)
    assert Catalog([counter]).metrics["model:x"].min == 0.0
    larger = MetricSpec(name="model:x", description="x", kind=Kind.COUNTER, min=1)
    assert Catalog([larger]).metrics["model:x"].min == 1.0


def test_everything_at_once_is_sound() -> None:
    """A declaration that uses every field and keeps every rule is accepted as it is."""
    spec = MetricSpec(
        name="shop:wait.door_ms",
        description="Waiting time at the door",
        kind=Kind.DISTRIBUTION,
        unit="ms",
        direction=Direction.LOWER,
        min=0,
        max=1e6,
        labels={"door": LabelSpec(values=("a", "b"), description="which", required=True)},
        series_cap=2,
        buckets=(1, 10),
        combine=Combine.MAX,
        targets=(Target(stat="p95", op="<=", value=10),),
        aliases=("wait", "model:wait"),
        deprecated=Deprecation(since="2.0"),
        owner="doors",
        names=NamesAbroad(prometheus="door_wait_seconds", otlp="door.wait", mlflow="Door Wait"),
    )
    catalog = Catalog([spec], categories={"shop": "What happens in the shop"})
    assert catalog.metrics["shop:wait.door_ms"] == spec


def test_a_category_has_a_name_of_one_segment() -> None:
    """A new category obeys the grammar of a segment."""
    with pytest.raises(CatalogError) as caught:
        Catalog(categories={"My Shop": ""}, source="team.yaml")
    assert str(caught.value) == (
        "category in team.yaml has a name that does not fit the grammar; got 'My Shop'; allowed: a "
        "lower-case letter followed by lower-case letters, digits or '_'. Rename the category."
    )
