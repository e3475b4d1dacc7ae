# SPDX-License-Identifier: Apache-2.0
"""Finding metrics by what is said of them."""

from __future__ import annotations

from collections.abc import Iterable

from tidegauge.model.spec import MetricSpec

__all__ = ["search_metrics"]


def search_metrics(
    metrics: Iterable[MetricSpec],
    text: str = "",
    *,
    prefix: str = "",
    category: str = "",
    label: str = "",
) -> tuple[MetricSpec, ...]:
    """Return the metrics that meet every condition given; all of them if none is.

    Args:
        metrics: What to search.
        text: Words that must all occur, in any order and case, in the name, the aliases or the
            description.
        prefix: What the full name, or the name without its category, begins with.
        category: The category.
        label: A label the metric declares.

    Returns:
        Best first: the text is the name or an alias, all words are in the name, all are in name
        and aliases, the rest. Equally good ones by name.
    """
    words = text.lower().split()
    found = [
        (rank, spec.name, spec)
        for spec in metrics
        if (not category or spec.category == category)
        and (not label or label in spec.labels)
        and (not prefix or spec.name.startswith(prefix) or _bare(spec).startswith(prefix))
        and (rank := _rank(spec, words)) is not None
    ]
    return tuple(spec for _, _, spec in sorted(found, key=lambda hit: hit[:2]))


def _rank(spec: MetricSpec, words: list[str]) -> int | None:
    aliases = " ".join(spec.aliases)
    if len(words) == 1 and words[0] in (spec.name, _bare(spec), *spec.aliases):
        return 0
    for rank, haystack in enumerate(
        (spec.name, f"{spec.name} {aliases}", f"{spec.name} {aliases} {spec.description.lower()}"),
        start=1,
    ):
        if all(word in haystack for word in words):
            return rank
    return None


def _bare(spec: MetricSpec) -> str:
    return spec.name.partition(":")[2]
