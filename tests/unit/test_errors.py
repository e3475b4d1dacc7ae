# SPDX-License-Identifier: Apache-2.0
"""Errors survive being copied and being sent to another process."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from tidegauge.model import errors
from tidegauge.model.errors import MetricValidationError, MissingExtraError, TidegaugeError


def examples() -> list[TidegaugeError]:
    """One error of each kind."""
    found: list[TidegaugeError] = []
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if not issubclass(kind, TidegaugeError):
            continue
        if issubclass(kind, MetricValidationError):
            found.append(kind("it is wrong", reason="bad_name", got="x"))
        elif issubclass(kind, MissingExtraError):
            found.append(kind("mlflow", extra="mlflow"))
        else:
            found.append(kind("it is wrong", got=(1, "x"), allowed="more", fix="Try again."))
    return found


@pytest.mark.parametrize("error", examples(), ids=lambda error: type(error).__name__)
def test_a_copy_is_the_same_error(error: TidegaugeError) -> None:
    """Kind, text and facts are kept by `copy` and by `pickle`."""
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)
