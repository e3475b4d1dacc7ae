# SPDX-License-Identifier: Apache-2.0
"""Live metrics: `tidegauge agent`, and the files that Prometheus wants."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Annotated

import typer

from tidegauge.cli.command import Commands
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Lines
from tidegauge.cli.session import Session

__all__ = ["agent", "commands", "prometheus_rules", "prometheus_scrape_config"]

commands = Commands("Monitor")

_LAST_PORT = 65_535


@commands.add(
    "agent",
    examples=["agent", "agent --metrics-port 9464", "agent --metrics-port 9464 --addr 0.0.0.0"],
)
def agent(
    session: Session,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=_LAST_PORT, help="Serve live metrics on this port; 0 for a free one."
        ),
    ] = None,
    addr: Annotated[
        str, typer.Option(help="The address to serve on; 0.0.0.0 for every network.")
    ] = "127.0.0.1",
    for_s: Annotated[
        float | None, typer.Option("--for-s", min=0.0, help="End after so many seconds.")
    ] = None,
) -> int:
    """Do in a process of its own what programs do in the background.

    That is to drain, to keep and push live metrics, to run the jobs of the store on their
    schedules, such as compacting and retiring (see [bold]tidegauge jobs[/]), and to watch the
    machine if resources_every_s is set: for programs that run with follower=off, and for a store
    whose programs come and go. Any number of agents and programs
    may run on a store; they take turns, and when one is killed another goes on. Ends with Ctrl-C or
    SIGTERM, after the piece of work in hand.
    """
    from tidegauge import config
    from tidegauge.prometheus import start_http_server

    config.configure(**session.given, follower="thread")
    config.begin_now()  # this process is here for nothing else
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    server = None if metrics_port is None else start_http_server(metrics_port, addr)
    try:
        root = config.parts().root
        shown = {"store": str(root), "metrics_url": None if server is None else server.url}
        lines = [f"Looking after {root}."]
        if server is not None:
            lines.append(f"Live metrics: {server.url}")
        session.output.show(shown, Lines("\n".join(lines)))
        sys.stdout.flush()  # whoever started it waits for the address
        ended.wait(for_s)
    finally:
        if server is not None:
            server.stop()
        config.shutdown()
    return ExitCode.OK


@commands.add(
    "export prometheus-rules",
    examples=[
        "export prometheus-rules > rules.yml",
        "export prometheus-rules | promtool check rules",
    ],
)
def prometheus_rules(session: Session) -> int:
    """Write rules for Prometheus to standard output.

    They compute error rates and latencies of requests, and alert when a target of the catalogue is
    missed, when facts are dropped and when a follower is behind.
    """
    from tidegauge.export.prometheus_rules import rules_of, rules_text

    catalog = session.parts.catalog
    _write(session, rules_of(catalog), rules_text(catalog))
    return ExitCode.OK


@commands.add(
    "export prometheus-scrape-config",
    examples=["export prometheus-scrape-config --target service.internal:9464"],
)
def prometheus_scrape_config(
    session: Session,
    target: Annotated[
        str, typer.Option(help="Host and port of a process that answers for the store.")
    ] = "127.0.0.1:9464",
    job: Annotated[str, typer.Option(help="Name of the job.")] = "tidegauge",
    every_s: Annotated[int, typer.Option(min=1, help="Seconds between two scrapes.")] = 15,
) -> int:
    """Write the part of Prometheus' configuration that scrapes a store to standard output."""
    from tidegauge.export.prometheus_rules import scrape_text

    text = scrape_text(target, job=job, every_s=every_s)
    _write(session, {"config": text}, text)
    return ExitCode.OK


def _write(session: Session, document: object, text: str) -> None:
    if session.output.as_json:
        session.output.write_json(document)
    else:
        session.output.write(text)
