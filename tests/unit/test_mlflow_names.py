# SPDX-License-Identifier: Apache-2.0
"""Keys and tags inside an MLflow run: literal, distinct, and within MLflow's rules."""

from __future__ import annotations

import pytest

from tidegauge.export.mlflow_names import (
    definition_tag,
    is_readable,
    labels_tag,
    metadata_tag,
    metric_key,
)


@pytest.mark.parametrize(
    ("name", "labels", "style", "key"),
    [
        ("usage:reply_rate", [], "as_given", "usage:reply_rate"),
        ("usage/reply_rate", [], "slash", "usage/reply_rate"),
        (
            "model:latency_ms",
            [("region", "eu-1"), ("route", "predict")],
            "as_given",
            "model:latency_ms/region:eu-1/route:predict",
        ),
        ("model/latency_ms", [("route", "v1.2")], "slash", "model/latency_ms/route.v1.2"),
        ("model_latency_ms", [("route", "v1")], "underscore", "model_latency_ms/route.v1"),
        ("a:b", [("city", "New York")], "as_given", "a:b/city:New York"),
        ("a:b", [("city", "Köln")], "as_given", "a:b/city:Köln"),
        ("a:b", [("route", "/users/{id}")], "as_given", "a:b/route:-users--id--f5812c76"),
        ("a:b", [("route", "-users--id-")], "as_given", "a:b/route:-users--id-"),
        ("a:b", [("part", "..")], "as_given", "a:b/part:.."),
        ("a:b", [("mark", " x")], "as_given", "a:b/mark:x-bdbd5a99"),
    ],
)
def test_labels_become_part_of_the_key(
    name: str, labels: list[tuple[str, str]], style: str, key: str
) -> None:
    """Each label adds a part; of a value MLflow would refuse, a hash tells it apart."""
    assert metric_key(name, labels, style=style) == key


def test_a_key_that_would_be_too_long_is_cut_to_250_characters() -> None:
    """The end is a hash of the whole, so two long keys with one beginning stay two."""
    one = metric_key("a:b", [("text", "x" * 300)], style="as_given")
    other = metric_key("a:b", [("text", "x" * 301)], style="as_given")
    assert len(one) == len(other) == 250
    assert one.startswith("a:b/text:xxx")
    assert one != other


@pytest.mark.parametrize(
    ("value", "readable"), [("predict", True), ("/users/{id}", False), ("x" * 300, False)]
)
def test_a_key_tells_whether_labels_can_be_read_back(value: str, readable: bool) -> None:
    """They can if nothing was replaced or cut."""
    labels = [("route", value)]
    key = metric_key("a:b", labels, style="as_given")
    assert is_readable(key, labels, style="as_given") is readable


def test_tag_keys_fit_however_long_the_metric_key_is() -> None:
    """Tags are named after what they describe and cut as keys are."""
    assert definition_tag("usage:reply_rate") == "tidegauge.metric.usage:reply_rate"
    assert metadata_tag("usage:reply_rate") == "tidegauge.metadata.usage:reply_rate"
    assert labels_tag("a:b/c:d") == "tidegauge.labels.a:b/c:d"
    assert {len(f("x" * 250)) for f in (definition_tag, metadata_tag, labels_tag)} == {250}
