# SPDX-License-Identifier: Apache-2.0
"""The code of the requirements document for the convention runs as printed there."""

from __future__ import annotations

import tidegauge as tg
from tidegauge.testing import Captured, capture

NAMING = """
# Format: [category:]metric_name[.submetric]
# Examples:
"usage:reply_rate"           # Usage metric
"model:accuracy"             # Model performance metric
"pipeline:processing_time"   # Pipeline metric
"custom:user_engagement"     # Custom metric
"""

STANDARD = """
STANDARD_METRICS = {
    # Usage metrics
    "usage:reply_rate": "Rate of replies to messages",
    "usage:conversion_rate": "Conversion rate for actions",
    "usage:engagement_rate": "User engagement rate",
    
    # Model metrics
    "model:accuracy": "Model accuracy score",
    "model:f1_score": "F1 score",
    "model:latency_ms": "Inference latency in milliseconds",
    
    # Pipeline metrics
    "pipeline:data_processed": "Amount of data processed",
    "pipeline:success_rate": "Pipeline success rate",
    "pipeline:duration_seconds": "Pipeline execution time"
}
"""  # noqa: W293

LOGGING = """
# Simple metric logging
log_metric("reply_rate", 0.1523)

# With prefix
log_metric("usage:reply_rate", 0.1523)

# Batch logging
log_metrics({
    "usage:reply_rate": 0.1523,
    "usage:conversion_rate": 0.0821,
    "model:accuracy": 0.8934
})

# With metadata
log_metric_with_metadata(
    name="usage:reply_rate",
    value=0.1523,
    metadata={
        "model_version": "2.0.1",
        "experiment": "baseline_comparison",
        "timestamp": "2024-01-15T10:30:00Z"
    }
)
"""

IMPORT = "from tidegauge import log_metric, log_metrics, log_metric_with_metadata\n"


def run(block: str) -> tuple[dict[str, object], Captured]:
    """Run a block with the import before it, recording into a store of its own."""
    names: dict[str, object] = {}
    with capture() as captured:
        exec(IMPORT + block, names)
    return names, captured


def test_names_of_the_document_are_valid_and_recordable() -> None:
    """Every example name of the convention fits the grammar and can be recorded."""
    run(NAMING)
    names = [line.split('"')[1] for line in NAMING.splitlines() if line.startswith('"')]
    assert len(names) == 4
    with capture() as captured:
        for name in names:
            assert tg.validate_metric_name(name)
            tg.log_metric(name, 0.5)
    assert [fact.metric for fact in captured.facts] == names


def test_every_standard_metric_is_in_the_vocabulary_with_its_description() -> None:
    """`STANDARD_METRICS` contains the document's dictionary, word for word."""
    names, _ = run(STANDARD)
    documented = names["STANDARD_METRICS"]
    assert isinstance(documented, dict)
    assert len(documented) == 9
    assert documented.items() <= dict(tg.STANDARD_METRICS).items()


def test_logging_block_records_what_it_says() -> None:
    """Six facts, each under its full name; the last with its time, dimensions and metadata."""
    _, captured = run(LOGGING)
    assert [(fact.metric, fact.columns["value"]) for fact in captured.facts] == [
        ("usage:reply_rate", 0.1523),
        ("usage:reply_rate", 0.1523),
        ("usage:reply_rate", 0.1523),
        ("usage:conversion_rate", 0.0821),
        ("model:accuracy", 0.8934),
        ("usage:reply_rate", 0.1523),
    ]
    last = captured.facts[-1]
    assert last.labels == {"model_version": "2.0.1", "experiment": "baseline_comparison"}
    assert last.time_ns == 1_705_314_600_000_000_000
