# SPDX-License-Identifier: Apache-2.0
"""What metrics are called in Prometheus, OTLP and MLflow."""

from __future__ import annotations

import pytest

from tidegauge.catalog import (
    Catalog,
    CatalogError,
    MetricValidationError,
    builtin_catalog,
    check_mlflow_name,
    export_names,
    mlflow_name,
)
from tidegauge.catalog.abroad import claim_names
from tidegauge.model.errors import ConfigError
from tidegauge.model.spec import Deprecation, Kind, MetricSpec, NamesAbroad


@pytest.mark.parametrize(
    ("name", "kind", "unit", "prometheus", "scale"),
    [
        ("usage:reply_rate", "gauge", "1", "usage_reply_rate", 1.0),
        ("model:latency_ms", "distribution", "ms", "model_latency_seconds", 0.001),
        ("model:latency", "distribution", "ms", "model_latency_seconds", 0.001),
        ("model:latency_milliseconds", "gauge", "ms", "model_latency_seconds", 0.001),
        ("pipeline:duration_seconds", "gauge", "s", "pipeline_duration_seconds", 1.0),
        ("pipeline:duration_h", "gauge", "h", "pipeline_duration_seconds", 3600.0),
        ("model:ndcg.at_10", "gauge", "1", "model_ndcg_at_10", 1.0),
        ("model:a__b_", "gauge", "1", "model_a_b", 1.0),
        ("resource:disk_percent", "gauge", "%", "resource_disk_ratio", 0.01),
        ("resource:disk_ratio", "gauge", "1", "resource_disk_ratio", 1.0),
        ("resource:memory_mib", "gauge", "MiBy", "resource_memory_bytes", 1048576.0),
        ("resource:network_bytes", "counter", "By", "resource_network_bytes_total", 1.0),
        ("custom:bytes_total", "counter", "By", "custom_bytes_total", 1.0),
        ("custom:wait_ms_total", "counter", "ms", "custom_wait_seconds_total", 0.001),
        ("api:requests", "counter", "{request}", "api_requests_total", 1.0),
        ("api:requests_total", "counter", "{request}", "api_requests_total", 1.0),
        ("api:requests_total", "gauge", "{request}", "api_requests", 1.0),
        ("api:throughput", "gauge", "{request}/s", "api_throughput_per_second", 1.0),
        ("api:requests_per_second", "gauge", "{request}/s", "api_requests_per_second", 1.0),
        ("api:traffic", "gauge", "kBy/s", "api_traffic_bytes_per_second", 1000.0),
        ("cost:daily_usd", "gauge", "USD", "cost_daily_usd", 1.0),
        ("cost:daily", "gauge", "EUR", "cost_daily_eur", 1.0),
        ("business:revenue_per_user", "gauge", "USD/{user}", "business_revenue_usd_per_user", 1.0),
        ("custom:seconds", "gauge", "s", "custom_seconds", 1.0),
        ("custom:temperature", "gauge", "Cel", "custom_temperature_celsius", 1.0),
    ],
)
def test_prometheus(name: str, kind: str, unit: str, prometheus: str, scale: float) -> None:
    """Base units in the plural at the end, in place of the recorded ones; `_total` on counters."""
    names = export_names(MetricSpec(name=name, description="x", kind=Kind(kind), unit=unit))
    assert (names.prometheus, names.prometheus_scale) == (prometheus, scale)


@pytest.mark.parametrize(
    ("name", "unit", "otlp", "otlp_unit"),
    [
        ("usage:reply_rate", "1", "usage.reply_rate", "1"),
        ("model:latency_ms", "ms", "model.latency", "ms"),
        ("model:ndcg.at_10", "1", "model.ndcg.at_10", "1"),
        ("model:latency_ms.encoder_ms", "ms", "model.latency_ms.encoder", "ms"),
        ("cost:daily_usd", "USD", "cost.daily", "{USD}"),
        ("business:revenue_per_user", "USD/{user}", "business.revenue_per_user", "{USD}/{user}"),
        ("custom:ms", "ms", "custom.ms", "ms"),
    ],
)
def test_otlp(name: str, unit: str, otlp: str, otlp_unit: str) -> None:
    """Dots throughout; the unit stands beside the name, not in it; currencies are annotations."""
    names = export_names(MetricSpec(name=name, description="x", unit=unit))
    assert (names.otlp, names.otlp_unit) == (otlp, otlp_unit)


