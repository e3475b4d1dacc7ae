# SPDX-License-Identifier: Apache-2.0
"""The run that is active where a fact is recorded, as MLflow itself sees it."""

from __future__ import annotations

import asyncio
import multiprocessing
import subprocess
import sys
import threading

import mlflow
import pytest

from tidegauge.export import mlflow_run
from tidegauge.export.mlflow_run import active_run_id

pytestmark = pytest.mark.system


@pytest.fixture(params=["short", "public"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The short way into MLflow's thread-local stack, and the public function it falls back to."""
    active_run_id()
    assert mlflow_run._stacks is not None, "MLflow changed: active_run_id() takes the slow way"
    if request.param == "public":
        monkeypatch.setattr(mlflow_run, "_prepare", lambda _: None)
        monkeypatch.setattr(mlflow_run, "_stacks", None)


def in_thread() -> str | None:
    """What a new thread sees."""
    seen: list[str | None] = []
    thread = threading.Thread(target=lambda: seen.append(active_run_id()))
    thread.start()
    thread.join()
    return seen[0]


def test_the_innermost_run_counts(tracking_uri: str) -> None:
    """Before, in, between and after runs."""
    assert active_run_id() is None
    with mlflow.start_run() as outer:
        assert active_run_id() == outer.info.run_id
        with mlflow.start_run(nested=True) as inner:
            assert active_run_id() == inner.info.run_id
        assert active_run_id() == outer.info.run_id
    assert active_run_id() is None


def test_a_run_belongs_to_its_thread(tracking_uri: str) -> None:
    """As with `mlflow.active_run()`, another thread has none, or its own."""
    with mlflow.start_run() as run:
        assert in_thread() is None
        seen: list[str | None] = []

        def work() -> None:
            with mlflow.start_run() as own:
                seen.extend([own.info.run_id, active_run_id()])

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert seen[0] == seen[1] != run.info.run_id
        assert active_run_id() == run.info.run_id


def test_asyncio_tasks_see_the_run_of_their_thread(tracking_uri: str) -> None:
    """MLflow keeps runs by thread, so all tasks of an event loop share them."""

    async def see() -> str | None:
        await asyncio.sleep(0)
        return active_run_id()

    async def main() -> list[str | None]:
        with mlflow.start_run() as run:
            seen = await asyncio.gather(see(), see())
        return [run.info.run_id, *seen]

    run_id, *seen = asyncio.run(main())
    assert seen == [run_id, run_id]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_no_run(tracking_uri: str) -> None:
    """The run is the parent's to end."""
    with mlflow.start_run():
        child = multiprocessing.get_context("fork").Process(target=_exit_with_run)
        child.start()
        child.join(30)
        assert child.exitcode == 0
        assert active_run_id() is not None


def test_mlflow_is_not_imported_to_ask() -> None:
    """A program that never imported MLflow has no run, and pays nothing for asking."""
    program = (
        "import sys; from tidegauge.export.mlflow_run import active_run_id;"
        "sys.exit(active_run_id() is not None or 'mlflow' in sys.modules"
        " or any(name in sys.modules for name in ('numpy', 'pyarrow', 'deltalake')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def _exit_with_run() -> None:
    sys.exit(active_run_id() is not None or mlflow.active_run() is not None)
