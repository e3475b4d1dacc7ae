# SPDX-License-Identifier: Apache-2.0
"""A process from its first fact to its end: configure, flush, shutdown, fork, exit and kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable

import tidegauge as tg
from tidegauge.config import assemble
from tidegauge.journal.reader import Journal
from tidegauge.model.errors import ConfigError
from tidegauge.store.status import Balance, status_of
from tidegauge.store.store import Store

pytestmark = pytest.mark.system

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


@pytest.fixture
def run(run_program: Run) -> Run:
    """Runs a program that records into a store."""

    def run(program: str, store: Path, **environ: str) -> Done:
        return run_program(program, store.parent, TIDEGAUGE_STORE=str(store), **environ)

    return run


def stored_values(store: Path) -> list[float]:
    """What is in the table of points."""
    return sorted(DeltaTable(store / "tables" / "points").to_pyarrow_table()["value"].to_pylist())


def waiting_values(store: Path) -> list[float]:
    """What is in the journals."""
    values: list[float] = []
    for slot in Journal(store / "journal").slots():
        values += slot.points(0, 1 << 30).value.tolist()
        values += [event.columns["value"] for event in slot.events(0).records]
    return sorted(values)


def test_flush_brings_everything_to_the_tables(store_dir: Path) -> None:
    """After a flush that returned True, what was recorded before it can be read from the tables."""
    tg.configure(store=store_dir)
    try:
        tg.log_metric("custom:x", 1)
        tg.log_metrics({"custom:x": 2, "custom:y": 3})
        assert tg.flush()
        assert stored_values(store_dir) == [1.0, 2.0, 3.0]
        tg.log_metric("custom:x", 4)
        assert tg.flush()
        assert stored_values(store_dir) == [1.0, 2.0, 3.0, 4.0]
    finally:
        tg.shutdown()


def test_recording_after_shutdown_starts_again(store_dir: Path) -> None:
    """A shutdown gives the slot back; the next configure takes the same one."""
    for value in (1, 2):
        tg.configure(store=store_dir)
        tg.log_metric("custom:x", value)
        assert tg.shutdown()
    assert [slot.name for slot in Journal(store_dir / "journal").slots()] == ["000"]
    assert waiting_values(store_dir) == [1.0, 2.0]


def test_a_change_of_store_splits_the_facts_cleanly(tmp_path: Path) -> None:
    """Each fact is in the store that was configured when it was recorded."""
    handle = tg.metric("custom:x")
    try:
        for n in range(3):
            tg.configure(store=tmp_path / f"store{n}")
            handle.record(n)
            handle.record(n)
    finally:
        tg.shutdown()
    assert [waiting_values(tmp_path / f"store{n}") for n in range(3)] == [[n, n] for n in range(3)]


def test_script_that_ends_at_once_loses_nothing(run: Run, store_dir: Path) -> None:
    """The last line of a program may be a record call; nothing has to be closed."""
    done = run(
        "import tidegauge as tg\nfor n in range(100): tg.log_metric('custom:x', n)", store_dir
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert waiting_values(store_dir) == list(map(float, range(100)))


def test_script_that_raises_or_exits_loses_nothing(run: Run, store_dir: Path) -> None:
    """An exception, sys.exit and os._exit keep what was recorded."""
    for end in ("1 / 0", "import sys; sys.exit(3)", "import os; os._exit(4)"):
        run(f"import tidegauge as tg\ntg.log_metric('custom:x', 1)\n{end}", store_dir)
    assert waiting_values(store_dir) == [1.0, 1.0, 1.0]
    assert [slot.name for slot in Journal(store_dir / "journal").slots()] == ["000"]


def test_kill_right_after_the_call_loses_nothing(run: Run, store_dir: Path) -> None:
    """SIGKILL does not run any handler; the facts are on disk all the same."""
    program = (
        "import os, signal, tidegauge as tg\n"
        "handle = tg.metric('custom:x')\n"
        "for n in range(1000): handle.record(n)\n"
        "tg.log_metric_with_metadata('custom:x', 1000, {'k': 'v'})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert run(program, store_dir).returncode == -signal.SIGKILL
    assert waiting_values(store_dir) == list(map(float, range(1001)))


def test_leftovers_of_a_killed_process_are_stored_by_the_next(run: Run, store_dir: Path) -> None:
    """Whoever flushes next stores what a dead process left, once."""
    run("import os, tidegauge as tg\ntg.log_metric('custom:x', 1)\nos._exit(1)", store_dir)
    done = run("import tidegauge as tg\ntg.log_metric('custom:x', 2)\nassert tg.flush()", store_dir)
    assert done.returncode == 0, done.stderr
    assert stored_values(store_dir) == [1.0, 2.0]


def test_the_end_of_a_file_that_is_cut_after_the_program_is_counted(
    run: Run, store_dir: Path
) -> None:
    """At its end the program notes how far it had come, however short it was."""
    run(
        "import tidegauge as tg; tg.configure(follower='off')\n"
        "for value in range(1000): tg.log_metric('custom:a', value)",
        store_dir,
    )
    (segment,) = (store_dir / "journal" / "000").glob("points-*.seg")
    os.truncate(segment, 20_000)
    assert status_of(Store(store_dir)).balance == Balance(1000, 0, 397, {"damaged": 603})


def test_open_interval_is_recorded_at_exit(run: Run, store_dir: Path) -> None:
    """An orderly end of the process records what an interval handle has gathered."""
    done = run(
        "import tidegauge as tg\ntg.metric('custom:x', aggregate='1h').record(5)\n", store_dir
    )
    assert done.returncode == 0, done.stderr
    (slot,) = Journal(store_dir / "journal").slots()
    assert [(e.table, e.columns["sum"]) for e in slot.events(0).records] == [("intervals", 5.0)]


def test_background_thread_drains_without_being_asked(run: Run, store_dir: Path) -> None:
    """With the default settings a long-lived process fills the tables by itself."""
    program = (
        "import time, tidegauge as tg\n"
        "from deltalake import DeltaTable\n"
        "tg.configure(drain_after_s=0.1)\n"
        "tg.log_metric('custom:x', 1)\n"
        "deadline = time.monotonic() + 30\n"
        "while time.monotonic() < deadline:\n"
        "    time.sleep(0.1)\n"
        "    if DeltaTable.is_deltatable('store/tables/points'):\n"
        "        break\n"
        "else:\n"
        "    raise SystemExit('never drained')\n"
    )
    done = run(program, store_dir)
    assert done.returncode == 0, done.stderr
    assert stored_values(store_dir) == [1.0]


def test_following_can_be_left_to_others(run: Run, store_dir: Path) -> None:
    """With follower="off" nothing but recording happens in the process."""
    program = (
        "import sys, threading, tidegauge as tg\n"
        "tg.configure(follower='off')\n"
        "tg.log_metric('custom:x', 1)\n"
        "assert tg.flush()\n"
        "names = {thread.name for thread in threading.enumerate()}\n"
        "assert names == {'MainThread', 'tidegauge-ticker'}, names\n"
        "assert not {'deltalake', 'duckdb', 'pyarrow'} & set(sys.modules)\n"
    )
    done = run(program, store_dir)
    assert done.returncode == 0, done.stderr
    assert not (store_dir / "tables").exists()
    assert waiting_values(store_dir) == [1.0]


def test_fsync_durability_writes_to_disk_in_the_background(run: Run, store_dir: Path) -> None:
    """With durability="fsync" the mapped files are synced every interval."""
    program = (
        "import threading, tidegauge as tg\n"
        "from tidegauge.journal.writer import JournalWriter\n"
        "synced = threading.Event()\n"
        "sync = JournalWriter.sync\n"
        "JournalWriter.sync = lambda writer: (sync(writer), synced.set())\n"
        "tg.configure(durability='fsync', fsync_interval_ms=20)\n"
        "tg.log_metric('custom:x', 1)\n"
        "assert synced.wait(20)\n"
    )
    done = run(program, store_dir)
    assert done.returncode == 0, done.stderr


def test_reading_creates_and_starts_nothing(run: Run, store_dir: Path) -> None:
    """A program that only asks leaves no directory, no slot and no thread behind."""
    program = (
        "import threading, tidegauge as tg\n"
        "(row,) = tg.stats('model:accuracy', hours=1).to_pylist()\n"
        "assert (row['count'], row['mean']) == (0, None), row\n"
        "assert [thread.name for thread in threading.enumerate()] == ['MainThread']\n"
    )
    done = run(program, store_dir)
    assert done.returncode == 0, done.stderr
    assert not store_dir.exists()


def test_forked_children_record_into_slots_of_their_own(run: Run, store_dir: Path) -> None:
    """Parent and children record at once, through handles made before the fork."""
    program = (
        "import os, tidegauge as tg\n"
        "handle = tg.metric('custom:x')\n"
        "handle.record(0)\n"
        "children = []\n"
        "for child in range(1, 4):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        for _ in range(100): handle.record(child)\n"
        "        os._exit(0)\n"
        "    children.append(pid)\n"
        "for _ in range(100): handle.record(0)\n"
        "for pid in children: os.waitpid(pid, 0)\n"
    )
    done = run(program, store_dir)
    assert done.returncode == 0, done.stderr
    values = waiting_values(store_dir)
    assert [values.count(child) for child in range(4)] == [101, 100, 100, 100]


def test_child_goes_on_as_the_parent_was_configured(run: Run, store_dir: Path) -> None:
    """Settings given in code hold in a forked child, which reads no environment anew."""
    program = (
        "import os, tidegauge as tg\n"
        "tg.configure(service='parent', strict=True, follower='off')\n"
        "pid = os.fork()\n"
        "tg.log_metric('custom:x', 1)\n"
        "if pid == 0: os._exit(0)\n"
        "os.waitpid(pid, 0)\n"
    )
    done = run(program, store_dir, TIDEGAUGE_SERVICE="environment")
    assert done.returncode == 0, done.stderr
    for slot in Store(store_dir).journal.slots():
        key = slot.series(int(slot.points(0, 1).series[0]))
        assert key is not None
        assert key.dimensions == (("service", "parent"),)


def test_delivering_to_mlflow_where_nobody_asked_for_it_subscribes_nobody(
    run: Run, store_dir: Path
) -> None:
    """The journal would wait for ever for a follower that a command has named once."""
    run("import tidegauge as tg; tg.log_metric('custom:a', 1)", store_dir)
    with pytest.raises(ConfigError) as raised:
        assemble(store=store_dir).mlflow()
    assert str(raised.value) == (
        f"facts of this store do not go to MLflow; got {str(store_dir)!r}. If they are to, set "
        "mlflow=True, or TIDEGAUGE_MLFLOW=1."
    )
    store = Store(store_dir)
    assert store.state.followers() == []
    assemble(store=store_dir, mlflow=True).mlflow()
    assert store.state.followers() == ["mlflow"]
    assemble(store=store_dir).mlflow()


@pytest.mark.parametrize("exit_wait_s", [0, 1])
def test_tables_that_do_not_answer_hold_up_no_end(
    run: Run, store_dir: Path, exit_wait_s: int
) -> None:
    """The program ends in time and quietly; the journal has everything."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        program = """
