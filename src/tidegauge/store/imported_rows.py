# SPDX-License-Identifier: Apache-2.0
"""Which rows of other programs' files have been imported, so that none comes twice.

A row is known by its content together with its id and the time of its creation: the same row of a
file that has grown, was copied or was renamed is the same, and an id that is used again is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b

import msgspec

from tidegauge.store.state import State

__all__ = ["CONTENT_BYTES", "ImportedRows", "row_key"]

#: So many bytes of a key, from the first, are of the row's content.
CONTENT_BYTES = 10

_IDENTITY_BYTES = 6
_encode = msgspec.msgpack.Encoder().encode


def row_key(table: str, identity: Sequence[object], content: Sequence[object]) -> bytes:
    """The key of a row, 16 bytes. Those of rows with equal content begin alike.

    Args:
        table: Name of its table.
        identity: What tells it from other rows with the same content.
        content: Its cells.
    """
    return (
        blake2b(_bytes((table, *content)), digest_size=CONTENT_BYTES).digest()
        + blake2b(_bytes(identity), digest_size=_IDENTITY_BYTES).digest()
    )


class ImportedRows:
    """The rows that a store has imported.

    A row is doubted before it is recorded and settled afterwards. Whoever is killed in between
    leaves it in doubt: then the store knows whether it was recorded.

    Args:
        state: Where they are kept.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, keys: Iterable[bytes]) -> dict[bytes, bool]:
        """Those of some rows that are known, and whether each is in doubt."""
        question = "select in_doubt from imported_rows where key = ?"
        with self._state.transaction() as transaction:
            found = {key: transaction.fetch(question, (key,)) for key in keys}
        return {key: bool(rows[0][0]) for key, rows in found.items() if rows}

    def doubt(self, keys: Collection[bytes]) -> None:
        """Note that rows are about to be recorded."""
        self._note(keys, in_doubt=True)

    def settle(self, keys: Collection[bytes]) -> None:
        """Note that rows are recorded."""
        self._note(keys, in_doubt=False)

    def _note(self, keys: Collection[bytes], *, in_doubt: bool) -> None:
        if not keys:
            return
        with self._state.transaction() as transaction:
            transaction.execute_many(
                "insert or replace into imported_rows values (?, ?)",
                ((key, int(in_doubt)) for key in keys),
            )


def _bytes(cells: Sequence[object]) -> bytes:
    try:
        return _encode(cells)
    except UnicodeEncodeError:  # text that is no UTF-8; such a row is refused
        return repr(cells).encode()
