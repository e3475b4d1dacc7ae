# SPDX-License-Identifier: Apache-2.0
"""Which tracked calls are inside which, per thread and task: only the innermost count.

An agent's run, a chain, a decorated function around a tracked client: each is a call that is made
of calls. What the inner ones used is recorded with them, and what is around them gives them only
its attributes, such as the user.
"""

from __future__ import annotations

import itertools
import os
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Attributes", "Scope", "current_scope", "inside", "new_id", "new_scope"]


class Attributes(NamedTuple):
    """What is said of calls by whoever makes them; None where nothing is.

    Attributes:
        provider: Who serves the model.
        model: The model that is asked.
        operation: Such as `chat`.
        feature: The part of the product.
        user_id: Who it is for.
        api_key: Name of the key.
    """

    provider: str | None = None
    model: str | None = None
    operation: str | None = None
    feature: str | None = None
    user_id: str | None = None
    api_key: str | None = None

    def over(self, outer: Attributes) -> Attributes:
        """These, and the outer ones where nothing is said here."""
        pairs = zip(self, outer, strict=True)
        return Attributes(*(mine if mine is not None else theirs for mine, theirs in pairs))


@dataclass(slots=True, eq=False)
class Scope:
    """A call, or what is around calls.

    Attributes:
        attributes: What is said here, and around it.
        outer: What it is inside of.
        has_calls: Whether a call was begun inside.
        operation_id: The operation whose attempts the calls inside are; None if each is its own.
        attempts: How many of them were begun.
        requests: Requests that a client made here, if it tells.
    """

    attributes: Attributes
    outer: Scope | None
    has_calls: bool = False
    operation_id: str | None = None
    attempts: int = 0
    requests: int = 0

    def begin_call(self) -> tuple[str, int]:
        """Tell everything around that a call begins; its operation, and which attempt it is."""
        around, operation = self.outer, None
        while around is not None:
            around.has_calls = True
            if operation is None and around.operation_id is not None:
                operation = around
            around = around.outer
        if operation is None or operation.operation_id is None:
            return new_id(), 1
        operation.attempts += 1
        return operation.operation_id, operation.attempts


_current: ContextVar[Scope | None] = ContextVar("tidegauge_llm_scope", default=None)

#: The scope in force, or None.
current_scope = _current.get


def new_id() -> str:
    """An id that no other call has, in whatever process: 32 hex digits.

    A UUID takes ten times as long.
    """
    return f"{_ids.prefix}{next(_ids.numbers):016x}"


class _Ids:
    """What ids of this process are made of."""

    def __init__(self) -> None:
        self.prefix = os.urandom(8).hex()
        self.numbers = itertools.count()


_ids = _Ids()
os.register_at_fork(after_in_child=_ids.__init__)  # type: ignore[misc]


def new_scope(attributes: Attributes, *, one_operation: bool = False) -> Scope:
    """A scope inside of the one in force."""
    outer = _current.get()
    if outer is not None:
        attributes = attributes.over(outer.attributes)
    return Scope(attributes, outer, operation_id=new_id() if one_operation else None)


class inside:  # noqa: N801  (used like a function)
    """Have a scope in force in a block, in this thread or task."""

    __slots__ = ("_before", "_scope")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __enter__(self) -> None:
        self._before = _current.get()
        _current.set(self._scope)

    def __exit__(self, *error: object) -> None:
        # Blocks of generators may end out of order, or elsewhere, where this one is not in force.
        around = _current.get()
        while around is not None and around is not self._scope:
            around = around.outer
        if around is not None:
            _current.set(self._before)
