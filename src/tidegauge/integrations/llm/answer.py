# SPDX-License-Identifier: Apache-2.0
"""What is known of the answer of a language model, and how its parts are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Self

from tidegauge.prices.usage import TokenUsage

__all__ = [
    "Answer",
    "count",
    "field_of",
    "getter",
    "is_number",
    "items",
    "items_of",
    "number",
    "text_of",
]


class _Unwanted(list[str]):
    """A list that keeps nothing: an answer may be long, and its text is nobody's business."""

    def append(self, _: str) -> None:
        """Keep nothing."""

    def __iadd__(self, _: Iterable[str]) -> Self:  # type: ignore[override,misc]
        return self


#: In place of texts that nobody wants.
UNWANTED = _Unwanted()


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
        failure: What the provider says went wrong, where it says so in an answer.
        texts: The text so far, in pieces, if anybody wants it.
        parts: Numbers of a stream's earlier events that later ones do not repeat.
    """

    # Nearly everything is unknown of nearly every answer: defaults of the class cost nothing.
    usage: TokenUsage | None = None
    provider: str | None = None
    response_id: str | None = None
    response_model: str | None = None
    finish_reason: str | None = None
    service_tier: str | None = None
    provider_cost: Decimal | None = None
    provider_currency: str | None = None
    retries: int = 0
    failure: str | None = None

    def __init__(self, texts: list[str] | None = None) -> None:
        self.context: dict[str, str] = {}
        self.parts: dict[str, int] = {}
        self.texts = [] if texts is None else texts

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
    get = getter(thing)
    for name in names:
        if (found := get(name)) is not None:
            return found
    return None


def getter(thing: Any) -> Callable[[str], Any]:
    """What gives a field of an object or a mapping by its name, or None where there is none.

    To ask pydantic for what an object has not costs ten times as much as to look, and what most
    objects have not is most of what is asked for.
    """
    kind = thing.__class__
    if kind is dict:
        return thing.get  # type: ignore[no-any-return]
    if thing is None:
        return _nothing
    is_model = _models.get(kind)
    if is_model is None:
        if len(_models) >= _MOST_CLASSES:  # of a program that makes classes as it goes
            _models.clear()
        is_model = _models[kind] = hasattr(kind, "__pydantic_fields__")
    if not is_model:
        if isinstance(thing, Mapping):
            return thing.get
        return lambda name: getattr(thing, name, None)
    fields = thing.__dict__
    if extra := thing.__pydantic_extra__:
        fields = {**extra, **fields}
    if private := thing.__pydantic_private__:
        fields = {**private, **fields}
    return fields.get  # type: ignore[no-any-return]


def _nothing(name: str) -> None:
    del name


_MOST_CLASSES = 1_000
#: Of classes, whether they are pydantic's.
_models: dict[type, bool] = {}


def count(thing: object, *names: str) -> int:
    """The first of some fields that holds a number of tokens; 0 where none does."""
    return number(field_of(thing, *names))


def number(given: Any) -> int:
    """A number of tokens; 0 for what is none. Numbers below 0 stay, to be refused."""
    if given is None or given.__class__ is int:
        return given or 0
    if isinstance(given, float):
        return int(given) if given.is_integer() else 0
    return int(given) if isinstance(given, int) and not isinstance(given, bool) else 0


def is_number(given: Any) -> bool:
    """Whether it is a number of tokens, 0 among them."""
    return given.__class__ is int or (isinstance(given, float) and given.is_integer())


def text_of(given: object) -> str | None:
    """A text, or the value of a member of an enumeration, that is not empty; else None."""
    if given is None or given.__class__ is str:
        return given or None
    value = getattr(given, "value", given)
    return str(value) if isinstance(value, str) and value else None


def items_of(thing: object, *names: str) -> Sequence[Any]:
    """A list among the fields; empty where there is none."""
    return items(field_of(thing, *names))


def items(given: Any) -> Sequence[Any]:
    """A list; empty for what is none."""
    return given if given.__class__ is list or isinstance(given, tuple) else ()
