# SPDX-License-Identifier: Apache-2.0
"""How numbers, sizes and values are written."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from tidegauge.cli.output import Column, Lines, Output, Pairs, Table, bytes_text, number_text, plain


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (5.0, "5"),
        (-2.5, "-2.5"),
        (0.1, "0.1"),
        (1 / 3, "0.33333"),
        (123.456, "123.46"),
        (55.99999999999999, "56"),
        (12345.678, "12,346"),
        (1_234_567, "1,234,567"),
        (0.00001234, "1.234e-05"),
        (1e20, "1e+20"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers_have_five_significant_digits(value: float | None, text: str) -> None:
    """Whole numbers have all of theirs."""
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB"), (3 << 40, "3.0 TiB")],
)
def test_sizes_are_in_binary_units(size_bytes: int, text: str) -> None:
    """As file managers have them."""
    assert bytes_text(size_bytes) == text


def test_plain_turns_everything_into_what_json_has() -> None:
    """Numbers that are none become null; unknown things become their text."""
    given = {
        "nan": float("nan"),
        "time": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "naive": dt.datetime(2026, 1, 1),  # noqa: DTZ001
        "bytes": b"\x01\xff",
        "decimal": Decimal("1.5"),
        "tuple": (1, None, True),
        "date": dt.date(2026, 1, 2),
        3: "key",
    }
    assert plain(given) == {
        "nan": None,
        "time": "2026-01-01T00:00:00+00:00",
        "naive": "2026-01-01T00:00:00+00:00",
        "bytes": "01ff",
        "decimal": 1.5,
        "tuple": [1, None, True],
        "date": "2026-01-02",
        "3": "key",
    }


def test_blocks_are_drawn_one_below_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    """No spaces at the ends of lines, and nothing cut, however long."""
    long = "x" * 300
    Output(as_json=False).show(
        None,
        Lines("[bold]Head[/]"),
        Table([Column("a"), Column("b", "B", "number")], [{"a": long, "b": 0.5}, {"b": None}]),
        Table([Column("a")], [], empty="Nothing here."),
        Pairs([("one", 1), ("yes", True)]),
    )
    assert capsys.readouterr().out.splitlines() == [
        "Head",
        "",
        f" {'a'.ljust(300)}     B",
        f" {'─' * 306}",
        f" {long}   0.5",
        f" {' ' * 300}     -",
        "",
        "Nothing here.",
        "one  1",
        "yes  yes",
    ]


def test_what_users_wrote_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets in cells, titles and headings are shown as they are."""
    Output(as_json=False).show(
        None, Table([Column("[bold]a")], [{"[bold]a": "[red]x[/red] \\[b]"}], title="[dim]t")
    )
    out = capsys.readouterr().out
    assert "[dim]t" in out
    assert "[bold]a" in out
    assert "[red]x[/red] \\[b]" in out


def test_json_is_all_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Blocks are not drawn when a document is wanted."""
    output = Output(as_json=True)
    output.tell(Lines("for people"))
    output.show({"a": [1.5, float("inf")]}, Lines("for people"))
    assert capsys.readouterr().out == '{\n  "a": [\n    1.5,\n    null\n  ]\n}\n'
