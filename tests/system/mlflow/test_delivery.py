# SPDX-License-Identifier: Apache-2.0
"""What a run looks like in MLflow after its facts were delivered."""

from __future__ import annotations

import json
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from tidegauge.catalog import builtin_catalog
from tidegauge.export.mlflow import MlflowFollower, active_run_id
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.store.store import Store

pytestmark = pytest.mark.system

History = Callable[[str, str], list[tuple[int, float]]]


def in_run(metric: str, run_id: str | None = None, **labels: str) -> SeriesKey:
    """The series of a metric in a run, the active one if none is given."""
    run_id = run_id or active_run_id()
    assert run_id is not None
    return SeriesKey.of(metric, {"run_id": run_id, **labels})


def test_facts_reach_their_run_with_time_and_step(
    writer: JournalWriter, follower: MlflowFollower, client: MlflowClient
) -> None:
    """The timestamp is when it happened, in milliseconds, not when it was delivered."""
    with mlflow.start_run() as run:
        key = in_run("usage:reply_rate")
        writer.put_point(key, 0.25, time_ns=1_700_000_000_123_456_789, step=3)
        writer.put_point(key, 0.5, time_ns=1_700_000_001_000_000_000)
    assert follower.wait(30)
    first, second = client.get_metric_history(run.info.run_id, "usage:reply_rate")
    assert (first.value, first.timestamp, first.step) == (0.25, 1_700_000_000_123, 3)
    assert (second.value, second.timestamp, second.step) == (0.5, 1_700_000_001_000, 4)
    assert client.get_run(run.info.run_id).data.metrics == {"usage:reply_rate": 0.5}


def test_facts_without_a_run_stay_out_of_mlflow(
    store: Store, writer: JournalWriter, follower: MlflowFollower
) -> None:
    """The follower passes them."""
    writer.put_point(SeriesKey.of("usage:reply_rate", {"model": "fraud"}), 0.25)
    assert follower.wait(30)
    assert store.state.counters("mlflow") == {}
    assert store.state.cursors("mlflow")[("000", "points")] == 1


def test_more_than_a_batch_of_facts_arrive_in_order(
    store: Store, writer: JournalWriter, follower: MlflowFollower, history: History
) -> None:
    """MLflow takes 1,000 values with one request; 3,456 are four."""
    with mlflow.start_run() as run:
        key = in_run("model:latency_ms", route="predict")
        for number in range(3_456):
            writer.put_point(key, number / 2)
    assert follower.wait(60)
    assert history(run.info.run_id, "model:latency_ms/route:predict") == [
        (number, number / 2) for number in range(3_456)
    ]
    assert store.state.counters("mlflow") == {"delivered": 3_456}


def test_definitions_and_metadata_arrive_as_tags(
    writer: JournalWriter, follower: MlflowFollower, client: MlflowClient
) -> None:
    """Unit, description and direction of each metric; the metadata of the latest fact with some."""
    with mlflow.start_run() as run:
        key = in_run("model:latency_ms")
        for version in ("1", "2"):
            columns = {"value": 3.5, "step": None, "metadata": json.dumps({"version": version})}
            writer.put_event("points", key, time.time_ns(), columns)
    assert follower.wait(30)
    tags = client.get_run(run.info.run_id).data.tags
    assert json.loads(tags["tidegauge.metric.model:latency_ms"]) == {
        "metric": "model:latency_ms",
        "description": "Inference latency in milliseconds",
        "unit": "ms",
        "kind": "distribution",
        "direction": "lower",
    }
    assert json.loads(tags["tidegauge.metadata.model:latency_ms"]) == {"version": "2"}


def test_facts_of_nested_runs_go_to_the_innermost(
    writer: JournalWriter, follower: MlflowFollower, history: History
) -> None:
    """Each fact belongs to the run that was active when it was recorded."""
    with mlflow.start_run() as outer:
        writer.put_point(in_run("model:accuracy"), 0.1)
        with mlflow.start_run(nested=True) as inner:
            writer.put_point(in_run("model:accuracy"), 0.2)
        writer.put_point(in_run("model:accuracy"), 0.3)
    assert follower.wait(30)
    assert history(outer.info.run_id, "model:accuracy") == [(0, 0.1), (1, 0.3)]
    assert history(inner.info.run_id, "model:accuracy") == [(0, 0.2)]


