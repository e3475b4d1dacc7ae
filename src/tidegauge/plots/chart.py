# SPDX-License-Identifier: Apache-2.0
"""What all charts share: the library, the look, and writing files. None asks the network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegauge.model.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    import altair as alt

__all__ = ["ACCENT", "MUTED", "WARNING", "drawing", "rows_of", "save", "styled"]

#: Colours that differ also for people who do not tell red from green, and on grey paper.
ACCENT = "#1f6f8b"
MUTED = "#9aa5ab"
WARNING = "#d1495b"

_FORMATS = ("png", "svg", "json", "html")
_SIZE = {"width": 420, "height": 260}


def drawing() -> Any:
    """The library `altair`.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import altair as alt
    except ImportError as error:
        raise MissingExtraError("altair", extra="plots") from error
    return alt


def rows_of(**columns: Any) -> alt.InlineData:
    """Data of a chart from columns of one length: arrays, lists, or one value for all rows.

    Numbers that are not finite become nulls, which are gaps in lines.
    """
    listed = {name: _listed(column) for name, column in columns.items()}
    count = max(len(column) for column in listed.values() if column is not None)
    filled = {
        name: [columns[name]] * count if column is None else column
        for name, column in listed.items()
    }
    rows = [dict(zip(filled, row, strict=True)) for row in zip(*filled.values(), strict=True)]
    data: alt.InlineData = drawing().InlineData(values=rows)
    return data


def styled(chart: Any, title: str, *, subtitle: str | list[str] = "") -> Any:
    """A chart with the size, fonts and title that all of them have; subtitles may have lines."""
    alt = drawing()
    heading = alt.TitleParams(title, subtitle=subtitle or alt.Undefined, anchor="start")
    sized = chart if isinstance(chart, alt.HConcatChart | alt.VConcatChart) else _sized(chart)
    return (
        sized.properties(title=heading)
        .configure_view(stroke=None)
        .configure_axis(grid=True, gridOpacity=0.4)
    )


def format_of(path: Path) -> str:
    """What a chart is written as: the ending of a file's name.

    Raises:
        ConfigError: Charts cannot be written as that.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in _FORMATS:
        raise ConfigError(
            "a chart cannot be written as such a file",
            got=path.name,
            allowed=", ".join(f".{each}" for each in _FORMATS),
        )
    return kind


def save(chart: alt.TopLevelMixin, path: str | Path, *, scale: float = 2.0) -> Path:
    """Write a chart to a file.

    Args:
        chart: From one of the functions of `tidegauge.plots`.
        path: The file; `.png`, `.svg`, `.json` (Vega-Lite) or `.html`, which holds all it needs.
        scale: Pixels of a PNG per unit of the chart.

    Returns:
        The path.

    Raises:
        ConfigError: The file's name has another ending.
        MissingExtraError: The extra `plots` is not installed.
    """
    path = Path(path)
    kind = format_of(path)
    try:
        import vl_convert
    except ImportError as error:
        raise MissingExtraError("vl_convert", extra="plots") from error
    document: dict[str, Any] = chart.to_dict()
    match kind:
        case "png":
            path.write_bytes(vl_convert.vegalite_to_png(document, scale=scale))
        case "svg":
            path.write_text(vl_convert.vegalite_to_svg(document), encoding="utf-8")
        case "html":
            path.write_text(vl_convert.vegalite_to_html(document, bundle=True), encoding="utf-8")
        case _:
            path.write_text(chart.to_json(), encoding="utf-8")
    return path


def _listed(column: Any) -> list[Any] | None:
    """A column as a list with nulls for what is not finite; None if it is one value."""
    if isinstance(column, str) or not hasattr(column, "__iter__"):
        return None
    values = column.tolist() if hasattr(column, "tolist") else list(column)
    return [
        None if isinstance(each, float) and not -1e308 < each < 1e308 else each for each in values
    ]


def _sized(chart: Any) -> Any:
    return chart.properties(**_SIZE)
