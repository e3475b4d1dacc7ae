# SPDX-License-Identifier: Apache-2.0
"""Sums of errors of predicted numbers: all that most metrics of regression are made of."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.quality.arrays import LARGEST, numbers
from tidegauge.statistics.quality.metrics import Metrics

__all__ = ["ErrorSums"]


@dataclass(frozen=True, slots=True)
class ErrorSums:
    """Sums over rows. Those of two minutes add up to those of both.

    An error is the predicted value less the true one. The spread of the true values is kept as
    squares around their mean, as the difference of two large sums would lose its digits.

    Attributes:
        n: How many rows.
        sum_error: Sum of the errors.
        sum_abs: Sum of their sizes.
        sum_squares: Sum of their squares.
        sum_abs_true: Sum of the sizes of the true values.
        sum_relative: Sum of |error| / |true value|, of rows that are not in `n_zero`.
        sum_symmetric: Sum of 2 |error| / (|true| + |predicted|), 0 where both are 0.
        n_zero: Rows whose true value is 0, or below 1e-100.
        mean_true: Mean of the true values.
        squares_true: Sum of their squared distances from it.
        min_true: The smallest; infinite without rows.
        max_true: The largest.
    """

    n: int = 0
    sum_error: float = 0.0
    sum_abs: float = 0.0
    sum_squares: float = 0.0
    sum_abs_true: float = 0.0
    sum_relative: float = 0.0
    sum_symmetric: float = 0.0
    n_zero: int = 0
    mean_true: float = 0.0
    squares_true: float = 0.0
    min_true: float = math.inf
    max_true: float = -math.inf

    @classmethod
    def of(cls, y_true: Any, y_pred: Any) -> ErrorSums:
        """Sum up.

        Args:
            y_true: True values; shape (n,).
            y_pred: Predicted values.

        Raises:
            QueryError: A value is missing or infinite, or the columns differ in length.
        """
        true = numbers(y_true, "y_true")
        return cls.of_numbers(true, numbers(y_pred, "y_pred", n=len(true)))

    @classmethod
    def of_numbers(cls, true: np.ndarray, predicted: np.ndarray) -> ErrorSums:
        """Sum up checked arrays; shape (n,) each, float64."""
        error = predicted - true
        size, size_true = np.abs(error), np.abs(true)
        is_zero = size_true < 1 / LARGEST
        both = size_true + np.abs(predicted)
        relative = np.divide(size, size_true, out=np.zeros_like(size), where=~is_zero)
        mean = float(true.mean())
        return cls(
            n=len(true),
            sum_error=float(error.sum()),
            sum_abs=float(size.sum()),
            sum_squares=float(error @ error),
            sum_abs_true=float(size_true.sum()),
            sum_relative=float(relative.sum()),
            sum_symmetric=float(
                np.divide(2 * size, both, out=np.zeros_like(size), where=both > 0).sum()
            ),
            n_zero=int(np.count_nonzero(is_zero)),
            mean_true=mean,
            squares_true=float(np.square(true - mean).sum()),
            min_true=float(true.min()),
            max_true=float(true.max()),
        )

    def __add__(self, other: ErrorSums) -> ErrorSums:
        return self.merged(other)

    def merged(self, other: ErrorSums) -> ErrorSums:
        """The sums of both."""
        n = self.n + other.n
        if not n:
            return self
        apart = other.mean_true - self.mean_true
        return ErrorSums(
            n=n,
            **{name: getattr(self, name) + getattr(other, name) for name in _PLAIN},
            mean_true=self.mean_true + apart * (other.n / n),
            squares_true=(
                self.squares_true + other.squares_true + apart**2 * (self.n * other.n / n)
            ),
            min_true=min(self.min_true, other.min_true),
            max_true=max(self.max_true, other.max_true),
        )

    def metrics(self) -> Metrics:
        """MAE, MSE, RMSE, R², MAPE in percent, WAPE, sMAPE and bias."""
        result = Metrics(self.n)
        if not self.n:
            for name in _METRICS:
                result.put(name, None, "there are no rows")
            return result
        mse = self.sum_squares / self.n
        result.put("mae", self.sum_abs / self.n)
        result.put("mse", mse)
        result.put("rmse", math.sqrt(mse))
        why_no_r2 = self.why_no_r2()
        result.put(
            "r2", None if why_no_r2 else 1 - self.sum_squares / self.squares_true, why_no_r2 or ""
        )
        result.put(
            "mape",
            None if self.n_zero else 100 * self.sum_relative / self.n,
            f"{self.n_zero} of {self.n} true values are 0; see wape",
        )
        result.put(
            "wape",
            None if self.n_zero == self.n else self.sum_abs / self.sum_abs_true,
            "all true values are 0",
        )
        result.put("smape", self.sum_symmetric / self.n)
        result.put("bias", self.sum_error / self.n)
        return result

    def why_no_r2(self) -> str | None:
        """Why there is no share of variance that could be explained; None if there is."""
        if self.n < 2:
            return "one row has no variance that could be explained"
        if self.min_true == self.max_true or self.squares_true == 0:
            return f"all true values are {self.min_true:g}: there is no variance to be explained"
        return None

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON; what is infinite is None."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value if math.isfinite(value) else None for name, value in values.items()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ErrorSums:
        """What `as_dict` was made of.

        Raises:
            QueryError: It is something else.
        """
        try:
            is_empty = all(document[name] is None for name in _ENDS)
            names = [name for name in cls.__slots__ if not (is_empty and name in _ENDS)]
            known: dict[str, Any] = {name: _READ.get(name, float)(document[name]) for name in names}
            sums = cls(**known)
        except (KeyError, TypeError, ValueError) as error:
            raise QueryError("these are no sums of errors", got=document) from error
        if not 0 <= sums.n_zero <= sums.n or is_empty != (sums.n == 0):
            raise QueryError("these sums contradict themselves", got=document)
        return sums


_ENDS = ("min_true", "max_true")
_READ: dict[str, Callable[[Any], float]] = {"n": operator.index, "n_zero": operator.index}
_METRICS = ("mae", "mse", "rmse", "r2", "mape", "wape", "smape", "bias")
_PLAIN = (
    "sum_error",
    "sum_abs",
    "sum_squares",
    "sum_abs_true",
    "sum_relative",
    "sum_symmetric",
    "n_zero",
)
