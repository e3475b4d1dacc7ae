# SPDX-License-Identifier: Apache-2.0
"""What a page looks like in both formats, and what is left out of it."""

from __future__ import annotations

import dataclasses
import logging
import math
import shutil
import subprocess
from collections.abc import Callable

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tidegauge.live.families import (
    Exemplar,
    Histograms,
    Numbers,
    Reading,
    Sample,
    Samples,
    counter,
    gauge,
)
from tidegauge.serve.exposition import Exposition
from tidegauge.serve.spelling import Omissions

Render = Callable[..., str]

TEXT_PAGE = """\
# HELP queue_length Waiting requests.
# TYPE queue_length gauge
queue_length 7.0
# HELP request_duration_seconds How long requests take.
# TYPE request_duration_seconds histogram
request_duration_seconds_bucket{route="/a",le="0.075"} 1
request_duration_seconds_bucket{route="/a",le="0.5"} 3
request_duration_seconds_bucket{route="/a",le="+Inf"} 6
request_duration_seconds_sum{route="/a"} 4.0
request_duration_seconds_count{route="/a"} 6
request_duration_seconds_bucket{route="/b",le="0.075"} 0
request_duration_seconds_bucket{route="/b",le="0.5"} 1
request_duration_seconds_bucket{route="/b",le="+Inf"} 1
request_duration_seconds_sum{route="/b"} 0.3
request_duration_seconds_count{route="/b"} 1
# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{method="GET",status="200"} 3.0
requests_total{method="POST",status="500"} 1.0
"""
OPENMETRICS_PAGE = """\
# HELP queue_length Waiting requests.
# TYPE queue_length gauge
queue_length 7.0
# HELP request_duration_seconds How long requests take.
# TYPE request_duration_seconds histogram
# UNIT request_duration_seconds seconds
request_duration_seconds_bucket{route="/a",le="0.075"} 1
request_duration_seconds_bucket{route="/a",le="0.5"} 3 # {trace_id="abc"} 0.3 1700000000.123456789
request_duration_seconds_bucket{route="/a",le="+Inf"} 6
request_duration_seconds_sum{route="/a"} 4.0
request_duration_seconds_count{route="/a"} 6
request_duration_seconds_bucket{route="/b",le="0.075"} 0
request_duration_seconds_bucket{route="/b",le="0.5"} 1
request_duration_seconds_bucket{route="/b",le="+Inf"} 1
request_duration_seconds_sum{route="/b"} 0.3
request_duration_seconds_count{route="/b"} 1
# HELP requests Requests.
# TYPE requests counter
requests_total{method="GET",status="200"} 3.0
requests_total{method="POST",status="500"} 1.0 # {trace_id="xyz"} 1.0 1700000000.000000000
# EOF
"""


def test_the_text_format(text: Render, ordinary: Reading) -> None:
    """A page in the text format has base units, cumulative buckets, and no exemplars."""
    assert text(*ordinary.families) == TEXT_PAGE


def test_openmetrics(openmetrics: Render, ordinary: Reading) -> None:
    """A page in OpenMetrics has units, exemplars, counters without `_total`, and an end."""
    assert openmetrics(*ordinary.families) == OPENMETRICS_PAGE
    assert len(list(parse_openmetrics(OPENMETRICS_PAGE))) == 3


def test_promtool_has_nothing_to_say(text: Render, ordinary: Reading) -> None:
    """Prometheus' own tool accepts an ordinary page and finds its names good."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=text(*ordinary.families),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_for_otlp_alone_is_not_shown(text: Render, openmetrics: Render) -> None:
    """A family that is only for OTLP is on no page, one that is only for Prometheus is."""
    family = gauge("g", "", 1.0)
    for render, end in ((text, ""), (openmetrics, "# EOF\n")):
        assert render(dataclasses.replace(family, only="otlp")) == end
        assert render(dataclasses.replace(family, only="prometheus")) != end


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1, "1.0"),
        (0.1, "0.1"),
        (1e6, "1000000.0"),
        (1e22, "1e+22"),
        (-0.5, "-0.5"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_numbers(text: Render, openmetrics: Render, value: float, shown: str) -> None:
    """A number is the shortest that is read back as the same, in the formats' spelling."""
    for render in (text, openmetrics):
        assert f"\ng {shown}\n" in render(gauge("g", "", value))


