# SPDX-License-Identifier: Apache-2.0
"""Trouble with one run or one value: it alone is held up or refused."""

from __future__ import annotations

import json
import threading

import pytest
from tests.fault.mlflow.conftest import PASS, Answer, Proxy, Request, Setting, counted

from tidegauge.export.mlflow_courier import Patience

pytestmark = pytest.mark.system

BROKEN = Answer(500, '{"error_code": "INTERNAL_ERROR", "message": "broken"}')
REFUSED = Answer(400, '{"error_code": "INVALID_PARAMETER_VALUE", "message": "not this"}')


def test_a_run_that_fails_is_set_aside_and_comes_back(setting: Setting, proxy: Proxy) -> None:
    """The others arrive meanwhile, also what was recorded later; the journal keeps its facts."""
    sick, well = setting.new_run(), setting.new_run()
    for _ in range(3):
        setting.record(sick, 200)
        setting.record(well, 200)
    proxy.rule = lambda request: BROKEN if request.body.get("run_id") == sick else PASS
    follower = setting.follower()
    setting.work(follower)
    assert len(setting.history(well)) == 600
    assert not follower.is_caught_up()
    pending = follower.pending()
    assert pending.points == 0
    assert list(pending.aside) == [sick]
    assert "broken" in pending.aside[sick]
    assert setting.store.state.cursors("mlflow")[("000", "points")] == 0
    assert setting.counters() == {"delivered": 600}

    proxy.rule = lambda _: PASS
    assert setting.follower().wait(30)  # another process knows that it was set aside
    assert [value for _, value in setting.history(sick)] == [float(n % 200) for n in range(600)]
    assert setting.store.state.cursors("mlflow")[("000", "points")] == 1_200
    assert setting.counters() == {"delivered": 1_200}


def test_a_run_set_aside_half_way_gets_the_same_steps(setting: Setting, proxy: Proxy) -> None:
    """What had arrived before it failed is not doubled when it goes on by itself."""
    sick, well = setting.new_run(), setting.new_run()
    setting.record(sick, 1_500)
    setting.record(well, 100)

    def rule(request: Request) -> str | Answer:
        sent = [batch for batch, _ in proxy.seen if batch.body["run_id"] == sick]
        return BROKEN if request.body.get("run_id") == sick and sent else PASS

    proxy.rule = rule
    setting.work(setting.follower(window_facts=2_000))
    assert len(setting.history(sick)) == 999  # a batch of 1,000 with one tag
    setting.record(sick, 10)
    setting.record(well, 10)
    proxy.rule = lambda _: PASS
    assert setting.follower().wait(30)
    assert [step for step, _ in setting.history(sick)] == list(range(1_510))
    assert setting.counters() == {"delivered": 1_620}


def test_many_sick_runs_do_not_stop_a_well_one(setting: Setting, proxy: Proxy) -> None:
    """Each is set aside, two at a time, until the well one has its turn."""
    sick = [setting.new_run() for _ in range(9)]
    for run_id in sick:
        setting.record(run_id, 5)
    well = setting.new_run()
    setting.record(well, 5)
    proxy.rule = lambda request: BROKEN if request.body.get("run_id") in sick else PASS
    setting.work(setting.follower())
    assert setting.history(well) == counted(5)
    proxy.rule = lambda _: PASS
    assert setting.follower().wait(30)
    assert all(setting.history(run_id) == counted(5) for run_id in sick)


def test_a_run_is_given_up_when_it_fails_for_too_long(setting: Setting, proxy: Proxy) -> None:
    """While the server works for others, a day of failing is the end: all of it is counted."""
    sick = setting.new_run()
    setting.record(sick, 50)
    proxy.rule = lambda request: BROKEN if request.body.get("run_id") == sick else PASS
    follower = setting.follower(Patience(first_retry_s=0.01, give_up_run_s=0.0))
    assert follower.wait(20)
    counters = setting.counters()
    assert counters["refused/gave_up"] == 50
    assert "delivered" not in counters
    assert {letter.reason for letter in setting.store.state.dead_letters("mlflow")} == {"gave_up"}


def test_only_what_fails_is_given_up(setting: Setting, proxy: Proxy) -> None:
    """The value at fault is found by halves; the others of its run arrive."""
    run_id = setting.new_run()
    setting.record(run_id, 60)
    setting.record(run_id, 1, metric="model:poison")
    setting.record(run_id, 60, metric="model:accuracy")
    proxy.rule = lambda request: BROKEN if "model:poison" in request.keys else PASS
    follower = setting.follower(Patience(first_retry_s=0.01, give_up_run_s=0.0))
    assert follower.wait(20)
    assert setting.history(run_id) == counted(60)
    assert setting.history(run_id, "model:accuracy") == counted(60)
    assert setting.counters() == {
        "delivered": 120,
        "refused/gave_up": 1,
        "dead_letters/gave_up": 1,
    }


def test_a_server_that_goes_down_is_never_given_up(setting: Setting, proxy: Proxy) -> None:
    """However long it takes: giving up is for runs that fail while others do not."""
    run_id = setting.new_run()
    setting.record(run_id, 5)
    proxy.rule = lambda request: BROKEN if request.body.get("run_id") == run_id else PASS
    patience = Patience(first_retry_s=0.01, longest_retry_s=0.01, give_up_run_s=1_000)
    assert not setting.follower(patience).wait(0.5)
    proxy.rule = lambda _: BROKEN
    impatient = Patience(first_retry_s=0.01, longest_retry_s=0.01, give_up_run_s=0.0)
    assert not setting.follower(impatient).wait(0.5)
    assert setting.counters() == {}
    proxy.rule = lambda _: PASS
    assert setting.follower(impatient).wait(20)
    assert setting.history(run_id) == counted(5)


@pytest.mark.parametrize("position", [0, 99, 250])
def test_one_refused_value_does_not_take_the_others_with_it(
    setting: Setting, proxy: Proxy, position: int
) -> None:
    """Of a batch that MLflow refuses only the entry at fault becomes a dead letter."""
    run_id = setting.new_run()
    setting.record(run_id, position)
    setting.record(run_id, 2, metric="model:poison")
    setting.record(run_id, 350, metric="model:accuracy")
    proxy.rule = lambda request: REFUSED if "model:poison" in request.keys else PASS
    assert setting.follower().wait(30)
    assert setting.history(run_id) == counted(position)
    assert setting.history(run_id, "model:accuracy") == counted(350)
    assert setting.counters() == {
        "delivered": position + 350,
        "refused/refused": 2,
        "dead_letters/refused": 1,
    }
    (letter,) = setting.store.state.dead_letters("mlflow")
    payload = json.loads(letter.payload_json)
    assert letter.detail == "not this"
    assert (payload["key"], payload["sample"]["value"]) == ("model:poison", 0.0)


def test_a_run_deleted_on_the_way_is_a_dead_letter(setting: Setting, proxy: Proxy) -> None:
    """What arrived before stays; the rest is counted; restored, it takes facts again."""
    run_id = setting.new_run()
    setting.record(run_id, 1_500)
    deleted = threading.Event()

    def rule(request: Request) -> str:
        if request.is_batch and proxy.seen and not deleted.is_set():
            deleted.set()
            setting.client.delete_run(run_id)
        return PASS

    proxy.rule = rule
    assert setting.follower(window_facts=2_000).wait(30)
    assert setting.counters() == {
        "delivered": 999,
        "refused/run_deleted": 501,
        "dead_letters/run_deleted": 1,
    }
    setting.client.restore_run(run_id)
    setting.record(run_id, 1)
    assert setting.follower().wait(30)
    assert len(setting.history(run_id)) == 1_000
