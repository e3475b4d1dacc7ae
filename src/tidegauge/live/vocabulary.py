# SPDX-License-Identifier: Apache-2.0
"""The vocabulary of live metrics: a catalogue, and what programs declared in the store."""

from __future__ import annotations

from tidegauge.catalog import Catalog
from tidegauge.model.spec import MetricSpec
from tidegauge.store.declared import declared_in
from tidegauge.store.state import State

__all__ = ["StoreCatalog"]


class StoreCatalog(Catalog):
    """A catalogue that looks into a store's state for metrics that it does not declare itself.

    Args:
        catalog: What it declares itself.
        state: Where to look for the rest.
    """

    __slots__ = ("_state",)

    def __init__(self, catalog: Catalog, state: State) -> None:
        super().__init__(
            catalog.metrics.values(), categories=catalog.categories, closed=catalog.closed
        )
        self._state = state

    def declared(self, name: str) -> MetricSpec | None:
        """As `Catalog.declared`, with what programs declared in the store.

        Raises:
            MetricValidationError: As `Catalog.declared`.
            StoreError: The state cannot be read.
        """
        return super().declared(name) or declared_in(self._state, name)
