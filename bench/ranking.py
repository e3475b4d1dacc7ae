# SPDX-License-Identifier: Apache-2.0
"""What ranking metrics of many queries cost, beside ranx and pytrec_eval, which do the same.

All begin with the same arrays of relevances and scores. ranx is timed on objects that are ready,
after compiling; making them is told beside. pytrec_eval takes dictionaries and gives one per query:
making them, evaluating and averaging is what its users do, and the evaluator alone is told beside.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence

import numpy as np
import pytrec_eval
import ranx

import measure
from measure import Case, Limit, Report
from tidegauge.statistics.ranking import ranking_metrics, ranking_metrics_of_run

OURS, OURS_FLAT = "ranking_metrics, arrays of two dimensions", "ranking_metrics, rows with queries"
OURS_RUN = "ranking_metrics_of_run, dictionaries"
RANX, TREC = "ranx.evaluate, Qrels and Run ready", "pytrec_eval: dictionaries, evaluator, means"
TREC_ALONE = "pytrec_eval: evaluator and means, dictionaries ready"
#: Names here, there and there.
METRICS = {
    "ndcg@10": ("ndcg@10", "ndcg_cut_10"),
    "map": ("map", "map"),
    "mrr": ("mrr", "recip_rank"),
    "hit_rate@10": ("hit_rate@10", "success_10"),
    "recall@10": ("recall@10", "recall_10"),
    "precision@10": ("precision@10", "P_10"),
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=50)
    measure.add_arguments(parser)
    options = parser.parse_args(arguments)
    report = Report(
        "ranking",
        floor="a peer, named beside each limit",
        sizes={"rounds": options.rounds, "queries": options.queries, "items": options.items},
    )
    relevance, scores = lists(options.queries, options.items)
    queries = np.repeat(np.arange(options.queries), options.items)
    flat_relevance, flat_scores = relevance.ravel(), scores.ravel()
    qrels, run = dictionaries(relevance, scores)

    warm = [dict(list(each.items())[:100]) for each in (qrels, run)]
    ranx.evaluate(ranx.Qrels(warm[0]), ranx.Run(warm[1]), list(METRICS))  # compiles
    started = time.perf_counter()
    ranx_qrels, ranx_run = ranx.Qrels(qrels), ranx.Run(run)
    report.values["ranx: making Qrels and Run of dictionaries, s"] = time.perf_counter() - started

    answers = {}

    def case(name, run_it, clock=time.perf_counter_ns):
        def run():
            answers[name] = run_it()

        return Case(name, run, options.queries, clock=clock)

    def ours(clock):
        return [
            case(OURS, lambda: ranking_metrics(relevance, scores, 10), clock),
            case(
                OURS_FLAT,
                lambda: ranking_metrics(flat_relevance, flat_scores, 10, queries=queries),
                clock,
            ),
        ]

    # ranx has threads, so the wall has to tell; the others have one, and their own time is told.
    peer = case(RANX, lambda: ranx.evaluate(ranx_qrels, ranx_run, list(METRICS)))
    compare(report, [peer, *ours(time.perf_counter_ns)], options.rounds, at_most=0.5)
    clock = time.thread_time_ns
    peer = case(TREC, lambda: of_trec_eval(*dictionaries(relevance, scores)), clock)
    others = [
        case(TREC_ALONE, lambda: of_trec_eval(qrels, run), clock),
        case(OURS_RUN, lambda: ranking_metrics_of_run(qrels, run, 10), clock),
    ]
    compare(report, [peer, *ours(clock), *others], options.rounds, at_most=0.1)
    check(answers)
    report.notes.append("all six metrics of all of them agree to 1e-6")
    return measure.finish(report, options, arguments)


def compare(report: Report, cases: list[Case], rounds: int, *, at_most: float) -> None:
    """Time them in rounds; ours of two dimensions and of rows keep to a share of the first."""
    peer = cases[0].name
    found = measure.timings(measure.interleave(cases, rounds=rounds, warm_up=1), floor=peer)
    report.timings += found
    for timing in found:
        if timing.name in {OURS, OURS_FLAT}:
            name = f"{timing.name}, by {peer}"
            report.limits.append(Limit(name, timing.ratio, "x", at_most=at_most))


def lists(n_queries: int, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """A tenth of the items relevant, in four grades; scores that know a little of it."""
    rng = np.random.default_rng(7)
    shape = (n_queries, n_items)
    relevance = rng.integers(1, 5, shape) * (rng.random(shape) < 0.1) * 1.0
    chance = rng.permuted(
        np.broadcast_to(np.arange(4.0 * n_items), (n_queries, 4 * n_items)), axis=1
    )
    # Fractions of their own, so that no two scores of a query are one, in single precision either.
    scores = chance[:, :n_items] + 40 * (relevance > 0) + np.arange(n_items) / n_items
    return relevance, scores


def dictionaries(relevance: np.ndarray, scores: np.ndarray) -> tuple[dict, dict]:
    """Relevance and score by item, by query, as pytrec_eval and ranx take them."""
    items = [f"d{number}" for number in range(relevance.shape[1])]
    qrels, run = {}, {}
    for number, (judged, scored) in enumerate(zip(relevance, scores, strict=True)):
        relevant = np.flatnonzero(judged)
        grades = judged[relevant].astype(int).tolist()
        qrels[f"q{number}"] = dict(zip(map(items.__getitem__, relevant), grades, strict=True))
        qrels[f"q{number}"] = qrels[f"q{number}"] or {"d0": 0}  # else it would not count there
        run[f"q{number}"] = dict(zip(items, scored.tolist(), strict=True))
    return qrels, run


def of_trec_eval(qrels: dict, run: dict) -> dict[str, float]:
    """The means of what pytrec_eval says of each query."""
    names = {ours: theirs for ours, (_, theirs) in METRICS.items()}
    by_query = pytrec_eval.RelevanceEvaluator(qrels, set(names.values())).evaluate(run)
    return {
        ours: math.fsum(each[theirs] for each in by_query.values()) / len(by_query)
        for ours, theirs in names.items()
    }


def check(answers: dict) -> None:
    """All say the same, or the times say nothing."""
    for name, answer in answers.items():
        for ours, (theirs, _) in METRICS.items():
            told = answer[theirs if name == RANX else ours]
            assert abs(told - answers[OURS][ours]) < 1e-6, (name, ours, told, answers[OURS][ours])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
