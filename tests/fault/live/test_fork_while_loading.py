# SPDX-License-Identifier: Apache-2.0
"""What one thread is loading, neither a fork nor another thread gets hold of by half."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import faulthandler, os, sys, threading
import tidegauge as tg
from tidegauge.config import live_reading

tg.configure(store="store", follower="off")
tg.log_metric("api:requests", 1)

def total():
    (family,) = [each for each in live_reading().families if each.name == "ml_api_requests_total"]
    return sum(family.values)

thread = threading.Thread(target=total, daemon=True)
thread.start()
while {module!r} not in sys.modules:
    pass
child = os.fork()
if not child:
    faulthandler.dump_traceback_later(20, exit=True)
    print("child", total(), flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
thread.join()
print("parent", total(), os.waitstatus_to_exitcode(status))
"""


@pytest.mark.repeat
@pytest.mark.system
@pytest.mark.parametrize("module", ["tidegauge.store.tables", "pyarrow", "tidegauge.live.fold"])
def test_a_fork_waits_for_what_is_being_loaded(
    module: str, run_program: Any, tmp_path: Path
) -> None:
    """Half an import in the parent is no import in the child; both show the same total."""
    done = run_program(PROGRAM.format(module=module), tmp_path, production=True)
    assert done.stdout.splitlines() == ["child 1.0", "parent 1.0 0"], done.stderr


TWO_THREADS = """
import sys, threading
import tidegauge as tg
from tidegauge.model.loading import loading

asked = threading.Event()
def ask():
    asked.set()
    tg.correct

with loading():
    thread = threading.Thread(target=ask)
    thread.start()
    asked.wait()
    thread.join(0.3)
    print("tidegauge.amending" in sys.modules)
thread.join()
print("tidegauge.amending" in sys.modules)
"""


@pytest.mark.system
def test_one_thread_at_a_time_loads(run_program: Any, tmp_path: Path) -> None:
    """The interpreter resolves a deadlock of two imports by handing out half a module."""
    done = run_program(TWO_THREADS, tmp_path)
    assert done.stdout.split() == ["False", "True"], done.stderr
