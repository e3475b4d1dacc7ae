# SPDX-License-Identifier: Apache-2.0
"""One call to a language model, from its beginning to its row."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from tidegauge.integrations.llm.answer import Answer, field_of
from tidegauge.integrations.llm.failures import error_class
from tidegauge.integrations.llm.rows import Call, put_call
from tidegauge.integrations.llm.scope import Attributes, Scope, inside, new_id
from tidegauge.integrations.llm.shapes import Take, shape_of
from tidegauge.prices.pricing import Priced
from tidegauge.prices.usage import TokenUsage
from tidegauge.record.front import recorder
from tidegauge.record.recorder import FAULTS

__all__ = ["Estimate", "Options", "TrackedCall", "words_estimate"]

#: Tells from a text how many tokens it has, about.
Estimate = Callable[[str], int]

_CHARS_PER_TOKEN = 4


class Options(NamedTuple):
    """How calls are looked at.

    Attributes:
        attributes: What is said of them.
        keep_text: Whether what was asked and answered is recorded.
        estimate: What counts tokens where the provider did not say; None to leave it at that.
        server_address: Host that is asked.
    """

    attributes: Attributes = Attributes()
    keep_text: bool = False
    estimate: Estimate | None = None
    server_address: str | None = None


def words_estimate(text: str) -> int:
    """About how many tokens a text has: one for four characters, as English has."""
    return -(-len(text) // _CHARS_PER_TOKEN)


class TrackedCall:
    """A call in progress. Used by one thread or task at a time.

    Args:
        scope: Where it is.
        options: How it is looked at.
        prompt: What was asked, as text.

    Attributes:
        answer: What is known of the answer.
        priced: What it costs, once it has ended and was recorded.
        has_ended: Whether it has.
        is_stream: Whether the answer comes in parts.
    """

    __slots__ = (
        "_attempt",
        "_first_s",
        "_operation_id",
        "_options",
        "_prompt",
        "_scope",
        "_started",
        "_take",
        "_time_ns",
        "answer",
        "has_ended",
        "is_stream",
        "priced",
    )

    def __init__(self, scope: Scope, options: Options, prompt: str | None = None) -> None:
        self.answer = Answer()
        self.priced: Priced | None = None
        self.has_ended = False
        self.is_stream = False
        self._scope = scope
        self._options = options
        self._prompt = prompt
        self._take: Take | None = None
        self._first_s: float | None = None
        self._operation_id, self._attempt = scope.begin_call()
        self._time_ns = recorder.now_ns()
        self._started = perf_counter()

    def inside(self) -> inside:
        """What happens in the block belongs to this call."""
        return inside(self._scope)

    def take(self, thing: object, take: Take | None = None) -> None:
        """Look at an answer, or at an event of a stream.

        Args:
            thing: What the client gave.
            take: What reads it, if that is known.

        Raises:
            MetricValidationError: In strict mode, if its numbers of tokens are none. In lenient
                mode they are missing then.
        """
        take = take or self._take or shape_of(thing)
        if take is None:
            return
        if self.is_stream:
            self._take = take
        try:
            has_content = take(thing, self.answer)
        except FAULTS:
            if recorder.strict:
                raise
            self.answer.usage = None
            return
        if has_content and self._first_s is None:
            self._first_s = perf_counter() - self._started

    def count(self, usage: TokenUsage) -> None:
        """Say how many tokens it was, where no answer does."""
        self.answer.usage = usage

    def estimate_of(self, prompt: str, answer: str) -> None:
        """Count tokens of texts, one for four characters if the options do not say how."""
        self._options = self._options._replace(estimate=self._options.estimate or words_estimate)
        self._prompt = prompt
        self.answer.texts = [answer]

    def end(self, error: BaseException | None = None) -> None:
        """Record it; only the first time.

        Args:
            error: Why it failed; None if it did not.
        """
        if self.has_ended:
            return
        self.has_ended = True
        latency_s = perf_counter() - self._started
        if error is not None and self.answer.usage is None:
            # Some clients hand over what was bought with the error that it cannot be used.
            self.take(field_of(error, "completion"))
        answer, options = self.answer, self._options
        usage = self._who_counted(error)
        text = "".join(answer.texts) if options.keep_text else ""
        own, attempt = self._operation_id, self._attempt
        call = Call(  # by position, which takes a third of the time
            self._scope.attributes,
            self._time_ns,
            latency_s,
            self._first_s if self.is_stream else None,
            self.is_stream,
            usage,
            None if error is None else error_class(error),
            None if error is None else type(error).__qualname__,
            own if attempt == 1 else new_id(),
            own,
            attempt,
            max(1, self._scope.requests, 1 + answer.retries),
            self._prompt if options.keep_text else None,
            text or None,
            options.server_address,
        )
        self.priced = put_call(call, answer)

    def end_early(self) -> None:
        """Record it when nobody wants the rest of a stream: cut, if the answer was not complete."""
        self.end(None if self._is_complete() else GeneratorExit())

    def _is_complete(self) -> bool:
        return self.answer.finish_reason is not None

    def _who_counted(self, error: BaseException | None) -> str:
        answer, estimate = self.answer, self._options.estimate
        is_whole = not self.is_stream or self._is_complete()
        if answer.usage is not None and is_whole:
            return "provider"
        if estimate is None:
            return "missing"
        text = "".join(answer.texts)
        if error is None or text:
            answer.usage = TokenUsage(
                input_uncached_tokens=estimate(self._prompt or ""),
                output_text_tokens=estimate(text),
            )
            return "estimated"
        return "missing"
