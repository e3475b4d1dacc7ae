# SPDX-License-Identifier: Apache-2.0
"""What becomes of free text and of who a user is, before either reaches the disk."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Literal

from tidegauge.journal.permissions import create_directory, create_file
from tidegauge.model.errors import StoreError

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
    have equal hashes in one store, and nobody without the key can try texts out. What is no text
    is not touched: it is for recording to refuse, whatever the settings are.

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

    @property
    def keeps_all(self) -> bool:
        """Whether nothing is hashed or dropped."""
        return self._free_text == self._user_ids == "keep"

    def text(self, text: str | None) -> str | None:
        """What may be kept of what somebody wrote.

        Raises:
            StoreError: The store's key can be neither read nor made.
        """
        return self._kept(self._free_text, text)

    def user(self, user: str | None) -> str | None:
        """What may be kept of who somebody is.

        Raises:
            StoreError: As for `text`.
        """
        return self._kept(self._user_ids, user)

    def forms(self, user: str) -> tuple[str, ...]:
        """Everything that a user may be known as in the store, under whatever settings.

        Raises:
            StoreError: As for `text`.
        """
        has_key = self._key_file is not None and self._key_file.exists()
        return (user, self._hashed(user)) if has_key else (user,)

    def _kept(self, kept: Kept, text: str | None) -> str | None:
        if kept == "keep" or not isinstance(text, str):
            return text
        return self._hashed(text) if kept == "hash" else None

    def _hashed(self, text: str) -> str:
        if self._key is None:
            assert self._key_file is not None
            self._key = _key_of(self._key_file)
        import hashlib  # for who wants hashes only

        data = str.__str__(text).encode(errors="surrogatepass")
        return _MARK + hashlib.blake2b(data, key=self._key, digest_size=16).hexdigest()


#: Nothing is hashed or dropped.
KEEP_ALL = Privacy("keep", "keep")


def _key_of(path: Path) -> bytes:
    """Read the key; make it if there is none."""
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise _no_key(path, str(error)) from error
    if len(key) != _KEY_BYTES:  # and a hash without a key can be undone by trying texts out
        raise _no_key(path, f"it has {len(key)} bytes instead of {_KEY_BYTES}")
    return key


def _make_key(path: Path) -> None:
    """Make a key. Of several processes that do, one wins."""
    import secrets

    create_directory(path.parent)
    draft = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = create_file(draft)
    try:
        # Whoever may write the store may read it, and nobody else.
        os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o660)
        os.write(descriptor, secrets.token_bytes(_KEY_BYTES))
        os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.close(descriptor)
        draft.unlink()


def _no_key(path: Path, problem: str) -> StoreError:
    return StoreError(
        f"what is to be hashed cannot be: the store's key is not to be had ({problem})",
        got=str(path),
        fix="Make the file readable, or restore it from a backup: with another key the same user "
        "has another hash. Until then such facts are dropped and counted.",
    )
