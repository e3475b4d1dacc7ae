# SPDX-License-Identifier: Apache-2.0
"""Every setting, once: its name, type, default, meaning and environment variable.

The reference page docs/reference/settings.md is generated from here.
"""

from __future__ import annotations

import difflib
import math
import os
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from tidegauge.catalog.labels import check_label
from tidegauge.journal.layout import least_budget_bytes
from tidegauge.model.errors import ConfigError, MetricValidationError
from tidegauge.model.spec import MetricSpec
from tidegauge.model.tables import TABLES

__all__ = ["Settings", "describe_settings", "read_settings"]

_POSITIVE = (
    "fsync_interval_ms",
    "segment_slots",
    "drain_after_points",
    "live_series_ttl_s",
    "push_every_s",
    "resources_every_s",
)
_AT_LEAST_1 = ("retention_every_s", "rollup_every_s", "compact_every_s")
_NOT_NEGATIVE = ("drain_after_s", "exit_wait_s", "retention_days", "live_gauge_ttl_s")
_DIMENSIONS = ("service", "environment")
_ANY_METRIC = MetricSpec(name="custom:any", description="any")

# What a value may be, by the type of its setting.
_ALLOWED = {
    str: "text",
    bool: "true, false",
    int: "a whole number",
    float: "a number",
    dict: "names with a number each",
}


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
        "whether this process carries facts from the journal to the store in the background, and "
        "runs jobs; with off, `tidegauge agent` or another process does",
    ] = "thread"
    drain_after_points: Annotated[int, "how many waiting facts make a drain due"] = 65_536
    drain_after_s: Annotated[float, "seconds of waiting that make a drain due"] = 60.0
    retention_days: Annotated[
        float | None, "days for which facts are kept in the tables; for ever if unset"
    ] = None
    retention_metrics: Annotated[
        dict[str, float], 'the same for single metrics, such as {"model:latency_ms": 7}'
    ] = {}
    retention_tables: Annotated[
        dict[str, float],
        'the same for single tables, such as {"requests": 30}. What is made of other tables '
        "(`rollups`, `daily_aggregates`), what clouds bill (`costs`) and the trail of changes "
        "(`corrections`) are kept for ever unless they are named here",
    ] = {}
    storage_budgets: Annotated[
        dict[str, int],
        'most bytes of single tables, such as {"requests": 5000000000}; beyond it, the oldest days '
        "go, and today never",
    ] = {}
    retention_every_s: Annotated[float, "seconds between two looks for what is to go"] = 3600.0
    rollup_every_s: Annotated[
        float, "seconds between two rounds of rollups and daily aggregates"
    ] = 3600.0
    compact_every_s: Annotated[float, "seconds between two mergings of small files"] = 3600.0
    free_text: Annotated[
        Literal["keep", "hash", "drop"],
        "what becomes of what people wrote, feedback and error messages, before it is on the disk",
    ] = "keep"
    user_ids: Annotated[
        Literal["keep", "hash", "drop"],
        "the same for who they are; a hash tells users apart, and cannot be undone without the "
        "store's key",
    ] = "keep"
    llm_prices: Annotated[
        str | None, "TOML file with prices of your own for calls to language models"
    ] = None
    litellm_prices: Annotated[
        str | None,
        "JSON file in the form of LiteLLM's model_prices_and_context_window.json, for models that "
        "no other list knows",
    ] = None
    time_zone: Annotated[
        str, "whose days daily aggregates and trends are of, such as Europe/Amsterdam"
    ] = "UTC"
    live_gauge_ttl_s: Annotated[
        float, "seconds for which a gauge is shown after its latest fact once its process has ended"
    ] = 300.0
    live_series_ttl_s: Annotated[
        float | None, "seconds after which live metrics drop a series without facts; never if unset"
    ] = None
    mlflow: Annotated[bool, "deliver facts of a run to MLflow; needs the extra `mlflow`"] = False
    mlflow_tracking_uri: Annotated[str | None, "tracking URI; MLflow's own if unset"] = None
    mlflow_name_style: Annotated[
        Literal["as_given", "slash", "underscore"],
        "how metrics are called in MLflow: usage:reply_rate, usage/reply_rate or usage_reply_rate",
    ] = "as_given"
    otlp: Annotated[
        bool,
        "push live metrics over OTLP; needs the extra `otlp`. What is unset below is taken "
        "from the standard variables `OTEL_EXPORTER_OTLP_*`",
    ] = False
    otlp_endpoint: Annotated[str | None, "where to, such as http://localhost:4318"] = None
    otlp_protocol: Annotated[
        Literal["http/protobuf", "grpc"] | None, "how; http/protobuf if nothing says otherwise"
    ] = None
    otlp_temporality: Annotated[
        Literal["cumulative", "delta"], "totals, or what came since the last time"
    ] = "cumulative"
    otlp_histograms: Annotated[
        Literal["explicit", "exponential"], "which buckets distributions have"
    ] = "explicit"
    otlp_genai: Annotated[
        Literal["1.28", "1.37", "latest"],
        "version of OpenTelemetry's conventions by which calls to language models are named",
    ] = "latest"
    cloudwatch: Annotated[
        str | None, "CloudWatch namespace to push live metrics to; needs the extra `aws`"
    ] = None
    emf: Annotated[
        str | None,
        "CloudWatch namespace under which live metrics are written to standard output in the "
        "embedded metric format, as AWS Lambda wants them",
    ] = None
    pushing: Annotated[
        bool, "whether this process pushes; if not, another one or `tidegauge agent` does"
    ] = True
    push_every_s: Annotated[float, "seconds between two pushes of live metrics"] = 60.0
    aws_costs: Annotated[
        bool,
        "read AWS Cost Explorer once a day; needs the extra `aws`. AWS charges 0.01 USD for each "
        "request, of which it takes three or more",
    ] = False
    resources_every_s: Annotated[
        float | None,
        "seconds between two samples of the machine, its GPUs and this process; none if unset",
    ] = None
    gpu_hour_usd: Annotated[
        dict[str, float],
        'price of an hour of a GPU by its model, such as {"NVIDIA H200": 3.5}; "*" is any other',
    ] = {}
    exit_wait_s: Annotated[
        float, "most seconds to wait at exit for delivery to MLflow, OTLP and CloudWatch"
    ] = 5.0


