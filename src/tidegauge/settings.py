# SPDX-License-Identifier: Apache-2.0
"""Every setting, once: its name, type, default, meaning and environment variable.

The reference page docs/reference/settings.md is generated from here.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from tidegauge.model.errors import ConfigError

__all__ = ["Settings", "describe_settings", "read_settings"]

_POSITIVE = ("fsync_interval_ms", "journal_budget_bytes", "segment_slots", "drain_after_points")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `tidegauge.configure` accepts. Each can be set by `TIDEGAUGE_<NAME>` as well."""

    store: Annotated[str, "directory of the store; created with the first fact"] = ".tidegauge"
    tables_uri: Annotated[
        str | None, "where the tables are kept if not in the store, such as s3://bucket/prefix"
    ] = None
    strict: Annotated[
        bool | None, "raise for facts that are not allowed; by default only under pytest"
    ] = None
    catalog: Annotated[
        str | None, "YAML or Python file with a catalogue of your own, added to the built-in one"
    ] = None
    service: Annotated[str | None, "name of this program; the dimension `service`"] = None
    environment: Annotated[str | None, "production, staging, …; the dimension `environment`"] = None
    durability: Annotated[
        Literal["process", "fsync"],
        "what a returned call survives: the end of the process, or, with fsync, a loss of power "
        "after `fsync_interval_ms`",
    ] = "process"
    fsync_interval_ms: Annotated[int, "milliseconds between two syncs of the journal"] = 1000
    journal_budget_bytes: Annotated[int, "most bytes the journal may take on the disk"] = 1 << 30
    segment_slots: Annotated[int, "points per file of the journal"] = 65_536
    follower: Annotated[
        Literal["thread", "off"],
        "whether this process carries facts from the journal to the store in the background; "
        "with off, `tidegauge drain` or another process does",
    ] = "thread"
    drain_after_points: Annotated[int, "how many waiting facts make a drain due"] = 65_536
    drain_after_s: Annotated[float, "seconds of waiting that make a drain due"] = 60.0
    retention_days: Annotated[
        float | None, "days for which facts are kept in the tables; for ever if unset"
    ] = None
    retention_metrics: Annotated[
        dict[str, float], 'the same for single metrics, such as {"model:latency_ms": 7}'
    ] = {}
    mlflow: Annotated[bool, "deliver facts of a run to MLflow; needs the extra `mlflow`"] = False
    mlflow_tracking_uri: Annotated[str | None, "tracking URI; MLflow's own if unset"] = None
    mlflow_name_style: Annotated[
        Literal["as_given", "slash", "underscore"],
        "how metrics are called in MLflow: usage:reply_rate, usage/reply_rate or usage_reply_rate",
    ] = "as_given"
    exit_wait_s: Annotated[float, "most seconds to wait at exit for delivery to MLflow"] = 5.0


def read_settings(given: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """Build the settings from what was given and, for the rest, from the environment.

    Raises:
        ConfigError: A setting does not exist, or a value is not of its type or range.
    """
    known = {field.name: field for field in msgspec.structs.fields(Settings)}
    for name in given:
        if name not in known:
            raise _unknown(name, list(known))
    values = {name: value for name, value in given.items() if value is not None}
    for name, field in known.items():
        if name not in values and (text := environ.get(_variable(name))) is not None:
            try:
                values[name] = msgspec.convert(_parsed(text), field.type, strict=False)
            except msgspec.DecodeError as error:
                raise _unusable(_variable(name), text, error) from error
        elif isinstance(value := values.get(name), Path):
            values[name] = os.fspath(value)
    try:
        settings = msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        raise _unusable("the settings", dict(given), error) from error
    _check_ranges(settings)
    if settings.strict is None:
        return msgspec.structs.replace(settings, strict="PYTEST_VERSION" in environ)
    return settings


def describe_settings() -> list[tuple[str, str, str, str, str]]:
    """Name, environment variable, type, default and meaning of every setting, in order."""
    rows = []
    for field in msgspec.structs.fields(Settings):
        kind, meaning = field.type.__origin__, field.type.__metadata__[0]
        text = kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
        default = field.default
        if default is msgspec.NODEFAULT:
            default = field.default_factory()
        rows.append((field.name, _variable(field.name), text, repr(default), meaning))
    return rows


def _check_ranges(settings: Settings) -> None:
    for name in _POSITIVE:
        if (value := getattr(settings, name)) <= 0:
            raise ConfigError(f"{name} is not positive", got=value, allowed="more than 0")
    for days in (settings.retention_days or 0.0, *settings.retention_metrics.values()):
        if not days >= 0:
            raise ConfigError("a retention is negative", got=days, allowed="0 days or more")


def _variable(name: str) -> str:
    return f"TIDEGAUGE_{name.upper()}"


def _parsed(text: str) -> object:
    if text.startswith("{"):
        return msgspec.json.decode(text)
    return {"yes": "true", "no": "false", "on": "true"}.get(text.lower(), text)


def _unknown(name: str, known: list[str]) -> ConfigError:
    near = difflib.get_close_matches(name, known, n=1)
    return ConfigError(
        "there is no such setting",
        got=name,
        allowed=", ".join(known),
        fix=f"Did you mean {near[0]!r}?" if near else "",
    )


def _unusable(what: str, got: object, error: Exception) -> ConfigError:
    return ConfigError(f"{what} cannot be used ({error})", got=got)
