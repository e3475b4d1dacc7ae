# SPDX-License-Identifier: Apache-2.0
"""Whatever is on a page is read back by the parsers of both formats."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tidegauge.live.families import Histograms, Numbers, Reading, Sample, Samples, gauge
from tidegauge.serve.exposition import Exposition
from tidegauge.serve.negotiation import accepts_gzip, choose_format
from tidegauge.serve.spelling import Omissions
from tidegauge.statistics.histogram import ExponentialHistogram

Parse = Callable[[str], Iterable[Any]]

# Every text, and often what the formats give a meaning to.
ANY_TEXT = st.text(st.characters() | st.sampled_from('\\"\n\r\t {},=#\ud800\udfff\x00\x85\u2028'))
ANY_FLOAT = st.floats()
FORMATS = pytest.mark.parametrize(
    ("openmetrics", "parse"),
    [(False, parse_text), (True, parse_openmetrics)],
    ids=["text", "openmetrics"],
)


def page_of(*families: Any, openmetrics: bool) -> str:
    """A page, as bytes that are valid UTF-8."""
    exposition = Exposition(openmetrics=openmetrics, omissions=Omissions())
    return exposition.render(Reading(list(families), 0, 0)).decode()


def readable(text: str) -> str:
    """The text as far as UTF-8 can have it."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


@FORMATS
@given(value=ANY_TEXT, number=ANY_FLOAT)
def test_label_values_and_numbers(
    openmetrics: bool, parse: Parse, value: str, number: float
) -> None:
    """Any value of a label and any number are read back as they were."""
    page = page_of(gauge("g", "", {(("a", value),): number}), openmetrics=openmetrics)
    ((line,),) = [family.samples for family in parse(page)]
    assert line.labels == {"a": readable(value)}
    assert line.value == number or (math.isnan(line.value) and math.isnan(number))


@FORMATS
@given(text=ANY_TEXT)
def test_help_texts(openmetrics: bool, parse: Parse, text: str) -> None:
    """Any help text is read back as it was, but for blanks at its ends, which parsers cut off."""
    (family,) = parse(page_of(gauge("g", text, 1.0), openmetrics=openmetrics))
    assert family.documentation.strip() == readable(text).strip()


@FORMATS
@given(values=st.dictionaries(st.text(), ANY_FLOAT))
def test_many_series(openmetrics: bool, parse: Parse, values: dict[str, float]) -> None:
    """Every series is there once, whatever their labels become."""
    labels = [(("a", value),) for value in values]
    family = Numbers(name="g", kind="gauge", labels=labels, values=list(values.values()))
    found = [
        line
        for family in parse(page_of(family, openmetrics=openmetrics))
        for line in family.samples
    ]
    assert {line.labels["a"] for line in found} == {readable(value) for value in values}
    assert len(found) == len({readable(value) for value in values})


@FORMATS
@given(
    bounds=st.lists(st.floats(-1e9, 1e9).map(lambda bound: float(f"{bound:.9g}")), unique=True),
    scale=st.sampled_from([1.0, 0.001, 1e-9, 1024.0]),
    total=ANY_FLOAT,
    data=st.data(),
)
def test_histograms(
    openmetrics: bool, parse: Parse, bounds: list[float], scale: float, total: float, data: Any
) -> None:
    """Any histogram is a valid one, cumulative and with the bounds in base units."""
    counts = data.draw(
        st.lists(st.integers(0, 2**40), min_size=len(bounds) + 1, max_size=len(bounds) + 1)
    )
    family = Histograms(
        name="h",
        scale=scale,
        labels=[()],
        bounds=sorted(bounds),
        counts=[counts],
        sums=[total],
        exponential=lambda _: ExponentialHistogram(),
    )
    (found,) = parse(page_of(family, openmetrics=openmetrics))
    buckets = [line for line in found.samples if line.name == "h_bucket"]
    expected = [bound * scale for bound in sorted(bounds)]
    assert [float(line.labels["le"]) for line in buckets] == pytest.approx([*expected, math.inf])
    assert [line.value for line in buckets] == [
        sum(counts[: index + 1]) for index in range(len(counts))
    ]


@FORMATS
@given(
    kind=st.sampled_from(
        [
            "counter",
            "gauge",
            "gaugehistogram",
            "histogram",
            "info",
            "stateset",
            "summary",
            "unknown",
            "other",
        ]
    ),
    samples=st.lists(
        st.builds(
            Sample,
            suffix=st.sampled_from(
                ["", "_total", "_bucket", "_sum", "_count", "_gsum", "_gcount", "_info", "_created"]
            ),
            labels=st.sampled_from(["le", "quantile", "x", "a"]).flatmap(
                lambda name: st.sampled_from(["", "-1", "0", "1", "1.0", "+Inf", "inf", "nan"]).map(
                    lambda value: ((name, value),)
                )
            )
            | st.just(()),
            value=st.sampled_from([0.0, 1.0, 2.0, -1.0, 0.5, math.nan, math.inf]),
            time_ns=st.sampled_from([None, None, 0, 1_000_000_000]),
        ),
        max_size=8,
    ),
)
def test_collectors_cannot_make_a_page_invalid(
    openmetrics: bool, parse: Parse, kind: str, samples: list[Sample]
) -> None:
    """Whatever lines a collector gives, a strict parser reads the page."""
    family = Samples(name="x", kind=kind, samples=samples)
    list(parse(page_of(family, gauge("z", "", 1.0), openmetrics=openmetrics)))


@given(st.text())
def test_any_header_is_answered(header: str) -> None:
    """No header makes negotiation fail."""
    choose_format(header)
    accepts_gzip(header)
