# SPDX-License-Identifier: Apache-2.0
"""What may be said of a cause, by the way in which numbers were compared."""

from __future__ import annotations

from typing import Literal

from tidegauge.statistics.estimate import Estimate

__all__ = ["Claim", "Design", "Verdict", "claim_of", "sentence_of"]

Design = Literal["randomised", "paired units", "control series", "one series", "two samples"]
Claim = Literal["caused", "likely effect", "changed after", "differs", "no clear change", "unknown"]
Verdict = Literal["better", "worse", "changed", "not clear", "unknown"]

_WORDS = {
    "caused": "was changed by it",
    "likely effect": "changed, which is likely an effect of it",
    "changed after": "changed after it; whether because of it, this comparison cannot tell",
    "differs": "differs; why, this comparison cannot tell",
    "no clear change": "shows no clear change",
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
    subject = (name or "the number") + (f", {when}," if when else "")
    if claim == "unknown":
        return f"{subject}: the impact is not known, because {reason}."
    told = f"{subject} {_WORDS[claim]}: {_interval(difference, 1, f' {unit}'.rstrip())}"
    if relative.value is not None:
        told += f", {_interval(relative, 100, ' %')}"
    sentences = [f"{told}, p = {p_value:.2g}."]
    if verdict in ("better", "worse"):
        sentences.append(f"That is {verdict}.")
    if concurrent and claim in ("changed after", "likely effect"):
        sentences.append(f"At about the same time: {'; '.join(concurrent)}.")
    return " ".join(sentences)


def _interval(estimate: Estimate, factor: float, unit: str) -> str:
    if estimate.value is None:
        return "unknown"
    text = f"{estimate.value * factor:+.4g}{unit}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({estimate.low * factor:+.4g} to {estimate.high * factor:+.4g})"
