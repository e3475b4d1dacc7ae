# SPDX-License-Identifier: Apache-2.0
"""`tidegauge status`, `settings`, `drain`, `compact` and `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.store.store import Store

NOON = "2026-01-01T12:00:00Z"


def test_status_adds_up(cli: Any) -> None:
    """The sum is shown, with the reasons and what they mean."""
    cli.record("model:accuracy", 0.1, 0.2, 0.3, at=NOON)
    cli("drain")
    cli.record("model:accuracy", 0.4, at=NOON)
    writer = JournalWriter(cli.store / "journal")
    writer.count_drop("not_finite", 2)
    writer.open()
    writer.close()
    done = cli("status")
    assert done.code == 0
    assert done.lines[:3] == [
        str(cli.store),
        "6 recorded = 3 stored + 1 pending + 2 dropped",
        "Every fact is accounted for.",
    ]
    assert " not_finite       2   the value is NaN or infinite" in done.lines
    balance = cli("status", "--json").json["balance"]
    assert balance == {"recorded": 6, "stored": 3, "pending": 1, "dropped": {"not_finite": 2}}


def test_status_verbose_has_slots_and_tables(cli: Any) -> None:
    """A slot that somebody records into is in use."""
    writer = JournalWriter(cli.store / "journal")
    writer.put_point(SeriesKey("model:accuracy"), 0.5)
    cli("drain")
    done = cli("status", "-v")
    slot = next(line for line in done.lines if line.startswith(" 000"))
    assert slot.split()[:7] == ["000", "yes", "1", "1", "0", "0", "0"]
    assert any(line.split()[:4] == ["points", "1", "1", "1"] for line in done.lines)
    writer.close()
    assert cli("status", "--json").json["slots"][0]["owner_alive"] is False


def test_status_that_does_not_add_up_ends_with_1(cli: Any) -> None:
    """A journal that is taken away after it was stored in part leaves a gap, which is shown."""
    cli.record("model:accuracy", 0.1, 0.2, 0.3, at=NOON)
    cli("drain")
    cli.record("model:accuracy", 0.4, at=NOON)
    for segment in (cli.store / "journal" / "000").glob("points-*.seg"):
        segment.unlink()
    done = cli("status", "--json")
    assert done.json["is_balanced"] is (done.code == 0)


def test_dead_letters_are_shown(cli: Any) -> None:
    """What a follower gave up on: when, why, and the fact itself."""
    cli.record("model:accuracy", 0.1, at=NOON)
    state = Store(cli.store).state
    with state.transaction() as transaction:
        transaction.add_dead_letter("mlflow", "run_deleted", "the run is gone", '{"key": "x"}')
    state.close()
    [letter] = cli("status", "--dead-letters", "--json").json
    assert {**letter, "time": None} == {
        "time": None,
        "follower": "mlflow",
        "reason": "run_deleted",
        "detail": "the run is gone",
        "fact": {"key": "x"},
    }
    assert "run_deleted" in cli("status", "--dead-letters").out


def test_settings_say_where_they_come_from(cli: Any, monkeypatch: Any) -> None:
    """Command line, the variable's name, or default."""
    monkeypatch.setenv("TIDEGAUGE_SERVICE", "checkout")
    rows = {row["name"]: row for row in cli("settings", "--json", "--store", "here").json}
    assert (rows["store"]["value"], rows["store"]["from"]) == ("here", "command line")
    assert (rows["service"]["value"], rows["service"]["from"]) == ("checkout", "TIDEGAUGE_SERVICE")
    assert (rows["follower"]["value"], rows["follower"]["from"]) == ("thread", "default")
    rows = {row["name"]: row for row in cli("settings", "--json").json}
    assert rows["store"]["from"] == "TIDEGAUGE_STORE"
    assert cli("settings").code == 0


