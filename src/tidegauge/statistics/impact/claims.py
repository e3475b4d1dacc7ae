# SPDX-License-Identifier: Apache-2.0
"""What may be said of a cause, by the way in which numbers were compared."""

from __future__ import annotations

from typing import Literal

from tidegauge.statistics.estimate import Estimate

__all__ = ["Claim", "Design", "Verdict", "claim_of", "sentence_of", "shown_unit"]

Design = Literal["randomised", "paired units", "control series", "one series", "two samples"]
Claim = Literal["caused", "likely effect", "changed after", "differs", "no clear change", "unknown"]
Verdict = Literal["better", "worse", "changed", "not clear", "unknown"]

_OPENINGS = {
    "caused": "the change caused a difference in {name}",
    "likely effect": "the change likely had an effect on {name}{after}",
    "changed after": "{name} changed{after}",
    "differs": "{name} differs",
    "no clear change": "{name} shows no clear change{after}",
    "unknown": "the impact on {name}{after} is not known",
}


def claim_of(design: Design, *, has_placebos: bool, is_parallel: bool) -> Claim:
    """What may be said of a clear difference.

    Args:
        design: How it was found.
        has_placebos: Whether it is clear beside earlier dates, too.
        is_parallel: Whether the series went like its control before.
    """
    if design == "randomised":
        return "caused"
    if design == "control series" and has_placebos and is_parallel:
        return "likely effect"
    return "differs" if design == "two samples" else "changed after"


def sentence_of(
    *,
    claim: Claim,
    verdict: Verdict,
    name: str,
    unit: str,
    when: str,
    difference: Estimate,
    relative: Estimate,
    p_value: float | None,
    reason: str | None,
    concurrent: tuple[str, ...],
) -> str:
    """What was found, in sentences."""
    subject = _OPENINGS[claim].format(name=name or "the number", after=when and f" after {when}")
    if claim == "unknown":
        return f"{subject}: {reason}."
    told = f"{subject}: {_interval(difference, 1, f' {shown_unit(unit)}'.rstrip())}"
    if relative.value is not None:
        told += f", {_interval(relative, 100, ' %')}"
    sentences = [f"{told}, p = {p_value:.2g}."]
    if verdict in ("better", "worse"):
        sentences.append(f"That is {verdict}.")
    if claim in ("changed after", "differs"):
        sentences.append("What caused it, this comparison cannot tell.")
    if concurrent and claim in ("changed after", "likely effect"):
        sentences.append(f"At about the same time: {'; '.join(concurrent)}.")
    return " ".join(sentences)


def shown_unit(unit: str) -> str:
    """A unit as it is written behind a number; nothing for mere numbers, whose unit is `1`."""
    return "" if unit == "1" else unit


def _interval(estimate: Estimate, factor: float, unit: str) -> str:
    if estimate.value is None:
        return "unknown"
    text = f"{estimate.value * factor:+.4g}{unit}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({estimate.low * factor:+.4g} to {estimate.high * factor:+.4g})"