def read_settings(given: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """Build the settings from what was given and, for the rest, from the environment.

    Raises:
        ConfigError: A setting does not exist, or a value is not of its type or range.
    """
    known = {field.name: field for field in msgspec.structs.fields(Settings)}
    for name in given:
        if name not in known:
            raise _unknown(name, list(known))
    values: dict[str, Any] = {}
    for name, field in known.items():
        if (value := given.get(name)) is not None:
            values[name] = _converted(field, os.fspath(value) if isinstance(value, Path) else value)
        elif (text := environ.get(_variable(name))) is not None:
            values[name] = _read(field, text)
    settings = Settings(**values)
    _check_texts(settings)
    _check_ranges(settings)
    if settings.time_zone != "UTC":
        from tidegauge.model.zones import zone_of  # for who is elsewhere

        zone_of(settings.time_zone)
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


def _converted(field: msgspec.structs.FieldInfo, value: object) -> object:
    try:
        return msgspec.convert(value, field.type)
    except msgspec.ValidationError as error:
        what = f"the setting {field.name!r} cannot be used"
        raise ConfigError(
            what, got=value, allowed=_allowed(field), fix=_leave_out(field.name)
        ) from error


def _read(field: msgspec.structs.FieldInfo, text: str) -> object:
    variable = _variable(field.name)
    try:
        return msgspec.convert(_parsed(text), field.type, strict=False)
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"the environment variable {variable} cannot be used",
            got=text,
            allowed=_allowed(field),
            fix="Change it or unset it.",
        ) from error


def _allowed(field: msgspec.structs.FieldInfo) -> str:
    kind, meaning = field.type.__origin__, field.type.__metadata__[0]
    if isinstance(kind, types.UnionType):
        kind = get_args(kind)[0]  # the other is None
    if get_origin(kind) is Literal:
        return ", ".join(get_args(kind))
    if kind is bool:
        return _ALLOWED[bool]
    return f"{_ALLOWED[get_origin(kind) or kind]} ({meaning})"


def _check_texts(settings: Settings) -> None:
    for name in Settings.__struct_fields__:
        value = getattr(settings, name)
        if value == "" or (isinstance(value, str) and "\0" in value):
            raise ConfigError(
                f"the setting {name!r} is empty or has a null character",
                got=value,
                allowed="any other text",
                fix=_leave_out(name),
            )
    for name in _DIMENSIONS:
        if (value := getattr(settings, name)) is not None:
            try:
                check_label(_ANY_METRIC, name, value)
            except MetricValidationError as error:
                raise ConfigError(
                    f"the setting {name!r} cannot be a label of the facts",
                    got=value,
                    allowed=error.allowed,
                    fix=_leave_out(name),
                ) from error


def _check_ranges(settings: Settings) -> None:
    for name in _POSITIVE:
        if (value := getattr(settings, name)) is not None and not 0 < value < math.inf:
            raise _out_of_range(name, value, "more than 0")
    for name in _NOT_NEGATIVE:
        if (value := getattr(settings, name)) is not None and not 0 <= value < math.inf:
            raise _out_of_range(name, value, "0 or more")
    least_bytes = least_budget_bytes(settings.segment_slots)
    if settings.journal_budget_bytes < least_bytes:
        raise ConfigError(
            "the setting 'journal_budget_bytes' is out of range",
            got=settings.journal_budget_bytes,
            allowed=f"{least_bytes} or more with segment_slots={settings.segment_slots}",
            fix="Raise it, or lower segment_slots.",
        )
    for name in _AT_LEAST_1:
        if not 1 <= (value := getattr(settings, name)) < math.inf:
            raise _out_of_range(name, value, "1 or more")
    for metric, days in settings.retention_metrics.items():
        if not 0 <= days < math.inf:
            raise _out_of_range("retention_metrics", {metric: days}, "0 days or more")
    for model, price in settings.gpu_hour_usd.items():
        if not 0 <= price < math.inf:
            raise _out_of_range("gpu_hour_usd", {model: price}, "0 USD or more")
    _check_tables("retention_tables", settings.retention_tables, "0 days or more")
    _check_tables("storage_budgets", settings.storage_budgets, "0 bytes or more")


def _check_tables(name: str, given: Mapping[str, float], allowed: str) -> None:
    for table, value in given.items():
        if table not in TABLES:
            raise ConfigError(
                f"the setting {name!r} names a table that does not exist",
                got=table,
                allowed=", ".join(TABLES),
                fix=_leave_out(name),
            )
        if not 0 <= value < math.inf:
            raise _out_of_range(name, {table: value}, allowed)


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


def _out_of_range(name: str, value: object, allowed: str) -> ConfigError:
    what = f"the setting {name!r} is out of range"
    return ConfigError(what, got=value, allowed=allowed, fix=_leave_out(name))


def _leave_out(name: str) -> str:
    default = getattr(Settings(), name)
    return f"Change it, or leave it out for the default, {default!r}."
