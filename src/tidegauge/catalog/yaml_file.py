# SPDX-License-Identifier: Apache-2.0
"""The YAML form of a catalogue.

Scalars are read as text and become numbers where a field wants one, so `unit: 1` is the unit `1`
and `no` is a word. A key given twice, and a key that does not exist, are errors that say where.
This module imports yaml; it is imported when a file is read and not before.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

import msgspec
import yaml

from tidegauge.catalog.rules import allowed_in
from tidegauge.model.errors import CatalogError
from tidegauge.model.spec import Deprecation, LabelSpec, MetricSpec, NamesAbroad, Ratio, Target

__all__ = ["read_yaml_catalog"]

# libyaml's parser where PyYAML was built with it (all wheels are). The base loader makes no guesses
# at types (`no`, `1`, `2024-01-01` stay text), and is as safe as the safe one.
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

_TOP_KEYS = ("categories", "closed", "metrics")
_NESTED = {
    "labels": LabelSpec,
    "targets": Target,
    "deprecated": Deprecation,
    "ratio": Ratio,
    "names": NamesAbroad,
}
_UNKNOWN = re.compile(
    r"unknown field `(?P<key>.*?)`(?: - at `\$\.?(?P<field>\w*).*`)?\Z", re.DOTALL
)
_BOOLS = {"true": True, "false": False}


def read_yaml_catalog(text: str, source: str) -> tuple[list[MetricSpec], dict[str, str], bool]:
    """Read the declarations of one file.

    Args:
        text: The file's content.
        source: What to call the file in errors.

    Returns:
        Its metrics, its categories with their descriptions, and whether it is closed.

    Raises:
        CatalogError: The text is not YAML, or not of the form described in
            `docs/how-to/own-catalogue.md`. Names the file and the metric.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        data = {} if node is None else _plain(node, source)
    except yaml.YAMLError as error:
        raise CatalogError(
            f"{source} is not YAML: {' '.join(str(error).split())}",
            fix="Quote texts with ':' or '#', and those that begin with one of %{}[]>|*&!@`.",
        ) from error
    if not isinstance(data, dict):
        raise _wrong(source, "has no keys", allowed=", ".join(_TOP_KEYS))
    for key in data:
        if key not in _TOP_KEYS:
            raise _unknown_key(source, key, _TOP_KEYS)
    metrics = _mapping(source, data, "metrics")
    categories = _mapping(source, data, "categories")
    for category, description in categories.items():
        if not isinstance(description, str):
            raise _wrong(
                source, f"describes the category {category!r} with something else than text"
            )
    closed = _BOOLS.get(data.get("closed", "false"))
    if closed is None:
        raise _wrong(source, "has no bool in `closed`", got=data["closed"], allowed="true, false")
    return [_spec(name, body, source) for name, body in metrics.items()], categories, closed


def _plain(node: yaml.Node, source: str) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, source) for item in node.value]
    plain: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value
        if not isinstance(key, str) or key in plain:
            raise _wrong(
                source,
                f"has a key twice in line {key_node.start_mark.line + 1}"
                if isinstance(key, str)
                else f"has a key that is not text in line {key_node.start_mark.line + 1}",
                got=key if isinstance(key, str) else None,
                allowed="each key once",
            )
        plain[key] = _plain(value_node, source)
    return plain


def _mapping(source: str, data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key) or {}
    if not isinstance(value, dict):
        raise _wrong(source, f"has no names under `{key}`", allowed=f"{key}: {{name: …}}")
    return value


def _spec(name: str, body: Any, source: str) -> MetricSpec:
    if not isinstance(body, dict):
        raise _wrong(
            source, f"says nothing of the metric {name!r}", allowed="at least a description"
        )
    allowed = tuple(field for field in MetricSpec.__struct_fields__ if field != "name")
    if "name" in body:
        raise _unknown_key(source, "name", allowed, metric=name)
    if "deprecated" in body:  # of a metric of another source, that may be all there is to say
        body = {"description": "", **body}
    if isinstance(labels := body.get("labels"), dict):
        # `tier:` with nothing behind it is an open label.
        body |= {"labels": {label: {} if held == "" else held for label, held in labels.items()}}
    try:
        return msgspec.convert({"name": name, **body}, MetricSpec, strict=False)
    except msgspec.ValidationError as error:
        unknown = _UNKNOWN.search(str(error))
        if unknown is None:
            field, shape = allowed_in(str(error))
            raise _wrong(
                source,
                f"declares the metric {name!r} wrongly: {error}",
                got=body.get(field),
                allowed=shape or "at least a description",
            ) from error
        if unknown["field"]:
            allowed = _NESTED[unknown["field"]].__struct_fields__
        raise _unknown_key(source, unknown["key"], allowed, metric=name) from error


def _unknown_key(
    source: str, key: str, allowed: tuple[str, ...], *, metric: str = ""
) -> CatalogError:
    where = f" of the metric {metric!r}" if metric else ""
    close = difflib.get_close_matches(key, allowed, n=1)
    return CatalogError(
        f"{source} has a key{where} that does not exist",
        got=key,
        allowed=", ".join(sorted(allowed)),
        fix=f"Write {close[0]!r}." if close else "Remove it.",
    )


def _wrong(source: str, problem: str, *, got: object = None, allowed: str = "") -> CatalogError:
    return CatalogError(
        f"{source} {problem}", got=got, allowed=allowed, fix="See docs/how-to/own-catalogue.md."
    )