def test_a_run_made_by_the_client_gets_its_facts(
    writer: JournalWriter, follower: MlflowFollower, client: MlflowClient, history: History
) -> None:
    """Such a run is never active; the fact names it. That it has ended does not matter."""
    run_id = client.create_run("0").info.run_id
    writer.put_point(in_run("model:accuracy", run_id), 0.5)
    client.set_terminated(run_id)
    assert follower.wait(30)
    assert history(run_id, "model:accuracy") == [(0, 0.5)]
    assert client.get_run(run_id).info.status == "FINISHED"


def test_processes_that_feed_one_run_share_its_steps(
    store: Store, writer: JournalWriter, follower: MlflowFollower, history: History
) -> None:
    """Equal values at one moment from two processes are two values, as they were recorded."""
    other = JournalWriter(store.root / "journal")
    with mlflow.start_run() as run:
        for each in (writer, other):
            each.put_point(in_run("usage:replies"), 1.0, time_ns=1_700_000_000_000_000_000)
    other.close()
    assert follower.wait(30)
    assert history(run.info.run_id, "usage:replies") == [(0, 1.0), (1, 1.0)]


def test_identical_facts_with_a_step_are_one_value(
    writer: JournalWriter, follower: MlflowFollower, history: History
) -> None:
    """MLflow tells values apart by key, time, step and value; a step of one's own is kept."""
    with mlflow.start_run() as run:
        for _ in range(2):
            writer.put_point(
                in_run("usage:replies"), 1.0, time_ns=1_700_000_000_000_000_000, step=5
            )
    assert follower.wait(30)
    assert history(run.info.run_id, "usage:replies") == [(5, 1.0)]


