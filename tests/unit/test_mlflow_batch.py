# SPDX-License-Identifier: Apache-2.0
"""From facts to requests: steps, tags, limits, and the same result each time."""

from __future__ import annotations

import json

from tidegauge.catalog import Catalog, builtin_catalog
from tidegauge.export.mlflow_batch import Composer, Fact, Metric, RunNotes, RunRequests, Tag, packed
from tidegauge.model.series import SeriesKey
from tidegauge.model.spec import Deprecation, Direction, Kind, MetricSpec, NamesAbroad

CATALOG = Catalog(
    [
        MetricSpec(
            name="model:latency_ms",
            description="Inference latency",
            kind=Kind.DISTRIBUTION,
            unit="ms",
            direction=Direction.LOWER,
        )
    ]
)


def fact(
    value: float,
    time_ms: int,
    *,
    lane: str = "000/points",
    order: int = 0,
    step: int | None = None,
    metadata: str | None = None,
    metric: str = "model:latency_ms",
    **labels: str,
) -> Fact:
    """A fact of the run `r`."""
    series = SeriesKey.of(metric, {"run_id": "r", **labels})
    return Fact("r", time_ms * 1_000_000, lane, order, series, value, step, metadata)


def compose(*facts: Fact, notes: RunNotes | None = None, **settings: object) -> RunRequests:
    """Compose with the catalogue of this module."""
    composer = Composer(CATALOG, **{"name_style": "as_given", **settings})  # type: ignore[arg-type]
    return composer.compose(facts, notes or RunNotes(), now_ns=5)


def metrics(requests: RunRequests) -> list[Metric]:
    """All metrics that are sent."""
    return [entry for batch in requests.batches for entry in batch if isinstance(entry, Metric)]


def tags(requests: RunRequests) -> dict[str, str]:
    """All tags that are sent."""
    entries = [entry for batch in requests.batches for entry in batch]
    return {entry.key: entry.value for entry in entries if isinstance(entry, Tag)}


def test_facts_without_a_step_are_numbered_in_the_order_of_time() -> None:
    """Two processes that feed one run share one row of steps, whoever is read first."""
    requests = compose(
        fact(3.0, 30, lane="000/points", order=0),
        fact(1.0, 10, lane="001/points", order=0),
        fact(4.0, 30, lane="001/points", order=1),
        fact(2.0, 20, lane="001/events", order=0),
    )
    assert metrics(requests) == [
        Metric("model:latency_ms", 1.0, 10, 0),
        Metric("model:latency_ms", 2.0, 20, 1),
        Metric("model:latency_ms", 3.0, 30, 2),
        Metric("model:latency_ms", 4.0, 30, 3),
    ]


def test_numbering_goes_on_where_the_last_window_ended() -> None:
    """The notes of one window are where the next begins, for each key by itself."""
    first = compose(fact(1.0, 10), fact(9.0, 11, route="a"))
    second = compose(fact(2.0, 20), fact(8.0, 21, route="b"), notes=first.notes)
    assert metrics(second) == [
        Metric("model:latency_ms", 2.0, 20, 1),
        Metric("model:latency_ms/route:b", 8.0, 21, 0),
    ]
    assert second.notes.next_step == {
        "model:latency_ms": 2,
        "model:latency_ms/route:a": 1,
        "model:latency_ms/route:b": 1,
    }


def test_a_given_step_is_kept_and_numbering_goes_on_after_it() -> None:
    """So the value MLflow shows as the latest, which has the largest step, is the latest."""
    requests = compose(fact(1.0, 10, step=7), fact(2.0, 20), fact(3.0, 30, step=2), fact(4.0, 40))
    assert [(metric.value, metric.step) for metric in metrics(requests)] == [
        (1.0, 7),
        (2.0, 8),
        (3.0, 2),
        (4.0, 9),
    ]


def test_the_same_window_composed_again_is_the_same() -> None:
    """However the facts are handed over: that is what makes sending them twice harmless."""
    facts = [fact(float(order), 10 + order % 3, order=order) for order in range(100)]
    assert compose(*facts) == compose(*reversed(facts))


def test_the_definition_of_a_metric_is_sent_once() -> None:
    """As a tag of the run, in JSON; again only if it changed."""
    first = compose(fact(1.0, 10), fact(2.0, 11, route="a"))
    assert {key: json.loads(value) for key, value in tags(first).items()} == {
        "tidegauge.metric.model:latency_ms": {
            "metric": "model:latency_ms",
            "description": "Inference latency",
            "unit": "ms",
            "kind": "distribution",
            "direction": "lower",
        }
    }
    assert tags(compose(fact(3.0, 12), notes=first.notes)) == {}


def test_the_latest_metadata_is_sent_as_a_tag() -> None:
    """Per key; what is too long for a tag is cut and says so."""
    requests = compose(
        fact(1.0, 20, metadata='{"a":2}'),
        fact(2.0, 10, metadata='{"a":1}'),
        fact(3.0, 10, metadata='{"b":1}', route="x"),
        fact(4.0, 10, metadata=json.dumps({"text": '"' * 9000}), metric="custom:long"),
    )
    sent = tags(requests)
    assert sent["tidegauge.metadata.model:latency_ms"] == '{"a":2}'
    assert sent["tidegauge.metadata.model:latency_ms/route:x"] == '{"b":1}'
    long = sent["tidegauge.metadata.custom:long"]
    assert len(long) <= 8000
    assert json.loads(long)["cut"] is True


