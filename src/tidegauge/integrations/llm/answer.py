# SPDX-License-Identifier: Apache-2.0
"""What is known of the answer of a language model, and how its parts are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tidegauge.prices.usage import TokenUsage

__all__ = ["Answer", "count", "field_of", "items_of", "text_of"]


@dataclass(slots=True)
class Answer:
    """What an answer says of itself, gathered from one object or from the events of a stream.

    Attributes:
        usage: Its tokens; None while nobody has said.
        provider: Who serves the model, where a gateway says so.
        response_id: The provider's id.
        response_model: The model that answered.
        finish_reason: Why it ended.
        service_tier: The tier that is charged.
        context: What else decides the price.
        provider_cost: What the provider said that it costs.
        provider_currency: In which currency.
        retries: Requests that the client repeated by itself, if it says so.
        texts: The text so far, in pieces.
        parts: Numbers of a stream's earlier events that later ones do not repeat.
    """

    usage: TokenUsage | None = None
    provider: str | None = None
    response_id: str | None = None
    response_model: str | None = None
    finish_reason: str | None = None
    service_tier: str | None = None
    context: dict[str, str] = field(default_factory=dict)
    provider_cost: Decimal | None = None
    provider_currency: str | None = None
    retries: int = 0
    texts: list[str] = field(default_factory=list)
    parts: dict[str, int] = field(default_factory=dict)

    def know(self, **texts: object) -> None:
        """Take over texts that are some, such as `response_id="msg_1"`."""
        for name, given in texts.items():
            if (known := text_of(given)) is not None:
                setattr(self, name, known)

    def decide(self, name: str, given: object) -> None:
        """Take over what decides the price, if it is said."""
        if (known := text_of(given)) is not None:
            self.context[name] = known


def field_of(thing: object, *names: str) -> Any:
    """The first of some fields that an object or a mapping has and that is not None."""
    if thing is None:
        return None
    # The class first: to ask a dict whether it is a mapping takes ten times as long.
    is_mapping = thing.__class__ is dict or isinstance(thing, Mapping)
    for name in names:
        found = thing.get(name) if is_mapping else getattr(thing, name, None)  # type: ignore[attr-defined]
        if found is not None:
            return found
    return None


def count(thing: object, *names: str) -> int:
    """A number of tokens; 0 where there is none. Numbers below 0 stay, to be refused."""
    if thing is None:
        return 0
    found = field_of(thing, *names)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def text_of(given: object) -> str | None:
    """A text, or the value of a member of an enumeration, that is not empty; else None."""
    value = given if given is None or given.__class__ is str else getattr(given, "value", given)
    return str(value) if isinstance(value, str) and value else None


def items_of(thing: object, *names: str) -> Sequence[Any]:
    """A list among the fields; empty where there is none."""
    found = field_of(thing, *names)
    return found if isinstance(found, list | tuple) else ()
