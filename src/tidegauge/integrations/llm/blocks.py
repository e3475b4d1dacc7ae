# SPDX-License-Identifier: Apache-2.0
"""A block of code that asks a language model, by whatever means, or that is around calls."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

from tidegauge.integrations.llm.results import observed
from tidegauge.integrations.llm.scope import Scope, inside, new_id, new_scope
from tidegauge.integrations.llm.tracked import Options, TrackedCall
from tidegauge.prices.pricing import Priced
from tidegauge.prices.usage import TokenUsage

__all__ = ["LlmCall", "begin_block", "end_block"]

T = TypeVar("T")


class LlmCall:
    """What a block tells of the call that it makes; see `tidegauge.track_llm`.

    Args:
        scope: The block's own; calls of tracked clients in the block are inside of it.
        options: How calls are looked at.
    """

    def __init__(self, scope: Scope, options: Options) -> None:
        self._scope = scope
        self._options = options
        self._operation = Scope(scope.attributes, None, operation_id=new_id())
        self._call = self._begin()
        self._is_told = False

    def response(self, response: T) -> T:
        """Say what was answered: an object of a client, or its JSON. Returned as it is.

        Raises:
            MetricValidationError: In strict mode, if its numbers of tokens are none.
        """
        self._is_told = True
        self._call.take(response)
        return response

    def stream(self, events: Any) -> Any:
        """Have a stream looked at; returns what to iterate over in its place.

        The call ends with the stream, also where that is after the block.
        """
        self._is_told = True
        self._scope.begin_call()
        return observed(self._call, events)

    def usage(self, **tokens: int) -> None:
        """Say how many tokens it was, where no response does.

        Args:
            tokens: By bucket, such as `input_uncached_tokens=12, output_text_tokens=30`.

        Raises:
            TypeError: There is no such bucket.
            MetricValidationError: A number is none.
        """
        self._is_told = True
        self._call.count(TokenUsage(**tokens))

    def estimated(self, prompt: str, answer: str) -> None:
        """Say what was asked and answered, for its tokens to be estimated; the call is marked."""
        self._is_told = True
        self._call.estimate_of(prompt, answer)

    def retry(self, error: BaseException) -> None:
        """Say that this attempt failed and another one begins, of the same operation."""
        self._is_told = True
        self._call.end(error)
        self._call = self._begin()

    @property
    def priced(self) -> Priced | None:
        """What the call costs, and by which price list; None until it has been recorded."""
        return self._call.priced

    def end(self, error: BaseException | None) -> None:
        """Record it, unless calls inside have been, its stream will, or nothing was asked."""
        if self._scope.has_calls or self._call.is_stream:
            return
        if self._is_told or self._scope.attributes.model is not None:
            self._scope.begin_call()
            self._call.end(error)

    def _begin(self) -> TrackedCall:
        # Not inside of the block's scope: that would take it for a call of a client.
        return TrackedCall(Scope(self._scope.attributes, self._operation), self._options)


class _Block(NamedTuple):
    owner: object
    manager: inside
    call: LlmCall


# Not on the owner, which many threads and tasks may use at once.
_open: ContextVar[tuple[_Block, ...]] = ContextVar("tidegauge_llm_blocks", default=())


def begin_block(owner: object, options: Options, *, one_operation: bool) -> LlmCall:
    """Begin a block of an owner, in this thread or task."""
    scope = new_scope(options.attributes, one_operation=one_operation)
    block = _Block(owner, inside(scope), LlmCall(scope, options))
    block.manager.__enter__()
    _open.set((*_open.get(), block))
    return block.call


def end_block(owner: object, error: BaseException | None) -> None:
    """End the innermost block of an owner; nothing happens in another thread or task."""
    blocks = _open.get()
    mine = next((block for block in reversed(blocks) if block.owner is owner), None)
    if mine is None:
        return
    _open.set(tuple(block for block in blocks if block is not mine))
    mine.manager.__exit__()
    mine.call.end(error)
