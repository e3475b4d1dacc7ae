# SPDX-License-Identifier: Apache-2.0
"""What a name means: resolution, aliases, renames, closed catalogues, merging."""

from __future__ import annotations

import pickle

import pytest

from tidegauge.catalog import Catalog, CatalogError, MetricValidationError, builtin_catalog
from tidegauge.model.spec import Deprecation, Direction, Kind, MetricSpec, Ratio


def metric(name: str, *aliases: str, renamed_to: str | None = None, unit: str = "1") -> MetricSpec:
    """A metric of which only its names matter."""
    deprecated = None if renamed_to is None else Deprecation(since="2", renamed_to=renamed_to)
    return MetricSpec(name=name, description="x", aliases=aliases, deprecated=deprecated, unit=unit)


def gone(name: str) -> MetricSpec:
    """A metric that was given up without an heir."""
    return MetricSpec(name=name, description="x", deprecated=Deprecation(since="2"))


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("usage:reply_rate", "usage:reply_rate"),
        ("reply_rate", "usage:reply_rate"),
        ("accuracy", "model:accuracy"),
        ("latency_ms", "model:latency_ms"),
        ("f1", "model:f1_score"),
        ("model:f1", "model:f1_score"),
        ("conversion_rate", "usage:conversion_rate"),
        ("business:conversion_rate", "usage:conversion_rate"),
        ("processing_time", "pipeline:processing_time"),
        ("pipeline:execution_time", "pipeline:duration_seconds"),
        ("user_engagement", "custom:user_engagement"),
        ("custom:user_engagement", "custom:user_engagement"),
        ("model:my_score", "model:my_score"),
        ("accuracy.top_5", "custom:accuracy.top_5"),
        ("model:accuracy.top_5", "model:accuracy.top_5"),
        ("effectiveness.accuracy", "learning:effectiveness.accuracy"),
    ],
)
def test_resolution(name: str, full: str) -> None:
    """Full names, bare names and aliases lead to their metric, all others to an open one."""
    assert builtin_catalog().canonical(name) == full


def test_an_unknown_name_is_an_open_gauge() -> None:
    """A name that nobody declared has no unit, no bounds and no labels."""
    opened = MetricSpec(name="custom:user_engagement", description="")
    assert builtin_catalog().resolve("user_engagement") == opened
    assert builtin_catalog().declared("user_engagement") is None
    assert builtin_catalog().source("user_engagement") is None


def test_a_cut_off_measures_what_its_metric_does() -> None:
    """The first ten items of a ranking are better when higher, too; another part need not be."""
    cut_off = builtin_catalog().resolve("model:ndcg.at_10")
    assert (cut_off.name, cut_off.direction, cut_off.min, cut_off.max) == (
        "model:ndcg.at_10",
        Direction.HIGHER,
        0,
        1,
    )
    for other in ("model:ndcg.variance", "model:unheard_of.at_10"):
        assert builtin_catalog().resolve(other).direction is Direction.NONE


def test_an_unknown_category_is_an_error() -> None:
    """The error lists the categories and, where one is close, the name to write."""
    with pytest.raises(MetricValidationError) as caught:
        Catalog().resolve("usgae:reply_rate")
    assert caught.value.reason == "bad_name"
    assert str(caught.value) == (
        "category 'usgae' does not exist; got 'usgae:reply_rate'; allowed: api, business, cost, "
        "custom, error, feature, learning, llm, model, optimization, pipeline, resource, "
        "satisfaction, usage. Write 'usage:reply_rate'."
    )
    with pytest.raises(MetricValidationError) as caught:
        Catalog().resolve("zzz:reply_rate")
    assert caught.value.fix == "Declare the category in your catalogue, or use custom."


