# SPDX-License-Identifier: Apache-2.0
"""What changed between two catalogues, and what of it breaks."""

from __future__ import annotations

from typing import Any

import pytest

from tidegauge.catalog import Catalog, builtin_catalog, diff_catalogs
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


def spec(name: str = "model:x", **fields: Any) -> MetricSpec:
    """A metric; a distribution, so that it may have buckets."""
    return MetricSpec(**{"name": name, "description": "x", "kind": Kind.DISTRIBUTION, **fields})


def changes(before: Catalog, after: Catalog) -> list[tuple[str, str, bool, str]]:
    """The differences as plain tuples."""
    return [(c.kind, c.metric, c.breaking, c.text) for c in diff_catalogs(before, after)]


def test_nothing_changed() -> None:
    """A catalogue does not differ from itself."""
    assert diff_catalogs(builtin_catalog(), builtin_catalog()) == []


OPEN, CLOSED = {"a": LabelSpec()}, {"a": LabelSpec(values=("x", "y"))}

ONE_CHANGE: list[tuple[dict[str, Any], dict[str, Any], str, bool, str]] = [
    (
        {},
        {"direction": Direction.HIGHER},
        "direction",
        True,
        ("direction of model:x changed from none to higher"),
    ),
    ({}, {"combine": Combine.MAX}, "combine", True, "combine of model:x changed from mean to max"),
    ({}, {"min": 0}, "bounds", True, "min of model:x narrowed from none to 0"),
    ({"min": 0}, {"min": 1}, "bounds", True, "min of model:x narrowed from 0 to 1"),
    ({"min": 0}, {"min": -1}, "bounds", False, "min of model:x widened from 0 to -1"),
    ({"min": 0}, {}, "bounds", False, "min of model:x widened from 0 to none"),
    ({}, {"max": 1}, "bounds", True, "max of model:x narrowed from none to 1"),
    ({"max": 2}, {"max": 1}, "bounds", True, "max of model:x narrowed from 2 to 1"),
    ({"max": 1}, {"max": 2}, "bounds", False, "max of model:x widened from 1 to 2"),
    (
        {"buckets": (1,)},
        {"buckets": (1, 2)},
        "buckets",
        True,
        ("buckets of model:x changed: histograms from before and after do not add up"),
    ),
    ({}, {"series_cap": 10}, "series_cap", True, "series_cap of model:x changed from 10000 to 10"),
    ({"series_cap": 10}, {}, "series_cap", False, "series_cap of model:x changed from 10 to 10000"),
    ({}, {"description": "y"}, "description", False, "description of model:x changed"),
    (
        {"kind": Kind.GAUGE},
        {"kind": Kind.GAUGE, "holds_s": 60.0},
        "holds_s",
        False,
        "holds_s of model:x changed",
    ),
    ({}, {"owner": "me"}, "owner", False, "owner of model:x changed"),
    (
        {},
        {"targets": (Target(stat="mean", op="<", value=1),)},
        "targets",
        False,
        ("targets of model:x changed"),
    ),
    ({}, {"labels": OPEN}, "labels", False, "label a of model:x is declared"),
    ({"labels": OPEN}, {}, "labels", True, "label a of model:x is no longer declared"),
    ({"labels": OPEN}, {"labels": CLOSED}, "labels", True, "label a of model:x is now closed"),
    ({"labels": CLOSED}, {"labels": OPEN}, "labels", False, "label a of model:x is now open"),
    (
        {"labels": CLOSED},
        {"labels": {"a": LabelSpec(values=("x",))}},
        "labels",
        True,
        "label a of model:x no longer takes 'y'",
    ),
    (
        {"labels": {"a": LabelSpec(values=("x",))}},
        {"labels": CLOSED},
        "labels",
        False,
        "label a of model:x now takes 'y'",
    ),
    (
        {"labels": OPEN},
        {"labels": {"a": LabelSpec(required=True)}},
        "labels",
        True,
        "label a of model:x is now required",
    ),
    (
        {"labels": {"a": LabelSpec(required=True)}},
        {"labels": OPEN},
        "labels",
        False,
        "label a of model:x is no longer required",
    ),
    (
        {"labels": OPEN},
        {"labels": {"a": LabelSpec(description="new")}},
        "labels",
        False,
        "description of label a of model:x changed",
    ),
    (
        {},
        {"deprecated": Deprecation(since="2")},
        "deprecated",
        False,
        ("model:x is deprecated since 2"),
    ),
    (
        {"deprecated": Deprecation(since="2")},
        {},
        "restored",
        False,
        ("model:x is no longer deprecated"),
    ),
    (
        {},
        {"names": NamesAbroad(prometheus="y")},
        "exported",
        True,
        ("prometheus of model:x changed from model_x to y"),
    ),
    (
        {},
        {"names": NamesAbroad(otlp="y")},
        "exported",
        True,
        ("otlp of model:x changed from model.x to y"),
    ),
]


