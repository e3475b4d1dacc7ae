# SPDX-License-Identifier: Apache-2.0
"""The MLflow follower, and the one place where MLflow's client is used.

What it promises is in docs/how-to/mlflow.md. How facts become requests, how requests are sent and
what is remembered live in the modules beside this one, which do not know MLflow's client.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import msgspec

from tidegauge.catalog import Catalog
from tidegauge.catalog.mlflow_names import MlflowStyle
from tidegauge.export.mlflow_batch import Composer, Metric, Tag
from tidegauge.export.mlflow_courier import Courier, Patience
from tidegauge.export.mlflow_delivery import Budget, Destination, EntryRefused, Failed, RunRefused
from tidegauge.export.mlflow_ledger import FOLLOWER, Ledger, Progress
from tidegauge.export.mlflow_run import active_run_id
from tidegauge.export.mlflow_window import WindowReader
from tidegauge.journal.reader import SlotReader
from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.errors import DeliveryError, MissingExtraError, TidegaugeError
from tidegauge.store.leader import exclusive
from tidegauge.store.store import Store

__all__ = ["MlflowFollower", "Pending", "active_run_id"]

_WORK_S = 2.0  # about how long one call of `advance` may deliver
_SLICE_S = 0.5  # about how long `wait` delivers before it looks whether it is there
_LOOK_S = 0.05  # pause while another process delivers
_FORGET_RUNS_S = 90 * 86_400.0
_REST = "/api/2.0/mlflow"
_first_pid = os.getpid()


class Pending(msgspec.Struct, frozen=True):
    """What is still on its way to MLflow.

    Attributes:
        points: Points in the journal that were not looked at yet, of runs and others.
        event_bytes: Bytes of events in the journal that were not looked at yet.
        aside: Runs that fail while others do not, with what MLflow said.
        error: What went wrong last in this process, empty if nothing since the last success.
    """

    points: int
    event_bytes: int
    aside: dict[str, str]
    error: str


class MlflowFollower:
    """Carries every fact with a `run_id` to that run.

    Implements `tidegauge.journal.follow.Follower`. All processes that use a store may run one; they
    take turns by the lock `<store>/mlflow.lock`.

    Args:
        store: The store whose journal is read.
        catalog: Gives each metric its MLflow name and its definition.
        tracking_uri: Where the runs are. If None: what the program told MLflow or MLflow's
            environment variables say, else where this store's facts went before.
        name_style: `as_given`, `slash` or `underscore`.
        key_dimensions: Dimensions that become part of a metric's key as labels do.
        window_facts: About how many facts are sent before the cursor moves. What is sent twice
            after a crash is at most that.
        patience: How long things may take.
        clock: Where the time comes from.

    Raises:
        MissingExtraError: MLflow is not installed.
        StorePermissionError: The store does not admit this user.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        *,
        tracking_uri: str | None = None,
        name_style: MlflowStyle = "as_given",
        key_dimensions: Iterable[str] = (),
        window_facts: int = 2_000,
        patience: Patience | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        _mlflow()
        self._store = store
        self._clock = clock
        self._tracking_uri = tracking_uri
        self._patience = patience or Patience()
        self._ledger = Ledger(store.state)
        self._courier = Courier(
            store.journal,
            WindowReader(store.journal, catalog, wanted_facts=window_facts),
            Composer(catalog, name_style=name_style, key_dimensions=key_dimensions),
            self._ledger,
            clock=clock,
            patience=self._patience,
        )
        self._destination: tuple[tuple[str, int], Destination] | None = None
        self._failures = 0
        self._error = ""
        self._retry_s = clock.monotonic_s()
        self._forget_s = clock.monotonic_s()
        store.state.register_follower(FOLLOWER)
        self._remember_target()

    @property
    def name(self) -> str:
        """The name under which its cursor and counters are kept."""
        return FOLLOWER

    def advance(self, *, force: bool = False) -> bool:
        """Deliver for about two seconds, unless MLflow failed a moment ago or it is not our turn.

        Args:
            force: Try even if MLflow failed a moment ago.

        Returns:
            Whether more is waiting that could be delivered now.

        Raises:
            DeliveryError: MLflow cannot be used. The next try is due after a pause that doubles
                with each failure, up to a minute.
        """
        until_s = self._clock.monotonic_s() + _WORK_S
        return self._advance(Budget(self._clock, until_s), force=force)

    def is_caught_up(self) -> bool:
        """Whether every fact that was in the journal when this was called has been delivered."""
        progress = self._progress()
        return not progress.aside and not any(
            slot.points(start_points, 1, settled=False).end > start_points
            or slot.events(start_events, limit_bytes=1).end > start_events
            for slot, start_points, start_events in self._positions(progress)
        )

    def pending(self) -> Pending:
        """What is still on its way."""
        points = event_bytes = 0
        progress = self._progress()
        for slot, start_points, start_events in self._positions(progress):
            points += slot.end_points(start_points) - start_points
            event_bytes += slot.end_events(start_events) - start_events
        aside = {run_id: way.error for run_id, way in progress.aside.items()}
        return Pending(points, event_bytes, aside, self._error)

    def wait(self, timeout_s: float, *, deliver: bool = True) -> bool:
        """Wait until everything that is in the journal now has been delivered.

        What did not arrive in time stays in the journal for the next process.

        Args:
            timeout_s: Most seconds to wait. A request to a server that is under way then is given
                up within a second; a database decides itself how long it takes.
            deliver: Whether to deliver, in this thread. If not, this only watches what another
                thread or process does, and is over in time whatever happens.

        Returns:
            Whether all of it has been delivered, or refused for good.
        """
        until_s = self._clock.monotonic_s() + timeout_s
        self._remember_target()
        goal = {
            lane: end
            for slot, points, events in self._positions(self._progress())
            for lane, end in (
                (f"{slot.name}/points", slot.end_points(points)),
                (f"{slot.name}/events", slot.end_events(events)),
            )
        }
        hurry = True
        while True:
            more = False
            if deliver:
                slice_s = min(self._clock.monotonic_s() + _SLICE_S, until_s)
                budget = Budget(self._clock, slice_s, cut_s=until_s)
                with contextlib.suppress(DeliveryError):  # kept in `pending().error`
                    more = self._advance(budget, force=hurry, hurry=hurry)
                hurry = False
            passed = self._progress().passed()
            if all(passed.get(lane, 0) >= end for lane, end in goal.items()):
                return True
            left_s = until_s - self._clock.monotonic_s()
            if left_s <= 0:
                return False
            if not more:
                threading.Event().wait(min(left_s, _LOOK_S))

    def _progress(self) -> Progress:
        return self._ledger.progress(self._store.journal.id)

    def _positions(self, progress: Progress) -> Iterator[tuple[SlotReader, int, int]]:
        """Each slot with the positions from which it is to be read on."""
        at = progress.main.at
        for slot in self._store.journal.slots():
            points, events = at.get(f"{slot.name}/points"), at.get(f"{slot.name}/events")
            yield (
                slot,
                slot.first_points() if points is None else points,
                slot.first_events() if events is None else events,
            )

    def _advance(self, budget: Budget, *, force: bool, hurry: bool = False) -> bool:
        self._remember_target()
        if not force and self._clock.monotonic_s() < self._retry_s:
            return False
        with exclusive(self._store.root / "mlflow.lock") as is_our_turn:
            if not is_our_turn:
                return False
            begun_ns = self._clock.wall_ns()
            try:
                more = self._courier.work(self._reach, budget, hurry=hurry)
            except Exception as error:
                self._failed(error)
                raise
            self._failures, self._error = 0, ""
            if not (more or self._progress().aside):
                self._ledger.caught_up(begun_ns)
            self._forget_old_runs()
            return more

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._error = error.what if isinstance(error, TidegaugeError) else repr(error)
        asked_s = error.retry_after_s if isinstance(error, Failed) else 0.0
        pause_s = max(self._patience.pause_s(self._failures), asked_s)
        self._retry_s = self._clock.monotonic_s() + min(pause_s, self._patience.longest_retry_s)

    def _forget_old_runs(self) -> None:
        if self._clock.monotonic_s() >= self._forget_s:
            self._forget_s = self._clock.monotonic_s() + 86_400.0
            self._ledger.forget_runs(
                unused_since_ns=self._clock.wall_ns() - round(_FORGET_RUNS_S * 1e9)
            )

    def _reach(self) -> Destination:
        """The destination."""
        uri = self._told() or self._ledger.target() or _default_uri()
        if "***" in uri:
            raise Failed(
                f"the runs are at {uri}, and the password is not kept",
                fix="Set the tracking URI of the runs: MLFLOW_TRACKING_URI or mlflow_tracking_uri.",
            )
        identity = (uri, os.getpid())
        if self._destination is None or self._destination[0] != identity:
            self._destination = (identity, _destination(uri))
        return self._destination[1]

    def _remember_target(self) -> None:
        """Keep where the runs are for the next process, before anything is sent there."""
        uri, known = self._told(), self._ledger.target()
        if not (uri or known):
            # A database that does not exist has no runs; whoever looks elsewhere may have it.
            path = _sqlite_path(_default_uri())
            uri = "" if path is not None and not path.exists() else _default_uri()
        if uri and _without_password(uri) != known:
            self._ledger.set_target(_without_password(uri))

    def _told(self) -> str:
        """The tracking URI that this program was given; empty if none."""
        if self._tracking_uri is not None:
            return _absolute(self._tracking_uri)
        return _default_uri() if _mlflow().is_tracking_uri_set() else ""


