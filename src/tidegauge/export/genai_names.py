# SPDX-License-Identifier: Apache-2.0
"""What calls to language models are called over OTLP, by version of OpenTelemetry's conventions.

The conventions for GenAI are in development and have renamed things before. The catalogue and the
tables have the newest names; here is what older receivers and dashboards know instead. A name that
changes again is a new version here, and the old one stays.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Literal, NamedTuple, TypeVar, get_args

from tidegauge.live.families import Histograms, Labels, Numbers
from tidegauge.model.errors import ConfigError

__all__ = ["GenAiNames", "GenAiVersion"]

#: `1.28` to `1.36` had `gen_ai.system`; `1.37` has `gen_ai.provider.name`; `latest` is the
#: repository of their own that the conventions have moved to, which adds the times of streams.
GenAiVersion = Literal["1.28", "1.37", "latest"]

Family = TypeVar("Family", bound=Numbers | Histograms)

_PREFIX = "gen_ai."
_PROVIDER = "gen_ai.provider.name"
_OF_STREAMS = frozenset(
    {
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.operation.time_per_output_chunk",
    }
)
# What people call providers that the conventions have a name for.
_PROVIDERS = {
    "aws": "aws.bedrock",
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "x-ai": "x_ai",
    "xai": "x_ai",
}
_SYSTEMS = _PROVIDERS | {
    "azure": "az.ai.openai",
    "azure.ai.inference": "az.ai.inference",
    "azure.ai.openai": "az.ai.openai",
    "x-ai": "xai",
    "x_ai": "xai",
    "xai": "xai",
}


class _Names(NamedTuple):
    """One version.

    Attributes:
        attributes: Newest name to that of the version.
        providers: Name of a provider to that of the version, where they differ.
        missing: Metrics that it does not have.
    """

    attributes: dict[str, str]
    providers: dict[str, str]
    missing: frozenset[str] = frozenset()


_VERSIONS: dict[str, _Names] = {
    "1.28": _Names({_PROVIDER: "gen_ai.system"}, _SYSTEMS, _OF_STREAMS),
    "1.37": _Names({}, _PROVIDERS, _OF_STREAMS),
    "latest": _Names({}, _PROVIDERS),
}


class GenAiNames:
    """Renames families for a version.

    Args:
        version: The version.

    Raises:
        ConfigError: It is not known.
    """

    def __init__(self, version: str) -> None:
        if version not in _VERSIONS:
            raise ConfigError(
                "the version of the conventions for language models is not known",
                got=version,
                allowed=", ".join(get_args(GenAiVersion)),
                fix="Leave it out for the newest one.",
            )
        self._names = _VERSIONS[version]

    def has(self, family: Numbers | Histograms) -> bool:
        """Whether the version has a metric; those of something else it leaves alone."""
        return family.otlp_name not in self._names.missing

    def renamed(self, family: Family) -> Family:
        """The family as the version has it; one that is of something else as it is."""
        if not family.otlp_name.startswith(_PREFIX):
            return family
        renamed = [self._renamed(labels) for labels in family.labels]
        if len(set(renamed)) < len(renamed):  # a provider has two names: they stay apart
            again = [each for each, count in Counter(renamed).items() if count > 1]
            pairs = zip(family.labels, renamed, strict=True)
            renamed = [mine if new in again else new for mine, new in pairs]
        return replace(family, labels=renamed)

    def _renamed(self, labels: Labels) -> Labels:
        attributes, providers, _ = self._names
        return tuple(
            (
                attributes.get(name, name),
                providers.get(value, value) if name == _PROVIDER else value,
            )
            for name, value in labels
        )
