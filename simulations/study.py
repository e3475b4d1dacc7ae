# SPDX-License-Identifier: Apache-2.0
"""The result of a study: a table of figures, some of which have to lie within limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Row", "Study", "Table", "autoregressive"]


@dataclass(frozen=True, slots=True)
class Row:
    """One method.

    Attributes:
        method: Its name.
        figures: One per column.
        least: No figure may be below this; None if there is no such limit.
        most: No figure may be above this.
    """

    method: str
    figures: tuple[float, ...]
    least: float | None = None
    most: float | None = None


@dataclass(slots=True)
class Table:
    """What a study found.

    Attributes:
        about: One or two sentences: what was simulated, how often, and what a figure is.
        columns: Headings, one per figure of a row.
        digits: Decimal places with which figures are shown.
        rows: The methods, ours and the naive ones.
    """

    about: str
    columns: tuple[str, ...]
    digits: int = 3
    rows: list[Row] = field(default_factory=list)

    def add(
        self,
        method: str,
        figures: Sequence[float],
        *,
        least: float | None = None,
        most: float | None = None,
    ) -> None:
        """Add a method."""
        if len(figures) != len(self.columns):
            raise ValueError(f"{method}: {len(figures)} figures, {len(self.columns)} columns")
        self.rows.append(Row(method, tuple(float(each) for each in figures), least, most))

    def broken(self) -> list[str]:
        """A line for each figure that is outside its limits; what is not a number is outside."""
        return [
            f"{row.method}, {column}: {figure:.{self.digits}f}, allowed {row.least} to {row.most}"
            for row in self.rows
            for column, figure in zip(self.columns, row.figures, strict=True)
            if not (
                (row.least is None or figure >= row.least)
                and (row.most is None or figure <= row.most)
            )
            and (row.least is not None or row.most is not None)
        ]

    def markdown(self) -> str:
        """As a table of Markdown, with the limits of those rows that have some."""
        lines = [
            "| | " + " | ".join(self.columns) + " | limit |",
            "|---|" + "---:|" * len(self.columns) + "---|",
        ]
        for row in self.rows:
            figures = " | ".join(f"{each:.{self.digits}f}" for each in row.figures)
            lines.append(f"| {row.method} | {figures} | {_limit(row)} |")
        return "\n".join(lines) + "\n"


Study = Callable[[], Table]


def autoregressive(
    rng: np.random.Generator, phi: float, length: int, *, count: int = 1, burn_in: int = 200
) -> np.ndarray:
    """Gaussian AR(1) series with variance 1; shape (count, length).

    Args:
        rng: Where the noise is from.
        phi: How strongly each value follows the one before, -1 to 1, exclusive.
        length: Values of each.
        count: How many independent series.
        burn_in: Values that are thrown away at the beginning.
    """
    noise = rng.normal(size=(count, length + burn_in)) * np.sqrt(1 - phi**2)
    series = np.empty_like(noise)
    series[:, 0] = noise[:, 0]
    for step in range(1, noise.shape[1]):
        series[:, step] = phi * series[:, step - 1] + noise[:, step]
    kept: np.ndarray = series[:, burn_in:]
    return kept


def _limit(row: Row) -> str:
    if row.least is not None and row.most is not None:
        return f"{row.least:g} to {row.most:g}"
    if row.least is not None:
        return f"≥ {row.least:g}"
    return f"≤ {row.most:g}" if row.most is not None else ""
