# SPDX-License-Identifier: Apache-2.0
"""What all charts share: data with gaps, one look, and files that need nothing else."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from tidegauge.model.errors import ConfigError
from tidegauge.plots import chart


@pytest.fixture
def line() -> object:
    """A line with a gap."""
    alt = chart.drawing()
    data = chart.rows_of(day=[1, 2, 3], score=np.array([0.5, np.nan, 0.7]), model="fraud")
    drawn = alt.Chart(data).mark_line().encode(x="day:Q", y="score:Q", color="model:N")
    return chart.styled(drawn, "Score by day", subtitle="three days")


def test_a_number_that_is_none_is_a_gap_and_one_value_is_for_all_rows() -> None:
    """NaN and infinity are null, which Vega-Lite draws as a gap; a text is repeated."""
    data = chart.rows_of(x=np.array([1.0, np.inf]), y=[np.nan, 2], name="a")
    assert data.values == [{"x": 1.0, "y": None, "name": "a"}, {"x": None, "y": 2, "name": "a"}]


def test_a_png_is_as_large_as_it_is_asked_to_be(line: object, tmp_path: Path) -> None:
    """Twice the scale is twice the width and height."""
    sizes = []
    for scale in (1.0, 2.0):
        content = chart.save(line, tmp_path / f"{scale}.png", scale=scale).read_bytes()
        assert content[:8] == b"\x89PNG\r\n\x1a\n"
        sizes.append(struct.unpack(">II", content[16:24]))
    (width, height), larger = sizes
    assert width > 420
    assert larger == (2 * width, 2 * height)


def test_an_svg_holds_the_title(line: object, tmp_path: Path) -> None:
    """Text stays text, so that it can be searched for and read aloud."""
    svg = chart.save(line, tmp_path / "line.svg").read_text()
    assert "Score by day" in svg
    assert "three days" in svg


def test_a_page_needs_no_network(line: object, tmp_path: Path) -> None:
    """The scripts are in the page; none is asked for from elsewhere."""
    page = chart.save(line, tmp_path / "line.html").read_text()
    assert "Score by day" in page
    assert "<script src=" not in page
    assert "cdn.jsdelivr" not in page


def test_a_chart_is_kept_as_vega_lite(line: object, tmp_path: Path) -> None:
    """JSON is the chart itself, for whoever draws it elsewhere."""
    document = json.loads(chart.save(line, tmp_path / "line.json").read_text())
    assert document["title"]["text"] == "Score by day"
    assert document["encoding"]["y"]["field"] == "score"


def test_another_kind_of_file_is_refused(line: object, tmp_path: Path) -> None:
    """The error says what there is."""
    with pytest.raises(ConfigError, match=r"line\.gif.*\.png, \.svg, \.json, \.html"):
        chart.save(line, tmp_path / "line.gif")
