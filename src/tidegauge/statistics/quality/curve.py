# SPDX-License-Identifier: Apache-2.0
"""What cutting a score at each height does: ROC, precision and recall, thresholds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.quality.rates import ratio

__all__ = ["Curve", "Threshold", "exact_curve"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """What cutting a score at some height does.

    Attributes:
        threshold: Rows with this score or a higher one are taken for positive.
        precision: Share of those taken for positive that are; None if there are none.
        recall: Share of the positive that are found; None if there are none.
        specificity: Share of the negative that are not taken for positive; None if there are none.
        f1: 2 TP / (2 TP + FP + FN); None without positives.
        balanced_accuracy: Mean of recall and specificity.
        youden: Recall and specificity less 1.
        accuracy: Share of rows that are right.
        predicted_rate: Share of rows that are taken for positive.
    """

    threshold: float
    precision: float | None
    recall: float | None
    specificity: float | None
    f1: float | None
    balanced_accuracy: float | None
    youden: float | None
    accuracy: float | None
    predicted_rate: float | None

    def as_dict(self) -> dict[str, float | None]:
        """As a dictionary ready to be written as JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


_RATES = tuple(each.name for each in fields(Threshold))[1:]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Groups of rows whose scores count as one, from the highest to the lowest.

    A group is all rows of one score, or all of one bin; within it no order is known, and half of
    its pairs count as right.

    Attributes:
        cuts: The lowest score of each group; shape (n_groups,), descending.
        positives: How many positive rows each has.
        negatives: How many negative ones.
    """

    cuts: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray

    @property
    def n_positive(self) -> int:
        """Rows that are positive."""
        return int(self.positives.sum())

    @property
    def n_negative(self) -> int:
        """Rows that are negative."""
        return int(self.negatives.sum())

    def auc(self) -> float | None:
        """P(a positive scores higher than a negative) + ½ P(the same); None without both."""
        pairs = self.n_positive * self.n_negative
        if not pairs:
            return None
        above = np.cumsum(self.positives) - self.positives / 2
        return float((above * self.negatives).sum()) / pairs

    def auc_bound(self) -> float | None:
        """How far `auc` may be from that of the single scores, because groups are bins."""
        pairs = self.n_positive * self.n_negative
        return float((self.positives * self.negatives).sum()) / (2 * pairs) if pairs else None

    def average_precision(self) -> float | None:
        """Σ (Rₙ - Rₙ₋₁) Pₙ over the cuts; None without both kinds of rows."""
        if not self.n_positive or not self.n_negative:
            return None
        found, taken = self._found()
        return float((self.positives * ratio(found, taken, 0.0)).sum()) / self.n_positive

    def ks(self) -> float | None:
        """The largest distance of the two distributions (Kolmogorov and Smirnov)."""
        if not self.n_positive or not self.n_negative:
            return None
        found = np.cumsum(self.positives) / self.n_positive
        wrong = np.cumsum(self.negatives) / self.n_negative
        return float(np.abs(found - wrong).max())

    def table(self, *, most: int = 100) -> list[Threshold]:
        """Cuts over the whole range, from the highest, each after about as many rows.

        Args:
            most: Most cuts.
        """
        return self._thresholds(self.chosen(most))

    def best(self, by: str = "f1") -> Threshold | None:
        """The cut at which a rate is highest, the highest such cut; None if it is undefined.

        Args:
            by: A rate of `Threshold`.

        Raises:
            QueryError: There is no such rate.
        """
        if by not in _RATES:
            raise QueryError("a threshold has no such rate", got=by, allowed=", ".join(_RATES))
        values = self._rates()[by]
        if np.isnan(values).all():
            return None
        return self._thresholds([int(np.nanargmax(values))])[0]

    def at(self, threshold: float) -> Threshold:
        """What a cut does. Scores within one group are cut below it."""
        at = int(np.count_nonzero(self.cuts >= threshold)) - 1
        found = self._thresholds([at])[0] if at >= 0 else _nobody(self)
        return Threshold(threshold, *(getattr(found, name) for name in _RATES))

    def chosen(self, most: int) -> np.ndarray:
        """Numbers of groups over the whole range, not more than about `most`, the last included."""
        count = len(self.cuts)
        if count <= most:
            return np.arange(count)
        rows = np.cumsum(self.positives + self.negatives)
        found = np.cumsum(self.positives)
        by_rows = np.searchsorted(rows, np.linspace(0, rows[-1], most // 2 + 1)[1:])
        by_found = np.searchsorted(found, np.linspace(0, found[-1], most // 2 + 1)[1:])
        return np.unique(np.clip(np.concatenate([by_rows, by_found]), 0, count - 1))

    def _found(self) -> tuple[np.ndarray, np.ndarray]:
        """True positives, and all that are taken for positive, at each cut."""
        found = np.cumsum(self.positives)
        return found, found + np.cumsum(self.negatives)

    def _rates(self) -> dict[str, np.ndarray]:
        found, taken = self._found()
        n_positive, n_negative = self.n_positive, self.n_negative
        left = n_negative - (taken - found)
        recall = ratio(found, np.full(len(found), n_positive))
        specificity = ratio(left, np.full(len(found), n_negative))
        f1 = ratio(2 * found, taken + n_positive)
        total = n_positive + n_negative
        return {
            "precision": ratio(found, taken),
            "recall": recall,
            "specificity": specificity,
            "f1": f1 if n_positive else np.full(len(found), np.nan),
            "balanced_accuracy": (recall + specificity) / 2,
            "youden": recall + specificity - 1,
            "accuracy": (found + left) / total,
            "predicted_rate": taken / total,
        }

    def _thresholds(self, chosen: Iterable[int]) -> list[Threshold]:
        rates = self._rates().values()
        rows = ((self.cuts[at], *(values[at] for values in rates)) for at in chosen)
        return [
            Threshold(float(cut), *(None if math.isnan(each) else float(each) for each in row))
            for cut, *row in rows
        ]


def exact_curve(is_positive: np.ndarray, scores: np.ndarray) -> Curve:
    """The curve of single scores; rows with the same score are one group.

    Args:
        is_positive: Shape (n,), bool.
        scores: Shape (n,), finite.
    """
    order = np.argsort(scores)[::-1]
    ordered = scores[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    found = np.cumsum(is_positive[order])[ends]
    positives = np.diff(found, prepend=0)
    return Curve(ordered[ends], positives, np.diff(ends + 1, prepend=0) - positives)


def _nobody(curve: Curve) -> Threshold:
    """A cut above all scores."""
    recall = 0.0 if curve.n_positive else None
    specificity = 1.0 if curve.n_negative else None
    has_both = recall is not None and specificity is not None
    return Threshold(
        threshold=math.inf,
        precision=None,
        recall=recall,
        specificity=specificity,
        f1=recall,
        balanced_accuracy=0.5 if has_both else None,
        youden=0.0 if has_both else None,
        accuracy=curve.n_negative / (curve.n_positive + curve.n_negative),
        predicted_rate=0.0,
    )