@pytest.mark.parametrize(
    ("bounds", "scale", "shown"),
    [
        ([75], 0.001, ["0.075"]),
        ([0.1 + 0.2], 1.0, ["0.3"]),
        ([1, 10, 100_000], 1.0, ["1.0", "10.0", "100000.0"]),
        ([1e6, 2.5e6, 1e7, 1e17], 1.0, ["1e+06", "2.5e+06", "1e+07", "1e+17"]),
        ([1e-5], 1.0, ["1e-05"]),
        ([35, 1_000, 60_000], 0.001, ["0.035", "1.0", "60.0"]),
    ],
)
def test_bounds(
    text: Render, latency: Histograms, bounds: list[float], scale: float, shown: list[str]
) -> None:
    """A bound has 12 significant digits, and OpenMetrics' canonical spelling."""
    family = dataclasses.replace(
        latency,
        scale=scale,
        bounds=bounds,
        labels=[()],
        counts=[[1] * (len(bounds) + 1)],
        sums=[1.0],
    )
    lines = [line for line in text(family).splitlines() if "_bucket" in line]
    assert [line.split('"')[1] for line in lines] == [*shown, "+Inf"]


def test_label_values_are_escaped(text: Render, openmetrics: Render) -> None:
    """Backslash, quote and newline are escaped, other control characters are not, and a surrogate
    is U+FFFD.
    """
    family = gauge("g", "", {(("a", 'b\\c"d\ne\tf\ud800'),): 1.0})
    for render in (text, openmetrics):
        assert r'g{a="b\\c\"d\ne' + "\tf\ufffd" + '"} 1.0' in render(family)


def test_help_is_escaped(text: Render, openmetrics: Render) -> None:
    """A quote in a help text is escaped in OpenMetrics only."""
    family = gauge("g", 'a\\b"c\nd\udcff', 1.0)
    assert r"# HELP g a\\b" + '"c\\nd\ufffd\n' in text(family)
    assert r"# HELP g a\\b\"c\nd" + "\ufffd\n" in openmetrics(family)


def test_without_help_there_is_no_help_line(text: Render, openmetrics: Render) -> None:
    """An empty help text has no line."""
    for render in (text, openmetrics):
        assert "HELP" not in render(gauge("g", "", 1.0))


def test_counters_end_in_total(text: Render, openmetrics: Render) -> None:
    """A counter that is not called so gets `_total` in both formats."""
    assert text(counter("hits", "", 1.0)) == "# TYPE hits_total counter\nhits_total 1.0\n"
    assert openmetrics(counter("hits", "", 1.0)).startswith("# TYPE hits counter\nhits_total 1.0")


def test_a_unit_is_said_only_where_the_name_ends_in_it(openmetrics: Render) -> None:
    """A `# UNIT` line needs a name that ends in the unit; a counter's does before `_total`."""
    seconds = counter("wait_seconds_total", "", 1.0, unit="seconds")
    assert "# UNIT wait_seconds seconds\n" in openmetrics(seconds)
    assert "UNIT" not in openmetrics(gauge("wait", "", 1.0, unit="seconds"))


def test_types_that_the_text_format_does_not_have(text: Render) -> None:
    """Unknown is untyped there, info and state sets are gauges."""
    families = [
        Samples(name="build", kind="info", samples=[Sample("_info", (("v", "1"),), 1.0)]),
        Samples(name="state", kind="stateset", samples=[Sample("", (("state", "on"),), 1.0)]),
        Numbers(name="thing", kind="unknown", labels=[()], values=[1.0]),
    ]
    assert text(*families) == (
        '# TYPE build_info gauge\nbuild_info{v="1"} 1.0\n'
        '# TYPE state gauge\nstate{state="on"} 1.0\n'
        "# TYPE thing untyped\nthing 1.0\n"
    )