def test_the_active_model_gets_no_metrics(
    writer: JournalWriter,
    follower: MlflowFollower,
    client: MlflowClient,
    tracking_uri: str,
    history: History,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which model is active where facts are delivered says nothing of what they are about."""
    with mlflow.start_run() as run:
        model = mlflow.initialize_logged_model("fraud")
        mlflow.set_active_model(model_id=model.model_id)
        monkeypatch.setenv("MLFLOW_ACTIVE_MODEL_ID", model.model_id)
        writer.put_point(in_run("model:accuracy"), 0.5)
        assert follower.wait(30)
    assert history(run.info.run_id, "model:accuracy") == [(0, 0.5)]
    assert client.get_logged_model(model.model_id).metrics in (None, [])
    mlflow.clear_active_model()


def test_autolog_and_we_share_a_run(
    writer: JournalWriter, follower: MlflowFollower, client: MlflowClient, history: History
) -> None:
    """A fit that MLflow logs by itself, and facts beside it."""
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_models=False, silent=True)
    try:
        with mlflow.start_run() as run:
            model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
            writer.put_point(in_run("model:accuracy"), model.score([[0.0], [3.0]], [0, 1]))
    finally:
        mlflow.sklearn.autolog(disable=True)
    assert follower.wait(30)
    metrics = client.get_run(run.info.run_id).data.metrics
    assert metrics["model:accuracy"] == 1.0
    assert "training_accuracy_score" in metrics
    assert history(run.info.run_id, "model:accuracy") == [(0, 1.0)]


def test_the_program_logs_to_mlflow_while_we_deliver(
    writer: JournalWriter, follower: MlflowFollower, history: History
) -> None:
    """Neither gets in the other's way on one SQLite database."""
    with mlflow.start_run() as run:
        key = in_run("model:latency_ms")
        for number in range(6_000):
            writer.put_point(key, float(number))
        delivering = threading.Thread(target=follower.wait, args=(60,))
        delivering.start()
        for step in range(40):
            mlflow.log_metric("own", step / 2, step=step)
        delivering.join()
    assert history(run.info.run_id, "own") == [(step, step / 2) for step in range(40)]
    assert len(history(run.info.run_id, "model:latency_ms")) == 6_000


def test_waiting_ends_although_facts_keep_coming(
    writer: JournalWriter, follower: MlflowFollower
) -> None:
    """What is waited for is what was there when the wait began."""
    with mlflow.start_run():
        key = in_run("model:latency_ms")
    writer.put_point(key, 0.0)
    stop = threading.Event()

    def record() -> None:
        while not stop.wait(0.001):
            writer.put_point(key, 1.0)

    recording = threading.Thread(target=record)
    recording.start()
    begin_s = time.monotonic()
    try:
        assert follower.wait(60)
        assert time.monotonic() - begin_s < 30
    finally:
        stop.set()
        recording.join()
    assert follower.wait(30)
    assert follower.is_caught_up()


def test_waiting_may_only_watch(writer: JournalWriter, follower: MlflowFollower) -> None:
    """Then another thread or process has to deliver, and the wait ends in time if none does."""
    with mlflow.start_run():
        key = in_run("model:latency_ms")
    writer.put_point(key, 0.0)
    assert not follower.wait(0.1, deliver=False)
    threading.Timer(0.2, follower.advance).start()
    assert follower.wait(30, deliver=False)


def test_a_deleted_run_is_a_dead_letter_and_holds_up_nobody(
    store: Store,
    writer: JournalWriter,
    follower: MlflowFollower,
    client: MlflowClient,
    history: History,
) -> None:
    """Its facts are counted and passed; one letter tells of all of them."""
    deleted, kept = (client.create_run("0").info.run_id for _ in range(2))
    client.delete_run(deleted)
    for number in range(10):
        writer.put_point(in_run("model:accuracy", deleted), float(number))
        writer.put_point(in_run("model:accuracy", kept), float(number))
    assert follower.wait(30)
    writer.put_point(in_run("model:accuracy", deleted), 99.0)
    assert follower.wait(30)
    assert len(history(kept, "model:accuracy")) == 10
    assert store.state.counters("mlflow") == {
        "delivered": 10,
        "refused/run_deleted": 11,
        "dead_letters/run_deleted": 1,
    }
    (letter,) = store.state.dead_letters("mlflow")
    assert letter.reason == "run_deleted"
    payload = json.loads(letter.payload_json)
    assert (payload["run_id"], payload["facts"], payload["sample"]["value"]) == (deleted, 10, 0.0)


def test_a_run_that_never_was_is_a_dead_letter(
    store: Store, writer: JournalWriter, follower: MlflowFollower
) -> None:
    """Whatever text somebody gave as `run_id`."""
    for run_id in ("0" * 32, "not a run id", "x" * 900):
        writer.put_point(in_run("model:accuracy", run_id), 0.5)
    assert follower.wait(30)
    assert store.state.counters("mlflow") == {
        "refused/run_not_found": 3,
        "dead_letters/run_not_found": 3,
    }


def test_names_that_become_one_are_kept_apart(
    store: Store, writer: JournalWriter, client: MlflowClient, history: History
) -> None:
    """The second metric of a run with a name is refused, whichever process delivers it."""
    run_id = client.create_run("0").info.run_id
    for metric, value in (("custom:a.b", 1.0), ("custom:a_b", 100.0)):
        writer.put_point(in_run(metric, run_id), value, step=1)
        # A follower of its own, as another process would have.
        assert MlflowFollower(store, builtin_catalog(), name_style="underscore").wait(30)
    assert history(run_id, "custom_a_b") == [(1, 1.0)]
    assert store.state.counters("mlflow") == {
        "delivered": 1,
        "refused/no_name": 1,
        "dead_letters/no_name": 1,
    }
    (letter,) = store.state.dead_letters("mlflow")
    assert (letter.reason, json.loads(letter.payload_json)["key"]) == ("no_name", "custom:a_b")
    assert "'custom:a_b' would have the same name in MLflow as 'custom:a.b'" in letter.detail


def test_a_database_that_does_not_exist_is_waited_for(
    store: Store, writer: JournalWriter, tracking_uri: str, tmp_path: Path
) -> None:
    """A wrong tracking URI loses nothing: nothing is created, nothing is passed."""
    run_id = mlflow.MlflowClient().create_run("0").info.run_id
    writer.put_point(in_run("model:accuracy", run_id), 0.5)
    wrong = tmp_path / "wrong.db"
    lost = MlflowFollower(store, builtin_catalog(), tracking_uri=f"sqlite:///{wrong}")
    assert not lost.wait(0.2)
    assert "wrong.db does not exist" in lost.pending().error
    assert not wrong.exists()
    assert MlflowFollower(store, builtin_catalog()).wait(30)


def test_where_the_runs_are_is_kept_before_anything_was_sent(
    store: Store, writer: JournalWriter, tracking_uri: str
) -> None:
    """A program that ends while MLflow is down leaves its facts to a process that knows nothing."""
    run_id = mlflow.MlflowClient().create_run("0").info.run_id
    writer.put_point(in_run("model:accuracy", run_id), 0.5)
    down = "http://127.0.0.1:9"
    assert not MlflowFollower(store, builtin_catalog(), tracking_uri=down).wait(0)
    mlflow.set_tracking_uri("")
    another = MlflowFollower(store, builtin_catalog())
    assert not another.wait(0.1)
    assert "127.0.0.1" in another.pending().error
    assert store.state.dead_letters("mlflow") == []


def test_a_password_is_not_kept_and_no_other_place_taken_instead(
    store: Store, writer: JournalWriter, tracking_uri: str
) -> None:
    """A process that was not told the address waits; MLflow's default would refuse the facts."""
    run_id = mlflow.MlflowClient().create_run("0").info.run_id
    writer.put_point(in_run("model:accuracy", run_id), 0.5)
    MlflowFollower(store, builtin_catalog(), tracking_uri="http://me:secret@127.0.0.1:9/x")
    mlflow.set_tracking_uri("")
    another = MlflowFollower(store, builtin_catalog())
    assert not another.wait(0.1)
    assert another.pending().error == (
        "the runs are at http://me:***@127.0.0.1:9/x, and the password is not kept"
    )
    assert b"secret" not in store.state.path.read_bytes()


def test_a_process_without_an_address_delivers_where_others_did(
    store: Store, writer: JournalWriter, follower: MlflowFollower, history: History
) -> None:
    """`tidegauge drain` in a shell that knows nothing of MLflow finds the right place."""
    with mlflow.start_run() as run:
        writer.put_point(in_run("model:accuracy"), 0.5)
        assert follower.wait(30)
        writer.put_point(in_run("model:accuracy"), 0.6)
    program = (
        "import sys; from tidegauge.store.store import Store;"
        "from tidegauge.catalog import builtin_catalog;"
        "from tidegauge.export.mlflow import MlflowFollower;"
        "sys.exit(not MlflowFollower(Store(sys.argv[1]), builtin_catalog()).wait(60))"
    )
    import subprocess

    subprocess.run([sys.executable, "-c", program, store.root], check=True, cwd=store.root)
    assert history(run.info.run_id, "model:accuracy") == [(0, 0.5), (1, 0.6)]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_delivers(
    store: Store, writer: JournalWriter, follower: MlflowFollower, history: History
) -> None:
    """It opens connections of its own; the parent's stay as they were."""
    with mlflow.start_run() as run:
        writer.put_point(in_run("model:accuracy"), 0.5)
        assert follower.wait(30)
        writer.put_point(in_run("model:accuracy"), 0.6)
        child = multiprocessing.get_context("fork").Process(target=_deliver, args=(follower,))
        child.start()
        child.join(60)
        assert child.exitcode == 0
        writer.put_point(in_run("model:accuracy"), 0.7)
    assert follower.wait(30)
    assert history(run.info.run_id, "model:accuracy") == [(0, 0.5), (1, 0.6), (2, 0.7)]


def test_a_value_sent_twice_is_there_once(client: MlflowClient, history: History) -> None:
    """What all of this rests on: MLflow's store ignores a row it has, alone or among new ones."""
    run_id = client.create_run("0").info.run_id
    rows = [Metric("a", float(n), 1_000 + n, n) for n in range(50)]
    client.log_batch(run_id, rows[:30])
    client.log_batch(run_id, rows)
    client.log_batch(run_id, rows[-1:])
    assert history(run_id, "a") == [(n, float(n)) for n in range(50)]


def _deliver(follower: MlflowFollower) -> None:
    sys.exit(0 if follower.wait(30) else 1)
