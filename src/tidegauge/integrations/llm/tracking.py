# SPDX-License-Identifier: Apache-2.0
"""`tidegauge.track_llm`: around a client, a function or a block."""

from __future__ import annotations

import inspect
from types import TracebackType
from typing import Any, TypeVar, overload

from tidegauge.integrations.llm.blocks import Block, LlmCall, begin_block, end_block
from tidegauge.integrations.llm.clients import track_client, tracked
from tidegauge.integrations.llm.scope import Attributes
from tidegauge.integrations.llm.tracked import Estimate, Options, words_estimate

__all__ = ["LlmTracker", "track_llm"]

T = TypeVar("T")


class LlmTracker:
    """Records a block, or the calls of a function; made by `track_llm`.

    May be used many times, and by many threads and tasks at once.

    Args:
        options: How calls are looked at.
        one_operation: Whether calls inside a block are attempts of one operation.
    """

    def __init__(self, options: Options, *, one_operation: bool = False) -> None:
        self._options = options
        self._one_operation = one_operation
        self._open: list[Block] = []

    def __call__(self, function: T) -> T:
        """Decorate a function of any kind that returns what a model answered."""
        if not callable(function):
            raise TypeError(f"track_llm decorates functions; {function!r} cannot be called")
        return tracked(function, self._options)  # type: ignore[return-value]

    def __enter__(self) -> LlmCall:
        return begin_block(self._open, self._options, one_operation=self._one_operation)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        end_block(self._open, error)

    async def __aenter__(self) -> LlmCall:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        end_block(self._open, error)


@overload
def track_llm(
    target: None = None,
    /,
    *,
    provider: str | None = None,
    model: str | None = None,
    operation: str | None = None,
    feature: str | None = None,
    user_id: str | None = None,
    api_key: str | None = None,
    keep_text: bool = False,
    estimate: bool | Estimate = False,
    one_operation: bool = False,
) -> LlmTracker: ...
@overload
def track_llm(
    target: T,
    /,
    *,
    provider: str | None = None,
    model: str | None = None,
    operation: str | None = None,
    feature: str | None = None,
    user_id: str | None = None,
    api_key: str | None = None,
    keep_text: bool = False,
    estimate: bool | Estimate = False,
    one_operation: bool = False,
) -> T: ...
def track_llm(
    target: Any = None,
    /,
    *,
    provider: str | None = None,
    model: str | None = None,
    operation: str | None = None,
    feature: str | None = None,
    user_id: str | None = None,
    api_key: str | None = None,
    keep_text: bool = False,
    estimate: bool | Estimate = False,
    one_operation: bool = False,
) -> Any:
    """Record calls to language models: tokens, cost, times, failures.

    Of a client, it replaces the methods that ask a model, and returns the same client. Of a
    function, it returns one whose calls are recorded. Without either it is a decorator and a
    context manager. A response may be an object of OpenAI (chat, responses, embeddings), Anthropic,
    Google Gemini, Bedrock Converse, Mistral or LiteLLM, or the JSON of one; plain, awaited, or
    streamed, and then the call ends with the stream.

    Where tracked calls are inside of one another, only the innermost is recorded; those around it
    give it what it does not know, such as the user. An answer whose id has been recorded already is
    not recorded again. Each call is one row of the table `llm_calls`, priced by the list in force
    at its time; what has no known price has no cost, and a reason.

    Args:
        target: A client or a function; None for a decorator or a block.
        provider: Who serves the model (`openai`, `anthropic`, `aws.bedrock`, …), where the host
            that a client asks does not tell.
        model: The model, where the arguments of the call do not tell.
        operation: Such as `chat`, where the method does not tell.
        feature: The part of the product that asks.
        user_id: Who it is for; kept as the setting `user_ids` says.
        api_key: A name for the key that is used; never the key itself.
        keep_text: Also record what is asked and answered, as the setting `free_text` says. By
            default no text is kept.
        estimate: Count tokens where the provider does not say how many there were: with a function
            from text to their number, or, if True, one for four characters. Such calls are marked.
        one_operation: Of a block: the calls inside are attempts of one operation, which counts
            once as a request.

    Returns:
        The client, a function, or a decorator that is a context manager as well. The block is given
        an object with `response`, `stream`, `usage` and `retry`.

    Raises:
        ConfigError: The client is none that is known.

    Example:
        >>> import tidegauge as tg
        >>> with tg.track_llm(provider="openai", model="o3", feature="search") as call:
        ...     answer = call.response(
        ...         {
        ...             "id": "chatcmpl-1",
        ...             "model": "o3",
        ...             "choices": [],
        ...             "usage": {"prompt_tokens": 1000, "completion_tokens": 100},
        ...         }
        ...     )
        >>> call.priced.cost
        Decimal('0.0028')
    """
    counts = words_estimate if estimate is True else estimate or None
    attributes = Attributes(provider, model, operation, feature, user_id, api_key)
    options = Options(attributes, keep_text, counts)
    if target is None:
        return LlmTracker(options, one_operation=one_operation)
    if inspect.isroutine(target):
        return LlmTracker(options)(target)
    return track_client(target, options)