def test_a_setting_that_cannot_be_used_is_a_usage_error(cli: Any, monkeypatch: Any) -> None:
    """The variable is named."""
    monkeypatch.setenv("TIDEGAUGE_DRAIN_AFTER_S", "soon")
    done = cli("settings")
    assert done.code == 2
    assert "TIDEGAUGE_DRAIN_AFTER_S" in done.err


def test_drain_stores_what_is_pending(cli: Any) -> None:
    """Says how many facts, and a second time that there is nothing."""
    cli.record("model:accuracy", *([0.5] * 100), at=NOON)
    done = cli("drain", "--json")
    assert (done.code, done.json) == (
        0,
        [
            {
                "follower": "store",
                "delivered": 100,
                "waiting": 0,
                "caught_up": True,
                "problem": None,
            }
        ],
    )
    assert cli("drain", "--json").json[0]["delivered"] == 0
    assert cli("status", "--json").json["balance"]["stored"] == 100


def test_drain_while_another_process_drains_says_so(cli: Any) -> None:
    """It tries until the time is up, then ends with 1; nothing is lost."""
    cli.record("model:accuracy", 0.5, at=NOON)
    with Store(cli.store).lead() as leading:
        assert leading
        done = cli("drain", "--timeout-s", "0.1", "--json")
    assert (done.code, done.json[0]["caught_up"], done.json[0]["waiting"]) == (1, False, 1)
    assert "another process" in done.json[0]["problem"]


def test_a_drain_by_name_makes_the_journal_wait_for_nobody(cli: Any) -> None:
    """Where facts do not go to MLflow, the command says so and what would make them."""
    cli.record("model:accuracy", 0.5, at=NOON)
    done = cli("drain", "--follower", "mlflow")
    assert done.code == 2
    assert "facts of this store do not go to mlflow" in done.err.lower()
    assert "set mlflow=True, or TIDEGAUGE_MLFLOW=1" in done.err
    assert Store(cli.store).state.followers() == []


def test_a_follower_that_no_longer_exists_can_be_forgotten(cli: Any) -> None:
    """Until then it is a problem of every drain, with the command that ends it."""
    cli.record("model:accuracy", 0.5, at=NOON)
    Store(cli.store).state.register_follower("carrier_pigeon")
    done = cli("drain", "--json")
    assert done.code == 1
    assert done.json[1]["problem"] == (
        "this program has no such follower. If it no longer exists: "
        "tidegauge drain --forget-follower carrier_pigeon"
    )
    assert cli("drain", "--follower", "store").code == 0
    forgotten = cli("drain", "--forget-follower", "carrier_pigeon", "--json")
    assert forgotten.json == {"forgotten": "carrier_pigeon"}
    assert cli("drain").code == 0
    again = cli("drain", "--forget-follower", "carrier_pigeon")
    assert again.code == 1
    assert "the store has no such follower" in again.err.lower()


def test_compact_merges_files_and_deletes_none_of_the_facts(cli: Any) -> None:
    """A day that is over becomes one file."""
    for _ in range(5):
        cli.record("model:accuracy", 0.5, at=NOON)
        cli("drain")
    [row] = cli("compact", "--json").json
    assert (row["table"], row["files_before"], row["files_after"]) == ("points", 5, 1)
    assert row["rows_retired"] == 0
    assert cli("stats", "accuracy", "--json").json[0]["count"] == 5
    assert cli("compact").code == 0


def test_compact_deletes_what_is_older_than_wanted(cli: Any) -> None:
    """For one metric, then for all; never without being told."""
    cli.record("model:accuracy", 0.5, at=NOON)
    cli.record("model:latency_ms", 5.0, at=NOON)
    cli("drain")
    [row] = cli("compact", "--keep", "latency_ms=1", "--json").json
    assert row["rows_retired"] == 1
    assert cli("sql", "select metric from points", "--json").json == [{"metric": "model:accuracy"}]
    assert cli("compact", "--keep-days", "1", "--json").json[0]["rows_retired"] == 1
    assert cli("status", "--json").json["is_balanced"]
    assert cli("compact", "--keep", "latency_ms=long").code == 2