@pytest.mark.parametrize("name", ["Reply Rate", "", "usage:", None, 7, ["reply_rate"]])
def test_an_ill_formed_name_is_an_error(name: object) -> None:
    """Resolution never fixes a name; that is another function."""
    with pytest.raises(MetricValidationError) as caught:
        builtin_catalog().resolve(name)  # type: ignore[arg-type]
    assert caught.value.reason == "bad_name"


def test_a_bare_name_of_several_metrics_is_ambiguous() -> None:
    """The error lists the candidates, sorted; their full names still work."""
    catalog = Catalog([metric("model:wait"), metric("api:wait"), metric("usage:idle", "wait")])
    with pytest.raises(MetricValidationError) as caught:
        catalog.resolve("wait")
    assert caught.value.reason == "bad_name"
    assert str(caught.value) == (
        "metric name is ambiguous; got 'wait'; allowed: api:wait, model:wait, usage:idle. "
        "Write the full name."
    )
    assert catalog.canonical("api:wait") == "api:wait"


def test_a_bare_alias_counts_in_its_category() -> None:
    """`model:f1` is the metric with the alias `f1`, unless a metric is called so."""
    assert Catalog([metric("model:f1_score", "f1")]).canonical("model:f1") == "model:f1_score"
    both = Catalog([metric("model:f1_score", "f1"), metric("model:f1")])
    assert both.canonical("model:f1") == "model:f1"
    with pytest.raises(MetricValidationError, match="ambiguous"):
        both.resolve("f1")


def test_the_same_alias_in_one_category_is_an_error() -> None:
    """Two metrics of a category cannot share an alias, because its full form would be both."""
    with pytest.raises(CatalogError) as caught:
        Catalog([metric("model:a", "x"), metric("model:b", "x")], source="team.yaml")
    assert caught.value.what == (
        "the alias 'model:x' of metric 'model:b' in team.yaml is an alias of 'model:a' in "
        "team.yaml too"
    )


def test_a_full_alias_is_nobody_elses_name() -> None:
    """A full alias that is a metric's name, or another's alias, is an error with both sources."""
    with pytest.raises(CatalogError) as caught:
        Catalog([metric("model:a")], source="a.yaml").extended(
            [metric("model:b", "model:a")], source="b.yaml"
        )
    assert str(caught.value) == (
        "the alias 'model:a' of metric 'model:b' in b.yaml is the name of a metric in a.yaml; "
        "allowed: full aliases that nothing else is called. Remove the alias from one of them."
    )


def test_a_bare_name_finds_a_full_alias_in_custom() -> None:
    """Nobody had declared it, so it meant `custom:…`, which is the metric's alias now."""
    catalog = Catalog([metric("shop:wait", "custom:pause")], categories={"shop": "Shop"})
    assert catalog.canonical("pause") == catalog.canonical("custom:pause") == "shop:wait"


def test_a_given_up_name_leads_to_its_heir() -> None:
    """Old full name, old bare name and old aliases all mean the new metric, over any chain."""
    catalog = Catalog(
        [
            metric("model:a", "first", renamed_to="model:b"),
            metric("model:b", renamed_to="model:c"),
            metric("model:c", "third"),
        ]
    )
    for name in ("model:a", "a", "first", "model:b", "b", "model:c", "c", "third"):
        assert catalog.canonical(name) == "model:c"
    assert catalog.renames == {"model:a": "model:c", "model:b": "model:c"}


def test_history_under_old_names_is_found() -> None:
    """Stored names: the metric's own, those it was renamed from, and aliases declared in full."""
    catalog = Catalog(
        [
            metric("model:a", renamed_to="model:b"),
            metric("model:b", renamed_to="model:c"),
            metric("model:c", "custom:c", "short"),
            metric("model:d"),
        ]
    )
    expected = ("model:c", "custom:c", "model:a", "model:b")
    assert catalog.stored_names("a") == expected
    assert catalog.stored_names("model:c") == expected
    assert catalog.stored_names("d") == ("model:d",)
    assert catalog.stored_names("unknown") == ("custom:unknown",)


