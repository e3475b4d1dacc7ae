# SPDX-License-Identifier: Apache-2.0
"""What becomes of live totals over saves, drains, damage, other processes and other catalogues."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidegauge.catalog import Catalog, builtin_catalog
from tidegauge.live import live as live_module
from tidegauge.live.state_file import HEAD, MAGIC
from tidegauge.model.spec import Kind, MetricSpec
from tidegauge.model.zones import zone_of
from tidegauge.store.daily import aggregate_stale_days
from tidegauge.store.rollup import roll_up
from tidegauge.store.store import Store

Show = Callable[..., Any]
NeverLess = Callable[[Any, Any], None]


def fill(bench: Any, times: int = 1) -> None:
    """Record some of everything."""
    for _ in range(times):
        bench.record("custom:jobs", 0.1, 0.2, 1e-3, kind="a")
        bench.record("custom:wait", 0.05, 0.5, 7.0, 70.0)
        bench.record_event("points", {"value": 0.3}, "custom:jobs", kind="b")
        bench.record("custom:level", 4.0)


def file_of(bench: Any) -> Path:
    """The state file."""
    path: Path = bench.root / "live.state"
    return path


def epoch_of(live: Any) -> int:
    """The epoch of the file, as a reader sees it."""
    return int(live._saved.head().epoch)


def test_file_holds_everything(bench: Any, show: Show) -> None:
    """Totals that come from the file are those that went into it, bit for bit."""
    fill(bench)
    reader = bench.reader()
    before = show(reader)
    assert reader.save()
    assert reader.is_saved()
    assert show(bench.reader()).everything() == before.everything()


def test_every_last_event_must_be_in_the_file(bench: Any) -> None:
    """A file that lacks one small event is not up to date."""
    reader = bench.reader()
    bench.record_event("points", {"value": 1.0}, "custom:jobs")
    reader.save()
    bench.record_event("points", {"value": 1.0}, "custom:jobs")
    assert not reader.is_saved()
    reader.save()
    assert reader.is_saved()


def test_drains_take_nothing_away(bench: Any, show: Show, never_less: NeverLess) -> None:
    """Segments go once the file has them, and no reader sees less for it."""
    old, fresh = bench.reader(), bench.reader()
    before = show(old)
    for _ in range(5):
        fill(bench, 20)
        assert old.save()
        bench.drain()
        after = show(fresh)
        never_less(before, after)
        before = after
    first = bench.store.journal.slots()[0].first_points()
    assert first > 0
    assert show(bench.reader()).everything() == show(old).everything()


def test_reader_that_was_away(bench: Any, show: Show) -> None:
    """Who comes back after the segments are gone goes on from the file."""
    away, other = bench.reader(), bench.reader()
    show(away)
    fill(bench, 40)
    other.save()
    bench.drain()
    assert show(away).everything() == show(other).everything()


def test_reader_far_behind_takes_the_file(
    bench: Any, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is far behind reads the file and not the journal, and finds the same."""
    monkeypatch.setattr(live_module, "_FAR_AHEAD", 50)
    behind, other = bench.reader(), bench.reader()
    show(behind)
    fill(bench, 40)
    other.save()
    folded = behind._fold
    assert show(behind).everything() == show(other).everything()
    assert behind._fold is not folded


