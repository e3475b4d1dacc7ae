# SPDX-License-Identifier: Apache-2.0
"""Calls to language models have the names of OpenTelemetry's conventions, of the version wanted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

import tidegauge as tg
from tidegauge.config import live_reading
from tidegauge.export.genai_names import GenAiNames
from tidegauge.export.otlp_metrics import Converter, about
from tidegauge.live.families import Reading
from tidegauge.model.errors import ConfigError
from tidegauge.testing import capture


@pytest.fixture(scope="module")
def reading() -> Iterator[Reading]:
    """One streamed call to a model of Google's, and one that failed."""
    with capture(strict=True):
        with tg.track_llm(provider="google", model="gemini-2.5-flash") as call:
            usage = {"promptTokenCount": 30, "candidatesTokenCount": 10, "thoughtsTokenCount": 5}
            stop = {"content": {"parts": [{"text": "noon"}]}, "finishReason": "STOP"}
            part = {"content": {"parts": [{"text": "at "}]}}
            list(
                call.stream(
                    iter([{"candidates": [part]}, {"candidates": [stop], "usageMetadata": usage}])
                )
            )
        with (
            pytest.raises(TimeoutError),
            tg.track_llm(provider="azure", model="gpt-4o", operation="chat"),
        ):
            raise TimeoutError
        yield live_reading()


def sent(reading: Reading, version: str) -> dict[str, list[dict[str, Any]]]:
    """Attributes of each point, by metric, as they are on the wire."""
    converter = Converter(
        about({}),
        temporality="cumulative",
        histograms="explicit",
        max_points=1000,
        genai=GenAiNames(version),
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for data, _ in converter.batches(reading):
        for metric in encode_metrics(data).resource_metrics[0].scope_metrics[0].metrics:
            if metric.name.startswith("gen_ai."):
                found[metric.name] = [
                    {each.key: each.value.string_value for each in point.attributes}
                    for point in metric.histogram.data_points
                ]
    return found


def test_the_newest_names_are_those_of_the_conventions(reading: Reading) -> None:
    """Metrics and attributes are those that OpenTelemetry's own package has."""
    found = sent(reading, "latest")
    theirs = {
        value for name, value in vars(gen_ai_metrics).items() if name.startswith("GEN_AI_CLIENT_")
    }
    # Of OpenTelemetry's older packages, which have not all of them.
    assert theirs <= set(found)
    assert set(found) == {
        "gen_ai.client.token.usage",
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.operation.time_per_output_chunk",
    }
    common = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gen_ai",
        "gen_ai.request.model": "gemini-2.5-flash",
    }
    assert found["gen_ai.client.token.usage"] == [
        {**common, "gen_ai.token.type": "input"},
        {**common, "gen_ai.token.type": "output"},
    ]
    failed = found["gen_ai.client.operation.duration"][1]
    assert (failed["error.type"], failed["gen_ai.provider.name"]) == (
        "TimeoutError",
        "azure.ai.openai",
    )


def test_older_versions_have_older_names(reading: Reading) -> None:
    """`gen_ai.system` was what `gen_ai.provider.name` is, and nobody measured streams."""
    for version, attribute, azure in (
        ("1.37", "gen_ai.provider.name", "azure.ai.openai"),
        ("1.28", "gen_ai.system", "az.ai.openai"),
    ):
        found = sent(reading, version)
        assert set(found) == {"gen_ai.client.token.usage", "gen_ai.client.operation.duration"}
        systems = [point[attribute] for point in found["gen_ai.client.operation.duration"]]
        assert systems == ["gcp.gen_ai", azure]


def test_a_version_that_is_not_known() -> None:
    """The error lists those that are."""
    with pytest.raises(ConfigError, match=r"allowed: 1\.28, 1\.37, latest"):
        GenAiNames("2.0")
