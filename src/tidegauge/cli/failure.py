# SPDX-License-Identifier: Apache-2.0
"""What errors become at the command line: a message and an exit code."""

from __future__ import annotations

import enum

from tidegauge.model.errors import (
    ConfigError,
    MetricValidationError,
    QueryError,
    TidegaugeError,
)

__all__ = ["ExitCode", "describe_error", "exit_code"]


class ExitCode(enum.IntEnum):
    """What the exit codes of every command mean."""

    OK = 0  # done, and nothing is wrong
    PROBLEM = 1  # a problem was found, or the command failed
    USAGE = 2  # what was given cannot be used: a command, an option, a setting, a name, a value, …
    INTERRUPTED = 130  # ended by Ctrl-C
    BROKEN_PIPE = 141  # whoever read the output went away


def exit_code(error: BaseException) -> ExitCode:
    """The exit code that an error ends a command with."""
    if isinstance(error, ConfigError | QueryError | MetricValidationError):
        return ExitCode.USAGE
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return ExitCode.BROKEN_PIPE
    return ExitCode.PROBLEM


def describe_error(error: TidegaugeError | OSError) -> dict[str, object]:
    """The parts of an error: `kind`, `what`, and `got`, `allowed`, `fix` where there are any."""
    if isinstance(error, TidegaugeError):
        parts = {
            "kind": type(error).__name__,
            "what": error.what,
            "got": None if error.got is None else str(error.got),
            "allowed": error.allowed,
            "fix": error.fix,
        }
    else:
        file = error.filename
        parts = {
            "kind": type(error).__name__,
            "what": error.strerror or str(error),
            "got": None if file is None else str(file),
        }
    return {name: part for name, part in parts.items() if part}
