# SPDX-License-Identifier: Apache-2.0
"""How well scores put relevant items on top: NDCG, MRR, MAP and others, over many queries."""

from __future__ import annotations

from tidegauge.statistics.ranking.metrics import PerQuery, RankingMetrics, ranking_metrics
from tidegauge.statistics.ranking.paired import compare_rankings, compare_runs
from tidegauge.statistics.ranking.runs import ranking_metrics_of_run
from tidegauge.statistics.ranking.sums import RankingSums

__all__ = [
    "PerQuery",
    "RankingMetrics",
    "RankingSums",
    "compare_rankings",
    "compare_runs",
    "ranking_metrics",
    "ranking_metrics_of_run",
]
