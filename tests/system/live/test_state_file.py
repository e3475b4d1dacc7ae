# SPDX-License-Identifier: Apache-2.0
"""Totals survive whatever happens to the state file while they are read."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.system

#: Works on a store, and again and again until there is input; then says how often it did.
UPKEEP = """
import select, sys
from tidegauge.config import assemble
work, store = sys.argv[1:]
parts, done = assemble(store=store), 0
print("begun", flush=True)
while not done or not select.select([sys.stdin], [], [], 0)[0]:
    if work == "save":
        done += parts.live.save()
    else:
        parts.drain().advance(force=True)
        done += 1
print(done)
"""

#: Opens a new store in four processes at once, again and again; fails if one of them fails.
BEGINNERS = """
import os, sys
from pathlib import Path
from tidegauge.store.state import State
failed = 0
for number in range(20):
    state = State(Path(sys.argv[1]) / str(number) / "state.db")
    ready, start = os.pipe()
    children = []
    for _ in range(4):
        children.append(os.fork())
        if not children[-1]:
            os.close(start)
            os.read(ready, 1)
            status = 1
            try:
                state.register_follower("live")
                status = 0
            finally:
                os._exit(status)
    os.close(start)
    failed += sum(os.waitpid(child, 0)[1] != 0 for child in children)
    os.close(ready)
sys.exit(failed)
"""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue with a metric of visitors."""
    catalog = tmp_path_factory.mktemp("catalog") / "visits.yaml"
    catalog.write_text(
        "metrics:\n"
        "  custom:visits:\n"
        "    description: Visits\n"
        "    kind: counter\n"
        "    labels: {visitor: {description: who}}\n"
    )
    return catalog


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Any], catalog: Path) -> Any:
    """Two workers, and journal files that are soon full."""
    return start_service(workers=2, TIDEGAUGE_CATALOG=str(catalog), TIDEGAUGE_SEGMENT_SLOTS="1024")


@pytest.fixture
def start_upkeep(service: Any, catalog: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts another process that saves or drains again and again, and ends it."""
    started: list[subprocess.Popen[str]] = []

    def start(work: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", UPKEEP, work, str(service.store)],
            env={**os.environ, "TIDEGAUGE_CATALOG": str(catalog)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def load(request_of: Callable[..., Any]) -> list[Any]:
    """Requests that leave rows and points."""
    return [
        request_of("/api/predict", {"months": 3, "complaints": 2}),
        request_of("/api/visitors/0/50", {}),
    ]


def test_processes_that_begin_a_store_at_once_all_can(
    tmp_path: Path,
) -> None:
    """Of several processes that are the first of a new store, none finds its state locked."""
    done = subprocess.run(
        [sys.executable, "-c", BEGINNERS, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "works",
    [("save", "drain"), pytest.param(("save", "save", "drain", "drain"), marks=pytest.mark.slow)],
)
def test_numbers_never_decrease_while_others_work_on_the_store(
    service: Any,
    start_upkeep: Callable[[str], Any],
    send: Callable[..., Any],
    load: list[Any],
    watched: Callable[..., Any],
    works: tuple[str, ...],
) -> None:
    """Saves and drains of other processes change nothing that is told, at no moment."""
    before = service.page()
    helpers = [start_upkeep(work) for work in works]
    with watched(service):
        sent = send(service, load, times=40)
        sent.wait()
        counts = [int(helper.communicate("\n", timeout=30)[0]) for helper in helpers]
    assert min(counts) > 0
    for page in service.pages().values():
        assert page.sum("ml_model_predictions_total") == before.sum(
            "ml_model_predictions_total"
        ) + sent.count("/api/predict", 200)
        assert page.sum("custom_visits_total") == before.sum("custom_visits_total") + 2_000


def flip(path: Path, at: int) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[at] ^= 0x55
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "head": lambda path: flip(path, 40),
    "body": lambda path: flip(path, -100),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "deleted": Path.unlink,
}


@pytest.mark.parametrize(
    ("damage", "first"),
    [
        ("deleted", "worker"),
        ("body", "newcomer"),
        pytest.param("head", "worker", marks=pytest.mark.slow),
        pytest.param("head", "newcomer", marks=pytest.mark.slow),
        pytest.param("cut", "newcomer", marks=pytest.mark.slow),
        pytest.param("deleted", "newcomer", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_file_loses_nothing(
    service: Any,
    start_upkeep: Callable[[str], Any],
    send: Callable[..., Any],
    load: list[Any],
    damage: str,
    first: str,
) -> None:
    """Of facts in tables and journals all is told, whoever is the first to see the damage."""
    send(service, load, times=2).wait()
    start_upkeep("drain").communicate("\n", timeout=30)
    send(service, load, times=2).wait()
    before = service.pages()
    path = service.store / "live.state"
    deadline_s = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    DAMAGE[damage](path)
    if first == "newcomer":
        start_upkeep("save").communicate("\n", timeout=30)
    after = service.pages()
    for page in after.values():
        assert all(earlier.decreases(page) == {} for earlier in before.values())
    one, other = after.values()
    names = {name for name, _ in one.cumulative if name != "tidegauge_recorded_total"}
    assert {name: one.sum(name) for name in names} == {name: other.sum(name) for name in names}
    send(service, load).wait()
    for page in service.pages().values():
        assert page.sum("ml_model_predictions_total") == (one.sum("ml_model_predictions_total") + 1)
