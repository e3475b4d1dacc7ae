# SPDX-License-Identifier: Apache-2.0
"""Laws of ranking metrics and of their sums."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidegauge.statistics.ranking import RankingSums, ranking_metrics

#: Relevance and score of an item; few scores, so that there are ties, some of it not retrieved.
ITEM = st.tuples(
    st.one_of(st.just(0.0), st.floats(min_value=1e-3, max_value=9.0)),
    st.one_of(st.just(np.nan), st.sampled_from([0.0, 0.5, 1.0, 2.0])),
)
LISTS = st.lists(st.lists(ITEM, min_size=1, max_size=9), min_size=1, max_size=12)
Lists = list[list[tuple[float, float]]]


def sums_of(lists: Lists, ids: list[int]) -> RankingSums:
    """The sums of lists whose queries have these identifiers."""
    rows = [(*item, query) for query, items in zip(ids, lists, strict=True) for item in items]
    relevance, scores, queries = zip(*rows, strict=True)
    return ranking_metrics(relevance, scores, (1, 3), queries=queries).sums


@given(LISTS, st.data())
def test_parts_merge_to_the_whole_in_any_grouping(lists: Lists, data: st.DataObject) -> None:
    """Queries dealt out to minutes and merged in any order are the month, bit for bit."""
    ids = list(range(len(lists)))
    minute = [data.draw(st.integers(0, 3)) for _ in ids]
    parts = [
        sums_of([lists[query] for query in each], each)
        for number in data.draw(st.permutations(range(4)))
        if (each := [query for query in ids if minute[query] == number])
    ]
    assert sum(parts, RankingSums()) == sums_of(lists, ids)


@given(LISTS, st.sampled_from([0.5, 4.0]))
def test_metrics_stay_within_bounds_and_know_only_order(lists: Lists, factor: float) -> None:
    """Between 0 and 1, growing with k, and the same for scores of another scale."""
    sums = sums_of(lists, list(range(len(lists))))
    told = sums.metrics()
    scaled = [[(relevance, score * factor + 1) for relevance, score in each] for each in lists]
    assert sums_of(scaled, list(range(len(lists)))) == sums
    for value in told.values():
        assert value is None or 0 <= value <= 1
    for name in ("hit_rate", "recall", "map", "mrr"):
        assert (told[f"{name}@1"] or 0) <= (told[f"{name}@3"] or 0) + 1e-15