@pytest.mark.parametrize(
    ("unit", "otlp", "otlp_unit", "scale"),
    [
        ("%", "system.cpu.utilization", "1", 0.01),
        ("1", "system.cpu.utilization", "1", 1.0),
        ("%", "system.cpu.used", "%", 1.0),
        ("%", None, "%", 1.0),
        ("ms", "x.utilization", "ms", 1.0),
    ],
)
def test_the_conventions_want_ratios(
    unit: str, otlp: str | None, otlp_unit: str, scale: float
) -> None:
    """A percentage with a given name that ends in `.utilization` is a ratio in OTLP."""
    spec = MetricSpec(
        name="resource:x.utilization", description="x", unit=unit, names=NamesAbroad(otlp=otlp)
    )
    names = export_names(spec)
    assert (names.otlp_unit, names.otlp_scale) == (otlp_unit, scale)


def test_mlflow_styles() -> None:
    """As given, with a slash for the colon, or with underscores only."""
    assert mlflow_name("usage:reply_rate") == "usage:reply_rate"
    assert mlflow_name("usage:reply_rate.mail", "slash") == "usage/reply_rate.mail"
    assert mlflow_name("usage:reply_rate.mail", "underscore") == "usage_reply_rate_mail"
    catalog = builtin_catalog()
    assert catalog.mlflow_name("reply_rate") == "usage:reply_rate"
    assert catalog.mlflow_name("reply_rate", "slash") == "usage/reply_rate"
    assert catalog.mlflow_name("unheard_of", "underscore") == "custom_unheard_of"


