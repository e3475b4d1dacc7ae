# SPDX-License-Identifier: Apache-2.0
"""MLflow's own checks accept whatever we would send it, and its limits are those we keep."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegauge.export.mlflow_names import definition_tag, labels_tag, metadata_tag, metric_key

validation = pytest.importorskip("mlflow.utils.validation")

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,30}", fullmatch=True)
VALUES = st.text(min_size=1, max_size=300)
STYLES = {"as_given": "model:latency_ms", "slash": "model/latency_ms", "underscore": "latency_ms"}


@given(
    labels=st.dictionaries(NAMES, VALUES, max_size=5),
    style=st.sampled_from(sorted(STYLES)),
)
def test_mlflow_takes_every_key(labels: dict[str, str], style: str) -> None:
    """Whatever the labels hold: as a metric, and in the names of the tags about it."""
    key = metric_key(STYLES[style], sorted(labels.items()), style=style)
    validation._validate_metric_name(key)
    validation._validate_length_limit("Metric name", validation.MAX_ENTITY_KEY_LENGTH, key)
    for tag in (definition_tag(key), labels_tag(key), metadata_tag(key)):
        validation._validate_tag(tag, "x")


@given(
    one=st.dictionaries(NAMES, st.text(string.printable, min_size=1), max_size=3),
    other=st.dictionaries(NAMES, st.text(string.printable, min_size=1), max_size=3),
    style=st.sampled_from(sorted(STYLES)),
)
def test_different_labels_have_different_keys(
    one: dict[str, str], other: dict[str, str], style: str
) -> None:
    """No two series of a metric are mixed in one history."""
    keys = {metric_key("a:b", sorted(labels.items()), style=style) for labels in (one, other)}
    assert len(keys) == (1 if one == other else 2)


def test_the_limits_are_those_we_keep() -> None:
    """If MLflow changes one, the requests are to be cut anew."""
    assert validation.MAX_ENTITY_KEY_LENGTH == 250
    assert validation.MAX_TAG_VAL_LENGTH == 8_000
    assert validation.MAX_METRICS_PER_BATCH == 1_000
    assert validation.MAX_PARAMS_TAGS_PER_BATCH == 100
    assert validation.MAX_ENTITIES_PER_BATCH == 1_000
    assert validation.MAX_BATCH_LOG_REQUEST_SIZE == 1_000_000
