# SPDX-License-Identifier: Apache-2.0
"""Finding metrics in a catalogue."""

from __future__ import annotations

from tidegauge.catalog import Catalog, builtin_catalog
from tidegauge.model.spec import LabelSpec, MetricSpec

CATALOG = Catalog(
    [
        MetricSpec(name="model:latency_ms", description="Time to answer", aliases=("speed",)),
        MetricSpec(name="api:wait", description="Latency at the door, in answer to a question"),
        MetricSpec(name="api:latency_budget", description="What is left"),
        MetricSpec(name="usage:answers", description="How many", labels={"channel": LabelSpec()}),
    ]
)


def names(*args: str, **kwargs: str) -> list[str]:
    """Names of what is found, in order."""
    return [spec.name for spec in CATALOG.search(*args, **kwargs)]


def test_everything_is_found_by_nothing() -> None:
    """Without a condition all metrics come, by name."""
    assert names() == ["api:latency_budget", "api:wait", "model:latency_ms", "usage:answers"]


def test_text_is_looked_for_in_names_aliases_and_descriptions() -> None:
    """Names count more than aliases, and these more than descriptions."""
    assert names("latency") == ["api:latency_budget", "model:latency_ms", "api:wait"]
    assert names("LATENCY") == names("latency")
    assert names("speed") == ["model:latency_ms"]


def test_an_exact_name_comes_first() -> None:
    """A metric that is called so, or has the alias, precedes those that contain the text."""
    assert names("wait") == ["api:wait"]
    assert builtin_catalog().search("latency")[0].name == "model:latency_ms"
    assert builtin_catalog().search("auc")[0].name == "model:auc_roc"


def test_all_words_must_occur() -> None:
    """Words may be in any order and in different places."""
    assert names("answer latency") == ["api:wait", "model:latency_ms"]
    assert names("answer budget") == []


def test_by_prefix() -> None:
    """The prefix is that of the full name or of the name without category."""
    assert names(prefix="api:") == ["api:latency_budget", "api:wait"]
    assert names(prefix="latency") == ["api:latency_budget", "model:latency_ms"]
    assert names(prefix="usage:ans") == ["usage:answers"]


def test_by_category() -> None:
    """All metrics of a category, and no others."""
    assert names(category="api") == ["api:latency_budget", "api:wait"]
    assert names(category="ap") == []


def test_by_label() -> None:
    """Metrics that declare the label."""
    assert names(label="channel") == ["usage:answers"]


def test_conditions_add_up() -> None:
    """Every condition given must be met."""
    assert names("latency", category="api") == ["api:latency_budget", "api:wait"]
    assert names("latency", category="api", prefix="wait") == ["api:wait"]
    assert names("latency", label="channel") == []
