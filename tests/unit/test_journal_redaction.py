# SPDX-License-Identifier: Apache-2.0
"""Blanking a user in the files of a slot: no damage, no position moved, nobody else touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegauge.journal.reader import Journal, SlotReader
from tidegauge.journal.redaction import redact_slot
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey

ALICE = "alice-ä-8f3d"
PLAIN = SeriesKey.of("", {"service": "s"})
LABELLED = SeriesKey.of("", {"service": "s", "user": ALICE})
OPINION: dict[str, object] = {"feature": "f", "score": 0.5, "feedback": "glad", "user_id": ALICE}
FOR_EVER = 1 << 60


@pytest.fixture
def writer(store_dir: Path) -> JournalWriter:
    """A writer into a new journal."""
    return JournalWriter(store_dir / "journal")


def slot_of(writer: JournalWriter) -> SlotReader:
    """A reader of the writer's slot that knows nothing yet."""
    (slot,) = Journal(writer.root).slots()
    return slot


def test_what_names_a_user_is_blanked(writer: JournalWriter) -> None:
    """User, text and metadata have fillers of their length; numbers and names stay."""
    metadata = f'{{"user":"{ALICE}","n":1}}'
    writer.put_event("user_satisfaction", PLAIN, 1, dict(OPINION))
    writer.put_event("user_satisfaction", PLAIN, 2, OPINION | {"user_id": "bob"})
    writer.put_event("points", PLAIN, 3, {"value": 0.5, "metadata": metadata})
    writer.put_event("errors", LABELLED, 4, {"feature": "f", "error_message": "it broke"})
    before = slot_of(writer).events(0)
    assert redact_slot(slot_of(writer).directory, {ALICE}, stored_events=before.end) == 4
    after = slot_of(writer).events(0)
    assert (after.end, after.damaged, after.ordinal) == (before.end, 0, 4)
    first, second, third, fourth = after.records
    stars = "*" * len(ALICE.encode())
    assert first.columns == OPINION | {"feedback": "****", "user_id": stars}
    assert second.columns == OPINION | {"user_id": "bob"}
    assert third.columns == {
        "value": 0.5,
        "metadata": "{" + " " * (len(metadata.encode()) - 2) + "}",
    }
    assert fourth.columns == {"feature": "f", "error_message": "********"}
    assert slot_of(writer).series(fourth.series) == PLAIN


def test_what_is_not_stored_yet_stays(writer: JournalWriter) -> None:
    """Only labels go from facts behind the position."""
    writer.put_event("user_satisfaction", PLAIN, 1, dict(OPINION))
    end = slot_of(writer).end_events()
    writer.put_event("user_satisfaction", LABELLED, 2, dict(OPINION))
    assert redact_slot(slot_of(writer).directory, {ALICE}, stored_events=end) == 2
    last = slot_of(writer).events(0).records[-1]
    assert last.columns == OPINION
    assert slot_of(writer).series(last.series) == PLAIN


def test_ids_and_vectors_stay(writer: JournalWriter) -> None:
    """Each id means what it meant, without the label; new ones go behind all old ones."""
    keys = [SeriesKey.of("custom:a", {"user": user}) for user in (ALICE, "bob")]
    ids = [writer.series_id(key) for key in keys]
    vector = writer.vector_id(keys)
    assert writer.put_batch(vector, writer.generation, [1.0, 2.0], 1, None)
    writer.close()
    redact_slot(slot_of(writer).directory, {ALICE}, stored_events=0)
    slot = slot_of(writer)
    assert [slot.series(each) for each in ids] == [SeriesKey("custom:a"), keys[1]]
    assert [event.series for event in slot.events(0).records] == ids
    again = JournalWriter(writer.root)
    assert again.series_id(keys[1]) == ids[1]
    assert again.series_id(keys[0]) > vector
    again.close()


def test_a_second_time_there_is_nothing_to_do(writer: JournalWriter) -> None:
    """Not even for a user who was never there."""
    writer.put_event("user_satisfaction", LABELLED, 1, dict(OPINION))
    directory = slot_of(writer).directory
    assert redact_slot(directory, {"carol"}, stored_events=FOR_EVER) == 0
    assert redact_slot(directory, {ALICE}, stored_events=FOR_EVER) == 2
    assert redact_slot(directory, {ALICE}, stored_events=FOR_EVER) == 0


def test_files_that_are_not_there(tmp_path: Path) -> None:
    """A slot of which nothing is left has nothing to blank."""
    assert redact_slot(tmp_path, {ALICE}, stored_events=FOR_EVER) == 0
