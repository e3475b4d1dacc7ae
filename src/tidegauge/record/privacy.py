# SPDX-License-Identifier: Apache-2.0
"""What becomes of free text and of who a user is, before either reaches the disk."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Literal

from tidegauge.journal.permissions import create_directory, create_file

__all__ = ["KEEP_ALL", "PRIVACY_KEY", "Kept", "Privacy"]

#: What becomes of a text.
Kept = Literal["keep", "hash", "drop"]

#: Name of the file, in the store, with the key of its hashes.
PRIVACY_KEY = "privacy.key"

_KEY_BYTES = 32
_MARK = "h:"


class Privacy:
    """Keeps, hashes or drops texts. Thread-safe.

    A hash is keyed (BLAKE2b) with a secret of the store, made when it is first needed: equal texts
    have equal hashes in one store, and nobody without the key can try texts out.

    Args:
        free_text: What becomes of what people wrote.
        user_ids: What becomes of who they are.
        key_file: Where the key is.
    """

    def __init__(self, free_text: Kept, user_ids: Kept, key_file: Path | None = None) -> None:
        self._free_text = free_text
        self._user_ids = user_ids
        self._key_file = key_file
        self._key: bytes | None = None

    def text(self, text: str | None) -> str | None:
        """What may be kept of what somebody wrote.

        Raises:
            OSError: The store's key can be neither read nor made.
        """
        return self._kept(self._free_text, text)

    def user(self, user: str | None) -> str | None:
        """What may be kept of who somebody is.

        Raises:
            OSError: As for `text`.
        """
        return self._kept(self._user_ids, user)

    def forms(self, user: str) -> tuple[str, ...]:
        """Everything that a user may be known as in the store, under whatever settings.

        Raises:
            OSError: As for `text`.
        """
        has_key = self._key_file is not None and self._key_file.exists()
        return (user, self._hashed(user)) if has_key else (user,)

    def _kept(self, kept: Kept, text: str | None) -> str | None:
        if text is None or kept == "keep":
            return text
        return self._hashed(str(text)) if kept == "hash" else None

    def _hashed(self, text: str) -> str:
        if self._key is None:
            assert self._key_file is not None
            self._key = _key_of(self._key_file)
        import hashlib  # for who wants hashes only

        return _MARK + hashlib.blake2b(text.encode(), key=self._key, digest_size=16).hexdigest()


#: Nothing is hashed or dropped.
KEEP_ALL = Privacy("keep", "keep")


def _key_of(path: Path) -> bytes:
    """Read the key; make it if there is none. Of several processes that do, one wins."""
    if not path.exists():
        import secrets

        create_directory(path.parent)  # a user may be the first thing that a store hears of
        draft = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
        descriptor = create_file(draft)
        try:
            # Whoever may write the store may read it, and nobody else.
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o660)
            os.write(descriptor, secrets.token_bytes(_KEY_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_bytes()
