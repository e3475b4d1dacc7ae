# SPDX-License-Identifier: Apache-2.0
"""Judgements and runs as they are kept apart: what is relevant, and what was retrieved."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, compress
from numbers import Number
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.given import number_array
from tidegauge.statistics.ranking.ids import codes_of, id_list
from tidegauge.statistics.ranking.lists import Lists, lists_of
from tidegauge.statistics.ranking.metrics import RankingMetrics, metrics_of_lists
from tidegauge.statistics.ranking.options import Gain, MapOver, NoRelevant, Ties, options_of

__all__ = ["Rows", "lists_of_run", "ranking_metrics_of_run", "rows_of"]


@dataclass(frozen=True, slots=True)
class Rows:
    """Items of queries with a number each.

    Attributes:
        queries: Every query, one without a row included.
        codes: Which of them each row is of; shape (n_rows,).
        items: The item of each row.
        numbers: Its relevance or score; shape (n_rows,).
    """

    queries: list[Hashable]
    codes: np.ndarray
    items: list[Hashable]
    numbers: np.ndarray


def ranking_metrics_of_run(
    qrels: Mapping[Any, Any],
    run: Mapping[Any, Any],
    k: int | Iterable[int] = 10,
    *,
    only_retrieved: bool = False,
    ties: Ties = "average",
    gain: Gain = "linear",
    map_over: MapOver = "relevant",
    no_relevant: NoRelevant = "zero",
    confidence: float | None = None,
    clusters: Mapping[Any, Hashable] | None = None,
    per_query: bool = False,
) -> RankingMetrics:
    """Tell how well a run puts relevant items on top, from judgements that are kept apart.

    An item that was retrieved and not judged is not relevant. One that was judged and not retrieved
    counts in recall and in the best order. Queries that nobody judged are left out; how many is
    in `queries_unjudged`.

    Args:
        qrels: Relevance by item, by query: `{"q1": {"d3": 2, "d7": 0}}`. Or columns of the same
            length: `query`, `item` and `relevance`.
        run: Score by item, by query; or the columns `query`, `item` and `score`.
        k: As for `ranking_metrics`, and so is whatever is not told here.
        only_retrieved: Count only queries for which something was retrieved. By default all judged
            queries count, those for which the run has nothing with 0 (`trec_eval -c`): else a
            model that keeps silent where it is hard looks better.
        ties: See there; the order given is that of the rows or dictionaries of `run`.
        gain: See there.
        map_over: See there.
        no_relevant: See there.
        confidence: See there.
        clusters: The cluster of each query.
        per_query: See there.

    Raises:
        QueryError: An argument is not as described, an item is there twice for a query, or no
            identifier of the run can be one of the judgements, as texts and numbers differ.

    Example:
        >>> qrels = {"q1": {"d3": 2, "d7": 0, "d9": 1}, "q2": {"d1": 1}}
        >>> result = ranking_metrics_of_run(qrels, {"q1": {"d3": 0.9, "d7": 0.3}}, k=5)
        >>> result["recall@5"], result.n_unretrieved
        (0.25, 2)
    """
    judged, retrieved = rows_of("qrels", qrels, "relevance"), rows_of("run", run, "score")
    return metrics_of_lists(
        lists_of_run(judged, retrieved, only_retrieved=only_retrieved),
        options_of(k, ties=ties, gain=gain, map_over=map_over),
        no_relevant=no_relevant,
        confidence=confidence,
        clusters=clusters,
        per_query=per_query,
        queries_unjudged=len(set(retrieved.queries).difference(judged.queries)),
    )


def rows_of(name: str, given: Mapping[Any, Any], number: str) -> Rows:
    """The rows of judgements or of a run, from dictionaries or from columns.

    Args:
        name: What it is, for errors.
        given: As for `ranking_metrics_of_run`.
        number: Name of the column of numbers.

    Raises:
        QueryError: It is neither, or a number is missing or none.
    """
    if not isinstance(given, Mapping):
        raise _no_rows(name, given, number)
    if all(isinstance(each, Mapping) for each in given.values()):
        return _of_dictionaries(name, given, number)
    try:
        columns = given["query"], given["item"], given[number]
    except KeyError as error:
        raise _no_rows(name, list(given), number) from error
    codes, queries = codes_of(columns[0])
    rows = Rows(queries, codes, id_list(columns[1]), _numbers(name, columns[2], number))
    lengths = len(rows.codes), len(rows.items), len(rows.numbers)
    if len(set(lengths)) > 1:
        raise QueryError(f"columns of {name} differ in length", got=lengths)
    return rows


def lists_of_run(judged: Rows, retrieved: Rows, *, only_retrieved: bool = False) -> Lists:
    """Put every retrieved item beside what it was judged, and add what was not retrieved.

    Raises:
        QueryError: An item is there twice for a query, a number is outside of its bounds, or
            identifiers of the two are of different kinds.
    """
    numbers = {query: number for number, query in enumerate(judged.queries)}
    judged_number = np.array([numbers.get(each, -1) for each in retrieved.queries], dtype=np.int64)
    run_codes = judged_number[retrieved.codes]
    is_asked = run_codes >= 0
    if not (judged_number >= 0).any():
        _check_kinds("queries", judged.queries, retrieved.queries)
    run_codes, scores = run_codes[is_asked], retrieved.numbers[is_asked]
    relevance, is_missed = _joined(judged, retrieved, run_codes, is_asked)

    n_queries = len(judged.queries)
    counts = np.ones(n_queries, dtype=bool)
    if only_retrieved:
        counts = np.bincount(run_codes, minlength=n_queries) > 0
        is_missed &= counts[judged.codes]
    codes = np.concatenate((run_codes, judged.codes[is_missed]))
    by_query = np.argsort(codes, kind="stable")
    no_score = np.full(int(is_missed.sum()), np.nan)
    checked = lists_of(
        np.concatenate((relevance, judged.numbers[is_missed]))[by_query],
        np.concatenate((scores, no_score))[by_query],
    )
    return Lists(
        list(compress(judged.queries, counts)),
        np.bincount(codes, minlength=n_queries)[counts],
        checked.relevance,
        checked.scores,
        None,
    )


def _joined(
    judged: Rows, retrieved: Rows, run_codes: np.ndarray, is_asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What each retrieved item was judged, and which judged items were not retrieved."""
    item_codes, items = codes_of([*judged.items, *retrieved.items])
    n_judged = len(judged.items)
    # A query and an item as one number.
    pairs = judged.codes * len(items) + item_codes[:n_judged]
    run_pairs = run_codes * len(items) + item_codes[n_judged:][is_asked]
    order = np.argsort(pairs, kind="stable")
    ascending = pairs[order]
    _check_unique("qrels", ascending, judged.queries, items)
    _check_unique("run", np.sort(run_pairs), judged.queries, items)
    place = np.searchsorted(ascending, run_pairs)
    is_judged = np.append(ascending, -1)[place] == run_pairs
    found = order[place[is_judged]]
    if not len(found):
        _check_kinds("items", judged.items, list(compress(retrieved.items, is_asked)))
    relevance = np.zeros(len(run_pairs))
    relevance[is_judged] = judged.numbers[found]
    is_missed = np.ones(n_judged, dtype=bool)
    is_missed[found] = False
    return relevance, is_missed


