# SPDX-License-Identifier: Apache-2.0
"""Every worker tells the same totals, which never go down, whoever is killed."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.system

CUSTOMER = {"months": 3, "complaints": 2}


@pytest.fixture
def load(request_of: Callable[..., Any]) -> list[Any]:
    """Requests of several kinds."""
    return [
        request_of("/api/predict", CUSTOMER),
        request_of("/api/predict", {**CUSTOMER, "version": "1"}),
        request_of("/api/predict", {"months": -1}),
        request_of("/api/fail"),
        request_of("/no/such/path"),
    ]


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Any]) -> Any:
    """Four workers, of which tests kill some; there are always four again afterwards."""
    return start_service()


def test_workers_tell_the_same_and_never_less(
    service: Any, send: Callable[..., Any], load: list[Any], watched: Callable[..., Any]
) -> None:
    """No number of any worker's page goes down under load, and after it all pages are one."""
    before = service.page()

    def more(page: Any, name: str, **labels: str) -> float:
        return page.sum(name, **labels) - before.sum(name, **labels)

    with watched(service) as pages:
        sent = send(service, load, times=60)
        sent.wait()
        told = service.pages()
    assert len({page.pid for page in pages}) == len(told) == 4
    for page in told.values():
        assert more(page, "ml_model_predictions_total") == sent.count("/api/predict", 200) == 120
        assert more(page, "ml_api_requests_total", status="422") == 60
        assert more(page, "ml_api_requests_total", endpoint="/api/fail", status="503") == 60
        assert more(page, "ml_api_requests_total", endpoint="__unmatched__") == 60
        assert more(page, "ml_api_requests_total") == len(sent.answers) == 300
        assert more(page, "ml_api_request_duration_seconds_count") == 300
    service.poll(lambda page: page.sum("ml_api_active_requests") == 0)
    first, *others = service.pages().values()
    assert all(other.lasting() == first.lasting() for other in others)


@pytest.mark.repeat
def test_a_killed_worker_takes_nothing_with_it(
    service: Any, send: Callable[..., Any], load: list[Any], watched: Callable[..., Any]
) -> None:
    """What was answered before a SIGKILL under load stays counted, once."""
    before, started = service.page(), service.started()
    with watched(service):
        sent = send(service, load, times=None)
        service.poll(lambda page: page.sum("ml_api_requests_total") > 100)
        victim = service.page().pid
        service.kill_worker(victim)
        service.wait_for_workers(started + 1)
        sent.stop()
    told = service.pages()
    assert victim not in told
    predicted, broken = sent.count("/api/predict", 200), sent.count("/api/predict", None)
    answered = sum(answer.status is not None for answer in sent.answers)
    for page in told.values():
        predictions, requests = (
            page.sum(name) - before.sum(name)
            for name in ("ml_model_predictions_total", "ml_api_requests_total")
        )
        assert predicted <= predictions <= predicted + broken
        # A prediction is recorded before it is answered, a request just after its last byte: of the
        # one that the victim may have been at in that moment there is no record.
        assert answered - 1 <= requests <= len(sent.answers)
    assert service.slots() == {"000", "001", "002", "003"}


def test_active_requests_are_those_of_living_workers(service: Any) -> None:
    """Requests in flight in a worker that is killed are not active any more."""
    started = service.started()
    with contextlib.ExitStack() as stack:
        held: Counter[int] = Counter()
        for _ in range(12):
            connection = stack.enter_context(contextlib.closing(service.connect()))
            connection.request("GET", "/api/hold")
            response = stack.enter_context(contextlib.closing(connection.getresponse()))
            held[int(response.headers["x-pid"])] += 1
        service.poll(lambda page: page.sum("ml_api_active_requests") == 12)
        victim = max(held, key=held.__getitem__)
        service.kill_worker(victim)
        left = 12 - held[victim]
        service.poll(lambda page: page.sum("ml_api_active_requests") == left)
    service.poll(lambda page: page.sum("ml_api_active_requests") == 0)
    service.wait_for_workers(started + 1)


def test_a_killed_service_goes_on_where_it_was(
    start_service: Callable[..., Any], send: Callable[..., Any], load: list[Any]
) -> None:
    """After a SIGKILL of all processes the next ones tell the same, and leave no more files."""
    service = start_service(workers=2)
    send(service, load, times=10).wait()
    before = service.pages()
    files = service.files()
    service.kill()
    service = start_service(service.store, workers=2)
    for page in service.pages().values():
        assert page.sum("ml_api_requests_total") == 50
        assert all(earlier.decreases(page) == {} for earlier in before.values())
        assert ("ml_api_active_requests", ()) not in page.values
    send(service, load).wait()
    assert {page.sum("ml_api_requests_total") for page in service.pages().values()} == {55}
    assert service.files() == files
    assert service.slots() <= {"000", "001"}


def test_tools_find_no_fault_with_the_page(
    service: Any, send: Callable[..., Any], load: list[Any]
) -> None:
    """Tools of Prometheus have no complaint, and both formats say the same to the parsers."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no `promtool` on PATH; install the package `prometheus`")
    send(service, load).wait()
    service.poll(lambda page: page.sum("ml_api_active_requests") == 0)
    text, openmetrics = service.page(), service.page(openmetrics=True)
    assert text.lasting() == openmetrics.lasting()
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=text.text,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