def test_a_gauge_histogram_is_three_families_in_the_text_format(text: Render) -> None:
    """Its buckets are a histogram, its count and its sum are gauges."""
    samples = [
        Sample("_bucket", (("le", "+Inf"),), 2.0),
        Sample("_gcount", (), 2.0),
        Sample("_gsum", (), -3.0),
    ]
    assert text(Samples(name="size", kind="gaugehistogram", samples=samples)) == (
        '# TYPE size histogram\nsize_bucket{le="+Inf"} 2.0\n'
        "# TYPE size_gcount gauge\nsize_gcount 2.0\n"
        "# TYPE size_gsum gauge\nsize_gsum -3.0\n"
    )


def test_times_are_in_the_unit_of_the_format(text: Render, openmetrics: Render) -> None:
    """A line's time is in milliseconds in the text format and in seconds in OpenMetrics."""
    samples = [Sample("", (), 1.0, time_ns=1_700_000_000_123_000_000)]
    family = Samples(name="g", kind="gauge", samples=samples)
    assert "g 1.0 1700000000123\n" in text(family)
    assert "g 1.0 1700000000.123000000\n" in openmetrics(family)
    old = Samples(name="g", kind="gauge", samples=[Sample("", (), 1.0, time_ns=-1_500_000_000)])
    assert "g 1.0 -1.500000000\n" in openmetrics(old)


def test_exemplars_that_are_too_long_are_left_out(openmetrics: Render) -> None:
    """Names and values of an exemplar's labels together have at most 128 characters."""
    for length, shown in ((120, True), (121, False)):
        exemplar = Exemplar((("trace_id", "é" * length),), 1.0, 0)
        family = Numbers(
            name="c_total", kind="counter", labels=[()], values=[1.0], exemplars={0: exemplar}
        )
        page = openmetrics(family)
        list(parse_openmetrics(page))
        assert (" # {" in page) is shown


def test_a_series_appears_once(
    text: Render, openmetrics: Render, latency: Histograms, caplog: pytest.LogCaptureFixture
) -> None:
    """Of several series with the same labels the first is shown, and the log says so once."""
    twice = Numbers(
        name="g",
        kind="gauge",
        labels=[(("a", "\ud800"),), (("a", "x"),), (("a", "\ud801"),)],
        values=[1.0, 2.0, 3.0],
    )
    same = dataclasses.replace(latency, labels=[(), ()])
    lines = Samples(name="s", kind="gauge", samples=[Sample("", (), 1.0), Sample("", (), 2.0)])
    for render, parse in ((text, parse_text), (openmetrics, parse_openmetrics)):
        for _ in range(2):
            page = render(twice, same, lines)
        families = {family.name: family for family in parse(page)}
        assert [sample.value for sample in families["g"].samples] == [1, 2]
        assert len(families["request_duration_seconds"].samples) == 5
        assert [sample.value for sample in families["s"].samples] == [1]
    assert len([r for r in caplog.records if "same labels" in r.getMessage()]) == 6


def test_empty_families_are_not_shown(text: Render, openmetrics: Render) -> None:
    """A family without series has no lines."""
    empty = Numbers(name="g", help="Empty.", kind="gauge", labels=[], values=[])
    assert text(empty) == ""
    assert openmetrics(empty) == "# EOF\n"


