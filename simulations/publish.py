# SPDX-License-Identifier: Apache-2.0
"""Runs the studies, and writes their tables into docs/explanation/statistics.md.

`python -m simulations.publish` runs all, or those that are named, and records what they found;
with `--page` nothing is run, and the page is written anew from the record. A test holds the page to
the record.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from simulations.study import Row, Study, Table

__all__ = ["PAGE", "RECORD", "TOPICS", "load", "page", "studies"]

#: The modules with studies.
TOPICS = ("quality", "correlation", "impact", "detection", "versions")

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "statistics.md"
RECORD = Path(__file__).parent / "recorded.json"

_PLACE = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def studies() -> dict[str, Study]:
    """Every study by its name: its topic and that of its function, with hyphens."""
    return {
        f"{topic}-{study.__name__}".replace("_", "-"): study
        for topic in TOPICS
        for study in importlib.import_module(f"simulations.{topic}").STUDIES
    }


def run(name: str) -> Table:
    """The table of one study."""
    return studies()[name]()


def load() -> dict[str, Table]:
    """The recorded tables by name."""
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    return {name: _table(fields) for name, fields in recorded.items()}


def page(text: str, tables: dict[str, Table]) -> str:
    """The page with the tables in their places.

    Raises:
        KeyError: There is a place for a table that there is not.
    """

    def filled(place: re.Match[str]) -> str:
        table = tables[place[2]]
        return f"{place[1]}\n{table.about}\n\n{table.markdown()}\n{place[3]}"

    return _PLACE.sub(filled, text)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="studies to run; all if none is named")
    parser.add_argument("--page", action="store_true", help="run none, only write the page")
    options = parser.parse_args(arguments)
    tables = load() if RECORD.exists() else {}
    if not options.page:
        names = options.names or list(studies())
        tables |= _run_all(names)
        # Tables of studies that are no more go with them.
        kept = {name: asdict(tables[name]) for name in sorted(studies()) if name in tables}
        RECORD.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")
    broken = [f"{name}: {line}" for name in tables for line in tables[name].broken()]
    print("\n".join(broken), file=sys.stderr)
    return 1 if broken else 0


def _run_all(names: Sequence[str]) -> dict[str, Table]:
    found = {}
    with (
        Progress(console=Console(stderr=True)) as progress,
        ProcessPoolExecutor(max_workers=os.cpu_count()) as pool,
    ):
        task = progress.add_task("studies", total=len(names))
        running = {pool.submit(run, name): name for name in names}
        for done in as_completed(running):
            found[running[done]] = done.result()
            progress.advance(task)
    return found


def _table(fields: dict[str, Any]) -> Table:
    rows = [Row(**row | {"figures": tuple(row["figures"])}) for row in fields["rows"]]
    return Table(**fields | {"columns": tuple(fields["columns"]), "rows": rows})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