def _of_dictionaries(name: str, given: Mapping[Any, Mapping[Any, Any]], number: str) -> Rows:
    lengths = list(map(len, given.values()))
    numbers = list(chain.from_iterable(each.values() for each in given.values()))
    return Rows(
        list(given),
        np.repeat(np.arange(len(given)), lengths),
        list(chain.from_iterable(given.values())),
        _numbers(name, numbers, number),
    )


def _numbers(name: str, values: Any, number: str) -> np.ndarray:
    numbers = number_array(values, f"the column {number!r} of {name}")
    if np.isnan(numbers).any():
        raise QueryError(f"a {number} of {name} is missing", fix="Leave out rows without one.")
    return numbers


def _check_kinds(what: str, judged: list[Hashable], retrieved: list[Hashable]) -> None:
    """Refuse identifiers of which none can be the same, such as texts and numbers."""
    known, found = set(map(_kind, judged)), set(map(_kind, retrieved))
    if known and found and not known & found:
        raise QueryError(
            f"no {what} of the run are judged, and their identifiers are of another type",
            got=", ".join(sorted(found)),
            allowed=", ".join(sorted(known)),
            fix="Give both the same identifiers: '1' and 1 are two.",
        )


def _kind(identifier: Hashable) -> str:
    return "number" if isinstance(identifier, Number) else type(identifier).__name__


def _check_unique(
    name: str, pairs: np.ndarray, queries: list[Hashable], items: list[Hashable]
) -> None:
    """Refuse a pair that is there twice; pairs are ascending."""
    twice = np.flatnonzero(pairs[1:] == pairs[:-1])
    if len(twice):
        query, item = divmod(int(pairs[twice[0]]), len(items))
        raise QueryError(
            f"an item is more than once in {name} for a query", got=(queries[query], items[item])
        )


def _no_rows(name: str, got: object, number: str) -> QueryError:
    return QueryError(
        f"{name} is not in a form that is known",
        got=got,
        allowed=f"{{query: {{item: {number}}}}}, or the columns 'query', 'item' and '{number}'",
    )