def test_an_unknown_style() -> None:
    """A style that does not exist is an error that lists those that do."""
    for ask in (
        lambda: mlflow_name("usage:reply_rate", "dots"),  # type: ignore[arg-type]
        lambda: builtin_catalog().mlflow_name("reply_rate", "dots"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigError) as caught:
            ask()
        assert str(caught.value) == (
            "MLflow name style is not known; got 'dots'; allowed: as_given, slash, underscore."
        )


@pytest.mark.parametrize(
    ("unit", "name", "scale"),
    [
        ("ms", "ml_model_inference_seconds", 0.001),
        ("ms", "inference_milliseconds", 1.0),
        ("s", "inference_milliseconds", 1000.0),
        ("ms", "inference_time", 1.0),
        ("%", "system_cpu_usage_percent", 1.0),
        ("%", "cpu_ratio", 0.01),
        ("1", "cpu_percent", 100.0),
        ("USD", "aws_daily_cost_usd", 1.0),
        ("kW.h", "energy_kilowatt_hours", 1.0),
    ],
)
def test_the_unit_word_of_a_given_name_decides_the_scale(
    unit: str, name: str, scale: float
) -> None:
    """Name and exposed values agree; without a unit word values stay as recorded."""
    spec = MetricSpec(
        name="custom:x", description="x", unit=unit, names=NamesAbroad(prometheus=name)
    )
    names = export_names(spec)
    assert names.prometheus == name
    assert names.prometheus_scale == pytest.approx(scale, rel=1e-15)


def test_given_names_replace_computed_ones() -> None:
    """A given OTLP name and MLflow name are used as they are, the latter in every style."""
    spec = MetricSpec(
        name="custom:x",
        description="x",
        names=NamesAbroad(otlp="x/y", mlflow="Reply Rate"),
    )
    names = export_names(spec)
    assert names.otlp == "x/y"
    assert [names.mlflow(s) for s in ("as_given", "slash", "underscore")] == ["Reply Rate"] * 3


@pytest.mark.parametrize(
    ("kind", "unit", "names", "problem"),
    [
        ("gauge", "1", NamesAbroad(prometheus="a:b"), "in Prometheus; got 'a:b'"),
        ("gauge", "1", NamesAbroad(prometheus="9a"), "in Prometheus; got '9a'"),
        ("counter", "1", NamesAbroad(prometheus="a"), "a name ending in '_total' for a counter"),
        ("gauge", "1", NamesAbroad(prometheus="a_total"), "a name ending in '_total' for a"),
        ("gauge", "By", NamesAbroad(prometheus="a_seconds"), "agrees with the unit 'By'"),
        ("gauge", "USD", NamesAbroad(prometheus="a_percent"), "agrees with the unit 'USD'"),
        ("gauge", "1", NamesAbroad(otlp="a b"), "in OTLP; got 'a b'"),
        ("gauge", "1", NamesAbroad(otlp=".a"), "in OTLP; got '.a'"),
        ("gauge", "1", NamesAbroad(mlflow="a#b"), "in MLflow; got 'a#b'"),
        ("gauge", "1", NamesAbroad(mlflow="a//b"), "in MLflow; got 'a//b'"),
        ("gauge", "1", NamesAbroad(mlflow=""), "in MLflow; got ''"),
    ],
)
def test_given_names_keep_the_rules(kind: str, unit: str, names: NamesAbroad, problem: str) -> None:
    """A given name that its system would refuse, or that lies about the unit, is refused."""
    spec = MetricSpec(name="custom:x", description="x", kind=Kind(kind), unit=unit, names=names)
    with pytest.raises(CatalogError) as caught:
        Catalog([spec])
    assert str(caught.value).startswith("metric 'custom:x' cannot have this name in ")
    assert problem in str(caught.value)
    assert caught.value.fix == (
        "Change `names` of the metric, or leave the name out to have it computed."
    )


def spec(name: str, **fields: object) -> MetricSpec:
    """A metric of which only names, kind and unit matter."""
    return MetricSpec(name=name, description="x", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "second", "system", "shared"),
    [
        (
            spec("model:wait_ms", unit="ms"),
            spec("model:wait_seconds", unit="s"),
            "Prometheus",
            "model_wait_seconds",
        ),
        (spec("model:a.b"), spec("model:a_b"), "Prometheus", "model_a_b"),
        (
            spec("model:wait", kind=Kind.DISTRIBUTION),
            spec("model:wait_count"),
            "Prometheus",
            "model_wait_count",
        ),
        (
            spec("model:calls", kind=Kind.COUNTER, names=NamesAbroad(prometheus="calls_total")),
            spec("model:x", names=NamesAbroad(prometheus="calls")),
            "Prometheus",
            "calls",
        ),
        (
            spec("model:a"),
            spec("model:b", names=NamesAbroad(otlp="model.a")),
            "OTLP",
            "model.a",
        ),
        (
            spec("model:a"),
            spec("model:b", names=NamesAbroad(mlflow="model:a")),
            "MLflow (style as_given)",
            "model:a",
        ),
        (
            spec("model:a"),
            spec("model:b", names=NamesAbroad(mlflow="model/a")),
            "MLflow (style slash)",
            "model/a",
        ),
        (
            spec("model:a.b", names=NamesAbroad(prometheus="one")),
            spec("model:a_b", names=NamesAbroad(prometheus="two")),
            "MLflow (style underscore)",
            "model_a_b",
        ),
    ],
)
def test_collisions(first: MetricSpec, second: MetricSpec, system: str, shared: str) -> None:
    """Two metrics with one name in some system are an error that names both."""
    with pytest.raises(CatalogError) as caught:
        Catalog([second, first])
    assert str(caught.value) == (
        f"the metrics {first.name!r} and {second.name!r} have the same name in {system}; got "
        f"{shared!r}; allowed: a name of its own for each metric. Rename one of them, or give one "
        "another name under `names`."
    )


def test_a_renamed_metric_leaves_its_names_to_the_heir() -> None:
    """What is renamed is not recorded any more, so heir and old name may share names abroad."""
    old = spec("model:wait", unit="s", deprecated=Deprecation(since="2", renamed_to="model:wait_s"))
    catalog = Catalog([old, spec("model:wait_s", unit="s")])
    assert catalog.prometheus_name("model:wait") == "model_wait_seconds"


