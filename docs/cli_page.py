# SPDX-License-Identifier: Apache-2.0
"""The reference page of the command line, made from the program itself."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args, get_origin

import typer
from typer.models import ArgumentInfo, CommandInfo, OptionInfo

from tidegauge.cli.app import app
from tidegauge.cli.failure import ExitCode

__all__ = ["cli_page"]

_MARKUP = re.compile(r"(?<!\\)\[/?(?:bold|dim)?\]")
_MEANINGS = {
    ExitCode.OK: "done, and nothing is wrong",
    ExitCode.PROBLEM: "a problem was found, or the command failed",
    ExitCode.USAGE: "what was given cannot be used: a command, an option, a setting, a name, a "
    "value, a time or a question",
    ExitCode.INTERRUPTED: "ended by Ctrl-C",
    ExitCode.BROKEN_PIPE: "whoever read the output went away, such as `head`",
}
_INTRODUCTION = """\
# Command line

```text
tidegauge [--store PATH] [--json] COMMAND …
```

The options `--store` and `--json` go before the command's name or after it. The store is the one
given, else the one of the variable `TIDEGAUGE_STORE`, else `.tidegauge`; the other
[settings](settings.md) come from their variables, and `tidegauge settings` shows them.

Results go to standard output; everything else (errors, hints, progress bars, which are drawn on a
terminal only) to standard error. With `--json`, standard output is exactly one JSON document. If
the command fails it is `{"error": {"kind": …, "what": …, "got": …, "allowed": …, "fix": …}}`, of
which `kind` and `what` are always there.

`tidegauge --install-completion` teaches the shell to complete commands, options and metric names.

| Exit code | Meaning |
|---|---|
"""


def cli_page(head: str) -> str:
    """Every command with its arguments, options and examples.

    Args:
        head: What stands above every generated page.
    """
    lines = [head, _INTRODUCTION.rstrip()]
    lines += [f"| {int(code)} | {_MEANINGS[code]} |" for code in ExitCode]
    lines.append("")
    for name, command in _commands(app, ""):
        lines += _command(name, command)
    return "\n".join(lines)


def _commands(group: typer.Typer, prefix: str) -> Iterator[tuple[str, CommandInfo]]:
    for command in group.registered_commands:
        yield f"{prefix}{command.name}", command
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from _commands(inner.typer_instance, f"{prefix}{inner.name} ")


def _command(name: str, command: CommandInfo) -> Iterator[str]:
    assert command.callback is not None
    params = [
        _Param.of(each)
        for each in inspect.signature(command.callback).parameters.values()
        if each.name not in ("context", "json", "store")
    ]
    yield f"## {name}\n"
    usage = [each.usage for each in params if each.is_argument]
    options = ["[OPTIONS]"] if any(not each.is_argument for each in params) else []
    yield "```text\n" + " ".join(["tidegauge", name, *usage, *options]) + "\n```\n"
    yield _plain(inspect.getdoc(command.callback) or "") + "\n"
    if params:
        yield "| | |\n|---|---|"
        yield from (f"| {each.names} | {each.about} |" for each in params)
        yield ""
    examples = [line for line in _plain(command.epilog or "").splitlines() if line[:2] == "$ "]
    if examples:
        yield "```sh\n" + "\n".join(line[2:] for line in examples) + "\n```\n"


class _Param(NamedTuple):
    """An argument or option, as its function declares it."""

    name: str
    kind: type
    is_list: bool
    is_required: bool
    default: object
    info: ArgumentInfo | OptionInfo

    @classmethod
    def of(cls, parameter: inspect.Parameter) -> _Param:
        kind, info = get_args(parameter.annotation)
        inner = [each for each in get_args(kind) or (kind,) if each is not type(None)]
        is_list = get_origin(inner[0]) is list
        return cls(
            parameter.name,
            get_args(inner[0])[0] if is_list else inner[0],
            is_list,
            parameter.default is inspect.Parameter.empty,
            parameter.default,
            info,
        )

    @property
    def is_argument(self) -> bool:
        return isinstance(self.info, ArgumentInfo)

    @property
    def usage(self) -> str:
        name = self.name.upper() + ("…" if self.is_list else "")
        return name if self.is_required else f"[{name}]"

    @property
    def names(self) -> str:
        if self.is_argument:
            return f"`{self.name.upper()}`"
        names = [self.info.default, *(self.info.param_decls or ())]
        given = [name for name in names if isinstance(name, str)]
        value = "" if self.kind is bool else f" {self._value}".replace("|", "\\|")
        return ", ".join(f"`{name}{value}`" for name in given or [_option(self.name)])

    @property
    def about(self) -> str:
        text = _plain(self.info.help or "").replace("|", "\\|")
        if self.default not in (None, False, "") and not self.is_required:
            text += f" Default: `{self.default}`."
        if self.info.envvar:
            text += f" Also `{self.info.envvar}`."
        return text

    @property
    def _value(self) -> str:
        if self.info.metavar:
            return self.info.metavar
        if issubclass(self.kind, enum.Enum):
            return "|".join(str(choice.value) for choice in self.kind)
        return {int: "N", float: "NUMBER", Path: "PATH"}.get(self.kind, "TEXT")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _plain(text: str) -> str:
    """Text without Rich's markup."""
    return _MARKUP.sub("", text).replace("\\[", "[").strip()