def test_renames_in_a_circle_are_an_error() -> None:
    """The error shows the circle."""
    with pytest.raises(CatalogError) as caught:
        Catalog([metric("model:a", renamed_to="model:b"), metric("model:b", renamed_to="model:a")])
    assert str(caught.value) == (
        "renames go in a circle: model:a → model:b → model:a; allowed: chains that end at a metric "
        "in use. Remove `deprecated` from the metric that is to stay."
    )


def test_a_rename_to_nothing_is_an_error() -> None:
    """The heir has to be in the catalogue."""
    with pytest.raises(CatalogError) as caught:
        Catalog([metric("model:a", renamed_to="model:b")], source="team.yaml")
    assert str(caught.value) == (
        "metric 'model:a' in team.yaml is renamed to a metric that does not exist; got 'model:b'; "
        "allowed: the full name of a metric of the same catalogue. Declare the new metric, or "
        "correct `renamed_to`."
    )


@pytest.mark.parametrize("target", ["b", "model:short", "short", "custom:full"])
def test_a_rename_wants_the_full_name(target: str) -> None:
    """A bare name or an alias of the heir is not enough, and the error has the name to write."""
    specs = [metric("model:a", renamed_to=target), metric("model:b", "short", "custom:full")]
    with pytest.raises(CatalogError) as caught:
        Catalog(specs, source="team.yaml")
    assert str(caught.value) == (
        "metric 'model:a' in team.yaml is renamed to a bare name or an alias; got "
        f"'{target}'; allowed: the full name of a metric of the same catalogue. Write 'model:b'."
    )


def test_a_rename_keeps_unit_and_kind() -> None:
    """Milliseconds cannot be renamed to seconds: old and new values could not be read together."""
    with pytest.raises(CatalogError) as caught:
        Catalog([metric("model:a", renamed_to="model:b", unit="ms"), metric("model:b", unit="s")])
    assert str(caught.value) == (
        "metric 'model:a' is renamed to 'model:b', which is not the same measure; got \"gauge in "
        "'ms' to gauge in 's'\"; allowed: a rename that keeps unit and kind, so that old and new "
        "values can be read together. Deprecate the old metric without `renamed_to`."
    )
    with pytest.raises(CatalogError, match="not the same measure"):
        Catalog(
            [
                metric("model:a", renamed_to="model:b"),
                MetricSpec(name="model:b", description="x", kind=Kind.COUNTER),
            ]
        )


def test_what_is_gone_does_not_make_names_ambiguous() -> None:
    """A metric given up without an heir has its bare name only as long as no other wants it."""
    assert Catalog([gone("model:wait"), metric("api:wait")]).canonical("wait") == "api:wait"
    assert Catalog([gone("model:wait")]).canonical("wait") == "model:wait"


def test_a_closed_catalogue_refuses_what_is_not_declared() -> None:
    """Unknown bare and full names are errors of their own reason, with what is close."""
    catalog = Catalog([metric("model:accuracy")], closed=True)
    assert catalog.canonical("accuracy") == "model:accuracy"
    for name, close in (("acuracy", "accuracy"), ("model:acuracy", "model:accuracy")):
        with pytest.raises(MetricValidationError) as caught:
            catalog.resolve(name)
        assert caught.value.reason == "unknown_metric"
        assert str(caught.value) == (
            f"metric is not in the catalogue, which is closed; got {name!r}; allowed: one of the 1 "
            f"declared metrics, such as {close}. Declare it in your catalogue, or open the "
            "catalogue."
        )
    with pytest.raises(MetricValidationError) as caught:
        catalog.resolve("Not A Name")
    assert caught.value.reason == "bad_name"


def test_custom_may_make_a_name_too_long() -> None:
    """A bare name that fits alone and not with `custom:` in front is refused."""
    with pytest.raises(MetricValidationError, match="metric name has 257 characters"):
        Catalog().resolve("a" * 250)


