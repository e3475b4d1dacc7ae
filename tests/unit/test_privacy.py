# SPDX-License-Identifier: Apache-2.0
"""Free text and users, kept, hashed or dropped before they reach the disk."""

from __future__ import annotations

import stat
import threading
from pathlib import Path
from typing import Any

import pytest

import tidegauge as tg
from tidegauge.integrations.feature_records import FeatureRecords
from tidegauge.model.errors import StoreError
from tidegauge.record.privacy import KEEP_ALL, PRIVACY_KEY, Kept, Privacy
from tidegauge.testing import capture

TEXT = "it was slow"


@pytest.fixture
def key_file(store_dir: Path) -> Path:
    """Where the key of a store is, which does not exist yet."""
    return store_dir / PRIVACY_KEY


def test_by_default_everything_is_kept() -> None:
    """No key is needed for that."""
    assert (KEEP_ALL.text(TEXT), KEEP_ALL.user("u"), KEEP_ALL.forms("u")) == (TEXT, "u", ("u",))


def test_text_and_users_are_settled_apart(key_file: Path) -> None:
    """One may be dropped while the other is kept."""
    privacy = Privacy("drop", "keep", key_file)
    assert (privacy.text(TEXT), privacy.user("u")) == (None, "u")
    privacy = Privacy("keep", "drop", key_file)
    assert (privacy.text(TEXT), privacy.user("u")) == (TEXT, None)
    assert not key_file.exists()


def test_equal_texts_have_equal_hashes_in_a_store(key_file: Path) -> None:
    """In every process of it, and for texts of every kind; the text is not in the hash."""
    ours, theirs = (Privacy("hash", "hash", key_file) for _ in range(2))
    for text in (TEXT, "", "ü" * 100_000, "\ud800"):
        hashed = ours.text(text)
        assert hashed == theirs.user(text)
        assert hashed is not None
        assert (hashed[:2], len(hashed)) == ("h:", 34)
    assert ours.user("u") != ours.user("v")


def test_another_store_has_other_hashes(key_file: Path, tmp_path: Path) -> None:
    """So that nobody can follow a user from one to the next."""
    other = Privacy("hash", "hash", tmp_path / "other" / PRIVACY_KEY)
    assert Privacy("hash", "hash", key_file).user("u") != other.user("u")


@pytest.mark.parametrize("kept", ["keep", "hash", "drop"])
@pytest.mark.parametrize("text", [None, 7, b"u"])
def test_what_is_no_text_is_left_to_who_records(kept: Kept, text: Any, key_file: Path) -> None:
    """It is refused under every setting, and not only under one."""
    assert Privacy(kept, kept, key_file).user(text) is text


def test_a_user_may_be_known_under_two_names(key_file: Path) -> None:
    """Plainly, from before the setting was changed, and by the hash."""
    privacy = Privacy("keep", "keep", key_file)
    assert privacy.forms("u") == ("u",)
    hashed = Privacy("keep", "hash", key_file).user("u")
    assert privacy.forms("u") == ("u", hashed)


def test_the_key_is_for_whoever_may_write_the_store(key_file: Path) -> None:
    """And for nobody else; it is made once, whole, and leaves nothing behind."""
    key_file.parent.mkdir(mode=0o770)
    key_file.parent.chmod(0o770)
    hashes = set()
    makers = [
        threading.Thread(target=lambda: hashes.add(Privacy("keep", "hash", key_file).user("u")))
        for _ in range(8)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(hashes) == 1
    assert [each.name for each in key_file.parent.iterdir()] == [PRIVACY_KEY]
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o660
    assert len(key_file.read_bytes()) == 32


@pytest.mark.parametrize("key", [b"", b"short", b"x" * 33])
def test_a_damaged_key_hashes_nothing(key_file: Path, key: bytes) -> None:
    """An empty one least of all, for texts could be tried out without it."""
    key_file.parent.mkdir()
    key_file.write_bytes(key)
    with pytest.raises(StoreError) as raised:
        Privacy("hash", "hash", key_file).text(TEXT)
    assert str(raised.value) == (
        f"what is to be hashed cannot be: the store's key is not to be had (it has {len(key)} "
        f"bytes instead of 32); got '{key_file}'. Make the file readable, or restore it from a "
        "backup: with another key the same user has another hash. Until then such facts are "
        "dropped and counted."
    )


def test_a_key_that_cannot_be_read_says_so(key_file: Path) -> None:
    """With the reason of the system."""
    key_file.mkdir(parents=True)
    with pytest.raises(StoreError, match="Is a directory"):
        Privacy("hash", "hash", key_file).text(TEXT)


@pytest.mark.parametrize("strict", [True, False])
def test_a_fact_that_cannot_be_hashed_is_dropped(
    key_file: Path, caplog: pytest.LogCaptureFixture, *, strict: bool
) -> None:
    """It is counted as unavailable, in strict mode too, as where the journal cannot be written."""
    key_file.parent.mkdir()
    key_file.write_bytes(b"")
    with capture(strict=strict) as captured:
        tg.configure(store=key_file.parent, strict=strict, follower="off", user_ids="hash")
        FeatureRecords().record_feature_usage("f", "a", user="anna")
        FeatureRecords().record_feature_usage("f", "a")
        found = tg.sql("SELECT user_id FROM feature_usage").fetchall()
    assert captured.facts == []
    assert found == [(None,)]
    assert "dropped 'feature_usage' (unavailable): what is to be hashed cannot be" in caplog.text
    assert "anna" not in caplog.text
