# SPDX-License-Identifier: Apache-2.0
"""Progress of long work: a bar on standard error where that is a terminal, nothing elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from tidegauge.cli.output import Output

__all__ = ["Advance", "progress"]

#: `advance(done, total)`: how much is done, and of how much, where that is known.
Advance = Callable[[float, float | None], None]


@contextlib.contextmanager
def progress(output: Output, what: str) -> Iterator[Advance]:
    """Show how far something is, for the length of a `with` block.

    Args:
        output: Where the command writes.
        what: What is being done, as a participle ("Draining").
    """
    if not sys.stderr.isatty():
        yield _nothing
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=output.error_console,
        transient=True,
    )
    with bar:
        task = bar.add_task(what, total=None)

        def advance(done: float, total: float | None) -> None:
            bar.update(task, completed=int(done), total=None if total is None else int(total))

        yield advance


def _nothing(done: float, total: float | None) -> None:
    del done, total
