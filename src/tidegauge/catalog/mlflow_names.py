# SPDX-License-Identifier: Apache-2.0
"""MLflow's rules for the name of a metric, checked without MLflow.

They are those of `mlflow.utils.validation` (`_validate_metric_name` and the length limit), which
a test compares with these. Nothing here imports MLflow.
"""

from __future__ import annotations

import posixpath
import re
import sys
from typing import Literal, get_args

from tidegauge.catalog.grammar import MAX_NAME_CHARS
from tidegauge.model.errors import ConfigError, MetricValidationError

__all__ = ["MLFLOW_STYLES", "MlflowStyle", "check_mlflow_name", "mlflow_name"]

#: How a full name is written in MLflow: `usage:reply_rate`, `usage/reply_rate`, `usage_reply_rate`.
MlflowStyle = Literal["as_given", "slash", "underscore"]

MLFLOW_STYLES: tuple[str, ...] = get_args(MlflowStyle)

_PATTERN = re.compile(r"[/\w.\- :]*\Z")


def mlflow_name(full_name: str, style: MlflowStyle = "as_given") -> str:
    """Write a full metric name in a style.

    `slash` replaces the colon only; MLflow groups its charts by the part before the first slash.
    `underscore` replaces colon and dots, which gives a name that every tracker can sort and filter
    by. `as_given` and `slash` never make two names equal; `underscore` can. The catalogue refuses
    that for declared metrics, the MLflow follower for any two metrics of one run.

    Raises:
        ConfigError: There is no such style.
    """
    if style == "as_given":
        return full_name
    if style == "slash":
        return full_name.replace(":", "/")
    if style == "underscore":
        return full_name.replace(":", "_").replace(".", "_")
    raise ConfigError("MLflow name style is not known", got=style, allowed=", ".join(MLFLOW_STYLES))


def check_mlflow_name(name: str, *, windows: bool = sys.platform == "win32") -> str:
    """Return a name unchanged if MLflow takes it as a metric's key.

    Args:
        name: The name as MLflow would get it.
        windows: Whether MLflow runs on Windows, where it refuses colons.

    Raises:
        MetricValidationError: MLflow would refuse it (reason `bad_name`).
    """
    if not _PATTERN.match(name):
        raise _refused(
            name,
            "has a character that MLflow refuses",
            "letters, digits, '_', '-', '.', ' ', ':' and '/'",
        )
    if windows and ":" in name:
        raise _refused(
            name,
            "has a colon, which MLflow refuses on Windows",
            "letters, digits, '_', '-', '.', ' ' and '/'",
            fix="Use the name style 'slash' or 'underscore'.",
        )
    if len(name) > MAX_NAME_CHARS:
        raise _refused(
            name,
            f"has {len(name)} characters, more than MLflow takes",
            f"at most {MAX_NAME_CHARS} characters",
        )
    normal = posixpath.normpath(name)
    if normal != name or name == "." or name.startswith(("..", "/")):
        raise _refused(
            name,
            "is not a path in normal form, as MLflow wants it",
            "no '//', no part '.' or '..', no '/' at either end, not empty",
        )
    return name


def _refused(
    name: str, problem: str, allowed: str, *, fix: str = "Choose another name for MLflow."
) -> MetricValidationError:
    return MetricValidationError(
        f"MLflow name {problem}", reason="bad_name", got=name, allowed=allowed, fix=fix
    )