@pytest.mark.parametrize(
    ("before", "after", "kind", "breaking", "text"),
    [pytest.param(*case, id=f"{index}-{case[2]}") for index, case in enumerate(ONE_CHANGE)],
)
def test_one_field(
    before: dict[str, Any], after: dict[str, Any], kind: str, breaking: bool, text: str
) -> None:
    """Each kind of change is named once, and said to break or not."""
    found = changes(Catalog([spec(**before)]), Catalog([spec(**after)]))
    assert found == [(kind, "model:x", breaking, text)]


def test_a_new_ratio_is_harmless_and_another_one_breaks() -> None:
    """What was told of the counters before would be told otherwise."""
    clicked = Ratio(of="business:clicks", per="business:impressions")
    plain, derived = (
        builtin_catalog().extended(
            [spec("usage:share", kind=Kind.GAUGE, ratio=each)], source="shop.yaml"
        )
        for each in (None, clicked)
    )
    text = "ratio of usage:share changed from"
    shown = "business:clicks / business:impressions"
    assert changes(plain, derived) == [("ratio", "usage:share", False, f"{text} none to {shown}")]
    assert changes(derived, plain) == [("ratio", "usage:share", True, f"{text} {shown} to none")]


def test_a_new_unit_changes_the_names_too() -> None:
    """A change of unit breaks in itself and by what it does abroad."""
    before, after = Catalog([spec(unit="s")]), Catalog([spec(unit="ms")])
    assert changes(before, after) == [
        ("exported", "model:x", True, "otlp_unit of model:x changed from s to ms"),
        ("exported", "model:x", True, "prometheus_scale of model:x changed from 1.0 to 0.001"),
        ("unit", "model:x", True, "unit of model:x changed from s to ms"),
    ]


def test_a_new_kind_breaks() -> None:
    """So does a change of kind, with what follows from it."""
    before = Catalog([spec(kind=Kind.GAUGE)])
    after = Catalog([spec(kind=Kind.COUNTER, min=0)])
    assert changes(before, after) == [
        ("bounds", "model:x", True, "min of model:x narrowed from none to 0"),
        ("combine", "model:x", True, "combine of model:x changed from last to sum"),
        (
            "exported",
            "model:x",
            True,
            "prometheus of model:x changed from model_x to model_x_total",
        ),
        ("kind", "model:x", True, "kind of model:x changed from gauge to counter"),
    ]


def test_a_removed_metric_breaks() -> None:
    """Gone without a rename: the metric, and its bare name and aliases."""
    before = Catalog([spec("model:x", aliases=("short",))])
    assert changes(before, Catalog()) == [
        ("removed", "model:x", True, "model:x is gone without a rename"),
        ("resolution", "short", True, "short meant model:x and now means custom:short"),
        ("resolution", "x", True, "x meant model:x and now means custom:x"),
    ]


def renamed(new: MetricSpec, old: str = "model:old") -> Catalog:
    """A catalogue in which a metric has an heir."""
    deprecated = Deprecation(since="2", renamed_to=new.name)
    return Catalog([spec(old, unit=new.unit, aliases=("short",), deprecated=deprecated), new])


def test_a_rename_breaks_who_uses_the_exported_names() -> None:
    """Programs and queries still find the metric by its old names; a dashboard does not."""
    before = Catalog([spec("model:old", aliases=("short",))])
    assert changes(before, renamed(spec("model:new"))) == [
        (
            "exported",
            "model:old",
            True,
            f"{system} of model:old, now model:new, changed from {was} to {now}",
        )
        for system, was, now in (
            ("mlflow_as_given", "model:old", "model:new"),
            ("mlflow_slash", "model/old", "model/new"),
            ("mlflow_underscore", "model_old", "model_new"),
            ("otlp", "model.old", "model.new"),
            ("prometheus", "model_old", "model_new"),
        )
    ] + [
        ("added", "model:new", False, "model:new is new"),
        ("renamed", "model:old", False, "model:old is renamed to model:new"),
        ("resolution", "new", False, "new meant custom:new and now means model:new"),
    ]


def test_a_rename_that_keeps_the_exported_names_does_not_break() -> None:
    """The heir takes them over."""
    names = NamesAbroad(prometheus="old", otlp="old", mlflow="old")
    before = Catalog([spec("model:old", aliases=("short",), names=names)])
    assert changes(before, renamed(spec("model:new", names=names))) == [
        ("added", "model:new", False, "model:new is new"),
        ("renamed", "model:old", False, "model:old is renamed to model:new"),
        ("resolution", "new", False, "new meant custom:new and now means model:new"),
    ]


def test_an_heir_that_accepts_less_breaks() -> None:
    """What is recorded under the old name has to keep the heir's rules."""
    names = NamesAbroad(prometheus="old", otlp="old", mlflow="old")
    heir = spec(
        "model:new",
        names=names,
        max=1,
        direction=Direction.LOWER,
        combine=Combine.SUM,
        labels={"a": LabelSpec(values=("x",), required=True)},
    )
    before = Catalog([spec("model:old", aliases=("short",), names=names)])
    assert [change for change in changes(before, renamed(heir)) if change[2]] == [
        ("bounds", "model:old", True, "max of model:old, now model:new, narrowed from none to 1"),
        (
            "combine",
            "model:old",
            True,
            "combine of model:old, now model:new, changed from mean to sum",
        ),
        (
            "direction",
            "model:old",
            True,
            "direction of model:old, now model:new, changed from none to lower",
        ),
        ("labels", "model:old", True, "label a of model:old, now model:new, is now closed"),
        ("labels", "model:old", True, "label a of model:old, now model:new, is now required"),
    ]


