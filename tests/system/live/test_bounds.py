# SPDX-License-Identifier: Apache-2.0
"""A page stays small whatever clients ask for and however many labels a program makes up."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.system

CAP = 100
RECORDED = "tidegauge_recorded_total"
_PER_WRITE = 200


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two workers, with a metric that may have 100 series."""
    catalog = tmp_path_factory.mktemp("catalog") / "visits.yaml"
    catalog.write_text(
        "metrics:\n"
        "  custom:visits:\n"
        "    description: Visits\n"
        "    kind: counter\n"
        "    labels: {visitor: {description: who}}\n"
        f"    series_cap: {CAP}\n"
    )
    return start_service(workers=2, TIDEGAUGE_CATALOG=str(catalog))


def ask_for_paths(service: Any, first: int, last: int) -> None:
    """Ask for paths that differ, many in one packet, and read all answers."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        for begin in range(first, last, _PER_WRITE):
            numbers = range(begin, min(begin + _PER_WRITE, last))
            lines = [f"GET /scan/{n}/x{n} HTTP/1.1\r\nHost: x\r\n\r\n" for n in numbers]
            connection.sendall("".join(lines).encode())
            left, rest = len(numbers), b""
            while left:
                data = connection.recv(1 << 16)
                assert data, "the service closed the connection"
                parts = (rest + data).split(b"HTTP/1.1 404")
                left -= len(parts) - 1
                rest = parts[-1][-16:]


@pytest.mark.parametrize("n_paths", [8_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_unmatched_paths_are_one_series(service: Any, n_paths: int) -> None:
    """Somebody who tries out paths adds no series, however many they are."""
    name, labels = "ml_api_requests_total", {"endpoint": "__unmatched__"}
    before = service.page()
    ask_for_paths(service, 0, 10)
    some = service.page()
    ask_for_paths(service, 10, n_paths)
    page = service.page()
    assert page.sum(name, **labels) == before.sum(name, **labels) + n_paths
    assert page.values.keys() - some.values.keys() <= {("ml_api_active_requests", ())}
    assert "/scan" not in page.text


@pytest.mark.parametrize("n_visitors", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_label_sets_beyond_the_cap_are_one_series(
    service: Any,
    send: Callable[..., Any],
    request_of: Callable[..., Any],
    n_visitors: int,
) -> None:
    """All workers show the same 100 visitors and the sum of the rest, and count what that is."""
    before = service.page().sum("custom_visits_total")
    step = n_visitors // 20
    visits = [
        request_of(f"/api/visitors/{first}/{first + step}", {})
        for first in range(0, n_visitors, step)
    ]
    sent = send(service, visits, per_connection=1)
    sent.wait()
    assert {answer.status for answer in sent.answers} == {200}
    pages = service.pages().values()
    for page in pages:
        n_shown = sum(name == "custom_visits_total" for name, _ in page.values)
        assert n_shown in (
            CAP,
            CAP + 1,
        )  # the series of all others may have come before the last one
        others = page.sum("custom_visits_total", overflow="true")
        assert page.sum("custom_visits_total") == before + n_visitors
        assert page.sum("tidegauge_series_overflow_total", metric="custom:visits") == others
        assert others >= n_visitors - 2 * CAP
        assert len(page.text) < 200_000
    # Intervals that are written meanwhile are facts as well.
    first, second = (
        {series: page.cumulative[series] for series in page.cumulative if series[0] != RECORDED}
        for page in pages
    )
    assert first == second
