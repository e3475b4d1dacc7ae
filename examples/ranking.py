# SPDX-License-Identifier: Apache-2.0
"""A search for handwritten digits: how well two versions rank, and whether they differ for sure.

A query is an image, its results are the fifty most similar of others, and relevant is what shows
the same digit: about sixty images of six hundred, so that recall cannot be 1.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

import tidegauge as tg
from tidegauge.statistics.ranking import RankingSums, compare_runs, ranking_metrics_of_run

N_QUERIES, N_IMAGES, N_RESULTS = 200, 600, 50

Judgements = dict[str, dict[str, int]]
Run = dict[str, dict[str, float]]


def judgements(digits: np.ndarray) -> Judgements:
    """Which images show the digit of each query; the images follow the queries."""
    images = digits[N_QUERIES : N_QUERIES + N_IMAGES]
    return {
        f"query {query}": {f"image {image}": 1 for image in np.flatnonzero(images == digit)}
        for query, digit in enumerate(digits[:N_QUERIES])
    }


def results(features: np.ndarray) -> Run:
    """The most similar images of each query, with their similarity."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    similarity = unit[:N_QUERIES] @ unit[N_QUERIES : N_QUERIES + N_IMAGES].T
    best = np.argsort(-similarity, axis=1)[:, :N_RESULTS]
    return {
        f"query {query}": {f"image {image}": float(similarity[query, image]) for image in images}
        for query, images in enumerate(best)
    }


def main() -> None:
    """Evaluate both versions, record how good they are, and compare them."""
    pixels, digits = load_digits(return_X_y=True)
    coarse = pixels.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(len(pixels), -1)
    qrels = judgements(digits)
    runs = {"coarse": results(coarse), "fine": results(pixels)}

    for version, run in runs.items():
        told = tg.evaluate_retrieval(
            qrels, run, k=(1, 10), model_name="digit-search", model_version=version, confidence=0.95
        )
        sure = told.intervals["ndcg@10"]
        print(f"{version}: NDCG@10 {told['ndcg@10']:.3f} ({sure.low:.3f} to {sure.high:.3f})")
        print(f"  the first is right: {told['hit_rate@1']:.1%}, recall@10: {told['recall@10']:.1%}")

    better = compare_runs(qrels, runs["coarse"], runs["fine"], k=10)["ndcg@10"]
    print(f"fine is better by {better.value:.3f} ({better.low:.3f} to {better.high:.3f})")

    parts = [dict(list(qrels.items())[first : first + 50]) for first in range(0, N_QUERIES, 50)]
    sums = [ranking_metrics_of_run(part, runs["fine"], k=(1, 10)).sums for part in parts]
    print(f"four parts, merged: {sum(sums, RankingSums()).metrics()['ndcg@10']:.3f}")

    stored = tg.history("model:ndcg.at_10", hours=1).project("model_version, value")
    for version, value in stored.fetchall():
        print(f"recorded of {version}: {value:.3f}")


if __name__ == "__main__":
    main()
