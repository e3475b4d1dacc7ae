# SPDX-License-Identifier: Apache-2.0
"""Which format and compression a client gets."""

from __future__ import annotations

import pytest

from tidegauge.serve.negotiation import Format, accepts_gzip, choose_format

PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_WITH_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
    f"q=0.7,{PROMETHEUS_3}"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept",
    [
        PROMETHEUS_2_42,
        PROMETHEUS_3,
        PROMETHEUS_3_WITH_PROTOBUF,
        "application/openmetrics-text",
        "Application/OpenMetrics-Text; Version=1.0.0; Charset=UTF-8",
        'application/openmetrics-text; version="1.0.0"',
        "text/plain;q=0.5, application/openmetrics-text;version=1.0.0;q=0.5",
        "text/plain;version=1.0.0, application/openmetrics-text;q=0.1",
        "application/openmetrics-text;q=0.2, text/plain;q=0.1, */*;q=1",
    ],
)
def test_clients_that_want_openmetrics(accept: str) -> None:
    """OpenMetrics is for those who name it and do not prefer plain text."""
    assert choose_format(accept) is Format.OPENMETRICS


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        BROWSER,
        "text/plain",
        "text/plain;version=0.0.4",
        "application/json",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;version=0.0.1",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;charset=latin-1",
        "application/openmetrics-text;q=0.5,text/plain",
        "application/openmetrics-text;q=0.5,*/*;q=0.9",
        "application/openmetrics-text;q=much",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=-1",
        ";;;,,,=;q",
        "\x00\xff",
        ",".join(["application/openmetrics-text"] * 1_000),
    ],
)
def test_everybody_else_gets_plain_text(accept: str) -> None:
    """No header, another type or version, and nonsense give the text format."""
    assert choose_format(accept) is Format.TEXT


def test_content_types() -> None:
    """The formats are called as their readers expect."""
    assert Format.TEXT.value == "text/plain; version=0.0.4; charset=utf-8"
    assert Format.OPENMETRICS.value == "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("gzip, deflate, br", True),
        ("*", True),
        ("br;q=1, gzip;q=0.2", True),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=0.5, identity", False),
        ("gzip;q=x", False),
        (",;=", False),
    ],
)
def test_compression(accept_encoding: str, accepted: bool) -> None:
    """Compression is for those who accept it and do not prefer none."""
    assert accepts_gzip(accept_encoding) is accepted
