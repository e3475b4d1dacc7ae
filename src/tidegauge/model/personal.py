# SPDX-License-Identifier: Apache-2.0
"""Where facts may say who a user is, and what users wrote."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

__all__ = ["FREE_TEXT", "USER_COLUMN", "USER_LABELS", "names_user"]

#: The column that says who a user is, in the tables that have one.
USER_COLUMN = "user_id"

#: The labels, and the keys of metadata, that say it.
USER_LABELS = ("user", "user_id")

#: The columns with what people wrote.
FREE_TEXT = ("feedback", "error_message", "prompt", "response")


def names_user(metadata_json: str, forms: Collection[str]) -> bool:
    """Whether the metadata of a fact say that it is about a user.

    Args:
        metadata_json: The metadata.
        forms: What the user is known as.
    """
    try:
        metadata = msgspec.json.decode(metadata_json)
    except msgspec.DecodeError:  # of another program
        return False
    return isinstance(metadata, dict) and any(
        str(metadata[name]) in forms for name in USER_LABELS if name in metadata
    )
