# SPDX-License-Identifier: Apache-2.0
"""The composition root: the only place that knows which parts a process is made of.

It applies settings to the recorder, starts the followers, and answers for all of them at flush,
shutdown, fork and exit.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegauge.catalog import builtin_catalog, load_catalog
from tidegauge.journal.follow import FollowerThread, OutwardFollower
from tidegauge.journal.segment import Refused
from tidegauge.model.errors import StoreError
from tidegauge.model.loading import loading
from tidegauge.parts import OWN_JOBS, SAMPLER, Parts, own_jobs
from tidegauge.query.front import reader
from tidegauge.record import aggregate
from tidegauge.record.context import Context, current
from tidegauge.record.front import recorder
from tidegauge.record.logger import MetricLogger
from tidegauge.record.privacy import PRIVACY_KEY, Privacy
from tidegauge.record.recorder import NO_PRICE_FILES, PriceFiles
from tidegauge.record.ticker import Ticker
from tidegauge.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegauge.catalog import Catalog
    from tidegauge.live.families import Reading

__all__ = [
    "assemble",
    "begin_now",
    "configure",
    "flush",
    "live_reading",
    "parts",
    "run_own_jobs",
    "shutdown",
]

_log = logging.getLogger("tidegauge")


class _Process(Parts):
    """What this process runs. Replaced as a whole by `configure` and after a fork."""

    def __init__(self, chosen: Settings, catalog: Catalog) -> None:
        super().__init__(chosen, catalog)
        self.ticker: Ticker | None = None
        self.threads: list[FollowerThread] = []
        self.runs_own_jobs = False

    def start(self) -> None:
        """Start what runs in the background."""
        chosen = self.settings
        sync_every_s = chosen.fsync_interval_ms / 1000 if chosen.durability == "fsync" else None
        self.ticker = Ticker(recorder, sync_every_s=sync_every_s)
        self.ticker.start()
        if chosen.follower == "thread":
            with loading():
                from tidegauge.background import LateDrain, LateJobs

            drain = LateDrain(self)
            self._follow(FollowerThread(drain))
            self._follow(FollowerThread(LateJobs(self, drain)))
            self.run_own_jobs()
        if chosen.resources_every_s is not None:
            with loading():
                from tidegauge.collect.sampler import Sampler

            sampler = Sampler(lambda: self.watch, chosen.resources_every_s)
            self._follow(FollowerThread(sampler, poll_s=sampler.poll_s))
        if chosen.mlflow:
            self._follow(FollowerThread(self.mlflow(), poll_s=0.2))
        for push in self.pushes():
            self._follow(FollowerThread(push, poll_s=0.2))

    def run_own_jobs(self) -> None:
        """Start running the jobs that this program has registered, if there are any."""
        if not own_jobs or self.runs_own_jobs or self.settings.follower == "off":
            return
        with loading():
            from tidegauge.background import OwnJobs

        self.runs_own_jobs = True
        self._follow(FollowerThread(OwnJobs(self.root.absolute())))

    def stop(self, deadline_s: float) -> None:
        """Stop it, each after the piece of work in hand.

        What leaves the machine may hang in a request, what looks at it in a driver, and nobody
        knows what somebody's own job does: past the deadline they are left behind. Killed there,
        nothing is lost, as everywhere.
        """
        if self.ticker is not None:
            self.ticker.stop()
        remote_tables = "://" in (self.settings.tables_uri or "")
        for thread in self.threads:
            outward = remote_tables or isinstance(thread.follower, OutwardFollower)
            outward |= thread.follower.name in {OWN_JOBS, SAMPLER}
            has_ended = thread.stop(max(deadline_s - time.monotonic(), 0.0) if outward else None)
            if has_ended and (close := getattr(thread.follower, "close", None)) is not None:
                close()  # connections of whoever pushes
        self.threads = []
        self.stop_watching()

    def _follow(self, thread: FollowerThread) -> None:
        self.threads.append(thread)
        thread.start()


_lock = threading.RLock()
_process: _Process | None = None
_reading: Parts | None = None
#: What `configure` was given last, for recording again after a shutdown.
_given: dict[str, Any] = {}


def configure(**given: Any) -> Settings:
    """Say where and how this process records. Call it once, early; every setting has a default.

    Not calling it is fine: the first fact applies the environment and the defaults.

    Args:
        given: Settings by name; see docs/reference/settings.md. What is not given is taken from
            the environment variable `TIDEGAUGE_<NAME>`, else from the default.

    Returns:
        The settings now in force.

    Raises:
        ConfigError: A setting does not exist or cannot be used.
        CatalogError: The catalogue named by `catalog` is not valid.
        StorePermissionError: The store does not admit this user.
        MissingExtraError: `mlflow=True` without MLflow installed.

    Example:
        >>> import tidegauge as tg
        >>> tg.configure(store=".tidegauge", service="checkout").service
        'checkout'
    """
    chosen = read_settings(given)
    catalog = _vocabulary(chosen)
    with _lock:
        process = _apply(chosen, catalog)
        _given.clear()
        _given.update(given)
        try:
            recorder.writer.open()
        except Refused as refusal:  # a full disk may have room again later; recording counts it
            _log.warning("nothing can be recorded yet: %s", refusal)
    return process.settings


def flush(timeout_s: float = 30.0) -> bool:
    """Deliver everything recorded so far to every follower of this process, and wait for it.

    Returns:
        False if that took longer than `timeout_s` seconds or a follower failed. Nothing is lost
        then: delivery goes on in the background.
    """
    process = _process
    if process is None:  # nothing was recorded
        return True
    aggregate.flush_intervals()
    recorder.writer.tick()
    deadline_s = time.monotonic() + timeout_s
    return all(_caught_up(thread, deadline_s) for thread in process.threads)


def shutdown(timeout_s: float | None = None) -> bool:
    """Close open intervals, deliver, stop the background threads and give the slot back.

    Recording afterwards starts everything again, as it was configured. At the end of the process
    this happens by itself, except that the operating system gives the slot back.

    Args:
        timeout_s: Most seconds to wait for delivery to MLflow, OTLP and CloudWatch; the setting
            `exit_wait_s` if None.

    Returns:
        Whether they have everything. What they lack stays in the store for the next process.
    """
    global _process
    with _lock:
        process, _process = _process, None
        delivered = process is None or _end(process, timeout_s)
        recorder.prepare_again(_prepare)
        recorder.writer.close()
        return delivered


def start_over() -> None:
    """Shut down, and be as if nothing had been configured."""
    with _lock:
        shutdown()
        recorder.writer.forget_drops()
        _given.clear()


def run_own_jobs() -> None:
    """Run what was registered since this process began to run; called when something was."""
    with _lock:
        if _process is not None:
            _process.run_own_jobs()


def begin_now() -> None:
    """Have everything in the background begin with what there is, due or not; returns at once."""
    with _lock:
        for thread in _process.threads if _process is not None else ():
            thread.wake(force=True)


def parts() -> Parts:
    """The parts of this process: as configured, or as the environment says. Starts nothing."""
    global _reading  # noqa: PLW0603  (one per process, like the recorder)
    with _lock:
        if _process is not None:
            return _process
        if _reading is None:
            _reading = assemble(**_given)
        return _reading


def live_reading() -> Reading:
    """The live metrics of this process's store.

    Raises:
        StoreError: The store cannot be read.
    """
    return parts().live.read()


def assemble(**given: Any) -> Parts:
    """The parts for a program that works on a store and does not record, such as a command.

    Changes nothing in this process: nothing is started, `configure` stays in force.

    Args:
        given: Settings, as for `configure`.

    Raises:
        ConfigError: A setting does not exist or cannot be used.
        CatalogError: The catalogue named by `catalog` is not valid.
    """
    chosen = read_settings(given)
    return Parts(chosen, _vocabulary(chosen))


def _vocabulary(chosen: Settings) -> Catalog:
    catalog = builtin_catalog()
    return catalog if chosen.catalog is None else catalog.merged(load_catalog(Path(chosen.catalog)))


def _prepare() -> None:
    """Apply the settings. Called with the first fact of a process or after a shutdown."""
    with _lock:
        if _process is None:
            chosen = read_settings(_given)
            _apply(chosen, _vocabulary(chosen))


def _apply(chosen: Settings, catalog: Catalog) -> _Process:
    global _process, _reading
    before, _process, _reading = _process, _Process(chosen, catalog), None
    if before is not None:
        _end(before, timeout_s=0)
    _configure_recorder(_process)
    _process.start()
    return _process


def _configure_recorder(process: _Process) -> None:
    chosen = process.settings
    defaults = {"service": chosen.service, "environment": chosen.environment}
    context: Callable[[], object] = current
    if chosen.mlflow:
        with loading():
            from tidegauge.export.mlflow import active_run_id

        context = _with_run(active_run_id)
    recorder.configure(
        process.root / "journal",
        catalog=process.catalog,
        strict=bool(chosen.strict),
        defaults={name: value for name, value in defaults.items() if value},
        budget_bytes=chosen.journal_budget_bytes,
        segment_slots=chosen.segment_slots,
        context=context,
        keep=process.keep_declared,
        privacy=Privacy(chosen.free_text, chosen.user_ids, process.root / PRIVACY_KEY),
        price_files=_price_files(chosen),
    )


def _price_files(chosen: Settings) -> PriceFiles:
    """The files with prices. Whether they can be used is found out now, not with the first call."""
    own = None if chosen.llm_prices is None else Path(chosen.llm_prices)
    litellm = None if chosen.litellm_prices is None else Path(chosen.litellm_prices)
    if own is None and litellm is None:
        return NO_PRICE_FILES
    with loading():
        from tidegauge.prices.lists import price_lists
        from tidegauge.prices.pricing import Pricer

    files = PriceFiles(own, litellm)
    files.pricer = Pricer(price_lists(own, litellm))
    return files


def _with_run(active_run_id: Callable[[], str | None]) -> Callable[[], object]:
    """The context in force, with the MLflow run that is active beneath it."""
    cached: dict[tuple[Context | None, str], Context] = {}

    def context() -> object:
        here, run_id = current(), active_run_id()
        if run_id is None:
            return here
        try:
            return cached[here, run_id]
        except KeyError:
            if len(cached) > 10_000:
                cached.clear()
            labels = here.labels if here else {}
            return cached.setdefault((here, run_id), Context.of({"run_id": run_id, **labels}))

    return context


def _caught_up(thread: FollowerThread, deadline_s: float) -> bool:
    # The follower's own thread does the work: a request may outlast the deadline, and memory that
    # one thread has used is of no use to another.
    thread.wake(force=True)
    if isinstance(thread.follower, OutwardFollower):
        left_s = max(deadline_s - time.monotonic(), 0.0)
        return thread.follower.wait(left_s, deliver=False)
    failures, pause = thread.failures, threading.Event()
    while not _has_all(thread):
        if thread.failures > failures:
            if isinstance(thread.last_error, StoreError):
                raise thread.last_error
            _log.warning("flush: %s failed: %s", thread.follower.name, thread.last_error)
            return False
        if time.monotonic() >= deadline_s:
            return False
        thread.wake(force=True)
        pause.wait(0.01)
    return True


def _has_all(thread: FollowerThread) -> bool:
    try:
        return thread.follower.is_caught_up()
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001  (a library's; it is not for who only waits)
        _log.warning("flush: %s cannot tell how far it is: %s", thread.follower.name, error)
        return False


def _end(process: _Process, timeout_s: float | None) -> bool:
    aggregate.flush_intervals()
    wait_s = process.settings.exit_wait_s if timeout_s is None else timeout_s
    deadline_s = time.monotonic() + wait_s
    outward = [each for each in process.threads if isinstance(each.follower, OutwardFollower)]
    delivered = all(_caught_up(thread, deadline_s) for thread in outward)
    process.stop(deadline_s)
    # Once more after the last fact, so that the slot's page tells how many there are.
    with contextlib.suppress(OSError, StoreError):
        recorder.writer.tick()
    return delivered


def _at_exit() -> None:
    if _process is not None and not _end(_process, None):
        _log.warning(
            "not everything was delivered yet; the next process of this store delivers the rest, "
            "or `tidegauge agent`"
        )


def _after_fork_in_child() -> None:
    """Let the child record into a slot of its own, with threads of its own."""
    global _process, _lock  # noqa: PLW0603  (the parent's lock may be held for ever)
    _lock = threading.RLock()
    # `_reading` stays: its parts know what to do after a fork, and DuckDB, if nobody held it, would
    # end in this moment, over threads that only the parent has.
    parent, _process = _process, None
    recorder.writer.after_fork()
    aggregate.after_fork()
    if parent is not None:
        recorder.prepare_again(lambda: _adopt(parent))
    else:
        recorder.prepare_again(_prepare)


def _adopt(parent: _Process) -> None:
    """Start in a forked child what the parent was configured to run."""
    with _lock:
        if _process is None:
            _apply(parent.settings, parent.catalog)


def _read_run(run_id: str) -> dict[str, float]:
    return parts().query.latest(run_id=run_id)


MetricLogger.read_run = staticmethod(_read_run)
reader.find = lambda: parts().query
recorder.prepare_again(_prepare)
os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
