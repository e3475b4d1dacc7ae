# SPDX-License-Identifier: Apache-2.0
"""The slow path: checks a fact against the catalogue, records it, and teaches the hot path.

One `Recorder` serves a process. It outlives every change of settings, so that functions and handles
taken from it early stay good.
"""

from __future__ import annotations

import logging
import time as _time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tidegauge.catalog import Catalog, builtin_catalog, migrate_metric_name
from tidegauge.catalog.validation import check_labels, check_step, check_value
from tidegauge.journal.segment import Refused
from tidegauge.journal.writer import BUDGET_BYTES, SEGMENT_SLOTS, JournalWriter
from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.errors import MetricValidationError, StoreError
from tidegauge.model.series import DIMENSIONS, SeriesKey
from tidegauge.model.spec import MetricSpec
from tidegauge.model.tables import POINTS
from tidegauge.model.times import TimeLike, parse_time_ns
from tidegauge.record.context import Context, current
from tidegauge.record.declared import Declared
from tidegauge.record.hot import Caches, Hot, compile_hot
from tidegauge.record.metadata import metadata_json, not_a_dict
from tidegauge.record.privacy import KEEP_ALL, Privacy

__all__ = ["BY_MODE", "FAULTS", "Recorder", "Rules", "bounds"]

#: What may go wrong with a fact without hurting the program. Not every exception: one of the
#: program's own, which a signal handler raises in the middle of a call, is for the program.
FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    msgspec.MsgspecError,
)
_log = logging.getLogger("tidegauge")
_LOG_EVERY_S = 60.0
_MAX_FLOAT = 1.7976931348623157e308


class Rules(NamedTuple):
    """What becomes of a fact that is not allowed; None is for the mode to say, strict or lenient.

    Attributes:
        raises: Whether it raises. If not, it is dropped, counted and logged.
        fixes_names: Whether a name that can be fixed is.
    """

    raises: bool | None = None
    fixes_names: bool | None = None


BY_MODE = Rules()


class PriceFiles:
    """Files with prices of calls to language models, and what was read of them.

    Attributes:
        own: One's own.
        litellm: One in LiteLLM's form.
        pricer: Whatever prices by them, once there is one.
    """

    __slots__ = ("litellm", "own", "pricer")

    def __init__(self, own: Path | None = None, litellm: Path | None = None) -> None:
        self.own = own
        self.litellm = litellm
        self.pricer: object = None


NO_PRICE_FILES = PriceFiles()


