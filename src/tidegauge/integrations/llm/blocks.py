# SPDX-License-Identifier: Apache-2.0
"""A block of code that asks a language model, by whatever means, or that is around calls."""

from __future__ import annotations

import operator
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

from tidegauge.integrations.llm.results import observed
from tidegauge.integrations.llm.scope import Scope, inside, new_id, new_scope
from tidegauge.integrations.llm.tracked import Options, TrackedCall
from tidegauge.prices.pricing import Priced
from tidegauge.prices.usage import TokenUsage

__all__ = ["Block", "LlmCall", "begin_block", "end_block"]

T = TypeVar("T")


class LlmCall:
    """What a block tells of the calls that it makes; see `tidegauge.track_llm`.

    Args:
        scope: The block's own; calls of tracked clients in the block are inside of it.
        options: How calls are looked at.
    """

    def __init__(self, scope: Scope, options: Options) -> None:
        self._scope = scope
        self._options = options
        # Beside the block's scope and not inside of it: that is for the calls of clients.
        self._operation = self._new_operation()
        self._call = self._new_call()
        self._is_told = False

    def response(self, response: T) -> T:
        """Say what was answered: an object of a client, or its JSON. Returned as it is.

        The call ends here. Another response is another call.

        Raises:
            MetricValidationError: In strict mode, if its numbers of tokens are none.
        """
        self._told(again=True)
        self._call.take(response)
        self._call.end()
        return response

    def stream(self, events: Any) -> Any:
        """Have a stream looked at; returns what to iterate over in its place.

        The call ends with the stream, also where that is after the block.
        """
        self._told(again=True)
        return observed(self._call, events)

    def usage(self, **tokens: int) -> None:
        """Say how many tokens it was, where no response does.

        Args:
            tokens: By bucket, such as `input_uncached_tokens=12, output_text_tokens=30`.

        Raises:
            TypeError: There is no such bucket, or a number is no whole one.
            MetricValidationError: A number is negative.
        """
        counts = {name: operator.index(count) for name, count in tokens.items()}
        usage = TokenUsage(**counts)
        self._told(again=True)
        self._call.count(usage)

    def retry(self, error: BaseException) -> None:
        """Say that this attempt failed and another one begins, of the same operation."""
        self._told(again=False)
        self._call.end(error)
        self._call = self._new_call()

    @property
    def priced(self) -> Priced | None:
        """What the last call costs, and by which price list; None until it has been recorded."""
        return self._call.priced

    def end(self, error: BaseException | None) -> None:
        """Record it, unless calls inside have been, its stream will, or nothing was asked."""
        if self._call.is_stream or self._scope.has_calls:
            return
        if self._is_told or self._scope.attributes.model is not None:
            self._call.end(error)

    def _told(self, *, again: bool) -> None:
        self._is_told = True
        if again and (self._call.has_ended or self._call.is_stream):
            self._operation = self._new_operation()
            self._call = self._new_call()
        self._call.begin()

    def _new_operation(self) -> Scope:
        return Scope(self._scope.attributes, self._scope.outer, operation_id=self._operation_id())

    def _operation_id(self) -> str | None:
        """None inside of a block whose calls are attempts of one operation already."""
        around = self._scope.outer
        while around is not None:
            if around.operation_id is not None:
                return None
            around = around.outer
        return new_id()

    def _new_call(self) -> TrackedCall:
        return TrackedCall(Scope(self._scope.attributes, self._operation), self._options)


class Block(NamedTuple):
    """A block that was begun and not ended."""

    manager: inside
    call: LlmCall


# By thread and task: many may use one tracker at once.
_open: ContextVar[tuple[Block, ...]] = ContextVar("tidegauge_llm_blocks", default=())


def begin_block(mine: list[Block], options: Options, *, one_operation: bool) -> LlmCall:
    """Begin a block, in this thread or task.

    Args:
        mine: The open blocks of the tracker.
        options: How calls are looked at.
        one_operation: Whether the calls inside are attempts of one operation.
    """
    scope = new_scope(options.attributes, one_operation=one_operation)
    block = Block(inside(scope), LlmCall(scope, options))
    block.manager.__enter__()
    mine.append(block)
    _open.set((*_open.get(), block))
    return block.call


def end_block(mine: list[Block], error: BaseException | None) -> None:
    """End the innermost block of a tracker in this thread or task.

    One that ends in another context, as that of a generator may, is the tracker's only open one.
    """
    here = _open.get()
    found = next((each for each in reversed(here) if any(each is one for one in mine)), None)
    if found is None and len(mine) == 1:
        found = mine[0]
    if found is None:
        return
    mine[:] = [each for each in mine if each is not found]
    _open.set(tuple(each for each in here if each is not found))
    found.manager.__exit__()
    found.call.end(error)
