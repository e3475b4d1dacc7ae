# SPDX-License-Identifier: Apache-2.0
"""What programs declared while they ran, kept in the state of a store.

A process that reads the store has not imported those programs. Here it finds what their metrics
are. A declaration is written before the first fact of its metric, so whoever has the fact has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from tidegauge.model.spec import MetricSpec
from tidegauge.store.state import State

__all__ = ["declared_in", "keep_declared"]

_NAMESPACE = "declared"
_decode = msgspec.json.Decoder(MetricSpec).decode


def keep_declared(root: Path, specs: Iterable[MetricSpec]) -> None:
    """Write declarations into the state of the store at `root`, where they are not there yet.

    Where a metric is there and declared in another way, such as by an older version of the
    program, the new declaration takes its place.

    Raises:
        StoreError: The state cannot be read or written.
    """
    state = State(root / "state.db")
    try:
        texts = {spec.name: msgspec.json.encode(spec).decode() for spec in specs}
        # Nearly always they are there: then nothing has to wait for whoever writes.
        new = [name for name in texts if state.value(_NAMESPACE, name) != texts[name]]
        if new:
            with state.transaction() as transaction:
                for name in new:
                    transaction.set_value(_NAMESPACE, name, texts[name])
    finally:
        state.close()


def declared_in(state: State, metric: str) -> MetricSpec | None:
    """What a program declared of a metric; None if nothing, or in a way not known here.

    Raises:
        StoreError: The state cannot be read.
    """
    text = state.value(_NAMESPACE, metric)
    try:
        return None if text is None else _decode(text)
    except msgspec.DecodeError:  # of a later version
        return None
