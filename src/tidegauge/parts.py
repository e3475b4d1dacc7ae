# SPDX-License-Identifier: Apache-2.0
"""The parts that settings call for: store, query, live metrics, and the followers by name."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tidegauge.journal.permissions import create_directory
from tidegauge.journal.slot import journal_id
from tidegauge.journal.writer import JournalWriter
from tidegauge.live.collectors import Collectors
from tidegauge.model.errors import ConfigError
from tidegauge.model.loading import loading
from tidegauge.model.tables import CORRECTIONS, TABLES, Table
from tidegauge.record.front import recorder
from tidegauge.record.privacy import PRIVACY_KEY, Privacy
from tidegauge.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegauge.amend.amender import Amender
    from tidegauge.amend.eraser import Eraser
    from tidegauge.amend.trail import Trail
    from tidegauge.catalog import Catalog
    from tidegauge.collect.watch import Watch
    from tidegauge.export.mlflow import MlflowFollower
    from tidegauge.export.push import PushFollower, Sender
    from tidegauge.integrations.accuracy import AccuracyJob
    from tidegauge.integrations.budgets import Budgets
    from tidegauge.live.families import Reading
    from tidegauge.live.follower import LiveFollower
    from tidegauge.live.live import Live
    from tidegauge.model.jobs import Job
    from tidegauge.model.spec import MetricSpec
    from tidegauge.query.query import Query
    from tidegauge.store.drain import DrainFollower
    from tidegauge.store.retention import Retention
    from tidegauge.store.scheduler import Scheduler
    from tidegauge.store.store import Store

__all__ = ["OWN_JOBS", "SAMPLER", "Parts", "collectors", "own_jobs"]

#: What this process contributes to live metrics besides facts.
collectors = Collectors()

#: The jobs of this process's own, by name; see `tidegauge.every`.
own_jobs: dict[str, Job] = {}

#: The name of the follower that runs those.
OWN_JOBS = "own-jobs"
#: And of what looks at the machine.
SAMPLER = "resources"


class Parts:
    """The parts that settings call for, each made when it is first asked for. Nothing runs.

    Attributes:
        settings: The settings.
        catalog: The vocabulary: the built-in one with the one that the settings name.
    """

    def __init__(self, chosen: Settings, catalog: Catalog) -> None:
        self.settings = chosen
        self.catalog = catalog
        self._store: Store | None = None
        self._query: Query | None = None
        self._live: Live | None = None
        self._watches: dict[Path, Watch] = {}
        self._budgets: Budgets | None = None
        self._other_writer: JournalWriter | None = None

    @property
    def root(self) -> Path:
        """The directory of the store; it may not exist."""
        return Path(self.settings.store)

    @property
    def store(self) -> Store:
        """The store."""
        if self._store is None:
            with loading():
                from tidegauge.store.store import Store

            self._store = Store(self.root, tables_uri=self.settings.tables_uri)
        return self._store

    @property
    def query(self) -> Query:
        """The read side over the store."""
        if self._query is None:
            with loading():
                from tidegauge.query.query import Query

            self._query = Query(self.store, self.catalog, time_zone=self.settings.time_zone)
        return self._query

    @property
    def live(self) -> Live:
        """The live metrics of the store."""
        if self._live is None:
            with loading():
                from tidegauge.live.live import Live

            self._live = Live(
                self.store,
                self.catalog,
                gauge_ttl_s=self.settings.live_gauge_ttl_s,
                series_ttl_s=self.settings.live_series_ttl_s,
                collectors=collectors,
            )
        return self._live

    @property
    def watch(self) -> Watch:
        """What looks at the machine and records it."""
        root = self.root.absolute()
        if root not in self._watches:
            with loading():
                from tidegauge.collect.watch import Watch

            # In one step: of two, one would keep the machine from the other.
            self._watches.setdefault(root, Watch(root))
        return self._watches[root]

    def stop_watching(self) -> None:
        """Look at the machine no more."""
        for watch in self._watches.values():
            watch.close()

    def _read_live(self) -> Reading:
        return self.live.read(shared=False)

    def _read_for_cloudwatch(self) -> Reading:
        """The same without what the store says of itself: there every metric costs money."""
        reading = self._read_live()
        families = [each for each in reading.families if not each.name.startswith("tidegauge_")]
        return replace(reading, families=families)

    def _resource(self) -> dict[str, str]:
        # Any process may be the one that sends for all, so the instance is the store.
        attributes = {
            "service.name": self.settings.service,
            "deployment.environment.name": self.settings.environment,
            "service.instance.id": journal_id(create_directory(self.root / "journal"), create=True),
        }
        return {name: value for name, value in attributes.items() if value is not None}

    def keep_declared(self, specs: Sequence[MetricSpec]) -> None:
        """Tell the store what the program declared."""
        with loading():
            # SQLite is for who declares something.
            from tidegauge.store.declared import keep_declared

        keep_declared(self.root, specs)

    def close(self) -> None:
        """Close what was opened; the next use opens it again."""
        if self._query is not None:
            self._query.close()
        if self._budgets is not None:
            self._budgets.close()
        if self._other_writer is not None:
            self._other_writer.close()
        if self._store is not None:
            self._store.close()

    def drain(self) -> DrainFollower:
        """A follower that fills the store."""
        with loading():
            from tidegauge.store.drain import DrainFollower

        chosen = self.settings
        return DrainFollower(
            self.store, due_points=chosen.drain_after_points, due_s=chosen.drain_after_s
        )

    def live_follower(self) -> LiveFollower:
        """A follower that keeps the live metrics of the store on its disk."""
        with loading():
            from tidegauge.live.follower import LiveFollower

        return LiveFollower(self.live)

    def pushes(self) -> list[PushFollower]:
        """The followers that send live metrics to where the settings say.

        Raises:
            ConfigError: A destination cannot be used.
            MissingExtraError: A library that one of them needs is not installed.
        """
        senders: dict[str, Sender] = {}
        chosen = self.settings
        if not chosen.pushing:
            return []
        if chosen.otlp:
            with loading():
                from tidegauge.export.otlp import OtlpSender

            senders["otlp"] = OtlpSender(
                chosen.otlp_endpoint,
                protocol=chosen.otlp_protocol,
                temporality=chosen.otlp_temporality,
                histograms=chosen.otlp_histograms,
                genai=chosen.otlp_genai,
                resource=self._resource(),
            )
        if chosen.cloudwatch is not None:
            with loading():
                from tidegauge.export.cloudwatch import CloudWatchSender

            senders["cloudwatch"] = CloudWatchSender(chosen.cloudwatch)
        if chosen.emf is not None:
            with loading():
                from tidegauge.export.emf import EmfSender

            senders["emf"] = EmfSender(chosen.emf)
        if not senders:
            return []
        with loading():
            from tidegauge.export.push import PushFollower

        return [
            PushFollower(
                name,
                self._read_live if name == "otlp" else self._read_for_cloudwatch,
                sender,
                store=self.store,
                every_s=chosen.push_every_s,
            )
            for name, sender in senders.items()
        ]

    def accuracy(self) -> AccuracyJob:
        """What records the accuracy of models when ground truths have come."""
        with loading():
            from tidegauge.integrations.accuracy import AccuracyJob

        return AccuracyJob(self.store, self.query, recorder)

    def budgets(self) -> Budgets:
        """The budgets of the store, and what warns of them."""
        if self._budgets is None:
            with loading():
                from tidegauge.integrations.budgets import Budgets

            self._budgets = Budgets(
                self.root,
                lambda: self.query.llm,
                privacy=self.privacy,
                writer=self._writer(),
            )
        return self._budgets

    @property
    def privacy(self) -> Privacy:
        """What becomes of texts, and what users are known as, in the store."""
        chosen = self.settings
        return Privacy(chosen.free_text, chosen.user_ids, self.root / PRIVACY_KEY)

    def _writer(self) -> JournalWriter:
        """What writes to the journal of the store, whose process may record into another one."""
        root = self.root / "journal"
        if recorder.writer.root.absolute() == root.absolute():
            return recorder.writer
        if self._other_writer is None:
            self._other_writer = JournalWriter(root)
        return self._other_writer

    def amender(self) -> Amender:
        """What corrects facts of the store. Its trail is recorded by this process's recorder."""
        with loading():
            from tidegauge.amend.amender import Amender

        return Amender(self.store, recorder, self.drain())

    def eraser(self) -> Eraser:
        """What forgets users of the store."""
        with loading():
            from tidegauge.amend.eraser import Eraser

        return Eraser(self.amender(), self.live.drop)

    def trail(self) -> Trail:
        """What keeps the trail of corrections."""
        with loading():
            from tidegauge.amend.trail import Trail

        return Trail(self.store, recorder)

    def jobs(self) -> list[Job]:
        """What is done to the store on schedules; see `tidegauge.chores`."""
        with loading():
            from tidegauge.chores import chores

        return chores(self)

    def read_bill(self) -> str | None:
        """Read the bill of AWS if that was a day ago, and show what is known of it."""
        with loading():
            from tidegauge.collect.cost_sync import read_bill

        return read_bill(self.store, self.query.costs, recorder)

    def scheduler(self) -> Scheduler:
        """What runs the jobs of the store when they are due."""
        with loading():
            from tidegauge.store.scheduler import Scheduler

        return Scheduler(self.store.root, self.store.state, self.jobs(), clock=self.store.clock)

    def retention(
        self, *, days: float | None = None, metrics: Mapping[str, float] | None = None
    ) -> dict[str, Retention]:
        """How long rows are kept, and in how much room, by table.

        Args:
            days: In place of the setting `retention_days`.
            metrics: On top of the setting `retention_metrics`.

        Raises:
            ConfigError: A number of days is out of range.
        """
        with loading():
            from tidegauge.store.retention import Retention

        # The settings know what may be kept for how long.
        chosen = read_settings(
            {
                "retention_days": self.settings.retention_days if days is None else days,
                "retention_metrics": {**self.settings.retention_metrics, **(metrics or {})},
                "retention_tables": self.settings.retention_tables,
            },
            environ={},
        )
        stored: dict[str, float] = {}
        for name, metric_days in chosen.retention_metrics.items():
            stored |= dict.fromkeys(self.catalog.stored_names(name), metric_days)
        return {
            name: Retention(
                days=chosen.retention_tables.get(
                    name, chosen.retention_days if _ages(table) else None
                ),
                metrics=stored if _ages(table) else {},
                budget_bytes=self.settings.storage_budgets.get(name),
            )
            for name, table in TABLES.items()
        }

    def aggregate_day(self, date: str | dt.date | None = None) -> int:
        """Aggregate one day; see `tidegauge.store.daily.aggregate_day`.

        Args:
            date: The day, in the setting `time_zone`; today if None.

        Raises:
            QueryError: It is no day.
            ConfigError: There is no such time zone.
            StoreError: The store cannot be used.
        """
        with loading():
            from tidegauge.model.zones import zone_of
            from tidegauge.store.daily import aggregate_day, day_of

        zone = zone_of(self.settings.time_zone)
        return aggregate_day(self.store, day_of(date, zone, self.store.clock), zone)

    def aggregate_days(self) -> int | None:
        """Store what has been recorded, and aggregate every day whose facts have changed.

        Returns:
            How many days were aggregated; None if another process is maintaining the store.

        Raises:
            ConfigError: There is no such time zone.
            StoreError: The store cannot be used, or another process drains it all the time.
        """
        with loading():
            from tidegauge.amend.amender import WAIT_S
            from tidegauge.amend.waiting import store_everything
            from tidegauge.model.zones import zone_of
            from tidegauge.store.daily import aggregate_stale_days

        zone = zone_of(self.settings.time_zone)
        store_everything(self.store, self.drain(), time.monotonic() + WAIT_S)
        return aggregate_stale_days(self.store, zone)

    def mlflow(self) -> MlflowFollower:
        """A follower that delivers to MLflow. From now on the journal waits for it.

        Raises:
            ConfigError: Neither the settings nor an earlier process want one. The journal would
                wait for it for ever.
            MissingExtraError: MLflow is not installed.
        """
        if not (self.settings.mlflow or "mlflow" in self.store.state.followers()):
            raise ConfigError(
                "facts of this store do not go to MLflow",
                got=str(self.root),
                fix="If they are to, set mlflow=True, or TIDEGAUGE_MLFLOW=1.",
            )
        with loading():
            from tidegauge.export.mlflow import MlflowFollower

        return MlflowFollower(
            self.store,
            self.catalog,
            tracking_uri=self.settings.mlflow_tracking_uri,
            name_style=self.settings.mlflow_name_style,
        )


def _ages(table: Table) -> bool:
    """Whether its rows go by age unasked: what is made of rows, and the trail, outlive them."""
    return table.recorded and table is not CORRECTIONS
