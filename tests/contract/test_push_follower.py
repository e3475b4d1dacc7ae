# SPDX-License-Identifier: Apache-2.0
"""The follower that pushes readings: when it sends, what it remembers, how it waits."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tidegauge.export.deltas import PartlyDelivered
from tidegauge.export.emf import EmfSender
from tidegauge.export.otlp import OtlpSender
from tidegauge.export.push import PushFollower
from tidegauge.journal.follow import FollowerThread, OutwardFollower
from tidegauge.live.families import Labels, Reading, counter
from tidegauge.model.clock import SYSTEM_CLOCK
from tidegauge.model.errors import DeliveryError
from tidegauge.store.leader import exclusive
from tidegauge.store.store import Store

A: Labels = (("model", "a"),)
B: Labels = (("model", "b"),)


class HandClock:
    """A clock that a test moves on; wall time goes a little further with each look."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self._looks = 0

    def wall_ns(self) -> int:
        """See `Clock.wall_ns`."""
        self._looks += 1
        return 1_790_000_000 * 10**9 + round(self.now_s * 1e9) + self._looks

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`."""
        return self.now_s


class Totals:
    """What was counted so far, and readings of it."""

    def __init__(self, time_ns: Callable[[], int]) -> None:
        self.values: dict[Labels, float] = {}
        self._time_ns = time_ns

    def read(self) -> Reading:
        """Take a reading."""
        return Reading([counter("x_total", "", dict(self.values))], self._time_ns(), 100)


class Destination:
    """A sender whose destination can be told to fail: at once, or after some series."""

    def __init__(self, *, wants_deltas: bool = True) -> None:
        self.wants_deltas = wants_deltas
        self.got: list[dict[Labels, float]] = []
        self.fails = False
        self.takes: list[Labels] | None = None

    def send(self, reading: Reading, *, timeout_s: float | None = None) -> dict[str, int]:  # noqa: ARG002
        """See `Sender.send`."""
        values: dict[Labels, float] = {}
        for family in reading.families:
            values |= dict(zip(family.labels, family.values, strict=True))  # type: ignore[union-attr]
        if self.fails:
            raise DeliveryError("it is down")
        if self.takes is not None:
            self.got.append({labels: values[labels] for labels in self.takes})
            raise PartlyDelivered("it broke", arrived=[("x_total", each) for each in self.takes])
        self.got.append(values)
        return {"sent": len(values), "refused/bad_value": 1}

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands still until it is moved."""
    return HandClock()


@pytest.fixture
def store(store_dir: Path, clock: HandClock) -> Iterator[Store]:
    """An empty store with that clock."""
    store = Store(store_dir, clock=clock)
    yield store
    store.close()


@pytest.fixture
def totals(clock: HandClock) -> Totals:
    """What the program counted."""
    return Totals(clock.wall_ns)


@pytest.fixture
def destination() -> Destination:
    """Where deltas go."""
    return Destination()


@pytest.fixture
def follower(store: Store, totals: Totals, destination: Destination) -> PushFollower:
    """The follower under test."""
    return PushFollower("otlp", totals.read, destination, store=store)


@pytest.fixture
def hanging_endpoint() -> Iterator[str]:
    """A server that takes requests and never answers."""
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            released.wait(30)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_fits_the_port(follower: PushFollower) -> None:
    """It is run and waited for like every follower whose destination is elsewhere."""
    assert isinstance(follower, OutwardFollower)
    assert follower.name == "otlp"


def test_a_reading_is_sent_when_the_time_has_come(
    follower: PushFollower, totals: Totals, destination: Destination, clock: HandClock
) -> None:
    """Not before `every_s` have passed, and then once."""
    totals.values = {A: 1.0}
    for now_s, sent in ((1_059.0, 0), (1_060.0, 1), (1_061.0, 1), (1_120.5, 2)):
        clock.now_s = now_s
        assert follower.advance() is False
        assert len(destination.got) == sent


def test_force_sends_now(follower: PushFollower, totals: Totals, destination: Destination) -> None:
    """A program that ends soon does not wait for the interval."""
    totals.values = {A: 1.0}
    follower.advance(force=True)
    assert destination.got == [{A: 1.0}]


def test_deltas_add_up_to_what_was_counted(
    follower: PushFollower, totals: Totals, destination: Destination
) -> None:
    """Whatever failed in between, and whichever process sends."""
    totals.values = {A: 1.0}
    follower.advance(force=True)
    totals.values = {A: 3.0}
    destination.fails = True
    with pytest.raises(DeliveryError):
        follower.advance(force=True)
    destination.fails = False
    totals.values = {A: 4.0}
    follower.advance(force=True)
    assert destination.got == [{A: 1.0}, {A: 3.0}]


def test_another_process_goes_on_where_the_last_one_stopped(
    follower: PushFollower, store: Store, totals: Totals, clock: HandClock
) -> None:
    """What arrived is known to all that use the store, and so is when the next one is due."""
    totals.values = {A: 1.0}
    other = Destination()
    second = PushFollower("otlp", totals.read, other, store=store)
    clock.now_s += 60
    follower.advance()
    second.advance()
    assert other.got == []
    totals.values = {A: 5.0}
    clock.now_s += 60
    second.advance()
    assert other.got == [{A: 4.0}]


def test_what_arrived_of_a_reading_is_not_sent_again(
    follower: PushFollower, totals: Totals, destination: Destination
) -> None:
    """When one of several requests fails, the others are not repeated."""
    totals.values = {A: 1.0, B: 2.0}
    destination.takes = [A]
    with pytest.raises(PartlyDelivered):
        follower.advance(force=True)
    destination.takes = None
    follower.advance(force=True)
    assert destination.got == [{A: 1.0}, {B: 2.0}]


def test_totals_are_sent_as_they_are(store: Store, totals: Totals) -> None:
    """A destination that does not want deltas needs no memory."""
    destination = Destination(wants_deltas=False)
    follower = PushFollower("otlp", totals.read, destination, store=store)
    totals.values = {A: 1.0}
    follower.advance(force=True)
    follower.advance(force=True)
    assert destination.got == [{A: 1.0}, {A: 1.0}]
    assert store.state.value("otlp", "arrived") is None


def test_failures_are_tried_again_after_growing_pauses(
    follower: PushFollower, store: Store, destination: Destination, clock: HandClock
) -> None:
    """One second, then two, then four: a server that is down is not hammered."""
    destination.fails = True
    tries = []
    for _ in range(90):
        clock.now_s += 1
        try:
            follower.advance()
        except DeliveryError:
            tries.append(clock.now_s - 1_000)
    assert tries == [60, 61, 63, 67, 75]
    assert store.state.counters("otlp") == {"failures": 5}


def test_what_became_of_the_series_is_counted_and_logged(
    follower: PushFollower, store: Store, totals: Totals, caplog: pytest.LogCaptureFixture
) -> None:
    """In the store's state by reason; the log has it once a minute."""
    totals.values = {A: 1.0, B: 2.0}
    follower.advance(force=True)
    follower.advance(force=True)
    assert store.state.counters("otlp") == {
        "readings": 2,
        "refused/bad_value": 2,
        "sent": 2,
    }
    assert caplog.text.count("otlp: some series cannot be sent, the others were: 1 bad_value") == 1


def test_while_another_process_sends_nothing_is_sent(
    follower: PushFollower, store: Store, destination: Destination
) -> None:
    """What was asked for meanwhile is sent with the next call."""
    with exclusive(store.root / "push-otlp.lock"):
        follower.advance(force=True)
    assert destination.got == []
    follower.advance()
    assert len(destination.got) == 1


def test_being_caught_up_means_a_reading_from_after_the_question(
    follower: PushFollower, totals: Totals
) -> None:
    """Asking has the next call send one; the question after a True is a new one."""
    follower.advance(force=True)
    assert not follower.is_caught_up()
    follower.advance()
    assert follower.is_caught_up()
    assert not follower.is_caught_up()


def test_wait_delivers_in_the_calling_thread(
    store_dir: Path, totals: Totals, destination: Destination
) -> None:
    """A program without background threads can wait, too."""
    store = Store(store_dir)
    follower = PushFollower("otlp", totals.read, destination, store=store)
    totals.values = {A: 1.0}
    assert follower.wait(10)
    assert destination.got == [{A: 1.0}]
    store.close()


def test_wait_has_the_background_thread_deliver(
    store_dir: Path, totals: Totals, destination: Destination
) -> None:
    """It asks for a reading that is taken after the call, and watches."""
    store = Store(store_dir)
    follower = PushFollower("otlp", totals.read, destination, store=store)
    thread = FollowerThread(follower, poll_s=0.02)
    thread.start()
    for expected in (1.0, 2.0):
        totals.values = {A: totals.values.get(A, 0.0) + 1.0}
        assert follower.wait(10, deliver=False)
        assert sum(got.get(A, 0.0) for got in destination.got) == expected
    assert thread.stop(10)
    store.close()


@pytest.mark.parametrize("deliver", [True, False])
def test_a_receiver_that_hangs_does_not_hold_wait(
    store_dir: Path, hanging_endpoint: str, deliver: bool
) -> None:
    """It is over in time, and says that nothing arrived."""
    store = Store(store_dir)
    totals = Totals(SYSTEM_CLOCK.wall_ns)
    totals.values = {A: 1.0}
    sender = OtlpSender(hanging_endpoint, timeout_s=1.0, protocol="http/protobuf")
    follower = PushFollower("otlp", totals.read, sender, store=store)
    thread = FollowerThread(follower, poll_s=0.02)
    if not deliver:
        thread.start()
    begun_s = time.monotonic()
    assert not follower.wait(0.3, deliver=deliver)
    assert time.monotonic() - begun_s < 0.9
    thread.stop(10)
    sender.close()
    store.close()


def test_lines_for_lambda_add_up(store_dir: Path) -> None:
    """With the real sender: each flush writes what came since the last one, or nothing."""
    store, stream = Store(store_dir), io.StringIO()
    totals = Totals(SYSTEM_CLOCK.wall_ns)
    follower = PushFollower("emf", totals.read, EmfSender("Shop", stream=stream), store=store)
    for value in (2.0, 2.0, 5.0):
        totals.values = {A: value}
        assert follower.wait(10)
    lines: list[dict[str, Any]] = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["x"] for line in lines] == [2.0, 3.0]
    store.close()


def test_damaged_memory_sends_nothing_twice(
    follower: PushFollower, store: Store, totals: Totals, destination: Destination
) -> None:
    """What is in state.db and cannot be read counts as if all had arrived."""
    totals.values = {A: 1.0}
    follower.advance(force=True)
    with store.state.transaction() as transaction:
        transaction.set_value("otlp", "arrived", "no base64: é")
    totals.values = {A: 3.0}
    follower.advance(force=True)
    totals.values = {A: 4.0}
    follower.advance(force=True)
    assert destination.got == [{A: 1.0}, {}, {A: 1.0}]
