# SPDX-License-Identifier: Apache-2.0
"""Probabilities that were predicted, counted by class in bins that add up."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.bounds import check_confidence
from tidegauge.statistics.estimate import CONFIDENCE
from tidegauge.statistics.quality.arrays import Label, array_of, code_labels, probabilities
from tidegauge.statistics.quality.calibration import (
    CalibrationBin,
    calibration_bins,
    calibration_error,
    calibration_null,
)
from tidegauge.statistics.quality.confusion import positive_index
from tidegauge.statistics.quality.curve import Curve
from tidegauge.statistics.quality.metrics import Metrics

__all__ = ["CALIBRATION_BINS", "SCORE_BINS", "ScoreHistogram", "log_losses"]

#: Bins of equal width over 0 to 1 in which scores are counted.
SCORE_BINS = 960

#: Bins in which calibration is looked at; each holds as many of the others.
CALIBRATION_BINS = 15

_EACH = SCORE_BINS // CALIBRATION_BINS


@dataclass(frozen=True, slots=True, eq=False)
class ScoreHistogram:
    """Counts and sums of probabilities. Those of two minutes add up to those of both.

    AUC and what else goes by rank come from bins, and are off by less than `auc_bound()`; log loss,
    Brier score and calibration come from sums, and are what they are of the single rows.

    Attributes:
        positives: Positive rows of each bin; shape (SCORE_BINS,), int64.
        negatives: Negative rows.
        sums: Sums of the scores in each calibration bin; shape (CALIBRATION_BINS,).
        sum_log_loss: Sum of -log(probability of the true class), natural logarithm.
        sum_brier: Sum of the squared distances of score and class.
    """

    positives: np.ndarray
    negatives: np.ndarray
    sums: np.ndarray
    sum_log_loss: float
    sum_brier: float

    @classmethod
    def of(
        cls,
        y_true: Any,
        y_prob: Any,
        *,
        labels: Sequence[Label] | None = None,
        positive: Label | None = None,
    ) -> ScoreHistogram:
        """Count.

        Args:
            y_true: True classes, two different ones at most; shape (n,).
            y_prob: Probability of the positive class; shape (n,).
            labels: Both classes, if they are not 0 and 1 and one of them may not occur.
            positive: The positive class; the last one if None.

        Raises:
            QueryError: The columns cannot be compared, or there are not two classes.
        """
        true = array_of(y_true, "y_true")
        scores = probabilities(y_prob, "y_prob", n=len(true))
        coded = code_labels([true], ["y_true"], labels=labels)
        at = positive_index(coded.names, positive)
        if at is None or scores.ndim != 1:
            raise QueryError(
                "scores are counted of two classes",
                got=f"{len(coded.names)} classes, y_prob of shape {scores.shape}",
                allowed="two classes, one probability per row",
                fix="Name both with `labels`; of more classes, count each against the rest.",
            )
        return cls.of_scores(coded.codes[0] == at, scores)

    @classmethod
    def of_scores(cls, is_positive: np.ndarray, scores: np.ndarray) -> ScoreHistogram:
        """Count checked arrays; shape (n,) each, bool and float from 0 to 1."""
        losses = log_losses(is_positive, scores)
        scores = scores.astype(float, copy=False)
        bins = np.minimum((scores * SCORE_BINS).astype(np.int64), SCORE_BINS - 1)
        counts = np.bincount(bins, minlength=SCORE_BINS)
        positives = np.bincount(bins[is_positive], minlength=SCORE_BINS)
        return cls(
            positives,
            counts - positives,
            np.bincount(bins // _EACH, weights=scores, minlength=CALIBRATION_BINS),
            float(losses.sum()),
            float(np.square(scores - is_positive).sum()),
        )

    @property
    def n(self) -> int:
        """How many rows were counted."""
        return int(self.positives.sum() + self.negatives.sum())

    def __add__(self, other: ScoreHistogram) -> ScoreHistogram:
        return self.merged(other)

    def merged(self, other: ScoreHistogram) -> ScoreHistogram:
        """The counts and sums of both."""
        return ScoreHistogram(
            self.positives + other.positives,
            self.negatives + other.negatives,
            self.sums + other.sums,
            self.sum_log_loss + other.sum_log_loss,
            self.sum_brier + other.sum_brier,
        )

    def curve(self) -> Curve:
        """What becomes of the rows when scores are cut at the bins."""
        filled = np.flatnonzero(self.positives + self.negatives)[::-1]
        return Curve(filled / SCORE_BINS, self.positives[filled], self.negatives[filled])

    def auc_bound(self) -> float | None:
        """How far the AUC of `metrics` may be from that of the single scores."""
        return self.curve().auc_bound()

    def calibration(self, *, confidence: float = CONFIDENCE) -> list[CalibrationBin]:
        """Mean score and share of positives, of rows whose scores are about the same.

        Args:
            confidence: Probability that a calibrated model is within a bin's band, 0 to 1,
                exclusive.

        Raises:
            QueryError: There is no such probability.
        """
        check_confidence(confidence)
        counts, positives = self._by_calibration_bin()
        return calibration_bins(counts, positives, self.sums, confidence=confidence)

    def metrics(self) -> Metrics:
        """AUC, average precision, KS, and what `probability_metrics` has."""
        result = Metrics(self.n)
        curve = self.curve()
        reason = self.why_no_ranks() or ""
        result.put("auc_roc", curve.auc(), reason)
        result.put("avg_precision", curve.average_precision(), reason)
        result.put("ks", curve.ks(), reason)
        result.take(self.probability_metrics())
        result.scores = self
        return result

    def probability_metrics(self) -> Metrics:
        """Log loss, Brier score, calibration error and ratio, and prevalence."""
        result = Metrics(self.n)
        if not self.n:
            for name in _OF_SUMS:
                result.put(name, None, "there are no rows")
            return result
        counts, positives = self._by_calibration_bin()
        expected = float(self.sums.sum())
        result.put("log_loss", self.sum_log_loss / self.n)
        result.put("brier", self.sum_brier / self.n)
        result.put("ece", calibration_error(counts, positives, self.sums))
        result.put("ece_null", calibration_null(counts, self.sums))
        result.put(
            "calibration_ratio",
            float(positives.sum()) / expected if expected else None,
            "all probabilities are 0",
        )
        result.put("prevalence", float(positives.sum()) / self.n)
        return result

    def why_no_ranks(self) -> str | None:
        """Why positives and negatives cannot be ranked against each other; None if they can."""
        if not self.n:
            return "there are no rows"
        if not self.positives.any():
            return "y_true has one class only: there are no positives"
        if not self.negatives.any():
            return "y_true has one class only: there are no negatives"
        return None

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON; bins without rows are left out."""
        filled = np.flatnonzero(self.positives + self.negatives)
        columns = (filled, self.positives[filled], self.negatives[filled])
        return {
            "bins": SCORE_BINS,
            "counts": [list(row) for row in zip(*(each.tolist() for each in columns), strict=True)],
            "sums": self.sums.tolist(),
            "sum_log_loss": self.sum_log_loss,
            "sum_brier": self.sum_brier,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ScoreHistogram:
        """What `as_dict` was made of.

        Raises:
            QueryError: It was counted in other bins, or is something else.
        """
        both = np.zeros((2, SCORE_BINS), dtype=np.int64)
        try:
            bins = document["bins"]
            for at, positives, negatives in document["counts"] if bins == SCORE_BINS else ():
                both[:, range(SCORE_BINS)[operator.index(at)]] = positives, negatives
            sums = np.array(document["sums"], dtype=float)
            losses = float(document["sum_log_loss"]), float(document["sum_brier"])
        except (IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise QueryError("these are no counts of scores", got=document) from error
        if bins != SCORE_BINS or sums.shape != (CALIBRATION_BINS,):
            raise QueryError("these scores were counted in other bins", got=bins, allowed="960")
        if both.min() < 0 or not np.isfinite([*sums, *losses]).all():
            raise QueryError("these counts of scores contradict themselves", got=document)
        return cls(both[0], both[1], sums, *losses)

    def _by_calibration_bin(self) -> tuple[np.ndarray, np.ndarray]:
        positives = self.positives.reshape(CALIBRATION_BINS, _EACH).sum(axis=1)
        return positives + self.negatives.reshape(CALIBRATION_BINS, _EACH).sum(axis=1), positives


_OF_SUMS = ("log_loss", "brier", "ece", "ece_null", "calibration_ratio", "prevalence")


def log_losses(is_positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """-log(probability of the true class) of each row, natural logarithm; shape (n,).

    A probability of 0 counts as the smallest step from 1 that its kind of float knows, 2e-16 for
    double precision, as in scikit-learn.
    """
    smallest = np.finfo(scores.dtype if scores.dtype.kind == "f" else float).eps
    of_true = np.where(is_positive, scores, 1 - scores)
    losses: np.ndarray = -np.log(np.clip(of_true, smallest, 1 - smallest))
    return losses
