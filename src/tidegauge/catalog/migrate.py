# SPDX-License-Identifier: Apache-2.0
"""From the names people had before to names of the convention.

There is no table here. What a legacy name means is found out from the catalogue: its names and
aliases, the names its metrics have in other systems, and its categories.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegauge.catalog.grammar import fix_metric_name, match_metric_name, validate_metric_name
from tidegauge.catalog.load import builtin_catalog
from tidegauge.catalog.registry import Catalog
from tidegauge.model.spec import MetricSpec

__all__ = ["migrate_metric_name"]


def migrate_metric_name(legacy: str, *, catalog: Catalog | None = None) -> str:
    """Return the full name that a legacy name should be replaced by.

    A full name that fits the convention and whose category exists is what the catalogue resolves it
    to. Anything else is looked for in this order, lower-cased, with camel case split, and with
    its separators read as `_`:

    1. a name or alias of a declared metric (`f1`, `Reply Rate`, `val/loss`, `model/accuracy`);
    2. a name that another system has for a declared metric (`ml_model_inference_seconds`,
       `usage_reply_rate`);
    3. a category in front of a name or alias in it (`model_f1`);
    4. the word `metric` in front of a name or alias (`metric:reply_rate`);
    5. a declared metric with something after it, which becomes a submetric (`ndcg@10` is
       `model:ndcg.at_10`).

    What is not found is made to fit the grammar: the part before the first separator is the
    category if there is such a category, else the whole is put into `custom`. The result of a
    migration migrates to itself.

    Only the name is migrated. Whether the values are in the unit of the metric (seconds where the
    program had milliseconds?) has to be looked at by a person.

    Args:
        legacy: Any text.
        catalog: Where to look; None is the built-in vocabulary.

    Raises:
        MetricValidationError: The name cannot be fixed or is ambiguous (reason `bad_name`), or
            nothing is found and the catalogue is closed (`unknown_metric`).

    Example:
        >>> migrate_metric_name("Reply Rate"), migrate_metric_name("val/loss")
        ('usage:reply_rate', 'model:val_loss')
    """
    catalog = builtin_catalog() if catalog is None else catalog
    match = match_metric_name(legacy)
    if match is not None and match["category"] in catalog.categories:
        return catalog.canonical(legacy)
    spellings = list(dict.fromkeys(_spellings(legacy, catalog)))
    for find in (_own, _abroad, _within, _labelled, _submetric):
        for spelling in spellings:
            found = find(spelling, catalog)
            if found is not None:
                return found
    fixed = spellings[-1]
    head, dot, rest = fixed.partition(".")
    return catalog.canonical(f"{head}:{rest}" if dot and head in catalog.categories else fixed)


def _spellings(legacy: str, catalog: Catalog) -> Iterator[str]:
    lower, snake = (
        fix_metric_name(legacy, categories=catalog.categories, split_camel=split_camel)
        for split_camel in (False, True)
    )
    for name in (lower, snake):
        yield name.replace(":", "_").replace(".", "_")
    yield lower
    yield snake


def _own(name: str, catalog: Catalog) -> str | None:
    return _name_of(catalog.declared(name))


def _abroad(name: str, catalog: Catalog) -> str | None:
    return _name_of(catalog.known_abroad_as(name))


def _within(name: str, catalog: Catalog) -> str | None:
    if ":" in name:
        return None
    for category in catalog.categories:
        rest = name.removeprefix(category)[1:]
        if name.startswith((f"{category}_", f"{category}.")) and validate_metric_name(rest):
            found = catalog.declared(f"{category}:{rest}")
            if found is not None:
                return found.name
    return None


def _labelled(name: str, catalog: Catalog) -> str | None:
    rest = name.removeprefix("metric.")
    if rest == name:
        return None
    return _own(rest, catalog) or _within(rest, catalog)


def _submetric(name: str, catalog: Catalog) -> str | None:
    head, dot, rest = name.partition(".")
    if not dot or ":" in name:
        return None
    found = catalog.declared(head)
    if found is None or head in found.aliases:
        return None
    return catalog.canonical(f"{found.name}.{rest}")


def _name_of(spec: MetricSpec | None) -> str | None:
    return None if spec is None else spec.name
