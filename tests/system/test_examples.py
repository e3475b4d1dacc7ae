# SPDX-License-Identifier: Apache-2.0
"""Every example runs in an empty directory and says what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

SAID = {
    "asyncio_service.py": ["version 1: 50 requests", "version 2: 50 requests"],
    "basic_logging.py": ["usage:reply_rate: 25 values", "usage:conversion_rate: 24 values"],
    "business_metrics.py": [
        "business:click_through_rate: 0.0500, 0.04",
        "usage:conversion_rate: not known, no business:visits",
        "time saved: 65 hours",
    ],
    "cloud_costs.py": [
        "28 charges of focus:AWS: 34.30000000 USD",
        "estimated savings: 29.40, 46%",
    ],
    "compare_versions.py": [
        "ranker: version 2 against 1: mixed",
        "  worse: model:latency_ms (mean) from ",
        "  better: model:f1_score (mean) from ",
        "  no evidence: business:click_through_rate (share)",
    ],
    "correlate.py": [
        "1 of 4 pairs move together",
        "model:accuracy may lead usage:conversion_rate by 2 days",
    ],
    "detect_changes.py": [
        "model:prediction_confidence went down, since about 10 days",
        "drift: True, down",
        "drawn: confidence.svg",
    ],
    "feature_tracker.py": [
        "uses: 60, 100% of them worked",
        "users: 12",
        "errors: {'UnreadableBatch': 3}, recovered: 100%",
        "│ performance  │ throughput.digits_per_s             │    60 │",
    ],
    "high_frequency.py": ["100000 values, mean 499.5", "percentiles from a histogram"],
    "impact.py": [
        "days needed on each side: ",
        "one series: ",
        "with a control: likely effect, better, -1",
        "true change inside of the interval: True",
        "recorded: 1",
    ],
    "llm_calls.py": [
        "failed: the model took too long",
        "('a-model-of-our-own', 1, 1005, 896, 220, None, 1)",
        "('gpt-4.1-mini', 2, 2006, 1792, 440, Decimal('0.00096880'), 0)",
        "('o3', 4, 3011, 1792, 480, Decimal('0.00717400'), 1)",
    ],
    "machine.py": ["CPU: ", "memory: ", "looks, ", "this process was busy: True"],
    "mlflow_registry.py": ["version 1: 0.", "version 2: 0.", "version 2 is better"],
    "model_quality.py": [
        "test set: AUC 0.783, 95 %: 0.752 to 0.810",
        "first half: 14400 rows, AUC 0.78 ± 0.001",
        "second half: 14400 rows, AUC 0.69 ± 0.002",
    ],
    "own_catalogue.py": ["allowed: de, en, fr", "search:zero_result_rate 1"],
    "ranking.py": [
        "coarse: NDCG@10 0.838 (0.800 to 0.877)",
        "fine is better by 0.042 (0.015 to 0.068)",
        "four parts, merged: 0.880",
        "recorded of fine: 0.880",
    ],
    "training_pipeline.py": ["{'load': 1, 'train': 1}"],
}

#: Those that run until they are stopped, each tested elsewhere.
SERVICES = {"fastapi_service.py"}


def test_every_example_has_a_test() -> None:
    """A new example is run like the others."""
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*SAID, *SERVICES}


@pytest.mark.system
@pytest.mark.parametrize("name", SAID)
def test_an_example_does_what_it_promises(name: str, run_program: Any, tmp_path: Path) -> None:
    """It ends well, without a warning of ours, and prints the lines its reader looks for."""
    done = run_program(EXAMPLES / name, tmp_path, production=True, timeout_s=110)
    assert done.returncode == 0, done.stderr
    assert "tidegauge" not in done.stderr
    for line in SAID[name]:
        assert line in done.stdout
