# SPDX-License-Identifier: Apache-2.0
"""Labels that apply to everything recorded inside a `with` block, per thread and per task."""

from __future__ import annotations

from contextvars import ContextVar
from types import TracebackType
from typing import NamedTuple
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

    One object may be kept and entered by many threads and tasks at once, and within itself. Leaving
    takes away what entering brought, also when blocks do not end in the order in which they began.
    A block that is left in another thread or task, as an async generator may be that is closed
    there, changes nothing in that one.

    Args:
        labels: Dimensions such as `model`, `model_version`, `experiment`, `run_id`, and any other
            labels. None removes an outer label.

    Example:
        >>> import tidegauge as tg
        >>> with tg.context(model="fraud", model_version="2.0.1"):
        ...     tg.log_metric("model:latency_ms", 12.3)
    """

    __slots__ = ("_labels",)

    def __init__(self, **labels: object) -> None:
        self._labels = labels

    def __enter__(self) -> None:
        _enter(_inside(self, self._labels, _block.get()))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _enter(_without(self, _block.get()))


class _Block(NamedTuple):
    """A block that was entered and not left.

    Attributes:
        owner: Whose block.
        labels: What it was given.
        inside: What is in force in it.
        outer: The block around it.
    """

    owner: context
    labels: dict[str, object]
    inside: Context
    outer: _Block | None


# Not tokens on the object: those are good for one thread or task, and only in their order.
_block: ContextVar[_Block | None] = ContextVar("tidegauge_block", default=None)


def _enter(block: _Block | None) -> None:
    _block.set(block)
    _current.set(block.inside if block else None)


def _inside(owner: context, labels: dict[str, object], outer: _Block | None) -> _Block:
    merged = {**outer.inside.labels, **labels} if outer else labels
    merged = {name: value for name, value in merged.items() if value is not None}
    return _Block(owner, labels, Context.of(merged), outer)


def _without(owner: context, innermost: _Block | None) -> _Block | None:
    """The blocks that are left when the owner leaves its innermost one."""
    above = []
    block = innermost
    while block is not None and block.owner is not owner:
        above.append(block)
        block = block.outer
    if block is None:  # entered in another thread or task
        return innermost
    left = block.outer
    for each in reversed(above):
        left = _inside(each.owner, each.labels, left)
    return left
