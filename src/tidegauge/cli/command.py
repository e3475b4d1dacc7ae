# SPDX-License-Identifier: Apache-2.0
"""What all commands share: the options `--store` and `--json`, and how they end.

A command is a function that takes a `Session` and its own options, and returns an exit code or
nothing. `command` makes it one of a typer app.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from tidegauge.cli.failure import describe_error, exit_code
from tidegauge.cli.session import Session
from tidegauge.model.errors import TidegaugeError

__all__ = ["GLOBAL_PANEL", "Commands", "JsonOption", "StoreOption", "escape", "remember"]

GLOBAL_PANEL = "Options of every command"

StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="PATH",
        envvar="TIDEGAUGE_STORE",
        help="The store's directory; .tidegauge if not given.",
        rich_help_panel=GLOBAL_PANEL,
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Write one JSON document to standard output and nothing else.",
        rich_help_panel=GLOBAL_PANEL,
    ),
]

P = ParamSpec("P")
_Command = Callable[Concatenate[Session, P], int | None]


class Commands:
    """The commands of one module.

    Args:
        panel: The heading under which they are listed.
    """

    def __init__(self, panel: str | None = None) -> None:
        self._panel = panel
        self._added: list[tuple[str, Callable[..., None], str | None]] = []

    def add(
        self, name: str, *, examples: Sequence[str] = ()
    ) -> Callable[[_Command[P]], _Command[P]]:
        """Make a function a command. Its docstring is the help text, in Rich's markup.

        Args:
            name: Its name.
            examples: Command lines, without the program's name, shown below the help.
        """

        def register(function: _Command[P]) -> _Command[P]:
            self._added.append((name, _runner(function), _epilog(examples)))
            return function

        return register

    def join(self, app: typer.Typer) -> None:
        """Add them to an app."""
        for name, run, epilog in self._added:
            app.command(name, epilog=epilog, rich_help_panel=self._panel)(run)


def escape(text: str) -> str:
    """Keep text from being taken for Rich's markup."""
    return text.replace("\\", "\\\\").replace("[", "\\[")


def remember(context: typer.Context, store: Path | None, as_json: bool) -> None:
    """Keep what was given before the command's name for the command itself."""
    store_before, json_before = context.obj or (None, False)
    context.obj = (_if_given(context, store) or store_before, as_json or json_before)


def _runner(function: Callable[..., int | None]) -> Callable[..., None]:
    @functools.wraps(function)
    def run(context: typer.Context, store: Path | None, json: bool, **given: Any) -> None:
        store_before, json_before = context.obj or (None, False)
        chosen = _if_given(context, store) or store_before
        code = _run(function, Session(store=chosen, as_json=json or json_before), given)
        if code:
            raise typer.Exit(code)

    hints = get_type_hints(function, include_extras=True)
    own = list(inspect.signature(function).parameters.values())[1:]
    kept = [each.replace(annotation=hints[each.name]) for each in own]
    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter("context", keyword, annotation=typer.Context),
        inspect.Parameter("store", keyword, annotation=StoreOption, default=None),
        inspect.Parameter("json", keyword, annotation=JsonOption, default=False),
    ]
    parameters = [each.replace(kind=keyword) for each in kept] + shared
    # typer reads both; the wrapped function has neither the shared options nor the context.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _if_given(context: typer.Context, store: Path | None) -> Path | None:
    """The store if it was given on the command line; the settings know the environment."""
    source = context.get_parameter_source("store")
    return store if source is not None and source.name == "COMMANDLINE" else None


def _run(
    function: Callable[..., int | None], session: Session, given: dict[str, Any]
) -> int | None:
    try:
        code = function(session, **given)
        sys.stdout.flush()
    except (KeyboardInterrupt, BrokenPipeError) as error:
        if isinstance(error, BrokenPipeError):
            _forget_stdout()
        else:
            session.output.note("Interrupted.")
        return exit_code(error)
    except (TidegaugeError, OSError) as error:
        _tell(session, error)
        return exit_code(error)
    finally:
        session.close()
    return code


def _tell(session: Session, error: TidegaugeError | OSError) -> None:
    parts = describe_error(error)
    if session.output.as_json:
        session.output.write_json({"error": parts})
    lines = [f"[bold red]Error:[/] {escape(_sentence(str(parts['what'])))}"]
    for name, label in (("got", "Got"), ("allowed", "Allowed")):
        if name in parts:
            lines.append(f"  [dim]{label}:[/] {escape(str(parts[name]))}")
    if "fix" in parts:
        lines.append(f"  {escape(str(parts['fix']))}")
    session.output.note("\n".join(lines))


def _sentence(what: str) -> str:
    """A clause as a sentence. What begins with a name, such as `my.yaml`, keeps it as it is."""
    first = what.partition(" ")[0]
    return f"{what[:1].upper() if first.isalpha() else what[:1]}{what[1:]}."


def _forget_stdout() -> None:
    """Let the interpreter flush at exit without complaint what nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _epilog(examples: Sequence[str]) -> str | None:
    if not examples:
        return None
    # Typer joins lines; an empty one between them keeps them apart.
    lines = ["[bold]Examples[/]", *(f"[dim]$[/] tidegauge {escape(each)}" for each in examples)]
    return "\n\n".join(lines)
