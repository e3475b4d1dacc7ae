# SPDX-License-Identifier: Apache-2.0
"""From the facts of a window to the requests that carry them: keys, steps, tags, batches.

Pure: the same facts, notes and catalogue give the same requests, which is what makes sending a
window a second time harmless. Nothing here knows of MLflow's client or of a journal.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from tidegauge.catalog import Catalog
from tidegauge.catalog.mlflow_names import MlflowStyle, mlflow_name
from tidegauge.export.mlflow_names import (
    definition_tag,
    is_readable,
    labels_tag,
    metadata_tag,
    metric_key,
)
from tidegauge.model.errors import CatalogError, MetricValidationError
from tidegauge.model.series import SeriesKey
from tidegauge.model.spec import MetricSpec

__all__ = ["Composer", "Fact", "Metric", "RunNotes", "RunRequests", "Tag", "packed"]

# Limits of one request, from MLflow's REST interface; its bytes are kept well under the 1,000,000
# that a server accepts.
_METRICS = 1_000
_TAGS = 100
_BYTES = 800_000
_TAG_CHARACTERS = 8_000


class Fact(msgspec.Struct, frozen=True):
    """One value that belongs to a run.

    Attributes:
        run_id: The run.
        time_ns: When it happened.
        lane: Where it was read from, such as `000/points`.
        order: Its place among the facts of that lane in this window.
        series: What it is about.
        value: The value.
        step: The step it was recorded with, if any.
        metadata: JSON text attached to it, if any.
    """

    run_id: str
    time_ns: int
    lane: str
    order: int
    series: SeriesKey
    value: float
    step: int | None = None
    metadata: str | None = None


class Metric(msgspec.Struct, frozen=True):
    """One value as MLflow takes it."""

    key: str
    value: float
    timestamp_ms: int
    step: int

    @property
    def size_bytes(self) -> int:
        """About how long it is in a request."""
        return 100 + _escaped_bytes(self.key)


class Tag(msgspec.Struct, frozen=True):
    """One tag as MLflow takes it."""

    key: str
    value: str

    @property
    def size_bytes(self) -> int:
        """About how long it is in a request."""
        return 30 + _escaped_bytes(self.key) + _escaped_bytes(self.value)


class RunNotes(msgspec.Struct, frozen=True):
    """What has to be remembered of a run between windows, kept in state.db beside the cursor.

    Attributes:
        next_step: By key: the step of the next fact that comes without one.
        defined: By tag key: a hash of the definition that was sent.
        owners: By MLflow name: the metric that has it in this run.
        used_ns: When something for the run was last delivered or refused.
    """

    next_step: dict[str, int] = {}
    defined: dict[str, str] = {}
    owners: dict[str, str] = {}
    used_ns: int = 0


class RunRequests(msgspec.Struct, frozen=True):
    """What is to be sent to one run.

    Attributes:
        batches: Metrics and tags of one request each.
        notes: The notes to keep once all of it has arrived.
        unnamed: Facts that have no MLflow name of their own, with the reason.
    """

    batches: list[list[Metric | Tag]]
    notes: RunNotes
    unnamed: list[tuple[Fact, str]]


class Composer:
    """Turns facts into requests.

    Args:
        catalog: Gives each metric its MLflow name and its definition.
        name_style: `as_given`, `slash` or `underscore`.
        key_dimensions: Dimensions that become part of the key as labels do.
    """

    def __init__(
        self, catalog: Catalog, *, name_style: MlflowStyle, key_dimensions: Iterable[str] = ()
    ) -> None:
        self._catalog = catalog
        self._style = name_style
        self._key_dimensions = frozenset(key_dimensions)

    def compose(self, facts: Sequence[Fact], notes: RunNotes, *, now_ns: int) -> RunRequests:
        """Build the requests for the facts of one run, all of one window.

        A fact without a step gets the one after the largest that its key has had; facts of one
        window are numbered by time, then lane, then order. The tags of a definition go out once.
        A name belongs to the metric that has it first in the run; another one gets no name.
        """
        next_step, defined, owners = dict(notes.next_step), dict(notes.defined), dict(notes.owners)
        metrics: list[Metric | Tag] = []
        tags: dict[str, Tag] = {}
        latest: dict[str, Tag] = {}
        unnamed: list[tuple[Fact, str]] = []
        names: dict[SeriesKey, tuple[str, str] | str] = {}
        for fact in sorted(facts, key=lambda fact: (fact.time_ns, fact.lane, fact.order)):
            found = names.get(fact.series)
            if found is None:
                found = names[fact.series] = self._names(fact.series, owners)
                if isinstance(found, tuple):
                    tags.update((tag.key, tag) for tag in self._definitions(fact.series, *found))
            if isinstance(found, str):
                unnamed.append((fact, found))
                continue
            key = found[1]
            step = next_step.get(key, 0) if fact.step is None else fact.step
            next_step[key] = max(next_step.get(key, 0), step + 1)
            metrics.append(Metric(key, fact.value, fact.time_ns // 1_000_000, step))
            if fact.metadata is not None:
                latest[key] = Tag(metadata_tag(key), _fitting(fact.metadata))
        fresh = [tag for tag in tags.values() if defined.get(tag.key) != _digest(tag.value)]
        defined.update((tag.key, _digest(tag.value)) for tag in fresh)
        return RunRequests(
            batches=list(packed([*fresh, *latest.values(), *metrics])),
            notes=RunNotes(next_step, defined, owners, now_ns),
            unnamed=unnamed,
        )

    def _names(self, series: SeriesKey, owners: dict[str, str]) -> tuple[str, str] | str:
        """The metric's MLflow name and the series' key, or why there is none."""
        try:
            name = self._catalog.mlflow_name(series.metric, self._style)
        except MetricValidationError:
            # Recorded with a catalogue that this process does not have: by its own name, then.
            name = mlflow_name(series.metric, self._style)
        except CatalogError as error:  # its name would be that of another metric
            return str(error)
        # The catalogue keeps apart what is declared. Two names that are not may still become one.
        metric = self._meaning(series.metric)
        owner = self._meaning(owners.setdefault(name, metric))
        if owner != metric:
            return str(_same_name(owner, metric, name))
        return name, metric_key(name, self._labels(series), style=self._style)

    def _meaning(self, metric: str) -> str:
        """What the metric is called today, so that a rename does not make it another one."""
        try:
            return self._catalog.canonical(metric)
        except MetricValidationError:
            return metric

    def _labels(self, series: SeriesKey) -> list[tuple[str, str]]:
        chosen = [pair for pair in series.dimensions if pair[0] in self._key_dimensions]
        return sorted([*series.labels, *chosen])

    def _definitions(self, series: SeriesKey, name: str, key: str) -> Iterator[Tag]:
        with contextlib.suppress(MetricValidationError):  # then nothing is known of it
            yield Tag(definition_tag(name), _definition(self._catalog.resolve(series.metric)))
        labels = self._labels(series)
        if not is_readable(key, labels, style=self._style):
            yield Tag(labels_tag(key), _fitting(json.dumps(dict(labels), ensure_ascii=False)))


def packed(entries: Iterable[Metric | Tag]) -> Iterator[list[Metric | Tag]]:
    """Split entries, in their order, into requests that MLflow accepts."""
    batch: list[Metric | Tag] = []
    tags = size_bytes = 0
    for entry in entries:
        is_tag = isinstance(entry, Tag)
        full = len(batch) == _METRICS or (is_tag and tags == _TAGS)
        if batch and (full or size_bytes + entry.size_bytes > _BYTES):
            yield batch
            batch, tags, size_bytes = [], 0, 0
        batch.append(entry)
        tags += is_tag
        size_bytes += entry.size_bytes
    if batch:
        yield batch


def _same_name(owner: str, metric: str, name: str) -> CatalogError:
    return CatalogError(
        f"the metric {metric!r} would have the same name in MLflow as {owner!r}, which has it in "
        "this run",
        got=name,
        allowed="a name of its own for each metric of a run",
        fix="Rename one of them, or declare one with another name for MLflow.",
    )


def _definition(spec: MetricSpec) -> str:
    definition = {
        "metric": spec.name,
        "description": spec.description[: _TAG_CHARACTERS // 2],
        "unit": spec.unit,
        "kind": spec.kind.value,
        "direction": spec.direction.value,
    }
    return json.dumps(definition, ensure_ascii=False)


def _fitting(text: str) -> str:
    """A JSON text that fits in a tag: the text itself, or an object with its beginning."""
    if len(text) <= _TAG_CHARACTERS:
        return text
    # Escaping may double the text within the object.
    begins = text[: _TAG_CHARACTERS // 2 - 50]
    return json.dumps({"cut": True, "begins": begins}, ensure_ascii=False)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _escaped_bytes(text: str) -> int:
    return len(json.dumps(text))
