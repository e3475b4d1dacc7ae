# SPDX-License-Identifier: Apache-2.0
"""Which shape an answer has, or an event of a stream."""

from __future__ import annotations

from collections.abc import Callable

from tidegauge.integrations.llm.answer import Answer
from tidegauge.integrations.llm.anthropic_shape import is_message, take_message
from tidegauge.integrations.llm.bedrock_shape import is_converse, take_converse
from tidegauge.integrations.llm.gemini_shape import is_gemini, take_gemini
from tidegauge.integrations.llm.openai_shape import (
    is_chat,
    is_responses,
    take_chat,
    take_responses,
)

__all__ = ["Take", "shape_of"]

#: Takes over what an object says into an answer; tells whether it has a part of the answer itself.
Take = Callable[[object, Answer], bool]

_SHAPES: tuple[tuple[Callable[[object], bool], Take], ...] = (
    (is_chat, take_chat),
    (is_responses, take_responses),
    (is_message, take_message),
    (is_gemini, take_gemini),
    (is_converse, take_converse),
)


def shape_of(thing: object) -> Take | None:
    """What reads an object; None if it is no answer of a language model."""
    take = _of_class.get(thing.__class__)
    if take is None:
        take = next((take for fits, take in _SHAPES if fits(thing)), None)
        # What a client's class is, it stays; a class without fields of its own may be anything.
        kind = thing.__class__
        if take is not None and getattr(kind, "__pydantic_fields__", None):
            if len(_of_class) >= _MOST_CLASSES:
                _of_class.clear()
            _of_class[kind] = take
    return take


_MOST_CLASSES = 1_000
_of_class: dict[type, Take] = {}