def test_compact_keeps_what_the_settings_say(cli: Any, monkeypatch: Any) -> None:
    """Retention is a setting; the options are for once."""
    cli.record("model:accuracy", 0.5, at=NOON)
    cli("drain")
    monkeypatch.setenv("TIDEGAUGE_RETENTION_DAYS", "100000")
    assert cli("compact", "--json").json[0]["rows_retired"] == 0
    monkeypatch.setenv("TIDEGAUGE_RETENTION_DAYS", "1")
    assert cli("compact", "--json").json[0]["rows_retired"] == 1


def test_compact_while_another_process_maintains_is_an_error(cli: Any) -> None:
    """It does not wait: there is nothing urgent about it."""
    cli.record("model:accuracy", 0.5, at=NOON)
    cli("drain")
    with Store(cli.store).maintain() as mine:
        assert mine
        done = cli("compact")
    assert done.code == 1
    assert "maintained by another process" in done.err


def test_doctor_finds_nothing_in_a_healthy_store(cli: Any) -> None:
    """Shallow and deep."""
    cli.record("model:accuracy", 0.5, at=NOON)
    cli("drain")
    cli.record("model:accuracy", 0.6, at=NOON)
    found = [
        finding
        for finding in cli("doctor", "--deep", "--json").json["findings"]
        if finding["code"] not in ("behind", "disk_space")
    ]
    assert found == []


def test_doctor_finds_and_puts_aside_a_broken_file(cli: Any) -> None:
    """Exit code 1 as long as something is wrong; repairing gives up only what it is told to."""
    cli.record("model:accuracy", 0.5, at=NOON)
    cli("drain")
    [file] = (cli.store / "tables" / "points").rglob("*.parquet")
    file.write_bytes(b"not parquet")
    done = cli("doctor", "--json")
    assert done.code == 1
    assert "file_unreadable" in {each["code"] for each in done.json["findings"]}
    assert cli("doctor", "--repair").code == 1
    repaired = cli("doctor", "--repair", "--drop-missing", "--json")
    assert {each["code"] for each in repaired.json["repaired"]} == {"file_unreadable"}
    assert "file_unreadable" not in {each["code"] for each in repaired.json["findings"]}
    assert cli("doctor", "--drop-missing").code == 2


def test_state_that_is_damaged_is_an_error_and_not_a_traceback(cli: Any) -> None:
    """The file is named, and what to do."""
    cli.record("model:accuracy", 0.5, at=NOON)
    cli("drain")
    Path(cli.store / "state.db").write_bytes(b"x" * 8192)
    for suffix in ("-wal", "-shm"):
        Path(f"{cli.store}/state.db{suffix}").unlink(missing_ok=True)
    done = cli("status")
    assert done.code == 1
    assert "tidegauge doctor --repair" in done.err


@pytest.mark.parametrize("days", ["-1", "nan", "inf"])
def test_compact_refuses_what_is_no_number_of_days(cli: Any, days: str) -> None:
    """What the settings refuse the option refuses, before anything is deleted."""
    cli.record("model:accuracy", 0.5, at=NOON)
    cli("drain")
    assert cli("compact", "--keep", f"model:accuracy={days}").code == 2
    assert cli("compact", f"--keep-days={days}").code == 2
    assert cli("stats", "model:accuracy", "--json").json[0]["count"] == 1


def test_compact_keeps_nothing_for_a_mistyped_metric(cli: Any) -> None:
    """A name that nobody knows is refused with the one that was probably meant."""
    cli.record("model:latency_ms", 5.0, at=NOON)
    cli("drain")
    done = cli("compact", "--keep", "latancy_ms=0", "--json")
    assert (done.code, done.json["error"]["fix"]) == (2, "Did you mean 'model:latency_ms'?")
    assert cli("compact", "--keep", "latency_ms=0", "--json").json[0]["rows_retired"] == 1
