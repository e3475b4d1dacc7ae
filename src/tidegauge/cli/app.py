# SPDX-License-Identifier: Apache-2.0
"""The program `tidegauge`: which commands there are, and what comes before a command's name."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tidegauge.cli import (
    exporting,
    importing,
    metrics,
    overview,
    querying,
    reading,
    recording,
    upkeep,
)
from tidegauge.cli.command import JsonOption, StoreOption, remember
from tidegauge.cli.demo import story

__all__ = ["app", "main"]

app = typer.Typer(
    name="tidegauge",
    help="A metrics layer for machine-learning systems: record a fact once, find it everywhere.",
    epilog="Exit codes: 0 done and nothing wrong · 1 a problem was found, or the command failed · "
    "2 usage error · 130 interrupted. Start with [bold]tidegauge demo[/].",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _module in (story, recording, reading, querying, overview, upkeep, exporting, importing):
    _module.commands.join(app)
app.add_typer(metrics.group, name="metrics", rich_help_panel="Vocabulary")


def main() -> None:
    """Run the program."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign shows another; it is no reason to fail.
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="replace")
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        from tidegauge import __version__

        typer.echo(f"tidegauge {__version__}")
        raise typer.Exit


@app.callback()
def _before(
    context: typer.Context,
    store: StoreOption = None,
    as_json: JsonOption = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    del version
    remember(context, store, as_json)
