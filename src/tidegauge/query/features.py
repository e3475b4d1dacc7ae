# SPDX-License-Identifier: Apache-2.0
"""The questions about features and their users. What is counted how is in `feature_stats`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tidegauge.catalog import Catalog
from tidegauge.model.clock import Clock
from tidegauge.model.columns import Table
from tidegauge.model.errors import MetricValidationError, QueryError
from tidegauge.model.feature_tables import FEATURE_TABLES
from tidegauge.model.tables import (
    ERRORS,
    FEATURE_USAGE,
    LEARNING_EFFECTIVENESS,
    OPTIMIZATION_IMPACT,
    POINTS,
    RESOURCE_UTILIZATION,
    SYSTEM_PERFORMANCE,
    USER_SATISFACTION,
)
from tidegauge.model.times import TimeRange, isoformat
from tidegauge.model.zones import zone_of
from tidegauge.query import sql
from tidegauge.query.asked import TIMES, chosen_of, names_of, within
from tidegauge.query.basis import FEW_ROWS, whole_hours
from tidegauge.query.calendar import Every
from tidegauge.query.differences import difference_of
from tidegauge.query.engine import Engine
from tidegauge.query.feature_facts import Chosen, FeatureFacts, Look
from tidegauge.query.feature_records import latest_records
from tidegauge.query.feature_stats import (
    errors_of,
    learning_of,
    optimization_of,
    performance_of,
    resources_of,
    satisfaction_of,
    usage_of,
)
from tidegauge.query.numbers import numbers_of
from tidegauge.query.selection import Vocabulary, check_label_name
from tidegauge.query.trends import measured, trend_of
from tidegauge.store.measured import rolled_of
from tidegauge.store.rolling import HOUR_S
from tidegauge.store.store import Store

__all__ = ["Features"]

# Where the basic collector keeps its numbers.
_CATEGORIES = ("feature", "learning", "optimization")
# What not every table of the dashboard has.
_COLUMNS = frozenset(
    column.name for table in FEATURE_TABLES for column in table.columns if column.name != "feature"
)

#: A dictionary ready to be written as JSON.
Document = dict[str, Any]


class Features:
    """Statistics of features: performance, satisfaction, usage, errors, learning and the rest.

    What the methods have in common:

    - They look at the last `hours`, at `days`, or from `start` to `end`; at everything if none of
      them is given.
    - `feature` is one feature; None is all of them together.
    - Further keyword arguments choose by dimension or label (`environment="production"`,
      `product="search"`): a text, a list of texts of which any may be, or None for facts without.
    - Answers are dictionaries that can be written as JSON. A number that cannot be told is None,
      and `reason` says why. `source` says whether they were made of the rows themselves (`raw`), of
      `rollup`s or of both (`raw+rollup`).
    - They raise `QueryError` for a range or label that makes no sense, and `StoreError` if the
      store cannot be read.

    Safe to share between threads.

    Args:
        store: The store.
        engine: Opens connections to it.
        catalog: The vocabulary.
        clock: What `hours` and `days` count back from.
        time_zone: Whose days trends are of.
        few_rows: Of so many rows of a table, rollups are not used.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        catalog: Catalog,
        clock: Clock,
        *,
        time_zone: str = "UTC",
        few_rows: int = FEW_ROWS,
    ) -> None:
        self._clock = clock
        self._time_zone = time_zone
        self._vocabulary = Vocabulary(catalog)
        self.facts = FeatureFacts(store, engine, few_rows=few_rows)

    def now_ns(self) -> int:
        """What `hours` and `days` count back from, nanoseconds since 1970."""
        return self._clock.wall_ns()

    def performance(
        self,
        feature: str | None = None,
        metric_category: str | None = None,
        *,
        limit: int = 0,
        **asked: Any,
    ) -> Document:
        """What was measured, by category and metric, and the newest `limit` rows of it."""
        own = {"feature": feature, "metric_category": metric_category}
        chosen = self._of(SYSTEM_PERFORMANCE, asked, own)
        found = self._answer(SYSTEM_PERFORMANCE, chosen, performance_of)
        if limit:
            found["records"] = latest_records(self.facts, SYSTEM_PERFORMANCE, chosen, limit)
        return found

    def satisfaction(
        self, feature: str | None = None, satisfaction_type: str | None = None, **asked: Any
    ) -> Document:
        """What users think."""
        own = {"feature": feature, "satisfaction_type": satisfaction_type}
        chosen = self._of(USER_SATISFACTION, asked, own)
        return self._answer(USER_SATISFACTION, chosen, satisfaction_of)

    def usage(
        self, feature: str | None = None, action: str | None = None, **asked: Any
    ) -> Document:
        """How often a feature was used, for how long, and whether it worked."""
        chosen = self._of(FEATURE_USAGE, asked, {"feature": feature, "action": action})
        return self._answer(FEATURE_USAGE, chosen, usage_of)

    def errors(self, feature: str | None = None, **asked: Any) -> Document:
        """Errors by type and severity, how many were recovered from, and how many per use."""
        chosen = self._of(ERRORS, asked, {"feature": feature})
        while True:
            uses, of_uses = self._uses(chosen)
            with self.facts.look(ERRORS, chosen) as look:
                if look.basis.time_range == of_uses:
                    return {
                        **_range(of_uses),
                        **errors_of(look, uses),
                        "source": look.basis.source,
                    }
            # Rollups stand for one of them only: whole hours of both, then.
            chosen = msgspec.structs.replace(chosen, time_range=whole_hours(chosen.time_range))

    def learning(
        self, feature: str | None = None, learning_type: str | None = None, **asked: Any
    ) -> Document:
        """How well things were learned."""
        own = {"feature": feature, "learning_type": learning_type}
        chosen = self._of(LEARNING_EFFECTIVENESS, asked, own)
        return self._answer(LEARNING_EFFECTIVENESS, chosen, learning_of)

    def optimization(
        self, feature: str | None = None, impact_category: str | None = None, **asked: Any
    ) -> Document:
        """What optimizations changed."""
        own = {"feature": feature, "impact_category": impact_category}
        chosen = self._of(OPTIMIZATION_IMPACT, asked, own)
        return self._answer(OPTIMIZATION_IMPACT, chosen, optimization_of)

    def resources(
        self,
        resource_type: str | None = None,
        resource_name: str | None = None,
        feature: str | None = None,
        **asked: Any,
    ) -> Document:
        """How full or busy resources were."""
        own = {"feature": feature, "resource_type": resource_type, "resource_name": resource_name}
        chosen = self._of(RESOURCE_UTILIZATION, asked, own)
        return self._answer(RESOURCE_UTILIZATION, chosen, resources_of)

    def dashboard(self, feature: str | None = None, **asked: Any) -> Document:
        """All of it for a feature, or for all features together."""
        for name in asked:
            if name in _COLUMNS:
                raise QueryError(
                    "not all tables of the dashboard have this column",
                    got=name,
                    fix=f"Ask for one of its parts, or write labels={{'{name}': ...}} for a label.",
                )
        asked = self._of_one_time(asked)
        return {
            "feature": feature,
            **_range(asked["time_range"]),
            "generated_at": isoformat(self._clock.wall_ns()),
            "performance": self.performance(feature, **asked),
            "satisfaction": self.satisfaction(feature, **asked),
            "usage": self.usage(feature, **asked),
            "errors": self.errors(feature, **asked),
            "learning": self.learning(feature, **asked),
            "optimization": self.optimization(feature, **asked),
            "resources": self.resources(feature=feature, **asked),
        }

    def _uses(self, errors: Chosen) -> tuple[int, TimeRange]:
        """How often the features of errors were used, and the time of which that is."""
        columns = {name: each for name, each in errors.columns.items() if name == "feature"}
        chosen = msgspec.structs.replace(errors, columns=columns)
        with self.facts.look(FEATURE_USAGE, chosen) as look:
            uses = look.groups(measures=["uses"], quantiles=False).get(("uses",))
            return 0 if uses is None else uses.count, look.basis.time_range

    def trend(
        self,
        what: str,
        feature: str | None = None,
        *,
        every: Every = "day",
        by: str | Sequence[str] = (),
        **asked: Any,
    ) -> list[Document]:
        """How a number goes on over time: a row for each hour, day or week, gaps among them.

        Where rollups stand for rows, an hour, UTC, belongs to the day in which it begins: this
        matters in zones that are not whole hours from UTC.

        Args:
            what: `performance`, `satisfaction`, `usage.duration_ms`, `usage.success`, `error`, …;
                see `tidegauge.query.trends.MEASURES`.
            feature: The part of the product.
            every: `hour`, `day` or `week`; days and weeks are of the setting `time_zone`.
            by: Columns of the table, dimensions or labels to tell apart.
            asked: A range, 30 days if there is none; columns of the table, dimensions and labels.
                An open range begins with the first fact and ends now. The first and the last row
                have only what is in the range.
        """
        source = measured(what)
        given = asked if any(name in asked for name in TIMES) else {**asked, "days": 30}
        chosen = self._of(source.table, given, {"feature": feature})
        of_time = chosen.time_range
        if of_time.start_ns is None or of_time.end_ns is None:
            with self.facts.look(source.table, chosen) as look:
                found = look.groups(measures=[source.measure], quantiles=False).values()
            ends_us = [self._clock.wall_ns() // 1000, *(each.end_us for each in found)]
            starts_us = [each.start_us for each in found]
            if of_time.start_ns is None and not starts_us:
                return []
            of_time = TimeRange(
                min(starts_us) * 1000 if of_time.start_ns is None else of_time.start_ns,
                (max(ends_us) + 1) * 1000 if of_time.end_ns is None else of_time.end_ns,
            )
            chosen = msgspec.structs.replace(chosen, time_range=of_time)
            if (of_time.start_ns or 0) >= (of_time.end_ns or 0):
                got, allowed = asked.get("start"), "start before end, or now"
                raise QueryError("time range is empty", got=got, allowed=allowed)
        zone = zone_of(self._time_zone)
        return trend_of(self.facts, source, chosen, every=every, by=names_of(by), zone=zone)

    def compare_periods(
        self, what: str, feature: str | None = None, *, days: float = 7, **asked: Any
    ) -> Document:
        """The last days against as many before them.

        Args:
            what: As for `trend`.
            feature: The part of the product.
            days: How many.
            asked: Columns of the table, dimensions and labels.
        """
        source = measured(what)
        now = self._of(source.table, {**asked, "days": days}, {"feature": feature})
        of_time = now.time_range
        assert of_time.start_ns is not None
        assert of_time.end_ns is not None
        span_ns = of_time.end_ns - of_time.start_ns
        earlier = TimeRange(max(0, of_time.start_ns - span_ns), of_time.start_ns)
        before = msgspec.structs.replace(now, time_range=earlier)
        return difference_of(self.facts, source, (before, now), zone_of(self._time_zone))

    def compare_features(
        self, what: str, a: str, b: str, *, days: float = 7, **asked: Any
    ) -> Document:
        """One feature against another, over the same days.

        Args:
            what: As for `trend`.
            a: What is compared with.
            b: What is compared.
            days: How many days.
            asked: Columns of the table, dimensions and labels.
        """
        source = measured(what)
        sides = tuple(
            self._of(source.table, {**asked, "days": days}, {"feature": feature})
            for feature in (a, b)
        )
        found = difference_of(self.facts, source, (sides[0], sides[1]), zone_of(self._time_zone))
        for side, name in (("a", a), ("b", b)):
            found[side] = {"feature": name, **found[side]}
        return found

    def listed(
        self, text: str = "", *, by: str | Sequence[str] = (), **asked: Any
    ) -> list[Document]:
        """The features of which something was recorded, and how much.

        Where rollups stand for rows, `first` and `last` are to the hour or day before.

        Args:
            text: Only features whose name has this in it, in whatever case.
            by: Dimensions or labels to tell apart, such as `product`.
            asked: A range, dimensions and labels.
        """
        names = names_of(by)
        for name in names:
            check_label_name(name)
            if name in ("feature", "first", "last", "records"):
                raise QueryError("a group would have the name of another key", got=name)
        if not isinstance(text, str):
            raise QueryError("what is searched for must be text", got=text)
        asked = self._of_one_time(asked)
        found: dict[Any, Document] = {}
        for table in FEATURE_TABLES:
            counting = rolled_of(table).measures[0].name
            with self.facts.look(table, self._of(table, asked, {})) as look:
                keys = ["feature", *map(sql.label, names)]
                groups = look.groups(*keys, measures=[counting], quantiles=False)
            for (feature, *group, _), summary in groups.items():
                if feature is None or text.lower() not in str(feature).lower():
                    continue
                row = found.setdefault(
                    (feature, *group),
                    {
                        "feature": feature,
                        **dict(zip(names, group, strict=True)),
                        "first_us": summary.start_us,
                        "last_us": summary.end_us,
                        "records": {},
                    },
                )
                row["first_us"] = min(row["first_us"], summary.start_us)
                row["last_us"] = max(row["last_us"], summary.end_us)
                row["records"][table.name] = summary.count
        rows = [found[key] for key in sorted(found, key=lambda key: [str(each) for each in key])]
        for row in rows:
            row["first"] = isoformat(row.pop("first_us") * 1000)
            row["last"] = isoformat(row.pop("last_us") * 1000)
        return rows

    def metric_statistics(
        self, feature: str, metric_name: str, *, hours: float | None = 24
    ) -> Document:
        """Statistics of a number that the basic collector recorded.

        Args:
            feature: The part of the product.
            metric_name: The name, with its category where the feature has several of that name.
            hours: How far to look back; at everything if None.

        Raises:
            QueryError: The feature has numbers of that name in several categories.
        """
        names = [metric_name]
        if ":" not in metric_name:
            names = [f"{category}:{metric_name}" for category in _CATEGORIES]
        stored = {old: name for name in names for old in self._stored(name)}
        asked = {"hours": hours, "labels": {"feature": feature}}
        metric = sql.renamed(stored)
        with self.facts.look(POINTS, self._of(POINTS, asked, {}), grain_s=HOUR_S) as look:
            about = f"metric IN {sql.text_list(stored)}"
            groups = look.groups(metric, where=about)
            source = look.basis.source
        if len(groups) > 1:
            raise QueryError(
                f"the feature {feature!r} has several metrics of this name",
                got=metric_name,
                allowed=", ".join(str(name) for name, _ in groups),
                fix="Give the name with its category.",
            )
        (name, _), summary = next(iter(groups.items()), ((None, ""), None))
        return {
            "feature": feature,
            "metric_name": metric_name,
            "metric": name,
            **numbers_of(summary),
            "first": None if summary is None else summary.first,
            "last": None if summary is None else summary.last,
            "source": source,
        }

    def _stored(self, name: str) -> tuple[str, ...]:
        try:
            return self._vocabulary.catalog.stored_names(name)
        except MetricValidationError:
            return (name,)

    def _of(self, table: Table, asked: Mapping[str, Any], own: Mapping[str, object]) -> Chosen:
        return chosen_of(table, asked, own, self._vocabulary, self._clock.wall_ns())

    def _of_one_time(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The same with the range read, so that several tables are asked about the same."""
        others = {name: each for name, each in asked.items() if name not in TIMES}
        return {**others, "time_range": within(asked, self._clock.wall_ns())}

    def _answer(self, table: Table, chosen: Chosen, count: Callable[[Look], Document]) -> Document:
        with self.facts.look(table, chosen) as look:
            found = count(look)
            return {**_range(look.basis.time_range), **found, "source": look.basis.source}


def _range(asked: TimeRange) -> Document:
    return {
        "start": None if asked.start_ns is None else isoformat(asked.start_ns),
        "end": None if asked.end_ns is None else isoformat(asked.end_ns),
    }