import time
import tidegauge as tg

tg.configure(tables_uri="s3://bucket/tables", drain_after_s=0)
tg.log_metric("custom:a", 1)
time.sleep(3)  # the drain has begun
print(time.monotonic())
"""
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        access = {"AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        wait = {"TIDEGAUGE_EXIT_WAIT_S": str(exit_wait_s)}
        done = run(program, store_dir, **access, **keys, **wait)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - float(done.stdout) < exit_wait_s + 5
    assert Store(store_dir).journal.slots()[0].end_points() == 1


def test_end_in_the_middle_of_a_drain_is_quiet(run: Run, store_dir: Path) -> None:
    """A process that ends while its follower may be at work says nothing and loses nothing."""
    program = (
        "import tidegauge as tg\n"
        "tg.configure(drain_after_s=0.001, drain_after_points=1)\n"
        "for n in range(1000): tg.log_metric('custom:x', n)\n"
    )
    done = run(program, store_dir)
    assert (done.returncode, done.stderr) == (0, "")
    assert run("import tidegauge as tg; tg.configure(); assert tg.flush()", store_dir).stderr == ""
    assert stored_values(store_dir) == list(map(float, range(1000)))


def test_old_facts_are_retired_as_the_settings_say(store_dir: Path) -> None:
    """What is older than its retention leaves the tables; a metric may have one of its own."""
    days_ago = [time.time() - 86_400 * days for days in (0, 3, 9)]
    tg.configure(store=store_dir)
    try:
        for days, moment in zip((0, 3, 9), days_ago, strict=True):
            tg.log_metric("custom:x", days, time=moment)
            tg.log_metric("custom:brief", 100 + days, time=moment)
        assert tg.flush()
    finally:
        tg.shutdown()
    keeping = assemble(store=store_dir, retention_days=5.0, retention_metrics={"custom:brief": 1.0})
    keeping.scheduler().run("retention")
    assert stored_values(store_dir) == [0.0, 3.0, 100.0]


# Of `setup` and `act`: the setup, then the act by eight threads at once, in short turns.
AT_ONCE = """
import sys, threading
sys.setswitchinterval(1e-5)
{setup}
barrier = threading.Barrier(8)
def act(number):
    barrier.wait()
    {act}
threads = [threading.Thread(target=act, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_first_facts_of_many_threads_go_to_one_place(run: Run, store_dir: Path) -> None:
    """Whoever comes second waits for the settings, and does not record where there are none."""
    program = AT_ONCE.format(
        setup="import tidegauge as tg", act="tg.log_metric('custom:x', number)"
    )
    done = run(program, store_dir, TIDEGAUGE_FOLLOWER="off")
    assert done.returncode == 0, done.stderr
    assert waiting_values(store_dir) == [float(number) for number in range(8)]
    assert not (store_dir.parent / ".tidegauge").exists()


def test_many_threads_may_read_the_vocabulary_first(run: Run, store_dir: Path) -> None:
    """None of them finds msgspec in the middle of looking a class up, which ends the program."""
    program = AT_ONCE.format(
        setup="from tidegauge.catalog import builtin_catalog", act="builtin_catalog()"
    )
    for _ in range(6):  # without the look-up at import, one in three ended with a signal
        done = run(program, store_dir)
        assert (done.returncode, done.stderr) == (0, "")
