# SPDX-License-Identifier: Apache-2.0
"""Every error the package raises on purpose.

One root, `TidegaugeError`; each leaf also inherits the built-in a caller would already catch. An
error says what was wrong, what was got, what is allowed and what to do, and carries the same four
facts as attributes, so that a program can act on them without reading the text.
"""

from __future__ import annotations

__all__ = [
    "CatalogError",
    "ConfigError",
    "DeliveryError",
    "JournalError",
    "MetricValidationError",
    "MissingExtraError",
    "QueryError",
    "StoreError",
    "StorePermissionError",
    "TidegaugeError",
]


class TidegaugeError(Exception):
    """Root of every error raised by this package.

    Args:
        what: What is wrong, as a clause without a full stop ("metric name is not valid").
        got: The offending input; shown with `repr`. None where there is no single input.
        allowed: What would have been accepted.
        fix: What the reader should do now.
    """

    def __init__(self, what: str, *, got: object = None, allowed: str = "", fix: str = "") -> None:
        self.what = what
        self.got = got
        self.allowed = allowed
        self.fix = fix
        super().__init__(self._text())

    def _text(self) -> str:
        parts = [self.what]
        if self.got is not None:
            parts.append(f"got {_clip(_shown(self.got))}")
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        text = "; ".join(parts) + "."
        return f"{text} {self.fix}" if self.fix else text

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.__dict__))


class MetricValidationError(TidegaugeError, ValueError):
    """A name, unit, label, value, step or time that the catalogue does not accept.

    Attributes:
        reason: The short code under which a dropped fact is counted in lenient mode, one of
            `tidegauge.model.reasons.REASONS`.
    """

    def __init__(
        self, what: str, *, reason: str, got: object = None, allowed: str = "", fix: str = ""
    ) -> None:
        self.reason = reason
        super().__init__(what, got=got, allowed=allowed, fix=fix)


class CatalogError(TidegaugeError, ValueError):
    """A catalogue that contradicts itself, another catalogue, or the rules of the format."""


class ConfigError(TidegaugeError, ValueError):
    """A setting that does not exist or has a value that cannot be used."""


class StoreError(TidegaugeError, RuntimeError):
    """The store cannot be opened, read or written as asked."""


class StorePermissionError(StoreError, PermissionError):
    """The user of this process may not use the store's directory."""


class JournalError(StoreError):
    """The journal cannot be opened or written."""


class QueryError(TidegaugeError, ValueError):
    """A question that cannot be answered as it was put."""


class DeliveryError(TidegaugeError, RuntimeError):
    """A follower's destination refused or could not be reached."""


class MissingExtraError(TidegaugeError, ImportError):
    """An optional dependency is needed and not installed.

    Args:
        package: The import name that is missing.
        extra: The extra of tidegauge that brings it.
    """

    def __init__(self, package: str, *, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"the package {package!r} is not installed",
            fix=f"Install it with: pip install 'tidegauge[{extra}]'",
        )


def _rebuild(kind: type[TidegaugeError], state: dict[str, object]) -> TidegaugeError:
    # OSError lays its objects out in its own way, and comes after RuntimeError in a method lookup.
    new = OSError.__new__ if issubclass(kind, OSError) else kind.__new__
    error: TidegaugeError = new(kind)
    error.__dict__.update(state)
    error.args = (error._text(),)  # noqa: SLF001  (rebuilding it is its own business)
    return error


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 (a caller's object, or a huge int; the error must not fail too)
        return f"<{type(value).__name__} that cannot be shown>"


def _clip(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