def cut(data: bytes) -> bytes:
    """The first half."""
    return data[: len(data) // 2]


def flipped(offset: int) -> Callable[[bytes], bytes]:
    """One changed byte."""

    def damage(data: bytes) -> bytes:
        at = offset % len(data)
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return damage


def other_version(data: bytes) -> bytes:
    """As a later release would write it."""
    return MAGIC[:-1] + b"9" + data[len(MAGIC) :]


def nonsense_body(data: bytes) -> bytes:
    """A body whose checksum fits and which is none."""
    magic, head_bytes, head_crc, _, _ = HEAD.unpack_from(data)
    body = b"\x93nonsense"
    lengths = HEAD.pack(magic, head_bytes, head_crc, len(body), zlib.crc32(body))
    return lengths + data[HEAD.size : HEAD.size + head_bytes] + body


def longer(data: bytes) -> bytes:
    """Bytes after the end."""
    return data + b"\0"


# name: what happens to the file, and what the log says of it
DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "it is cut"),
    "cut in the lengths": (lambda data: data[:20], "it is cut"),
    "cut in the head": (lambda data: data[: HEAD.size + 5], "its head is damaged"),
    "cut in the body": (cut, "its body is damaged"),
    "a byte of the magic": (flipped(0), "it is of another version"),
    **{
        f"byte {at}, of the length or checksum of the head": (flipped(at), "its head is damaged")
        for at in (8, 11, 12, 15, 16, 19)
    },
    **{
        f"byte {at}, of the length or checksum of the body": (flipped(at), "its body is damaged")
        for at in (20, 24, 27, 28, 31)
    },
    "a byte of the head": (flipped(HEAD.size + 3), "its head is damaged"),
    "a byte of the body": (flipped(-5), "its body is damaged"),
    "bytes after the end": (longer, "its body is damaged"),
    "another version": (other_version, "it is of another version"),
    "no body": (nonsense_body, "its body cannot be read"),
    "nothing": (lambda data: data, ""),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage(
    bench: Any, show: Show, never_less: NeverLess, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Whatever happens to the file, everybody shows what was shown before; the log says why."""
    damage, problem = DAMAGES[name]
    fill(bench, 15)
    running = bench.reader()
    running.save()
    bench.drain()
    fill(bench)
    before = show(running)
    file_of(bench).write_bytes(damage(file_of(bench).read_bytes()))
    started = bench.reader()
    assert show(started).everything() == before.everything()
    assert show(running).everything() == before.everything()
    assert len(caplog.messages) == bool(problem)
    assert problem in caplog.text
    fill(bench)
    after = show(bench.reader())
    never_less(before, after)
    assert show(running).everything() == after.everything()


def test_file_that_is_gone(bench: Any, show: Show, caplog: pytest.LogCaptureFixture) -> None:
    """A running process writes it again; a new one counts the tables and journals."""
    fill(bench, 15)
    running = bench.reader()
    running.save()
    bench.drain()
    before = show(running).everything()
    file_of(bench).unlink()
    assert show(bench.reader()).everything() == before
    file_of(bench).unlink()
    assert show(running).everything() == before
    assert file_of(bench).exists()
    assert caplog.messages == []


def test_file_of_another_store(
    bench: Any, show: Show, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that was copied from elsewhere says nothing about this store."""
    other = type(bench)(tmp_path / "other")
    other.record("custom:jobs", 1000.0)
    other.reader().save()
    other.close()
    bench.record("custom:jobs", 1.0)
    bench.root.mkdir(exist_ok=True)
    shutil.copy(file_of(other), file_of(bench))
    assert show(bench.reader()).value("custom_jobs_total") == 1
    assert "of another store" in caplog.text


@pytest.mark.parametrize("who", ["running", "started"])
def test_journal_begun_anew(
    bench: Any, show: Show, never_less: NeverLess, who: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A deleted journal takes nothing back of what was counted, and the next one is added."""
    fill(bench, 15)
    running = bench.reader()
    running.save()
    before = show(running)
    bench.writer.close()
    shutil.rmtree(bench.root / "journal")
    if who == "running":
        never_less(before, show(running))
    fill(bench)
    reader = running if who == "running" else bench.reader()
    after = show(reader)
    never_less(before, after)
    total = sum(before.values("custom_jobs_total").values())
    assert sum(after.values("custom_jobs_total").values()) == pytest.approx(total + 0.601)
    other = bench.reader()
    assert show(other).everything() == show(running).everything() == after.everything()
    assert caplog.messages == []


def test_state_that_is_gone(bench: Any, show: Show) -> None:
    """Without the store's small state the file is as good as before."""
    fill(bench, 15)
    running = bench.reader()
    running.save()
    before = show(running).everything()
    bench.store.close()
    for path in bench.root.glob("state.db*"):
        path.unlink()
    assert show(bench.reader()).everything() == before
    assert show(running).everything() == before


def test_tables_and_tails_make_the_same_totals(bench: Any, show: Show) -> None:
    """What is counted anew from the tables is what was folded from the journals."""
    summary = {
        "interval_s": 10.0, "count": 2, "sum": 3.0, "sum_squares": 5.0, "min": 1.0, "max": 2.0,
        "first": 1.0, "last": 2.0, "scale": 5, "zero_count": 0, "positive_offset": -1,
        "positive_counts": [1, *[0] * 31, 1], "negative_offset": 0, "negative_counts": [],
    }  # fmt: skip
    row = {"status": "success", "confidence": 0.95, "latency_s": 0.1}
    reader = bench.reader()
    for _ in range(3):
        fill(bench, 5)
        bench.record_event("intervals", summary, "custom:wait")
        bench.record_event("predictions", row, model="m")
    expected = show(reader).everything()
    for drained in (False, True):
        if drained:
            bench.drain()
        file_of(bench).unlink()
        assert show(bench.reader()).everything() == expected


def test_what_was_computed_from_rows_is_not_counted(bench: Any, show: Show) -> None:
    """Rollups and daily aggregates are of facts that the tables have already."""
    fill(bench, 5)
    row = {"feature": "find", "action": "run", "duration_ms": 2.0}
    bench.record_event("feature_usage", row)
    expected = show(bench.reader()).everything()
    bench.drain()
    assert roll_up(bench.store).facts > 5
    assert aggregate_stale_days(bench.store, zone_of("UTC")) == 1
    file_of(bench).unlink(missing_ok=True)
    assert show(bench.reader()).everything() == expected


def test_gauges_of_living_processes_after_a_recount(bench: Any, show: Show) -> None:
    """Whose they are is not in the tables; what is left of the journals tells."""
    bench.record("custom:level", 2.0)
    bench.record("custom:workers", 3.0)
    bench.record_event("points", {"value": 0.5}, "custom:share")
    bench.record("custom:jobs", 1.0)
    bench.drain()
    bench.clock.advance(1000)
    reader = bench.reader()
    shown = show(reader)
    assert shown.value("custom_level") == 2
    assert shown.value("custom_workers") == 3
    assert shown.value("custom_share") == 0.5
    assert shown.value("custom_jobs_total") == 1
    assert shown.value("tidegauge_recorded_total") == 4
    bench.writer.close()
    assert set(show(reader).families()) == {"custom_jobs_total"}


def test_buckets_that_changed(bench: Any, show: Show, caplog: pytest.LogCaptureFixture) -> None:
    """New bounds are counted anew, once; a process with the old ones goes along."""
    fill(bench)
    old = bench.reader()
    old.save()
    wait = bench.catalog.metrics["custom:wait"]
    fields = {name: getattr(wait, name) for name in ("name", "description", "kind", "unit")}
    changed = Catalog([MetricSpec(**fields, buckets=(1.0, 60.0))])
    new = bench.reader(catalog=changed)
    assert show(new).family("custom_wait_seconds").counts == [[2, 1, 1]]
    assert "is kept in another way now" in caplog.text
    epoch = epoch_of(new)
    for _ in range(3):
        assert show(old).family("custom_wait_seconds").counts == [[2, 1, 1]]
        assert old.save()
        assert show(new).family("custom_wait_seconds").counts == [[2, 1, 1]]
    assert epoch_of(new) == epoch
    assert len(caplog.messages) == 1


def test_description_that_changed(bench: Any, show: Show) -> None:
    """A new description shows at once; nothing is counted anew for it."""
    fill(bench)
    old = bench.reader()
    old.save()
    epoch = epoch_of(old)
    changed = Catalog([MetricSpec(name="custom:jobs", description="Other", kind=Kind.COUNTER)])
    new = bench.reader(catalog=changed)
    family = show(new).family("custom_jobs_total")
    assert family.help == "Other"
    assert epoch_of(new) == epoch


def test_process_without_the_declarations(bench: Any, show: Show) -> None:
    """What a process cannot know of a metric it takes from the file."""
    fill(bench)
    bench.reader().save()
    ignorant = bench.reader(catalog=Catalog())
    bench.record("custom:jobs", 1.0, kind="new")
    bench.record("custom:wait", 1.0, kind="new")
    shown = show(ignorant)
    assert shown.everything() == show(bench.reader()).everything()
    assert len(shown.family("custom_wait_seconds").labels) == 2


def test_declarations_outlive_the_drop_of_series(bench: Any, show: Show) -> None:
    """They are known, too, after old series were left out of the file."""
    bench.record("custom:jobs", 1.0, kind="old")
    bench.clock.advance(100)
    bench.record("custom:jobs", 1.0, kind="young")
    bench.reader(series_ttl_s=50).save()
    ignorant = bench.reader(catalog=Catalog())
    bench.record("custom:jobs", 1.0, kind="new")
    assert show(ignorant).values("custom_jobs_total") == {
        (("kind", "new"),): 1.0,
        (("kind", "young"),): 1.0,
    }


def test_series_cap(bench: Any, show: Show) -> None:
    """Beyond the cap all label sets are one series, which is counted and the same for all."""
    other = bench.new_writer()
    readers = [bench.reader() for _ in range(3)]
    for number in range(6):
        writer = other if number % 2 else bench.writer
        bench.record("custom:few", 1.0, writer=writer, kind=str(number))
        show(readers[number % 3])
    for _ in range(2):
        found = [show(reader).values("custom_few_total") for reader in readers]
        assert found[0] == found[1] == found[2]
        bench.record("custom:few", 1.0, kind="9")
    assert len(found[0]) == 4
    assert found[0][("overflow", "true"),] == 4
    assert sum(found[0].values()) == 7
    overflow = show(bench.reader()).values("tidegauge_series_overflow_total")
    assert overflow == {(("metric", "custom:few"),): 5.0}
    other.close()


def test_full_family_is_agreed_on_once(bench: Any, show: Show) -> None:
    """Once processes have agreed, the file does not change its epoch any more."""
    readers = [bench.reader() for _ in range(3)]
    for reader in readers:
        show(reader)
    for number in range(6):
        bench.record("custom:few", 1.0, kind=str(number))
    show(readers[0])
    epoch = epoch_of(readers[0])
    for reader in readers * 2:
        bench.record("custom:few", 1.0, kind="x")
        show(reader)
        reader.save()
    assert epoch_of(readers[0]) == epoch


def test_series_ttl(bench: Any, show: Show) -> None:
    """A series that is not heard of is dropped for all, and begins at 0 when it comes back."""
    first, second = bench.reader(series_ttl_s=60), bench.reader(series_ttl_s=60)
    bench.record("custom:jobs", 5.0, kind="a")
    bench.record("custom:wait", 5.0, kind="a")
    show(second)
    first.save()
    bench.clock.advance(61)
    bench.record("custom:jobs", 7.0, kind="b")
    bench.record("custom:wait", 7.0, kind="b")
    first.save()
    for reader in (first, second, bench.reader()):
        shown = show(reader)
        assert shown.values("custom_jobs_total") == {(("kind", "b"),): 7.0}
        assert shown.family("custom_wait_seconds").sums == [7.0]
        assert shown.family("custom_wait_seconds").exponential(0).count == 1
    bench.record("custom:jobs", 1.0, kind="a")
    assert show(second).values("custom_jobs_total")[("kind", "a"),] == 1
    assert show(first).everything() == show(second).everything()


def test_ttl_goes_by_the_latest_fact(bench: Any, show: Show) -> None:
    """A late fact with an old time does not make a series old."""
    reader = bench.reader(series_ttl_s=60)
    bench.record("custom:jobs", 5.0)
    bench.record("custom:jobs", 1.0, time_ns=1)
    reader.save()
    assert show(reader).value("custom_jobs_total") == 6


def test_counters_at_zero_are_not_dropped_at_once(bench: Any, show: Show) -> None:
    """A counter that rows made begin at 0 lives as long as any, and costs no new epochs."""
    reader = bench.reader(catalog=builtin_catalog(), series_ttl_s=60)
    row = {"status": "success", "confidence": 0.7, "prefix": "shop"}
    bench.record_event("predictions", row, model="m")
    reader.save()
    epoch = epoch_of(reader)
    bench.record_event("predictions", row, model="m")
    reader.save()
    assert epoch_of(reader) == epoch
    assert show(bench.reader(catalog=builtin_catalog())).value("shop_low_confidence_total") == 0


def test_leftovers_of_a_killed_writer(bench: Any, show: Show) -> None:
    """A draft that was never finished is in nobody's way."""
    fill(bench)
    (bench.root / "live.new").write_bytes(b"half a file")
    (bench.root / "live.new").chmod(0o000)
    reader = bench.reader()
    assert reader.save()
    assert not (bench.root / "live.new").exists()
    assert show(bench.reader()).everything() == show(reader).everything()


def test_disk_that_takes_no_file(bench: Any, show: Show, caplog: pytest.LogCaptureFixture) -> None:
    """A process that cannot write the file answers from memory, and writes it once it can."""
    fill(bench)
    (bench.root / "live.new").mkdir()
    reader = bench.reader()
    before = show(reader).everything()
    fill(bench)
    assert show(reader).everything() != before
    assert not file_of(bench).exists()
    assert len(caplog.messages) == 1
    (bench.root / "live.new").rmdir()
    assert reader.save()
    assert show(bench.reader()).everything() == show(reader).everything()


def test_segments_deleted_while_tables_are_counted(bench: Any, show: Show) -> None:
    """Facts that a store makes durable and frees during a recount are counted, once."""
    reader = bench.reader()
    show(reader)
    fill(bench, 60)
    expected = show(reader).everything()
    reader.save()
    file_of(bench).unlink()
    store = Store(bench.root, clock=bench.clock)
    first = {slot.name: slot.first_points() for slot in store.slots()[1]}
    bench.drain()
    assert bench.store.journal.slots()[0].first_points() > first["000"]
    assert show(bench.reader()).everything() == expected
    store.close()


def test_lengths_are_little_endian() -> None:
    """The first bytes of the file are the same on every machine."""
    assert HEAD.format.startswith("<")
    assert HEAD.size == struct.calcsize("<8sQIQI")