def test_a_name_that_becomes_an_alias_is_compared_with_its_metric() -> None:
    """It is not gone, but what it means now may be something else."""
    before = Catalog([spec("custom:old", unit="s"), spec("custom:new", unit="ms")])
    after = Catalog([spec("custom:new", unit="ms", aliases=("custom:old",))])
    found = changes(before, after)
    assert ("renamed", "custom:old", False, "custom:old is now an alias of custom:new") in found
    assert (
        "unit",
        "custom:old",
        True,
        "unit of custom:old, now custom:new, changed from s to ms",
    ) in found
    assert {change[0] for change in found} == {"exported", "renamed", "unit"}


def test_a_given_up_name_that_gets_another_heir_breaks() -> None:
    """Also if it is taken into use again: what was recorded by it went to the heir."""
    heirs = [spec("model:a"), spec("model:b")]
    old = spec("model:old", deprecated=Deprecation(since="2", renamed_to="model:a"))
    other = spec("model:old", deprecated=Deprecation(since="3", renamed_to="model:b"))
    before = Catalog([*heirs, old])
    assert changes(before, Catalog([*heirs, other])) == [
        ("resolution", "model:old", True, "model:old meant model:a and now means model:b"),
        ("resolution", "old", True, "old meant model:a and now means model:b"),
        ("renamed", "model:old", False, "model:old is renamed to model:b"),
    ]
    assert changes(before, Catalog([*heirs, spec("model:old")])) == [
        ("resolution", "model:old", True, "model:old meant model:a and now means model:old"),
        ("resolution", "old", True, "old meant model:a and now means model:old"),
        ("restored", "model:old", False, "model:old is no longer deprecated"),
    ]
    assert changes(before, Catalog(heirs)) == [
        ("resolution", "model:old", True, "model:old meant model:a and now means model:old"),
        ("resolution", "old", True, "old meant model:a and now means custom:old"),
    ]


def test_a_given_up_name_follows_its_heir() -> None:
    """If the heir is renamed in turn, only that is told."""
    names = NamesAbroad(prometheus="x", otlp="x", mlflow="x")
    old = spec("model:old", deprecated=Deprecation(since="2", renamed_to="model:a"))
    moved = spec("model:a", deprecated=Deprecation(since="3", renamed_to="model:b"))
    before = Catalog([old, spec("model:a", names=names), spec("model:b")])
    after = Catalog([old, moved, spec("model:b", names=names)])
    found = changes(before, after)
    assert ("renamed", "model:a", False, "model:a is renamed to model:b") in found
    assert {metric for _, metric, _, _ in found} == {"model:a", "model:b"}


def test_new_aliases_are_told() -> None:
    """They break nothing: nobody had declared those names."""
    after = Catalog([spec("custom:x", aliases=("custom:full", "short"))])
    assert changes(Catalog([spec("custom:x")]), after) == [
        (
            "resolution",
            "custom:full",
            False,
            "custom:full meant custom:full and now means custom:x",
        ),
        ("resolution", "short", False, "short meant custom:short and now means custom:x"),
    ]


def test_a_new_metric_does_not_break() -> None:
    """A name that nobody had declared comes to mean a metric; that is told and breaks nothing."""
    assert changes(Catalog(), Catalog([spec("model:x")])) == [
        ("added", "model:x", False, "model:x is new"),
        ("resolution", "x", False, "x meant custom:x and now means model:x"),
    ]


def test_a_new_metric_that_makes_a_name_ambiguous_breaks() -> None:
    """A bare name that was understood and is not any more is a breaking change."""
    before = Catalog([spec("model:x")])
    after = Catalog([spec("model:x"), spec("api:x")])
    assert changes(before, after) == [
        ("resolution", "x", True, "x meant model:x and now means nothing"),
        ("added", "api:x", False, "api:x is new"),
    ]


def test_a_lost_alias_breaks() -> None:
    """An alias that is taken away leads elsewhere from then on."""
    before = Catalog([spec(aliases=("custom:y",))])
    assert changes(before, Catalog([spec()])) == [
        ("resolution", "custom:y", True, "custom:y meant model:x and now means custom:y"),
    ]


def test_categories_and_closing() -> None:
    """A category that goes and a catalogue that closes break; the other way round does not."""
    small = Catalog()
    large = Catalog(categories={"shop": "Shop"}, closed=True)
    assert changes(small, large) == [
        ("closed", "", True, "names that are not declared are now refused"),
        ("category", "shop", False, "category shop is new"),
    ]
    assert changes(large, small) == [
        ("category", "shop", True, "category shop is gone"),
        ("closed", "", False, "names that are not declared are now accepted"),
    ]
    assert changes(Catalog(categories={"shop": "a"}), Catalog(categories={"shop": "b"})) == [
        ("category", "shop", False, "description of category shop changed"),
    ]
