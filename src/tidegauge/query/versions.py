# SPDX-License-Identifier: Apache-2.0
"""Two versions of a model side by side: which is better, in what, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

import duckdb

from tidegauge.model.clock import Clock
from tidegauge.model.errors import QueryError
from tidegauge.model.spec import Direction
from tidegauge.model.times import TimeRange, isoformat, time_range
from tidegauge.query import sql
from tidegauge.query.engine import Engine
from tidegauge.query.errors import did_you_mean
from tidegauge.query.llm_calls import view_calls
from tidegauge.query.running import run
from tidegauge.query.selection import Vocabulary, label_text
from tidegauge.query.version_facts import TABLES_OF_VERSIONS, measures_of
from tidegauge.query.version_results import Verdict, VersionComparison, VersionMeasure
from tidegauge.query.version_sides import Sides, sides_of
from tidegauge.statistics.bounds import check_confidence, check_number
from tidegauge.statistics.estimate import CONFIDENCE, Estimate, unknown
from tidegauge.statistics.verdicts import FEWEST_WORTH, Contrast, contrasts

__all__ = ["Versions"]

_STORED = ("points", "intervals", "predictions", "ground_truths", "user_satisfaction")


class Versions:
    """The question which of two versions is better. Safe to share between threads.

    Args:
        engine: Opens connections to the store.
        vocabulary: What is declared.
        clock: What `hours` and `days` count back from.
    """

    def __init__(self, engine: Engine, vocabulary: Vocabulary, clock: Clock) -> None:
        self._engine = engine
        self._vocabulary = vocabulary
        self._clock = clock

    def compare(
        self,
        model: str,
        first: str | int,
        second: str | int,
        *,
        metrics: str | Sequence[str] | None = None,
        margin: float = 0.0,
        confidence: float = CONFIDENCE,
        labels: Mapping[str, object] | None = None,
        hours: float | None = None,
        days: float | None = None,
        start: Any = None,
        end: Any = None,
        **more_labels: object,
    ) -> VersionComparison:
        """Compare two versions; see `tidegauge.compare_versions`."""
        first, second = (label_text("model_version", each) for each in (first, second))
        if first == second:
            raise QueryError("both versions are the same", got=first)
        check_confidence(confidence)
        allowed = "a share of the value, 0.02 for 2 %"
        margin = check_number("a margin cannot be this", margin, allowed, least=0)
        within = time_range(
            now_ns=self._clock.wall_ns(), hours=hours, days=days, start=start, end=end
        )
        about = {"model": model, "model_version": [first, second]}
        given = {**(labels or {}), **more_labels}
        for name in about.keys() & given.keys():
            raise QueryError("facts cannot be chosen by what is compared", got=name)
        chosen = self._vocabulary.select(None, {**given, **about}, within)
        connection = self._engine.connect()

        def work() -> list[VersionMeasure]:
            self._view(connection, within)
            found = list(measures_of(connection, self._vocabulary, chosen.where))
            sides = [sides_of(connection, each, first, second) for each in found]
            kept = [each for each in sides if each.first or each.second]
            for version, is_there in (
                (first, any(each.first for each in kept)),
                (second, any(each.second for each in kept)),
            ):
                if not is_there:
                    raise _no_version(connection, model, version, chosen.where)
            wanted = _wanted(kept, metrics)
            return _judged(wanted, (first, second), confidence, margin)

        measures = run(connection, "compare_versions", work)
        return VersionComparison(
            model,
            first,
            second,
            confidence,
            margin,
            None if within.start_ns is None else isoformat(within.start_ns),
            None if within.end_ns is None else isoformat(within.end_ns),
            tuple(measures),
        )

    def _view(self, connection: duckdb.DuckDBPyConnection, within: TimeRange) -> None:
        for name in _STORED:
            # A truth may be known long after the prediction.
            asked = None if name == "ground_truths" else within
            self._engine.view(connection, [name], asked, canonical=self._vocabulary.canonical)
        view_calls(self._engine, connection, within)


def _wanted(found: list[Sides], metrics: object) -> list[Sides]:
    """The measures that are asked for; if none are named, those with a direction."""
    if metrics is None:
        is_judged = any(
            each.measure.name == "predictions.accuracy"
            and each.pair is not None
            and min(side.worth for side in each.pair) >= FEWEST_WORTH
            for each in found
        )
        return [
            each
            for each in found
            if each.measure.direction is not Direction.NONE
            # The same number again, as a job publishes it.
            and not (is_judged and each.measure.name == "model:accuracy")
        ]
    asked = [metrics] if isinstance(metrics, str) else metrics
    if not isinstance(asked, Iterable) or not all(isinstance(each, str) for each in asked):
        raise QueryError(
            "measures cannot be chosen by this", got=metrics, allowed="a name, several, or patterns"
        )
    names = [each.measure.name for each in found]
    for pattern in asked:
        if not any(fnmatchcase(name, pattern) for name in names):
            near = get_close_matches(pattern, names, n=1)
            raise QueryError(
                "neither version has such a measure",
                got=pattern,
                allowed=", ".join(dict.fromkeys(names)),
                fix=f"Did you mean {near[0]!r}?" if near else "",
            )
    return [each for each in found if any(fnmatchcase(each.measure.name, name) for name in asked)]


def _judged(
    found: list[Sides], versions: tuple[str, str], confidence: float, margin: float
) -> list[VersionMeasure]:
    pairs = [each.pair for each in found]
    known = [pair for pair in pairs if pair is not None]
    told = iter(contrasts(known, confidence=confidence, margin=margin))
    return [
        _measure(each, None if pair is None else next(told), versions, confidence)
        for each, pair in zip(found, pairs, strict=True)
    ]


def _measure(
    sides: Sides, contrast: Contrast | None, versions: tuple[str, str], confidence: float
) -> VersionMeasure:
    measure = sides.measure
    estimates = []
    reason = sides.reason
    for side, version in zip((sides.first, sides.second), versions, strict=True):
        if side is None:
            reason = f"no {measure.per} of version {version}"
            estimates.append(unknown(reason, confidence=confidence))
        elif sides.reason is not None:
            estimates.append(Estimate(side.value, confidence=confidence, reason=sides.reason))
        else:
            estimates.append(side.estimate(confidence))
    if contrast is None:
        nothing = unknown(reason or "", confidence=confidence)
        contrast = Contrast(nothing, nothing, None, None, differs=False, is_equivalent=False)
    elif contrast.p_value is None:
        reason = contrast.difference.reason
    return VersionMeasure(
        measure.name,
        measure.statistic,
        measure.unit,
        measure.direction,
        estimates[0],
        estimates[1],
        contrast.difference,
        contrast.relative,
        contrast.p_value,
        contrast.p_adjusted,
        _verdict(measure.direction, contrast),
        reason,
        sides.block,
    )


def _verdict(direction: Direction, contrast: Contrast) -> Verdict:
    if contrast.p_value is None:
        return "too little data"
    if not contrast.differs:
        return "no relevant difference" if contrast.is_equivalent else "no evidence"
    if direction is Direction.NONE:
        return "different"
    assert contrast.difference.value is not None
    is_more = contrast.difference.value > 0
    return "better" if is_more == (direction is Direction.HIGHER) else "worse"


def _no_version(
    connection: duckdb.DuckDBPyConnection, model: str, version: str, where: str
) -> QueryError:
    chosen = " UNION ".join(
        f"SELECT DISTINCT model_version FROM {name} WHERE {where}" for name in TABLES_OF_VERSIONS
    )
    if (version,) in connection.execute(chosen).fetchall():
        return QueryError(
            f"nothing that was recorded of this version of {model!r} can be compared",
            got=version,
            allowed="metrics that are averaged, predictions, ratios of two counters",
            fix="Totals alone tell of the traffic. What a ratio is of, record in both counters.",
        )
    seen = " UNION ".join(
        f"SELECT DISTINCT model_version FROM {name} WHERE model = {sql.text(model)}"
        for name in TABLES_OF_VERSIONS
    )
    known = [each for (each,) in connection.execute(f"{seen} ORDER BY 1").fetchall() if each]
    return QueryError(
        f"no fact of the model {model!r} has this version",
        got=version,
        allowed=", ".join(known),
        fix="Ask for another time or other labels."
        if version in known or not known
        else did_you_mean(version, known),
    )
