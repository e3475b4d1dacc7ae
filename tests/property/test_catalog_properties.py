# SPDX-License-Identifier: Apache-2.0
"""What holds of the catalogue for every input."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from tidegauge.catalog import (
    METRIC_NAME_PATTERN,
    Catalog,
    CatalogError,
    MetricValidationError,
    MlflowStyle,
    builtin_catalog,
    check_mlflow_name,
    check_value,
    export_names,
    fix_metric_name,
    format_metric_name,
    migrate_metric_name,
    mlflow_name,
    parse_metric_name,
    validate_metric_name,
)
from tidegauge.catalog.units import ATOMS, parse_unit
from tidegauge.model.spec import Kind, MetricSpec

SEGMENTS = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
REST = st.lists(SEGMENTS, min_size=1, max_size=4).map(".".join)
CATEGORIES = st.sampled_from(sorted(builtin_catalog().categories))
FULL = st.builds("{}:{}".format, CATEGORIES, REST)
NAMES = st.one_of(REST, FULL)
# Text in which names, separators and surprises are likely.
LEGACY = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="aBc9_-./: @%é²()\\", max_size=20),
    st.lists(
        st.sampled_from(
            ["model", "usage", "accuracy", "f1", "Reply", "Rate", "ndcg", "@10", "/", ":", "_", "."]
        ),
        max_size=6,
    ).map("".join),
)
UNITS = st.one_of(
    st.sampled_from([*ATOMS, "USD", "EUR", "{token}"]),
    st.builds(
        "{}/{}".format, st.sampled_from(["1", "By", "USD", "{a}"]), st.sampled_from(["s", "{b}"])
    ),
)


def refusal(function: Callable[..., object], *arguments: object) -> str | None:
    """The reason for which a call is refused; None if it is not."""
    try:
        function(*arguments)
    except MetricValidationError as error:
        return error.reason
    return None


@given(NAMES)
def test_parsing_and_formatting_are_inverse(name: str) -> None:
    """A valid name, taken apart and put together, is the same."""
    assert format_metric_name(*parse_metric_name(name)) == name
    assert str(parse_metric_name(name)) == name


@given(st.one_of(NAMES, LEGACY))
def test_the_three_ways_to_ask_agree(name: str) -> None:
    """Pattern, predicate and parser say the same of any text."""
    valid = validate_metric_name(name)
    assert valid == (METRIC_NAME_PATTERN.fullmatch(name) is not None)
    assert refusal(parse_metric_name, name) == (None if valid else "bad_name")


@given(LEGACY)
def test_a_fixed_name_is_valid_and_stays(legacy: str) -> None:
    """Fixing gives a valid name or an error, and a fixed name needs no fixing."""
    if (reason := refusal(fix_metric_name, legacy)) is not None:
        assert reason == "bad_name"
        return
    fixed = fix_metric_name(legacy)
    assert validate_metric_name(fixed)
    assert fix_metric_name(fixed) == fixed


@given(st.one_of(LEGACY, NAMES))
def test_a_migrated_name_is_valid_full_and_stays(legacy: str) -> None:
    """Migration gives a valid full name in an existing category, its own migration, or an error."""
    if (reason := refusal(migrate_metric_name, legacy)) is not None:
        assert reason == "bad_name"
        return
    name = migrate_metric_name(legacy)
    assert validate_metric_name(name)
    assert parse_metric_name(name).category in builtin_catalog().categories
    assert builtin_catalog().canonical(name) == name
    assert migrate_metric_name(name) == name


@given(FULL)
def test_a_full_name_of_the_convention_is_not_migrated_elsewhere(name: str) -> None:
    """Migration leaves a new name to what the catalogue says it means."""
    assert migrate_metric_name(name) == builtin_catalog().canonical(name)


@given(NAMES)
def test_resolution_is_idempotent(name: str) -> None:
    """A canonical name means itself, and is first among the names its history is under."""
    full = builtin_catalog().canonical(name)
    assert builtin_catalog().canonical(full) == full
    assert builtin_catalog().stored_names(name)[0] == full


@given(FULL, st.sampled_from(get_args(MlflowStyle)))
def test_mlflow_takes_every_name_of_the_grammar(name: str, style: MlflowStyle) -> None:
    """In every style the name keeps MLflow's rules; without colons, on Windows too."""
    written = mlflow_name(name, style)
    assert check_mlflow_name(written, windows=style != "as_given") == written


@given(FULL, FULL)
def test_two_styles_never_make_names_equal(first: str, second: str) -> None:
    """`as_given` and `slash` keep different names different."""
    for style in ("as_given", "slash"):
        assert (mlflow_name(first, style) == mlflow_name(second, style)) == (first == second)


@given(FULL, st.sampled_from(list(Kind)), UNITS)
def test_exported_names_keep_the_rules_of_their_systems(name: str, kind: Kind, unit: str) -> None:
    """Prometheus and OTLP get names they take, whatever name, kind and unit."""
    names = export_names(MetricSpec(name=name, description="x", kind=kind, unit=unit))
    assert re.fullmatch(r"[a-z][a-z0-9_]*", names.prometheus)
    assert "__" not in names.prometheus
    assert names.prometheus.endswith("_total") == (kind is Kind.COUNTER)
    word = parse_unit(unit).word
    assert names.prometheus.removesuffix("_total").endswith(word)
    assert math.isfinite(names.prometheus_scale)
    assert names.prometheus_scale > 0
    assert re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+", names.otlp)
    assert len(names.otlp_unit) <= 63


@given(st.lists(FULL, unique=True, max_size=6))
def test_a_built_catalogue_has_no_collisions(names: list[str]) -> None:
    """If a catalogue can be built, each metric is found by each of its names abroad."""
    try:
        catalog = Catalog([MetricSpec(name=name, description="x") for name in names])
    except CatalogError:
        return
    for style in get_args(MlflowStyle):
        assert len({catalog.mlflow_name(name, style) for name in names}) == len(names)
    assert len({catalog.prometheus_name(name) for name in names}) == len(names)


@given(
    st.one_of(st.floats(), st.integers(), st.booleans(), st.none(), st.text(), st.complex_numbers())
)
def test_a_checked_value_is_a_finite_float(value: object) -> None:
    """A value is recorded as a finite float within bounds, or refused with a known reason."""
    spec = MetricSpec(name="custom:x", description="x", min=-1e6, max=1e6)
    if (reason := refusal(check_value, spec, value)) is not None:
        assert reason in ("bad_value", "not_finite", "out_of_range")
        return
    number = check_value(spec, value)
    assert type(number) is float
    assert -1e6 <= number <= 1e6
    assert number == value
