# SPDX-License-Identifier: Apache-2.0
"""Labels that apply to everything recorded inside a `with` block, per thread and per task."""

from __future__ import annotations

from contextvars import ContextVar, Token
from types import TracebackType
from weakref import WeakValueDictionary

__all__ = ["Context", "context", "current"]


class Context:
    """The labels in force at some point. The same labels are the same object.

    Attributes:
        labels: All of them, inner ones having replaced outer ones.
    """

    __slots__ = ("__weakref__", "labels")

    def __init__(self, labels: dict[str, object]) -> None:
        self.labels = labels

    @classmethod
    def of(cls, labels: dict[str, object]) -> Context:
        """The context with these labels."""
        # Types are part of the identity: 1, 1.0 and True are equal but not the same label.
        key = tuple(sorted((name, type(value), str(value)) for name, value in labels.items()))
        try:
            return _known[key]
        except KeyError:
            return _known.setdefault(key, cls(labels))


_known: WeakValueDictionary[tuple[tuple[str, type, str], ...], Context] = WeakValueDictionary()
_current: ContextVar[Context | None] = ContextVar("tidegauge_context", default=None)

#: The context in force, or None.
current = _current.get


class context:  # noqa: N801  (used like a function)
    """Apply labels to everything recorded inside the block, in this thread or task.

    Blocks nest: inner labels are added to outer ones and replace them where they have the same
    name; labels given in the call itself replace both. Tasks started inside inherit the labels.

    Args:
        labels: Dimensions such as `model`, `model_version`, `experiment`, `run_id`, and any other
            labels. None removes an outer label.

    Example:
        >>> import tidegauge as tg
        >>> with tg.context(model="fraud", model_version="2.0.1"):
        ...     tg.log_metric("model:latency_ms", 12.3)
    """

    __slots__ = ("_labels", "_tokens")

    def __init__(self, **labels: object) -> None:
        self._labels = labels
        self._tokens: list[Token[Context | None]] = []

    def __enter__(self) -> None:
        outer = current()
        labels = {**outer.labels, **self._labels} if outer else self._labels
        labels = {name: value for name, value in labels.items() if value is not None}
        self._tokens.append(_current.set(Context.of(labels)))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _current.reset(self._tokens.pop())
