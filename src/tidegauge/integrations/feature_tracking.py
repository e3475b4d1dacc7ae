# SPDX-License-Identifier: Apache-2.0
"""Recording the uses of a feature by what a block or a function does: duration, success, errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from tidegauge.integrations.feature_records import FeatureRecords
from tidegauge.model.tables import FEATURE_USAGE
from tidegauge.record.front import recorder
from tidegauge.record.recorder import FAULTS, Rules
from tidegauge.record.wrapping import End, wrapped

__all__ = ["FeatureUse", "track_feature"]

F = TypeVar("F", bound=Callable[..., Any])

Severity = Literal["critical", "error", "warning", "info"]
Level = Literal["high", "medium", "low"]

_records = FeatureRecords()


class track_feature:  # noqa: N801  (used like a function)
    """Record every run of a block, or every call of a function, as a use of a feature.

    A row of `feature_usage` tells how long it took and whether it worked. An exception makes that
    `success=False`, adds a row of `errors`, and passes on unchanged; so it does if recording it is
    refused, in strict mode too. What was recovered from inside the block is told by
    `FeatureUse.recovered`. Of blocks within each other every one records what passes through it.

    As a context manager (`with` or `async with`) it yields a `FeatureUse`. As a decorator it works
    on functions, methods, coroutine functions and generators, above or below `staticmethod` and
    `classmethod`. What ends a program or a task (`KeyboardInterrupt`, `SystemExit`,
    `CancelledError`) is no error of the feature: such a use is recorded with `success=None`. A
    generator that is closed before its end was used with success.

    One object may decorate many functions; as a context manager it is used by one thread or task at
    a time, nested as deep as one likes. Making one checks nothing and starts nothing, so it may be
    done before `tidegauge.configure`.

    Args:
        feature: The part of the product.
        action: What is done with it.
        user: Who does it; see the setting `user_ids`.
        user_context: The situation of the user.
        severity: How bad an exception is: `critical`, `error`, `warning` or `info`.
        impact_level: What it does to users: `high`, `medium` or `low`.
        metadata: Whatever else is known.

    Example:
        >>> import tidegauge as tg
        >>> with tg.track_feature("learning-engine", "recognize_pattern") as use:
        ...     try:
        ...         found = 1 / 0
        ...     except ZeroDivisionError as error:
        ...         found = use.recovered(error, severity="warning", result=0)
        >>> @tg.track_feature("learning-engine", "recognize_pattern")
        ... def recognize(data):
        ...     return len(data)
    """

    def __init__(
        self,
        feature: str,
        action: str,
        *,
        user: str | None = None,
        user_context: str | None = None,
        severity: Severity = "error",
        impact_level: Level | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        self._use = FeatureUse(
            feature, action, user, user_context, severity, impact_level, metadata
        )
        self._open: list[tuple[FeatureUse, End]] = []

    def __enter__(self) -> FeatureUse:
        use = self._use.again()
        self._open.append((use, use.begin()))
        return use

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _, end = self._open.pop()
        end(error)

    async def __aenter__(self) -> FeatureUse:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Record every call of a function.

        Raises:
            TypeError: It cannot be called.
        """
        return wrapped(function, lambda: self._use.again().begin())


class FeatureUse:
    """One use of a feature, while it lasts. Used by one thread or task.

    Attributes:
        success: What to record of it if the block ends without an exception; may be changed.
        error_type: The class of the error, where `success` is set to False; may be changed.
        user: Who it was, where that is known only inside the block; may be changed.
        user_context: The situation of the user; may be changed.
        metadata: Whatever else is known; may be replaced.
    """

    __slots__ = (
        "_action",
        "_feature",
        "_impact_level",
        "_recorded",
        "_severity",
        "error_type",
        "metadata",
        "success",
        "user",
        "user_context",
    )

    def __init__(
        self,
        feature: str,
        action: str,
        user: str | None,
        user_context: str | None,
        severity: Severity,
        impact_level: Level | None,
        metadata: Mapping[str, object] | None,
    ) -> None:
        self._feature = feature
        self._action = action
        self._severity = severity
        self._impact_level = impact_level
        self._recorded: BaseException | None = None  # which may be raised on from the block
        self.success: bool | None = True
        self.error_type: str | None = None
        self.user = user
        self.user_context = user_context
        self.metadata = metadata

    def recovered(
        self,
        error: BaseException,
        *,
        result: Any = None,
        successful: bool = True,
        severity: Severity | None = None,
        impact_level: Level | None = None,
    ) -> Any:
        """Record an error from which a recovery was tried, and go on.

        Args:
            error: The exception.
            result: Returned.
            successful: Whether the recovery worked. If not, the use does not count as a success.
            severity: How bad it was, if not as `track_feature` says.
            impact_level: What it did to users, if not as `track_feature` says.
        """
        self._record_error(error, severity, impact_level, attempted=True, successful=successful)
        if not successful:
            self.success, self.error_type = False, type(error).__name__
        return result

    def failed(
        self,
        error: BaseException,
        *,
        severity: Severity | None = None,
        impact_level: Level | None = None,
    ) -> None:
        """Record an error that was caught, without a recovery; the use is no success.

        Args:
            error: The exception.
            severity: As for `recovered`.
            impact_level: As for `recovered`.
        """
        self._record_error(error, severity, impact_level, attempted=False, successful=None)
        self.success, self.error_type = False, type(error).__name__

    def again(self) -> Self:
        """Another use of the same kind."""
        return type(self)(
            self._feature,
            self._action,
            self.user,
            self.user_context,
            self._severity,
            self._impact_level,
            self.metadata,
        )

    def begin(self) -> End:
        """Begin; returns what ends it."""
        started = perf_counter()

        def end(error: BaseException | None) -> None:
            duration_ms = (perf_counter() - started) * 1000
            recorded, self._recorded = self._recorded, None  # it refers to the block's frame
            if isinstance(error, Exception):
                if error is not recorded:
                    _after(error, lambda: self.failed(error))
                self._recorded = None
                self.success, self.error_type = False, type(error).__name__
            elif error is not None and not isinstance(error, GeneratorExit):
                self.success, self.error_type = None, type(error).__name__
            _after(error, lambda: self._record(duration_ms))

        return end

    def _record(self, duration_ms: float) -> None:
        _records.record_feature_usage(
            self._feature,
            self._action,
            duration_ms,
            self.success,
            self.error_type,
            self.user_context,
            self.metadata,
            user=self.user,
        )

    def _record_error(
        self,
        error: BaseException,
        severity: Severity | None,
        impact_level: Level | None,
        *,
        attempted: bool,
        successful: bool | None,
    ) -> None:
        self._recorded = error
        _records.record_error(
            self._feature,
            type(error).__name__,
            severity or self._severity,
            _message(error),
            attempted,
            successful,
            impact_level or self._impact_level,
            self.metadata,
            user=self.user,
        )


def _after(error: BaseException | None, record: Callable[[], None]) -> None:
    """Record; what is refused after an error of the program does not take the error's place."""
    try:
        record()
    except FAULTS as fault:
        if error is None:
            raise
        recorder.refuse(fault, FEATURE_USAGE.name, rules=Rules(raises=False))


def _message(error: BaseException) -> str | None:
    try:
        return str(error) or None
    except Exception:  # noqa: BLE001  (somebody's `__str__`; the error itself must pass on)
        return None