def test_a_metric_declared_twice_is_an_error() -> None:
    """Twice in one source is an error, the same declaration or not."""
    with pytest.raises(CatalogError) as caught:
        Catalog([metric("model:a"), metric("model:a")], source="team.yaml")
    assert str(caught.value) == (
        "metric 'model:a' is declared twice in team.yaml; allowed: one declaration per metric. "
        "Rename or remove one of them."
    )


def test_catalogues_are_merged() -> None:
    """The merged catalogue has the metrics, categories and sources of all, and the rest as well."""
    first = Catalog([metric("model:a"), metric("model:c")], source="first.yaml")
    second = Catalog(
        [metric("shop:b"), metric("model:c")], categories={"shop": "Shop"}, source="second.yaml"
    )
    merged = first.merged(second)
    assert list(merged.metrics) == ["model:a", "model:c", "shop:b"]
    assert merged.categories["shop"] == "Shop"
    assert merged.source("b") == "second.yaml"
    assert merged.source("model:c") == "first.yaml"
    assert merged.closed is False
    assert list(first.metrics) == ["model:a", "model:c"]


def test_merging_with_a_closed_catalogue_closes() -> None:
    """If one of them is closed, so is the whole."""
    assert Catalog().merged(Catalog(closed=True)).closed is True
    assert Catalog(closed=True).extended([]).closed is True


def test_a_conflict_names_both_sources() -> None:
    """Two declarations of a name that differ are an error with both places."""
    first = Catalog([metric("model:a")], source="first.yaml")
    second = Catalog([metric("model:a", "b")], source="second.yaml")
    with pytest.raises(CatalogError) as caught:
        first.merged(second)
    assert str(caught.value) == (
        "metric 'model:a' is declared in first.yaml and differently in second.yaml; allowed: one "
        "declaration per metric. Rename or remove one of them; the second may say `deprecated`, "
        "and nothing else."
    )
    with pytest.raises(CatalogError, match=r"in the built-in vocabulary and differently in my\.py"):
        builtin_catalog().extended([metric("model:accuracy")], source="my.py")


@pytest.mark.parametrize("repeated", [False, True])
def test_a_metric_of_the_base_can_be_given_up(repeated: bool) -> None:
    """A declaration that only adds `deprecated` is no conflict, in short or repeated in full."""
    base = Catalog([metric("model:a", "short")], source="base.yaml")
    given_up = metric("model:a", "short", renamed_to="model:b")
    if not repeated:
        given_up = MetricSpec(name="model:a", description="", deprecated=given_up.deprecated)
    catalog = base.extended([given_up, metric("model:b")], source="team.yaml")
    assert catalog.metrics["model:a"] == metric("model:a", "short", renamed_to="model:b")
    assert (catalog.canonical("a"), catalog.canonical("short")) == ("model:b", "model:b")
    assert base.canonical("a") == "model:a"
    for merged in (base.merged(catalog), catalog.merged(base)):
        assert merged.renames == {"model:a": "model:b"}


def test_a_metric_is_given_up_once() -> None:
    """Two sources that rename a metric to different ones contradict each other."""
    base = Catalog([metric("model:a"), metric("model:b"), metric("model:c")])
    first = base.extended([metric("model:a", renamed_to="model:b")], source="first.yaml")
    with pytest.raises(CatalogError, match=r"in first\.yaml and differently in second\.yaml"):
        first.extended([metric("model:a", renamed_to="model:c")], source="second.yaml")


@pytest.mark.parametrize("spec", [{"name": "model:a"}, None, "model:a"], ids=repr)
def test_a_metric_is_a_spec(spec: object) -> None:
    """Anything else is an error that says what to write."""
    with pytest.raises(CatalogError) as caught:
        Catalog([spec], source="team.py")  # type: ignore[list-item]
    assert caught.value.what == "a metric in team.py is not a MetricSpec"
    assert caught.value.fix == "Write MetricSpec(name=…, description=…)."