class _Server:
    """An MLflow tracking server, through its REST interface.

    `MlflowClient.log_batch` would do, if it did not attach the values to whatever model is active
    in this thread (`MLFLOW_ACTIVE_MODEL_ID`), which is not the model that was active where they
    were recorded, and if its retries, up to four minutes in one call, could be set for one client
    and not only in the environment of the whole program. MLflow's own function for requests is
    used, so that addresses, credentials and certificates are as MLflow's.
    """

    def __init__(self, store: Any) -> None:
        self._store = store

    def send(self, run_id: str, batch: list[Metric | Tag], *, timeout_s: float) -> None:
        """See `Destination.send`."""
        metrics, tags = _sorted_out(batch)
        body = {
            "run_id": run_id,
            "metrics": [
                {"key": m.key, "value": m.value, "timestamp": m.timestamp_ms, "step": m.step}
                for m in metrics
            ],
            "tags": [{"key": tag.key, "value": tag.value} for tag in tags],
        }
        self._request("POST", "/runs/log-batch", timeout_s, json=body)

    def check_run(self, run_id: str, *, timeout_s: float) -> None:
        """See `Destination.check_run`."""
        try:
            answer = self._request("GET", "/runs/get", timeout_s, params={"run_id": run_id})
        except EntryRefused as error:
            raise RunRefused(error.what) from error
        _check_stage(answer.get("run", {}).get("info", {}).get("lifecycle_stage"), run_id)

    def check(self, *, timeout_s: float) -> None:
        """See `Destination.check`."""
        try:
            self._request("POST", "/experiments/search", timeout_s, json={"max_results": 1})
        except (EntryRefused, RunRefused) as error:
            raise Failed(error.what) from error

    def _request(self, method: str, path: str, timeout_s: float, **content: Any) -> Any:
        from mlflow.exceptions import MlflowException
        from mlflow.utils import rest_utils

        http_request: Any = rest_utils.http_request  # without types
        credentials = self._store.get_host_creds()
        try:
            response = http_request(
                host_creds=credentials,
                endpoint=_REST + path,
                method=method,
                timeout=timeout_s,
                max_retries=0,
                raise_on_status=False,
                **content,
            )
        except (MlflowException, OSError) as error:
            # Its text has the address, and an address may have a password.
            password = urlsplit(credentials.host).password
            text = str(error).replace(password, "***") if password else str(error)
            raise Failed(text) from None if password else error
        answer = _json(response.text)
        if response.status_code == 200 and answer is not None:
            return answer
        code = (answer or {}).get("error_code")
        text = str((answer or {}).get("message", response.text))[:500]
        if code in _REFUSALS:
            raise _REFUSALS[code](text)
        raise Failed(
            f"MLflow answered {response.status_code} {code or ''}: {text}",
            is_general=response.status_code in (401, 429),
            retry_after_s=_seconds(response.headers.get("Retry-After")),
        )


