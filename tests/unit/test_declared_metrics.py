# SPDX-License-Identifier: Apache-2.0
"""Metrics that a program declares while it runs: what they are, and who gets to know."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidegauge.catalog import Catalog, builtin_catalog
from tidegauge.live.families import Numbers
from tidegauge.live.live import Live
from tidegauge.model.errors import CatalogError, MetricValidationError, StoreError
from tidegauge.model.spec import Kind, LabelSpec, MetricSpec, NamesAbroad
from tidegauge.record.recorder import Recorder
from tidegauge.store.declared import declared_in, keep_declared
from tidegauge.store.store import Store

JOBS = MetricSpec(
    name="custom:jobs_total",
    description="Jobs that were done",
    kind=Kind.COUNTER,
    labels={"queue": LabelSpec()},
    names=NamesAbroad(prometheus="jobs_total"),
)


@dataclasses.dataclass
class Place:
    """A recorder of its own, and the store it records into."""

    recorder: Recorder
    store: Store

    def configure(self, catalog: Catalog | None = None, **given: Any) -> None:
        """Configure the recorder as the composition root does."""
        chosen: dict[str, Any] = {
            "catalog": builtin_catalog() if catalog is None else catalog,
            "strict": True,
            "defaults": {},
            "budget_bytes": 1 << 30,
            "segment_slots": 64,
            "context": lambda: None,
            "keep": lambda specs: keep_declared(self.store.root, specs),
        }
        self.recorder.configure(self.store.root / "journal", **chosen | given)

    def families(self) -> dict[str, Any]:
        """The live metrics as a process sees them that declared nothing."""
        reading = Live(Store(self.store.root), builtin_catalog()).read()
        return {family.name: family for family in reading.families}


@pytest.fixture
def place(store_dir: Path) -> Place:
    """A recorder that raises for what is not allowed; nothing is configured yet."""
    return Place(Recorder(store_dir / "journal", strict=True), Store(store_dir))


def test_a_declared_metric_is_in_the_vocabulary_at_once(place: Place) -> None:
    """Before anything is configured it resolves to what was declared."""
    assert place.recorder.declare(JOBS).kind is Kind.COUNTER
    assert place.recorder.catalog.resolve("custom:jobs_total").labels == JOBS.labels
    assert not place.store.root.exists()


def test_a_declaration_outlives_every_configuration(place: Place) -> None:
    """Whatever catalogue `configure` brings, the declared metric is in it."""
    place.recorder.declare(JOBS)
    own = MetricSpec(name="custom:other", description="Another")
    place.configure(builtin_catalog().extended([own]))
    assert {"custom:jobs_total", "custom:other"} <= place.recorder.catalog.metrics.keys()
    place.configure()
    assert "custom:jobs_total" in place.recorder.catalog.metrics
    assert "custom:other" not in place.recorder.catalog.metrics


def test_a_closed_catalogue_takes_what_is_declared(place: Place) -> None:
    """What is declared is not undeclared, so a closed catalogue does not refuse it."""
    place.configure(Catalog(closed=True))
    place.recorder.declare(JOBS)
    place.recorder.record("custom:jobs_total", 1, None, None, {"queue": "mail"})
    with pytest.raises(MetricValidationError):
        place.recorder.record("custom:jobs", 1, None, None, {})


def test_what_was_known_by_heart_is_forgotten(place: Place) -> None:
    """A handle that recorded the name before it was declared then keeps its bounds."""
    place.configure()
    record = place.recorder.hot.log_metric
    record("custom:jobs_total", -1.0)
    place.recorder.declare(JOBS)
    with pytest.raises(MetricValidationError, match="out of range"):
        record("custom:jobs_total", -1.0)


def test_the_same_declaration_twice_is_fine(place: Place) -> None:
    """Two modules that declare the same agree."""
    place.recorder.declare(JOBS)
    assert place.recorder.declare(_copy_of(JOBS)).name == "custom:jobs_total"


def _copy_of(spec: MetricSpec) -> MetricSpec:
    """An equal declaration that is another object."""
    return MetricSpec(**{field: getattr(spec, field) for field in spec.__struct_fields__})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"kind": Kind.GAUGE},
            "kind; got 'kind gauge'; allowed: kind counter",
        ),
        (
            {"labels": {"topic": LabelSpec()}},
            "labels; got \"labels ['topic']\"; allowed: labels ['queue']",
        ),
    ],
    ids=["kinds", "label sets"],
)
def test_two_declarations_of_one_name_are_refused(
    place: Place, changes: dict[str, Any], text: str
) -> None:
    """A metric used with two kinds or two label sets is an error that says both."""
    place.recorder.declare(JOBS)
    fields = {field: getattr(JOBS, field) for field in JOBS.__struct_fields__}
    with pytest.raises(CatalogError) as caught:
        place.recorder.declare(MetricSpec(**fields | changes))
    assert str(caught.value) == (
        f"metric 'jobs_total' is declared in two ways, which differ in {text}. "
        "Declare it once and share that, or give one of them another name."
    )


def test_a_name_of_the_catalogue_is_the_metric_of_the_catalogue(place: Place) -> None:
    """What the catalogue calls so in Prometheus is recorded as that, and not declared."""
    place.configure()
    spec = MetricSpec(
        name="custom:ml_model_accuracy",
        description="Accuracy",
        names=NamesAbroad(prometheus="ml_model_accuracy"),
    )
    assert place.recorder.declare(spec).name == "model:accuracy"
    place.recorder.record(spec.name, 0.9, None, None, {})
    assert place.families()["ml_model_accuracy"].values == [0.9]
    assert declared_in(place.store.state, spec.name) is None


def test_a_name_that_only_mlflow_uses_is_no_name_of_the_catalogue(place: Place) -> None:
    """`model_accuracy` is what MLflow may call `model:accuracy`; Prometheus does not."""
    spec = MetricSpec(
        name="custom:model_accuracy",
        description="Accuracy",
        names=NamesAbroad(prometheus="model_accuracy"),
    )
    assert place.recorder.declare(spec).name == "custom:model_accuracy"


def test_a_metric_of_the_catalogue_keeps_its_kind(place: Place) -> None:
    """A counter cannot be declared where the catalogue has a gauge."""
    spec = MetricSpec(
        name="custom:ml_model_accuracy",
        description="Accuracy",
        kind=Kind.DISTRIBUTION,
        names=NamesAbroad(prometheus="ml_model_accuracy"),
    )
    with pytest.raises(CatalogError) as caught:
        place.recorder.declare(spec)
    assert str(caught.value) == (
        "metric 'ml_model_accuracy' is declared as a distribution, and the catalogue has it as "
        "'model:accuracy', a gauge; got 'distribution'; allowed: gauge. "
        "Declare it as what the catalogue says, or under another name."
    )


def test_a_metric_of_the_catalogue_keeps_the_labels_it_needs(place: Place) -> None:
    """A declaration without a label that every fact must have is refused early."""
    spec = MetricSpec(
        name="custom:aws_cost_by_service_usd",
        description="Cost",
        unit="USD",
        labels={"team": LabelSpec()},
        names=NamesAbroad(prometheus="aws_cost_by_service_usd"),
    )
    with pytest.raises(CatalogError) as caught:
        place.recorder.declare(spec)
    assert str(caught.value) == (
        "metric 'aws_cost_by_service_usd' is 'cost:by_service_usd' of the catalogue, which needs "
        "the label 'cloud_service'; got ['team']; allowed: labels with cloud_service among "
        "them. Declare it with that label, or under another name."
    )


def test_a_catalogue_that_contradicts_takes_only_that_metric_out(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """The other metrics go on; facts of the one are refused with the reason."""
    place.recorder.declare(JOBS)
    other = MetricSpec(name="custom:fine", description="Fine", kind=Kind.COUNTER)
    place.recorder.declare(other)
    rival = MetricSpec(
        name="custom:work",
        description="Work",
        kind=Kind.COUNTER,
        labels={"team": LabelSpec(required=True)},
        names=NamesAbroad(prometheus="jobs_total"),
    )
    place.configure(builtin_catalog().extended([rival]))
    assert "custom:jobs_total is not recorded: metric 'jobs_total' is 'custom:work'" in caplog.text
    with pytest.raises(MetricValidationError, match="needs the label 'team'"):
        place.recorder.record("custom:jobs_total", 1, None, None, {"queue": "mail"})
    place.recorder.record("custom:fine", 1, None, None, {})
    assert set(place.families()) >= {"custom_fine_total"}


def test_another_process_knows_what_was_declared(place: Place) -> None:
    """Who folds the journal without the program has kind, name, help and labels from the store."""
    place.recorder.declare(JOBS)
    place.configure()
    place.recorder.record("custom:jobs_total", 2, None, None, {"queue": "mail"})
    place.recorder.record("custom:jobs_total", 3, None, None, {"queue": "mail"})
    family = place.families()["jobs_total"]
    assert isinstance(family, Numbers)
    assert (family.kind, family.help) == ("counter", "Jobs that were done")
    assert (family.labels, family.values) == ([(("queue", "mail"),)], [5.0])


def test_labels_are_called_as_they_were_declared(place: Place) -> None:
    """A label `model` is shown as that where the metric declares it, and else as `model_name`."""
    labels = {"model": LabelSpec(), "run_id": LabelSpec()}
    place.recorder.declare(MetricSpec(name="custom:mine", description="Mine", labels=labels))
    place.configure()
    for name in ("custom:mine", "custom:open"):
        place.recorder.record(name, 1, None, None, {"model": "a", "run_id": "r"})
    families = place.families()
    assert families["custom_mine"].labels == [(("model", "a"), ("run_id", "r"))]
    assert families["custom_open"].labels == [(("model_name", "a"),)]


def test_the_store_is_told_before_the_first_fact_and_once(place: Place) -> None:
    """Declaring tells nobody; the first fact does, and the next ones do not again."""
    told: list[list[str]] = []
    place.recorder.declare(JOBS)
    place.recorder.declare(MetricSpec(name="custom:two", description="Two"))
    place.configure(keep=lambda specs: told.append([spec.name for spec in specs]))
    place.recorder.record("custom:unrelated", 1, None, None, {})
    assert told == []
    for _ in range(3):
        place.recorder.record("custom:two", 1, None, None, {})
        place.recorder.record("custom:jobs_total", 1, None, None, {})
    assert told == [["custom:jobs_total", "custom:two"]]


def test_a_store_that_cannot_be_told_does_not_hurt(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """The fact is recorded all the same, and the log says that nobody else knows the metric."""

    def fail(_: object) -> None:
        raise StoreError("the store's state cannot be used", fix="Look at the disk.")

    place.recorder.declare(JOBS)
    place.configure(keep=fail)
    place.recorder.record("custom:jobs_total", 1, None, None, {})
    assert "only this process knows what it declared: the store's state" in caplog.text
    assert place.families()["custom_jobs"].values == [1.0]  # as any gauge that nobody declared


def test_a_newer_declaration_takes_the_place_of_the_older(store_dir: Path) -> None:
    """A new version of a program may declare its metric in another way."""
    keep_declared(store_dir, [JOBS])
    newer = MetricSpec(name=JOBS.name, description="Jobs, counted anew", kind=Kind.COUNTER)
    keep_declared(store_dir, [newer])
    assert declared_in(Store(store_dir).state, JOBS.name) == newer


def test_a_declaration_of_a_later_version_is_as_good_as_none(store_dir: Path) -> None:
    """What cannot be read is left aside; the metric is then an open one."""
    store = Store(store_dir)
    with store.state.transaction() as transaction:
        transaction.set_value("declared", "custom:x", '{"name": "custom:x", "shape": "round"}')
    assert declared_in(store.state, "custom:x") is None


def test_many_threads_may_declare(place: Place) -> None:
    """Every declaration of every thread is there in the end."""
    place.configure()

    def declare(number: int) -> Callable[[], None]:
        def run() -> None:
            for each in range(5):
                spec = MetricSpec(name=f"custom:t{number}_{each}", description="x")
                place.recorder.declare(spec)

        return run

    threads = [threading.Thread(target=declare(number)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    declared = {f"custom:t{number}_{each}" for number in range(4) for each in range(5)}
    assert declared <= place.recorder.catalog.metrics.keys()