def test_a_category_has_one_description() -> None:
    """Describing it the same way twice, or not at all, is fine; differently is an error."""
    first = Catalog(categories={"shop": "Shop"})
    assert first.merged(Catalog(categories={"shop": "Shop"})).categories["shop"] == "Shop"
    assert first.merged(Catalog(categories={"shop": ""})).categories["shop"] == "Shop"
    with pytest.raises(CatalogError) as caught:
        first.merged(Catalog(categories={"shop": "Store"}))
    assert str(caught.value) == (
        "category 'shop' is described in two ways; got ('Shop', 'Store'); allowed: one description "
        "per category. Remove one of them."
    )


def test_an_extension_may_refer_to_what_it_extends() -> None:
    """A user's metric can be renamed to a built-in one, and be in a category of the base."""
    base = Catalog(categories={"shop": "Shop"})
    base = base.extended([metric("shop:b")])
    catalog = base.extended([metric("shop:a", renamed_to="shop:b")])
    assert catalog.canonical("a") == "shop:b"


def test_a_catalogue_cannot_be_changed() -> None:
    """Its mappings are read-only, and there is nothing to assign to."""
    catalog = builtin_catalog()
    with pytest.raises(TypeError):
        catalog.metrics["model:x"] = metric("model:x")  # type: ignore[index]
    with pytest.raises(TypeError):
        catalog.categories["x"] = "x"  # type: ignore[index]
    with pytest.raises(TypeError):
        catalog.renames["x"] = "x"  # type: ignore[index]
    with pytest.raises(AttributeError):
        catalog.closed = True  # type: ignore[misc]


def test_what_is_remembered_is_bounded() -> None:
    """A program that makes names up does not make the catalogue grow without end."""
    catalog = Catalog([metric("model:accuracy")])
    for index in range(10_000):
        assert catalog.exported(f"made_up_{index}").otlp == f"custom.made_up_{index}"
    assert len(catalog._resolved) <= 4096
    assert len(catalog._exported_open) <= 4096
    assert catalog.canonical("accuracy") == "model:accuracy"


def test_a_catalogue_shows_what_it_is() -> None:
    """The repr has the size and whether it is open."""
    assert repr(Catalog([metric("model:a")])) == "<Catalog of 1 metrics, open>"
    assert repr(Catalog(closed=True)) == "<Catalog of 0 metrics, closed>"


def test_a_catalogue_travels_to_another_process() -> None:
    """A pickled catalogue is a whole catalogue."""
    copy = pickle.loads(pickle.dumps(builtin_catalog()))
    assert copy.metrics == builtin_catalog().metrics
    assert copy.canonical("reply_rate") == "usage:reply_rate"


def test_a_ratio_is_of_declared_counters() -> None:
    """A part that is not declared, or is a gauge, is an error that names it."""
    ratio = Ratio(of="business:clicks", per="model:accuracy")
    with pytest.raises(CatalogError) as caught:
        builtin_catalog().extended(
            [MetricSpec(name="custom:x", description="x", ratio=ratio)], source="shop.yaml"
        )
    assert str(caught.value) == (
        "metric 'custom:x' in shop.yaml is a ratio of something that is no declared counter; "
        "got 'model:accuracy'; allowed: the full name of a counter of the same catalogue. "
        "Declare the counter, or correct `ratio`."
    )


def test_the_built_in_ratios() -> None:
    """What the vocabulary works out from counters."""
    ratios = {
        spec.name: (spec.ratio.of, spec.ratio.per)
        for spec in builtin_catalog().metrics.values()
        if spec.ratio is not None
    }
    assert ratios == {
        "business:click_through_rate": ("business:clicks", "business:impressions"),
        "business:retention_rate": ("business:retained_users", "business:cohort_users"),
        "usage:conversion_rate": ("business:conversions", "business:visits"),
    }
