# SPDX-License-Identifier: Apache-2.0
"""A server that is down, slow, broken or restarted: everything arrives later, and once."""

from __future__ import annotations

import threading
import time

import pytest
from mlflow import MlflowClient
from tests.fault.mlflow.conftest import (
    CUT,
    CUT_ANSWER,
    IMPATIENT,
    PASS,
    Answer,
    Proxy,
    Request,
    Server,
    Setting,
    counted,
    free_port,
)

from tidegauge.catalog import builtin_catalog
from tidegauge.export.mlflow import MlflowFollower
from tidegauge.export.mlflow_courier import Patience
from tidegauge.model.errors import DeliveryError

pytestmark = pytest.mark.system

TROUBLE = {
    "500": Answer(500, '{"error_code": "INTERNAL_ERROR", "message": "oops"}'),
    "500 without MLflow's words": Answer(500, "<html>oops</html>"),
    "502": Answer(502, "bad gateway"),
    "503": Answer(503, '{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "database"}'),
    "408": Answer(408),
    "429": Answer(429, "slow down"),
    "401": Answer(401, '{"error_code": "UNAUTHENTICATED", "message": "token has expired"}'),
    "403": Answer(403, "forbidden"),
    "404 of something else": Answer(404, "<html>no such page</html>"),
    "400 of MLflow's database": Answer(400, '{"error_code": "BAD_REQUEST", "message": "pool"}'),
    "200 of a login page": Answer(200, "<html>please log in</html>"),
    "connection cut": CUT,
    "connection cut after the data arrived": CUT_ANSWER,
}


def until_batch(number: int, trouble: str | Answer) -> object:
    """A rule: the first batches meet the trouble, as does everything else meanwhile."""
    batches = []

    def rule(request: Request) -> str | Answer:
        batches.extend([1] * request.is_batch)
        if len(batches) > number:
            return PASS
        return trouble if request.is_batch or trouble != CUT_ANSWER else CUT

    return rule


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_that_passes_loses_and_doubles_nothing(
    setting: Setting, proxy: Proxy, trouble: str
) -> None:
    """It is tried again until it works; nothing is refused meanwhile."""
    run_id = setting.new_run()
    setting.record(run_id, 30)
    proxy.rule = until_batch(3, TROUBLE[trouble])
    assert setting.follower().wait(20)
    assert setting.history(run_id) == counted(30)
    assert setting.counters() == {"delivered": 30}
    assert len(proxy.seen) == 4


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_that_lasts_keeps_everything_in_the_journal(
    setting: Setting, proxy: Proxy, trouble: str
) -> None:
    """The cursor stays where it is, the error can be seen, and the next process goes on."""
    run_id = setting.new_run()
    setting.record(run_id, 10)
    proxy.rule = lambda _: TROUBLE[trouble]
    follower = setting.follower()
    assert not follower.wait(0.3)
    pending = follower.pending()
    assert pending.points == 10
    assert pending.error
    assert setting.store.state.cursors("mlflow").get(("000", "points"), 0) == 0
    assert setting.counters() == {}
    proxy.rule = lambda _: PASS
    assert setting.follower().wait(20)
    assert setting.history(run_id) == counted(10)


def test_a_server_that_is_not_there_yet(setting: Setting, server: Server) -> None:
    """Nothing listens at its address; when something does, everything arrives."""
    port = free_port()
    run_id = setting.new_run()
    setting.record(run_id, 100)
    follower = MlflowFollower(
        setting.store,
        builtin_catalog(),
        tracking_uri=f"http://127.0.0.1:{port}",
        patience=IMPATIENT,
    )
    assert not follower.wait(0.3)
    assert "Connection refused" in follower.pending().error
    late = Proxy(server, port)
    try:
        assert follower.wait(20)
    finally:
        late.close()
    assert setting.history(run_id) == counted(100)


