# SPDX-License-Identifier: Apache-2.0
"""The program `tidegauge`: which commands there are, and what comes before a command's name."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tidegauge.cli import (
    amending,
    budgets,
    business,
    correlating,
    costs,
    detection,
    exporting,
    features,
    impact,
    importing,
    jobs,
    llm,
    metrics,
    monitoring,
    overview,
    querying,
    reading,
    recording,
    repricing,
    sqlite_files,
    trends,
    upkeep,
    versions,
)
from tidegauge.cli.command import JsonOption, StoreOption, remember
from tidegauge.cli.demo import story
from tidegauge.cli.output import Output

__all__ = ["app", "main"]

# Typer has it from click or from a copy of its own, by version.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


class _Program(TyperGroup):
    """The program, whose usage errors are documents with --json, as other errors are."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **more: Any) -> Any:
        self._as_json = "--json" in args[: args.index("--") if "--" in args else None]
        with self._usage_errors():
            return super().make_context(info_name, args, *rest, **more)

    def invoke(self, ctx: Any) -> Any:
        with self._usage_errors():
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        # A command may have several words: `export prometheus-rules`, beside `export FILE`.
        most = max(name.count(" ") + 1 for name in self.commands)
        for count in range(most, 1, -1):
            if (name := " ".join(args[:count])) in self.commands:
                return super().resolve_command(ctx, [name, *args[count:]])
        return super().resolve_command(ctx, args)

    @contextlib.contextmanager
    def _usage_errors(self) -> Iterator[None]:
        try:
            yield
        except _UsageError as error:
            _hint_at_dashes(error)
            if self._as_json:
                what = error.format_message()  # type: ignore[attr-defined]
                kind = "UsageError"
                Output(as_json=True).write_json({"error": {"kind": kind, "what": what}})
            raise


app = typer.Typer(
    name="tidegauge",
    cls=_Program,
    help="A metrics layer for machine-learning systems: record a fact once, find it everywhere.",
    epilog="Exit codes: 0 done and nothing wrong · 1 a problem was found, or the command failed · "
    "2 what was given cannot be used · 130 interrupted. Start with [bold]tidegauge demo[/].",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _module in (
    story,
    recording,
    reading,
    querying,
    impact,
    features,
    trends,
    business,
    versions,
    detection,
    costs,
    llm,
    budgets,
    repricing,
    correlating,
    overview,
    upkeep,
    amending,
    jobs,
    monitoring,
    exporting,
    importing,
    sqlite_files,
):
    _module.commands.join(app)
app.add_typer(metrics.group, name="metrics", rich_help_panel="Vocabulary")


def main() -> None:
    """Run the program."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started it: there is nobody to tell
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign shows another; it is no reason to fail.
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="replace")
    app()


def _hint_at_dashes(error: Any) -> None:
    option = getattr(error, "option_name", "")
    if option[1:2].isdigit():
        error.message = (
            f"{error.message.rstrip('.')}. Negative numbers go after --, as in: log NAME -- -1.5"
        )


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
