# SPDX-License-Identifier: Apache-2.0
"""Where changes of the tables leave word of themselves while they are made."""

from __future__ import annotations

from pathlib import Path

__all__ = ["INTENTS", "open_intents"]

#: Directory, in the store, of the changes that were begun.
INTENTS = "corrections"


def open_intents(root: Path) -> list[Path]:
    """The files of changes that are being made, or were cut short, in the store at `root`."""
    return sorted((root / INTENTS).glob("*.json"))
