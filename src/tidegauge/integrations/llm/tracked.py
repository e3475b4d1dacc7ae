# SPDX-License-Identifier: Apache-2.0
"""One call to a language model, from its beginning to its row."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextvars import copy_context
from time import perf_counter
from typing import NamedTuple

from tidegauge.integrations.llm.answer import UNWANTED, Answer, field_of
from tidegauge.integrations.llm.failures import error_class
from tidegauge.integrations.llm.rows import Call, put_call
from tidegauge.integrations.llm.scope import Attributes, Scope, inside, new_id
from tidegauge.integrations.llm.shapes import Take, shape_of
from tidegauge.model.tables import LLM_CALLS
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

    @property
    def wants_text(self) -> bool:
        """Whether anybody wants to know what is asked and answered."""
        return self.keep_text or self.estimate is not None


def words_estimate(text: str) -> int:
    """About how many tokens a text has: one for four characters, as English has."""
    return -(-len(text) // _CHARS_PER_TOKEN)


class TrackedCall:
    """A call in progress. Used by one thread or task at a time.

    In lenient mode none of its methods raises, whatever a client gives them.

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
        "_context",
        "_first_s",
        "_operation",
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
        self.answer = Answer() if options.wants_text else Answer(texts=UNWANTED)
        self.priced: Priced | None = None
        self.has_ended = False
        self.is_stream = False
        self._scope = scope
        self._options = options
        self._prompt = prompt
        self._take: Take | None = None
        self._first_s: float | None = None
        self._operation: tuple[str, int] | None = None
        # What holds where the call begins; a stream may end elsewhere.
        self._context = copy_context()
        self._time_ns = recorder.now_ns()
        self._started = perf_counter()

    def begin(self) -> None:
        """Tell what is around it that a call is made."""
        if self._operation is None:
            self._operation = self._scope.begin_call()

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
        try:
            take = take or self._take or shape_of(thing)
            if take is None:
                return
            if self.is_stream:
                self._take = take
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

    def told(self, text: object) -> None:
        """Say what was answered, where no shape tells; for an estimate."""
        if isinstance(text, str):
            self.answer.texts.append(text)

    def end(self, error: BaseException | None = None) -> None:
        """Record it; only the first time, and not if it was made of calls that are recorded.

        Args:
            error: Why it failed; None if it did not.
        """
        if self.has_ended:
            return
        self.has_ended = True
        if self._scope.has_calls:
            return
        latency_s = perf_counter() - self._started
        try:
            self.begin()
            call = self._call(latency_s, error)
            self.priced = self._context.run(put_call, call, self.answer)
        except FAULTS as fault:
            if error is None:
                recorder.refuse(fault, LLM_CALLS.name)
        self.answer.texts = UNWANTED

    def end_early(self) -> None:
        """Record it when nobody wants the rest of a stream: cut, if the answer was not complete."""
        self.end(None if self.answer.finish_reason is not None else GeneratorExit())

    def _call(self, latency_s: float, error: BaseException | None) -> Call:
        assert self._operation is not None
        answer, options = self.answer, self._options
        if error is not None and answer.usage is None:
            # Some clients hand over what was bought with the error that it cannot be used.
            self.take(field_of(error, "completion"))
        if answer.usage is None and options.estimate is not None:
            answer.usage = self._estimated(options.estimate, error)
            who = "missing" if answer.usage is None else "estimated"
        else:
            # Of a stream that was cut the numbers are those until then.
            is_whole = error is None or answer.finish_reason is not None or not self.is_stream
            who = "provider" if answer.usage is not None and is_whole else "missing"
        failed, kind = None, None
        if error is not None:
            failed, kind = error_class(error), type(error).__qualname__
        elif answer.failure is not None:
            failed, kind = "server", answer.failure
        own, attempt = self._operation
        text = "".join(answer.texts) if options.keep_text else ""
        return Call(  # by position, which takes a third of the time
            self._scope.attributes,
            self._time_ns,
            latency_s,
            self._first_s if self.is_stream else None,
            self.is_stream,
            who,
            failed,
            kind,
            own if attempt == 1 else new_id(),
            own,
            attempt,
            max(1, self._scope.requests, 1 + answer.retries),
            self._prompt if options.keep_text else None,
            text or None,
            options.server_address,
        )

    def _estimated(self, estimate: Estimate, error: BaseException | None) -> TokenUsage | None:
        text = "".join(self.answer.texts)
        if error is not None and not text:
            return None
        return TokenUsage(
            input_uncached_tokens=operator.index(estimate(self._prompt or "")),
            output_text_tokens=operator.index(estimate(text)),
        )