class Recorder:
    """Checks, records, drops and counts.

    Args:
        root: The journal's directory.
        catalog: The vocabulary; the built-in one if None, loaded with the first fact.
        strict: Raise for a fact that is not allowed, instead of dropping it.
        defaults: Labels that every fact gets unless it says otherwise, such as `service`.
        budget_bytes: See `JournalWriter`.
        segment_slots: See `JournalWriter`.
        clock: Where the time comes from.

    Attributes:
        writer: The journal.
        hot: The compiled functions.
        context: Tells the context in force.
        now_ns: Wall clock in nanoseconds.
    """

    def __init__(
        self,
        root: Path,
        *,
        catalog: Catalog | None = None,
        strict: bool = False,
        defaults: Mapping[str, str] | None = None,
        budget_bytes: int = BUDGET_BYTES,
        segment_slots: int = SEGMENT_SLOTS,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._declared = Declared()
        self._keep: Callable[[Sequence[MetricSpec]], None] | None = None
        self._prepare: Callable[[], None] | None = None
        self.context: Callable[[], object] = current
        self.now_ns: Callable[[], int] = _time.time_ns if clock is SYSTEM_CLOCK else clock.wall_ns
        self._series_of: dict[str, set[SeriesKey]] = {}
        self._logged_s: dict[str, float] = {}
        self.strict = strict
        self.privacy = KEEP_ALL
        self.price_files = NO_PRICE_FILES
        self.defaults = dict(defaults or {})
        self.caches = Caches()
        self.writer = JournalWriter(
            root,
            budget_bytes=budget_bytes,
            segment_slots=segment_slots,
            clock=clock,
            forget=self.caches.clear,
        )
        self.hot: Hot = compile_hot(
            self.writer,
            self.caches,
            self,
            context=current,
            now=self.now_ns,
        )

    def configure(
        self,
        root: Path,
        *,
        catalog: Catalog,
        strict: bool,
        defaults: Mapping[str, str],
        budget_bytes: int,
        segment_slots: int,
        context: Callable[[], object],
        keep: Callable[[Sequence[MetricSpec]], None] | None = None,
        privacy: Privacy = KEEP_ALL,
        price_files: PriceFiles = NO_PRICE_FILES,
    ) -> None:
        """Change everything at once. Facts being recorded meanwhile go to one side or the other.

        What `declare` was given stays, on top of the new catalogue. `keep` tells the store of it,
        before the first fact of such a metric; if that fails, only this process knows.
        """
        with self.writer.lock:
            self.writer.relocate(root, budget_bytes=budget_bytes, segment_slots=segment_slots)
            self.caches.clear()
            self._series_of.clear()
            self._logged_s.clear()
            self._catalog = self._declared.applied(catalog)
            self._keep = keep
            self.context = context
            self.strict = strict
            self.defaults = dict(defaults)
            self.hot.set_context(context)
            self.privacy = privacy
            self.price_files = price_files
            self._prepare = None

    def prepare_again(self, prepare: Callable[[], None]) -> None:
        """Have `prepare` called before the next fact; it may call `configure`."""
        self._prepare = prepare

    def declare(self, spec: MetricSpec) -> MetricSpec:
        """Add a metric to the vocabulary of this process, now and whatever `configure` brings.

        Thread-safe. Nothing is started or written by it. If the catalogue has a metric of the same
        name in Prometheus, the name stands for that one.

        Returns:
            What the name stands for now.

        Raises:
            CatalogError: It is declared already, or contradicts the catalogue in force: in kind, in
                labels that the catalogue's metric needs, or by taking up names of others.
        """
        with self.writer.lock:
            catalog = builtin_catalog() if self._catalog is None else self._catalog
            self._catalog = self._declared.add(spec, catalog)
            self.caches.clear()
            return self._catalog.resolve(self._declared.meaning(spec.name))

    @property
    def catalog(self) -> Catalog:
        """The vocabulary in use, with what the program declared."""
        self.get_ready()
        if self._catalog is None:
            self._catalog = builtin_catalog()
        return self._catalog

    def get_ready(self) -> None:
        """Apply the settings if that is still to be done, so that the mode and the place are known.

        Raises:
            ConfigError: They cannot be used; the next call tries again.
        """
        # Forgotten by `configure`, not here: until that is done, every thread waits for it.
        if (prepare := self._prepare) is not None:
            prepare()

    def one(
        self,
        name: str,
        value: object,
        step: int | None,
        time: TimeLike | None,
        labels: Mapping[str, object],
    ) -> None:
        """Record one fact the careful way; see `tidegauge.record.hot.SlowPath`."""
        if value.__class__ is not float and value.__class__ is not int:
            # The scalars of NumPy and PyTorch are common: turn them into what is fast.
            if (number := self.number(name, value)) is not None:
                self.hot.log_metric(name, number, step=step, time=time, **labels)
            return

        def learn(lo: float, hi: float, context: object, series: int) -> None:
            # Only exact strings: 1, 1.0 and True would be found under the same key.
            if all(value.__class__ is str for value in labels.values()):
                self.caches.learn(name, labels, context, (lo, hi, series))

        self.record(name, value, step, time, labels, learn)

    def number(self, name: str, value: object) -> float | None:
        """The value as a float; None if it is refused, which has been seen to."""
        if isinstance(value, float):  # such as numpy.float64
            return float(value)
        try:
            return check_value(self.resolve(name), value)
        except FAULTS as error:
            self.refuse(error, name)
            return None

    def record(
        self,
        name: str,
        value: object,
        step: int | None,
        time: TimeLike | None,
        labels: Mapping[str, object],
        learn: Callable[[float, float, object, int], None] = lambda *_: None,
        *,
        rules: Rules = BY_MODE,
    ) -> None:
        """Check and record one fact, then tell `learn` what the hot path needs for the next."""
        try:
            self.get_ready()
            context = self.context()
            spec, is_fixed = self._find(name, rules)
            number = check_value(spec, value)
            whole = None if step is None else check_step(step)
            time_ns = None if time is None else parse_time_ns(time)
            key, is_capped = self.key_of(spec, context, labels)
            with self.writer.lock:
                self.writer.put_point(key, number, time_ns=time_ns, step=whole)
                if is_fixed:
                    self.writer.count_fixed()
                elif not is_capped:
                    learn(*bounds(spec), context, self.writer.series_id(key))
        except FAULTS as error:
            self.refuse(error, name, rules=rules)

    def many(
        self,
        metrics: object,
        step: int | None,
        *,
        rules: Rules = BY_MODE,
    ) -> None:
        """Record a batch, a dict or a list of pairs, the careful way; see `SlowPath` in `hot`."""
        left = 1  # neither recorded nor refused
        try:
            self.get_ready()
            pairs = _pairs(metrics)
            left = len(pairs)
            whole = None if step is None else check_step(step)
            context = self.context()
            checked: list[tuple[MetricSpec, float, SeriesKey]] = []
            is_plain = True
            n_fixed = 0
            for name, value in pairs:
                try:
                    spec, is_fixed = self._find(name, rules)
                    number = check_value(spec, value)
                    key, is_capped = self.key_of(spec, context, {})
                except FAULTS as error:  # and the others are recorded
                    self.refuse(error, name, rules=rules)
                    left, is_plain = left - 1, False
                else:
                    checked.append((spec, number, key))
                    n_fixed += is_fixed
                    is_plain &= not (is_fixed or is_capped)
            if not checked:
                return
            with self.writer.lock:
                keys = [key for _, _, key in checked]
                values = [number for _, number, _ in checked]
                is_written = False
                while not is_written:  # again, if a signal handler gave the slot back in between
                    vector = self.writer.vector_id(keys)
                    generation = self.writer.generation
                    is_written = self.writer.put_batch(
                        vector, generation, values, self.now_ns(), whole
                    )
                left = 0
                self.writer.count_fixed(n_fixed)
                if is_plain:
                    limits = [bounds(spec) for spec, _, _ in checked]
                    names = tuple(name for name, _ in pairs)
                    self.caches.learn_batch(names, limits, context, (vector, generation))
        except FAULTS as error:
            self.refuse(error, "a batch", count=left, rules=rules)

    def with_metadata(
        self,
        name: str,
        value: object,
        metadata: Mapping[str, Any],
        step: int | None,
        *,
        rules: Rules = BY_MODE,
        **more_labels: object,
    ) -> None:
        """Record one fact with metadata; see `tidegauge.log_metric_with_metadata`."""
        try:
            self.get_ready()
            text = metadata_json(metadata)
            spec, is_fixed = self._find(name, rules)
            number = check_value(spec, value)
            whole = None if step is None else check_step(step)
            time = metadata.get("timestamp")
            time_ns = self.now_ns() if time is None else parse_time_ns(time)
            given = {label: metadata.get(label) for label in DIMENSIONS}
            # A version is a number to many people, and a text to a label.
            labels = {
                label: str(each) if isinstance(each, float) else each
                for label, each in given.items()
                if each is not None and each != ""
            }
            key, _ = self.key_of(spec, self.context(), {**labels, **more_labels})
            columns: dict[str, object] = {"value": number, "step": whole, "metadata": text}
            self.writer.put_event(POINTS.name, key, time_ns, columns)
            self.writer.count_fixed(int(is_fixed))
        except FAULTS as error:
            self.refuse(error, name, rules=rules)

    def resolve(self, name: str) -> MetricSpec:
        """Find the metric a name stands for; in lenient mode, also for a name that can be fixed."""
        return self._find(name, BY_MODE)[0]

    def _find(self, name: str, rules: Rules) -> tuple[MetricSpec, bool]:
        """The metric, and whether its name was fixed."""
        try:
            return self._resolved(name), False
        except MetricValidationError as error:
            fixes = not self.strict if rules.fixes_names is None else rules.fixes_names
            if not fixes or error.reason != "bad_name" or not isinstance(name, str):
                raise
            try:
                spec = self._resolved(migrate_metric_name(name, catalog=self.catalog))
            except MetricValidationError:
                raise error from None
            self._say("fixed", f"metric name {name!r} was recorded as {spec.name!r}")
            return spec, True

    def _resolved(self, name: str) -> MetricSpec:
        catalog = self.catalog  # first, for it may have to be made ready
        spec = catalog.resolve(self._declared.meaning(name))
        if spec.name in self._declared.unkept:
            self._keep_declared()
        return spec

    def _keep_declared(self) -> None:
        with self.writer.lock:  # so that no other thread records before the store has been told
            specs = list(self._declared.unkept.values())
            self._declared.unkept.clear()
            try:
                if specs and self._keep is not None:
                    self._keep(specs)
            except FAULTS as error:
                self._say("declared", f"only this process knows what it declared: {error}")
                self._declared.untold |= {spec.name: spec for spec in specs}

    def tell_declared(self) -> None:
        """Try once more to tell the store what it could not be told; now and then."""
        with self.writer.lock:
            if self._declared.untold:
                self._declared.unkept |= self._declared.untold
                self._declared.untold.clear()
                self._keep_declared()

    def key_of(
        self, spec: MetricSpec, context: object, labels: Mapping[str, object]
    ) -> tuple[SeriesKey, bool]:
        """Build the series of a fact from the defaults, the context and its own labels.

        Returns:
            The key, and whether it stands for all label sets beyond the metric's cap.
        """
        inherited = context.labels if isinstance(context, Context) else {}
        merged = {**self.defaults, **inherited, **labels}
        key = SeriesKey.of(spec.name, check_labels(spec, merged))
        known = self._series_of.setdefault(spec.name, set())
        if key in known:
            return key, False
        if len(known) < spec.series_cap:
            known.add(key)
            return key, False
        self._say(
            f"overflow {spec.name}",
            f"{spec.name} has reached its cap of {spec.series_cap} series in this process; further "
            'label sets are recorded together as overflow="true"',
        )
        return SeriesKey.of(spec.name, {**self.defaults, "overflow": "true"}), True

    def refuse(
        self, error: Exception, name: object, *, count: int = 1, rules: Rules = BY_MODE
    ) -> None:
        """Raise in strict mode; else count the fact as dropped and log it at most once a minute.

        Args:
            error: Why.
            name: What is refused, for the log.
            count: How many facts.
            rules: Whether to raise, if not as the mode says.
        """
        if isinstance(error, MetricValidationError | Refused):
            reason = error.reason
        else:
            reason = "unavailable" if isinstance(error, StoreError) else "internal"
        raises = self.strict if rules.raises is None else rules.raises
        if raises and not isinstance(error, StoreError):
            raise error
        self.writer.count_drop(reason, count)
        self._say(reason, f"dropped {name!r} ({reason}): {error}", traceback=reason == "internal")

    def _say(self, about: str, text: str, *, traceback: bool = False) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._logged_s.get(about, float("-inf")) >= _LOG_EVERY_S:
            self._logged_s[about] = now_s
            _log.warning("%s", text, exc_info=traceback)


def bounds(spec: MetricSpec) -> tuple[float, float]:
    """The smallest and largest value of a metric, inclusive."""
    # Finite, so that the hot path's comparison refuses infinities too.
    return (
        -_MAX_FLOAT if spec.min is None else spec.min,
        _MAX_FLOAT if spec.max is None else spec.max,
    )


def _pairs(metrics: object) -> list[tuple[str, object]]:
    if isinstance(metrics, Mapping):
        return list(metrics.items())
    if isinstance(metrics, list) and all(isinstance(each, tuple) for each in metrics):
        return metrics
    raise not_a_dict("metrics", metrics, reason="bad_value")
