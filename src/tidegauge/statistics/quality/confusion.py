# SPDX-License-Identifier: Apache-2.0
"""How often each class was taken for each: all that accuracy, F1 and the like are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.given import is_share
from tidegauge.statistics.quality.arrays import Coded, Label, array_of, check_length, code_labels
from tidegauge.statistics.quality.metrics import Metrics
from tidegauge.statistics.quality.rates import AVERAGES, Average, class_rates, rates

__all__ = ["ConfusionCounts", "check_average", "check_zero_division", "positive_index"]


@dataclass(frozen=True, slots=True)
class ConfusionCounts:
    """Counts of true and predicted classes. Those of two minutes add up to those of both.

    Attributes:
        classes: The classes.
        counts: A row per true class, a column per predicted one.
        positive: The positive class, if there are two classes; None otherwise.

    Example:
        >>> first = ConfusionCounts.of(["cat", "dog"], ["cat", "cat"])
        >>> both = first + ConfusionCounts.of(["dog"], ["dog"], labels=["cat", "dog"])
        >>> both.counts
        ((1, 0), (1, 1))
    """

    classes: tuple[Label, ...]
    counts: tuple[tuple[int, ...], ...]
    positive: Label | None = None

    @classmethod
    def of(
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        labels: Sequence[Label] | None = None,
        positive: Label | None = None,
    ) -> ConfusionCounts:
        """Count.

        Args:
            y_true: True classes; shape (n,).
            y_pred: Predicted classes.
            labels: All classes; those that occur if None.
            positive: The positive one of two classes; the last one if None.

        Raises:
            QueryError: The columns cannot be compared.
        """
        true, predicted = array_of(y_true, "y_true"), array_of(y_pred, "y_pred")
        check_length(predicted, "y_pred", len(true))
        coded = code_labels([true, predicted], ["y_true", "y_pred"], labels=labels)
        return cls.of_codes(coded, positive=positive)

    @classmethod
    def of_codes(cls, coded: Coded, *, positive: Label | None = None) -> ConfusionCounts:
        """Count labels that are numbers: the first column is true, the second is predicted."""
        size = len(coded.names)
        true, predicted = coded.codes
        cells = np.bincount(true * size + predicted, minlength=size * size)
        at = positive_index(coded.names, positive)
        return cls(
            coded.names,
            tuple(map(tuple, cells.reshape(size, size).tolist())),
            None if at is None else coded.names[at],
        )

    @property
    def array(self) -> np.ndarray:
        """The counts; shape (n_classes, n_classes), int64."""
        size = len(self.classes)
        return np.array(self.counts, dtype=np.int64).reshape(size, size)

    @property
    def n(self) -> int:
        """How many rows were counted."""
        return int(self.array.sum())

    def __add__(self, other: ConfusionCounts) -> ConfusionCounts:
        return self.merged(other)

    def merged(self, other: ConfusionCounts) -> ConfusionCounts:
        """The counts of both. A class that only one of them has is kept.

        Raises:
            QueryError: They have the same two classes, and another one of them is positive.
        """
        if set(self.classes) == set(other.classes) and self.positive != other.positive:
            raise QueryError(
                "these counts have different positive classes",
                got=f"{self.positive!r} and {other.positive!r}",
            )
        if self.classes == other.classes:
            sums = (self.array + other.array).tolist()
            return ConfusionCounts(self.classes, tuple(map(tuple, sums)), self.positive)
        known = dict.fromkeys((*self.classes, *other.classes))
        classes = tuple(sorted(known, key=lambda each: (type(each).__name__, each)))
        total = np.zeros((len(classes), len(classes)), dtype=np.int64)
        for each in (self, other):
            at = [classes.index(name) for name in each.classes]
            total[np.ix_(at, at)] += each.array
        at_positive = positive_index(classes, _agreed(self.positive, other.positive, classes))
        return ConfusionCounts(
            classes,
            tuple(map(tuple, total.tolist())),
            None if at_positive is None else classes[at_positive],
        )

    def metrics(
        self, *, average: Average = "weighted", zero_division: float | None = None
    ) -> Metrics:
        """Accuracy, precision, recall, F1, balanced accuracy, MCC, and with two classes more.

        Args:
            average: How precision, recall and F1 of classes become one number: `weighted` by how
                often a class is true, `macro`, `micro`, or `binary`, that of the positive class.
            zero_division: What 0/0 counts as; None makes it None, with a reason.

        Raises:
            QueryError: There is no such average, or no positive class for `binary`.
        """
        at = None if self.positive is None else self.classes.index(self.positive)
        check_average(average, at)
        check_zero_division(zero_division)
        found = rates(self.array, average=average, positive=at, zero_division=zero_division)
        result = Metrics(self.n)
        for name, value in found.items():
            result.put(name, float(value), self._why_not(name, average) if np.isnan(value) else "")
        result.confusion = self
        result.per_class = self._per_class(zero_division)
        return result

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON."""
        return {
            "classes": list(self.classes),
            "counts": [list(row) for row in self.counts],
            "positive": self.positive,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ConfusionCounts:
        """What `as_dict` was made of.

        Raises:
            QueryError: It is something else.
        """
        try:
            classes, positive = tuple(document["classes"]), document["positive"]
            counts = tuple(map(tuple, document["counts"]))
            is_table = len(set(classes)) == len(counts)
        except (KeyError, TypeError) as error:
            raise QueryError("these are no counts of classes", got=document) from error
        is_table &= {len(row) for row in counts} <= {len(classes)} == {len(counts)}
        if not is_table or any(type(each) is not int or each < 0 for row in counts for each in row):
            raise QueryError(
                "these are no counts of classes",
                got=document,
                allowed="a row and a column per class, whole numbers of 0 or more",
            )
        if positive is not None:
            positive_index(classes, positive)
        return cls(classes, counts, positive)

    def _per_class(self, zero_division: float | None) -> dict[Label, Metrics]:
        array = self.array
        by_class = class_rates(array, zero_division=zero_division)
        support, predicted = array.sum(axis=1), array.sum(axis=0)
        n, table = int(array.sum()), {}
        for at, label in enumerate(self.classes):
            row = Metrics(n)
            for name, values in by_class.items():
                row.put(name, float(values[at]), _why_not_of(name, label))
            row.put("support", float(support[at]))
            row.put("predicted", float(predicted[at]))
            table[label] = row
        return table

    def _why_not(self, name: str, average: Average) -> str:
        support, predicted = self.array.sum(axis=1), self.array.sum(axis=0)
        if name in ("balanced_accuracy", "mcc") and np.count_nonzero(support) < 2:
            return f"y_true has one class only, {self.classes[int(support.argmax())]!r}"
        if name == "mcc":
            return f"only the class {self.classes[int(predicted.argmax())]!r} was predicted"
        if name in ("precision", "recall", "f1") and average != "binary":
            counted = predicted if name == "precision" else support
            is_there = support > 0 if average == "weighted" else support + predicted > 0
            at = int(np.flatnonzero(is_there & (counted == 0))[0])
            return _why_not_of(name, self.classes[at])
        label = self.positive
        if name == "specificity":
            label = next(each for each in self.classes if each != self.positive)
        if name in ("f1", "f1_positive"):  # without a positive there is nothing to be found
            name = "recall"
        return _why_not_of(name.removesuffix("_positive"), label)


def check_average(average: str, positive: int | None) -> None:
    """Refuse an average that is none.

    Raises:
        QueryError: There is no such average, or no positive class for `binary`.
    """
    if average not in AVERAGES:
        raise QueryError("this is no average", got=average, allowed=", ".join(AVERAGES))
    if average == "binary" and positive is None:
        raise QueryError(
            "there is no positive class without two classes",
            got=average,
            allowed="weighted, macro, micro",
        )


def check_zero_division(zero_division: object) -> None:
    """Refuse what 0/0 cannot count as.

    Raises:
        QueryError: It is neither None nor a number from 0 to 1.
    """
    if zero_division is not None and not is_share(zero_division):
        raise QueryError(
            "zero_division is what 0/0 counts as",
            got=zero_division,
            allowed="0 to 1; None for undefined",
        )


def positive_index(classes: Sequence[Label], positive: Label | None) -> int | None:
    """The number of the positive class; None if there are not two classes.

    Args:
        classes: All classes.
        positive: The positive one; the last one if None, as for scikit-learn.

    Raises:
        QueryError: It is not one of them, or one was named and there are not two.
    """
    if positive is None:
        return 1 if len(classes) == 2 else None
    if len(classes) != 2:
        raise QueryError(
            "only one of two classes can be the positive one",
            got=f"{len(classes)} classes",
            fix="Name both with `labels` if one does not occur; of more, see per_class.",
        )
    for at, label in enumerate(classes):
        if label == positive:
            return at
    raise QueryError(
        "the positive class is not one of the classes",
        got=positive,
        allowed=", ".join(map(repr, classes)),
    )


def _agreed(first: Label | None, second: Label | None, classes: Sequence[Label]) -> Label | None:
    """The positive class that both agree on, as far as one is known and there are two."""
    told = {each for each in (first, second) if each is not None}
    return told.pop() if len(told) == 1 and len(classes) == 2 else None


def _why_not_of(name: str, label: Label | None) -> str:
    match name:
        case "precision":
            return f"the class {label!r} was never predicted"
        case "f1":
            return f"the class {label!r} is neither in y_true nor in y_pred"
        case _:
            return f"the class {label!r} is not in y_true"