class _Database:
    """MLflow's database itself, through MLflow's store, or a store that a plug-in brings.

    The store is what `MlflowClient.log_batch` calls; why not the client itself, see `_Server`.
    """

    def __init__(self, store: Any) -> None:
        self._store = store

    def send(self, run_id: str, batch: list[Metric | Tag], *, timeout_s: float) -> None:
        """See `Destination.send`. The time limit is the database's own."""
        from mlflow import entities

        del timeout_s
        metrics, tags = _sorted_out(batch)
        self._call(
            self._store.log_batch,
            run_id,
            metrics=[entities.Metric(m.key, m.value, m.timestamp_ms, m.step) for m in metrics],
            params=[],
            tags=[entities.RunTag(tag.key, tag.value) for tag in tags],
        )

    def check_run(self, run_id: str, *, timeout_s: float) -> None:
        """See `Destination.check_run`."""
        del timeout_s
        try:
            run = self._call(self._store.get_run, run_id)
        except EntryRefused as error:
            raise RunRefused(error.what) from error
        _check_stage(run.info.lifecycle_stage, run_id)

    def check(self, *, timeout_s: float) -> None:
        """See `Destination.check`."""
        del timeout_s
        self._call(self._store.search_experiments, max_results=1)

    def _call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return function(*args, **kwargs)
        except MlflowException as error:
            text = str(error.message)[:500]
            if error.error_code in _REFUSALS:
                raise _REFUSALS[error.error_code](text) from error
            raise Failed(text) from error
        except Exception as error:  # whatever the database's driver or a plug-in raises
            raise Failed(f"{type(error).__name__}: {error}") from error