@pytest.mark.parametrize("name", ["a b", "1a", "a.b", "", "ä", "a\n", 'a"'])
def test_families_with_invalid_names_are_left_out(
    ordinary: Reading, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """What cannot be called so in Prometheus is left out, and the log says so once."""
    exposition = Exposition(openmetrics=False, omissions=Omissions())
    reason = "its name is not valid in Prometheus"
    bad = Reading([gauge(name, "", 1.0), *ordinary.families], 0, 0)
    for _ in range(3):
        assert exposition.render(bad).decode() == TEXT_PAGE
    assert [record.getMessage() for record in caplog.records] == [
        f"metric {name!r} is left out of the page of live metrics: {reason}"
    ]


@pytest.mark.parametrize("name", ["a b", "1a", "a:b", "__name__", "", "ä", "a\n"])
def test_labels_with_invalid_names_are_left_out(
    text: Render, openmetrics: Render, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A label that cannot be called so is left out; the series and its other labels stay."""
    family = gauge("g", "", {((name, "1"), ("ok", "2")): 1.0})
    for render in (text, openmetrics):
        assert 'g{ok="2"} 1.0\n' in render(family)
        assert f"label {name!r}" in caplog.text


def test_a_label_appears_once(text: Render) -> None:
    """Of two labels with one name the first is shown."""
    assert 'g{a="1"} 1.0\n' in text(gauge("g", "", {(("a", "1"), ("a", "2")): 1.0}))


def test_a_histogram_has_one_label_le(text: Render, latency: Histograms) -> None:
    """A label that is called like the bound's is left out."""
    family = dataclasses.replace(latency, labels=[(("le", "x"),), (("le", "x"), ("b", "1"))])
    page = text(family)
    assert 'request_duration_seconds_bucket{b="1",le="0.075"}' in page
    assert "request_duration_seconds_sum 4.0\n" in page


def test_a_counter_and_a_gauge_of_one_name(text: Render, openmetrics: Render) -> None:
    """Where OpenMetrics forbids a counter beside a gauge of its name, the counter is unknown."""
    families = [gauge("cost_usd", "", 2.0), counter("cost_usd_total", "", 3.0)]
    assert "# TYPE cost_usd_total counter\ncost_usd_total 3.0\n" in text(*families)
    page = openmetrics(*families)
    assert "# TYPE cost_usd_total unknown\ncost_usd_total 3.0\n" in page
    assert len(list(parse_openmetrics(page))) == 2


@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_a_counter_that_is_none(openmetrics: Render, value: float) -> None:
    """A counter that is negative or NaN has the type unknown in OpenMetrics."""
    page = openmetrics(counter("c_total", "", value))
    assert page.startswith("# TYPE c_total unknown\nc_total ")
    assert len(list(parse_openmetrics(page))) == 1


def test_families_with_clashing_names(
    text: Render,
    openmetrics: Render,
    latency: Histograms,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The second family that has a name is left out."""
    clash = gauge("request_duration_seconds_count", "", 1.0)
    for render, parse in ((text, parse_text), (openmetrics, parse_openmetrics)):
        assert [family.name for family in parse(render(latency, clash, latency))] == [latency.name]
    assert "another family has one of its names" in caplog.text


def test_negative_values_of_a_histogram(
    text: Render, openmetrics: Render, latency: Histograms
) -> None:
    """OpenMetrics forbids sum and count where values may be negative; the text format does not."""
    for family in (
        dataclasses.replace(latency, bounds=[-1, 1]),
        dataclasses.replace(latency, sums=[-1.0, math.nan]),
    ):
        page = openmetrics(family)
        assert "_sum" not in page
        assert "_count" not in page
        list(parse_openmetrics(page))
        assert text(family).count("_sum") == 2


def test_a_family_that_fails_does_not_take_the_page_with_it(
    text: Render, caplog: pytest.LogCaptureFixture
) -> None:
    """A collector's mistake costs its own family only."""
    broken = Numbers(name="a", kind="gauge", labels=[()], values=[1.0, 2.0])
    assert text(broken, gauge("b", "", 1.0)) == "# TYPE b gauge\nb 1.0\n"
    assert "metric 'a' is left out of the page of live metrics" in caplog.text


@pytest.mark.parametrize(
    ("kind", "samples"),
    [
        ("summary", [Sample("", (("quantile", "2"),), 1.0), Sample("_sum", (), -1.0)]),
        ("summary", [Sample("", (), 1.0), Sample("_count", (), 0.5)]),
        ("stateset", [Sample("", (("x", "on"),), 0.5), Sample("", (("y", "on"),), 1.0)]),
        ("info", [Sample("_info", (), 2.0)]),
        ("gauge", [Sample("_other", (), 1.0)]),
        ("histogram", [Sample("_bucket", (("le", "1"),), 1.0)]),
        ("histogram", [Sample("_bucket", (("le", "x"),), 1.0)]),
        ("histogram", [Sample("_bucket", (("le", "+Inf"),), 0.5)]),
        (
            "histogram",
            [Sample("_bucket", (("le", "1"),), 2.0), Sample("_bucket", (("le", "+Inf"),), 1.0)],
        ),
    ],
)
def test_lines_that_openmetrics_forbids_are_left_out(
    openmetrics: Render, caplog: pytest.LogCaptureFixture, kind: str, samples: list[Sample]
) -> None:
    """A line from a collector that would make a reader refuse the page is left out and logged."""
    assert openmetrics(Samples(name="x", kind=kind, samples=samples)) == "# EOF\n"
    assert f"it is not as a {kind} must be" in caplog.text


def test_lines_of_one_series_are_put_together(openmetrics: Render) -> None:
    """Lines given in another order are grouped by series, and their bounds are spelt alike."""
    samples = [
        Sample("_bucket", (("a", "1"), ("le", "1")), 1.0),
        Sample("_bucket", (("a", "2"), ("le", "inf")), 3.0),
        Sample("_bucket", (("a", "1"), ("le", "inf")), 2.0),
        Sample("_sum", (("a", "1"),), 0.5),
        Sample("_count", (("a", "1"),), 2.0),
        Sample("_sum", (("a", "2"),), 0.5),
        Sample("_created", (("a", "2"),), 0.5),
    ]
    page = openmetrics(Samples(name="x", kind="histogram", samples=samples))
    assert page == (
        "# TYPE x histogram\n"
        'x_bucket{a="1",le="1.0"} 1.0\n'
        'x_bucket{a="1",le="+Inf"} 2.0\n'
        'x_sum{a="1"} 0.5\n'
        'x_count{a="1"} 2.0\n'
        'x_bucket{a="2",le="+Inf"} 3.0\n'
        "# EOF\n"
    )
    assert len(list(parse_openmetrics(page))) == 1


@pytest.mark.parametrize(
    ("kind", "bound", "total", "shown"),
    [
        ("gaugehistogram", "1", -1.0, False),
        ("gaugehistogram", "-1", -1.0, True),
        ("gaugehistogram", "-1", math.nan, False),
        ("gaugehistogram", "1", 1.0, True),
        ("histogram", "1", 1.0, True),
        ("histogram", "1", -1.0, False),
        ("histogram", "-1", 1.0, False),
    ],
)
def test_the_sum_of_a_histogram_given_line_by_line(
    openmetrics: Render, kind: str, bound: str, total: float, shown: bool
) -> None:
    """Sum and count are there where OpenMetrics allows the sum."""
    gauge_mark = "g" if kind == "gaugehistogram" else ""
    samples = [
        Sample("_bucket", (("le", bound),), 1.0),
        Sample("_bucket", (("le", "+Inf"),), 2.0),
        Sample(f"_{gauge_mark}count", (), 2.0),
        Sample(f"_{gauge_mark}sum", (), total),
    ]
    page = openmetrics(Samples(name="x", kind=kind, samples=samples))
    (family,) = parse_openmetrics(page)
    assert len(family.samples) == (4 if shown else 2)


def test_times_of_a_series_ascend(text: Render, openmetrics: Render) -> None:
    """Lines of a series are put in the order of their times; one without a time stands alone."""
    timed = [Sample("", (), float(time), time_ns=time * 1_000_000_000) for time in (2, 1)]
    family = Samples(name="g", kind="gauge", samples=timed)
    assert text(family).endswith("g 1.0 1000\ng 2.0 2000\n")
    alone = dataclasses.replace(family, samples=[*timed, Sample("", (), 3.0)])
    for render in (text, openmetrics):
        assert [line for line in render(alone).splitlines() if line[0] == "g"] == ["g 3.0"]


def test_what_is_left_out_is_remembered_within_bounds(caplog: pytest.LogCaptureFixture) -> None:
    """At most a thousand things are said to be left out, so that memory is bounded."""
    omissions = Omissions()
    with caplog.at_level(logging.WARNING, logger="tidegauge"):
        for index in range(1_500):
            omissions.add(f"metric 'x{index}'", "no reason")
    assert len(caplog.records) == 1_000


def test_only_what_is_asked_for(ordinary: Reading) -> None:
    """A family is asked for by its name or by that of one of its lines."""
    exposition = Exposition(openmetrics=False, omissions=Omissions())

    def shown(*names: str) -> list[str]:
        page = exposition.render(ordinary, names).decode()
        return [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")]

    assert shown("request_duration_seconds_sum") == ["request_duration_seconds"]
    assert shown("requests", "queue_length") == ["queue_length", "requests_total"]
    assert shown("requests_total") == ["requests_total"]
    assert shown("nothing") == []
