# SPDX-License-Identifier: Apache-2.0
"""The thread that does what a recording process must do now and then."""

from __future__ import annotations

import logging
import threading
import time

from tidegauge.record.aggregate import flush_intervals
from tidegauge.record.recorder import Recorder
from tidegauge.record.sampling import sample_gauges

__all__ = ["Ticker"]

_log = logging.getLogger("tidegauge")
_TICK_S = 1.0
_LOG_EVERY_S = 60.0
_TICKS_OF_A_MINUTE = 60


class Ticker:
    """Settles the journal and closes intervals every second, and syncs the journal if asked to.

    Args:
        recorder: Whose journal.
        sync_every_s: Seconds between two syncs to disk; None leaves that to the system.
    """

    def __init__(self, recorder: Recorder, *, sync_every_s: float | None) -> None:
        self._recorder = recorder
        self._sync_every_s = sync_every_s
        self._stopping = threading.Event()
        self._logged_s = float("-inf")
        self._ticks = 0
        self._thread = threading.Thread(target=self._run, name="tidegauge-ticker", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the work in hand."""
        self._stopping.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def tick(self) -> None:
        """Do the work of one second."""
        flush_intervals(due_only=True)
        sample_gauges()
        self._recorder.writer.tick()
        self._ticks += 1
        if self._ticks % _TICKS_OF_A_MINUTE == 0:
            self._recorder.tell_declared()

    def _run(self) -> None:
        step_s = min(_TICK_S, self._sync_every_s or _TICK_S)
        next_tick_s = time.monotonic()
        while not self._stopping.wait(step_s):
            try:
                if time.monotonic() >= next_tick_s:
                    next_tick_s = time.monotonic() + _TICK_S
                    self.tick()
                if self._sync_every_s is not None:
                    self._recorder.writer.sync()
            except Exception:  # noqa: BLE001  (whatever it is, the program goes on)
                if time.monotonic() - self._logged_s >= _LOG_EVERY_S:
                    self._logged_s = time.monotonic()
                    _log.warning("the journal could not be looked after", exc_info=True)
