# SPDX-License-Identifier: Apache-2.0
"""What the page answers, whatever the server."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from tidegauge.live.families import Reading, gauge
from tidegauge.model.errors import StoreError
from tidegauge.serve.page import MetricsPage
from tidegauge.testing import FakeClock

HITS = b"# HELP hits_total Hits.\n# TYPE hits_total counter\nhits_total 2.0\n"
HITS_OPENMETRICS = b"# HELP hits Hits.\n# TYPE hits counter\nhits_total 2.0\n# EOF\n"


def test_plain_text(small_page: MetricsPage) -> None:
    """Without any wish the answer is the text format, not compressed."""
    response = small_page.respond("", "")
    assert response.status == 200
    assert response.headers == [
        ("Content-Type", "text/plain; version=0.0.4; charset=utf-8"),
        ("Vary", "Accept, Accept-Encoding"),
        ("Content-Length", str(len(HITS))),
    ]
    assert response.body == HITS


def test_openmetrics_and_gzip(small_page: MetricsPage) -> None:
    """The client's wishes for format and compression are heard, and the same twice."""
    response = small_page.respond("application/openmetrics-text", "gzip")
    headers = dict(response.headers)
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0;")
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Content-Length"] == str(len(response.body))
    assert gzip.decompress(response.body) == HITS_OPENMETRICS
    assert small_page.respond("application/openmetrics-text", "gzip") == response


@pytest.mark.parametrize(
    ("query", "n_families"),
    [
        ("", 3),
        ("name[]=queue_length", 1),
        ("name%5B%5D=queue_length&name[]=requests_total", 2),
        ("name[]=none", 0),
        ("name=queue_length", 3),
        ("&&=%ff;", 3),
        ("&".join(["name[]=none"] * 2_000), 3),
    ],
)
def test_a_query_asks_for_some_metrics(page: MetricsPage, query: str, n_families: int) -> None:
    """`name[]` restricts the page; other queries, and absurd ones, do not."""
    assert page.answer("GET", query=query).body.count(b"# TYPE") == n_families


def test_head_has_the_headers_of_get(small_page: MetricsPage) -> None:
    """HEAD is GET without a body."""
    response = small_page.answer("HEAD")
    assert response.headers == small_page.answer("GET").headers
    assert response.body == b""


def test_other_methods(small_page: MetricsPage) -> None:
    """OPTIONS says what is allowed, and what is not allowed is answered with 405."""
    allow = ("Allow", "GET, HEAD, OPTIONS")
    options = small_page.answer("OPTIONS")
    assert (options.status, options.headers, options.body) == (204, [allow], b"")
    refused = small_page.answer("POST")
    assert refused.status == 405
    assert allow in refused.headers
    assert refused.body == b"Only GET, HEAD and OPTIONS.\n"


def test_an_error_of_ours_is_503() -> None:
    """A store that cannot be read now is said to be so, in words."""

    def read() -> Reading:
        raise StoreError("the store is away", fix="Bring it back.")

    response = MetricsPage(read).respond("", "")
    assert response.status == 503
    assert response.body == b"The live metrics cannot be read. the store is away. Bring it back.\n"


def test_any_other_error_is_500_without_a_traceback(broken_page: MetricsPage) -> None:
    """An error that nobody foresaw is one line for the client."""
    response = broken_page.respond("", "gzip")
    assert response.status == 500
    assert response.body == (
        b"The live metrics cannot be read. ZeroDivisionError: the collector is broken\n"
    )
    assert dict(response.headers)["Content-Type"] == "text/plain; charset=utf-8"


def test_failures_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Of many failures the log has one a minute, with their number."""
    clock = FakeClock()

    def read() -> Reading:
        raise ValueError("no \udcff")

    page = MetricsPage(read, clock=clock)
    for seconds in (0, 30, 29, 1, 59):
        clock.advance(seconds)
        assert page.respond("", "").status == 500
    assert [record.getMessage() for record in caplog.records] == [
        f"the page of live metrics failed ({n} times so far): ValueError: no \udcff" for n in (1, 4)
    ]


def test_what_is_left_out_is_logged_once_for_both_formats(
    reading_of: Callable[..., Reading], caplog: pytest.LogCaptureFixture
) -> None:
    """A scrape every few seconds does not repeat itself in the log, whatever its format."""
    page = MetricsPage(lambda: reading_of(gauge("not a name", "", 1.0)))
    for accept in ("", "application/openmetrics-text") * 3:
        assert page.respond(accept, "").status == 200
    assert len(caplog.records) == 1