def test_a_server_killed_and_started_again_in_the_middle(
    setting: Setting, proxy: Proxy, server: Server
) -> None:
    """What it had not stored is sent again, what it had is not stored again."""
    run_ids = [setting.new_run() for _ in range(3)]
    for run_id in run_ids:
        setting.record(run_id, 400)
    killed = threading.Event()

    def rule(request: Request) -> str:
        if request.is_batch and len(proxy.seen) == 2 and not killed.is_set():
            killed.set()
            # In the middle of this very request, or close to it.
            threading.Timer(0.05, server.kill).start()
        return PASS

    proxy.rule = rule
    follower = setting.follower()
    assert not follower.wait(2)
    assert killed.is_set()
    server.start()
    assert follower.wait(60)
    for run_id in run_ids:
        assert setting.history(run_id) == counted(400)
    assert setting.counters() == {"delivered": 1_200}


def test_a_slow_server_is_not_waited_for_beyond_the_time_given(
    setting: Setting, proxy: Proxy
) -> None:
    """A request ends after its time limit, and `wait` about when it was told."""
    run_id = setting.new_run()
    setting.record(run_id, 100)
    release = threading.Event()

    def rule(request: Request) -> str:
        release.wait(20)
        return PASS

    proxy.rule = rule
    follower = setting.follower(Patience(request_timeout_s=30))
    begin_s = time.monotonic()
    assert not follower.wait(0.5)
    assert time.monotonic() - begin_s < 4
    assert "timed out" in follower.pending().error
    # What was given up arrives after all, while it is sent again.
    release.set()
    assert follower.wait(20)
    assert setting.history(run_id) == counted(100)


def test_a_server_that_is_down_is_asked_less_and_less(setting: Setting, proxy: Proxy) -> None:
    """Two runs are tried, then the pause doubles; `force` asks at once."""
    for _ in range(10):
        setting.record(setting.new_run(), 1)
    proxy.rule = lambda _: Answer(503)
    follower = setting.follower(Patience(first_retry_s=1_000, longest_retry_s=1_000))
    with pytest.raises(DeliveryError, match="503"):
        follower.advance()
    assert len(proxy.seen) == 2
    assert not follower.advance()
    assert len(proxy.seen) == 2
    with pytest.raises(DeliveryError, match="503"):
        follower.advance(force=True)
    assert len(proxy.seen) == 4


def test_a_server_that_names_a_pause_gets_it(setting: Setting, proxy: Proxy) -> None:
    """`Retry-After` makes the pause longer, never longer than the longest."""
    setting.record(setting.new_run(), 1)
    proxy.rule = lambda _: Answer(429, headers=(("Retry-After", "600"),))
    follower = setting.follower(Patience(first_retry_s=0.001, longest_retry_s=1_000))
    with pytest.raises(DeliveryError, match="429"):
        follower.advance()
    assert not follower.wait(0.2)
    assert len(proxy.seen) == 2  # `wait` asks once at once, and then not again


def test_mlflow_is_not_told_to_retry_by_itself(setting: Setting, proxy: Proxy) -> None:
    """One request is one request, whatever MLflow's environment variables say of retries."""
    setting.record(setting.new_run(), 1)
    proxy.rule = lambda _: Answer(503)
    with pytest.raises(DeliveryError):
        setting.follower().advance()
    assert len(proxy.seen) == 1


def test_the_program_uses_mlflow_over_the_same_server(
    setting: Setting, proxy: Proxy, server: Server
) -> None:
    """Its own calls have their own retries and are not touched by ours."""
    run_id = setting.new_run()
    setting.record(run_id, 1_000)
    follower = setting.follower()
    delivering = threading.Thread(target=follower.wait, args=(60,))
    delivering.start()
    client = MlflowClient(tracking_uri=server.uri)
    for step in range(20):
        client.log_metric(run_id, "own", step / 2, step=step)
    delivering.join()
    assert setting.history(run_id) == counted(1_000)
    assert setting.history(run_id, "own") == [(step, step / 2) for step in range(20)]
