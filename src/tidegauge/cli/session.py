# SPDX-License-Identifier: Apache-2.0
"""What one run of a command works with: its output, and the parts of the store it points to."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tidegauge.cli.output import Output
from tidegauge.model.errors import StoreError

if TYPE_CHECKING:
    from tidegauge.parts import Parts

__all__ = ["Session"]


class Session:
    """One run of a command.

    Args:
        store: The store given on the command line; None leaves it to the settings.
        as_json: Whether results are written as JSON.

    Attributes:
        output: Where results go.
        given: Settings given on the command line.
    """

    def __init__(self, *, store: Path | None, as_json: bool) -> None:
        self.output = Output(as_json=as_json)
        self.given: dict[str, object] = {} if store is None else {"store": str(store)}

    @cached_property
    def parts(self) -> Parts:
        """The parts of the store, which may not exist yet."""
        from tidegauge.config import assemble

        return assemble(**self.given)

    def close(self) -> None:
        """Close what the command has opened."""
        if "parts" in self.__dict__:
            self.parts.close()

    @property
    def existing(self) -> Parts:
        """The parts of a store that exists.

        Raises:
            StoreError: There is none: a mistyped path must not look like an empty store.
        """
        root = self.parts.root
        if self.parts.settings.tables_uri is None and not any(
            (root / name).is_dir() for name in ("journal", "tables")
        ):
            raise _no_store(root)
        return self.parts


def _no_store(root: Path) -> StoreError:
    return StoreError(
        "there is no store here",
        got=str(root),
        allowed="a directory that a program has recorded to",
        fix="Point to it with --store or TIDEGAUGE_STORE, or record something first.",
    )