# What MLflow says when the same request can never succeed. BAD_REQUEST is not among them: MLflow
# says it of any trouble with its database.
_REFUSALS: dict[str, type[EntryRefused | RunRefused]] = {
    "INVALID_PARAMETER_VALUE": EntryRefused,
    "RESOURCE_DOES_NOT_EXIST": RunRefused,
}


def _mlflow() -> Any:
    try:
        import mlflow
    except ImportError as error:
        if error.name != "mlflow":
            raise
        raise MissingExtraError("mlflow", extra="mlflow") from error
    return mlflow


def _destination(uri: str) -> Destination:
    """Open what a tracking URI stands for.

    Raises:
        Failed: It cannot be opened now.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.store.tracking.rest_store import RestStore

    path = _sqlite_path(uri)
    if path is not None and not path.exists():  # MLflow would create it, with no run in it
        raise Failed(
            f"MLflow's database {path} does not exist",
            fix="Set the tracking URI of the runs: MLFLOW_TRACKING_URI or mlflow_tracking_uri.",
        )
    try:
        store = MlflowClient(tracking_uri=uri)._tracking_client.store  # noqa: SLF001
    except MlflowException as error:
        raise Failed(str(error.message)[:500]) from error
    if isinstance(store, RestStore):
        return _Server(store)
    if os.getpid() != _first_pid and hasattr(store, "engine"):
        # MLflow keeps stores for the life of the process. A forked child must not talk over the
        # connections of its parent; SQLAlchemy drops them so.
        store.engine.dispose(close=False)
    return _Database(store)


def _default_uri() -> str:
    """What MLflow was told, or what it uses if it was told nothing."""
    return _absolute(str(_mlflow().get_tracking_uri()))


def _without_password(uri: str) -> str:
    password = urlsplit(uri).password
    return uri if password is None else uri.replace(f":{password}@", ":***@")


def _absolute(uri: str) -> str:
    path = _sqlite_path(uri)
    return uri if path is None else f"sqlite:///{quote(str(path.absolute()))}"


def _sqlite_path(uri: str) -> Path | None:
    """The file of a URI such as `sqlite:///runs.db`; None if it is something else."""
    parts = urlsplit(uri)
    if parts.scheme != "sqlite" or parts.query or not parts.path.startswith("/"):
        return None
    return Path(unquote(parts.path)[1:])


def _sorted_out(batch: list[Metric | Tag]) -> tuple[list[Metric], list[Tag]]:
    metrics = [entry for entry in batch if isinstance(entry, Metric)]
    return metrics, [entry for entry in batch if isinstance(entry, Tag)]


def _check_stage(stage: str | None, run_id: str) -> None:
    if stage == "deleted":
        raise RunRefused(f"the run {run_id} was deleted", reason="run_deleted")


def _json(text: str) -> dict[str, Any] | None:
    """An answer as MLflow gives them; None for anything else, such as a proxy's page."""
    try:
        answer = msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        return None
    return answer if isinstance(answer, dict) else None


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 0.0
