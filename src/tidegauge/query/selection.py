# SPDX-License-Identifier: Apache-2.0
"""Which facts a question is about: metric names, labels and a time range, as SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral

import msgspec

from tidegauge.catalog import METRIC_NAME_PATTERN, Catalog
from tidegauge.catalog.labels import LABEL_NAME_PATTERN
from tidegauge.model.errors import MetricValidationError, QueryError
from tidegauge.model.series import DIMENSIONS
from tidegauge.model.spec import MetricSpec
from tidegauge.model.times import TimeRange
from tidegauge.query import sql

__all__ = [
    "Names",
    "Selection",
    "Vocabulary",
    "about_time",
    "about_value",
    "check_label_name",
    "check_limit",
    "label_text",
]

#: Metric names as callers give them: one, several, or patterns that end in `*`; None for all.
Names = str | Sequence[str] | None


class Selection(msgspec.Struct, frozen=True):
    """The facts a question is about.

    Attributes:
        metrics: Full names asked for by name, without doubles, in the order given.
        open_ended: Whether other metrics may match, too.
        metric: SQL for the name a fact's metric has today.
        about_metrics: SQL that is true for facts of the chosen metrics.
        about_labels: SQL that is true for facts with the chosen labels.
        about_time: SQL that is true for facts of the time range.
        labels: Names of the labels that were chosen by.
        time_range: The range.
    """

    metrics: tuple[str, ...]
    open_ended: bool
    metric: str
    about_metrics: str
    about_labels: str
    about_time: str
    labels: tuple[str, ...]
    time_range: TimeRange

    @property
    def where(self) -> str:
        """All conditions."""
        return f"{self.about_metrics} AND {self.about_labels} AND {self.about_time}"

    def within(self, time_range: TimeRange) -> Selection:
        """The same facts in another range."""
        return msgspec.structs.replace(
            self, about_time=about_time(time_range), time_range=time_range
        )


class Vocabulary:
    """A catalogue as queries need it: which stored names mean which metric.

    Facts may have been recorded with another catalogue, so names that this one does not know are
    taken as they are.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.renamed = {
            stored: name
            for name in catalog.metrics
            if name not in catalog.renames
            for stored in catalog.stored_names(name)
            if stored != name
        }
        #: SQL that replaces `metric` by the name it has today; None if no name ever changed.
        self.canonical = sql.renamed(self.renamed) if self.renamed else None

    def spec(self, name: str) -> MetricSpec:
        """What is known of a full name; an open gauge if nothing is."""
        try:
            return self.catalog.resolve(name)
        except MetricValidationError:
            return MetricSpec(name=name, description="")

    def select(
        self, names: Names, labels: Mapping[str, object], time_range: TimeRange
    ) -> Selection:
        """Build a selection.

        Args:
            names: Full names, bare names or aliases; a name that ends in `*` is a pattern.
            labels: Dimensions and labels. A value is a text or whole number; several in a list
                mean any of them; None means that the fact does not have the label.
            time_range: The range.

        Raises:
            MetricValidationError: A name does not fit the grammar or is ambiguous.
            QueryError: A label's name or value cannot be one, or names are neither text nor a list.
        """
        given = _given(names)
        if not given:
            raise QueryError("no metric is named", got=given, allowed="one or more names, or '*'")
        patterns = [name[:-1] for name in given if _is_pattern(name)]
        exact: dict[str, tuple[str, ...]] = {}
        for name in given:
            if not _is_pattern(name):
                stored = self._stored(name)
                exact.setdefault(stored[0], stored)
        if patterns:
            metric = self.canonical or "metric"
        elif len(exact) == 1:
            metric = sql.text(*exact)
        else:
            changes = {old: new for new, stored in exact.items() for old in stored if old != new}
            metric = sql.renamed(changes) if changes else "metric"
        about = [f"starts_with({metric}, {sql.text(pattern)})" for pattern in patterns if pattern]
        if exact:
            about.append(
                f"metric IN {sql.text_list(name for stored in exact.values() for name in stored)}"
            )
        return Selection(
            metrics=tuple(exact),
            open_ended=bool(patterns),
            metric=metric,
            about_metrics=f"({' OR '.join(about)})" if about and "" not in patterns else "true",
            about_labels=" AND ".join(_about_label(*item) for item in labels.items()) or "true",
            about_time=about_time(time_range),
            labels=tuple(labels),
            time_range=time_range,
        )

    def _stored(self, name: str) -> tuple[str, ...]:
        try:
            return self.catalog.stored_names(name)
        except MetricValidationError:
            if ":" in name and METRIC_NAME_PATTERN.fullmatch(name):
                return (name,)
            raise


def _given(names: object) -> list[str]:
    if names is None:
        return ["*"]
    if isinstance(names, str):
        return [names]
    listed = list(names) if isinstance(names, Iterable) else [names]
    texts = [name for name in listed if isinstance(name, str)]
    if len(texts) == len(listed):
        return texts
    raise QueryError("this names no metric", got=names, allowed="a name, or a list of names")


def _is_pattern(name: str) -> bool:
    return name.endswith("*")


def check_label_name(name: str) -> None:
    """Refuse what is no name of a dimension or label.

    Raises:
        QueryError: It is none.
    """
    if name not in DIMENSIONS and not LABEL_NAME_PATTERN.match(str(name)):
        raise QueryError(
            "label name does not fit the grammar", got=name, allowed="letters, digits and '_'"
        )


def _about_label(name: str, value: object) -> str:
    check_label_name(name)
    return about_value(sql.label(name), name, value)


def about_value(column: str, name: str, value: object) -> str:
    """SQL that is true for facts with a value, with any of several in a list, or without one.

    Args:
        column: SQL for what the facts have.
        name: What it is called, for the error.
        value: A text or whole number, a list of these, or None for facts without.

    Raises:
        QueryError: It is none of these.
    """
    if value is None:
        return f"{column} IS NULL"
    if isinstance(value, str | int):
        return f"{column} = {sql.text(label_text(name, value))}"
    if isinstance(value, Iterable) and (values := list(value)):
        return f"{column} IN {sql.text_list(label_text(name, each) for each in values)}"
    raise _bad_label_value(name, value)


def label_text(name: str, value: object) -> str:
    """The text that a label has where a text or whole number was given.

    Raises:
        QueryError: It is neither.
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(int(value))
    raise _bad_label_value(name, value)


def check_limit(limit: object) -> None:
    """Refuse what is no number of rows.

    Raises:
        QueryError: It is no whole number of 1 or more.
    """
    if isinstance(limit, bool) or not isinstance(limit, Integral) or int(limit) < 1:
        raise QueryError("limit cannot be used", got=limit, allowed="a whole number, 1 or more")


def about_time(time_range: TimeRange) -> str:
    """SQL that is true for facts of a range."""
    bounds = []
    if time_range.start_ns is not None:
        bounds.append(f"time >= {sql.timestamp(time_range.start_ns)}")
    if time_range.end_ns is not None:
        bounds.append(f"time < {sql.timestamp(time_range.end_ns)}")
    return " AND ".join(bounds) or "true"


def _bad_label_value(name: str, value: object) -> QueryError:
    return QueryError(
        f"value of label {name!r} cannot be searched for",
        got=value,
        allowed="a text, a whole number, a list of these, or None for facts without the label",
    )