def test_an_undeclared_metric_does_not_take_a_declared_name() -> None:
    """Exporting it is an error that names the owner; recording it is not."""
    catalog = builtin_catalog()
    assert catalog.canonical("model:latency.s") == "model:latency.s"
    with pytest.raises(CatalogError) as caught:
        catalog.prometheus_name("model:train.loss")
    assert str(caught.value) == (
        "the metric 'model:train.loss', which is not declared, has the same name in Prometheus as "
        "'model:train_loss'; got 'model_train_loss'; allowed: a name of its own for each metric. "
        "Record it as 'model:train_loss', or declare it with another name abroad."
    )


def test_names_are_found_backwards() -> None:
    """A name of another system leads to the metric that has it there."""
    catalog = builtin_catalog()
    for name in ("model_latency_seconds", "model.latency", "model/latency_ms"):
        found = catalog.known_abroad_as(name)
        assert found is not None
        assert found.name == "model:latency_ms"
    assert catalog.known_abroad_as("ml_model_inference_seconds_bucket") is not None
    assert catalog.known_abroad_as("unheard_of") is None


def test_a_name_of_two_metrics_in_two_systems_is_found_for_neither() -> None:
    """Where systems disagree about a name, there is no answer."""
    catalog = Catalog(
        [
            spec("model:a", names=NamesAbroad(prometheus="x")),
            spec("model:b", names=NamesAbroad(otlp="x")),
        ]
    )
    assert catalog.known_abroad_as("x") is None


def test_scale_and_names_in_one() -> None:
    """`exported` has all names of a metric with the factor and the unit that go with them."""
    names = builtin_catalog().exported("latency")
    assert names.prometheus == "model_latency_seconds"
    assert names.prometheus_scale == 0.001
    assert (names.otlp, names.otlp_unit) == ("model.latency", "ms")
    assert builtin_catalog().prometheus_scale("latency") == 0.001
    assert builtin_catalog().otlp_name("latency") == "model.latency"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("a#b", "MLflow name has a character that MLflow refuses"),
        ("a%", "MLflow name has a character that MLflow refuses"),
        ("a\n", "MLflow name has a character that MLflow refuses"),
        ("a" * 251, "MLflow name has 251 characters, more than MLflow takes"),
        ("", "MLflow name is not a path in normal form, as MLflow wants it"),
        (".", "MLflow name is not a path in normal form, as MLflow wants it"),
        ("/a", "MLflow name is not a path in normal form, as MLflow wants it"),
        ("a/", "MLflow name is not a path in normal form, as MLflow wants it"),
        ("../a", "MLflow name is not a path in normal form, as MLflow wants it"),
        ("..a", "MLflow name is not a path in normal form, as MLflow wants it"),
        ("a//b", "MLflow name is not a path in normal form, as MLflow wants it"),
        ("a/./b", "MLflow name is not a path in normal form, as MLflow wants it"),
    ],
)
def test_names_that_mlflow_refuses(name: str, what: str) -> None:
    """MLflow's rules are known before it sees the name."""
    with pytest.raises(MetricValidationError) as caught:
        check_mlflow_name(name, windows=False)
    assert caught.value.what == what
    assert caught.value.reason == "bad_name"


def test_mlflow_on_windows_refuses_colons() -> None:
    """There the error says which styles do."""
    assert check_mlflow_name("usage:reply_rate", windows=False) == "usage:reply_rate"
    assert check_mlflow_name("usage/reply_rate", windows=True) == "usage/reply_rate"
    with pytest.raises(MetricValidationError) as caught:
        check_mlflow_name("usage:reply_rate", windows=True)
    assert str(caught.value) == (
        "MLflow name has a colon, which MLflow refuses on Windows; got 'usage:reply_rate'; "
        "allowed: letters, digits, '_', '-', '.', ' ' and '/'. Use the name style 'slash' or "
        "'underscore'."
    )


def test_undeclared_metrics_with_one_name_are_found_by_who_exports_them() -> None:
    """A catalogue does not know which names are in use; claiming those that are tells."""
    catalog = builtin_catalog()
    names = ("custom:a.b", "custom:a__b")
    assert [catalog.prometheus_name(name) for name in names] == ["custom_a_b", "custom_a_b"]
    with pytest.raises(
        CatalogError, match=r"'custom:a\.b' and 'custom:a__b' have the same name in Prometheus"
    ):
        claim_names((catalog.resolve(name), catalog.exported(name)) for name in names)
