# SPDX-License-Identifier: Apache-2.0
"""The demo from beginning to end, told as it happens."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegauge.cli.command import Commands, escape
from tidegauge.cli.demo.checks import Check, check_balance, check_mlflow, check_predictions
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Column, Lines, Pairs, Table
from tidegauge.cli.overview import status_blocks, status_document
from tidegauge.cli.progress import progress
from tidegauge.cli.reading import comparison, statistics
from tidegauge.cli.session import Session
from tidegauge.model.errors import ConfigError

if TYPE_CHECKING:
    from tidegauge.cli.demo.fleet import Served
    from tidegauge.cli.demo.training import Trained
    from tidegauge.store.status import Status

__all__ = ["commands", "demo"]

commands = Commands("Start here")

_SHOWN = ["model:val_accuracy", "model:val_loss", "model:f1_score", "model:latency_ms"]


@commands.add("demo", examples=["demo", "demo --dir ./my-demo --predictions 20000"])
def demo(
    session: Session,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", help="An empty or new directory; a new temporary one by default."),
    ] = None,
    predictions: Annotated[
        int, typer.Option(min=100, help="How many predictions to serve.")
    ] = 5000,
) -> int:
    """Train two versions of a model, serve them from four processes, kill one, and add up.

    Real training on a bundled data set inside MLflow runs, real predictions with their latencies,
    a real SIGKILL. Exit code 1 if anything does not add up. Needs the extra [bold]demo[/].
    """
    from tidegauge.cli.demo.training import require_extras

    if session.given:
        raise typer.BadParameter(
            "the demo makes a store of its own; use --dir", param_hint="--store"
        )
    require_extras()
    place = _fresh(directory)
    _be_alone()
    return _Story(session, place, predictions).tell()


class _Story:
    """One performance."""

    def __init__(self, session: Session, place: Path, predictions: int) -> None:
        self._output = session.output
        self._place = place
        self._predictions = predictions
        self._store = place / "store"
        self._uri = f"sqlite:///{place}/mlflow.db"
        self._checks: list[Check] = []
        self._document: dict[str, Any] = {"directory": str(place), "tracking_uri": self._uri}

    def tell(self) -> int:
        """Do everything, show everything, and return the exit code."""
        from tidegauge import config

        begun_s = time.monotonic()
        self._say(f"Everything happens in [bold]{escape(str(self._place))}[/].")
        config.configure(store=self._store, mlflow=True, mlflow_tracking_uri=self._uri, strict=True)
        try:
            trained = self._train()
            served = self._serve(trained)
            self._add_up(trained, served)
            self._compare()
        finally:
            config.shutdown()
        seconds = time.monotonic() - begun_s
        holds = all(check.holds for check in self._checks)
        self._document |= {"seconds": round(seconds, 1), "holds": holds}
        self._close(seconds, holds=holds)
        return ExitCode.OK if holds else ExitCode.PROBLEM

    def _train(self) -> list[Trained]:
        from tidegauge import config
        from tidegauge.cli.demo.training import EPOCHS, train

        self._heading("1  Train two versions inside MLflow runs")
        with progress(self._output, "Training (MLflow makes its database first)"):
            trained = train(self._place, self._uri)
            delivered = config.flush(60)
        if not delivered:
            self._say("[red]MLflow did not take everything in 60 s.[/]")
        rows = [
            {"version": each.version, "is": each.algorithm, "run": each.run_id, "facts": each.facts}
            for each in trained
        ]
        self._document["trained"] = rows
        columns = [Column("version"), Column("is"), Column("run", "MLflow run")]
        self._output.tell(
            Lines(
                f"{EPOCHS} epochs each; every epoch is one "
                "[bold]tg.log_metrics({…}, step=epoch)[/] while the run is active."
            ),
            Table([*columns, Column("facts", kind="count")], rows),
        )
        return trained

    def _serve(self, trained: list[Trained]) -> Served:
        from tidegauge.cli.demo.fleet import WORKERS, serve_predictions

        self._heading(
            f"2  Serve {self._predictions:,} predictions from {WORKERS} processes, kill one"
        )
        with progress(self._output, "Serving") as advance:
            served = serve_predictions(
                self._place,
                self._store,
                trained,
                requests=self._predictions,
                advance=advance,
            )
        had = served.acknowledged[served.killed]
        self._say(
            "Each prediction is a real [bold]model.predict[/], its latency recorded with "
            "[bold]latency.record(ms)[/].\n"
            f"Worker {served.killed} was ended by SIGKILL after it had acknowledged {had:,}; "
            "another process took over its share.\n"
            "Worker 1 also tried to record NaN, which is refused and counted. "
            f"It took {served.seconds:.1f} s."
        )
        self._document["acknowledged"] = served.acknowledged
        self._document["killed"] = served.killed
        return served

    def _add_up(self, trained: list[Trained], served: Served) -> None:
        from tidegauge import config

        self._heading("3  Where every fact is")
        self._show_status()
        self._checks.append(check_balance(self._status(), when="before the drain"))
        config.flush(60)
        checks, found = check_predictions(config.parts().query, served)
        expected = found + sum(each.facts for each in trained)
        self._checks.append(check_balance(self._status(), when="after it", stored=expected))
        self._checks += checks
        self._checks.append(
            Check(
                what="predictions of all workers",
                expected=f"{self._predictions:,}, or one more",
                found=f"{found:,}",
                holds=found - self._predictions in (0, 1),
            )
        )
        self._checks += check_mlflow(config.parts().query, self._uri, trained)

    def _compare(self) -> None:
        from tidegauge import config

        query = config.parts().query
        self._heading("4  Latency by version")
        rows = query.stats("model:latency_ms", by="model_version").to_pylist()
        self._output.tell(statistics(rows))
        self._document["stats"] = rows
        self._heading("5  Version 2.0 compared with 1.0")
        rows = query.compare("1.0", "2.0", by="model_version", metrics=_SHOWN).to_pylist()
        self._output.tell(comparison(rows, "1.0", "2.0"))
        self._document["comparison"] = rows
        self._heading("6  Does it add up?")
        checks = [
            {"what": c.what, "expected": c.expected, "found": c.found, "holds": c.holds}
            for c in self._checks
        ]
        self._document["checks"] = checks
        columns = [Column("what"), Column("expected"), Column("found"), Column("holds", "right")]
        self._output.tell(Table(columns, checks))

    def _close(self, seconds: float, *, holds: bool) -> None:
        store = escape(str(self._store))
        verdict = (
            "[bold green]Everything adds up.[/]"
            if holds
            else ("[bold red]Something does not add up.[/]")
        )
        self._output.show(
            self._document,
            Lines(f"{verdict} {seconds:.0f} s in all.\n"),
            Pairs(
                [
                    ("ask", f"tidegauge stats model:latency_ms --by worker --store {store}"),
                    ("in SQL", f'tidegauge sql "from points limit 5" --store {store}'),
                    ("the store", f"tidegauge status -v --store {store}"),
                    ("MLflow's page", f"mlflow ui --backend-store-uri {self._uri}"),
                    ("your own", "tidegauge log reply_rate 0.1523; docs/tutorials/first-steps.md"),
                    ("clear away", f"rm -r {escape(str(self._place))}"),
                ],
                title="Where to look next",
            ),
        )

    def _show_status(self) -> None:
        from tidegauge import config

        seen = self._status()
        self._output.tell(
            *status_blocks(seen, now_ns=config.parts().store.clock.wall_ns(), verbose=True)
        )
        self._document["status"] = status_document(seen)

    def _status(self) -> Status:
        from tidegauge import config
        from tidegauge.store.status import status_of

        return status_of(config.parts().store)

    def _heading(self, text: str) -> None:
        self._output.tell(Lines(f"\n[bold cyan]{text}[/]"))

    def _say(self, text: str) -> None:
        self._output.tell(Lines(text))


def _fresh(directory: Path | None) -> Path:
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="tidegauge-demo-"))
    directory = directory.absolute()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigError(
            "the demo's directory is not empty, or is a file",
            got=str(directory),
            allowed="an empty or new directory",
        )
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _be_alone() -> None:
    """Keep settings for the user's own programs, and chatter, out of the demo."""
    for name in list(os.environ):
        if name.startswith(("TIDEGAUGE_", "MLFLOW_")):
            del os.environ[name]
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_LOGGING_LEVEL"] = "ERROR"
    logging.getLogger("alembic").setLevel(logging.ERROR)