def test_labels_that_the_key_cannot_spell_are_spelled_in_a_tag() -> None:
    """The key holds a hash, the tag the labels as they were."""
    requests = compose(fact(1.0, 10, route="/users/{id}"))
    (metric,) = metrics(requests)
    assert json.loads(tags(requests)[f"tidegauge.labels.{metric.key}"]) == {"route": "/users/{id}"}


def test_dimensions_stay_out_of_the_key_unless_asked_for() -> None:
    """A run has one model as a rule, and its metrics their plain names."""
    series = fact(1.0, 10, model="fraud", model_version="3")
    assert metrics(compose(series))[0].key == "model:latency_ms"
    assert (
        metrics(compose(series, key_dimensions=("model",)))[0].key == "model:latency_ms/model:fraud"
    )


def test_a_metric_of_a_catalogue_that_is_not_here_goes_by_its_own_name() -> None:
    """Another process, such as `tidegauge drain`, may not have the recorder's catalogue."""
    requests = compose(fact(1.0, 10, metric="fraud:chargebacks"), name_style="slash")
    assert metrics(requests) == [Metric("fraud/chargebacks", 1.0, 10, 0)]
    assert tags(requests) == {}


def test_a_metric_that_would_share_a_key_with_another_has_none() -> None:
    """In the style `underscore` two names can become one; the undeclared one is refused."""
    requests = Composer(builtin_catalog(), name_style="underscore").compose(
        [fact(1.0, 10, metric="model:latency.ms")], RunNotes(), now_ns=5
    )
    assert requests.batches == []
    ((refused, problem),) = requests.unnamed
    assert refused.series.metric == "model:latency.ms"
    assert "model_latency_ms" in problem


def test_two_undeclared_metrics_never_share_a_key() -> None:
    """The first has the name, in all windows of the run; the second is told of both."""
    dotted, flat = fact(1.0, 10, metric="custom:a.b"), fact(100.0, 11, metric="custom:a_b")
    first = compose(dotted, flat, name_style="underscore")
    assert metrics(first) == [Metric("custom_a_b", 1.0, 10, 0)]
    assert first.unnamed == [
        (
            flat,
            (
                "the metric 'custom:a_b' would have the same name in MLflow as 'custom:a.b', which "
                "has it in this run; got 'custom_a_b'; allowed: a name of its own for each metric "
                "of a run. Rename one of them, or declare one with another name for MLflow."
            ),
        )
    ]
    later = compose(flat, name_style="underscore", notes=first.notes)
    assert (later.batches, len(later.unnamed)) == ([], 1)
    assert metrics(compose(flat, name_style="underscore")) == [Metric("custom_a_b", 100.0, 11, 0)]


def test_two_undeclared_metrics_are_apart_in_the_other_styles() -> None:
    """The names as given and with a slash never meet."""
    facts = fact(1.0, 10, metric="custom:a.b"), fact(2.0, 11, metric="custom:a_b")
    for style in ("as_given", "slash"):
        assert compose(*facts, name_style=style).unnamed == []


def test_a_rename_keeps_the_name_it_has_in_a_run() -> None:
    """Facts from before and after it are of one metric, so the heir may go by the old name."""
    old, new = fact(1.0, 10, metric="custom:wait"), fact(2.0, 11, metric="custom:pause")
    before = compose(old)
    renamed = Catalog(
        [
            MetricSpec(
                name="custom:wait",
                description="Waiting",
                deprecated=Deprecation(since="2", renamed_to="custom:pause"),
            ),
            MetricSpec(
                name="custom:pause", description="Waiting", names=NamesAbroad(mlflow="custom:wait")
            ),
        ]
    )
    composer = Composer(renamed, name_style="as_given")
    after = composer.compose([new], before.notes, now_ns=6)
    assert metrics(after) == [Metric("custom:wait", 2.0, 11, 1)]


def test_requests_keep_within_the_limits_of_mlflow() -> None:
    """1,000 entries, 100 tags and well under a million bytes each, nothing lost, order kept."""
    entries: list[Metric | Tag] = [
        *(Tag(f"tag{number}", "x" * 7_000) for number in range(250)),
        *(Metric("é" * 250, float(number), number, number) for number in range(2_500)),
    ]
    batches = list(packed(entries))
    assert [entry for batch in batches for entry in batch] == entries
    for batch in batches:
        assert len(batch) <= 1_000
        assert sum(isinstance(entry, Tag) for entry in batch) <= 100
        body = [
            {"key": entry.key, "value": entry.value, "timestamp": 10**12, "step": 10**12}
            for entry in batch
        ]
        assert len(json.dumps(body)) < 1_000_000
    assert len(list(packed([Metric("a", 1.0, 1, n) for n in range(2_001)]))) == 3
