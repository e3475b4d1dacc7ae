# SPDX-License-Identifier: Apache-2.0
"""What a result of somebody's model says: predictions, confidences, ids. Records nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["Extract", "Outcome", "feature_count_of", "outcomes_of"]

#: Tells from the result of a call what was predicted; see `outcomes_of`.
Extract = Callable[[Any], Any]


class Outcome(NamedTuple):
    """One prediction.

    Attributes:
        prediction: The predicted number or class; None if there is none.
        confidence: The model's confidence, 0 to 1; None if it has none.
        prediction_id: What a later ground truth names it by.
    """

    prediction: Any = None
    confidence: float | None = None
    prediction_id: str | None = None


def outcomes_of(result: Any) -> tuple[list[Outcome], bool]:
    """Read a result.

    Args:
        result: An `Outcome`, a number or text, a tuple of prediction and confidence, a mapping or
            an object with `prediction` and perhaps `confidence` and `prediction_id`; or a list or
            array of shape (n,) of any of them; or a tuple of two such lists, of predictions and of
            confidences. Anything else is one prediction of which nothing is known.

    Returns:
        The predictions, and whether they are a batch.
    """
    plain = _plain(result)
    if isinstance(plain, tuple) and not isinstance(plain, Outcome) and len(plain) == 2:
        predictions, confidences = map(_plain, plain)
        if isinstance(predictions, list) and isinstance(confidences, list):
            plain = list(zip(predictions, confidences, strict=False))
    if isinstance(plain, list):
        return [_outcome(each) for each in plain], True
    return [_outcome(plain)], False


def feature_count_of(features: Any) -> int | None:
    """The number of features of an item; None if it cannot be told.

    The last dimension of what has dimensions, else the length of what has one. Text has none.
    """
    try:
        shape = getattr(features, "shape", None)
        if isinstance(shape, tuple):
            return int(shape[-1]) if shape else None
        if isinstance(features, str | bytes) or not hasattr(features, "__len__"):
            return None
        is_rows = isinstance(features, list | tuple) and len(features) > 0
        return len(features[0] if is_rows and isinstance(features[0], list | tuple) else features)
    except Exception:  # noqa: BLE001  (somebody's object; the call it belongs to went well)
        return None


def _plain(result: Any) -> Any:
    """Arrays and series as lists, and those of one number as that."""
    tolist = getattr(result, "tolist", None)  # NumPy, PyTorch, pandas
    if callable(tolist):
        return tolist()
    to_list = getattr(result, "to_list", None)  # polars
    return to_list() if callable(to_list) else result


def _outcome(result: Any) -> Outcome:
    if isinstance(result, Outcome):
        return result
    if isinstance(result, str | int | float):
        return Outcome(result)
    if isinstance(result, tuple) and len(result) == 2:
        prediction, confidence = map(_plain, result)
        identifier = None
    else:
        prediction, confidence, identifier = (
            _plain(result.get(name) if isinstance(result, Mapping) else getattr(result, name, None))
            for name in ("prediction", "confidence", "prediction_id")
        )
    return Outcome(
        prediction if isinstance(prediction, str | int | float) else None,
        confidence if isinstance(confidence, int | float) else None,
        None if identifier is None else str(identifier),
    )
