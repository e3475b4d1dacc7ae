# SPDX-License-Identifier: Apache-2.0
"""The catalogue's idea of MLflow's rules is MLflow's own."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge.catalog import (
    MetricValidationError,
    MlflowStyle,
    builtin_catalog,
    check_mlflow_name,
)
from tidegauge.catalog.grammar import MAX_NAME_CHARS

pytest.importorskip("mlflow", reason="the extra mlflow is not installed")

from mlflow.exceptions import MlflowException
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, _validate_metric_name

# Characters around the edges of the rules: allowed, refused, path parts, Unicode letters.
EDGES = st.text(alphabet="ab09_-./ :#%é²\n\t\\~", max_size=12)


def mlflow_accepts(name: str) -> bool:
    """Whether MLflow itself takes the name as a metric's key."""
    try:
        _validate_metric_name(name)
    except MlflowException:
        return False
    return len(name) <= MAX_ENTITY_KEY_LENGTH


def we_accept(name: str) -> bool:
    """Whether the catalogue thinks that MLflow takes it."""
    try:
        check_mlflow_name(name)
    except MetricValidationError:
        return False
    return True


@pytest.mark.parametrize("style", get_args(MlflowStyle))
def test_mlflow_takes_every_built_in_name(style: MlflowStyle) -> None:
    """No name that the catalogue gives out is refused by MLflow, in any style."""
    catalog = builtin_catalog()
    for name in catalog.metrics:
        assert mlflow_accepts(catalog.mlflow_name(name, style))


def test_the_length_limit_is_that_of_mlflow() -> None:
    """250 characters, here as there."""
    assert MAX_NAME_CHARS == MAX_ENTITY_KEY_LENGTH


@settings(max_examples=2000)
@given(EDGES)
def test_both_agree_on_any_name(name: str) -> None:
    """Whatever the text, MLflow and the catalogue say the same of it."""
    # A line feed at the end passes MLflow's regular expression by the meaning of `$`.
    if not name.endswith("\n"):
        assert we_accept(name) == mlflow_accepts(name)


@pytest.mark.parametrize("length", [249, 250, 251])
def test_both_agree_on_long_names(length: int) -> None:
    """The limit is the same on both sides of it."""
    assert we_accept("a" * length) == mlflow_accepts("a" * length)
